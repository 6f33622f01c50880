use alloc::collections::BTreeMap;
use alloc::format;
use core::net::{IpAddr, Ipv4Addr};

use super::*;
use crate::address::AddressBlock;
use crate::affinity::{Binding, Cookie, Sticky};
use crate::limits::DARK_TIME;
use crate::message::Headers;
use crate::router::{AffinityKey, Client};

const MOUNT: &str = "/m";

fn dark_millis() -> u64 {
    DARK_TIME.as_millis() as u64
}

/// A client of a mount: an address, and the cookie that it was given.
#[derive(Debug, Clone)]
struct Visitor {
    address: IpAddr,
    cookie: Option<Cookie>,
    avoided: Option<SessionKey>,
}

impl Visitor {
    fn at(number: u32) -> Self {
        Self { address: Ipv4Addr::from_bits(number).into(), cookie: None, avoided: None }
    }

    fn fields(&self) -> Headers {
        self.cookie.map(|cookie| ("Cookie", format!("a=1; plugboard_sticky={cookie}"))).into_iter().collect()
    }
}

impl Relay {
    fn bind(&mut self, key: u64, who: &str, sticky: impl Into<Option<Sticky>>) {
        let registration = Registration { sticky: sticky.into(), ..registration(who, key, MOUNT, MOUNT) };
        self.register_as(key, registration).unwrap();
    }

    fn pool(sticky: Sticky, sessions: u64) -> Self {
        let mut relay = Self::new();
        (1..=sessions).for_each(|key| relay.bind(key, &format!("a/{key}"), sticky));
        relay
    }

    fn ask_as(&mut self, visitor: &Visitor) -> Route {
        let Visitor { address, avoided, .. } = *visitor;
        let headers = visitor.fields();
        let client = Client { address: AddressBlock::of(address), headers: &headers, avoided };
        self.router.route_for(Some(&client), None, MOUNT.as_bytes(), self.now)
    }

    /// The session that a visitor's request is given to at once. The cookie is kept as a browser does it.
    fn visit(&mut self, visitor: &mut Visitor) -> u64 {
        match self.ask_as(visitor) {
            Route::To { session, binding, .. } => {
                if let Some(Binding { cookie, is_new }) = binding {
                    assert_eq!(is_new, visitor.cookie != Some(cookie), "{visitor:?}");
                    visitor.cookie = Some(cookie);
                }
                session.number()
            }
            other => panic!("{visitor:?}: {other:?}"),
        }
    }

    fn waits(&mut self, visitor: &Visitor) -> Ticket {
        match self.ask_as(visitor) {
            Route::Park(ticket) => ticket,
            other => panic!("{visitor:?}: {other:?}"),
        }
    }
}

fn visitors() -> Vec<Visitor> {
    (0..1_000).map(|number| Visitor::at(0xC000_0200 + number * 7)).collect()
}

fn visit_all(relay: &mut Relay, visitors: &mut [Visitor]) -> Vec<u64> {
    visitors.iter_mut().map(|visitor| relay.visit(visitor)).collect()
}

#[test]
fn each_session_has_its_share_of_the_clients_and_each_client_its_session() {
    for sticky in [Sticky::Address, Sticky::Cookie] {
        let (mut relay, mut visitors) = (Relay::pool(sticky, 4), visitors());
        let first = visit_all(&mut relay, &mut visitors);
        let mut counts = BTreeMap::new();
        first.iter().for_each(|key| *counts.entry(*key).or_insert(0) += 1);
        assert!(counts.len() == 4 && counts.values().all(|count| (200..=300).contains(count)), "{counts:?}");
        // Those of one session are busier now than all others, and keep their clients.
        (0..500).for_each(|_| assert_eq!(relay.visit(&mut visitors[0]), first[0]));
        assert_eq!(visit_all(&mut relay, &mut visitors), first);
    }
}

#[test]
fn a_session_that_leaves_moves_its_own_clients_and_no_others() {
    for sticky in [Sticky::Address, Sticky::Cookie] {
        let (mut relay, mut visitors) = (Relay::pool(sticky, 4), visitors());
        let before = visit_all(&mut relay, &mut visitors);
        relay.remove(2);
        let after = visit_all(&mut relay, &mut visitors);
        let mut moved = BTreeMap::new();
        for (before, after) in before.iter().zip(&after) {
            assert!(if *before == 2 { *after != 2 } else { after == before });
            if *before == 2 {
                *moved.entry(*after).or_insert(0) += 1;
            }
        }
        // They are spread over the others, and all requests of one go to one.
        assert!(moved.len() == 3 && moved.values().all(|count| (50..=120).contains(count)), "{moved:?}");
        assert_eq!(visit_all(&mut relay, &mut visitors), after);
    }
}

