//! When a telephone dials, how long it waits, and whether it gives up.

use core::time::Duration;

use crate::error::{CloseReason, LeaveCode};
use crate::limits::{
    MOVE_WITHIN_MAX, REDIAL_BURST, REDIAL_FORBIDDEN_DELAY, REDIAL_GAP, REDIAL_GOOD_AFTER, REDIAL_QUICK_MAX,
    REDIAL_QUICK_TIME, REDIAL_REPLACED, REDIAL_RETRY_AFTER_MAX, REDIAL_SPREAD, TOKEN_WATCH_INTERVAL,
};
use crate::random::Random;
use crate::time::Timestamp;
use crate::wire::{Refused, RefusedCode};

/// What the operator decides about redialling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DialerConfig {
    /// The longest first delay; it doubles with each failure.
    pub backoff_base: Duration,
    /// What the doubling stops at.
    pub backoff_max: Duration,
    /// Attempts in a row without a good link before giving up; 0 is never.
    pub attempts_max: u32,
    /// Whether no other token can come: then a refused token is the end.
    pub token_is_fixed: bool,
}

impl Default for DialerConfig {
    fn default() -> Self {
        Self {
            backoff_base: Duration::from_secs(1),
            backoff_max: Duration::from_secs(30),
            attempts_max: 0,
            token_is_fixed: true,
        }
    }
}

/// What the driver is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DialEvent {
    /// Connect and shake hands, then say how it went.
    Dial,
    /// Read the token again: if it is another one than that which was refused, [`Dialer::handle_token_changed`].
    ReadToken,
    /// Stop: this dialer says nothing more.
    GiveUp(GiveUp),
}

/// Why a dialer gave up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GiveUp {
    /// [`DialerConfig::attempts_max`] attempts in a row led to no good link.
    AttemptsExhausted,
    /// The plugboard refused the only token that there is.
    Refused,
}

/// Why there is no session, or no longer one, where the reason is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DialFailure {
    /// No connection, or no WebSocket, or no end of the handshake.
    Unreachable,
    /// The plugboard will not have it now: busy, stopping, or the mount is held.
    Refused {
        /// When it wants to be asked again.
        retry_after: Option<Duration>,
    },
    /// The plugboard will never have this token: a bad signature, or a mount outside its claims.
    Forbidden,
}

impl From<&Refused> for DialFailure {
    fn from(refused: &Refused) -> Self {
        match refused.code {
            RefusedCode::Forbidden | RefusedCode::Expired => Self::Forbidden,
            // As good as not there: whoever is to follow it may answer at once.
            RefusedCode::Leaving => Self::Unreachable,
            RefusedCode::Held
            | RefusedCode::Stale
            | RefusedCode::Busy
            | RefusedCode::Malformed
            | RefusedCode::Other(_) => {
                Self::Refused { retry_after: refused.retry_after_ms.map(Duration::from_millis) }
            }
        }
    }
}

/// When to dial one plugboard.
///
/// A link that is lost is redialled within the *spread*, a delay that the plugboard chose so that all its
/// telephones together are no stampede. Each failure doubles it: while the session may resume up to
/// [`REDIAL_QUICK_MAX`] or the spread, later, and for a plugboard that refuses, from
/// [`DialerConfig::backoff_base`] up to [`DialerConfig::backoff_max`]. Every delay is drawn uniformly from
/// zero up to that. Both ladders fall back once a link was good: something was acknowledged on it, or it
/// was up for [`REDIAL_GOOD_AFTER`]. Whatever happens, no more than 60 attempts come in any 30 s (I41).
///
/// ```text
///            handle_timeout           poll_event: Dial            handle_established
///   Waiting ───────────────▶ Due ──────────────────────▶ Dialling ─────────────────▶ Up
///      ▲                                                    │ handle_failed          │ handle_lost,
///      └────────────────────────────────────────────────────┴────────────────────────┘ handle_failed
/// ```
///
/// A telephone whose token was refused, and may be replaced, waits for a minute or for another token: once a second it is
/// to read it again.
///
/// Inputs that do not fit the state change nothing.
#[derive(Debug)]
pub struct Dialer {
    config: DialerConfig,
    random: Random,
    state: State,
    /// Attempts since the last good link.
    attempts: u32,
    /// A link was lost since the last good one.
    has_lost: bool,
    /// Failures since then at the quick pace, and at the slow one.
    quick_failures: u32,
    slow_failures: u32,
    spread: Duration,
    /// Until when redials are quick.
    quick_until: Timestamp,
    pace: Pace,
    /// When the token is to be read again, in a wait for another one.
    watch_at: Option<Timestamp>,
    is_read_due: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Waiting { since: Timestamp, until: Timestamp },
    Due,
    Dialling,
    Up { since: Timestamp },
    GivingUp(GiveUp),
    Over,
}

