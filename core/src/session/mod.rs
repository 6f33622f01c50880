//! A session: what lives between two ends across a link. Pure; the run loop is the driver's.
//!
//! ```text
//!   handle_message ──▶ ┌─────────┐ ──▶ poll_transmit     one message, when the link takes one
//!   handle_activity ─▶ │ Session │ ──▶ poll_event        what the application may do now
//!   handle_timeout ──▶ └─────────┘ ──▶ poll_timeout      when to call handle_timeout
//!                    open · accept · send · recv · release · renew · leave
//! ```
//!
//! Inputs never fail and may come in any order. After any input or verb, poll all three outputs until
//! they are empty; nothing is lost if one of them is polled later. There is no queue of things to say:
//! a stream that has something to say stands in a list once, however much that is.

mod budget;
mod credit;
mod liveness;
mod receive;
mod stream;
mod transmit;
mod views;

use alloc::collections::{BTreeMap, VecDeque};
use bytes::Bytes;
use core::time::Duration;

use crate::error::{CloseReason, LeaveCode, Reset, ResetCode, Touched};
use crate::limits::{MESSAGE_BYTES_MAX, SessionLimits};
use crate::time::Timestamp;
pub use crate::wire::StreamId;
use crate::wire::{self, Opening, Setting, Settings};
use budget::Budget;
use credit::{Grant, Ledger, Tuning};
use liveness::Liveness;
use stream::{Preface, RecvHalf, RecvState, SendHalf, Stream};
pub use views::{HeadTooLarge, Incoming, RecvStream, SendStream, Stopped};

/// Octets of control frames in one message, so that the largest head still fits behind them.
const CONTROL_BYTES_MAX: usize = 4 * 1024;
/// Octets of a head as a frame's body: what a message holds beside its control frames.
pub(crate) const HEAD_FRAME_BYTES_MAX: usize = MESSAGE_BYTES_MAX - CONTROL_BYTES_MAX - 64;

/// Which end a session is. Nothing but the parity of stream ids follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Opens streams with odd numbers.
    Telephone,
    /// Opens streams with even numbers.
    Plugboard,
}

/// What a session is made with.
#[derive(Debug, Clone)]
pub struct SessionConfig {
    /// Which end this is.
    pub role: Role,
    /// This end's limits.
    pub limits: SessionLimits,
    /// The other end's limits, from its hello or welcome.
    pub peer: Settings,
    /// Seeds the jitter of timers.
    pub seed: u64,
}

/// What the application may do now. Each is told once; a stream's flags are told again only after more
/// has happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The peer opened streams: [`Session::accept`] until there are no more.
    Opened,
    /// A stream has a head, octets, an end or a reset to read.
    Readable(StreamId),
    /// A stream's send buffer has room again, or its peer stopped reading.
    Writable(StreamId),
    /// The token should be renewed now (telephone).
    RenewalDue,
    /// The peer sent a fresh token: verify it, then call [`Session::authorize`] or [`Session::leave`].
    Renewal(Bytes),
    /// The peer took our fresh token; it is good for this long.
    Renewed(Option<Duration>),
    /// The token ran out: open nothing more on this session. It closes after its grace.
    Expired,
    /// The peer leaves: it takes no new streams; those that are open may finish.
    PeerLeaves(LeaveCode),
    /// The session is over. Held streams read as lost until they are released.
    Closed(CloseReason),
}

/// A stream that the peer opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// Its number, to be given to [`Session::release`] in the end.
    pub id: StreamId,
    /// What it was opened for.
    pub opening: Opening,
}

/// Why a stream could not be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The session is over, or one end of it is leaving.
    #[error("the session takes no new streams")]
    Leaving,
    /// The peer has as many streams open as it takes.
    #[error("the peer has as many streams open as it takes")]
    TooManyStreams,
    /// The head does not fit a frame.
    #[error("a head does not fit a frame")]
    HeadTooLarge,
}

/// Where the session stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Open,
    /// One end said that it leaves; open streams finish, and then the one that said so ends the session.
    Draining {
        by_us: bool,
    },
    /// A last leave frame is to be sent, then it is over.
    Closing(CloseReason),
    Closed(CloseReason),
}

/// Counts of streams opened in one direction.
#[derive(Debug, Default)]
struct Slots {
    /// Streams opened so far.
    opened: u64,
    /// The absolute limit.
    limit: u64,
}

