//! One raw connection: routed, carried to a telephone, logged.

use std::future;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use futures_lite::future::or;
use telephone_core::cause::Cause;
use telephone_core::error::{Reset, ResetCode, Touched};
use telephone_core::limits::REQUEST_ATTEMPTS_MAX;
use telephone_core::mount::Mount;
use telephone_core::router::{Refusal, SessionKey};
use telephone_core::session::OpenError;
use telephone_core::wire::Opening;

use super::Inner;
use super::answer::Refused;
use super::connections::Permit;
use super::exchange::CUT_OFF;
use super::registry::{Chosen, Decision};
use super::report;
use super::turn::{self, Lease};
use crate::observe::AccessRecord;
use crate::raw::{Carried, GivenUp, RawStream, carry};
use crate::runtime::Runtime;
use crate::socket::Socket;
use crate::stream::StreamHandle;

/// What a raw connection is called where requests have a method.
const METHOD: &[u8] = b"TCP";

/// Serves a connection that came to the port of `mount`.
pub(super) async fn serve_socket<R: Runtime>(
    relay: &Arc<Inner<R>>,
    mount: &Mount,
    (socket, permit): (R::Socket, Permit<R>),
    peer: SocketAddr,
) {
    socket.reset_on_drop();
    // A reset is all that TCP can say, whatever the reason.
    let _reset = serve(relay, mount, socket, peer, Some(&permit)).await;
}

/// Serves a stream that the telephone at `peer` opened for a mount of another one.
pub(super) async fn serve_stream<R: Runtime>(
    relay: &Arc<Inner<R>>,
    key: SessionKey,
    mount: &Bytes,
    stream: StreamHandle,
    peer: SocketAddr,
) {
    let stream = RawStream::new(stream, None);
    let named = std::str::from_utf8(mount).ok().and_then(|text| text.parse::<Mount>().ok());
    let Some(mount) = named.filter(|mount| relay.registry.may_connect(key, mount)) else {
        report::denied(relay, key, mount, peer);
        let record = AccessRecord::bare(METHOD, mount, peer, Cause::ConnectDenied);
        relay.observer.request_ended(&record);
        return stream.give_up(Reset { code: ResetCode::Denied, touched: Touched::No });
    };
    if let Err((stream, reset)) = serve(relay, &mount, stream, peer, None).await {
        stream.give_up(reset);
    }
}

/// Ready when a connection is closed in favour of others; never if it has no descriptor of its own.
async fn is_shed<R: Runtime>(permit: Option<&Permit<R>>) {
    match permit {
        Some(permit) => permit.closing().await,
        None => future::pending().await,
    }
}

/// Carries a connection to a session of `mount`. One that nobody takes, or that its far side gives up, is given back.
async fn serve<R: Runtime, S: Socket>(
    relay: &Arc<Inner<R>>,
    mount: &Mount,
    socket: S,
    peer: SocketAddr,
    permit: Option<&Permit<R>>,
) -> Result<(), (S, Reset)> {
    let _in_flight = relay.exchanges.count();
    let started = relay.runtime.now();
    let mut record = AccessRecord::bare(METHOD, mount.as_str().as_bytes(), peer, Cause::Complete);
    let (result, chosen) = match take(relay, mount, peer, permit).await {
        Ok((chosen, stream, _lease)) => {
            let cut_off = async {
                or(relay.stopping.raised(), is_shed(permit)).await;
                CUT_OFF
            };
            let carried = carry(&relay.runtime, socket, &stream, Bytes::new(), cut_off);
            let Carried { moved, ended, socket } = carried.await;
            (record.bytes_in, record.bytes_out) = (moved.inbound, moved.outbound);
            let result = match ended {
                Ok(()) => Ok(()),
                Err(GivenUp::AtSocket) => {
                    record.cause = Cause::ClientLeft;
                    Ok(())
                }
                Err(GivenUp::ByPeer(reset)) if permit.is_some_and(Permit::is_closing) => {
                    record.cause = Cause::ConnectionShed;
                    Err((socket, reset))
                }
                Err(GivenUp::ByPeer(reset)) => {
                    record.cause = relay.given_up(reset, &chosen.session).cause();
                    Err((socket, Reset { code: passed_on(reset.code), ..reset }))
                }
            };
            (result, Some(chosen))
        }
        Err((refused, code)) => {
            let is_shed = permit.is_some_and(Permit::is_closing);
            record.cause = if is_shed { Cause::ConnectionShed } else { refused.cause() };
            (Err((socket, Reset { code, touched: Touched::No })), None)
        }
    };
    let chosen = chosen.as_ref();
    relay.observer.request_ended(&AccessRecord {
        duration: relay.runtime.now().since(started),
        mount: chosen.map(|chosen| chosen.mount.as_str()),
        subject: chosen.map(|chosen| chosen.subject.as_ref()),
        ..record
    });
    result
}

/// What the opener of a raw stream is told of why the acceptor gave it up. What a token allows is the relay's to say, and
/// costs the opener a free frame. (L8)
const fn passed_on(code: ResetCode) -> ResetCode {
    match code {
        ResetCode::Denied => ResetCode::Refused,
        code => code,
    }
}

/// Finds a session for a connection, waiting as long as a request would, and opens a stream of it. It does not wait for a
/// slot: who may be silent for ever leaves the last ones to requests.
async fn take<'a, R: Runtime>(
    relay: &'a Arc<Inner<R>>,
    mount: &Mount,
    peer: SocketAddr,
    permit: Option<&Permit<R>>,
) -> Result<(Chosen, StreamHandle, Lease<'a, R>), (Refused, ResetCode)> {
    let full = (Refused::too_many_streams(), ResetCode::Refused);
    let leaving = (Refused::telephone_refused(), ResetCode::Refused);
    for _ in 0..REQUEST_ATTEMPTS_MAX {
        let decision = match relay.registry.route_to(mount, relay.runtime.now()) {
            // Nothing is read of a connection that waits, so that nobody hears that its client left.
            Decision::Wait(ticket) => turn::wait_for_session(relay, ticket, is_shed(permit)).await,
            decided => Some(decided),
        };
        let chosen = match decision {
            Some(Decision::To(chosen)) => chosen,
            Some(Decision::Refuse(refusal)) => {
                let is_busy = matches!(refusal, Refusal::TooBusy { .. });
                let code = if is_busy { ResetCode::Refused } else { ResetCode::Unreachable };
                return Err((relay.not_routed(refusal, false), code));
            }
            // A wait does not end in another one.
            Some(Decision::Wait(_)) | None => return Err(full),
        };
        let lease = Lease::new(relay, chosen.key);
        if chosen.session.is_crowded() {
            return Err(full);
        }
        let mount = Bytes::copy_from_slice(mount.as_str().as_bytes());
        let opening = Opening::Tcp { mount, from: Some(peer) };
        match chosen.session.open(opening, false, relay.runtime.now()) {
            Ok(stream) => return Ok((chosen, stream, lease)),
            Err(OpenError::Leaving) => relay.registry.settle_line(chosen.key, relay.runtime.now()),
            Err(OpenError::TooManyStreams | OpenError::Head(_)) => return Err(full),
        }
    }
    Err(leaving)
}
