//! Credit: floors, shares of the session window, tuning, and that nothing is lost.

use alloc::vec::Vec;
use bytes::Bytes;
use core::time::Duration;

use super::pair::{
    OnLink as _, Pair, SECOND, events, fill, http, message, read, request, response, said, tcp, write,
};
use crate::error::{Reset, ResetCode, Touched};
use crate::limits::{SEND_BUFFER_BYTES, SEND_BURST_BYTES, SessionLimits};
use crate::message::Headers;
use crate::session::{Event, Incoming, StreamId};
use crate::wire::Frame;

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;
const ROUND_TRIP: Duration = Duration::from_millis(20);

/// Sends as much as credit allows on a stream that nobody reads, and says how much that was.
fn flood(pair: &mut Pair, id: StreamId) -> u64 {
    let mut sent = 0;
    loop {
        let before = pair.telephone.buffered();
        fill(&mut pair.plugboard, id, 64 * 1024);
        pair.settle();
        let arrived = pair.telephone.buffered() - before;
        sent += arrived as u64;
        if arrived == 0 {
            return sent;
        }
    }
}

/// Carries `total` octets on a stream whose reader takes all at once, one message a millisecond.
fn pump(pair: &mut Pair, id: StreamId, total: u64) {
    let mut got = 0;
    while got < total {
        fill(&mut pair.plugboard, id, 64 * 1024);
        pair.transmit();
        pair.now = pair.now + Duration::from_millis(1);
        pair.deliver();
        got += read(&mut pair.telephone, id, pair.now).0.len() as u64;
    }
}

fn granted(pair: &Pair, id: StreamId) -> u64 {
    pair.telephone.streams.get(id).unwrap().recv.grant.limit()
}

#[test]
fn a_stream_always_has_its_floor() {
    let limits = SessionLimits { session_window: 0, session_window_max: 0, ..SessionLimits::default() };
    let mut pair = Pair::with(&limits, &SessionLimits::default());
    for _ in 0..10 {
        let id = pair.opened(tcp(), false);
        assert_eq!(flood(&mut pair, id), 16 * KIB);
        assert_eq!(pair.telephone.window(), (0, 0));
    }
}

#[test]
fn a_grant_is_at_most_half_of_what_is_free() {
    let limits = SessionLimits {
        session_window: 256 * KIB,
        session_window_max: 256 * KIB,
        ..SessionLimits::default()
    };
    let mut pair = Pair::with(&limits, &SessionLimits::default());
    let given: Vec<u64> = (0..4)
        .map(|_| {
            let id = pair.opened(tcp(), false);
            flood(&mut pair, id) / KIB
        })
        .collect();
    assert_eq!(given, [16 + 128, 16 + 64, 16 + 32, 16 + 16]);
}

#[test]
fn a_thousand_stalled_streams_leave_room_for_the_next() {
    let mut pair = Pair::new();
    for _ in 0..1000 {
        let id = pair.opened(tcp(), false);
        flood(&mut pair, id);
    }
    let (window, reserved) = pair.telephone.window();
    assert!(reserved <= window && window == 4 * MIB, "stalled streams let the window grow");
    assert!(pair.telephone.buffered() as u64 <= window + 1000 * 16 * KIB);
    let id = pair.opened(tcp(), false);
    pump(&mut pair, id, 2 * MIB);
}

#[test]
fn the_window_of_a_stream_grows_while_it_is_what_limits_and_falls_back() {
    let mut pair = Pair::distant(&SessionLimits::default(), ROUND_TRIP);
    let id = pair.opened(tcp(), false);
    assert_eq!(granted(&pair, id), 256 * KIB);
    pump(&mut pair, id, 128 * MIB);
    let grown = pair.telephone.streams.get(id).unwrap().recv.grant.window();
    assert!((2 * MIB..=16 * MIB).contains(&grown), "a window of {grown}");
    // A slow reader: what was granted lasts for longer than ten seconds.
    for _ in 0..60 {
        fill(&mut pair.plugboard, id, 64 * 1024);
        pair.pass(SECOND);
        if let Incoming::Octets(piece) = pair.telephone.recv(id).peek() {
            pair.telephone.recv(id).consume(piece.len(), pair.now);
        }
    }
    let mut reads = 0;
    while pair.telephone.streams.get(id).unwrap().recv.grant.window() > 256 * KIB {
        pair.now = pair.now + SECOND;
        fill(&mut pair.plugboard, id, 16 * 1024);
        pair.settle();
        read(&mut pair.telephone, id, pair.now);
        reads += 1;
        assert!(reads < 1000, "the window stays at its height");
    }
}

