//! Field sections: from lines to end-to-end fields, and what the connection-level ones mean.
//!
//! Both directions and trailers use it. Fields that belong to one connection (framing, hop-by-hop, those
//! that `Connection` names) end here; their meaning comes out as numbers and flags (RFC 9110 §7.6.1).

use alloc::boxed::Box;
use alloc::vec::Vec;
use bytes::Bytes;
use core::time::Duration;
use httparse::Header;

use super::error::Malformed;
use super::lenient::{Odd, Oddity};
use super::scan::is_token;
use super::split;
use crate::limits::BODY_LENGTH_MAX;
use crate::message::{Headers, word};

/// The version of a message that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0: no chunked coding, no interim responses, no upgrades; closes unless told otherwise.
    Http10,
    /// HTTP/1.1.
    Http11,
}

/// The framing that a message's fields declare (RFC 9112 §6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Declared {
    Nothing,
    Length(u64),
    Chunked,
}

/// A field section, understood.
#[derive(Debug, Default)]
pub(super) struct Fields<'a> {
    /// End-to-end fields, in order, as they came.
    pub(super) kept: Headers,
    /// The last `Content-Length`, and how many there were.
    length: Option<&'a [u8]>,
    lengths: usize,
    /// The last `Transfer-Encoding`, and how many there were.
    coding: Option<&'a [u8]>,
    codings: usize,
    /// What `Connection` names, but for what is told below.
    named: Vec<&'a [u8]>,
    pub(super) has_close: bool,
    pub(super) has_keep_alive: bool,
    has_upgrade: bool,
    /// The tokens of `Upgrade`, in order.
    upgrades: Vec<&'a [u8]>,
    pub(super) wants_trailers: bool,
    /// How long the sender keeps an idle connection, as it says.
    pub(super) idle_time: Option<Duration>,
    /// Whether these are an answer's: what has one meaning passes (`lenient`).
    is_lenient: bool,
    /// What was odd first.
    pub(super) odd: Option<Box<Oddity>>,
    /// Whether two lengths differ, or one of several is none.
    has_unlike_lengths: bool,
}

/// What a field's name means to a connection.
#[derive(Clone, Copy)]
enum Kind {
    Length,
    Coding,
    FramingAlias,
    Connection,
    Upgrade,
    Te,
    KeepAlive,
    HopByHop,
    EndToEnd,
}

const KINDS: [(&str, Kind); 11] = [
    ("content-length", Kind::Length),
    ("content_length", Kind::FramingAlias),
    ("transfer-encoding", Kind::Coding),
    ("transfer_encoding", Kind::FramingAlias),
    ("connection", Kind::Connection),
    ("proxy-connection", Kind::HopByHop),
    ("keep-alive", Kind::KeepAlive),
    ("te", Kind::Te),
    ("trailer", Kind::HopByHop),
    ("upgrade", Kind::Upgrade),
    ("http2-settings", Kind::HopByHop),
];

fn kind(name: &[u8]) -> Kind {
    let known = KINDS.iter().find(|(known, _)| name.eq_ignore_ascii_case(known.as_bytes()));
    known.map_or(Kind::EndToEnd, |(_, kind)| *kind)
}

/// Whether a field belongs to one connection and is never written from a head that crossed the tunnel.
pub(crate) fn is_connection_field(name: &[u8]) -> bool {
    !matches!(kind(name), Kind::EndToEnd)
}

/// Fields that `Connection` may not name: with them a client could strip what the relay or the backend
/// relies on. [H-13]
const PROTECTED: [&str; 30] = [
    "age",
    "authorization",
    "cache-control",
    "content-encoding",
    "content-length",
    "content-range",
    "content-security-policy",
    "content-type",
    "cookie",
    "date",
    "expect",
    "expires",
    "forwarded",
    "host",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "location",
    "origin",
    "proxy-authorization",
    "range",
    "set-cookie",
    "strict-transport-security",
    "transfer-encoding",
    "transfer_encoding",
    "vary",
    "www-authenticate",
    "x-real-ip",
];

/// Families of names that `Connection` may not name, nor a trailer be called.
const PROTECTED_PREFIXES: [&str; 3] = ["x-forwarded-", "x-plugboard-", "sec-"];

/// Fields that make no sense, or harm, in a trailer section: framing, routing, authentication, request
/// modifiers and response control (RFC 9110 §6.5.1). [H-23]
const NO_TRAILERS: [&str; 8] = [
    "allow",
    "authentication-info",
    "max-forwards",
    "pragma",
    "proxy-authenticate",
    "proxy-authentication-info",
    "retry-after",
    "warning",
];

fn is_among(names: &[&str], name: &[u8]) -> bool {
    names.iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes()))
}

