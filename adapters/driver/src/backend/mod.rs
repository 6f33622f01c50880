//! The backend leg: from a stream that the relay opened to an HTTP/1.1 connection of the application.

mod bound;
mod check;
mod codec;
mod connector;
mod pool;
mod report;
mod url;
mod watch;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use telephone_core::error::{Reset, ResetCode, Touched};
use telephone_core::forward::Scheme;
use telephone_core::limits::{BackendLimits, HttpLimits};
use telephone_core::log_limit::{Due, LineKind, LineSource};
use telephone_core::message::{Headers, RequestHead, ResponseHead};
use telephone_core::mount::Mount;
use telephone_core::retry::may_move;
use telephone_core::rewrite::{Names, Prefix};
use telephone_core::target;
use telephone_core::time::Timestamp;

use crate::log::Log;
use crate::pump::{Ended, Pump};
use crate::runtime::Runtime;
use crate::shared::Owner;
use crate::socket::Socket as _;
use crate::stream::StreamHandle;
use bound::BoundConnections;
use codec::{BackendCodec, BackendLoss};
pub use connector::{BackendConnector, BackendTrust};
use pool::Pool;
pub(crate) use pool::connect_for;
pub use url::{BackendUrl, BadBackendUrl};
pub(crate) use watch::{HealthProbe, Watch};

/// Serves the streams that a relay opens.
pub(crate) trait Leg: Send + Sync + 'static {
    /// Serves one HTTP exchange that came for `mount`. Dropping the stream gives its slot back.
    fn serve(
        &self,
        mount: &Bytes,
        head: RequestHead,
        stream: StreamHandle,
    ) -> impl Future<Output = ()> + Send;
}

/// Serves no requests.
pub(crate) struct NoLeg;

impl Leg for NoLeg {
    async fn serve(&self, _mount: &Bytes, _head: RequestHead, stream: StreamHandle) {
        stream.reset(ResetCode::Refused, Touched::No);
    }
}

/// Logs that this process lacks descriptors, which is not the application's fault.
pub(crate) fn report_shortage(log: &Log, now: Timestamp, code: ResetCode) {
    if code == ResetCode::Exhausted
        && let Some(Due { suppressed, .. }) = log.line(LineKind::DescriptorsShort, LineSource::Process, now)
    {
        let what = "no descriptor is left for a connection to the backend; raise the limit of open files, or lower --streams";
        tracing::warn!(suppressed, "{what}");
    }
}

/// How requests are changed on their way to the backend.
#[derive(Debug, Clone)]
pub(crate) struct Rewrite {
    /// What the backend sees as `Host`; as sent if there is none.
    pub(crate) host: Option<Bytes>,
    /// Of the backend's own URLs.
    pub(crate) scheme: Scheme,
    /// Whether the backend sees the path without the mount.
    pub(crate) strip_prefix: bool,
}

impl Default for Rewrite {
    fn default() -> Self {
        Self { host: None, scheme: Scheme::Http, strip_prefix: false }
    }
}

/// What becomes of a request.
pub(crate) enum Rewritten {
    /// It is sent to the backend so. With a prefix the heads of its answer are [changed](Prefix::rewrite_response).
    Passed(RequestHead, Option<Prefix>),
    /// It is answered here.
    Answered(ResponseHead),
}

/// A backend and the connections to it.
pub(crate) struct Backend<R: Runtime> {
    runtime: R,
    pool: Pool<R>,
    bound: BoundConnections<R>,
    rewrite: Rewrite,
    limits: BackendLimits,
    log: Arc<Log>,
}

impl<R: Runtime> Backend<R> {
    pub(crate) fn new(
        (runtime, log): (R, Arc<Log>),
        (connector, watch): (Arc<BackendConnector<R>>, Arc<Watch>),
        rewrite: Rewrite,
        limits: BackendLimits,
    ) -> Self {
        let pool = Pool::new(runtime.clone(), (connector, watch), limits.clone(), HttpLimits::default());
        let bound = BoundConnections::new(runtime.clone(), &limits);
        Self { runtime, pool, bound, rewrite, limits, log }
    }

    /// A line of the log that a request causes, if it is to be written.
    fn log(&self, kind: LineKind) -> Option<Due> {
        self.log.line(kind, LineSource::Process, self.runtime.now())
    }

    fn fail(&self, stream: &StreamHandle, code: ResetCode, touched: Touched) {
        tracing::debug!(?code, ?touched, "the backend failed a request");
        stream.reset(code, touched);
    }

    /// On a kept connection if there is one: where a login runs, on that of the client. Another upgrade gets one of its own:
    /// it may not be repeated if the kept one turns out to be closed, and keeps what it gets.
    async fn attempt(&self, request: &Request, end: bool, stream: &StreamHandle) -> Outcome {
        let kept = match stream.owner {
            Some(owner) => self.bound.take(owner),
            None if request.head.upgrade.is_none() => self.pool.take(may_move(&request.head, end)),
            None => None,
        };
        match kept {
            Some(kept) => self.exchange(kept, request, end, stream, true).await,
            None => self.attempt_fresh(request, end, stream).await,
        }
    }

