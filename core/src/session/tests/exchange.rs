//! One stream: heads, bodies, endings.

use alloc::vec;
use alloc::vec::Vec;
use bytes::Bytes;

use super::pair::{
    OnLink as _, Pair, end, events, frames, http, message, read, request, response, said, tcp, write,
};
use crate::error::{Reset, ResetCode, Touched};
use crate::message::Headers;
use crate::session::{Event, Incoming, Stopped};
use crate::wire::Frame;

fn trailers() -> Headers {
    let mut trailers = Headers::new();
    trailers.push(&b"Checksum"[..], &b"abc"[..]);
    trailers
}

fn cancelled() -> Reset {
    Reset { code: ResetCode::Cancelled, touched: Touched::Unknown }
}

#[test]
fn a_request_and_its_answer_cross_with_bodies_and_trailers() {
    let mut pair = Pair::new();
    let asked = http(request("PATCH"));
    let id = pair.plugboard.open(asked.clone(), false, pair.now).expect("a stream is opened");
    write(&mut pair.plugboard, id, b"question");
    pair.plugboard.send(id).end(trailers());
    pair.settle();
    assert_eq!(events(&mut pair.telephone), [Event::Opened, Event::Readable(id)]);
    let accepted = pair.telephone.accept().expect("a stream is accepted");
    assert_eq!((accepted.id, accepted.opening), (id, asked));
    assert_eq!(read(&mut pair.telephone, id, pair.now), (b"question".to_vec(), Incoming::End(trailers())));

    let answer = response(201);
    pair.telephone.send(id).respond(answer.clone(), false).expect("a head that fits");
    write(&mut pair.telephone, id, b"answer");
    pair.telephone.send(id).end(trailers());
    pair.settle();
    assert_eq!(pair.plugboard.recv(id).peek(), Incoming::Head);
    assert_eq!(pair.plugboard.recv(id).take_head(), Some(answer));
    assert_eq!(read(&mut pair.plugboard, id, pair.now), (b"answer".to_vec(), Incoming::End(trailers())));
    pair.release(id);
    pair.assert_clean();
}

#[test]
fn a_direction_is_at_its_end_when_neither_octets_nor_trailers_are_left_of_it() {
    let mut pair = Pair::new();
    let id = pair.exchange();
    write(&mut pair.plugboard, id, b"octets");
    pair.plugboard.send(id).end(Headers::new());
    pair.telephone.send(id).respond(response(200), false).expect("a head that fits");
    pair.telephone.send(id).end(trailers());
    pair.settle();
    assert!(!pair.telephone.recv(id).is_at_end());
    assert_eq!(read(&mut pair.telephone, id, pair.now), (b"octets".to_vec(), Incoming::End(Headers::new())));
    assert!(pair.telephone.recv(id).is_at_end());
    assert!(pair.plugboard.recv(id).take_head().is_some());
    // A leg that took this for the end would lose trailers behind an empty body.
    assert_eq!(pair.plugboard.recv(id).peek(), Incoming::End(trailers()));
    assert!(!pair.plugboard.recv(id).is_at_end());
}

#[test]
fn an_end_rides_on_the_heads_of_an_exchange_without_bodies() {
    let mut pair = Pair::new();
    let id = pair.plugboard.open(http(request("GET")), true, pair.now).expect("a stream is opened");
    let asked = said(&mut pair.plugboard, pair.now);
    assert!(matches!(asked.as_slice(), [Frame::Open { end: true, .. }]), "{asked:?}");
    pair.telephone.hear(message(&asked), pair.now);
    pair.telephone.send(id).respond(response(204), true).expect("a head that fits");
    let answered = said(&mut pair.telephone, pair.now);
    assert!(matches!(answered.as_slice(), [Frame::Head { end: true, .. }]), "{answered:?}");
}

#[test]
fn an_end_behind_a_head_that_was_sent_is_a_frame_of_its_own() {
    let mut pair = Pair::new();
    let id = pair.exchange();
    pair.telephone.send(id).respond(response(200), false).expect("a head that fits");
    pair.settle();
    pair.telephone.send(id).end(Headers::new());
    pair.plugboard.send(id).end(Headers::new());
    assert_eq!(said(&mut pair.telephone, pair.now), [Frame::End { id, trailers: Headers::new() }]);
    assert_eq!(said(&mut pair.plugboard, pair.now), [Frame::End { id, trailers: Headers::new() }]);
}

