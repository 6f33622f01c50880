//! Tokens and secrets: who may register what, for how long, and that nobody ever sees them.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;
use telephone_tests::client::{get, try_get};
use telephone_tests::hop::{Cut, Hop};
use telephone_tests::line::{Line, both_programs};
use telephone_tests::origin::Origin;
use telephone_tests::relay::{NO_GRACE, Relay, write_private};
use telephone_tests::request::Request;
use telephone_tests::sidecar::{Dial, Program, Sidecar};
use telephone_tests::wait::{self, PATIENCE};

/// A telephone for `/m` behind a hop that counts its links.
fn dial_through(program: Program, hop: &Hop, origin: &Origin) -> Dial {
    program.dial_url(&hop.url()).mount("/m").backend(&origin.url())
}

/// A token in a file of its own.
fn token_file(relay: &Relay, token: &str) -> PathBuf {
    let path = relay.directory().join("token");
    write_private(&path, token);
    path
}

#[test]
fn a_token_for_another_mount_ends_the_telephone_with_3_after_one_attempt() {
    both_programs(|program| {
        let (relay, origin) = (Relay::start(), Origin::start());
        let hop = Hop::before(relay.addr());
        let mut sidecar = dial_through(program, &hop, &origin).token(&relay.token(&["/other"])).start();
        assert_eq!(sidecar.wait_exit(PATIENCE), Some(3));
        assert!(sidecar.process().stderr().contains("/m"), "{}", sidecar.process().stderr());
        assert_eq!(hop.accepted(), 1);
    });
}

#[test]
fn a_token_signed_by_another_secret_ends_the_telephone_with_3_after_one_attempt() {
    both_programs(|program| {
        let (relay, other, origin) = (Relay::start(), Relay::start(), Origin::start());
        let hop = Hop::before(relay.addr());
        let mut sidecar = dial_through(program, &hop, &origin).token(&other.token(&["/m"])).start();
        assert_eq!(sidecar.wait_exit(PATIENCE), Some(3));
        assert_eq!(hop.accepted(), 1);
        assert_eq!(get(relay.addr(), "/m/x").status(), 503);
    });
}

#[test]
fn a_token_that_is_none_ends_the_telephone() {
    both_programs(|program| {
        let (relay, origin) = (Relay::start(), Origin::start());
        let hop = Hop::before(relay.addr());
        let mut sidecar = dial_through(program, &hop, &origin).token("no.token.atall").start();
        let code = sidecar.wait_exit(PATIENCE);
        assert!([Some(2), Some(3)].contains(&code), "{code:?}");
        assert!(hop.accepted() <= 1);
    });
}

#[test]
fn with_a_token_file_a_refused_telephone_goes_on_without_a_storm() {
    both_programs(|program| {
        let (relay, origin) = (Relay::start(), Origin::start());
        let hop = Hop::before(relay.addr());
        let file = token_file(&relay, &relay.token(&["/other"]));
        let dial =
            dial_through(program, &hop, &origin).args(&["--token-file", file.to_str().expect("UTF-8")]);
        let mut sidecar = dial.args(&["--backoff-base", "10ms"]).start();
        wait::until_true("the refusal is known", PATIENCE, || {
            health(&sidecar)["plugboards"][0]["failed_attempts"] == 1
        });
        assert!(sidecar.is_running(), "it gave up though its token may be replaced");
        assert_eq!(hop.accepted(), 1);
        sidecar.terminate();
        assert_eq!(sidecar.wait_exit(PATIENCE), Some(0));
    });
}

/// The health page as JSON.
fn health(sidecar: &Sidecar) -> Value {
    let page = sidecar.health("/healthz").map(|answer| answer.body).unwrap_or_default();
    serde_json::from_slice(&page).unwrap_or_default()
}

#[test]
fn a_token_that_is_rotated_in_its_file_is_renewed_in_band() {
    both_programs(|program| {
        let (relay, origin) = (Relay::start(), Origin::start());
        let hop = Hop::before(relay.addr());
        let short = relay.token_with("shop", &["/m"], &["--ttl", "4s"]);
        let file = token_file(&relay, &short);
        let dial =
            dial_through(program, &hop, &origin).args(&["--token-file", file.to_str().expect("UTF-8")]);
        let sidecar = dial.ready();
        let before = health(&sidecar);
        token_file(&relay, &relay.token_with("shop", &["/m"], &["--ttl", "1h"]));
        wait::until_true("the new token is presented", Duration::from_secs(15), || {
            assert_eq!(
                get(relay.addr(), "/m/x").status(),
                200,
                "a request failed while the token was renewed"
            );
            health(&sidecar)["token_expires"] != before["token_expires"]
        });
        assert_eq!(health(&sidecar)["session"], before["session"]);
        assert_eq!(hop.accepted(), 1, "the telephone dialled again for its new token");
    });
}

