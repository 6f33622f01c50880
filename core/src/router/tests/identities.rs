//! Several sessions of one identity.

use alloc::vec;

use super::*;
use crate::limits::EPOCH_AHEAD_MAX;
use crate::router::Reduced;
use crate::time::as_millis;
use crate::wire::{RefusedCode, Resume};

fn reduced(session: u64, left: &str) -> Reduced {
    Reduced { session: SessionKey::new(session), left: mounts(left) }
}

fn partial(registration: Registration) -> Registration {
    Registration { is_partial_enough: true, ..registration }
}

#[test]
fn a_newer_session_leaves_the_older_what_its_claims_do_not_cover() {
    let mut relay = Relay::new();
    relay.register(1, "a", "/bank /shop");
    let registered = relay.register_as(2, registration("a", 2, "/shop", "/shop")).unwrap();
    assert_eq!(registered, Registered { mounts: mounts("/shop"), reduced: vec![reduced(1, "/bank")] });
    assert_eq!((relay.to("/bank").0, relay.to("/shop").0), (1, 2));
}

#[test]
fn a_session_whose_mounts_a_newer_one_does_not_claim_goes_on() {
    let mut relay = Relay::new();
    relay.register(1, "a", "/bank");
    assert_eq!(relay.ask(2, "a", 2, "/shop"), Ok(None));
    assert_eq!((relay.to("/bank").0, relay.to("/shop").0), (1, 2));
    assert_eq!(relay.router.counts().sessions, 2);
}

#[test]
fn a_newer_session_takes_what_its_claims_cover_though_it_does_not_register_it() {
    let mut relay = Relay::new();
    relay.register(1, "a", "/a /a/b /a-b h.net/a room:x tcp:80");
    let registered = relay.register_as(2, registration("a", 2, "/a/c", "/a tcp:80")).unwrap();
    assert_eq!(registered.reduced, [reduced(1, "/a-b h.net/a room:x")]);
    relay.parks("/a/b");
    relay.parks("tcp:80");
    assert_eq!((relay.to("/a-b").0, relay.to("h.net/a").0, relay.to("room:x").0), (1, 1, 1));
}

#[test]
fn a_claim_of_the_root_takes_every_mount_without_a_host_and_a_hosts_claim_only_its_own() {
    let mut relay = Relay::new();
    relay.register(1, "a", "/ /a h.net/ h.net/a g.net/");
    let registered = relay.register_as(2, registration("a", 2, "h.net/b", "h.net/")).unwrap();
    assert_eq!(registered.reduced, [reduced(1, "/ /a g.net/")]);
    let registered = relay.register_as(3, registration("a", 3, "/", "/")).unwrap();
    assert_eq!(registered.reduced, [reduced(1, "g.net/")]);
}

#[test]
fn a_session_ends_with_its_last_mount() {
    let mut relay = Relay::new();
    relay.register(1, "a", "/a /b");
    let registered = relay.register_as(2, registration("a", 2, "/a", "/a")).unwrap();
    assert_eq!(registered.reduced, [reduced(1, "/b")]);
    let registered = relay.register_as(3, registration("a", 3, "/b", "/b")).unwrap();
    assert_eq!(registered.reduced, [reduced(1, "")]);
    assert_eq!(relay.router.counts().sessions, 2);
    assert_eq!((relay.to("/a").0, relay.to("/b").0), (2, 3));
}

#[test]
fn one_newer_session_takes_from_all_older_ones() {
    let mut relay = Relay::new();
    relay.register(1, "a", "/a");
    relay.register(2, "a", "/b /c");
    relay.register(3, "a", "/d");
    let registered = relay.register_as(4, registration("a", 2, "/a /b", "/a /b")).unwrap();
    assert_eq!(registered.reduced, [reduced(1, ""), reduced(2, "/c")]);
    assert_eq!((relay.to("/a").0, relay.to("/c").0, relay.to("/d").0), (4, 2, 3));
}

