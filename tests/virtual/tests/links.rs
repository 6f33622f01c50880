//! What single faults do to links and to those who wait for them.

use std::time::Duration;

use telephone_virtual::{Cut, Fate, LINK_PORT, Outcome, Pace, Plan, Stage, TOKEN_LIFE, Weather};

const DAY: Duration = Duration::from_secs(24 * 3600);

fn run_clients(stage: &Stage, time: Duration) {
    let deadline = stage.executor.now() + time;
    let is_done = stage.executor.run_until(deadline, || stage.are_clients_done());
    assert!(is_done, "{:?} did not end", stage.ledger.open());
}

#[test]
fn a_session_outlives_its_tokens() {
    // Each is good for an hour.
    let stage = Stage::at_rest(1, [Plan::get(1, 0, 1_000)]);
    stage.executor.run_for(DAY);
    stage.start_client(vec![1]);
    run_clients(&stage, Duration::from_secs(1));
    assert_eq!(stage.ledger.outcomes().get(&Outcome::Whole), Some(&1));
    assert_eq!((stage.sessions_started(), stage.resumes()), (1, 0));
    stage.end();
}

#[test]
fn a_token_that_nobody_renews_costs_few_refusals_and_the_next_one_is_dialled_with_at_once() {
    let stage = Stage::at_rest(1, [Plan::get(1, 0, 10), Plan::get(2, 0, 10)]);
    stage.issuer.set_away(true);
    stage.start_client(vec![1]);
    run_clients(&stage, Duration::from_secs(1));
    stage.executor.run_for(TOKEN_LIFE);
    assert_eq!(stage.resumes() + stage.sessions_started(), 1, "until its end the token serves");
    stage.executor.run_for(DAY);
    assert!(!stage.is_linked());
    assert_eq!(stage.last_error(0).as_deref(), Some("refused: the token has expired"));
    let refusals = stage.refusals();
    stage.issuer.set_away(false);
    let deadline = stage.executor.now() + Duration::from_secs(2);
    assert!(stage.executor.run_until(deadline, || stage.is_linked()), "the file is read each second");
    assert_eq!(stage.refusals(), refusals);
    stage.start_client(vec![2]);
    run_clients(&stage, Duration::from_secs(1));
    assert_eq!(stage.ledger.outcomes().get(&Outcome::Whole), Some(&2));
    assert!(refusals < 1_500, "{refusals} refusals in a day: one a minute");
    stage.end();
}

#[test]
fn a_message_that_takes_longer_than_a_peer_may_be_silent_is_no_silence() {
    let stage = Stage::at_rest(1, [Plan::get(1, 0, 200_000)]);
    // A message of 64 KiB takes a minute.
    stage.net.set_weather(LINK_PORT, Weather { rate: 1_000, segment: 1..=1_460, ..Weather::default() });
    stage.net.cut_all(LINK_PORT, Cut::Reset);
    stage.executor.run_for(Duration::from_secs(60));
    assert_eq!(stage.resumes(), 1);
    stage.start_client(vec![1]);
    run_clients(&stage, Duration::from_secs(900));
    assert_eq!(stage.ledger.outcomes().get(&Outcome::Whole), Some(&1));
    assert_eq!((stage.sessions_started(), stage.resumes()), (1, 1));
    stage.end();
}

#[test]
fn a_parked_client_that_leaves_gives_its_place_up() {
    let patience = Some(Duration::from_secs(1));
    let stage = Stage::at_rest(1, (1..=50).map(|id| Plan { patience, ..Plan::get(id, 0, 10) }));
    stage.net.set_weather(LINK_PORT, Weather { fate: Fate::Refused, ..Weather::default() });
    stage.net.cut_all(LINK_PORT, Cut::Reset);
    stage.executor.run_for(Duration::from_secs(1));
    (1..=50).for_each(|id| stage.start_client(vec![id]));
    stage.executor.run_for(Duration::from_millis(500));
    assert_eq!(stage.counts().map(|counts| counts.parked), Some(50));
    stage.executor.run_for(Duration::from_secs(2));
    assert_eq!(stage.counts().map(|counts| counts.parked), Some(0));
    assert_eq!(stage.ledger.left(), 50);
    stage.end();
}

#[test]
fn a_client_that_leaves_ends_its_backends_work() {
    let slow = Pace { piece: 1_000, pause: Duration::from_millis(100) };
    let patience = Some(Duration::from_secs(1));
    let plan = |id| Plan { down_pace: slow, patience, ..Plan::get(id, 0, 50_000_000) };
    let stage = Stage::at_rest(1, [plan(1), plan(2)]);
    let (sockets, (relay, telephone)) = (stage.net.sockets(), stage.tasks());
    for client in [1, 2] {
        stage.start_client(vec![client]);
        stage.executor.run_for(Duration::from_millis(900));
        assert_ne!((stage.net.sockets(), stage.tasks().0), (sockets, relay));
        stage.executor.run_for(Duration::from_secs(1));
        // The telephone's task waits for the next request: the second client's needs no other.
        assert_eq!((stage.net.sockets(), stage.tasks()), (sockets, (relay, telephone + 1)));
    }
    stage.end();
}

#[test]
fn a_telephone_that_is_told_to_end_while_a_dial_hangs_ends() {
    let stage = Stage::at_rest(1, []);
    stage.net.set_weather(LINK_PORT, Weather { fate: Fate::Swallowed, ..Weather::default() });
    stage.net.cut_all(LINK_PORT, Cut::Reset);
    stage.executor.run_for(Duration::from_secs(2));
    stage.shut_telephone_down(0);
    stage.executor.run_for(Duration::from_secs(1));
    assert_eq!(stage.tasks().1, 0, "the telephone runs on");
}