    /// On a new connection. Boxed, for most requests find a kept one, and the tasks of all would be as large as this.
    fn attempt_fresh<'a>(
        &'a self,
        request: &'a Request,
        end: bool,
        stream: &'a StreamHandle,
    ) -> Pin<Box<dyn Future<Output = Outcome> + Send + 'a>> {
        Box::pin(self.connect_and_exchange(request, end, stream))
    }

    async fn connect_and_exchange(&self, request: &Request, end: bool, stream: &StreamHandle) -> Outcome {
        let connected = match self.pool.connect(stream).await {
            // A request needs the descriptor more than a login that waits for one.
            Err(ResetCode::Exhausted) if self.bound.close_idle() => self.pool.connect(stream).await,
            connected => connected,
        };
        match connected {
            Ok(fresh) => self.exchange(fresh, request, end, stream, false).await,
            Err(code) => {
                report_shortage(&self.log, self.runtime.now(), code);
                Outcome::Failed(Reset { code, touched: Touched::No })
            }
        }
    }

    /// Keeps a connection whose exchange is complete for the next request. One on which a login runs is nobody else's.
    fn keep(&self, kept: Box<pool::Kept<R>>, owner: Option<Owner>) {
        match owner {
            Some(owner) => self.bound.put(owner, kept),
            None if !kept.client.has_login() => self.pool.put(kept),
            None => {
                if let Some(Due { suppressed, .. }) = self.log(LineKind::LoginUnbound) {
                    let what = "a login that belongs to a connection (NTLM, Negotiate) ends with its answer: the plugboard does not tell whose connection it is, as behind a proxy that carries many clients";
                    tracing::warn!(suppressed, "{what}");
                }
            }
        }
    }

    async fn exchange(
        &self,
        mut kept: Box<pool::Kept<R>>,
        request: &Request,
        end: bool,
        stream: &StreamHandle,
        is_reused: bool,
    ) -> Outcome {
        let mut codec = BackendCodec::new(&mut kept.client, &self.limits, self.runtime.now());
        codec.prefix = request.prefix.as_ref();
        if let Err(error) = codec.request(&request.head, end) {
            if let Some(Due { suppressed, .. }) = self.log(LineKind::RequestUnsendable) {
                tracing::warn!(%error, suppressed, "a request cannot be written to the backend");
            }
            return Outcome::Failed(Reset { code: ResetCode::BackendFailed, touched: Touched::No });
        }
        let socket = (&mut kept.connection, &mut kept.alarm);
        let mut pump = Pump::new(&self.runtime, socket, &mut codec, stream, false);
        let ended = pump.run().await;
        self.report_oddity(kept.client.oddity(), &request.head);
        match ended {
            Ended::Complete => {
                self.keep(kept, stream.owner);
                Outcome::Done
            }
            Ended::Lost(loss) if loss == BackendLoss::NoResponse && is_reused => Outcome::Stale,
            Ended::Lost(loss) => {
                self.report_loss(loss, kept.client.offence(), &request.head);
                if loss == BackendLoss::TimedOut {
                    kept.connection.socket.reset_on_drop();
                }
                Outcome::Failed(Reset { code: loss.code(), touched: Touched::Yes })
            }
            // The client left: the backend must not take what it has for a whole request.
            Ended::Reset(reset) | Ended::Stopped(reset) => {
                kept.connection.socket.reset_on_drop();
                Outcome::Failed(Reset { touched: Touched::Yes, ..reset })
            }
        }
    }
}

impl<R: Runtime> Leg for Backend<R> {
    // The stream goes out of scope last: its slot returns when the connection is closed or clean again.
    async fn serve(&self, mount: &Bytes, head: RequestHead, stream: StreamHandle) {
        let (head, prefix) = match self.rewrite.apply(mount, head) {
            Rewritten::Passed(head, prefix) => (head, prefix),
            Rewritten::Answered(head) => return respond(head, &stream),
        };
        let request = Request { head, prefix };
        let head = &request.head;
        // An upgrade's direction stays open for what comes behind the 101; its request may have a body of declared length.
        let has_body = head.length.is_some_and(|length| length > 0);
        let end = stream.is_at_end() || (head.upgrade.is_some() && !has_body);
        let may_repeat = head.upgrade.is_none() && may_move(head, end);
        let outcome = match self.attempt(&request, end, &stream).await {
            Outcome::Stale if may_repeat => self.attempt_fresh(&request, end, &stream).await,
            other => other,
        };
        match outcome {
            Outcome::Done => {}
            Outcome::Stale => self.fail(&stream, ResetCode::BackendFailed, Touched::Yes),
            Outcome::Failed(reset) => self.fail(&stream, reset.code, reset.touched),
        }
    }
}

/// How one attempt ended.
enum Outcome {
    Done,
    /// A kept connection was closed before a single octet of an answer came.
    Stale,
    Failed(Reset),
}

/// A request as the backend gets it, and what is changed in its answer.
struct Request {
    head: RequestHead,
    prefix: Option<Prefix>,
}

/// Answers a request that reaches no backend.
pub(crate) fn respond(head: ResponseHead, stream: &StreamHandle) {
    // Every field is ours and sound.
    let _ = stream.respond(head, true);
}

