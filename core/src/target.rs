//! Request targets in one canonical form, so that the relay and a backend never read one path in two ways.
//!
//! The rule (H-16): percent-encoded unreserved octets are decoded, the other escapes are written in upper
//! case, dot segments are resolved, and only then a mount is looked for. What is left is forwarded. An
//! encoded slash or backslash and `;parameters` pass untouched, but never if a backend that decodes them,
//! or cuts them off, would find a dot segment. Doubly encoded octets (`%252e`) are somebody's data.
//!
//! What is routed and logged is that form. What the backend gets is the target as it was sent: see [`Target`].
//!
//! Empty segments (`/a//b`) are forwarded as they are: some applications mean them. A backend that merges
//! them must not end up in another mount, which the router checks with `readings`. A path that *begins*
//! with two slashes has no canonical form, since as a reference it would name a host (RFC 3986 §4.2); as a target that a
//! client sent it passes.

mod sent;

use alloc::vec::Vec;
use bytes::Bytes;

pub use sent::{Target, behind};

/// Escapes that a backend may decode into a segment boundary, in canonical form.
const HIDDEN_SLASHES: [&[u8]; 2] = [b"%2F", b"%5C"];
/// What begins parameters that a backend may cut off a segment: as it is, or encoded.
const PARAMETERS: [&[u8]; 2] = [b";", b"%3B"];
/// Overlong UTF-8 for NUL, `.`, `/`, `;` and `\`, which lenient decoders accept (RFC 3629 §10). Only
/// these: other octets from 0xC0 up are text in older encodings.
const OVERLONG: [&[u8]; 15] = [
    b"%C0%80",
    b"%C0%AE",
    b"%C0%AF",
    b"%C0%BB",
    b"%C1%9C",
    b"%E0%80%80",
    b"%E0%80%AE",
    b"%E0%80%AF",
    b"%E0%80%BB",
    b"%E0%81%9C",
    b"%F0%80%80%80",
    b"%F0%80%80%AE",
    b"%F0%80%80%AF",
    b"%F0%80%80%BB",
    b"%F0%80%81%9C",
];

/// Why a request target is refused; always the client's fault (400).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// It does not begin with a slash (RFC 9112 §3.2.1).
    #[error("the target does not begin with a slash")]
    NotAPath,
    /// It begins with two slashes, also after its dot segments are resolved (RFC 3986 §4.2).
    #[error("the target begins with two slashes")]
    NamesAHost,
    /// An octet that must be percent-encoded or must not be there at all (RFC 3986 §2, §3.3, §3.4).
    #[error("the target holds the octet {0:#04x}")]
    Octet(u8),
    /// A percent sign in the path without two hexadecimal digits behind it (RFC 3986 §2.1).
    #[error("the path holds a broken percent escape")]
    BrokenEscape,
    /// An encoded NUL in the path (RFC 3986 §7.3).
    #[error("the path holds an encoded NUL")]
    Nul,
    /// A dot segment that appears when encoded slashes are decoded or parameters are cut off.
    #[error("the path hides a dot segment")]
    HiddenDotSegment,
    /// A dot, a slash, a backslash, a semicolon or NUL in overlong UTF-8 (RFC 3629 §3).
    #[error("the path holds overlong UTF-8")]
    Overlong,
}

/// The canonical form of an origin-form target, path and query (RFC 9112 §3.2.1).
///
/// Idempotent. The path never grows, the query passes octet by octet.
///
/// # Errors
/// Whatever a strict reader refuses, or two readers could read differently: see [`TargetError`].
///
/// ```
/// use telephone_core::target::canonical;
/// assert_eq!(canonical(b"/api/%7Euser/./x/..?q=%7E").unwrap(), "/api/~user/?q=%7E");
/// assert!(canonical(b"/api/..%2fadmin").is_err());
/// ```
pub fn canonical(raw: &[u8]) -> Result<Bytes, TargetError> {
    form(raw, false)
}

/// The canonical form, of a path that `may_begin_with_two_slashes` or not.
fn form(raw: &[u8], may_begin_with_two_slashes: bool) -> Result<Bytes, TargetError> {
    let path = path(raw);
    let query = raw.get(path.len()..).unwrap_or_default();
    let is_simple = is_simple(path);
    let mut out = Vec::new();
    if !is_simple {
        out.reserve(raw.len().saturating_add(1));
        append_path(path, &mut out)?;
        if out.starts_with(b"//") && !may_begin_with_two_slashes {
            return Err(TargetError::NamesAHost);
        }
    }
    if let Some(&octet) = query.iter().find(|&&octet| !is_query_octet(octet)) {
        return Err(TargetError::Octet(octet));
    }
    if is_simple {
        return Ok(Bytes::copy_from_slice(raw));
    }
    out.extend_from_slice(query);
    Ok(out.into())
}

