//! A session over one link after the other: nothing is lost, doubled or reordered, and waiting has an end.

use bytes::Bytes;
use core::time::Duration;

use super::pair::{
    OnLink as _, Pair, SECOND, end, events, fill, frames, http, lone, message, read, request, response, tcp,
    write,
};
use crate::error::{CloseReason, LeaveCode, Misbehaviour, ResetCode, Touched};
use crate::limits::{FAREWELL_TIME, SessionLimits};
use crate::message::Headers;
use crate::session::{CannotResume, Event, Incoming, LinkId};
use crate::wire::Frame;

const WINDOW: Duration = Duration::from_secs(30);

/// Two sessions that wait 30 s for a new link, with their first pings behind them.
fn pair() -> Pair {
    with(&SessionLimits::default())
}

fn with(limits: &SessionLimits) -> Pair {
    let mut pair = Pair::waiting(limits, limits, WINDOW);
    pair.settle();
    pair.pass(Duration::from_millis(30));
    pair
}

#[test]
fn what_was_on_its_way_is_said_again_on_the_next_link() {
    let mut pair = pair();
    let id = pair.exchange();
    write(&mut pair.plugboard, id, b"one ");
    pair.settle();
    write(&mut pair.plugboard, id, b"two ");
    pair.transmit();
    pair.cut();
    write(&mut pair.plugboard, id, b"three");
    pair.plugboard.send(id).end(Headers::new());
    pair.resume();
    pair.settle();
    assert_eq!(read(&mut pair.telephone, id, pair.now), (b"one two three".to_vec(), end()));
    assert_eq!(pair.plugboard.stats().links_resumed, 1);
}

#[test]
fn what_arrived_before_the_cut_is_not_said_again() {
    let mut pair = pair();
    let id = pair.exchange();
    write(&mut pair.plugboard, id, b"once");
    pair.transmit();
    let position = pair.telephone.position();
    pair.deliver();
    assert_eq!(pair.telephone.position(), position + 1);
    // The acknowledgement is lost with the link.
    pair.cut();
    pair.resume();
    pair.settle();
    assert_eq!(read(&mut pair.telephone, id, pair.now), (b"once".to_vec(), Incoming::Pending));
}

#[test]
fn a_stream_that_was_opened_without_a_link_comes_with_the_next() {
    let mut pair = pair();
    pair.cut();
    let id = pair.plugboard.open(http(request("GET")), true, pair.now).expect("sessions wait, not streams");
    assert!(!pair.plugboard.has_transmit());
    pair.resume();
    pair.settle();
    assert_eq!(pair.telephone.accept().map(|accepted| accepted.id), Some(id));
    pair.telephone.send(id).respond(response(200), true).expect("a sound head");
    pair.settle();
    assert_eq!(pair.plugboard.recv(id).take_head().map(|head| head.status), Some(200));
}

#[test]
fn an_old_link_is_given_nothing_and_believed_nothing() {
    let mut pair = pair();
    let id = pair.exchange();
    let old = pair.plugboard.link().expect("a link is up");
    assert_eq!(old.number(), 0);
    // The telephone comes back while the plugboard still takes its old link for alive.
    pair.telephone.lose(pair.now);
    pair.resume();
    write(&mut pair.plugboard, id, b"new");
    assert_eq!(pair.plugboard.poll_transmit(old, pair.now), None);
    pair.plugboard.handle_message(old, Bytes::from_static(b"\x00nonsense"), pair.now);
    pair.plugboard.handle_misbehaviour(old, Misbehaviour::MessageType, pair.now);
    pair.plugboard.handle_disconnect(old, pair.now);
    assert_eq!(pair.plugboard.link().map(LinkId::number), Some(1));
    pair.settle();
    assert_eq!(read(&mut pair.telephone, id, pair.now).0, b"new");
}

#[test]
fn what_an_old_link_still_brings_is_no_sign_of_life() {
    let mut pair = pair();
    let old = pair.plugboard.link().expect("a link is up");
    pair.telephone.lose(pair.now);
    pair.resume();
    let before = pair.plugboard.poll_timeout();
    pair.plugboard.handle_activity(old, pair.now + SECOND);
    assert_eq!(pair.plugboard.poll_timeout(), before);
}

#[test]
fn a_session_waits_from_the_last_octet_on_and_then_ends() {
    let mut pair = pair();
    let id = pair.opened(tcp(), false);
    let heard = pair.now;
    pair.now = pair.now + SECOND;
    pair.cut();
    assert_eq!(pair.plugboard.link(), None);
    assert_eq!(pair.plugboard.resumable_until(), Some(heard + WINDOW));
    assert_eq!(pair.plugboard.poll_timeout(), Some(heard + WINDOW));
    pair.plugboard.handle_timeout(heard + WINDOW);
    assert_eq!(pair.plugboard.closed(), Some(CloseReason::LinkLost));
    assert!(matches!(pair.plugboard.recv(id).peek(), Incoming::Reset(_)));
    assert_eq!(pair.plugboard.resume(0, pair.now), Err(CannotResume::Over));
}

