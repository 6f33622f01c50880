//! Bytes of binary messages that our own writer would not write. [M-01, M-02]

use alloc::vec;
use alloc::vec::Vec;
use bytes::{BufMut as _, Bytes, BytesMut};

use super::super::misbehaviour::open;
use super::super::pair::{message, request, response};
use super::victim::{Victim, plugboard, telephone};
use super::{Script, script};
use crate::error::Misbehaviour as M;
use crate::limits::MESSAGE_BYTES_MAX;
use crate::message::{Headers, ResponseHead};
use crate::wire::{Frame, varint};

pub(super) fn scripts() -> Vec<Script> {
    [lengths(), openings(), answers(), unknown()].into_iter().flatten().collect()
}

/// A message that acknowledges nothing, of one frame of this type and this body.
fn frame(kind: u64, body: &[u8]) -> Vec<u8> {
    let mut out = BytesMut::from(&b"\0"[..]);
    varint::put(&mut out, kind);
    varint::put_counted(&mut out, body);
    out.to_vec()
}

/// An open frame of stream 2 for this.
fn opening(tag: u64, rest: &[u8]) -> Vec<u8> {
    let mut body = BytesMut::from(&b"\x02\0\0"[..]);
    varint::put(&mut body, tag);
    body.put_slice(rest);
    frame(3, &body)
}

fn lengths() -> Vec<Script> {
    let broken = |name, message: Vec<u8>, rule| script(name, telephone).raw(message).misbehaves(rule);
    let whole = message(&[open(2)]);
    vec![
        broken("a length of 2^32-1", b"\0\x05\xff\xff\xff\xff\x0f\x02".to_vec(), M::FrameTruncated),
        broken(
            "a length of 2^63",
            b"\0\x05\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01\x02".to_vec(),
            M::FrameTruncated,
        ),
        broken("a length that is not canonical", b"\0\x0b\x81\0\x05".to_vec(), M::VarintNotCanonical),
        broken("a type that is not canonical", b"\0\x8b\0\x01\x05".to_vec(), M::VarintNotCanonical),
        broken("an acknowledgement that is not canonical", b"\x80\0\x0d\0".to_vec(), M::VarintNotCanonical),
        broken("half an acknowledgement", b"\x80".to_vec(), M::FrameTruncated),
        broken(
            "a type of 2^64 and more",
            b"\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f\0".to_vec(),
            M::VarintNotCanonical,
        ),
        broken(
            "a frame that is cut behind one that is whole",
            [&whole[..], b"\x05\x04\x02"].concat(),
            M::FrameTruncated,
        )
        .acts(|victim| assert_eq!(victim.accept_all(), 0, "the session is over")),
        broken("an open that is cut in its head", whole[..whole.len() - 1].to_vec(), M::FrameTruncated),
        broken("a ping without its number", frame(11, b""), M::FrameTruncated),
        broken("a credit without its limit", frame(9, b"\x02"), M::FrameTruncated),
        broken("bytes behind a stop", frame(8, b"\x02\0\0"), M::FrameMalformed),
        broken("bytes behind slots", frame(10, b"\x05\0"), M::FrameMalformed),
        broken("bytes behind a leave", frame(14, b"\0\0\0"), M::FrameMalformed),
        broken("data without a stream", frame(5, b""), M::FrameTruncated),
        script("a message of the largest size", telephone).raw({
            let mut out = BytesMut::from(&b"\0\x64"[..]);
            let rest = MESSAGE_BYTES_MAX - 5;
            varint::put(&mut out, rest as u64);
            out.put_bytes(7, rest);
            assert_eq!(out.len(), MESSAGE_BYTES_MAX);
            out.to_vec()
        }),
        broken("a message of a byte more", vec![0; MESSAGE_BYTES_MAX + 1], M::MessageSize),
    ]
}

fn openings() -> Vec<Script> {
    let broken = |name, message: Vec<u8>, rule| script(name, telephone).raw(message).misbehaves(rule);
    let address =
        |name, text: &[u8]| broken(name, opening(1, &[b"\x06tcp:22", text].concat()), M::FrameMalformed);
    let head = |rest: &[u8]| opening(0, &[b"\x02/a\x03GET\x01/", rest].concat());
    vec![
        broken("a kind that is not granted", opening(7, b"\x02/a"), M::KindNotGranted),
        broken("a mount that is longer than its frame", opening(0, b"\x7f/a"), M::FrameTruncated),
        broken("a mount with a line end", opening(1, b"\x04/\r\na"), M::FrameMalformed),
        address("an address with a port of leading zeros", b"127.0.0.1:080"),
        address("an address without a port", b"127.0.0.1"),
        address("an address in the longer form", b"[0:0:0:0:0:0:0:1]:80"),
        address("an address that is a name", b"localhost:80"),
        address("an address that is no text", b"\xff\xfe"),
        address("an address and a space", b"127.0.0.1:80 "),
        script("an address in its one form", telephone).raw(opening(1, b"\x06tcp:22[::1]:80")),
        broken("fields of 2^64-1", head(b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), M::FrameMalformed),
        broken("fields that are not there", head(b"\x02\x01X\x01y"), M::FrameMalformed),
        broken("a field that is longer than its frame", head(b"\x01\x7fX\x01y\0\0\0"), M::FrameMalformed),
        broken("a flag of two for the length", head(b"\0\x02\0\0"), M::FrameMalformed),
        broken("a flag of two for the trailers", head(b"\0\0\0\x02"), M::FrameMalformed),
        broken("a length that is not canonical in a head", head(b"\0\x01\x80\0\0\0"), M::FrameMalformed),
        broken("bytes behind a head", head(b"\0\0\0\0\0"), M::FrameMalformed),
        broken("a flag of two for the end", frame(3, b"\x02\0\x02\0\x02/a"), M::FrameMalformed),
        script("a head without fields", telephone).raw(head(b"\0\0\0\0")),
        script("257 fields", telephone)
            .sends([{
                let mut head = request("GET");
                (0..256).for_each(|_| head.headers.push(&b"X"[..], &b""[..]));
                let opening = super::super::pair::http(head);
                Frame::Open { id: Victim::id(2), grant: 0, end: true, opening }
            }])
            .misbehaves(M::FrameMalformed),
    ]
}

