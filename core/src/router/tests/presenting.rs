//! Mounts that a telephone presents within its session, and which of them are ready.

use super::*;

impl Relay {
    fn present(&mut self, key: u64, ready: &str, not_ready: &str, claims: &str) -> Registered {
        let (all, not_ready) = ([mounts(ready), mounts(not_ready)].concat(), mounts(not_ready));
        self.router.present(SessionKey::new(key), &all, &not_ready, &mounts(claims), self.now)
    }
}

#[test]
fn a_session_whose_mount_is_not_ready_is_chosen_only_while_no_other_is_ready() {
    let mut relay = Relay::new();
    relay.register(1, "a/one", "/x /y");
    relay.register(2, "a/two", "/x /y");
    relay.present(1, "/y", "/x", "/");
    // However busy the other one is.
    for _ in 0..5 {
        assert_eq!(relay.to("/x").0, 2);
    }
    assert_eq!(relay.to("/y").0, 1, "only the one mount is concerned");
    relay.present(2, "/y", "/x", "/");
    assert_eq!(relay.to("/x").0, 1, "none is ready, and the first one is less busy");
    relay.present(2, "/x /y", "", "/");
    assert_eq!(relay.to("/x").0, 2);
    relay.link_down(2);
    assert_eq!(relay.to("/x").0, 1, "the one that is ready has no link");
}

#[test]
fn a_client_whose_state_is_at_a_session_goes_elsewhere_while_that_is_not_ready_and_another_is() {
    let mut relay = Relay::new();
    relay.register(1, "a/one", "/x");
    relay.register(2, "a/two", "/x");
    let back =
        |relay: &mut Relay| match relay.router.route_back(SessionKey::new(1), None, None, b"/x", relay.now) {
            Route::To { session, .. } => session.number(),
            other => panic!("{other:?}"),
        };
    assert_eq!(back(&mut relay), 1);
    relay.present(1, "", "/x", "/x");
    assert_eq!(back(&mut relay), 2);
    relay.present(2, "", "/x", "/x");
    assert_eq!(back(&mut relay), 1);
}

#[test]
fn a_mount_that_is_left_out_is_withdrawn_and_one_that_is_added_gets_requests_that_wait() {
    let mut relay = Relay::new();
    relay.register(1, "a", "/x /y");
    let registered = relay.present(1, "/x", "", "/");
    assert_eq!((registered.mounts, registered.reduced), (mounts("/x"), Vec::new()));
    let ticket = relay.parks("/y");
    relay.present(1, "/x /y", "", "/");
    assert_eq!(relay.events(), ([(ticket, 1)].to_vec(), Vec::new()));
}

#[test]
fn what_the_token_does_not_claim_or_another_holds_is_left_out_and_the_rest_is_taken() {
    let mut relay = Relay::new();
    relay.register(1, "a", "/x");
    relay.register(2, "b", "/held");
    let registered = relay.present(1, "/x /held /more /unclaimed", "", "/x /held /more");
    assert_eq!(registered.mounts, mounts("/more /x"));
    assert_eq!((relay.to("/more").0, relay.to("/held").0), (1, 2));
    assert_eq!(relay.refuses("/unclaimed"), Refusal::NoSuchMount);
}

#[test]
fn a_mount_of_an_older_process_is_taken_over_and_one_of_a_newer_process_is_not() {
    let mut relay = Relay::new();
    relay.register_as(1, registration("a", 1, "/old /both", "")).unwrap();
    relay.register_as(2, registration("a", 2, "/x", "")).unwrap();
    let registered = relay.present(2, "/x /old", "", "/");
    assert_eq!(registered.mounts, mounts("/old /x"));
    let left = mounts("/both");
    assert_eq!(registered.reduced, [Reduced { session: SessionKey::new(1), left }]);
    assert_eq!(relay.to("/old").0, 2);
    assert_eq!(relay.present(1, "/both /x /old", "", "/").mounts, mounts("/both"));
}

#[test]
fn a_session_that_leaves_or_is_over_presents_nothing() {
    let mut relay = Relay::new();
    relay.register(1, "a", "/x");
    relay.router.suspend(SessionKey::new(1), relay.now);
    for key in [1, 9] {
        assert_eq!(relay.present(key, "/x", "", "/"), Registered::default());
    }
    assert_eq!(relay.refuses("/z"), NOBODY);
}

#[test]
fn another_session_that_is_not_ready_is_no_way_out() {
    let mut relay = Relay::new();
    relay.register(1, "a/one", "/x");
    let (key, mount) = (SessionKey::new(1), mounts("/x").remove(0));
    assert!(!relay.router.has_other_ready(key, &mount));
    relay.register(2, "a/two", "/x");
    assert!(relay.router.has_other_ready(key, &mount));
    relay.present(2, "", "/x", "/x");
    assert!(!relay.router.has_other_ready(key, &mount));
    relay.present(2, "/x", "", "/x");
    relay.link_down(2);
    assert!(!relay.router.has_other_ready(key, &mount));
}
