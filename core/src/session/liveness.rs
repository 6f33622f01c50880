//! Timers of a session: silence, pings, the wait for a new link, token expiry.
//!
//! Any byte from the peer proves it alive, also one in the middle of a message. A stalled reader is
//! not a dead peer (law 6).

use core::time::Duration;
use serde::{Deserialize, Serialize};

use super::Role;
use super::snapshot::TIME_MAX;
use crate::limits::{
    FAREWELL_TIME, SessionLimits, TOKEN_GRACE, WAKE_PATIENCE, WAKE_PATIENCE_SLOW, WAKE_SETTLE,
};
use crate::random::Random;
use crate::time::{Timestamp, earliest};

/// Between two requests to renew at least: a token that is all but over must not make a storm.
const RENEWAL_INTERVAL_MIN: Duration = Duration::from_secs(1);

/// The round trip of a link before the first was measured. With it a probe waits for 1 s. [RFC 6298 §2.1]
const ROUND_TRIP_UNKNOWN: Duration = Duration::from_millis(250);

/// What a deadline asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Timer {
    /// When to ask a silent peer for a sign of life, or to give one.
    Ping,
    /// When the link of a silent peer is given up.
    Silence,
    /// When a session without a link is given up.
    Window,
    /// When a last word that does not get out is given up.
    Farewell,
    /// When to renew the token (telephone).
    Renewal,
    /// When the token is no longer good for new streams (plugboard).
    Expiry,
    /// When the grace after that is over.
    Grace,
}

/// A ping that is to be answered soon.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Probe {
    /// From when on bytes are an answer. What comes before may have waited in the system's buffers.
    settled_at: Timestamp,
    /// When the link is given up.
    until: Timestamp,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Liveness {
    random: Random,
    /// The last byte from the peer.
    heard_at: Timestamp,
    /// The last message to the peer.
    said_at: Timestamp,
    /// Silence before the next ping, jittered.
    ping_after: Duration,
    /// When the ping that nothing was heard since was asked for.
    asked_at: Option<Timestamp>,
    /// The question whether the link outlived a time in which this process stood still.
    probe: Option<Probe>,
    /// The number and the sending time of the ping whose pong is awaited.
    sent: Option<(u64, Timestamp)>,
    next_ping: u64,
    round_trip: Option<Duration>,
    /// The numbered message whose acknowledgement is timed: its position, and when it was sent.
    timed: Option<(u64, Timestamp)>,
    /// How long an answer of the peer takes on this link, with what is queued ahead of it: rises at once, falls slowly.
    delay: Duration,
    /// How long the session waits for a new link. While it does, silence means nothing.
    resumable_until: Option<Timestamp>,
    farewell_until: Option<Timestamp>,
    renew_at: Option<Timestamp>,
    /// When the token that the peer took last is over (telephone).
    good_until: Timestamp,
    /// When it is over (plugboard), until then.
    expires_at: Option<Timestamp>,
    grace_until: Option<Timestamp>,
}

impl Liveness {
    pub(super) fn new(seed: u64, limits: &SessionLimits, now: Timestamp) -> Self {
        let mut random = Random::new(seed);
        let ping_after = jittered(&mut random, limits.ping_interval);
        Self {
            random,
            heard_at: now,
            said_at: now,
            ping_after,
            asked_at: None,
            probe: None,
            sent: None,
            next_ping: 0,
            round_trip: None,
            timed: None,
            delay: Duration::ZERO,
            resumable_until: None,
            farewell_until: None,
            renew_at: None,
            good_until: now,
            expires_at: None,
            grace_until: None,
        }
    }

    pub(super) const fn round_trip(&self) -> Option<Duration> {
        self.round_trip
    }

    #[cfg(test)]
    pub(super) fn set_round_trip(&mut self, time: Duration) {
        self.round_trip = Some(time);
    }

    pub(super) const fn last_heard(&self) -> Timestamp {
        self.heard_at
    }

    pub(super) const fn delay(&self) -> Duration {
        self.delay
    }

    #[cfg(test)]
    pub(super) fn set_delay(&mut self, time: Duration) {
        self.delay = time;
    }

    /// Whether a session that is over, or is not, goes on from what was read from a file.
    pub(super) fn is_sound(&self, is_over: bool) -> bool {
        // A last word that never goes out, of a session that waits for its next link, would be due without end.
        self.round_trip.is_none_or(|time| time <= TIME_MAX)
            && self.delay <= TIME_MAX
            && (is_over || self.farewell_until.is_none())
    }

    /// Whether the token ran out.
    pub(super) const fn is_expired(&self) -> bool {
        self.grace_until.is_some() && !cfg!(planted = "expiry-ignored")
    }

    pub(super) const fn resumable_until(&self) -> Option<Timestamp> {
        self.resumable_until
    }

    /// When the last byte came, or the last message was sent.
    pub(super) fn quiet_since(&self) -> Timestamp {
        self.heard_at.max(self.said_at)
    }

