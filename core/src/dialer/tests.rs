use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::time::Duration;

use super::{DialEvent, DialFailure, Dialer, DialerConfig, GiveUp};
use crate::error::{CloseReason, LeaveCode};
use crate::time::Timestamp;

const SPREAD: Duration = Duration::from_millis(100);

/// A dialer on virtual time, and when it dialled.
struct Telephone {
    dialer: Dialer,
    now: Timestamp,
    dialled: Vec<Timestamp>,
}

impl Telephone {
    fn new(config: DialerConfig, seed: u64) -> Self {
        let now = Timestamp::from_micros(5);
        Self { dialer: Dialer::new(config, seed, now), now, dialled: Vec::new() }
    }

    /// A telephone whose first link is up.
    fn connected(config: DialerConfig, seed: u64) -> Self {
        let mut telephone = Self::new(config, seed);
        assert_eq!(telephone.next(), Some(DialEvent::Dial));
        telephone.establish();
        telephone
    }

    fn pass(&mut self, duration: Duration) {
        self.now = self.now + duration;
    }

    /// Lets time pass until there is something to do, if there ever is.
    fn next(&mut self) -> Option<DialEvent> {
        let event = loop {
            if let Some(until) = self.dialer.poll_timeout() {
                self.now = self.now.max(until);
                self.dialer.handle_timeout(self.now);
            }
            let event = self.dialer.poll_event();
            // The token is the same one as before.
            if event != Some(DialEvent::ReadToken) {
                break event;
            }
        };
        if event == Some(DialEvent::Dial) {
            self.dialled.push(self.now);
        }
        event
    }

    fn establish(&mut self) {
        self.dialer.handle_established(SPREAD, self.now);
    }

    fn progress(&mut self) {
        self.dialer.handle_progress(self.now);
    }

    fn fail(&mut self, failure: DialFailure) {
        self.dialer.handle_failed(failure, self.now);
    }

    fn lose(&mut self, resumable_for: Option<Duration>) {
        self.dialer.handle_lost(resumable_for.map(|time| self.now + time), self.now);
    }

    /// The delay that is being waited.
    fn delay(&self) -> Duration {
        self.dialer.delay().expect("it waits")
    }

    /// Fails `count` times and returns the delay after each.
    fn delays(&mut self, failure: DialFailure, count: usize) -> Vec<Duration> {
        (0..count)
            .map(|_| {
                assert_eq!(self.next(), Some(DialEvent::Dial));
                self.fail(failure);
                self.delay()
            })
            .collect()
    }
}

/// For each place in the ladder the least and the greatest delay over many seeds.
fn extremes(count: usize, ladder: impl Fn(u64) -> Vec<Duration>) -> Vec<(Duration, Duration)> {
    let mut extremes = alloc::vec![(Duration::MAX, Duration::ZERO); count];
    for seed in 0..500 {
        for (delay, (least, most)) in ladder(seed).into_iter().zip(&mut extremes) {
            (*least, *most) = (delay.min(*least), delay.max(*most));
        }
    }
    extremes
}

/// Full jitter fills the range from zero to the ceiling, and never leaves it.
fn assert_fills(extremes: &[(Duration, Duration)], ceilings_ms: &[u64]) {
    assert_eq!(extremes.len(), ceilings_ms.len());
    for (place, ((least, most), ceiling)) in extremes.iter().zip(ceilings_ms).enumerate() {
        let ceiling = Duration::from_millis(*ceiling);
        assert!(*least < ceiling / 20, "place {place}: least {least:?} of {ceiling:?}");
        assert!(*most > ceiling * 19 / 20 && *most <= ceiling, "place {place}: most {most:?} of {ceiling:?}");
    }
}

#[test]
fn the_first_dial_comes_at_once_and_alone() {
    let mut telephone = Telephone::new(DialerConfig::default(), 1);
    assert_eq!(telephone.dialer.poll_timeout(), None);
    assert_eq!(telephone.next(), Some(DialEvent::Dial));
    assert_eq!((telephone.next(), telephone.dialer.attempts()), (None, 1));
}

#[test]
fn failures_before_any_session_climb_from_the_base_to_the_cap_fully_jittered() {
    let ladder = |seed| Telephone::new(DialerConfig::default(), seed).delays(DialFailure::Unreachable, 8);
    let ceilings = [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000];
    assert_fills(&extremes(8, ladder), &ceilings);
}