#[test]
fn a_session_that_joins_takes_its_share_of_addresses_and_no_client_with_a_cookie() {
    for (sticky, expected) in [(Sticky::Address, 150..=250), (Sticky::Cookie, 0..=0)] {
        let (mut relay, mut visitors) = (Relay::pool(sticky, 4), visitors());
        let before = visit_all(&mut relay, &mut visitors);
        relay.bind(5, "a/5", sticky);
        let after = visit_all(&mut relay, &mut visitors);
        let moved: Vec<_> = before.iter().zip(&after).filter(|(before, after)| before != after).collect();
        assert!(expected.contains(&moved.len()), "{sticky:?}: {}", moved.len());
        assert!(moved.iter().all(|(_, after)| **after == 5), "{moved:?}");
    }
}

#[test]
fn a_telephone_that_restarts_has_its_clients_again() {
    for sticky in [Sticky::Address, Sticky::Cookie] {
        let (mut relay, mut visitors) = (Relay::pool(sticky, 3), visitors());
        let before = visit_all(&mut relay, &mut visitors);
        relay.bind(12, "a/2", sticky);
        let renamed: Vec<u64> = before.iter().map(|&key| if key == 2 { 12 } else { key }).collect();
        assert_eq!(visit_all(&mut relay, &mut visitors), renamed);
    }
}

#[test]
fn clients_that_lost_their_session_agree_about_the_next_one_before_they_have_its_cookie() {
    let mut relay = Relay::pool(Sticky::Cookie, 3);
    let mut visitor = Visitor::at(1);
    let lost = relay.visit(&mut visitor);
    relay.remove(lost);
    let parallel: Vec<u64> = (0..20).map(|_| relay.visit(&mut visitor.clone())).collect();
    assert!(parallel.iter().all(|key| *key == parallel[0]), "{parallel:?}");
    assert_eq!(relay.visit(&mut visitor), parallel[0]);
}

#[test]
fn relays_with_one_key_choose_alike_and_with_another_key_otherwise() {
    let chosen = |key: [u8; 16]| {
        let router =
            Router::new(RouterLimits::default(), Timestamp::ZERO).with_affinity_key(AffinityKey::new(key));
        let now = Timestamp::from_micros(60_000_000);
        let mut relay = Relay { router, now, rescheduled: Vec::new() };
        (1..=3).for_each(|session| relay.bind(session, &format!("a/{session}"), Sticky::Address));
        visit_all(&mut relay, &mut visitors())
    };
    assert_eq!(chosen([1; 16]), chosen([1; 16]));
    assert_ne!(chosen([1; 16]), chosen([2; 16]));
}

#[test]
fn a_client_waits_for_a_session_that_has_just_lost_its_link() {
    for sticky in [Sticky::Address, Sticky::Cookie] {
        let mut relay = Relay::pool(sticky, 2);
        let mut visitor = Visitor::at(1);
        let own = relay.visit(&mut visitor);
        let other = 3 - own;
        relay.link_down(own);
        relay.pass(dark_millis() - 1);
        let ticket = relay.waits(&visitor);
        assert_eq!(relay.router.wake_at(ticket), Some(relay.now + Duration::from_millis(1)));
        assert_eq!(relay.events(), (Vec::new(), Vec::new()));
        relay.link_up(own);
        assert_eq!(relay.events().0, [(ticket, own)]);

        // After that time it moves, and what comes then does not wait.
        relay.link_down(own);
        relay.pass(400);
        let ticket = relay.waits(&visitor);
        relay.pass(dark_millis() - 400);
        relay.router.handle_timeout(relay.now);
        assert_eq!(relay.events().0, [(ticket, other)]);
        assert_eq!(relay.visit(&mut visitor.clone()), other);
    }
}

#[test]
fn a_link_that_is_lost_again_and_again_is_dark_from_its_last_loss() {
    let mut relay = Relay::pool(Sticky::Address, 2);
    let own = relay.visit(&mut Visitor::at(1));
    relay.link_down(own);
    relay.pass(600);
    relay.link_down(own);
    relay.pass(600);
    assert_ne!(relay.visit(&mut Visitor::at(1)), own, "a second word of one loss is no second loss");
}

