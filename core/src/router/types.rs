//! What goes into the router and what comes out of it.

use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use crate::address::AddressBlock;
use crate::affinity::{Binding, Sticky};
use crate::message::Headers;
use crate::mount::Mount;
use crate::wire::RefusedCode;

/// One session, as the driver numbers them. Never reused while the relay runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionKey(u64);

impl SessionKey {
    /// The session that the driver calls `number`.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The driver's number.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }
}

/// Who registers: the subject of a token, and which of its processes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity {
    subject: String,
    instance: String,
}

impl Identity {
    /// The process `instance` of `subject`.
    #[must_use]
    pub fn new(subject: impl Into<String>, instance: impl Into<String>) -> Self {
        Self { subject: subject.into(), instance: instance.into() }
    }

    /// The subject of the token.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// What tells the subject's processes apart.
    #[must_use]
    pub fn instance(&self) -> &str {
        &self.instance
    }
}

/// What proves the right to go on with a session. Never shown, and compared in constant time.
#[derive(Clone, Copy)]
pub struct ResumeSecret([u8; 16]);

impl ResumeSecret {
    /// A secret of octets that nobody can guess.
    #[must_use]
    pub const fn new(octets: [u8; 16]) -> Self {
        Self(octets)
    }

    /// The octets, for the welcome alone.
    #[must_use]
    pub const fn octets(&self) -> [u8; 16] {
        self.0
    }

    /// Whether a hello presents this very secret.
    pub(super) fn is(&self, presented: &[u8; 16]) -> bool {
        let differing = self.0.iter().zip(presented).fold(0, |sum, (own, other)| sum | (own ^ other));
        core::hint::black_box(differing) == 0
    }
}

impl core::fmt::Debug for ResumeSecret {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter.write_str("ResumeSecret")
    }
}

/// What a session asks for. The driver has checked that the token's claims cover the mounts.
#[derive(Debug, Clone)]
pub struct Registration {
    /// Who asks.
    pub identity: Identity,
    /// Grows with each start of the process; compared only between sessions of one identity.
    pub epoch: u64,
    /// At most [`MOUNTS_MAX`](crate::limits::MOUNTS_MAX) mounts; one that is named twice counts once. A session without
    /// any gets no requests.
    pub mounts: Vec<Mount>,
    /// What its token lets it register. It takes those mounts from the older sessions of its identity.
    pub claims: Vec<Mount>,
    /// Whether a session for those of its mounts is enough that no newer process of its identity holds.
    pub is_partial_enough: bool,
    /// What its telephone must present to go on with it over another link.
    pub secret: ResumeSecret,
    /// How its telephone wants the clients of its mounts to be bound to their sessions.
    pub sticky: Option<Sticky>,
}

/// Who asks, as far as that decides where a request goes.
#[derive(Debug, Clone, Copy)]
pub struct Client<'a> {
    /// Its address as the relay counts it.
    pub address: AddressBlock,
    /// The fields of its request.
    pub headers: &'a Headers,
    /// A session that did not take the request: it is chosen again only if no other one takes requests.
    pub avoided: Option<SessionKey>,
}

/// What came of a registration.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Registered {
    /// The mounts that the session holds, in order and each once.
    pub mounts: Vec<Mount>,
    /// The older sessions of its identity that lost mounts to it.
    pub reduced: Vec<Reduced>,
}

/// A session that lost mounts to a newer one of its identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reduced {
    /// The session.
    pub session: SessionKey,
    /// What it still holds, and is to be told. If that is nothing, it was removed here, and the driver ends it as
    /// replaced.
    pub left: Vec<Mount>,
}

