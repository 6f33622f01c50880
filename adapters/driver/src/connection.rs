//! A socket with its read buffer.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use telephone_core::output::Output;
use telephone_core::time::Timestamp;

use crate::socket::{READ_BYTES_MAX, Socket, read_through};

/// Octets that are read beyond those that make something whole: the next small things, or the head of a large one.
const READ_AHEAD_BYTES: usize = 4 * 1024;
/// Octets of a read.
const READ_BYTES: usize = READ_BYTES_MAX - READ_AHEAD_BYTES;
/// Octets of a read that are worth room of their own instead of a copy.
const DIRECT_BYTES: usize = 16 * 1024;
/// Pieces in one vectored write.
const SLICES_MAX: usize = 32;

/// One HTTP/1.1 connection's socket and what was read from it.
pub(crate) struct Connection<S> {
    pub(crate) socket: S,
    /// What was read and not taken yet.
    pub(crate) input: BytesMut,
    /// The last read found so much that the next one may fill room of its own.
    was_full: bool,
    /// The socket may hold back a part of what was written: TLS keeps records that the kernel had no room for.
    needs_flush: bool,
    /// Since when the socket has taken nothing of what waits to be written.
    pub(crate) blocked_since: Option<Timestamp>,
    /// Octets that the socket has taken in all.
    pub(crate) written: u64,
}

impl<S> Connection<S> {
    pub(crate) fn new(socket: S) -> Self {
        Self {
            socket,
            input: BytesMut::new(),
            was_full: false,
            needs_flush: false,
            blocked_since: None,
            written: 0,
        }
    }
}

impl<S: Socket> Connection<S> {
    /// Reads once; zero octets are the end.
    pub(crate) fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.poll_fill_most(READ_BYTES, cx)
    }

    /// The same, of at most so many octets and no more than are read at once anyway: what is not read waits in the kernel and
    /// holds up who sends it.
    pub(crate) fn poll_fill_most(&mut self, most: usize, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.poll_read(most.min(READ_BYTES), self.was_full, cx)
    }

    /// The same, if what was read so far lacks so many octets to be of use: little more is read then, for that would
    /// have to be moved when the whole is taken.
    pub(crate) fn poll_fill_lacking(
        &mut self,
        lacks: usize,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let size = if lacks > 0 { lacks.min(READ_BYTES) + READ_AHEAD_BYTES } else { READ_BYTES };
        self.poll_read(size, lacks >= DIRECT_BYTES || self.was_full, cx)
    }

    /// It is read into room of the thread's and copied out, so that the little that comes mostly pins no large buffer. Room
    /// of its own is for what will fill it: a large message that has begun, and what comes behind a read that was full.
    fn poll_read(&mut self, size: usize, is_direct: bool, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let polled = if is_direct {
            self.socket.poll_read_buf(size, &mut self.input, cx)
        } else {
            read_through(&mut self.socket, size, &mut self.input, cx)
        };
        self.was_full = matches!(&polled, Poll::Ready(Ok(count)) if *count >= READ_BYTES);
        if self.input.is_empty() && polled.is_pending() {
            // An idle connection holds no buffer.
            self.input = BytesMut::new();
        }
        polled
    }

    /// Lets what was read and not taken keep no more room than it needs.
    pub(crate) fn shrink(&mut self) {
        // Its capacity says nothing of the room: that of what was taken from the front is not counted.
        self.input = BytesMut::from(&self.input[..]);
    }

    /// Whether everything that was taken out of `output` by [`Connection::poll_drain`] has gone out.
    pub(crate) const fn is_flushed(&self) -> bool {
        !self.needs_flush
    }

    /// Nothing more is written: what the socket still holds is lost.
    pub(crate) const fn give_up_writing(&mut self) {
        (self.needs_flush, self.blocked_since) = (false, None);
    }

    /// Writes and flushes all of `output`, and remembers since when the socket takes nothing. To be called again after
    /// `Pending`, also with an empty `output`.
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
            self.needs_flush = true;
            self.written += written as u64;
        }
        ready!(Pin::new(&mut self.socket).poll_flush(cx))?;
        self.needs_flush = false;
        Poll::Ready(Ok(()))
    }

    /// Whether the peer has reset the connection. A peer that shut down its half before can no longer be heard: reading says
    /// that it ended, whatever came behind that. To send nothing fails, then.
    pub(crate) fn is_reset(&mut self, cx: &mut Context<'_>) -> bool {
        matches!(Pin::new(&mut self.socket).poll_write(cx, &[]), Poll::Ready(Err(_)))
    }

    /// Ends the sending direction.
    pub(crate) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_close(cx)
    }
}