#[test]
fn a_lost_link_is_redialled_within_the_spread_and_then_within_a_second_while_it_may_resume() {
    let ladder = |seed| {
        let mut telephone = Telephone::connected(DialerConfig::default(), seed);
        telephone.progress();
        telephone.lose(Some(Duration::from_secs(30)));
        let first = telephone.delay();
        let mut delays = telephone.delays(DialFailure::Unreachable, 6);
        delays.insert(0, first);
        delays
    };
    assert_fills(&extremes(7, ladder), &[100, 200, 400, 800, 1_000, 1_000, 1_000]);
}

#[test]
fn once_a_session_is_beyond_resuming_the_slow_ladder_begins_at_its_base() {
    let ladder = |seed| {
        let mut telephone = Telephone::connected(DialerConfig::default(), seed);
        telephone.progress();
        telephone.lose(Some(Duration::from_secs(30)));
        telephone.delays(DialFailure::Unreachable, 5);
        telephone.pass(Duration::from_secs(30));
        telephone.delays(DialFailure::Unreachable, 3)
    };
    assert_fills(&extremes(3, ladder), &[1_000, 2_000, 4_000]);
}

#[test]
fn a_good_link_whose_window_is_unknown_is_redialled_quickly_for_the_time_of_a_restart() {
    for seed in 0..100 {
        let mut telephone = Telephone::connected(DialerConfig::default(), seed);
        telephone.progress();
        telephone.lose(None);
        let lost_at = telephone.now;
        while telephone.now.since(lost_at) < Duration::from_secs(28) {
            assert!(telephone.delay() <= Duration::from_secs(1));
            assert_eq!(telephone.next(), Some(DialEvent::Dial));
            telephone.fail(DialFailure::Unreachable);
        }
    }
}

#[test]
fn a_wide_spread_stays_the_cap_of_quick_redials_and_an_absurd_one_is_bounded() {
    let first_delays = |spread| {
        (0..500).map(move |seed| {
            let mut telephone = Telephone::new(DialerConfig::default(), seed);
            telephone.next();
            telephone.dialer.handle_established(spread, telephone.now);
            telephone.progress();
            telephone.lose(Some(Duration::from_secs(60)));
            let first = telephone.delay();
            (first, telephone.delays(DialFailure::Unreachable, 1)[0])
        })
    };
    let wide = Duration::from_secs(10);
    assert!(first_delays(wide).all(|(first, second)| first.max(second) <= wide));
    assert!(first_delays(wide).any(|(first, _)| first > wide * 9 / 10));
    assert!(first_delays(Duration::MAX).all(|(first, _)| first <= Duration::from_secs(300)));
    assert!(first_delays(Duration::ZERO).any(|(first, _)| first > Duration::from_millis(90)));
}

#[test]
fn the_ladder_falls_back_after_progress_and_only_then() {
    let after_flap = |seed: u64, is_good: bool| {
        let mut telephone = Telephone::new(DialerConfig::default(), seed);
        telephone.delays(DialFailure::Unreachable, 6);
        telephone.next();
        telephone.establish();
        let started = telephone.now;
        while !is_good && telephone.now.since(started) < Duration::from_secs(31) {
            telephone.lose(None);
            telephone.next();
            telephone.establish();
        }
        if is_good {
            telephone.progress();
        }
        telephone.lose(None);
        (telephone.delay(), telephone.dialer.attempts())
    };
    assert!((0..200).all(|seed| after_flap(seed, true) <= (SPREAD, 0)));
    assert!((0..200).any(|seed| after_flap(seed, false) > (Duration::from_secs(20), 0)));
    assert!((0..200).all(|seed| after_flap(seed, false).1 > 7));
}

#[test]
fn the_first_loss_of_an_unused_link_is_redialled_quickly() {
    let mut telephone = Telephone::new(DialerConfig::default(), 5);
    telephone.next();
    telephone.establish();
    telephone.lose(None);
    let lost_at = telephone.now;
    while telephone.now.since(lost_at) < Duration::from_secs(28) {
        assert!(telephone.delay() <= Duration::from_secs(1));
        assert_eq!(telephone.next(), Some(DialEvent::Dial));
        telephone.fail(DialFailure::Unreachable);
    }
}

