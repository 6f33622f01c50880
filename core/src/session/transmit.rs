//! `poll_transmit`: one message, control first, then the streams in turn. On the JSON profile a message is full with its
//! first frame, and the rest goes with the next ones, in the same order.

use bytes::Bytes;

use super::stream::{Preface, SendState, Stream};
use super::{CONTROL_BYTES_MAX, LinkId, Phase, Session, StreamId};
use crate::limits::{DATA_BYTES_MAX, MESSAGE_BYTES_MAX};
use crate::time::Timestamp;
use crate::wire::{Frame, Profile};

mod message;

pub(super) use message::Message;

/// What the largest data frame takes as JSON, in base64.
const JSON_FRAME_BYTES: usize = DATA_BYTES_MAX / 3 * 4 + 256;
/// Streams that one message opens, at most: half of what waits to be taken up at a peer by default, so that a burst meets
/// no refusal where each message's streams are taken up before the next is read.
const OPENS_MAX: usize = 128;

/// How a stream's turn ended.
enum Turn {
    /// It has more to send.
    More,
    /// It has nothing more to send now.
    Done,
    /// The message is full; `is_served` if it took some of the stream's octets.
    Full { is_served: bool },
}

impl Session {
    /// Builds the next message, of at most 64 KiB, less on a link whose messages
    /// are [limited](Self::limit_messages). `None` if there is nothing to say.
    ///
    /// Call it only when the link can take a message at once: what is built here is on its way, and
    /// everything that happens later, also a reset, comes behind it.
    ///
    /// On a new link what the peer lacks is said again before anything else that is numbered.
    pub fn poll_transmit(&mut self, link: LinkId, now: Timestamp) -> Option<Bytes> {
        let is_current = self.link() == Some(link) || cfg!(planted = "old-link-fed");
        if !is_current {
            return None;
        }
        if !self.has_transmit() {
            return None;
        }
        if self.sent.has_replay() && !self.is_unnumbered_due() {
            let message = self.sent.replay(self.received.position())?;
            self.liveness.say(now);
            self.stats.bytes_sent += message.len() as u64;
            return Some(message);
        }
        let (profile, ack) = (self.config.profile, self.received.position());
        let mut message = Message::new(profile, ack, self.message_capacity());
        self.put_unnumbered(&mut message, now);
        let numbered_at = message.out.len();
        if self.may_number() {
            self.put_control(&mut message, now);
            self.put_stream_control(&mut message);
            message.bound_streams(self.message_bytes_max);
            self.put_streams(&mut message);
        }
        if let Phase::Closing(reason) = self.phase
            && self.due.leave.is_none()
        {
            self.close(reason);
        }
        if message.is_empty() {
            self.settle();
            return None;
        }
        self.received.told();
        self.liveness.say(now);
        self.stats.bytes_sent += message.out.len() as u64;
        let (is_numbered, capacity) = (message.is_numbered, message.out.capacity());
        let is_mixed = numbered_at > message.start;
        let message = message.out.freeze();
        if is_numbered {
            self.sent.push(&message, is_mixed.then_some(numbered_at), capacity);
            // A peer that does not resume acknowledges when it has something else to send.
            if !self.config.resume_window.is_zero() {
                self.liveness.time(self.sent.position(), now);
            }
        }
        self.settle();
        Some(message)
    }

    /// Whether [`Session::poll_transmit`] has something to say.
    #[must_use]
    pub fn has_transmit(&self) -> bool {
        let has_numbered = self.sent.has_replay() || (self.may_number() && self.has_numbered());
        self.link().is_some() && (self.is_unnumbered_due() || has_numbered)
    }

    /// Whether numbered frames may be sent: not while others are said again, nor while too many are kept.
    fn may_number(&self) -> bool {
        !self.sent.has_replay() && !self.sent.is_full() && !matches!(self.phase, Phase::Closing(_))
    }

    fn has_numbered(&self) -> bool {
        let is_listed = !self.to_send.is_empty() || !self.control.is_empty();
        let has_token = self.due.renew.is_some() || self.due.renewed.is_some();
        let has_numbers = self.due.streams || self.due.stats || self.due.stats_asked;
        is_listed || has_token || has_numbers || self.due.orders.is_any()
    }

    /// Whether a frame is due that is never said again.
    fn is_unnumbered_due(&self) -> bool {
        let is_closing = matches!(self.phase, Phase::Closing(_));
        let is_asked = self.due.ping || self.due.pong.is_some();
        is_asked || is_closing || self.is_leave_due() || self.received.is_due()
    }

    /// A leave that lets streams finish goes behind what was said before it: the peer takes no streams after it.
    fn is_leave_due(&self) -> bool {
        let is_final = matches!(self.phase, Phase::Closing(_));
        self.due.leave.is_some() && (is_final || !self.sent.has_replay())
    }

