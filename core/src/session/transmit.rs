//! `poll_transmit`: one message, control first, then the streams in turn.

use bytes::{BufMut, Bytes, BytesMut};

use super::stream::{Preface, SendState, Stream};
use super::{CONTROL_BYTES_MAX, Phase, Session, StreamId};
use crate::limits::{DATA_BYTES_MAX, MESSAGE_BYTES_MAX};
use crate::time::Timestamp;
use crate::wire::{Frame, varint};

/// The head of a data frame: type, length and id as varints, and a few octets worth sending behind it.
const DATA_ROOM_MIN: usize = 64;

/// A message under construction.
struct Message {
    out: BytesMut,
    /// Octets before the first frame.
    start: usize,
    is_numbered: bool,
}

impl Message {
    fn new(position_received: u64, capacity: usize) -> Self {
        let mut out = BytesMut::with_capacity(capacity);
        varint::put(&mut out, position_received);
        let start = out.len();
        Self { out, start, is_numbered: false }
    }

    fn room(&self) -> usize {
        MESSAGE_BYTES_MAX.saturating_sub(self.out.len())
    }

    fn is_empty(&self) -> bool {
        self.out.len() == self.start
    }

    fn put(&mut self, frame: &Frame) {
        self.is_numbered |= frame.is_numbered();
        frame.put(&mut self.out);
    }

    /// Puts a frame unless the message is full.
    fn try_put(&mut self, frame: &Frame) -> bool {
        let fits = frame.size() <= self.room();
        if fits {
            self.put(frame);
        }
        fits
    }

    /// Puts a data frame straight from a buffer: the one copy on the way out.
    fn put_data(&mut self, id: StreamId, octets: &[u8]) {
        let body = varint::size(id.number()) + octets.len();
        varint::put(&mut self.out, Frame::Data { id, octets: Bytes::new() }.kind());
        varint::put(&mut self.out, body as u64);
        varint::put(&mut self.out, id.number());
        self.out.put_slice(octets);
        self.is_numbered = true;
    }
}

/// How a stream's turn ended.
enum Turn {
    /// It has more to send.
    More,
    /// It has nothing more to send now.
    Done,
    /// The message is full.
    Full,
}

impl Session {
    /// Builds the next message, of at most 64 KiB. `None` if there is nothing to say.
    ///
    /// Call it only when the link can take a message at once: what is built here is on its way, and
    /// everything that happens later, also a reset, comes behind it.
    pub fn poll_transmit(&mut self, now: Timestamp) -> Option<Bytes> {
        if self.closed().is_some() || !self.has_transmit() {
            return None;
        }
        let mut message = Message::new(self.position_received, self.message_capacity());
        self.put_control(&mut message, now);
        if !matches!(self.phase, Phase::Closing(_)) {
            self.put_stream_control(&mut message);
            self.put_streams(&mut message);
        }
        if let Phase::Closing(reason) = self.phase {
            self.close(reason);
        }
        self.settle();
        if message.is_empty() {
            return None;
        }
        self.position_sent += u64::from(message.is_numbered);
        self.stats.bytes_sent += message.out.len() as u64;
        Some(message.out.freeze())
    }

    /// Whether [`Session::poll_transmit`] has something to say.
    #[must_use]
    pub fn has_transmit(&self) -> bool {
        let due = &self.due;
        let is_due = due.ping || due.streams || due.pong.is_some() || due.leave.is_some();
        let is_token_due = due.renew.is_some() || due.renewed.is_some();
        let is_closing = matches!(self.phase, Phase::Closing(_));
        is_due || is_token_due || is_closing || !self.to_send.is_empty() || !self.control.is_empty()
    }

    /// Room for what the streams in turn could send, so that a message is allocated once.
    fn message_capacity(&self) -> usize {
        let waiting = self.to_send.iter().take(16).filter_map(|id| self.streams.get(id));
        let octets: usize = waiting.map(|stream| stream.send.buffer.len().min(DATA_BYTES_MAX) + 256).sum();
        (octets + 64).min(MESSAGE_BYTES_MAX)
    }

    fn put_control(&mut self, message: &mut Message, now: Timestamp) {
        if let Some(number) = self.due.pong.take() {
            message.put(&Frame::Pong(number));
        }
        if core::mem::take(&mut self.due.ping) {
            message.put(&Frame::Ping(self.liveness.ping(now)));
        }
        if let Some(code) = self.due.leave.take() {
            message.put(&Frame::Leave { code, last: self.peer_highest });
        }
        if core::mem::take(&mut self.due.streams) {
            self.theirs.limit = self.theirs_over.saturating_add(self.config.limits.streams);
            message.put(&Frame::Streams { limit: self.theirs.limit });
        }
        if let Some(token) = self.due.renew.take() {
            message.put(&Frame::Renew { token });
        }
        if let Some(expires_in) = self.due.renewed.take() {
            message.put(&Frame::Renewed { expires_in_s: expires_in.map(|life| life.as_secs()) });
        }
    }

