//! The dialer against a model: what it may do in each state, and how long it may wait.

use std::collections::VecDeque;
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::Config;
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest, prop_state_machine};
use telephone_core::dialer::{DialEvent, DialFailure, Dialer, DialerConfig, GiveUp};
use telephone_core::limits::{
    MOVE_WITHIN_MAX, REDIAL_FORBIDDEN_DELAY, REDIAL_QUICK_MAX, REDIAL_RETRY_AFTER_MAX, REDIAL_SPREAD,
};
use telephone_core::time::Timestamp;

const ATTEMPTS_MAX: u32 = 12;
/// Attempts in any such stretch of time. [I41]
const DIALS_MAX: usize = 60;
const DIALS_WINDOW: Duration = Duration::from_secs(30);
/// What the bound on attempts may add to a wait that is shorter.
const PACE_MAX: Duration = Duration::from_secs(1);

/// What a driver tells the dialer.
#[derive(Debug, Clone)]
enum Input {
    /// Time passes up to the deadline, if there is one, and what is to be done is done.
    Wait,
    Pass(Duration),
    Established(Duration),
    Progress,
    Failed(DialFailure),
    Lost(Option<Duration>),
    Moved(Duration),
    TokenChanged,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Waiting,
    Dialling,
    Up { since: Timestamp },
    Over,
}

/// What a dialer must be like from outside. Whatever does not fit its state changes nothing.
#[derive(Debug, Clone)]
struct Model {
    config: DialerConfig,
    seed: u64,
    state: State,
    now: Timestamp,
    /// Dials since the last good link.
    attempts: u32,
    spread: Duration,
    /// The longest that the present wait may take, and the least.
    wait: (Duration, Duration),
    /// It waits for another token.
    is_watching: bool,
    gives_up: Option<GiveUp>,
}

impl Model {
    /// Whether the link was up for so long that it was worth its attempts.
    const fn is_good(&self) -> bool {
        match self.state {
            State::Up { since } => self.now.since(since).as_secs() >= 60,
            State::Waiting | State::Dialling | State::Over => false,
        }
    }

    /// It waits for `least` and at most `longest`, or it was its last attempt.
    fn wait_between(&mut self, least: Duration, longest: Duration) {
        self.is_watching = false;
        self.wait = (least, longest.max(least));
        self.state = State::Waiting;
        if self.config.attempts_max > 0 && self.attempts >= self.config.attempts_max {
            self.give_up(GiveUp::AttemptsExhausted);
        }
    }

    const fn give_up(&mut self, reason: GiveUp) {
        self.state = State::Over;
        self.gives_up = Some(reason);
    }

    /// The longest wait of either ladder.
    fn ceiling(&self) -> Duration {
        self.config.backoff_max.max(self.spread).max(REDIAL_QUICK_MAX)
    }

    fn fail(&mut self, failure: DialFailure) {
        match failure {
            DialFailure::Unreachable => self.wait_between(Duration::ZERO, self.ceiling()),
            DialFailure::Refused { retry_after } => {
                let least = retry_after.unwrap_or_default().min(REDIAL_RETRY_AFTER_MAX);
                self.wait_between(least, least + self.config.backoff_max);
            }
            DialFailure::Forbidden if self.config.token_is_fixed => self.give_up(GiveUp::Refused),
            DialFailure::Forbidden => {
                self.wait_between(
                    REDIAL_FORBIDDEN_DELAY,
                    REDIAL_FORBIDDEN_DELAY + REDIAL_FORBIDDEN_DELAY / 4,
                );
                self.is_watching = true;
            }
        }
    }

    fn apply(&mut self, input: &Input) {
        if self.is_good() && matches!(input, Input::Failed(_) | Input::Lost(_) | Input::Moved(_)) {
            self.attempts = 0;
        }
        match (input, self.state) {
            (Input::Pass(time), _) => self.now = self.now + *time,
            (Input::Wait, State::Waiting) => {
                self.state = State::Dialling;
                self.attempts += 1;
            }
            (Input::Established(spread), State::Dialling) => {
                self.spread = (*spread).clamp(*REDIAL_SPREAD.start(), *REDIAL_SPREAD.end());
                self.state = State::Up { since: self.now };
            }
            (Input::Progress, State::Up { .. }) => self.attempts = 0,
            (Input::Failed(failure), State::Dialling | State::Up { .. }) => self.fail(*failure),
            (Input::Lost(_), State::Up { .. }) => self.wait_between(Duration::ZERO, self.ceiling()),
            // No failure, so that it is never the last attempt.
            (Input::Moved(within), State::Up { .. }) => {
                self.is_watching = false;
                self.wait = (Duration::ZERO, (*within).min(MOVE_WITHIN_MAX));
                self.state = State::Waiting;
            }
            (Input::TokenChanged, State::Waiting) if self.is_watching => {
                self.is_watching = false;
                self.wait = (Duration::ZERO, Duration::ZERO);
            }
            (_, State::Waiting | State::Dialling | State::Up { .. } | State::Over) => {}
        }
    }
}

fn any_duration() -> impl Strategy<Value = Duration> {
    prop_oneof![0_u64..2_000, 0_u64..200_000].prop_map(Duration::from_millis)
}

