//! An application that is down: what its telephone says of it, and where requests go meanwhile. A port that cannot be had.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use serde_json::Value;
use telephone_tests::bins;
use telephone_tests::client::get;
use telephone_tests::line::both_programs;
use telephone_tests::net::{free_addr, is_listening};
use telephone_tests::origin::Origin;
use telephone_tests::process::Plan;
use telephone_tests::relay::{NO_GRACE, Relay};
use telephone_tests::sidecar::{Dial, Program, Sidecar};
use telephone_tests::wait::{self, PATIENCE};

/// An application that is down is tried each second at first, so that one that is back is known within this time.
const KNOWN_AFTER: Duration = Duration::from_secs(15);

fn dial(program: Program, relay: &Relay, backend: SocketAddr, instance: &str) -> Dial {
    let dial = program.dial(relay).token(&relay.token(&["/m"])).mount("/m");
    dial.backend(&format!("http://{backend}"))
        .args(&["--instance", instance])
        .env("TELEPHONE_READY_ON", "backend")
}

fn readiness(sidecar: &Sidecar) -> u16 {
    sidecar.health("/readyz").map_or(0, |answer| answer.status())
}

/// The exit code of `telephone status`, and what it prints.
fn status(sidecar: &Sidecar) -> (Option<i32>, String) {
    let health = sidecar.health_addr().to_string();
    let plan = Plan::new(bins::path(sidecar.program().name()));
    let finished = plan.args(["status", "--health", &health]).finish();
    (finished.code, finished.stdout)
}

fn lines(sidecar: &Sidecar, text: &str) -> usize {
    sidecar.process().stderr().matches(text).count()
}

#[test]
fn an_application_that_is_down_is_said_once_and_its_telephone_is_not_ready_until_it_is_back() {
    both_programs(|program| {
        let (relay, backend) = (Relay::start(), free_addr());
        let sidecar = dial(program, &relay, backend, "one").start();
        let by_link = dial(program, &relay, backend, "two").env("TELEPHONE_READY_ON", "link").ready();
        let down = format!("cannot reach the application at http://{backend}: Connection refused");
        sidecar.process().wait_stderr(&down, PATIENCE);
        sidecar.process().wait_stderr("connected", PATIENCE);
        assert_eq!((readiness(&sidecar), readiness(&by_link)), (503, 200));
        let (code, told) = status(&sidecar);
        assert_eq!(code, Some(1), "{told}");
        assert!(told.contains("ready              false") && told.contains("Connection refused"), "{told}");
        for _ in 0..3 {
            assert_eq!(
                get(relay.addr(), "/m/x").status(),
                502,
                "none is ready: one of them is asked all the same"
            );
        }
        let page_down = sidecar.page();
        assert_eq!(
            (&page_down["state"], &page_down["backends"][0]["ready"]),
            (&"connected".into(), &false.into())
        );

        let _origin = Origin::at(backend);
        wait::until_true("the telephone is ready", KNOWN_AFTER, || readiness(&sidecar) == 200);
        sidecar.process().wait_stderr("is back after", PATIENCE);
        assert_eq!(
            (lines(&sidecar, "cannot reach the application"), lines(&sidecar, "is back after")),
            (1, 1)
        );
        assert_eq!(status(&sidecar).0, Some(0));
        assert_eq!(get(relay.addr(), "/m/x").status(), 200);
    });
}

#[test]
fn while_the_application_of_one_replica_is_down_the_other_one_gets_all_requests() {
    both_programs(|program| {
        let (relay, one, two) = (Relay::start(), Origin::start(), Origin::start());
        let first = dial(program, &relay, one.addr(), "one").ready();
        let _second = dial(program, &relay, two.addr(), "two").ready();
        // The other one is the busier one, and would be the last choice.
        let _held = two.hold("/m/held");
        let holding: Vec<_> = (0..8)
            .map(|_| {
                let addr = relay.addr();
                std::thread::spawn(move || telephone_tests::client::try_get(addr, "/m/held"))
            })
            .collect();
        wait::until_true("the held requests are at both", PATIENCE, || {
            one.counts().requests + two.counts().requests >= 8
        });
        let place = one.addr();
        drop(one);
        // The request whose connection is refused goes to the other replica: no client sees it.
        wait::until_true("the first replica knows", PATIENCE, || {
            assert_eq!(get(relay.addr(), "/m/x").status(), 200);
            readiness(&first) == 503
        });
        let taken = || first.page()["requests"].as_u64().expect("a number");
        wait::until_true("the plugboard knows", PATIENCE, || {
            let before = taken();
            (0..10).all(|_| get(relay.addr(), "/m/x").status() == 200) && taken() == before
        });
        let (before, served) = (taken(), two.counts().requests);
        for _ in 0..50 {
            assert_eq!(get(relay.addr(), "/m/x").status(), 200);
        }
        assert_eq!((taken(), two.counts().requests), (before, served + 50));

        let one = Origin::at(place);
        wait::until_true("requests come to it again", KNOWN_AFTER, || {
            get(relay.addr(), "/m/x").status() == 200 && one.counts().requests > 0
        });
        drop(_held);
        holding.into_iter().for_each(|one| drop(one.join()));
    });
}

