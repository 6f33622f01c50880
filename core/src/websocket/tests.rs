use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use std::io::{Cursor, Read, Write};

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;
use tungstenite::protocol::{Role as TheirRole, WebSocketConfig};
use tungstenite::{Message, WebSocket as Theirs};

use super::head::{self, Kind};
use super::{FramingError, LARGE_BYTES, MessageType, Role, WebSocket, WebSocketEvent};
use crate::limits::HANDSHAKE_BYTES_MAX;
use crate::random::Random;

const BYTES_MAX: usize = 64 * 1024;

fn client() -> WebSocket {
    let mut random = Random::new(7);
    let keys = move || (random.next_u64() as u32).to_be_bytes();
    WebSocket::new(Role::Client(Box::new(keys)), MessageType::Binary, BYTES_MAX)
}

fn server() -> WebSocket {
    WebSocket::new(Role::Server, MessageType::Binary, BYTES_MAX)
}

/// Everything that waits to be written.
fn taken(one: &mut WebSocket) -> Vec<u8> {
    let octets = one.output().slices().flatten().copied().collect();
    one.output().clear();
    octets
}

/// What comes of octets that arrive at once.
fn events(one: &mut WebSocket, octets: &[u8]) -> Vec<WebSocketEvent> {
    let mut input = BytesMut::from(octets);
    core::iter::from_fn(|| one.poll_event(&mut input)).take(1000).collect()
}

fn message(octets: &[u8]) -> WebSocketEvent {
    WebSocketEvent::Message(Bytes::copy_from_slice(octets))
}

/// A socket of which one direction was recorded and the other one is being.
struct Tape {
    read: Cursor<Vec<u8>>,
    written: Vec<u8>,
}

impl Read for Tape {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.read.read(buffer)
    }
}

