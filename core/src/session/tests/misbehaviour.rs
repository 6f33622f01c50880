//! Each rule that a peer can break, provoked by frames made by hand.

use alloc::vec;
use alloc::vec::Vec;
use bytes::{BufMut, Bytes, BytesMut};

use super::pair::{OnLink as _, http, lone, message, misbehaviour, request, response, said, tcp};
use crate::error::{LeaveCode, Misbehaviour, Reset, ResetCode, Touched};
use crate::message::Headers;
use crate::session::{LinkId, Role, Session};
use crate::time::Timestamp;
use crate::wire::{Frame, Hello, Settings, StreamId};

const NOW: Timestamp = Timestamp::ZERO;

fn raw(octets: &'static [u8]) -> Vec<Bytes> {
    vec![Bytes::from_static(octets)]
}

fn one(frames: &[Frame]) -> Vec<Bytes> {
    vec![message(frames)]
}

pub(super) fn open(id: u64) -> Frame {
    Frame::Open { id: StreamId::new(id), grant: 0, end: false, opening: http(request("POST")) }
}

pub(super) fn sized(id: u64, length: u64) -> Frame {
    let mut head = request("POST");
    head.length = Some(length);
    Frame::Open { id: StreamId::new(id), grant: 0, end: false, opening: http(head) }
}

pub(super) fn data(id: u64, count: usize) -> Frame {
    Frame::Data { id: StreamId::new(id), octets: Bytes::from(vec![0; count]) }
}

pub(super) fn end(id: u64) -> Frame {
    Frame::End { id: StreamId::new(id), trailers: Headers::new() }
}

pub(super) fn head(id: u64, status: u16, end: bool) -> Frame {
    Frame::Head { id: StreamId::new(id), end, head: response(status) }
}

pub(super) fn reset(id: u64) -> Frame {
    Frame::Reset {
        id: StreamId::new(id),
        reset: Reset { code: ResetCode::Cancelled, touched: Touched::Unknown },
    }
}

pub(super) fn hello() -> Frame {
    Frame::Hello(Hello {
        token: "t".into(),
        mounts: Vec::new(),
        instance: "i".into(),
        epoch: 0,
        agent: "a".into(),
        settings: Settings::default(),
        resume: None,
    })
}

/// A plugboard that has said everything and has one request, stream 2, under way.
fn plugboard() -> Session {
    let mut session = lone(Role::Plugboard);
    session.open(http(request("GET")), true, NOW).expect("opened");
    said(&mut session, NOW);
    session
}

