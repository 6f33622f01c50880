//! What may stand in a head, whoever wrote it.
//!
//! A peer is not trusted to have parsed anything: a CR in a value, or a framing field in the list, would
//! be a second message on the far side (H-26). The same rules hold for what this end is asked to send,
//! so that a slip of the application costs one stream and not the session.

use super::Opening;
use super::head::FIELDS_MAX;
use crate::error::HeadRefused;
use crate::http1::{self, is_text, is_upgrade};
use crate::limits::BODY_LENGTH_MAX;
use crate::message::{Headers, RequestHead, ResponseHead};

/// Checks what a stream is opened for.
pub(crate) fn check_opening(opening: &Opening) -> Result<(), HeadRefused> {
    match opening {
        Opening::Http { mount, head } => check(is_text(mount)).and_then(|()| check_request(head)),
        Opening::Tcp { mount, .. } => check(is_text(mount)),
    }
}

fn check_request(head: &RequestHead) -> Result<(), HeadRefused> {
    // A fragment never travels (RFC 9112 §3.2).
    check(http1::check_request(head).is_ok() && !head.target.contains(&b'#'))?;
    // Of the protocols that it offers `http1` has checked each.
    check_rest(&head.headers, head.length)
}

/// Checks a response's head.
pub(crate) fn check_response(head: &ResponseHead) -> Result<(), HeadRefused> {
    check(http1::check_response(head).is_ok() && head.upgrade.as_deref().is_none_or(is_upgrade))?;
    check_rest(&head.headers, head.length)
}

fn check_rest(headers: &Headers, length: Option<u64>) -> Result<(), HeadRefused> {
    check(length.is_none_or(|length| length <= BODY_LENGTH_MAX))?;
    check_names(headers)
}

/// Checks a trailer section.
pub(crate) fn check_fields(fields: &Headers) -> Result<(), HeadRefused> {
    check(fields.is_sound())?;
    check_names(fields)
}

/// Checks how many fields there are, and that none of them frames the message. Of heads `http1` has checked the rest.
fn check_names(fields: &Headers) -> Result<(), HeadRefused> {
    if fields.len() > FIELDS_MAX {
        return Err(HeadRefused::TooLarge);
    }
    check(!fields.has_framing())
}

const fn check(is_sound: bool) -> Result<(), HeadRefused> {
    if is_sound { Ok(()) } else { Err(HeadRefused::Malformed) }
}
