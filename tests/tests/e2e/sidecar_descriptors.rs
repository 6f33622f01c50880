//! A telephone without enough descriptors: it takes fewer streams, and says whose fault a failure is.

use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};

use telephone_core::wire::Setting;
use telephone_tests::bins;
use telephone_tests::false_plugboard::FalsePlugboard;
use telephone_tests::line::both_programs;
use telephone_tests::net::free_addr;
use telephone_tests::origin::Origin;
use telephone_tests::process::{Plan, Process};
use telephone_tests::relay::{NO_GRACE, Relay};
use telephone_tests::sidecar::{Program, ask_health};
use telephone_tests::wait::{self, PATIENCE};

/// A telephone with that many descriptors, softly and at the most.
fn start(program: Program, (soft, hard): (u32, u32), token: &str, args: &[&str]) -> Process {
    let limited = format!("ulimit -S -n {soft} && ulimit -H -n {hard} && exec \"$@\"");
    let plan = Plan::new("sh").args(["-c", &limited, "sh"]).arg(bins::path(program.name())).args(args);
    plan.env("TELEPHONE_TOKEN", token).env("RUST_LOG", "info").start()
}

#[test]
fn streams_are_no_more_than_there_are_descriptors_after_the_limit_was_raised() {
    both_programs(|program| {
        for ((soft, hard), plugboards, asked, told) in [
            ((1024, 1024), 1, 1024, 920),
            ((100, 1024), 1, 1024, 920),
            ((100, 1024), 2, 1024, 456),
            ((64, 64), 1, 1024, 24),
            ((100, 1024), 1, 50, 50),
            ((100, 2048), 1, 1024, 1024),
        ] {
            let (plugboard, other) = (FalsePlugboard::start(), FalsePlugboard::start());
            let (url, other_url, streams) = (plugboard.url(), other.url(), asked.to_string());
            let args = ["--plugboard", &url, "--mount", "/m", "--port", "1", "--streams", &streams];
            let more: &[&str] = if plugboards == 2 { &["--plugboard", &other_url] } else { &[] };
            let process = start(program, (soft, hard), "a.b.c", &[&args[..], more].concat());
            let caller = plugboard.next();
            let settings = &caller.hello.settings;
            assert_eq!(settings.value(Setting::Streams), Some(told), "{soft} {hard} {plugboards} {asked}");
            let log =
                if told < asked { process.wait_stderr("ulimit -n", PATIENCE) } else { process.stderr() };
            let warned = log.matches(&format!("--streams {asked}: ")).count();
            assert_eq!(warned, usize::from(told < asked), "{log}");
            assert!(
                told == asked || log.contains(&format!("{told} streams")) && log.contains("ulimit -n"),
                "{log}"
            );
        }
    });
}

#[test]
fn what_a_telephone_lacks_is_not_blamed_on_the_application() {
    both_programs(|program| {
        let relay = Relay::with(NO_GRACE);
        let origin = Origin::start();
        let health = free_addr().to_string();
        let token = relay.token(&["/m"]);
        for backend in [origin.url(), format!("http://localhost:{}", origin.addr().port())] {
            let (url, args) = (relay.url(), ["--mount", "/m", "--health", &health, "--backend", &backend]);
            let args = [&["--plugboard", &url][..], &args].concat();
            let mut process = start(program, (48, 48), &token, &args);
            let addr: SocketAddr = health.parse().expect("an address");
            wait::until_true("it is ready", PATIENCE, || {
                ask_health(addr, "/readyz").is_some_and(|answer| answer.status() == 200)
            });
            let full = use_up(&process, addr);
            let answer = telephone_tests::client::get(relay.addr(), "/m/echo");
            let said = answer.head.value("proxy-status").unwrap_or_default();
            assert_eq!(answer.status(), 503, "{said}");
            assert!(said.contains("telephone_exhausted"), "{said}");
            assert!(answer.head.has("retry-after"));
            process.wait_stderr("no descriptor is left", PATIENCE);
            drop(full);
            wait::until_true("requests are served again", PATIENCE, || {
                telephone_tests::client::get(relay.addr(), "/m/echo").status() == 200
            });
            process.kill();
        }
    });
}

#[test]
fn a_raw_stream_without_a_descriptor_for_its_backend_is_logged() {
    both_programs(|program| {
        let relay = Relay::with(NO_GRACE);
        let origin = Origin::start();
        let health = free_addr().to_string();
        let token = relay.token_with("shop", &["tcp:box:7"], &["--connect", "box:7"]);
        let (url, raw) = (relay.url(), format!("box:7={}", origin.addr()));
        let mut process =
            start(program, (48, 48), &token, &["--plugboard", &url, "--tcp", &raw, "--health", &health]);
        let addr: SocketAddr = health.parse().expect("an address");
        wait::until_true("it is ready", PATIENCE, || {
            ask_health(addr, "/readyz").is_some_and(|answer| answer.status() == 200)
        });
        let full = use_up(&process, addr);
        let connect = Plan::new(bins::path(program.name()));
        let connect = connect.args(["connect", "--plugboard", &url, "--to", "box:7", "--stdio"]);
        let connecting = connect.env("TELEPHONE_TOKEN", &token).start();
        process.wait_stderr("no descriptor is left", PATIENCE);
        drop((connecting, full));
        process.kill();
    });
}

/// Connections to the health page for which the process has no descriptor left.
fn use_up(process: &Process, addr: SocketAddr) -> Vec<TcpStream> {
    let full = (0..60)
        .map(|_| {
            let mut probe = TcpStream::connect(addr).expect("the page listens");
            probe.write_all(b"GET /readyz HTTP/1.1\r\n").expect("an open connection");
            probe
        })
        .collect();
    wait::until_true("the table is full", PATIENCE, || process.descriptors() >= 48);
    full
}