#[test]
fn a_renewal_with_a_token_that_was_cut_short_does_not_cost_the_session() {
    both_programs(|program| {
        let (relay, origin) = (Relay::start(), Origin::start());
        let hop = Hop::before(relay.addr());
        let file = token_file(&relay, &relay.token_with("shop", &["/m"], &["--ttl", "10s"]));
        let dial =
            dial_through(program, &hop, &origin).args(&["--token-file", file.to_str().expect("UTF-8")]);
        let sidecar = dial.ready();
        let before = health(&sidecar);
        let whole = relay.token_with("shop", &["/m"], &["--ttl", "1h"]);
        token_file(&relay, &whole[..whole.len() - 4]);
        wait::until_true("the cut token is refused", Duration::from_secs(15), || {
            relay.metric("plugboard_tokens_refused_total{reason=\"bad_signature\"}") > 0
        });
        assert_eq!(get(relay.addr(), "/m/x").status(), 200);
        token_file(&relay, &whole);
        wait::until_true("the whole token is presented", Duration::from_secs(15), || {
            health(&sidecar)["token_expires"] != before["token_expires"]
        });
        assert_eq!(health(&sidecar)["session"], before["session"]);
        assert_eq!(hop.accepted(), 1, "the telephone dialled again for its new token");
    });
}

/// The `jti` of a token that the relay minted.
pub(crate) fn token_id(token: &str) -> String {
    let claims = token.split('.').nth(1).expect("three parts");
    let claims: Value = serde_json::from_slice(&from_base64url(claims)).expect("JSON claims");
    claims["jti"].as_str().expect("a jti").to_owned()
}

/// RFC 4648 §5, without padding.
fn from_base64url(text: &str) -> Vec<u8> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let (mut octets, mut bits, mut count) = (Vec::new(), 0_u32, 0);
    for letter in text.bytes() {
        let digit = ALPHABET.iter().position(|&known| known == letter).expect("base64url");
        bits = (bits << 6 | u32::try_from(digit).expect("below 64")) & 0xffff;
        count += 6;
        if count >= 8 {
            count -= 8;
            octets.push((bits >> count & 0xff) as u8);
        }
    }
    octets
}

