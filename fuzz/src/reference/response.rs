//! Response heads (RFC 9112 §4, §6.3).

use telephone_core::limits::HttpLimits;

use super::fields::{self, Bounds, Framing};
use super::{Reading, is_text, members, split_at_first};

/// What was asked, as far as it decides what an answer means.
#[derive(Debug, Clone, Default)]
pub(crate) struct Question {
    pub(crate) is_head: bool,
    pub(crate) upgrade: Option<Vec<u8>>,
}

/// Where a response's body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyEnd {
    /// At once.
    Head,
    Length(u64),
    LastChunk,
    Connection,
    /// Never: another protocol.
    Opaque,
}

/// A response's head as a strict reader understands it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) reason: Vec<u8>,
    pub(crate) fields: Vec<(Vec<u8>, Vec<u8>)>,
    /// The length that it tells, of a body that comes or of one that would have.
    pub(crate) length: Option<u64>,
    pub(crate) upgrade: Option<Vec<u8>>,
    pub(crate) body: BodyEnd,
    pub(crate) is_reusable: bool,
    /// Whether it may be refused for what `Connection` names.
    pub(crate) is_doubtful: bool,
}

impl Response {
    /// Whether another head follows.
    pub(crate) const fn is_interim(&self) -> bool {
        self.status < 200 && self.status != 101
    }
}

/// Reads the head at the front of `input`.
pub(crate) fn read(input: &[u8], question: &Question, limits: &HttpLimits) -> Reading<Response> {
    let Some((head, behind)) = split_at_first(input, b"\r\n\r\n") else { return Reading::Partial };
    let length = input.len() - behind.len();
    match parsed(head, question, limits) {
        Some(response) if length <= limits.response_head_bytes => Reading::Whole(response, behind.to_vec()),
        _ => Reading::Refused,
    }
}

fn parsed(head: &[u8], question: &Question, limits: &HttpLimits) -> Option<Response> {
    let (line, section) = split_at_first(head, b"\r\n").unwrap_or((head, b""));
    let (version, rest) = split_at_first(line, b" ")?;
    let is_http10 = match version {
        b"HTTP/1.0" => true,
        b"HTTP/1.1" => false,
        _ => return None,
    };
    let digits = rest.get(..3).filter(|digits| digits.iter().all(u8::is_ascii_digit))?;
    let status: u16 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    let reason = match &rest[3..] {
        [] => &[][..],
        [b' ', reason @ ..] => reason,
        _ => return None,
    };
    if !(100..=999).contains(&status) || !is_text(reason) || line.len() > limits.response_head_bytes {
        return None;
    }
    let bounds = Bounds { line: limits.response_head_bytes, lines: limits.response_headers };
    // White space around a value is legal (RFC 9110 §5.5); a request's framing fields have at most one space.
    let spaced = fields::lines(section, bounds)?;
    let lines: Vec<_> = spaced.iter().map(|(name, value)| (*name, super::trimmed(value))).collect();
    let meaning = fields::meaning(&lines, is_http10)?;
    let offer = question.upgrade.clone().unwrap_or_default();
    let is_asked = |new: &Vec<u8>| members(&offer).any(|old| old.eq_ignore_ascii_case(new));
    let upgrade = match &meaning.upgrades[..] {
        [new] if status == 101 && !is_http10 && is_asked(new) => Some(new.clone()),
        // What it asks for, whether or not Connection names it.
        _ if status == 426 => meaning.demand(),
        _ => None,
    };
    if status == 101 && upgrade.is_none() {
        return None;
    }
    let body = body_end(status, meaning.framing, question.is_head);
    // A length beside a body that must not be is no promise of one.
    let is_forbidden = (status < 200 || status == 204) && !question.is_head;
    let (length, is_surplus) = match meaning.framing {
        Framing::Nothing | Framing::Length(0) if is_forbidden => (None, false),
        Framing::Length(_) | Framing::Chunked if is_forbidden => (None, true),
        Framing::Length(length) => (Some(length), false),
        Framing::Nothing | Framing::Chunked => (None, false),
    };
    let is_delimited = body != BodyEnd::Connection && body != BodyEnd::Opaque;
    Some(Response {
        status,
        reason: reason.to_vec(),
        length,
        upgrade,
        body,
        is_reusable: is_delimited && !is_surplus && meaning.is_kept_alive(is_http10),
        is_doubtful: meaning.is_doubtful,
        fields: meaning.kept,
    })
}

fn body_end(status: u16, framing: Framing, is_head: bool) -> BodyEnd {
    match (status, framing) {
        (101, _) => BodyEnd::Opaque,
        (..200 | 204 | 304, _) => BodyEnd::Head,
        _ if is_head => BodyEnd::Head,
        (_, Framing::Length(0)) => BodyEnd::Head,
        (_, Framing::Length(length)) => BodyEnd::Length(length),
        (_, Framing::Chunked) => BodyEnd::LastChunk,
        (_, Framing::Nothing) => BodyEnd::Connection,
    }
}