impl Write for Tape {
    fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
        self.written.write(octets)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// tungstenite at the other end, which has been sent `octets`.
fn theirs(role: TheirRole, octets: Vec<u8>) -> Theirs<Tape> {
    let tape = Tape { read: Cursor::new(octets), written: Vec::new() };
    let config = WebSocketConfig::default().max_message_size(Some(BYTES_MAX));
    Theirs::from_raw_socket(tape, role, Some(config))
}

/// Sizes around every boundary: of the head's three forms, of a masking step, of a copied block.
fn any_payload() -> impl Strategy<Value = Vec<u8>> {
    let size = prop_oneof![0_usize..300, Just(125), Just(126), 4090_usize..4110, 65_530_usize..=BYTES_MAX,];
    (size, any::<u8>())
        .prop_map(|(size, first)| (0..size).map(|place| first.wrapping_add(place as u8)).collect())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn tungstenite_reads_what_is_sent(payloads in proptest::collection::vec(any_payload(), 1..5)) {
        for (mut ours, role) in [(client(), TheirRole::Server), (server(), TheirRole::Client)] {
            for payload in &payloads {
                ours.send(Bytes::from(payload.clone()));
            }
            let mut theirs = theirs(role, taken(&mut ours));
            for payload in &payloads {
                let read = theirs.read().unwrap();
                prop_assert_eq!(read, Message::binary(payload.clone()));
            }
        }
    }

    #[test]
    fn what_tungstenite_sends_is_read_in_whatever_pieces_it_comes(
        payloads in proptest::collection::vec(any_payload(), 1..5),
        piece in prop_oneof![1_usize..20, 1000_usize..100_000],
    ) {
        for (mut ours, role) in [(client(), TheirRole::Server), (server(), TheirRole::Client)] {
            let mut theirs = theirs(role, Vec::new());
            for payload in &payloads {
                theirs.send(Message::Ping(Bytes::from_static(b"are you there"))).unwrap();
                theirs.send(Message::binary(payload.clone())).unwrap();
            }
            let (mut input, mut got) = (BytesMut::new(), Vec::new());
            for octets in theirs.get_ref().written.chunks(piece) {
                input.extend_from_slice(octets);
                got.extend(core::iter::from_fn(|| ours.poll_event(&mut input)));
                prop_assert!(ours.lacks(&input) <= BYTES_MAX);
            }
            prop_assert_eq!(got, payloads.iter().map(|octets| message(octets)).collect::<Vec<_>>());
            prop_assert!(input.is_empty());
        }
    }

    #[test]
    fn no_octets_make_it_panic_or_go_on_after_the_end(
        octets in proptest::collection::vec(any::<u8>(), 0..200),
        piece in 1_usize..200,
    ) {
        for mut ours in [client(), server()] {
            let mut input = BytesMut::new();
            let mut is_over = false;
            for piece in octets.chunks(piece) {
                input.extend_from_slice(piece);
                for _ in 0..1000 {
                    let Some(event) = ours.poll_event(&mut input) else { break };
                    prop_assert!(!is_over);
                    is_over = !matches!(event, WebSocketEvent::Message(_));
                }
            }
        }
    }
}

#[test]
fn a_message_in_fragments_is_whole_again_and_a_ping_may_stand_between_them() {
    // The example of RFC 6455 §5.7, as binary.
    let octets = [0x02, 3, b'H', b'e', b'l', 0x89, 1, b'?', 0x80, 2, b'l', b'o'];
    let mut ours = client();
    assert_eq!(events(&mut ours, &octets), [message(b"Hello")]);
    let mut theirs = theirs(TheirRole::Server, taken(&mut ours));
    assert_eq!(theirs.read().unwrap(), Message::Pong(Bytes::from_static(b"?")));
}

#[test]
fn only_the_latest_of_many_pings_is_answered() {
    let mut ours = client();
    let pings: Vec<u8> = (0..100).flat_map(|number| [0x89, 1, number]).collect();
    assert_eq!(events(&mut ours, &pings), []);
    let mut theirs = theirs(TheirRole::Server, taken(&mut ours));
    assert_eq!(theirs.read().unwrap(), Message::Pong(Bytes::from_static(&[99])));
    assert!(theirs.read().is_err());
}

#[test]
fn each_rule_of_the_framing_is_held_against_its_breaker() {
    let long = |octets: u64| [&[0x82, 127][..], &octets.to_be_bytes()].concat();
    let rows: &[(&[u8], FramingError)] = &[
        (&[0xC2, 0], FramingError::Reserved),
        (&[0x83, 0], FramingError::Reserved),
        (&[0x8B, 0], FramingError::Reserved),
        (&[0x82, 126, 0, 125], FramingError::Length),
        (&long(65_535), FramingError::Length),
        (&long(1 << 63), FramingError::Length),
        (&[0x82, 0x80, 1, 2, 3, 4], FramingError::Mask),
        (&[0x09, 0], FramingError::Control),
        (&[0x89, 126, 0, 126], FramingError::Control),
        (&[0x80, 0], FramingError::Fragment),
        (&[0x02, 0, 0x82, 0], FramingError::Fragment),
        (&long(65_537), FramingError::TooLong),
        (&[&[0x02, 1, 0][..], &[0x80, 127], &65_536_u64.to_be_bytes()].concat(), FramingError::TooLong),
    ];
    for (octets, error) in rows {
        let mut ours = client();
        assert_eq!(events(&mut ours, octets), [WebSocketEvent::Broken(*error)], "{octets:?}");
        ours.send(Bytes::from_static(b"too late"));
        let mut theirs = theirs(TheirRole::Server, taken(&mut ours));
        let Message::Close(Some(frame)) = theirs.read().unwrap() else { panic!("no close frame") };
        assert_eq!(u16::from(frame.code), error.close_code());
    }
    let unmasked = [0x82, 0];
    assert_eq!(events(&mut server(), &unmasked), [WebSocketEvent::Broken(FramingError::Mask)]);
}

#[test]
fn nothing_is_kept_of_what_comes_behind_the_end() {
    let mut ours = client();
    assert_eq!(events(&mut ours, &[0x81, 100]), [WebSocketEvent::WrongType]);
    let mut input = BytesMut::from(&[7; 1000][..]);
    assert_eq!(ours.poll_event(&mut input), None);
    assert!(input.is_empty());
}

#[test]
fn a_small_message_does_not_pin_the_buffer_that_it_came_in() {
    let mut input = BytesMut::with_capacity(64 * 1024);
    input.extend_from_slice(&[0x82, 3, 1, 2, 3, 0x82]);
    let place = input.as_ptr().addr();
    let Some(WebSocketEvent::Message(octets)) = client().poll_event(&mut input) else { panic!("no message") };
    assert!(!(place..place + 64 * 1024).contains(&octets.as_ptr().addr()));
}

#[test]
fn what_came_of_a_hello_takes_no_more_room_than_a_hello_may_have() {
    for piece in [1_000, 5_000, 9_000, 15_000, HANDSHAKE_BYTES_MAX - 1] {
        let mut server = WebSocket::in_handshake(Role::Server, MessageType::Binary);
        let mut hello = Vec::new();
        head::write(Kind::Binary, HANDSHAKE_BYTES_MAX, Some([0; 4]), |bytes| hello.extend_from_slice(bytes));
        hello.resize(hello.len() + HANDSHAKE_BYTES_MAX - 1, 0);
        for piece in hello.chunks(piece) {
            assert_eq!(server.poll_event(&mut BytesMut::from(piece)), None);
        }
        let room = server.fragments.as_ref().map_or(0, BytesMut::capacity);
        assert_eq!(server.buffered(), HANDSHAKE_BYTES_MAX - 1);
        assert!(room <= HANDSHAKE_BYTES_MAX, "{room} bytes for pieces of {piece}");
    }
}

#[test]
fn the_room_of_a_large_frame_is_used_again_until_a_small_one_comes() {
    let mut ours = client();
    let mut has_room_after = |size: usize, is_out: bool| {
        ours.send(vec![7; size].into());
        if is_out {
            ours.output().clear();
        }
        ours.room.try_reclaim(LARGE_BYTES)
    };
    assert!(has_room_after(LARGE_BYTES, true));
    // What is still on its way cannot be written over.
    assert!(!has_room_after(LARGE_BYTES, false));
    assert!(has_room_after(LARGE_BYTES, true));
    assert!(!has_room_after(LARGE_BYTES - 1, true));
}

#[test]
fn a_message_that_fills_a_quarter_of_its_buffer_is_kept_where_it_came() {
    for (payload, is_copied) in [(1023_u16, true), (1024, false), (1025, false)] {
        let mut input = BytesMut::with_capacity(4096);
        assert_eq!(input.capacity(), 4096);
        input.extend_from_slice(
            &[&[0x82, 126][..], &payload.to_be_bytes(), &vec![7; payload.into()]].concat(),
        );
        let place = input.as_ptr().addr();
        let Some(WebSocketEvent::Message(octets)) = client().poll_event(&mut input) else {
            panic!("no message")
        };
        assert_eq!(!(place..place + 4096).contains(&octets.as_ptr().addr()), is_copied, "{payload}");
    }
}

#[test]
fn what_is_lacking_of_a_frame_is_known_from_its_head_on() {
    let frame = [&[0x82, 10][..], &[7; 10]].concat();
    let lacking: Vec<usize> = (0..=frame.len()).map(|count| client().lacks(&frame[..count])).collect();
    assert_eq!(lacking, [0, 0, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0]);
    assert_eq!(client().lacks(&[frame.clone(), frame].concat()), 0);
    let giant = [&[0x82, 127][..], &u64::from(u32::MAX).to_be_bytes()].concat();
    assert_eq!(client().lacks(&giant), BYTES_MAX);
}

#[test]
fn a_pong_that_nobody_asked_for_is_passed_over() {
    assert_eq!(events(&mut client(), &[0x8A, 1, 7, 0x82, 1, 9]), [message(&[9])]);
}

#[test]
fn a_control_frame_holds_125_octets_at_the_most() {
    let mut ours = client();
    assert_eq!(events(&mut ours, &[&[0x89, 125][..], &[7; 125]].concat()), []);
    let pong = taken(&mut ours);
    assert_eq!((pong.len(), &pong[..2]), (6 + 125, &[0x8A, 0x80 | 125][..]));
    let longer = [&[0x89, 126, 0, 126][..], &[7; 126]].concat();
    assert_eq!(events(&mut ours, &longer), [WebSocketEvent::Broken(FramingError::Control)]);
}

#[test]
fn a_message_of_the_other_type_is_told_at_its_head() {
    assert_eq!(events(&mut client(), &[0x81, 100]), [WebSocketEvent::WrongType]);
    let mut ours = WebSocket::new(Role::Server, MessageType::Text, BYTES_MAX);
    assert_eq!(events(&mut ours, &[0x82, 0x80 | 100, 0, 0, 0, 0]), [WebSocketEvent::WrongType]);
}

#[test]
fn text_goes_out_and_comes_in_as_text_also_in_fragments() {
    let mut ours = WebSocket::new(Role::Server, MessageType::Text, BYTES_MAX);
    ours.send(Bytes::from_static("é".as_bytes()));
    let mut theirs = theirs(TheirRole::Client, taken(&mut ours));
    assert_eq!(theirs.read().unwrap(), Message::Text("é".into()));
    let halves = [0x01, 0x81, 0, 0, 0, 0, b'a', 0x80, 0x81, 0, 0, 0, 0, b'b'];
    assert_eq!(events(&mut ours, &halves), [message(b"ab")]);
}

#[test]
fn a_close_is_told_answered_once_and_the_end() {
    let mut ours = server();
    let mut theirs = theirs(TheirRole::Client, Vec::new());
    theirs.close(None).unwrap();
    theirs.flush().unwrap();
    let octets = [theirs.get_ref().written.clone(), vec![0x82, 0x80, 0, 0, 0, 0]].concat();
    assert_eq!(events(&mut ours, &octets), [WebSocketEvent::Closed]);
    ours.close(1000);
    assert_eq!(taken(&mut ours), [0x88, 0]);
}