#[test]
fn an_older_epoch_is_refused_for_a_mount_that_a_newer_session_holds_and_for_no_other() {
    let mut relay = Relay::new();
    assert_eq!(relay.ask(1, "a", 7, "/api"), Ok(None));
    let stale = RegisterError::Stale { mount: Some("/api".parse().unwrap()) };
    assert_eq!(stale.code(), RefusedCode::Stale);
    assert_eq!(relay.ask(2, "a", 6, "/else /api"), Err(stale));
    assert_eq!(relay.ask(2, "a", 6, "/else"), Ok(None));
    // Below a held mount is another mount.
    assert_eq!(relay.ask(3, "a", 6, "/api/v1"), Ok(None));
    assert_eq!((relay.to("/api").0, relay.to("/else").0, relay.to("/api/v1").0), (1, 2, 3));
}

#[test]
fn an_older_session_that_takes_less_registers_what_no_newer_one_holds() {
    let mut relay = Relay::new();
    assert_eq!(relay.ask(1, "a", 7, "/shop"), Ok(None));
    let older = registration("a", 6, "/shop /bank", "/shop /bank");
    let stale = RegisterError::Stale { mount: Some("/shop".parse().unwrap()) };
    assert_eq!(relay.register_as(2, older.clone()), Err(stale.clone()));
    let registered = relay.register_as(2, partial(older)).unwrap();
    assert_eq!(registered, Registered { mounts: mounts("/bank"), reduced: Vec::new() });
    assert_eq!((relay.to("/shop").0, relay.to("/bank").0), (1, 2));
    let nothing_left = partial(registration("a", 6, "/shop", "/shop"));
    assert_eq!(relay.register_as(3, nothing_left), Err(stale));
}

#[test]
fn an_older_epoch_gets_what_a_newer_session_holds_that_has_no_link_or_did_not_answer() {
    let mut relay = Relay::new();
    let stale = || RegisterError::Stale { mount: Some("/api".parse().unwrap()) };
    assert_eq!(relay.ask(1, "a", 9, "/api /else"), Ok(None));
    let identity = Identity::new("a", "one");
    let rivals = |relay: &Relay, epoch| relay.router.rivals(&identity, epoch, &mounts("/api /new"));
    assert_eq!((rivals(&relay, 8), rivals(&relay, 9)), (vec![SessionKey::new(1)], vec![]));

    // It is alive: whoever has a link and was not pinged, or answered.
    assert_eq!(relay.ask(2, "a", 8, "/api"), Err(stale()));
    relay.router.handle_pinged(SessionKey::new(1), true);
    assert_eq!(relay.ask(2, "a", 8, "/api"), Err(stale()));
    relay.router.handle_pinged(SessionKey::new(1), false);
    let registered = relay.register_as(2, registration("a", 8, "/api", "/")).unwrap();
    assert_eq!(registered.reduced, [reduced(1, "/else")], "it takes more than it registers");
    assert_eq!((relay.to("/api").0, relay.to("/else").0), (2, 1));

    // A new link is a sign of life.
    relay.link_up(1);
    assert_eq!(relay.ask(3, "a", 8, "/else").map_err(|error| error.code()), Err(RefusedCode::Stale));
    relay.link_down(1);
    assert_eq!((rivals(&relay, 8), relay.ask(3, "a", 8, "/else")), (vec![], Ok(Some(1))));
}

#[test]
fn an_older_epoch_without_mounts_replaces_a_newer_session_without_a_link() {
    let mut relay = Relay::new();
    assert_eq!(relay.ask(1, "a", 9, ""), Ok(None));
    assert_eq!(relay.ask(2, "a", 8, ""), Err(RegisterError::Stale { mount: None }));
    relay.link_down(1);
    assert_eq!(relay.ask(2, "a", 8, ""), Ok(Some(1)));
}

#[test]
fn an_older_sessions_claims_take_nothing_from_a_newer_one() {
    let mut relay = Relay::new();
    assert_eq!(relay.ask(1, "a", 7, "/a/b"), Ok(None));
    let registered = relay.register_as(2, registration("a", 6, "/a", "/a")).unwrap();
    assert_eq!(registered.reduced, []);
    assert_eq!((relay.to("/a").0, relay.to("/a/b").0), (2, 1));
}