/// A name, the rule that is broken, and the messages that break it.
type Row = (&'static str, Misbehaviour, Vec<Bytes>);

/// What a telephone may not say to that plugboard.
fn rules() -> Vec<Row> {
    [wire_rules(), stream_rules(), flood_rules()].concat()
}

fn wire_rules() -> Vec<Row> {
    use Misbehaviour as M;
    let mut over = BytesMut::from(&message(&[])[..]);
    over.put_bytes(0, crate::limits::MESSAGE_BYTES_MAX);
    vec![
        ("an empty message", M::FrameTruncated, raw(b"")),
        ("a type without a length", M::FrameTruncated, raw(b"\x00\x0b")),
        ("a length past the message", M::FrameTruncated, raw(b"\x00\x0b\x05\x00")),
        ("a length of 2^64-1", M::FrameTruncated, raw(b"\x00\x05\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")),
        ("an over-long varint", M::VarintNotCanonical, raw(b"\x00\x0b\x02\x80\x00")),
        ("a varint of 65 bits", M::VarintNotCanonical, raw(b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02")),
        ("an unknown critical frame", M::UnknownFrame, raw(b"\x00\x11\x00")),
        ("the last critical type", M::UnknownFrame, raw(b"\x00\x3f\x00")),
        ("octets behind a ping", M::FrameMalformed, raw(b"\x00\x0b\x02\x00\x00")),
        ("octets in an ack", M::FrameMalformed, raw(b"\x00\x0d\x01\x00")),
        ("a flag that is neither", M::FrameMalformed, raw(b"\x00\x03\x05\x01\x00\x02\x01\x00")),
        ("a touched that is none", M::FrameMalformed, raw(b"\x00\x07\x03\x02\x00\x03")),
        ("a status of 99", M::FrameMalformed, one(&[head(2, 99, true)])),
        ("a status of 600", M::FrameMalformed, one(&[head(2, 600, true)])),
        ("a message past 64 KiB", M::MessageSize, vec![over.freeze()]),
        ("a hello in a session", M::FrameOutOfPlace, one(&[hello()])),
        ("renewed from a telephone", M::FrameOutOfPlace, one(&[Frame::Renewed { expires_in_s: None }])),
        ("a token past 8 KiB", M::FrameOutOfPlace, one(&[Frame::Renew { token: vec![0; 8193].into() }])),
        ("an ack of what was not sent", M::AckAhead, raw(b"\x02\x0d\x00")),
    ]
}

fn stream_rules() -> Vec<Row> {
    use Misbehaviour as M;
    let interims: Vec<Frame> = (0..9).map(|_| head(2, 103, false)).collect();
    let opens: Vec<Frame> = (0..1025).map(|n| open(2 * n + 1)).collect();
    vec![
        ("an id of the wrong parity", M::StreamIdOrder, one(&[open(4)])),
        ("an id of zero", M::StreamIdOrder, one(&[open(0)])),
        ("an id twice", M::StreamIdOrder, one(&[open(3), open(3)])),
        ("an id that falls", M::StreamIdOrder, one(&[open(3), open(1)])),
        ("one stream too many", M::StreamsExceeded, opens.chunks(100).map(message).collect()),
        ("a kind that nobody knows", M::KindNotGranted, raw(b"\x00\x03\x05\x01\x00\x00\x02\x00")),
        ("data for a stream of the future", M::StreamUnknown, one(&[data(4, 1)])),
        ("credit for a stream of the future", M::StreamUnknown, {
            one(&[Frame::Credit { id: StreamId::new(1), limit: 1 }])
        }),
        ("data before the head", M::StreamState, one(&[data(2, 1)])),
        ("an end before the head", M::StreamState, one(&[end(2)])),
        ("a second final head", M::StreamState, one(&[head(2, 200, false), head(2, 200, false)])),
        ("an interim head that ends", M::StreamState, one(&[head(2, 103, true)])),
        ("a head on the opener's own side", M::StreamState, one(&[open(1), head(1, 200, true)])),
        ("a head on a raw connection", M::StreamState, {
            let opening = tcp();
            one(&[Frame::Open { id: StreamId::new(1), grant: 0, end: false, opening }, head(1, 200, true)])
        }),
        ("a switch that nobody asked for", M::StreamState, one(&[head(2, 101, false)])),
        ("data after the end", M::StreamState, one(&[head(2, 200, true), data(2, 1)])),
        ("an end after the end", M::StreamState, one(&[head(2, 200, true), end(2)])),
        ("a reset after the end", M::StreamState, one(&[head(2, 200, true), reset(2)])),
        ("data after a reset", M::StreamState, one(&[open(1), reset(1), data(1, 1)])),
        ("two resets", M::StreamState, one(&[open(1), reset(1), reset(1)])),
        ("the first octet past the credit", M::CreditExceeded, {
            let whole = (0..16).map(|_| message(&[data(1, 16 * 1024)]));
            let opened = core::iter::once(message(&[open(1)]));
            opened.chain(whole).chain([message(&[data(1, 1)])]).collect()
        }),
        ("a body past its length", M::BodyLength, one(&[sized(1, 3), data(1, 4)])),
        ("a body short of its length", M::BodyLength, one(&[sized(1, 3), data(1, 2), end(1)])),
        ("nine interim heads", M::TooManyInterims, one(&interims)),
    ]
}

fn flood_rules() -> Vec<Row> {
    use Misbehaviour as M;
    vec![
        ("201 pings", M::FreeFrames, one(&vec![Frame::Ping(0); 201])),
        ("201 pongs that nobody asked for", M::FreeFrames, one(&vec![Frame::Pong(77); 201])),
        ("201 unknown frames", M::FreeFrames, one(&vec![Frame::Skipped { kind: 100 }; 201])),
        ("201 acks of nothing", M::FreeFrames, (0..201).map(|_| message(&[Frame::Ack])).collect()),
        ("201 messages of nothing", M::FreeFrames, (0..201).map(|_| message(&[])).collect()),
        ("empty data", M::FreeFrames, one(&[vec![open(1)], vec![data(1, 0); 220]].concat())),
        ("credit that moves nothing", M::FreeFrames, {
            one(&vec![Frame::Credit { id: StreamId::new(2), limit: 0 }; 201])
        }),
        ("credit by the octet", M::FreeFrames, {
            let octets = (16 * 1024 + 1..).take(201);
            let raise = |limit| Frame::Credit { id: StreamId::new(2), limit };
            one(&octets.map(raise).collect::<Vec<_>>())
        }),
        ("stream limits that move nothing", M::FreeFrames, one(&vec![Frame::Streams { limit: 0 }; 201])),
        ("stops of what was stopped", M::FreeFrames, {
            let stop = Frame::Stop { id: StreamId::new(2), code: ResetCode::Cancelled };
            one(&vec![stop; 202])
        }),
        ("leaves again and again", M::FreeFrames, {
            one(&vec![Frame::Leave { code: LeaveCode::Draining, last: 2 }; 202])
        }),
        ("renewals without end", M::FreeFrames, one(&vec![Frame::Renew { token: Bytes::new() }; 201])),
    ]
}

#[test]
fn every_broken_rule_ends_the_session_under_its_own_name() {
    for (name, rule, messages) in rules() {
        let mut session = plugboard();
        for message in messages {
            session.hear(message, NOW);
        }
        assert_eq!(misbehaviour(&mut session, NOW), Some(rule), "{name}");
        super::pair::events(&mut session);
        session.release(StreamId::new(2));
        while let Some(accepted) = session.accept() {
            session.release(accepted.id);
        }
        super::pair::assert_empty(&session);
    }
}

#[test]
fn a_peer_is_told_that_it_broke_a_rule() {
    let mut session = plugboard();
    session.hear(message(&[data(4, 1)]), NOW);
    assert_eq!(said(&mut session, NOW), [Frame::Leave { code: LeaveCode::Misbehaved, last: 0 }]);
}

#[test]
fn whoever_guesses_a_stream_before_it_heard_of_it_breaks_a_rule() {
    let id = StreamId::new(4);
    let frames = [
        head(4, 200, true),
        data(4, 1),
        end(4),
        reset(4),
        Frame::Stop { id, code: ResetCode::Cancelled },
        Frame::Credit { id, limit: 1 << 20 },
    ];
    for frame in frames {
        let mut session = plugboard();
        assert_eq!(session.open(http(request("GET")), true, NOW), Ok(id));
        session.hear(message(core::slice::from_ref(&frame)), NOW);
        assert_eq!(misbehaviour(&mut session, NOW), Some(Misbehaviour::StreamUnknown), "{frame:?}");
    }
}

#[test]
fn a_message_of_the_wrong_type_is_the_drivers_to_tell() {
    let mut session = plugboard();
    session.handle_misbehaviour(LinkId::FIRST, Misbehaviour::MessageType, NOW);
    assert_eq!(misbehaviour(&mut session, NOW), Some(Misbehaviour::MessageType));
}

#[test]
fn every_rule_has_a_row() {
    // An exhaustive match: a new variant does not compile until it is counted here.
    let number = |rule: Misbehaviour| match rule {
        Misbehaviour::FrameTruncated => 0,
        Misbehaviour::VarintNotCanonical => 1,
        Misbehaviour::UnknownFrame => 2,
        Misbehaviour::FrameMalformed => 3,
        Misbehaviour::MessageSize => 4,
        Misbehaviour::FrameOutOfPlace => 5,
        Misbehaviour::AckAhead => 6,
        Misbehaviour::StreamIdOrder => 7,
        Misbehaviour::StreamsExceeded => 8,
        Misbehaviour::KindNotGranted => 9,
        Misbehaviour::StreamUnknown => 10,
        Misbehaviour::StreamState => 11,
        Misbehaviour::CreditExceeded => 12,
        Misbehaviour::BodyLength => 13,
        Misbehaviour::FreeFrames => 14,
        Misbehaviour::TooManyInterims => 15,
        Misbehaviour::MessageType => 16,
    };
    let mut rows: Vec<u32> = rules().iter().map(|(_, rule, _)| number(*rule)).collect();
    rows.push(number(Misbehaviour::MessageType));
    rows.sort_unstable();
    rows.dedup();
    assert_eq!(rows, (0..=16).collect::<Vec<_>>());
}

#[test]
fn a_frame_that_may_be_skipped_is_skipped() {
    let mut session = plugboard();
    session.hear(Bytes::from_static(b"\x00\x64\x03abc\x0b\x01\x05"), NOW);
    assert_eq!(said(&mut session, NOW), [Frame::Pong(5)]);
}

#[test]
fn late_frames_of_a_stream_that_is_over_are_no_offence() {
    let mut session = plugboard();
    session.hear(message(&[head(2, 200, true)]), NOW);
    session.release(StreamId::new(2));
    assert_eq!(session.stats().streams_open, 0);
    let late = [
        Frame::Credit { id: StreamId::new(2), limit: 1 << 20 },
        Frame::Stop { id: StreamId::new(2), code: ResetCode::Cancelled },
    ];
    session.hear(message(&late), NOW);
    assert_eq!(said(&mut session, NOW), []);
    assert_eq!(session.closed(), None);
}
