//! Frames of WebSockets that are in their handshake.

use telephone_core::limits::{HANDSHAKE_BYTES_MAX, HANDSHAKE_FRAMES_MAX};
use telephone_core::websocket::{FramingError, MessageType, Role, WebSocket, WebSocketEvent};

use super::whole;

/// The bit of a last frame.
const FIN: u8 = 0x80;
const CONTINUATION: u8 = 0;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// What came of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// A message of so many octets.
    Message(usize),
    /// Nothing yet: more is awaited, and so many octets of a message are held.
    Waits(usize),
    Closed,
    WrongType,
    Broken(FramingError),
}

/// Writes the frames of one end.
#[derive(Clone, Copy)]
struct Peer {
    is_masked: bool,
    /// The opcode of its messages, and the other one.
    data: u8,
    other: u8,
}

impl Peer {
    fn head(self, first: u8, payload: u64) -> Vec<u8> {
        let mask = if self.is_masked { 0x80 } else { 0 };
        let mut head = vec![first];
        match payload {
            0..126 => head.push(mask | payload as u8),
            126..65_536 => {
                head.push(mask | 126);
                head.extend((payload as u16).to_be_bytes());
            }
            _ => {
                head.push(mask | 127);
                head.extend(payload.to_be_bytes());
            }
        }
        if self.is_masked {
            head.extend([1, 2, 3, 4]);
        }
        head
    }

    fn frame(self, first: u8, payload: usize) -> Vec<u8> {
        self.begun(first, payload, payload)
    }

    /// A frame of which only so many octets of the payload come.
    fn begun(self, first: u8, payload: usize, sent: usize) -> Vec<u8> {
        let mut frame = self.head(first, payload as u64);
        let key = [1, 2, 3, 4];
        // The payload counts up, so that a wrong mask shows.
        frame.extend((0..sent).map(|at| at as u8 ^ if self.is_masked { key[at % 4] } else { 0 }));
        frame
    }

    /// A message in so many fragments of so many octets each.
    fn fragments(self, count: usize, size: usize) -> Vec<u8> {
        let fragment = |at: usize| {
            let opcode = if at == 0 { self.data } else { CONTINUATION };
            self.frame(if at + 1 == count { FIN | opcode } else { opcode }, size)
        };
        (0..count).flat_map(fragment).collect()
    }

    /// The second octet of a head whose length is that.
    fn second(self, length: u8) -> u8 {
        length | if self.is_masked { 0x80 } else { 0 }
    }
}

