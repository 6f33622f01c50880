//! Messages of the binary profile.

use telephone_core::error::Misbehaviour as M;
use telephone_core::wire::Profile;

use super::End::{Plugboard, Telephone};
use super::{Row, hold};

fn varint(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

fn text(text: &[u8]) -> Vec<u8> {
    [varint(text.len() as u64), text.to_vec()].concat()
}

/// A message with an acknowledgement of 0 and one frame.
fn message(kind: u64, body: &[u8]) -> Vec<u8> {
    [vec![0], frame(kind, body)].concat()
}

fn frame(kind: u64, body: &[u8]) -> Vec<u8> {
    [varint(kind), varint(body.len() as u64), body.to_vec()].concat()
}

/// The fields of a hello, in their order.
fn fields() -> [Vec<u8>; 7] {
    [text(b"a.b.c"), [vec![1], text(b"/api")].concat(), text(b"one"), vec![5], text(b""), vec![0], vec![0]]
}

fn hello() -> Vec<u8> {
    fields().concat()
}

/// A hello with another field in the place of one.
fn with(place: usize, field: Vec<u8>) -> Vec<u8> {
    let mut fields = fields();
    fields[place] = field;
    message(0, &fields.concat())
}

/// The fields of a welcome, in their order.
fn welcome() -> Vec<u8> {
    [vec![1], vec![9; 16], vec![0, 0, 0, 1, 0, 0]].concat()
}

fn list(count: usize, item: &[u8]) -> Vec<u8> {
    [varint(count as u64), item.repeat(count)].concat()
}

const OVER_LONG: &[u8] = &[0x80, 0x00];
const HUGE: &[u8] = &[0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01];

fn to_the_plugboard() -> Vec<Row> {
    let two_hellos = [message(0, &hello()), frame(0, &hello())].concat();
    let resume = |secret: usize| [vec![1, 7], vec![6; secret], vec![3]].concat();
    vec![
        ("a hello", Plugboard, message(0, &hello()), Ok("hello")),
        ("a hello to go on", Plugboard, with(6, resume(16)), Ok("hello")),
        ("64 mounts", Plugboard, with(1, list(64, &text(b"/"))), Ok("hello")),
        ("a token of 8 KiB", Plugboard, with(0, text(&[b't'; 8192])), Ok("hello")),
        ("64 settings", Plugboard, with(5, list(64, &[99, 1])), Ok("hello")),
        ("no mount", Plugboard, with(1, vec![0]), Ok("hello")),
        ("nothing", Plugboard, vec![], Err(M::FrameTruncated)),
        ("no frame", Plugboard, vec![0], Err(M::MessageSize)),
        ("an acknowledgement", Plugboard, [&[1][..], &message(0, &hello())[1..]].concat(), Err(M::AckAhead)),
        (
            "an over-long acknowledgement",
            Plugboard,
            [OVER_LONG, &message(0, &hello())[1..]].concat(),
            Err(M::VarintNotCanonical),
        ),
        (
            "an acknowledgement of 2^64-1",
            Plugboard,
            [HUGE, &message(0, &hello())[1..]].concat(),
            Err(M::AckAhead),
        ),
        ("two hellos", Plugboard, two_hellos, Err(M::FrameOutOfPlace)),
        (
            "a ping behind a hello",
            Plugboard,
            [message(0, &hello()), frame(11, &[1])].concat(),
            Err(M::FrameOutOfPlace),
        ),
        (
            "a ping ahead of a hello",
            Plugboard,
            [message(11, &[1]), frame(0, &hello())].concat(),
            Err(M::FrameOutOfPlace),
        ),
        (
            "a frame to skip ahead of a hello",
            Plugboard,
            [message(99, &[1]), frame(0, &hello())].concat(),
            Err(M::FrameOutOfPlace),
        ),
        ("a frame to skip", Plugboard, message(99, &[1]), Err(M::FrameOutOfPlace)),
        ("an unknown critical frame", Plugboard, message(63, &[]), Err(M::UnknownFrame)),
        ("a welcome", Plugboard, message(1, &welcome()), Err(M::FrameOutOfPlace)),
        ("a refusal", Plugboard, message(2, &[4, 0, 0]), Err(M::FrameOutOfPlace)),
        ("a ping", Plugboard, message(11, &[1]), Err(M::FrameOutOfPlace)),
        ("an ack", Plugboard, message(13, &[]), Err(M::FrameOutOfPlace)),
        ("a leave", Plugboard, message(14, &[0, 0]), Err(M::FrameOutOfPlace)),
        ("a renewal", Plugboard, message(15, b"a.b.c"), Err(M::FrameOutOfPlace)),
        ("data", Plugboard, message(5, &[2, 1, 1]), Err(M::FrameOutOfPlace)),
        ("credit", Plugboard, message(9, &[2, 100]), Err(M::FrameOutOfPlace)),
        ("a question for numbers", Plugboard, message(64, &[0]), Err(M::FrameOutOfPlace)),
        ("a hello of no octets", Plugboard, message(0, &[]), Err(M::FrameMalformed)),
        (
            "a hello without its last octet",
            Plugboard,
            message(0, &hello()[..hello().len() - 1]),
            Err(M::FrameMalformed),
        ),
        (
            "octets behind a hello",
            Plugboard,
            message(0, &[hello(), vec![0]].concat()),
            Err(M::FrameMalformed),
        ),
        (
            "a frame past its message",
            Plugboard,
            [&[0, 0][..], &varint(500), &hello()].concat(),
            Err(M::FrameTruncated),
        ),
        (
            "a frame of 2^64-1 octets",
            Plugboard,
            [&[0, 0][..], HUGE, &hello()].concat(),
            Err(M::FrameTruncated),
        ),
        (
            "an over-long frame length",
            Plugboard,
            [&[0, 0][..], OVER_LONG].concat(),
            Err(M::VarintNotCanonical),
        ),
        (
            "an over-long frame type",
            Plugboard,
            [&[0][..], OVER_LONG, &[0]].concat(),
            Err(M::VarintNotCanonical),
        ),
        ("a type alone", Plugboard, vec![0, 0], Err(M::FrameTruncated)),
        (
            "a token past the frame",
            Plugboard,
            message(0, &[varint(500), b"a.b.c".to_vec()].concat()),
            Err(M::FrameMalformed),
        ),
        (
            "a token of 2^64-1 octets",
            Plugboard,
            message(0, &[HUGE, b"a.b.c"].concat()),
            Err(M::FrameMalformed),
        ),
        ("a token that is no UTF-8", Plugboard, with(0, text(b"a\xFF")), Err(M::FrameMalformed)),
        ("65 mounts", Plugboard, with(1, list(65, &text(b"/"))), Err(M::FrameMalformed)),
        ("2^64-1 mounts", Plugboard, with(1, HUGE.to_vec()), Err(M::FrameMalformed)),
        ("an over-long count of mounts", Plugboard, with(1, OVER_LONG.to_vec()), Err(M::FrameMalformed)),
        (
            "a mount that is no UTF-8",
            Plugboard,
            with(1, list(1, &text(b"/\xC0\x80"))),
            Err(M::FrameMalformed),
        ),
        ("an instance that is no UTF-8", Plugboard, with(2, text(b"\xED\xA0\x80")), Err(M::FrameMalformed)),
        ("an epoch of 65 bits", Plugboard, with(3, [&[0xFF; 9][..], &[2]].concat()), Err(M::FrameMalformed)),
        ("an over-long epoch", Plugboard, with(3, OVER_LONG.to_vec()), Err(M::FrameMalformed)),
        ("65 settings", Plugboard, with(5, list(65, &[99, 1])), Err(M::FrameMalformed)),
        ("2^64-1 settings", Plugboard, with(5, HUGE.to_vec()), Err(M::FrameMalformed)),
        ("half a setting", Plugboard, with(5, vec![1, 99]), Err(M::FrameMalformed)),
        ("a resume that is neither", Plugboard, with(6, vec![2]), Err(M::FrameMalformed)),
        ("a resume secret of 15 octets", Plugboard, with(6, resume(15)), Err(M::FrameMalformed)),
        ("a resume secret of 17 octets", Plugboard, with(6, resume(17)), Err(M::FrameMalformed)),
        ("a message past 16 KiB", Plugboard, with(0, text(&[b't'; 16_384])), Err(M::MessageSize)),
        ("zeros past 16 KiB", Plugboard, vec![0; 16_385], Err(M::MessageSize)),
        ("16 KiB of zeros", Plugboard, vec![0; 16_384], Err(M::FrameMalformed)),
    ]
}

fn to_the_telephone() -> Vec<Row> {
    vec![
        ("a welcome", Telephone, message(1, &welcome()), Ok("welcome")),
        ("a refusal", Telephone, message(2, &[4, 2, b'n', b'o', 0]), Ok("refused")),
        (
            "a refusal of an unknown code",
            Telephone,
            message(2, &[&varint(1 << 40)[..], &[0, 0]].concat()),
            Ok("refused"),
        ),
        ("a hello", Telephone, message(0, &hello()), Err(M::FrameOutOfPlace)),
        (
            "a welcome and a frame of its session",
            Telephone,
            [message(1, &welcome()), frame(11, &[1])].concat(),
            Err(M::FrameOutOfPlace),
        ),
        (
            "a welcome that acknowledges",
            Telephone,
            [&[3][..], &message(1, &welcome())[1..]].concat(),
            Err(M::AckAhead),
        ),
        ("half an open", Telephone, message(3, &[2, 0, 0, 0]), Err(M::FrameTruncated)),
        ("a move", Telephone, message(65, &[0]), Err(M::FrameOutOfPlace)),
        ("nothing", Telephone, vec![], Err(M::FrameTruncated)),
        ("a welcome without a secret", Telephone, message(1, &[1]), Err(M::FrameMalformed)),
        (
            "a welcome with octets behind",
            Telephone,
            message(1, &[welcome(), vec![0]].concat()),
            Err(M::FrameMalformed),
        ),
        (
            "a refusal with a reason past its frame",
            Telephone,
            message(2, &[4, 200, b'n', 0]),
            Err(M::FrameMalformed),
        ),
        (
            "a refusal whose reason is no UTF-8",
            Telephone,
            message(2, &[4, 1, 0xFF, 0]),
            Err(M::FrameMalformed),
        ),
        (
            "a welcome past 16 KiB",
            Telephone,
            message(2, &[&[4][..], &text(&[b'n'; 16_384]), &[0]].concat()),
            Err(M::MessageSize),
        ),
    ]
}

#[test]
fn each_binary_message_of_a_stranger_has_its_verdict() {
    hold(Profile::Binary, [to_the_plugboard(), to_the_telephone()].concat(), 60);
}
