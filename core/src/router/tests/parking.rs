use super::*;

#[test]
fn requests_wait_while_no_session_of_the_mount_has_a_link_and_go_on_in_order() {
    let mut relay = Relay::new();
    relay.register(1, "a", "/api");
    relay.link_down(1);
    let (first, second) = (relay.parks("/api/1"), relay.parks("/api/2"));
    relay.pass(1_000);
    assert_eq!(relay.events(), (Vec::new(), Vec::new()));
    relay.link_up(1);
    assert_eq!(relay.events(), ([(first, 1), (second, 1)].to_vec(), Vec::new()));
    assert_eq!(relay.router.poll_timeout(), None);
}

#[test]
fn requests_wait_for_a_mount_that_was_there_and_go_to_whoever_comes() {
    let mut relay = Relay::new();
    relay.register(1, "a", "/api");
    relay.remove(1);
    let ticket = relay.parks("/api");
    relay.register(2, "b", "/api");
    assert_eq!(relay.events().0, [(ticket, 2)]);
}

#[test]
fn unparked_requests_are_spread_over_the_pool_and_count_as_its_load() {
    let mut relay = Relay::new();
    relay.register(1, "a/1", "/api");
    relay.register(2, "a/2", "/api");
    relay.link_down(1);
    relay.link_down(2);
    let tickets: Vec<Ticket> = (0..3).map(|_| relay.parks("/api")).collect();
    relay.link_up(1);
    relay.link_up(2);
    let (unparked, _) = relay.events();
    assert_eq!(unparked, [(tickets[0], 1), (tickets[1], 2), (tickets[2], 1)]);
    assert_eq!(relay.to("/api").0, 2);
}

#[test]
fn a_wait_ends_after_its_time_and_not_before() {
    let mut relay = Relay::new();
    relay.register(1, "a", "/api");
    relay.link_down(1);
    let first = relay.parks("/api");
    relay.pass(2_000);
    let second = relay.parks("/api");
    let deadline = relay.router.poll_timeout().unwrap();
    assert_eq!(deadline.since(relay.now), Duration::from_secs(3));
    relay.now = Timestamp::from_micros(deadline.as_micros() - 1);
    relay.router.handle_timeout(relay.now);
    assert_eq!(relay.events(), (Vec::new(), Vec::new()));
    relay.now = deadline;
    relay.router.handle_timeout(relay.now);
    assert_eq!(relay.events(), (Vec::new(), [(first, NOBODY)].to_vec()));
    assert!(relay.router.poll_timeout().is_some_and(|next| next > relay.now));
    relay.pass(2_000);
    relay.router.handle_timeout(relay.now);
    assert_eq!(relay.events().1, [(second, NOBODY)]);
    assert_eq!((relay.router.poll_timeout(), relay.router.counts().parked), (None, 0));
}

#[test]
fn a_cancelled_request_is_never_heard_of_again() {
    let mut relay = Relay::new();
    relay.register(1, "a", "/api");
    relay.link_down(1);
    let (first, second) = (relay.parks("/api"), relay.parks("/api"));
    relay.router.cancel(first);
    relay.pass(5_000);
    relay.router.handle_timeout(relay.now);
    relay.router.cancel(second);
    relay.link_up(1);
    assert_eq!(relay.events(), (Vec::new(), Vec::new()));
    assert_eq!(relay.router.counts().parked, 0);
}

#[test]
fn too_many_waiting_requests_for_one_mount_leave_room_for_another() {
    let limits = RouterLimits { parked_per_mount: 2, parked: 3, ..RouterLimits::default() };
    let mut relay = Relay::with(limits);
    let too_busy = Refusal::TooBusy { retry_after: RETRY_AFTER };
    relay.register(1, "a", "/one /two");
    relay.link_down(1);
    relay.parks("/one");
    let ticket = relay.parks("/one");
    assert_eq!(relay.refuses("/one"), too_busy);
    relay.parks("/two");
    assert_eq!(relay.refuses("/two"), too_busy, "the relay's own bound");
    relay.router.cancel(ticket);
    relay.parks("/two");
}

#[test]
fn what_a_request_waits_for_is_told_while_it_waits() {
    let mut relay = Relay::new();
    relay.register(1, "a", "/api");
    relay.link_down(1);
    let tickets = [(); 2].map(|()| relay.parks("/api/x"));
    let awaited = relay.router.awaited(tickets[0]).unwrap();
    assert_eq!((awaited.mount.to_string(), awaited.waiting), ("/api".to_string(), 2));
    relay.link_up(1);
    relay.events();
    assert_eq!(relay.router.awaited(tickets[0]), None);
    let mut started = Relay::just_started(RouterLimits::default());
    let ticket = started.parks("/unknown");
    assert_eq!(started.router.awaited(ticket), None);
}

#[test]
fn a_session_that_loses_its_link_again_before_the_poll_gets_nothing() {
    let mut relay = Relay::new();
    relay.register(1, "a", "/api");
    relay.link_down(1);
    let ticket = relay.parks("/api");
    relay.link_up(1);
    relay.link_down(1);
    assert_eq!(relay.events(), (Vec::new(), Vec::new()));
    relay.link_up(1);
    assert_eq!(relay.events().0, [(ticket, 1)]);
}

#[test]
fn a_room_and_a_port_are_waited_for_like_a_path_and_found_by_name_alone() {
    let mut relay = Relay::just_started(RouterLimits::default());
    let (room, port) = (relay.parks("room:a"), relay.parks("tcp:5432"));
    relay.register(1, "a", "room:a / room:b");
    assert_eq!(relay.events().0, [(room, 1)]);
    relay.register(2, "b", "tcp:5432");
    assert_eq!(relay.events().0, [(port, 2)]);
    assert_eq!(relay.to("room:b"), (1, "room:b".to_string()));
    relay.pass(60_000);
    assert_eq!(relay.refuses("room:c"), Refusal::NoSuchMount);
    assert_eq!(relay.refuses("tcp:543"), Refusal::NoSuchMount);
}

#[test]
fn a_request_for_a_mount_whose_tokens_are_all_over_is_refused_for_that() {
    let mut relay = Relay::new();
    relay.register(1, "a/1", "/api");
    relay.register(2, "a/2", "/api");
    let refusal = |relay: &mut Relay| {
        relay.parks("/api");
        relay.pass(5_000);
        relay.router.handle_timeout(relay.now);
        relay.events().1[0].1
    };
    relay.link_down(1);
    relay.link_down(2);
    for key in [1, 2] {
        assert_eq!(refusal(&mut relay), NOBODY, "the token of one session is good");
        relay.router.handle_token(SessionKey::new(key), true);
    }
    let expired = Refusal::TokenExpired { retry_after: RETRY_AFTER };
    assert_eq!(relay.refuses("/api"), expired, "there is nothing to wait for");

    // A telephone without a link may come back with another token.
    let wait = |relay: &mut Relay, held| relay.router.handle_waiting(SessionKey::new(2), held);
    assert_eq!(wait(&mut relay, Some(0)), []);
    assert_eq!(refusal(&mut relay), expired);
    let ticket = relay.parks("/api");
    assert_eq!(wait(&mut relay, None), []);
    relay.router.handle_token(SessionKey::new(2), false);
    relay.link_up(2);
    assert_eq!(relay.events().0, [(ticket, 2)]);

    relay.link_down(2);
    assert_eq!(refusal(&mut relay), NOBODY);
}