    /// Whether a frame is due that belongs to no stream.
    pub(super) fn is_frame_due(&self) -> bool {
        let due = &self.due;
        let is_due = due.ping || due.streams || due.pong.is_some() || due.leave.is_some();
        is_due
            || due.stats
            || due.stats_asked
            || due.orders.is_any()
            || due.renew.is_some()
            || due.renewed.is_some()
            || matches!(self.phase, Phase::Closing(_))
    }

    /// Room for what the streams in turn could send, so that a message is allocated once.
    fn message_capacity(&self) -> usize {
        if !self.may_number() {
            return 64;
        }
        let waiting = self.to_send.iter().take(16).filter_map(|id| self.streams.get(*id));
        let octets: usize = waiting.map(|stream| stream.send.sendable() + 256).sum();
        let most = match self.config.profile {
            Profile::Binary => {
                self.message_bytes_max.saturating_add(CONTROL_BYTES_MAX).min(MESSAGE_BYTES_MAX)
            }
            Profile::Json => JSON_FRAME_BYTES,
        };
        (octets + 64).min(most)
    }

    fn put_unnumbered(&mut self, message: &mut Message, now: Timestamp) {
        if let Some(number) = self.due.pong.take() {
            message.put(&Frame::Pong(number));
        }
        if message.takes_control() && core::mem::take(&mut self.due.ping) {
            message.put(&Frame::Ping(self.liveness.ping(now)));
        }
        if self.is_leave_due()
            && message.takes_control()
            && let Some(code) = self.due.leave.take()
        {
            let last = *self.left_last.get_or_insert(self.peer_highest);
            let last = if cfg!(planted = "leave-claims-too-much") { last + 8 } else { last };
            message.put(&Frame::Leave { code, last });
        }
        let carries_nothing = message.is_empty() && !(self.may_number() && self.has_numbered());
        if carries_nothing && self.received.is_due() {
            message.put(&Frame::Ack);
        }
    }

    fn put_control(&mut self, message: &mut Message, now: Timestamp) {
        if message.takes_control() && core::mem::take(&mut self.due.streams) {
            self.theirs.limit = self.theirs_over.saturating_add(self.config.limits.streams);
            message.put(&Frame::Streams { limit: self.theirs.limit });
        }
        self.put_orders(message);
        if message.takes_control()
            && let Some(token) = self.due.renew.take()
        {
            message.put(&Frame::Renew { token });
        }
        if message.takes_control()
            && let Some(expires_in) = self.due.renewed.take()
        {
            message.put(&Frame::Renewed { expires_in_s: expires_in.map(|life| life.as_secs()) });
        }
        self.put_stats(message, now);
    }

    fn put_stats(&mut self, message: &mut Message, now: Timestamp) {
        if message.takes_control() && core::mem::take(&mut self.due.stats_asked) {
            self.peer_stats.is_awaited = true;
            message.put(&Frame::Stats(None));
        }
        if message.takes_control() && core::mem::take(&mut self.due.stats) {
            message.put(&Frame::Stats(Some(self.report(now))));
        }
    }

    /// Stops and credit; what this message does not take goes with the next one.
    fn put_stream_control(&mut self, message: &mut Message) {
        while message.takes_control() {
            let Some(id) = self.control.pop_front() else { return };
            let Some(stream) = self.streams.get_mut(id) else { continue };
            stream.listed.control = false;
            if matches!(stream.send.preface, Preface::Open(_)) {
                // The peer has not heard of it: the open says the credit, and a stop follows it.
                continue;
            }
            let due = core::mem::take(&mut stream.due);
            if stream.recv.is_closed() || cfg!(planted = "stop-and-credit-lost") {
                continue;
            }
            match stream.recv.stopped {
                Some(code) if due.stop => message.put(&Frame::Stop { id, code }),
                None if due.credit => {
                    message.put(&Frame::Credit { id, limit: stream.recv.grant.limit() });
                }
                Some(_) | None => {}
            }
        }
    }

    fn put_streams(&mut self, message: &mut Message) {
        while message.takes_streams()
            && let Some(id) = self.to_send.pop_front()
        {
            let Some(stream) = self.streams.get_mut(id) else { continue };
            stream.listed.to_send = false;
            match take_turn(id, stream, message) {
                Turn::More if cfg!(planted = "first-come-first-served") => {
                    stream.listed.to_send = true;
                    self.to_send.push_front(id);
                }
                Turn::More => {
                    stream.listed.to_send = true;
                    self.to_send.push_back(id);
                }
                Turn::Full { is_served } => {
                    stream.listed.to_send = true;
                    if is_served {
                        self.to_send.push_back(id);
                    } else {
                        self.to_send.push_front(id);
                    }
                    self.on_turn(id);
                    return;
                }
                Turn::Done => {}
            }
            self.on_turn(id);
        }
    }

