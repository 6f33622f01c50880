//! What a run is to do.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use http::{HeaderMap, Method};

use super::target::Target;

/// What `plugboard bench` was asked for.
#[derive(Debug)]
pub struct Order {
    /// What is measured.
    pub goal: Goal,
    /// How.
    pub plan: Plan,
    /// Whether the figures are JSON.
    pub is_json: bool,
}

/// What is measured.
#[derive(Debug)]
pub enum Goal {
    /// Whatever answers there.
    Url {
        /// The URL.
        target: Target,
        /// The PEM file of the only authorities to trust; without it the platform's.
        ca: Option<PathBuf>,
    },
    /// Relay, sidecar and application in this process, beside that application alone.
    Loopback {
        /// Octets that the application answers with.
        answer_bytes: u64,
    },
}

/// The load.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Connections, and so requests at once. At least 1.
    pub connections: usize,
    /// When it is over.
    pub end: End,
    /// Requests in a second, however long their answers take; without it each connection sends its next
    /// request when it has its answer.
    pub rate: Option<Rate>,
    /// How long one request may take, a connection for it included.
    pub timeout: Duration,
    /// Whether connections are used again.
    pub is_keep_alive: bool,
    /// The requests' method.
    pub method: Method,
    /// What their heads say beside `Host`.
    pub headers: HeaderMap,
    /// Octets of their bodies.
    pub body_bytes: u64,
}

/// When a run is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// After this many requests.
    Requests(u64),
    /// When no request has been sent for the rest: after this time; answers under way are waited for.
    Time(Duration),
}

/// Requests in a second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate(pub(super) f64);

impl Rate {
    /// When the request with this number, counted from 0, is due.
    pub(super) fn due(self, number: u64) -> Duration {
        Duration::try_from_secs_f64(number as f64 / self.0).unwrap_or(Duration::MAX)
    }

    /// How many requests are due before `time`.
    pub(super) fn due_before(self, time: Duration) -> u64 {
        (time.as_secs_f64() * self.0).ceil() as u64
    }
}

impl Plan {
    /// How many requests are sent at most.
    pub(super) fn requests_max(&self) -> u64 {
        match (self.end, self.rate) {
            (End::Requests(requests), _) => requests,
            (End::Time(time), Some(rate)) => rate.due_before(time),
            (End::Time(_), None) => u64::MAX,
        }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.method)?;
        if self.body_bytes > 0 {
            write!(formatter, " with {} octets", self.body_bytes)?;
        }
        match (self.is_keep_alive, self.connections) {
            (true, 1) => write!(formatter, ", one connection")?,
            (true, connections) => write!(formatter, ", {connections} connections")?,
            (false, connections) => write!(formatter, ", {connections} at once, each on a new connection")?,
        }
        match self.rate {
            Some(Rate(rate)) => write!(formatter, ", open loop of {rate} requests/s")?,
            None => write!(formatter, ", closed loop")?,
        }
        match self.end {
            End::Requests(requests) => write!(formatter, ", {requests} requests"),
            End::Time(time) => write!(formatter, ", {}", humantime::format_duration(time)),
        }
    }
}