type Row = (&'static str, fn(Peer) -> Vec<u8>, Verdict);

const MAX: usize = HANDSHAKE_BYTES_MAX;
const FRAMES: usize = HANDSHAKE_FRAMES_MAX as usize;

/// What is read as it should be.
const SOUND: &[Row] = &[
    ("nothing", |_| Vec::new(), Verdict::Waits(0)),
    ("half a head", |p| p.head(FIN | p.data, 200)[..3].to_vec(), Verdict::Waits(0)),
    ("a head alone", |p| p.head(FIN | p.data, 200), Verdict::Waits(0)),
    ("an empty message", |p| p.frame(FIN | p.data, 0), Verdict::Message(0)),
    ("a short message", |p| p.frame(FIN | p.data, 125), Verdict::Message(125)),
    ("a message of 126", |p| p.frame(FIN | p.data, 126), Verdict::Message(126)),
    ("the longest message", |p| p.frame(FIN | p.data, MAX), Verdict::Message(MAX)),
    ("all but one octet of it", |p| p.begun(FIN | p.data, MAX, MAX - 1), Verdict::Waits(MAX - 1)),
    ("one octet of it", |p| p.begun(FIN | p.data, MAX, 1), Verdict::Waits(1)),
    ("two fragments", |p| p.fragments(2, 100), Verdict::Message(200)),
    ("the longest message in fragments", |p| p.fragments(16, MAX / 16), Verdict::Message(MAX)),
    ("as many fragments as may be", |p| p.fragments(FRAMES, 10), Verdict::Message(10 * FRAMES)),
    ("a first fragment", |p| p.frame(p.data, 100), Verdict::Waits(100)),
    ("a first fragment without octets", |p| p.frame(p.data, 0), Verdict::Waits(0)),
    ("half a second fragment", |p| [p.frame(p.data, 9), p.begun(FIN, 9, 4)].concat(), Verdict::Waits(13)),
    ("a ping", |p| p.frame(FIN | PING, 4), Verdict::Waits(0)),
    ("a ping of 125", |p| p.frame(FIN | PING, 125), Verdict::Waits(0)),
    ("half a ping", |p| p.begun(FIN | PING, 125, 60), Verdict::Waits(0)),
    ("a pong that nobody asked for", |p| p.frame(FIN | PONG, 4), Verdict::Waits(0)),
    (
        "a ping, then a message",
        |p| [p.frame(FIN | PING, 4), p.frame(FIN | p.data, 5)].concat(),
        Verdict::Message(5),
    ),
    (
        "a ping between fragments",
        |p| [p.frame(p.data, 3), p.frame(FIN | PING, 4), p.frame(FIN, 2)].concat(),
        Verdict::Message(5),
    ),
    ("as many pings as may be", |p| p.frame(FIN | PING, 125).repeat(FRAMES), Verdict::Waits(0)),
    ("a close without a code", |p| p.frame(FIN | CLOSE, 0), Verdict::Closed),
    ("a close of one octet", |p| p.frame(FIN | CLOSE, 1), Verdict::Closed),
    ("a close with a code", |p| p.frame(FIN | CLOSE, 2), Verdict::Closed),
    ("a close with a long reason", |p| p.frame(FIN | CLOSE, 125), Verdict::Closed),
    ("half a close", |p| p.begun(FIN | CLOSE, 125, 2), Verdict::Waits(0)),
    (
        "a close between fragments",
        |p| [p.frame(p.data, 3), p.frame(FIN | CLOSE, 2)].concat(),
        Verdict::Closed,
    ),
    (
        "a close, then a message",
        |p| [p.frame(FIN | CLOSE, 2), p.frame(FIN | p.data, 5)].concat(),
        Verdict::Closed,
    ),
];

use FramingError as F;

/// What breaks a rule.
const BROKEN: &[Row] = &[
    ("RSV1", |p| p.frame(FIN | 0x40 | p.data, 5), Verdict::Broken(F::Reserved)),
    ("RSV2", |p| p.frame(FIN | 0x20 | p.data, 5), Verdict::Broken(F::Reserved)),
    ("RSV3", |p| p.frame(FIN | 0x10 | p.data, 5), Verdict::Broken(F::Reserved)),
    ("RSV1 on a ping", |p| p.frame(FIN | 0x40 | PING, 5), Verdict::Broken(F::Reserved)),
    ("RSV1 on a continuation", |p| p.frame(FIN | 0x40, 5), Verdict::Broken(F::Reserved)),
    ("opcode 3", |p| p.frame(FIN | 3, 5), Verdict::Broken(F::Reserved)),
    ("opcode 7", |p| p.frame(FIN | 7, 5), Verdict::Broken(F::Reserved)),
    ("opcode 11", |p| p.frame(FIN | 11, 5), Verdict::Broken(F::Reserved)),
    ("opcode 15", |p| p.frame(FIN | 15, 5), Verdict::Broken(F::Reserved)),
    ("opcode 3, two octets of it", |p| p.frame(FIN | 3, 5)[..2].to_vec(), Verdict::Broken(F::Reserved)),
    ("a length of 125 in 16 bits", |p| vec![FIN | p.data, p.second(126), 0, 125], Verdict::Broken(F::Length)),
    ("a length of 0 in 16 bits", |p| vec![FIN | p.data, p.second(126), 0, 0], Verdict::Broken(F::Length)),
    (
        "a length of 65535 in 64 bits",
        |p| [&[FIN | p.data, p.second(127)][..], &65_535_u64.to_be_bytes()].concat(),
        Verdict::Broken(F::Length),
    ),
    (
        "a length of 5 in 64 bits",
        |p| [&[FIN | p.data, p.second(127)][..], &5_u64.to_be_bytes()].concat(),
        Verdict::Broken(F::Length),
    ),
    (
        "a length of 64 bits",
        |p| [&[FIN | p.data, p.second(127)][..], &[0xFF; 8]].concat(),
        Verdict::Broken(F::Length),
    ),
    (
        "the wrong end's mask",
        |p| Peer { is_masked: !p.is_masked, ..p }.frame(FIN | p.data, 5),
        Verdict::Broken(F::Mask),
    ),
    (
        "the wrong end's mask on a ping",
        |p| Peer { is_masked: !p.is_masked, ..p }.frame(FIN | PING, 5),
        Verdict::Broken(F::Mask),
    ),
    (
        "the wrong end's mask on a later frame",
        |p| [p.frame(p.data, 5), Peer { is_masked: !p.is_masked, ..p }.frame(FIN, 5)].concat(),
        Verdict::Broken(F::Mask),
    ),
    ("a ping of 126", |p| p.frame(FIN | PING, 126), Verdict::Broken(F::Control)),
    ("a ping of 128 KiB", |p| p.head(FIN | PING, 131_072), Verdict::Broken(F::Control)),
    ("a ping in fragments", |p| p.frame(PING, 5), Verdict::Broken(F::Control)),
    ("a pong of 126", |p| p.frame(FIN | PONG, 126), Verdict::Broken(F::Control)),
    ("a pong in fragments", |p| p.frame(PONG, 5), Verdict::Broken(F::Control)),
    ("a close of 126", |p| p.frame(FIN | CLOSE, 126), Verdict::Broken(F::Control)),
    ("a close in fragments", |p| p.frame(CLOSE, 2), Verdict::Broken(F::Control)),
    ("a continuation of nothing", |p| p.frame(FIN, 5), Verdict::Broken(F::Fragment)),
    ("a fragment of nothing", |p| p.frame(CONTINUATION, 5), Verdict::Broken(F::Fragment)),
    (
        "a message inside another one",
        |p| [p.frame(p.data, 5), p.frame(FIN | p.data, 5)].concat(),
        Verdict::Broken(F::Fragment),
    ),
    (
        "a fragment that begins another one",
        |p| [p.frame(p.data, 5), p.frame(p.data, 5)].concat(),
        Verdict::Broken(F::Fragment),
    ),
    ("a message past the longest", |p| p.head(FIN | p.data, MAX as u64 + 1), Verdict::Broken(F::TooLong)),
    ("a session's longest binary message", |p| p.head(FIN | p.data, 65_536), Verdict::Broken(F::TooLong)),
    ("a session's longest text message", |p| p.head(FIN | p.data, 131_072), Verdict::Broken(F::TooLong)),
    ("a message of 2^63-1", |p| p.head(FIN | p.data, i64::MAX as u64), Verdict::Broken(F::TooLong)),
    ("a first fragment past the longest", |p| p.head(p.data, MAX as u64 + 1), Verdict::Broken(F::TooLong)),
    (
        "fragments past the longest",
        |p| [p.frame(p.data, MAX), p.frame(FIN, 1)].concat(),
        Verdict::Broken(F::TooLong),
    ),
    ("fragments without end", |p| p.fragments(40, 1_000), Verdict::Broken(F::TooLong)),
    (
        "a late fragment of 2^62",
        |p| [p.frame(p.data, 1), p.head(FIN, 1 << 62)].concat(),
        Verdict::Broken(F::TooLong),
    ),
    ("one fragment too many", |p| p.fragments(FRAMES + 1, 1), Verdict::Broken(F::TooManyFrames)),
    (
        "a million empty fragments",
        |p| [p.frame(p.data, 0), p.frame(CONTINUATION, 0).repeat(1_000_000)].concat(),
        Verdict::Broken(F::TooManyFrames),
    ),
    ("one ping too many", |p| p.frame(FIN | PING, 0).repeat(FRAMES + 1), Verdict::Broken(F::TooManyFrames)),
    ("a flood of pongs", |p| p.frame(FIN | PONG, 125).repeat(10_000), Verdict::Broken(F::TooManyFrames)),
    (
        "pings between fragments, too many",
        |p| [p.frame(p.data, 1), p.frame(FIN | PING, 1).repeat(FRAMES)].concat(),
        Verdict::Broken(F::TooManyFrames),
    ),
    ("a message of the other type", |p| p.frame(FIN | p.other, 5), Verdict::WrongType),
    ("the head of one", |p| p.head(FIN | p.other, 5), Verdict::WrongType),
    ("a fragment of the other type", |p| p.frame(p.other, 5), Verdict::WrongType),
    (
        "a ping, then the other type",
        |p| [p.frame(FIN | PING, 1), p.frame(FIN | p.other, 5)].concat(),
        Verdict::WrongType,
    ),
];

/// Both ends, with messages of both types.
fn ends() -> impl Iterator<Item = (WebSocket, Peer)> {
    [MessageType::Binary, MessageType::Text].into_iter().flat_map(|kind| {
        let (data, other) = if kind == MessageType::Binary { (2, 1) } else { (1, 2) };
        [true, false].into_iter().map(move |is_server| {
            let role = if is_server { Role::Server } else { Role::Client(Box::new(|| [9, 8, 7, 6])) };
            (WebSocket::in_handshake(role, kind), Peer { is_masked: is_server, data, other })
        })
    })
}

/// What comes of `bytes` in such pieces, and that nothing beyond a handshake's need is held on the way.
fn verdict(socket: &mut WebSocket, bytes: &[u8], piece: usize) -> Verdict {
    let mut input = whole(&[]);
    for piece in bytes.chunks(piece.max(1)) {
        input.extend_from_slice(piece);
        let event = socket.poll_event(&mut input);
        assert!(socket.buffered() <= MAX, "{} octets of a message", socket.buffered());
        assert!(socket.output().len() <= 14 + 125, "{} octets to say", socket.output().len());
        match event {
            // A head of 14 octets, or a control frame but for its last one.
            None => assert!(input.len() < 14 + 125, "{} octets wait", input.len()),
            Some(WebSocketEvent::Message(message)) => {
                return Verdict::Message(message.len());
            }
            Some(WebSocketEvent::Closed) => return Verdict::Closed,
            Some(WebSocketEvent::WrongType) => return Verdict::WrongType,
            Some(WebSocketEvent::Broken(error)) => {
                assert_eq!(socket.poll_event(&mut whole(&[0; 100])), None, "nothing is read after a breach");
                return Verdict::Broken(error);
            }
        }
    }
    Verdict::Waits(socket.buffered())
}

#[test]
fn each_frame_of_a_stranger_has_its_verdict_at_either_end_whole_and_byte_by_byte() {
    assert!(SOUND.len() + BROKEN.len() >= 70, "{} rows", SOUND.len() + BROKEN.len());
    for (name, bytes, expected) in SOUND.iter().chain(BROKEN) {
        for piece in [usize::MAX, 1, 7, 4_096] {
            for (mut socket, peer) in ends() {
                let bytes = bytes(peer);
                assert_eq!(
                    verdict(&mut socket, &bytes, piece),
                    *expected,
                    "{name} in pieces of {piece}, {socket:?}"
                );
            }
        }
    }
}

#[test]
fn a_message_that_comes_in_pieces_of_any_size_is_unmasked_as_a_whole() {
    for (_, peer) in ends() {
        let bytes = peer.frame(FIN | peer.data, 250);
        for piece in 1..40 {
            for (mut socket, other) in ends() {
                if (other.is_masked, other.data) != (peer.is_masked, peer.data) {
                    continue;
                }
                let mut input = whole(&[]);
                let messages: Vec<_> = bytes
                    .chunks(piece)
                    .filter_map(|piece| {
                        input.extend_from_slice(piece);
                        socket.poll_event(&mut input)
                    })
                    .collect();
                let expected: Vec<u8> = (0..250).collect();
                assert_eq!(messages, [WebSocketEvent::Message(expected.into())]);
            }
        }
    }
}

#[test]
fn after_the_handshake_larger_messages_and_more_frames_are_taken() {
    for (mut socket, peer) in ends() {
        let mut input = whole(&peer.frame(FIN | peer.data, 10));
        assert!(matches!(socket.poll_event(&mut input), Some(WebSocketEvent::Message(_))));
        socket.establish(65_536);
        let pings = peer.frame(FIN | PING, 5).repeat(1_000);
        let mut input = whole(&[pings, peer.frame(FIN | peer.data, 65_536)].concat());
        let Some(WebSocketEvent::Message(message)) = socket.poll_event(&mut input) else {
            panic!("no message")
        };
        assert_eq!(message.len(), 65_536);
        let mut input = whole(&peer.head(FIN | peer.data, 65_537));
        assert_eq!(socket.poll_event(&mut input), Some(WebSocketEvent::Broken(F::TooLong)));
    }
}
