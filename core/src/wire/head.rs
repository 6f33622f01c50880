//! Heads and trailers as postcard structures, frozen for v1.
//!
//! postcard accepts over-long varints and reserves memory by declared counts. Both are closed here:
//! counts are bounded before anything is allocated, and a body whose length is not the canonical size
//! of what it decoded to is refused.

use alloc::vec::Vec;
use bytes::{Bytes, BytesMut};
use serde::ser::SerializeSeq;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::bounded::bounded;
use super::{rules, varint};
use crate::error::Misbehaviour;
use crate::message::{Headers, RequestHead, ResponseHead};

/// Fields in one head or trailer section on the wire: the larger of both heads' limits, with room for
/// the forwarding fields that the relay adds.
pub(super) const FIELDS_MAX: usize = 256;

/// Octets as postcard writes them: a length and the octets.
#[derive(Clone, Copy)]
struct Octets<'a>(&'a [u8]);

impl Serialize for Octets<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Octets<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <&[u8]>::deserialize(deserializer).map(Octets)
    }
}

/// Fields that were read, as a sequence of pairs.
struct Fields<'a>(Vec<(Octets<'a>, Octets<'a>)>);

impl Fields<'_> {
    fn to_headers(&self, whole: &Bytes) -> Headers {
        self.0.iter().map(|(name, value)| (whole.slice_ref(name.0), whole.slice_ref(value.0))).collect()
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        bounded::<FIELDS_MAX, _, _>(deserializer).map(Fields)
    }
}

/// Fields to be written, as the same sequence.
struct FieldsOf<'a>(&'a Headers);

impl Serialize for FieldsOf<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut sequence = serializer.serialize_seq(Some(self.0.len()))?;
        for (name, value) in self.0.iter() {
            sequence.serialize_element(&(Octets(name), Octets(value)))?;
        }
        sequence.end()
    }
}

/// A request head; `F` are its fields.
#[derive(Serialize, Deserialize)]
struct RequestV1<'a, F> {
    #[serde(borrow)]
    method: Octets<'a>,
    target: Octets<'a>,
    headers: F,
    length: Option<u64>,
    upgrade: Option<Octets<'a>>,
    wants_trailers: bool,
}

/// A response head; `F` are its fields.
#[derive(Serialize, Deserialize)]
struct ResponseV1<'a, F> {
    status: u16,
    #[serde(borrow)]
    reason: Octets<'a>,
    headers: F,
    length: Option<u64>,
    upgrade: Option<Octets<'a>>,
}

/// Octets that a counted octet string takes.
const fn octets_size(length: usize) -> usize {
    varint::size(length as u64) + length
}

fn headers_size(headers: &Headers) -> usize {
    let pairs: usize = headers.iter().map(|(n, v)| octets_size(n.len()) + octets_size(v.len())).sum();
    varint::size(headers.len() as u64) + pairs
}

fn length_size(length: Option<u64>) -> usize {
    1 + length.map_or(0, varint::size)
}

fn upgrade_size(upgrade: Option<&Bytes>) -> usize {
    1 + upgrade.map_or(0, |token| octets_size(token.len()))
}

/// Octets of `head` on the wire.
pub(crate) fn request_size(head: &RequestHead) -> usize {
    octets_size(head.method.len())
        + octets_size(head.target.len())
        + headers_size(&head.headers)
        + length_size(head.length)
        + upgrade_size(head.upgrade.as_ref())
        + 1
}

/// Octets of `head` on the wire.
pub(crate) fn response_size(head: &ResponseHead) -> usize {
    varint::size(u64::from(head.status))
        + octets_size(head.reason.len())
        + headers_size(&head.headers)
        + length_size(head.length)
        + upgrade_size(head.upgrade.as_ref())
}

/// Octets of a trailer section on the wire.
pub(crate) fn trailers_size(trailers: &Headers) -> usize {
    headers_size(trailers)
}

/// Appends a postcard structure of `size` octets.
fn put<T: Serialize>(out: &mut BytesMut, value: &T, size: usize) {
    let start = out.len();
    out.resize(start + size, 0);
    if let Some(space) = out.get_mut(start..) {
        // The size was counted from the same structure, so it fits by construction.
        let written = postcard::to_slice(value, space);
        debug_assert!(
            written.is_ok_and(|octets| octets.len() == size),
            "a head has another size than counted"
        );
    }
}

/// Reads a postcard structure that must fill `from`.
fn take<'a, T: Deserialize<'a>>(from: &'a Bytes) -> Result<T, Misbehaviour> {
    match postcard::take_from_bytes::<T>(from) {
        Ok((value, [])) => Ok(value),
        Ok(_) | Err(_) => Err(Misbehaviour::FrameMalformed),
    }
}

/// Refuses over-long varints inside a structure: they make it longer than its canonical size.
fn canonical<T>(value: T, size: usize, from: &Bytes) -> Result<T, Misbehaviour> {
    if size == from.len() { Ok(value) } else { Err(Misbehaviour::FrameMalformed) }
}

pub(crate) fn put_request(out: &mut BytesMut, head: &RequestHead) {
    let wire = RequestV1 {
        method: Octets(&head.method),
        target: Octets(&head.target),
        headers: FieldsOf(&head.headers),
        length: head.length,
        upgrade: head.upgrade.as_deref().map(Octets),
        wants_trailers: head.wants_trailers,
    };
    put(out, &wire, request_size(head));
}

pub(crate) fn take_request(from: &Bytes) -> Result<RequestHead, Misbehaviour> {
    let wire: RequestV1<'_, Fields<'_>> = take(from)?;
    let head = RequestHead {
        method: from.slice_ref(wire.method.0),
        target: from.slice_ref(wire.target.0),
        headers: wire.headers.to_headers(from),
        length: wire.length,
        upgrade: wire.upgrade.map(|token| from.slice_ref(token.0)),
        wants_trailers: wire.wants_trailers,
    };
    let size = request_size(&head);
    canonical(head, size, from)
}

pub(crate) fn put_response(out: &mut BytesMut, head: &ResponseHead) {
    let wire = ResponseV1 {
        status: head.status,
        reason: Octets(&head.reason),
        headers: FieldsOf(&head.headers),
        length: head.length,
        upgrade: head.upgrade.as_deref().map(Octets),
    };
    put(out, &wire, response_size(head));
}

pub(crate) fn take_response(from: &Bytes) -> Result<ResponseHead, Misbehaviour> {
    let wire: ResponseV1<'_, Fields<'_>> = take(from)?;
    let head = ResponseHead {
        status: wire.status,
        reason: from.slice_ref(wire.reason.0),
        headers: wire.headers.to_headers(from),
        length: wire.length,
        upgrade: wire.upgrade.map(|token| from.slice_ref(token.0)),
    };
    rules::check_response(&head).map_err(|_| Misbehaviour::FrameMalformed)?;
    let size = response_size(&head);
    canonical(head, size, from)
}

pub(crate) fn put_trailers(out: &mut BytesMut, trailers: &Headers) {
    put(out, &FieldsOf(trailers), trailers_size(trailers));
}

pub(crate) fn take_trailers(from: &Bytes) -> Result<Headers, Misbehaviour> {
    let wire: Fields<'_> = take(from)?;
    let trailers = wire.to_headers(from);
    rules::check_fields(&trailers).map_err(|_| Misbehaviour::FrameMalformed)?;
    let size = trailers_size(&trailers);
    canonical(trailers, size, from)
}
