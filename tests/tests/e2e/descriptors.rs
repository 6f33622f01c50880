//! A relay whose descriptors are used up: whom it serves, whom it closes, and what the operator sees meanwhile.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use telephone_tests::client::{Answer, Client};
use telephone_tests::gate;
use telephone_tests::line::{Line, MOUNT, both, both_programs};
use telephone_tests::origin::Origin;
use telephone_tests::process::{Plan, Process};
use telephone_tests::raw::{RawBackend, RawLine};
use telephone_tests::relay::{NO_GRACE, Relay};
use telephone_tests::request::Request;
use telephone_tests::sidecar::Program;
use telephone_tests::wait::{self, PATIENCE};
use telephone_tests::{bins, net};

/// Whoever tries to keep others out has the address 127.0.0.1; this is another client's.
const OTHER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
/// Loopback addresses count as all others do.
const COUNTED: &[&str] = &["--limit", "start-grace=0s", "--limit-loopback"];
/// The same, with so few connections that a test can have them all.
const TEN: &[&str] = &["--limit", "start-grace=0s", "--limit-loopback", "--limit", "connections=10"];
/// Connections of an attack each second, for as long as it lasts.
const ATTACK_RATE: u32 = 2_000;
/// Silent connections of it that stay.
const SILENT: u64 = 200;
/// How long a probe may take: Kubernetes gives it one second.
const PROBE_TIME: Duration = Duration::from_secs(1);
/// What the operator shows: the file that has it is read for each revocation.
const ADMIN_TOKEN: &str = "0123456789abcdef0123456789abcdef";
/// Connections of the attack while the operator and another address are served.
const ATTACK_CONNECTIONS: u64 = 2_000;

/// A request of another client, on a connection of its own.
fn ask_from(source: IpAddr, addr: SocketAddr, request: &Request) -> Option<Answer> {
    Client::try_connect_from(source, addr).ok()?.try_ask(request)
}

/// A download that goes on for as long as its client does not read.
fn download(addr: SocketAddr, field: Option<&str>) -> Client {
    let mut client = Client::connect(addr);
    let request = Request::get("/m/bytes?n=2000000000");
    let request = field.map_or(request.clone(), |value| request.field("X-Forwarded-For", value));
    client.send(request.to_vec());
    assert_eq!(client.head().status(), 200);
    client
}

/// Connections at [`ATTACK_RATE`] until it is over; as many stay open as are silent anyhow. Counts those that were
/// tried.
fn attack(addr: SocketAddr, tried: &AtomicU64, is_over: &AtomicBool) {
    let mut kept = std::collections::VecDeque::new();
    let gap = Duration::from_secs(1) / ATTACK_RATE;
    for _turn in wait::paced(Instant::now(), gap).take_while(|_| !is_over.load(Ordering::SeqCst)) {
        tried.fetch_add(1, Ordering::SeqCst);
        kept.extend(TcpStream::connect_timeout(&addr, PATIENCE).ok());
        if kept.len() as u64 > SILENT {
            kept.pop_front();
        }
    }
}

/// The longest time that the operator waited for an answer, and the other client for its own, in rounds until
/// [`ATTACK_CONNECTIONS`] were tried.
fn operate(relay: &Relay, tried: &AtomicU64) -> (Duration, Duration) {
    let (mut probes, mut requests) = (Duration::ZERO, Duration::ZERO);
    let timed = |longest: &mut Duration, ask: &dyn Fn() -> u16| {
        let began = Instant::now();
        assert_eq!(ask(), 200);
        *longest = began.elapsed().max(*longest);
    };
    while tried.load(Ordering::SeqCst) < ATTACK_CONNECTIONS {
        timed(&mut probes, &|| relay.probe("/readyz").status());
        timed(&mut probes, &|| relay.probe("/metrics").status());
        timed(&mut probes, &|| relay.revoke_with(r#"{"jti":"nobody's"}"#, ADMIN_TOKEN).status());
        timed(&mut requests, &|| {
            let answer = ask_from(OTHER, relay.addr(), &Request::get("/m/bytes?n=3").close());
            answer.map_or(0, |answer| answer.status())
        });
    }
    (probes, requests)
}

fn survives_an_attack(descriptors: u64, program: Program) {
    let admin_token = tempfile::NamedTempFile::new().expect("a temporary file");
    fs::write(admin_token.path(), ADMIN_TOKEN).expect("disk space");
    let path = admin_token.path().to_str().expect("UTF-8");
    let relay = Relay::with_descriptors(descriptors, &[COUNTED, &["--admin-token-file", path]].concat());
    let origin = Origin::start();
    let release = origin.hold("/m/held");
    let dial = program.dial(&relay).token(&relay.token(&[MOUNT])).mount(MOUNT).backend(&origin.url());
    let sidecar = dial.ready();
    let mut held = Client::try_connect_from(OTHER, relay.addr()).expect("the relay listens");
    held.send(Request::get("/m/held").close().to_vec());
    wait::until_true("the request reaches the origin", PATIENCE, || origin.counts().requests == 1);
    let silent: Vec<TcpStream> = (0..SILENT.max(descriptors))
        .filter_map(|_| TcpStream::connect_timeout(&relay.addr(), PATIENCE).ok())
        .collect();

    let (tried, is_over) = (AtomicU64::new(0), AtomicBool::new(false));
    let began = Instant::now();
    let (probes, requests) = thread::scope(|scope| {
        let attacking = scope.spawn(|| attack(relay.addr(), &tried, &is_over));
        let operated = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| operate(&relay, &tried)));
        is_over.store(true, Ordering::SeqCst);
        attacking.join().expect("the attack");
        operated.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    });
    let (tried, took) = (tried.into_inner(), began.elapsed());

    assert!(probes < PROBE_TIME, "{probes:?}");
    assert!(relay.process().descriptors() as u64 <= descriptors);
    let shed: u64 = ["refused", "waiting"]
        .iter()
        .map(|why| relay.metric(&format!("plugboard_connections_shed_total{{reason=\"{why}\"}}")))
        .sum();
    assert!(shed > 0, "nothing was shed");
    release.send(()).expect("the origin holds it");
    assert_eq!(held.answer("GET").text(), "late", "an exchange in progress was lost");
    assert!(sidecar.is_ready());
    assert_eq!(relay.metric("plugboard_link_starts_total{kind=\"new\"}"), 1);
    assert_eq!(relay.metric("plugboard_link_starts_total{kind=\"resumed\"}"), 0);
    println!(
        "{descriptors} descriptors: {tried} tried in {took:?}, {shed} shed; probes {probes:?}, requests {requests:?}"
    );
    drop(silent);
}

