//! A telephone's process is started again while its clock is a little behind: its epoch is older than that of the process before.

use std::time::Duration;

use telephone_virtual::{Cut, LINK_PORT, Outcome, Plan, Stage};

const SECOND: Duration = Duration::from_secs(1);
/// The time that a holder has to answer a ping, and a dial.
const SERVES_WITHIN: Duration = Duration::from_secs(5);
/// Links that end without a sign.
const DARK: Cut = Cut::Dark { up: true, down: true, time: None };

/// A world of one telephone, and a request for each time that one is sent.
fn world() -> Stage {
    Stage::at_rest(1, (1..=3).map(|id| Plan::get(id, 0, 1_000)))
}

/// Waits until the telephone that was started last is linked.
fn await_link(stage: &Stage, within: Duration) {
    let start = stage.executor.now();
    let is_linked = stage.executor.run_until(start + within, || stage.is_linked());
    assert!(is_linked, "no link within {within:?}: {:?}", stage.counts());
    println!("linked after {:?}", stage.executor.now().since(start));
}

/// Starts the process with the older epoch, which serves in the place of the one before.
fn replace_within(stage: &Stage, within: Duration) {
    stage.start_telephone_behind(0);
    await_link(stage, within);
    request(stage, 1, SECOND);
    assert_eq!((stage.sessions_started(), stage.counts().map(|counts| counts.sessions)), (2, Some(1)));
}

/// Sends a request and waits for its answer.
fn request(stage: &Stage, id: u64, within: Duration) {
    stage.start_client(vec![id]);
    let deadline = stage.executor.now() + within;
    assert!(stage.executor.run_until(deadline, || stage.are_clients_done()), "no answer within {within:?}");
    assert_eq!(stage.ledger.outcomes().keys().collect::<Vec<_>>(), [&Outcome::Whole]);
}

#[test]
fn a_process_with_an_older_epoch_replaces_one_whose_link_is_down_at_once() {
    let stage = world();
    stage.kill_telephone(0);
    stage.executor.run_for(SECOND / 10);
    assert_eq!(stage.counts().map(|counts| counts.linked), Some(0), "the link's end was not noticed");
    replace_within(&stage, SECOND);
    stage.end();
}

#[test]
fn a_process_with_an_older_epoch_replaces_one_whose_link_is_dark_within_seconds() {
    let stage = world();
    stage.net.cut_all(LINK_PORT, DARK);
    stage.kill_telephone(0);
    replace_within(&stage, SERVES_WITHIN);
    stage.end();
}

#[test]
fn a_process_with_an_older_epoch_is_refused_while_the_holder_answers() {
    let stage = world();
    stage.start_telephone_behind(0);
    // Each dial is answered with a refusal, and the holder of the mount serves.
    stage.executor.run_for(60 * SECOND);
    assert!(!stage.is_linked(), "the older process got in");
    assert_eq!((stage.sessions_started(), stage.counts().map(|counts| counts.linked)), (1, Some(1)));
    request(&stage, 1, SECOND);
    stage.end();
}
