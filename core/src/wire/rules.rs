//! What may stand in a head, whoever wrote it.
//!
//! A peer is not trusted to have parsed anything: a CR in a value, or a framing field in the list, would
//! be a second message on the far side (H-26). The same rules hold for what this end is asked to send,
//! so that a slip of the application costs one stream and not the session.

use super::Opening;
use super::head::FIELDS_MAX;
use crate::error::HeadRefused;
use crate::limits::METHOD_BYTES_MAX;
use crate::message::{Headers, RequestHead, ResponseHead};

/// Fields that frame a message on one connection; a length crosses as a number (RFC 9112 §6, §9.6).
const FRAMING: [&[u8]; 3] = [b"content-length", b"transfer-encoding", b"connection"];

/// Lengths that every HTTP implementation can hold: 19 digits.
const LENGTH_MAX: u64 = i64::MAX as u64;

/// Checks what a stream is opened for.
pub(crate) fn check_opening(opening: &Opening) -> Result<(), HeadRefused> {
    let (Opening::Http { mount, .. } | Opening::Tcp { mount }) = opening;
    check(is_text(mount))?;
    match opening {
        Opening::Http { head, .. } => check_request(head),
        Opening::Tcp { .. } => Ok(()),
    }
}

fn check_request(head: &RequestHead) -> Result<(), HeadRefused> {
    check(is_token(&head.method) && head.method.len() <= METHOD_BYTES_MAX)?;
    check(is_target(&head.target))?;
    check_rest(&head.headers, head.length, head.upgrade.as_deref())
}

/// Checks a response's head.
pub(crate) fn check_response(head: &ResponseHead) -> Result<(), HeadRefused> {
    check((100..=599).contains(&head.status) && is_text(&head.reason))?;
    check_rest(&head.headers, head.length, head.upgrade.as_deref())
}

/// Checks a trailer section.
pub(crate) fn check_trailers(trailers: &Headers) -> Result<(), HeadRefused> {
    if trailers.len() > FIELDS_MAX {
        return Err(HeadRefused::TooLarge);
    }
    check(trailers.iter().all(|(name, value)| is_token(name) && is_text(value) && !is_framing(name)))
}

fn check_rest(headers: &Headers, length: Option<u64>, upgrade: Option<&[u8]>) -> Result<(), HeadRefused> {
    check(length.is_none_or(|length| length <= LENGTH_MAX))?;
    check(upgrade.is_none_or(is_protocol))?;
    check_trailers(headers)
}

const fn check(is_sound: bool) -> Result<(), HeadRefused> {
    if is_sound { Ok(()) } else { Err(HeadRefused::Malformed) }
}

fn is_framing(name: &[u8]) -> bool {
    FRAMING.iter().any(|framing| name.eq_ignore_ascii_case(framing))
}

/// A path and query, or `*`: visible ASCII without a fragment (RFC 9112 §3.2).
fn is_target(target: &[u8]) -> bool {
    let is_form = target == b"*" || target.starts_with(b"/");
    is_form && target.iter().all(|octet| octet.is_ascii_graphic() && *octet != b'#')
}

/// One protocol of an upgrade: a name, and perhaps a version behind a slash (RFC 9110 §7.8).
fn is_protocol(protocol: &[u8]) -> bool {
    let mut parts = protocol.splitn(2, |octet| *octet == b'/');
    parts.all(is_token)
}

/// RFC 9110 §5.6.2.
fn is_token(text: &[u8]) -> bool {
    let is_token_octet = |octet: &u8| octet.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(octet);
    !text.is_empty() && text.iter().all(is_token_octet)
}

/// No control but HTAB; obs-text is passed on as it came (RFC 9110 §5.5).
fn is_text(text: &[u8]) -> bool {
    text.iter().all(|octet| *octet == b'\t' || (*octet >= b' ' && *octet != 0x7f))
}
