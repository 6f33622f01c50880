use super::*;

#[test]
fn right_after_its_start_a_relay_lets_requests_for_unknown_mounts_wait() {
    let mut relay = Relay::just_started(RouterLimits::default());
    let (api, admin) = (relay.parks("example.com/api/x"), relay.parks("/admin"));
    relay.pass(1_000);
    relay.register(1, "a", "/api");
    assert_eq!(relay.events(), ([(api, 1)].to_vec(), Vec::new()));
    relay.pass(4_000);
    relay.router.handle_timeout(relay.now);
    assert_eq!(relay.events(), (Vec::new(), [(admin, NOBODY)].to_vec()));
    assert_eq!(relay.refuses("/admin"), Refusal::NoSuchMount);
}

#[test]
fn a_waiting_request_for_no_mount_yet_is_refused_once_its_path_is_ambiguous() {
    let mut relay = Relay::just_started(RouterLimits::default());
    let ticket = relay.parks("/api%2Fx");
    relay.register(1, "a", "/api");
    assert_eq!(relay.events(), (Vec::new(), [(ticket, Refusal::Ambiguous)].to_vec()));
}

#[test]
fn an_unknown_mount_is_404_only_while_somebody_is_connected() {
    let mut relay = Relay::new();
    assert_eq!(relay.refuses("/x"), NOBODY);
    relay.register(1, "a", "/api");
    assert_eq!(relay.refuses("/x"), Refusal::NoSuchMount);
    relay.link_down(1);
    assert_eq!(relay.refuses("/x"), NOBODY);
    relay.link_up(1);
    relay.router.suspend(SessionKey::new(1), relay.now);
    assert_eq!(relay.refuses("/x"), NOBODY);
}

#[test]
fn a_lost_mount_hides_shorter_ones_until_it_is_forgotten() {
    let mut relay = Relay::new();
    relay.register(1, "a", "/");
    relay.register(2, "b", "/api");
    relay.remove(2);
    relay.parks("/api");
    relay.pass(599_999);
    relay.parks("/api");
    relay.pass(1);
    assert_eq!(relay.to("/api").0, 1);
    assert_eq!(relay.router.counts().remembered, 0);
}

#[test]
fn no_more_mounts_are_remembered_than_allowed_and_the_oldest_goes_first() {
    let limits = RouterLimits { remembered: 2, ..RouterLimits::default() };
    let mut relay = Relay::with(limits);
    relay.register(9, "z", "/held");
    for (key, mount) in [(1, "/one"), (2, "/two"), (3, "/three")] {
        relay.register(key, mount, mount);
    }
    relay.remove(1);
    let waiting = relay.parks("/one");
    for key in [2, 3] {
        relay.pass(1);
        relay.remove(key);
    }
    assert_eq!(relay.events().1, [(waiting, NOBODY)]);
    assert_eq!(relay.refuses("/one"), Refusal::NoSuchMount);
    relay.parks("/two");
    relay.parks("/three");
    assert_eq!(relay.router.counts().remembered, 2);
}

#[test]
fn after_all_have_gone_nothing_is_held_and_no_timer_runs() {
    let mut relay = Relay::new();
    relay.register(1, "a/1", "/api example.com/ room:x tcp:1");
    relay.register(2, "a/2", "/api");
    relay.link_down(1);
    relay.to("/api");
    relay.remove(1);
    relay.remove(2);
    relay.router.finish(SessionKey::new(2));
    let counts = relay.router.counts();
    assert_eq!((counts.sessions, counts.linked, counts.mounts, counts.remembered), (0, 0, 0, 4));
    relay.pass(600_000);
    relay.router.handle_timeout(relay.now);
    assert_eq!((relay.router.counts(), relay.router.poll_timeout()), (Default::default(), None));
}
