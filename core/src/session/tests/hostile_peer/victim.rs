//! The honest end of a script, in a state, and the laws that hold for it.

use alloc::vec::Vec;
use bytes::Bytes;
use core::time::Duration;

use super::super::hostile;
use super::super::laws::check_session;
use super::super::misbehaviour::open;
use super::super::pair::{OnLink as _, SECOND, assert_empty, http, request, speaking};
use crate::error::{CloseReason, ResetCode};
use crate::limits::{SEND_BURST_BYTES, SessionLimits};
use crate::session::{Event, Incoming, Role, Session, StreamId};
use crate::time::Timestamp;
use crate::wire::{Frame, Opening, Profile};

/// How many kinds of session-wide news there are: at most one of each waits.
const KINDS_OF_NEWS: usize = 10;

/// An honest end that sends whatever it may after each step.
pub(super) struct Victim {
    pub(super) name: &'static str,
    pub(super) session: Session,
    pub(super) now: Timestamp,
    limits: SessionLimits,
    /// Every frame that it sent since the script began.
    pub(super) said: Vec<Frame>,
    /// Numbered messages that it sent since the session began.
    pub(super) numbered: u64,
    /// Every event that it told since the script began.
    pub(super) told: Vec<Event>,
    said_bytes: usize,
    heard_bytes: usize,
    /// Bytes that the application gave cause for.
    asked_bytes: usize,
    closed: Option<CloseReason>,
}

/// A plugboard with one request, stream 2, under way.
pub(super) fn plugboard(profile: Profile) -> Victim {
    Victim::new(profile, Role::Plugboard, SessionLimits::default(), Duration::ZERO).asking()
}

/// A telephone without streams.
pub(super) fn telephone(profile: Profile) -> Victim {
    Victim::new(profile, Role::Telephone, SessionLimits::default(), Duration::ZERO)
}

/// A telephone with one request of its own, stream 1, under way.
pub(super) fn asking_telephone(profile: Profile) -> Victim {
    telephone(profile).asking()
}

/// A plugboard without streams, whose limits are small.
pub(super) fn small_plugboard(profile: Profile) -> Victim {
    Victim::new(profile, Role::Plugboard, hostile::limits(), Duration::ZERO)
}

/// A telephone without streams, whose limits are small.
pub(super) fn small_telephone(profile: Profile) -> Victim {
    Victim::new(profile, Role::Telephone, hostile::limits(), Duration::ZERO)
}

/// A plugboard with one request, stream 2, that waits 30 s for a new link.
pub(super) fn resumable_plugboard(profile: Profile) -> Victim {
    Victim::new(profile, Role::Plugboard, SessionLimits::default(), 30 * SECOND).asking()
}

/// A telephone that waits 30 s for a new link and keeps few messages.
pub(super) fn resumable_telephone(profile: Profile) -> Victim {
    let limits = SessionLimits { replay_bytes: 500, replay_bytes_max: 2000, ..SessionLimits::default() };
    Victim::new(profile, Role::Telephone, limits, 30 * SECOND).asking()
}

impl Victim {
    fn new(profile: Profile, role: Role, limits: SessionLimits, window: Duration) -> Self {
        let session = speaking(profile, role, &limits, &limits, 5, window);
        let mut victim = Self {
            name: "",
            session,
            now: Timestamp::ZERO,
            limits,
            said: Vec::new(),
            numbered: 0,
            told: Vec::new(),
            said_bytes: 0,
            heard_bytes: 0,
            asked_bytes: 2000,
            closed: None,
        };
        victim.forget();
        victim
    }

    fn asking(mut self) -> Self {
        self.session.open(http(request("GET")), true, self.now).expect("a stream is opened");
        self.forget();
        self
    }

    /// The script begins: what came before is not part of it.
    fn forget(&mut self) {
        self.settle();
        (self.said, self.told) = (Vec::new(), Vec::new());
    }

    /// Takes a message of these frames.
    pub(super) fn hear(&mut self, ack: u64, frames: &[Frame]) {
        let profile = self.session.profile();
        let message = match (profile, frames) {
            (Profile::Json, [frame]) => profile.write(ack, frame),
            _ => {
                let mut out = bytes::BytesMut::new();
                crate::wire::varint::put(&mut out, ack);
                frames.iter().for_each(|frame| frame.put(&mut out));
                out.freeze()
            }
        };
        self.hear_message(message);
    }

    pub(super) fn hear_message(&mut self, message: Bytes) {
        self.heard_bytes += message.len();
        self.session.hear(message, self.now);
        self.settle();
    }

    /// Sends all that it may, and tells all that it has to tell.
    pub(super) fn settle(&mut self) {
        for _ in 0..10_000 {
            let Some(message) = self.session.say(self.now) else { break };
            assert_eq!(self.closed, None, "{}: a message of a closed session", self.name);
            self.said_bytes += message.len();
            let (_, frames) = self.session.profile().read(message).expect("our own message");
            let frames: Vec<Frame> = frames.map(|frame| frame.expect("our own frame")).collect();
            self.numbered += u64::from(frames.iter().any(Frame::is_numbered));
            self.said.extend(frames);
        }
        assert!(!self.session.has_transmit() || self.session.link().is_none(), "{} never stops", self.name);
        let events: Vec<Event> = core::iter::from_fn(|| self.session.poll_event()).collect();
        let is_over = self.closed.is_some();
        assert!(!is_over || events.is_empty(), "{}: {events:?} of a closed session", self.name);
        self.told.extend(events);
        self.check();
        self.closed = self.session.closed();
    }