#[test]
fn a_silent_link_is_dropped_and_its_session_waits_for_the_rest_of_the_window() {
    let mut pair = pair();
    pair.opened(tcp(), false);
    let heard = pair.now;
    pair.now = pair.now + Duration::from_millis(30);
    pair.plugboard.handle_timeout(pair.now);
    let asked = pair.plugboard.poll_timeout().expect("a ping is due");
    pair.plugboard.handle_timeout(asked);
    let silent = pair.plugboard.poll_timeout().expect("its answer is awaited");
    pair.plugboard.handle_timeout(silent);
    assert_eq!((pair.plugboard.link(), pair.plugboard.closed()), (None, None));
    assert_eq!(pair.plugboard.poll_timeout(), Some(heard + WINDOW));
}

#[test]
fn a_position_that_never_was_and_one_that_was_given_up_are_refused() {
    let mut pair = pair();
    let id = pair.exchange();
    for _ in 0..3 {
        write(&mut pair.plugboard, id, b"octets");
        pair.settle();
    }
    pair.pass(Duration::from_millis(30));
    pair.cut();
    let position = pair.telephone.position();
    assert_eq!(pair.plugboard.resume(position + 1, pair.now), Err(CannotResume::Position(position + 1)));
    assert_eq!(pair.plugboard.resume(position - 1, pair.now), Err(CannotResume::Position(position - 1)));
    assert_eq!(pair.plugboard.link(), None);
    assert!(pair.plugboard.resume(position, pair.now).is_ok());
}

#[test]
fn without_a_window_a_session_ends_with_its_link() {
    let mut pair = Pair::new();
    pair.cut();
    assert_eq!(pair.telephone.closed(), Some(CloseReason::LinkLost));
    assert_eq!(pair.plugboard.kept(), 0);
}

#[test]
fn a_full_ring_holds_numbered_messages_back_and_nothing_else() {
    let limits = SessionLimits { replay_bytes: 1_000, replay_bytes_max: 1_000, ..SessionLimits::default() };
    let mut pair = with(&limits);
    let id = pair.opened(tcp(), false);
    pair.pass(Duration::from_millis(30));
    fill(&mut pair.plugboard, id, 10_000);
    pair.transmit();
    fill(&mut pair.plugboard, id, 10_000);
    assert!(!pair.plugboard.has_transmit(), "more than the ring takes is sent");
    pair.plugboard.hear(message(&[Frame::Ping(7)]), pair.now);
    let said = pair.plugboard.say(pair.now).expect("a pong is due");
    assert_eq!(frames(&said), [Frame::Pong(7)]);
    pair.deliver();
    // The acknowledgement goes alone, a moment later, and lets the rest out.
    pair.pass(Duration::from_millis(60));
    assert_eq!(read(&mut pair.telephone, id, pair.now).0.len(), 20_000);
}

#[test]
fn everything_that_was_sent_is_acknowledged_within_a_moment_and_then_nothing_is_kept() {
    let mut pair = pair();
    let id = pair.opened(tcp(), false);
    fill(&mut pair.plugboard, id, 5_000);
    pair.settle();
    assert!(pair.plugboard.kept() > 5_000);
    pair.pass(Duration::from_millis(25));
    assert_eq!((pair.plugboard.kept(), pair.telephone.kept()), (0, 0));
    // And an idle session does not wake up for it again.
    let next = pair.plugboard.poll_timeout().expect("a ping is due some time");
    assert!(next.since(pair.now) > 10 * SECOND);
}

#[test]
fn a_drain_goes_on_over_the_next_link_and_ends_when_all_is_acknowledged() {
    let mut pair = pair();
    let id = pair.exchange();
    pair.plugboard.leave(LeaveCode::Draining, pair.now);
    pair.cut();
    pair.resume();
    pair.settle();
    assert!(events(&mut pair.telephone).contains(&Event::PeerLeaves(LeaveCode::Draining)));
    pair.telephone.send(id).respond(response(200), true).expect("a sound head");
    pair.plugboard.send(id).end(Headers::new());
    pair.settle();
    pair.release(id);
    pair.pass(Duration::from_millis(60));
    assert_eq!(pair.plugboard.closed(), Some(CloseReason::Left));
    pair.telephone.lose(pair.now);
    assert_eq!(pair.telephone.closed(), Some(CloseReason::Left));
}

#[test]
fn a_drain_whose_word_was_lost_with_its_link_is_told_again() {
    let mut pair = pair();
    pair.exchange();
    pair.plugboard.leave(LeaveCode::Draining, pair.now);
    assert!(pair.transmit());
    pair.cut();
    pair.resume();
    pair.settle();
    assert!(events(&mut pair.telephone).contains(&Event::PeerLeaves(LeaveCode::Draining)));
}