#[test]
fn interim_heads_come_in_order_before_the_final_one_and_the_ninth_is_not_sent() {
    let mut pair = Pair::new();
    let id = pair.exchange();
    pair.telephone.send(id).interim(response(100)).expect("a head that fits");
    pair.settle();
    for _ in 0..9 {
        pair.telephone.send(id).interim(response(103)).expect("a head that fits");
    }
    pair.telephone.send(id).respond(response(200), false).expect("a head that fits");
    pair.telephone.send(id).respond(response(500), false).expect("a head that fits");
    pair.telephone.send(id).end(Headers::new());
    pair.settle();
    let heads = core::iter::from_fn(|| pair.plugboard.recv(id).take_head().map(|head| head.status));
    assert_eq!(heads.collect::<Vec<_>>(), [100, 103, 103, 103, 103, 103, 103, 103, 200]);
    assert_eq!(pair.plugboard.recv(id).peek(), end());
}

#[test]
fn a_length_without_a_body_is_no_promise_when_the_end_rides_on_the_head() {
    for status in [200, 304] {
        let mut pair = Pair::new();
        let id = pair.opened(http(request("HEAD")), true);
        let mut head = response(status);
        head.length = Some(10_000);
        pair.telephone.send(id).respond(head, true).expect("a head that fits");
        pair.settle();
        let head = pair.plugboard.recv(id).take_head().expect("a head came");
        assert_eq!(head.length, Some(10_000));
        assert_eq!(pair.plugboard.recv(id).peek(), end());
        pair.release(id);
        pair.assert_clean();
    }
}

#[test]
fn each_direction_of_a_connection_ends_by_itself() {
    let mut pair = Pair::new();
    let id = pair.opened(tcp(), false);
    write(&mut pair.plugboard, id, b"over");
    pair.plugboard.send(id).end(Headers::new());
    pair.settle();
    assert_eq!(read(&mut pair.telephone, id, pair.now), (b"over".to_vec(), end()));
    write(&mut pair.telephone, id, b"still here");
    pair.settle();
    assert_eq!(read(&mut pair.plugboard, id, pair.now), (b"still here".to_vec(), Incoming::Pending));
    pair.telephone.send(id).end(Headers::new());
    pair.settle();
    assert_eq!(pair.plugboard.recv(id).peek(), end());
    assert!(pair.telephone.send(id).is_sent());
    pair.release(id);
    pair.assert_clean();
}

#[test]
fn after_an_upgrade_octets_flow_both_ways() {
    let mut pair = Pair::new();
    let mut head = request("GET");
    head.upgrade = Some(Bytes::from_static(b"websocket"));
    let id = pair.opened(http(head), false);
    let mut switched = response(101);
    switched.upgrade = Some(Bytes::from_static(b"websocket"));
    pair.telephone.send(id).respond(switched, false).expect("a head that fits");
    pair.settle();
    assert_eq!(pair.plugboard.recv(id).take_head().map(|head| head.status), Some(101));
    write(&mut pair.plugboard, id, b"ping");
    write(&mut pair.telephone, id, b"pong");
    pair.settle();
    assert_eq!(read(&mut pair.telephone, id, pair.now).0, b"ping");
    assert_eq!(read(&mut pair.plugboard, id, pair.now).0, b"pong");
}

#[test]
fn only_the_acceptor_can_say_that_nothing_was_touched() {
    for touched in [Touched::No, Touched::Yes, Touched::Unknown] {
        let mut pair = Pair::new();
        let id = pair.exchange();
        let reset = Reset { code: ResetCode::Unreachable, touched };
        pair.telephone.send(id).reset(reset);
        pair.plugboard.send(id).reset(reset);
        pair.settle();
        assert_eq!(pair.plugboard.recv(id).peek(), Incoming::Reset(reset));
        let heard = if touched == Touched::No { Touched::Unknown } else { touched };
        assert_eq!(pair.telephone.recv(id).peek(), Incoming::Reset(Reset { touched: heard, ..reset }));
        pair.release(id);
        pair.assert_clean();
    }
}

#[test]
fn octets_that_came_before_a_reset_are_read_first() {
    let mut pair = Pair::new();
    let id = pair.exchange();
    write(&mut pair.plugboard, id, b"half a bo");
    pair.settle();
    pair.plugboard.send(id).reset(cancelled());
    pair.settle();
    assert_eq!(
        read(&mut pair.telephone, id, pair.now),
        (b"half a bo".to_vec(), Incoming::Reset(cancelled()))
    );
}

