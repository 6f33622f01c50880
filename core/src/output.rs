//! Bytes on their way to a socket.

use bytes::{Buf, Bytes};

use crate::queue::ByteQueue;

/// Bytes to be written to a socket, in order: heads and small pieces are gathered, large payloads are
/// queued without a copy.
///
/// Read it as a [`Buf`], or give [`slices`](Self::slices) to a vectored write and
/// [`advance`](Buf::advance) by what was taken.
#[derive(Debug, Default)]
pub struct Output(ByteQueue);

impl Output {
    /// Octets that wait.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing waits.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What waits, in order, for a vectored write.
    pub fn slices(&self) -> impl Iterator<Item = &[u8]> {
        self.0.slices()
    }

    /// Throws away what waits.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Makes room for a head of so many octets.
    pub(crate) fn reserve(&mut self, count: usize) {
        self.0.reserve(count);
    }

    /// Appends a small piece by copy.
    pub(crate) fn text(&mut self, text: &[u8]) {
        self.0.push_copy(text);
    }

    /// Appends a payload, without a copy if it is large.
    pub fn payload(&mut self, payload: Bytes) {
        self.0.push(payload);
    }
}

impl core::fmt::Write for Output {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        self.text(text.as_bytes());
        Ok(())
    }
}

impl Buf for Output {
    fn remaining(&self) -> usize {
        self.0.len()
    }

    fn chunk(&self) -> &[u8] {
        self.0.slices().next().unwrap_or_default()
    }

    /// Removes `count` octets from the front, at most all of them.
    fn advance(&mut self, count: usize) {
        self.0.advance(count);
        if self.0.is_empty() {
            // An idle connection holds no buffer.
            self.0.clear();
        }
    }
}
