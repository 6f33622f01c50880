//! What one end tells the other about a session.

use serde::{Deserialize, Serialize};

/// Numbers of one session, counted by one of its ends since it began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Stats {
    /// Streams that either end opened.
    pub requests: u64,
    /// Streams that are open now.
    pub streams_open: u64,
    /// Octets of messages that this end sent.
    pub bytes_sent: u64,
    /// Octets of messages that this end received.
    pub bytes_received: u64,
    /// Links that took over from a lost one.
    pub reconnects: u64,
    /// Milliseconds since the session began.
    pub uptime_ms: u64,
    /// The last measured round trip in microseconds.
    #[serde(default)]
    pub round_trip_us: Option<u64>,
}
