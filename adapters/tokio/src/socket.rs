//! tokio's sockets under the traits of futures-io. Not tokio-util's, which drops vectored writes.

use std::future::Future as _;
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use bytes::{BufMut as _, BytesMut};
use telephone_driver::ReadSocket;
use tokio::io::{AsyncReadExt as _, ReadBuf};

/// A tokio socket that speaks futures-io.
#[derive(Debug)]
pub struct Compat<S>(pub(crate) S);

impl<S: AsFd> AsFd for Compat<S> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// A read that finds nothing is remembered until the system tells of news, which it does unasked: there is no need to look
/// again.
impl<S: tokio::io::AsyncRead + Unpin> ReadSocket for Compat<S> {
    fn poll_read_buf(
        &mut self,
        most: usize,
        input: &mut BytesMut,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        input.reserve(most);
        pin!(self.0.read_buf(&mut input.limit(most))).poll(cx)
    }
}

impl<S: tokio::io::AsyncRead + Unpin> futures_io::AsyncRead for Compat<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(buffer);
        ready!(Pin::new(&mut self.0).poll_read(cx, &mut buffer))?;
        Poll::Ready(Ok(buffer.filled().len()))
    }
}

impl<S: tokio::io::AsyncWrite + Unpin> futures_io::AsyncWrite for Compat<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, slices)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::{AsyncWriteExt as _, duplex};

    use super::*;

    #[tokio::test]
    async fn what_is_read_stands_behind_what_was_there_and_is_no_more_than_asked_for() {
        let (mut peer, socket) = duplex(64);
        let mut socket = Compat(socket);
        let mut input = BytesMut::from(&b"first "[..]);
        peer.write_all(b"second").await.unwrap();
        drop(peer);
        for (most, read) in [(4, 4), (64, 2), (64, 0)] {
            assert_eq!(poll_fn(|cx| socket.poll_read_buf(most, &mut input, cx)).await.unwrap(), read);
        }
        assert_eq!(input, "first second");
    }
}
