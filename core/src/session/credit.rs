//! Credit as absolute limits, and the session window that stream grants are carved from.
//!
//! A stream's first `stream_floor` unread octets are outside the session window, so every stream can
//! always move. What a grant allows beyond that is *reserved* from the window, and is at most half of
//! what is free: any number of stalled streams leaves room for the next one. Because grants are carved
//! from the window when they are given, no sender can exceed it, and no frame has to say so.

use core::time::Duration;
use serde::{Deserialize, Serialize};

use crate::limits::SessionLimits;
use crate::time::Timestamp;

/// A round trip until one was measured: slow start is then neither too eager nor too shy.
const ROUND_TRIP_UNKNOWN: Duration = Duration::from_millis(20);
/// Schedulers and timers are no finer than this: a shorter round trip says nothing about a window.
const ROUND_TRIP_MIN: Duration = Duration::from_millis(1);
/// A window that was not used up for this long falls back to where it started.
const WINDOW_IDLE: Duration = Duration::from_secs(10);

/// The session window: what is reserved of it, and how it grows.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Ledger {
    window: u64,
    reserved: u64,
    tuned_at: Timestamp,
}

impl Ledger {
    pub(super) const fn new(limits: &SessionLimits, now: Timestamp) -> Self {
        Self { window: limits.session_window, reserved: 0, tuned_at: now }
    }

    pub(super) const fn window(&self) -> u64 {
        self.window
    }

    pub(super) const fn reserved(&self) -> u64 {
        self.reserved
    }

    /// The largest reservation that a stream which holds `held` may have: half of what others leave free.
    const fn share(&self, held: u64) -> u64 {
        let divisor = if cfg!(planted = "whole-window-to-one") { 1 } else { 2 };
        self.window.saturating_sub(self.reserved.saturating_sub(held)) / divisor
    }

    /// Doubles the window at most once in a round trip.
    fn grow(&mut self, tuning: &Tuning<'_>) {
        if tuning.now.since(self.tuned_at) >= tuning.round_trip() {
            let doubled = self.window.saturating_mul(2).min(tuning.limits.session_window_max);
            self.window = self.window.max(doubled);
            self.tuned_at = tuning.now;
        }
    }

    /// Falls back towards the first window while little of it is used.
    pub(super) fn shrink(&mut self, limits: &SessionLimits, now: Timestamp) {
        if now.since(self.tuned_at) >= WINDOW_IDLE && self.reserved < self.window / 4 {
            let halved = (self.window / 2).max(limits.session_window);
            self.window = self.window.min(halved);
            self.tuned_at = now;
        }
    }
}

/// The receiving end of one stream direction's credit.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Grant {
    received: u64,
    consumed: u64,
    limit: u64,
    window: u64,
    reserved: u64,
    /// The length that the head declared: nothing beyond it can come.
    declared: Option<u64>,
    /// What was consumed when the window was last looked at, and when that was.
    tuned: u64,
    tuned_at: Timestamp,
}

/// What the tuning of a window depends on besides the window.
pub(super) struct Tuning<'a> {
    pub(super) limits: &'a SessionLimits,
    pub(super) round_trip: Option<Duration>,
    pub(super) now: Timestamp,
}

impl Tuning<'_> {
    fn round_trip(&self) -> Duration {
        self.round_trip.unwrap_or(ROUND_TRIP_UNKNOWN).max(ROUND_TRIP_MIN)
    }
}

impl Grant {
    /// Credit of a new stream: its floor.
    pub(super) const fn new(limits: &SessionLimits, now: Timestamp) -> Self {
        Self {
            received: 0,
            consumed: 0,
            limit: limits.stream_floor,
            window: limits.stream_window,
            reserved: 0,
            declared: None,
            tuned: 0,
            tuned_at: now,
        }
    }

    pub(super) const fn limit(&self) -> u64 {
        self.limit
    }

    pub(super) const fn received(&self) -> u64 {
        self.received
    }

    #[cfg(test)]
    pub(super) const fn window(&self) -> u64 {
        self.window
    }

    pub(super) const fn reserved(&self) -> u64 {
        self.reserved
    }

    pub(super) const fn consumed(&self) -> u64 {
        self.consumed
    }

    pub(super) const fn declared(&self) -> Option<u64> {
        self.declared
    }

    /// A head said how much will come; what was reserved beyond it is free again.
    pub(super) fn declare(&mut self, length: Option<u64>, ledger: &mut Ledger, limits: &SessionLimits) {
        self.declared = length;
        self.settle(ledger, limits);
    }

