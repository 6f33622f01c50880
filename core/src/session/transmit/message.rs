//! A message under construction: what fits it, and how frames are put into it.

use bytes::{BufMut, BytesMut};

use crate::limits::{DATA_BYTES_MAX, MESSAGE_BYTES_MAX, MESSAGE_BYTES_MIN};
use crate::queue::ByteQueue;
use crate::session::{CONTROL_BYTES_MAX, StreamId};
use crate::wire::{self, Frame, Profile, varint};

/// The head of a data frame: type, length and id as varints.
const DATA_HEAD_BYTES_MAX: usize = 1 + 3 + 10;

/// A message under construction.
pub(in crate::session) struct Message {
    profile: Profile,
    /// What it acknowledges.
    ack: u64,
    pub(super) out: BytesMut,
    /// Octets before the first frame.
    pub(super) start: usize,
    pub(super) is_numbered: bool,
    /// Streams that it opens.
    pub(super) opens: usize,
    /// Behind so many bytes no stream begins its turn, and no data is put.
    full_at: usize,
    /// Bytes of a stream's data in one turn.
    pub(super) turn_bytes_max: usize,
}

impl Message {
    pub(super) fn new(profile: Profile, position_received: u64, capacity: usize) -> Self {
        let mut out = BytesMut::with_capacity(capacity);
        match profile {
            Profile::Binary => varint::put(&mut out, position_received),
            // It stands behind the frame.
            Profile::Json => {}
        }
        let start = out.len();
        Self {
            profile,
            ack: position_received,
            out,
            start,
            is_numbered: false,
            opens: 0,
            full_at: MESSAGE_BYTES_MAX,
            turn_bytes_max: DATA_BYTES_MAX,
        }
    }

    /// The streams, which come next, have so many bytes in all, but for the heads that begin within them.
    pub(super) fn bound_streams(&mut self, bytes: usize) {
        self.full_at = self.out.len().saturating_add(bytes).min(MESSAGE_BYTES_MAX);
        self.turn_bytes_max = (bytes / 4).clamp(MESSAGE_BYTES_MIN, DATA_BYTES_MAX);
    }

    /// Whether another stream may have its turn.
    pub(super) fn takes_streams(&self) -> bool {
        self.out.len() < self.full_at
    }

    pub(super) fn room_for_data(&self) -> usize {
        self.room().min(self.full_at.saturating_sub(self.out.len())).saturating_sub(DATA_HEAD_BYTES_MAX)
    }

    fn room(&self) -> usize {
        match self.profile {
            Profile::Binary => MESSAGE_BYTES_MAX.saturating_sub(self.out.len()),
            Profile::Json if self.is_empty() => MESSAGE_BYTES_MAX,
            Profile::Json => 0,
        }
    }

    /// Whether control frames may be put: a bounded part of each message.
    pub(in crate::session) fn takes_control(&self) -> bool {
        match self.profile {
            Profile::Binary => self.out.len() < CONTROL_BYTES_MAX,
            Profile::Json => self.is_empty(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.out.len() == self.start
    }

    pub(in crate::session) fn put(&mut self, frame: &Frame) {
        self.is_numbered |= frame.is_numbered();
        match self.profile {
            Profile::Binary => frame.put(&mut self.out),
            Profile::Json => self.out.put_slice(&self.profile.write(self.ack, frame)),
        }
    }

    /// Puts a frame unless the message is full.
    pub(in crate::session) fn try_put(&mut self, frame: &Frame) -> bool {
        let fits = frame.size() <= self.room();
        if fits {
            self.put(frame);
        }
        fits
    }

    /// Puts one data frame of the first `count` octets of a buffer: the one copy on the way out.
    pub(super) fn put_data(&mut self, id: StreamId, buffer: &mut ByteQueue, count: usize) {
        match self.profile {
            Profile::Binary => {
                wire::put_data_head(&mut self.out, id, count);
                put_first(&mut self.out, buffer, count);
                self.is_numbered = true;
            }
            Profile::Json => {
                let mut octets = BytesMut::with_capacity(count);
                put_first(&mut octets, buffer, count);
                self.put(&Frame::Data { id, octets: octets.freeze() });
            }
        }
        buffer.advance(count);
    }
}

/// Appends a copy of the first `count` octets of a buffer.
fn put_first(out: &mut BytesMut, buffer: &ByteQueue, count: usize) {
    let mut left = count;
    for slice in buffer.slices() {
        let taken = left.min(slice.len());
        out.put_slice(slice.get(..taken).unwrap_or_default());
        left -= taken;
        if left == 0 {
            break;
        }
    }
}
