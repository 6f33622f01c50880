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

mod balance;
mod budget;
mod credit;
mod heads;
mod life;
mod link;
mod liveness;
mod map;
mod orders;
mod positions;
mod receive;
mod snapshot;
mod stream;
mod transmit;
mod types;
mod views;

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use bytes::Bytes;
use core::time::Duration;
use serde::{Deserialize, Serialize};

pub use crate::error::HeadRefused;
use crate::error::{CloseReason, LeaveCode, Reset, ResetCode, Touched};
use crate::limits::{MESSAGE_BYTES_MAX, STATS_INTERVAL, SessionLimits, TOKEN_BYTES_MAX};
use crate::time::{Timestamp, as_millis};
pub use crate::wire::StreamId;
use crate::wire::{self, HeadRules, Opening, Profile, Setting, Stats};
pub use balance::Balance;
use budget::Budget;
use credit::{Grant, Ledger, Tuning};
pub use link::{CannotResume, LinkId};
use liveness::Liveness;
pub use map::StreamMap;
use orders::DueOrders;
use positions::{Received, Sent};
pub(crate) use snapshot::is_sound_time;
use stream::{Preface, RecvHalf, SendHalf, Stream};
pub use types::{Accepted, Event, OpenError, Role, SessionConfig, SessionStats};
pub use views::{Incoming, RecvStream, SendStream, Stopped};

/// Octets of control frames in one message, so that the largest head still fits behind them.
const CONTROL_BYTES_MAX: usize = 4 * 1024;
/// Octets of frame heads, ids, limits and session-wide frames beside a head in one message, at most.
const OVERHEAD_BYTES_MAX: usize = 256;
/// Octets of what is opened, of a head, of trailers: what is left of a message. A larger one would wait
/// for room for ever, and everything behind it too.
pub(crate) const HEAD_BYTES_MAX: usize = MESSAGE_BYTES_MAX - CONTROL_BYTES_MAX - OVERHEAD_BYTES_MAX;

/// Where the session stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Slots {
    /// Streams opened so far.
    opened: u64,
    /// The absolute limit.
    limit: u64,
}

/// Session-wide frames that are due. Each is one flag, however often it was asked for.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct DueFrames {
    pong: Option<u64>,
    ping: bool,
    streams: bool,
    leave: Option<LeaveCode>,
    renew: Option<Bytes>,
    renewed: Option<Option<Duration>>,
    /// The peer is asked for its numbers, or asked for ours.
    stats_asked: bool,
    stats: bool,
    orders: DueOrders,
}

/// What is known of the peer's numbers.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct PeerStats {
    asked_at: Option<Timestamp>,
    /// An answer is awaited.
    is_awaited: bool,
    told: Option<Stats>,
}

