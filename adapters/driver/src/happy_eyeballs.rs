//! Connecting to a name with several addresses, some of which may be dead (RFC 8305, T-16).

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use telephone_core::address::Localhost;

use crate::file_table;
use crate::runtime::{Endpoint, Runtime};

/// The head start of an address before the next is tried beside it (RFC 8305 §5).
const HEAD_START: Duration = Duration::from_millis(250);
/// Addresses tried for one name. A resolver that says more is broken or hostile.
const ADDRESSES_MAX: usize = 16;

pub(crate) async fn connect<R: Runtime>(runtime: &R, endpoint: &Endpoint) -> io::Result<R::Socket> {
    match endpoint {
        Endpoint::Tcp { host, port } => race(runtime, addresses(runtime, host, *port).await?).await,
        Endpoint::Localhost(port) => {
            connect_localhost(runtime, *port, Localhost::default()).await.map(|(socket, _)| socket)
        }
        Endpoint::Unix(path) => runtime.connect_unix(path).await,
    }
}

/// Connects to a port of this machine, and says at which address. There is no head start: this machine answers at once.
pub(crate) async fn connect_localhost<R: Runtime>(
    runtime: &R,
    port: u16,
    localhost: Localhost,
) -> io::Result<(R::Socket, IpAddr)> {
    let [first, second] = localhost.order();
    match runtime.connect_tcp(SocketAddr::new(first, port)).await {
        Ok(socket) => Ok((socket, first)),
        Err(error) if file_table::is_full(&error) => Err(error),
        // That nobody listens at the first one is what its user can mend.
        Err(refused) => match runtime.connect_tcp(SocketAddr::new(second, port)).await {
            Ok(socket) => Ok((socket, second)),
            Err(error) if file_table::is_full(&error) => Err(error),
            Err(_) => Err(refused),
        },
    }
}

/// The addresses of a name that are tried, in this order.
pub(crate) async fn addresses<R: Runtime>(
    runtime: &R,
    host: &str,
    port: u16,
) -> io::Result<VecDeque<SocketAddr>> {
    runtime
        .resolve(host, port)
        .await
        .map(interleave)
        .map_err(|error| file_table::error_if_full().unwrap_or_else(|| unresolved(error)))
}

/// A resolver's error, which the standard library gives no kind.
fn unresolved(error: io::Error) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, error)
}

/// Alternates the two families, beginning with the one that the resolver prefers (RFC 8305 §4), so that
/// a family without a route costs one head start and not one an address.
fn interleave(addresses: Vec<SocketAddr>) -> VecDeque<SocketAddr> {
    let v6_first = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) = addresses.into_iter().partition(|a| a.is_ipv6() == v6_first);
    let mut second = second.into_iter();
    let mut order = VecDeque::new();
    for address in first {
        order.push_back(address);
        order.extend(second.next());
    }
    order.extend(second);
    order.truncate(ADDRESSES_MAX);
    order
}

type Attempt<'a, S> = Pin<Box<dyn Future<Output = io::Result<S>> + Send + 'a>>;

/// What a race waited for.
enum News<S> {
    Connected(S),
    Failed(io::Error),
    HeadStartOver,
}

/// Starts one attempt after the other, each when the one before failed or had its head start. The
/// first to connect wins and the others are dropped.
async fn race<R: Runtime>(runtime: &R, mut waiting: VecDeque<SocketAddr>) -> io::Result<R::Socket> {
    let mut attempts: Vec<Attempt<'_, R::Socket>> = Vec::new();
    // Of several errors this one counts: the other addresses may have been fine.
    let mut full = None;
    loop {
        if let Some(address) = waiting.pop_front() {
            attempts.push(Box::pin(runtime.connect_tcp(address)));
        }
        let mut head_start = pin!(runtime.sleep_until(runtime.now() + HEAD_START));
        let is_last = waiting.is_empty();
        let news = poll_fn(|cx| match poll_attempts(&mut attempts, cx) {
            Poll::Pending if !is_last => head_start.as_mut().poll(cx).map(|()| News::HeadStartOver),
            news => news,
        });
        match news.await {
            News::Connected(socket) => return Ok(socket),
            News::Failed(error) if waiting.is_empty() && attempts.is_empty() => {
                return Err(full.unwrap_or(error));
            }
            News::Failed(error) => full = full.or(Some(error).filter(file_table::is_full)),
            News::HeadStartOver => {}
        }
    }
}

/// The first attempt that has ended, taken out of the list. No attempts at all are a failure.
fn poll_attempts<S>(attempts: &mut Vec<Attempt<'_, S>>, cx: &mut Context<'_>) -> Poll<News<S>> {
    if attempts.is_empty() {
        let nowhere = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        return Poll::Ready(News::Failed(nowhere));
    }
    for (index, attempt) in attempts.iter_mut().enumerate() {
        if let Poll::Ready(result) = attempt.as_mut().poll(cx) {
            drop(attempts.swap_remove(index));
            return Poll::Ready(result.map_or_else(News::Failed, News::Connected));
        }
    }
    Poll::Pending
}