    /// The link is gone. False if the window, which began with the last byte, is over already.
    #[must_use]
    pub(super) fn unlink(&mut self, window: Duration, now: Timestamp) -> bool {
        self.asked_at = None;
        self.probe = None;
        self.sent = None;
        self.timed = None;
        self.resumable_until = Some(self.heard_at + window).filter(|until| *until > now);
        self.resumable_until.is_some()
    }

    /// A new link is up.
    pub(super) fn link(&mut self, now: Timestamp) {
        self.resumable_until = None;
        self.probe = None;
        self.sent = None;
        self.timed = None;
        self.delay = Duration::ZERO;
        self.hear(now);
        self.say(now);
    }

    /// A last word is to go out, soon.
    pub(super) fn say_last(&mut self, now: Timestamp) {
        self.farewell_until.get_or_insert(now + FAREWELL_TIME);
    }

    /// This process stood still: a ping is sent, and the link is given up unless it is answered soon.
    pub(super) fn probe(&mut self, stood_still: Duration, now: Timestamp) {
        // A longer one was measured while it stood still.
        self.round_trip = self.round_trip.filter(|time| *time < stood_still);
        if self.delay >= stood_still {
            self.delay = Duration::ZERO;
        }
        let patience = self.round_trip.unwrap_or(ROUND_TRIP_UNKNOWN) * 4;
        let patience = patience.clamp(*WAKE_PATIENCE.start(), *WAKE_PATIENCE.end());
        let patience = patience.max((self.delay * 2).min(WAKE_PATIENCE_SLOW));
        self.probe = Some(Probe { settled_at: now + WAKE_SETTLE, until: now + patience });
        // The answers to what was sent earlier may have waited.
        self.sent = None;
        self.timed = None;
    }

    /// Bytes came.
    pub(super) fn hear(&mut self, now: Timestamp) {
        self.heard_at = self.heard_at.max(now);
        self.asked_at = None;
        self.probe = self.probe.filter(|probe| now < probe.settled_at);
    }

    /// A message goes out.
    pub(super) fn say(&mut self, now: Timestamp) {
        self.said_at = self.said_at.max(now);
    }

    /// The last round trip that was measured, with a number that no other one has; none while the next ping is on its way.
    pub(super) fn measured(&self) -> Option<(u64, Duration)> {
        let is_measured = self.sent.is_none();
        self.round_trip.filter(|_| is_measured).map(|time| (self.next_ping, time))
    }

    /// A ping goes out; says its number.
    pub(super) fn ping(&mut self, now: Timestamp) -> u64 {
        let number = self.next_ping;
        self.next_ping = self.next_ping.wrapping_add(1);
        self.sent = Some((number, now));
        number
    }

    /// A pong came. False if nobody asked for it.
    #[must_use]
    pub(super) fn pong(&mut self, number: u64, now: Timestamp) -> bool {
        match self.sent {
            Some((sent, at)) if sent == number => {
                self.sent = None;
                self.probe = None;
                self.round_trip = Some(now.since(at));
                self.learn_delay(now.since(at));
                true
            }
            Some(_) | None => false,
        }
    }

    /// A numbered message goes out, the `position`th, which the peer acknowledges soon. One at a time is timed.
    pub(super) fn time(&mut self, position: u64, now: Timestamp) {
        self.timed.get_or_insert((position, now));
    }

    /// The peer has so many numbered messages.
    pub(super) fn acknowledge(&mut self, position: u64, now: Timestamp) {
        if let Some((_, at)) = self.timed.take_if(|(timed, _)| *timed <= position) {
            self.learn_delay(now.since(at));
        }
    }

    fn learn_delay(&mut self, delay: Duration) {
        self.delay = delay.max((self.delay * 7 + delay) / 8).min(TIME_MAX);
    }

    /// A token is good for `expires_in` from now on. The telephone renews at two thirds of that, the
    /// plugboard ends the session a grace after it.
    pub(super) fn authorize(&mut self, role: Role, expires_in: Option<Duration>, now: Timestamp) {
        (self.renew_at, self.expires_at, self.grace_until) = match (role, expires_in) {
            (_, None) => (None, None, None),
            (Role::Telephone, Some(life)) => {
                // Spread by a tenth of the life, so that tokens issued together are not renewed together.
                let early = self.random.duration_up_to(life / 10);
                let wait = (life / 3 * 2).saturating_sub(early / 2).max(RENEWAL_INTERVAL_MIN);
                self.good_until = now + life;
                (Some(now + wait), None, None)
            }
            (Role::Plugboard, Some(life)) => (None, Some(now + life), None),
        };
    }

    /// Whether the token has run out, which is told once. (plugboard)
    #[must_use]
    pub(super) fn expire(&mut self, now: Timestamp) -> bool {
        let Some(expired_at) = self.expires_at.take_if(|at| *at <= now) else { return false };
        // Also when it is noticed late, by a process that was stopped.
        self.grace_until = Some(expired_at + TOKEN_GRACE);
        true
    }

