//! Whether the sessions that hold an identity's mounts are alive, when a process of an older epoch asks for them.
//!
//! A clock that is a little behind gives a restarted process an older epoch than its predecessor's. That may be dead, with
//! a link that nobody has found broken yet. So each holder is pinged once, and has [`HOLDER_PING_TIMEOUT`] to be heard of, or
//! twice the delay that its answers had lately, up to [`HOLDER_PING_SLOW`]. Any byte counts: the pong may wait behind a long
//! message.

use alloc::vec::Vec;

use core::time::Duration;

use crate::limits::{HOLDER_PING_SLOW, HOLDER_PING_TIMEOUT};
use crate::router::SessionKey;
use crate::time::Timestamp;

/// One round of pings.
#[derive(Debug)]
pub struct HolderCheck {
    asked_at: Timestamp,
    until: Timestamp,
    /// Those that have not been heard of since.
    silent: Vec<SessionKey>,
}

impl HolderCheck {
    /// These sessions are pinged now. With each comes the [delay](crate::session::Session::answer_delay) of its answers; the
    /// round is as long as the slowest needs.
    #[must_use]
    pub fn new(holders: impl IntoIterator<Item = (SessionKey, Duration)>, now: Timestamp) -> Self {
        let mut patience = HOLDER_PING_TIMEOUT;
        let mut silent = Vec::new();
        for (holder, delay) in holders {
            patience = patience.max(delay.saturating_mul(2).min(HOLDER_PING_SLOW));
            silent.push(holder);
        }
        Self { asked_at: now, until: now + patience, silent }
    }

    /// When the round ends for those that have not answered.
    #[must_use]
    pub const fn poll_timeout(&self) -> Timestamp {
        self.until
    }

    /// When a session was heard of last.
    pub fn handle_heard(&mut self, key: SessionKey, last: Timestamp) {
        if last > self.asked_at {
            self.silent.retain(|silent| *silent != key);
        }
    }

    /// Those that have not answered.
    #[must_use]
    pub fn silent(&self) -> &[SessionKey] {
        &self.silent
    }

    /// Whether the round is over: all have answered, or it took too long.
    #[must_use]
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.silent.is_empty() || self.poll_timeout() <= now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_holder_that_is_heard_of_within_the_time_is_alive_and_the_others_are_silent() {
        let now = Timestamp::from_micros(5);
        let (alive, dead) = (SessionKey::new(1), SessionKey::new(2));
        let mut check = HolderCheck::new([alive, dead].map(|holder| (holder, Duration::ZERO)), now);
        check.handle_heard(dead, now);
        check.handle_heard(alive, now + Duration::from_micros(1));
        assert_eq!(check.silent(), [dead]);
        let end = now + HOLDER_PING_TIMEOUT;
        assert!(!check.is_over(Timestamp::from_micros(end.as_micros() - 1)) && check.is_over(end));
        check.handle_heard(dead, end);
        assert!(check.is_over(now), "all have answered");
    }

    #[test]
    fn a_holder_whose_answers_are_slow_has_twice_their_delay() {
        for (delay, patience) in [
            (Duration::from_secs(1), HOLDER_PING_TIMEOUT),
            (Duration::from_millis(2500), Duration::from_secs(5)),
            (Duration::from_secs(30), HOLDER_PING_SLOW),
        ] {
            let holders = [(SessionKey::new(1), Duration::ZERO), (SessionKey::new(2), delay)];
            let check = HolderCheck::new(holders, Timestamp::ZERO);
            assert_eq!(check.poll_timeout(), Timestamp::ZERO + patience, "{delay:?}");
        }
    }
}
