//! How streams stand in the session's lists, and how streams and sessions end.

use core::time::Duration;

use super::stream::{News, RecvState, SendState};
use super::{Event, Phase, Session, StreamId, tuning};
use crate::error::{CloseReason, Reset, ResetCode, Touched};
use crate::time::Timestamp;
use crate::wire::Setting;

impl Session {
    /// Asks the peer for a sign of life at once, if there is a link: [`last_heard`](Self::last_heard) tells whether one came.
    pub fn ping(&mut self) {
        self.due.ping |= self.link().is_some();
    }

    /// When the last byte came from the peer.
    #[must_use]
    pub const fn last_heard(&self) -> Timestamp {
        self.liveness.last_heard()
    }

    /// How long an answer of the peer took lately on this link, with what is queued ahead of it; zero before the first.
    #[must_use]
    pub const fn answer_delay(&self) -> Duration {
        self.liveness.delay()
    }

    /// Whether the token is over (plugboard): the session opens no streams until there is another one.
    #[must_use]
    pub const fn is_expired(&self) -> bool {
        self.liveness.is_expired()
    }

    /// Ends the session: every stream that is held reads as lost.
    pub(super) fn close(&mut self, reason: CloseReason) {
        if self.closed().is_some() {
            return;
        }
        self.phase = Phase::Closed(reason);
        for accepted in core::mem::take(&mut self.unaccepted) {
            // Nobody will: the application never heard of it.
            if let Some(stream) = self.streams.get_mut(accepted.id) {
                stream.is_released = true;
            }
        }
        self.to_send.clear();
        self.control.clear();
        self.sent.clear();
        let lost: alloc::vec::Vec<(StreamId, Touched)> = self
            .streams
            .sorted()
            .into_iter()
            .map(|(id, stream)| (id, if stream.is_heard_of() { Touched::Unknown } else { Touched::No }))
            .collect();
        for (id, touched) in lost {
            self.end_both(id, Reset { code: ResetCode::SessionLost, touched });
        }
        self.put_news(Event::Closed(reason));
    }

    /// Both directions of a stream are over without another frame. What arrived can still be read.
    pub(super) fn end_both(&mut self, id: StreamId, reset: Reset) {
        let Some(stream) = self.streams.get_mut(id) else { return };
        if !stream.recv.is_closed() {
            stream.recv.state = RecvState::Reset(reset);
        }
        if cfg!(planted = "lost-session-looks-complete") {
            stream.recv.state = RecvState::Ended(crate::message::Headers::new());
        }
        stream.recv.grant.finish(&mut self.ledger, &self.config.limits);
        stream.send.lose(reset);
        self.tell(id, |news| *news = News { readable: true, writable: true });
        self.reap(id);
    }

    /// Stops reading a stream: what is buffered goes, and its credit returns.
    pub(super) fn stop_stream(&mut self, id: StreamId, code: ResetCode) {
        let code = self.known_to_peer(code);
        let Some(stream) = self.streams.get_mut(id) else { return };
        if stream.recv.stopped.is_some() || stream.recv.is_exhausted() {
            return;
        }
        if !matches!(stream.recv.state, RecvState::Reset(_)) {
            stream.recv.stopped = Some(code);
        }
        stream.recv.heads.clear();
        let unread = if cfg!(planted = "unread-credit-lost") { 0 } else { stream.recv.buffer.len() as u64 };
        stream.recv.buffer.clear();
        stream.recv.grant.consume(unread, &mut self.ledger, &self.config.limits);
        if !stream.recv.is_closed() {
            stream.due.stop = true;
            self.list_control(id);
        }
    }

    /// The code that says this to the peer, which may not know all of them.
    pub(super) fn known_to_peer(&self, code: ResetCode) -> ResetCode {
        code.at_level(self.config.peer.value(Setting::Exhausted).unwrap_or_default())
    }

    /// Gives the peer more credit on a stream if enough of its window is used up.
    pub(super) fn extend_grant(&mut self, id: StreamId, now: Timestamp) {
        let tuning = tuning(&self.config.limits, &self.liveness, now);
        let Some(stream) = self.streams.get_mut(id) else { return };
        if stream.recv.is_closed() || stream.recv.stopped.is_some() {
            return;
        }
        if stream.recv.grant.extend(&mut self.ledger, &tuning) {
            stream.due.credit = true;
            self.list_control(id);
        }
    }

