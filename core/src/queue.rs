//! A queue of octets that copies small pieces together and keeps large ones as they came.

use alloc::collections::VecDeque;
use bytes::{Buf, Bytes, BytesMut};

/// Pieces below this are gathered: a queue entry and the buffer that it pins would cost more than a copy.
const GATHER_BYTES: usize = 1024;
/// A gathered piece is closed at this size.
const GATHERED_BYTES_MAX: usize = 8 * 1024;

/// Octets in order, in as few pieces as is cheap.
#[derive(Debug, Default)]
pub struct ByteQueue {
    pieces: VecDeque<Bytes>,
    /// Small pieces gathered behind `pieces`.
    gathered: BytesMut,
    len: usize,
}

impl ByteQueue {
    /// An empty queue. Allocates nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Octets in the queue.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Appends `octets`, by reference if they are many.
    pub fn push(&mut self, octets: Bytes) {
        if octets.len() < GATHER_BYTES {
            self.push_copy(&octets);
        } else {
            self.len += octets.len();
            self.seal();
            self.pieces.push_back(octets);
        }
    }

    /// Appends a copy of `octets`, so that nothing else stays pinned by them.
    pub fn push_copy(&mut self, octets: &[u8]) {
        self.len += octets.len();
        self.gathered.extend_from_slice(octets);
        if self.gathered.len() >= GATHERED_BYTES_MAX {
            self.seal();
        }
    }

    /// The first piece, shared and not taken; `None` if the queue is empty.
    pub fn front(&mut self) -> Option<&Bytes> {
        if self.pieces.is_empty() {
            self.seal();
        }
        self.pieces.front()
    }

    /// Takes away the first `count` octets, or all if there are fewer.
    pub fn advance(&mut self, mut count: usize) {
        while count > 0 {
            if self.front().is_none() {
                return;
            }
            let Some(first) = self.pieces.front_mut() else { return };
            let taken = count.min(first.len());
            first.advance(taken);
            self.len -= taken;
            count -= taken;
            if first.is_empty() {
                self.pieces.pop_front();
            }
        }
    }

    /// Throws everything away and frees the memory.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    fn seal(&mut self) {
        if !self.gathered.is_empty() {
            self.pieces.push_back(self.gathered.split().freeze());
        }
    }
}