#[test]
fn a_reset_throws_away_what_was_not_sent_heads_among_it() {
    let mut pair = Pair::new();
    let id = pair.exchange();
    pair.telephone.send(id).respond(response(200), false).expect("a head that fits");
    write(&mut pair.telephone, id, b"never seen");
    pair.telephone.send(id).reset(cancelled());
    pair.telephone.send(id).respond(response(500), false).expect("a head that fits");
    assert_eq!(said(&mut pair.telephone, pair.now), [Frame::Reset { id, reset: cancelled() }]);
}

#[test]
fn a_stop_reaches_the_writer_and_frees_what_it_had_buffered() {
    let mut pair = Pair::new();
    let id = pair.exchange();
    write(&mut pair.plugboard, id, b"taken");
    pair.settle();
    write(&mut pair.plugboard, id, b"not sent when the stop comes");
    pair.telephone.recv(id).stop(ResetCode::BackendFailed);
    let stop = pair.telephone.say(pair.now).expect("a stop is due");
    assert_eq!(frames(&stop), [Frame::Stop { id, code: ResetCode::BackendFailed }]);
    events(&mut pair.plugboard);
    pair.plugboard.hear(stop, pair.now);
    assert_eq!(events(&mut pair.plugboard), [Event::Writable(id)]);
    let stopped = Reset { code: ResetCode::BackendFailed, touched: Touched::Unknown };
    assert_eq!(pair.plugboard.send(id).stopped(), Some(stopped));
    assert_eq!(pair.plugboard.send(id).write(&mut Bytes::from_static(b"x")), Err(Stopped(stopped)));
    assert_eq!(pair.plugboard.buffered() + pair.telephone.buffered(), 0);
    let told = said(&mut pair.plugboard, pair.now);
    let reset = Reset { code: ResetCode::Stopped, touched: Touched::Unknown };
    assert_eq!(told, [Frame::Reset { id, reset }]);
}

#[test]
fn a_stopped_stream_whose_end_comes_late_never_looks_complete() {
    let mut pair = Pair::new();
    let id = pair.exchange();
    pair.telephone.recv(id).stop(ResetCode::Cancelled);
    write(&mut pair.plugboard, id, b"crosses with the stop");
    pair.plugboard.send(id).end(Headers::new());
    pair.settle();
    assert_eq!(pair.telephone.recv(id).peek(), Incoming::Reset(cancelled()));
    assert!(!pair.telephone.recv(id).is_at_end());
}

#[test]
fn a_stop_after_everything_was_read_changes_nothing() {
    let mut pair = Pair::new();
    let id = pair.opened(http(request("GET")), true);
    pair.telephone.recv(id).stop(ResetCode::Cancelled);
    assert!(pair.telephone.recv(id).is_at_end());
    assert_eq!(said(&mut pair.telephone, pair.now), []);
}

#[test]
fn a_body_that_is_not_as_long_as_declared_is_reset_as_truncated() {
    let truncated = Reset { code: ResetCode::Truncated, touched: Touched::Yes };
    for (octets, is_ended) in [(&b"1234"[..], true), (&b"123456"[..], false)] {
        let mut pair = Pair::new();
        let mut head = request("PUT");
        head.length = Some(5);
        let id = pair.opened(http(head), false);
        let mut octets = Bytes::from_static(octets);
        pair.plugboard.send(id).write(&mut octets).expect("the peer reads");
        if is_ended {
            pair.plugboard.send(id).end(Headers::new());
        }
        pair.settle();
        assert_eq!(read(&mut pair.telephone, id, pair.now).1, Incoming::Reset(truncated));
        assert_eq!(pair.telephone.closed(), None);
    }
}

#[test]
fn an_answer_that_is_not_as_long_as_declared_is_reset_as_truncated() {
    let truncated = Incoming::Reset(Reset { code: ResetCode::Truncated, touched: Touched::Yes });
    for (octets, ending) in [("1234", &truncated), ("123456", &truncated), ("12345", &end())] {
        let mut pair = Pair::new();
        let id = pair.exchange();
        let mut head = response(200);
        head.length = Some(5);
        pair.telephone.send(id).respond(head, false).expect("a head that fits");
        let mut octets = Bytes::from_static(octets.as_bytes());
        pair.telephone.send(id).write(&mut octets).expect("the peer reads");
        pair.telephone.send(id).end(Headers::new());
        pair.settle();
        pair.plugboard.recv(id).take_head();
        assert_eq!(read(&mut pair.plugboard, id, pair.now).1, *ending);
    }
}

