//! Heads and trailers as postcard structures, frozen for v1.
//!
//! Written and read by hand and not by postcard, whose reader accepts over-long varints, reserves memory by declared
//! counts, and would have each head of each request built twice. Here a count is bounded before anything is allocated,
//! and what is accepted is canonical by construction.

use alloc::vec::Vec;
use bytes::{BufMut, Bytes, BytesMut};

use super::{rules, varint};
use crate::error::Misbehaviour;
use crate::message::{Header, Headers, RequestHead, ResponseHead};

/// Fields in one head or trailer section on the wire: the larger of both heads' limits, with room for
/// the forwarding fields that the relay adds.
pub(super) const FIELDS_MAX: usize = 256;

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

fn put_octets(out: &mut BytesMut, octets: &[u8]) {
    varint::put(out, octets.len() as u64);
    out.put_slice(octets);
}

fn put_headers(out: &mut BytesMut, headers: &Headers) {
    varint::put(out, headers.len() as u64);
    for (name, value) in headers.iter() {
        put_octets(out, name);
        put_octets(out, value);
    }
}

fn put_option<T>(out: &mut BytesMut, value: Option<T>, put: impl FnOnce(&mut BytesMut, T)) {
    out.put_u8(u8::from(value.is_some()));
    if let Some(value) = value {
        put(out, value);
    }
}

/// Reads one structure that must fill `whole`, of which the octets that are read stay slices.
struct Reader<'a> {
    whole: &'a Bytes,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn new(whole: &'a Bytes) -> Self {
        Self { whole, rest: whole }
    }

    fn number(&mut self) -> Result<u64, Misbehaviour> {
        let (value, rest) = varint::split(self.rest).map_err(|_| Misbehaviour::FrameMalformed)?;
        self.rest = rest;
        Ok(value)
    }

    fn octets(&mut self) -> Result<Bytes, Misbehaviour> {
        let length = usize::try_from(self.number()?).unwrap_or(usize::MAX);
        let (octets, rest) = self.rest.split_at_checked(length).ok_or(Misbehaviour::FrameMalformed)?;
        self.rest = rest;
        Ok(self.whole.slice_ref(octets))
    }

    fn headers(&mut self) -> Result<Headers, Misbehaviour> {
        let count = usize::try_from(self.number()?).ok().filter(|count| *count <= FIELDS_MAX);
        let count = count.ok_or(Misbehaviour::FrameMalformed)?;
        let mut headers: Vec<Header> = Vec::with_capacity(count);
        for _ in 0..count {
            headers.push((self.octets()?, self.octets()?));
        }
        Ok(headers.into())
    }

    fn flag(&mut self) -> Result<bool, Misbehaviour> {
        match self.rest {
            [flag @ (0 | 1), rest @ ..] => {
                self.rest = rest;
                Ok(*flag == 1)
            }
            _ => Err(Misbehaviour::FrameMalformed),
        }
    }

    fn option<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, Misbehaviour>,
    ) -> Result<Option<T>, Misbehaviour> {
        if self.flag()? { read(self).map(Some) } else { Ok(None) }
    }

    fn end<T>(self, value: T) -> Result<T, Misbehaviour> {
        if self.rest.is_empty() { Ok(value) } else { Err(Misbehaviour::FrameMalformed) }
    }
}

pub(crate) fn put_request(out: &mut BytesMut, head: &RequestHead) {
    put_octets(out, &head.method);
    put_octets(out, &head.target);
    put_headers(out, &head.headers);
    put_option(out, head.length, varint::put);
    put_option(out, head.upgrade.as_deref(), put_octets);
    out.put_u8(u8::from(head.wants_trailers));
}

pub(crate) fn take_request(from: &Bytes) -> Result<RequestHead, Misbehaviour> {
    let mut reader = Reader::new(from);
    let head = RequestHead {
        method: reader.octets()?,
        target: reader.octets()?,
        headers: reader.headers()?,
        length: reader.option(Reader::number)?,
        upgrade: reader.option(Reader::octets)?,
        wants_trailers: reader.flag()?,
    };
    reader.end(head)
}

pub(crate) fn put_response(out: &mut BytesMut, head: &ResponseHead) {
    varint::put(out, head.status.into());
    put_octets(out, &head.reason);
    put_headers(out, &head.headers);
    put_option(out, head.length, varint::put);
    put_option(out, head.upgrade.as_deref(), put_octets);
}

pub(crate) fn take_response(from: &Bytes) -> Result<ResponseHead, Misbehaviour> {
    let mut reader = Reader::new(from);
    let head = ResponseHead {
        status: u16::try_from(reader.number()?).map_err(|_| Misbehaviour::FrameMalformed)?,
        reason: reader.octets()?,
        headers: reader.headers()?,
        length: reader.option(Reader::number)?,
        upgrade: reader.option(Reader::octets)?,
    };
    rules::check_response(&head).map_err(|_| Misbehaviour::FrameMalformed)?;
    reader.end(head)
}

pub(crate) fn put_trailers(out: &mut BytesMut, trailers: &Headers) {
    put_headers(out, trailers);
}

pub(crate) fn take_trailers(from: &Bytes) -> Result<Headers, Misbehaviour> {
    let mut reader = Reader::new(from);
    let trailers = reader.headers()?;
    rules::check_fields(&trailers).map_err(|_| Misbehaviour::FrameMalformed)?;
    reader.end(trailers)
}