#[test]
fn a_check_makes_an_application_that_answers_503_not_ready() {
    both_programs(|program| {
        let (relay, origin) = (Relay::start(), Origin::start());
        let answer = Arc::new(AtomicU16::new(503));
        let answered = Arc::clone(&answer);
        origin.on("/up", move |exchange| exchange.answer(answered.load(Ordering::SeqCst), ""));
        let sidecar = dial(program, &relay, origin.addr(), "one").args(&["--backend-check", "/up"]).start();
        let told = sidecar.process().wait_stderr("failed its check: GET /up was answered with 503", PATIENCE);
        assert!(told.contains("--backend-check") && !told.contains("running there"), "{told}");
        sidecar.process().wait_stderr("connected", PATIENCE);
        // Requests that it answers prove nothing.
        assert_eq!(get(relay.addr(), "/m/x").status(), 200);
        assert_eq!(readiness(&sidecar), 503);
        answer.store(302, Ordering::SeqCst);
        wait::until_true("the check passes", KNOWN_AFTER, || readiness(&sidecar) == 200);
        answer.store(500, Ordering::SeqCst);
        wait::until_true("the check is repeated", KNOWN_AFTER, || readiness(&sidecar) == 503);
    });
}

#[test]
fn a_check_without_a_backend_for_requests_is_bad_usage() {
    both_programs(|program| {
        let plan = program.plan().args(["--plugboard", "ws://127.0.0.1:1", "--tcp", "5432=127.0.0.1:5432"]);
        let finished = plan.args(["--backend-check", "/up", "--token", "a.b.c"]).finish();
        assert_eq!(finished.code, Some(2), "{}", finished.stderr);
        assert!(finished.stderr.contains("--backend-check /up"), "{}", finished.stderr);
    });
}

#[test]
fn a_port_that_is_taken_or_not_offered_is_refused_alone_and_served_once_it_is_free() {
    both_programs(|program| {
        let (taken, outside, backend) = (free_addr(), free_addr(), Origin::start());
        let relay = Relay::with(&[NO_GRACE, &["--tcp-ports", &taken.port().to_string()]].concat());
        let mounts = [taken, outside].map(|addr| format!("tcp:{}", addr.port()));
        let token = relay.token(&["/m", &mounts[0], &mounts[1]]);
        let other = TcpListener::bind(taken).expect("a free port");
        let services = [taken, outside].map(|addr| format!("{}={}", addr.port(), backend.addr()));
        let dial = program.dial(&relay).token(&token).mount("/m").backend(&backend.url());
        let sidecar = dial.args(&["--tcp", &services[0], "--tcp", &services[1]]).ready();
        assert_eq!(get(relay.addr(), "/m/x").status(), 200, "the other mount is served");
        let said = sidecar.process().wait_stderr("took mounts away", PATIENCE);
        assert!(said.contains(&mounts[0]) && said.contains(&mounts[1]), "{said}");
        let refused = relay.process().wait_stderr("mounts of a telephone are not served", PATIENCE);
        assert!(
            refused.contains("cannot open the port") && refused.contains("does not open the port"),
            "{refused}"
        );

        let missing = || sidecar.page()["plugboards"][0]["missing_mounts"].clone();
        wait::until_true("both are shown, with the time of the next attempt", PATIENCE, || {
            missing().as_array().is_some_and(|missing| {
                let is_told = |one: &Value| {
                    let reason = one["reason"].as_str().unwrap_or_default();
                    reason.contains("cannot open the port") && one["asked_again"].is_string()
                };
                missing.len() == 2 && missing.iter().all(is_told)
            })
        });
        let (_, told) = status(&sidecar);
        assert!(told.contains(&format!("\n  missing mount    {}\n", mounts[0])), "{told}");

        drop(other);
        wait::until_true("the port is open", KNOWN_AFTER, || is_listening(taken));
        sidecar.process().wait_stderr("serves mounts again", PATIENCE);
        assert_eq!(get(taken, "/m/x").status(), 200);
        assert_eq!(lines(&sidecar, "took mounts away"), 1);
        wait::until_true("the other one is still shown", PATIENCE, || {
            missing().as_array().is_some_and(|missing| missing.len() == 1 && missing[0]["mount"] == mounts[1])
        });
        let held = sidecar.page()["plugboards"][0]["mounts"].to_string();
        assert!(held.contains(&mounts[0]) && !held.contains(&mounts[1]), "{held}");
    });
}
