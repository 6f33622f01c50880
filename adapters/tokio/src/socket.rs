//! tokio's sockets under the traits of futures-io. Not tokio-util's, which drops vectored writes.

use std::future::Future as _;
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use bytes::{BufMut as _, BytesMut};
use telephone_driver::{ReadSocket, WriteSocket, is_writable};
use tokio::io::{AsyncReadExt as _, Interest, ReadBuf};
use tokio::net::TcpStream;

/// Octets that are read at once by who looks again: mostly there are none.
const ASKED_BYTES: usize = 1024;

/// A tokio socket that speaks futures-io.
#[derive(Debug)]
pub struct Compat<S> {
    socket: S,
    /// Whether reads ask the system, whatever the runtime knows of the socket, until one finds nothing.
    asks: bool,
}

impl<S> Compat<S> {
    pub(crate) const fn new(socket: S) -> Self {
        Self { socket, asks: false }
    }
}

impl<S: AsFd> Compat<S> {
    /// Asks the system for octets, if that is what the next read is to do. `None` if there are none for now.
    fn ask(&mut self, buffer: &mut [u8]) -> Option<io::Result<usize>> {
        while self.asks {
            match rustix::io::read(&self.socket, &mut *buffer) {
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::WOULDBLOCK) => self.asks = false,
                found => return Some(found.map_err(io::Error::from)),
            }
        }
        None
    }
}

impl<S: AsFd> AsFd for Compat<S> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// A read that finds nothing, or less than it has room for, is remembered until the runtime has asked the system for news: what
/// came since is there for who looks again.
impl<S: tokio::io::AsyncRead + AsFd + Unpin> ReadSocket for Compat<S> {
    fn look_again(&mut self) {
        self.asks = true;
    }

    fn poll_read_buf(
        &mut self,
        most: usize,
        input: &mut BytesMut,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        if self.asks {
            let mut space = [0; ASKED_BYTES];
            let space = space.get_mut(..most.min(ASKED_BYTES)).unwrap_or_default();
            if let Some(found) = self.ask(space) {
                let count = found?;
                input.extend_from_slice(space.get(..count).unwrap_or_default());
                return Poll::Ready(Ok(count));
            }
        }
        input.reserve(most);
        pin!(self.socket.read_buf(&mut input.limit(most))).poll(cx)
    }
}

impl WriteSocket for Compat<TcpStream> {
    fn poll_unsent(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if ready!(self.socket.poll_write_ready(cx)).is_err() {
                return Poll::Ready(());
            }
            let ask =
                || if is_writable(&self.socket) { Ok(()) } else { Err(io::ErrorKind::WouldBlock.into()) };
            // A refusal makes the runtime forget that the socket was writable.
            if self.socket.try_io(Interest::WRITABLE, ask).is_ok() {
                return Poll::Ready(());
            }
        }
    }
}

impl<S: tokio::io::AsyncRead + AsFd + Unpin> futures_io::AsyncRead for Compat<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        if let Some(found) = self.ask(buffer) {
            return Poll::Ready(found);
        }
        let mut buffer = ReadBuf::new(buffer);
        ready!(Pin::new(&mut self.socket).poll_read(cx, &mut buffer))?;
        Poll::Ready(Ok(buffer.filled().len()))
    }
}

impl<S: tokio::io::AsyncWrite + Unpin> futures_io::AsyncWrite for Compat<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write_vectored(cx, slices)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use futures_lite::AsyncReadExt as _;
    use futures_lite::future::poll_once;
    use std::io::Write as _;
    use tokio::net::UnixStream;

    use super::*;

    /// With a peer of which the runtime knows nothing.
    fn pair() -> (Compat<UnixStream>, std::os::unix::net::UnixStream) {
        let (socket, peer) = std::os::unix::net::UnixStream::pair().unwrap();
        socket.set_nonblocking(true).unwrap();
        (Compat::new(UnixStream::from_std(socket).unwrap()), peer)
    }

    /// The runtime has one thread, which learns of the sockets between tasks: not in one poll of this one.
    #[tokio::test]
    async fn a_second_look_finds_what_came_since_without_the_runtimes_word() {
        for is_direct in [false, true] {
            let (mut socket, mut peer) = pair();
            let mut room = [0; 64];
            peer.write_all(b"answer").unwrap();
            assert_eq!(socket.read(&mut room).await.unwrap(), 6);
            for octets in [b"unasked" as &[u8], b"", b""] {
                if octets.is_empty() {
                    peer.shutdown(std::net::Shutdown::Write).unwrap();
                } else {
                    peer.write_all(octets).unwrap();
                }
                socket.look_again();
                let found = if is_direct {
                    let mut input = BytesMut::new();
                    poll_once(poll_fn(|cx| socket.poll_read_buf(64, &mut input, cx))).await
                } else {
                    poll_once(socket.read(&mut room)).await
                };
                assert_eq!(found.expect("the system knows").unwrap(), octets.len());
            }
        }
    }

    #[tokio::test]
    async fn a_second_look_in_vain_is_woken_by_what_comes_later() {
        let (mut socket, mut peer) = pair();
        let mut room = [0; 64];
        for octets in [b"first" as &[u8], b"second"] {
            socket.look_again();
            assert!(poll_once(socket.read(&mut room)).await.is_none());
            peer.write_all(octets).unwrap();
            assert_eq!(socket.read(&mut room).await.unwrap(), octets.len());
        }
    }

    #[tokio::test]
    async fn what_is_read_stands_behind_what_was_there_and_is_no_more_than_asked_for() {
        let (mut socket, mut peer) = pair();
        let mut input = BytesMut::from(&b"first "[..]);
        peer.write_all(b"second").unwrap();
        drop(peer);
        for (most, read) in [(4, 4), (64, 2), (64, 0)] {
            assert_eq!(poll_fn(|cx| socket.poll_read_buf(most, &mut input, cx)).await.unwrap(), read);
        }
        assert_eq!(input, "first second");
    }
}
