use alloc::format;

use super::*;
use crate::router::Reduced;
use crate::wire::Resume;

#[test]
fn a_newer_epoch_fences_the_older_session_at_once() {
    let mut relay = Relay::new();
    relay.register(1, "a", "/api /old");
    let registered = relay.register_as(2, registration("a", 2, "/api", "/api /old")).unwrap();
    assert_eq!(registered.reduced, [Reduced { session: SessionKey::new(1), left: Vec::new() }]);
    assert_eq!(relay.to("/api").0, 2);
    assert!(matches!(relay.route("/old"), Route::Park(_)));
    assert_eq!(relay.router.counts().sessions, 1);
}

#[test]
fn a_process_that_lost_its_session_is_not_its_own_rival() {
    let mut relay = Relay::new();
    assert_eq!(relay.ask(1, "a", 7, "/api"), Ok(None));
    relay.link_down(1);
    assert_eq!(relay.ask(2, "a", 7, "/api"), Ok(Some(1)));
    relay.remove(1);
    assert_eq!(relay.to("/api").0, 2);
}

#[test]
fn another_instance_of_the_subject_joins_the_mount_whatever_its_epoch() {
    let mut relay = Relay::new();
    assert_eq!(relay.ask(1, "a/1", 9, "/api"), Ok(None));
    assert_eq!(relay.ask(2, "a/2", 3, "/api"), Ok(None));
    assert_eq!([relay.to("/api").0, relay.to("/api").0], [1, 2]);
}

#[test]
fn another_subject_cannot_take_a_held_mount_and_changes_nothing() {
    let mut relay = Relay::new();
    relay.register(1, "a", "/api");
    relay.link_down(1);
    let held = RegisterError::Held { mount: "/api".parse().unwrap() };
    assert_eq!(relay.ask(2, "b", 9, "/mine /api"), Err(held));
    assert_eq!(relay.refuses("/mine"), NOBODY);
    relay.remove(1);
    assert_eq!(relay.ask(2, "b", 9, "/mine /api"), Ok(None));
}

#[test]
fn a_room_is_taken_over_by_its_own_identity_and_by_nobody_else() {
    let mut relay = Relay::new();
    relay.register(1, "a/1", "room:x");
    relay.link_down(1);
    let held = Err(RegisterError::Held { mount: "room:x".parse().unwrap() });
    assert_eq!(relay.ask(2, "b", 9, "room:x"), held);
    assert_eq!(relay.ask(2, "a/2", 9, "room:y room:x"), held);
    assert_eq!(relay.ask(2, "a/1", 9, "room:x"), Ok(Some(1)));
    relay.remove(2);
    assert_eq!(relay.ask(3, "a/2", 1, "room:x"), Ok(None));
}

#[test]
fn another_subject_may_hold_a_mount_above_or_below() {
    let mut relay = Relay::new();
    relay.register(1, "a", "/api");
    relay.register(2, "b", "/ /api/v1 example.com/api room:x tcp:80");
    assert_eq!((relay.to("/api/v2").0, relay.to("/api/v1").0, relay.to("/x").0), (1, 2, 2));
}

#[test]
fn rooms_and_ports_are_held_like_paths() {
    let mut relay = Relay::new();
    relay.register(1, "a", "room:x tcp:80");
    assert!(matches!(relay.ask(2, "b", 1, "room:x"), Err(RegisterError::Held { .. })));
    assert!(matches!(relay.ask(2, "b", 1, "tcp:80"), Err(RegisterError::Held { .. })));
    assert_eq!(relay.ask(2, "b", 1, "room:y tcp:81"), Ok(None));
}

#[test]
fn a_session_registers_once() {
    let mut relay = Relay::new();
    relay.register(1, "a", "/api");
    assert_eq!(relay.ask(1, "a", 2, "/else"), Err(RegisterError::Twice));
    assert_eq!(relay.ask(1, "b", 2, "/else"), Err(RegisterError::Twice));
    assert_eq!(relay.to("/api").0, 1);
}