#[test]
fn the_admin_port_and_other_addresses_are_served_while_one_uses_up_the_descriptors() {
    let _turn = gate::alone();
    for (descriptors, program) in [(64, Program::Tokio), (120, Program::Smol), (1_024, Program::Tokio)] {
        survives_an_attack(descriptors, program);
    }
}

#[test]
fn exchanges_of_one_address_keep_no_other_out() {
    both_programs(|program| {
        let line = Line::with(program, TEN, &[]);
        let mut downloads: Vec<Client> = (0..9).map(|_| download(line.addr(), None)).collect();
        let refused = Client::connect(line.addr()).try_ask(&Request::get("/m/bytes?n=3").close());
        assert!(refused.is_none(), "their own address has no more room");
        let answer = ask_from(OTHER, line.addr(), &Request::get("/m/bytes?n=3").close());
        assert_eq!(answer.expect("an answer").status(), 200);
        assert!(!downloads.pop().expect("nine").rest().1, "the last one was not reset");
        assert_eq!(line.relay().metric("plugboard_connections_shed_total{reason=\"exchange\"}"), 1);
        assert_eq!(line.relay().metric("plugboard_connections_shed_total{reason=\"refused\"}"), 1);
    });
}

#[test]
fn connections_of_a_trusted_proxy_count_for_the_clients_that_it_names() {
    both_programs(|program| {
        let trusting = [&TEN[..2], &["--limit", "connections=10", "--trust", "127.0.0.1"]].concat();
        for (client, status) in [(Some("203.0.113.7, 127.0.0.1"), Some(200)), (None, None)] {
            let line = Line::with(program, &trusting, &[]);
            let _downloads: Vec<Client> = (0..9).map(|_| download(line.addr(), client)).collect();
            let own = Client::connect(line.addr())
                .try_ask(&Request::get("/m/bytes?n=3").field("X-Forwarded-For", "203.0.113.7").close());
            if client.is_some() {
                assert!(own.is_none(), "it has no more room, behind a proxy neither");
                assert_eq!(line.relay().metric("plugboard_connections_shed_total{reason=\"exchange\"}"), 0);
            }
            // A proxy that names nobody is exempt, and so are its exchanges.
            let answer = Client::connect(line.addr()).try_ask(&Request::get("/m/bytes?n=3").close());
            assert_eq!(answer.map(|answer| answer.status()), status, "{client:?}");
        }
    });
}

#[test]
fn kept_connections_are_closed_before_any_other_when_the_table_is_nearly_full() {
    both(|line| {
        let relay = Relay::with(TEN);
        let token = relay.token(&[MOUNT]);
        let dial = line.sidecar().program().dial(&relay).token(&token).mount(MOUNT);
        let _sidecar = dial.backend(&line.origin.url()).ready();
        let mut kept: Vec<Client> = (0..7)
            .map(|_| {
                let mut client = Client::connect(relay.addr());
                assert_eq!(client.ask(&Request::get("/m/bytes?n=3")).status(), 200);
                client
            })
            .collect();
        let _fresh = Client::connect(relay.addr());
        assert_eq!(kept.remove(0).rest().0, b"", "the longest idle one");
        let mut youngest = kept.pop().expect("six");
        assert_eq!(youngest.ask(&Request::get("/m/bytes?n=3")).status(), 200);
    });
}

