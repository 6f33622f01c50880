//! What a plugboard tells about a session as a whole.

use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use super::pair::{OnLink as _, Pair, events, http, lone, message, misbehaviour, request, said};
use crate::error::Misbehaviour;
use crate::limits::SessionLimits;
use crate::session::{Event, Role, Session, SessionConfig};
use crate::time::Timestamp;
use crate::wire::{
    Frame, MountUrl, Mounts, Move, Profile, Refused, RefusedCode, Scope, Setting, Settings, Site,
};

const NOW: Timestamp = Timestamp::ZERO;

fn order() -> Move {
    Move { within_ms: 100, url: Some("ws://next.example".into()) }
}

fn scope(mounts: &[&str]) -> Vec<String> {
    mounts.iter().map(ToString::to_string).collect()
}

#[test]
fn a_telephone_that_is_to_move_goes_on_until_its_plugboard_leaves() {
    let mut pair = Pair::new();
    pair.plugboard.ask_to_move(order());
    pair.settle();
    assert_eq!(events(&mut pair.telephone), [Event::MoveAsked(order())]);
    pair.opened(http(request("GET")), true);
    assert!(pair.telephone.is_open() && pair.plugboard.is_open());

    pair.telephone.confirm_move();
    pair.settle();
    assert!(events(&mut pair.plugboard).contains(&Event::Moved));
    pair.opened(http(request("GET")), true);
}

#[test]
fn of_each_kind_of_order_the_latest_is_said_in_a_numbered_message() {
    let mut session = lone(Role::Plugboard);
    said(&mut session, NOW);
    session.ask_to_move(Move { within_ms: 1, url: None });
    session.ask_to_move(order());
    session.tell_scope(scope(&["/a"]));
    let orders = [Frame::Scope(Scope { mounts: scope(&["/a"]) }), Frame::Move(Some(order()))];
    assert_eq!(said(&mut session, NOW), orders);
    assert!(orders.iter().all(Frame::is_numbered));
    assert_eq!(said(&mut session, NOW), []);
}

#[test]
fn what_a_fresh_token_left_comes_before_the_word_that_it_was_taken() {
    let mut pair = Pair::new();
    pair.plugboard.tell_scope(scope(&["/a", "/b"]));
    pair.plugboard.confirm_renewal(None, pair.now);
    pair.settle();
    let news = [Event::ScopeLeft(scope(&["/a", "/b"])), Event::Renewed(None)];
    assert_eq!(events(&mut pair.telephone), news);
}

fn refused() -> Refused {
    Refused { code: RefusedCode::Expired, reason: "the token has expired".into(), retry_after_ms: None }
}

#[test]
fn a_renewal_that_is_refused_is_answered_only_to_a_telephone_that_wants_to_know() {
    let mut pair = Pair::new();
    pair.plugboard.refuse_renewal(refused());
    pair.settle();
    assert_eq!(events(&mut pair.telephone), []);

    pair.plugboard.config.peer = pair.plugboard.config.peer.clone().with(Setting::Refusals, 1);
    pair.plugboard.refuse_renewal(refused());
    pair.settle();
    assert_eq!(events(&mut pair.telephone), [Event::RenewalRefused(refused())]);
    assert!(pair.telephone.is_open() && pair.plugboard.is_open());
}

#[test]
fn an_end_that_may_not_give_orders_is_sent_away() {
    for (role, frame) in [
        (Role::Plugboard, Frame::Move(Some(order()))),
        (Role::Plugboard, Frame::Scope(Scope { mounts: vec![] })),
        (Role::Plugboard, Frame::Site(Site { mounts: vec![] })),
        (Role::Plugboard, Frame::Refused(refused())),
        (Role::Telephone, Frame::Move(None)),
    ] {
        let mut session = lone(role);
        session.hear(message(&[frame]), NOW);
        assert_eq!(misbehaviour(&mut session, NOW), Some(Misbehaviour::FrameOutOfPlace));
    }
}

