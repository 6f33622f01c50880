//! Several telephones on one mount, several plugboards for one telephone.

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use telephone_tests::beside::beside;
use telephone_tests::client::{ask, get, try_get};
use telephone_tests::hop::{Cut, Hop};
use telephone_tests::line::both_programs;
use telephone_tests::origin::Origin;
use telephone_tests::relay::{NO_GRACE, Relay};
use telephone_tests::request::Request;
use telephone_tests::sidecar::{Dial, Program};
use telephone_tests::sizes;
use telephone_tests::wait::{self, PATIENCE};

/// A sidecar of `subject` under that instance name.
fn replica(program: Program, relay: &Relay, subject: &str, instance: &str, origin: &Origin) -> Dial {
    let token = relay.token_with(subject, &["/m"], &[]);
    let dial = program.dial(relay).token(&token).mount("/m").backend(&origin.url());
    dial.args(&["--instance", instance])
}

/// GETs at `addr` from several clients for as long as `work` is done: all are answered. How long the slowest took.
fn asked_while(addr: SocketAddr, work: impl FnOnce()) -> Duration {
    let (_, slowest) = beside(work, |is_done| {
        let ask_on = || {
            let mut slowest = Duration::ZERO;
            while !is_done() {
                let start = Instant::now();
                assert_eq!(get(addr, "/m/x").status(), 200, "after {:?}", start.elapsed());
                slowest = slowest.max(start.elapsed());
            }
            slowest
        };
        thread::scope(|scope| {
            let asking: Vec<_> = (0..4).map(|_| scope.spawn(ask_on)).collect();
            asking.into_iter().map(|one| one.join().expect("a client")).max()
        })
    });
    slowest.expect("several clients")
}

/// How soon a request without an answer's head goes to another session.
const FAILOVER: Duration = Duration::from_secs(1);

#[test]
fn two_instances_share_a_mount_and_the_death_of_one_costs_no_get() {
    both_programs(|program| {
        let (relay, one, two) = (Relay::start(), Origin::start(), Origin::start());
        let mut first = replica(program, &relay, "shop", "one", &one).ready();
        let _second = replica(program, &relay, "shop", "two", &two).ready();
        for _ in 0..20 {
            assert_eq!(get(relay.addr(), "/m/x").status(), 200);
        }
        assert!(one.counts().requests > 0 && two.counts().requests > 0, "one replica got all");
        let slowest = asked_while(relay.addr(), || {
            wait::until_true("both serve", PATIENCE, || one.counts().requests > 100);
            first.kill();
            let before = two.counts().requests;
            wait::until_true("the other one serves alone", PATIENCE, || two.counts().requests > before + 200);
        });
        sizes::figure("the slowest GET beside a killed replica", format_args!("{slowest:?}"));
        assert!(slowest < FAILOVER * 3, "a GET waited {slowest:?} for a dead replica");
    });
}

#[test]
fn a_get_whose_telephone_fell_silent_is_answered_by_another_once_the_silence_is_known() {
    // Silence is known for what it is after a ping, jittered by a fifth, and its time; the defaults take 28 s.
    let known_after = Duration::from_millis(1200) + Duration::from_secs(1);
    let quick = ["--limit", "ping-interval=1s", "--limit", "ping-timeout=1s"];
    both_programs(|program| {
        let (relay, one, two) = (Relay::with(&quick), Origin::start(), Origin::start());
        let hop = Hop::before(relay.addr());
        let token = relay.token_with("shop", &["/m"], &[]);
        let first = program.dial_url(&hop.url()).token(&token).mount("/m").backend(&one.url());
        let _first = first.args(&["--instance", "one"]).ready();
        let _second = replica(program, &relay, "shop", "two", &two).ready();
        let slowest = asked_while(relay.addr(), || {
            wait::until_true("both serve", PATIENCE, || one.counts().requests > 100);
            assert_eq!(hop.cut(Cut::Silence), 1);
            wait::until_true("the relay knows", PATIENCE, || relay.metrics().contains("plugboard_links 1"));
            let before = two.counts().requests;
            wait::until_true("the other one serves on", PATIENCE, || two.counts().requests > before + 200);
        });
        sizes::figure("the slowest GET beside a silent replica", format_args!("{slowest:?}"));
        assert!(slowest >= FAILOVER, "none met the silent replica: {slowest:?}");
        let most = known_after + FAILOVER + Duration::from_secs(1);
        assert!(slowest < most, "a GET waited {slowest:?} for a silent replica");
    });
}

#[test]
fn a_process_that_starts_again_has_its_mount_within_a_second_though_its_ghost_still_counts_as_alive() {
    both_programs(|program| {
        let (relay, one, two) = (Relay::start(), Origin::start(), Origin::start());
        let hop = Hop::before(relay.addr());
        let dial = |origin: &Origin| {
            let token = relay.token_with("shop", &["/m"], &[]);
            let dial = program.dial_url(&hop.url()).token(&token).mount("/m").backend(&origin.url());
            dial.args(&["--instance", "same"])
        };
        let mut ghost = dial(&one).ready();
        assert_eq!(hop.cut(Cut::Silence), 1);
        ghost.kill();
        assert!(relay.metrics().contains("plugboard_sessions 1"), "the relay knows already");
        let start = Instant::now();
        let _again = dial(&two).start();
        let (answer, _) = wait::timed("the mount is back", PATIENCE, || {
            try_get(relay.addr(), "/m/x").filter(|answer| answer.status() == 200)
        });
        let took = start.elapsed();
        sizes::figure("back beside its ghost after", format_args!("{took:?}"));
        assert!(took < Duration::from_secs(1), "the mount was back after {took:?}");
        assert_eq!((answer.status(), one.counts().requests, two.counts().requests), (200, 0, 1));
        assert_eq!(ask(relay.addr(), &Request::post("/m/mirror", "1").close()).text(), "1");
    });
}