/// Whether `target` is in canonical form already.
#[must_use]
pub fn is_canonical(target: &[u8]) -> bool {
    let path = path(target);
    let query = target.get(path.len()..).unwrap_or_default();
    if is_simple(path) {
        return query.iter().all(|&octet| is_query_octet(octet));
    }
    canonical(target).is_ok_and(|canonical| canonical == target)
}

/// The path of a target, without the query.
#[must_use]
pub fn path(target: &[u8]) -> &[u8] {
    target.split(|&octet| octet == b'?').next().unwrap_or_default()
}

/// A target up to its first query, fragment or path parameter (`;jsessionid=…`, RFC 3986 §3.3): what may be logged. Tokens
/// stand in the others.
///
/// ```
/// use telephone_core::target::without_parameters;
/// assert_eq!(without_parameters(b"/a/b;jsessionid=1?token=2"), b"/a/b");
/// assert_eq!(without_parameters(b"tcp:db:5432"), b"tcp:db:5432");
/// ```
#[must_use]
pub fn without_parameters(target: &[u8]) -> &[u8] {
    target.split(|octet| matches!(octet, b'?' | b'#' | b';')).next().unwrap_or_default()
}

/// Whether `path` is surely canonical: it holds nothing that could be escaped, cut off, or a dot segment. Most are.
fn is_simple(path: &[u8]) -> bool {
    let mut last = b' ';
    let is_simple = path.iter().all(|&octet| {
        let is_fine = match octet {
            b'/' | b'.' => last != b'/',
            b'-' | b'_' | b'~' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => true,
            _ => false,
        };
        last = octet;
        is_fine
    });
    is_simple && path.starts_with(b"/")
}

/// Appends the canonical form of `path`: one segment after the other, each taken back if it is a dot
/// segment (RFC 3986 §5.2.4).
fn append_path(path: &[u8], out: &mut Vec<u8>) -> Result<(), TargetError> {
    let segments = path.strip_prefix(b"/").ok_or(TargetError::NotAPath)?;
    let mut has_dots_last = false;
    for segment in segments.split(|&octet| octet == b'/') {
        let start = out.len();
        out.push(b'/');
        append_segment(segment, out)?;
        let written = out.get(start.saturating_add(1)..).unwrap_or_default();
        has_dots_last = is_dot_segment(written);
        if written == b".." {
            let parent = out.get(..start).and_then(|head| head.iter().rposition(|&octet| octet == b'/'));
            out.truncate(parent.unwrap_or(0));
        } else if has_dots_last {
            out.truncate(start);
        } else {
            refuse_disguise(written)?;
        }
    }
    if has_dots_last {
        out.push(b'/');
    }
    Ok(())
}

/// Appends one segment with its escapes in canonical form (RFC 3986 §6.2.2).
fn append_segment(segment: &[u8], out: &mut Vec<u8>) -> Result<(), TargetError> {
    let mut octets = segment.iter();
    while let Some(&octet) = octets.next() {
        if octet != b'%' {
            out.push(if is_path_octet(octet) { Ok(octet) } else { Err(TargetError::Octet(octet)) }?);
            continue;
        }
        let (high, low) = (hex_digit(octets.next()), hex_digit(octets.next()));
        let (high, low) = high.zip(low).ok_or(TargetError::BrokenEscape)?;
        match high * 16 + low {
            0 => return Err(TargetError::Nul),
            decoded if is_unreserved(decoded) => out.push(decoded),
            _ => push_escape(high, low, out),
        }
    }
    Ok(())
}

/// Refuses a canonical segment that a lenient backend would read as something that it is not.
fn refuse_disguise(segment: &[u8]) -> Result<(), TargetError> {
    let has_overlong = || OVERLONG.iter().any(|form| cut(segment, &[form]).1.is_some());
    if segment.contains(&b'%') && has_overlong() {
        return Err(TargetError::Overlong);
    }
    let hides_dots = pieces(segment, &HIDDEN_SLASHES).any(|piece| is_dot_segment(cut(piece, &PARAMETERS).0));
    if hides_dots && !cfg!(planted = "hidden-dots-accepted") {
        Err(TargetError::HiddenDotSegment)
    } else {
        Ok(())
    }
}

