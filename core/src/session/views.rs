//! Borrowed views of one stream: what an application writes to and reads from.

use bytes::Bytes;
use serde::Serialize;

use super::stream::{RecvState, SendState};
use super::{HEAD_BYTES_MAX, HeadRefused, Session, StreamId};
use crate::error::{Reset, ResetCode, Touched};
use crate::message::{Headers, ResponseHead};
use crate::queue::ByteQueue;
use crate::time::Timestamp;
use crate::wire;

/// The peer no longer reads this direction, or the session is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error, Serialize)]
#[error("the peer stopped reading: {0:?}")]
pub struct Stopped(pub Reset);

/// What stands next in the peer's direction of a stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Incoming {
    /// An answer's head; take it with [`RecvStream::take_head`].
    Head,
    /// Octets, shared and not taken: give back credit with [`RecvStream::consume`].
    Octets(Bytes),
    /// Complete, with this trailer section.
    End(Headers),
    /// Given up by the peer, or lost with the session.
    Reset(Reset),
    /// Nothing yet.
    Pending,
}

/// The direction of a stream that this end sends.
#[derive(Debug)]
pub struct SendStream<'a> {
    pub(super) session: &'a mut Session,
    pub(super) id: StreamId,
}

impl SendStream<'_> {
    /// Octets that [`SendStream::write`] would take now, at most 63 KiB, or 252 KiB if no other stream could send something
    /// and the peer allowed them: what is written to another stream may make them fewer. Zero asks for an
    /// [`Event::Writable`](super::Event::Writable).
    pub fn capacity(&mut self) -> usize {
        let is_alone = self.session.is_alone_to_send(self.id);
        let Some(stream) = self.session.streams.get_mut(self.id) else { return 0 };
        let room = if stream.send.is_writable() { stream.send.room(is_alone) } else { 0 };
        stream.send.wants_room = room == 0;
        room
    }

    /// Moves as much of `octets` as fits into the send buffer and says how much that was; zero asks for
    /// an [`Event::Writable`](super::Event::Writable). Spends no credit: sending does.
    ///
    /// Before an answer's final head, and behind the end, nothing is taken. A body that goes past its declared length resets the direction as truncated, so that it can
    /// never look complete.
    ///
    /// # Errors
    /// [`Stopped`] once the peer no longer reads; `octets` is then untouched.
    pub fn write(&mut self, octets: &mut Bytes) -> Result<usize, Stopped> {
        let is_alone = self.session.is_alone_to_send(self.id);
        let Some(stream) = self.session.streams.get_mut(self.id) else { return Ok(0) };
        if let Some(reset) = stream.send.stopped {
            return Err(Stopped(reset));
        }
        if !stream.send.is_writable() {
            stream.send.wants_room = true;
            return Ok(0);
        }
        let taken = octets.len().min(stream.send.room(is_alone));
        stream.send.written = stream.send.written.saturating_add(taken as u64);
        if stream.send.declared.is_some_and(|length| stream.send.written > length) {
            self.reset(Reset { code: ResetCode::Truncated, touched: Touched::Yes });
            return Ok(0);
        }
        stream.send.wants_room = taken < octets.len();
        if taken > 0 {
            stream.send.buffer.push(octets.split_to(taken));
            self.session.list_to_send(self.id);
        }
        Ok(taken)
    }

    /// Gives an interim head (1xx but not 101). Only the acceptor of an HTTP exchange answers: without
    /// effect otherwise, behind the final head, and past eight of them.
    ///
    /// # Errors
    /// [`HeadRefused`]; nothing is sent then.
    pub fn interim(&mut self, head: ResponseHead) -> Result<(), HeadRefused> {
        self.respond(head, false)
    }

    /// Gives the final head. Only the acceptor of an HTTP exchange answers: without effect otherwise, and
    /// behind the final head. With `end` nothing follows it: so for answers to HEAD and for 304, whose
    /// length is not that of a body. A 101 is malformed if the request asked for no upgrade, and so is a head that the peer did
    /// not [announce](crate::wire::HeadRules) to take; of a 426 such a peer is not sent the `upgrade`.
    ///
    /// # Errors
    /// [`HeadRefused`]; nothing is sent then.
    pub fn respond(&mut self, mut head: ResponseHead, end: bool) -> Result<(), HeadRefused> {
        if wire::response_size(&head) > HEAD_BYTES_MAX {
            return Err(HeadRefused::TooLarge);
        }
        wire::check_response(&head)?;
        let peer = self.session.peer_heads();
        peer.narrow_response(&mut head);
        peer.check_response(&head, self.session.config.limits.heads)?;
        let Some(stream) = self.session.streams.get_mut(self.id) else { return Ok(()) };
        if head.status == 101 && !stream.may_upgrade {
            return Err(HeadRefused::Malformed);
        }
        stream.send.put_head(head, end);
        self.session.list_to_send(self.id);
        Ok(())
    }

    /// The direction is complete. A body shorter than declared is reset as truncated instead, an answer
    /// without a final head as failed. Trailers that a frame does not take are dropped (RFC 9110 §6.5.1).
    pub fn end(&mut self, trailers: Headers) {
        let Some(stream) = self.session.streams.get_mut(self.id) else { return };
        if stream.send.state != SendState::Open {
            return;
        }
        if !stream.send.is_body_due() {
            self.reset(Reset { code: ResetCode::BackendFailed, touched: Touched::Unknown });
            return;
        }
        let is_short = stream.send.declared.is_some_and(|length| length != stream.send.written);
        if is_short && !cfg!(planted = "truncated-upload-ended") {
            self.reset(Reset { code: ResetCode::Truncated, touched: Touched::Yes });
            return;
        }
        let can_cross =
            wire::trailers_size(&trailers) <= HEAD_BYTES_MAX && wire::check_fields(&trailers).is_ok();
        stream.send.state = SendState::Ending(if can_cross { trailers } else { Headers::new() });
        self.session.list_to_send(self.id);
    }

    /// Gives the direction up. What was not sent is thrown away. No effect after the end was sent.
    ///
    /// A stream of the peer's that is [denied](ResetCode::Denied) counts as a free frame. (L8)
    pub fn reset(&mut self, reset: Reset) {
        let reset = Reset { code: self.session.known_to_peer(reset.code), ..reset };
        if let Some(stream) = self.session.streams.get_mut(self.id) {
            let is_denial = reset.code == ResetCode::Denied && !stream.is_ours;
            if stream.send.reset(reset) && is_denial {
                // The open frame, and the end or reset behind it.
                self.session.budget.deny(1 + u64::from(stream.recv.has_earned_end));
            }
            self.session.list_to_send(self.id);
        }
    }

    /// What the peer said when it stopped reading.
    #[must_use]
    pub fn stopped(&self) -> Option<Reset> {
        self.session.streams.get(self.id).and_then(|stream| stream.send.stopped)
    }

    /// Whether everything that was written, and the end, has been handed to the link.
    #[must_use]
    pub fn is_sent(&self) -> bool {
        self.session.streams.get(self.id).is_none_or(|stream| stream.send.is_closed())
    }
}

