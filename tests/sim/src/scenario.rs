//! A scenario: everything that a run does, as plain data that can be drawn, printed and made smaller.

use std::fmt;

use crate::clock::{Micros, SECOND};
use crate::net::Rules;

/// Everything that one run does. The same scenario gives the same trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scenario {
    /// Seeds what is not spelled out: jitter, where segments are cut, what hostile peers say.
    pub noise: u64,
    /// What every plugboard's sessions keep to.
    pub plugboard_limits: Limits,
    /// What every telephone's sessions keep to.
    pub telephone_limits: Limits,
    /// How long a session outlives its link.
    pub resume_window: Micros,
    /// How long a request waits for a session.
    pub park_time: Micros,
    /// Requests that wait for one mount.
    pub parked_per_mount: u32,
    /// Requests that a plugboard may repeat each second without having earned it, and how many it keeps.
    pub retries: (u64, u64),
    /// The life of each token; 0 is for ever.
    pub token_life: Micros,
    /// The plugboards.
    pub plugboards: Vec<Plugboard>,
    /// The telephones.
    pub telephones: Vec<Telephone>,
    /// The requests of all clients.
    pub requests: Vec<Request>,
    /// What goes wrong, and what the operator does.
    pub faults: Vec<Fault>,
    /// When the chaos is over.
    pub chaos: Micros,
}

/// The limits of a session that a scenario changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Octets of a stream outside the session window.
    pub stream_floor: u64,
    /// A stream's window.
    pub stream_window: u64,
    /// A session's window.
    pub session_window: u64,
    /// Streams that the peer may have open.
    pub streams: u64,
    /// Streams that nobody accepted yet.
    pub unaccepted: u64,
    /// Octets of messages that are kept until they are acknowledged.
    pub replay_bytes: u64,
}

impl Limits {
    /// Those of good weather.
    pub const PLAIN: Self = Self {
        stream_floor: 16 * 1024,
        stream_window: 256 * 1024,
        session_window: 4 << 20,
        streams: 1024,
        unaccepted: 256,
        replay_bytes: 1 << 20,
    };
}

/// A plugboard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plugboard {
    /// Whether it lies.
    pub is_hostile: bool,
}

/// A telephone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Telephone {
    /// The subject of its tokens, and its mount.
    pub tenant: u8,
    /// Which of the subject's processes it is.
    pub instance: u8,
    /// The plugboard that it dials.
    pub plugboard: u8,
    /// When its process starts.
    pub starts: Micros,
    /// What its links are like.
    pub rules: Rules,
    /// Whether it lies.
    pub is_hostile: bool,
}

/// What kind of exchange a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// No body; may be repeated.
    Get,
    /// No body either way.
    Head,
    /// A body; may be repeated as far as its method goes.
    Put,
    /// May not be repeated, with or without a body.
    Post,
    /// Octets both ways after a 101.
    Upgrade,
    /// Octets both ways, no heads.
    Tcp,
}

/// How octets are made or taken.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// So many at once.
    pub piece: u32,
    /// Then a rest.
    pub rest: Micros,
    /// At this offset, once, a longer one.
    pub stall_at: u32,
    /// How long that is; 0 is not at all.
    pub stall: Micros,
}

/// One direction of a request.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Body {
    /// Octets.
    pub length: u32,
    /// Whether the head says so.
    pub is_declared: bool,
    /// How it is made.
    pub written: Pace,
    /// How it is taken.
    pub read: Pace,
}

/// What a backend does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BackendFault {
    /// Nothing.
    None,
    /// It does not accept the connection.
    Refuses,
    /// Nobody answers the connection's first packet.
    ConnectHangs,
    /// It reads and never answers.
    Silent,
    /// It closes instead of answering.
    DiesUnanswered,
    /// It breaks off when so many octets of its body are out.
    DiesAt(u32),
    /// It says that its body is whole when so many octets are out, fewer than its head
    /// promised.
    EndsAt(u32),
    /// It says nothing for ever when so many octets are out.
    HangsAt(u32),
}

/// One request of one client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// When the client sends it.
    pub at: Micros,
    /// Where.
    pub plugboard: u8,
    /// For which tenant's mount.
    pub tenant: u8,
    /// What it asks for.
    pub shape: Shape,
    /// The body that goes up.
    pub up: Body,
    /// The body that comes down.
    pub down: Body,
    /// From the request's head, or with `waits` from its end, to the answer's.
    pub delay: Micros,
    /// Whether the backend reads the whole body before it answers.
    pub waits: bool,
    /// Interim heads before the answer.
    pub interims: u8,
    /// Whether both bodies end with trailers.
    pub has_trailers: bool,
    /// What the backend does wrong.
    pub fault: BackendFault,
    /// The client leaves so long after it came; 0 is never.
    pub leaves: Micros,
}

/// What goes wrong at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// When.
    pub at: Micros,
    /// Of which telephone or plugboard: an index of the one that the kind is about.
    pub whom: u8,
    /// How long it lasts, where it lasts.
    pub lasts: Micros,
    /// What.
    pub kind: FaultKind,
}

