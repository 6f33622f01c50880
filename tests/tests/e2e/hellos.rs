//! What a link may do before anybody knows whose it is, and what failed hellos cost.

use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use futures_lite::future;
use serde_json::json;
use telephone_driver::{
    AuthError, Authority, Grant, Listener as _, Plugboard, RelayConfig, Runtime, Unobserved, WhenFull,
    accept_loop,
};
use telephone_smol::SmolRuntime;
use telephone_tests::client;
use telephone_tests::gate;
use telephone_tests::raw_link::{RawLink, connect_from, frame, head, upgrade};
use telephone_tests::relay::{NO_GRACE, Relay};
use telephone_tests::sidecar::Program;
use telephone_tests::sizes;
use telephone_tests::wait::{self, PATIENCE};
use telephone_tokio::TokioRuntime;

/// Links that stall before their hello.
const LINKS: usize = 300;
/// What each may hold of the relay.
const LINK_KIB_MAX: f64 = 24.0;

const KIB: usize = 1024;

/// What a hostile link sends behind its upgrade, without ever completing a hello.
fn hostile_beginnings() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let all_but_one = |first: u8, size: usize| [head(first, size), vec![b' '; size - 1]].concat();
    let fragments = |size: usize, count: usize| {
        let first = frame(0x02, &vec![0; size]);
        let more = frame(0x00, &vec![0; size]);
        [first, more.repeat(count - 1), head(0x00, 4)[..3].to_vec()].concat()
    };
    let pings = frame(0x89, &[7; 125]).repeat(50);
    vec![
        ("a binary message of 64 KiB", "telephone.v1", all_but_one(0x82, 64 * KIB)),
        ("a text message of 128 KiB", "telephone.v1.json", all_but_one(0x81, 128 * KIB)),
        ("a hello of 16 KiB", "telephone.v1", all_but_one(0x82, 16 * KIB)),
        ("a text hello of 16 KiB", "telephone.v1.json", all_but_one(0x81, 16 * KIB)),
        ("a hello in fragments", "telephone.v1", fragments(KIB - 1, 16)),
        ("pings, then a hello", "telephone.v1", [pings, all_but_one(0x82, 16 * KIB)].concat()),
        ("fragments without end", "telephone.v1", fragments(8 * KIB, 100)),
        ("pings without end", "telephone.v1", frame(0x89, &[7; 125]).repeat(1_000)),
    ]
}

/// Bytes that a hostile link sends at once: the relay's reads end at other places than its frames.
const PIECE_BYTES: usize = 3_000;

/// Links that send all that the relay takes of `beginning`, by turns and in pieces, and then nothing.
fn stalled(relay: SocketAddr, count: usize, subprotocol: &str, beginning: &[u8]) -> Vec<TcpStream> {
    let connect = |_| {
        let stream = connect_from(Ipv4Addr::LOCALHOST, relay);
        stream.set_write_timeout(Some(Duration::from_secs(1))).expect("not zero");
        stream
    };
    let mut links: Vec<_> = (0..count).map(connect).collect();
    let all = [upgrade(subprotocol).as_bytes(), beginning].concat();
    for piece in all.chunks(PIECE_BYTES) {
        // The relay may have closed it meanwhile, which gives its memory back.
        links.retain_mut(|link| link.write_all(piece).is_ok());
    }
    links
}

/// The memory that the relay has written, once that stays the same.
fn settled_kib(relay: &Relay) -> u64 {
    let mut last = (relay.process().written_kib(), Instant::now());
    wait::until("the relay's memory settles", PATIENCE, || {
        let now = relay.process().written_kib();
        if now.abs_diff(last.0) > 16 {
            last = (now, Instant::now());
        }
        (last.1.elapsed() > Duration::from_millis(300)).then_some(now)
    })
}

#[test]
fn three_hundred_hostile_links_hold_at_most_24_kib_each_before_their_hello() {
    let _turn = gate::alone();
    for (what, subprotocol, beginning) in hostile_beginnings() {
        let relay = Relay::start();
        let few = stalled(relay.addr(), 20, subprotocol, &beginning);
        let before = settled_kib(&relay);
        let links = stalled(relay.addr(), LINKS, subprotocol, &beginning);
        let after = settled_kib(&relay);
        let each = after.saturating_sub(before) as f64 / LINKS as f64;
        sizes::figure(what, format_args!("{each:.1} KiB for each link before its hello"));
        assert!(each <= LINK_KIB_MAX, "{what}: {each:.1} KiB for each of {LINKS} links, {before} to {after}");
        drop((few, links));
    }
}

/// A token that is none of the relay's.
fn bad_token() -> String {
    let other = Relay::start();
    other.token(&["/m"])
}

const FLOODING: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const HONEST: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 3);

/// Each address of loopback counts for itself.
fn counting(more: &[&str]) -> Relay {
    Relay::with(&[NO_GRACE, &["--limit-loopback"], more].concat())
}

