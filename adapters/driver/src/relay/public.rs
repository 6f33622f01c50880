//! The public leg: one client connection, request after request.

use std::future::{Future as _, poll_fn};
use std::net::{IpAddr, SocketAddr};
use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use telephone_core::connections::Activity;
use telephone_core::forward::{Observed, Scheme, Stamp};
use telephone_core::http1::{Closing, Interims, RequestOrigin, Server, ServerEvent};
use telephone_core::message::RequestHead;
use telephone_core::site::SiteUrl;
use telephone_core::time::Timestamp;
use telephone_core::wire::Profile;

use super::connections::Permit;
use super::login::Login;
use super::rooms::Visit;
use super::{Inner, account, exchange, tunnel};
use crate::alarm::Alarm;
use crate::connection::Connection;
use crate::flag::Raised;
use crate::runtime::Runtime;
use crate::socket::Socket as _;

/// A request whose head is in.
pub(super) struct Request {
    /// With the target in canonical form, by which the relay decides.
    pub(super) head: RequestHead,
    /// The target as the application gets it.
    pub(super) sent: Bytes,
    pub(super) end: bool,
    pub(super) origin: RequestOrigin,
    /// When it came.
    pub(super) at: Timestamp,
    /// Whether its client asked for [timing](telephone_core::timing).
    pub(super) is_timed: bool,
    /// The room that it goes to; if none, its host and path decide.
    pub(super) visit: Option<Visit>,
}

/// A telephone's connection.
pub(super) struct Upgraded<R: Runtime> {
    pub(super) connection: Connection<R::Socket>,
    /// The profile that was chosen.
    pub(super) profile: Profile,
    /// The address that its upgrade came from, behind a trusted proxy too.
    pub(super) client: IpAddr,
    /// Where it found the plugboard.
    pub(super) site: Option<SiteUrl>,
    pub(super) permit: Permit<R>,
}

/// A client's connection between and during its exchanges.
pub(super) struct Client<R: Runtime> {
    pub(super) connection: Connection<R::Socket>,
    pub(super) server: Server,
    pub(super) peer: SocketAddr,
    pub(super) stamp: Stamp,
    pub(super) alarm: Alarm<R>,
    /// Its place among all connections. Behind the socket, which is to be closed before.
    pub(super) permit: Permit<R>,
    /// What the table of connections knows of it.
    activity: Activity,
    /// It is a proxy's, which says for whom it asks.
    is_trusted: bool,
    pub(super) login: Login,
    /// A request has come on it.
    has_asked: bool,
    /// Whom it wakes when the relay is about to leave.
    listening: Option<Waker>,
    /// It knows that the relay is about to leave.
    has_heard: bool,
}

/// Serves a connection to its end, or until a telephone has upgraded it: that is given back, with the 101 written.
pub(super) async fn serve<R: Runtime>(
    relay: &Arc<Inner<R>>,
    connection: Connection<R::Socket>,
    peer: SocketAddr,
    permit: Permit<R>,
) -> Option<Upgraded<R>> {
    let is_trusted = (relay.config.trust)(peer.ip().to_canonical());
    let interims = Interims::towards(is_trusted, relay.config.early_hints);
    let server = Server::new(relay.config.http.clone(), relay.runtime.now())
        .with_interims(interims)
        .with_trace_start(exchange::trace_start());
    let alarm = Alarm::new(relay.runtime.clone());
    let observed = Observed { peer: peer.ip().into(), scheme: Scheme::Http, is_trusted };
    let mut client = Client {
        connection,
        server,
        peer,
        stamp: Stamp::new(observed),
        alarm,
        permit,
        activity: Activity::Waiting,
        is_trusted,
        login: Login::on(relay.clients.fetch_add(1, Ordering::Relaxed), is_trusted),
        has_asked: false,
        listening: None,
        has_heard: false,
    };
    let mut news = relay.draining.raised();
    while let Some(mut request) = client.next_request(relay, &mut news).await {
        if tunnel::is_for_telephones(&relay.config, &request.head) {
            match tunnel::upgrade(&mut client, &request.head) {
                Ok(profile) => {
                    let stamped = client.stamp.put(&mut request.head.headers, relay.config.trusted());
                    let site = SiteUrl::dialled(&request.head.headers);
                    return client.flush(relay, profile, (stamped.client, site)).await;
                }
                Err(refused) => exchange::refuse_upgrade(relay, &mut client, &mut request, refused),
            }
        } else if exchange::serve(relay, &mut client, &mut request).await.is_break() {
            break;
        }
    }
    None
}

