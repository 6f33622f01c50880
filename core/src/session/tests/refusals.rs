//! What is not let in, and what is not let out.

use alloc::vec;
use alloc::vec::Vec;
use bytes::Bytes;
use core::time::Duration;

use super::pair::{OnLink as _, Pair, frames, http, message, misbehaviour, request, response, said, tcp};
use crate::error::{Misbehaviour, Reset, ResetCode, Touched};
use crate::limits::SessionLimits;
use crate::message::{Headers, RequestHead};
use crate::session::{HEAD_BYTES_MAX, HeadRefused, Incoming, OpenError, Role, Session, SessionConfig};
use crate::time::Timestamp;
use crate::wire::{Frame, Opening, Profile, Setting, Settings, StreamId};

fn limited(streams: u64, unaccepted: usize) -> SessionLimits {
    SessionLimits { streams, unaccepted, ..SessionLimits::default() }
}

#[test]
fn ids_grow_and_have_the_openers_parity() {
    let mut pair = Pair::new();
    let down: Vec<u64> =
        (0..3).map(|_| pair.plugboard.open(tcp(), false, pair.now).expect("opened").number()).collect();
    let up: Vec<u64> =
        (0..3).map(|_| pair.telephone.open(tcp(), false, pair.now).expect("opened").number()).collect();
    assert_eq!((down, up), (vec![2, 4, 6], vec![1, 3, 5]));
}

#[test]
fn no_more_streams_are_opened_than_the_peer_takes_and_a_slot_returns_only_on_release() {
    let mut pair = Pair::with(&limited(2, 256), &SessionLimits::default());
    let first = pair.exchange();
    let second = pair.exchange();
    let refused = pair.plugboard.open(tcp(), false, pair.now);
    assert_eq!(refused, Err(OpenError::TooManyStreams));
    for id in [first, second] {
        pair.plugboard.send(id).end(Headers::new());
        pair.telephone.send(id).respond(response(204), true).expect("a head that fits");
        pair.settle();
        pair.plugboard.release(id);
    }
    pair.settle();
    assert_eq!(pair.plugboard.stats().streams_open, 0);
    assert_eq!(pair.plugboard.open(tcp(), false, pair.now), Err(OpenError::TooManyStreams));
    pair.telephone.release(first);
    pair.settle();
    pair.opened(tcp(), false);
    assert_eq!(pair.plugboard.open(tcp(), false, pair.now), Err(OpenError::TooManyStreams));
}

#[test]
fn streams_beyond_those_that_may_wait_are_sent_back_untouched() {
    let mut pair = Pair::new();
    let ids: Vec<_> =
        (0..257).map(|_| pair.plugboard.open(tcp(), false, pair.now).expect("opened")).collect();
    pair.settle();
    let untouched = Incoming::Reset(Reset { code: ResetCode::Refused, touched: Touched::No });
    for id in &ids[..256] {
        assert_eq!(pair.plugboard.recv(*id).peek(), Incoming::Pending);
    }
    assert_eq!(pair.plugboard.recv(ids[256]).peek(), untouched);
    assert_eq!(pair.accept_all().len(), 256);
    for id in ids {
        pair.release(id);
    }
    pair.assert_clean();
}

#[test]
fn a_reset_code_is_sent_to_a_peer_that_announced_it_and_as_an_older_one_to_others() {
    use ResetCode::{BackendFailed, Coding, Exhausted, HeadTooLarge, Malformed, Refused};
    for (announced, exhausted, [malformed, large, coding]) in [
        (Some(2), Exhausted, [Malformed, HeadTooLarge, Coding]),
        (Some(1), Exhausted, [BackendFailed; 3]),
        (Some(0), Refused, [BackendFailed; 3]),
        (None, Refused, [BackendFailed; 3]),
    ] {
        for (code, expected) in
            [(Exhausted, exhausted), (Malformed, malformed), (HeadTooLarge, large), (Coding, coding)]
        {
            assert_eq!(reset_code_received(announced, code), expected, "{announced:?}: {code:?}");
        }
    }
}