/// Session-wide frames that are due. Each is one flag, however often it was asked for.
#[derive(Debug, Default)]
struct DueFrames {
    pong: Option<u64>,
    ping: bool,
    streams: bool,
    leave: Option<LeaveCode>,
    renew: Option<Bytes>,
    renewed: Option<Option<Duration>>,
}

/// Numbers for statistics, counted since the session began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SessionStats {
    /// Octets of messages sent.
    pub bytes_sent: u64,
    /// Octets of messages received.
    pub bytes_received: u64,
    /// Streams opened by either end.
    pub streams_opened: u64,
    /// Streams that are open now.
    pub streams_open: usize,
    /// The last measured round trip.
    pub round_trip: Option<Duration>,
}

/// One session. See the [module](self) for its contract.
#[derive(Debug)]
pub struct Session {
    config: SessionConfig,
    phase: Phase,
    streams: BTreeMap<StreamId, Stream>,
    /// Streams that the peer opened and nobody accepted yet.
    unaccepted: VecDeque<Accepted>,
    /// Streams with data, heads, an end or a reset to send, in turn.
    to_send: VecDeque<StreamId>,
    /// Streams with credit or a stop to send.
    control: VecDeque<StreamId>,
    /// Streams with news for the application.
    events: VecDeque<StreamId>,
    /// Session-wide news; at most one of each kind.
    news: VecDeque<Event>,
    due: DueFrames,
    /// The next stream that this end opens.
    next_id: u64,
    /// The highest stream that the peer opened.
    peer_highest: u64,
    /// Streams that we may open.
    ours: Slots,
    /// Streams that the peer may open; `limit` is what it was told last.
    theirs: Slots,
    /// Streams of the peer that are over.
    theirs_over: u64,
    ledger: Ledger,
    budget: Budget,
    liveness: Liveness,
    /// Numbered messages sent and received.
    position_sent: u64,
    position_received: u64,
    stats: SessionStats,
}

impl Session {
    /// A session on a link whose handshake has just ended.
    #[must_use]
    pub fn new(config: SessionConfig, now: Timestamp) -> Self {
        let peer_streams = config.peer.value(Setting::Streams).unwrap_or(0);
        let next_id = match config.role {
            Role::Plugboard => 2,
            Role::Telephone => 1,
        };
        Self {
            phase: Phase::Open,
            streams: BTreeMap::new(),
            unaccepted: VecDeque::new(),
            to_send: VecDeque::new(),
            control: VecDeque::new(),
            events: VecDeque::new(),
            news: VecDeque::new(),
            // A first ping measures the round trip that windows are tuned by.
            due: DueFrames { ping: true, ..DueFrames::default() },
            next_id,
            peer_highest: 0,
            ours: Slots { opened: 0, limit: peer_streams },
            theirs: Slots { opened: 0, limit: config.limits.streams },
            theirs_over: 0,
            ledger: Ledger::new(&config.limits, now),
            budget: Budget::new(&config.limits, now),
            liveness: Liveness::new(config.seed, &config.limits, now),
            position_sent: 0,
            position_received: 0,
            stats: SessionStats::default(),
            config,
        }
    }

    /// Opens a stream. With `end` this end's direction is complete with its head.
    ///
    /// # Errors
    /// [`OpenError`]; nothing has changed then.
    pub fn open(&mut self, opening: Opening, end: bool, now: Timestamp) -> Result<StreamId, OpenError> {
        if self.phase != Phase::Open {
            return Err(OpenError::Leaving);
        }
        if self.ours.opened >= self.ours.limit {
            return Err(OpenError::TooManyStreams);
        }
        let declared = match &opening {
            Opening::Http { head, .. } if wire::request_size(head) > HEAD_FRAME_BYTES_MAX => {
                return Err(OpenError::HeadTooLarge);
            }
            Opening::Http { head, .. } if !end => head.length,
            Opening::Http { .. } | Opening::Tcp { .. } => None,
        };
        let id = StreamId::new(self.next_id);
        self.next_id += 2;
        self.ours.opened += 1;
        self.stats.streams_opened += 1;
        let mut recv = RecvHalf::new(Grant::new(&self.config.limits, now), false);
        recv.grant.extend(&mut self.ledger, &tuning(&self.config.limits, &self.liveness, now));
        recv.has_head = matches!(opening, Opening::Tcp { .. });
        let floor = self.config.peer.value(Setting::StreamFloor).unwrap_or(0);
        let mut send = SendHalf::new(Preface::Said, floor);
        send.declared = declared;
        let mut stream = Stream::new(true, &opening, send, recv);
        stream.send.preface = Preface::Open(opening);
        self.streams.insert(id, stream);
        if end {
            self.send(id).end(crate::message::Headers::new());
        }
        self.list_to_send(id);
        Ok(id)
    }

