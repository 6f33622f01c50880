//! One request of a client: routed, carried to a telephone, answered, logged.

use std::future::{Future, pending, poll_fn};
use std::net::IpAddr;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use futures_lite::future;
use telephone_core::address::AddressBlock;
use telephone_core::affinity;
use telephone_core::cause::Cause;
use telephone_core::error::{Reset, ResetCode, Touched};
use telephone_core::isolation;
use telephone_core::limits::{DARK_TIME, REQUEST_ATTEMPTS_MAX};
use telephone_core::retry::{may_move, may_repeat, may_try_ready};
use telephone_core::router::{self, SessionKey};
use telephone_core::session::OpenError;
use telephone_core::target;
use telephone_core::time::Timestamp;
use telephone_core::timing;
use telephone_core::traceparent::TraceParent;
use telephone_core::wire::Opening;

use super::Inner;
use super::account::{Account, report};
use super::answer::Refused;
use super::codec::{Bound, ClientLoss, PublicCodec, TOKEN_REVOKED, TUNNEL_LOST, Timing};
use super::connections::Permit;
use super::loss::{broken, client_left, client_lost, shed};
use super::public::{Client, Request};
use super::registry::{Chosen, Decision};
use super::rooms;
use super::turn::{self, Lease};
use super::visitors::Admission;
use crate::alarm::Alarm;
use crate::authority::AuthError;
use crate::flag::Raised;
use crate::pump::{Ended, Pump};
use crate::runtime::Runtime;
use crate::socket::Socket as _;
use crate::stream::StreamHandle;

/// How one attempt to serve a request ended.
enum Attempt {
    /// The request is over: answered, or lost with its connection.
    Over(ControlFlow<()>),
    /// Nothing of it reached the client, and it may be given to another session.
    Again(Refused),
    /// Likewise, but an application may have had it.
    Repeat(Refused),
    /// Likewise: another session is there at once, and this one has no link.
    Elsewhere,
}

/// Serves one request. Breaks if the connection is of no further use.
pub(super) async fn serve<R: Runtime>(
    relay: &Arc<Inner<R>>,
    client: &mut Client<R>,
    request: &mut Request,
) -> ControlFlow<()> {
    let _in_flight = relay.exchanges.count();
    let mut account = Account::new(request, client.peer.ip());
    let stamped = client.stamp.put(&mut request.head.headers, relay.config.trusted());
    client.set_client(relay, stamped.client, request.at);
    request.is_timed = stamped.is_timed;
    (account.client, account.is_timed) = (stamped.client, request.is_timed);
    settle_trace(client, request, &mut account);
    account.is_measured = relay.is_measured(request.at);
    let is_visit = rooms::is_visit(relay, &request.head);
    // In a box, for few requests are for rooms.
    let entered = if is_visit { Box::pin(rooms::enter(relay, client, request)).await } else { Ok(()) };
    let flow = match entered {
        Ok(()) => serve_stamped(relay, client, request, &mut account).await,
        Err(refused) => refuse_or_leave(client, refused, &mut account),
    };
    let head = &request.head;
    // The query of a room's client may hold its token.
    let target = if is_visit { target::path(&head.target) } else { &head.target };
    report(relay, client, (head, target), &account);
    flow
}

/// Gives a request its trace, which is in its answer if that is the plugboard's own, and in the access log.
fn settle_trace<R: Runtime>(client: &mut Client<R>, request: &mut Request, account: &mut Account) {
    let trace = TraceParent::settle(&mut request.head.headers, trace_start());
    client.server.set_trace(trace);
    account.trace = Some(trace);
}

/// A trace for a request that has none.
pub(super) fn trace_start() -> TraceParent {
    TraceParent::start(fastrand::u128(..), fastrand::u64(..))
}

/// Answers a request that is for telephones and comes from none.
pub(super) fn refuse_upgrade<R: Runtime>(
    relay: &Inner<R>,
    client: &mut Client<R>,
    request: &mut Request,
    refused: Refused,
) {
    let mut account = Account::new(request, client.peer.ip());
    settle_trace(client, request, &mut account);
    let _goes_on = refuse(client, refused, &mut account);
    report(relay, client, (&request.head, target::path(&request.head.target)), &account);
}