impl<R: Runtime> Client<R> {
    /// Writes what waits and gives the connection to a telephone's link, or `None` if it is over.
    async fn flush(
        mut self,
        relay: &Inner<R>,
        profile: Profile,
        (client, site): (IpAddr, Option<SiteUrl>),
    ) -> Option<Upgraded<R>> {
        let now = relay.runtime.now();
        // Until its hello is good it is one that waits.
        self.set_client(relay, client, now);
        self.permit.set(Activity::Waiting, now);
        let flushed = poll_fn(|cx| {
            if self.permit.poll_closing(cx).is_ready() {
                return Poll::Ready(false);
            }
            match self.connection.poll_drain(self.server.output(), relay.runtime.now(), cx) {
                Poll::Ready(drained) => Poll::Ready(drained.is_ok()),
                Poll::Pending => self.poll_stalled(relay, cx).map(|_over| false),
            }
        });
        let is_open = flushed.await;
        is_open.then_some(Upgraded {
            connection: self.connection,
            profile,
            client,
            site,
            permit: self.permit,
        })
    }

    /// What has come is a request.
    fn begin(&mut self, now: Timestamp) {
        (self.has_asked, self.activity) = (true, Activity::Exchange);
        // What a trusted proxy's is used for is known with the client.
        if !self.is_trusted {
            self.permit.set(Activity::Exchange, now);
        }
    }

    /// Counts a trusted proxy's connection for the client that its request names: nobody's if that is a trusted proxy itself.
    pub(super) fn set_client(&self, relay: &Inner<R>, client: IpAddr, now: Timestamp) {
        if self.is_trusted {
            let is_proxy = (relay.config.trust)(client);
            self.permit.set_client(if is_proxy { None } else { relay.counted_block(client) }, now);
        }
    }

