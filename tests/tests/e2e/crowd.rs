//! More requests at once than a telephone takes.

use std::sync::mpsc::Sender;

use telephone_tests::client::{Client, get};
use telephone_tests::line::{Line, both_programs};
use telephone_tests::relay::Relay;
use telephone_tests::request::Request;
use telephone_tests::sidecar::Program;
use telephone_tests::wait::{self, PATIENCE};

/// A telephone that takes one stream, whose request the origin holds until it is told.
fn full(program: Program, park_time: &str) -> (Line, Client, Sender<()>) {
    let line = Line::with(program, &["--limit", &format!("park-time={park_time}")], &["--streams", "1"]);
    let release = line.origin.hold("/m/held");
    let client = line.connect();
    client.send(Request::get("/m/held").close().to_vec());
    wait::until_true("it reaches the origin", PATIENCE, || line.origin.counts().requests == 1);
    (line, client, release)
}

/// Waits until the relay has `count` requests in progress.
fn in_progress(relay: &Relay, count: usize) {
    let wanted = format!("plugboard_requests_in_progress {count}");
    wait::until_true(&wanted, PATIENCE, || relay.metrics().lines().any(|line| line == wanted));
}

#[test]
fn whoever_comes_to_a_full_telephone_waits_for_its_turn_and_may_leave() {
    both_programs(|program| {
        let (line, mut first, release) = full(program, "30s");
        let leaving = line.connect();
        leaving.send(Request::get("/m/never").to_vec());
        in_progress(line.relay(), 2);
        let mut second = line.connect();
        second.send(Request::get("/m/x").close().to_vec());
        in_progress(line.relay(), 3);
        drop(leaving);
        in_progress(line.relay(), 2);
        assert_eq!(line.origin.counts().requests, 1);

        release.send(()).expect("the origin listens");

        assert_eq!(first.answer("GET").text(), "late");
        assert_eq!(second.answer("GET").status(), 200);
        assert_eq!(line.origin.counts().requests, 2, "what left was never sent");
    });
}

#[test]
fn whoever_waits_too_long_is_told_to_come_again() {
    both_programs(|program| {
        let (line, mut first, release) = full(program, "100ms");
        let refused = get(line.addr(), "/m/x");
        assert_eq!(refused.status(), 503);
        assert!(refused.head.has("retry-after"), "{:?}", refused.head);
        release.send(()).expect("the origin listens");
        assert_eq!(first.answer("GET").text(), "late");
    });
}