    /// Takes the next stream that the peer opened.
    pub fn accept(&mut self) -> Option<Accepted> {
        self.unaccepted.pop_front()
    }

    /// A stream's direction that this end sends.
    pub fn send(&mut self, id: StreamId) -> SendStream<'_> {
        SendStream { session: self, id }
    }

    /// A stream's direction that this end reads.
    pub fn recv(&mut self, id: StreamId) -> RecvStream<'_> {
        RecvStream { session: self, id }
    }

    /// The application lets go of a stream: whatever is not over yet is cancelled. The peer's slot
    /// comes back only now, so that release belongs after the backend's connection is closed or clean.
    pub fn release(&mut self, id: StreamId) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        stream.is_released = true;
        let touched = if stream.is_ours { Touched::Unknown } else { Touched::Yes };
        stream.send.reset_unless_ending(Reset { code: ResetCode::Cancelled, touched });
        self.list_to_send(id);
        self.stop_stream(id, ResetCode::Cancelled);
        self.reap(id);
    }

    /// This end leaves. With [`LeaveCode::Draining`] open streams may finish; any other code ends the
    /// session as soon as the leave frame is sent.
    pub fn leave(&mut self, code: LeaveCode) {
        match (self.phase, code) {
            (Phase::Closing(_) | Phase::Closed(_), _) => {}
            (Phase::Open | Phase::Draining { .. }, LeaveCode::Draining) => {
                self.phase = Phase::Draining { by_us: true };
                self.due.leave = Some(code);
            }
            (Phase::Open | Phase::Draining { .. }, _) => {
                self.phase = Phase::Closing(CloseReason::Sent(code));
                self.due.leave = Some(code);
            }
        }
    }

    /// Sends a fresh token (telephone).
    pub fn renew(&mut self, token: Bytes) {
        self.due.renew = Some(token);
    }

    /// A token was verified and is good for `expires_in` (plugboard), or the peer told us so (telephone).
    pub fn authorize(&mut self, expires_in: Option<Duration>, now: Timestamp) {
        self.liveness.authorize(self.config.role, expires_in, now);
    }

    /// Answers a renewal that was verified.
    pub fn confirm_renewal(&mut self, expires_in: Option<Duration>, now: Timestamp) {
        self.authorize(expires_in, now);
        self.due.renewed = Some(expires_in);
    }

    /// The next thing that the application may do.
    pub fn poll_event(&mut self) -> Option<Event> {
        if let Some(event) = self.news.pop_front() {
            return Some(event);
        }
        while let Some(id) = self.events.front().copied() {
            if let Some(stream) = self.streams.get_mut(&id) {
                if core::mem::take(&mut stream.news.readable) {
                    return Some(Event::Readable(id));
                }
                if core::mem::take(&mut stream.news.writable) {
                    return Some(Event::Writable(id));
                }
                stream.listed.event = false;
            }
            self.events.pop_front();
        }
        None
    }

    /// Why the session is over, if it is.
    #[must_use]
    pub const fn closed(&self) -> Option<CloseReason> {
        match self.phase {
            Phase::Closed(reason) => Some(reason),
            Phase::Open | Phase::Draining { .. } | Phase::Closing(_) => None,
        }
    }

    /// Whether new streams may be opened.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Open)
    }

    /// Counts for statistics.
    #[must_use]
    pub fn stats(&self) -> SessionStats {
        let round_trip = self.liveness.round_trip();
        SessionStats { streams_open: self.streams.len(), round_trip, ..self.stats }
    }

    /// Octets that the session's buffers hold, both directions: what law 3 bounds.
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.streams.values().map(|stream| stream.send.buffer.len() + stream.recv.buffer.len()).sum()
    }

    /// The session window and what grants have reserved of it, in octets.
    #[must_use]
    pub const fn window(&self) -> (u64, u64) {
        (self.ledger.window(), self.ledger.reserved())
    }

    /// Ends the session: every stream that is held reads as lost.
    fn close(&mut self, reason: CloseReason) {
        if self.closed().is_some() {
            return;
        }
        self.phase = Phase::Closed(reason);
        self.unaccepted.clear();
        self.to_send.clear();
        self.control.clear();
        let reset = Reset { code: ResetCode::SessionLost, touched: Touched::Unknown };
        for stream in self.streams.values_mut() {
            if !stream.recv.is_closed() {
                stream.recv.state = RecvState::Reset(reset);
            }
            stream.recv.grant.close(&mut self.ledger);
            stream.send.lose(reset);
        }
        let ids: alloc::vec::Vec<StreamId> = self.streams.keys().copied().collect();
        for id in ids {
            self.tell(id, |news| {
                news.readable = true;
                news.writable = true;
            });
            self.reap(id);
        }
        self.news.push_back(Event::Closed(reason));
    }

    /// Stops reading a stream: what is buffered goes, and its credit returns.
    fn stop_stream(&mut self, id: StreamId, code: ResetCode) {
        let is_over = self.closed().is_some();
        let Some(stream) = self.streams.get_mut(&id) else { return };
        if stream.recv.is_stopped {
            return;
        }
        stream.recv.is_stopped = true;
        stream.recv.heads.clear();
        let unread = stream.recv.buffer.len() as u64;
        stream.recv.buffer.clear();
        stream.recv.grant.consume(unread, &mut self.ledger, &self.config.limits);
        if !stream.recv.is_closed() && !is_over {
            stream.due.stop = Some(code);
            self.list_control(id);
        }
    }

    /// Gives the peer more credit on a stream if half of its window is used up.
    fn extend_grant(&mut self, id: StreamId, now: Timestamp) {
        let tuning = tuning(&self.config.limits, &self.liveness, now);
        let Some(stream) = self.streams.get_mut(&id) else { return };
        if stream.recv.is_closed() || stream.recv.is_stopped {
            return;
        }
        if stream.recv.grant.extend(&mut self.ledger, &tuning) {
            stream.due.credit = true;
            self.list_control(id);
        }
    }

    /// Lets the scheduler know of a stream.
    fn list_to_send(&mut self, id: StreamId) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        if stream.send.is_sendable() && !core::mem::replace(&mut stream.listed.to_send, true) {
            self.to_send.push_back(id);
        }
    }

    fn list_control(&mut self, id: StreamId) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        if !core::mem::replace(&mut stream.listed.control, true) {
            self.control.push_back(id);
        }
    }

    /// Tells the application something of a stream.
    fn tell(&mut self, id: StreamId, what: impl FnOnce(&mut stream::News)) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        what(&mut stream.news);
        if !core::mem::replace(&mut stream.listed.event, true) {
            self.events.push_back(id);
        }
    }

    fn tell_readable(&mut self, id: StreamId) {
        self.tell(id, |news| news.readable = true);
    }

    fn tell_writable(&mut self, id: StreamId) {
        self.tell(id, |news| news.writable = true);
    }

    /// Forgets a stream that is over at both ends and held by nobody.
    fn reap(&mut self, id: StreamId) {
        let is_over = self.streams.get(&id).is_some_and(Stream::is_over);
        if !is_over {
            return;
        }
        let Some(mut stream) = self.streams.remove(&id) else { return };
        stream.recv.grant.close(&mut self.ledger);
        if !stream.is_ours {
            self.theirs_over += 1;
            let limit = self.theirs_over.saturating_add(self.config.limits.streams);
            // Told in steps, or at once when the peer is about to run out.
            let step = (self.config.limits.streams / 4).max(1);
            let left = self.theirs.limit.saturating_sub(self.theirs.opened);
            if limit.saturating_sub(self.theirs.limit) >= step || left < step {
                self.due.streams = true;
            }
        }
        self.settle();
    }

    /// Ends a session that this end is draining once its last stream is over and all is said.
    fn settle(&mut self) {
        let is_quiet = self.streams.is_empty() && !self.has_transmit();
        if self.phase == (Phase::Draining { by_us: true }) && is_quiet {
            self.close(CloseReason::Left);
        }
    }
}

/// What windows are tuned by now.
fn tuning<'a>(limits: &'a SessionLimits, liveness: &Liveness, now: Timestamp) -> Tuning<'a> {
    Tuning { limits, round_trip: liveness.round_trip(), now }
}

#[cfg(test)]
mod tests;
