//! Two sessions joined by two queues of messages, on virtual time.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use bytes::{Bytes, BytesMut};
use core::time::Duration;

use crate::error::Misbehaviour;
use crate::limits::SessionLimits;
use crate::message::{Headers, RequestHead, ResponseHead};
use crate::session::{Accepted, Event, Incoming, Role, Session, SessionConfig, StreamId};
use crate::time::{Timestamp, earliest};
use crate::wire::{Frame, Frames, Opening, Profile, Settings, varint};

pub(super) const SECOND: Duration = Duration::from_secs(1);

/// A session whose peer has these limits.
pub(super) fn session(role: Role, own: &SessionLimits, peer: &SessionLimits, seed: u64) -> Session {
    resumable(role, own, peer, seed, Duration::ZERO)
}

/// One that waits so long for a new link.
pub(super) fn resumable(
    role: Role,
    own: &SessionLimits,
    peer: &SessionLimits,
    seed: u64,
    window: Duration,
) -> Session {
    speaking(Profile::Binary, role, own, peer, seed, window)
}

/// Likewise, with one of the profiles.
pub(super) fn speaking(
    profile: Profile,
    role: Role,
    own: &SessionLimits,
    peer: &SessionLimits,
    seed: u64,
    window: Duration,
) -> Session {
    let peer = Settings::of(peer);
    let config = SessionConfig { role, profile, limits: own.clone(), peer, seed, resume_window: window };
    Session::new(config, Timestamp::ZERO)
}

/// A session's inputs and outputs on the link that it was on last.
pub(super) trait OnLink {
    fn hear(&mut self, message: Bytes, now: Timestamp);
    fn say(&mut self, now: Timestamp) -> Option<Bytes>;
    fn stir(&mut self, now: Timestamp);
    fn lose(&mut self, now: Timestamp);
}

impl OnLink for Session {
    fn hear(&mut self, message: Bytes, now: Timestamp) {
        self.handle_message(self.link, message, now);
    }

    fn say(&mut self, now: Timestamp) -> Option<Bytes> {
        self.poll_transmit(self.link, now)
    }

    fn stir(&mut self, now: Timestamp) {
        self.handle_activity(self.link, now);
    }

    fn lose(&mut self, now: Timestamp) {
        self.handle_disconnect(self.link, now);
    }
}

/// A session of its own, whose peer is the test.
pub(super) fn lone(role: Role) -> Session {
    session(role, &SessionLimits::default(), &SessionLimits::default(), 1)
}

pub(super) fn request(method: &'static str) -> RequestHead {
    let mut headers = Headers::new();
    headers.push(&b"Host"[..], &b"example.test"[..]);
    RequestHead {
        method: Bytes::from_static(method.as_bytes()),
        target: Bytes::from_static(b"/api/things?q=1"),
        headers,
        length: None,
        upgrade: None,
        wants_trailers: false,
    }
}

pub(super) fn response(status: u16) -> ResponseHead {
    let mut headers = Headers::new();
    headers.push(&b"X-Odd"[..], &b"\x80\xff"[..]);
    ResponseHead { status, reason: Bytes::from_static(b"So"), headers, length: None, upgrade: None }
}

pub(super) fn http(head: RequestHead) -> Opening {
    Opening::Http { mount: Bytes::from_static(b"/api"), head }
}

pub(super) fn tcp() -> Opening {
    Opening::Tcp { mount: Bytes::from_static(b"tcp:22"), from: None }
}

/// A message as a peer would send it that acknowledges nothing.
pub(super) fn message(frames: &[Frame]) -> Bytes {
    let mut out = BytesMut::new();
    varint::put(&mut out, 0);
    for frame in frames {
        frame.put(&mut out);
    }
    out.freeze()
}

/// The frames of a message that one of our sessions built.
pub(super) fn frames(message: &Bytes) -> Vec<Frame> {
    let (_, frames) = Frames::of(message.clone()).expect("our own message");
    frames.map(|frame| frame.expect("our own frame")).collect()
}