    /// Counts `count` octets that arrived. False if they go past the limit.
    #[must_use]
    pub(super) fn receive(&mut self, count: u64) -> bool {
        match self.received.checked_add(count) {
            Some(received) if received <= self.limit || cfg!(planted = "credit-unchecked") => {
                self.received = received;
                true
            }
            Some(_) | None => false,
        }
    }

    /// Counts `count` octets that were read.
    pub(super) fn consume(&mut self, count: u64, ledger: &mut Ledger, limits: &SessionLimits) {
        if cfg!(planted = "credit-not-returned") {
            return;
        }
        self.consumed = self.consumed.saturating_add(count).min(self.received);
        self.settle(ledger, limits);
    }

    /// Raises the limit if a quarter of what the stream may have now is used up, and half of its floor. True if a credit
    /// frame is due.
    ///
    /// Less than that is not worth a frame, and is never waited for: a sender that used up all it had is
    /// below any share. With half a window as the step, a sender would stand still for a third of the time on a link that
    /// holds three quarters of its window. [M-09]
    pub(super) fn extend(&mut self, ledger: &mut Ledger, tuning: &Tuning<'_>) -> bool {
        let is_covered = self.declared.is_some_and(|length| length <= self.limit);
        let allowance = self.allowance(ledger, tuning);
        let step = (allowance / 4).max(tuning.limits.stream_floor / 2);
        if is_covered || self.unused() > allowance.saturating_sub(step) {
            return false;
        }
        self.tune(ledger, tuning);
        let extra = u64::from(cfg!(planted = "window-off-by-one"));
        let limit = self.consumed.saturating_add(self.allowance(ledger, tuning)) + extra;
        if limit <= self.limit {
            return false;
        }
        self.limit = limit;
        self.settle(ledger, tuning.limits);
        true
    }

    /// No more octets will come: only what is unread stays reserved.
    pub(super) fn finish(&mut self, ledger: &mut Ledger, limits: &SessionLimits) {
        self.limit = self.received;
        self.settle(ledger, limits);
    }

    /// Gives everything back: what is unread will not be read.
    pub(super) fn close(&mut self, ledger: &mut Ledger) {
        if cfg!(planted = "reservation-leaked") {
            return;
        }
        ledger.reserved = ledger.reserved.saturating_sub(self.reserved);
        self.reserved = 0;
    }

    /// Octets that are granted and not consumed: in flight, buffered, or not sent yet.
    const fn unused(&self) -> u64 {
        self.limit.saturating_sub(self.consumed)
    }

    /// What the stream may have unread now: its floor and its share of the session window.
    fn allowance(&self, ledger: &Ledger, tuning: &Tuning<'_>) -> u64 {
        let floor = tuning.limits.stream_floor;
        let wanted = self.window.saturating_sub(floor);
        floor.saturating_add(wanted.min(ledger.share(self.reserved)))
    }

    /// A window that was read in less than two round trips may hold the sender back, who has all of it under way: double
    /// it, or the session's if that one is the narrower. One that lasted long falls back to where it began.
    ///
    /// A whole window is looked at, for a reader that was waited for takes what stands in the buffer at once: that says
    /// nothing of the way.
    fn tune(&mut self, ledger: &mut Ledger, tuning: &Tuning<'_>) {
        let read = self.consumed.saturating_sub(self.tuned);
        let taken = tuning.now.since(self.tuned_at);
        // Time runs from the first octets.
        let is_begun = self.tuned > 0;
        let allowance = self.allowance(ledger, tuning);
        if is_begun && read < allowance && taken <= WINDOW_IDLE {
            return;
        }
        (self.tuned, self.tuned_at) = (self.consumed, tuning.now);
        let in_two_round_trips = tuning.round_trip().as_nanos() * 2 * u128::from(read);
        let is_fast = is_begun && taken.as_nanos() * u128::from(allowance) < in_two_round_trips;
        let is_session_narrower = allowance < self.window;
        if is_fast && is_session_narrower {
            ledger.grow(tuning);
        } else if is_fast {
            let doubled = self.window.saturating_mul(2).min(tuning.limits.stream_window_max);
            self.window = self.window.max(doubled);
        } else if is_begun && taken > WINDOW_IDLE {
            self.window = tuning.limits.stream_window;
        }
    }

    /// Makes the reservation what the unread part of the grant needs beyond the floor.
    fn settle(&mut self, ledger: &mut Ledger, limits: &SessionLimits) {
        let reach = self.declared.map_or(self.limit, |length| length.min(self.limit));
        let needed = reach.saturating_sub(self.consumed).saturating_sub(limits.stream_floor);
        ledger.reserved = ledger.reserved.saturating_sub(self.reserved).saturating_add(needed);
        self.reserved = needed;
    }
}

#[cfg(test)]
mod tests;
