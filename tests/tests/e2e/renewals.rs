//! Tokens that run out, cover less, or are taken back, while everybody goes on asking.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::Value;
use telephone_tests::client::{Client, get};
use telephone_tests::hop::Hop;
use telephone_tests::line::{both_at_once, both_programs};
use telephone_tests::load::Load;
use telephone_tests::origin::Origin;
use telephone_tests::prf::Body;
use telephone_tests::relay::{NO_GRACE, Relay, write_private};
use telephone_tests::request::Request;
use telephone_tests::sidecar::{Program, Sidecar};
use telephone_tests::sizes;
use telephone_tests::wait::{self, PATIENCE};

/// How long each of the short tokens is good for.
const LIFE: Duration = Duration::from_secs(20);
/// How often somebody puts a fresh one into the file.
const ROTATION: Duration = Duration::from_secs(5);
/// Within which a revocation is to be felt.
const GONE_WITHIN: Duration = Duration::from_secs(5);

/// A telephone with a token file, behind a hop that counts its links.
struct Tenant {
    relay: Relay,
    hop: Hop,
    origin: Origin,
    file: PathBuf,
    sidecar: Sidecar,
}

impl Tenant {
    fn start(program: Program, mounts: &[&str], life: &str) -> Self {
        let (relay, origin) = (Relay::with(NO_GRACE), Origin::start());
        let hop = Hop::before(relay.addr());
        let file = relay.directory().join("token");
        write_private(&file, &relay.token_with("shop", mounts, &["--ttl", life]));
        let dial = program.dial_url(&hop.url()).backend(&origin.url());
        let dial = mounts.iter().fold(dial, |dial, mount| dial.mount(mount));
        let sidecar = dial.args(&["--token-file", file.to_str().expect("UTF-8")]).ready();
        Self { relay, hop, origin, file, sidecar }
    }

    fn rotate(&self, mounts: &[&str], life: &str) {
        write_private(&self.file, &self.relay.token_with("shop", mounts, &["--ttl", life]));
    }

    fn line(&self) -> Value {
        let page = self.sidecar.health("/healthz").map(|answer| answer.body).unwrap_or_default();
        let page: Value = serde_json::from_slice(&page).unwrap_or_default();
        page["plugboards"][0].clone()
    }

    fn renewals(&self) -> usize {
        self.sidecar.process().stderr().matches("the token was renewed").count()
    }
}

#[test]
fn a_token_of_twenty_seconds_is_renewed_for_as_long_as_there_are_fresh_ones() {
    both_at_once(|program| {
        let tenant = Tenant::start(program, &["/m"], "20s");
        let before = tenant.line();
        let load = Load::start(tenant.relay.addr(), &tenant.origin);
        let time = sizes::pick(LIFE + ROTATION, 9 * LIFE);
        let turns = u32::try_from(time.as_millis() / ROTATION.as_millis()).expect("a few");
        let start = Instant::now();
        for _ in wait::paced(start, ROTATION).take_while(|turn| *turn < turns) {
            tenant.rotate(&["/m"], "20s");
        }
        let report = load.stop();
        sizes::figure("seconds", start.elapsed().as_secs());
        sizes::figure("requests", report.answered);
        sizes::figure("renewals", tenant.renewals());
        assert!(report.failures.is_empty(), "{:?}", report.failures);
        // Each at two thirds of a life, or a little earlier.
        let least = start.elapsed().as_secs() / LIFE.as_secs();
        assert!(tenant.renewals() as u64 >= least, "{} renewals", tenant.renewals());
        assert_eq!(tenant.line()["session"], before["session"]);
        assert_eq!(tenant.hop.accepted(), 1, "the telephone dialled again");
    });
}

#[test]
fn a_token_that_covers_less_takes_one_mount_away_and_leaves_the_streams_of_the_other() {
    both_programs(|program| {
        let mut tenant = Tenant::start(program, &["/m", "/other"], "20s");
        let length = 20_000_000;
        let mut download = Client::connect_narrow(tenant.relay.addr(), 16 * 1024);
        download.send(Request::get(&format!("/m/bytes?n={length}")).to_vec());
        let head = download.head();
        assert_eq!(get(tenant.relay.addr(), "/other/x").status(), 200);

        tenant.rotate(&["/m"], "1h");
        wait::until_true("the scope is narrower", PATIENCE, || {
            tenant.line()["mounts"] == serde_json::json!(["/m"])
        });
        assert_eq!(get(tenant.relay.addr(), "/other/x").status(), 503);
        assert_eq!(get(tenant.relay.addr(), "/m/x").status(), 200);
        let (digest, ending) = download.digest_body(&head).expect("an end");
        assert!(ending.is_complete(), "{ending:?}");
        assert_eq!(digest, Body::new(0, length).digest());
        assert_eq!(tenant.hop.accepted(), 1, "the telephone dialled again");

        // Whoever asked for both again would be refused.
        tenant.relay.kill();
        tenant.relay.restart();
        wait::until_true("the rest of its mounts is back", PATIENCE, || {
            get(tenant.relay.addr(), "/m/x").status() == 200
        });
    });
}

#[test]
fn a_telephone_that_registers_anew_with_a_token_that_covers_less_keeps_the_mounts_that_it_covers() {
    both_programs(|program| {
        let mut tenant = Tenant::start(program, &["/m", "/other"], "1h");
        assert_eq!(get(tenant.relay.addr(), "/other/x").status(), 200);
        // Long before a renewal is due.
        tenant.rotate(&["/m"], "1h");
        tenant.relay.kill();
        tenant.relay.restart();
        wait::until_true("one mount is back", PATIENCE, || get(tenant.relay.addr(), "/m/x").status() == 200);
        assert_eq!(get(tenant.relay.addr(), "/other/x").status(), 404);
        wait::until_true("it says which", PATIENCE, || tenant.line()["mounts"] == serde_json::json!(["/m"]));
        assert_eq!(tenant.renewals(), 0);
    });
}

#[test]
fn a_subject_that_is_revoked_under_load_is_gone_within_five_seconds() {
    both_programs(|program| {
        let tenant = Tenant::start(program, &["/m"], "1h");
        let mut download = Client::connect_narrow(tenant.relay.addr(), 16 * 1024);
        download.send(Request::get("/m/bytes?n=100000000").to_vec());
        let head = download.head();
        let load = Load::start(tenant.relay.addr(), &tenant.origin);
        wait::until_true("requests are answered", PATIENCE, || load.answered() > 50);

        assert_eq!(tenant.relay.revoke(r#"{"sub":"shop"}"#).status(), 200);
        let revoked = Instant::now();
        wait::until_true("nobody serves the mount", GONE_WITHIN, || {
            tenant.relay.metrics().lines().any(|line| line == "plugboard_sessions 0")
        });
        let (_, ending) = download.digest_body(&head).expect("an end");
        assert!(!ending.is_complete(), "a body of a revoked telephone went on");
        assert!(revoked.elapsed() < GONE_WITHIN, "{:?}", revoked.elapsed());
        sizes::figure("gone after", format_args!("{:?}", revoked.elapsed()));
        assert_eq!(get(tenant.relay.addr(), "/m/x").status(), 503);
        load.stop();
        assert!(!tenant.sidecar.is_ready(), "it is let in again");
    });
}