    /// The next request, or `None` when the connection is over. Writes what waits to be written first.
    async fn next_request<'a>(&mut self, relay: &'a Inner<R>, news: &mut Raised<'a>) -> Option<Request> {
        poll_fn(|cx| {
            self.listen(relay, news, cx);
            let now = relay.runtime.now();
            if self.permit.is_closing() && !self.stays(now, cx) && !self.is_turned_away(now, cx) {
                // An answer that is written whole may still be on its way; one that is not must not look complete.
                if !self.has_asked || !self.server.output().is_empty() {
                    self.connection.socket.reset_on_drop();
                }
                return Poll::Ready(None);
            }
            self.poll_request(relay, cx)
        })
        .await
    }

    /// Whether a kept connection that is to be closed stays for one more request: it has come already, and its client could not
    /// know.
    fn stays(&mut self, now: Timestamp, cx: &mut Context<'_>) -> bool {
        let is_kept = self.has_asked && self.server.is_idle() && self.connection.input.is_empty();
        let stays = is_kept
            && matches!(self.connection.poll_fill(cx), Poll::Ready(Ok(1..)))
            && self.permit.ask_to_stay(now);
        if stays {
            self.activity = Activity::Exchange;
            self.server.announce_close();
        }
        stays
    }

    /// Whether the connection is closed for its slowness, and the client gets its refusal: if it takes that at once.
    fn is_turned_away(&mut self, now: Timestamp, cx: &mut Context<'_>) -> bool {
        let is_closing = matches!(self.server.closing(), Closing::AfterOutput | Closing::Lingering);
        is_closing && self.permit.is_slow() && self.poll_write(now, cx).is_ready()
    }

    /// Has the task wake when the connection is to be closed. Has the client's answers say that the relay is about to leave,
    /// once it is, and then the task wake when the relay listens no more.
    fn listen<'a>(&mut self, relay: &'a Inner<R>, news: &mut Raised<'a>, cx: &mut Context<'_>) {
        // Who is woken anyhow need not ask again.
        let is_woken = self.listening.as_ref().is_some_and(|waker| waker.will_wake(cx.waker()));
        if is_woken && !news.is_over() {
            return;
        }
        // Whoever calls looks whether it is.
        let _ = self.permit.poll_closing(cx);
        if Pin::new(&mut *news).poll(cx).is_ready() && !self.has_heard {
            self.has_heard = true;
            self.server.announce_close();
            *news = relay.closing.raised();
            // Not if it is raised already: whoever asks for the next request looks.
            let _ = Pin::new(news).poll(cx);
        }
        self.listening = Some(cx.waker().clone());
    }

    fn poll_request(&mut self, relay: &Inner<R>, cx: &mut Context<'_>) -> Poll<Option<Request>> {
        let mut now = relay.runtime.now();
        loop {
            match self.poll_write(now, cx) {
                Poll::Ready(ControlFlow::Continue(())) => {}
                Poll::Ready(ControlFlow::Break(())) => return Poll::Ready(None),
                Poll::Pending => return self.poll_stalled(relay, cx),
            }
            match self.server.poll_event(&mut self.connection.input, now) {
                Some(ServerEvent::Request { head, end, origin }) => {
                    self.begin(now);
                    return Poll::Ready(Some(Request {
                        head,
                        sent: self.server.sent_target().clone(),
                        end,
                        origin,
                        at: now,
                        is_timed: false,
                        visit: None,
                    }));
                }
                // The answer is in the output, or there is nobody to give one to.
                Some(ServerEvent::Refused(error)) => {
                    account::report_refused(relay, self, error);
                    continue;
                }
                Some(
                    ServerEvent::Aborted(_)
                    | ServerEvent::Body(_)
                    | ServerEvent::End(_)
                    | ServerEvent::Opaque(_)
                    | ServerEvent::OpaqueEnd,
                ) => continue,
                None => {}
            }
            match self.server.closing() {
                Closing::Open | Closing::Lingering if self.server.output().is_empty() => {}
                // What was read has changed what is to be written or closed.
                _ => continue,
            }
            if self.activity == Activity::Exchange {
                self.activity = Activity::Idle;
                self.permit.set(Activity::Idle, now);
            }
            if self.alarm.poll(self.server.poll_timeout(), now, cx) {
                now = relay.runtime.now();
                self.server.handle_timeout(now);
                continue;
            }
            if !self.server.wants_read() {
                return Poll::Pending;
            }
            match self.connection.poll_fill(cx) {
                // A kept connection on which nothing came while the relay said that it leaves is closed with little risk
                // of a loss. A fresh one is not: its first request is on its way.
                Poll::Pending if relay.closing.is_raised() && self.has_asked && self.server.is_idle() => {
                    return Poll::Ready(None);
                }
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(0)) => self.server.handle_eof(),
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(_)) => return Poll::Ready(None),
            }
        }
    }

    /// Waits for a client that does not take its answer, for as long as it may.
    fn poll_stalled(&mut self, relay: &Inner<R>, cx: &mut Context<'_>) -> Poll<Option<Request>> {
        let now = relay.runtime.now();
        let since = self.connection.blocked_since.unwrap_or(now);
        if self.alarm.poll(Some(since + relay.config.http.send_timeout), now, cx) {
            self.connection.socket.reset_on_drop();
            return Poll::Ready(None);
        }
        Poll::Pending
    }

    /// Writes what waits and closes what is to be closed; breaks when the connection is over.
    fn poll_write(&mut self, now: Timestamp, cx: &mut Context<'_>) -> Poll<ControlFlow<()>> {
        loop {
            if self.server.closing() == Closing::Reset {
                self.connection.socket.reset_on_drop();
                return Poll::Ready(ControlFlow::Break(()));
            }
            if !self.server.output().is_empty() {
                let drained = ready!(self.connection.poll_drain(self.server.output(), now, cx));
                if drained.is_err() {
                    return Poll::Ready(ControlFlow::Break(()));
                }
            }
            match self.server.closing() {
                Closing::Open | Closing::Lingering => return Poll::Ready(ControlFlow::Continue(())),
                Closing::Finished | Closing::Reset => return Poll::Ready(ControlFlow::Break(())),
                Closing::AfterOutput => {
                    if ready!(self.connection.poll_shutdown(cx)).is_err() {
                        return Poll::Ready(ControlFlow::Break(()));
                    }
                    self.server.handle_shutdown(now);
                }
            }
        }
    }
}