/// One session. See the [module](self) for its contract.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Session {
    config: SessionConfig,
    phase: Phase,
    /// Boxed, or each stream that comes or goes would move its neighbours.
    streams: StreamMap<Box<Stream>>,
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
    /// The highest stream of the peer that our leave frame named as taken, once it is sent.
    left_last: Option<u64>,
    /// Streams that we may open.
    ours: Slots,
    /// Streams that the peer may open; `limit` is what it was told last.
    theirs: Slots,
    /// The client connection of the stream that the peer opens next.
    told_client: Option<(StreamId, u64)>,
    /// Streams of the peer that are over.
    theirs_over: u64,
    ledger: Ledger,
    budget: Budget,
    liveness: Liveness,
    /// The latest link, and why it is gone if it is.
    link: LinkId,
    lost: Option<CloseReason>,
    /// Bytes of a message with data on that link.
    message_bytes_max: usize,
    sent: Sent,
    received: Received,
    stats: SessionStats,
    peer_stats: PeerStats,
    began_at: Timestamp,
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
            streams: StreamMap::default(),
            unaccepted: VecDeque::new(),
            to_send: VecDeque::new(),
            control: VecDeque::new(),
            events: VecDeque::new(),
            news: VecDeque::new(),
            // A first ping measures the round trip that windows are tuned by.
            due: DueFrames { ping: true, ..DueFrames::default() },
            next_id,
            peer_highest: 0,
            left_last: None,
            ours: Slots { opened: 0, limit: peer_streams },
            theirs: Slots { opened: 0, limit: config.limits.streams },
            told_client: None,
            theirs_over: 0,
            ledger: Ledger::new(&config.limits, now),
            budget: Budget::new(&config.limits, now),
            liveness: Liveness::new(config.seed, &config.limits, now),
            link: LinkId::FIRST,
            lost: None,
            message_bytes_max: MESSAGE_BYTES_MAX,
            sent: Sent::new(&config.limits, !config.resume_window.is_zero()),
            received: Received::new(!config.resume_window.is_zero()),
            stats: SessionStats::default(),
            peer_stats: PeerStats::default(),
            began_at: now,
            config,
        }
    }

    /// Opens a stream. With `end` this end's direction is complete with its head. A token that has run
    /// out by `now` counts, also if its deadline was not handled yet: a process that was stopped may come here first.
    ///
    /// # Errors
    /// [`OpenError`]; no stream is opened then.
    pub fn open(&mut self, opening: Opening, end: bool, now: Timestamp) -> Result<StreamId, OpenError> {
        if self.liveness.expire(now) {
            self.put_news(Event::Expired);
        }
        if !self.is_open() {
            return Err(OpenError::Leaving);
        }
        let next_id = self.next_id.checked_add(2).ok_or(OpenError::TooManyStreams)?;
        if self.free_slots() == 0 {
            return Err(OpenError::TooManyStreams);
        }
        if wire::opening_size(&opening) > HEAD_BYTES_MAX {
            return Err(HeadRefused::TooLarge.into());
        }
        wire::check_opening(&opening)?;
        self.peer_heads().check_opening(&opening)?;
        let id = StreamId::new(self.next_id);
        self.next_id = next_id;
        self.ours.opened += 1;
        self.stats.streams_opened += 1;
        let stream = self.opened(opening, end, now);
        self.streams.insert(id, stream);
        if end {
            self.send(id).end(crate::message::Headers::new());
        }
        self.list_to_send(id);
        Ok(id)
    }

    /// Tells the peer, if it [wants to know](Setting::Clients), that a stream which was opened just now is for this client
    /// connection. No effect once its open frame is on its way.
    pub fn tell_client(&mut self, id: StreamId, client: u64) {
        let is_wanted = self.config.peer.has(Setting::Clients);
        if let Some(stream) = self.streams.get_mut(id).filter(|stream| is_wanted && !stream.is_heard_of()) {
            stream.client = Some(client);
        }
    }

    /// A stream of ours with its first grant.
    fn opened(&mut self, opening: Opening, end: bool, now: Timestamp) -> Box<Stream> {
        let mut recv = RecvHalf::new(Grant::new(&self.config.limits, now), false);
        recv.grant.extend(&mut self.ledger, &tuning(&self.config.limits, &self.liveness, now));
        recv.has_head = matches!(opening, Opening::Tcp { .. });
        let floor = self.config.peer.value(Setting::StreamFloor).unwrap_or(0);
        let mut send = SendHalf::new(Preface::Said, floor);
        send.declared = match &opening {
            Opening::Http { head, .. } if !end => head.direction_length(),
            Opening::Http { .. } | Opening::Tcp { .. } => None,
        };
        let mut stream = Box::new(Stream::new(true, &opening, send, recv));
        stream.send.preface = Preface::Open(opening);
        stream
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
    ///
    /// A stream that the peer has not heard of is as if it had never been opened.
    pub fn release(&mut self, id: StreamId) {
        let Some(stream) = self.streams.get_mut(id) else { return };
        stream.is_released = true;
        stream.news = stream::News::default();
        if stream.is_unsaid() {
            self.forget_unsaid(id);
            return;
        }
        if cfg!(planted = "cancel-forgotten") {
            return;
        }
        let touched = if stream.is_ours { Touched::Unknown } else { Touched::Yes };
        stream.send.reset_unless_ending(Reset { code: ResetCode::Cancelled, touched });
        self.list_to_send(id);
        self.stop_stream(id, ResetCode::Cancelled);
        self.reap(id);
        self.settle();
    }

    /// This end leaves. With [`LeaveCode::Draining`] open streams may finish; any other code ends the
    /// session as soon as the leave frame is sent, or in 2 s, or at once without a link.
    pub fn leave(&mut self, code: LeaveCode, now: Timestamp) {
        match (self.phase, code) {
            (Phase::Closing(_) | Phase::Closed(_), _) => {}
            (Phase::Draining { by_us: true }, LeaveCode::Draining) => {}
            (Phase::Open | Phase::Draining { .. }, LeaveCode::Draining) => {
                if self.lost.is_some() && self.streams.is_empty() && self.sent.is_settled() {
                    return self.close(CloseReason::Left);
                }
                self.phase = Phase::Draining { by_us: true };
                self.due.leave = Some(code);
            }
            (Phase::Open | Phase::Draining { .. }, _) => self.say_last(code, CloseReason::Sent(code), now),
        }
    }

    /// Sends a fresh token of at most 8 KiB. Only a telephone has one: no effect otherwise.
    pub fn renew(&mut self, token: Bytes) {
        if self.config.role == Role::Telephone && token.len() <= TOKEN_BYTES_MAX {
            self.due.renew = Some(token);
        }
    }

    /// A token was verified and is good for `expires_in` (plugboard), or the peer told us so (telephone).
    pub fn authorize(&mut self, expires_in: Option<Duration>, now: Timestamp) {
        self.liveness.authorize(self.config.role, expires_in, now);
    }

    /// Answers a renewal that was verified. Only a plugboard does: no effect otherwise.
    pub fn confirm_renewal(&mut self, expires_in: Option<Duration>, now: Timestamp) {
        if self.config.role == Role::Plugboard {
            self.authorize(expires_in, now);
            self.due.renewed = Some(expires_in);
        }
    }

    /// The next thing that the application may do.
    pub fn poll_event(&mut self) -> Option<Event> {
        if let Some(event) = self.news.pop_front() {
            return Some(event);
        }
        while let Some(id) = self.events.front().copied() {
            if let Some(stream) = self.streams.get_mut(id) {
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

    /// Whether new streams may be opened: nobody leaves and the token is good.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Open) && !self.liveness.is_expired()
    }

    /// How many more streams this end may open now, as far as the peer's limit goes.
    #[must_use]
    pub const fn free_slots(&self) -> u64 {
        self.ours.limit.saturating_sub(self.ours.opened)
    }

    /// How frames are written on its links.
    #[must_use]
    pub const fn profile(&self) -> Profile {
        self.config.profile
    }

    /// Whether the peer answers the question for [timing](crate::timing).
    #[must_use]
    pub fn peer_tells_timing(&self) -> bool {
        self.config.peer.has(Setting::Timing)
    }

    /// Which heads the peer takes.
    #[must_use]
    pub fn peer_heads(&self) -> HeadRules {
        HeadRules::of(&self.config.peer)
    }

    /// How long nothing of a request's body may come, as the peer, a telephone, asks for.
    #[must_use]
    pub fn peer_body_clock(&self) -> Option<Duration> {
        self.config.peer.value(Setting::BodyClock).map(Duration::from_secs)
    }

    /// How long it waits for a new link; zero is not at all.
    #[must_use]
    pub const fn resume_window(&self) -> Duration {
        self.config.resume_window
    }

    /// Whether less than an eighth of the streams that the peer takes at once are left to open.
    #[must_use]
    pub fn is_crowded(&self) -> bool {
        let all = self.config.peer.value(Setting::Streams).unwrap_or(0);
        self.free_slots() < all / 8
    }

    /// Counts for statistics.
    #[must_use]
    pub fn stats(&self) -> SessionStats {
        let round_trip = self.liveness.round_trip();
        SessionStats { streams_open: self.streams.len(), round_trip, ..self.stats }
    }

    /// The last round trip that was measured, with a number that no other one of the session has; none while the next ping is
    /// on its way.
    #[must_use]
    pub fn measured_round_trip(&self) -> Option<(u64, Duration)> {
        self.liveness.measured()
    }

    /// What the peer is told when it asks.
    #[must_use]
    pub fn report(&self, now: Timestamp) -> Stats {
        Stats {
            requests: self.stats.streams_opened,
            streams_open: self.streams.len() as u64,
            bytes_sent: self.stats.bytes_sent,
            bytes_received: self.stats.bytes_received,
            reconnects: self.stats.links_resumed,
            uptime_ms: as_millis(now - self.began_at),
            round_trip_us: self
                .liveness
                .round_trip()
                .map(|time| u64::try_from(time.as_micros()).unwrap_or(u64::MAX)),
        }
    }

    /// Asks the peer for its numbers, for [`Session::peer_stats`]; once in [`STATS_INTERVAL`] at most, for it
    /// costs a peer something.
    pub fn ask_stats(&mut self, now: Timestamp) {
        let is_early = self.peer_stats.asked_at.is_some_and(|at| now < at + STATS_INTERVAL);
        if !is_early && self.link().is_some() && self.is_open() {
            self.peer_stats.asked_at = Some(now);
            self.due.stats_asked = true;
        }
    }

    /// What the peer told last, if it was asked and knows how to answer.
    #[must_use]
    pub const fn peer_stats(&self) -> Option<Stats> {
        self.peer_stats.told
    }

    /// Octets of messages that are kept until the peer acknowledges them, with what each costs beside: at most
    /// [`SessionLimits::replay_bytes_max`] and one message.
    #[must_use]
    pub const fn kept(&self) -> usize {
        self.sent.octets()
    }

    /// Octets of bodies that the session's buffers hold, both directions: what law 3 bounds.
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.streams.values().map(|stream| stream.send.buffer.len() + stream.recv.buffer.len()).sum()
    }

    /// The session window and what grants have reserved of it, in octets.
    #[must_use]
    pub const fn window(&self) -> (u64, u64) {
        (self.ledger.window(), self.ledger.reserved())
    }
}

/// What windows are tuned by now.
fn tuning<'a>(limits: &'a SessionLimits, liveness: &Liveness, now: Timestamp) -> Tuning<'a> {
    Tuning { limits, round_trip: liveness.round_trip(), now }
}

#[cfg(test)]
mod tests;
