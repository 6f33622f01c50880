//! A raw stream as a program holds it.

use std::fmt;
use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use futures_io::{AsyncRead, AsyncWrite};
use telephone_core::error::{Reset, ResetCode};
use telephone_core::message::Headers;
use telephone_core::session::Incoming;

use super::{GivenUp, carry};
use crate::runtime::Runtime;
use crate::socket::{ReadSocket, Socket, WriteSocket};
use crate::stream::StreamHandle;

/// A raw stream through the tunnel: octets in order both ways, each direction ended on its own.
///
/// Closing it (through [`AsyncWrite`]) ends its sending direction and leaves the other open, as with a socket. Dropping it
/// before both directions have ended resets it: the peer's next read fails. Reads and writes are cancellation safe. What
/// was written is on its way without a flush. Once it was closed and read to its end it holds nothing: a shutdown of the telephone
/// does not wait until it is dropped.
///
/// Errors are those of a socket: [`ConnectionReset`](io::ErrorKind::ConnectionReset) if the peer gave it up or its
/// session was lost, [`ConnectionRefused`](io::ErrorKind::ConnectionRefused) if nobody serves what it was opened for or too
/// many connections are open, [`PermissionDenied`](io::ErrorKind::PermissionDenied) if the token does not allow it,
/// [`TimedOut`](io::ErrorKind::TimedOut) if a backend did not answer in time, and
/// [`BrokenPipe`](io::ErrorKind::BrokenPipe) for a write to a peer that no longer reads.
pub struct RawStream {
    stream: StreamHandle,
    from: Option<SocketAddr>,
    /// What was taken of the stream and not read yet.
    pending: Bytes,
    has_ended: bool,
    is_closed: bool,
}

impl RawStream {
    pub(crate) const fn new(stream: StreamHandle, from: Option<SocketAddr>) -> Self {
        Self { stream, from, pending: Bytes::new(), has_ended: false, is_closed: false }
    }

    /// Where the connection came from, as the plugboard saw it.
    #[must_use]
    pub const fn peer_addr(&self) -> Option<SocketAddr> {
        self.from
    }

    /// Carries octets between this stream and a socket until both directions have ended. A reset of one becomes a reset
    /// of the other. Dropping the future resets both.
    ///
    /// # Errors
    /// The stream's peer gave it up, or nobody serves what it was opened for. That the socket broke is no error.
    pub async fn carry<R: Runtime, S: Socket>(self, runtime: &R, socket: S) -> io::Result<()> {
        match carry(runtime, socket, &self.stream, Bytes::new(), pending()).await.ended {
            Ok(()) | Err(GivenUp::AtSocket) => Ok(()),
            Err(GivenUp::ByPeer(reset)) => Err(lost(reset)),
        }
    }

    /// Lets go of the stream if both directions have ended and all was read, so that no drain waits for the program to
    /// drop it.
    fn settle(&mut self) {
        if self.is_closed && !self.has_ended && self.pending.is_empty() {
            self.has_ended = self.stream.is_at_end();
        }
        if self.is_closed && self.has_ended {
            self.stream.release();
        }
    }

    /// Gives the stream up for a reason.
    pub(crate) fn give_up(self, reset: Reset) {
        self.stream.give_up(reset.code, reset.touched);
    }
}

impl fmt::Debug for RawStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawStream").field("from", &self.from).finish_non_exhaustive()
    }
}

fn lost(reset: Reset) -> io::Error {
    let (kind, text) = match reset.code {
        ResetCode::Unreachable => (io::ErrorKind::ConnectionRefused, "nobody serves it"),
        ResetCode::Denied => (io::ErrorKind::PermissionDenied, "the token does not allow it"),
        ResetCode::Refused => (io::ErrorKind::ConnectionRefused, "too many connections are open, try again"),
        ResetCode::Exhausted => (
            io::ErrorKind::ConnectionRefused,
            "the telephone that serves it has no descriptor left, try again",
        ),
        ResetCode::TimedOut => (io::ErrorKind::TimedOut, "the backend did not answer in time"),
        ResetCode::SessionLost => (io::ErrorKind::ConnectionReset, "the tunnel was lost"),
        ResetCode::Cancelled
        | ResetCode::BackendFailed
        | ResetCode::Truncated
        | ResetCode::Stopped
        | ResetCode::Malformed
        | ResetCode::HeadTooLarge
        | ResetCode::Coding
        | ResetCode::Other(_) => (io::ErrorKind::ConnectionReset, "the peer gave the connection up"),
    };
    io::Error::new(kind, text)
}

impl AsyncRead for RawStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        while self.pending.is_empty() {
            if self.has_ended || buffer.is_empty() {
                return Poll::Ready(Ok(0));
            }
            match ready!(self.stream.poll_read(cx)) {
                Incoming::Octets(octets) => self.pending = octets,
                Incoming::End(_) => {
                    self.has_ended = true;
                    self.settle();
                }
                Incoming::Reset(reset) => return Poll::Ready(Err(lost(reset))),
                // Neither comes on a raw stream.
                Incoming::Head | Incoming::Pending => return Poll::Pending,
            }
        }
        let count = buffer.len().min(self.pending.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..count), self.pending.get(..count)) {
            to.copy_from_slice(from);
        }
        self.pending.advance(count);
        self.stream.credit(count);
        Poll::Ready(Ok(count))
    }
}

impl AsyncWrite for RawStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        if octets.is_empty() {
            return Poll::Ready(Ok(0));
        }
        if self.is_closed {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::BrokenPipe, "the direction was closed")));
        }
        let broken = |_| io::Error::new(io::ErrorKind::BrokenPipe, "the peer no longer reads");
        let room = ready!(self.stream.poll_capacity(cx)).map_err(broken)?;
        let mut piece = Bytes::copy_from_slice(octets.get(..room).unwrap_or(octets));
        self.stream.poll_write(&mut piece, cx).map_err(broken)
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.is_closed = true;
        self.stream.end(Headers::new());
        self.settle();
        Poll::Ready(Ok(()))
    }
}

impl ReadSocket for RawStream {}

impl WriteSocket for RawStream {}

impl Socket for RawStream {
    fn tune_for_link(&self) {}

    // Dropping it before both directions have ended is a reset in any case.
    fn reset_on_drop(&self) {}
}