/// What a plugboard that announced this receives where a telephone resets with `code`.
fn reset_code_received(announced: Option<u64>, code: ResetCode) -> ResetCode {
    let limits = SessionLimits::default();
    let mut pair = Pair::silent(&limits, &limits);
    let peer = Settings::of(&limits);
    let peer = announced.map_or(peer.clone(), |value| peer.with(Setting::Exhausted, value));
    let (role, profile, resume_window) = (Role::Telephone, Profile::Binary, Duration::ZERO);
    let config = SessionConfig { role, profile, limits, peer, seed: 1, resume_window };
    pair.telephone = Session::new(config, Timestamp::ZERO);
    let id = pair.opened(tcp(), false);
    pair.telephone.send(id).reset(Reset { code, touched: Touched::No });
    pair.telephone.recv(id).stop(code);
    pair.settle();
    let Incoming::Reset(reset) = pair.plugboard.recv(id).peek() else { panic!("no reset") };
    assert_eq!(pair.plugboard.send(id).stopped().map(|reset| reset.code), Some(reset.code));
    reset.code
}

#[test]
fn a_head_that_no_message_takes_is_refused_with_its_mount_counted() {
    let mut pair = Pair::new();
    let sized = |mount: usize, value: usize| {
        let mut head = request("GET");
        head.headers.push(&b"X"[..], vec![b'v'; value]);
        Opening::Http { mount: Bytes::from(vec![b'm'; mount]), head }
    };
    let too_large = Err(OpenError::Head(HeadRefused::TooLarge));
    assert_eq!(pair.plugboard.open(sized(4, 62_000), true, pair.now), too_large);
    assert_eq!(pair.plugboard.open(sized(2_000, 60_000), true, pair.now), too_large);
    let mut head = response(200);
    head.headers.push(&b"X"[..], vec![b'v'; 62_000]);
    let id = pair.exchange();
    assert_eq!(pair.telephone.send(id).respond(head, true), Err(HeadRefused::TooLarge));
    pair.telephone.send(id).respond(response(502), true).expect("a head that fits");
    pair.settle();
    assert_eq!(pair.plugboard.recv(id).take_head().map(|head| head.status), Some(502));
}

#[test]
fn the_largest_head_goes_out_beside_a_full_load_of_control_frames() {
    let mut pair = Pair::new();
    let ids: Vec<_> = (0..1000).map(|_| pair.opened(tcp(), false)).collect();
    for id in &ids {
        pair.plugboard.recv(*id).stop(ResetCode::Other(u64::MAX));
    }
    pair.plugboard.confirm_renewal(Some(core::time::Duration::MAX), pair.now);
    let mut head = request("GET");
    let rest = HEAD_BYTES_MAX - crate::wire::opening_size(&http(head.clone()));
    head.headers.push(&b"X"[..], vec![b'v'; rest - 5]);
    assert_eq!(crate::wire::opening_size(&http(head.clone())), HEAD_BYTES_MAX);
    let id = pair.plugboard.open(http(head), true, pair.now).expect("a head that fits");
    let first = pair.plugboard.say(pair.now).expect("much is due");
    let sent = frames(&first);
    assert!(sent.iter().filter(|frame| matches!(frame, Frame::Stop { .. })).count() > 200);
    assert!(matches!(sent.last(), Some(Frame::Open { id: opened, .. }) if *opened == id));
}

#[test]
fn heads_with_more_fields_than_a_frame_takes_are_refused() {
    let mut pair = Pair::new();
    let mut head = request("GET");
    for _ in 0..256 {
        head.headers.push(&b"A"[..], &b""[..]);
    }
    let refused = pair.plugboard.open(http(head), true, pair.now);
    assert_eq!(refused, Err(OpenError::Head(HeadRefused::TooLarge)));
}

/// A request with one thing changed.
fn odd(change: impl FnOnce(&mut RequestHead)) -> RequestHead {
    let mut head = request("GET");
    change(&mut head);
    head
}

fn field(name: &'static [u8], value: &'static [u8]) -> RequestHead {
    odd(|head| head.headers.push(name, value))
}