fn is_protected(name: &[u8]) -> bool {
    let has_prefix = |prefix: &&str| {
        name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix.as_bytes()))
    };
    is_among(&PROTECTED, name) || PROTECTED_PREFIXES.iter().any(has_prefix)
}

/// Leaves the end-to-end fields of a section that never was text, such as an embedded handler's: what
/// belongs to one connection goes, and what `Connection` names (RFC 9110 §7.6.1) unless that is protected.
pub fn end_to_end(headers: &mut Headers) {
    let named: Vec<Vec<u8>> = headers.all("connection").flat_map(members).map(<[u8]>::to_vec).collect();
    let is_named = |name: &[u8]| named.iter().any(|option| option.eq_ignore_ascii_case(name));
    headers.retain(|name, _| !is_connection_field(name) && (is_protected(name) || !is_named(name)));
}

/// Whether a field may cross as a trailer. [H-23]
#[must_use]
pub fn is_trailer(name: &[u8]) -> bool {
    !is_connection_field(name) && !is_protected(name) && !is_among(&NO_TRAILERS, name)
}

/// `value` without the white space around it (RFC 9110 §5.6.3).
fn trimmed(value: &[u8]) -> &[u8] {
    let is_inked = |octet: &u8| !matches!(octet, b' ' | b'\t');
    let front = value.iter().position(is_inked).unwrap_or(value.len());
    let back = value.iter().rposition(is_inked).map_or(front, |last| last.saturating_add(1));
    value.get(front..back).unwrap_or_default()
}

/// The members of a comma-separated list, empty ones left out (RFC 9110 §5.6.1).
pub(crate) fn members(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&octet| octet == b',').map(trimmed).filter(|member| !member.is_empty())
}

/// The fields of a trailer section: those that may be trailers, in order.
pub(super) fn trailers(section: &[u8]) -> Result<Headers, Malformed> {
    let mut slots = Vec::new();
    let fields = split::trailers(section, &mut slots)?;
    let passing = fields.iter().filter(|field| is_trailer(field.name.as_bytes()));
    Ok(passing.map(|field| (field.name, field.value)).collect())
}