#[test]
fn an_address_whose_hellos_fail_is_busy_for_a_while_and_no_other_one_is() {
    let (relay, bad) = (counting(&[]), bad_token());
    let greet = |from, token: &str, instance: &str| {
        let mut link = RawLink::open(from, relay.addr());
        let answer = link.greet(token, instance);
        (link, answer)
    };
    let started = Instant::now();
    let mut refused = [0_u32; 2];
    while refused[1] < 30 {
        let (_, (kind, data)) = greet(FLOODING, &bad, "flood");
        assert_eq!(kind, "auth_error");
        match data["code"].as_str() {
            Some("forbidden") => refused[0] += 1,
            Some("busy") => {
                assert!((1_000..=5_000).contains(&data["retry_after_ms"].as_u64().unwrap_or(0)), "{data}");
                refused[1] += 1;
            }
            code => panic!("{code:?}"),
        }
        // The burst of 100, and ten each second.
        let allowed = 101 + 10 * started.elapsed().as_secs() as u32 + 10;
        assert!(refused[0] <= allowed, "{} bad tokens were checked", refused[0]);
    }
    assert!(refused[0] >= 100, "only {} were checked before the limit", refused[0]);

    let (_honest, (kind, data)) = greet(HONEST, &relay.token(&["/m"]), "honest");
    assert_eq!(kind, "auth_success", "another address: {data}");

    let good = relay.token(&["/m"]);
    let drained = |(kind, data): &(String, serde_json::Value)| kind == "auth_error" && data["code"] == "busy";
    // A token may have come back meanwhile: each bad hello takes it again.
    let was_busy = (0..20).any(|_| {
        let _bad = greet(FLOODING, &bad, "flood");
        drained(&greet(FLOODING, &good, "late").1)
    });
    assert!(was_busy, "a good token of an address that fails too often is not checked either");
    let _in = wait::until("the flooding address is let in with its good token", PATIENCE, || {
        let (link, (kind, _)) = greet(FLOODING, &good, "late");
        (kind == "auth_success").then_some(link)
    });

    let said = relay.process().said();
    let lines = said.lines().filter(|line| line.contains("refused a token unchecked")).count();
    let most = 2 + started.elapsed().as_secs() as usize;
    assert!((1..=most).contains(&lines), "{lines} lines in {:?}", started.elapsed());
    let checked = said.lines().filter(|line| line.contains("refused a telephone")).count();
    assert!(checked < 101 + 12 * started.elapsed().as_secs() as usize + 40, "{checked} lines");
}

#[test]
fn a_hello_that_breaks_the_protocol_counts_as_one_that_failed() {
    let relay = counting(&["--limit", "hellos-per-address-burst=3", "--limit", "hellos-per-address=1"]);
    for _ in 0..3 {
        let mut link = RawLink::open(FLOODING, relay.addr());
        link.0.write_all(&frame(0x81, b"{}")).expect("the relay reads");
        while link.hear().is_ok() {}
    }
    let (kind, data) = RawLink::open(FLOODING, relay.addr()).greet(&relay.token(&["/m"]), "late");
    assert_eq!((kind.as_str(), data["code"].as_str()), ("auth_error", Some("busy")), "{data}");
}

#[test]
fn bad_renewals_count_under_the_address_of_their_link() {
    let relay = counting(&["--limit", "hellos-per-address-burst=3", "--limit", "hellos-per-address=1"]);
    let (bad, good) = (bad_token(), relay.token(&["/m"]));
    let mut link = RawLink::open(FLOODING, relay.addr());
    assert_eq!(link.greet(&good, "one").0, "auth_success");
    let was_busy = wait::until("its address is busy", PATIENCE, || {
        link.say("renew", &json!({"token": bad}));
        let (kind, data) = RawLink::open(FLOODING, relay.addr()).greet(&good, "two");
        (kind == "auth_error").then(|| data["code"] == "busy")
    });
    assert!(was_busy);
    // What its renewals cost is no reason to end its session.
    link.say("renew", &json!({"token": good}));
    let is_renewed = |text: Vec<u8>| String::from_utf8_lossy(&text).contains("renewed");
    wait::until_true("a good renewal is taken in time", PATIENCE, || {
        if is_renewed(link.hear().expect("an open link")) {
            return true;
        }
        link.say("renew", &json!({"token": good}));
        false
    });
}

#[test]
fn a_session_renews_while_strangers_at_its_address_fail() {
    let relay = counting(&["--limit", "hellos-per-address-burst=1", "--limit", "hellos-per-address=1"]);
    let (bad, good) = (bad_token(), relay.token(&["/m"]));
    let mut link = RawLink::open(FLOODING, relay.addr());
    assert_eq!(link.greet(&good, "one").0, "auth_success");
    for _ in 0..5 {
        wait::until_true("the address is busy", PATIENCE, || {
            RawLink::open(FLOODING, relay.addr()).greet(&bad, "two").1["code"] == "busy"
        });
        link.say("renew", &json!({"token": good}));
        wait::until_true("the renewal is taken", PATIENCE, || {
            String::from_utf8_lossy(&link.hear().expect("an open link")).contains("renewed")
        });
    }
}

