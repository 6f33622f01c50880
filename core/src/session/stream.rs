//! One stream as a session keeps it: two halves that end independently.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::credit::Grant;
use super::heads::Heads;
use super::snapshot::COUNT_MAX;
use crate::error::{Reset, ResetCode};
use crate::limits::{INTERIM_RESPONSES_MAX, SEND_BUFFER_BYTES, SEND_BURST_BYTES};
use crate::message::{Headers, ResponseHead};
use crate::queue::ByteQueue;
use crate::wire::Opening;

/// What has to be said before a direction's first octet.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Preface {
    /// The opener's open frame, not sent yet.
    Open(Opening),
    /// The acceptor's heads that are not sent yet: interim ones and at most one final.
    Heads(Heads),
    /// Nothing.
    Said,
}

/// How far one direction of ours has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum SendState {
    /// More may be written.
    Open,
    /// Complete, but not all of it is sent.
    Ending(Headers),
    /// Given up; the reset frame is not sent yet.
    Resetting(Reset),
    /// The end or the reset is sent: nothing follows.
    Closed,
}

/// Our direction of a stream: a bounded buffer in front of the peer's credit.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct SendHalf {
    pub(super) preface: Preface,
    pub(super) buffer: ByteQueue,
    pub(super) state: SendState,
    /// Octets sent, all of them within `limit`.
    pub(super) sent: u64,
    /// The peer's grant.
    pub(super) limit: u64,
    /// The length that our head declared.
    pub(super) declared: Option<u64>,
    /// Octets written by the application.
    pub(super) written: u64,
    /// What the peer said when it stopped reading.
    pub(super) stopped: Option<Reset>,
    /// The application met a full buffer and waits for room.
    pub(super) wants_room: bool,
    /// Our interim heads that were given.
    pub(super) interims: usize,
    /// Our final head was given.
    pub(super) has_head: bool,
}

impl SendHalf {
    pub(super) fn new(preface: Preface, limit: u64) -> Self {
        Self {
            preface,
            buffer: ByteQueue::new(),
            state: SendState::Open,
            sent: 0,
            limit,
            declared: None,
            written: 0,
            stopped: None,
            wants_room: false,
            interims: 0,
            has_head: false,
        }
    }

    /// Whether the application may write octets now.
    pub(super) fn is_writable(&self) -> bool {
        self.state == SendState::Open && self.is_body_due()
    }

    /// Octets that the buffer still takes, of a stream that is `alone` in what could be sent or not.
    pub(super) fn room(&self, alone: bool) -> usize {
        let allowed = if alone { self.credit().min(SEND_BURST_BYTES) } else { 0 };
        allowed.max(SEND_BUFFER_BYTES).saturating_sub(self.buffer.len())
    }

    /// Whether nothing more will be sent.
    pub(super) fn is_closed(&self) -> bool {
        self.state == SendState::Closed
    }

    /// Whether a turn of the scheduler would send something.
    pub(super) fn is_sendable(&self) -> bool {
        let has_preface = match &self.preface {
            Preface::Open(_) => true,
            Preface::Heads(heads) => !heads.is_empty(),
            Preface::Said => false,
        };
        match self.state {
            SendState::Closed => false,
            SendState::Resetting(_) => true,
            SendState::Open => has_preface || self.is_data_sendable(),
            SendState::Ending(_) => has_preface || self.buffer.is_empty() || self.is_data_sendable(),
        }
    }

    /// Whether octets may follow: an answer's body waits for its final head.
    pub(super) const fn is_body_due(&self) -> bool {
        self.has_head || !matches!(self.preface, Preface::Heads(_))
    }

    /// Octets of the body that credit lets go.
    pub(super) fn sendable(&self) -> usize {
        let credit = self.credit();
        let credit = if cfg!(planted = "credit-overspent") { credit.saturating_add(1) } else { credit };
        self.buffer.len().min(credit)
    }

    /// Octets that the peer allows beyond those that were sent.
    fn credit(&self) -> usize {
        usize::try_from(self.limit.saturating_sub(self.sent)).unwrap_or(usize::MAX)
    }

    fn is_data_sendable(&self) -> bool {
        !self.buffer.is_empty() && self.sent < self.limit && self.is_body_due()
    }

    /// Whether the end may ride on the frame that goes before an empty body.
    pub(super) fn ends_with_preface(&self) -> bool {
        matches!(&self.state, SendState::Ending(trailers) if trailers.is_empty()) && self.buffer.is_empty()
    }

    /// Queues an answer's head unless the final one was given.
    pub(super) fn put_head(&mut self, head: ResponseHead, end: bool) {
        let Preface::Heads(heads) = &mut self.preface else { return };
        if self.state != SendState::Open || self.has_head {
            return;
        }
        if head.is_interim() {
            self.interims += 1;
            if self.interims > INTERIM_RESPONSES_MAX {
                return;
            }
        } else {
            self.has_head = true;
            self.declared = head.length;
            if end {
                self.state = SendState::Ending(Headers::new());
            }
        }
        heads.push_back(head);
    }

    /// Gives the direction up: what was not sent is thrown away. False if it was over already.
    pub(super) fn reset(&mut self, reset: Reset) -> bool {
        let is_open = matches!(self.state, SendState::Open | SendState::Ending(_));
        if is_open {
            self.buffer.clear();
            if let Preface::Heads(heads) = &mut self.preface {
                heads.clear();
            }
            self.state = SendState::Resetting(reset);
        }
        is_open
    }

