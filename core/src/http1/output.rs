//! Bytes on their way to a socket.

use alloc::collections::VecDeque;
use bytes::{Buf, Bytes, BytesMut};

/// Payloads from this size on are queued as they are; a copy of a smaller one costs less than another
/// entry in a vectored write.
const QUEUED_BYTES_MIN: usize = 1024;

/// Bytes to be written to a socket, in order: heads and small pieces are gathered, large payloads are
/// queued without a copy.
///
/// Read it as a [`Buf`], or give [`slices`](Self::slices) to a vectored write and
/// [`advance`](Buf::advance) by what was taken.
#[derive(Debug, Default)]
pub struct Output {
    queue: VecDeque<Bytes>,
    /// What lies behind the queue and can still grow.
    tail: BytesMut,
    len: usize,
}

impl Output {
    /// Octets that wait.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing waits.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// What waits, in order, for a vectored write.
    pub fn slices(&self) -> impl Iterator<Item = &[u8]> {
        let tail = (!self.tail.is_empty()).then_some(&self.tail[..]);
        self.queue.iter().map(|payload| &payload[..]).chain(tail)
    }

    /// Appends a small piece by copy.
    pub(super) fn text(&mut self, text: &[u8]) {
        self.tail.extend_from_slice(text);
        self.len = self.len.saturating_add(text.len());
    }

    /// Appends a payload, without a copy if it is large.
    pub(super) fn payload(&mut self, payload: Bytes) {
        if payload.len() < QUEUED_BYTES_MIN {
            self.text(&payload);
            return;
        }
        if !self.tail.is_empty() {
            self.queue.push_back(self.tail.split().freeze());
        }
        self.len = self.len.saturating_add(payload.len());
        self.queue.push_back(payload);
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
        self.len
    }

    fn chunk(&self) -> &[u8] {
        self.queue.front().map_or(&self.tail[..], |payload| &payload[..])
    }

    /// Removes `count` octets from the front, at most all of them.
    fn advance(&mut self, count: usize) {
        let mut left = count.min(self.len);
        self.len = self.len.saturating_sub(left);
        while let Some(front) = self.queue.front_mut() {
            if front.len() > left {
                front.advance(left);
                return;
            }
            left = left.saturating_sub(front.len());
            self.queue.pop_front();
        }
        self.tail.advance(left.min(self.tail.len()));
        if self.len == 0 {
            // An idle connection holds no buffer.
            self.tail = BytesMut::new();
        }
    }
}
