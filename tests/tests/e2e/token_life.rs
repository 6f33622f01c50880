//! The life of a telephone's token: what is said of its end, and what becomes of a token that is refused.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::process::Signal;
use serde_json::{Value, json};
use telephone_driver::core::wire::RefusedCode;
use telephone_tests::bins;
use telephone_tests::client::get;
use telephone_tests::false_plugboard::FalsePlugboard;
use telephone_tests::hop::Hop;
use telephone_tests::jwt;
use telephone_tests::line::both_at_once;
use telephone_tests::origin::Origin;
use telephone_tests::process::Plan;
use telephone_tests::relay::{NO_GRACE, Relay, write_private};
use telephone_tests::sidecar::{Dial, Program, Sidecar};
use telephone_tests::wait::{self, PATIENCE};

/// Within which a token that was replaced is to be in use: the file is looked at each second.
const SOON: Duration = Duration::from_secs(10);

fn token_signed(secret: &str, mounts: &[&str], seconds: i64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    jwt::sign(secret, &json!({"sub": "shop", "exp": now.saturating_add_signed(seconds), "mounts": mounts}))
}

/// A token that ends in so many seconds, or has ended.
pub(crate) fn token(relay: &Relay, mounts: &[&str], seconds: i64) -> String {
    token_signed(relay.secret(), mounts, seconds)
}

fn file(relay: &Relay, token: &str) -> PathBuf {
    let path = relay.directory().join("token");
    write_private(&path, token);
    path
}

fn with_file(dial: Dial, path: &Path) -> Dial {
    dial.args(&["--token-file", path.to_str().expect("UTF-8")])
}

fn uplink(sidecar: &Sidecar) -> Value {
    let page = sidecar.health("/healthz").map(|answer| answer.body).unwrap_or_default();
    let page: Value = serde_json::from_slice(&page).unwrap_or_default();
    page["plugboards"][0].clone()
}

/// The exit code of `status`.
fn status(program: Program, sidecar: &Sidecar) -> Option<i32> {
    let health = sidecar.health_addr().to_string();
    Plan::new(bins::path(program.name())).args(["status", "--health", &health]).finish().code
}

#[test]
fn a_fixed_token_is_presented_once_and_its_end_is_told_before_it_comes() {
    both_at_once(|program| {
        let (relay, origin) = (Relay::with(NO_GRACE), Origin::start());
        let dial = program.dial(&relay).mount("/m").backend(&origin.url());
        let sidecar = dial.token(&token(&relay, &["/m"], 7)).ready();
        sidecar.process().wait_stderr("the token is fixed: nothing renews it", PATIENCE);
        sidecar.process().wait_stderr("the token ends soon", PATIENCE);
        // A renewal with a token that has ended is refused, so that one would be told by now.
        wait::until_true("the token ends", PATIENCE, || {
            uplink(&sidecar)["stats"]["uptime_ms"].as_u64().is_some_and(|uptime| uptime > 10_000)
        });
        let told = sidecar.process().stderr();
        assert!(!told.contains("the token was renewed"), "{told}");
        let told = relay.process().stderr();
        assert!(!told.contains("refused a fresh token"), "{told}");
        assert_eq!(get(relay.addr(), "/m/x").status(), 200, "the leeway is not over");
    });
}

#[test]
fn a_telephone_whose_token_is_over_is_not_ready_and_says_so_until_there_is_another_one() {
    both_at_once(|program| {
        // Nobody waits for a telephone that has a link and no good token.
        let relay = Relay::with(&[NO_GRACE, &["--limit", "park-time=10m"]].concat());
        let origin = Origin::start();
        let path = file(&relay, &token(&relay, &["/m"], -45));
        let dial = with_file(program.dial(&relay).mount("/m").backend(&origin.url()), &path);
        let sidecar = dial.ready();
        let before = uplink(&sidecar);
        assert_eq!(status(program, &sidecar), Some(0));
        let told = sidecar.process().wait_stderr("the token has ended", PATIENCE);
        assert!(told.contains("ERROR"), "{told}");
        assert!(!sidecar.is_ready());
        assert_eq!(status(program, &sidecar), Some(1));
        let after = uplink(&sidecar);
        assert_eq!(after["state"], "expired");
        assert!(after["last_error"].as_str().is_some_and(|error| error.contains("token_expired")), "{after}");
        let answer = get(relay.addr(), "/m/x");
        assert_eq!(answer.status(), 503);
        let cause = answer.head.value("proxy-status").unwrap_or_default();
        assert!(cause.contains("token_expired"), "{cause}");

        file(&relay, &token(&relay, &["/m"], 3600));
        wait::until_true("it is back", SOON, || get(relay.addr(), "/m/x").status() == 200);
        sidecar.process().wait_stderr("the token was renewed", PATIENCE);
        assert!(sidecar.is_ready());
        let healed = uplink(&sidecar);
        assert_eq!((&healed["last_error"], &healed["session"]), (&Value::Null, &before["session"]));
    });
}