/// Why a registration is refused. Nothing has changed then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegisterError {
    /// Another subject holds one of the mounts, or another instance one of the rooms.
    #[error("the mount {mount} is held by another {}", if mount.room().is_some() { "telephone" } else { "subject" })]
    Held {
        /// The first such mount.
        mount: Mount,
    },
    /// A newer process of the same identity holds one of the mounts, or has a session without mounts as this one.
    #[error("a newer process of this identity is registered{}", for_mount(.mount.as_ref()))]
    Stale {
        /// The first such mount.
        mount: Option<Mount>,
    },
    /// The epoch lies further ahead of the relay's clock than [`EPOCH_AHEAD_MAX`](crate::limits::EPOCH_AHEAD_MAX).
    #[error(
        "the epoch {epoch} lies more than 24 h ahead of the plugboard's clock, {unix_millis} ms since 1970: set the clock that is wrong, and if that is the telephone's, start the telephone again"
    )]
    EpochAhead {
        /// The registration's.
        epoch: u64,
        /// The relay's clock.
        unix_millis: u64,
    },
    /// The session has registered before.
    #[error("the session is registered already")]
    Twice,
    /// More than [`MOUNTS_MAX`](crate::limits::MOUNTS_MAX) mounts.
    #[error("{0} mounts are too many")]
    TooManyMounts(usize),
}

impl RegisterError {
    /// What the telephone is told.
    #[must_use]
    pub const fn code(&self) -> RefusedCode {
        match self {
            Self::Held { .. } => RefusedCode::Held,
            Self::Stale { .. } => RefusedCode::Stale,
            // The clocks differ, which time or an operator mends.
            Self::EpochAhead { .. } => RefusedCode::Busy,
            Self::Twice | Self::TooManyMounts(_) => RefusedCode::Malformed,
        }
    }
}

fn for_mount(mount: Option<&Mount>) -> String {
    mount.map(|mount| format!(" for the mount {mount}")).unwrap_or_default()
}

/// Where a request goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// To this session, whose load has grown by one: [`Router::finish`](super::Router::finish) when the
    /// exchange ends.
    To {
        /// The chosen session; it has a link.
        session: SessionKey,
        /// The mount that the request came in by.
        mount: Arc<Mount>,
        /// How the client is bound to the session by a cookie, if the mount's are.
        binding: Option<Binding>,
    },
    /// It waits: an event settles it, unless the driver cancels it.
    Park(Ticket),
    /// It is answered by the relay.
    Refuse(Refusal),
}

/// A request that waits. Never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub(super) u64);

impl Ticket {
    pub(super) const FIRST: Self = Self(0);

    /// The one behind it.
    pub(super) const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// Why a request goes nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// 404: nobody has had such a mount, as far as the relay remembers.
    NoSuchMount,
    /// 400: which mount the path belongs to depends on how encoded slashes, parameters and empty segments
    /// are read. (H-16)
    Ambiguous,
    /// 503: no session of the mount has a link.
    NobodyConnected {
        /// What `Retry-After` says.
        retry_after: Duration,
    },
    /// 503: the tokens of all sessions of the mount are over.
    TokenExpired {
        /// What `Retry-After` says.
        retry_after: Duration,
    },
    /// 503: too many requests wait already.
    TooBusy {
        /// What `Retry-After` says.
        retry_after: Duration,
    },
}

/// What became of a request that waited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RouterEvent {
    /// It goes to this session, whose load has grown by one, as with [`Route::To`].
    Unparked {
        /// The request.
        ticket: Ticket,
        /// The chosen session; it has a link.
        session: SessionKey,
        /// The mount that the request came in by.
        mount: Arc<Mount>,
        /// As in [`Route::To`].
        binding: Option<Binding>,
    },
    /// It is answered by the relay.
    Refused {
        /// The request.
        ticket: Ticket,
        /// Why.
        refusal: Refusal,
    },
    /// It waits on, and [its wait](crate::router::Router::wake_at) ends earlier than it was to.
    Rescheduled {
        /// The request.
        ticket: Ticket,
    },
}

/// What a request waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Awaited {
    /// The mount.
    pub mount: Arc<Mount>,
    /// Stands for the mount.
    pub number: u64,
    /// Requests that wait for it.
    pub waiting: usize,
}

/// How much of everything there is, for metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RouterCounts {
    /// Sessions, suspended ones included.
    pub sessions: usize,
    /// Sessions that have a link and take requests.
    pub linked: usize,
    /// Mounts that a session holds.
    pub mounts: usize,
    /// Mounts that are remembered without a session.
    pub remembered: usize,
    /// Requests that wait.
    pub parked: usize,
}
