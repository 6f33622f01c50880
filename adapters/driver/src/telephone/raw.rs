//! Raw streams that the plugboard opens: to a backend, or to this program.

use std::collections::VecDeque;
use std::fmt;
use std::future::pending;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use event_listener::Event;
use ppp::v2;
use telephone_core::error::{Reset, ResetCode, Touched};
use telephone_core::limits::BackendLimits;

use crate::backend::{Watch, connect_for, report_shortage};
use crate::log::Log;
use crate::raw::{GivenUp, RawStream, carry};
use crate::runtime::{Endpoint, Runtime};
use crate::stream::StreamHandle;

/// What serves a mount without a backend, as people read it.
pub(super) const THIS_PROGRAM: &str = "this program";

/// Nobody accepts any more.
const NOBODY: Reset = Reset { code: ResetCode::Unreachable, touched: Touched::No };

/// Who serves the raw streams of a mount.
#[derive(Clone)]
pub(super) enum RawService {
    /// A backend.
    Backend(Endpoint, Arc<Watch>),
    /// This program.
    Acceptor(Arc<Arrivals>),
}

impl fmt::Display for RawService {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Backend(endpoint, _) => endpoint.fmt(formatter),
            Self::Acceptor(_) => formatter.write_str(THIS_PROGRAM),
        }
    }
}

/// Streams that were opened and not accepted yet.
#[derive(Default)]
pub(super) struct Arrivals {
    waiting: Mutex<Waiting>,
    arrival: Event,
}

#[derive(Default)]
struct Waiting {
    /// As many as streams may be open, at most.
    streams: VecDeque<RawStream>,
    is_closed: bool,
}

impl Arrivals {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands a stream over, or refuses it if nobody accepts any more.
    fn put(&self, stream: RawStream) {
        let mut waiting = self.lock();
        if waiting.is_closed {
            drop(waiting);
            return stream.give_up(NOBODY);
        }
        waiting.streams.push_back(stream);
        drop(waiting);
        self.arrival.notify(1);
    }

    fn take(&self) -> Option<RawStream> {
        self.lock().streams.pop_front()
    }
}

/// The raw streams that are opened for one mount of this program. Dropping it refuses all further ones.
#[must_use = "nobody is served whose stream is not accepted"]
pub struct Acceptor(pub(super) Arc<Arrivals>);

impl Acceptor {
    /// The next stream. Dropping the future loses none.
    pub async fn accept(&mut self) -> RawStream {
        loop {
            if let Some(stream) = self.0.take() {
                return stream;
            }
            let arrival = self.0.arrival.listen();
            // One may have come between the look and the wait.
            match self.0.take() {
                Some(stream) => return stream,
                None => arrival.await,
            }
        }
    }
}

impl Drop for Acceptor {
    fn drop(&mut self) {
        let refused = {
            let mut waiting = self.0.lock();
            waiting.is_closed = true;
            std::mem::take(&mut waiting.streams)
        };
        refused.into_iter().for_each(|stream| stream.give_up(NOBODY));
    }
}

/// Serves one stream, which came from `from`; by PROXY protocol v2 a backend is told so, if it `tells_peer`.
pub(super) async fn serve<R: Runtime>(
    (runtime, log): (R, Arc<Log>),
    service: RawService,
    tells_peer: bool,
    from: Option<SocketAddr>,
    stream: StreamHandle,
) {
    let (endpoint, watch) = match service {
        RawService::Acceptor(arrivals) => return arrivals.put(RawStream::new(stream, from)),
        RawService::Backend(endpoint, watch) => (endpoint, watch),
    };
    let limits = BackendLimits::default();
    let socket = match connect_for(&runtime, runtime.connect(&endpoint), (&limits, &watch), &stream).await {
        Ok(socket) => socket,
        Err(code) => {
            report_shortage(&log, runtime.now(), code);
            return stream.give_up(code, Touched::No);
        }
    };
    let head = if tells_peer { proxy_head(from) } else { Bytes::new() };
    if let Err(GivenUp::AtSocket) = carry(&runtime, socket, &stream, head, pending()).await.ended {
        tracing::debug!("the backend of a raw stream reset its connection");
    }
}

/// Where a connection comes from, as PROXY protocol v2 says it; the destination is not known here, and is given as the
/// unspecified address. Without a source it is the head of a connection that the proxy made for itself.
fn proxy_head(from: Option<SocketAddr>) -> Bytes {
    let (command, protocol, addresses) = match from {
        Some(SocketAddr::V4(from)) => {
            let to = std::net::Ipv4Addr::UNSPECIFIED;
            let addresses = v2::IPv4::new(*from.ip(), to, from.port(), 0);
            (v2::Command::Proxy, v2::Protocol::Stream, v2::Addresses::from(addresses))
        }
        Some(SocketAddr::V6(from)) => {
            let to = std::net::Ipv6Addr::UNSPECIFIED;
            let addresses = v2::IPv6::new(*from.ip(), to, from.port(), 0);
            (v2::Command::Proxy, v2::Protocol::Stream, v2::Addresses::from(addresses))
        }
        None => (v2::Command::Local, v2::Protocol::Unspecified, v2::Addresses::Unspecified),
    };
    let head = v2::Builder::with_addresses(v2::Version::Two | command, protocol, addresses);
    head.build().map(Bytes::from).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backend_reads_where_a_connection_comes_from() {
        let head = |from: &str| proxy_head(Some(from.parse().unwrap()));
        let signature = b"\r\n\r\n\0\r\nQUIT\n";
        let v4 = [&signature[..], &[0x21, 0x11, 0, 12, 192, 0, 2, 7, 0, 0, 0, 0, 0x9c, 0x40, 0, 0]].concat();
        assert_eq!(head("192.0.2.7:40000"), v4);
        let v6 = head("[2001:db8::7]:40000");
        assert_eq!((v6.len(), &v6[12..16]), (52, &[0x21, 0x21, 0, 36][..]));
        assert_eq!(proxy_head(None), [&signature[..], &[0x20, 0x00, 0, 0]].concat());
    }
}
