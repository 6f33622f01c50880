//! How a session ends: drained, sent away, lost.

use bytes::Bytes;

use super::pair::{
    OnLink as _, Pair, SECOND, assert_empty, end, events, fill, frames, http, message, read, request,
    response, said, tcp, write,
};
use crate::error::{CloseReason, LeaveCode, Reset, ResetCode, Touched};
use crate::message::Headers;
use crate::session::{Event, Incoming, OpenError, Stopped, StreamId};
use crate::wire::Frame;

const UNTOUCHED: Reset = Reset { code: ResetCode::Refused, touched: Touched::No };
const LOST: Reset = Reset { code: ResetCode::SessionLost, touched: Touched::Unknown };

fn answer(pair: &mut Pair, id: StreamId) {
    pair.plugboard.send(id).end(Headers::new());
    pair.telephone.send(id).respond(response(200), true).expect("a head that fits");
    pair.settle();
    assert!(pair.plugboard.recv(id).take_head().is_some());
    assert_eq!(pair.plugboard.recv(id).peek(), end());
}

#[test]
fn a_drained_session_ends_when_its_last_stream_is_over() {
    let mut pair = Pair::new();
    let id = pair.exchange();
    events(&mut pair.telephone);
    pair.plugboard.leave(LeaveCode::Draining, pair.now);
    pair.settle();
    assert_eq!(events(&mut pair.telephone), [Event::PeerLeaves(LeaveCode::Draining)]);
    assert_eq!(pair.plugboard.open(tcp(), false, pair.now), Err(OpenError::Leaving));
    assert_eq!(pair.telephone.open(tcp(), false, pair.now), Err(OpenError::Leaving));
    answer(&mut pair, id);
    assert_eq!(pair.plugboard.closed(), None, "the stream is still held");
    pair.release(id);
    assert_eq!(pair.plugboard.closed(), Some(CloseReason::Left));
    assert_eq!(pair.telephone.closed(), None, "the one that left closes the link");
    pair.telephone.lose(pair.now);
    assert_eq!(pair.telephone.closed(), Some(CloseReason::Left));
    assert_empty(&pair.plugboard);
    assert_empty(&pair.telephone);
}

#[test]
fn an_idle_session_says_that_it_leaves_before_it_is_over() {
    let mut pair = Pair::new();
    pair.telephone.leave(LeaveCode::Draining, pair.now);
    let last = pair.telephone.say(pair.now).expect("a leave is due");
    assert_eq!(frames(&last), [Frame::Leave { code: LeaveCode::Draining, last: 0 }]);
    assert_eq!(pair.telephone.closed(), Some(CloseReason::Left));
    assert!(!pair.telephone.has_transmit());
}

#[test]
fn both_ends_may_leave_at_once() {
    let mut pair = Pair::new();
    let id = pair.exchange();
    pair.telephone.leave(LeaveCode::Draining, pair.now);
    pair.plugboard.leave(LeaveCode::Draining, pair.now);
    pair.settle();
    answer(&mut pair, id);
    pair.release(id);
    assert_eq!(pair.telephone.closed(), Some(CloseReason::Left));
    assert_eq!(pair.plugboard.closed(), Some(CloseReason::Left));
}

#[test]
fn opens_that_cross_with_a_leave_are_untouched_and_hold_nobody_back() {
    let mut pair = Pair::new();
    let taken = pair.exchange();
    pair.telephone.leave(LeaveCode::Draining, pair.now);
    let leave = pair.telephone.say(pair.now).expect("a leave is due");
    let crossed: alloc::vec::Vec<_> = (0..300)
        .map(|_| {
            let id = pair.plugboard.open(http(request("POST")), false, pair.now).expect("opened");
            fill(&mut pair.plugboard, id, 1000);
            pair.plugboard.send(id).end(Headers::new());
            id
        })
        .collect();
    while let Some(message) = pair.plugboard.say(pair.now) {
        pair.telephone.hear(message, pair.now);
    }
    assert_eq!(pair.telephone.accept(), None);
    assert_eq!(pair.telephone.stats().streams_open, 1);
    pair.plugboard.hear(leave, pair.now);
    for id in crossed {
        assert_eq!(pair.plugboard.recv(id).peek(), Incoming::Reset(UNTOUCHED));
        assert_eq!(pair.plugboard.send(id).stopped(), Some(UNTOUCHED));
        pair.plugboard.release(id);
    }
    pair.settle();
    assert_eq!(pair.telephone.closed(), None, "late frames are no fault of the peer");
    answer(&mut pair, taken);
    pair.release(taken);
    assert_eq!(pair.telephone.closed(), Some(CloseReason::Left));
}

#[test]
fn an_open_that_comes_after_the_decision_to_leave_but_before_its_frame_is_sent_back() {
    let mut pair = Pair::new();
    let id = pair.plugboard.open(http(request("GET")), true, pair.now).expect("opened");
    let open = pair.plugboard.say(pair.now).expect("an open is due");
    pair.telephone.leave(LeaveCode::Draining, pair.now);
    pair.telephone.hear(open, pair.now);
    assert_eq!(pair.telephone.accept(), None);
    pair.settle();
    assert_eq!(pair.plugboard.recv(id).peek(), Incoming::Reset(UNTOUCHED));
    pair.plugboard.release(id);
    pair.settle();
    assert_eq!(pair.telephone.closed(), Some(CloseReason::Left));
}

