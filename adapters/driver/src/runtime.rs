//! What a runtime must give: a clock, timers, tasks and outgoing sockets.

use std::future::Future;
use std::io;
use std::path::PathBuf;

use futures_io::{AsyncRead, AsyncWrite};
use telephone_core::time::Timestamp;

/// Where an outgoing connection goes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// A host name or address literal (IPv6 without brackets), and a port. Every address that the
    /// name resolves to is tried.
    Tcp {
        /// The name or address.
        host: String,
        /// The port.
        port: u16,
    },
    /// A Unix socket's path.
    Unix(PathBuf),
}

/// A runtime binding: about a hundred lines each for tokio and smol.
///
/// Every socket that comes from here or is accepted by an adapter has `TCP_NODELAY` set; a link's
/// socket also has `TCP_NOTSENT_LOWAT` and `TCP_USER_TIMEOUT` set where the platform has them.
pub trait Runtime: Clone + Send + Sync + 'static {
    /// A connected socket. Dropping it closes it.
    type Socket: AsyncRead + AsyncWrite + Send + Unpin + 'static;
    /// A timer that is ready once, at its deadline or soon after.
    type Sleep: Future<Output = ()> + Send + 'static;

    /// The time since this runtime value was made, on a monotonic clock.
    fn now(&self) -> Timestamp;

    /// A timer for `deadline`; a deadline in the past is ready at once.
    fn sleep_until(&self, deadline: Timestamp) -> Self::Sleep;

    /// Runs `task` until it ends; a panic in it ends that task alone.
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static);

    /// Connects to `endpoint`. Dropping the future gives up and leaves nothing behind.
    ///
    /// # Errors
    /// What the operating system said of the last address tried.
    fn connect(&self, endpoint: &Endpoint) -> impl Future<Output = io::Result<Self::Socket>> + Send;
}