async fn serve_stamped<R: Runtime>(
    relay: &Arc<Inner<R>>,
    client: &mut Client<R>,
    request: &mut Request,
    account: &mut Account,
) -> ControlFlow<()> {
    let (mut now, mut avoided) = (request.at, None);
    for attempt in 1..=REQUEST_ATTEMPTS_MAX {
        let since = now;
        let routed = route(relay, client, (request, account.client, avoided), &mut now).await;
        account.waited += now.since(since);
        let chosen = match routed {
            Ok(chosen) => chosen,
            Err(refused) => return refuse_or_leave(client, refused, account),
        };
        account.chosen = Some((chosen.subject.clone(), chosen.mount.clone()));
        let lease = Lease::new(relay, chosen.key);
        if let Err(refused) = rooms::admit(relay, client, request, &chosen).await {
            return refuse_or_leave(client, refused, account);
        }
        // Whoever has nowhere left to go waits for the session's next link.
        let may_move = attempt < REQUEST_ATTEMPTS_MAX && may_move(&request.head, request.end);
        let outcome = carry(relay, client, request, (&chosen, now), may_move, account).await;
        drop(lease);
        match outcome {
            Attempt::Over(flow) => return flow,
            Attempt::Again(refused) | Attempt::Repeat(refused) if attempt == REQUEST_ATTEMPTS_MAX => {
                return refuse(client, refused, account);
            }
            Attempt::Repeat(refused) if !has_budget(relay) => return refuse(client, refused, account),
            Attempt::Again(_) | Attempt::Repeat(_) | Attempt::Elsewhere => {
                (now, avoided) = (relay.runtime.now(), Some(chosen.key));
            }
        }
    }
    ControlFlow::Continue(())
}

/// Refuses a request, unless its client left before there was an answer.
fn refuse_or_leave<R: Runtime>(
    client: &mut Client<R>,
    refused: Option<Refused>,
    account: &mut Account,
) -> ControlFlow<()> {
    match refused {
        Some(refused) => refuse(client, refused, account),
        None => client_lost(client, account),
    }
}

fn refuse<R: Runtime>(client: &mut Client<R>, refused: Refused, account: &mut Account) -> ControlFlow<()> {
    account.status = Some(refused.answer.status());
    account.cause = refused.cause();
    let answer = refused.answer;
    let timed = account.is_timed.then(|| answer.relay_time(client.alarm.now().since(account.started)));
    client.server.refuse(&timed.unwrap_or(answer));
    ControlFlow::Continue(())
}

/// Finds a session for a request, waiting for one if the router says so; `now` goes on meanwhile. `Err(None)` if the
/// client left.
async fn route<R: Runtime>(
    relay: &Arc<Inner<R>>,
    client: &mut Client<R>,
    (request, address, avoided): (&Request, IpAddr, Option<SessionKey>),
    now: &mut Timestamp,
) -> Result<Chosen, Option<Refused>> {
    let room = request.visit.as_ref().map(|visit| &visit.room);
    let routed = match room {
        Some(room) => relay.registry.route_to(room, *now),
        None => {
            let (host, path) = (request.origin.host.as_deref(), target::path(&request.head.target));
            let address = AddressBlock::of(address);
            let asking = router::Client { address, headers: &request.head.headers, avoided };
            match client.login.session {
                Some(key) => relay.registry.route_back(key, &asking, host, path, *now),
                None => relay.registry.route(&asking, host, path, *now),
            }
        }
    };
    let decision = match routed {
        Decision::Wait(ticket) => {
            let left = client_left(relay, client);
            let decided = unless_revoked(request, turn::wait_for_session(relay, ticket, left)).await;
            let (outcome, since) = (turn::outcome(&decided), std::mem::replace(now, relay.runtime.now()));
            relay.observer.request_waited(outcome, now.since(since));
            decided.map_err(Some)?.ok_or(None)?
        }
        other => other,
    };
    match decision {
        Decision::To(chosen) => Ok(chosen),
        Decision::Refuse(refusal) => Err(Some(relay.not_routed(refusal, room.is_some()))),
        // A wait does not end in another one.
        Decision::Wait(_) => Err(None),
    }
}

/// Waits for `turn`, or refuses the request of a room's client whose token is revoked before that.
async fn unless_revoked<T>(request: &Request, turn: impl Future<Output = T>) -> Result<T, Refused> {
    let revoked = async {
        match request.visit.as_ref().and_then(|visit| visit.admission.as_ref()) {
            Some(admission) => admission.revoked().await,
            None => pending().await,
        }
        Err(Refused::from_client_token(AuthError::Revoked))
    };
    // The revocation first: what has its turn in the same moment would be carried.
    future::or(revoked, async { Ok(turn.await) }).await
}

fn tells_timing(chosen: &Chosen) -> bool {
    chosen.session.with_link(|session| session.peer_tells_timing())
}

