//! Request heads: from a scanned section to a [`RequestHead`] and what the connection needs to know.

use bytes::Bytes;

use super::error::RequestError;
use super::fields::{Declared, Fields, H2C, Version, is_offered, members};
use super::host;
use super::scan::{Bounds, Scanner};
use super::split;
use crate::forward::FORWARDING_BYTES;
use crate::limits::{BLANK_LINES_MAX, HttpLimits, METHOD_BYTES_MAX};
use crate::message::{RequestHead, word};
use crate::target::Target;

/// Octets of a request line besides method and target: two spaces and the version.
const REQUEST_LINE_REST: usize = 10;

/// What the relay needs to know of a request besides its head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestOrigin {
    /// The host for routing: lower-case, without port and trailing dot. `None` only in HTTP/1.0.
    pub host: Option<Bytes>,
    /// The client's version.
    pub version: Version,
}

/// A request head, understood.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) head: RequestHead,
    /// The target as the backend gets it.
    pub(super) sent: Bytes,
    /// It offers h2c, which its head leaves out.
    pub(super) offers_h2c: bool,
    pub(super) origin: RequestOrigin,
    pub(super) declared: Declared,
    pub(super) is_kept_alive: bool,
    /// Whether the client waits for 100 before it sends the body.
    pub(super) is_expecting: bool,
}

/// Finds the end of a request head.
pub(super) const fn scanner(limits: &HttpLimits) -> Scanner {
    let start_line = limits.target_bytes.saturating_add(METHOD_BYTES_MAX).saturating_add(REQUEST_LINE_REST);
    let bounds = Bounds {
        start_line: Some(start_line),
        line: limits.header_line_bytes,
        lines: limits.request_headers,
        total: limits.request_head_bytes,
    };
    Scanner::new(bounds, BLANK_LINES_MAX)
}

/// Takes a scanned request head apart.
pub(super) fn parse(section: &[u8], limits: &HttpLimits) -> Result<Request, RequestError> {
    match understood(section, limits) {
        Err(RequestError::Version) => {
            let section = split::as_http11(section).ok_or(RequestError::Version)?;
            understood(&section, limits)
        }
        request => request,
    }
}

fn understood(section: &[u8], limits: &HttpLimits) -> Result<Request, RequestError> {
    let mut slots = split::Slots::new();
    let split::RequestParts { method, target, version, fields } = split::request(section, &mut slots)?;
    check_method(method)?;
    if target.len() > limits.target_bytes {
        return Err(RequestError::TargetTooLong);
    }
    let (target, authority) = parse_target(method.as_bytes(), target.as_bytes())?;
    let method = word(method.as_bytes());
    let mut fields = Fields::parse(section.len().saturating_add(FORWARDING_BYTES), fields, false)?;
    let declared = fields.declared(version)?;
    if matches!(declared, Declared::Length(length) if length > limits.request_body_bytes) {
        return Err(RequestError::BodyTooLong);
    }
    let host = settle_host(&mut fields, authority, version)?;
    let is_expecting = settle_expectation(&mut fields, version)?;
    let upgrade = fields.offer().filter(|offer| is_upgradable(offer, &method, version, declared));
    let offers_h2c = fields.offers_h2c() && is_upgradable(H2C, &method, version, declared);
    let is_kept_alive = is_kept_alive(&fields, version);
    // What comes behind a 101 is no body, and has no length.
    let length = match declared {
        Declared::Length(length) if upgrade.is_none() || length > 0 => Some(length),
        Declared::Length(_) | Declared::Chunked | Declared::Nothing => None,
    };
    let wants_trailers = fields.wants_trailers;
    let head = RequestHead {
        method,
        target: target.canonical,
        headers: fields.kept,
        length,
        upgrade,
        wants_trailers,
    };
    let origin = RequestOrigin { host, version };
    Ok(Request { head, sent: target.sent, offers_h2c, origin, declared, is_kept_alive, is_expecting })
}

/// Any method passes but those that are not for an origin behind a reverse tunnel. [H-18]
fn check_method(method: &str) -> Result<(), RequestError> {
    if method.len() > METHOD_BYTES_MAX {
        return Err(RequestError::MethodTooLong);
    }
    let is_refused = ["CONNECT", "TRACE", "TRACK"].iter().any(|refused| method.eq_ignore_ascii_case(refused));
    if is_refused { Err(RequestError::MethodNotAllowed) } else { Ok(()) }
}

