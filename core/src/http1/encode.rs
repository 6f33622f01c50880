//! Writing messages afresh: no octet of a message's original framing is ever written (I18, I19).

use bytes::Bytes;
use core::fmt::Write;

use super::error::Unsendable;
use super::fields::{is_connection_field, is_offer, is_offer_with_h2c, is_trailer};
use super::scan::{is_text, is_token};
use crate::limits::METHOD_BYTES_MAX;
use crate::message::{Headers, RequestHead, ResponseHead};
use crate::output::Output;

/// The body is not as long as its head says: the message must never look complete.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct LengthBroken;

/// Writes one body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BodyEncoder {
    /// The message has no body: what is written is dropped (HEAD, 204, 304). [H-22]
    Nothing,
    /// So many octets are still owed.
    Length(u64),
    Chunked,
    UntilClose,
}

impl BodyEncoder {
    pub(super) fn write(&mut self, body: Bytes, output: &mut Output) -> Result<(), LengthBroken> {
        if body.is_empty() {
            // An empty chunk would be the last one.
            return Ok(());
        }
        match self {
            Self::Nothing => {}
            Self::Length(owed) => {
                *owed = owed.checked_sub(body.len() as u64).ok_or(LengthBroken)?;
                output.payload(body);
            }
            Self::Chunked => {
                put(output, format_args!("{:x}\r\n", body.len()));
                output.payload(body);
                output.text(b"\r\n");
            }
            Self::UntilClose => output.payload(body),
        }
        Ok(())
    }

    pub(super) fn end(self, trailers: &Headers, output: &mut Output) -> Result<(), LengthBroken> {
        match self {
            Self::Nothing | Self::Length(0) | Self::UntilClose => Ok(()),
            Self::Length(_) => Err(LengthBroken),
            Self::Chunked => {
                output.text(b"0\r\n");
                for (name, value) in trailers.iter().filter(|(name, _)| is_trailer(name)) {
                    if is_token(name) && is_text(value) {
                        field(output, name, value);
                    }
                }
                output.text(b"\r\n");
                Ok(())
            }
        }
    }

    /// Writes the framing field of this body.
    pub(super) fn declare(self, output: &mut Output) {
        match self {
            Self::Nothing | Self::UntilClose => {}
            Self::Length(length) => content_length(output, length),
            Self::Chunked => output.text(b"Transfer-Encoding: chunked\r\n"),
        }
    }
}

/// Whether `head` can be written as a request, to a backend that h2c may be offered to or not.
pub(crate) fn check_request(head: &RequestHead, may_offer_h2c: bool) -> Result<(), Unsendable> {
    if !is_token(&head.method) || head.method.len() > METHOD_BYTES_MAX {
        return Err(Unsendable::Method);
    }
    let has_form = head.target.starts_with(b"/") || head.target == "*";
    // What is no UTF-8 is cut by readers that take each octet for a character: some of those are spaces and line ends.
    let is_text = core::str::from_utf8(&head.target).is_ok();
    if !has_form || !is_text || !head.target.iter().all(|octet| is_target(*octet)) {
        return Err(Unsendable::Target);
    }
    let is_offer = if may_offer_h2c { is_offer_with_h2c } else { is_offer };
    if head.upgrade.as_deref().is_some_and(|offer| !is_offer(offer)) {
        return Err(Unsendable::Switch);
    }
    check_fields(&head.headers)
}

/// Whether a request line can hold `octet` in its target: no other is a space or a line's end to any reader.
const fn is_target(octet: u8) -> bool {
    octet > b' ' && octet != 0x7f
}

/// Statuses have three digits (RFC 9110 §15).
pub(super) const STATUSES: core::ops::RangeInclusive<u16> = 100..=999;

/// Whether `head` can be written as a response. [H-26]
pub(crate) fn check_response(head: &ResponseHead) -> Result<(), Unsendable> {
    if !STATUSES.contains(&head.status) {
        return Err(Unsendable::Status);
    }
    if !is_text(&head.reason) {
        return Err(Unsendable::Octet);
    }
    check_fields(&head.headers)
}

fn check_fields(headers: &Headers) -> Result<(), Unsendable> {
    if headers.is_sound() { Ok(()) } else { Err(Unsendable::Octet) }
}

/// Room for the start line without the target, and for the fields that are written beside those of a head.
const REST_BYTES: usize = 128;

/// Makes room for a head with these fields and a start line with so many octets of its own.
fn reserve(output: &mut Output, own: usize, headers: &Headers) {
    output.reserve(own + headers.lines_bytes_max() + REST_BYTES);
}

/// Writes `method SP target SP HTTP/1.1`, and makes room for the fields.
pub(super) fn request_line(output: &mut Output, head: &RequestHead) {
    reserve(output, head.target.len(), &head.headers);
    output.text(&head.method);
    output.text(b" ");
    output.text(&head.target);
    output.text(b" HTTP/1.1\r\n");
}

/// Writes `HTTP/1.1 SP status SP reason`, and makes room for the fields.
pub(super) fn status_line(output: &mut Output, status: u16, reason: &[u8], headers: &Headers) {
    reserve(output, reason.len(), headers);
    output.text(b"HTTP/1.1 ");
    number(output, status.into());
    output.text(b" ");
    output.text(reason);
    output.text(b"\r\n");
}

/// Writes the end-to-end fields, and no other, in order.
pub(super) fn fields(output: &mut Output, headers: &Headers) {
    for (name, value) in headers.iter().filter(|(name, _)| !is_connection_field(name)) {
        field(output, name, value);
    }
}

/// Writes one field line.
pub(super) fn field(output: &mut Output, name: &[u8], value: &[u8]) {
    output.text(name);
    output.text(b": ");
    output.text(value);
    output.text(b"\r\n");
}

/// Writes a `Content-Length`.
pub(super) fn content_length(output: &mut Output, length: u64) {
    output.text(b"Content-Length: ");
    number(output, length);
    output.text(b"\r\n");
}

/// Writes a number in decimal. Each head has one or two, and formatting would cost more than the rest of it.
fn number(output: &mut Output, mut number: u64) {
    let mut digits = [b'0'; 20];
    let mut first = digits.len();
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + u8::try_from(number % 10).unwrap_or_default();
        number /= 10;
        first -= 1;
        if number == 0 {
            break;
        }
    }
    output.text(digits.get(first..).unwrap_or_default());
}

/// Writes formatted ASCII.
pub(super) fn put(output: &mut Output, text: core::fmt::Arguments<'_>) {
    // An `Output` takes all that it is given.
    let _ = output.write_fmt(text);
}
