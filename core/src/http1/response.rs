//! Response heads: from a scanned section to a [`ResponseHead`] and its body's framing.

use alloc::boxed::Box;

use bytes::Bytes;
use core::time::Duration;

use super::body::Framing;
use super::encode::STATUSES;
use super::error::ResponseError;
use super::fields::{Declared, Fields, Version, is_offered};
use super::lenient::{self, Oddity};
use super::request::is_kept_alive;
use super::scan::{Bounds, Scanner};
use super::split;
use crate::limits::HttpLimits;
use crate::message::{ResponseHead, word};

/// The status whose `Upgrade` reaches the client (RFC 9110 §15.5.22).
pub(crate) const UPGRADE_REQUIRED: u16 = 426;

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
    /// What was odd about the head first.
    pub(super) oddity: Option<Box<Oddity>>,
    /// Whether the connection may be used again once the body is read.
    pub(super) is_kept_alive: bool,
    /// How long the backend keeps the connection idle, as it says.
    pub(super) idle_time: Option<Duration>,
}

/// Finds the end of a response head. No empty line may precede it, since it would be surplus of the last
/// response.
pub(super) const fn scanner(limits: &HttpLimits) -> Scanner {
    let bounds = Bounds {
        start_line: Some(limits.response_head_bytes),
        // What one message carries may be one field.
        line: limits.response_head_bytes,
        lines: limits.response_headers,
        total: limits.response_head_bytes,
    };
    Scanner::lenient(bounds)
}

/// Takes a scanned response head apart: the strict way, or if it is odd (`is_odd`, or the strict reader finds no
/// answer in it) in its strict form.
pub(super) fn parse(section: &[u8], is_odd: bool, asked: &Asked) -> Result<Response, ResponseError> {
    let mut slots = split::Slots::new();
    if !is_odd && let Ok(parts) = split::response(section, &mut slots) {
        return understood(section, parts, None, asked);
    }
    let (section, oddity) = lenient::straightened(section, true);
    let mut slots = split::Slots::new();
    understood(&section, split::response(&section, &mut slots)?, oddity, asked)
}

fn understood<'a>(
    section: &'a [u8],
    parts: split::ResponseParts<'a>,
    oddity: Option<Box<Oddity>>,
    asked: &Asked,
) -> Result<Response, ResponseError> {
    let split::ResponseParts { version, status, reason, fields } = parts;
    if !STATUSES.contains(&status) {
        return Err(ResponseError::StatusLine);
    }
    let reason = word(reason);
    let mut fields = Fields::parse(section.len(), fields, true)?;
    let declared = fields.declared_leniently(version)?;
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
    let oddity = oddity.or_else(|| fields.odd.take());
    let is_sound = oddity.is_none() && !has_surplus;
    let is_kept_alive = is_kept_alive(&fields, version) && is_sound && framing != Framing::UntilClose;
    let idle_time = fields.idle_time;
    let head = ResponseHead { status, reason, headers: fields.kept, length, upgrade };
    Ok(Response { head, framing, oddity, is_kept_alive, idle_time })
}

/// The protocol that a 101 switches to, which must be one of those that were offered [H-20], or those that a 426 asks for.
fn settle_switch(
    status: u16,
    version: Version,
    fields: &Fields<'_>,
    asked: &Asked,
) -> Result<Option<Bytes>, ResponseError> {
    match status {
        101 => {}
        UPGRADE_REQUIRED => return Ok(fields.demand()),
        _ => return Ok(None),
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
