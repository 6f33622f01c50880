//! A token bucket: how often something may happen, on average and at once.

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// One token, in the bucket's micro units.
const TOKEN: u64 = 1_000_000;

/// Tokens that come back at a steady rate, up to a bound. It starts full.
///
/// ```
/// use core::time::Duration;
/// use telephone_core::{time::Timestamp, token_bucket::TokenBucket};
///
/// let now = Timestamp::ZERO;
/// let mut bucket = TokenBucket::new(2, 10, now);
/// assert!(bucket.take(now) && bucket.take(now) && !bucket.take(now));
/// assert!(bucket.take(now + Duration::from_millis(100)));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenBucket {
    /// Micro tokens, at most `burst`.
    level: u64,
    /// Micro tokens.
    burst: u64,
    /// Tokens, which is micro tokens a microsecond.
    per_second: u64,
    filled_at: Timestamp,
}

impl TokenBucket {
    /// A full bucket of `burst` tokens, of which `per_second` come back each second.
    #[must_use]
    pub fn new(burst: u32, per_second: u32, now: Timestamp) -> Self {
        let burst = u64::from(burst) * TOKEN;
        Self { level: burst, burst, per_second: per_second.into(), filled_at: now }
    }

    /// Takes one token. False if there is none.
    #[must_use]
    pub fn take(&mut self, now: Timestamp) -> bool {
        self.take_up_to(1, now) == 1
    }

    /// Takes so many tokens, or all that there are. Returns how many it took.
    pub fn take_up_to(&mut self, tokens: u64, now: Timestamp) -> u64 {
        self.fill(now);
        let taken = tokens.min(self.level / TOKEN);
        self.level = self.level.saturating_sub(taken.saturating_mul(TOKEN));
        taken
    }

    /// Returns one token, as if it had not been taken.
    pub fn put_back(&mut self, now: Timestamp) {
        self.fill(now);
        self.level = self.level.saturating_add(TOKEN).min(self.burst);
    }

    /// When it holds a whole token again, or `now` if it does; never if none comes back.
    #[must_use]
    pub fn next_token_at(&self, now: Timestamp) -> Timestamp {
        self.reaches(TOKEN).max(now)
    }

    /// When it is full if nothing more is taken. A full bucket is the same as a new one.
    #[must_use]
    pub fn full_at(&self) -> Timestamp {
        self.reaches(self.burst)
    }

    fn reaches(&self, level: u64) -> Timestamp {
        let lacks = level.saturating_sub(self.level);
        let micros = if lacks == 0 { Some(0) } else { lacks.checked_next_multiple_of(self.per_second) };
        let micros = micros.map(|micros| micros.checked_div(self.per_second).unwrap_or(0));
        self.filled_at + core::time::Duration::from_micros(micros.unwrap_or(u64::MAX))
    }

    fn fill(&mut self, now: Timestamp) {
        let micros = u64::try_from(now.since(self.filled_at).as_micros()).unwrap_or(u64::MAX);
        self.filled_at = self.filled_at.max(now);
        self.level = self.level.saturating_add(micros.saturating_mul(self.per_second)).min(self.burst);
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::*;

    fn at(millis: u64) -> Timestamp {
        Timestamp::ZERO + Duration::from_millis(millis)
    }

    fn taken(bucket: &mut TokenBucket, tries: u32, now: Timestamp) -> u32 {
        (0..tries).map(|_| u32::from(bucket.take(now))).sum()
    }

    #[test]
    fn it_gives_its_burst_at_once_and_then_its_rate() {
        let mut bucket = TokenBucket::new(100, 10, at(0));
        assert_eq!(taken(&mut bucket, 500, at(0)), 100);
        assert_eq!(taken(&mut bucket, 500, at(1_000)), 10);
        let in_ten_seconds: u32 = (1_001..=11_000).map(|millis| taken(&mut bucket, 2, at(millis))).sum();
        assert_eq!(in_ten_seconds, 100);
        assert_eq!(taken(&mut bucket, 500, at(3_600_000)), 100, "no more than the burst is kept");
    }

    #[test]
    fn a_token_that_is_put_back_can_be_taken_again_and_none_beyond_the_burst() {
        let mut bucket = TokenBucket::new(2, 1, at(0));
        bucket.put_back(at(0));
        assert_eq!(taken(&mut bucket, 5, at(0)), 2);
        bucket.put_back(at(0));
        assert_eq!(taken(&mut bucket, 5, at(0)), 1);
    }

    #[test]
    fn it_knows_when_a_token_is_there_and_when_it_is_full() {
        let mut bucket = TokenBucket::new(3, 4, at(0));
        assert_eq!((bucket.next_token_at(at(7)), bucket.full_at()), (at(7), at(0)));
        assert_eq!(taken(&mut bucket, 3, at(0)), 3);
        assert_eq!((bucket.next_token_at(at(0)), bucket.full_at()), (at(250), at(750)));
        assert!(!bucket.take(at(249)) && bucket.take(at(250)));
        assert_eq!(bucket.full_at(), at(1_000));
    }

    #[test]
    fn a_clock_that_steps_back_gives_nothing_and_a_rate_of_zero_never_fills() {
        let mut bucket = TokenBucket::new(1, 1, at(5_000));
        assert!(bucket.take(at(5_000)) && !bucket.take(at(0)) && !bucket.take(at(5_999)));
        assert!(bucket.take(at(6_000)));
        let mut dry = TokenBucket::new(1, 0, at(0));
        assert!(dry.take(at(0)) && !dry.take(at(u64::MAX / 1_000)));
        assert_eq!(dry.full_at().as_micros(), u64::MAX);
    }
}
