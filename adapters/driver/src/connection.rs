//! A socket with its read buffer.

use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use futures_io::{AsyncRead, AsyncWrite};
use telephone_core::output::Output;
use telephone_core::time::Timestamp;

/// Octets of a read of a socket that has little to say: what comes is copied out of a buffer that the thread keeps.
const SMALL_READ_BYTES: usize = 16 * 1024;
/// Octets of a read of a socket that filled the small one, into a buffer of its own.
const LARGE_READ_BYTES: usize = 64 * 1024;
/// Octets that are read beyond those that make something whole: the next small things, or the head of a large one.
const READ_AHEAD_BYTES: usize = 4 * 1024;
/// Pieces in one vectored write.
const SLICES_MAX: usize = 32;

/// One HTTP/1.1 connection's socket and what was read from it.
pub(crate) struct Connection<S> {
    pub(crate) socket: S,
    /// What was read and not taken yet.
    pub(crate) input: BytesMut,
    /// The last read had much to say.
    is_bulky: bool,
    /// Since when the socket has taken nothing of what waits to be written.
    pub(crate) blocked_since: Option<Timestamp>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    pub(crate) fn new(socket: S) -> Self {
        Self { socket, input: BytesMut::new(), is_bulky: false, blocked_since: None }
    }

    /// Reads once; zero octets are the end.
    pub(crate) fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.poll_fill_lacking(0, cx)
    }

    /// The same, if what was read so far lacks so many octets to be of use: little more is read then, for that would
    /// have to be moved when the whole is taken.
    pub(crate) fn poll_fill_lacking(
        &mut self,
        lacks: usize,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let is_large = lacks > SMALL_READ_BYTES || (self.is_bulky && lacks == 0);
        let polled = if is_large { self.poll_large(lacks, cx) } else { self.poll_small(cx) };
        if self.input.is_empty() && polled.is_pending() {
            // An idle connection holds no buffer.
            self.input = BytesMut::new();
        }
        polled
    }

    /// Most reads bring little or nothing: those cost neither memory of their own nor zeros to fill it with.
    fn poll_small(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        thread_local! {
            static SPACE: RefCell<Box<[u8]>> = RefCell::new(vec![0; SMALL_READ_BYTES].into());
        }
        SPACE.with_borrow_mut(|space| {
            let count = ready!(Pin::new(&mut self.socket).poll_read(cx, space))?;
            self.input.extend_from_slice(space.get(..count).unwrap_or_default());
            self.is_bulky = count == SMALL_READ_BYTES;
            Poll::Ready(Ok(count))
        })
    }

    fn poll_large(&mut self, lacks: usize, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let size = if lacks > 0 { lacks.min(LARGE_READ_BYTES) + READ_AHEAD_BYTES } else { LARGE_READ_BYTES };
        let start = self.input.len();
        self.input.resize(start + size, 0);
        let space = self.input.get_mut(start..).unwrap_or_default();
        let polled = Pin::new(&mut self.socket).poll_read(cx, space);
        let count = match &polled {
            Poll::Ready(Ok(count)) => *count,
            Poll::Ready(Err(_)) | Poll::Pending => 0,
        };
        self.input.truncate(start + count);
        self.is_bulky = count > SMALL_READ_BYTES;
        polled
    }

    /// Writes all of `output`, and remembers since when the socket takes nothing.
    pub(crate) fn poll_drain(
        &mut self,
        output: &mut Output,
        now: Timestamp,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        let before = output.len();
        let polled = self.poll_write(output, cx);
        self.blocked_since = match polled {
            Poll::Ready(_) => None,
            Poll::Pending if output.len() < before => Some(now),
            Poll::Pending => self.blocked_since.or(Some(now)),
        };
        polled
    }

    fn poll_write(&mut self, output: &mut Output, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !output.is_empty() {
            let written = {
                let mut slices = [IoSlice::new(&[]); SLICES_MAX];
                let mut count = 0;
                for (slot, piece) in slices.iter_mut().zip(output.slices()) {
                    *slot = IoSlice::new(piece);
                    count += 1;
                }
                match slices.get(..count).unwrap_or_default() {
                    // The kernel has a shorter way for one piece.
                    [piece] => ready!(Pin::new(&mut self.socket).poll_write(cx, piece))?,
                    pieces => ready!(Pin::new(&mut self.socket).poll_write_vectored(cx, pieces))?,
                }
            };
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            output.advance(written);
        }
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    /// Ends the sending direction.
    pub(crate) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_close(cx)
    }
}
