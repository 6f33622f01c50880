//! What a runtime must give: a clock, timers, tasks and sockets.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use telephone_core::limits::DIAL_PATIENCE;
use telephone_core::time::Timestamp;

use crate::happy_eyeballs;
use crate::socket::{self, Sharing, Socket};
use crate::wake;

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
    /// A port of this machine: at 127.0.0.1, or at ::1 if that refuses.
    Localhost(u16),
    /// A Unix socket's path.
    Unix(PathBuf),
}

impl fmt::Display for Endpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { .. } | Self::Localhost(_) => formatter.write_str(&self.authority()),
            Self::Unix(path) => write!(formatter, "unix:{}", path.display()),
        }
    }
}

impl Endpoint {
    /// As a request names it: host and port, an IPv6 address in brackets (RFC 3986 §3.2.2). A Unix socket has no name, and
    /// is `localhost`.
    ///
    /// ```
    /// use telephone_driver::{BackendUrl, Endpoint};
    ///
    /// let url: BackendUrl = "http://[::1]:3000".parse()?;
    /// assert_eq!(Endpoint::from(url).authority(), "[::1]:3000");
    /// # Ok::<(), telephone_driver::BadBackendUrl>(())
    /// ```
    #[must_use]
    pub fn authority(&self) -> String {
        match self {
            Self::Tcp { host, port } if host.contains(':') => format!("[{host}]:{port}"),
            Self::Tcp { host, port } => format!("{host}:{port}"),
            Self::Localhost(port) => format!("localhost:{port}"),
            Self::Unix(_) => "localhost".into(),
        }
    }
}

/// A runtime binding: about a hundred lines each for tokio and smol.
///
/// A binding gives single system operations; what is made of them, such as trying several addresses
/// or surviving a full file table, lives once in this crate.
///
/// Every socket that comes from here, dialled or accepted, has `TCP_NODELAY` set, and `TCP_NOTSENT_LOWAT` on Linux and Android;
/// on Linux `TCP_CONGESTION` is Reno where the peer has a loopback address.
pub trait Runtime: Clone + Send + Sync + 'static {
    /// A connected socket. Dropping it closes it.
    type Socket: Socket;
    /// A listening socket. Dropping it closes it.
    type Listener: Listener<Socket = Self::Socket>;
    /// A timer that is ready once, at its deadline or soon after.
    type Sleep: Future<Output = ()> + Send + 'static;

    /// The time since this runtime value was made, on a monotonic clock. Clones share the epoch.
    fn now(&self) -> Timestamp;

    /// The time on a clock that counts while the machine is suspended, too, unlike [`now`](Self::now), and that nobody sets.
    fn boot_time(&self) -> Timestamp {
        wake::boot_time()
    }

    /// A timer for `deadline`; a deadline in the past is ready at once.
    fn sleep_until(&self, deadline: Timestamp) -> Self::Sleep;

    /// Runs `task` until it ends; a panic in it ends that task alone.
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static);

    /// Runs `job`, which may take a processor for milliseconds, on a thread that runs no tasks, and gives what it came to.
    /// Dropping the future stops no job that has begun; one that has not may be dropped with it.
    fn spawn_blocking<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> impl Future<Output = T> + Send;

    /// The addresses of `host` (IPv6 without brackets), in the system's order of preference. Nothing
    /// is kept from one call to the next.
    ///
    /// # Errors
    /// What the system's resolver said.
    fn resolve(&self, host: &str, port: u16) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + Send;

    /// Connects to one address. Dropping the future closes what it opened.
    ///
    /// # Errors
    /// What the operating system said.
    fn connect_tcp(&self, address: SocketAddr) -> impl Future<Output = io::Result<Self::Socket>> + Send;

    /// Connects to a Unix socket. Dropping the future closes what it opened.
    ///
    /// # Errors
    /// What the operating system said.
    fn connect_unix(&self, path: &Path) -> impl Future<Output = io::Result<Self::Socket>> + Send;

    /// Takes over a listening socket that is in non-blocking mode.
    ///
    /// # Errors
    /// What the operating system said, such as that no more descriptors can be watched.
    fn listen(&self, listener: TcpListener) -> io::Result<Self::Listener>;

    /// Connects to `endpoint`, looking its name up afresh and trying its addresses as RFC 8305 does.
    /// Dropping the future gives up and leaves nothing behind. There is no time limit in here, unless one address refused:
    /// those that do not answer are then given up after [`DIAL_PATIENCE`].
    ///
    /// # Errors
    /// What the operating system said of the last address that failed.
    fn connect(&self, endpoint: &Endpoint) -> impl Future<Output = io::Result<Self::Socket>> + Send {
        happy_eyeballs::connect(self, endpoint, DIAL_PATIENCE)
    }

    /// Listens on `address` (port 0 for any free port), also when connections of an earlier process
    /// on it still linger.
    ///
    /// # Errors
    /// What the operating system said, such as that the address is in use.
    fn bind(&self, address: SocketAddr) -> io::Result<Self::Listener> {
        self.listen(socket::bind(address, Sharing::Alone)?)
    }

    /// Likewise, beside other processes that listen there and share, too: each gets its part of the connections, so that
    /// one can take over from another. (`SO_REUSEPORT`)
    ///
    /// # Errors
    /// What the operating system said, such as that somebody listens there who does not share.
    fn bind_shared(&self, address: SocketAddr) -> io::Result<Self::Listener> {
        self.listen(socket::bind(address, Sharing::Shared)?)
    }
}

/// A listening socket.
pub trait Listener: Send + Sync + 'static {
    /// What is accepted.
    type Socket: Socket;

    /// The next connection and its peer. Dropping the future loses none. [`accept_loop`] is for
    /// servers, since some errors go on for as long as the process is short of something.
    ///
    /// # Errors
    /// What the operating system said.
    ///
    /// [`accept_loop`]: crate::accept_loop
    fn accept(&self) -> impl Future<Output = io::Result<(Self::Socket, SocketAddr)>> + Send;

    /// The address that is listened on, with the port that was chosen for port 0.
    ///
    /// # Errors
    /// What the operating system said.
    fn local_addr(&self) -> io::Result<SocketAddr>;
}