fn any_failure() -> impl Strategy<Value = DialFailure> {
    prop_oneof![
        6 => Just(DialFailure::Unreachable),
        2 => proptest::option::of(any_duration()).prop_map(|retry_after| DialFailure::Refused { retry_after }),
        1 => Just(DialFailure::Forbidden),
    ]
}

impl ReferenceStateMachine for Model {
    type State = Self;
    type Transition = Input;

    fn init_state() -> BoxedStrategy<Self> {
        let base = (1_u64..5_000).prop_map(Duration::from_millis);
        (base, 1_u32..40, prop_oneof![Just(0), 1..ATTEMPTS_MAX], any::<bool>(), any::<u64>())
            .prop_map(|(backoff_base, factor, attempts_max, token_is_fixed, seed)| {
                let backoff_max = backoff_base * factor;
                Self {
                    config: DialerConfig { backoff_base, backoff_max, attempts_max, token_is_fixed },
                    seed,
                    state: State::Waiting,
                    now: Timestamp::from_micros(5),
                    attempts: 0,
                    spread: *REDIAL_SPREAD.start(),
                    wait: (Duration::ZERO, Duration::ZERO),
                    is_watching: false,
                    gives_up: None,
                }
            })
            .boxed()
    }

    fn transitions(_: &Self) -> BoxedStrategy<Input> {
        prop_oneof![
            6 => Just(Input::Wait),
            2 => any_duration().prop_map(Input::Pass),
            4 => any_duration().prop_map(Input::Established),
            2 => Just(Input::Progress),
            4 => any_failure().prop_map(Input::Failed),
            3 => proptest::option::of(any_duration()).prop_map(Input::Lost),
            1 => any_duration().prop_map(Input::Moved),
            2 => Just(Input::TokenChanged),
        ]
        .boxed()
    }

    fn apply(mut state: Self, input: &Input) -> Self {
        state.apply(input);
        state
    }
}

/// The dialer on virtual time, which runs ahead of the model's by what it waited.
struct Telephone {
    dialer: Dialer,
    /// When it dialled last, as often as the bound counts.
    dialled: VecDeque<Timestamp>,
    waited: Duration,
}

impl Telephone {
    /// Lets the wait pass, which is as long as the model allows, and does what is to be done then.
    fn wait(&mut self, model: &Model) {
        let now = model.now + self.waited;
        let Some(until) = self.dialer.poll_timeout() else { return self.follow(now) };
        let delay = self.dialer.delay().expect("it waits");
        let (least, longest) = model.wait;
        assert!(delay >= least && delay <= longest.max(PACE_MAX), "{delay:?} outside of {:?}", model.wait);
        let mut then = now.max(until);
        self.dialer.handle_timeout(then);
        // The token is the same one each time that it is read.
        while let Some(next) = self.dialer.poll_timeout() {
            assert_eq!(self.dialer.poll_event(), Some(DialEvent::ReadToken));
            assert!(next > then, "a deadline that has passed");
            then = next;
            self.dialer.handle_timeout(then);
        }
        self.waited += then.since(now);
        self.follow(then);
    }

    fn follow(&mut self, now: Timestamp) {
        if self.dialer.poll_event() == Some(DialEvent::Dial) {
            self.dialled.push_back(now);
            if self.dialled.len() > DIALS_MAX {
                let earliest = self.dialled.pop_front().expect("many");
                assert!(
                    now.since(earliest) >= DIALS_WINDOW,
                    "{DIALS_MAX} dials in {:?}",
                    now.since(earliest)
                );
            }
        }
    }
}

/// The test that proptest drives.
struct DialerTest;

impl StateMachineTest for DialerTest {
    type SystemUnderTest = Telephone;
    type Reference = Model;

    fn init_test(model: &Model) -> Telephone {
        let dialer = Dialer::new(model.config.clone(), model.seed, model.now);
        Telephone { dialer, dialled: VecDeque::new(), waited: Duration::ZERO }
    }

    /// `model` is as it is behind the input.
    fn apply(mut telephone: Telephone, model: &Model, input: Input) -> Telephone {
        let now = model.now + telephone.waited;
        match input {
            Input::Wait => telephone.wait(model),
            Input::Pass(_) => {}
            Input::Established(spread) => telephone.dialer.handle_established(spread, now),
            Input::Progress => telephone.dialer.handle_progress(now),
            Input::Failed(failure) => telephone.dialer.handle_failed(failure, now),
            Input::Lost(window) => telephone.dialer.handle_lost(window.map(|window| now + window), now),
            Input::Moved(within) => telephone.dialer.handle_move(within, now),
            Input::TokenChanged => telephone.dialer.handle_token_changed(now),
        }
        if model.state == State::Over {
            let event = telephone.dialer.poll_event();
            assert!(event.is_none() || event == model.gives_up.map(DialEvent::GiveUp), "{event:?}");
        }
        telephone
    }

    fn check_invariants(telephone: &Telephone, model: &Model) {
        assert_eq!(telephone.dialer.attempts(), model.attempts, "{:?}", model.state);
        let is_waiting = telephone.dialer.poll_timeout().is_some();
        assert!(!is_waiting || model.state == State::Waiting, "it waits where it is {:?}", model.state);
    }
}

prop_state_machine! {
    #![proptest_config(Config { failure_persistence: None, cases: 500, ..Config::default() })]

    #[test]
    fn a_dialer_waits_and_gives_up_as_its_model_does(sequential 1..150 => DialerTest);
}