/// The other paths that backends may see in a canonical `path`: segments split at encoded slashes and
/// without parameters, empty ones merged. `None` if there is only one way to read it.
///
/// Backends differ in what they have decoded when they cut parameters off: a bare semicolon may be cut before
/// either encoded slash is a slash, and an encoded one at that moment or later (`a%3Bx%2Fb` is `a/b` or `a`). Those are
/// nine orders. What a backend never decodes ends the plain segments of a path, and so adds nothing: a mount that
/// the path itself and all nine agree on lies before it.
pub(crate) fn readings(path: &[u8]) -> Option<impl Iterator<Item = Vec<u8>>> {
    (!is_plain(path)).then(|| ORDERS.iter().map(|[bare, encoded]| reading(path, bare, encoded)))
}

/// The encoded slashes that are slashes when bare semicolons are cut at, and when encoded ones are.
const ORDERS: [[&[&[u8]]; 2]; 9] = {
    let [slash, backslash] = HIDDEN_SLASHES;
    [
        [&[], &[]],
        [&[], &[slash]],
        [&[], &[backslash]],
        [&[], &HIDDEN_SLASHES],
        [&[slash], &[slash]],
        [&[slash], &HIDDEN_SLASHES],
        [&[backslash], &[backslash]],
        [&[backslash], &HIDDEN_SLASHES],
        [&HIDDEN_SLASHES, &HIDDEN_SLASHES],
    ]
};

/// Whether every backend reads the segments of a canonical `path` alike. A slash at the end is plain.
pub(crate) fn is_plain(path: &[u8]) -> bool {
    if is_simple(path) {
        return true;
    }
    let has = |marks: &[&[u8]]| cut(path, marks).1.is_some();
    !(has(&HIDDEN_SLASHES) || has(&PARAMETERS) || has(&[b"//"]))
}

/// One reading of `path`: each segment split at `bare` and cut at bare semicolons, split at `encoded` and cut at
/// all of them, split at every encoded slash.
fn reading(path: &[u8], bare: &[&[u8]], encoded: &[&[u8]]) -> Vec<u8> {
    let segments = path.split(|&octet| octet == b'/');
    let cut_bare = segments.flat_map(|segment| pieces(segment, bare)).map(|piece| cut(piece, &[b";"]).0);
    let cut_all = cut_bare.flat_map(|piece| pieces(piece, encoded)).map(|piece| cut(piece, &PARAMETERS).0);
    let mut out = Vec::with_capacity(path.len());
    for name in cut_all.flat_map(|piece| pieces(piece, &HIDDEN_SLASHES)).filter(|name| !name.is_empty()) {
        out.push(b'/');
        out.extend_from_slice(name);
    }
    out
}

/// Whether a path that [`canonical`] accepts has no dot segment, so that its canonical form is its text.
pub(crate) fn is_resolved(path: &[u8]) -> bool {
    let is_dots = |segment: &[u8]| {
        let mut written = Vec::with_capacity(segment.len());
        append_segment(segment, &mut written).is_ok() && is_dot_segment(&written)
    };
    is_simple(path) || !path.split(|&octet| octet == b'/').any(is_dots)
}

/// A path as the most lenient reader takes it, to be shown beside what was written.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Lenient {
    /// Without dot segments, parameters and empty segments.
    pub(crate) path: Vec<u8>,
    /// Whether there was a dot segment for such a reader.
    pub(crate) has_dot_segment: bool,
}

/// Reads `path` with dots, slashes, backslashes and semicolons decoded, however often they were encoded.
pub(crate) fn lenient(path: &[u8]) -> Lenient {
    let decoded = decode_marks(path);
    let (mut kept, mut has_dot_segment) = (Vec::new(), false);
    let names = decoded.split(|octet| matches!(octet, b'/' | b'\\')).map(|piece| cut(piece, &[b";"]).0);
    for name in names.filter(|name| !name.is_empty()) {
        has_dot_segment |= is_dot_segment(name);
        match name {
            b"." => {}
            b".." => _ = kept.pop(),
            name => kept.push(name),
        }
    }
    let mut out = Vec::with_capacity(decoded.len());
    for name in kept {
        out.push(b'/');
        // What is no segment stays as it was written: it is only shown.
        let start = out.len();
        if append_segment(name, &mut out).is_err() {
            out.truncate(start);
            out.extend_from_slice(name);
        }
    }
    if out.is_empty() {
        out.push(b'/');
    }
    Lenient { path: out, has_dot_segment }
}