/// Opens a request's stream in one session, or tells how the attempt ended instead. The flag is whether the request is
/// complete with its head.
async fn open<R: Runtime>(
    relay: &Arc<Inner<R>>,
    client: &mut Client<R>,
    request: &Request,
    (chosen, now): (&Chosen, Timestamp),
    account: &mut Account,
) -> Result<(StreamHandle, bool), Attempt> {
    let (peer, clock) = chosen.session.with_link(|session| (session.peer_heads(), session.peer_body_clock()));
    client.server.set_body_window(relay.config.http.body_window_of(clock));
    // That of a room's client is taken apart in the head alone, where a token may have stood in it.
    let sent = if request.visit.is_some() { &request.head.target } else { &request.sent };
    let fit = peer.fit_request(&request.head, sent, &chosen.mount, client.server.offers_h2c());
    let mut head = fit.map_err(|_| Attempt::Over(refuse(client, Refused::target_not_taken(), account)))?;
    client.server.set_offer(head.upgrade.as_ref());
    // Behind an offer of h2c the direction stays open, as behind others.
    let end = request.end && head.upgrade.is_none();
    if (request.is_timed || account.is_measured) && tells_timing(chosen) {
        head.headers.push(timing::ASK, "1");
    }
    if chosen.binding.is_some() {
        affinity::remove_cookies(&mut head.headers);
    }
    let opening = || {
        let mount = Bytes::copy_from_slice(chosen.mount.as_str().as_bytes());
        Opening::Http { mount, head: head.clone() }
    };
    let told = client.login.told(chosen.key, &request.head.headers);
    let left = client_left(relay, client);
    let turn = turn::open(relay, (chosen, told, now), &mut account.waited, opening, end, left);
    let opened = unless_revoked(request, turn).await;
    let opened = opened.map_err(|refused| Attempt::Over(refuse(client, refused, account)))?;
    opened.map(|stream| (stream, end)).map_err(|error| match error {
        None => Attempt::Over(client_lost(client, account)),
        Some(OpenError::Leaving) => {
            relay.registry.settle_line(chosen.key, relay.runtime.now());
            Attempt::Again(Refused::telephone_refused())
        }
        Some(OpenError::TooManyStreams) => {
            Attempt::Over(refuse(client, Refused::too_many_streams(), account))
        }
        Some(OpenError::Head(_)) => Attempt::Over(refuse(client, Refused::head_too_large(), account)),
    })
}

/// What the client is to keep, if it does not have it yet.
fn bound<'a>(chosen: &'a Chosen, request: &Request) -> Option<Bound<'a>> {
    let binding = chosen.binding.filter(|binding| binding.is_new)?;
    Some(Bound { binding, mount: &chosen.mount, is_secure: affinity::is_secure(&request.head.headers) })
}

/// Carries a request through one session.
async fn carry<R: Runtime>(
    relay: &Arc<Inner<R>>,
    client: &mut Client<R>,
    request: &Request,
    (chosen, now): (&Chosen, Timestamp),
    may_move: bool,
    account: &mut Account,
) -> Attempt {
    let (stream, end) = match open(relay, client, request, (chosen, now), account).await {
        Ok(opened) => opened,
        Err(attempt) => return attempt,
    };
    let mut codec = PublicCodec::new(&mut client.server, &relay.config, &relay.draining);
    codec.is_isolated = relay.config.isolate_paths && isolation::is_shared(&chosen.mount);
    codec.binding = bound(chosen, request);
    let clock = || relay.runtime.now();
    codec.timing = (request.is_timed || account.is_measured).then(|| Timing {
        is_told: request.is_timed,
        started: request.at,
        opened: clock(),
        is_asked: tells_timing(chosen),
        clock: &clock,
    });
    let socket = (&mut client.connection, &mut client.alarm);
    let mut pump = Pump::new(&relay.runtime, socket, &mut codec, &stream, end);
    let revoked = request.visit.as_ref().and_then(|visit| visit.admission.as_ref()).map(Admission::revoked);
    let ended = run(relay, &mut pump, (chosen, may_move), &client.permit, revoked).await;
    client.permit.set_wait(None, || None);
    let Some(ended) = ended else { return Attempt::Elsewhere };
    account.add(pump.moved);
    account.status = codec.status;
    account.stages = codec.stages;
    if codec.is_body_cut {
        account.cause = Cause::RequestUnread;
    }
    if client.permit.is_closing() && !matches!(ended, Ended::Complete) {
        return Attempt::Over(shed(relay, client, account));
    }
    match ended {
        Ended::Complete => Attempt::Over(ControlFlow::Continue(())),
        Ended::Reset(reset) | Ended::Stopped(reset) if account.status.is_none() => {
            let refused = relay.given_up(reset, &chosen.session);
            if !relay.stopping.is_raised() && may_go_on(relay, request, chosen, reset) {
                // What never started is free.
                let attempt = if reset.touched == Touched::No { Attempt::Again } else { Attempt::Repeat };
                return attempt(refused);
            }
            Attempt::Over(refuse(client, refused, account))
        }
        Ended::Reset(reset) | Ended::Stopped(reset) => {
            account.cause = relay.broken_behind_head(reset);
            let is_closed = reset.code == ResetCode::SessionLost && codec.close_web_socket(TUNNEL_LOST);
            Attempt::Over(end_begun(client, is_closed))
        }
        Ended::Lost(ClientLoss::Aborted(cause)) => {
            account.abort(cause);
            Attempt::Over(ControlFlow::Continue(()))
        }
        Ended::Lost(ClientLoss::Broken) => Attempt::Over(broken(relay, client, account)),
        Ended::Lost(ClientLoss::Revoked) => {
            let is_closed = codec.close_web_socket(TOKEN_REVOKED);
            Attempt::Over(turn_away(client, is_closed, account))
        }
        Ended::Lost(ClientLoss::Unsendable) => Attempt::Over(refuse(client, Refused::unsendable(), account)),
    }
}

