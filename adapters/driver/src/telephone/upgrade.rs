//! A socket during the WebSocket upgrade: whoever reads the response's head finds nothing behind it.
//!
//! tungstenite knows how to upgrade, and reads as much as it gets. What belongs to the frames must not go with it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use futures_io::{AsyncRead, AsyncWrite};

use crate::connection::Connection;

/// Gives out a socket's octets up to the end of an HTTP head, and keeps what was read beyond it.
pub(super) struct Upgrading<S> {
    socket: S,
    /// How much of the empty line that ends the head was seen.
    seen: End,
    kept: BytesMut,
}

/// How far the octets go on as an empty line. A bare LF ends a line, too: tungstenite's parser takes it for one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    None,
    Lf,
    LfCr,
    Whole,
}

impl End {
    const fn then(self, octet: u8) -> Self {
        match (self, octet) {
            (Self::Whole, _) | (Self::Lf | Self::LfCr, b'\n') => Self::Whole,
            (Self::None, b'\n') => Self::Lf,
            (Self::Lf, b'\r') => Self::LfCr,
            _ => Self::None,
        }
    }
}

impl<S> Upgrading<S> {
    pub(super) fn new(socket: S) -> Self {
        Self { socket, seen: End::None, kept: BytesMut::new() }
    }

    /// The socket after the upgrade, with what came behind the head.
    pub(super) fn into_connection(self) -> Connection<S> {
        let mut connection = Connection::new(self.socket);
        connection.input = self.kept;
        connection
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Upgrading<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        if self.seen == End::Whole {
            return Poll::Ready(Ok(0));
        }
        let count = ready!(Pin::new(&mut self.socket).poll_read(cx, buffer))?;
        let read = buffer.get(..count).unwrap_or_default();
        for (place, octet) in read.iter().enumerate() {
            self.seen = self.seen.then(*octet);
            if self.seen == End::Whole {
                let (head, kept) = read.split_at(place + 1);
                self.kept.extend_from_slice(kept);
                return Poll::Ready(Ok(head.len()));
            }
        }
        Poll::Ready(Ok(count))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Upgrading<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(cx, octets)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_close(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_lite::AsyncReadExt as _;
    use futures_lite::future::block_on;
    use futures_lite::io::Cursor;

    #[test]
    fn what_comes_behind_the_head_is_kept_for_the_frames() {
        let octets = b"HTTP/1.1 101 Switching Protocols\r\nA: b\r\r\n\r\n\r\nframes".to_vec();
        let whole = octets.len();
        for size in 1..=whole {
            let mut upgrading = Upgrading::new(Cursor::new(octets.clone()));
            let (mut head, mut buffer) = (Vec::new(), vec![0; size]);
            loop {
                let count = block_on(upgrading.read(&mut buffer)).unwrap();
                head.extend_from_slice(&buffer[..count]);
                if count == 0 {
                    break;
                }
            }
            assert!(head.ends_with(b"b\r\r\n\r\n"), "read by {size}");
            let mut left = upgrading.into_connection();
            block_on(left.socket.read_to_end(&mut buffer)).unwrap();
            let left = [&left.input[..], &buffer[size..]].concat();
            assert_eq!(left, b"\r\nframes", "read by {size}");
        }
    }
}