#[test]
fn the_ladder_falls_back_after_a_minute_up() {
    for (seconds, attempts) in [(59, 7), (60, 0)] {
        let mut telephone = Telephone::new(DialerConfig::default(), 3);
        telephone.delays(DialFailure::Unreachable, 6);
        telephone.next();
        telephone.establish();
        telephone.pass(Duration::from_secs(seconds));
        telephone.lose(None);
        assert_eq!(telephone.dialer.attempts(), attempts, "{seconds} s");
    }
}

#[test]
fn it_gives_up_after_so_many_attempts_in_a_row_and_says_so_once() {
    let config = DialerConfig { attempts_max: 3, ..DialerConfig::default() };
    let mut telephone = Telephone::new(config, 1);
    telephone.delays(DialFailure::Unreachable, 2);
    assert_eq!(telephone.next(), Some(DialEvent::Dial));
    telephone.fail(DialFailure::Unreachable);
    assert_eq!(telephone.next(), Some(DialEvent::GiveUp(GiveUp::AttemptsExhausted)));
    telephone.establish();
    telephone.fail(DialFailure::Unreachable);
    telephone.lose(None);
    assert_eq!((telephone.next(), telephone.dialer.poll_timeout()), (None, None));
}

#[test]
fn a_good_link_gives_all_attempts_back() {
    let config = DialerConfig { attempts_max: 2, ..DialerConfig::default() };
    let mut telephone = Telephone::new(config, 1);
    for _ in 0..5 {
        telephone.delays(DialFailure::Unreachable, 1);
        assert_eq!(telephone.next(), Some(DialEvent::Dial));
        telephone.establish();
        telephone.progress();
        telephone.lose(None);
    }
    telephone.delays(DialFailure::Unreachable, 1);
}

#[test]
fn links_that_are_accepted_and_dropped_unused_count_as_attempts() {
    let config = DialerConfig { attempts_max: 4, ..DialerConfig::default() };
    let mut telephone = Telephone::new(config, 1);
    for _ in 0..4 {
        assert_eq!(telephone.next(), Some(DialEvent::Dial));
        telephone.establish();
        telephone.lose(None);
    }
    assert_eq!(telephone.next(), Some(DialEvent::GiveUp(GiveUp::AttemptsExhausted)));
}

#[test]
fn a_fixed_token_that_is_forbidden_ends_it_after_one_attempt() {
    let mut telephone = Telephone::new(DialerConfig::default(), 1);
    assert_eq!(telephone.next(), Some(DialEvent::Dial));
    telephone.fail(DialFailure::Forbidden);
    assert_eq!(telephone.next(), Some(DialEvent::GiveUp(GiveUp::Refused)));
    assert_eq!((telephone.next(), telephone.dialled.len()), (None, 1));
}

#[test]
fn a_running_session_whose_fixed_token_is_forbidden_ends_it_too() {
    let mut telephone = Telephone::connected(DialerConfig::default(), 1);
    telephone.progress();
    telephone.fail(DialFailure::Forbidden);
    assert_eq!(telephone.next(), Some(DialEvent::GiveUp(GiveUp::Refused)));
}

#[test]
fn a_token_that_may_be_replaced_is_tried_once_a_minute() {
    let config = DialerConfig { token_is_fixed: false, ..DialerConfig::default() };
    let delays = Telephone::new(config, 1).delays(DialFailure::Forbidden, 20);
    let minute = Duration::from_secs(60);
    assert!(delays.iter().all(|delay| (minute..=minute * 5 / 4).contains(delay)), "{delays:?}");
}

/// A telephone whose first dial failed for this reason, and whose token may be replaced.
fn failed(failure: DialFailure, seed: u64) -> Telephone {
    let config = DialerConfig { token_is_fixed: false, ..DialerConfig::default() };
    let mut telephone = Telephone::new(config, seed);
    assert_eq!(telephone.next(), Some(DialEvent::Dial));
    telephone.fail(failure);
    telephone
}

