//! Where the parts of a scanned section are, as httparse finds them.
//!
//! httparse comes behind the scanner and never alone: it would take a bare LF for the end of a line, and
//! any number of empty lines before a message. It drops a reason phrase with obs-text, which is looked up beside it.

use alloc::vec::Vec;
use core::mem::MaybeUninit;
use httparse::{Error, Header, ParserConfig, Status};

use super::error::{Malformed, RequestError, ResponseError};
use super::fields::Version;

/// Octets of a status line before its reason phrase: version, status, and a space behind each.
const REASON_START: usize = 13;

/// The parts of a request head.
pub(super) struct RequestParts<'a> {
    pub(super) method: &'a str,
    pub(super) target: &'a str,
    pub(super) version: Version,
    pub(super) fields: &'a [Header<'a>],
}

/// The parts of a response head.
pub(super) struct ResponseParts<'a> {
    pub(super) version: Version,
    /// Three digits, whichever.
    pub(super) status: u16,
    pub(super) reason: &'a [u8],
    pub(super) fields: &'a [Header<'a>],
}

/// Fields of a section for which no memory is allocated.
const FEW: usize = 24;

/// Room for the fields of a section.
pub(super) struct Slots<'a> {
    few: [MaybeUninit<Header<'a>>; FEW],
    many: Vec<MaybeUninit<Header<'a>>>,
}

impl<'a> Slots<'a> {
    #[inline]
    pub(super) fn new() -> Self {
        Self { few: [MaybeUninit::uninit(); FEW], many: Vec::new() }
    }

    /// One slot a line, of which the scanner has let only so many through.
    fn of(&mut self, section: &[u8]) -> &mut [MaybeUninit<Header<'a>>] {
        let lines = lines(section);
        if let Some(few) = self.few.get_mut(..lines) {
            return few;
        }
        self.many.resize_with(lines, MaybeUninit::uninit);
        &mut self.many
    }
}

/// Lines of a section, counted in pieces that fit an octet: so many of them are looked at in one step.
fn lines(section: &[u8]) -> usize {
    let count =
        |piece: &[u8]| piece.iter().fold(0_u8, |sum, octet| sum.wrapping_add(u8::from(*octet == b'\n')));
    section.chunks(usize::from(u8::MAX)).map(|piece| usize::from(count(piece))).sum()
}

/// Splits `method SP target SP version`, with exactly these two spaces, and the fields behind it
/// (RFC 9112 §3).
pub(super) fn request<'s, 'a: 's>(
    section: &'a [u8],
    slots: &'s mut Slots<'a>,
) -> Result<RequestParts<'s>, RequestError> {
    let mut head = httparse::Request::new(&mut []);
    if let Err(error) = whole(head.parse_with_uninit_headers(section, slots.of(section)), section) {
        let version = head.path.map(|target| behind(section, target));
        return Err(request_error(error, version.unwrap_or_default()));
    }
    let httparse::Request { method, path, version, headers } = head;
    let (Some(method), Some(target), Some(version)) = (method, path, self::version(version)) else {
        return Err(RequestError::RequestLine);
    };
    Ok(RequestParts { method, target, version, fields: headers })
}

/// A request's head with `HTTP/1.1` for a higher minor version, which has its syntax (RFC 9110 §2.5, §6.2); `None` if it has
/// another one. [H-19]
pub(super) fn as_http11(section: &[u8]) -> Option<Vec<u8>> {
    let mut start = 0_usize;
    while section.get(start..)?.starts_with(b"\r\n") {
        start = start.saturating_add(2);
    }
    let minor = start.saturating_add(line(section.get(start..)?).len()).checked_sub(1)?;
    let is_later = section.get(..minor)?.ends_with(b" HTTP/1.") && matches!(section.get(minor)?, b'2'..=b'9');
    let mut head = section.to_vec();
    *head.get_mut(minor)? = b'1';
    is_later.then_some(head)
}

/// Splits `version SP status [SP reason]` and the fields behind it. The second space is not asked for:
/// servers in use leave it out with an empty reason, and nothing else can be meant (RFC 9112 §4). [H-26]
pub(super) fn response<'s, 'a: 's>(
    section: &'a [u8],
    slots: &'s mut Slots<'a>,
) -> Result<ResponseParts<'s>, ResponseError> {
    let mut head = httparse::Response::new(&mut []);
    let parser = ParserConfig::default();
    whole(parser.parse_response_with_uninit_headers(&mut head, section, slots.of(section)), section)
        .map_err(|error| field_error(error).map_or(ResponseError::StatusLine, ResponseError::from))?;
    let httparse::Response { version, code, headers, .. } = head;
    let (Some(version), Some(status)) = (self::version(version), code) else {
        return Err(ResponseError::StatusLine);
    };
    let reason = line(section).get(REASON_START..).unwrap_or_default();
    Ok(ResponseParts { version, status, reason, fields: headers })
}

/// Splits a section of fields only.
pub(super) fn trailers<'s, 'a: 's>(
    section: &'a [u8],
    slots: &'s mut Vec<Header<'a>>,
) -> Result<&'s [Header<'a>], Malformed> {
    slots.resize(lines(section), httparse::EMPTY_HEADER);
    match httparse::parse_headers(section, slots) {
        Ok(Status::Complete((end, fields))) if end == section.len() => Ok(fields),
        Ok(Status::Complete(_) | Status::Partial) => Err(Malformed::FieldLine),
        Err(error) => Err(field_error(error).unwrap_or(Malformed::FieldLine)),
    }
}

/// What stands behind `part` on its line; `part` is a part of `section`.
fn behind<'a>(section: &'a [u8], part: &str) -> &'a [u8] {
    let start = part.as_ptr().addr().wrapping_sub(section.as_ptr().addr());
    line(section.get(start.saturating_add(part.len())..).unwrap_or_default())
}

/// The first line of `text`, or the rest of one. The scanner has seen to it that CR stands nowhere else.
fn line(text: &[u8]) -> &[u8] {
    text.split(|&octet| octet == b'\r').next().unwrap_or_default()
}

/// Checks that a section ends for httparse where it ended for the scanner. Where it did not the two differ
/// on what a line is, and nothing that they say is to be trusted.
fn whole(parsed: httparse::Result<usize>, section: &[u8]) -> Result<(), Error> {
    match parsed? {
        Status::Complete(end) if end == section.len() => Ok(()),
        Status::Complete(_) | Status::Partial => Err(Error::NewLine),
    }
}

const fn version(minor: Option<u8>) -> Option<Version> {
    match minor {
        Some(0) => Some(Version::Http10),
        Some(1) => Some(Version::Http11),
        Some(_) | None => None,
    }
}

/// What an error says of the fields, if it is about them.
const fn field_error(error: Error) -> Option<Malformed> {
    match error {
        Error::HeaderName | Error::HeaderValue => Some(Malformed::FieldLine),
        Error::TooManyHeaders => Some(Malformed::TooManyFields),
        Error::NewLine | Error::Status | Error::Token | Error::Version => None,
    }
}

/// `version` is what stood behind the target: another version of HTTP is told from what is none. [H-19]
fn request_error(error: Error, version: &[u8]) -> RequestError {
    match (error, version) {
        (Error::Version, [b' ', b'H', b'T', b'T', b'P', b'/', major, b'.', minor])
            if major.is_ascii_digit() && minor.is_ascii_digit() =>
        {
            RequestError::Version
        }
        (error, _) => field_error(error).map_or(RequestError::RequestLine, RequestError::Malformed),
    }
}