#[test]
fn a_session_window_grows_with_use_is_bounded_and_falls_back_when_idle() {
    let limits = SessionLimits {
        session_window: 128 * KIB,
        session_window_max: MIB,
        stream_window: 128 * KIB,
        ..SessionLimits::default()
    };
    let mut pair = Pair::distant(&limits, ROUND_TRIP);
    let id = pair.opened(tcp(), false);
    assert_eq!(pair.telephone.window().0, 128 * KIB);
    pump(&mut pair, id, 64 * MIB);
    assert_eq!(pair.telephone.window().0, MIB);
    read(&mut pair.telephone, id, pair.now);
    pair.release(id);
    for _ in 0..10 {
        pair.pass(15 * SECOND);
    }
    assert_eq!(pair.telephone.window(), (128 * KIB, 0));
}

#[test]
fn credit_comes_back_whatever_ends_a_stream() {
    type Ending = fn(&mut Pair, StreamId);
    let reset = Reset { code: ResetCode::Cancelled, touched: Touched::Unknown };
    let endings: [(&str, Ending); 5] = [
        ("an end that is read", |pair, id| {
            pair.plugboard.send(id).end(Headers::new());
            pair.settle();
            read(&mut pair.telephone, id, pair.now);
        }),
        ("an end that is not read", |pair, id| {
            pair.plugboard.send(id).end(Headers::new());
            pair.settle();
            pair.telephone.release(id);
        }),
        ("a reset", |pair, id| {
            pair.plugboard.send(id).reset(Reset { code: ResetCode::TimedOut, touched: Touched::Unknown });
            pair.settle();
            read(&mut pair.telephone, id, pair.now);
        }),
        ("a stop", |pair, id| {
            pair.telephone.recv(id).stop(ResetCode::Cancelled);
            pair.settle();
        }),
        ("a release", |pair, id| {
            pair.telephone.release(id);
            pair.settle();
        }),
    ];
    for (name, ending) in endings {
        let mut pair = Pair::new();
        let id = pair.opened(tcp(), false);
        pair.telephone.send(id).reset(reset);
        fill(&mut pair.plugboard, id, 60_000);
        pair.settle();
        assert!(pair.telephone.window().1 > 0);
        ending(&mut pair, id);
        assert_eq!(pair.telephone.window().1, 0, "after {name}");
        pair.release(id);
        pair.assert_clean();
    }
}

#[test]
fn only_what_is_unread_stays_reserved_behind_an_end_or_a_reset() {
    for is_reset in [false, true] {
        let mut pair = Pair::new();
        let id = pair.opened(tcp(), false);
        fill(&mut pair.plugboard, id, 60_000);
        pair.settle();
        if is_reset {
            pair.plugboard.send(id).reset(Reset { code: ResetCode::Cancelled, touched: Touched::No });
        } else {
            pair.plugboard.send(id).end(Headers::new());
        }
        pair.settle();
        assert_eq!(pair.telephone.window().1, 60_000 - 16 * KIB);
        pair.telephone.recv(id).consume(50_000, pair.now);
        assert_eq!(pair.telephone.window().1, 0);
        assert_eq!(pair.telephone.buffered(), 10_000);
    }
}

#[test]
fn data_on_a_stopped_stream_costs_nothing() {
    let mut pair = Pair::new();
    let id = pair.opened(tcp(), false);
    fill(&mut pair.plugboard, id, 40_000);
    pair.transmit();
    pair.telephone.recv(id).stop(ResetCode::Cancelled);
    pair.settle();
    assert_eq!((pair.telephone.buffered(), pair.telephone.window().1), (0, 0));
    pair.release(id);
    pair.assert_clean();
}

