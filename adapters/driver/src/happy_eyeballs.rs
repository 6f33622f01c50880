//! Connecting to a name with several addresses, some of which may be dead (RFC 8305, T-16).

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use telephone_core::address::Localhost;
use telephone_core::dial_race::{self, AttemptFailure, DialRace, RaceEvent};

use crate::alarm::Alarm;
use crate::file_table;
use crate::runtime::{Endpoint, Runtime};

/// Connects to `endpoint`. `patience` is how long addresses without an answer are waited for after another one refused.
pub(crate) async fn connect<R: Runtime>(
    runtime: &R,
    endpoint: &Endpoint,
    patience: Duration,
) -> io::Result<R::Socket> {
    match endpoint {
        Endpoint::Tcp { host, port } => {
            let addresses = resolve(runtime, host, *port).await?;
            race(runtime, DialRace::new(addresses, patience, runtime.now())).await
        }
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
    resolve(runtime, host, port).await.map(dial_race::interleaved)
}

async fn resolve<R: Runtime>(runtime: &R, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let resolved = runtime.resolve(host, port).await;
    // The standard library gives no kind to a resolver's error.
    let unresolved = |error| io::Error::new(io::ErrorKind::NotFound, error);
    resolved.map_err(|error| file_table::error_if_full().unwrap_or_else(|| unresolved(error)))
}

type Attempt<'a, S> = Pin<Box<dyn Future<Output = io::Result<S>> + Send + 'a>>;

/// Carries out a race. The first address to connect wins and the other attempts are dropped.
async fn race<R: Runtime>(runtime: &R, mut race: DialRace) -> io::Result<R::Socket> {
    let mut attempts: Vec<Attempt<'_, R::Socket>> = Vec::new();
    let mut alarm = Alarm::new(runtime.clone());
    let mut reason = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    loop {
        match race.poll_event(runtime.now()) {
            Some(RaceEvent::Connect(address)) => attempts.push(Box::pin(runtime.connect_tcp(address))),
            Some(RaceEvent::GiveUp) => return Err(reason),
            None => {}
        }
        let turn = poll_fn(|cx| match poll_attempts(&mut attempts, cx) {
            Poll::Ready(ended) => Poll::Ready(Some(ended)),
            Poll::Pending if alarm.poll(race.poll_timeout(), runtime.now(), cx) => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        });
        match turn.await {
            Some(Ok(socket)) => return Ok(socket),
            Some(Err(error)) => {
                race.handle_failed(failure(&error), runtime.now());
                // Of several errors a full file table counts: the other addresses may have been fine.
                if !file_table::is_full(&reason) {
                    reason = error;
                }
            }
            None => {}
        }
    }
}

fn failure(error: &io::Error) -> AttemptFailure {
    match error.kind() {
        io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset => AttemptFailure::Refused,
        _ => AttemptFailure::Other,
    }
}

/// The first attempt that has ended, taken out of the list.
fn poll_attempts<S>(attempts: &mut Vec<Attempt<'_, S>>, cx: &mut Context<'_>) -> Poll<io::Result<S>> {
    for (index, attempt) in attempts.iter_mut().enumerate() {
        if let Poll::Ready(result) = attempt.as_mut().poll(cx) {
            drop(attempts.swap_remove(index));
            return Poll::Ready(result);
        }
    }
    Poll::Pending
}
