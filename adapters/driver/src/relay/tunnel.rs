//! The tunnel leg: a telephone's link from its upgrade to the end of its session.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::SystemTime;

use async_tungstenite::tungstenite::handshake::derive_accept_key;
use bytes::Bytes;
use futures_lite::future;
use telephone_core::error::{CloseReason, LeaveCode, ResetCode, Touched};
use telephone_core::handshake::{self, Reception};
use telephone_core::message::{Headers, RequestHead, ResponseHead};
use telephone_core::mount::Mount;
use telephone_core::recording::Recorded;
use telephone_core::router::{Identity, Registration, ResumeSecret, SessionKey};
use telephone_core::session::{CannotResume, Event, LinkId, Role, SessionConfig};
use telephone_core::target;
use telephone_core::time::as_millis;
use telephone_core::wire::{Hello, Opening, Profile, Refused, RefusedCode, Setting, Settings, Welcome};

use super::answer::Refused as Unfit;
use super::codec::WEB_SOCKET;
use super::ports::PortError;
use super::public::{Client, Upgraded};
use super::registry::{Renewed, parsed};
use super::report::SessionReport;
use super::{Inner, RelayConfig, ports, raw, renewal, report, rooms, spread};
use crate::authority::{AuthError, Grant};
use crate::link::{self, CloseCode, Link};
use crate::runtime::Runtime;
use crate::shared::{Clock, Ending, SharedSession};
use crate::socket::Socket as _;

/// When to come back with a token that only has to become good: soon, and not all at once.
const TOKEN_RETRY_MS: RangeInclusive<u64> = 1_000..=5_000;

/// Whether a request is for the tunnel path, or its other name. A room in the query is for balancers and people: the hello
/// says which mounts are meant.
pub(super) fn is_for_telephones(config: &RelayConfig, head: &RequestHead) -> bool {
    target::path(&head.target) == config.tunnel_path.as_bytes()
        || rooms::is_for_telephones(config.rooms.as_ref(), head)
}

/// Checks a telephone's upgrade (RFC 6455 §4.2) and puts the 101 into the output. Tells the profile that it chose.
pub(super) fn upgrade<R: Runtime>(client: &mut Client<R>, head: &RequestHead) -> Result<Profile, Unfit> {
    if head.method != "GET" || !head.offers(WEB_SOCKET) {
        return Err(Unfit::no_upgrade());
    }
    let key = head.headers.first("sec-websocket-key");
    let version = head.headers.first("sec-websocket-version");
    let (Some(key), Some(b"13")) = (key, version.map(AsRef::as_ref)) else {
        return Err(Unfit::unusable_upgrade("The WebSocket upgrade lacks a key or version 13."));
    };
    let offers = head.headers.all("sec-websocket-protocol");
    let Some(profile) = Profile::of_offers(offers) else {
        return Err(Unfit::unusable_upgrade("The subprotocol must be telephone.v1 or telephone.v1.json."));
    };
    let mut headers = Headers::new();
    headers.push(&b"Sec-WebSocket-Accept"[..], derive_accept_key(key));
    // By which a telephone sees whether its clock is right.
    headers.push("Date", httpdate::fmt_http_date(SystemTime::now()));
    headers.push(&b"Sec-WebSocket-Protocol"[..], profile.subprotocol().as_bytes());
    let switching = ResponseHead {
        status: 101,
        reason: Bytes::from_static(b"Switching Protocols"),
        headers,
        length: None,
        upgrade: Some(Bytes::from_static(WEB_SOCKET.as_bytes())),
    };
    let unusable = |_| Unfit::unusable_upgrade("The WebSocket upgrade is not usable.");
    client.server.respond(&switching, false).map_err(unusable)?;
    Ok(profile)
}

/// Receives a telephone's hello and finds its session. `None` if there is none: then it has been told why, and the connection
/// is over.
pub(super) async fn greet<R: Runtime>(
    relay: &Arc<Inner<R>>,
    (connection, profile): Upgraded<R>,
    peer: SocketAddr,
) -> Option<(Link<R::Socket>, Admitted)> {
    connection.socket.tune_for_link();
    let mut link = Link::accepted(connection, profile);
    let reception = Reception::start(profile, relay.runtime.now());
    let deadline = relay.runtime.sleep_until(reception.poll_timeout());
    let receiving = async { link.receive().await.ok() };
    let received = future::or(receiving, async {
        deadline.await;
        None
    });
    // What runs for a session may run for long: the hello ends here.
    let judged = reception.handle_message(received.await?).map(|hello| admit(relay, profile, &hello));
    match judged {
        Ok(Ok(admitted)) => return Some((link, admitted)),
        Ok(Err(refused)) => {
            report::refused(relay, peer, &refused.reason);
            // A telephone that is gone already does not need the answer.
            let _ = link.send(&relay.runtime, handshake::refuse(profile, refused)).await;
            link.close(&relay.runtime, CloseCode::Policy).await;
        }
        Err(misbehaviour) => {
            report::broken(relay, peer, misbehaviour);
            link.close(&relay.runtime, CloseCode::Protocol).await;
        }
    }
    None
}