#[test]
fn a_declared_length_reserves_no_more_than_it_needs_and_asks_for_no_credit() {
    let mut pair = Pair::new();
    let mut head = request("PUT");
    head.length = Some(20 * KIB);
    let id = pair.opened(http(head), false);
    assert_eq!(pair.telephone.window().1, 4 * KIB);
    let mut small = request("PUT");
    small.length = Some(16 * KIB);
    let small = pair.plugboard.open(http(small), false, pair.now).expect("opened");
    let open = pair.plugboard.say(pair.now).expect("an open is due");
    pair.telephone.hear(open, pair.now);
    assert_eq!(said(&mut pair.telephone, pair.now), [], "a body within the floor needs no frame");
    pair.accept_all();
    for id in [id, small] {
        pair.telephone.send(id).respond(response(200), true).expect("a head that fits");
        pair.release(id);
    }
    pair.assert_clean();
}

#[test]
fn credit_frames_are_few() {
    let mut pair = Pair::new();
    let id = pair.opened(tcp(), false);
    let mut credits = 0;
    let mut got = 0;
    while got < 4 * MIB {
        fill(&mut pair.plugboard, id, 64 * 1024);
        pair.settle();
        while let Incoming::Octets(piece) = pair.telephone.recv(id).peek() {
            // The slowest writer there is: a few octets at a time, with a message after each.
            let count = piece.len().min(1000);
            pair.telephone.recv(id).consume(count, pair.now);
            got += count as u64;
            let frames = said(&mut pair.telephone, pair.now);
            let raised = frames.iter().filter(|frame| matches!(frame, Frame::Credit { .. })).count();
            credits += raised;
            if !frames.is_empty() {
                pair.plugboard.hear(message(&frames), pair.now);
            }
        }
    }
    assert!(credits <= 32, "{credits} credit frames for 4 MiB in windows of at least 256 KiB");
}

#[test]
fn a_stream_with_a_window_of_one_octet_still_moves() {
    let tiny = SessionLimits {
        stream_floor: 1,
        stream_window: 1,
        stream_window_max: 1,
        session_window: 0,
        session_window_max: 0,
        ..SessionLimits::default()
    };
    let mut pair = Pair::with(&tiny, &tiny);
    let id = pair.opened(tcp(), false);
    write(&mut pair.plugboard, id, b"one by one");
    let mut got = Vec::new();
    for _ in 0..10 {
        pair.settle();
        assert_eq!(pair.telephone.buffered(), 1);
        got.extend(read(&mut pair.telephone, id, pair.now).0);
    }
    assert_eq!(got, b"one by one");
}

#[test]
fn a_stream_alone_takes_a_burst_as_far_as_its_peer_allows() {
    let mut pair = Pair::new();
    let (one, other) = (pair.opened(tcp(), false), pair.opened(tcp(), false));
    let window = SessionLimits::default().stream_window as usize;
    assert_eq!(pair.plugboard.send(one).capacity(), SEND_BURST_BYTES);
    assert_eq!(fill(&mut pair.plugboard, one, window), SEND_BURST_BYTES);
    // A second one takes what any stream takes.
    assert_eq!(fill(&mut pair.plugboard, other, window), SEND_BUFFER_BYTES);
    pair.settle();
    // The rest of the first one's credit is less than a send buffer.
    assert_eq!(fill(&mut pair.plugboard, one, window), SEND_BUFFER_BYTES);
    pair.settle();
    assert_eq!(pair.plugboard.send(one).capacity(), window - SEND_BURST_BYTES);
    // The second may be alone again, for the first has nothing that it could send.
    let rest = window - SEND_BUFFER_BYTES;
    assert_eq!(pair.plugboard.send(other).capacity(), rest);
    assert_eq!(fill(&mut pair.plugboard, other, 1), 1);
    assert_eq!(pair.plugboard.send(other).capacity(), rest - 1);
}

#[test]
fn a_send_buffer_is_bounded_and_tells_when_it_has_room() {
    let mut pair = Pair::new();
    let id = pair.opened(tcp(), false);
    flood(&mut pair, id);
    events(&mut pair.plugboard);
    let mut more = Bytes::from_static(&[0; 100]);
    assert_eq!(pair.plugboard.send(id).write(&mut more), Ok(0));
    pair.settle();
    assert_eq!(events(&mut pair.plugboard), []);
    read(&mut pair.telephone, id, pair.now);
    pair.settle();
    assert_eq!(events(&mut pair.plugboard), [Event::Writable(id)]);
    // What was held back is sent, and the rest of the new window allows a burst.
    let allowed = SessionLimits::default().stream_window as usize - SEND_BUFFER_BYTES;
    assert_eq!(pair.plugboard.send(id).capacity(), allowed);
    // Whoever was told and did not meet a full buffer again is not told again.
    fill(&mut pair.plugboard, id, 1000);
    pair.settle();
    assert_eq!(events(&mut pair.plugboard), []);
    flood(&mut pair, id);
    assert_eq!(pair.plugboard.send(id).capacity(), 0);
    read(&mut pair.telephone, id, pair.now);
    pair.settle();
    assert_eq!(events(&mut pair.plugboard), [Event::Writable(id)]);
}