/// Heads and trailers of answers that would be more, or less, than one message on the far side. [H-26]
fn answers() -> Vec<Script> {
    let answer = |name, change: fn(&mut ResponseHead)| {
        let mut head = response(200);
        change(&mut head);
        script(name, plugboard)
            .sends([Frame::Head { id: Victim::id(2), end: true, head }])
            .misbehaves(M::FrameMalformed)
    };
    let trailer = |name, field: &'static [u8], value: &'static [u8]| {
        let mut trailers = Headers::new();
        trailers.push(field, value);
        script(name, plugboard)
            .sends([
                super::super::misbehaviour::head(2, 200, false),
                Frame::End { id: Victim::id(2), trailers },
            ])
            .misbehaves(M::FrameMalformed)
    };
    vec![
        answer("a reason with a line end", |head| head.reason = Bytes::from_static(b"OK\r\nX: y")),
        answer("a value with a line end", |head| head.headers.push(&b"X"[..], &b"y\r\nZ: a"[..])),
        answer("a value with a bare CR", |head| head.headers.push(&b"X"[..], &b"y\rz"[..])),
        answer("a value with NUL", |head| head.headers.push(&b"X"[..], &b"y\0"[..])),
        answer("a name with a space", |head| head.headers.push(&b"X "[..], &b"y"[..])),
        answer("a name with a colon", |head| head.headers.push(&b"X:"[..], &b"y"[..])),
        answer("a name of nothing", |head| head.headers.push(&b""[..], &b"y"[..])),
        answer("a length among the fields", |head| head.headers.push(&b"Content-Length"[..], &b"5"[..])),
        answer("a coding among the fields", |head| {
            head.headers.push(&b"Transfer-Encoding"[..], &b"chunked"[..]);
        }),
        answer("an option among the fields", |head| head.headers.push(&b"connection"[..], &b"close"[..])),
        answer("a length beyond 63 bits", |head| head.length = Some(1 << 63)),
        answer("a status of 600", |head| head.status = 600),
        answer("a status of zero", |head| head.status = 0),
        answer("an upgrade to HTTP itself", |head| head.upgrade = Some(Bytes::from_static(b"h2c"))),
        answer("an upgrade that is no token", |head| head.upgrade = Some(Bytes::from_static(b"a b"))),
        trailer("a trailer with a line end", b"X", b"y\r\n\r\nHTTP/1.1 200 OK"),
        trailer("a length as a trailer", b"content-length", b"5"),
        trailer("a coding as a trailer", b"transfer-encoding", b"chunked"),
        trailer("a trailer without a name", b"", b"y"),
        script("a status of 17 bits", plugboard)
            .raw(frame(4, b"\x02\x01\xc8\x81\x04\0\0\0\0"))
            .misbehaves(M::FrameMalformed),
    ]
}

/// Types that nobody knows, and those that this version knows.
fn unknown() -> Vec<Script> {
    let broken = |name, message: Vec<u8>, rule| script(name, telephone).raw(message).misbehaves(rule);
    vec![
        broken("a critical type of the middle", frame(40, b""), M::UnknownFrame),
        script("a skippable type of the largest number", telephone).raw(frame(u64::MAX, b"\xff\xff")),
        script("a skippable type of any bytes", telephone).raw(frame(99, b"\0\xff\x80\r\n")),
        broken("a skippable type that is cut", b"\0\x64\x05ab".to_vec(), M::FrameTruncated),
        broken("numbers that are cut", frame(64, b"\x01\x01\x01"), M::FrameMalformed),
        broken("numbers behind their end", frame(64, b"\0\0"), M::FrameMalformed),
        broken("numbers with a flag of two", frame(64, b"\x02"), M::FrameMalformed),
        broken("an order to move that is no text", frame(65, b"\x01\x01\x01\x02\xff\xfe"), M::FrameMalformed),
        broken("an order to move that is cut", frame(65, b"\x01\x01\x01\x7f"), M::FrameMalformed),
        broken("a client without a number", frame(67, b"\x02"), M::FrameTruncated),
        broken("a client behind its end", frame(67, b"\x02\x07\0"), M::FrameMalformed),
        broken("mounts of 2^32", frame(66, b"\x80\x80\x80\x80\x10"), M::FrameMalformed),
        broken("mounts that are no text", frame(66, b"\x01\x01\xff"), M::FrameMalformed),
        broken("a renewal that is cut", frame(16, b"\x01"), M::FrameMalformed),
    ]
}
