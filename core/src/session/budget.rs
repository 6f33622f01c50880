//! A token bucket for frames that move nothing. [L8]

use crate::limits::SessionLimits;
use crate::time::Timestamp;

/// Tokens that a frame of real progress earns: control frames that cross with the end of a stream are
/// then never held against an honest peer, however many streams a second it runs.
const EARNED: u64 = 4;
/// One token, in the bucket's micro units.
const TOKEN: u64 = 1_000_000;

#[derive(Debug)]
pub(super) struct Budget {
    /// Micro tokens.
    level: u64,
    burst: u64,
    per_second: u64,
    filled_at: Timestamp,
}

impl Budget {
    pub(super) fn new(limits: &SessionLimits, now: Timestamp) -> Self {
        let burst = u64::from(limits.free_frames_burst) * TOKEN;
        Self { level: burst, burst, per_second: u64::from(limits.free_frames_per_second), filled_at: now }
    }

    /// Takes one token. False if there is none.
    #[must_use]
    pub(super) fn charge(&mut self, now: Timestamp) -> bool {
        let micros = u64::try_from(now.since(self.filled_at).as_micros()).unwrap_or(u64::MAX);
        self.filled_at = now;
        // A token a second is one micro token a microsecond.
        self.level = self.level.saturating_add(micros.saturating_mul(self.per_second)).min(self.burst);
        match self.level.checked_sub(TOKEN) {
            Some(rest) => {
                self.level = rest;
                true
            }
            None => false,
        }
    }

    /// A frame moved something.
    pub(super) fn earn(&mut self) {
        self.level = self.level.saturating_add(EARNED * TOKEN).min(self.burst);
    }
}
