//! Sockets: the one home of their options, for both runtimes, dialled and accepted.

use std::cell::RefCell;
use std::io::{self, IoSlice, IoSliceMut};
use std::net::{Shutdown, SocketAddr, TcpListener};
use std::os::fd::AsFd;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::BytesMut;
use futures_io::{AsyncRead, AsyncWrite};
use rustix::event::{PollFd, PollFlags, Timespec};
use socket2::{SockRef, TcpKeepalive};
use telephone_core::limits::UNSENT_BYTES_MAX;

/// The congestion control of a connection within this machine, where nothing can be congested. The system's default is for
/// networks: under BBR a connection sends at a rate that it estimates, by timers, which costs much of what a loopback
/// carries. Every Linux has this one, and every program may choose it unless `tcp_allowed_congestion_control` was narrowed.
#[cfg(target_os = "linux")]
const LOOPBACK_CONGESTION_CONTROL: &[u8] = b"reno";
/// Octets that a thread has room for in one read: those of a large message and the small things behind it.
pub(crate) const READ_BYTES_MAX: usize = 68 * 1024;
/// How long a link's bytes may stay unacknowledged. Below the 30 s after which silence is death, so
/// that a link that only sends learns of a vanished peer in time. [L9, T-02]
#[cfg(any(target_os = "linux", target_os = "android"))]
const LINK_UNACKNOWLEDGED_MAX: Duration = Duration::from_secs(20);
/// Of a connection that may be silent: how long it is before the peer is asked whether it is there, how long between
/// questions, and how many stay unanswered before it counts as gone.
const KEEPALIVE: TcpKeepalive = TcpKeepalive::new()
    .with_time(Duration::from_secs(60))
    .with_interval(Duration::from_secs(15))
    .with_retries(4);
/// Connections that wait to be accepted; the kernel's own bound (`somaxconn`) may be lower.
const BACKLOG: i32 = 1024;

/// A connected byte stream. Dropping it closes it; closing it through [`AsyncWrite`] ends the sending
/// direction alone and leaves the other open.
pub trait Socket: ReadSocket + WriteSocket + Send + 'static {
    /// Bounds the time that bytes may stay unacknowledged, where the platform can. For the socket below a link, on both
    /// ends.
    fn tune_for_link(&self);

    /// Makes the coming drop a reset, where the transport has one, so that a peer whose message ends
    /// with the connection can tell an abort from an end.
    fn reset_on_drop(&self);

    /// Undoes that.
    fn finish_on_drop(&self) {}

    /// The number under which the system lists the socket, if it lists it.
    fn inode(&self) -> Option<u64> {
        None
    }

    /// Has the transport find out, where it can and within some minutes, that a peer is gone which says nothing and is told
    /// nothing. For connections that may be silent for as long as they like.
    fn watch_peer(&self) {}
}

/// How a socket is written. All methods have defaults, for transports below which no kernel keeps unsent bytes.
pub trait WriteSocket: AsyncWrite + Unpin {
    /// Bounds the bytes that wait in the kernel and are not sent yet, where the platform can.
    fn bound_unsent(&self, _bytes: usize) {}

    /// Ready when less than half of that bound is unsent, whatever else the socket would take.
    fn poll_unsent(&mut self, _cx: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }
}

/// Whether the system takes a socket for writable now: with a bound of its unsent bytes, whether less than half of it is left.
/// Where it does not, the system reports the change to a runtime that waits for it. A write shows less: the system appends
/// up to 64 KiB to what is unsent before it looks at the bound.
pub fn is_writable(socket: &impl AsFd) -> bool {
    let mut sockets = [PollFd::new(socket, PollFlags::OUT)];
    // A failure, too, is one that the next write reports.
    !matches!(rustix::event::poll(&mut sockets, Some(&Timespec::default())), Ok(0))
}

/// How a socket is read. Nothing of it must be said of one that knows no better way than [`AsyncRead`].
pub trait ReadSocket: AsyncRead + Unpin {
    /// Has the next read ask the system, whatever an earlier one found: for who has not waited since.
    fn look_again(&mut self) {}

    /// Reads up to `most` octets, at least one, behind what `input` holds; zero octets are the end. Where the runtime can, it
    /// makes room and reads straight into it, which nobody has to fill before.
    fn poll_read_buf(
        &mut self,
        most: usize,
        input: &mut BytesMut,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        read_through(self, most, input, cx)
    }
}