#[test]
fn behind_a_trusted_front_the_clients_address_counts() {
    let relay = counting(&["--trust", "127.0.0.9/32", "--limit", "hellos-per-address-burst=1"]);
    let bad = bad_token();
    let greet = |client: &str, token: &str| {
        let mut stream = connect_from(Ipv4Addr::new(127, 0, 0, 9), relay.addr());
        let request = upgrade("telephone.v1.json");
        let request = request.trim_end().to_owned() + &format!("\r\nX-Forwarded-For: {client}\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("the relay reads");
        RawLink::upgraded(stream).greet(token, client).1["code"].as_str().map(str::to_owned)
    };
    assert_eq!(greet("203.0.113.1", &bad).as_deref(), Some("forbidden"));
    assert_eq!(greet("203.0.113.1", &bad).as_deref(), Some("busy"));
    assert_eq!(greet("203.0.113.2", &bad).as_deref(), Some("forbidden"));
    assert_eq!(greet("203.0.113.3", &relay.token(&["/m"])), None);
}

/// Holds every token that it is asked about until it may go on, and counts how many at once.
#[derive(Default)]
struct Slow {
    is_free: Mutex<bool>,
    freed: Condvar,
    at_once: AtomicUsize,
    most: AtomicUsize,
}

impl Slow {
    fn let_go(&self) {
        *self.is_free.lock().expect("no panic") = true;
        self.freed.notify_all();
    }
}

impl Authority for Slow {
    fn verify(&self, _: &str) -> Result<Grant, AuthError> {
        let at_once = self.at_once.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(at_once, Ordering::SeqCst);
        let held = self.is_free.lock().expect("no panic");
        let _waited = self.freed.wait_timeout_while(held, PATIENCE, |is_free| !*is_free).expect("no panic");
        self.at_once.fetch_sub(1, Ordering::SeqCst);
        Err(AuthError::BadSignature)
    }
}

/// Serves a relay that believes `authority` for ever, on one event loop, and says where.
fn serve<R: Runtime>(
    runtime: R,
    authority: Arc<Slow>,
    told: impl FnOnce(SocketAddr),
) -> impl Future<Output = ()> {
    let listener = runtime.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).expect("a free port");
    told(listener.local_addr().expect("an address"));
    let mut config = RelayConfig::default();
    config.router.park_time = Duration::ZERO;
    let relay = Plugboard::new(runtime.clone(), config, authority, Arc::new(Unobserved));
    async move {
        let spawner = runtime.clone();
        let on_socket = move |socket, peer| {
            let relay = relay.clone();
            spawner.spawn(async move { relay.serve_connection(socket, peer).await });
        };
        accept_loop(&runtime, listener, WhenFull::Shed, on_socket, future::pending()).await;
    }
}

/// A relay in this process, on one thread of the program's runtime.
fn on_one_thread(program: Program, authority: Arc<Slow>) -> SocketAddr {
    let (tell, told) = std::sync::mpsc::channel();
    let told_address = move |address| tell.send(address).expect("the test waits");
    thread::spawn(move || match program {
        Program::Tokio => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let serving = async { serve(TokioRuntime::new(), authority, told_address).await };
            runtime.expect("a runtime").block_on(serving);
        }
        Program::Smol => {
            let executor: &'static smol::Executor<'static> = Box::leak(Box::default());
            smol::block_on(executor.run(serve(SmolRuntime::on(executor), authority, told_address)));
        }
    });
    told.recv_timeout(PATIENCE).expect("a relay")
}

#[test]
fn a_signature_that_takes_long_to_check_holds_up_nobody_but_those_who_wait_for_one() {
    for program in [Program::Tokio, Program::Smol] {
        let authority = Arc::new(Slow::default());
        let relay = on_one_thread(program, authority.clone());
        let mut links: Vec<_> = (0..20).map(|_| RawLink::open(Ipv4Addr::LOCALHOST, relay)).collect();
        for (number, link) in links.iter_mut().enumerate() {
            link.say(
                "auth",
                &json!({"token": "t", "mounts": [], "instance": number.to_string(), "epoch": 1}),
            );
        }
        wait::until_true("a check runs", PATIENCE, || authority.at_once.load(Ordering::SeqCst) > 0);
        assert_eq!(client::get(relay, "/x").status(), 503, "the event loop goes on");

        // As many leave as may run at once, and more that wait: their places are free for the others.
        links.drain(..10);
        assert_eq!(client::get(relay, "/x").status(), 503);
        authority.let_go();
        for mut link in links {
            let answer = String::from_utf8(link.hear().expect("an answer")).expect("text");
            assert!(answer.contains("forbidden"), "{answer}");
        }
        let processors = thread::available_parallelism().map_or(1, usize::from);
        let most = authority.most.load(Ordering::SeqCst);
        assert!((1..=processors).contains(&most), "{most} at once on {processors} processors");
    }
}