#[test]
fn clients_of_a_session_that_leaves_while_they_wait_move_at_once() {
    for leave in [Router::suspend, Router::remove] {
        let mut relay = Relay::pool(Sticky::Cookie, 2);
        let mut visitor = Visitor::at(1);
        let own = relay.visit(&mut visitor);
        relay.link_down(own);
        let ticket = relay.waits(&visitor);
        leave(&mut relay.router, SessionKey::new(own), relay.now);
        assert_eq!(relay.events().0, [(ticket, 3 - own)]);
    }
}

#[test]
fn a_request_that_waits_for_its_session_stands_in_nobodys_way() {
    let mut relay = Relay::pool(Sticky::Cookie, 2);
    let mut of_one = Visitor::at(1);
    let one = relay.visit(&mut of_one);
    let two = 3 - one;
    let mut of_two = Visitor::at(2);
    assert_eq!(relay.visit(&mut of_two), two);
    [one, two].iter().for_each(|key| relay.link_down(*key));
    let waiting = [relay.waits(&of_one), relay.waits(&of_two), relay.waits(&Visitor::at(3))];
    relay.link_up(two);
    assert_eq!(relay.events().0, [(waiting[1], two), (waiting[2], two)]);
    relay.link_up(one);
    assert_eq!(relay.events().0, [(waiting[0], one)]);
}

#[test]
fn a_client_for_whom_there_is_no_room_to_wait_is_given_to_another_session() {
    let mut relay = Relay::with(RouterLimits { parked_per_mount: 1, ..RouterLimits::default() });
    (1..=2).for_each(|key| relay.bind(key, &format!("a/{key}"), Sticky::Cookie));
    let mut visitor = Visitor::at(1);
    let own = relay.visit(&mut visitor);
    relay.link_down(own);
    relay.waits(&visitor);
    assert_eq!(relay.visit(&mut visitor), 3 - own);
}

#[test]
fn a_wait_for_one_session_is_no_longer_than_any_wait_and_does_not_end_in_a_refusal() {
    let park_time = DARK_TIME / 2;
    let mut relay = Relay::with(RouterLimits { park_time, ..RouterLimits::default() });
    (1..=2).for_each(|key| relay.bind(key, &format!("a/{key}"), Sticky::Cookie));
    let mut visitor = Visitor::at(1);
    let own = relay.visit(&mut visitor);
    relay.link_down(own);
    let ticket = relay.waits(&visitor);
    assert_eq!(relay.router.wake_at(ticket), Some(relay.now + park_time));
    relay.now = relay.now + park_time;
    relay.router.handle_timeout(relay.now);
    assert_eq!(relay.events(), (alloc::vec![(ticket, 3 - own)], Vec::new()));
}

#[test]
fn a_relay_that_has_just_started_waits_for_the_session_that_a_cookie_names() {
    let mut relay = Relay::pool(Sticky::Cookie, 2);
    let mut visitor = Visitor::at(1);
    let own = relay.visit(&mut visitor);
    let restarted = || {
        let mut relay = Relay::just_started(RouterLimits::default());
        relay.pass(500);
        relay
    };

    let mut relay = restarted();
    let waiting = relay.waits(&visitor);
    relay.bind(13 - own, &format!("a/{}", 3 - own), Sticky::Cookie);
    assert_eq!(relay.events().0, []);
    assert_eq!(relay.visit(&mut Visitor::at(2)), 13 - own, "who has no cookie does not wait");
    let second = relay.waits(&visitor);
    relay.bind(10 + own, &format!("a/{own}"), Sticky::Cookie);
    assert_eq!(relay.events().0, [(waiting, 10 + own), (second, 10 + own)]);

    // It is expected for as long as all telephones are.
    let mut relay = restarted();
    relay.bind(13 - own, &format!("a/{}", 3 - own), Sticky::Cookie);
    let waiting = relay.waits(&visitor);
    relay.pass(4_500);
    relay.router.handle_timeout(relay.now);
    assert_eq!(relay.events().0, [(waiting, 13 - own)]);
    assert_eq!(relay.visit(&mut visitor), 13 - own);
}