#[test]
fn raw_connections_count_and_keep_no_other_address_out() {
    both_programs(|program| {
        let backend = RawBackend::start(|stream| {
            let _closed = std::io::copy(&mut &stream, &mut std::io::sink());
        });
        // One more than ten: the port itself takes a descriptor.
        let options = [&TEN[..4], &["connections=11"]].concat();
        let line = RawLine::to(program, backend.addr(), &options, &[]);
        let _silent: Vec<TcpStream> = (0..9).map(|_| line.connect()).collect();
        wait::until_true("all are served", PATIENCE, || line.relay.metric("plugboard_connections") == 10);
        let answer = ask_from(OTHER, line.relay.addr(), &Request::get("/nothing").close());
        assert_eq!(answer.expect("an answer").status(), 404);
        wait::until_true("one was reset for it", PATIENCE, || {
            line.relay.metric("plugboard_connections_shed_total{reason=\"exchange\"}") == 1
        });
    });
}

#[test]
fn the_admin_port_closes_half_heads_and_idle_connections_and_is_never_full_of_them() {
    let _turn = gate::shared();
    let relay = Relay::with(NO_GRACE);
    let start = |octets: &str| {
        let client = Client::connect(relay.admin());
        client.send(octets);
        client
    };
    let host = format!("Host: {}\r\n", relay.admin());
    let mut half = start("GET /livez HTTP/1.1\r\nHo");
    let mut idle = start(&format!("GET /livez HTTP/1.1\r\n{host}\r\n"));
    let mut slow = start(&format!("POST /revoke HTTP/1.1\r\n{host}Content-Length: 20\r\n\r\n{{"));
    assert_eq!(idle.answer("GET").status(), 200);
    let began = Instant::now();
    assert!(half.rest().1, "a half head");
    assert!(idle.rest().1, "an idle connection");
    assert_eq!(slow.answer("POST").status(), 408);
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());

    let crowd: Vec<Client> = (0..12).map(|_| start("GET /livez HTTP/1.1\r\nHo")).collect();
    for _ in 0..20 {
        assert_eq!(relay.probe("/readyz").status(), 200);
    }
    drop(crowd);
}

#[test]
fn slow_bodies_do_not_keep_others_from_the_admin_port() {
    let _turn = gate::shared();
    let relay = Relay::with(NO_GRACE);
    let order = |fields: &str, length: usize| {
        format!(
            "POST /revoke HTTP/1.1\r\nHost: {}\r\n{fields}Content-Length: {length}\r\n\r\n",
            relay.admin()
        )
    };
    let began = Instant::now();
    let crowd: Vec<Client> = (0..8)
        .map(|_| {
            let mut client = Client::connect(relay.admin());
            client.send(order("Expect: 100-continue\r\n", 20));
            assert_eq!(client.head().status(), 100, "its body is waited for");
            client
        })
        .collect();
    let body = r#"{"sub":"nobody"}"#;
    let others: Vec<Client> = (0..8)
        .map(|_| {
            let mut client = Client::connect(relay.admin());
            client.send(order("", body.len()) + body);
            assert_eq!(client.answer("POST").status(), 200);
            client
        })
        .collect();
    // The bodies may take longer, so that none was given up for its slowness.
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    drop((crowd, others));
}

/// The soft and the hard limit of descriptors of a process.
fn limits_of(process: &Process) -> (u64, u64) {
    let path = format!("/proc/{}/limits", process.pid());
    let text = fs::read_to_string(path).expect("a running process");
    let line =
        text.lines().find(|line| line.starts_with("Max open files")).expect("a row of /proc/PID/limits");
    let mut figures = line.split_whitespace().filter_map(|word| word.parse().ok());
    (figures.next().expect("the soft limit"), figures.next().expect("the hard limit"))
}

#[test]
fn every_program_raises_the_soft_limit_of_descriptors_to_the_hard_one() {
    let _turn = gate::shared();
    let relay = Relay::start();
    let limited = |name| Plan::new("prlimit").arg("--nofile=96:777").arg(bins::path(name));
    let token = relay.token(&[MOUNT]);
    let telephone = |name| {
        let plan = limited(name).args(["--plugboard", &relay.url(), "--mount", MOUNT, "--port", "1"]);
        plan.env("TELEPHONE_TOKEN", &token)
    };
    let connect = || limited("telephone").args(["connect", "--plugboard", &relay.url(), "--to", "box:7"]);
    let port = net::free_addr().to_string();
    let plans = [
        telephone("telephone"),
        telephone("telephone-smol"),
        connect().args(["--listen", &port]).env("TELEPHONE_TOKEN", &token),
        limited("plugboard")
            .args(["serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"])
            .arg("--secret-file")
            .arg(relay.secret_file()),
    ];
    for plan in plans {
        let process = plan.start();
        wait::until_true("the soft limit is the hard one", PATIENCE, || limits_of(&process) == (777, 777));
    }
}
