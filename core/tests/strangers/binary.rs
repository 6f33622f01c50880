//! Messages of the binary profile.

use telephone_core::error::Misbehaviour as M;
use telephone_core::wire::Profile;

use super::End::{Plugboard, Telephone};
use super::{Message, Row, hold, rows};

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

fn resume(secret: usize) -> Vec<u8> {
    [vec![1, 7], vec![6; secret], vec![3]].concat()
}

fn sound_hellos() -> Vec<Message> {
    vec![
        ("a hello", message(0, &hello())),
        ("a hello to go on", with(6, resume(16))),
        ("64 mounts", with(1, list(64, &text(b"/")))),
        ("a token of 8 KiB", with(0, text(&[b't'; 8192]))),
        ("64 settings", with(5, list(64, &[99, 1]))),
        ("no mount", with(1, vec![0])),
    ]
}

fn out_of_place_1() -> Vec<Message> {
    vec![
        ("two hellos", [message(0, &hello()), frame(0, &hello())].concat()),
        ("a ping behind a hello", [message(0, &hello()), frame(11, &[1])].concat()),
        ("a ping ahead of a hello", [message(11, &[1]), frame(0, &hello())].concat()),
        ("a frame to skip ahead of a hello", [message(99, &[1]), frame(0, &hello())].concat()),
        ("a frame to skip", message(99, &[1])),
        ("a welcome", message(1, &welcome())),
        ("a refusal", message(2, &[4, 0, 0])),
        ("a ping", message(11, &[1])),
        ("an ack", message(13, &[])),
        ("a leave", message(14, &[0, 0])),
        ("a renewal", message(15, b"a.b.c")),
        ("data", message(5, &[2, 1, 1])),
    ]
}

fn out_of_place_2() -> Vec<Message> {
    vec![("credit", message(9, &[2, 100])), ("a question for numbers", message(64, &[0]))]
}

fn malformed_1() -> Vec<Message> {
    vec![
        ("a hello of no octets", message(0, &[])),
        ("a hello without its last octet", message(0, &hello()[..hello().len() - 1])),
        ("octets behind a hello", message(0, &[hello(), vec![0]].concat())),
        ("a token past the frame", message(0, &[varint(500), b"a.b.c".to_vec()].concat())),
        ("a token of 2^64-1 octets", message(0, &[HUGE, b"a.b.c"].concat())),
        ("a token that is no UTF-8", with(0, text(b"a\xFF"))),
        ("65 mounts", with(1, list(65, &text(b"/")))),
        ("2^64-1 mounts", with(1, HUGE.to_vec())),
        ("an over-long count of mounts", with(1, OVER_LONG.to_vec())),
        ("a mount that is no UTF-8", with(1, list(1, &text(b"/\xC0\x80")))),
        ("an instance that is no UTF-8", with(2, text(b"\xED\xA0\x80"))),
        ("an epoch of 65 bits", with(3, [&[0xFF; 9][..], &[2]].concat())),
    ]
}

fn malformed_2() -> Vec<Message> {
    vec![
        ("an over-long epoch", with(3, OVER_LONG.to_vec())),
        ("65 settings", with(5, list(65, &[99, 1]))),
        ("2^64-1 settings", with(5, HUGE.to_vec())),
        ("half a setting", with(5, vec![1, 99])),
        ("a resume that is neither", with(6, vec![2])),
        ("a resume secret of 15 octets", with(6, resume(15))),
        ("a resume secret of 17 octets", with(6, resume(17))),
        ("16 KiB of zeros", vec![0; 16_384]),
    ]
}

fn others_to_the_plugboard_1() -> Vec<Row> {
    vec![
        ("nothing", Plugboard, vec![], Err(M::FrameTruncated)),
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
        ("a type alone", Plugboard, vec![0, 0], Err(M::FrameTruncated)),
        ("no frame", Plugboard, vec![0], Err(M::MessageSize)),
        ("a message past 16 KiB", Plugboard, with(0, text(&[b't'; 16_384])), Err(M::MessageSize)),
        ("zeros past 16 KiB", Plugboard, vec![0; 16_385], Err(M::MessageSize)),
        ("an acknowledgement", Plugboard, [&[1][..], &message(0, &hello())[1..]].concat(), Err(M::AckAhead)),
        (
            "an acknowledgement of 2^64-1",
            Plugboard,
            [HUGE, &message(0, &hello())[1..]].concat(),
            Err(M::AckAhead),
        ),
        (
            "an over-long acknowledgement",
            Plugboard,
            [OVER_LONG, &message(0, &hello())[1..]].concat(),
            Err(M::VarintNotCanonical),
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
    ]
}

fn others_to_the_plugboard_2() -> Vec<Row> {
    vec![("an unknown critical frame", Plugboard, message(63, &[]), Err(M::UnknownFrame))]
}

fn others_to_the_telephone_1() -> Vec<Row> {
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
        ("a move", Telephone, message(65, &[0]), Err(M::FrameOutOfPlace)),
        (
            "a welcome that acknowledges",
            Telephone,
            [&[3][..], &message(1, &welcome())[1..]].concat(),
            Err(M::AckAhead),
        ),
        ("half an open", Telephone, message(3, &[2, 0, 0, 0]), Err(M::FrameTruncated)),
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
    ]
}

fn others_to_the_telephone_2() -> Vec<Row> {
    vec![
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
    let rows = [
        rows(Plugboard, Ok("hello"), sound_hellos()),
        rows(Plugboard, Err(M::FrameOutOfPlace), out_of_place_1()),
        rows(Plugboard, Err(M::FrameOutOfPlace), out_of_place_2()),
        rows(Plugboard, Err(M::FrameMalformed), malformed_1()),
        rows(Plugboard, Err(M::FrameMalformed), malformed_2()),
        others_to_the_plugboard_1(),
        others_to_the_plugboard_2(),
        others_to_the_telephone_1(),
        others_to_the_telephone_2(),
    ];
    hold(Profile::Binary, rows.concat(), 60);
}
