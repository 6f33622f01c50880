//! One raw connection: routed, carried to a telephone, logged.

use std::future;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use telephone_core::error::ResetCode;
use telephone_core::limits::REQUEST_ATTEMPTS_MAX;
use telephone_core::mount::Mount;
use telephone_core::router::{Refusal, SessionKey};
use telephone_core::session::OpenError;
use telephone_core::wire::Opening;

use super::Inner;
use super::answer::Refused;
use super::exchange::InFlight;
use super::registry::{Chosen, Decision};
use super::turn::{self, Lease};
use crate::connection::Connection;
use crate::observe::AccessRecord;
use crate::pump::Moved;
use crate::raw::{Given, RawStream, carry};
use crate::runtime::Runtime;
use crate::socket::Socket;
use crate::stream::StreamHandle;

/// What a raw connection is called where requests have a method.
const METHOD: &[u8] = b"TCP";

/// Serves a connection that came to the port of `mount`.
pub(super) async fn serve_socket<R: Runtime>(
    relay: &Arc<Inner<R>>,
    mount: &Mount,
    socket: R::Socket,
    peer: SocketAddr,
) {
    if let Err((socket, _)) = serve(relay, mount, socket, peer).await {
        socket.reset_on_drop();
    }
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
    let mount = std::str::from_utf8(mount).ok().and_then(|text| text.parse::<Mount>().ok());
    let Some(mount) = mount.filter(|mount| relay.registry.may_connect(key, mount)) else {
        tracing::info!(%peer, "a telephone may not connect to what it asked for");
        return stream.refuse(ResetCode::Refused);
    };
    if let Err((stream, code)) = serve(relay, &mount, stream, peer).await {
        stream.refuse(code);
    }
}

/// Carries a connection to a session of `mount`. One that nobody takes is given back.
async fn serve<R: Runtime, S: Socket>(
    relay: &Arc<Inner<R>>,
    mount: &Mount,
    socket: S,
    peer: SocketAddr,
) -> Result<(), (S, ResetCode)> {
    let _in_flight = InFlight::count(&relay.exchanges);
    let started = relay.runtime.now();
    let mut record = AccessRecord {
        method: METHOD,
        host: None,
        target: mount.as_str().as_bytes(),
        status: None,
        bytes_in: 0,
        bytes_out: 0,
        duration: std::time::Duration::ZERO,
        peer,
        mount: None,
        subject: None,
        cause: "complete",
    };
    let taken = take(relay, mount, peer).await;
    let (result, chosen) = match taken {
        Ok((chosen, stream, _lease)) => {
            let (moved, ended) = carry(&relay.runtime, Connection::new(socket), &stream, Bytes::new()).await;
            let Moved { inbound, outbound } = moved;
            (record.bytes_in, record.bytes_out) = (inbound, outbound);
            record.cause = match ended {
                Ok(()) => "complete",
                Err(Given::Left) => "client_left",
                Err(Given::Up(reset)) => Refused::from_reset(reset, chosen.session.closed()).cause,
            };
            (Ok(()), Some(chosen))
        }
        Err((refused, code)) => {
            record.cause = refused.cause;
            (Err((socket, code)), None)
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

/// Finds a session for a connection and opens a stream of it, waiting as long as a request would.
async fn take<'a, R: Runtime>(
    relay: &'a Arc<Inner<R>>,
    mount: &Mount,
    peer: SocketAddr,
) -> Result<(Chosen, StreamHandle, Lease<'a, R>), (Refused, ResetCode)> {
    // Nothing is read of a connection that waits, so that nobody hears that its client left.
    let left = future::pending;
    let opening = || {
        let mount = Bytes::copy_from_slice(mount.as_str().as_bytes());
        Opening::Tcp { mount, from: Some(peer) }
    };
    let full = (Refused::too_many_streams(), ResetCode::Refused);
    for _ in 0..REQUEST_ATTEMPTS_MAX {
        let decision = match relay.registry.route_to(mount, relay.runtime.now()) {
            Decision::Wait(ticket) => turn::wait_for_session(relay, ticket, left()).await,
            decided => Some(decided),
        };
        let chosen = match decision {
            Some(Decision::To(chosen)) => chosen,
            Some(Decision::Refuse(refusal)) => {
                let is_absent = matches!(refusal, Refusal::NobodyConnected { .. });
                let code = if is_absent { ResetCode::Unreachable } else { ResetCode::Refused };
                return Err((Refused::from_refusal(refusal), code));
            }
            // A wait does not end in another one.
            Some(Decision::Wait(_)) | None => return Err(full),
        };
        let lease = Lease::new(relay, chosen.key);
        match turn::open(relay, (&chosen, relay.runtime.now()), opening, false, left()).await {
            Ok(stream) => return Ok((chosen, stream, lease)),
            Err(Some(OpenError::Leaving)) => relay.registry.settle_line(chosen.key, relay.runtime.now()),
            Err(_) => return Err(full),
        }
    }
    Err(full)
}