impl<'a> Fields<'a> {
    /// Judges the fields that a scanned section was split into. With `room` for so many bytes of fields.
    pub(super) fn parse(room: usize, split: &[Header<'a>], is_lenient: bool) -> Result<Self, Malformed> {
        let kept = Headers::with_capacity(room);
        let mut fields = Self { kept, is_lenient, ..Self::default() };
        for field in split {
            fields.add(field)?;
        }
        fields.drop_named()?;
        Ok(fields)
    }

    fn add(&mut self, field: &Header<'a>) -> Result<(), Malformed> {
        let (name, value) = (field.name.as_bytes(), field.value);
        match kind(name) {
            Kind::Length => {
                let is_unlike = |first| !are_alike(first, value);
                self.has_unlike_lengths |= self.length.is_some_and(is_unlike);
                self.length = Some(value);
                self.lengths = self.lengths.saturating_add(1);
            }
            Kind::Coding => {
                if self.is_lenient && self.coding.is_some_and(|first| !first.eq_ignore_ascii_case(value)) {
                    return Err(Malformed::CodingRepeated);
                }
                self.coding = Some(value);
                self.codings = self.codings.saturating_add(1);
            }
            // It never crosses, so that no client can take it for the real one.
            Kind::FramingAlias if self.is_lenient => self.note(Odd::FramingAlias, name, value),
            Kind::FramingAlias => return Err(Malformed::FramingAlias),
            Kind::Connection => return self.add_options(value),
            Kind::Upgrade => self.upgrades.extend(members(value)),
            Kind::Te => {
                self.wants_trailers |= members(value).any(|coding| coding.eq_ignore_ascii_case(b"trailers"));
            }
            Kind::KeepAlive => self.idle_time = members(value).find_map(idle_time).or(self.idle_time),
            Kind::HopByHop => {}
            Kind::EndToEnd => self.kept.push(name, value),
        }
        Ok(())
    }

    fn add_options(&mut self, value: &'a [u8]) -> Result<(), Malformed> {
        for option in members(value) {
            if !is_token(option) {
                if self.is_lenient {
                    self.note(Odd::ConnectionOption, b"Connection", option);
                    continue;
                }
                return Err(Malformed::ConnectionOption);
            }
            // Fields of the names of the first two never are end-to-end.
            if option.eq_ignore_ascii_case(b"keep-alive") {
                self.has_keep_alive = true;
            } else if option.eq_ignore_ascii_case(b"upgrade") {
                self.has_upgrade = true;
            } else {
                self.has_close |= option.eq_ignore_ascii_case(b"close");
                self.named.push(option);
            }
        }
        Ok(())
    }

    fn drop_named(&mut self) -> Result<(), Malformed> {
        let mut named = core::mem::take(&mut self.named);
        if self.is_lenient
            && let Some(&name) = named.iter().find(|name| is_protected(name))
        {
            self.note(Odd::ProtectedOption, b"Connection", name);
            named.retain(|name| !is_protected(name));
        }
        if named.is_empty() {
            return Ok(());
        }
        if named.iter().any(|name| is_protected(name)) {
            return Err(Malformed::ProtectedOption);
        }
        self.kept.retain(|name, _| !named.iter().any(|option| option.eq_ignore_ascii_case(name)));
        Ok(())
    }

    fn note(&mut self, rule: Odd, field: &[u8], value: &[u8]) {
        self.odd.get_or_insert_with(|| Oddity::new(rule, field, value));
    }

    /// What the framing fields of an answer declare, as far as they have one meaning: chunked wins over a length, and
    /// a repetition says nothing new (RFC 9112 §6.3). Unlike lengths and other codings are refused.
    pub(super) fn declared_leniently(&mut self, version: Version) -> Result<Declared, Malformed> {
        let length = match self.length {
            Some(_) if self.has_unlike_lengths => return Err(Malformed::LengthRepeated),
            Some(value) => {
                let (length, is_list) = listed_length(value)?;
                if is_list || self.lengths > 1 {
                    self.note(Odd::LengthRepeated, b"Content-Length", value);
                }
                Some(length)
            }
            None => None,
        };
        let Some(coding) = self.coding else {
            return Ok(length.map_or(Declared::Nothing, Declared::Length));
        };
        let is_chunked = |coding: &[u8]| coding.eq_ignore_ascii_case(b"chunked");
        let is_list = members(coding).nth(1).is_some() && members(coding).all(is_chunked);
        if !is_list {
            chunked(coding)?;
        }
        if is_list || self.codings > 1 {
            self.note(Odd::CodingRepeated, b"Transfer-Encoding", coding);
        }
        if length.is_some() {
            self.note(Odd::LengthAndCoding, b"Transfer-Encoding", coding);
        }
        if version == Version::Http10 {
            self.note(Odd::CodingInHttp10, b"Transfer-Encoding", coding);
        }
        Ok(Declared::Chunked)
    }

    /// What the framing fields declare. White space around their values is no part of them (RFC 9110 §5.5), and has
    /// been cut. [H-01, H-02, H-03]
    pub(super) fn declared(&self, version: Version) -> Result<Declared, Malformed> {
        match (&self.length, &self.coding) {
            (None, None) => Ok(Declared::Nothing),
            (Some(length), Some(_)) if cfg!(planted = "both-framings-accepted") => {
                content_length(length).map(Declared::Length)
            }
            (Some(_), Some(_)) => Err(Malformed::LengthAndCoding),
            (Some(_), None) if self.lengths > 1 => Err(Malformed::LengthRepeated),
            (Some(length), None) => content_length(length).map(Declared::Length),
            (None, Some(_)) if self.codings > 1 => Err(Malformed::CodingRepeated),
            (None, Some(_)) if version == Version::Http10 => Err(Malformed::CodingInHttp10),
            (None, Some(coding)) => chunked(coding).map(|()| Declared::Chunked),
        }
    }

    /// The protocols that a request's `Upgrade` offers, if `Connection` names it too, without other versions and layers
    /// of HTTP itself. [H-11, H-19]
    pub(super) fn offer(&self) -> Option<Bytes> {
        if self.has_upgrade { self.demand() } else { None }
    }

    /// Whether a request offers h2c, which is left out of its offer.
    pub(super) fn offers_h2c(&self) -> bool {
        self.has_upgrade && self.upgrades.iter().any(|protocol| is_h2c(protocol))
    }

    /// The protocols that a 426 asks for (RFC 9110 §15.5.22), likewise. Not all servers name `Upgrade` in `Connection`
    /// there, and nothing is switched.
    pub(super) fn demand(&self) -> Option<Bytes> {
        let mut passing = self.upgrades.iter().filter(|protocol| is_upgrade(protocol));
        let first = passing.next()?;
        let Some(second) = passing.next() else { return Some(word(first)) };
        let mut list = first.to_vec();
        for protocol in core::iter::once(second).chain(passing) {
            list.extend_from_slice(b", ");
            list.extend_from_slice(protocol);
        }
        Some(list.into())
    }

    /// The one protocol that a 101 switches to, if `Connection` names `Upgrade` too. Nobody has asked whether it was offered.
    pub(super) fn switch(&self) -> Option<&'a [u8]> {
        match self.upgrades[..] {
            [protocol] if self.has_upgrade => Some(protocol),
            _ => None,
        }
    }
}