#[test]
fn of_an_identitys_sessions_without_mounts_the_newest_stays() {
    let mut relay = Relay::new();
    assert_eq!(relay.ask(1, "a", 2, ""), Ok(None));
    assert_eq!(relay.ask(2, "a", 1, ""), Err(RegisterError::Stale { mount: None }));
    assert_eq!(relay.ask(2, "a", 3, ""), Ok(Some(1)));
    assert_eq!(relay.ask(3, "a", 3, ""), Ok(Some(2)));
    relay.remove(3);
    assert_eq!(relay.ask(4, "a", 1, ""), Ok(None));
}

#[test]
fn sessions_with_mounts_and_without_do_not_concern_each_other() {
    let mut relay = Relay::new();
    relay.register(1, "a", "/api");
    let registered = relay.register_as(2, registration("a", 2, "", "/")).unwrap();
    assert_eq!(registered.reduced, []);
    assert_eq!(relay.to("/api").0, 1);
    assert_eq!(relay.ask(3, "a", 3, "/api"), Ok(Some(1)));
    assert_eq!(relay.ask(4, "a", 2, ""), Ok(Some(2)));
    assert_eq!(relay.router.counts().sessions, 2);
}

#[test]
fn what_a_session_lost_by_its_token_or_left_does_not_stand_in_the_way_of_an_older_epoch() {
    let mut relay = Relay::new();
    assert_eq!(relay.ask(1, "a", 7, "/a /b"), Ok(None));
    relay.router.narrow(SessionKey::new(1), &mounts("/a"), relay.now);
    assert_eq!(relay.ask(2, "a", 6, "/b"), Ok(None));
    relay.router.suspend(SessionKey::new(1), relay.now);
    assert_eq!(relay.ask(3, "a", 6, "/a"), Ok(None));
    // What the newer one let go of is the other's, whatever becomes of the newer one.
    relay.remove(1);
    assert_eq!(relay.ask(4, "a", 5, "/b"), Err(RegisterError::Stale { mount: Some("/b".parse().unwrap()) }));
    assert_eq!((relay.to("/a").0, relay.to("/b").0), (3, 2));
}

#[test]
fn a_reduced_session_is_resumed_as_before_and_an_ended_one_is_not() {
    let mut relay = Relay::new();
    relay.register(1, "a", "/a");
    relay.register(2, "a", "/b /c");
    relay.register_as(3, registration("a", 2, "/a /b", "/a /b")).unwrap();
    let resumable = |session| {
        let resume = Resume { session, secret: [7; 16], position: 0 };
        relay.router.resumable(&Identity::new("a", "one"), &resume).map(SessionKey::number)
    };
    assert_eq!([resumable(1), resumable(2), resumable(3)], [None, Some(2), Some(3)]);
}

#[test]
fn an_epoch_far_ahead_of_the_relays_clock_is_refused_as_busy_and_changes_nothing() {
    let mut relay = Relay::new();
    relay.register(1, "a", "/api");
    let last = CLOCK + as_millis(EPOCH_AHEAD_MAX);
    for epoch in [last + 1, u64::MAX] {
        let error = relay.ask(2, "a", epoch, "/api").unwrap_err();
        assert_eq!(error, RegisterError::EpochAhead { epoch, unix_millis: CLOCK });
        assert_eq!(error.code(), RefusedCode::Busy);
        let said = error.to_string();
        assert!(said.contains(&epoch.to_string()) && said.contains("more than 24 h ahead"), "{said}");
        assert_eq!(relay.to("/api").0, 1);
    }
    assert_eq!(relay.ask(2, "a", last, "/api"), Ok(Some(1)));
    // The end of the clock's numbers is no place to start again from.
    let registration = registration("b", u64::MAX, "/b", "/b");
    let registered = relay.router.register(SessionKey::new(3), registration, u64::MAX, relay.now);
    assert_eq!(registered.map(|registered| registered.mounts), Ok(mounts("/b")));
}
