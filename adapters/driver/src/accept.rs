//! The accept loop: it outlives every error, also a full file table (T-19).

use std::fs::File;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures_lite::future;

use crate::runtime::{Listener, Runtime};

/// How long to wait when the process or the system is short of something.
const BACKOFF: Duration = Duration::from_millis(100);

/// A listener is closed when none came for so long, which is long enough for a runtime to look.
const LAST_QUIET: Duration = Duration::from_millis(1);
/// Connections that are taken before that, at most: as many as may wait.
const LAST_MAX: usize = 1024;

/// What happens to a connection that came when no descriptor was left for it. The loop keeps one in
/// reserve for this case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenFull {
    /// It is closed at once, so that its client knows. For ports that anyone can reach.
    Shed,
    /// It is served out of the reserve. For health and admin ports, which must answer just then.
    Serve,
}

/// Hands each connection of `listener` to `on_socket` until `stop` is ready, and those that wait at that moment; then closes
/// the listener.
///
/// No error ends it. While descriptors or memory are short the loop waits 100 ms between attempts, and
/// `when_full` decides about one connection in each. `on_socket` should spawn: while it runs nothing is
/// accepted.
pub async fn accept_loop<R: Runtime>(
    runtime: &R,
    listener: R::Listener,
    when_full: WhenFull,
    mut on_socket: impl FnMut(R::Socket, SocketAddr),
    stop: impl Future<Output = ()>,
) {
    let accepting = async {
        let mut reserve = Reserve::default();
        let mut is_short = false;
        loop {
            reserve.refill();
            match listener.accept().await {
                Ok((socket, peer)) => {
                    is_short = false;
                    on_socket(socket, peer);
                }
                Err(error) if concerns_one_connection(&error) => {}
                Err(error) => {
                    if !is_short {
                        tracing::warn!(%error, "cannot accept connections for now");
                    }
                    is_short = true;
                    if is_table_full(&error)
                        && let Some((socket, peer)) = reserve.accept(&listener).await
                        && when_full == WhenFull::Serve
                    {
                        on_socket(socket, peer);
                    }
                    reserve.refill();
                    runtime.sleep_until(runtime.now() + BACKOFF).await;
                }
            }
        }
    };
    future::or(stop, accepting).await;
    for _ in 0..LAST_MAX {
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

/// A descriptor that is given up for one connection when there is no other. Without it connections
/// would wait in the kernel's queue, neither served nor refused.
#[derive(Default)]
struct Reserve(Option<File>);

impl Reserve {
    /// Takes a descriptor if it has none and one is free.
    fn refill(&mut self) {
        if self.0.is_none() {
            self.0 = File::open("/dev/null").ok();
        }
    }

    /// Accepts with the reserved descriptor, if a connection is waiting.
    async fn accept<L: Listener>(&mut self, listener: &L) -> Option<(L::Socket, SocketAddr)> {
        self.0.take()?;
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

/// No descriptor is left in the system (ENFILE) or in the process (EMFILE). These numbers are the same
/// on every Unix, and `io::ErrorKind` has no name for them.
fn is_table_full(error: &io::Error) -> bool {
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    matches!(error.raw_os_error(), Some(ENFILE | EMFILE))
}