/// Heads that would be more, or less, than one message on the far side. [H-26]
fn unsound_requests() -> Vec<RequestHead> {
    let targets: [&[u8]; 8] =
        [b"", b"api", b"/a b", b"/a\r\nX: y", b"/a\0", b"/a#b", b"/\xc3\xa4", b"http://a/"];
    let methods: [&[u8]; 4] = [b"", b"GE T", b"GET\r\n", b"AAAAAAAABBBBBBBBCCCCCCCCDDDDDDDDE"];
    let fields: [(&[u8], &[u8]); 12] = [
        (b"", b"v"),
        (b"a b", b"v"),
        (b"a:", b"v"),
        (b"a\r\n", b"v"),
        (b"\x80", b"v"),
        (b"a", b"v\r\nb: c"),
        (b"a", b"v\n"),
        (b"a", b"v\0"),
        (b"a", b"\x7f"),
        (b"Content-Length", b"3"),
        (b"transfer-ENCODING", b"chunked"),
        (b"Connection", b"close"),
    ];
    let upgrades: [&[u8]; 6] = [b"", b"a, b c", b"a, h2c", b"a\r\n", b"a/", b"h2c"];
    let mut heads = Vec::new();
    heads.extend(targets.map(|target| odd(|head| head.target = Bytes::from_static(target))));
    heads.extend(methods.map(|method| odd(|head| head.method = Bytes::from_static(method))));
    heads.extend(fields.map(|(name, value)| field(name, value)));
    heads.extend(upgrades.map(|token| odd(|head| head.upgrade = Some(Bytes::from_static(token)))));
    heads.push(odd(|head| head.length = Some(1 << 63)));
    heads
}

#[test]
fn unsound_heads_neither_leave_nor_enter() {
    for head in unsound_requests() {
        let mut pair = Pair::new();
        let opened = pair.plugboard.open(http(head.clone()), true, pair.now);
        let offers_h2c = head.upgrade.as_deref().is_some_and(|offer| offer.ends_with(b"h2c"));
        let is_unannounced = offers_h2c || !head.target.is_ascii();
        let refused = if is_unannounced { HeadRefused::Unannounced } else { HeadRefused::Malformed };
        assert_eq!(opened, Err(OpenError::Head(refused)), "{head:?}");
        pair.opened(tcp(), false);

        let id = StreamId::new(4);
        let hostile = message(&[Frame::Open { id, grant: 0, end: true, opening: http(head.clone()) }]);
        pair.telephone.hear(hostile, pair.now);
        let found = misbehaviour(&mut pair.telephone, pair.now);
        assert_eq!(found, Some(Misbehaviour::FrameMalformed), "{head:?}");
    }
}

#[test]
fn sound_but_odd_heads_cross_as_they_are() {
    let heads = [
        odd(|head| head.target = Bytes::from_static(b"*")),
        odd(|head| head.method = Bytes::from_static(b"!#$%&'*+-.^_`|~09azAZ")),
        odd(|head| head.length = Some((1 << 63) - 1)),
        odd(|head| head.upgrade = Some(Bytes::from_static(b"websocket/13"))),
        field(b"x", b""),
        field(b"x", b"\t \x80\xff "),
    ];
    for head in heads {
        let mut pair = Pair::new();
        let opening = http(head);
        let id = pair.plugboard.open(opening.clone(), false, pair.now).expect("a sound head");
        pair.settle();
        let accepted = pair.telephone.accept().expect("a stream is accepted");
        assert_eq!((accepted.id, accepted.opening), (id, opening));
    }
}

#[test]
fn a_switch_of_protocols_that_nobody_asked_for_does_not_leave() {
    let mut pair = Pair::new();
    let id = pair.exchange();
    assert_eq!(pair.telephone.send(id).respond(response(101), false), Err(HeadRefused::Malformed));
    assert_eq!(said(&mut pair.telephone, pair.now), []);
}

#[test]
fn the_openers_direction_has_no_heads() {
    let mut pair = Pair::new();
    let id = pair.exchange();
    pair.plugboard.send(id).respond(response(200), true).expect("a head that fits");
    assert_eq!(said(&mut pair.plugboard, pair.now), []);
}

#[test]
fn a_burst_of_openings_meets_no_refusal_where_each_message_is_taken_up() {
    let mut pair = Pair::new();
    let count = SessionLimits::default().streams;
    for _ in 0..count {
        pair.plugboard.open(http(request("GET")), true, pair.now).expect("a slot");
    }
    let mut taken = 0;
    while let Some(message) = pair.plugboard.say(pair.now) {
        let opens = frames(&message).iter().filter(|frame| matches!(frame, Frame::Open { .. })).count();
        pair.telephone.hear(message, pair.now);
        let accepted = core::iter::from_fn(|| pair.telephone.accept()).count();
        assert_eq!(accepted, opens);
        taken += accepted as u64;
    }
    assert_eq!(taken, count);
}