/// Decodes the escapes of `.`, `/`, `\` and `;`, also where the percent sign is encoded itself, and again.
fn decode_marks(path: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((&first, tail)) = rest.split_first() {
        let mut escape = tail;
        while let Some(inner) = escape.strip_prefix(b"25") {
            escape = inner;
        }
        let mark = match escape {
            [b'2', b'e' | b'E', ..] => Some(b'.'),
            [b'2', b'f' | b'F', ..] => Some(b'/'),
            [b'5', b'c' | b'C', ..] => Some(b'\\'),
            [b'3', b'b' | b'B', ..] => Some(b';'),
            _ => None,
        };
        let (octet, behind) = match mark.filter(|_| first == b'%') {
            Some(mark) => (mark, escape.get(2..).unwrap_or_default()),
            None => (first, tail),
        };
        out.push(octet);
        rest = behind;
    }
    out
}

/// The parts of `segment` between `marks`.
fn pieces<'a>(segment: &'a [u8], marks: &'a [&[u8]]) -> impl Iterator<Item = &'a [u8]> {
    let mut rest = Some(segment);
    core::iter::from_fn(move || {
        let (piece, tail) = cut(rest?, marks);
        rest = tail;
        Some(piece)
    })
}

/// `text` up to the first of `marks`, and what follows that mark if there is one.
fn cut<'a>(text: &'a [u8], marks: &[&[u8]]) -> (&'a [u8], Option<&'a [u8]>) {
    let mut rest = text;
    loop {
        if let Some(tail) = marks.iter().find_map(|mark| rest.strip_prefix(*mark)) {
            return (text.get(..text.len().saturating_sub(rest.len())).unwrap_or(text), Some(tail));
        }
        match rest.split_first() {
            Some((_, tail)) => rest = tail,
            None => return (text, None),
        }
    }
}

const fn is_dot_segment(segment: &[u8]) -> bool {
    matches!(segment, b"." | b"..")
}

/// RFC 3986 §2.3.
const fn is_unreserved(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'.' | b'_' | b'~')
}

/// `pchar` of RFC 3986 §3.3 without escapes, and square brackets, which every browser sends bare.
const fn is_path_octet(octet: u8) -> bool {
    is_unreserved(octet)
        || matches!(octet, b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=')
        || matches!(octet, b':' | b'@' | b'[' | b']')
}

/// RFC 3986 §3.4. A percent sign need not begin an escape here: the query is not ours to read.
const fn is_query_octet(octet: u8) -> bool {
    is_path_octet(octet) || matches!(octet, b'/' | b'?' | b'%')
}

/// What stands in no URI and passes all the same, since browsers and curl send it bare: RFC 3986 leaves it out, and no two
/// readers take it for different things, but for a backslash.
const fn is_wide(octet: u8) -> bool {
    matches!(octet, b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}' | 0x80..)
}

fn push_escape(high: u8, low: u8, out: &mut Vec<u8>) {
    out.extend([b'%', upper_hex(high), upper_hex(low)]);
}

fn hex_digit(octet: Option<&u8>) -> Option<u8> {
    let digit = char::from(*octet?).to_digit(16)?;
    u8::try_from(digit).ok()
}

const fn upper_hex(digit: u8) -> u8 {
    if digit < 10 { b'0' + digit } else { b'A' + digit - 10 }
}

#[cfg(test)]
mod tests {
    use super::{TargetError, canonical, path};

    #[test]
    fn a_canonical_target_is_its_own_canonical_form() {
        let target = canonical(b"/a//b/%7e/%2f?x=%7e").unwrap();
        assert_eq!(target, "/a//b/~/%2F?x=%7e");
        assert_eq!(canonical(&target), Ok(target.clone()));
    }

    #[test]
    fn dot_segments_are_resolved_after_decoding() {
        assert_eq!(canonical(b"/api/%2e%2E/admin").unwrap(), "/admin");
        assert_eq!(canonical(b"/api/..;/admin"), Err(TargetError::HiddenDotSegment));
    }

    #[test]
    fn the_path_ends_where_the_query_begins() {
        assert_eq!(path(b"/a?b?c"), b"/a");
        assert_eq!(path(b"/a"), b"/a");
    }
}
