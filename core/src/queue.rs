//! A queue of octets that copies small pieces together and keeps large ones as they came.

use alloc::collections::VecDeque;
use bytes::{Buf, Bytes, BytesMut};
use serde::{Deserialize, Serialize};

/// Pieces below this are gathered: a queue entry and the buffer that it pins would cost more than a copy.
const GATHER_BYTES: usize = 1024;
/// A gathered piece is closed at this size.
const GATHERED_BYTES_MAX: usize = 8 * 1024;

/// Octets in order, in as few pieces as is cheap: what is small and goes through at once costs one allocation.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(from = "Pieces", into = "Pieces")]
pub struct ByteQueue {
    /// The first piece; empty if there is none but what is gathered.
    first: Bytes,
    more: VecDeque<Bytes>,
    /// Small pieces gathered behind the others.
    gathered: BytesMut,
    len: usize,
}

/// A queue as it is kept in a snapshot: how it is cut decides how much one read yields.
#[derive(Serialize, Deserialize)]
struct Pieces {
    first: Bytes,
    more: VecDeque<Bytes>,
    gathered: BytesMut,
}

impl From<ByteQueue> for Pieces {
    fn from(queue: ByteQueue) -> Self {
        let ByteQueue { first, more, gathered, len: _ } = queue;
        Self { first, more, gathered }
    }
}

impl From<Pieces> for ByteQueue {
    fn from(pieces: Pieces) -> Self {
        let Pieces { first, more, gathered } = pieces;
        let len = first.len() + more.iter().map(Bytes::len).sum::<usize>() + gathered.len();
        Self { first, more, gathered, len }
    }
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
            self.append(octets);
        }
    }

    /// Makes room for so many octets in small pieces.
    pub fn reserve(&mut self, count: usize) {
        self.gathered.reserve(count);
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
        if self.first.is_empty() {
            self.seal();
        }
        (!self.first.is_empty()).then_some(&self.first)
    }

    /// Takes the first piece; `None` if the queue is empty.
    pub fn take_front(&mut self) -> Option<Bytes> {
        let count = self.front()?.len();
        self.len -= count;
        Some(core::mem::replace(&mut self.first, self.more.pop_front().unwrap_or_default()))
    }

    /// What is in the queue, piece by piece.
    pub fn slices(&self) -> impl Iterator<Item = &[u8]> {
        let pieces = core::iter::once(&self.first).chain(&self.more);
        pieces
            .map(|piece| &piece[..])
            .chain(core::iter::once(&self.gathered[..]))
            .filter(|slice| !slice.is_empty())
    }

    /// Takes away the first `count` octets, or all if there are fewer.
    pub fn advance(&mut self, mut count: usize) {
        while count > 0 && !self.first.is_empty() {
            let taken = count.min(self.first.len());
            self.first.advance(taken);
            self.len -= taken;
            count -= taken;
            if self.first.is_empty() {
                self.first = self.more.pop_front().unwrap_or_default();
            }
        }
        let taken = count.min(self.gathered.len());
        self.gathered.advance(taken);
        self.len -= taken;
    }

    /// Throws everything away and frees the memory.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Puts zeros in the place of all octets. The pieces stay as they are.
    pub(crate) fn blank(&mut self) {
        for piece in core::iter::once(&mut self.first).chain(&mut self.more) {
            *piece = Bytes::from(alloc::vec![0; piece.len()]);
        }
        self.gathered.fill(0);
    }

    fn seal(&mut self) {
        if !self.gathered.is_empty() {
            let piece = core::mem::take(&mut self.gathered).freeze();
            self.append(piece);
        }
    }

    fn append(&mut self, piece: Bytes) {
        if self.first.is_empty() {
            self.first = piece;
        } else {
            self.more.push_back(piece);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    #[derive(Debug, Clone)]
    enum Step {
        Push(usize),
        PushCopy(usize),
        Advance(usize),
        Take,
        Look,
        Keep,
    }

    fn any_step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0_usize..3000).prop_map(Step::Push),
            (0_usize..3000).prop_map(Step::PushCopy),
            (0_usize..5000).prop_map(Step::Advance),
            Just(Step::Take),
            Just(Step::Look),
            Just(Step::Keep),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn octets_come_out_in_the_order_in_which_they_went_in(
            steps in proptest::collection::vec(any_step(), 0..40),
        ) {
            let mut queue = ByteQueue::new();
            let mut model: Vec<u8> = Vec::new();
            for (number, step) in steps.into_iter().enumerate() {
                let fresh = |count: usize| vec![number as u8; count];
                match step {
                    Step::Push(count) => {
                        queue.push(fresh(count).into());
                        model.extend(fresh(count));
                    }
                    Step::PushCopy(count) => {
                        queue.push_copy(&fresh(count));
                        model.extend(fresh(count));
                    }
                    Step::Advance(count) => {
                        queue.advance(count);
                        model.drain(..count.min(model.len()));
                    }
                    Step::Take => {
                        let taken = queue.take_front();
                        prop_assert_eq!(taken.is_some(), !model.is_empty());
                        let taken = taken.unwrap_or_default();
                        prop_assert!(model.starts_with(&taken));
                        model.drain(..taken.len());
                    }
                    Step::Keep => {
                        let kept = postcard::to_allocvec(&queue).expect("a snapshot");
                        queue = postcard::from_bytes(&kept).expect("a queue");
                    }
                    Step::Look => {
                        let front = queue.front().cloned();
                        prop_assert_eq!(front.is_some(), !model.is_empty());
                        prop_assert!(front.is_none_or(|piece| !piece.is_empty() && model.starts_with(&piece)));
                    }
                }
                prop_assert_eq!((queue.len(), queue.is_empty()), (model.len(), model.is_empty()));
                prop_assert!(queue.slices().all(|slice| !slice.is_empty()));
                prop_assert_eq!(queue.slices().collect::<Vec<_>>().concat(), model.clone());
            }
        }
    }

    #[test]
    fn large_pieces_are_kept_and_small_ones_gathered() {
        let mut queue = ByteQueue::new();
        let large = Bytes::from(vec![1; GATHER_BYTES]);
        queue.push(large.clone());
        assert_eq!(queue.front().map(|piece| piece.as_ptr()), Some(large.as_ptr()));
        queue.clear();
        for _ in 0..100 {
            queue.push(Bytes::from_static(b"small"));
        }
        assert_eq!(queue.front().map(Bytes::len), Some(500));
    }
}
