//! The binding to tokio.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use telephone_driver::core::time::Timestamp;
use telephone_driver::{Runtime, TcpOrUnix};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::time::{Instant, Sleep};

use crate::socket::Compat;

/// A socket on tokio, TCP or Unix.
pub type Socket = TcpOrUnix<Compat<TcpStream>, Compat<UnixStream>>;

/// tokio, as the driver sees it. Its futures want to be polled, and its methods called, inside a tokio
/// runtime with IO and time enabled.
#[derive(Debug, Clone, Copy)]
pub struct TokioRuntime {
    epoch: Instant,
}

impl TokioRuntime {
    /// A binding whose clock starts now.
    #[must_use]
    pub fn new() -> Self {
        Self { epoch: Instant::now() }
    }
}

impl Default for TokioRuntime {
    fn default() -> Self {
        Self::new()
    }
}

impl Runtime for TokioRuntime {
    type Socket = Socket;
    type Listener = Listener;
    type Sleep = Sleep;

    fn now(&self) -> Timestamp {
        Timestamp::ZERO + self.epoch.elapsed()
    }

    fn sleep_until(&self, deadline: Timestamp) -> Sleep {
        match self.epoch.checked_add(deadline.since(Timestamp::ZERO)) {
            Some(instant) => tokio::time::sleep_until(instant),
            // Further than this clock reaches, which tokio takes for "as late as possible".
            None => tokio::time::sleep(Duration::MAX),
        }
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        drop(tokio::spawn(task));
    }

    async fn spawn_blocking<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> T {
        match tokio::task::spawn_blocking(job).await {
            Ok(result) => result,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime shuts down, and the task that waits with it.
                Err(_) => std::future::pending().await,
            },
        }
    }

    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        Ok(tokio::net::lookup_host((host, port)).await?.collect())
    }

    async fn connect_tcp(&self, address: SocketAddr) -> io::Result<Socket> {
        Ok(Socket::tcp(Compat::new(TcpStream::connect(address).await?)))
    }

    async fn connect_unix(&self, path: &Path) -> io::Result<Socket> {
        Ok(Socket::unix(Compat::new(UnixStream::connect(path).await?)))
    }

    fn listen(&self, listener: std::net::TcpListener) -> io::Result<Listener> {
        TcpListener::from_std(listener).map(Listener)
    }
}

/// A listening socket on tokio.
#[derive(Debug)]
pub struct Listener(TcpListener);

impl telephone_driver::Listener for Listener {
    type Socket = Socket;

    async fn accept(&self) -> io::Result<(Socket, SocketAddr)> {
        let (socket, peer) = self.0.accept().await?;
        Ok((Socket::tcp(Compat::new(socket)), peer))
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}