#[test]
fn the_number_of_mounts_is_bounded_and_may_be_none() {
    let mut relay = Relay::new();
    let many: Vec<_> = (0..65).map(|n| format!("/{n} ")).collect();
    assert_eq!(relay.ask(1, "a", 1, &many.concat()), Err(RegisterError::TooManyMounts(65)));
    assert_eq!(relay.ask(1, "a", 1, &many[1..].concat()), Ok(None));
    assert_eq!(relay.ask(2, "b", 1, ""), Ok(None));
    assert_eq!(relay.router.counts().mounts, 64);
}

#[test]
fn a_mount_that_is_named_twice_counts_once() {
    let mut relay = Relay::new();
    relay.register(1, "a", "/api /api/ /%61pi");
    assert_eq!(relay.router.counts().mounts, 1);
    relay.remove(1);
    assert_eq!(relay.router.counts().mounts, 0);
}

#[test]
fn a_mount_is_held_as_long_as_a_session_has_it_with_a_link_or_without() {
    let mut relay = Relay::new();
    let mount: Mount = "/api".parse().unwrap();
    assert!(!relay.router.is_held(&mount));
    relay.register(1, "a", "/api");
    assert!(relay.router.is_held(&mount));
    assert_eq!(relay.router.counts().linked, 1);
    relay.link_down(1);
    assert!(relay.router.is_held(&mount));
    assert_eq!(relay.router.counts().linked, 0);
    relay.remove(1);
    assert!(!relay.router.is_held(&mount));
}

#[test]
fn another_session_of_a_mount_is_one_that_takes_requests() {
    let mut relay = Relay::new();
    let mount: Mount = "/api".parse().unwrap();
    let has_other = |relay: &Relay| relay.router.has_other(SessionKey::new(1), &mount);
    relay.register(1, "a/one", "/api");
    assert!(!has_other(&relay));
    relay.register(2, "a/two", "/api");
    assert!(has_other(&relay));
    relay.link_down(2);
    assert!(!has_other(&relay));
}

#[test]
fn a_session_goes_on_for_its_own_identity_and_its_secret_alone() {
    let mut relay = Relay::new();
    relay.register(1, "a/one", "/api");
    let resumable = |who: (&str, &str), session, secret| {
        let resume = Resume { session, secret, position: 0 };
        relay.router.resumable(&Identity::new(who.0, who.1), &resume).map(SessionKey::number)
    };
    assert_eq!(resumable(("a", "one"), 1, [7; 16]), Some(1));
    assert_eq!(resumable(("a", "one"), 2, [7; 16]), None);
    assert_eq!(resumable(("a", "one"), 1, [8; 16]), None);
    assert_eq!(resumable(("a", "two"), 1, [7; 16]), None);
    assert_eq!(resumable(("b", "one"), 1, [7; 16]), None);
}

#[test]
fn identities_and_secrets_say_what_they_were_made_of() {
    let identity = Identity::new("a", "one");
    assert_eq!((identity.subject(), identity.instance()), ("a", "one"));
    assert_eq!(ResumeSecret::new([7; 16]).octets(), [7; 16]);
}

#[test]
fn a_suspended_session_gets_no_request_and_is_not_fenced() {
    let mut relay = Relay::new();
    relay.register(1, "a", "/api");
    relay.router.suspend(SessionKey::new(1), relay.now);
    relay.link_up(1);
    assert_eq!(relay.router.counts().linked, 0);
    let ticket = relay.parks("/api");
    assert_eq!(relay.ask(2, "a", 1, "/api"), Ok(None));
    assert_eq!(relay.events(), ([(ticket, 2)].to_vec(), Vec::new()));
    assert_eq!(relay.router.counts().sessions, 2);
}

#[test]
fn a_renewed_token_leaves_only_the_mounts_that_it_claims() {
    let mut relay = Relay::new();
    relay.register(1, "a", "/api/v1 /admin");
    let claims: [Mount; 1] = ["/api".parse().unwrap()];
    relay.router.narrow(SessionKey::new(1), &claims, relay.now);
    assert_eq!(relay.to("/api/v1").0, 1);
    relay.parks("/admin");
    relay.register(2, "b", "/admin");
    assert_eq!(relay.to("/admin").0, 2);
}
