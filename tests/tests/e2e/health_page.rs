//! The health page of a sidecar: which requests it answers, and its time-outs.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use telephone_tests::client::{Client, ask};
use telephone_tests::line::{both_at_once, both_programs};
use telephone_tests::relay::Relay;
use telephone_tests::request::Request;
use telephone_tests::sidecar::{Program, Sidecar};
use telephone_tests::wait::PATIENCE;

/// Connections at a health port at once.
const PROBES_MAX: usize = 64;

fn start(program: Program, relay: &Relay, options: &[&str]) -> Sidecar {
    let dial = program.dial(relay).token(&relay.token(&["/m"])).mount("/m");
    dial.args(&["--port", "1"]).args(options).ready()
}

fn asked(addr: SocketAddr, hosts: &[&str]) -> (u16, String) {
    let fields: String = hosts.iter().map(|host| format!("Host: {host}\r\n")).collect();
    let answer = ask(addr, &Request::raw("GET", &format!("GET /readyz HTTP/1.1\r\n{fields}")).close());
    (answer.status(), answer.text())
}

#[test]
fn a_web_page_reads_no_health_page_under_a_name_of_its_own() {
    both_programs(|program| {
        let relay = Relay::start();
        let sidecar = start(program, &relay, &["--health-host", "shop.internal,Probe.internal"]);
        let addr = sidecar.health_addr();
        for host in ["127.0.0.1", "127.0.0.1:9", "localhost", "[::1]:1", "shop.internal", "PROBE.internal:80"]
        {
            assert_eq!(asked(addr, &[host]).0, 200, "{host}");
        }
        for host in ["evil.example", "localhost.evil.example", "10.0.0.7", "x.shop.internal", "a@localhost"] {
            let (status, text) = asked(addr, &[host]);
            assert!(matches!(status, 400 | 403), "{host}: {status}");
            assert!(status == 400 || text.contains("--health-host"), "{host}: {text}");
        }
        assert_eq!(asked(addr, &["evil.example"]).0, 403);
        assert_eq!(asked(addr, &["localhost", "evil.example"]).0, 400);
    });
}

#[test]
fn a_page_on_all_addresses_answers_to_the_address_of_a_pod_and_to_no_foreign_name() {
    both_programs(|program| {
        let relay = Relay::start();
        let port = telephone_tests::net::free_addr().port();
        let address = format!("0.0.0.0:{port}");
        let token = relay.token(&["/m"]);
        let args = ["--plugboard", &relay.url(), "--mount", "/m", "--port", "1", "--health", &address];
        let process = program.plan().args(args).env("TELEPHONE_TOKEN", &token);
        let process = process.env("TELEPHONE_HEALTH_HOST", "a.internal, b.internal").start();
        process.wait_stderr("connected", PATIENCE);
        let addr = SocketAddr::from(([127, 0, 0, 1], port));
        for host in ["10.42.0.17:8080", "10.42.0.17", "[fd00::17]:8080", "a.internal", "b.internal"] {
            assert_eq!(asked(addr, &[host]).0, 200, "{host}");
        }
        assert_eq!(asked(addr, &["evil.example"]).0, 403);
    });
}

#[test]
fn half_heads_end_in_time_and_leave_room_for_a_probe() {
    both_at_once(|program| {
        let relay = Relay::start();
        let sidecar = start(program, &relay, &[]);
        let half = || {
            let mut stream = TcpStream::connect(sidecar.health_addr()).expect("the page listens");
            stream.set_read_timeout(Some(PATIENCE)).expect("not zero");
            stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: loc").expect("an open connection");
            stream
        };
        let mut halves: Vec<TcpStream> = (0..2 * PROBES_MAX).map(|_| half()).collect();
        // Those beyond the bound are closed at once, the others in time.
        for stream in &mut halves {
            let mut answer = Vec::new();
            let end = stream.read_to_end(&mut answer).map_err(|error| error.kind());
            assert!(end.is_ok() || end == Err(ErrorKind::ConnectionReset), "{end:?}");
            assert!(!answer.starts_with(b"HTTP/1.1 200"));
        }
        assert!(Client::try_connect(sidecar.health_addr()).is_ok() && sidecar.is_ready());
    });
}
