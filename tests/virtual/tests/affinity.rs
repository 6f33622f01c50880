//! Clients that stay with one of the telephones of a mount, on virtual time.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use telephone_driver::core::affinity::Sticky;
use telephone_virtual::{Plan, Seat, Stage};

const SECOND: Duration = Duration::from_secs(1);
const TELEPHONES: usize = 3;
const CLIENTS: u64 = 30;
/// Requests of one client, each a second behind the one before.
const REQUESTS: u64 = 24;
/// The requests that begin after a telephone has left, and after it has come back.
const AFTER_LEAVING: u64 = 8;
const AFTER_RETURN: u64 = 16;
/// The telephone that leaves.
const LEAVING: usize = 1;

/// A world of telephones on one mount, whose clients all send requests.
fn world(sticky: Sticky) -> Stage {
    let seat = |instance| Seat { mount: 0, instance, sticky: Some(sticky) };
    let plan = |id| Plan { delay: SECOND, ..Plan::get(id, 0, 100) };
    let stage = Stage::at_rest_in((0..TELEPHONES).map(seat).collect(), (0..CLIENTS * REQUESTS).map(plan));
    for client in 0..CLIENTS {
        // Of an IPv6 address /64 counts, of an IPv4 address all of it.
        let address = IpAddr::V4(Ipv4Addr::from(0x0a01_0000 + u32::try_from(client).unwrap()));
        stage.start_client_at(address, (client * REQUESTS..(client + 1) * REQUESTS).collect());
    }
    stage
}

fn run_to_the_end(stage: &Stage) {
    let deadline = stage.executor.now() + 600 * SECOND;
    assert!(stage.executor.run_until(deadline, || stage.are_clients_done()), "{:?}", stage.ledger.open());
    assert_eq!(stage.ledger.failed(), [], "a request failed");
}

/// The telephones that served these requests of a client, each change once.
fn seats(stage: &Stage, client: u64, requests: std::ops::Range<u64>) -> Vec<usize> {
    let served = |number| stage.ledger.executed_in(client * REQUESTS + number).expect("it was served");
    let mut seats: Vec<usize> = requests.map(served).collect();
    seats.dedup();
    seats
}

#[test]
fn a_client_keeps_its_telephone_and_all_telephones_have_clients() {
    for sticky in [Sticky::Cookie, Sticky::Address] {
        let stage = world(sticky);
        run_to_the_end(&stage);
        let mut clients = [0; TELEPHONES];
        for client in 0..CLIENTS {
            let seats = seats(&stage, client, 0..REQUESTS);
            assert_eq!(seats.len(), 1, "{sticky:?}: client {client} moved: {seats:?}");
            clients[seats[0]] += 1;
        }
        assert!(clients.iter().all(|count| *count >= CLIENTS / 10), "{sticky:?}: {clients:?}");
        stage.end();
    }
}

/// The clients of a telephone that stops and is started again.
fn leave_and_return(sticky: Sticky) -> Vec<[Vec<usize>; 3]> {
    let stage = world(sticky);
    // In the middle between two requests of each client.
    stage.executor.run_for(SECOND * u32::try_from(AFTER_LEAVING).unwrap() + SECOND / 2);
    stage.shut_telephone_down(LEAVING);
    stage.executor.run_for(SECOND * u32::try_from(AFTER_RETURN - AFTER_LEAVING).unwrap());
    stage.start_telephone(LEAVING);
    run_to_the_end(&stage);
    // The last second before each change and the first behind it may belong to either side.
    let of = |client| {
        [0..AFTER_LEAVING - 1, AFTER_LEAVING + 1..AFTER_RETURN - 1, AFTER_RETURN + 2..REQUESTS]
            .map(|requests| seats(&stage, client, requests))
    };
    let all = (0..CLIENTS).map(of).collect();
    stage.end();
    all
}

#[test]
fn the_clients_of_a_telephone_that_leaves_move_once_and_no_others() {
    for sticky in [Sticky::Cookie, Sticky::Address] {
        let mut moved = [0; TELEPHONES];
        for (client, [before, between, after]) in leave_and_return(sticky).into_iter().enumerate() {
            let (&[before], &[between], &[after]) = (&before[..], &between[..], &after[..]) else {
                panic!(
                    "{sticky:?}: client {client} moved without a reason: {before:?} {between:?} {after:?}"
                );
            };
            if before == LEAVING {
                assert_ne!(between, LEAVING, "{sticky:?}: client {client}");
                moved[between] += 1;
            } else {
                assert_eq!(
                    between, before,
                    "{sticky:?}: client {client} moved although its telephone stayed"
                );
            }
            match sticky {
                Sticky::Cookie => assert_eq!(after, between, "client {client} had a cookie for another one"),
                Sticky::Address => {
                    assert_eq!(after, before, "client {client} is not where its address belongs");
                }
            }
        }
        let spread = (0..TELEPHONES).filter(|seat| *seat != LEAVING).all(|seat| moved[seat] > 0);
        assert!(spread, "{sticky:?}: all clients of the one that left went to one other: {moved:?}");
    }
}