#[test]
fn a_fixed_token_ends_the_telephone_with_3_once_its_leeway_is_over() {
    both_at_once(|program| {
        let (mut relay, origin) = (Relay::with(NO_GRACE), Origin::start());
        let dial = program.dial(&relay).mount("/m").backend(&origin.url());
        let mut sidecar = dial.token(&token(&relay, &["/m"], -46)).ready();
        sidecar.process().wait_stderr("the token has ended", PATIENCE);
        assert!(sidecar.is_running());
        // Its session would go on for another minute.
        relay.kill();
        relay.restart();
        assert_eq!(sidecar.wait_exit(PATIENCE), Some(3));
    });
}

#[test]
fn a_token_that_has_ended_by_the_plugboards_clock_alone_is_presented_again() {
    both_at_once(|program| {
        let plugboard = FalsePlugboard::start();
        let dial = || program.dial_url(&plugboard.url()).mount("/m").backend("http://127.0.0.1:1");
        let good = token_signed("any", &["/m"], 3600);
        let mut sidecar = dial().token(&good).args(&["--backoff-base", "10ms"]).start();
        for _ in 0..3 {
            plugboard.next().refuse_as(RefusedCode::Expired, "the token has expired");
        }
        let told = sidecar.process().wait_stderr("set the one that is wrong", PATIENCE);
        assert!(told.contains("WARN") && told.contains("GMT"), "{told}");
        assert!(sidecar.is_running());
        drop(sidecar);

        let mut sidecar = dial().token(&token_signed("any", &["/m"], -3600)).start();
        plugboard.next().refuse_as(RefusedCode::Expired, "the token has expired");
        assert_eq!(sidecar.wait_exit(PATIENCE), Some(3));
    });
}

/// A clock that is half an hour slow, for one program. (libfaketime)
fn with_a_slow_clock(dial: Dial) -> Dial {
    let libraries = std::fs::read_dir("/usr/lib").expect("a directory").flatten();
    let found =
        libraries.map(|entry| entry.path().join("faketime/libfaketime.so.1")).find(|path| path.exists());
    let library = found.expect("libfaketime");
    dial.env("LD_PRELOAD", library.to_str().expect("UTF-8"))
        .env("FAKETIME", "-30m")
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
}

#[test]
fn a_telephone_whose_clock_is_slow_tells_both_clocks_and_dials_again() {
    both_at_once(|program| {
        let (relay, origin) = (Relay::with(NO_GRACE), Origin::start());
        let dial = program.dial(&relay).mount("/m").backend(&origin.url());
        let mut sidecar = with_a_slow_clock(dial.token(&token(&relay, &["/m"], -600))).start();
        let told = sidecar.process().wait_stderr("set the one that is wrong", PATIENCE);
        let line = told.lines().find(|line| line.contains("set the one that is wrong")).unwrap_or_default();
        let clock = |start: &str| {
            let (_, rest) = line.split_once(start).expect(line);
            httpdate::parse_http_date(&rest[..29]).expect(line)
        };
        let apart = clock("the plugboard's ").duration_since(clock("the clock here says "));
        let apart = apart.expect("the plugboard's is ahead").as_secs();
        assert!((1790..=1810).contains(&apart), "{apart} s apart: {line}");
        assert!(sidecar.is_running());
    });
}

#[test]
fn a_token_file_that_changes_after_a_refusal_is_dialled_with_at_once() {
    both_at_once(|program| {
        let (relay, origin) = (Relay::start(), Origin::start());
        let hop = Hop::before(relay.addr());
        let path = file(&relay, &relay.token(&["/other"]));
        let dial = with_file(program.dial_url(&hop.url()).mount("/m").backend(&origin.url()), &path);
        let mut sidecar = dial.start();
        wait::until_true("the refusal is known", PATIENCE, || uplink(&sidecar)["failed_attempts"] == 1);
        file(&relay, &relay.token(&["/m"]));
        sidecar.wait_ready(SOON);
        assert_eq!(hop.accepted(), 2);
    });
}