#[test]
fn a_revoked_subject_or_token_loses_its_session() {
    both_programs(|program| {
        let (relay, origin) = (Relay::start(), Origin::start());
        for by in ["sub", "jti"] {
            let subject = format!("shop-{by}");
            let token = relay.token_with(&subject, &["/m"], &[]);
            let order = match by {
                "sub" => format!(r#"{{"sub":"{subject}"}}"#),
                _ => format!(r#"{{"jti":"{}"}}"#, token_id(&token)),
            };
            let dial = program.dial(&relay).token(&token).mount("/m").backend(&origin.url());
            let mut sidecar = dial.ready();
            assert_eq!(get(relay.addr(), "/m/x").status(), 200);
            let answer = relay.revoke(&order);
            assert_eq!(answer.status(), 200, "{}", answer.text());
            let ended: Value = serde_json::from_slice(&answer.body).expect("JSON");
            assert_eq!(ended["ended"], 1);
            assert_eq!(sidecar.wait_exit(PATIENCE), Some(3), "a revoked token is refused for good");
            assert_ne!(try_get(relay.addr(), "/m/x").map(|answer| answer.status()), Some(200));
        }
    });
}

#[test]
fn no_secret_is_ever_shown() {
    both_programs(|program| {
        let (relay, origin) = (Relay::with(&["--limit", "park-time=0s"]), Origin::start());
        let token = relay.token(&["/m"]);
        let bad = Relay::start().token(&["/m"]);
        let dial = |token: &str| {
            let dial = program.dial(&relay).token(token).mount("/m").backend(&origin.url());
            dial.env("RUST_LOG", "trace")
        };
        let mut refused = dial(&bad).start();
        refused.wait_exit(PATIENCE);
        let mut sidecar = dial(&token).ready();
        get(relay.addr(), "/m/x");
        let mut shown = vec![
            relay.metrics(),
            String::from_utf8_lossy(&relay.process().cmdline()).into_owned(),
            String::from_utf8_lossy(&sidecar.process().cmdline()).into_owned(),
            sidecar.health("/healthz").expect("a health page").text(),
        ];
        sidecar.terminate();
        sidecar.wait_exit(PATIENCE);
        shown.push(get(relay.addr(), "/m/x").text());
        shown.push(get(relay.addr(), "/unknown").text());
        shown.extend([relay.process().said(), sidecar.process().said(), refused.process().said()]);
        assert!(sidecar.process().said().len() > 100, "the log is not even on");
        for text in shown {
            for canary in [relay.secret(), signature(&token), signature(&bad)] {
                assert!(!text.contains(canary), "{canary} is shown in:\n{text}");
            }
        }
    });
}

/// The part of a token that makes it one.
fn signature(token: &str) -> &str {
    token.rsplit('.').next().expect("three parts")
}

#[test]
fn help_and_complaints_show_no_token() {
    both_programs(|program| {
        for args in
            [&["--help"][..], &["--no-such-option"], &["--mount", "bad mount"], &["--token-file", "/x"]]
        {
            let finished = program.plan().env("TELEPHONE_TOKEN", "canary.canary.canary").args(args).finish();
            assert!(!(finished.stdout + &finished.stderr).contains("canary"), "{args:?}");
        }
    });
}

/// A complete command line of a telephone, to be spoilt.
const GOOD: &[&str] =
    &["--plugboard", "ws://127.0.0.1:1", "--mount", "/m", "--port", "1", "--token", "a.b.c"];

#[test]
fn bad_usage_exits_2_and_names_what_was_wrong() {
    let without = |option: &str| -> Vec<String> {
        let pairs = GOOD.chunks(2).filter(|pair| pair[0] != option);
        pairs.flatten().map(|&word| word.to_owned()).collect()
    };
    let with = |option: &str, value: &str| -> Vec<String> {
        let mut words = without(option);
        words.extend([option.to_owned(), value.to_owned()]);
        words
    };
    let table = [
        (without("--plugboard"), "--plugboard"),
        (without("--mount"), "--mount"),
        (without("--port"), "--port"),
        (without("--token"), "--token"),
        (with("--plugboard", "ftp://127.0.0.1:1"), "ftp"),
        (with("--plugboard", "nonsense"), "nonsense"),
        (with("--mount", "no slash"), "no slash"),
        (with("--mount", "/a;b"), "/a;b"),
        (with("--port", "70000"), "70000"),
        (with("--port", "x"), "x"),
        (with("--backend", "ftp://a"), "ftp"),
        (with("--backoff-base", "soon"), "soon"),
        (with("--max-attempts", "many"), "many"),
        (with("--health", "nowhere"), "nowhere"),
        (with("--log-format", "xml"), "xml"),
        (with("--no-such-option", "1"), "--no-such-option"),
        (with("--token-file", "/no/such/file"), "token"),
    ];
    both_programs(|program| {
        for (args, needle) in &table {
            let finished = program.plan().args(args).finish();
            assert_eq!(finished.code, Some(2), "{args:?}: {}", finished.stderr);
            assert!(finished.stderr.contains(needle), "{args:?} is not explained: {}", finished.stderr);
        }
    });
}

#[test]
fn a_plugboard_that_is_called_wrongly_exits_2_and_names_what_was_wrong() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let write = |name: &str, secret: &str| {
        let path = directory.path().join(name);
        write_private(&path, secret);
        path.to_str().expect("UTF-8").to_owned()
    };
    let (short, good) = (write("short", "short"), write("good", &"x".repeat(64)));
    let table: &[(&[&str], &str)] = &[
        (&["serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"], "secret"),
        (&["serve", "--secret-file", "/no/such/file"], "/no/such/file"),
        (&["serve", "--secret-file", &short], &short),
        (&["serve", "--listen", "nowhere", "--secret-file", &good], "nowhere"),
        (&["serve", "--limit", "no-such-limit=1", "--secret-file", &good], "no such limit"),
        (&["serve", "--trust", "everybody", "--secret-file", &good], "everybody"),
        (&["token", "--secret-file", "/no/such/file", "--mount", "/m"], "/no/such/file"),
        (&["no-such-command"], "no-such-command"),
    ];
    for (args, needle) in table {
        let plan = telephone_tests::process::Plan::new(telephone_tests::bins::path("plugboard"));
        let finished = plan.args(*args).finish();
        assert_eq!(finished.code, Some(2), "{args:?}: {}", finished.stderr);
        assert!(finished.stderr.contains(needle), "{args:?} is not explained: {}", finished.stderr);
    }
}

#[test]
fn a_link_that_is_cut_comes_back_with_the_same_identity() {
    both_programs(|program| {
        let (relay, origin) = (Relay::with(NO_GRACE), Origin::start());
        let hop = Hop::before(relay.addr());
        let mut sidecar = dial_through(program, &hop, &origin).token(&relay.token(&["/m"])).ready();
        for round in 1..=3 {
            hop.cut(Cut::Finish);
            wait::until_true("the telephone dials again", PATIENCE, || hop.accepted() > round);
            sidecar.wait_ready(PATIENCE);
            assert_eq!(get(relay.addr(), "/m/x").status(), 200, "after cut {round}");
        }
    });
}

#[test]
fn a_stranger_on_the_tunnel_path_is_told_nothing() {
    both_programs(|program| {
        let line = Line::through(program);
        let plain = line.get("/.well-known/telephone");
        assert!((400..500).contains(&plain.status()), "{}", plain.status());
        let upgrade = Request::get("/.well-known/telephone")
            .field("Connection", "Upgrade")
            .field("Upgrade", "websocket")
            .field("Sec-WebSocket-Version", "13")
            .field("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
        let unknown = line.ask(&upgrade.field("Sec-WebSocket-Protocol", "telephone.v999").close());
        assert!((400..500).contains(&unknown.status()), "{}", unknown.status());
        assert_eq!(line.origin.counts().requests, 0);
    });
}