/// The direction of a stream that this end reads.
#[derive(Debug)]
pub struct RecvStream<'a> {
    pub(super) session: &'a mut Session,
    pub(super) id: StreamId,
}

impl RecvStream<'_> {
    /// What stands next. Octets that came before a reset are still delivered first.
    pub fn peek(&mut self) -> Incoming {
        self.next(|buffer| buffer.front().cloned())
    }

    fn next(&mut self, octets: impl FnOnce(&mut ByteQueue) -> Option<Bytes>) -> Incoming {
        let Some(stream) = self.session.streams.get_mut(self.id) else {
            return Incoming::Reset(Reset { code: ResetCode::SessionLost, touched: Touched::Unknown });
        };
        if let Some(code) = stream.recv.stopped {
            // What came after the stop is gone, so that an end would make the rest look complete.
            return Incoming::Reset(Reset { code, touched: Touched::Unknown });
        }
        if !stream.recv.heads.is_empty() {
            return Incoming::Head;
        }
        if let Some(octets) = octets(&mut stream.recv.buffer) {
            return Incoming::Octets(octets);
        }
        match &stream.recv.state {
            RecvState::Open => Incoming::Pending,
            RecvState::Ended(trailers) => Incoming::End(trailers.clone()),
            RecvState::Reset(reset) => Incoming::Reset(*reset),
        }
    }

    /// Takes what stands next: octets leave the buffer, and their credit goes back to the peer with
    /// [`RecvStream::credit`], once whoever they are for has taken them. Heads, ends and resets are as in
    /// [`RecvStream::peek`].
    pub fn read(&mut self) -> Incoming {
        self.next(|buffer| buffer.take_front())
    }

    /// Gives back the credit of `count` octets that were [read](RecvStream::read) before.
    pub fn credit(&mut self, count: usize, now: Timestamp) {
        let Some(stream) = self.session.streams.get_mut(self.id) else { return };
        stream.recv.grant.consume(count as u64, &mut self.session.ledger, &self.session.config.limits);
        self.session.extend_grant(self.id, now);
    }

    /// Takes the next head of the answer: interim ones first, then the final one.
    pub fn take_head(&mut self) -> Option<ResponseHead> {
        self.session.streams.get_mut(self.id)?.recv.heads.pop_front()
    }

    /// Whether nothing stands behind what was taken: the direction ended without trailers, and every octet was
    /// read.
    #[must_use]
    pub fn is_at_end(&self) -> bool {
        self.session.streams.get(self.id).is_some_and(|stream| {
            matches!(&stream.recv.state, RecvState::Ended(trailers) if trailers.is_empty())
                && stream.recv.is_exhausted()
                && stream.recv.stopped.is_none()
        })
    }

    /// The first `count` octets were taken by whoever they are for: their credit goes back to the peer.
    pub fn consume(&mut self, count: usize, now: Timestamp) {
        let Some(stream) = self.session.streams.get_mut(self.id) else { return };
        let count = count.min(stream.recv.buffer.len());
        stream.recv.buffer.advance(count);
        self.credit(count, now);
    }

    /// Reads no further: the peer is told, what is buffered is thrown away, its credit returns. The
    /// direction then reads as reset with `code`, unless all of it had been read.
    pub fn stop(&mut self, code: ResetCode) {
        self.session.stop_stream(self.id, code);
    }
}
