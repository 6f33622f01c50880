//! Inputs: messages, activity, disconnects, time.

use alloc::boxed::Box;
use bytes::Bytes;

use super::heads::Heads;
use super::liveness::Timer;
use super::stream::{Preface, RecvHalf, RecvState, SendHalf, Stream};
use super::{Accepted, Event, Grant, LinkId, Phase, Role, Session, StreamId};
use crate::error::{CloseReason, LeaveCode, Misbehaviour, Reset, ResetCode, Touched};
use crate::limits::{INTERIM_RESPONSES_MAX, TOKEN_BYTES_MAX};
use crate::message::{Headers, ResponseHead};
use crate::time::{Timestamp, earliest};
use crate::wire::{Frame, Opening, Setting, Stats};

impl Session {
    /// A message came in. Never fails: a peer that breaks a rule ends the session with a reason.
    pub fn handle_message(&mut self, link: LinkId, message: Bytes, now: Timestamp) {
        let size = message.len();
        self.handle_sized_message(link, message, size, now);
    }

    /// A message that counts as one of `size` octets: what a recording redacted.
    pub(crate) fn handle_sized_message(&mut self, link: LinkId, message: Bytes, size: usize, now: Timestamp) {
        self.handle_activity(link, now);
        let is_current = self.link() == Some(link) || cfg!(planted = "old-link-believed");
        if !is_current || matches!(self.phase, Phase::Closing(_)) {
            return;
        }
        // A forged recording may claim any size.
        self.stats.bytes_received = self.stats.bytes_received.saturating_add(size as u64);
        self.ledger.shrink(&self.config.limits, now);
        if let Err(misbehaviour) = self.on_message(message, size, now) {
            self.misbehave(misbehaviour, now);
        }
    }

    /// The peer broke a rule below the frames, such as a text message on the binary profile.
    pub fn handle_misbehaviour(&mut self, link: LinkId, misbehaviour: Misbehaviour, now: Timestamp) {
        if self.link() == Some(link) {
            self.misbehave(misbehaviour, now);
        }
    }

    /// Octets came in on the link, whole message or not.
    pub fn handle_activity(&mut self, link: LinkId, now: Timestamp) {
        if self.link() == Some(link) {
            self.liveness.hear(now);
        }
    }