/// What can go wrong, and what an operator does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// A telephone's link is reset at both ends.
    Reset,
    /// It is reset at the telephone's end; the plugboard hears nothing more.
    ResetAtTelephone,
    /// It is reset at the plugboard's end; the telephone hears nothing more.
    ResetAtPlugboard,
    /// Somebody between the ends closes it, both ways, at any octet.
    Cut,
    /// Nothing gets through any more on the present link.
    Silence,
    /// Nothing gets to the plugboard for a while.
    BlackUp,
    /// Nothing gets to the telephone for a while.
    BlackDown,
    /// Nothing gets through for a while.
    BlackBoth,
    /// A telephone's dials are refused for a while.
    DialRefused,
    /// A telephone's dials go unanswered for a while.
    DialHangs,
    /// Each link of a telephone is reset soon after it was made, for a while.
    Flap,
    /// A telephone's process is killed and started again.
    KillTelephone,
    /// A telephone drains and is started again.
    DrainTelephone,
    /// A telephone's process is stopped and goes on later.
    FreezeTelephone,
    /// A plugboard's process is killed and started again.
    KillPlugboard,
    /// A plugboard's process is stopped and goes on later.
    FreezePlugboard,
    /// A plugboard drains and is started again.
    DrainPlugboard,
    /// A plugboard hands over to a fresh process at the same address: that may be reached at once, and what is in
    /// flight on the one that leaves has so much time.
    HandOver,
    /// The tokens of a telephone's subject are revoked, and new ones are given out later.
    Revoke,
    /// A telephone finds no fresh token for a while.
    NoToken,
    /// A telephone's application accepts no connections for a while, as the telephone says.
    NotReady,
    /// A telephone withdraws its mount for a while.
    Withdraw,
}

impl FaultKind {
    /// Whether `whom` is a plugboard.
    #[must_use]
    pub const fn is_of_plugboard(self) -> bool {
        matches!(self, Self::KillPlugboard | Self::FreezePlugboard | Self::DrainPlugboard | Self::HandOver)
    }
}

/// How long a request waits for a session where nothing is to go wrong.
pub const PARK_TIME: Micros = 5 * SECOND;
/// All telephones have their first sessions by then.
pub const SETTLED: Micros = 2 * SECOND;
/// All telephones have moved so long after they were asked to.
pub const APART: Micros = 10 * SECOND;
/// More hand-overs, and a telephone gives up sessions that still have something to do.
pub const HAND_OVERS_MAX: usize = 4;

impl Scenario {
    /// Whether a liar stands between the client of a request and its backend.
    #[must_use]
    pub fn is_lied_to(&self, request: &Request) -> bool {
        let is_liar = |telephone: &Telephone| telephone.is_hostile && telephone.tenant == request.tenant;
        self.plugboards[usize::from(request.plugboard)].is_hostile || self.telephones.iter().any(is_liar)
    }

    /// Whether all that happens is that plugboards hand over: then requests succeed. (I35)
    #[must_use]
    pub fn is_calm(&self) -> bool {
        let limits = [&self.plugboard_limits, &self.telephone_limits];
        let is_roomy = limits.iter().all(|limits| **limits == Limits::PLAIN)
            && self.requests.len() < (self.parked_per_mount as usize).min(Limits::PLAIN.unaccepted as usize)
            && self.park_time >= PARK_TIME;
        let is_honest = self.plugboards.iter().all(|plugboard| !plugboard.is_hostile);
        let is_plain = is_roomy && is_honest && self.token_life == 0;
        is_plain && self.are_hand_overs_apart() && self.are_telephones_there()
    }

    /// Whether all telephones start at once, and none takes itself for another one.
    fn are_telephones_there(&self) -> bool {
        let identity = |one: &Telephone| (one.tenant, one.instance, one.plugboard);
        self.telephones.iter().enumerate().all(|(index, one)| {
            let is_twin = self.telephones[..index].iter().any(|other| identity(other) == identity(one));
            one.starts == 0 && !one.is_hostile && !is_twin
        })
    }

    /// Whether there are no faults but hand-overs, each so long after the one before that all have moved.
    fn are_hand_overs_apart(&self) -> bool {
        self.faults.iter().enumerate().all(|(index, fault)| {
            let earlier = self.faults[..index].iter().filter(|one| one.whom == fault.whom);
            let is_apart = fault.at >= earlier.map(|one| one.at + APART).max().unwrap_or(SETTLED);
            fault.kind == FaultKind::HandOver && is_apart && index < HAND_OVERS_MAX
        })
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "noise {:#x}, chaos until {} us", self.noise, self.chaos)?;
        writeln!(formatter, "plugboard {:?}", self.plugboard_limits)?;
        writeln!(formatter, "telephone {:?}", self.telephone_limits)?;
        writeln!(
            formatter,
            "resume window {} us, park {} us x {}, retries {:?}, tokens live {} us",
            self.resume_window, self.park_time, self.parked_per_mount, self.retries, self.token_life
        )?;
        for (index, plugboard) in self.plugboards.iter().enumerate() {
            writeln!(formatter, "plugboard {index}: {plugboard:?}")?;
        }
        for (index, telephone) in self.telephones.iter().enumerate() {
            writeln!(formatter, "telephone {index}: {telephone:?}")?;
        }
        for (index, request) in self.requests.iter().enumerate() {
            writeln!(formatter, "request {index}: {request:?}")?;
        }
        for fault in &self.faults {
            writeln!(formatter, "fault: {fault:?}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Pace {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.piece, self.rest) {
            (u32::MAX, _) | (_, 0) => formatter.write_str("at once")?,
            (piece, rest) => write!(formatter, "{piece} each {rest} us")?,
        }
        if self.stall > 0 {
            write!(formatter, ", at {} a stall of {} us", self.stall_at, self.stall)
        } else {
            Ok(())
        }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.length == 0 && !self.is_declared {
            return formatter.write_str("empty");
        }
        let kind = if self.is_declared { "declared" } else { "open" };
        write!(formatter, "({} {kind}, made {:?}, taken {:?})", self.length, self.written, self.read)
    }
}