/// A request target, and the authority of one in absolute form. [H-17]
type Parsed<'a> = (Target, Option<&'a [u8]>);

fn parse_target<'a>(method: &[u8], raw: &'a [u8]) -> Result<Parsed<'a>, RequestError> {
    if raw.starts_with(b"/") {
        return read_target(raw, None);
    }
    if raw == b"*" {
        return asterisk(method, None);
    }
    parse_absolute(method, raw)
}

/// `http://authority/path?query`: the authority becomes `Host` (RFC 9112 §3.2.2).
fn parse_absolute<'a>(method: &[u8], raw: &'a [u8]) -> Result<Parsed<'a>, RequestError> {
    let has_scheme =
        |scheme: &&str| raw.get(..scheme.len()).is_some_and(|s| s.eq_ignore_ascii_case(scheme.as_bytes()));
    let scheme = ["http://", "https://"].into_iter().find(has_scheme).ok_or(RequestError::TargetForm)?;
    let rest = raw.get(scheme.len()..).unwrap_or_default();
    let end = rest.iter().position(|octet| matches!(octet, b'/' | b'?' | b'#')).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at_checked(end).ok_or(RequestError::TargetForm)?;
    let authority = Some(authority);
    if rest.is_empty() && method == b"OPTIONS" {
        return asterisk(method, authority);
    }
    if rest.starts_with(b"/") {
        return read_target(rest, authority);
    }
    let mut rooted = alloc::vec![b'/'];
    rooted.extend_from_slice(rest);
    read_target(&rooted, authority)
}

fn asterisk<'a>(method: &[u8], authority: Option<&'a [u8]>) -> Result<Parsed<'a>, RequestError> {
    if method == b"OPTIONS" { Ok((Target::asterisk(), authority)) } else { Err(RequestError::TargetForm) }
}

fn read_target<'a>(raw: &[u8], authority: Option<&'a [u8]>) -> Result<Parsed<'a>, RequestError> {
    Target::read(raw).map(|target| (target, authority)).map_err(|_| RequestError::Target)
}

/// Checks `Host`, lets the authority of an absolute-form target win over it, and answers the canonical
/// host (RFC 9112 §3.2). [H-15]
fn settle_host(
    fields: &mut Fields<'_>,
    authority: Option<&[u8]>,
    version: Version,
) -> Result<Option<Bytes>, RequestError> {
    if fields.kept.all("host").nth(1).is_some() {
        return Err(RequestError::HostRepeated);
    }
    let declared = match fields.kept.first("host") {
        Some(host) => Some(host::canonical(host).ok_or(RequestError::Host)?),
        None if version == Version::Http11 => return Err(RequestError::HostMissing),
        None => None,
    };
    let Some(authority) = authority else { return Ok(declared) };
    let host = host::canonical(authority).ok_or(RequestError::Host)?;
    fields.kept.set("Host", authority);
    Ok(Some(host))
}

/// Whether the client waits for 100. HTTP/1.0 cannot: there the field is dropped (RFC 9110 §10.1.1). [H-21]
fn settle_expectation(fields: &mut Fields<'_>, version: Version) -> Result<bool, RequestError> {
    if version == Version::Http10 {
        fields.kept.remove("expect");
        return Ok(false);
    }
    let mut is_expecting = false;
    for expectation in fields.kept.all("expect").flat_map(members) {
        if !expectation.eq_ignore_ascii_case(b"100-continue") {
            return Err(RequestError::Expectation);
        }
        is_expecting = true;
    }
    Ok(is_expecting)
}

/// Whether this request may ask for other protocols: one whose body ends where its head says, so that what is behind it is
/// for the 101, and whose answer has a body. A WebSocket's handshake has none (RFC 6455 §4.1). [H-11]
fn is_upgradable(offer: &[u8], method: &[u8], version: Version, declared: Declared) -> bool {
    let fits_body = match declared {
        Declared::Nothing | Declared::Length(0) => true,
        Declared::Length(_) => !is_offered(offer, b"websocket"),
        Declared::Chunked => false,
    };
    method != b"HEAD" && version == Version::Http11 && fits_body
}

/// Whether the connection stays after this message (RFC 9112 §9.3).
pub(super) const fn is_kept_alive(fields: &Fields<'_>, version: Version) -> bool {
    match version {
        Version::Http11 => !fields.has_close,
        Version::Http10 => fields.has_keep_alive && !fields.has_close,
    }
}
