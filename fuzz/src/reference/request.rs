//! Request heads (RFC 9112 §3, RFC 9110 §7).

use telephone_core::limits::{HttpLimits, METHOD_BYTES_MAX};

use super::fields::{self, Bounds, Framing, Meaning};
use super::{Reading, is_token, members, split_at_first, target};

/// A request's head as a strict reader understands it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) method: Vec<u8>,
    pub(crate) target: Vec<u8>,
    /// The target as the backend gets it.
    pub(crate) sent: Vec<u8>,
    pub(crate) fields: Vec<(Vec<u8>, Vec<u8>)>,
    pub(crate) framing: Framing,
    pub(crate) upgrade: Option<Vec<u8>>,
    pub(crate) wants_trailers: bool,
    pub(crate) host: Option<Vec<u8>>,
    pub(crate) is_http10: bool,
    pub(crate) is_kept_alive: bool,
    /// Whether it may be refused for what `Connection` names.
    pub(crate) is_doubtful: bool,
}

/// Reads the head at the front of `input`, behind at most four empty lines.
pub(crate) fn read(input: &[u8], limits: &HttpLimits) -> Reading<Request> {
    let mut head = input;
    for _ in 0..4 {
        head = head.strip_prefix(b"\r\n").unwrap_or(head);
    }
    let Some((head, behind)) = split_at_first(head, b"\r\n\r\n") else { return Reading::Partial };
    let length = input.len() - behind.len();
    match parsed(head, limits) {
        Some(request) if length <= limits.request_head_bytes => Reading::Whole(request, behind.to_vec()),
        _ => Reading::Refused,
    }
}

fn parsed(head: &[u8], limits: &HttpLimits) -> Option<Request> {
    let (line, section) = split_at_first(head, b"\r\n").unwrap_or((head, b""));
    let words: Vec<&[u8]> = line.split(|octet| *octet == b' ').collect();
    let [method, raw_target, version] = words[..] else { return None };
    let is_http10 = match version {
        b"HTTP/1.0" => true,
        [b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'1'..=b'9'] => false,
        _ => return None,
    };
    let is_refused = [&b"CONNECT"[..], b"TRACE", b"TRACK"].iter().any(|m| method.eq_ignore_ascii_case(m));
    let is_method = is_token(method) && method.len() <= METHOD_BYTES_MAX && !is_refused;
    if !is_method || raw_target.len() > limits.target_bytes {
        return None;
    }
    // The line is read as text before the target is looked at.
    std::str::from_utf8(raw_target).ok()?;
    let ((target, sent), authority) = target_of(method, raw_target)?;
    let bounds = Bounds { line: limits.header_line_bytes, lines: limits.request_headers };
    let mut meaning = fields::meaning(&fields::lines(section, bounds)?, is_http10)?;
    if matches!(meaning.framing, Framing::Length(length) if length > limits.request_body_bytes) {
        return None;
    }
    let host = settled_host(&mut meaning, authority, is_http10)?;
    settle_expectation(&mut meaning, is_http10)?;
    let mut offer = meaning.upgrades.clone();
    offer.retain(|protocol| fields::is_upgrade(protocol));
    let has_web_socket = offer.iter().any(|protocol| protocol.eq_ignore_ascii_case(b"websocket"));
    let has_known_body = match meaning.framing {
        Framing::Nothing | Framing::Length(0) => true,
        Framing::Length(_) => !has_web_socket,
        Framing::Chunked => false,
    };
    let may_upgrade = method != b"HEAD" && !is_http10 && has_known_body;
    Some(Request {
        method: method.to_vec(),
        target,
        sent,
        framing: meaning.framing,
        upgrade: (may_upgrade && !offer.is_empty()).then(|| offer.join(&b", "[..])),
        wants_trailers: meaning.wants_trailers,
        host,
        is_http10,
        is_kept_alive: meaning.is_kept_alive(is_http10),
        is_doubtful: meaning.is_doubtful,
        fields: meaning.kept,
    })
}

/// A target in canonical form, and as the backend gets it.
type Forms = (Vec<u8>, Vec<u8>);

/// The target, and the authority that it names.
fn target_of<'a>(method: &[u8], raw: &'a [u8]) -> Option<(Forms, Option<&'a [u8]>)> {
    let is_options = method == b"OPTIONS";
    let asterisk = || (b"*".to_vec(), b"*".to_vec());
    if raw == b"*" {
        return is_options.then(|| (asterisk(), None));
    }
    if raw.starts_with(b"/") {
        return target::read(raw).map(|target| (target, None));
    }
    let (scheme, rest) = split_at_first(raw, b"://")?;
    if !scheme.eq_ignore_ascii_case(b"http") && !scheme.eq_ignore_ascii_case(b"https") {
        return None;
    }
    let end = rest.iter().position(|octet| b"/?#".contains(octet)).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let target = match path {
        [] if is_options => asterisk(),
        [b'/', ..] => target::read(path)?,
        path => target::read(&[b"/", path].concat())?,
    };
    Some((target, Some(authority)))
}

/// One `Host` at most, and none only in HTTP/1.0; an authority in the target stands in its place.
fn settled_host(meaning: &mut Meaning, authority: Option<&[u8]>, is_http10: bool) -> Option<Option<Vec<u8>>> {
    let is_host = |name: &[u8]| name.eq_ignore_ascii_case(b"host");
    let hosts: Vec<_> =
        meaning.kept.iter().filter(|field| is_host(&field.0)).map(|field| field.1.clone()).collect();
    let declared = match &hosts[..] {
        [host] => Some(canonical_host(host)?),
        [] if is_http10 => None,
        _ => return None,
    };
    let Some(authority) = authority else { return Some(declared) };
    let host = canonical_host(authority)?;
    match meaning.kept.iter_mut().find(|field| is_host(&field.0)) {
        Some(field) => field.1 = authority.to_vec(),
        None => meaning.kept.push((b"Host".to_vec(), authority.to_vec())),
    }
    Some(Some(host))
}

/// `100-continue` alone; HTTP/1.0 does not know it.
fn settle_expectation(meaning: &mut Meaning, is_http10: bool) -> Option<()> {
    let is_expect = |name: &[u8]| name.eq_ignore_ascii_case(b"expect");
    if is_http10 {
        meaning.kept.retain(|field| !is_expect(&field.0));
        return Some(());
    }
    let expectations = meaning.kept.iter().filter(|field| is_expect(&field.0));
    let mut members = expectations.flat_map(|field| members(&field.1));
    members.all(|member| member.eq_ignore_ascii_case(b"100-continue")).then_some(())
}

/// A host in lower case, without its port and one dot at its end.
fn canonical_host(authority: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(authority).ok()?;
    let (host, port) = match text.rfind(':') {
        Some(colon) if !text.ends_with(']') => (&text[..colon], &text[colon + 1..]),
        _ => (text, ""),
    };
    if !port.chars().all(|digit| digit.is_ascii_digit()) || (!port.is_empty() && port.parse::<u16>().is_err())
    {
        return None;
    }
    if let Some(address) = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        let address: std::net::Ipv6Addr = address.parse().ok()?;
        return Some(format!("[{address}]").into_bytes());
    }
    let name = host.strip_suffix('.').unwrap_or(host);
    let is_letter = |letter: char| letter.is_ascii_alphanumeric() || letter == '-' || letter == '_';
    let is_name = name.split('.').all(|label| !label.is_empty() && label.chars().all(is_letter));
    (is_name && name.len() <= 255).then(|| name.to_lowercase().into_bytes())
}