/// The seconds of a `timeout=N` of `Keep-Alive` (RFC 2068 §19.7.1.1).
fn idle_time(parameter: &[u8]) -> Option<Duration> {
    let (name, digits) = parameter.split_at_checked(b"timeout=".len())?;
    let digits = core::str::from_utf8(digits).ok().filter(|_| name.eq_ignore_ascii_case(b"timeout="))?;
    digits.trim_matches(['"', ' ']).parse().ok().map(Duration::from_secs)
}

/// Whether two `Content-Length` fields tell the same.
fn are_alike(first: &[u8], second: &[u8]) -> bool {
    matches!((listed_length(first), listed_length(second)), (Ok((first, _)), Ok((second, _))) if first == second)
}

/// The length of an answer's `Content-Length`, which may be a list of like ones, and whether it was (RFC 9110 §8.6).
fn listed_length(value: &[u8]) -> Result<(u64, bool), Malformed> {
    let mut lengths =
        value.split(|&octet| octet == b',').map(|length| content_length(without_zeros(trimmed(length))));
    let first = lengths.next().unwrap_or(Err(Malformed::Length))?;
    let mut is_list = false;
    for length in lengths {
        if length? != first {
            return Err(Malformed::LengthRepeated);
        }
        is_list = true;
    }
    Ok((first, is_list))
}

/// More digits than a length has are zeros in front, if it is one.
fn without_zeros(value: &[u8]) -> &[u8] {
    let zeros = value.iter().take_while(|&&octet| octet == b'0').count();
    if value.len() > 19 { value.get(zeros..).unwrap_or(value) } else { value }
}

/// A length in at most 19 digits, which always fit 64 bits, and no longer than what crosses the tunnel
/// (RFC 9110 §8.6). [H-02]
fn content_length(value: &[u8]) -> Result<u64, Malformed> {
    if value.is_empty() || value.len() > 19 || !value.iter().all(u8::is_ascii_digit) {
        return Err(Malformed::Length);
    }
    let digits = value.iter().map(|&digit| u64::from(digit.wrapping_sub(b'0')));
    let length = digits.fold(0, |sum: u64, digit| sum.saturating_mul(10).saturating_add(digit));
    if length > BODY_LENGTH_MAX { Err(Malformed::Length) } else { Ok(length) }
}

/// Whether a `Transfer-Encoding` is `chunked` alone. Where another coding precedes it the framing is
/// clear, but not the content: 501 in place of 400 (RFC 9112 §6.1). [H-03]
fn chunked(value: &[u8]) -> Result<(), Malformed> {
    if value.eq_ignore_ascii_case(b"chunked") {
        return Ok(());
    }
    let is_chunked = |coding: &[u8]| coding.eq_ignore_ascii_case(b"chunked");
    let mut codings = value.rsplit(|&octet| octet == b',').map(<[u8]>::trim_ascii_start);
    let is_final_chunked = codings.next().is_some_and(is_chunked);
    let mut others = codings.map(<[u8]>::trim_ascii_end).peekable();
    let has_others = others.peek().is_some();
    if is_final_chunked && has_others && others.all(|coding| is_token(coding) && !is_chunked(coding)) {
        return Err(Malformed::CodingUnknown);
    }
    Err(Malformed::Coding)
}

/// Whether `offer` is a list of protocols that may all be passed on, and not empty.
pub(crate) fn is_offer(offer: &[u8]) -> bool {
    members(offer).next().is_some() && members(offer).all(is_upgrade)
}

/// Likewise, of protocols that pass between ends which announced that they take h2c.
pub(crate) fn is_offer_with_h2c(offer: &[u8]) -> bool {
    members(offer).next().is_some() && members(offer).all(|member| is_upgrade(member) || is_h2c(member))
}

/// HTTP/2 within the connection, without TLS. It hands the whole backend over, past mounts and logs, so that it passes only
/// where the telephone's operator wants it.
pub(crate) const fn is_h2c(protocol: &[u8]) -> bool {
    protocol.eq_ignore_ascii_case(H2C)
}

/// Its name.
pub(crate) const H2C: &[u8] = b"h2c";

/// Whether `protocol` is one of those that `offer` lists.
pub(crate) fn is_offered(offer: &[u8], protocol: &[u8]) -> bool {
    members(offer).any(|member| member.eq_ignore_ascii_case(protocol))
}

/// Whether `protocol` may be passed on: a token with an optional version, and not HTTP/2 or TLS inside of
/// the connection. [H-19]
pub(crate) fn is_upgrade(protocol: &[u8]) -> bool {
    let mut parts = protocol.splitn(2, |&octet| octet == b'/');
    let name = parts.next().unwrap_or_default();
    let is_http = ["h2c", "h2", "tls", "http"].iter().any(|own| name.eq_ignore_ascii_case(own.as_bytes()));
    is_token(name) && !is_http && parts.next().is_none_or(is_token)
}