/// A session whose new link is not running yet.
pub(super) struct Admitted {
    key: SessionKey,
    session: SharedSession,
    link: LinkId,
    subject: String,
    welcome: Welcome,
}

fn refused(code: RefusedCode, reason: impl ToString) -> Refused {
    Refused { code, reason: reason.to_string(), retry_after_ms: None }
}

/// Judges a hello: its token, its mounts against the claims. Then the session that it names goes on, or a new
/// one finds its place among the registered ones.
fn admit<R: Runtime>(relay: &Arc<Inner<R>>, profile: Profile, hello: &Hello) -> Result<Admitted, Refused> {
    let grant = relay.authority.verify(&hello.token).map_err(|error| {
        relay.observer.token_refused(error);
        let retry_after_ms = error.is_temporary().then(|| fastrand::u64(TOKEN_RETRY_MS));
        Refused { retry_after_ms, ..refused(auth_code(error), error) }
    })?;
    let identity = Identity::new(grant.subject.clone(), hello.instance.clone());
    if let Some(resumed) = resume(relay, profile, hello, &identity, &grant) {
        return resumed;
    }
    let mounts = claimed_mounts(hello, &grant).inspect_err(|refused| {
        if refused.code == RefusedCode::Forbidden {
            relay.observer.token_refused(AuthError::NotClaimed);
        }
    })?;
    if relay.draining.is_raised() {
        return Err(refused(RefusedCode::Leaving, "the plugboard is leaving"));
    }
    let with_ports: Vec<Mount> = mounts.iter().filter(|mount| mount.port().is_some()).cloned().collect();
    open_ports(relay, &with_ports)
        .and_then(|()| {
            let admitted = register(relay, profile, hello, identity, grant, mounts)?;
            // An earlier holder that left meanwhile took them for its own.
            match open_ports(relay, &with_ports) {
                Ok(()) => Ok(admitted),
                Err(refused) => {
                    relay.registry.remove(admitted.key, relay.runtime.now());
                    // Requests that waited for it may have been given to it already.
                    drop(Ending(admitted.session));
                    Err(refused)
                }
            }
        })
        .inspect_err(|_| ports::settle(relay))
}

/// Opens the ports among the mounts.
fn open_ports<R: Runtime>(relay: &Arc<Inner<R>>, mounts: &[Mount]) -> Result<(), Refused> {
    let opened = mounts.iter().try_for_each(|mount| ports::open(relay, mount));
    opened.map_err(|error| {
        let code = match error {
            PortError::NoneOffered | PortError::NotOffered { .. } => RefusedCode::Forbidden,
            // Whoever has it now may let go of it.
            PortError::Unavailable { .. } => RefusedCode::Busy,
        };
        refused(code, error)
    })
}

/// Goes on with the session that a hello names and proves the right to, if that can go on.
fn resume<R: Runtime>(
    relay: &Arc<Inner<R>>,
    profile: Profile,
    hello: &Hello,
    identity: &Identity,
    grant: &Grant,
) -> Option<Result<Admitted, Refused>> {
    let resume = hello.resume.as_ref()?;
    let (key, session) = relay.registry.resumable(identity, resume)?;
    if session.with_link(|session| session.profile()) != profile {
        // What it keeps is written in the other profile.
        return None;
    }
    match session.act(|session| session.can_resume(resume.position)) {
        Ok(()) => {}
        Err(CannotResume::Over) => return None,
        // A hello that comes late, after one that the session went on with: to register it would end that.
        Err(error @ CannotResume::Position(_)) => return Some(Err(refused(RefusedCode::Stale, error))),
    }
    // The token may be another one by now, and cover less.
    let renewed = relay.registry.renew(key, grant, relay.runtime.now());
    if renewed == Renewed::Useless {
        return None;
    }
    ports::settle(relay);
    let link = session.resume(resume.position).ok()?;
    session.with(|session, now| {
        if let Renewed::Narrowed(mounts) = renewed {
            session.tell_scope(mounts);
        }
        session.authorize(grant.good_for, now);
    });
    renewal::end_if_revoked(relay, &session, grant);
    relay.registry.settle_line(key, relay.runtime.now());
    let secret = ResumeSecret::new(resume.secret);
    let welcome = welcome(relay, key, grant, secret, &session, Some(session.position()));
    Some(Ok(Admitted { key, session, link, subject: grant.subject.clone(), welcome }))
}