#[test]
fn a_final_leave_ends_both_ends_and_says_which_streams_never_started() {
    let mut pair = Pair::new();
    let taken = pair.exchange();
    let crossed = pair.plugboard.open(tcp(), false, pair.now).expect("opened");
    pair.telephone.leave(LeaveCode::Replaced, pair.now);
    pair.telephone.leave(LeaveCode::Draining, pair.now);
    let sent = said(&mut pair.telephone, pair.now);
    assert_eq!(sent, [Frame::Leave { code: LeaveCode::Replaced, last: taken.number() }]);
    assert_eq!(pair.telephone.closed(), Some(CloseReason::Sent(LeaveCode::Replaced)));
    // What stands behind a final leave is not obeyed.
    let behind = [sent[0].clone(), Frame::Open { id: StreamId::new(1), grant: 0, end: true, opening: tcp() }];
    pair.plugboard.hear(message(&behind), pair.now);
    assert_eq!(pair.plugboard.closed(), Some(CloseReason::Received(LeaveCode::Replaced)));
    assert_eq!(pair.plugboard.recv(taken).peek(), Incoming::Reset(LOST));
    assert_eq!(pair.plugboard.recv(crossed).peek(), Incoming::Reset(UNTOUCHED));
    pair.plugboard.release(taken);
    pair.plugboard.release(crossed);
    pair.telephone.release(taken);
    assert_empty(&pair.plugboard);
    assert_empty(&pair.telephone);
}

#[test]
fn a_peer_that_answered_a_stream_cannot_say_that_it_never_started() {
    let mut pair = Pair::new();
    let id = pair.exchange();
    pair.telephone.send(id).interim(response(103)).expect("a head that fits");
    pair.settle();
    pair.plugboard.hear(message(&[Frame::Leave { code: LeaveCode::Draining, last: 0 }]), pair.now);
    assert!(pair.plugboard.recv(id).take_head().is_some());
    let unsure = Reset { touched: Touched::Unknown, ..UNTOUCHED };
    assert_eq!(pair.plugboard.recv(id).peek(), Incoming::Reset(unsure));
}

#[test]
fn a_peer_that_sent_octets_on_a_connection_cannot_say_that_it_never_started() {
    for (octets, touched) in [(&b""[..], Touched::No), (b"hello", Touched::Unknown)] {
        let mut pair = Pair::new();
        let id = pair.opened(tcp(), false);
        write(&mut pair.telephone, id, octets);
        pair.settle();
        pair.plugboard.hear(message(&[Frame::Leave { code: LeaveCode::Draining, last: 0 }]), pair.now);
        let ending = Incoming::Reset(Reset { touched, ..UNTOUCHED });
        assert_eq!(read(&mut pair.plugboard, id, pair.now), (octets.to_vec(), ending));
    }
}

#[test]
fn a_lost_link_ends_every_stream_as_lost_behind_what_had_arrived() {
    let mut pair = Pair::new();
    let id = pair.exchange();
    write(&mut pair.plugboard, id, b"arrived");
    pair.settle();
    let complete = pair.opened(tcp(), false);
    write(&mut pair.plugboard, complete, b"complete");
    pair.plugboard.send(complete).end(Headers::new());
    pair.settle();
    let unheard = pair.plugboard.open(tcp(), false, pair.now).expect("opened");
    pair.transmit();
    pair.deliver();
    events(&mut pair.telephone);
    pair.telephone.lose(pair.now);
    pair.telephone.lose(pair.now);
    assert_eq!(
        events(&mut pair.telephone),
        [
            Event::Closed(CloseReason::LinkLost),
            Event::Readable(id),
            Event::Writable(id),
            Event::Readable(complete),
            Event::Writable(complete),
        ]
    );
    assert_eq!(read(&mut pair.telephone, id, pair.now), (b"arrived".to_vec(), Incoming::Reset(LOST)));
    assert_eq!(read(&mut pair.telephone, complete, pair.now), (b"complete".to_vec(), end()));
    assert_eq!(pair.telephone.recv(unheard).peek(), Incoming::Reset(LOST), "nobody accepted it");
    assert_eq!(pair.telephone.send(id).write(&mut Bytes::from_static(b"x")), Err(Stopped(LOST)));
    pair.telephone.release(id);
    pair.telephone.release(complete);
    assert_empty(&pair.telephone);
    assert_eq!((pair.telephone.say(pair.now), pair.telephone.poll_timeout()), (None, None));
}

#[test]
fn a_session_that_is_over_ignores_what_an_old_link_still_says() {
    let mut pair = Pair::new();
    let id = pair.exchange();
    write(&mut pair.plugboard, id, b"late");
    let late = pair.plugboard.say(pair.now).expect("data is due");
    pair.telephone.lose(pair.now);
    events(&mut pair.telephone);
    pair.telephone.hear(late, pair.now);
    pair.telephone.handle_timeout(pair.now + 100 * SECOND);
    pair.telephone.leave(LeaveCode::Draining, pair.now);
    assert_eq!(events(&mut pair.telephone), []);
    assert_eq!(pair.telephone.recv(id).peek(), Incoming::Reset(LOST));
    assert_eq!(pair.telephone.closed(), Some(CloseReason::LinkLost));
}

#[test]
fn octets_that_are_read_after_the_end_of_a_session_reserve_nothing() {
    let mut pair = Pair::new();
    let id = pair.opened(tcp(), false);
    fill(&mut pair.plugboard, id, 60_000);
    pair.settle();
    pair.telephone.lose(pair.now);
    pair.telephone.recv(id).consume(10_000, pair.now);
    assert_eq!(pair.telephone.window().1, 50_000 - 16 * 1024);
    read(&mut pair.telephone, id, pair.now);
    assert_eq!(pair.telephone.window().1, 0);
}
