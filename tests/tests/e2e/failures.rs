//! Each part fails in turn: what was in flight ends loudly, and the line comes back by itself.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use telephone_tests::bins;
use telephone_tests::client::{Client, get, try_get};
use telephone_tests::line::{Line, both, both_at_once, both_programs};
use telephone_tests::namespace::without_names;
use telephone_tests::net::free_addr;
use telephone_tests::origin::{After, Origin};
use telephone_tests::relay::Relay;
use telephone_tests::request::Request;
use telephone_tests::sidecar::Program;
use telephone_tests::wait::{self, PATIENCE};

/// How soon a mount serves again once its relay listens again.
const BACK_WITHIN: Duration = Duration::from_secs(2);

/// A client whose request stands at the origin.
fn held(line: &Line) -> Client {
    let before = line.origin.counts().requests;
    let client = line.connect();
    client.send(Request::get("/m/held").close().to_vec());
    wait::until_true("the request reaches the origin", PATIENCE, || line.origin.counts().requests > before);
    client
}

#[test]
fn a_telephone_that_waits_for_a_name_server_ends_on_a_signal() {
    both_programs(|program| {
        let relay = Relay::start();
        let plan = without_names(&bins::path(program.name()), relay.directory()).env("RUST_LOG", "info");
        let plan = plan.args(["--plugboard", "ws://plugboard.example", "--mount", "/m", "--port", "1"]);
        let plan = plan.args(["--health", "127.0.0.1:4100"]).env("TELEPHONE_TOKEN", relay.token(&["/m"]));
        let mut process = plan.start();
        // What it does next is to look the name up.
        process.wait_stderr("health page on", PATIENCE);
        process.signal(Signal::TERM);
        assert_eq!(process.wait_exit(Duration::from_secs(10)).code(), Some(0), "{}", process.stderr());
    });
}

#[test]
fn a_backend_that_refuses_is_a_502_within_a_second() {
    both_programs(|program| {
        let relay = Relay::start();
        let nobody = free_addr();
        let dial = program.dial(&relay).token(&relay.token(&["/m"])).mount("/m");
        let _sidecar = dial.args(&["--port", &nobody.port().to_string()]).ready();
        let start = Instant::now();
        let answer = get(relay.addr(), "/m/x");
        assert_eq!(answer.status(), 502);
        assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
        assert!(!answer.text().contains(&nobody.port().to_string()), "{}", answer.text());
    });
}

#[test]
fn a_backend_that_starts_late_serves_as_soon_as_it_is_there() {
    both_programs(|program| {
        let relay = Relay::start();
        let addr = free_addr();
        let dial = program.dial(&relay).token(&relay.token(&["/m"])).mount("/m");
        let _sidecar = dial.args(&["--port", &addr.port().to_string()]).ready();
        assert_eq!(get(relay.addr(), "/m/x").status(), 502);
        let _origin = Origin::at(addr);
        assert_eq!(get(relay.addr(), "/m/x").status(), 200);
    });
}

#[test]
fn a_backend_that_never_answers_is_a_504() {
    both_at_once(|program| {
        let line = Line::through(program);
        line.origin.on("/m/silent", |exchange| exchange.wait_closed());
        let mut client = line.connect();
        client.wait_at_most(Duration::from_secs(90));
        assert_eq!(client.ask(&Request::get("/m/silent")).status(), 504);
        line.origin.wait_idle(Duration::from_secs(1));
    });
}

#[test]
fn with_nobody_connected_a_request_gets_503_and_when_to_come_again() {
    let relay = Relay::start();
    let answer = get(relay.addr(), "/m/x");
    assert_eq!(answer.status(), 503);
    let seconds = answer.head.value("retry-after").expect("Retry-After");
    assert!(seconds.parse::<u32>().is_ok(), "{seconds}");
}

#[test]
fn an_unknown_mount_is_a_404_beside_a_known_one() {
    both(|line| {
        assert_eq!(line.get("/m/x").status(), 200);
        assert_eq!(line.get("/unknown").status(), 404);
    });
}

#[test]
fn a_mount_whose_telephone_left_is_503_and_not_404() {
    both_programs(|program| {
        let mut line = Line::through(program);
        line.sidecar().terminate();
        assert_eq!(line.sidecar_mut().wait_exit(PATIENCE), Some(0));
        let answer = line.get("/m/x");
        assert_eq!((answer.status(), answer.head.has("retry-after")), (503, true));
    });
}

#[test]
fn after_the_relay_is_killed_and_started_again_the_mount_is_back_within_two_seconds() {
    both_programs(|program| {
        let mut line = Line::with(program, &[], &[]);
        assert_eq!(line.get("/m/x").status(), 200);
        line.relay_mut().kill();
        let listening = line.relay_mut().restart();
        assert_back(&line, listening);
    });
}

#[test]
fn after_an_outage_the_mount_is_back_within_two_seconds() {
    both_programs(|program| {
        let mut line = Line::with(program, &[], &[]);
        assert_eq!(line.get("/m/x").status(), 200);
        line.relay_mut().kill();
        wait::until_true("the telephone has failed several times", PATIENCE, || {
            let health = line.sidecar().health("/healthz").expect("a health page");
            let health: serde_json::Value = serde_json::from_slice(&health.body).expect("JSON");
            health["plugboards"][0]["failed_attempts"].as_u64().expect("a count") >= 4
        });
        let listening = line.relay_mut().restart();
        assert_back(&line, listening);
    });
}

fn assert_back(line: &Line, listening: Instant) {
    let addr = line.addr();
    wait::until_true("the first 200", PATIENCE, || {
        try_get(addr, "/m/x").is_some_and(|answer| answer.status() == 200)
    });
    let after = listening.elapsed();
    assert!(after < BACK_WITHIN, "the first 200 came {after:?} after the relay listened");
}

