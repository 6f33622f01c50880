//! Which requests may be sent a second time, and how many of them.

use crate::error::{Reset, ResetCode, Touched};
use crate::limits::{RETRY_COST, RouterLimits};
use crate::message::RequestHead;
use crate::time::Timestamp;

/// Methods whose requests may be repeated: doing them twice is the same as doing them once (RFC 9110 §9.2.2).
#[must_use]
pub fn is_idempotent(method: &[u8]) -> bool {
    if cfg!(planted = "post-repeated") && method == b"POST" {
        return true;
    }
    matches!(method, b"GET" | b"HEAD" | b"OPTIONS" | b"TRACE" | b"PUT" | b"DELETE")
}

/// Whether a request whose stream ended in `reset`, before any of an answer came, may be given to another session.
///
/// It must be whole in its head, for what was read of a body is gone. Then it may if nobody took it, or if its session was
/// lost and it is idempotent (I31).
#[must_use]
pub fn may_repeat(head: &RequestHead, is_whole: bool, reset: Reset) -> bool {
    let is_lost = reset.code == ResetCode::SessionLost && may_move(head, is_whole);
    let is_untouched = reset.touched == Touched::No
        && matches!(reset.code, ResetCode::Refused | ResetCode::Exhausted | ResetCode::SessionLost);
    (is_whole || cfg!(planted = "half-a-request-repeated")) && (is_untouched || is_lost)
}

/// Whether a request is worth another session that is ready, since the application of its own accepted no connection: it is
/// certain that nothing of the request was seen, and the next check of the application's health is still to come.
#[must_use]
pub fn may_try_ready(is_whole: bool, reset: Reset) -> bool {
    is_whole && reset.code == ResetCode::Unreachable && reset.touched == Touched::No
}

/// Whether a request may be given to another session while it may still be under way on the first.
#[must_use]
pub fn may_move(head: &RequestHead, is_whole: bool) -> bool {
    is_whole && is_idempotent(&head.method)
}

/// When a request that has waited since `since` for a stream of a session is refused; a stream came free for one that waits
/// at `freed_at` the last time. While streams end the telephone works and a place comes, so that the wait may be longer than
/// that for a telephone that is gone.
#[must_use]
pub fn slot_deadline(since: Timestamp, freed_at: Timestamp, limits: &RouterLimits) -> Timestamp {
    let stuck = freed_at.max(since) + limits.park_time;
    stuck.min(since + limits.slot_time.max(limits.park_time))
}

/// How many requests a relay sends a second time: one for each [`RETRY_COST`] that it was asked for, and a few each
/// second beside, so that an application that fails is not asked twice for everything, just when it can bear it least.
#[derive(Debug)]
pub struct RetryBudget {
    /// Retries a second that need not be earned.
    rate: u64,
    /// What is kept at most, in parts of a request.
    parts_max: u64,
    /// What is left, in parts of a request.
    parts: u64,
    refilled_at: Timestamp,
}

impl RetryBudget {
    /// Full, with [`RouterLimits::retries`] that are free each second and [`RouterLimits::retries_kept`] at most.
    #[must_use]
    pub const fn new(limits: &RouterLimits, now: Timestamp) -> Self {
        let parts_max = limits.retries_kept.saturating_mul(RETRY_COST);
        Self { rate: limits.retries, parts_max, parts: parts_max, refilled_at: now }
    }

    /// A request came.
    pub fn earn(&mut self) {
        self.add(1);
    }

    /// Whether one request may be sent again now.
    #[must_use]
    pub fn spend(&mut self, now: Timestamp) -> bool {
        const SECOND: u64 = 1_000_000;
        let elapsed = u64::try_from(now.since(self.refilled_at).as_micros()).unwrap_or(u64::MAX);
        let parts_a_second = self.rate.saturating_mul(RETRY_COST);
        let parts = elapsed.saturating_mul(parts_a_second) / SECOND;
        if parts > 0 {
            self.add(parts);
            // What is left of a part counts the next time.
            let worth = parts.saturating_mul(SECOND).div_ceil(parts_a_second);
            self.refilled_at = self.refilled_at + core::time::Duration::from_micros(worth.min(elapsed));
        }
        let left = self.parts.checked_sub(RETRY_COST);
        self.parts = left.unwrap_or(self.parts);
        left.is_some() || cfg!(planted = "retries-without-end")
    }