#[test]
fn a_torn_token_in_the_file_costs_one_dial_and_the_last_good_one_is_used() {
    both_at_once(|program| {
        let (mut relay, origin) = (Relay::with(NO_GRACE), Origin::start());
        let good = relay.token(&["/m"]);
        let path = file(&relay, &good);
        let dial = with_file(program.dial(&relay).mount("/m").backend(&origin.url()), &path);
        let mut sidecar = dial.ready();
        // Four characters less are three whole bytes less: its shape is that of a token.
        file(&relay, &good[..good.len() - 4]);
        relay.kill();
        relay.restart();
        sidecar.process().wait_stderr("presenting the last good token once", PATIENCE);
        sidecar.wait_ready(SOON);
        assert_eq!(get(relay.addr(), "/m/x").status(), 200);
    });
}

#[test]
fn a_refused_renewal_is_told_once_with_its_reason_and_repeats_back_off() {
    both_at_once(|program| {
        let (relay, other, origin) = (Relay::with(NO_GRACE), Relay::start(), Origin::start());
        let path = file(&relay, &token(&relay, &["/m"], 6));
        let dial = with_file(program.dial(&relay).mount("/m").backend(&origin.url()), &path);
        let sidecar = dial.ready();
        file(&relay, &other.token(&["/m"]));
        let told = sidecar.process().wait_stderr("the plugboard refused the new token", PATIENCE);
        assert!(told.contains("WARN") && told.contains("not signed by a key"), "{told}");
        let error = uplink(&sidecar)["last_error"].clone();
        assert!(error.as_str().is_some_and(|error| error.contains("not signed by a key")), "{error}");
        // It is presented again after 5 s, and the log is told no more of it.
        let refused =
            || relay.metrics().contains("plugboard_tokens_refused_total{reason=\"bad_signature\"} 2");
        wait::until_true("it is presented again", PATIENCE, refused);
        assert_eq!(sidecar.process().stderr().matches("refused the new token").count(), 1);
        assert_eq!(get(relay.addr(), "/m/x").status(), 200);

        file(&relay, &token(&relay, &["/m"], 3600));
        sidecar.process().wait_stderr("the token was renewed", SOON);
        wait::until_true("the error is mended", PATIENCE, || uplink(&sidecar)["last_error"].is_null());
    });
}

/// The token file changes to one that ends the session, and SIGHUP has it presented.
fn present(sidecar: &Sidecar, relay: &Relay, token: &str) {
    file(relay, token);
    sidecar.process().signal(Signal::HUP);
}

#[test]
fn a_new_token_that_covers_no_mount_ends_the_session_with_its_reason_and_the_last_good_one_serves() {
    both_at_once(|program| {
        let (relay, origin) = (Relay::with(NO_GRACE), Origin::start());
        let path = file(&relay, &relay.token(&["/m"]));
        let dial = with_file(program.dial(&relay).mount("/m").backend(&origin.url()), &path);
        let mut sidecar = dial.ready();
        present(&sidecar, &relay, &relay.token(&["/other"]));
        let told = sidecar.process().wait_stderr("the plugboard ended the session", PATIENCE);
        assert!(told.contains("the new token is another subject's, or covers none of the mounts"), "{told}");
        assert!(told.contains("dialling again with another token, or in 1 min"), "{told}");
        assert!(told.contains("a token of the same subject"), "{told}");
        let told = sidecar.process().wait_stderr("does not cover the mount /m", PATIENCE);
        assert!(told.contains("dialling again at once."), "{told}");
        sidecar.wait_ready(SOON);
        let error = uplink(&sidecar)["last_error"].clone();
        let error = error.as_str().unwrap_or_default();
        assert!(error.contains("does not cover the mount /m"), "{error}");
        assert!(error.contains("the last good token is in use"), "{error}");
        assert_eq!(get(relay.addr(), "/m/x").status(), 200);
    });
}

#[test]
fn a_new_token_of_another_subject_ends_the_session_and_begins_one_of_its_own() {
    both_at_once(|program| {
        let (relay, origin) = (Relay::with(NO_GRACE), Origin::start());
        let path = file(&relay, &relay.token(&["/m"]));
        let dial = with_file(program.dial(&relay).mount("/m").backend(&origin.url()), &path);
        let mut sidecar = dial.ready();
        let before = uplink(&sidecar)["session"].clone();
        present(&sidecar, &relay, &token(&relay, &["/m"], 3600));
        let told = sidecar.process().wait_stderr("the plugboard ended the session", PATIENCE);
        assert!(told.contains("the new token is another subject's"), "{told}");
        sidecar.wait_ready(SOON);
        let line = uplink(&sidecar);
        assert_ne!(line["session"], before);
        assert_eq!(line["last_error"], Value::Null);
    });
}