#[test]
fn a_sidecar_that_is_terminated_finishes_what_is_in_flight_and_exits_0() {
    both_programs(|program| {
        let mut line = Line::through(program);
        let release = line.origin.hold("/m/held");
        let mut client = held(&line);
        line.sidecar().terminate();
        wait::until_true("the sidecar is not ready any more", PATIENCE, || !line.sidecar().is_ready());
        assert_eq!(line.get("/m/x").status(), 503, "a draining sidecar took a new request");
        release.send(()).expect("the origin waits");
        let answer = client.answer("GET");
        assert_eq!((answer.status(), answer.text().as_str()), (200, "late"));
        assert_eq!(line.sidecar_mut().wait_exit(PATIENCE), Some(0));
    });
}

#[test]
fn a_second_sigterm_stops_a_sidecar_at_once() {
    both_programs(|program| {
        let mut line = Line::through(program);
        let _release = line.origin.hold("/m/held");
        let mut client = held(&line);
        line.sidecar().terminate();
        wait::until_true("the sidecar is not ready any more", PATIENCE, || !line.sidecar().is_ready());
        line.sidecar().terminate();
        line.sidecar_mut().wait_exit(Duration::from_secs(4));
        assert!([502, 503, 504].contains(&client.answer("GET").status()));
    });
}

#[test]
fn a_relay_that_is_terminated_finishes_what_is_in_flight_and_exits_0() {
    both_programs(|program| {
        let mut line = Line::through(program);
        let release = line.origin.hold("/m/held");
        let mut client = held(&line);
        line.relay().terminate();
        release.send(()).expect("the origin waits");
        assert_eq!(client.answer("GET").text(), "late");
        assert_eq!(line.relay_mut().wait_exit(), Some(0));
    });
}

#[test]
fn a_sidecar_that_is_killed_fails_what_is_in_flight_once_its_successor_is_there() {
    both_programs(|program| {
        let mut line = Line::through(program);
        let _release = line.origin.hold("/m/held");
        let before = line.origin.counts().requests;
        let mut waiting = line.connect();
        // Of another method it would go to the successor.
        waiting.send(Request::post("/m/held", "once").close().to_vec());
        wait::until_true("it reaches the origin", PATIENCE, || line.origin.counts().requests > before);
        let mut downloading = line.connect();
        downloading.send(Request::get("/m/bytes?n=2000000000").to_vec());
        let head = downloading.head();
        line.replace_sidecar();
        waiting.wait_at_most(Duration::from_secs(2));
        assert!([502, 503, 504].contains(&waiting.answer("GET").status()));
        let (_, ending) = downloading.digest_body(&head).expect("an end");
        assert!(!ending.is_complete(), "{ending:?}");
    });
}

#[test]
fn a_suspended_sidecar_fails_what_is_in_flight_within_45_seconds_and_comes_back() {
    both_at_once(|program| {
        let mut line = Line::through(program);
        let _release = line.origin.hold("/m/held");
        let mut client = held(&line);
        let start = Instant::now();
        line.sidecar().suspend();
        client.wait_at_most(Duration::from_secs(50));
        let status = client.answer("GET").status();
        assert!([502, 503, 504].contains(&status), "{status}");
        assert!(start.elapsed() < Duration::from_secs(45), "{:?}", start.elapsed());
        line.sidecar().wake();
        line.sidecar_mut().wait_ready(PATIENCE);
        assert_eq!(line.get("/m/x").status(), 200);
    });
}

#[test]
fn a_post_in_flight_when_its_sidecar_dies_is_never_sent_again() {
    both_programs(|program| {
        let mut line = Line::through(program);
        line.origin.on("/m/once", |exchange| {
            exchange.upload()?;
            exchange.wait_closed()?;
            Ok(After::Close)
        });
        let mut client = line.connect();
        client.send(Request::post("/m/once", "1").to_vec());
        wait::until_true("the upload is complete", PATIENCE, || line.origin.counts().uploads_complete == 1);
        let token = line.relay().token(&["/m"]);
        let other = program.dial(line.relay()).token(&token).mount("/m").backend(&line.origin.url());
        let _other = other.args(&["--instance", "other"]).ready();
        line.sidecar_mut().kill();
        assert!([502, 503, 504].contains(&client.answer("POST").status()));
        assert_eq!(line.origin.counts().requests, 1);
    });
}

#[test]
fn a_telephone_gives_up_after_the_attempts_that_it_was_given() {
    both_programs(|program| {
        let nobody = format!("ws://{}", free_addr());
        let dial = program.dial_url(&nobody).token("a.b.c").mount("/m");
        let few = ["--port", "1", "--max-attempts", "3", "--backoff-base", "10ms", "--backoff-max", "20ms"];
        let mut sidecar = dial.args(&few).start();
        assert_eq!(sidecar.wait_exit(PATIENCE), Some(1));
    });
}

#[test]
fn a_telephone_waits_for_a_plugboard_that_is_not_there_yet() {
    both_programs(|program: Program| {
        let (mut relay, origin) = (Relay::start(), Origin::start());
        let token = relay.token(&["/m"]);
        relay.kill();
        let dial = program.dial(&relay).token(&token).mount("/m").backend(&origin.url());
        let mut sidecar = dial.args(&["--backoff-base", "50ms"]).start();
        wait::until_true("the telephone is up", PATIENCE, || {
            sidecar.health("/livez").is_some_and(|answer| answer.status() == 200)
        });
        assert!(!sidecar.is_ready());
        relay.restart();
        sidecar.wait_ready(PATIENCE);
        assert_eq!(get(relay.addr(), "/m/x").status(), 200);
    });
}
