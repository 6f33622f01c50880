//! The accept loop: it outlives every error, also a full file table (T-19).

use std::fs::File;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures_lite::future;
use telephone_core::log_limit::{Due, LineKind, LineSource};

use crate::file_table::is_full;
use crate::log::Log;
use crate::runtime::{Listener, Runtime};

/// How long to wait when the process or the system is short of something.
const BACKOFF: Duration = Duration::from_millis(100);

/// A listener is closed when none came for so long, which is long enough for a runtime to look.
const LAST_QUIET: Duration = Duration::from_millis(1);
/// Connections that are taken at a time when none may be left waiting: as many as may wait.
const WAITING_MAX: usize = 1024;

/// Descriptors that a loop keeps for [`WhenFull::Serve`]: a probe, a scrape and an order at a time, and one more.
const SERVED_AT_ONCE: usize = 4;
/// Connections that are shed before other tasks of the thread run.
const SHED_AT_ONCE: usize = 32;

/// What happens to a connection for which no descriptor is left. The loop keeps some in reserve for this case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenFull {
    /// It is closed at once, so that its client knows, and with it all others that wait. The reserve is one descriptor. For
    /// ports that anyone can reach.
    Shed,
    /// It is served out of a reserve of four descriptors. For health and admin ports, which must answer just then.
    Serve,
}

/// Hands each connection of `listener` to `on_socket` until `stop` is ready, and those that wait at that moment; then closes
/// the listener.
///
/// No error ends it, and errors are logged once a second at most. While descriptors or memory are short the loop waits 100 ms between attempts, and
/// `when_full` decides about all connections that wait at each. `on_socket` should spawn: while it runs nothing is
/// accepted.
pub async fn accept_loop<R: Runtime>(
    runtime: &R,
    listener: R::Listener,
    when_full: WhenFull,
    mut on_socket: impl FnMut(R::Socket, SocketAddr),
    stop: impl Future<Output = ()>,
) {
    let accepting = async {
        let mut reserve = Reserve::new(when_full);
        let mut is_short = false;
        // Strangers that come and go can end a shortage, and begin the next, many times a second.
        let log = Log::default();
        // Connections that were accepted out of the reserve since the last wait.
        let mut turn = 0;
        loop {
            reserve.refill();
            match listener.accept().await {
                Ok((socket, peer)) => {
                    is_short = false;
                    on_socket(socket, peer);
                }
                Err(error) if concerns_one_connection(&error) => {}
                Err(error) => {
                    let line = || log.line(LineKind::AcceptFailed, LineSource::Process, runtime.now());
                    if !is_short && let Some(Due { suppressed, .. }) = line() {
                        tracing::warn!(%error, suppressed, "cannot accept connections for now");
                    }
                    is_short = true;
                    if is_full(&error)
                        && turn < WAITING_MAX
                        && let Some((socket, peer)) = reserve.accept(&listener).await
                    {
                        match when_full {
                            WhenFull::Shed => drop(socket),
                            WhenFull::Serve => on_socket(socket, peer),
                        }
                        turn += 1;
                        if turn % SHED_AT_ONCE == 0 {
                            // Also because tokio lets no task do more at once, and then says that nothing waits.
                            future::yield_now().await;
                        }
                        continue;
                    }
                    turn = 0;
                    reserve.refill();
                    runtime.sleep_until(runtime.now() + BACKOFF).await;
                }
            }
        }
    };
    future::or(stop, accepting).await;
    for _ in 0..WAITING_MAX {
        let quiet = async {
            runtime.sleep_until(runtime.now() + LAST_QUIET).await;
            None
        };
        match future::or(async { Some(listener.accept().await) }, quiet).await {
            Some(Ok((socket, peer))) => on_socket(socket, peer),
            Some(Err(error)) if concerns_one_connection(&error) => {}
            Some(Err(_)) | None => break,
        }
    }
}

/// Descriptors that are given up for connections when there are no others. Without them connections would wait in the
/// kernel's queue, neither served nor refused.
struct Reserve {
    size: usize,
    files: Vec<File>,
}

impl Reserve {
    fn new(when_full: WhenFull) -> Self {
        let size = match when_full {
            WhenFull::Shed => 1,
            WhenFull::Serve => SERVED_AT_ONCE,
        };
        Self { size, files: Vec::with_capacity(size) }
    }

    /// Takes as many descriptors as it lacks and as are free.
    fn refill(&mut self) {
        while self.files.len() < self.size
            && let Ok(file) = File::open("/dev/null")
        {
            self.files.push(file);
        }
    }

    /// Accepts with a reserved descriptor, if a connection is waiting.
    async fn accept<L: Listener>(&mut self, listener: &L) -> Option<(L::Socket, SocketAddr)> {
        self.files.pop()?;
        future::poll_once(listener.accept()).await?.ok()
    }
}

/// The peer went away while its connection waited (accept(2), "Error handling"). The next may be fine.
fn concerns_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted
    )
}