#[test]
fn who_lets_go_of_a_stream_gives_up_what_did_not_end() {
    let mut pair = Pair::new();
    let id = pair.exchange();
    write(&mut pair.plugboard, id, b"half");
    pair.settle();
    pair.plugboard.release(id);
    pair.settle();
    assert_eq!(read(&mut pair.telephone, id, pair.now), (b"half".to_vec(), Incoming::Reset(cancelled())));
    let id = pair.exchange();
    pair.telephone.release(id);
    pair.settle();
    let touched = Reset { touched: Touched::Yes, ..cancelled() };
    assert_eq!(pair.plugboard.recv(id).peek(), Incoming::Reset(touched));
}

#[test]
fn an_answers_body_waits_for_its_head() {
    let mut pair = Pair::new();
    let id = pair.exchange();
    assert_eq!(pair.telephone.send(id).write(&mut Bytes::from_static(b"too soon")), Ok(0));
    assert_eq!(pair.telephone.send(id).capacity(), 0);
    pair.telephone.send(id).interim(response(103)).expect("a head that fits");
    pair.settle();
    assert_eq!(pair.telephone.send(id).write(&mut Bytes::from_static(b"too soon")), Ok(0));
    events(&mut pair.telephone);
    pair.telephone.send(id).respond(response(200), false).expect("a head that fits");
    pair.settle();
    assert_eq!(events(&mut pair.telephone), [Event::Writable(id)]);
    write(&mut pair.telephone, id, b"now");
}

#[test]
fn an_answer_that_ends_without_a_head_is_reset_as_failed() {
    let mut pair = Pair::new();
    let id = pair.exchange();
    pair.telephone.send(id).end(Headers::new());
    pair.settle();
    let failed = Reset { code: ResetCode::BackendFailed, touched: Touched::Unknown };
    assert_eq!(pair.plugboard.recv(id).peek(), Incoming::Reset(failed));
}

#[test]
fn trailers_that_no_frame_takes_are_dropped_and_the_body_still_ends() {
    let mut long = Headers::new();
    long.push(&b"Long"[..], vec![b'x'; 64 * 1024]);
    let mut framing = Headers::new();
    framing.push(&b"Content-Length"[..], &b"3"[..]);
    let mut split = Headers::new();
    split.push(&b"X"[..], &b"a\r\nb"[..]);
    for unfit in [long, framing, split] {
        let mut pair = Pair::new();
        let id = pair.exchange();
        pair.plugboard.send(id).end(unfit);
        pair.settle();
        assert_eq!(pair.telephone.recv(id).peek(), end());
    }
}

#[test]
fn a_stream_that_is_released_before_it_was_said_leaves_no_trace() {
    let mut pair = Pair::new();
    let id = pair.plugboard.open(http(request("GET")), false, pair.now).expect("a stream is opened");
    pair.plugboard.release(id);
    assert_eq!(said(&mut pair.plugboard, pair.now), []);
    pair.assert_clean();
    let next = pair.exchange();
    assert!(next > id);
}

#[test]
fn a_request_that_is_complete_when_it_is_released_still_crosses() {
    let mut pair = Pair::new();
    let id = pair.plugboard.open(tcp(), false, pair.now).expect("a stream is opened");
    write(&mut pair.plugboard, id, b"all of it");
    pair.plugboard.send(id).end(Headers::new());
    pair.plugboard.release(id);
    pair.settle();
    assert_eq!(read(&mut pair.telephone, id, pair.now), (b"all of it".to_vec(), end()));
}

#[test]
fn a_released_stream_is_told_of_no_more() {
    let mut pair = Pair::new();
    let id = pair.exchange();
    events(&mut pair.telephone);
    pair.telephone.release(id);
    write(&mut pair.plugboard, id, b"unwanted");
    pair.settle();
    assert_eq!(events(&mut pair.telephone), []);
}

#[test]
fn news_of_a_stream_is_told_once_until_there_is_more() {
    let mut pair = Pair::new();
    let id = pair.exchange();
    events(&mut pair.telephone);
    write(&mut pair.plugboard, id, b"one");
    pair.settle();
    assert_eq!(events(&mut pair.telephone), [Event::Readable(id)]);
    assert_eq!(events(&mut pair.telephone), []);
    write(&mut pair.plugboard, id, b"two");
    pair.settle();
    assert_eq!(events(&mut pair.telephone), [Event::Readable(id)]);
}