/// Reads up to `most` octets into room of the thread's and copies them out: what is read costs memory in its own size, and
/// none if it is nothing.
pub(crate) fn read_through<S: AsyncRead + Unpin + ?Sized>(
    mut socket: &mut S,
    most: usize,
    input: &mut BytesMut,
    cx: &mut Context<'_>,
) -> Poll<io::Result<usize>> {
    thread_local! {
        static SPACE: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_BYTES_MAX].into());
    }
    SPACE.with_borrow_mut(|space| {
        let space = space.get_mut(..most.min(READ_BYTES_MAX)).unwrap_or_default();
        let count = ready!(Pin::new(&mut socket).poll_read(cx, space))?;
        input.extend_from_slice(space.get(..count).unwrap_or_default());
        Poll::Ready(Ok(count))
    })
}

impl Socket for Box<dyn Socket> {
    fn tune_for_link(&self) {
        (**self).tune_for_link();
    }

    fn reset_on_drop(&self) {
        (**self).reset_on_drop();
    }

    fn finish_on_drop(&self) {
        (**self).finish_on_drop();
    }

    fn inode(&self) -> Option<u64> {
        (**self).inode()
    }

    fn watch_peer(&self) {
        (**self).watch_peer();
    }
}

impl WriteSocket for Box<dyn Socket> {
    fn bound_unsent(&self, bytes: usize) {
        (**self).bound_unsent(bytes);
    }

    fn poll_unsent(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        (**self).poll_unsent(cx)
    }
}

impl ReadSocket for Box<dyn Socket> {
    fn look_again(&mut self) {
        (**self).look_again();
    }

    fn poll_read_buf(
        &mut self,
        most: usize,
        input: &mut BytesMut,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        (**self).poll_read_buf(most, input, cx)
    }
}

/// A TCP or a Unix socket of one runtime.
#[derive(Debug)]
pub struct TcpOrUnix<T, U>(Transport<T, U>);

#[derive(Debug)]
enum Transport<T, U> {
    Tcp(T),
    Unix(U),
}

impl<T: AsFd, U> TcpOrUnix<T, U> {
    /// Takes a connected TCP socket, turns Nagle's algorithm off, and where the platform can bounds the kernel's backlog of
    /// unsent octets, and chooses Reno for a peer on this machine.
    #[must_use]
    pub fn tcp(socket: T) -> Self {
        let options = SockRef::from(&socket);
        // Fails only on a connection that is already dead, which its first read will tell better.
        if let Err(error) = options.set_tcp_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY was refused");
        }
        bound_unsent(&options, UNSENT_BYTES_MAX);
        #[cfg(target_os = "linux")]
        if is_from_loopback(&options)
            && let Err(error) = options.set_tcp_congestion(LOOPBACK_CONGESTION_CONTROL)
        {
            tracing::debug!(%error, "TCP_CONGESTION was refused");
        }
        Self(Transport::Tcp(socket))
    }
}

/// Whether the peer of a connected socket has a loopback address.
#[cfg(target_os = "linux")]
fn is_from_loopback(socket: &SockRef<'_>) -> bool {
    let peer = socket.peer_addr().ok().and_then(|address| address.as_socket());
    peer.is_some_and(|peer| peer.ip().to_canonical().is_loopback())
}

impl<T, U> TcpOrUnix<T, U> {
    /// Takes a connected Unix socket.
    #[must_use]
    pub const fn unix(socket: U) -> Self {
        Self(Transport::Unix(socket))
    }
}

impl<T: ReadSocket, U: ReadSocket> ReadSocket for TcpOrUnix<T, U> {
    fn look_again(&mut self) {
        match &mut self.0 {
            Transport::Tcp(socket) => socket.look_again(),
            Transport::Unix(socket) => socket.look_again(),
        }
    }

    fn poll_read_buf(
        &mut self,
        most: usize,
        input: &mut BytesMut,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        match &mut self.0 {
            Transport::Tcp(socket) => socket.poll_read_buf(most, input, cx),
            Transport::Unix(socket) => socket.poll_read_buf(most, input, cx),
        }
    }
}

impl<T: AsFd + WriteSocket, U: AsFd + AsyncWrite + Unpin> WriteSocket for TcpOrUnix<T, U> {
    fn bound_unsent(&self, bytes: usize) {
        match &self.0 {
            Transport::Tcp(socket) => bound_unsent(&SockRef::from(socket), bytes),
            Transport::Unix(_) => {}
        }
    }

    fn poll_unsent(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.0 {
            Transport::Tcp(socket) => socket.poll_unsent(cx),
            Transport::Unix(_) => Poll::Ready(()),
        }
    }
}