#[test]
fn a_refused_token_is_read_again_each_second_and_another_one_is_dialled_with_at_once() {
    let mut telephone = failed(DialFailure::Forbidden, 1);
    let second = Duration::from_secs(1);
    for look in 0..30 {
        let at = telephone.dialer.poll_timeout().expect("it waits");
        let wait = at.since(telephone.now);
        assert!(wait == second || (look == 0 && wait < second), "{wait:?} before look {look}");
        telephone.now = at;
        telephone.dialer.handle_timeout(at);
        assert_eq!(telephone.dialer.poll_event(), Some(DialEvent::ReadToken));
        assert_eq!(telephone.dialer.poll_event(), None);
    }
    telephone.dialer.handle_token_changed(telephone.now);
    assert_eq!(telephone.dialer.poll_timeout(), Some(telephone.now));
    assert_eq!(telephone.next(), Some(DialEvent::Dial));
}

#[test]
fn telephones_that_were_refused_at_one_moment_look_for_another_token_at_different_ones() {
    let first_look = |seed| failed(DialFailure::Forbidden, seed).dialer.poll_timeout();
    let looks: BTreeSet<_> = (0..50).map(first_look).collect();
    assert_eq!(looks.len(), 50);
}

#[test]
fn another_token_does_not_hasten_a_wait_for_something_else() {
    let mut telephone = failed(DialFailure::Refused { retry_after: Some(Duration::from_secs(30)) }, 1);
    let until = telephone.dialer.poll_timeout();
    telephone.dialer.handle_token_changed(telephone.now);
    assert_eq!(telephone.dialer.poll_timeout(), until);
}

#[test]
fn a_session_that_ended_with_its_token_is_dialled_once_more_also_with_a_fixed_one() {
    let mut telephone = Telephone::connected(DialerConfig::default(), 1);
    telephone.dialer.handle_session_over(CloseReason::Received(LeaveCode::Expired), telephone.now);
    assert!(telephone.delay() <= Duration::from_secs(1));
    assert_eq!(telephone.next(), Some(DialEvent::Dial));
    telephone.fail(DialFailure::Forbidden);
    assert_eq!(telephone.next(), Some(DialEvent::GiveUp(GiveUp::Refused)));
}

#[test]
fn a_refusal_is_waited_out_and_then_jittered_also_right_after_a_loss() {
    let retry_after = Duration::from_secs(7);
    let refused = DialFailure::Refused { retry_after: Some(retry_after) };
    let ladder = |seed| {
        let mut telephone = Telephone::connected(DialerConfig::default(), seed);
        telephone.progress();
        telephone.lose(Some(Duration::from_secs(30)));
        telephone
            .delays(refused, 3)
            .into_iter()
            .map(|delay| delay.checked_sub(retry_after).unwrap())
            .collect()
    };
    assert_fills(&extremes(3, ladder), &[1_000, 2_000, 4_000]);
    let absurd = DialFailure::Refused { retry_after: Some(Duration::MAX) };
    let delay = Telephone::new(DialerConfig::default(), 1).delays(absurd, 1)[0];
    assert!(delay <= Duration::from_secs(301));
}

#[test]
fn the_same_seed_gives_the_same_gaps_and_another_seed_others() {
    let gaps = |seed| Telephone::new(DialerConfig::default(), seed).delays(DialFailure::Unreachable, 20);
    assert_eq!(gaps(42), gaps(42));
    assert_ne!(gaps(42), gaps(43));
}

#[test]
fn after_a_timeout_the_next_deadline_is_later_or_none() {
    let mut telephone = Telephone::connected(DialerConfig::default(), 9);
    telephone.progress();
    telephone.lose(None);
    let until = telephone.dialer.poll_timeout().unwrap();
    telephone.dialer.handle_timeout(Timestamp::from_micros(until.as_micros() - 1));
    assert_eq!((telephone.dialer.poll_event(), telephone.dialer.poll_timeout()), (None, Some(until)));
    telephone.dialer.handle_timeout(until);
    assert_eq!(telephone.dialer.poll_timeout(), None);
    assert_eq!(telephone.dialer.poll_event(), Some(DialEvent::Dial));
}