    /// Lets the scheduler know of a stream.
    pub(super) fn list_to_send(&mut self, id: StreamId) {
        let Some(stream) = self.streams.get_mut(id) else { return };
        if stream.send.is_sendable() && !core::mem::replace(&mut stream.listed.to_send, true) {
            self.to_send.push_back(id);
        }
    }

    /// Whether no other stream could send something.
    pub(super) fn is_alone_to_send(&self, id: StreamId) -> bool {
        self.to_send.len() <= 1 && self.to_send.front().is_none_or(|first| *first == id)
    }

    pub(super) fn list_control(&mut self, id: StreamId) {
        let Some(stream) = self.streams.get_mut(id) else { return };
        if !core::mem::replace(&mut stream.listed.control, true) {
            self.control.push_back(id);
        }
    }

    /// Tells the application something of a stream that it has not let go of.
    pub(super) fn tell(&mut self, id: StreamId, what: impl FnOnce(&mut News)) {
        let Some(stream) = self.streams.get_mut(id) else { return };
        if stream.is_released {
            return;
        }
        what(&mut stream.news);
        if !core::mem::replace(&mut stream.listed.event, true) {
            self.events.push_back(id);
        }
    }

    pub(super) fn tell_readable(&mut self, id: StreamId) {
        self.tell(id, |news| news.readable = true);
    }

    pub(super) fn tell_writable(&mut self, id: StreamId) {
        self.tell(id, |news| news.writable = true);
    }

    /// Tells the application something of the session, once: the latest of its kind.
    pub(super) fn put_news(&mut self, event: Event) {
        let kind = core::mem::discriminant(&event);
        self.news.retain(|earlier| core::mem::discriminant(earlier) != kind);
        self.news.push_back(event);
    }

    /// Takes back a stream whose open frame was not sent.
    pub(super) fn forget_unsaid(&mut self, id: StreamId) {
        let Some(stream) = self.streams.get_mut(id) else { return };
        stream.recv.state = RecvState::Reset(Reset { code: ResetCode::Cancelled, touched: Touched::No });
        stream.send.state = SendState::Closed;
        self.ours.opened = self.ours.opened.saturating_sub(1);
        // While a link takes no message these lists are all that would grow.
        self.to_send.retain(|listed| *listed != id);
        self.control.retain(|listed| *listed != id);
        self.reap(id);
        self.settle();
    }

    /// Forgets a stream that is over at both ends and held by nobody.
    pub(super) fn reap(&mut self, id: StreamId) {
        if !self.streams.get(id).is_some_and(|stream| stream.is_over()) {
            return;
        }
        let Some(mut stream) = self.streams.remove(id) else { return };
        stream.recv.grant.close(&mut self.ledger);
        if !stream.is_ours {
            self.return_slot();
        }
    }

    /// A stream of the peer is over. It is told in steps, or at once when it is about to run out.
    pub(super) fn return_slot(&mut self) {
        if cfg!(planted = "slot-not-returned") {
            return;
        }
        self.theirs_over += 1;
        let limit = self.theirs_over.saturating_add(self.config.limits.streams);
        let step = (self.config.limits.streams / 4).max(1);
        let left = self.theirs.limit.saturating_sub(self.theirs.opened);
        let is_worth_a_frame = limit.saturating_sub(self.theirs.limit) >= step || left < step;
        self.due.streams |= is_worth_a_frame && self.phase == Phase::Open;
    }

    /// Ends a session that this end is draining once its last stream is over and all is said. Never within a
    /// message: it counts as said, or as heard, when it is whole.
    pub(super) fn settle(&mut self) {
        let is_done = self.streams.is_empty() || cfg!(planted = "streams-left-behind");
        let is_quiet = is_done && !self.is_frame_due() && self.sent.is_settled();
        if self.phase != (Phase::Draining { by_us: true }) || !is_quiet {
            return;
        }
        if self.lost.is_none() && self.received.is_owed() {
            // So that the peer, too, knows that nothing is missing when the link goes.
            return self.received.hurry();
        }
        self.close(CloseReason::Left);
    }
}
