//! A socket that asks the system when there is news, and not each time that it is polled.

use std::io::{self, IoSlice, IoSliceMut, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use smol::Async;
use smol::io::{AsyncRead, AsyncWrite};

/// A socket of async-io's, which itself tries to read first and waits then: of five reads for a request four found nothing.
/// After a read that left nothing behind, this one waits for the reactor's word.
#[derive(Debug)]
pub struct ReadWhenReady<T> {
    socket: Async<T>,
    /// The last read took all that there was.
    is_drained: bool,
}

impl<T> From<Async<T>> for ReadWhenReady<T> {
    fn from(socket: Async<T>) -> Self {
        Self { socket, is_drained: false }
    }
}

impl<T> ReadWhenReady<T>
where
    for<'a> &'a T: Read,
{
    /// `room` is how many octets `read` takes at most.
    fn poll(
        &mut self,
        room: usize,
        mut read: impl FnMut(&T) -> io::Result<usize>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        loop {
            if self.is_drained {
                ready!(self.socket.poll_readable(cx))?;
                self.is_drained = false;
            }
            match read(self.socket.get_ref()) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.is_drained = true,
                // What comes later, be it the end, makes the socket readable again, whose readiness is a level and no edge.
                Ok(length) => {
                    self.is_drained = (1..room).contains(&length);
                    return Poll::Ready(Ok(length));
                }
                failed => return Poll::Ready(failed),
            }
        }
    }
}

impl<T> AsyncRead for ReadWhenReady<T>
where
    T: Unpin,
    for<'a> &'a T: Read,
{
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        self.get_mut().poll(buffer.len(), |mut socket| socket.read(buffer), cx)
    }

    fn poll_read_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        let room = buffers.iter().map(|buffer| buffer.len()).sum();
        self.get_mut().poll(room, |mut socket| socket.read_vectored(buffers), cx)
    }
}

impl<T: Unpin> AsyncWrite for ReadWhenReady<T>
where
    Async<T>: AsyncWrite,
{
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().socket).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().socket).poll_write_vectored(cx, slices)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_flush(cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_close(cx)
    }
}

impl<T: AsFd> AsFd for ReadWhenReady<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.get_ref().as_fd()
    }
}