    /// When [`Session::handle_timeout`] is to be called next: later than the last call's `now`, or never.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        if self.closed().is_some() {
            return None;
        }
        let next = self.liveness.next_deadline(&self.config.limits, !self.streams.is_empty());
        earliest(next, self.received.due_at())
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        self.received.handle_timeout(now);
        while self.closed().is_none() {
            let is_owed = !self.streams.is_empty();
            let Some(timer) = self.liveness.take_due(&self.config.limits, is_owed, now) else { return };
            match timer {
                Timer::Ping => {
                    self.due.ping = true;
                    self.ledger.shrink(&self.config.limits, now);
                }
                Timer::Silence => self.lose_link(CloseReason::Silent, now),
                Timer::Window => self.close(self.lost.unwrap_or(CloseReason::LinkLost)),
                Timer::Farewell => self.lose_link(CloseReason::Silent, now),
                Timer::Renewal => self.put_news(Event::RenewalDue),
                Timer::Expiry => self.put_news(Event::Expired),
                Timer::Grace if cfg!(planted = "grace-without-end") => {}
                Timer::Grace => self.leave(LeaveCode::Expired, now),
            }
        }
    }

    fn misbehave(&mut self, misbehaviour: Misbehaviour, now: Timestamp) {
        if matches!(self.phase, Phase::Open | Phase::Draining { .. }) {
            let is_flood = misbehaviour == Misbehaviour::FreeFrames;
            let code = if is_flood { LeaveCode::CalmDown } else { LeaveCode::Misbehaved };
            self.say_last(code, CloseReason::Misbehaved(misbehaviour), now);
        }
    }

    fn on_message(&mut self, message: Bytes, size: usize, now: Timestamp) -> Result<(), Misbehaviour> {
        let profile = self.config.profile;
        if size > profile.message_bytes_max() {
            return Err(Misbehaviour::MessageSize);
        }
        let (ack, frames) = profile.read(message)?;
        // An acknowledgement of something new is progress, whatever comes with it.
        let is_progress = self.sent.acknowledge(ack, &self.config.limits).ok_or(Misbehaviour::AckAhead)?;
        self.liveness.acknowledge(ack, now);
        let mut is_numbered = false;
        let mut is_alone = true;
        for frame in frames {
            let frame = frame?;
            is_alone &= frame == Frame::Ack;
            is_numbered |= frame.is_numbered();
            self.on_frame(frame, size, now)?;
            if self.closed().is_some() {
                return Ok(());
            }
        }
        if is_numbered {
            self.received.count(size, now);
        }
        self.settle();
        if is_alone && !is_progress { self.charge(now) } else { Ok(()) }
    }

    fn on_frame(&mut self, frame: Frame, message: usize, now: Timestamp) -> Result<(), Misbehaviour> {
        let stream = frame.stream().and_then(|id| self.streams.get(id));
        if stream.is_some_and(|stream| !stream.is_heard_of()) {
            // Its number was guessed: an answer to what was not asked yet.
            return Err(Misbehaviour::StreamUnknown);
        }
        match frame {
            Frame::Hello(_) | Frame::Welcome(_) => Err(Misbehaviour::FrameOutOfPlace),
            Frame::Refused(refused) => self.on_refused(refused, now),
            Frame::Open { id, grant, end, opening } => self.on_open(id, grant, end, opening, now),
            Frame::Head { id, end, head } => self.on_head(id, end, head, now),
            Frame::Data { id, octets } => self.on_data(id, octets, message, now),
            Frame::End { id, trailers } => self.on_end(id, trailers, now),
            Frame::Reset { id, reset } => self.on_reset(id, reset, now),
            Frame::Stop { id, code } => self.on_stop(id, code, now),
            Frame::Credit { id, limit } => self.on_credit(id, limit, now),
            Frame::Streams { limit } if limit > self.ours.limit => {
                self.ours.limit = limit;
                Ok(())
            }
            Frame::Streams { .. } | Frame::Skipped { .. } => self.charge(now),
            Frame::Ack => Ok(()),
            Frame::Ping(number) => {
                self.due.pong = Some(number);
                self.charge(now)
            }
            Frame::Pong(number) => {
                if self.liveness.pong(number, now) {
                    Ok(())
                } else {
                    self.charge(now)
                }
            }
            Frame::Stats(stats) => self.on_stats(stats, now),
            Frame::Move(order) => self.on_move(order, now),
            Frame::Scope(scope) => self.on_scope(scope, now),
            Frame::Site(site) => self.on_site(site, now),
            Frame::Mounts(mounts) => self.on_mounts(mounts, now),
            Frame::Client { id, client } => self.on_client(id, client, now),
            Frame::Leave { code, last } => self.on_leave(code, last, now),
            Frame::Renew { .. } | Frame::Renewed { .. } => self.on_token(frame, now),
        }
    }

    /// A frame that moves nothing costs a token. [L8]
    pub(super) fn charge(&mut self, now: Timestamp) -> Result<(), Misbehaviour> {
        if self.budget.charge(now) || cfg!(planted = "flood-unnoticed") {
            Ok(())
        } else {
            Err(Misbehaviour::FreeFrames)
        }
    }

    fn on_token(&mut self, frame: Frame, now: Timestamp) -> Result<(), Misbehaviour> {
        self.charge(now)?;
        match (self.config.role, frame) {
            (Role::Plugboard, Frame::Renew { token }) if token.len() <= TOKEN_BYTES_MAX => {
                self.put_news(Event::Renewal(token));
            }
            (Role::Telephone, Frame::Renewed { expires_in_s }) => {
                let expires_in = expires_in_s.map(core::time::Duration::from_secs);
                self.authorize(expires_in, now);
                self.put_news(Event::Renewed(expires_in));
            }
            _ => return Err(Misbehaviour::FrameOutOfPlace),
        }
        Ok(())
    }

    fn on_stats(&mut self, stats: Option<Stats>, now: Timestamp) -> Result<(), Misbehaviour> {
        match stats {
            Some(stats) if core::mem::take(&mut self.peer_stats.is_awaited) => {
                self.peer_stats.told = Some(stats);
                return Ok(());
            }
            Some(_) => {}
            None => self.due.stats = true,
        }
        self.charge(now)
    }

    fn on_leave(&mut self, code: LeaveCode, last: u64, now: Timestamp) -> Result<(), Misbehaviour> {
        if self.phase == (Phase::Draining { by_us: false }) {
            self.charge(now)?;
        }
        self.end_crossed(last);
        if code != LeaveCode::Draining {
            self.close(CloseReason::Received(code));
        } else if self.phase == Phase::Open {
            self.phase = Phase::Draining { by_us: false };
            self.put_news(Event::PeerLeaves(code));
        }
        Ok(())
    }

    /// What crossed with the peer's leave never started there.
    fn end_crossed(&mut self, last: u64) {
        let crossed = self.streams.sorted().into_iter();
        let crossed = crossed.filter(|(id, stream)| stream.is_ours && id.number() > last);
        let crossed: alloc::vec::Vec<(StreamId, Touched)> = crossed
            .map(|(id, stream)| {
                let is_touched = stream.is_answered() && !cfg!(planted = "touched-denied");
                (id, if is_touched { Touched::Unknown } else { Touched::No })
            })
            .collect();
        for (id, touched) in crossed {
            self.end_both(id, Reset { code: ResetCode::Refused, touched });
        }
    }

    fn on_open(
        &mut self,
        id: StreamId,
        grant: u64,
        end: bool,
        opening: Opening,
        now: Timestamp,
    ) -> Result<(), Misbehaviour> {
        let parity = match self.config.role {
            Role::Plugboard => 1,
            Role::Telephone => 0,
        };
        let is_old = id.number() <= self.peer_highest && !cfg!(planted = "ids-reused");
        if id.number() % 2 != parity || is_old {
            return Err(Misbehaviour::StreamIdOrder);
        }
        if self.theirs.opened >= self.theirs.limit {
            return Err(Misbehaviour::StreamsExceeded);
        }
        let heads = self.config.limits.heads;
        heads.check_opening(&opening).map_err(|_| Misbehaviour::FrameMalformed)?;
        self.peer_highest = id.number();
        self.theirs.opened += 1;
        let client = self.told_client.take_if(|(of, _)| *of == id).map(|(_, client)| client);
        if !self.budget.settle(now) {
            return Err(Misbehaviour::FreeFrames);
        }
        self.budget.earn();
        if self.left_last.is_some() {
            // It crossed with our leave frame, which tells the peer that it never started.
            self.theirs_over += 1;
            return Ok(());
        }
        self.stats.streams_opened += 1;
        let stream = self.opened_by_peer(grant, end, &opening, now);
        self.streams.insert(id, stream);
        self.extend_grant(id, now);
        if self.takes_streams() && self.unaccepted.len() < self.config.limits.unaccepted {
            if self.unaccepted.is_empty() {
                self.put_news(Event::Opened);
            }
            self.unaccepted.push_back(Accepted { id, opening, client });
        } else {
            self.refuse(id);
        }
        Ok(())
    }

    /// What is told of the next open frame. One that none follows moves nothing.
    fn on_client(&mut self, id: StreamId, client: u64, now: Timestamp) -> Result<(), Misbehaviour> {
        match (self.config.role, self.told_client.replace((id, client))) {
            (Role::Plugboard, _) => Err(Misbehaviour::FrameOutOfPlace),
            (Role::Telephone, Some(_)) => self.charge(now),
            (Role::Telephone, None) => Ok(()),
        }
    }

    /// Whether the peer may open streams: also one that leaves, for it opened them before it left.
    fn takes_streams(&self) -> bool {
        let has_left =
            matches!(self.phase, Phase::Draining { by_us: true } | Phase::Closing(_) | Phase::Closed(_));
        !has_left && !self.liveness.is_expired()
    }

    fn opened_by_peer(&mut self, grant: u64, end: bool, opening: &Opening, now: Timestamp) -> Box<Stream> {
        let mut recv = RecvHalf::new(Grant::new(&self.config.limits, now), true);
        let preface = match opening {
            Opening::Http { head, .. } => {
                if !end {
                    recv.grant.declare(head.direction_length(), &mut self.ledger, &self.config.limits);
                }
                Preface::Heads(Heads::default())
            }
            Opening::Tcp { .. } => Preface::Said,
        };
        if end {
            recv.state = RecvState::Ended(Headers::new());
        }
        Box::new(Stream::new(false, opening, SendHalf::new(preface, grant), recv))
    }

    /// Sends a stream back untouched.
    fn refuse(&mut self, id: StreamId) {
        self.send(id).reset(Reset { code: ResetCode::Refused, touched: Touched::No });
        self.release(id);
    }

    /// A frame for a stream that is not there may be late rather than wrong.
    fn on_late(&mut self, id: StreamId, now: Timestamp) -> Result<(), Misbehaviour> {
        let number = id.number();
        let is_own = number % 2 == self.next_id % 2;
        let was_there = if is_own { number < self.next_id } else { number <= self.peer_highest };
        // Neither end opens stream zero.
        if number == 0 || !was_there {
            return Err(Misbehaviour::StreamUnknown);
        }
        // Whatever a peer said on a stream before it heard that we left is not its fault.
        let is_crossed = !is_own && self.left_last.is_some_and(|last| number > last);
        if is_crossed { Ok(()) } else { self.charge(now) }
    }

    fn on_head(
        &mut self,
        id: StreamId,
        end: bool,
        head: ResponseHead,
        now: Timestamp,
    ) -> Result<(), Misbehaviour> {
        let (heads, telephone) = (self.config.limits.heads, self.peer_heads());
        heads.check_response(&head, telephone).map_err(|_| Misbehaviour::FrameMalformed)?;
        let Some(stream) = self.streams.get_mut(id) else { return self.on_late(id, now) };
        let is_due = stream.is_ours && stream.is_http && !stream.recv.has_head && !stream.recv.is_closed();
        let is_upgrade_asked = head.status != 101 || stream.may_upgrade;
        if !is_due || !is_upgrade_asked || (end && head.is_interim()) {
            return Err(Misbehaviour::StreamState);
        }
        if head.is_interim() {
            stream.recv.interims += 1;
            if stream.recv.interims > INTERIM_RESPONSES_MAX {
                return Err(Misbehaviour::TooManyInterims);
            }
        } else {
            stream.recv.has_head = true;
            if end {
                stream.recv.state = RecvState::Ended(Headers::new());
                stream.recv.grant.finish(&mut self.ledger, &self.config.limits);
            } else {
                stream.recv.grant.declare(head.length, &mut self.ledger, &self.config.limits);
            }
        }
        if stream.recv.stopped.is_none() {
            stream.recv.heads.push_back(head);
        }
        self.budget.earn();
        self.tell_readable(id);
        self.reap(id);
        Ok(())
    }

    fn on_data(
        &mut self,
        id: StreamId,
        octets: Bytes,
        message: usize,
        now: Timestamp,
    ) -> Result<(), Misbehaviour> {
        if octets.is_empty() {
            self.charge(now)?;
        }
        let Some(stream) = self.streams.get_mut(id) else { return self.on_late(id, now) };
        if !stream.recv.has_head || stream.recv.is_closed() {
            return Err(Misbehaviour::StreamState);
        }
        let count = octets.len() as u64;
        let received = stream.recv.grant.received().saturating_add(count);
        if stream.recv.grant.declared().is_some_and(|length| received > length) {
            return Err(Misbehaviour::BodyLength);
        }
        if !stream.recv.grant.receive(count) {
            return Err(Misbehaviour::CreditExceeded);
        }
        if stream.recv.stopped.is_some() {
            // Legal up to its grant, and its credit returns to the session at once.
            stream.recv.grant.consume(count, &mut self.ledger, &self.config.limits);
            return Ok(());
        }
        if count > 0 {
            stream.recv.push(octets, message);
            self.tell_readable(id);
        }
        Ok(())
    }

    fn on_end(&mut self, id: StreamId, trailers: Headers, now: Timestamp) -> Result<(), Misbehaviour> {
        let Some(stream) = self.streams.get_mut(id) else { return self.on_late(id, now) };
        if !stream.recv.has_head || stream.recv.is_closed() {
            return Err(Misbehaviour::StreamState);
        }
        let is_short =
            stream.recv.grant.declared().is_some_and(|length| stream.recv.grant.received() != length);
        if is_short && !cfg!(planted = "short-body-complete") {
            return Err(Misbehaviour::BodyLength);
        }
        stream.recv.state = RecvState::Ended(trailers);
        stream.recv.grant.finish(&mut self.ledger, &self.config.limits);
        if !stream.is_denied() {
            stream.recv.has_earned_end = true;
            self.budget.earn();
        }
        self.tell_readable(id);
        self.reap(id);
        Ok(())
    }

    fn on_reset(&mut self, id: StreamId, reset: Reset, now: Timestamp) -> Result<(), Misbehaviour> {
        let Some(stream) = self.streams.get_mut(id) else { return self.on_late(id, now) };
        if stream.recv.is_closed() {
            return Err(Misbehaviour::StreamState);
        }
        // Only the acceptor knows whether its backend was reached.
        let touched = match (stream.is_ours, reset.touched) {
            (false, Touched::No) => Touched::Unknown,
            (_, touched) => touched,
        };
        stream.recv.state = RecvState::Reset(Reset { touched, ..reset });
        if cfg!(planted = "reset-looks-complete") {
            stream.recv.state = RecvState::Ended(Headers::new());
        }
        stream.recv.grant.finish(&mut self.ledger, &self.config.limits);
        if !stream.is_denied() {
            stream.recv.has_earned_end = true;
            self.budget.earn();
        }
        self.tell_readable(id);
        if !cfg!(planted = "reset-stream-leaked") {
            self.reap(id);
        }
        Ok(())
    }

    fn on_stop(&mut self, id: StreamId, code: ResetCode, now: Timestamp) -> Result<(), Misbehaviour> {
        let Some(stream) = self.streams.get_mut(id) else { return self.on_late(id, now) };
        if stream.send.stopped.is_some() {
            return self.charge(now);
        }
        let has_credit = stream.send.sent < stream.send.limit;
        assert!(has_credit || !cfg!(planted = "stop-without-credit"), "a reader leaves that gives no credit");
        stream.send.stopped = Some(Reset { code, touched: Touched::Unknown });
        stream.send.reset(Reset { code: ResetCode::Stopped, touched: Touched::Unknown });
        self.list_to_send(id);
        self.tell_writable(id);
        Ok(())
    }

    fn on_credit(&mut self, id: StreamId, limit: u64, now: Timestamp) -> Result<(), Misbehaviour> {
        // An honest peer raises by a quarter of a window, and never by less than half of its floor. [M-09]
        let worthwhile = (self.config.peer.value(Setting::StreamFloor).unwrap_or(0) / 2).max(1);
        let Some(stream) = self.streams.get_mut(id) else { return self.on_late(id, now) };
        let raise = limit.saturating_sub(stream.send.limit);
        stream.send.limit = stream.send.limit.max(limit);
        if raise < worthwhile {
            self.charge(now)?;
        }
        self.list_to_send(id);
        Ok(())
    }
}