fn register<R: Runtime>(
    relay: &Arc<Inner<R>>,
    profile: Profile,
    hello: &Hello,
    identity: Identity,
    grant: Grant,
    mounts: Vec<Mount>,
) -> Result<Admitted, Refused> {
    let mut secret = [0; 16];
    getrandom::fill(&mut secret).map_err(|error| {
        tracing::error!(%error, "the system gives no random octets");
        refused(RefusedCode::Busy, "the plugboard cannot make a secret")
    })?;
    let secret = ResumeSecret::new(secret);
    let now = relay.runtime.now();
    let config = SessionConfig {
        role: Role::Plugboard,
        profile,
        limits: relay.config.session.clone(),
        peer: hello.settings.clone(),
        seed: fastrand::u64(..),
        resume_window: hello.settings.resume_window(relay.config.session.resume_window),
    };
    let key = relay.registry.next_key();
    let tape = relay.config.recorder.as_ref().map(|recorder| recorder.tape(key.number()));
    let mut session = Recorded::new(config, now, tape);
    session.authorize(grant.good_for, now);
    if mounts.len() < hello.mounts.len() {
        session.tell_scope(mounts.iter().map(ToString::to_string).collect());
    }
    let link = session.link().ok_or_else(|| refused(RefusedCode::Busy, "the session has no link"))?;
    let clock: Clock = {
        let relay = relay.clone();
        Arc::new(move || relay.runtime.now())
    };
    let session = SharedSession::new(session, clock);
    let registration = Registration { identity, epoch: hello.epoch, mounts, secret };
    let registered = relay.registry.register(key, registration, &grant, session.clone(), now);
    registered.map_err(|error| {
        // A telephone that is refused comes again, and again.
        session.act(Recorded::discard_tape);
        refused(error.code(), error)
    })?;
    renewal::end_if_revoked(relay, &session, &grant);
    if let Some(order) = relay.moving.get() {
        // All others were asked meanwhile.
        session.act(|session| session.ask_to_move(order.clone()));
    }
    let welcome = welcome(relay, key, &grant, secret, &session, None);
    Ok(Admitted { key, session, link, subject: grant.subject, welcome })
}

const fn auth_code(error: AuthError) -> RefusedCode {
    match error {
        AuthError::Expired => RefusedCode::Expired,
        // The clocks differ: whoever has no other token must not give up over that.
        AuthError::NotYetValid => RefusedCode::Busy,
        AuthError::Missing
        | AuthError::TooLong
        | AuthError::Malformed(_)
        | AuthError::BadSignature
        | AuthError::LivesTooLong { .. }
        | AuthError::WrongAudience
        | AuthError::WrongIssuer
        | AuthError::Revoked
        | AuthError::NotClaimed => RefusedCode::Forbidden,
    }
}

/// The hello's mounts, each of which a claim of the token must cover, or one of them at least if the telephone says
/// that this is enough.
fn claimed_mounts(hello: &Hello, grant: &Grant) -> Result<Vec<Mount>, Refused> {
    if hello.mounts.is_empty() && grant.connect.is_empty() {
        return Err(refused(
            RefusedCode::Forbidden,
            "no mount was asked for, and the token has no claim to connect",
        ));
    }
    let claims = parsed(&grant.mounts);
    let not_covered = |mount: &Mount| {
        let claims = grant.mounts.join(", ");
        let reason = format!("the token does not cover the mount {mount}: its claims are {claims}");
        refused(RefusedCode::Forbidden, reason)
    };
    let is_partial_enough = hello.settings.has(Setting::Partial);
    let (mut covered, mut uncovered) = (Vec::new(), None);
    for text in &hello.mounts {
        let mount: Mount = text.parse().map_err(|error| refused(RefusedCode::Malformed, error))?;
        if mount.is_covered_by(&claims) {
            covered.push(mount);
        } else if is_partial_enough {
            uncovered = Some(mount);
        } else {
            return Err(not_covered(&mount));
        }
    }
    match uncovered {
        Some(mount) if covered.is_empty() => Err(not_covered(&mount)),
        _ => Ok(covered),
    }
}

fn welcome<R: Runtime>(
    relay: &Inner<R>,
    key: SessionKey,
    grant: &Grant,
    secret: ResumeSecret,
    session: &SharedSession,
    resumed: Option<u64>,
) -> Welcome {
    Welcome {
        session: key.number(),
        secret: secret.octets(),
        resumed,
        resume_url: relay.config.public_url.clone(),
        resume_window_ms: as_millis(session.with_link(|session| session.resume_window())),
        spread_ms: as_millis(spread(relay)),
        expires_in_s: grant.expires_in().map(|life| life.as_secs()),
        settings: Settings::of(&relay.config.session),
    }
}

