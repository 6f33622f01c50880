//! Numbers that one end asks the other for.

use super::pair::{OnLink as _, Pair, SECOND, http, lone, message, misbehaviour, request, response, said};
use crate::error::Misbehaviour;
use crate::session::Role;
use crate::time::Timestamp;
use crate::wire::{Frame, Stats};

const NOW: Timestamp = Timestamp::ZERO;

#[test]
fn an_end_that_is_asked_tells_what_it_counted() {
    let mut pair = Pair::new();
    let id = pair.opened(http(request("GET")), true);
    pair.telephone.send(id).respond(response(200), true).expect("a sound head");
    pair.pass(3 * SECOND);
    pair.telephone.ask_stats(pair.now);
    pair.settle();
    let told = pair.telephone.peer_stats().expect("an answer");
    let counted = pair.plugboard.stats();
    assert_eq!((told.requests, told.streams_open, told.reconnects, told.uptime_ms), (1, 1, 0, 3000));
    assert_eq!(told.bytes_received, counted.bytes_received);
    assert!(told.bytes_sent > 0 && told.bytes_sent < counted.bytes_sent, "counted before it was told");
    assert_eq!(told.round_trip_us, Some(0));
    assert_eq!(pair.plugboard.peer_stats(), None, "nobody asked the telephone");
}

#[test]
fn a_peer_is_asked_once_a_second_however_often_somebody_wants_to_know() {
    let mut session = lone(Role::Telephone);
    said(&mut session, NOW);
    session.ask_stats(NOW);
    session.ask_stats(NOW);
    assert_eq!(said(&mut session, NOW), [Frame::Stats(None)]);
    session.ask_stats(NOW + SECOND / 2);
    assert_eq!(said(&mut session, NOW + SECOND / 2), []);
    session.ask_stats(NOW + SECOND);
    assert_eq!(said(&mut session, NOW + SECOND), [Frame::Stats(None)]);
}

#[test]
fn questions_that_crowd_are_answered_once_and_cost_tokens() {
    let mut session = lone(Role::Plugboard);
    said(&mut session, NOW);
    for _ in 0..200 {
        session.hear(message(&[Frame::Stats(None)]), NOW);
    }
    let answers = said(&mut session, NOW);
    assert!(matches!(answers[..], [Frame::Stats(Some(_))]), "{answers:?}");
    session.hear(message(&[Frame::Stats(None)]), NOW);
    assert_eq!(misbehaviour(&mut session, NOW), Some(Misbehaviour::FreeFrames));
}

#[test]
fn numbers_that_nobody_asked_for_are_not_believed() {
    let mut session = lone(Role::Plugboard);
    session.hear(message(&[Frame::Stats(Some(Stats::default()))]), NOW);
    assert_eq!(session.peer_stats(), None);
}
