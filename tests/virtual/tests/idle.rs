//! Whoever has nothing to do does nothing: polls are counted, over virtual hours.

use std::time::Duration;

use telephone_virtual::{BACKEND_PORT, Cut, Fate, LINK_PORT, Pace, Plan, Stage, Weather};

const HOUR: Duration = Duration::from_secs(3600);
/// Each end pings after 12 to 18 s without a word, so this is the least that an hour of silence holds of them.
const PINGS_AN_HOUR: u64 = 200;
/// What one ping and its pong may cost one end: the alarm, the write, the answer, and a few more.
const POLLS_A_PING: u64 = 20;
/// A telephone looks once a second whether its machine was suspended.
const LOOKS_AN_HOUR: u64 = 3600;

/// A request that says and hears nothing for longer than any test.
fn silent(id: u64, mount: usize) -> Plan {
    let once = Pace { piece: 1, pause: 10 * HOUR };
    Plan { is_upgrade: true, up: 2, up_pace: once, down_pace: once, ..Plan::get(id, mount, 2) }
}

/// Polls of the plugboard and of all telephones while `time` goes by.
fn polls(stage: &Stage, time: Duration) -> (u64, u64) {
    let (relay, telephones) = stage.polls();
    stage.executor.run_for(time);
    let (relay_after, telephones_after) = stage.polls();
    (relay_after - relay, telephones_after - telephones)
}

fn assert_few(what: &str, (relay, telephones): (u64, u64), most: u64) {
    println!("{what}: the plugboard was polled {relay} times, the telephones {telephones} times");
    assert!(relay <= most && telephones <= most, "{what}: more than {most} polls");
}

/// The same for an hour of so many telephones with nothing but pings.
fn assert_pings_alone(what: &str, count: u64, (relay, telephones): (u64, u64)) {
    let looks = count * LOOKS_AN_HOUR;
    assert!(telephones >= looks, "{what}: nobody would notice that a machine was suspended");
    assert_few(what, (relay, telephones - looks), count * PINGS_AN_HOUR * POLLS_A_PING);
}

#[test]
fn an_idle_session_costs_a_few_polls_a_ping() {
    let stage = Stage::at_rest(1, []);
    let cost = polls(&stage, HOUR);
    assert_pings_alone("an idle hour", 1, cost);
    assert!(cost.0 >= PINGS_AN_HOUR / 2, "nobody pings: the link's silence would not be noticed");
    stage.end();
}

#[test]
fn a_hundred_idle_sessions_cost_a_hundred_times_as_much() {
    let stage = Stage::at_rest(100, []);
    assert_pings_alone("an idle hour of 100", 100, polls(&stage, HOUR));
    stage.end();
}

#[test]
fn a_silent_upgraded_connection_costs_nothing_beside_the_pings() {
    let stage = Stage::at_rest(1, [silent(1, 0)]);
    stage.start_client(vec![1]);
    stage.executor.run_for(Duration::from_secs(60));
    assert_pings_alone("an hour of a silent stream", 1, polls(&stage, HOUR));
    assert_eq!(stage.ledger.open(), [1]);
    stage.end();
}

#[test]
fn without_a_link_both_ends_rest_between_dials() {
    for fate in [Fate::Refused, Fate::Swallowed] {
        let stage = Stage::at_rest(1, [silent(1, 0)]);
        stage.start_client(vec![1]);
        stage.executor.run_for(Duration::from_secs(1));
        stage.net.set_weather(LINK_PORT, Weather { fate, ..Weather::default() });
        stage.net.cut_all(LINK_PORT, Cut::Reset);
        let (relay, telephone) = polls(&stage, HOUR);
        // Back-off is 30 s at most, and half of that on average where each dial fails at once.
        assert_few(&format!("an hour of {fate:?} dials"), (relay, telephone), 600 * POLLS_A_PING);
        assert!(telephone >= 100, "it dials no more");
        assert!(relay <= 100, "{relay} polls of a plugboard whose telephone is gone");
        stage.end();
    }
}

