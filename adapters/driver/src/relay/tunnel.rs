//! The tunnel leg: a telephone's upgrade, and its link from its admission to the end of its session.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::SystemTime;

use async_tungstenite::tungstenite::handshake::derive_accept_key;
use bytes::Bytes;
use telephone_core::error::{CloseReason, LeaveCode, ResetCode, Touched};
use telephone_core::handshake;
use telephone_core::message::{Headers, RequestHead, ResponseHead};
use telephone_core::router::SessionKey;
use telephone_core::session::{Event, LinkId};
use telephone_core::target;
use telephone_core::wire::{Opening, Profile};

use super::admission::Admitted;
use super::answer::Refused as Unfit;
use super::codec::WEB_SOCKET;
use super::connections::Permit;
use super::public::Client;
use super::renewal::Renewals;
use super::report::SessionReport;
use super::{Inner, RelayConfig, ports, presented, raw, rooms};
use crate::link::{self, Link};
use crate::runtime::Runtime;
use crate::shared::{Ending, SharedSession};

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

/// Runs one link of a session. The task of the latest link keeps the session while it waits for another one, and
/// takes it out of the registry in the end.
pub(super) async fn run<R: Runtime>(
    relay: &Arc<Inner<R>>,
    (mut link, admitted, permit): (Link<R::Socket>, Admitted, Permit<R>),
    (peer, client): (SocketAddr, IpAddr),
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
    let report = SessionReport::new(relay, key, client, &subject);
    report.up(has_resumed);
    let renewals = Renewals::new(relay, &session, (key, id), client);
    let on_event = |event| on_event(relay, &session, &renewals, (key, peer), event);
    let on_round_trip = |time| relay.observer.round_trip(time);
    let hooks = (on_event, on_round_trip);
    let mut ended = link.run((&relay.runtime, &relay.log), &session, id, hooks, permit).await;
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
    renewals: &Renewals<R>,
    (key, peer): (SessionKey, SocketAddr),
    event: Event,
) {
    match event {
        Event::Renewal(token) => renewals.renew(token),
        // Who was not asked has gone nowhere that counts.
        Event::Moved if relay.moving.get().is_some() => relay.registry.set_moved(key),
        Event::MountsPresented(mounts) => presented::present(relay, key, &mounts),
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
        | Event::RenewalRefused(_)
        | Event::ScopeLeft(_)
        | Event::Site(_)
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

#[cfg(test)]
mod tests {
    use telephone_core::error::CloseReason::{Left, LinkLost, Received, Sent, Silent};

    use super::*;
    use crate::observe::SESSION_ENDS;

    #[test]
    fn each_end_of_a_session_has_a_label_that_metrics_show_from_the_start() {
        use LeaveCode::{
            CalmDown, Draining, Expired, Forbidden, Misbehaved, Other, Replaced, Revoked, Stopped,
        };
        let codes =
            [CalmDown, Draining, Expired, Forbidden, Misbehaved, Other(99), Replaced, Revoked, Stopped];
        let sent = codes.into_iter().map(Sent);
        let rest = [Left, LinkLost, Silent, Received(LeaveCode::Stopped), Received(LeaveCode::Draining)];
        for reason in sent.chain(rest) {
            assert!(SESSION_ENDS.contains(&end_label(reason)), "{reason:?}");
        }
    }
}