impl Rewrite {
    pub(crate) fn apply(&self, mount: &Bytes, mut head: RequestHead) -> Rewritten {
        let mount =
            self.strip_prefix.then(|| std::str::from_utf8(mount).ok()?.parse::<Mount>().ok()).flatten();
        let path = mount.as_ref().and_then(Mount::path).filter(|path| !path.is_empty());
        let target = path.and_then(|path| stripped(&head.target, path));
        if self.host.is_none() && target.is_none() {
            return Rewritten::Passed(head, None);
        }
        let names = Names::of(&head.headers, self.scheme, self.host.as_ref());
        let Some((path, target)) = path.zip(target) else {
            names.rewrite_request(&mut head.headers);
            return Rewritten::Passed(head, None);
        };
        let prefix = Prefix::new(path, (&head.target, &target), names);
        if let Some(location) = prefix.redirect(&head) {
            return Rewritten::Answered(answer(TEMPORARY_REDIRECT, &[("Location", &location)]));
        }
        if let Err(outside) = prefix.rewrite_request(&mut head.headers) {
            tracing::debug!("{outside}");
            return Rewritten::Answered(answer(BAD_GATEWAY, &[]));
        }
        if self.host.is_some() {
            prefix.names().rewrite_request(&mut head.headers);
        }
        head.target = target;
        head.headers.set("X-Forwarded-Prefix", Bytes::copy_from_slice(path.as_bytes()));
        Rewritten::Passed(head, Some(prefix))
    }
}

/// Keeps the method, and is not kept by browsers: what serves the mount next may see it whole (RFC 9110 §15.4.8).
const TEMPORARY_REDIRECT: u16 = 307;
/// What a `Destination` that this server does not serve is answered with (RFC 4918 §9.8.5).
const BAD_GATEWAY: u16 = 502;

fn answer(status: u16, fields: &[(&str, &[u8])]) -> ResponseHead {
    let headers: Headers = fields.iter().copied().collect();
    ResponseHead { status, reason: Bytes::new(), headers, length: Some(0), upgrade: None }
}

/// `target` without the mount's path, the rest as it was sent, beginning with one slash again: two would name a host to many
/// a backend, as they do to the canonical form (RFC 3986 §4.2), and a backslash behind one as well. `None` if nothing is to be
/// cut.
fn stripped(target: &Bytes, path: &str) -> Option<Bytes> {
    let rest = target::behind(target, path.as_bytes())?;
    let slashes = rest.iter().take_while(|octet| matches!(octet, b'/' | b'\\')).count();
    let (slashes, behind) = rest.split_at(slashes);
    if slashes.ends_with(b"/") {
        return rest.get(slashes.len() - 1..).map(|path| target.slice_ref(path));
    }
    let mut whole = BytesMut::with_capacity(behind.len() + 1);
    whole.extend_from_slice(b"/");
    whole.extend_from_slice(behind);
    Some(whole.freeze())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(target: &'static str, path: &str) -> Option<String> {
        stripped(&Bytes::from_static(target.as_bytes()), path)
            .map(|cut| String::from_utf8(cut.to_vec()).unwrap())
    }

    #[test]
    fn a_stripped_target_begins_with_one_slash() {
        assert_eq!(cut("/api/x?y", "/api").as_deref(), Some("/x?y"));
        assert_eq!(cut("/api", "/api").as_deref(), Some("/"));
        assert_eq!(cut("/api?y", "/api").as_deref(), Some("/?y"));
        assert_eq!(cut("/api///other/x", "/api").as_deref(), Some("/other/x"));
    }

    #[test]
    fn a_stripped_target_never_names_a_host() {
        assert_eq!(cut("/api//evil.example/x", "/api").as_deref(), Some("/evil.example/x"));
        assert_eq!(cut("/api///", "/api").as_deref(), Some("/"));
    }

    #[test]
    fn a_stripped_target_begins_with_no_backslash_either() {
        assert_eq!(cut("/api/\\evil.example/x", "/api").as_deref(), Some("/evil.example/x"));
        assert_eq!(cut("/api/\\/x\\y", "/api").as_deref(), Some("/x\\y"));
    }

    #[test]
    fn what_is_behind_the_mount_stays_as_it_was_sent() {
        for (target, path, expected) in [
            ("/%61p%69/x%2fy%7e?%7e", "/api", "/x%2fy%7e?%7e"),
            ("/api/|{\u{fc}}?\"", "/api", "/|{\u{fc}}?\""),
            ("/caf\u{e9}/x", "/caf%C3%A9", "/x"),
            ("/caf%c3%a9", "/caf%C3%A9", "/"),
            ("/%7eann/%7e", "/~ann", "/%7e"),
        ] {
            assert_eq!(cut(target, path).as_deref(), Some(expected), "{target}");
        }
    }

    #[test]
    fn a_longer_segment_is_not_cut() {
        for target in ["/apiary", "/api%2Fx", "/api;x", "/ap", "//api/x", "/api%", "/api\\x"] {
            assert_eq!(cut(target, "/api"), None, "{target}");
        }
    }
}