    fn add(&mut self, parts: u64) {
        self.parts = self.parts.saturating_add(parts).min(self.parts_max);
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use bytes::Bytes;

    use super::*;
    use crate::message::Headers;

    fn request(method: &'static str) -> RequestHead {
        RequestHead {
            method: Bytes::from_static(method.as_bytes()),
            target: Bytes::from_static(b"/"),
            headers: Headers::new(),
            length: None,
            upgrade: None,
            wants_trailers: false,
        }
    }

    #[test]
    fn a_request_whose_connection_was_refused_is_worth_another_session_if_it_is_whole() {
        let down = Reset { code: ResetCode::Unreachable, touched: Touched::No };
        assert!(may_try_ready(true, down) && !may_try_ready(false, down));
        assert!(!may_try_ready(true, Reset { touched: Touched::Unknown, ..down }));
        assert!(!may_try_ready(true, Reset { code: ResetCode::TimedOut, ..down }));
    }

    #[test]
    fn only_what_is_whole_and_reached_no_backend_or_is_idempotent_is_repeated() {
        let refused = Reset { code: ResetCode::Refused, touched: Touched::No };
        let lost = Reset { code: ResetCode::SessionLost, touched: Touched::Unknown };
        let rows = [
            ("GET", true, refused, true),
            ("POST", true, refused, true),
            ("POST", false, refused, false),
            ("POST", true, Reset { code: ResetCode::Exhausted, ..refused }, true),
            ("POST", false, Reset { code: ResetCode::Exhausted, ..refused }, false),
            ("GET", true, Reset { code: ResetCode::Exhausted, touched: Touched::Yes }, false),
            ("GET", true, lost, true),
            ("DELETE", true, lost, true),
            ("PUT", false, lost, false),
            ("POST", true, lost, false),
            ("POST", true, Reset { touched: Touched::No, ..lost }, true),
            ("get", true, lost, false),
            ("GET", true, Reset { touched: Touched::Unknown, ..refused }, false),
            ("GET", true, Reset { code: ResetCode::TimedOut, touched: Touched::Yes }, false),
        ];
        for (method, is_whole, reset, expected) in rows {
            assert_eq!(
                may_repeat(&request(method), is_whole, reset),
                expected,
                "{method} {is_whole} {reset:?}"
            );
        }
    }

    #[test]
    fn a_request_waits_longer_for_a_telephone_whose_streams_end() {
        let at = |seconds| Timestamp::ZERO + Duration::from_secs(seconds);
        let limits = RouterLimits::default();
        for (freed, expected) in [(0, 105), (100, 105), (103, 108), (124, 129), (128, 130), (200, 130)] {
            assert_eq!(slot_deadline(at(100), at(freed), &limits), at(expected), "{freed}");
        }
    }

    const KEPT: u64 = 30;

    fn budget(retries: u64, now: Timestamp) -> RetryBudget {
        RetryBudget::new(&RouterLimits { retries, retries_kept: KEPT, ..RouterLimits::default() }, now)
    }

    fn spent(budget: &mut RetryBudget, tries: u64, now: Timestamp) -> u64 {
        (0..tries).map(|_| u64::from(budget.spend(now))).sum()
    }

    #[test]
    fn a_fifth_of_the_requests_and_some_each_second_are_sent_again() {
        let mut now = Timestamp::ZERO;
        let mut budget = budget(10, now);
        assert_eq!(spent(&mut budget, 5000, now), KEPT, "a relay that starts has a full budget");
        for _ in 0..50 {
            budget.earn();
        }
        assert_eq!(spent(&mut budget, 5000, now), 10);
        let mut retried = 0;
        for _ in 0..1000 {
            now = now + Duration::from_millis(13);
            retried += spent(&mut budget, 3, now);
        }
        assert_eq!(retried, 130, "thirteen seconds of ten each");
        now = now + Duration::from_secs(3600);
        assert_eq!(spent(&mut budget, 5000, now), KEPT, "no more is kept");
    }

    #[test]
    fn nothing_is_sent_again_for_nothing() {
        let mut budget = budget(0, Timestamp::ZERO);
        let later = Timestamp::ZERO + Duration::from_secs(86_400);
        assert_eq!(spent(&mut budget, 5000, later), KEPT);
        assert!(!budget.spend(later + Duration::from_secs(86_400)));
    }
}
