//! What frames that move nothing cost. [L8]

use serde::{Deserialize, Serialize};

use crate::limits::SessionLimits;
use crate::time::Timestamp;
use crate::token_bucket::TokenBucket;

/// Tokens that a frame of real progress earns. Stops and credit that cross with the end of their stream
/// come late and move nothing; a stream causes few of them and at least one frame that earns, so that an
/// honest peer is never out of tokens, however many streams a second it runs.
const EARNED: u64 = 8;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Budget {
    /// Tokens that time gave.
    bucket: TokenBucket,
    /// Tokens that progress gave. Not bounded: what they pay for stays in proportion to it.
    earned: u64,
    /// Tokens for streams of the peer that were denied, not charged yet.
    owed: u64,
}

impl Budget {
    pub(super) fn new(limits: &SessionLimits, now: Timestamp) -> Self {
        let bucket = TokenBucket::new(limits.free_frames_burst, limits.free_frames_per_second, now);
        Self { bucket, earned: 0, owed: 0 }
    }

    /// Takes one token. False if there is none.
    #[must_use]
    pub(super) fn charge(&mut self, now: Timestamp) -> bool {
        self.take(1, now)
    }

    /// Takes so many tokens, or all that there are. False if there were not so many.
    fn take(&mut self, tokens: u64, now: Timestamp) -> bool {
        let of_time = self.bucket.take_up_to(tokens, now);
        let rest = self.earned.checked_sub(tokens.saturating_sub(of_time));
        self.earned = rest.unwrap_or(0);
        rest.is_some()
    }

    /// A frame moved something.
    pub(super) fn earn(&mut self) {
        self.earned = self.earned.saturating_add(EARNED);
    }

    /// A stream that the peer opened was denied: it moved nothing. What its frames earned is taken back, and one token is
    /// charged, with the next stream: a reset has no time, and a peer that goes on has to open another one.
    pub(super) fn deny(&mut self, frames: u64) {
        let earned = frames.saturating_mul(EARNED);
        let spent = earned.saturating_sub(self.earned);
        self.earned = self.earned.saturating_sub(earned);
        self.owed = self.owed.saturating_add(1).saturating_add(spent);
    }

    /// Takes the tokens that are owed. False if there are not so many.
    #[must_use]
    pub(super) fn settle(&mut self, now: Timestamp) -> bool {
        let owed = core::mem::take(&mut self.owed);
        self.take(owed, now)
    }
}
