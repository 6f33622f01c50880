//! A socket that asks the system when there is news, and not each time that it is polled.

use std::io::{self, IoSlice, IoSliceMut, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker, ready};

use smol::Async;
use smol::io::{AsyncRead, AsyncWrite};
use telephone_driver::{ReadSocket, WriteSocket, is_writable};

/// A socket of async-io's, which itself tries to read each time that it is polled: of five reads for a request four
/// found nothing. This one, once it waits for the reactor's word, does not read before that has come.
#[derive(Debug)]
pub struct ReadWhenReady<T> {
    socket: Async<T>,
    /// What the reactor wakes: a word that was given stays given. [`Async::poll_readable`] takes one back that came in
    /// the very turn of the reactor in which it was asked for.
    word: Arc<Word>,
    waker: Waker,
    /// The reactor was asked for its word.
    is_waiting: bool,
}

/// The reactor's word that there is something to be read.
#[derive(Debug, Default)]
struct Word(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    is_given: bool,
    task: Option<Waker>,
}

impl Word {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for it anew.
    fn forget(&self) {
        self.lock().is_given = false;
    }

    /// Ready when it was given; else `cx` is woken by it.
    fn poll(&self, cx: &Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        if state.is_given {
            return Poll::Ready(());
        }
        match &mut state.task {
            Some(task) => task.clone_from(cx.waker()),
            None => state.task = Some(cx.waker().clone()),
        }
        Poll::Pending
    }
}

impl Wake for Word {
    fn wake(self: Arc<Self>) {
        let task = {
            let mut state = self.lock();
            state.is_given = true;
            state.task.take()
        };
        if let Some(task) = task {
            task.wake();
        }
    }
}

impl<T> From<Async<T>> for ReadWhenReady<T> {
    fn from(socket: Async<T>) -> Self {
        let word = Arc::new(Word::default());
        Self { socket, waker: word.clone().into(), word, is_waiting: false }
    }
}

impl<T> ReadWhenReady<T>
where
    for<'a> &'a T: Read,
{
    fn poll(
        &mut self,
        mut read: impl FnMut(&T) -> io::Result<usize>,
        cx: &Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let mut reactor = Context::from_waker(&self.waker);
        loop {
            if self.is_waiting {
                ready!(self.word.poll(cx));
                self.is_waiting = false;
                // That is what is read now. If the reactor takes it for a new question, it tells once too often.
                let _told = self.socket.poll_readable(&mut reactor);
            }
            match read(self.socket.get_ref()) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                done => return Poll::Ready(done),
            }
            self.word.forget();
            // It asks for a level and no edge: what came meanwhile, be it the end, it tells at once.
            self.is_waiting = self.socket.poll_readable(&mut reactor)?.is_pending();
        }
    }
}

impl<T> ReadSocket for ReadWhenReady<T>
where
    T: Unpin,
    for<'a> &'a T: Read,
{
    fn look_again(&mut self) {
        self.is_waiting = false;
    }
}

impl<T: AsFd + Unpin> WriteSocket for ReadWhenReady<T>
where
    Async<T>: AsyncWrite,
{
    fn poll_unsent(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while !is_writable(&self.socket.get_ref()) {
            if ready!(self.socket.poll_writable(cx)).is_err() {
                break;
            }
        }
        Poll::Ready(())
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

    /// Whoever drives the reactor, which here only its own thread does.
    #[test]
    fn what_the_reactor_said_is_believed_at_the_first_poll() {
        let (mut socket, peer) = pair();
        let (go, gone) = std::sync::mpsc::channel::<()>();
        let peer = std::thread::spawn(move || {
            let mut peer = peer;
            while gone.recv().is_ok() {
                peer.write_all(b"word").unwrap();
            }
        });
        for _ in 0..1000 {
            let mut polls = 0;
            let read = poll_fn(|cx| {
                polls += 1;
                let polled = Pin::new(&mut socket).poll_read(cx, &mut [0; 8]);
                if polls == 1 {
                    assert!(polled.is_pending());
                    go.send(()).unwrap();
                }
                polled
            });
            assert_eq!(futures_lite::future::block_on(read).unwrap(), 4);
            // One that finds nothing, one for the word, and one for a word that was given once too often.
            assert!(polls <= 3, "{polls} polls for one word");
        }
        drop(go);
        peer.join().unwrap();
    }
}