#[test]
fn a_request_whose_wait_ends_earlier_than_it_was_to_is_rescheduled() {
    let mut relay = Relay::pool(Sticky::Cookie, 2);
    let mut visitor = Visitor::at(1);
    let own = relay.visit(&mut visitor);

    // At the start of a relay the request waits for any session of an unknown mount, and then for the one of its cookie.
    let mut restarted = Relay::just_started(RouterLimits::default());
    restarted.pass(3_000);
    let waiting = restarted.waits(&visitor);
    assert_eq!(restarted.router.wake_at(waiting), Some(Timestamp::from_micros(8_000_000)));
    restarted.bind(13 - own, &format!("a/{}", 3 - own), Sticky::Cookie);
    assert_eq!(restarted.events(), (Vec::new(), Vec::new()));
    assert_eq!(restarted.rescheduled, [waiting]);
    assert_eq!(restarted.router.wake_at(waiting), Some(Timestamp::from_micros(5_000_000)));
}

#[test]
fn of_telephones_that_disagree_the_last_to_register_with_a_wish_decides() {
    let mut relay = Relay::new();
    relay.bind(1, "a/1", None);
    let binding = |relay: &mut Relay| match relay.ask_as(&Visitor::at(1)) {
        Route::To { binding, .. } => binding.is_some(),
        other => panic!("{other:?}"),
    };
    assert!(!binding(&mut relay));
    relay.bind(2, "a/2", Sticky::Cookie);
    assert!(binding(&mut relay));
    relay.bind(3, "a/3", Sticky::Address);
    relay.bind(4, "a/4", None);
    assert!(!binding(&mut relay));
    let own = relay.visit(&mut Visitor::at(1));
    (0..8).for_each(|_| assert_eq!(relay.visit(&mut Visitor::at(1)), own));
    relay.remove(3);
    assert!(binding(&mut relay));
    relay.remove(2);
    assert!(!binding(&mut relay));
}

#[test]
fn a_session_that_did_not_take_a_request_is_avoided_while_there_is_another() {
    for sticky in [Some(Sticky::Address), Some(Sticky::Cookie), None] {
        let mut relay = Relay::new();
        (1..=2).for_each(|key| relay.bind(key, &format!("a/{key}"), sticky));
        let mut visitor = Visitor::at(1);
        let own = relay.visit(&mut visitor);
        // However busy the other one is.
        (0..3).filter(|_| sticky.is_none()).for_each(|_| drop(relay.to(MOUNT)));
        visitor.avoided = Some(SessionKey::new(own));
        assert_eq!(relay.visit(&mut visitor.clone()), 3 - own);
        relay.remove(3 - own);
        assert_eq!(relay.visit(&mut visitor), own);
    }
}

#[test]
fn a_login_goes_back_to_its_session_and_its_client_is_bound_there() {
    let mut relay = Relay::pool(Sticky::Cookie, 2);
    let mut visitor = Visitor::at(1);
    let own = relay.visit(&mut visitor);
    let headers = visitor.fields();
    let client = Client { address: AddressBlock::of(visitor.address), headers: &headers, avoided: None };
    let other = SessionKey::new(3 - own);
    let route = relay.router.route_back(other, Some(&client), None, MOUNT.as_bytes(), relay.now);
    assert!(
        matches!(route, Route::To { session, binding: Some(Binding { is_new: true, .. }), .. } if session == other)
    );
}

#[test]
fn a_client_whose_session_is_only_not_ready_keeps_its_cookie_and_returns() {
    let mut relay = Relay::pool(Sticky::Cookie, 3);
    let mut visitor = Visitor::at(1);
    let own = relay.visit(&mut visitor);
    let cookie = visitor.cookie;
    let mount = mounts(MOUNT);
    relay.router.present(SessionKey::new(own), &mount, &mount, &mount, relay.now);
    let stand_ins = [(); 5].map(|()| match relay.ask_as(&visitor) {
        Route::To { session, binding: Some(Binding { cookie, is_new: false }), .. } => {
            (session, Some(cookie))
        }
        other => panic!("{other:?}"),
    });
    assert!(stand_ins.iter().all(|one| *one == stand_ins[0]), "one stands in: {stand_ins:?}");
    assert!(stand_ins[0].0.number() != own && stand_ins[0].1 == cookie);
    relay.router.present(SessionKey::new(own), &mount, &[], &mount, relay.now);
    assert_eq!((relay.visit(&mut visitor), visitor.cookie), (own, cookie));
    // A session that is gone does not keep its clients.
    relay.remove(own);
    assert_ne!(relay.visit(&mut visitor), own);
    assert_ne!(visitor.cookie, cookie);
}
