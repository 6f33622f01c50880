//! What a session is made with, what it tells, and why it refuses.

use alloc::string::String;
use alloc::vec::Vec;

use bytes::Bytes;
use core::time::Duration;
use serde::{Deserialize, Serialize};

use crate::error::{CloseReason, HeadRefused, LeaveCode};
use crate::limits::SessionLimits;
use crate::wire::{MountUrl, Mounts, Move, Opening, Profile, Refused, Settings, StreamId};

/// Which end a session is. Nothing but the parity of stream ids, and who holds the token, follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Role {
    /// Opens streams with odd numbers.
    Telephone,
    /// Opens streams with even numbers.
    Plugboard,
}

/// What a session is made with.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SessionConfig {
    /// Which end this is.
    pub role: Role,
    /// How frames are written, on each of its links.
    pub profile: Profile,
    /// This end's limits.
    pub limits: SessionLimits,
    /// The other end's limits, from its hello or welcome.
    pub peer: Settings,
    /// Seeds the jitter of timers.
    pub seed: u64,
    /// How long after the last octet from the peer the session waits for a new link, as the welcome tells it; zero
    /// ends it with its link.
    pub resume_window: Duration,
}

/// What the application may do now. Each is told once; a stream's flags are told again only after more
/// has happened, and never after its release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// The peer opened streams: [`Session::accept`](super::Session::accept) until there are no more.
    Opened,
    /// A stream has a head, octets, an end or a reset to read.
    Readable(StreamId),
    /// A stream's send buffer has room again, or its peer stopped reading.
    Writable(StreamId),
    /// The token should be renewed now (telephone): [`TokenLife`](crate::token_life::TokenLife) says whether there is one to
    /// present. Told again, ever sooner, until the peer took one: a token file may not have been replaced yet.
    RenewalDue,
    /// The peer sent a fresh token: verify it, then call
    /// [`Session::confirm_renewal`](super::Session::confirm_renewal) or
    /// [`Session::leave`](super::Session::leave).
    Renewal(Bytes),
    /// The peer took our fresh token; it is good for this long.
    Renewed(Option<Duration>),
    /// The peer did not take our fresh token; the one before stays in force.
    RenewalRefused(Refused),
    /// The mounts that the session has, in the notation of the hello: a fresh token left them, ahead of [`Event::Renewed`], or they
    /// answer [`Session::present_mounts`](super::Session::present_mounts) (telephone).
    ScopeLeft(Vec<String>),
    /// Under which URLs the session's mounts are public (telephone). What an earlier one said is no longer true.
    Site(Vec<MountUrl>),
    /// All mounts that the telephone wants from now on: judge them as a hello's, withdraw the others, then call
    /// [`Session::tell_scope`](super::Session::tell_scope) (plugboard).
    MountsPresented(Mounts),
    /// The plugboard is about to leave: have the next session elsewhere, then call
    /// [`Session::confirm_move`](super::Session::confirm_move). This one goes on until the plugboard leaves it (telephone).
    MoveAsked(Move),
    /// The telephone has a session elsewhere (plugboard).
    Moved,
    /// The token ran out: nothing more can be opened on this session. It closes after its grace.
    Expired,
    /// The peer leaves: it takes no new streams; those that are open may finish.
    PeerLeaves(LeaveCode),
    /// The session is over. Held streams read as lost until they are released.
    Closed(CloseReason),
}

/// A stream that the peer opened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    /// Its number, to be given to [`Session::release`](super::Session::release) in the end.
    pub id: StreamId,
    /// What it was opened for.
    pub opening: Opening,
    /// The client connection that it is for, if a login runs on that, and this end [announced](crate::wire::Setting::Clients)
    /// that it wants to know.
    pub client: Option<u64>,
}

/// Why a stream could not be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error, Serialize)]
pub enum OpenError {
    /// The session is over, one end of it is leaving, or its token ran out.
    #[error("the session takes no new streams")]
    Leaving,
    /// The peer has as many streams open as it takes.
    #[error("the peer has as many streams open as it takes")]
    TooManyStreams,
    /// The head cannot cross.
    #[error(transparent)]
    Head(#[from] HeadRefused),
}

/// Numbers for statistics, counted since the session began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionStats {
    /// Octets of messages sent.
    pub bytes_sent: u64,
    /// Octets of messages received.
    pub bytes_received: u64,
    /// New links that took over.
    pub links_resumed: u64,
    /// Streams opened by either end.
    pub streams_opened: u64,
    /// Streams that are open now.
    pub streams_open: usize,
    /// The last measured round trip.
    pub round_trip: Option<Duration>,
}