#[test]
fn room_is_told_once_while_a_buffer_drains_in_many_turns() {
    let limits = SessionLimits { session_window: 0, session_window_max: 0, ..SessionLimits::default() };
    let mut pair = Pair::with(&limits, &SessionLimits::default());
    let id = pair.opened(tcp(), false);
    flood(&mut pair, id);
    assert_eq!(pair.plugboard.send(id).capacity(), 0);
    let mut told = 0;
    for _ in 0..4 {
        read(&mut pair.telephone, id, pair.now);
        pair.settle();
        told += events(&mut pair.plugboard).len();
    }
    assert_eq!((told, pair.plugboard.buffered()), (1, 0));
}

#[test]
fn what_is_kept_of_a_message_does_not_pin_the_rest_of_it() {
    let mut pair = Pair::new();
    let id = pair.opened(tcp(), false);
    let asked = pair.exchange_of_telephone();
    let value = Bytes::from_static(b"a value that is kept");
    let mut head = response(200);
    head.headers.push(&b"Kept"[..], value.clone());
    let large = message(&[
        Frame::Data { id, octets: Bytes::from(alloc::vec![1; 2000]) },
        Frame::Head { id: asked, end: false, head },
        Frame::Data { id: asked, octets: Bytes::from(alloc::vec![2; 16_000]) },
    ]);
    let range = large.as_ptr_range();
    pair.telephone.hear(large, pair.now);
    let Incoming::Octets(small) = pair.telephone.recv(id).peek() else { panic!("octets came") };
    let head = pair.telephone.recv(asked).take_head().expect("a head came");
    let Incoming::Octets(most) = pair.telephone.recv(asked).peek() else { panic!("octets came") };
    let kept = head.headers.first("kept").expect("the field came");
    assert_eq!((small.len(), kept), (2000, &value[..]));
    assert!(!range.contains(&small.as_ptr()) && !range.contains(&kept.as_ptr()));
    assert!(range.contains(&most.as_ptr()), "what is most of a message is not copied");
}

#[test]
fn a_quarter_of_a_message_is_kept_where_it_came() {
    for (size, is_copied) in [(8192 + 3, false), (8192 + 4, true)] {
        let mut pair = Pair::new();
        let (id, other) = (pair.opened(tcp(), false), pair.opened(tcp(), false));
        let of = |rest| {
            let quarter = Frame::Data { id, octets: alloc::vec![1; 2048].into() };
            message(&[quarter, Frame::Data { id: other, octets: alloc::vec![2; rest].into() }])
        };
        let rest = size - of(5_000).len() + 5_000;
        let whole = of(rest);
        assert_eq!(whole.len(), size);
        let range = whole.as_ptr_range();
        pair.telephone.hear(whole, pair.now);
        let Incoming::Octets(octets) = pair.telephone.recv(id).peek() else { panic!("octets came") };
        assert_eq!(!range.contains(&octets.as_ptr()), is_copied, "{size}");
    }
}

#[test]
fn a_reader_of_small_pieces_never_looks_like_one_that_floods_with_credit() {
    let floor = SessionLimits::default().stream_floor;
    let limits = SessionLimits { stream_window: floor, stream_window_max: floor, ..SessionLimits::default() };
    let mut pair = Pair::distant(&limits, ROUND_TRIP);
    let id = pair.opened(tcp(), false);
    for _ in 0..2_000 {
        pair.plugboard.send(id).write(&mut Bytes::from_static(&[7; 5 * 1024])).expect("a reader");
        pair.settle();
        read(&mut pair.telephone, id, pair.now);
        pair.settle();
    }
    assert_eq!(pair.plugboard.closed(), None);
    assert_eq!(pair.telephone.closed(), None);
}