/// Every frame that a session has to say now.
pub(super) fn said(session: &mut Session, now: Timestamp) -> Vec<Frame> {
    core::iter::from_fn(|| session.say(now)).flat_map(|message| frames(&message)).collect()
}

pub(super) fn events(session: &mut Session) -> Vec<Event> {
    core::iter::from_fn(|| session.poll_event()).collect()
}

/// Why the session says that its peer broke a rule, once it has said its last frame.
pub(super) fn misbehaviour(session: &mut Session, now: Timestamp) -> Option<Misbehaviour> {
    while session.say(now).is_some() {}
    match session.closed() {
        Some(crate::error::CloseReason::Misbehaved(misbehaviour)) => Some(misbehaviour),
        Some(_) | None => None,
    }
}

/// Two sessions and the link between them.
pub(super) struct Pair {
    pub(super) telephone: Session,
    pub(super) plugboard: Session,
    pub(super) to_telephone: VecDeque<Bytes>,
    pub(super) to_plugboard: VecDeque<Bytes>,
    pub(super) now: Timestamp,
}

impl Pair {
    pub(super) fn new() -> Self {
        Self::with(&SessionLimits::default(), &SessionLimits::default())
    }

    /// The telephone's limits, then the plugboard's. The first ping is over.
    pub(super) fn with(telephone: &SessionLimits, plugboard: &SessionLimits) -> Self {
        let mut pair = Self::silent(telephone, plugboard);
        pair.settle();
        pair
    }

    /// A telephone with these limits, so far from the plugboard that a round trip takes `round_trip`.
    pub(super) fn distant(telephone: &SessionLimits, round_trip: Duration) -> Self {
        let mut pair = Self::silent(telephone, &SessionLimits::default());
        for _ in 0..2 {
            pair.transmit();
            pair.now = pair.now + round_trip / 2;
            pair.deliver();
        }
        assert_eq!(pair.telephone.stats().round_trip, Some(round_trip));
        pair
    }

    /// A pair that has not said anything.
    pub(super) fn silent(telephone: &SessionLimits, plugboard: &SessionLimits) -> Self {
        Self::waiting(telephone, plugboard, Duration::ZERO)
    }

    /// A pair that has not said anything and waits for a new link for so long.
    pub(super) fn waiting(telephone: &SessionLimits, plugboard: &SessionLimits, window: Duration) -> Self {
        Self::speaking(Profile::Binary, telephone, plugboard, window)
    }

    /// Likewise, with one of the profiles.
    pub(super) fn speaking(
        profile: Profile,
        telephone: &SessionLimits,
        plugboard: &SessionLimits,
        window: Duration,
    ) -> Self {
        Self {
            telephone: speaking(profile, Role::Telephone, telephone, plugboard, 1, window),
            plugboard: speaking(profile, Role::Plugboard, plugboard, telephone, 2, window),
            to_telephone: VecDeque::new(),
            to_plugboard: VecDeque::new(),
            now: Timestamp::ZERO,
        }
    }

    /// Takes at most one message from each session to the link.
    pub(super) fn transmit(&mut self) -> bool {
        let down = self.plugboard.say(self.now);
        let up = self.telephone.say(self.now);
        for message in down.iter().chain(&up) {
            let most = self.plugboard.profile().message_bytes_max();
            assert!(message.len() <= most, "a message of {} octets", message.len());
        }
        let is_any = down.is_some() || up.is_some();
        self.to_telephone.extend(down);
        self.to_plugboard.extend(up);
        is_any
    }

    /// Delivers at most one message each way.
    pub(super) fn deliver(&mut self) -> bool {
        let down = self.to_telephone.pop_front();
        let up = self.to_plugboard.pop_front();
        let is_any = down.is_some() || up.is_some();
        if let Some(message) = down {
            self.telephone.hear(message, self.now);
        }
        if let Some(message) = up {
            self.plugboard.hear(message, self.now);
        }
        is_any
    }

    /// The link breaks; what was on its way is lost.
    pub(super) fn cut(&mut self) {
        self.to_telephone.clear();
        self.to_plugboard.clear();
        self.telephone.lose(self.now);
        self.plugboard.lose(self.now);
    }