/// Runs one link of a session. The task of the latest link keeps the session while it waits for another one, and
/// takes it out of the registry in the end.
pub(super) async fn run<R: Runtime>(
    relay: &Arc<Inner<R>>,
    (mut link, admitted): (Link<R::Socket>, Admitted),
    peer: SocketAddr,
) {
    let Admitted { key, session, link: id, subject, welcome } = admitted;
    let keeper = Keeper { relay: relay.clone(), key, session: session.clone(), link: id };
    let has_resumed = welcome.resumed.is_some();
    if link.send(&relay.runtime, handshake::welcome(link.profile(), welcome)).await.is_err() {
        session.with(|session, now| session.handle_disconnect(id, now));
    }
    if !has_resumed {
        relay.observer.session_started(&subject);
    }
    relay.observer.link_up(has_resumed);
    let report = SessionReport::new(relay, key, peer, &subject);
    report.up(has_resumed);
    let on_event = |event| on_event(relay, &session, (key, peer), event);
    let mut ended = link.run((&relay.runtime, &relay.log), &session, id, on_event).await;
    relay.observer.link_down();
    if ended.is_none() && keeper.is_latest() {
        relay.registry.settle_line(key, relay.runtime.now());
        report.link_lost();
        ended = link::wait(&relay.runtime, &session, id, on_event).await;
    }
    // If not, the newer link's task says so.
    if let Some(reason) = ended.filter(|_| keeper.is_latest()) {
        report.ended(reason);
        relay.observer.session_ended(&subject, end_label(reason), &session.report());
    }
}

/// Takes a session that no newer link took over out of the registry, however its task ends, and then ends it: what
/// a lost session leaves undone must not be routed to it again.
struct Keeper<R: Runtime> {
    relay: Arc<Inner<R>>,
    key: SessionKey,
    session: SharedSession,
    link: LinkId,
}

impl<R: Runtime> Keeper<R> {
    fn is_latest(&self) -> bool {
        self.session.latest_link() == self.link
    }
}

impl<R: Runtime> Drop for Keeper<R> {
    fn drop(&mut self) {
        if self.is_latest() {
            self.relay.registry.remove(self.key, self.relay.runtime.now());
            ports::settle(&self.relay);
            drop(Ending(self.session.clone()));
        }
    }
}

fn on_event<R: Runtime>(
    relay: &Arc<Inner<R>>,
    session: &SharedSession,
    (key, peer): (SessionKey, SocketAddr),
    event: Event,
) {
    match event {
        Event::Renewal(token) => renewal::renew(relay, session, key, &token),
        // Who was not asked has gone nowhere that counts.
        Event::Moved if relay.moving.get().is_some() => relay.registry.set_moved(key),
        Event::Expired => relay.registry.settle_line(key, relay.runtime.now()),
        Event::PeerLeaves(_) => {
            relay.registry.suspend(key, relay.runtime.now());
            ports::settle(relay);
        }
        Event::Opened => {
            while let Some((opening, stream)) = session.accept() {
                match opening {
                    Opening::Tcp { mount, .. } => {
                        let serving = relay.clone();
                        let task =
                            async move { raw::serve_stream(&serving, key, &mount, stream, peer).await };
                        relay.runtime.spawn(Box::pin(task));
                    }
                    // No grant lets a telephone ask another one.
                    Opening::Http { .. } => stream.reset(ResetCode::Refused, Touched::No),
                }
            }
        }
        // No new request may come here while the link says goodbye.
        Event::Closed(_) => {
            relay.registry.remove(key, relay.runtime.now());
            ports::settle(relay);
        }
        Event::Readable(_)
        | Event::Writable(_)
        | Event::RenewalDue
        | Event::Renewed(_)
        | Event::ScopeLeft(_)
        | Event::Moved
        | Event::MoveAsked(_) => {}
    }
}

/// The word for metrics.
const fn end_label(reason: CloseReason) -> &'static str {
    match reason {
        CloseReason::Left => "left",
        CloseReason::LinkLost => "link_lost",
        CloseReason::Silent => "silent",
        CloseReason::Misbehaved(_) => "misbehaved",
        CloseReason::Received(LeaveCode::Stopped) => "stopped",
        CloseReason::Received(_) => "dismissed",
        CloseReason::Sent(code) => match code {
            LeaveCode::Draining => "draining",
            LeaveCode::Replaced => "replaced",
            LeaveCode::Expired => "expired",
            LeaveCode::Revoked => "revoked",
            LeaveCode::Misbehaved => "misbehaved",
            LeaveCode::CalmDown => "calm_down",
            LeaveCode::Forbidden => "forbidden",
            LeaveCode::Stopped => "stopped",
            LeaveCode::Other(_) => "other",
        },
    }
}
