//! What renewals and their absence do to a registered session.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Wake};
use std::time::Duration;

use telephone_core::address::AddressBlock;
use telephone_core::affinity::Sticky;
use telephone_core::message::Headers;
use telephone_core::router::{Identity, Refusal, ResumeSecret};

use super::*;
use crate::log::capture::Capture;

const NOW: Timestamp = Timestamp::ZERO;
const KEY: SessionKey = SessionKey::new(7);
const LIFE: Duration = Duration::from_secs(1);

fn grant(subject: &str, mounts: &[&str]) -> Grant {
    let mounts = mounts.iter().map(ToString::to_string).collect();
    let (subject, connect) = (subject.into(), Vec::new());
    Grant { subject, token_id: None, mounts, connect, client_tokens: false, good_for: Some(LIFE) }
}

/// What a process of epoch 1 registers, with a token for just that.
fn registration(identity: Identity, mounts: Vec<Mount>) -> Registration {
    let claims = mounts.clone();
    let secret = ResumeSecret::new([0; 16]);
    Registration { identity, epoch: 1, mounts, claims, is_partial_enough: false, secret, sticky: None }
}

/// What a fresh token does to the session.
fn renew(registry: &Registry, grant: &Grant) -> Renewed {
    registry.renew(KEY, grant, &grant.claims().unwrap(), NOW)
}

/// A registry past its grace, with one session of the shop's.
fn registered(mounts: &[&str]) -> (Registry, SharedSession) {
    let limits = RouterLimits { start_grace: Duration::ZERO, ..RouterLimits::default() };
    let registry = Registry::new(limits, AffinityKey::default(), NOW);
    let session = crate::shared::tests::session();
    session.with(|session, now| session.authorize(Some(LIFE), now));
    let identity = Identity::new("shop".to_owned(), "one".to_owned());
    let grant = grant("shop", mounts);
    let mounts = mounts.iter().map(|mount| mount.parse().unwrap()).collect();
    let registration = registration(identity, mounts);
    registry.register(KEY, registration, &grant, Vec::new(), (session.clone(), None), NOW).unwrap();
    (registry, session)
}

fn reaches(registry: &Registry, path: &str) -> bool {
    matches!(route(registry, path), Decision::To(_))
}

fn route(registry: &Registry, path: &str) -> Decision {
    let address = AddressBlock::of(Ipv4Addr::LOCALHOST.into());
    let client = Client { address, headers: &Headers::new(), avoided: None };
    registry.route(&client, None, path.as_bytes(), NOW)
}

#[test]
fn a_renewal_that_meets_the_expiry_keeps_the_session_in_use() {
    let (registry, session) = registered(&["/m"]);
    session.with_link(|session| session.handle_timeout(NOW + LIFE));
    registry.settle_line(KEY, NOW);
    assert!(!reaches(&registry, "/m"), "an expired session was given a request");

    assert_eq!(renew(&registry, &grant("shop", &["/m"])), Renewed::Whole);
    session.with(|session, now| session.confirm_renewal(Some(LIFE), now));
    registry.settle_line(KEY, NOW);
    // Whoever saw the expiry may be late to say so.
    registry.settle_line(KEY, NOW);
    assert!(reaches(&registry, "/m"));
}

#[test]
fn a_request_behind_a_tokens_end_is_refused_at_once_and_waits_only_for_a_link() {
    let (registry, session) = registered(&["/m"]);
    session.with_link(|session| session.handle_timeout(NOW + LIFE));
    registry.settle_line(KEY, NOW);
    let refused = route(&registry, "/m");
    assert!(matches!(refused, Decision::Refuse(Refusal::TokenExpired { .. })), "the request waits");

    let link = session.link().expect("a link");
    session.with(|session, now| session.handle_disconnect(link, now));
    registry.settle_line(KEY, NOW);
    assert!(matches!(route(&registry, "/m"), Decision::Wait(_)), "another link may bring another token");
}

#[test]
fn a_renewal_withdraws_what_it_does_not_cover_and_never_gives_it_back() {
    let (registry, _session) = registered(&["/a", "/b"]);
    assert_eq!(renew(&registry, &grant("shop", &["/a"])), Renewed::Narrowed);
    assert!(reaches(&registry, "/a"));
    assert!(!reaches(&registry, "/b"));

    let renewed = renew(&registry, &grant("shop", &["/b"]));
    assert_eq!(renewed, Renewed::Useless, "a withdrawn mount counted as held");
    assert_eq!(renew(&registry, &grant("shop", &["/"])), Renewed::Whole);
    assert!(!reaches(&registry, "/b"));
}

#[test]
fn a_token_of_another_subject_or_for_other_mounts_renews_nothing() {
    let (registry, _session) = registered(&["/m"]);
    assert_eq!(renew(&registry, &grant("thief", &["/m"])), Renewed::Useless);
    assert_eq!(renew(&registry, &grant("shop", &["/other"])), Renewed::Useless);
    assert!(reaches(&registry, "/m"), "a refused renewal changed the mounts");
}