#[test]
fn parked_requests_are_polled_when_their_wait_ends() {
    const CLIENTS: u64 = 90;
    let stage = Stage::at_rest(
        1,
        (1..=CLIENTS).map(|id| Plan { delay: Duration::from_millis(10 * id), ..silent(id, 0) }),
    );
    stage.net.set_weather(LINK_PORT, Weather { fate: Fate::Refused, ..Weather::default() });
    stage.net.cut_all(LINK_PORT, Cut::Reset);
    stage.executor.run_for(Duration::from_secs(1));
    (1..=CLIENTS).for_each(|id| stage.start_client(vec![id]));
    let (relay, _) = stage.polls();
    stage.executor.run_for(Duration::from_secs(2));
    assert_eq!(stage.counts().map(|counts| counts.parked), Some(90));
    let done = stage.executor.run_until(stage.executor.now() + HOUR, || stage.are_clients_done());
    assert!(done, "a wait never ended");
    let cost = stage.polls().0 - relay;
    println!("{CLIENTS} parked requests: the plugboard was polled {cost} times");
    assert!(cost <= CLIENTS * 10, "{cost} polls for {CLIENTS} parked requests");
    stage.end();
}

#[test]
fn draining_waits_for_what_is_open_with_few_polls() {
    let stage = Stage::at_rest(1, [silent(1, 0)]);
    stage.start_client(vec![1]);
    stage.executor.run_for(Duration::from_secs(1));
    stage.shut_telephone_down(0);
    assert_few("a telephone that drains", polls(&stage, Duration::from_secs(25)), 100);
    assert_ne!(stage.tasks().1, 0, "it did not wait for what was open");
    stage.end();

    let stage = Stage::at_rest(1, [silent(1, 0)]);
    stage.start_client(vec![1]);
    stage.executor.run_for(Duration::from_secs(1));
    stage.shut_relay_down();
    // It looks fifty times a second whether it may go.
    assert_few("a plugboard that drains", polls(&stage, Duration::from_secs(25)), 25 * 50 + 250);
    assert_ne!(stage.tasks().0, 0, "it did not wait for what was open");
    stage.end();
}

#[test]
fn a_black_holed_peer_costs_no_polls() {
    for (up, down) in [(true, true), (true, false), (false, true)] {
        for has_user_timeout in [true, false] {
            let stage = Stage::at_rest(1, [Plan::get(1, 0, 16_000_000), silent(2, 0)]);
            let slow = Weather { rate: 1_000_000, has_user_timeout, ..Weather::default() };
            stage.net.set_weather(LINK_PORT, slow);
            stage.net.cut_all(LINK_PORT, Cut::Reset);
            stage.executor.run_for(Duration::from_secs(5));
            (1..=2).for_each(|id| stage.start_client(vec![id]));
            stage.executor.run_for(Duration::from_secs(3));
            stage.net.cut_all(LINK_PORT, Cut::Dark { up, down, time: None });
            // Until the first end notices; a dark direction stops the octets of the other one, too.
            let cost = polls(&stage, Duration::from_secs(15));
            assert_few(&format!("dark (up {up}, down {down}, {has_user_timeout})"), cost, 600);
            stage.end();
        }
    }
}

#[test]
fn a_client_that_reads_nothing_costs_no_polls() {
    let mut plan = Plan::get(1, 0, 50_000_000);
    plan.read_pace = Pace { piece: 1_000, pause: 10 * HOUR };
    let stage = Stage::at_rest(1, [plan]);
    stage.net.set_weather(BACKEND_PORT, Weather::default());
    stage.start_client(vec![1]);
    stage.executor.run_for(Duration::from_secs(10));
    assert_few("a client that does not read", polls(&stage, Duration::from_secs(45)), 100);
    stage.end();
}
