//! A socket that asks the system when there is news, and not each time that it is polled.

use std::io::{self, IoSlice, IoSliceMut, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use smol::Async;
use smol::io::{AsyncRead, AsyncWrite};
use telephone_driver::Readiness;

/// A socket of async-io's, which itself tries to read each time that it is polled: of five reads for a request four
/// found nothing. This one, once it waits for the reactor's word, does not read before that has come.
#[derive(Debug)]
pub struct ReadWhenReady<T> {
    socket: Async<T>,
    /// The reactor will tell when there is something to be read: now already, or to the task that polled last.
    is_waiting: bool,
}

impl<T> From<Async<T>> for ReadWhenReady<T> {
    fn from(socket: Async<T>) -> Self {
        Self { socket, is_waiting: false }
    }
}

impl<T> ReadWhenReady<T>
where
    for<'a> &'a T: Read,
{
    fn poll(
        &mut self,
        mut read: impl FnMut(&T) -> io::Result<usize>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        loop {
            if self.is_waiting {
                ready!(self.socket.poll_readable(cx))?;
                self.is_waiting = false;
            }
            match read(self.socket.get_ref()) {
                // The reactor asks for a level and no edge: what came meanwhile, be it the end, it tells at once.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.is_waiting = true,
                done => return Poll::Ready(done),
            }
        }
    }
}

impl<T> Readiness for ReadWhenReady<T> {
    fn look_again(&mut self) {
        self.is_waiting = false;
    }
}

impl<T> AsyncRead for ReadWhenReady<T>
where
    T: Unpin,
    for<'a> &'a T: Read,
{
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        self.get_mut().poll(|mut socket| socket.read(buffer), cx)
    }

    fn poll_read_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().poll(|mut socket| socket.read_vectored(buffers), cx)
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

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::io::Write as _;
    use std::os::unix::net::UnixStream;

    use smol::future::poll_once;
    use smol::io::AsyncReadExt as _;

    use super::*;

    fn pair() -> (ReadWhenReady<UnixStream>, UnixStream) {
        let (socket, peer) = UnixStream::pair().unwrap();
        (Async::new(socket).unwrap().into(), peer)
    }

    #[test]
    fn whoever_looks_again_finds_what_came_since_without_the_reactors_word() {
        smol::block_on(async {
            let (mut socket, mut peer) = pair();
            let mut room = [0; 8];
            for octets in [b"first" as &[u8], b"second", b""] {
                assert!(poll_once(socket.read(&mut room)).await.is_none());
                if octets.is_empty() {
                    peer.shutdown(std::net::Shutdown::Both).unwrap();
                } else {
                    peer.write_all(octets).unwrap();
                }
                socket.look_again();
                let read = poll_once(socket.read(&mut room)).await.expect("it is there").unwrap();
                assert_eq!(&room[..read], octets);
            }
        });
    }

    #[test]
    fn a_task_that_polls_again_and_again_reads_once() {
        smol::block_on(async {
            let (mut socket, mut peer) = pair();
            let mut reads = 0;
            let mut poll = |cx: &mut Context<'_>| {
                let read = |mut socket: &UnixStream| {
                    reads += 1;
                    socket.read(&mut [0; 8])
                };
                socket.poll(read, cx)
            };
            poll_fn(|cx| {
                for _ in 0..9 {
                    assert!(poll(cx).is_pending());
                }
                Poll::Ready(())
            })
            .await;
            peer.write_all(b"word").unwrap();
            assert_eq!(poll_fn(&mut poll).await.unwrap(), 4);
            assert_eq!(reads, 2, "one that found nothing, and one behind the reactor's word");
        });
    }
}
