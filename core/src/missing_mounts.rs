//! When a telephone presents its mounts again, since its plugboard left it fewer than it wants.
//!
//! ```text
//!  scope lacks mounts ─▶ wait 1, 2, 4 … 60 s ─▶ present all of them ─▶ scope …
//! ```
//!
//! A port may become free, another process may end, a renewed token may cover more. Nothing tells a telephone of these, so
//! that it asks; one frame a minute is all that a lasting refusal costs. Each telephone counts from its own scope, so that
//! no jitter is needed.

use core::time::Duration;

use crate::limits::{MISSING_RETRY_MAX, MISSING_RETRY_MIN};
use crate::time::Timestamp;

/// The mounts that one session lacks.
#[derive(Debug)]
pub struct MissingMounts {
    wait: Duration,
    present_at: Option<Timestamp>,
}

impl Default for MissingMounts {
    fn default() -> Self {
        Self { wait: MISSING_RETRY_MIN, present_at: None }
    }
}

impl MissingMounts {
    /// The plugboard said which mounts the session has: all that the telephone wants, or fewer.
    pub fn handle_scope(&mut self, is_whole: bool, now: Timestamp) {
        if is_whole {
            *self = Self::default();
        } else if self.present_at.is_none() {
            self.present_at = Some(now + self.wait);
            self.wait = (self.wait * 2).min(MISSING_RETRY_MAX);
        }
    }

    /// When [`poll_present`](Self::poll_present) is to be called.
    #[must_use]
    pub const fn poll_timeout(&self) -> Option<Timestamp> {
        self.present_at
    }

    /// Whether all mounts are to be presented now. The scope that answers them says how to go on.
    #[must_use]
    pub fn poll_present(&mut self, now: Timestamp) -> bool {
        self.present_at.take_if(|at| *at <= now).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_mounts_are_presented_after_ever_longer_waits_until_none_is_missing() {
        let mut missing = MissingMounts::default();
        let mut now = Timestamp::ZERO;
        for wait in [1, 2, 4, 8, 16, 32, 60, 60] {
            missing.handle_scope(false, now);
            // Another scope meanwhile, as after a change of readiness, delays nothing.
            missing.handle_scope(false, now + Duration::from_millis(500));
            now = now + Duration::from_secs(wait);
            assert_eq!(missing.poll_timeout(), Some(now));
            assert!(!missing.poll_present(Timestamp::from_micros(now.as_micros() - 1)));
            assert!(missing.poll_present(now));
            assert!(!missing.poll_present(now) && missing.poll_timeout().is_none());
        }
        missing.handle_scope(true, now);
        assert_eq!(missing.poll_timeout(), None);
        missing.handle_scope(false, now);
        assert_eq!(missing.poll_timeout(), Some(now + Duration::from_secs(1)));
    }
}
