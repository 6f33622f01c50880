//! Heads and trailers as postcard structures, frozen for v1.
//!
//! Written and read by hand and not by postcard, whose reader accepts over-long varints, reserves memory by declared
//! counts, and would have each head of each request built twice. Fields are kept as they cross. Here a count is bounded
//! before anything is allocated, and what is accepted is canonical by construction.

use bytes::{BufMut, Bytes};

use super::{rules, varint};
use crate::error::Misbehaviour;
use crate::message::{Headers, RequestHead, ResponseHead, word};

/// Fields in one head or trailer section on the wire: the larger of both heads' limits, with room for
/// the forwarding fields that the relay adds.
pub(super) const FIELDS_MAX: usize = 256;

/// Octets that a counted octet string takes.
const fn octets_size(length: usize) -> usize {
    varint::size(length as u64) + length
}

fn headers_size(headers: &Headers) -> usize {
    varint::size(headers.len() as u64) + headers.as_wire().len()
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

fn put_headers(out: &mut impl BufMut, headers: &Headers) {
    varint::put(out, headers.len() as u64);
    out.put_slice(headers.as_wire());
}

fn put_option<B: BufMut, T>(out: &mut B, value: Option<T>, put: impl FnOnce(&mut B, T)) {
    out.put_u8(u8::from(value.is_some()));
    if let Some(value) = value {
        put(out, value);
    }
}

/// Reads one structure that must fill what it is given.
struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    const fn new(whole: &'a [u8]) -> Self {
        Self { rest: whole }
    }

    fn number(&mut self) -> Result<u64, Misbehaviour> {
        let (value, rest) = varint::split(self.rest).map_err(|_| Misbehaviour::FrameMalformed)?;
        self.rest = rest;
        Ok(value)
    }

    fn octets(&mut self) -> Result<&'a [u8], Misbehaviour> {
        let (octets, rest) = varint::split_counted(self.rest).ok_or(Misbehaviour::FrameMalformed)?;
        self.rest = rest;
        Ok(octets)
    }

    fn word(&mut self) -> Result<Bytes, Misbehaviour> {
        self.octets().map(word)
    }

    fn headers(&mut self) -> Result<Headers, Misbehaviour> {
        let count = u32::try_from(self.number()?).ok().filter(|count| *count as usize <= FIELDS_MAX);
        let count = count.ok_or(Misbehaviour::FrameMalformed)?;
        let (headers, rest) = Headers::from_wire(self.rest, count).ok_or(Misbehaviour::FrameMalformed)?;
        self.rest = rest;
        Ok(headers)
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

pub(crate) fn put_request(out: &mut impl BufMut, head: &RequestHead) {
    varint::put_counted(out, &head.method);
    varint::put_counted(out, &head.target);
    put_headers(out, &head.headers);
    put_option(out, head.length, varint::put);
    put_option(out, head.upgrade.as_deref(), varint::put_counted);
    out.put_u8(u8::from(head.wants_trailers));
}

pub(crate) fn take_request(from: &[u8]) -> Result<RequestHead, Misbehaviour> {
    let mut reader = Reader::new(from);
    let head = RequestHead {
        method: reader.word()?,
        target: reader.octets().map(Bytes::copy_from_slice)?,
        headers: reader.headers()?,
        length: reader.option(Reader::number)?,
        upgrade: reader.option(Reader::word)?,
        wants_trailers: reader.flag()?,
    };
    reader.end(head)
}

pub(crate) fn put_response(out: &mut impl BufMut, head: &ResponseHead) {
    varint::put(out, head.status.into());
    varint::put_counted(out, &head.reason);
    put_headers(out, &head.headers);
    put_option(out, head.length, varint::put);
    put_option(out, head.upgrade.as_deref(), varint::put_counted);
}

pub(crate) fn take_response(from: &[u8]) -> Result<ResponseHead, Misbehaviour> {
    let mut reader = Reader::new(from);
    let head = ResponseHead {
        status: u16::try_from(reader.number()?).map_err(|_| Misbehaviour::FrameMalformed)?,
        reason: reader.word()?,
        headers: reader.headers()?,
        length: reader.option(Reader::number)?,
        upgrade: reader.option(Reader::word)?,
    };
    rules::check_response(&head).map_err(|_| Misbehaviour::FrameMalformed)?;
    reader.end(head)
}

pub(crate) fn put_trailers(out: &mut impl BufMut, trailers: &Headers) {
    put_headers(out, trailers);
}

pub(crate) fn take_trailers(from: &[u8]) -> Result<Headers, Misbehaviour> {
    let mut reader = Reader::new(from);
    let trailers = reader.headers()?;
    rules::check_fields(&trailers).map_err(|_| Misbehaviour::FrameMalformed)?;
    reader.end(trailers)
}
