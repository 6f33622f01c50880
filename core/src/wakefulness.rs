//! Whether this process stood still: its machine was suspended, or the process was stopped.
//!
//! Timers stand still with a suspended machine, and its links may end in the meantime without a sign. A clock that counts
//! while the machine is suspended shows it: more time has passed than was waited for.

use core::time::Duration;

use crate::limits::{WAKE_LATE_MIN, WAKE_LOOK_INTERVAL};
use crate::time::Timestamp;

/// Compares the time that a timer was set for with the time that has passed.
///
/// `now` is the time of timers. `boot` is a clock that counts while the machine is suspended, too, in its own epoch; nobody
/// sets it, so that a change of the wall clock means nothing here.
///
/// ```
/// use core::time::Duration;
/// use telephone_core::time::Timestamp;
/// use telephone_core::wakefulness::Wakefulness;
///
/// let at = |seconds| Timestamp::ZERO + Duration::from_secs(seconds);
/// let mut wakefulness = Wakefulness::new(at(0), at(100));
/// let then = wakefulness.poll_timeout();
/// assert_eq!(wakefulness.handle_timeout(then, at(101)), None);
/// let then = wakefulness.poll_timeout();
/// assert_eq!(wakefulness.handle_timeout(then, at(132)), Some(Duration::from_secs(30)));
/// ```
#[derive(Debug, Clone)]
pub struct Wakefulness {
    next_at: Timestamp,
    looked_at: Timestamp,
}

impl Wakefulness {
    /// Looks for the first time a [`WAKE_LOOK_INTERVAL`] after `now`.
    #[must_use]
    pub fn new(now: Timestamp, boot: Timestamp) -> Self {
        Self { next_at: now + WAKE_LOOK_INTERVAL, looked_at: boot }
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called.
    #[must_use]
    pub const fn poll_timeout(&self) -> Timestamp {
        self.next_at
    }

    /// The timer fired. Returns for how long the process stood still, if it did.
    pub fn handle_timeout(&mut self, now: Timestamp, boot: Timestamp) -> Option<Duration> {
        let passed = boot.since(self.looked_at);
        *self = Self::new(now, boot);
        Some(passed.saturating_sub(WAKE_LOOK_INTERVAL)).filter(|late| *late >= WAKE_LATE_MIN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// How late the timer is said to be that fires when both clocks have moved on by so much.
    fn late(now: Duration, boot: Duration) -> Option<Duration> {
        let mut wakefulness = Wakefulness::new(Timestamp::ZERO, Timestamp::ZERO + SECOND * 500);
        let (now, boot) = (Timestamp::ZERO + now, Timestamp::ZERO + SECOND * 500 + boot);
        let found = wakefulness.handle_timeout(now, boot);
        assert_eq!(wakefulness.poll_timeout(), now + WAKE_LOOK_INTERVAL);
        // Once for each time that it stood still.
        assert_eq!(wakefulness.handle_timeout(now + SECOND, boot + SECOND), None);
        found
    }

    #[test]
    fn a_suspended_machine_and_a_stopped_process_are_noticed() {
        // The clock of timers stood still.
        assert_eq!(late(SECOND, SECOND * 13), Some(SECOND * 12));
        // It went on.
        assert_eq!(late(SECOND * 13, SECOND * 13), Some(SECOND * 12));
        assert_eq!(late(SECOND, SECOND + WAKE_LATE_MIN), Some(WAKE_LATE_MIN));
    }

    #[test]
    fn a_busy_machine_and_a_clock_that_goes_back_are_not() {
        assert_eq!(late(SECOND, SECOND), None);
        assert_eq!(late(SECOND * 3, SECOND * 3), None);
        assert_eq!(late(SECOND * 9, Duration::ZERO), None);
    }
}