impl<T, U> Socket for TcpOrUnix<T, U>
where
    T: AsFd + ReadSocket + WriteSocket + Send + 'static,
    U: AsFd + ReadSocket + AsyncWrite + Send + 'static,
{
    fn tune_for_link(&self) {
        match &self.0 {
            Transport::Tcp(socket) => tune_for_link(&SockRef::from(socket)),
            Transport::Unix(_) => {}
        }
    }

    fn reset_on_drop(&self) {
        self.linger(Some(Duration::ZERO));
    }

    fn finish_on_drop(&self) {
        self.linger(None);
    }

    fn inode(&self) -> Option<u64> {
        match &self.0 {
            Transport::Tcp(socket) => rustix::fs::fstat(socket).ok().map(|stat| stat.st_ino),
            Transport::Unix(_) => None,
        }
    }

    fn watch_peer(&self) {
        match &self.0 {
            Transport::Tcp(socket) => {
                if let Err(error) = SockRef::from(socket).set_tcp_keepalive(&KEEPALIVE) {
                    tracing::debug!(%error, "SO_KEEPALIVE was refused");
                }
            }
            Transport::Unix(_) => {}
        }
    }
}

impl<T: AsFd, U> TcpOrUnix<T, U> {
    fn linger(&self, time: Option<Duration>) {
        match &self.0 {
            Transport::Tcp(socket) => {
                if let Err(error) = SockRef::from(socket).set_linger(time) {
                    tracing::debug!(%error, "SO_LINGER was refused");
                }
            }
            Transport::Unix(_) => {}
        }
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn bound_unsent(socket: &SockRef<'_>, bytes: usize) {
    // Some sandboxes do not know it. A socket works without, only less well.
    if let Err(error) = socket.set_tcp_notsent_lowat(u32::try_from(bytes).unwrap_or(u32::MAX)) {
        tracing::debug!(%error, "TCP_NOTSENT_LOWAT was refused");
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn bound_unsent(_socket: &SockRef<'_>, _bytes: usize) {}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn tune_for_link(socket: &SockRef<'_>) {
    // Some sandboxes do not know it. A link works without, only less well.
    if let Err(error) = socket.set_tcp_user_timeout(Some(LINK_UNACKNOWLEDGED_MAX)) {
        tracing::debug!(%error, "TCP_USER_TIMEOUT was refused");
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn tune_for_link(_socket: &SockRef<'_>) {}

impl<T: AsFd, U: AsFd> AsFd for TcpOrUnix<T, U> {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        match &self.0 {
            Transport::Tcp(socket) => socket.as_fd(),
            Transport::Unix(socket) => socket.as_fd(),
        }
    }
}

impl<T: AsyncRead + Unpin, U: AsyncRead + Unpin> AsyncRead for TcpOrUnix<T, U> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.0 {
            Transport::Tcp(socket) => Pin::new(socket).poll_read(cx, buffer),
            Transport::Unix(socket) => Pin::new(socket).poll_read(cx, buffer),
        }
    }

    fn poll_read_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.0 {
            Transport::Tcp(socket) => Pin::new(socket).poll_read_vectored(cx, buffers),
            Transport::Unix(socket) => Pin::new(socket).poll_read_vectored(cx, buffers),
        }
    }
}

impl<T: AsFd + AsyncWrite + Unpin, U: AsFd + AsyncWrite + Unpin> AsyncWrite for TcpOrUnix<T, U> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.0 {
            Transport::Tcp(socket) => Pin::new(socket).poll_write(cx, bytes),
            Transport::Unix(socket) => Pin::new(socket).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.0 {
            Transport::Tcp(socket) => Pin::new(socket).poll_write_vectored(cx, slices),
            Transport::Unix(socket) => Pin::new(socket).poll_write_vectored(cx, slices),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.0 {
            Transport::Tcp(socket) => Pin::new(socket).poll_flush(cx),
            Transport::Unix(socket) => Pin::new(socket).poll_flush(cx),
        }
    }

    /// Ends the sending direction. Here and not in the runtimes, since smol's sockets only flush.
    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.as_mut().poll_flush(cx))?;
        match SockRef::from(&*self).shutdown(Shutdown::Write) {
            // The peer has left already: there is nothing to end any more.
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Poll::Ready(Ok(())),
            result => Poll::Ready(result),
        }
    }
}

/// Whether other processes may listen on the same address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sharing {
    Alone,
    Shared,
}

/// A non-blocking listening socket on `address`.
pub(crate) fn bind(address: SocketAddr, sharing: Sharing) -> io::Result<TcpListener> {
    let socket = socket2::Socket::new(
        socket2::Domain::for_address(address),
        socket2::Type::STREAM,
        Some(socket2::Protocol::TCP),
    )?;
    // Or a restarted relay could not listen for a minute, while its old connections are in TIME_WAIT.
    socket.set_reuse_address(true)?;
    if sharing == Sharing::Shared {
        socket.set_reuse_port(true)?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}
