//! Response heads: from a scanned section to a [`ResponseHead`] and its body's framing.

use bytes::Bytes;
use core::time::Duration;

use super::body::Framing;
use super::error::ResponseError;
use super::fields::{Declared, Fields, Version, is_offered};
use super::request::is_kept_alive;
use super::scan::{Bounds, Scanner};
use super::split;
use crate::limits::HttpLimits;
use crate::message::{ResponseHead, word};

/// What the request was, as far as it decides what its response means (RFC 9112 §6.3).
#[derive(Debug, Clone, Default)]
pub(super) struct Asked {
    /// HEAD: no body follows, whatever the head says.
    pub(super) is_head: bool,
    /// The protocols that were offered.
    pub(super) upgrade: Option<Bytes>,
}

/// A response head, understood.
#[derive(Debug)]
pub(super) struct Response {
    pub(super) head: ResponseHead,
    pub(super) framing: Framing,
    /// Whether the connection may be used again once the body is read.
    pub(super) is_kept_alive: bool,
    /// How long the backend keeps the connection idle, as it says.
    pub(super) idle_time: Option<Duration>,
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
pub(super) fn parse(section: &[u8], asked: &Asked) -> Result<Response, ResponseError> {
    let mut slots = split::Slots::new();
    let split::ResponseParts { version, status, reason, fields } = split::response(section, &mut slots)?;
    if !(100..600).contains(&status) {
        return Err(ResponseError::StatusLine);
    }
    let reason = word(reason);
    let fields = Fields::parse(section, fields, 0)?;
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
    let idle_time = fields.idle_time;
    let head = ResponseHead { status, reason, headers: fields.kept, length, upgrade };
    Ok(Response { head, framing, is_kept_alive, idle_time })
}

/// The protocol that a 101 switches to, which must be one of those that were offered. [H-20]
fn settle_switch(
    status: u16,
    version: Version,
    fields: &Fields<'_>,
    asked: &Asked,
) -> Result<Option<Bytes>, ResponseError> {
    if status != 101 {
        return Ok(None);
    }
    let offer = asked.upgrade.as_deref().unwrap_or_default();
    let switched = fields.switch().filter(|new| version == Version::Http11 && is_offered(offer, new));
    switched.map(|protocol| Some(word(protocol))).ok_or(ResponseError::UnaskedSwitch)
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
