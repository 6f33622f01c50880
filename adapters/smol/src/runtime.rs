//! The binding to smol.

use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use smol::future::FutureExt as _;
use smol::{Async, Executor};
use telephone_driver::core::time::Timestamp;
use telephone_driver::{Runtime, TcpOrUnix};

use crate::socket::ReadWhenReady;

/// A socket on smol, TCP or Unix. Not `smol::net`'s, whose Unix half drops vectored writes.
pub type Socket = TcpOrUnix<ReadWhenReady<TcpStream>, ReadWhenReady<UnixStream>>;

/// smol, as the driver sees it. It works under any executor; tasks go to smol's global one, or to one that is named.
#[derive(Debug, Clone, Copy)]
pub struct SmolRuntime {
    epoch: Instant,
    executor: Option<&'static Executor<'static>>,
}

impl SmolRuntime {
    /// A binding whose clock starts now.
    #[must_use]
    pub fn new() -> Self {
        Self { epoch: Instant::now(), executor: None }
    }

    /// A binding whose clock starts now and whose tasks go to `executor`, which somebody must run.
    #[must_use]
    pub fn on(executor: &'static Executor<'static>) -> Self {
        Self { executor: Some(executor), ..Self::new() }
    }
}

impl Default for SmolRuntime {
    fn default() -> Self {
        Self::new()
    }
}

impl Runtime for SmolRuntime {
    type Socket = Socket;
    type Listener = Listener;
    type Sleep = Sleep;

    fn now(&self) -> Timestamp {
        Timestamp::ZERO + self.epoch.elapsed()
    }

    fn sleep_until(&self, deadline: Timestamp) -> Sleep {
        let instant = self.epoch.checked_add(deadline.since(Timestamp::ZERO));
        Sleep(instant.map_or_else(smol::Timer::never, smol::Timer::at))
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        match self.executor {
            // A panic would end whoever runs the executor; smol's own threads see to that themselves.
            Some(executor) => executor.spawn(AssertUnwindSafe(task).catch_unwind()).detach(),
            None => smol::spawn(task).detach(),
        }
    }

    async fn spawn_blocking<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> T {
        smol::unblock(job).await
    }

    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        smol::net::resolve((host, port)).await
    }

    async fn connect_tcp(&self, address: SocketAddr) -> io::Result<Socket> {
        Ok(Socket::tcp(Async::<TcpStream>::connect(address).await?.into()))
    }

    async fn connect_unix(&self, path: &Path) -> io::Result<Socket> {
        Ok(Socket::unix(Async::<UnixStream>::connect(path).await?.into()))
    }

    fn listen(&self, listener: TcpListener) -> io::Result<Listener> {
        Async::new_nonblocking(listener).map(Listener)
    }
}

/// A timer on smol, which forgets the instant that smol's own gives.
#[derive(Debug)]
pub struct Sleep(smol::Timer);

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.0).poll(cx).map(|_| ())
    }
}

/// A listening socket on smol.
#[derive(Debug)]
pub struct Listener(Async<TcpListener>);

impl telephone_driver::Listener for Listener {
    type Socket = Socket;

    async fn accept(&self) -> io::Result<(Socket, SocketAddr)> {
        let (socket, peer) = self.0.accept().await?;
        Ok((Socket::tcp(socket.into()), peer))
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.get_ref().local_addr()
    }
}
