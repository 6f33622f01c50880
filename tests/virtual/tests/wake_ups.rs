//! A telephone's machine is suspended, or its process stopped: what it finds when it wakes up.

use std::time::Duration;

use telephone_virtual::{Cut, Fate, LINK_PORT, Plan, Stage, TimerClock, Weather};

const SECOND: Duration = Duration::from_secs(1);
/// How soon a mount is to be served again.
const BACK_WITHIN: Duration = Duration::from_secs(2);
const CLOCKS: [TimerClock; 2] = [TimerClock::StoodStill, TimerClock::WentOn];
/// Links that end without a sign.
const DARK: Cut = Cut::Dark { up: true, down: true, time: None };

/// One telephone that stands still for `time`, in the middle of which `then` happens.
fn stand_still(stage: &Stage, time: Duration, clock: TimerClock, then: impl FnOnce()) {
    stage.freeze_telephone(0);
    stage.executor.run_for(time / 2);
    then();
    stage.executor.run_for(time / 2);
    stage.thaw_telephone(0, clock);
}

fn await_link(stage: &Stage, within: Duration) {
    let is_back = stage.executor.run_until(stage.executor.now() + within, || stage.is_linked());
    assert!(is_back, "no link within {within:?}: {:?}", stage.counts());
}

/// Runs a world's client to its end.
fn ask(stage: &Stage, within: Duration) {
    ask_for(stage, 1, within);
}

fn ask_for(stage: &Stage, plan: u64, within: Duration) {
    let start = stage.executor.now();
    stage.start_client(vec![plan]);
    let is_done = stage.executor.run_until(start + within, || stage.are_clients_done());
    assert!(is_done, "no answer within {within:?}: {:?}", stage.ledger.open());
    println!("answered after {:?}", stage.executor.now().since(start));
    assert_eq!(stage.ledger.failed(), []);
}

#[test]
fn a_link_that_outlived_the_sleep_stays() {
    for clock in CLOCKS {
        let stage = Stage::at_rest(1, [Plan::get(1, 0, 1_000)]);
        for time in [4 * SECOND, 12 * SECOND, 20 * SECOND] {
            stand_still(&stage, time, clock, || {});
            stage.executor.run_for(10 * SECOND);
        }
        ask(&stage, SECOND);
        assert_eq!((stage.sessions_started(), stage.resumes()), (1, 0), "{clock:?}");
        stage.end();
    }
}

#[test]
fn a_link_that_ended_in_the_sleep_is_resumed_within_two_seconds() {
    for clock in CLOCKS {
        for seconds in [5, 12, 20] {
            let stage = Stage::at_rest(1, [Plan::get(1, 0, 1_000), Plan::get(2, 0, 1_000)]);
            // The window begins with what was heard last.
            ask_for(&stage, 2, SECOND);
            stand_still(&stage, seconds * SECOND, clock, || stage.net.cut_all(LINK_PORT, DARK));
            ask(&stage, BACK_WITHIN);
            assert_eq!((stage.sessions_started(), stage.resumes()), (1, 1), "{clock:?} {seconds} s");
            stage.end();
        }
    }
}

#[test]
fn a_session_that_ended_in_the_sleep_is_followed_by_another_within_two_seconds() {
    for clock in CLOCKS {
        let stage = Stage::at_rest(1, [Plan::get(1, 0, 1_000)]);
        stand_still(&stage, 300 * SECOND, clock, || stage.net.cut_all(LINK_PORT, DARK));
        ask(&stage, BACK_WITHIN);
        assert_eq!((stage.sessions_started(), stage.resumes()), (2, 0), "{clock:?}");
        stage.end();
    }
}

#[test]
fn a_name_that_moved_in_the_sleep_is_looked_up_again() {
    for clock in CLOCKS {
        let stage = Stage::at_rest(1, [Plan::get(1, 0, 1_000)]);
        stand_still(&stage, 20 * SECOND, clock, || {
            stage.net.cut_all(LINK_PORT, DARK);
            stage.move_relay();
        });
        await_link(&stage, BACK_WITHIN);
        ask(&stage, SECOND);
        stage.end();
    }
}

#[test]
fn a_telephone_that_fell_asleep_between_two_dials_or_in_one_dials_when_it_wakes_up() {
    for clock in CLOCKS {
        for fate in [Fate::Refused, Fate::Swallowed] {
            let stage = Stage::at_rest(1, [Plan::get(1, 0, 1_000)]);
            stage.net.set_weather(LINK_PORT, Weather { fate, ..Weather::default() });
            stage.net.cut_all(LINK_PORT, Cut::Reset);
            // Its delays have grown to half a minute.
            stage.executor.run_for(600 * SECOND);
            stand_still(&stage, 20 * SECOND, clock, || {
                stage.net.set_weather(LINK_PORT, Weather::default());
            });
            let within = if fate == Fate::Swallowed { 2 * BACK_WITHIN } else { BACK_WITHIN };
            await_link(&stage, within);
            ask(&stage, SECOND);
            stage.end();
        }
    }
}

#[test]
fn a_dial_that_a_wake_up_cuts_short_reports_the_time_that_it_took() {
    let stage = Stage::at_rest(1, []);
    stage.net.set_weather(LINK_PORT, Weather { fate: Fate::Swallowed, ..Weather::default() });
    stage.net.cut_all(LINK_PORT, Cut::Reset);
    stage.executor.run_for(3 * SECOND);
    stand_still(&stage, 20 * SECOND, TimerClock::StoodStill, || {});
    let error = || stage.last_error(0).filter(|error| error.contains("did not answer"));
    assert!(stage.executor.run_until(stage.executor.now() + 4 * SECOND, || error().is_some()));
    let error = error().unwrap_or_default();
    let seconds = error.split(" within ").nth(1).and_then(|rest| rest.split(' ').next()?.parse::<u64>().ok());
    assert!(seconds.is_some_and(|seconds| (5..=6).contains(&seconds)), "{error}");
    stage.net.set_weather(LINK_PORT, Weather::default());
    stage.end();
}