/// Whether a request whose stream was reset ahead of an answer may be given to another session.
fn may_go_on<R: Runtime>(relay: &Inner<R>, request: &Request, chosen: &Chosen, reset: Reset) -> bool {
    may_repeat(&request.head, request.end, reset)
        || (may_try_ready(request.end, reset) && relay.registry.has_other_ready(chosen.key, &chosen.mount))
}

/// Ends the exchange of a client whose token was revoked; `is_closed` if its WebSocket has been.
fn turn_away<R: Runtime>(client: &mut Client<R>, is_closed: bool, account: &mut Account) -> ControlFlow<()> {
    if account.status.is_none() {
        return refuse(client, Refused::from_client_token(AuthError::Revoked), account);
    }
    account.cause = Cause::ClientRevoked;
    end_begun(client, is_closed)
}

/// Ends an answer that has begun and cannot be completed; `is_closed` if its WebSocket has been.
fn end_begun<R: Runtime>(client: &mut Client<R>, is_closed: bool) -> ControlFlow<()> {
    if !is_closed {
        client.server.abort();
    }
    ControlFlow::Continue(())
}

/// Whether one more request may be sent a second time.
fn has_budget<R: Runtime>(relay: &Inner<R>) -> bool {
    let is_allowed = relay.registry.may_retry(relay.runtime.now());
    relay.observer.request_repeated(is_allowed);
    is_allowed
}

/// What an exchange has come to that outlasts the relay.
pub(super) const CUT_OFF: Reset = Reset { code: ResetCode::SessionLost, touched: Touched::Unknown };

/// Pumps an exchange to its end. `None` if it may move, its session lost its link for a while, and another one is there.
async fn run<R: Runtime>(
    relay: &Inner<R>,
    pump: &mut Pump<'_, R, R::Socket, PublicCodec<'_>>,
    (chosen, may_move): (&Chosen, bool),
    permit: &Permit<R>,
    mut revoked: Option<Raised<'_>>,
) -> Option<Ended<ClientLoss>> {
    let mut alarm = Alarm::new(relay.runtime.clone());
    let mut dark_since = None;
    poll_fn(|cx| {
        loop {
            if let Poll::Ready(ended) = pump.poll(cx) {
                return Poll::Ready(Some(ended));
            }
            permit.set_wait(pump.wait(pump.codec.awaits_body()), || pump.connection.socket.inode());
            if revoked.as_mut().is_some_and(|revoked| Pin::new(revoked).poll(cx).is_ready()) {
                return Poll::Ready(Some(Ended::Lost(ClientLoss::Revoked)));
            }
            // Its session's end has woken it, but its client takes nothing. Or its connection is closed in favour of others.
            if relay.stopping.is_raised() || permit.poll_closing(cx).is_ready() {
                return Poll::Ready(Some(Ended::Reset(CUT_OFF)));
            }
            if !may_move || chosen.session.is_up() || pump.codec.status.is_some() {
                dark_since = None;
                return Poll::Pending;
            }
            let now = relay.runtime.now();
            let since = *dark_since.get_or_insert(now);
            if !alarm.poll(Some(since + DARK_TIME), now, cx) {
                return Poll::Pending;
            }
            dark_since = None;
            if relay.registry.has_other(chosen.key, &chosen.mount) && has_budget(relay) {
                return Poll::Ready(None);
            }
        }
    })
    .await
}
