//! Plugboards that hand over to others while everybody goes on asking, on virtual time.

use std::time::Duration;

use telephone_virtual::{LINK_PORT, Pace, Plan, Stage, Weather};

const SECOND: Duration = Duration::from_secs(1);
/// Requests of one client, one after the other.
const REQUESTS: u64 = 60;
const CLIENTS: u64 = 6;
/// How often the plugboard hands over meanwhile.
const TIMES: u32 = 4;

/// The requests of all clients: every third has a body, some take seconds.
fn plans(telephones: usize) -> Vec<Plan> {
    let plan = |id: u64| {
        let mount = usize::try_from(id).unwrap_or(0) % telephones;
        let plain =
            Plan { delay: Duration::from_millis(id % 7 * 50), ..Plan::get(id, mount, id % 5 * 2_000) };
        match id % 9 {
            0 | 3 => Plan { method: "POST", up: 3_000, ..plain },
            6 => Plan { down: 5_000, down_pace: Pace { piece: 500, pause: SECOND / 2 }, ..plain },
            _ => plain,
        }
    };
    (1..=CLIENTS * REQUESTS).map(plan).collect()
}

fn hand_over_under_load(telephones: usize, latency: Duration) {
    let plans = plans(telephones);
    let stage = Stage::at_rest(telephones, plans.iter().cloned());
    stage.net.set_weather(LINK_PORT, Weather { latency, ..Weather::default() });
    for client in 0..CLIENTS {
        stage.start_client((1..=REQUESTS).map(|number| client * REQUESTS + number).collect());
    }
    for _ in 0..TIMES {
        stage.executor.run_for(5 * SECOND);
        stage.hand_relay_over();
    }
    let deadline = stage.executor.now() + 600 * SECOND;
    assert!(stage.executor.run_until(deadline, || stage.are_clients_done()), "{:?}", stage.ledger.open());
    assert_eq!(stage.ledger.failed(), [], "a request failed");
    assert!(stage.executor.run_until(deadline, || stage.is_linked()), "{:?}", stage.counts());
    // Each telephone had one session with each plugboard.
    assert_eq!(stage.sessions_started(), telephones * (1 + TIMES as usize));
    let is_gone = stage.executor.run_until(deadline, || stage.left_behind().1 == 0);
    assert!(is_gone, "{:?} is left of the plugboards that went", stage.left_behind());
    stage.end();
}

#[test]
fn no_request_fails_while_plugboards_hand_over() {
    for telephones in [1, 3] {
        for latency in [Duration::from_millis(1), Duration::from_millis(80)] {
            hand_over_under_load(telephones, latency);
        }
    }
}

#[test]
fn a_telephone_that_can_go_nowhere_serves_until_it_is_left() {
    let plans: Vec<Plan> =
        (1..=40).map(|id| Plan { delay: SECOND / 20, ..Plan::get(id, 0, 1_000) }).collect();
    let stage = Stage::at_rest(1, plans);
    stage.start_client((1..=40).collect());
    // Its successor has the name, but nobody can dial.
    stage
        .net
        .set_weather(LINK_PORT, Weather { fate: telephone_virtual::Fate::Refused, ..Weather::default() });
    stage.executor.run_for(SECOND / 2);
    stage.shut_relay_down();
    let ready_before = stage.is_linked();
    stage.executor.run_for(SECOND / 2);
    assert!(ready_before && stage.is_linked(), "it took itself for lost while it still served");
    assert_eq!(stage.ledger.failed(), []);
    stage.executor.run_for(60 * SECOND);
    assert!(!stage.is_linked());
    assert_eq!(stage.left_behind(), (0, 0));
    stage.end();
}
