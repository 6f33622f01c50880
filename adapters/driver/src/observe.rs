//! The seam to whoever counts and logs what a plugboard does.

use std::net::SocketAddr;
use std::time::Duration;

use telephone_core::cause::Cause;
use telephone_core::connections::Shed;
use telephone_core::timing::Stages;
use telephone_core::traceparent::TraceParent;
use telephone_core::wire::Stats;

use crate::authority::AuthError;

/// One request that was let in and has ended, as the access log tells it.
#[derive(Debug, Clone)]
pub struct AccessRecord<'a> {
    /// The method token.
    pub method: &'a [u8],
    /// The `Host` field, if one came.
    pub host: Option<&'a [u8]>,
    /// The target as the plugboard understood it.
    pub target: &'a [u8],
    /// The final status that the client got; `None` if it got none.
    pub status: Option<u16>,
    /// Octets of the request body that came in.
    pub bytes_in: u64,
    /// Octets of the response body that went out.
    pub bytes_out: u64,
    /// From when the head was whole to the end.
    pub duration: Duration,
    /// How much of that it waited in the plugboard: for a session of its mount, or for a stream of one.
    pub waited: Duration,
    /// The client's socket.
    pub peer: SocketAddr,
    /// The mount that was chosen, if one was.
    pub mount: Option<&'a str>,
    /// Who serves that mount.
    pub subject: Option<&'a str>,
    /// Where the time went until the answer's head, if that was measured.
    pub stages: Option<Stages>,
    /// In which trace it is.
    pub trace: Option<TraceParent>,
    /// How it ended. Its word is the one that `Proxy-Status` carries, and a label of metrics.
    pub cause: Cause,
}

impl<'a> AccessRecord<'a> {
    /// What there is to tell of a request or a connection of which no more is known.
    #[must_use]
    pub const fn bare(method: &'a [u8], target: &'a [u8], peer: SocketAddr, cause: Cause) -> Self {
        Self {
            method,
            host: None,
            target,
            status: None,
            bytes_in: 0,
            bytes_out: 0,
            duration: Duration::ZERO,
            waited: Duration::ZERO,
            peer,
            mount: None,
            subject: None,
            stages: None,
            trace: None,
            cause,
        }
    }
}

/// The values of `outcome` in [`Observer::handshake_ended`].
pub const HANDSHAKE_OUTCOMES: [&str; 12] = [
    "new",
    "resumed",
    "forbidden",
    "expired",
    "held",
    "stale",
    "busy",
    "malformed",
    "leaving",
    "other",
    "broken",
    "silent",
];
/// The values of `reason` in [`Observer::session_ended`].
pub const SESSION_ENDS: [&str; 13] = [
    "left",
    "link_lost",
    "silent",
    "misbehaved",
    "stopped",
    "dismissed",
    "draining",
    "replaced",
    "expired",
    "revoked",
    "calm_down",
    "forbidden",
    "other",
];
/// The values of `outcome` in [`Observer::request_waited`].
pub const WAIT_OUTCOMES: [&str; 4] = ["served", "refused", "client_left", "revoked"];

/// Is told what happens, on the event loop: it must neither block nor fail. What it does not ask for, it
/// ignores.
pub trait Observer: Send + Sync + 'static {
    /// A request ended. Each request that was let in comes here exactly once.
    fn request_ended(&self, record: &AccessRecord<'_>);

    /// A request was refused whose head breaks a rule; `rule` is that in words. [`request_ended`](Self::request_ended) is not
    /// called for it, unless this method does so, as it does by default.
    fn request_refused(&self, record: &AccessRecord<'_>, rule: &str) {
        let _ = rule;
        self.request_ended(record);
    }

    /// A request that a session had was given to another one, or was not because too many were of late.
    fn request_repeated(&self, is_allowed: bool) {
        let _ = is_allowed;
    }

    /// A connection was refused or closed because there were too many.
    fn connection_shed(&self, why: Shed) {
        let _ = why;
    }

    /// A session was registered.
    fn session_started(&self, subject: &str) {
        let _ = subject;
    }

    /// A session ended, with these numbers; `reason` is one of [`SESSION_ENDS`]. Each one that started comes here once.
    fn session_ended(&self, subject: &str, reason: &'static str, stats: &Stats) {
        let _ = (subject, reason, stats);
    }

    /// A telephone's first message was judged, or there was none: `outcome` is one of [`HANDSHAKE_OUTCOMES`].
    fn handshake_ended(&self, outcome: &'static str) {
        let _ = outcome;
    }

    /// A request waited so long for a session; `outcome` is one of [`WAIT_OUTCOMES`].
    fn request_waited(&self, outcome: &'static str, time: Duration) {
        let _ = (outcome, time);
    }

    /// A session goes on that had no link for so long.
    fn session_resumed(&self, dark: Duration) {
        let _ = dark;
    }

    /// A round trip over a link was measured.
    fn round_trip(&self, time: Duration) {
        let _ = time;
    }

    /// A link belongs to a session from now on, new or resumed.
    fn link_up(&self, is_resume: bool) {
        let _ = is_resume;
    }

    /// A link that was up is gone.
    fn link_down(&self) {}

    /// A registration, a resume or a renewal was refused for its token.
    fn token_refused(&self, error: AuthError) {
        let _ = error;
    }

    /// A token was refused without a check: too many of its address failed, or too many wait.
    fn token_unchecked(&self) {}
}

/// Ignores everything.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unobserved;

impl Observer for Unobserved {
    fn request_ended(&self, _: &AccessRecord<'_>) {}
}
