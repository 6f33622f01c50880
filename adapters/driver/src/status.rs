//! What a telephone says about itself.

use std::time::SystemTime;

pub use telephone_core::wire::{MountUrl, Stats};

/// What one line to one plugboard is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// Dialling, or waiting to dial again.
    Connecting,
    /// A session has a link.
    Connected,
    /// A session has a link, and its token is over: the plugboard gives it no new requests.
    Expired,
    /// Finishing what is in flight, taking nothing new.
    Draining,
    /// Ended for good.
    Stopped,
}

impl State {
    /// The word for logs and the health page.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Connected => "connected",
            Self::Expired => "expired",
            Self::Draining => "draining",
            Self::Stopped => "stopped",
        }
    }
}

/// One line: the session to one plugboard URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineStatus {
    /// The plugboard's URL, as it was given.
    pub plugboard: String,
    /// Where the line dials now or has its link: another URL if the plugboard sent it there.
    pub dialled: String,
    /// What the line is doing.
    pub state: State,
    /// The mounts that it serves: fewer than were asked for if a fresh token covered fewer.
    pub mounts: Vec<String>,
    /// The mounts that were asked for and that the plugboard does not serve.
    pub missing: Vec<MissingMount>,
    /// Where those mounts are public that have a URL, as the plugboard told it last; empty if it does not tell.
    pub urls: Vec<MountUrl>,
    /// The session's public name, while there is a session. Never its resume secret.
    pub session: Option<String>,
    /// When `state` was entered.
    pub since: SystemTime,
    /// Dials in a row that failed.
    pub attempts: u32,
    /// Why the last one failed, as said to the log.
    pub last_error: Option<String>,
    /// Dials that brought a link back, to the same session or a new one.
    pub reconnects: u64,
    /// The numbers of the present session.
    pub stats: Option<Stats>,
    /// The plugboard's numbers of it, as of the last time that somebody looked at this status; none if the plugboard
    /// does not tell them.
    pub plugboard_stats: Option<Stats>,
}

/// A mount that a plugboard does not serve, while it serves others of the same telephone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingMount {
    /// Which one.
    pub mount: String,
    /// What the reason may be. The plugboard does not tell it; its log does.
    pub reason: &'static str,
    /// When it is asked for again; none while that is under way, and without a link.
    pub asked_again: Option<SystemTime>,
}

/// An application that a telephone serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackendStatus {
    /// What is dialled.
    pub backend: String,
    /// Whether it accepted the latest connection, and passed the latest check if there is one.
    pub is_ready: bool,
    /// Since when.
    pub since: SystemTime,
    /// Why it is not ready.
    pub last_error: Option<String>,
}

/// A telephone's state at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// One entry a plugboard URL, in the order given.
    pub lines: Vec<LineStatus>,
    /// When the token that was last presented expires, as far as the plugboard said.
    pub token_expires: Option<SystemTime>,
    /// Streams open now.
    pub streams: u64,
    /// Streams that were accepted since the start.
    pub requests: u64,
    /// The applications that it connects to; handlers inside the program are not among them.
    pub backends: Vec<BackendStatus>,
    /// When the telephone was started.
    pub started: SystemTime,
}

impl Status {
    /// Whether a session has a link and a good token, and nothing is draining.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.lines.iter().any(|line| line.state == State::Connected)
    }

    /// Whether requests can reach the application: the telephone is [connected](Self::is_connected), and each application
    /// accepts connections.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.is_connected() && self.backends.iter().all(|backend| backend.is_ready)
    }
}
