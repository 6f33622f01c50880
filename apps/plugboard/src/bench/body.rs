//! Bodies of any length that take no memory.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::tally::Shard;

/// Octets of one piece: the usual size of a socket's read, and few pieces in a gigabyte.
const PIECE_BYTES: usize = 64 * 1024;
static PIECE: [u8; PIECE_BYTES] = [b'.'; PIECE_BYTES];

/// A body of dots whose length is known ahead.
#[derive(Debug)]
pub(super) struct Filler {
    left: u64,
    counted: Option<Arc<Shard>>,
}

impl Filler {
    /// `octets` dots.
    pub(super) const fn new(octets: u64) -> Self {
        Self { left: octets, counted: None }
    }

    /// `octets` dots, which `shard` counts as sent when they are asked for.
    pub(super) fn counted(octets: u64, shard: &Arc<Shard>) -> Self {
        Self { left: octets, counted: Some(Arc::clone(shard)) }
    }
}

impl Body for Filler {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let length = self.left.min(PIECE_BYTES as u64);
        if length == 0 {
            return Poll::Ready(None);
        }
        self.left -= length;
        if let Some(shard) = &self.counted {
            shard.sent(length);
        }
        // No longer than a piece, so it fits.
        let piece = Bytes::from_static(&PIECE).slice(..length as usize);
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