#[test]
fn another_subject_on_a_held_mount_is_refused_with_a_reason() {
    both_programs(|program| {
        let (relay, one, two) = (Relay::start(), Origin::start(), Origin::start());
        let _holder = replica(program, &relay, "shop", "same", &one).ready();
        let hijacker = replica(program, &relay, "other", "same", &two).start();
        let said = hijacker.process().wait_stderr("refused:", PATIENCE);
        assert!(said.contains("held") && said.contains("/m"), "no reason: {said}");
        assert!(!hijacker.is_ready());
        for _ in 0..10 {
            assert_eq!(get(relay.addr(), "/m/x").status(), 200);
        }
        assert_eq!(two.counts().requests, 0);
    });
}

#[test]
fn a_newer_start_of_one_instance_replaces_the_older_at_once() {
    both_programs(|program| {
        let (relay, one, two) = (Relay::start(), Origin::start(), Origin::start());
        let older = replica(program, &relay, "shop", "same", &one).ready();
        let newer = replica(program, &relay, "shop", "same", &two).ready();
        for _ in 0..10 {
            assert_eq!(get(relay.addr(), "/m/x").status(), 200);
        }
        assert_eq!((one.counts().requests, two.counts().requests), (0, 10));
        wait::until_true("the older one knows", PATIENCE, || !older.is_ready());
        assert!(newer.is_ready());
    });
}

#[test]
fn a_mount_that_a_newer_process_took_is_back_with_the_next_session_once_it_is_free() {
    both_programs(|program| {
        // Without a resume window each lost link ends its session.
        let relay = Relay::with(&["--limit", "start-grace=0s", "--limit", "resume-window=0s"]);
        let hop = Hop::before(relay.addr());
        let origins = [Origin::start(), Origin::start()];
        let dial = |subject: &str, url: &str, mounts: &[&str], origin: &Origin| {
            let token = relay.token_with(subject, mounts, &[]);
            let dial = program.dial_url(url).token(&token).backend(&origin.url());
            let dial = mounts.iter().fold(dial, |dial, mount| dial.mount(mount));
            dial.args(&["--instance", "same", "--backoff-base", "50ms", "--backoff-max", "50ms"])
        };
        let older = dial("shop", &hop.url(), &["/m", "/other"], &origins[0]).ready();
        let lines = |text: &str| older.process().stderr().matches(text).count();
        let again = || {
            let before = lines("connected");
            hop.cut(Cut::Reset);
            wait::until_true("it has a new session", PATIENCE, || lines("connected") > before);
            wait::until_true("it serves", PATIENCE, || get(relay.addr(), "/m/x").status() == 200);
        };
        let newer = dial("shop", &relay.url(), &["/other"], &origins[1]).ready();
        wait::until_true("the older one has lost the mount", PATIENCE, || lines("took mounts away") > 0);
        // While the newer process is there, the mount stays its own.
        again();
        for _ in 0..10 {
            assert_eq!(get(relay.addr(), "/other/x").status(), 200);
        }
        assert_eq!(origins[1].counts().requests, 10);
        drop(newer);
        // Another subject takes it meanwhile: the rest is served all the same.
        let tenant = dial("tenant", &relay.url(), &["/other"], &origins[1]).ready();
        again();
        drop(tenant);
        again();
        wait::until_true("the mount is back", PATIENCE, || get(relay.addr(), "/other/x").status() == 200);
        assert_eq!(origins[1].counts().requests, 10);
    });
}

#[test]
fn one_telephone_is_reachable_at_two_plugboards() {
    both_programs(|program| {
        let (near, origin) = (Relay::start(), Origin::start());
        let far = Relay::with_secret(near.secret(), NO_GRACE);
        let dial = program.dial(&near).args(&["--plugboard", &far.url()]);
        let _sidecar = dial.token(&near.token(&["/m"])).mount("/m").backend(&origin.url()).ready();
        for relay in [&near, &far] {
            let addr = relay.addr();
            wait::until_true("the mount is there", PATIENCE, || {
                try_get(addr, "/m/x").is_some_and(|answer| answer.status() == 200)
            });
        }
    });
}

#[test]
fn requests_of_one_client_connection_may_go_to_different_mounts() {
    both_programs(|program| {
        let (relay, one, two) = (Relay::start(), Origin::start(), Origin::start());
        let serve = |mount: &str, origin: &Origin| {
            let dial = program.dial(&relay).token(&relay.token_with(mount, &[mount], &[])).mount(mount);
            dial.backend(&origin.url()).ready()
        };
        let _sidecars = (serve("/one", &one), serve("/two", &two));
        let mut client = telephone_tests::client::Client::connect(relay.addr());
        for _ in 0..5 {
            assert_eq!(client.ask(&Request::get("/one/x")).status(), 200);
            assert_eq!(client.ask(&Request::get("/two/x")).status(), 200);
        }
        assert_eq!((one.counts().requests, two.counts().requests), (5, 5));
    });
}