    /// The next deadline.
    pub(super) fn next_deadline(&self, limits: &SessionLimits, is_owed: bool) -> Option<Timestamp> {
        let timers =
            [self.ping_at(), self.silent_at(limits, is_owed), self.resumable_until, self.farewell_until];
        let tokens = [self.renew_at, self.expires_at, self.grace_until];
        timers.into_iter().chain(tokens).fold(None, earliest)
    }

    /// Takes one timer that is due, the gravest first. Each fires once for its cause.
    pub(super) fn take_due(
        &mut self,
        limits: &SessionLimits,
        is_owed: bool,
        now: Timestamp,
    ) -> Option<Timer> {
        let is_due = |at: Option<Timestamp>| at.is_some_and(|at| at <= now);
        if is_due(self.farewell_until) {
            return Some(Timer::Farewell);
        }
        if is_due(self.resumable_until) && !cfg!(planted = "window-without-end") {
            return Some(Timer::Window);
        }
        if is_due(self.silent_at(limits, is_owed)) && !cfg!(planted = "silence-unnoticed") {
            return Some(Timer::Silence);
        }
        if is_due(self.grace_until) {
            self.grace_until = None;
            return Some(Timer::Grace);
        }
        if self.expire(now) {
            return Some(Timer::Expiry);
        }
        if is_due(self.renew_at) {
            // Asked again until the peer took one, for a file may be replaced later than this.
            let wait = (self.good_until.since(now) / 4).max(RENEWAL_INTERVAL_MIN);
            self.renew_at = Some(now + wait);
            return Some(Timer::Renewal);
        }
        if is_due(self.ping_at()) {
            // A peer that was heard of is not asked: its answer may wait behind a long message.
            if is_due(Some(self.heard_at + self.ping_after)) {
                self.asked_at = Some(now);
            }
            self.say(now);
            self.ping_after = jittered(&mut self.random, limits.ping_interval);
            return Some(Timer::Ping);
        }
        None
    }

    fn ping_at(&self) -> Option<Timestamp> {
        let is_quiet = self.asked_at.is_none() && self.resumable_until.is_none();
        // An end that only receives sends, too: a peer whose own pings wait behind a long message must receive something.
        is_quiet.then(|| self.heard_at.min(self.said_at) + self.ping_after)
    }

    fn silent_at(&self, limits: &SessionLimits, is_owed: bool) -> Option<Timestamp> {
        if self.resumable_until.is_some() {
            return None;
        }
        // A ping and its pong wait behind what others queue on the way, whose amount varies. Twice what it was lately is
        // waited for, but for a delay that was longer than silence may be.
        let more = (2 * self.delay.min(limits.idle_timeout)).saturating_sub(limits.ping_timeout);
        let idle = self.heard_at + limits.idle_timeout + more;
        let silent_at = match self.asked_at {
            Some(asked) if is_owed => idle.min(asked + limits.ping_timeout + more),
            Some(_) | None => idle,
        };
        Some(self.probe.map_or(silent_at, |probe| silent_at.min(probe.until)))
    }
}

/// `interval` ± 20 %.
fn jittered(random: &mut Random, interval: Duration) -> Duration {
    interval * 4 / 5 + random.duration_up_to(interval * 2 / 5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_last_word_of_a_session_that_goes_on_is_refused_and_so_is_an_endless_round_trip() {
        let mut liveness = Liveness::new(1, &SessionLimits::default(), Timestamp::ZERO);
        liveness.round_trip = Some(TIME_MAX);
        assert!(liveness.is_sound(false));
        liveness.farewell_until = Some(Timestamp::ZERO);
        assert!(liveness.is_sound(true) && !liveness.is_sound(false));
        liveness.round_trip = Some(TIME_MAX + Duration::from_nanos(1));
        assert!(!liveness.is_sound(true));
    }

    #[test]
    fn ten_thousand_tokens_that_were_issued_together_are_not_renewed_together() {
        const TOKENS: u64 = 10_000;
        let life = Duration::from_secs(3600);
        let renew_at = |seed| {
            let mut liveness = Liveness::new(seed, &SessionLimits::default(), Timestamp::ZERO);
            liveness.authorize(Role::Telephone, Some(life), Timestamp::ZERO);
            liveness.renew_at.map_or(Duration::ZERO, |at| at.since(Timestamp::ZERO))
        };
        let (earliest, latest) = (life / 3 * 2 - life / 20, life / 3 * 2);
        let mut seconds = alloc::vec![0_u64; 181];
        for wait in (0..TOKENS).map(renew_at) {
            assert!((earliest..=latest).contains(&wait), "{wait:?}");
            seconds[usize::try_from((wait - earliest).as_secs()).unwrap_or(usize::MAX)] += 1;
        }
        // As many as arrivals that know nothing of each other make of the mean, 55.6 a second, and five deviations. [I41]
        let most = seconds.iter().copied().max().unwrap_or(0);
        assert!(most <= 93, "{most} in one second");
        let idle = seconds[..180].iter().filter(|count| **count == 0).count();
        assert_eq!(idle, 0, "seconds in which none is renewed");
    }
}
