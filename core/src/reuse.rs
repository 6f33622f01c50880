//! When a backend connection is kept for another request, for which one, and for how long.
//!
//! ```text
//!   exchange over ─▶ Rest::begin ─┬▶ None: close it
//!                                 └▶ Rest ─▶ may_carry? ─▶ next request
//!                                      └▶ until: close it
//! ```
//!
//! A backend closes a kept connection when it likes, and a request may cross with that. One that may be repeated is then sent
//! again on a fresh connection; any other would be lost, so that it gets a fresh one as soon as the kept one has rested for
//! longer than the quickest servers wait.

use core::time::Duration;

use crate::limits::BackendLimits;
use crate::time::Timestamp;

/// A kept connection between two exchanges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rest {
    since: Timestamp,
    until: Timestamp,
}

impl Rest {
    /// The rest of a connection whose exchange is over now; `hint` is what its backend said with `Keep-Alive: timeout=N`
    /// (RFC 2068 §19.7.1.1). `None` if the connection is to be closed.
    ///
    /// It ends [`pool_margin`](BackendLimits::pool_margin) before the backend's own time is over, and at half of that time
    /// at the latest where the margin takes more.
    #[must_use]
    pub fn begin(now: Timestamp, hint: Option<Duration>, limits: &BackendLimits) -> Option<Self> {
        let time = hint.map_or(limits.pool_time, |hint| {
            let margin = limits.pool_margin.min(hint / 2);
            limits.pool_time.min(hint.saturating_sub(margin))
        });
        (!time.is_zero()).then(|| Self { since: now, until: now + time })
    }

    /// When the connection is to be closed.
    #[must_use]
    pub const fn until(&self) -> Timestamp {
        self.until
    }

    /// Whether a request may be sent on the connection now; `is_repeatable` says whether it may be sent a second time if the
    /// backend closes meanwhile.
    #[must_use]
    pub fn may_carry(&self, is_repeatable: bool, now: Timestamp, limits: &BackendLimits) -> bool {
        let is_safe = is_repeatable || now.since(self.since) <= limits.pool_fresh_time;
        now < self.until && is_safe
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Timestamp {
        Timestamp::ZERO + Duration::from_millis(millis)
    }

    #[test]
    fn a_connection_is_closed_before_its_backend_would_close_it() {
        let limits = BackendLimits::default();
        let rows = [
            (None, Some(4_000)),
            (Some(0), None),
            (Some(1), Some(500)),
            (Some(2), Some(1_000)),
            (Some(3), Some(2_000)),
            (Some(5), Some(4_000)),
            (Some(75), Some(4_000)),
            (Some(u64::MAX), Some(4_000)),
        ];
        for (hint, expected) in rows {
            let rest = Rest::begin(at(7), hint.map(Duration::from_secs), &limits);
            assert_eq!(rest.map(|rest| rest.until()), expected.map(|time| at(7 + time)), "{hint:?}");
        }
    }

    #[test]
    fn a_request_that_may_not_be_repeated_gets_no_connection_that_rested_over_a_second() {
        let limits = BackendLimits::default();
        let rest = Rest::begin(at(0), None, &limits).unwrap();
        let rows = [
            (true, 0, true),
            (false, 1_000, true),
            (false, 1_001, false),
            (true, 3_999, true),
            (true, 4_000, false),
        ];
        for (is_repeatable, time, expected) in rows {
            assert_eq!(rest.may_carry(is_repeatable, at(time), &limits), expected, "{is_repeatable} {time}");
        }
    }
}