    /// Stops and credit, a bounded part of each message; the rest goes with the next one.
    fn put_stream_control(&mut self, message: &mut Message) {
        while message.out.len() < CONTROL_BYTES_MAX {
            let Some(id) = self.control.pop_front() else { return };
            let Some(stream) = self.streams.get_mut(&id) else { continue };
            stream.listed.control = false;
            if stream.recv.is_closed() || matches!(stream.send.preface, Preface::Open(_)) {
                // Nothing more comes on it, or the peer has not heard of it: the open says the credit.
                continue;
            }
            if let Some(code) = stream.due.stop.take() {
                message.put(&Frame::Stop { id, code });
                stream.due.credit = false;
            }
            if core::mem::take(&mut stream.due.credit) {
                message.put(&Frame::Credit { id, limit: stream.recv.grant.limit() });
            }
        }
    }

    fn put_streams(&mut self, message: &mut Message) {
        while let Some(id) = self.to_send.pop_front() {
            let Some(stream) = self.streams.get_mut(&id) else { continue };
            stream.listed.to_send = false;
            match take_turn(id, stream, message) {
                Turn::More => {
                    stream.listed.to_send = true;
                    self.to_send.push_back(id);
                }
                Turn::Full => {
                    stream.listed.to_send = true;
                    self.to_send.push_front(id);
                    return;
                }
                Turn::Done => {}
            }
            self.on_turn(id);
        }
    }

    /// After a stream's turn: room for its writer, a stop that waited for the open, or its end.
    fn on_turn(&mut self, id: StreamId) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        if stream.due.stop.is_some() {
            self.list_control(id);
        }
        let Some(stream) = self.streams.get_mut(&id) else { return };
        if stream.send.wants_room && stream.send.room() >= DATA_BYTES_MAX {
            stream.send.wants_room = false;
            self.tell_writable(id);
        }
        self.reap(id);
    }
}

/// One turn of one stream: what must come before its data, at most 16 KiB of data, its end.
fn take_turn(id: StreamId, stream: &mut Stream, message: &mut Message) -> Turn {
    if let SendState::Resetting(reset) = stream.send.state {
        return put_reset(id, stream, reset, message);
    }
    if !put_preface(id, stream, message) {
        return Turn::Full;
    }
    if !put_turn_data(id, stream, message) {
        return Turn::Full;
    }
    if stream.send.buffer.is_empty()
        && let SendState::Ending(trailers) = &stream.send.state
    {
        let frame = Frame::End { id, trailers: trailers.clone() };
        if !message.try_put(&frame) {
            return Turn::Full;
        }
        stream.send.state = SendState::Closed;
    }
    if stream.send.is_sendable() { Turn::More } else { Turn::Done }
}

fn put_reset(id: StreamId, stream: &mut Stream, reset: crate::error::Reset, message: &mut Message) -> Turn {
    // Also a stream that the peer has not heard of is opened first: its number and slot are counted.
    if !put_preface(id, stream, message) || !message.try_put(&Frame::Reset { id, reset }) {
        return Turn::Full;
    }
    stream.send.state = SendState::Closed;
    Turn::Done
}

/// Puts the open frame or the heads that are due. False if the message is full.
fn put_preface(id: StreamId, stream: &mut Stream, message: &mut Message) -> bool {
    let end = stream.send.ends_with_preface();
    let is_said = match &mut stream.send.preface {
        Preface::Said => return true,
        Preface::Open(opening) => {
            let grant = stream.recv.grant.limit();
            if !message.try_put(&Frame::Open { id, grant, end, opening: opening.clone() }) {
                return false;
            }
            stream.due.credit = false;
            stream.send.preface = Preface::Said;
            true
        }
        Preface::Heads(heads) => {
            while let Some(head) = heads.pop_front() {
                let is_final = !head.is_interim();
                let frame = Frame::Head { id, end: end && is_final, head };
                if !message.try_put(&frame) {
                    if let Frame::Head { head, .. } = frame {
                        heads.push_front(head);
                    }
                    return false;
                }
            }
            stream.send.has_head
        }
    };
    if end && is_said {
        stream.send.state = SendState::Closed;
    }
    true
}

/// Puts at most one turn's data within credit. False if the message is full.
fn put_turn_data(id: StreamId, stream: &mut Stream, message: &mut Message) -> bool {
    let credit = stream.send.limit.saturating_sub(stream.send.sent);
    let mut turn = DATA_BYTES_MAX.min(usize::try_from(credit).unwrap_or(usize::MAX));
    while turn > 0 {
        let Some(piece) = stream.send.buffer.front() else { return true };
        if message.room() < DATA_ROOM_MIN {
            return false;
        }
        let count = turn.min(piece.len()).min(message.room() - DATA_ROOM_MIN / 2);
        message.put_data(id, piece.get(..count).unwrap_or_default());
        stream.send.buffer.advance(count);
        stream.send.sent += count as u64;
        turn -= count;
    }
    true
}