impl Dialer {
    /// A dialer that dials at once. Every delay follows from `seed`.
    #[must_use]
    pub fn new(config: DialerConfig, seed: u64, now: Timestamp) -> Self {
        let mut pace = Pace::new(now);
        pace.count(now);
        Self {
            config,
            random: Random::new(seed),
            state: State::Due,
            attempts: 0,
            has_lost: false,
            quick_failures: 0,
            slow_failures: 0,
            spread: *REDIAL_SPREAD.start(),
            quick_until: Timestamp::ZERO,
            pace,
            watch_at: None,
            is_read_due: false,
        }
    }

    /// What to do now.
    pub fn poll_event(&mut self) -> Option<DialEvent> {
        match self.state {
            State::Waiting { .. } => core::mem::take(&mut self.is_read_due).then_some(DialEvent::ReadToken),
            State::Due => {
                self.attempts = self.attempts.saturating_add(1);
                self.state = State::Dialling;
                Some(DialEvent::Dial)
            }
            State::GivingUp(reason) => {
                self.state = State::Over;
                Some(DialEvent::GiveUp(reason))
            }
            State::Dialling | State::Up { .. } | State::Over => None,
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        match self.state {
            State::Waiting { until, .. } => Some(self.watch_at.map_or(until, |at| at.min(until))),
            State::Due | State::Dialling | State::Up { .. } | State::GivingUp(_) | State::Over => None,
        }
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        let State::Waiting { until, .. } = self.state else { return };
        if until <= now {
            self.pace.count(now);
            self.state = State::Due;
            self.watch_at = None;
        } else if self.watch_at.is_some_and(|at| at <= now) {
            self.watch_at = Some(now + TOKEN_WATCH_INTERVAL);
            self.is_read_due = true;
        }
    }

    /// There is another token than the one that was refused: the wait for it ends. A telephone that waits for something
    /// else goes on waiting.
    pub fn handle_token_changed(&mut self, now: Timestamp) {
        if self.watch_at.is_some() && matches!(self.state, State::Waiting { .. }) {
            self.delay_by(Duration::ZERO, Duration::ZERO, now);
        }
    }

    /// The handshake is done. `spread` is what the plugboard says; it is kept within [`REDIAL_SPREAD`].
    pub fn handle_established(&mut self, spread: Duration, now: Timestamp) {
        if self.state == State::Dialling {
            self.spread = spread.clamp(*REDIAL_SPREAD.start(), *REDIAL_SPREAD.end());
            self.state = State::Up { since: now };
        }
    }

    /// The session moved its position: the link is good.
    pub const fn handle_progress(&mut self, _now: Timestamp) {
        if matches!(self.state, State::Up { .. }) {
            self.fall_back();
        }
    }

    /// An attempt failed, or the plugboard ended the session for a reason.
    pub fn handle_failed(&mut self, failure: DialFailure, now: Timestamp) {
        match self.state {
            State::Dialling | State::Up { .. } => self.leave_link(now),
            State::Waiting { .. } | State::Due | State::GivingUp(_) | State::Over => return,
        }
        match failure {
            DialFailure::Unreachable if now < self.quick_until => {
                self.quick_failures = self.quick_failures.saturating_add(1);
                self.wait(Duration::ZERO, self.quick_ceiling(), now);
            }
            DialFailure::Unreachable => self.wait_slowly(Duration::ZERO, now),
            DialFailure::Refused { retry_after } => {
                self.wait_slowly(retry_after.unwrap_or_default().min(REDIAL_RETRY_AFTER_MAX), now);
            }
            DialFailure::Forbidden if self.config.token_is_fixed => {
                self.state = State::GivingUp(GiveUp::Refused);
            }
            DialFailure::Forbidden => {
                self.wait(REDIAL_FORBIDDEN_DELAY, REDIAL_FORBIDDEN_DELAY / 4, now);
                // Telephones that were refused at one moment would look, and dial, in step.
                let first = self.random.duration_up_to(TOKEN_WATCH_INTERVAL);
                self.watch_at = matches!(self.state, State::Waiting { .. }).then(|| now + first);
            }
        }
    }

    /// The link broke without a word. `resumable_until` is when its session ends for good; where that is
    /// not known a plugboard that restarts is given [`REDIAL_QUICK_TIME`].
    pub fn handle_lost(&mut self, resumable_until: Option<Timestamp>, now: Timestamp) {
        if !matches!(self.state, State::Up { .. }) {
            return;
        }
        self.leave_link(now);
        // A plugboard that accepts links and drops them unused, again and again, is not one that restarts.
        let was_good = self.attempts == 0;
        let is_first = !core::mem::replace(&mut self.has_lost, true);
        let restart = (was_good || is_first).then(|| now + REDIAL_QUICK_TIME);
        self.quick_until = resumable_until.or(restart).unwrap_or(self.quick_until);
        if was_good {
            self.wait(Duration::ZERO, self.spread, now);
        } else if now < self.quick_until {
            self.quick_failures = self.quick_failures.saturating_add(1);
            self.wait(Duration::ZERO, self.quick_ceiling(), now);
        } else {
            self.wait_slowly(Duration::ZERO, now);
        }
    }

    /// The plugboard asks for the next session within this time, kept below [`MOVE_WITHIN_MAX`], while the present one goes
    /// on: it is about to leave, and whoever follows it may not be there yet.
    pub fn handle_move(&mut self, within: Duration, now: Timestamp) {
        if !matches!(self.state, State::Up { .. }) || cfg!(planted = "move-forgotten") {
            return;
        }
        self.leave_link(now);
        self.quick_until = now + REDIAL_QUICK_TIME;
        self.delay_by(Duration::ZERO, within.min(MOVE_WITHIN_MAX), now);
    }

    /// This process stood still, and what its dials waited for may be over: the next one comes within the spread, and those
    /// behind it are quick for as long as a network may take to come up.
    pub fn handle_woken(&mut self, now: Timestamp) {
        self.quick_until = self.quick_until.max(now + REDIAL_QUICK_TIME);
        self.quick_failures = 0;
        if let State::Waiting { since, until } = self.state {
            let soon = now + self.random.duration_up_to(self.spread).max(self.pace.wait(now));
            self.state = State::Waiting { since, until: until.min(soon) };
        }
    }

    /// The session ended with its link.
    pub fn handle_session_over(&mut self, reason: CloseReason, now: Timestamp) {
        match reason {
            CloseReason::Left
            | CloseReason::LinkLost
            | CloseReason::Silent
            | CloseReason::Received(LeaveCode::Stopped) => self.handle_lost(None, now),
            CloseReason::Received(LeaveCode::Revoked | LeaveCode::Forbidden) => {
                self.handle_failed(DialFailure::Forbidden, now);
            }
            CloseReason::Received(LeaveCode::Replaced) => {
                self.handle_failed(DialFailure::Refused { retry_after: Some(REDIAL_REPLACED) }, now);
            }
            // After the end of a token the next dial tells what is to become of it: there may be another token by now, or
            // another clock.
            CloseReason::Received(_) | CloseReason::Sent(_) | CloseReason::Misbehaved(_) => {
                self.handle_failed(DialFailure::Refused { retry_after: None }, now);
            }
        }
    }

    /// Whether it waits for another token than the one that was refused.
    #[must_use]
    pub const fn is_awaiting_token(&self) -> bool {
        self.watch_at.is_some() && matches!(self.state, State::Waiting { .. })
    }

    /// Attempts since the last good link, a running one included.
    #[must_use]
    pub const fn attempts(&self) -> u32 {
        self.attempts
    }

    /// How long the current wait is in all, for logs.
    #[must_use]
    pub const fn delay(&self) -> Option<Duration> {
        match self.state {
            State::Waiting { since, until } => Some(until.since(since)),
            State::Due | State::Dialling | State::Up { .. } | State::GivingUp(_) | State::Over => None,
        }
    }

    /// Forgives earlier failures if the link that ends now was up for long.
    fn leave_link(&mut self, now: Timestamp) {
        if matches!(self.state, State::Up { since } if now.since(since) >= REDIAL_GOOD_AFTER) {
            self.fall_back();
        }
    }

    const fn fall_back(&mut self) {
        self.attempts = 0;
        self.has_lost = false;
        self.quick_failures = 0;
        self.slow_failures = 0;
    }

    fn wait_slowly(&mut self, least: Duration, now: Timestamp) {
        let ceiling = doubled(self.config.backoff_base, self.slow_failures).min(self.config.backoff_max);
        self.slow_failures = self.slow_failures.saturating_add(1);
        self.wait(least, ceiling, now);
    }

    fn quick_ceiling(&self) -> Duration {
        doubled(self.spread, self.quick_failures).min(self.spread.max(REDIAL_QUICK_MAX))
    }

    /// Waits for `least` and up to `jitter` more, or gives up.
    fn wait(&mut self, least: Duration, jitter: Duration, now: Timestamp) {
        let max = self.config.attempts_max;
        if max > 0 && self.attempts >= max {
            self.state = State::GivingUp(GiveUp::AttemptsExhausted);
        } else {
            self.delay_by(least, jitter, now);
        }
    }

    /// Waits for `least` and up to `jitter` more.
    fn delay_by(&mut self, least: Duration, jitter: Duration, now: Timestamp) {
        (self.watch_at, self.is_read_due) = (None, false);
        if cfg!(planted = "no-backoff") {
            self.state = State::Waiting { since: now, until: now };
            return;
        }
        let drawn = least.saturating_add(self.random.duration_up_to(jitter));
        let held_back = self.pace.wait(now);
        let delay = if drawn < held_back {
            // The steady gap alone would keep step with whatever breaks links at a beat of its own. Being late
            // counts against no later attempt, and the sum stays below REDIAL_QUICK_MAX.
            held_back.saturating_add(self.random.duration_up_to(REDIAL_GAP / 2))
        } else {
            drawn
        };
        self.state = State::Waiting { since: now, until: now + delay };
    }
}

/// `base` doubled `times` times.
fn doubled(base: Duration, times: u32) -> Duration {
    base.saturating_mul(1_u32.checked_shl(times).unwrap_or(u32::MAX))
}

/// Bounds the attempts in any stretch of time, as ATM networks do (GCRA): each one moves the time at which
/// all of them would be over at the steady gap, and that may lie ahead by a burst only.
#[derive(Debug)]
struct Pace {
    over_at: Timestamp,
}

impl Pace {
    const fn new(now: Timestamp) -> Self {
        Self { over_at: now }
    }

    fn count(&mut self, now: Timestamp) {
        self.over_at = self.over_at.max(now) + REDIAL_GAP;
    }

    /// How long the next attempt has to wait.
    fn wait(&self, now: Timestamp) -> Duration {
        self.over_at.since(now).saturating_sub(REDIAL_GAP.saturating_mul(REDIAL_BURST.saturating_sub(1)))
    }
}

#[cfg(test)]
mod tests;