    /// A new link takes over, as a handshake would have it.
    pub(super) fn resume(&mut self) {
        let (telephone, plugboard) = (self.telephone.position(), self.plugboard.position());
        self.plugboard.resume(telephone, self.now).expect("the plugboard goes on");
        self.telephone.resume(plugboard, self.now).expect("the telephone goes on");
    }

    /// Carries messages until nothing moves.
    pub(super) fn settle(&mut self) {
        while self.transmit() | self.deliver() {}
    }

    /// Lets `time` pass on a link that works, stopping at each deadline on the way.
    pub(super) fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        self.settle();
        while let Some(next) = earliest(self.telephone.poll_timeout(), self.plugboard.poll_timeout()) {
            if next > until {
                break;
            }
            self.now = self.now.max(next);
            self.telephone.handle_timeout(self.now);
            self.plugboard.handle_timeout(self.now);
            self.settle();
        }
        self.now = until;
    }

    /// Has the plugboard open a stream and the telephone accept it.
    pub(super) fn opened(&mut self, opening: Opening, end: bool) -> StreamId {
        let id = self.plugboard.open(opening, end, self.now).expect("a stream is opened");
        self.settle();
        let accepted = self.telephone.accept().expect("a stream is accepted");
        assert_eq!(accepted.id, id);
        id
    }

    /// An HTTP exchange that the plugboard opened without an end.
    pub(super) fn exchange(&mut self) -> StreamId {
        self.opened(http(request("POST")), false)
    }

    /// An HTTP exchange that the telephone opened; the plugboard has accepted it.
    pub(super) fn exchange_of_telephone(&mut self) -> StreamId {
        let id = self.telephone.open(http(request("GET")), true, self.now).expect("a stream is opened");
        self.settle();
        assert_eq!(self.plugboard.accept().map(|accepted| accepted.id), Some(id));
        id
    }

    /// Accepts everything that the telephone was offered.
    pub(super) fn accept_all(&mut self) -> Vec<Accepted> {
        core::iter::from_fn(|| self.telephone.accept()).collect()
    }

    /// Both ends let go of a stream.
    pub(super) fn release(&mut self, id: StreamId) {
        self.telephone.release(id);
        self.plugboard.release(id);
        self.settle();
    }

    /// Neither end was ended, and nothing is left of any stream.
    pub(super) fn assert_clean(&self) {
        for session in [&self.telephone, &self.plugboard] {
            assert_eq!(session.closed(), None);
            assert_empty(session);
        }
    }
}

/// Nothing is left of any stream. [I38]
pub(super) fn assert_empty(session: &Session) {
    assert_eq!(session.stats().streams_open, 0);
    assert_eq!(session.buffered(), 0);
    assert_eq!(session.window().1, 0, "credit is still reserved");
    assert!(session.unaccepted.is_empty());
    assert!(session.to_send.iter().all(|id| session.streams.get(*id).is_none()));
}

/// Writes all of `octets`, which must fit.
pub(super) fn write(session: &mut Session, id: StreamId, octets: &'static [u8]) {
    let mut octets = Bytes::from_static(octets);
    session.send(id).write(&mut octets).expect("the peer reads");
    assert!(octets.is_empty(), "the send buffer is full");
}

/// Writes as many zeros as the buffer takes, up to `count`.
pub(super) fn fill(session: &mut Session, id: StreamId, count: usize) -> usize {
    session.send(id).write(&mut Bytes::from(alloc::vec![0; count])).expect("the peer reads")
}

/// Reads what octets are there, gives their credit back, and says what stands behind them.
pub(super) fn read(session: &mut Session, id: StreamId, now: Timestamp) -> (Vec<u8>, Incoming) {
    let mut octets = Vec::new();
    loop {
        match session.recv(id).peek() {
            Incoming::Octets(piece) => {
                octets.extend_from_slice(&piece);
                session.recv(id).consume(piece.len(), now);
            }
            other => return (octets, other),
        }
    }
}

/// The end of a direction without trailers.
pub(super) fn end() -> Incoming {
    Incoming::End(Headers::new())
}