#[test]
fn what_does_not_fit_the_state_changes_nothing() {
    let mut telephone = Telephone::new(DialerConfig::default(), 1);
    telephone.establish();
    telephone.fail(DialFailure::Forbidden);
    telephone.lose(None);
    assert_eq!(telephone.next(), Some(DialEvent::Dial));
    telephone.lose(None);
    telephone.fail(DialFailure::Unreachable);
    let delay = telephone.delay();
    telephone.fail(DialFailure::Forbidden);
    telephone.establish();
    assert_eq!((telephone.delay(), telephone.dialer.attempts()), (delay, 1));
}

/// I41, for a plugboard that makes it as bad as it can: good links that break at once, links that are
/// dropped unused, none at all, and every mixture.
#[test]
fn no_more_than_sixty_attempts_come_in_any_thirty_seconds() {
    for seed in 0..60_u64 {
        let config = DialerConfig { backoff_base: Duration::ZERO, ..DialerConfig::default() };
        let mut telephone = Telephone::new(config, seed);
        for round in 0..400_u64 {
            assert_eq!(telephone.next(), Some(DialEvent::Dial));
            let mood = if seed < 4 { seed } else { (round / 7 + seed) % 4 };
            if mood < 3 {
                telephone.establish();
            }
            match mood {
                0 => telephone.progress(),
                1 | 2 => {}
                _ => telephone.fail(DialFailure::Unreachable),
            }
            telephone.lose((mood != 2).then_some(Duration::from_secs(30)));
        }
        let busiest = telephone.dialled.windows(61).map(|dials| dials[60].since(dials[0])).min();
        assert!(busiest > Some(Duration::from_secs(30)), "seed {seed}: 61 attempts in {busiest:?}");
    }
}

/// Found by the simulator: what the pace holds back came at one beat for all that had started together.
#[test]
fn telephones_that_start_together_are_not_held_back_together() {
    let dials = |seed: u64| {
        let mut telephone = Telephone::new(DialerConfig::default(), seed);
        while telephone.dialled.len() < 40 {
            telephone.next();
            telephone.establish();
            telephone.progress();
            telephone.lose(None);
        }
        telephone.dialled
    };
    let (one, other) = (dials(1), dials(2));
    let meetings = one.iter().skip(1).filter(|at| other.contains(at)).count();
    assert_eq!(meetings, 0, "{one:?} {other:?}");
}

#[test]
fn dials_that_come_at_their_bound_do_not_fall_into_step_with_a_network_that_cuts_at_a_beat() {
    const BEAT_MS: u64 = 300;
    for offset in (0..BEAT_MS).step_by(5) {
        let mut telephone = Telephone::new(DialerConfig::default(), offset);
        let rounds = 200;
        let mut up = Duration::ZERO;
        for _ in 0..rounds {
            assert_eq!(telephone.next(), Some(DialEvent::Dial));
            telephone.establish();
            telephone.progress();
            let since_start = u64::try_from(telephone.now.since(Timestamp::ZERO).as_millis()).unwrap();
            let left = Duration::from_millis(BEAT_MS - (since_start + offset) % BEAT_MS);
            telephone.pass(left);
            telephone.lose(Some(Duration::from_secs(30)));
            up += left;
        }
        // In step each link has the same time, which may be next to none. Out of step it is half a beat.
        let mean = up / rounds;
        assert!(
            mean > Duration::from_millis(BEAT_MS / 3),
            "{offset} ms: a link is up for {mean:?} in the mean"
        );
    }
}

#[test]
fn a_process_that_stood_still_dials_soon_and_quickly() {
    for failure in
        [DialFailure::Unreachable, DialFailure::Refused { retry_after: Some(Duration::from_secs(300)) }]
    {
        let mut telephone = Telephone::new(DialerConfig::default(), 3);
        for _ in 0..12 {
            assert_eq!(telephone.next(), Some(DialEvent::Dial));
            telephone.fail(failure);
        }
        let woken = telephone.now;
        telephone.dialer.handle_woken(woken);
        assert_eq!(telephone.next(), Some(DialEvent::Dial));
        assert!(telephone.now.since(woken) <= SPREAD, "{:?}", telephone.now.since(woken));
        // The network takes a while to come up.
        while telephone.now.since(woken) < Duration::from_secs(20) {
            telephone.fail(DialFailure::Unreachable);
            let before = telephone.now;
            assert_eq!(telephone.next(), Some(DialEvent::Dial));
            assert!(telephone.now.since(before) <= Duration::from_secs(1));
        }
    }
}