#[test]
fn a_stream_that_was_opened_before_the_leave_is_taken_also_if_it_comes_behind_it() {
    let mut pair = pair();
    let id = pair.plugboard.open(http(request("POST")), false, pair.now).expect("a stream");
    pair.transmit();
    pair.cut();
    pair.plugboard.leave(LeaveCode::Draining, pair.now);
    pair.resume();
    pair.settle();
    assert_eq!(pair.telephone.accept().map(|accepted| accepted.id), Some(id));
    assert_eq!(pair.telephone.closed(), None);
}

#[test]
fn a_last_word_that_does_not_get_out_ends_the_session_all_the_same() {
    let mut session = lone(crate::session::Role::Plugboard);
    session.leave(LeaveCode::Revoked, crate::time::Timestamp::ZERO);
    let until = session.poll_timeout().expect("a farewell has an end");
    assert_eq!(until, crate::time::Timestamp::ZERO + FAREWELL_TIME);
    session.handle_timeout(until);
    assert_eq!(session.closed(), Some(CloseReason::Sent(LeaveCode::Revoked)));
}

#[test]
fn a_session_without_a_link_is_sent_away_at_once() {
    let mut pair = pair();
    pair.cut();
    pair.plugboard.leave(LeaveCode::Replaced, pair.now);
    assert_eq!(pair.plugboard.closed(), Some(CloseReason::Sent(LeaveCode::Replaced)));
    pair.telephone.leave(LeaveCode::Draining, pair.now);
    assert_eq!(pair.telephone.closed(), Some(CloseReason::Left));
}

#[test]
fn an_end_that_drains_keeps_its_last_message_until_it_has_arrived() {
    let mut pair = pair();
    let id = pair.exchange();
    pair.plugboard.send(id).end(Headers::new());
    pair.telephone.leave(LeaveCode::Draining, pair.now);
    pair.pass(Duration::from_millis(60));
    events(&mut pair.telephone);
    pair.telephone.send(id).respond(response(200), true).expect("a sound head");
    // Nobody holds the stream when its end is said.
    pair.telephone.release(id);
    assert!(pair.transmit(), "the answer is on its way");
    assert_eq!(pair.telephone.closed(), None, "the answer may get lost");
    pair.cut();
    pair.resume();
    pair.settle();
    assert!(pair.plugboard.recv(id).take_head().is_some());
    assert_eq!(pair.plugboard.recv(id).peek(), end());
    pair.plugboard.release(id);
    pair.pass(Duration::from_millis(60));
    assert_eq!(pair.telephone.closed(), Some(CloseReason::Left));
}

#[test]
fn a_session_that_leaves_without_a_link_waits_for_one_to_say_what_is_missing() {
    let mut pair = pair();
    let id = pair.exchange();
    pair.plugboard.send(id).end(Headers::new());
    pair.pass(Duration::from_millis(60));
    pair.telephone.send(id).respond(response(200), true).expect("a sound head");
    pair.transmit();
    pair.telephone.release(id);
    pair.cut();
    pair.telephone.leave(LeaveCode::Draining, pair.now);
    assert_eq!(pair.telephone.closed(), None);
    pair.resume();
    pair.settle();
    assert_eq!(pair.plugboard.recv(id).take_head().map(|head| head.status), Some(200));
    pair.plugboard.release(id);
    pair.pass(Duration::from_millis(60));
    assert_eq!(pair.telephone.closed(), Some(CloseReason::Left));
}

#[test]
fn a_stream_that_was_not_opened_yet_reads_as_untouched_when_its_session_ends() {
    let mut pair = pair();
    pair.cut();
    let id = pair.plugboard.open(http(request("POST")), true, pair.now).expect("a stream");
    pair.plugboard.abandon();
    let Incoming::Reset(reset) = pair.plugboard.recv(id).peek() else { panic!("it is lost") };
    assert_eq!((reset.code, reset.touched), (ResetCode::SessionLost, Touched::No));
}

#[test]
fn a_ring_that_holds_a_distant_peer_back_grows_to_its_maximum() {
    let limits = SessionLimits { replay_bytes: 20_000, replay_bytes_max: 80_000, ..SessionLimits::default() };
    let mut pair = with(&limits);
    let id = pair.opened(tcp(), false);
    let mut most = 0;
    for _ in 0..10 {
        // Half a round trip is spent each way: all that may be under way is sent before any of it arrives.
        while fill(&mut pair.plugboard, id, 60_000) > 0 && pair.transmit() {}
        most = most.max(pair.plugboard.kept());
        pair.settle();
        read(&mut pair.telephone, id, pair.now);
        pair.pass(Duration::from_millis(60));
    }
    assert!((80_000..160_000).contains(&most), "{most} octets are kept at most");
}
