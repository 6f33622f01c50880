//! Processes of one identity whose clocks differ: the one that is alive serves.

use std::time::{Duration, Instant};

use serde_json::Value;
use telephone_tests::client::get;
use telephone_tests::line::both_programs;
use telephone_tests::origin::Origin;
use telephone_tests::puppet::Puppet;
use telephone_tests::relay::{NO_GRACE, Relay};
use telephone_tests::sidecar::{Program, Sidecar};
use telephone_tests::wait::PATIENCE;

/// How long a holder may take to answer its ping, and the time around it on a loaded machine.
const AT_MOST: Duration = Duration::from_secs(8);

/// A telephone of the identity that a puppet has, too.
fn start(program: Program, relay: &Relay, origin: &Origin) -> (Sidecar, String) {
    let token = relay.token(&["/m"]);
    let dial = program.dial(relay).mount("/m").backend(&origin.url()).token(&token);
    (dial.args(&["--instance", "puppet"]).ready(), token)
}

/// A process that started in 1970 by its clock asks for the mount.
fn older(relay: &Relay, token: &str) -> (Result<Puppet, Value>, Duration) {
    let start = Instant::now();
    let registered = Puppet::register(relay, token, &["/m"], 1);
    (registered, start.elapsed())
}

#[test]
fn a_process_with_an_older_epoch_takes_the_mount_of_one_that_has_no_link() {
    both_programs(|program| {
        let (relay, origin) = (Relay::with(NO_GRACE), Origin::start());
        let (mut holder, token) = start(program, &relay, &origin);
        holder.kill();
        relay.process().wait_stderr("lost its link", PATIENCE);
        let (registered, _) = older(&relay, &token);
        assert!(registered.is_ok(), "{:?}", registered.err());
    });
}

#[test]
fn a_process_with_an_older_epoch_takes_the_mount_of_one_that_does_not_answer_a_ping() {
    both_programs(|program| {
        let (relay, origin) = (Relay::with(NO_GRACE), Origin::start());
        let (holder, token) = start(program, &relay, &origin);
        holder.suspend();
        let (registered, time) = older(&relay, &token);
        assert!(registered.is_ok(), "{:?}", registered.err());
        assert!((Duration::from_secs(2)..AT_MOST).contains(&time), "{time:?}");
    });
}

#[test]
fn a_process_with_an_older_epoch_is_refused_while_the_holder_answers() {
    both_programs(|program| {
        let (relay, origin) = (Relay::with(NO_GRACE), Origin::start());
        let (_holder, token) = start(program, &relay, &origin);
        for _ in 0..3 {
            let (registered, _) = older(&relay, &token);
            let refused = registered.err().unwrap_or_default();
            assert_eq!(refused["code"], "stale", "{refused}");
            assert_eq!(get(relay.addr(), "/m/x").status(), 200);
        }
    });
}
