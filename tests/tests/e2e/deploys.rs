//! Relays that are replaced while everybody goes on asking.

use telephone_tests::client::Client;
use telephone_tests::haproxy::HaProxy;
use telephone_tests::line::both_programs;
use telephone_tests::load::{Load, Report};
use telephone_tests::origin::Origin;
use telephone_tests::relay::Relay;
use telephone_tests::request::Request;
use telephone_tests::sidecar::{Program, Sidecar};
use telephone_tests::wait::{self, PATIENCE};
use telephone_tests::{gate, namespace, sizes, websocket};
use tungstenite::Message;

/// Requests that are answered between two restarts, at the least.
const BETWEEN: u64 = 100;

/// Two relays behind a balancer, and a telephone that has a session to each.
struct Deployment {
    relays: [Relay; 2],
    balancer: HaProxy,
    origin: Origin,
    _sidecar: Sidecar,
}

impl Deployment {
    fn start(program: Program) -> Self {
        let options = ["--drain-delay", "500ms"];
        let first = Relay::with(&options);
        let second = Relay::with_secret(first.secret(), &options);
        let origin = Origin::start();
        let dial = program.dial(&first).args(&["--plugboard", &second.url()]);
        let sidecar = dial.token(&first.token(&["/m"])).mount("/m").backend(&origin.url()).ready();
        let relays = [first, second];
        let balancer = HaProxy::before(&[&relays[0], &relays[1]]);
        Self { relays, balancer, origin, _sidecar: sidecar }
    }

    /// Restarts the relays by turns, as `stop` stops them, while the load goes on.
    fn restart(&mut self, times: usize, stop: impl Fn(&mut Relay)) -> Report {
        let load = Load::start(self.balancer.addr(), &self.origin);
        for time in 0..times {
            wait_for_requests(&load);
            let number = time % 2;
            let relay = &mut self.relays[number];
            stop(relay);
            relay.restart();
            self.balancer.wait_up(number);
        }
        wait_for_requests(&load);
        load.stop()
    }
}

fn wait_for_requests(load: &Load) {
    let enough = load.answered() + BETWEEN;
    wait::until_true("requests are answered", PATIENCE, || load.answered() >= enough);
}

fn terminate(relay: &mut Relay) {
    relay.terminate();
    assert_eq!(relay.wait_exit(), Some(0));
}

/// Nothing failed, and nothing was done twice.
fn assert_spotless(report: &Report) {
    sizes::figure("requests", report.answered);
    assert!(report.failures.is_empty(), "{:?}", report.failures);
    assert!(report.executions.values().all(|count| *count == 1), "a request was executed twice");
}

#[test]
fn relays_behind_a_balancer_are_restarted_by_sigterm_and_no_request_fails() {
    let _turn = gate::alone();
    for program in Program::BOTH {
        let report = Deployment::start(program).restart(sizes::pick(4, 50), terminate);
        assert_spotless(&report);
    }
}

#[test]
fn relays_behind_a_balancer_are_killed_and_nothing_is_done_twice_nor_lost_that_may_be_repeated() {
    let _turn = gate::alone();
    for program in Program::BOTH {
        let report = Deployment::start(program).restart(sizes::pick(4, 50), Relay::kill);
        sizes::figure("requests", report.answered);
        sizes::figure("failed", report.failures.len());
        let lost: Vec<_> = report.failures.iter().filter(|(method, ..)| *method == "GET").collect();
        assert!(lost.is_empty(), "{lost:?}");
        let mut executions = report.executions.iter();
        assert!(executions.all(|(key, count)| *count == 1 || key.starts_with("GET")), "a POST was repeated");
    }
}

#[test]
fn a_relay_hands_its_port_to_the_next_one_and_no_request_fails() {
    let name = "deploys::a_relay_hands_its_port_to_the_next_one_and_no_request_fails";
    if !namespace::is_inside(name, ("ipv4/tcp_migrate_req", "1")) {
        return;
    }
    for program in Program::BOTH {
        let mut relay = Relay::with(&["--reuse-port", "--drain-delay", "300ms"]);
        let origin = Origin::start();
        let dial = program.dial(&relay).token(&relay.token(&["/m"])).mount("/m").backend(&origin.url());
        let _sidecar = dial.ready();
        let load = Load::start(relay.addr(), &origin);
        for _ in 0..sizes::pick(4, 50) {
            wait_for_requests(&load);
            let next = relay.successor();
            terminate(&mut relay);
            relay = next;
        }
        wait_for_requests(&load);
        assert_spotless(&load.stop());
    }
}

#[test]
fn a_download_and_a_websocket_outlive_the_drain_of_their_relay() {
    both_programs(|program| {
        let mut relay = Relay::with(&["--drain-delay", "100ms", "--drain-grace", "3m"]);
        let origin = Origin::start();
        let dial = program.dial(&relay).token(&relay.token(&["/m"])).mount("/m").backend(&origin.url());
        let _sidecar = dial.ready();
        let length = sizes::big_body();
        let mut download = Client::connect(relay.addr());
        download.send(Request::get(&format!("/m/bytes?n={length}")).to_vec());
        let head = download.head();
        let mut socket = websocket::open(relay.addr(), "/m/websocket").expect("an upgrade");

        relay.terminate();
        relay.process().wait_stderr("draining", PATIENCE);
        socket.send(Message::text("still here")).expect("an open socket");
        assert_eq!(socket.read().expect("an echo"), Message::text("still here"));
        let (digest, ending) = download.digest_body(&head).expect("an end");
        assert!(ending.is_complete(), "{ending:?}");
        assert_eq!(digest, telephone_tests::prf::Body::new(0, length).digest());
        socket.close(None).expect("an open socket");
        while socket.read().is_ok() {}
        // An upgraded connection has two directions.
        drop((socket, download));
        assert_eq!(relay.wait_exit(), Some(0));
    });
}

#[test]
fn what_outlasts_the_grace_ends_with_an_explicit_cause() {
    both_programs(|program| {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let log = directory.path().join("access.log");
        let log = log.to_str().expect("UTF-8");
        let mut relay =
            Relay::with(&["--drain-delay", "50ms", "--drain-grace", "300ms", "--access-log", log]);
        let origin = Origin::start();
        let dial = program.dial(&relay).token(&relay.token(&["/m"])).mount("/m").backend(&origin.url());
        let _sidecar = dial.ready();
        let mut download = Client::connect_narrow(relay.addr(), 16 * 1024);
        download.send(Request::get("/m/bytes?n=100000000").to_vec());
        let head = download.head();
        let mut socket = websocket::open(relay.addr(), "/m/websocket").expect("an upgrade");

        relay.terminate();
        let Message::Close(Some(close)) = socket.read().expect("a word") else { panic!("no close frame") };
        assert_eq!(u16::from(close.code), 1012, "{close:?}");
        assert_eq!(relay.wait_exit(), Some(0));
        let (_, ending) = download.digest_body(&head).expect("an end");
        assert!(!ending.is_complete(), "a body that was cut off looks complete");
        let lines = std::fs::read_to_string(log).expect("an access log");
        let causes = lines.lines().filter(|line| line.contains("relay_stopped")).count();
        assert_eq!(causes, 2, "{lines}");
    });
}
