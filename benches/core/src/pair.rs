//! Two sessions and a link between them that is a function call.

use std::time::Duration;

use telephone_core::limits::SessionLimits;
use telephone_core::recording::Recorded;
use telephone_core::session::{Event, Incoming, LinkId, Role, SessionConfig, StreamId};
use telephone_core::time::Timestamp;
use telephone_core::wire::{Profile, Settings};

/// How far time goes on between two runs.
const STEP: Duration = Duration::from_micros(500);

/// One end: a session on its only link.
#[derive(Debug)]
pub struct End {
    /// The session.
    pub session: Recorded,
    link: LinkId,
}

impl End {
    fn new(role: Role, limits: &SessionLimits) -> Self {
        let (limits, peer) = (limits.clone(), Settings::of(limits));
        let resume_window = limits.resume_window;
        let session = Recorded::new(
            SessionConfig { role, profile: Profile::Binary, limits, peer, seed: 1, resume_window },
            Timestamp::ZERO,
            None,
        );
        let link = session.link().expect("a new session has a link");
        Self { session, link }
    }

    /// The next message that it says.
    pub fn say(&mut self, now: Timestamp) -> Option<bytes::Bytes> {
        self.session.poll_transmit(self.link, now)
    }

    /// A message comes in.
    pub fn hear(&mut self, message: bytes::Bytes, now: Timestamp) {
        self.session.handle_message(self.link, message, now);
    }

    /// Handles a deadline that has come, as a driver does after each turn.
    fn ring(&mut self, now: Timestamp) {
        while self.session.poll_timeout().is_some_and(|at| at <= now) {
            self.session.handle_timeout(now);
        }
    }

    /// Takes all events and says how many there were.
    pub fn drain_events(&mut self) -> usize {
        std::iter::from_fn(|| self.session.poll_event()).count()
    }

    /// Takes all events, and all octets of the streams that they call readable. Says how many octets there were.
    /// With `is_credited` their credit goes back at once.
    pub fn read(&mut self, is_credited: bool, now: Timestamp) -> usize {
        let mut count = 0;
        while let Some(event) = self.session.poll_event() {
            if let Event::Readable(id) = event {
                count += self.read_stream(id, is_credited, now);
            }
        }
        count
    }

    fn read_stream(&mut self, id: StreamId, is_credited: bool, now: Timestamp) -> usize {
        let mut count = 0;
        while let Incoming::Octets(octets) = self.session.recv(id).read() {
            count += octets.len();
            if is_credited {
                self.session.recv(id).credit(octets.len(), now);
            }
        }
        count
    }
}

/// Two sessions that can be resumed, as those of the programs, so that both keep what was not acknowledged.
#[derive(Debug)]
pub struct Pair {
    /// The end that opens streams.
    pub plugboard: End,
    /// The end that accepts them.
    pub telephone: End,
    /// The time at both.
    pub now: Timestamp,
}

impl Pair {
    /// Two sessions of these limits whose first pings are over.
    #[must_use]
    pub fn new(limits: &SessionLimits) -> Self {
        let plugboard = End::new(Role::Plugboard, limits);
        let telephone = End::new(Role::Telephone, limits);
        let mut pair = Self { plugboard, telephone, now: Timestamp::ZERO };
        pair.settle();
        pair
    }

    /// Lets time go on, with the deadlines that come.
    pub fn step(&mut self) {
        self.now = self.now + STEP;
        self.plugboard.ring(self.now);
        self.telephone.ring(self.now);
    }

    /// Carries what the plugboard has to say. True if there was something.
    pub fn down(&mut self) -> bool {
        carry(&mut self.plugboard, &mut self.telephone, self.now)
    }

    /// Carries what the telephone has to say. True if there was something.
    pub fn up(&mut self) -> bool {
        carry(&mut self.telephone, &mut self.plugboard, self.now)
    }

    /// Carries until neither has anything to say.
    pub fn settle(&mut self) {
        while self.down() | self.up() {}
    }

    /// Opens a stream at the plugboard and accepts it at the telephone.
    ///
    /// # Panics
    /// If one of them takes no more streams.
    pub fn open_raw(&mut self) -> StreamId {
        let mount = bytes::Bytes::from_static(b"tcp:7");
        let opening = telephone_core::wire::Opening::Tcp { mount, from: None };
        let id = self.plugboard.session.open(opening, false, self.now).expect("an open session");
        self.settle();
        let accepted = self.telephone.session.accept().expect("a stream that was opened");
        assert_eq!(accepted.id, id);
        id
    }
}

fn carry(from: &mut End, to: &mut End, now: Timestamp) -> bool {
    let mut has_said = false;
    while let Some(message) = from.say(now) {
        to.hear(message, now);
        has_said = true;
    }
    if has_said {
        from.ring(now);
        to.ring(now);
    }
    has_said
}
