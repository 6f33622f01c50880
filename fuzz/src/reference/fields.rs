//! Sections of fields and what they mean to a connection (RFC 9110 §5, §7.6.1, RFC 9112 §5, §6).

use telephone_core::http1::is_trailer;

use super::{is_text, is_token, members, trimmed};

/// One field: its name, and what is behind its colon with the white space around it.
pub(crate) type Line<'a> = (&'a [u8], &'a [u8]);

/// How many lines of which length a section may have.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) line: usize,
    pub(crate) lines: usize,
}

/// A section without the CRLF behind its last line.
pub(crate) fn lines(section: &[u8], bounds: Bounds) -> Option<Vec<Line<'_>>> {
    if section.is_empty() {
        return Some(Vec::new());
    }
    let mut lines = Vec::new();
    let mut rest = section;
    loop {
        let (line, behind) = super::split_at_first(rest, b"\r\n").unwrap_or((rest, b""));
        let colon = line.iter().position(|octet| *octet == b':')?;
        let (name, value) = (&line[..colon], &line[colon + 1..]);
        if !is_token(name) || !is_text(value) || line.len() > bounds.line {
            return None;
        }
        lines.push((name, value));
        if line.len() == rest.len() {
            return (lines.len() <= bounds.lines).then_some(lines);
        }
        rest = behind;
    }
}

/// How a message says that its body is framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    Nothing,
    Length(u64),
    Chunked,
}

/// What a section says, taken apart.
#[derive(Debug)]
pub(crate) struct Meaning {
    /// End-to-end fields.
    pub(crate) kept: Vec<(Vec<u8>, Vec<u8>)>,
    pub(crate) framing: Framing,
    pub(crate) options: Vec<Vec<u8>>,
    /// The protocols of `Upgrade`, if `Connection` names it.
    pub(crate) upgrades: Vec<Vec<u8>>,
    /// Those of `Upgrade` that may pass, whatever `Connection` names.
    demanded: Vec<Vec<u8>>,
    pub(crate) wants_trailers: bool,
    /// `Connection` names a field that may be one of the protected ones: whether that is refused is not for
    /// the reference to say.
    pub(crate) is_doubtful: bool,
}

/// Names of fields that end at a connection, `_` for `-` in those that frame.
const OWN: [&str; 9] = [
    "content-length",
    "transfer-encoding",
    "connection",
    "proxy-connection",
    "keep-alive",
    "te",
    "trailer",
    "upgrade",
    "http2-settings",
];

fn values<'a>(lines: &'a [Line<'a>], name: &'a str) -> impl Iterator<Item = &'a [u8]> {
    lines.iter().filter(move |line| line.0.eq_ignore_ascii_case(name.as_bytes())).map(|line| line.1)
}

fn list<'a>(lines: &'a [Line<'a>], name: &'a str) -> Vec<&'a [u8]> {
    values(lines, name).flat_map(members).collect()
}

/// What a section says, or `None` if it must be refused.
pub(crate) fn meaning(lines: &[Line<'_>], is_http10: bool) -> Option<Meaning> {
    let is_alias =
        |name: &[u8]| ["content_length", "transfer_encoding"].iter().any(|alias| same(name, alias));
    if lines.iter().any(|line| is_alias(line.0)) {
        return None;
    }
    let options = list(lines, "connection");
    if !options.iter().all(|option| is_token(option)) {
        return None;
    }
    let is_own = |name: &[u8]| OWN.iter().any(|own| same(name, own));
    let is_named = |name: &[u8]| options.iter().any(|option| option.eq_ignore_ascii_case(name));
    let kept = lines.iter().filter(|line| !is_own(line.0) && !is_named(line.0));
    // Whoever may not be a trailer and is no connection's own is perhaps protected.
    let is_doubtful = |option: &&[u8]| (!is_own(option) || is_framing(option)) && !is_trailer(option);
    let is_asked = options.iter().any(|option| same(option, "upgrade"));
    let upgrades = list(lines, "upgrade").into_iter().filter(|_| is_asked);
    let demanded = list(lines, "upgrade").into_iter().filter(|protocol| is_upgrade(protocol));
    Some(Meaning {
        kept: kept.map(|line| (line.0.to_vec(), trimmed(line.1).to_vec())).collect(),
        framing: framing(lines, is_http10)?,
        upgrades: upgrades.map(<[u8]>::to_vec).collect(),
        demanded: demanded.map(<[u8]>::to_vec).collect(),
        wants_trailers: list(lines, "te").iter().any(|coding| same(coding, "trailers")),
        is_doubtful: options.iter().any(is_doubtful),
        options: options.into_iter().map(<[u8]>::to_vec).collect(),
    })
}

impl Meaning {
    pub(crate) fn has_option(&self, name: &str) -> bool {
        self.options.iter().any(|option| same(option, name))
    }

    /// The protocols that a 426 asks for.
    pub(crate) fn demand(&self) -> Option<Vec<u8>> {
        (!self.demanded.is_empty()).then(|| self.demanded.join(&b", "[..]))
    }

    /// Whether the connection stays open behind this message (RFC 9112 §9.3).
    pub(crate) fn is_kept_alive(&self, is_http10: bool) -> bool {
        !self.has_option("close") && (!is_http10 || self.has_option("keep-alive"))
    }
}

fn same(name: &[u8], known: &str) -> bool {
    name.eq_ignore_ascii_case(known.as_bytes())
}

fn is_framing(name: &[u8]) -> bool {
    same(name, "content-length") || same(name, "transfer-encoding")
}

/// At most one of the two, once, spelled in one way.
fn framing(lines: &[Line<'_>], is_http10: bool) -> Option<Framing> {
    let lengths: Vec<_> = values(lines, "content-length").collect();
    let codings: Vec<_> = values(lines, "transfer-encoding").collect();
    match (&lengths[..], &codings[..]) {
        ([], []) => Some(Framing::Nothing),
        ([length], []) => {
            let digits = String::from_utf8(trimmed(length).to_vec()).ok()?;
            let is_number = digits.chars().all(|digit| digit.is_ascii_digit()) && digits.len() <= 19;
            let length = is_number.then(|| digits.parse().ok())?.filter(|length| *length < 1 << 63);
            length.map(Framing::Length)
        }
        ([], [coding]) if !is_http10 => same(trimmed(coding), "chunked").then_some(Framing::Chunked),
        (_, _) => None,
    }
}

/// A protocol and perhaps a version, and no HTTP or TLS inside of the connection.
pub(crate) fn is_upgrade(protocol: &[u8]) -> bool {
    let (name, version) = super::split_at_first(protocol, b"/").unwrap_or((protocol, b"1"));
    let is_http = ["h2", "h2c", "http", "tls"].iter().any(|own| same(name, own));
    is_token(name) && is_token(version) && !is_http
}