    /// After a stream's turn: room for its writer, a stop that waited for the open, or its end.
    fn on_turn(&mut self, id: StreamId) {
        let Some(stream) = self.streams.get_mut(id) else { return };
        let is_writable = stream.send.wants_room && stream.send.room(false) >= DATA_BYTES_MAX;
        stream.send.wants_room &= !is_writable;
        let (has_stop, is_over) = (stream.due.stop, stream.is_over());
        if has_stop {
            self.list_control(id);
        }
        if is_writable {
            self.tell_writable(id);
        }
        if is_over {
            self.reap(id);
        }
    }
}

/// One turn of one stream: what must come before its data, at most 16 KiB of data, its end.
fn take_turn(id: StreamId, stream: &mut Stream, message: &mut Message) -> Turn {
    if let SendState::Resetting(reset) = stream.send.state {
        return put_reset(id, stream, reset, message);
    }
    if !put_preface(id, stream, message) {
        return Turn::Full { is_served: false };
    }
    let before = stream.send.sent;
    let is_whole = put_turn_data(id, stream, message);
    let is_served = stream.send.sent > before;
    if !is_whole {
        return Turn::Full { is_served };
    }
    if (stream.send.buffer.is_empty() || cfg!(planted = "end-before-its-data"))
        && let SendState::Ending(trailers) = &stream.send.state
    {
        let frame = Frame::End { id, trailers: trailers.clone() };
        if !message.try_put(&frame) {
            return Turn::Full { is_served };
        }
        stream.send.state = SendState::Closed;
    }
    if stream.send.is_sendable() { Turn::More } else { Turn::Done }
}

fn put_reset(id: StreamId, stream: &mut Stream, reset: crate::error::Reset, message: &mut Message) -> Turn {
    // Also a stream that the peer has not heard of is opened first: its number and slot are counted.
    if cfg!(planted = "reset-lost") && put_preface(id, stream, message) {
        stream.send.state = SendState::Closed;
        return Turn::Done;
    }
    if !put_preface(id, stream, message) || !message.try_put(&Frame::Reset { id, reset }) {
        return Turn::Full { is_served: false };
    }
    stream.send.state = SendState::Closed;
    Turn::Done
}

/// Puts the open frame or the heads that are due. False if the message is full.
fn put_preface(id: StreamId, stream: &mut Stream, message: &mut Message) -> bool {
    let end = stream.send.ends_with_preface();
    match core::mem::replace(&mut stream.send.preface, Preface::Said) {
        Preface::Said => return true,
        Preface::Open(opening) => {
            let may_open = message.opens < OPENS_MAX && put_client(id, stream, message);
            let frame = Frame::Open { id, grant: stream.recv.grant.limit(), end, opening };
            if !may_open || !message.try_put(&frame) {
                if let Frame::Open { opening, .. } = frame {
                    stream.send.preface = Preface::Open(opening);
                }
                return false;
            }
            message.opens += 1;
        }
        Preface::Heads(mut heads) => {
            while let Some(head) = heads.pop_front() {
                let end = end && !head.is_interim();
                let frame = Frame::Head { id, end, head };
                if !message.try_put(&frame) {
                    if let Frame::Head { head, .. } = frame {
                        heads.push_front(head);
                    }
                    stream.send.preface = Preface::Heads(heads);
                    return false;
                }
            }
            if !stream.send.has_head {
                stream.send.preface = Preface::Heads(heads);
                return true;
            }
        }
    }
    if end {
        stream.send.state = SendState::Closed;
    }
    true
}

/// Puts the frame that goes ahead of an open frame, if one is due. False if the message is full. The open frame is the next
/// of its kind in any case: a stream that finds no room keeps its turn.
fn put_client(id: StreamId, stream: &mut Stream, message: &mut Message) -> bool {
    let Some(client) = stream.client else { return true };
    let is_put = message.try_put(&Frame::Client { id, client });
    if is_put {
        stream.client = None;
    }
    is_put
}

/// Puts at most one turn's data within credit. False if the message is full.
fn put_turn_data(id: StreamId, stream: &mut Stream, message: &mut Message) -> bool {
    if !stream.send.is_body_due() {
        return true;
    }
    let turn = stream.send.sendable().min(message.turn_bytes_max);
    if turn == 0 {
        return true;
    }
    let room = message.room_for_data();
    // Less room is not worth cutting a turn for, which costs its receiver a second write: most answers are smaller, and come
    // whole.
    if room < turn.min(message.turn_bytes_max / 2) {
        return false;
    }
    let count = turn.min(room);
    message.put_data(id, &mut stream.send.buffer, count);
    stream.send.sent += count as u64;
    count == turn
}
