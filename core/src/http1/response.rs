//! Response heads: from a scanned section to a [`ResponseHead`] and its body's framing.

use bytes::Bytes;

use super::body::Framing;
use super::error::ResponseError;
use super::fields::{Declared, Fields, Version, next_line};
use super::request::is_kept_alive;
use super::scan::{Bounds, Scanner};
use crate::limits::HttpLimits;
use crate::message::ResponseHead;

/// What the request was, as far as it decides what its response means (RFC 9112 §6.3).
#[derive(Debug, Clone, Default)]
pub(super) struct Asked {
    /// HEAD: no body follows, whatever the head says.
    pub(super) is_head: bool,
    /// The protocol that was offered.
    pub(super) upgrade: Option<Bytes>,
}

/// A response head, understood.
#[derive(Debug)]
pub(super) struct Response {
    pub(super) head: ResponseHead,
    pub(super) framing: Framing,
    /// Whether the connection may be used again once the body is read.
    pub(super) is_kept_alive: bool,
}

/// Finds the end of a response head. No empty line may precede it, since it would be surplus of the last
/// response.
pub(super) const fn scanner(limits: &HttpLimits) -> Scanner {
    let bounds = Bounds {
        start_line: Some(limits.header_line_bytes),
        line: limits.header_line_bytes,
        lines: limits.response_headers,
        total: limits.response_head_bytes,
    };
    Scanner::new(bounds, false)
}

/// Takes a scanned response head apart.
pub(super) fn parse(mut section: Bytes, asked: &Asked) -> Result<Response, ResponseError> {
    let line = next_line(&mut section).ok_or(ResponseError::StatusLine)?;
    let (version, status, reason) = status_line(&line).ok_or(ResponseError::StatusLine)?;
    let fields = Fields::parse(section)?;
    let declared = fields.declared(version)?;
    let upgrade = settle_switch(status, version, &fields, asked)?;
    let framing = framing(status, declared, asked.is_head);
    let is_bodiless = framing == Framing::Nothing;
    // HEAD and 304 may tell the length that is not sent. Where a 204 declares a body its sender is not to
    // be trusted with another request. [H-22]
    let is_length_telling = asked.is_head || status == 304;
    let is_body_forbidden = is_bodiless && !is_length_telling;
    let has_surplus = is_body_forbidden && !matches!(declared, Declared::Nothing | Declared::Length(0));
    let length = match declared {
        Declared::Length(length) if !is_body_forbidden => Some(length),
        Declared::Length(_) | Declared::Chunked | Declared::Nothing => None,
    };
    let is_kept_alive = is_kept_alive(&fields, version) && !has_surplus && framing != Framing::UntilClose;
    let head = ResponseHead { status, reason, headers: fields.kept, length, upgrade };
    Ok(Response { head, framing, is_kept_alive })
}

/// Splits `HTTP/1.x SP status [SP reason]`. The second space is not asked for: servers in use leave it out
/// with an empty reason, and nothing else can be meant (RFC 9112 §4). [H-26]
fn status_line(line: &Bytes) -> Option<(Version, u16, Bytes)> {
    let mut parts = line.splitn(3, |&octet| octet == b' ');
    let version = match parts.next()? {
        b"HTTP/1.1" => Version::Http11,
        b"HTTP/1.0" => Version::Http10,
        _ => return None,
    };
    let status = status(parts.next()?)?;
    let reason = parts.next().map_or_else(Bytes::new, |reason| line.slice_ref(reason));
    Some((version, status, reason))
}

fn status(text: &[u8]) -> Option<u16> {
    let [hundreds @ b'1'..=b'5', tens @ b'0'..=b'9', ones @ b'0'..=b'9'] = text else { return None };
    let digit = |octet: &u8| u16::from(octet.wrapping_sub(b'0'));
    let high = digit(hundreds).saturating_mul(100).saturating_add(digit(tens).saturating_mul(10));
    Some(high.saturating_add(digit(ones)))
}

/// The protocol that a 101 switches to, which must be the one that was offered. [H-20]
fn settle_switch(
    status: u16,
    version: Version,
    fields: &Fields,
    asked: &Asked,
) -> Result<Option<Bytes>, ResponseError> {
    if status != 101 {
        return Ok(None);
    }
    let is_same = |new: &Bytes| asked.upgrade.as_ref().is_some_and(|old| old.eq_ignore_ascii_case(new));
    let switched = fields.upgrade().filter(is_same).filter(|_| version == Version::Http11);
    switched.map(Some).ok_or(ResponseError::UnaskedSwitch)
}

/// RFC 9112 §6.3, from the top.
const fn framing(status: u16, declared: Declared, is_head: bool) -> Framing {
    if is_head || status < 200 || status == 204 || status == 304 {
        return Framing::Nothing;
    }
    match declared {
        Declared::Chunked => Framing::Chunked,
        Declared::Length(length) => Framing::Length(length),
        Declared::Nothing => Framing::UntilClose,
    }
}