#[test]
fn orders_that_crowd_cost_tokens() {
    let mut session = lone(Role::Telephone);
    for _ in 0..201 {
        session.hear(message(&[Frame::Move(Some(order()))]), NOW);
    }
    assert_eq!(misbehaviour(&mut session, NOW), Some(Misbehaviour::FreeFrames));
}

#[test]
fn an_order_that_fits_no_message_is_not_given() {
    let mut session = lone(Role::Plugboard);
    said(&mut session, NOW);
    session.ask_to_move(Move { within_ms: 1, url: Some("x".repeat(70_000)) });
    session.tell_scope(vec!["/long".repeat(2_000); 64]);
    assert_eq!(said(&mut session, NOW), []);
}

#[test]
fn public_urls_are_told_only_to_a_telephone_that_shows_them_behind_the_scope() {
    let urls = || vec![MountUrl { mount: "/a".into(), url: "https://apps.example/a".into() }];
    for (shows, frames) in [(0, vec![]), (1, vec![Frame::Site(Site { mounts: urls() })])] {
        let limits = SessionLimits::default();
        let peer = Settings::of(&limits).with(Setting::Site, shows);
        let config = SessionConfig {
            role: Role::Plugboard,
            profile: Profile::Binary,
            limits,
            peer,
            seed: 1,
            resume_window: Duration::ZERO,
        };
        let mut session = Session::new(config, NOW);
        said(&mut session, NOW);
        session.tell_site(vec![]);
        session.tell_site(urls());
        session.tell_scope(scope(&["/a"]));
        let mut expected = vec![Frame::Scope(Scope { mounts: scope(&["/a"]) })];
        expected.extend(frames);
        assert_eq!(said(&mut session, NOW), expected, "{shows}");
    }
}

fn presented(ready: &[&str], not_ready: &[&str]) -> Mounts {
    Mounts { ready: scope(ready), not_ready: scope(not_ready) }
}

#[test]
fn of_the_lists_of_mounts_the_latest_is_sent_and_only_to_a_plugboard_that_announced_that_it_takes_them() {
    for is_announced in [false, true] {
        let peer = Settings::default().with(Setting::Mounts, u64::from(is_announced));
        let (role, profile, limits) = (Role::Telephone, Profile::Binary, SessionLimits::default());
        let config = SessionConfig { role, profile, limits, peer, seed: 1, resume_window: Duration::ZERO };
        let mut session = Session::new(config, NOW);
        said(&mut session, NOW);
        session.present_mounts(presented(&["/a", "/b"], &[]));
        session.present_mounts(presented(&["/a"], &["/b"]));
        let frames = [Frame::Mounts(presented(&["/a"], &["/b"]))];
        assert_eq!(said(&mut session, NOW), &frames[..usize::from(is_announced)]);
        assert!(frames[0].is_numbered());
    }
}

#[test]
fn a_telephone_has_the_public_urls_that_were_told_last() {
    let site =
        |url: &str| Frame::Site(Site { mounts: vec![MountUrl { mount: "/a".into(), url: url.into() }] });
    let mut session = lone(Role::Telephone);
    session.hear(message(&[site("http://old/a"), site("http://new/a")]), NOW);
    let told = events(&mut session);
    let urls = vec![MountUrl { mount: "/a".into(), url: "http://new/a".into() }];
    assert_eq!(told, [Event::Site(urls)]);
}

#[test]
fn a_plugboard_learns_the_latest_list_of_mounts_and_presents_none_itself() {
    let mut plugboard = lone(Role::Plugboard);
    plugboard.hear(message(&[Frame::Mounts(presented(&["/a"], &[]))]), NOW);
    plugboard.hear(message(&[Frame::Mounts(presented(&[], &["/a"]))]), NOW);
    assert_eq!(events(&mut plugboard), [Event::MountsPresented(presented(&[], &["/a"]))]);
    said(&mut plugboard, NOW);
    plugboard.present_mounts(presented(&["/a"], &[]));
    assert_eq!(said(&mut plugboard, NOW), []);
}