    /// Gives the direction up unless it is already complete and only not sent yet.
    pub(super) fn reset_unless_ending(&mut self, reset: Reset) {
        if self.state == SendState::Open {
            self.reset(reset);
        }
    }

    /// Ends without a word: the session is over.
    pub(super) fn lose(&mut self, reset: Reset) {
        self.buffer.clear();
        self.preface = Preface::Said;
        self.state = SendState::Closed;
        self.stopped.get_or_insert(reset);
    }
}

/// How far one direction of the peer's has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum RecvState {
    /// More may come.
    Open,
    /// Complete.
    Ended(Headers),
    /// Given up by the peer.
    Reset(Reset),
}

/// The peer's direction of a stream: heads, then octets, then one ending.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct RecvHalf {
    pub(super) heads: Heads,
    pub(super) interims: usize,
    /// Octets may come: the head is here, or the kind of stream has none.
    pub(super) has_head: bool,
    pub(super) buffer: ByteQueue,
    pub(super) grant: Grant,
    pub(super) state: RecvState,
    /// Why we do not read on: what still comes is thrown away.
    pub(super) stopped: Option<ResetCode>,
    /// A frame of its own ended it, which earned the peer tokens; an end that rode on the open did not.
    pub(super) has_earned_end: bool,
}

impl RecvHalf {
    pub(super) fn new(grant: Grant, has_head: bool) -> Self {
        Self {
            heads: Heads::default(),
            interims: 0,
            has_head,
            buffer: ByteQueue::new(),
            grant,
            state: RecvState::Open,
            stopped: None,
            has_earned_end: false,
        }
    }

    /// Whether the peer will send nothing more.
    pub(super) fn is_closed(&self) -> bool {
        self.state != RecvState::Open
    }

    /// Whether nothing but the ending is left to read.
    pub(super) fn is_exhausted(&self) -> bool {
        self.is_closed() && self.buffer.is_empty() && self.heads.is_empty()
    }

    /// Buffers octets of a message of `message` octets. A slice that is small beside its message is
    /// copied, so that what is unread never pins more than four times its size.
    pub(super) fn push(&mut self, octets: Bytes, message: usize) {
        if octets.len() < message / 4 {
            self.buffer.push_copy(&octets);
        } else {
            self.buffer.push(octets);
        }
    }
}

/// Which of the session's lists a stream stands in.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Listed {
    pub(super) to_send: bool,
    pub(super) control: bool,
    pub(super) event: bool,
}

/// Control that is due for a stream.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Due {
    pub(super) credit: bool,
    pub(super) stop: bool,
}

/// What the application has not been told yet.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct News {
    pub(super) readable: bool,
    pub(super) writable: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Stream {
    /// Whether this end opened it.
    pub(super) is_ours: bool,
    /// Whether it is an HTTP exchange, with heads and trailers.
    pub(super) is_http: bool,
    /// Whether the request asked for an upgrade, so that a 101 is in place.
    pub(super) may_upgrade: bool,
    pub(super) send: SendHalf,
    pub(super) recv: RecvHalf,
    pub(super) listed: Listed,
    pub(super) due: Due,
    pub(super) news: News,
    /// The client connection that its open frame is to be preceded by.
    pub(super) client: Option<u64>,
    /// The application let go of it.
    pub(super) is_released: bool,
}

impl Stream {
    pub(super) fn new(is_ours: bool, opening: &Opening, send: SendHalf, recv: RecvHalf) -> Self {
        let (is_http, may_upgrade) = match opening {
            Opening::Http { head, .. } => (true, head.upgrade.is_some()),
            Opening::Tcp { .. } => (false, false),
        };
        Self {
            is_ours,
            is_http,
            may_upgrade,
            send,
            recv,
            listed: Listed::default(),
            due: Due::default(),
            news: News::default(),
            client: None,
            is_released: false,
        }
    }

    /// Whether a session goes on from what was read from a file.
    pub(super) const fn is_sound(&self) -> bool {
        self.send.interims as u64 <= COUNT_MAX && self.recv.interims as u64 <= COUNT_MAX
    }

    /// Whether its open frame was sent, by either end.
    pub(super) const fn is_heard_of(&self) -> bool {
        !matches!(self.send.preface, Preface::Open(_))
    }

    /// Whether the peer has not heard of it and need not.
    pub(super) fn is_unsaid(&self) -> bool {
        !self.is_heard_of() && !matches!(self.send.state, SendState::Ending(_))
    }

    /// Whether the peer has answered in any way.
    pub(super) const fn is_answered(&self) -> bool {
        let has_heads = self.is_http && (self.recv.has_head || self.recv.interims > 0);
        has_heads || self.recv.grant.received() > 0
    }

    /// Whether the peer opened it and may not.
    pub(super) fn is_denied(&self) -> bool {
        !self.is_ours && self.recv.stopped == Some(ResetCode::Denied)
    }

    /// Whether nothing more will be said or heard, and nobody holds it.
    pub(super) fn is_over(&self) -> bool {
        self.is_released && self.send.is_closed() && self.recv.is_closed()
    }
}