    /// The laws: credit, memory in proportion, a closed session stays closed.
    fn check(&self) {
        let (name, session) = (self.name, &self.session);
        check_session(session, &self.limits);
        assert!(self.closed.is_none_or(|reason| session.closed() == Some(reason)), "{name}");
        assert!(session.closed().is_none() || session.poll_timeout().is_none(), "{name}");
        assert!(session.buffered() <= self.heard_bytes + self.asked_bytes, "{name}");
        assert!(session.news.len() <= KINDS_OF_NEWS, "{name}");
        let listed = session.to_send.len() + session.control.len() + session.events.len();
        assert!(listed <= 3 * (session.streams.len() + 12), "{name}: {listed} listed");
        let heads = |stream: &super::super::super::Stream| stream.recv.heads.clone().iter_mut().count();
        assert!(session.streams.values().all(|stream| heads(stream) <= 9), "{name}");
        // Each byte of the peer causes a bounded number of ours.
        let bound = self.asked_bytes + 10 * self.heard_bytes;
        assert!(self.said_bytes <= bound, "{name}: {} said for {}", self.said_bytes, self.heard_bytes);
    }

    pub(super) fn id(number: u64) -> StreamId {
        StreamId::new(number)
    }

    /// Opens a stream, and says which.
    pub(super) fn open(&mut self, opening: Opening, end: bool) -> StreamId {
        self.asked_bytes += 200;
        self.session.open(opening, end, self.now).expect("a stream is opened")
    }

    /// Writes as much of so many bytes as the stream takes.
    pub(super) fn write(&mut self, id: u64, count: usize) -> usize {
        let mut bytes = Bytes::from(alloc::vec![0; count]);
        let taken = self.session.send(StreamId::new(id)).write(&mut bytes).expect("the peer reads");
        assert!(taken <= SEND_BURST_BYTES);
        // On the JSON profile each byte costs more than one.
        self.asked_bytes += 2 * taken + 200;
        taken
    }

    /// Reads so many bytes of a stream.
    pub(super) fn read(&mut self, id: u64, count: usize) {
        self.session.recv(StreamId::new(id)).consume(count, self.now);
    }

    /// What stands next on a stream.
    pub(super) fn peek(&mut self, id: u64) -> Incoming {
        self.session.recv(StreamId::new(id)).peek()
    }

    /// Accepts all streams that wait, and says how many there were.
    pub(super) fn accept_all(&mut self) -> usize {
        core::iter::from_fn(|| self.session.accept()).count()
    }

    /// Lets go of a stream.
    pub(super) fn release(&mut self, id: u64) {
        self.session.release(StreamId::new(id));
    }

    /// Lets time pass and handles each deadline on the way.
    pub(super) fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        for _ in 0..1000 {
            let Some(next) = self.session.poll_timeout().filter(|next| *next <= until) else { break };
            self.now = self.now.max(next);
            self.session.handle_timeout(self.now);
            assert!(self.session.poll_timeout().is_none_or(|next| next > self.now), "{}", self.name); // I39
            self.asked_bytes += 100;
            self.settle();
        }
        self.now = until;
    }

    /// How many frames were sent for which this holds.
    pub(super) fn count(&self, is_counted: fn(&Frame) -> bool) -> usize {
        self.said.iter().filter(|frame| is_counted(frame)).count()
    }

    pub(super) fn still_answers(&mut self) {
        self.hear(0, &[Frame::Ping(4242)]);
        assert_eq!(self.said.last(), Some(&Frame::Pong(4242)), "{}", self.name);
    }

    /// A further stream is opened by the peer and accepted, unless it has no slot or no number left.
    pub(super) fn still_accepts(&mut self) {
        self.accept_all();
        let is_full = self.session.theirs.opened >= self.session.theirs.limit;
        let number = if self.session.peer_highest == 0 {
            Some(if self.session.config.role == Role::Plugboard { 1 } else { 2 })
        } else {
            self.session.peer_highest.checked_add(2)
        };
        let Some(number) = number.filter(|_| !is_full) else { return };
        self.hear(0, &[open(number)]);
        let accepted = self.session.accept().map(|accepted| accepted.id.number());
        assert_eq!(accepted, Some(number), "{}", self.name);
    }

    /// Nothing that the peer sends, and no time, changes a session that is over.
    pub(super) fn stays_closed(&mut self) {
        let said = self.said.len();
        assert_eq!(
            self.told.iter().filter(|event| matches!(event, Event::Closed(_))).count(),
            1,
            "{}",
            self.name
        );
        self.hear(0, &[open(1_000_001)]);
        self.hear(0, &[open(1_000_002)]);
        self.hear(0, &[Frame::Ping(1)]);
        self.session.handle_timeout(self.now + 1000 * SECOND);
        self.settle();
        assert_eq!((self.said.len(), self.session.accept()), (said, None), "{}", self.name);
        assert_eq!(
            self.session.resume(0, self.now),
            Err(crate::session::CannotResume::Over),
            "{}",
            self.name
        );
    }

    /// The link goes, the application lets go of all: nothing is left. [I38]
    pub(super) fn end(mut self) {
        self.accept_all();
        let ids: Vec<StreamId> = self.session.streams.sorted().into_iter().map(|(id, _)| id).collect();
        self.session.abandon();
        ids.into_iter().for_each(|id| self.session.release(id));
        assert_empty(&self.session);
        assert_eq!(self.session.kept(), 0, "{}", self.name);
    }

    /// Stops reading a stream.
    pub(super) fn stop(&mut self, id: u64) {
        self.session.recv(StreamId::new(id)).stop(ResetCode::Cancelled);
    }
}