#[test]
fn telephones_are_waited_for_once_one_of_them_has_moved() {
    let (registry, first) = registered(&["/m"]);
    let second = SessionKey::new(8);
    let identity = Identity::new("shop".to_owned(), "two".to_owned());
    let registration = registration(identity, vec!["/m".parse().unwrap()]);
    registry.register(second, registration, &grant("shop", &["/m"]), Vec::new(), (first, None), NOW).unwrap();
    assert!(registry.is_nobody_moving(), "nobody has anywhere to go");
    registry.set_moved(second);
    assert!(!registry.is_nobody_moving());
    registry.set_moved(KEY);
    assert!(registry.is_nobody_moving());
    registry.remove(second, NOW);
    assert!(registry.is_nobody_moving());
}

#[test]
fn a_session_that_loses_some_mounts_to_a_newer_one_is_told_and_one_that_loses_all_is_sent_away() {
    let (registry, older) = registered(&["/bank", "/shop"]);
    let identity = Identity::new("shop".to_owned(), "one".to_owned());
    let take = |number, mount: &str| {
        let newer =
            Registration { epoch: number, ..registration(identity.clone(), vec![mount.parse().unwrap()]) };
        let session = crate::shared::tests::session();
        registry.register(
            SessionKey::new(number),
            newer,
            &grant("shop", &[mount]),
            Vec::new(),
            (session, None),
            NOW,
        )
    };
    let is_due = || older.with_link(|session| session.has_transmit());
    let link = older.link().expect("a link");
    older.with_link(|session| while session.poll_transmit(link, NOW).is_some() {});
    assert!(!is_due());
    assert_eq!(take(8, "/shop"), Ok(()));
    assert!(is_due() && older.is_open(), "its telephone is not told what is left");
    assert!(reaches(&registry, "/bank") && reaches(&registry, "/shop"));
    let renewed = renew(&registry, &grant("shop", &["/shop"]));
    assert_eq!(renewed, Renewed::Useless, "a mount that was lost counted as held");

    assert_eq!(take(9, "/bank"), Ok(()));
    assert!(!older.is_open(), "it has nothing left and goes on");
    assert_eq!(registry.counts().sessions, 2);
    let too_late = take(u64::MAX, "/bank");
    assert!(matches!(too_late, Err(RegisterError::EpochAhead { .. })), "{too_late:?}");
}

/// A process of each epoch takes all but one of the mounts that the one before has.
#[test]
fn mounts_that_change_hands_over_and_over_have_four_lines_and_short_ones() {
    let mounts: Vec<String> = (0..40).map(|n| format!("/{n}{}", "a".repeat(200))).collect();
    let mounts: Vec<&str> = mounts.iter().map(String::as_str).collect();
    let (registry, _session) = registered(&mounts);
    let (log, _guard) = Capture::start();
    let identity = Identity::new("shop".to_owned(), "one".to_owned());
    for (number, mount) in (8..).zip(&mounts[..30]) {
        let mount = mount.parse().unwrap();
        let newer = Registration { epoch: number, ..registration(identity.clone(), vec![mount]) };
        let session = crate::shared::tests::session();
        let (key, grant) = (SessionKey::new(number), grant("shop", &mounts));
        registry.register(key, newer, &grant, Vec::new(), (session, None), NOW).unwrap();
    }
    let lines = log.lines("took mounts over");
    assert_eq!(lines.len(), 4, "{lines:?}");
    assert!(lines.iter().all(|line| line.len() < 1_000 && line.contains("left=")), "{lines:?}");
}

/// Counts how often a task is woken.
#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn a_request_that_is_to_wait_shorter_than_before_is_woken_to_set_its_timer_again() {
    let registry = Registry::new(RouterLimits::default(), AffinityKey::default(), NOW);
    let address = AddressBlock::of(Ipv4Addr::LOCALHOST.into());
    let cookie = format!("plugboard_sticky={:032x}", 7);
    let headers: Headers = [("Cookie", cookie)].into_iter().collect();
    let later = NOW + Duration::from_secs(3);
    let client = Client { address, headers: &headers, avoided: None };
    let Decision::Wait(ticket) = registry.route(&client, None, b"/m", later) else { panic!("it waits") };
    let wakes = Arc::new(Wakes::default());
    let waker = Waker::from(wakes.clone());
    assert!(registry.poll_wait(ticket, &mut Context::from_waker(&waker)).is_pending());
    let before = registry.wake_at(ticket);

    let identity = Identity::new("shop".to_owned(), "one".to_owned());
    let registration =
        Registration { sticky: Some(Sticky::Cookie), ..registration(identity, vec!["/m".parse().unwrap()]) };
    let session = crate::shared::tests::session();
    registry
        .register(KEY, registration, &grant("shop", &["/m"]), Vec::new(), (session, None), later)
        .unwrap();
    assert!(registry.wake_at(ticket) < before, "it does not wait for the session of its cookie");
    assert_eq!(wakes.0.load(Ordering::Relaxed), 1);
}
