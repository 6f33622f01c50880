//! Chunked bodies (RFC 9112 §7.1), by recursive descent.

use telephone_core::http1::is_trailer;

use super::Reading;
use super::fields::{self, Bounds};
use super::{is_text, is_token, split_at_first, trimmed};

/// A body taken out of its chunks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Body {
    pub(crate) data: Vec<u8>,
    pub(crate) trailers: Vec<(Vec<u8>, Vec<u8>)>,
}

/// What one body may have of each.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ChunkBounds {
    pub(crate) extensions: usize,
    /// Each line of an answer may have as many extensions.
    pub(crate) is_answer: bool,
    pub(crate) trailer_bytes: usize,
    pub(crate) trailers: Bounds,
}

/// Reads a body. What its chunks hold up to the octet that breaks a rule, or is not there yet, is in `data`.
pub(crate) fn read(input: &[u8], bounds: ChunkBounds, data: &mut Vec<u8>) -> Reading<Body> {
    let mut rest = input;
    let mut extensions = 0;
    loop {
        if bounds.is_answer {
            extensions = 0;
        }
        let (size, behind) = match size_line(rest, bounds.extensions, &mut extensions) {
            Reading::Whole(size, behind) => (size, rest.len() - behind.len()),
            Reading::Partial => return Reading::Partial,
            Reading::Refused => return Reading::Refused,
        };
        rest = &rest[behind..];
        if size == 0 {
            return trailers(rest, bounds, data);
        }
        let taken = usize::try_from(size).unwrap_or(usize::MAX).min(rest.len());
        data.extend_from_slice(&rest[..taken]);
        rest = &rest[taken..];
        match rest {
            [b'\r', b'\n', ..] => rest = &rest[2..],
            [] | [b'\r'] => return Reading::Partial,
            _ => return Reading::Refused,
        }
    }
}

/// `1*16HEXDIG [ extensions ] CRLF`.
fn size_line(input: &[u8], extensions_max: usize, extensions: &mut usize) -> Reading<u64> {
    let digits = input.iter().take_while(|octet| octet.is_ascii_hexdigit()).count();
    if digits > 16 {
        return Reading::Refused;
    }
    let rest = &input[digits..];
    let Some(first) = rest.first() else { return Reading::Partial };
    if digits == 0 || !matches!(first, b';' | b'\r') {
        return Reading::Refused;
    }
    // Of an extension its first semicolon is not counted, nor is the CR that ends it but for the last.
    let length = rest.iter().position(|octet| *octet == b'\r').unwrap_or(rest.len());
    if length > 0 {
        *extensions += length - 1 + usize::from(length < rest.len());
    }
    let is_too_long = length > 0 && *extensions > extensions_max;
    match (is_extended(&rest[..length], length < rest.len()), &rest[length..]) {
        (false, _) => Reading::Refused,
        _ if is_too_long => Reading::Refused,
        (true, [] | [b'\r']) => Reading::Partial,
        (true, [b'\r', b'\n', behind @ ..]) => {
            let text = std::str::from_utf8(&input[..digits]).unwrap_or_default();
            u64::from_str_radix(text, 16)
                .map_or(Reading::Refused, |size| Reading::Whole(size, behind.to_vec()))
        }
        (true, _) => Reading::Refused,
    }
}

/// `*( ";" token [ "=" ( token / quoted-string ) ] )`; one that is not whole may break off anywhere.
fn is_extended(mut text: &[u8], is_whole: bool) -> bool {
    while let Some(rest) = text.strip_prefix(b";") {
        let name = rest.iter().take_while(|octet| is_token(&[**octet])).count();
        let rest = &rest[name..];
        text = match rest {
            [] => return name > 0 || !is_whole,
            _ if name == 0 => return false,
            [b'=', value @ ..] => match value_end(value) {
                Some(end) => &value[end..],
                None => return !is_whole && (value.is_empty() || (value[0] == b'"' && is_open_quote(value))),
            },
            rest => rest,
        };
    }
    text.is_empty()
}

/// Where a token or a quoted string ends, if it does.
fn value_end(value: &[u8]) -> Option<usize> {
    if value.first() != Some(&b'"') {
        let token = value.iter().take_while(|octet| is_token(&[**octet])).count();
        return (token > 0).then_some(token);
    }
    let mut at = 1;
    loop {
        match value.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' if is_text(value.get(at + 1..at + 2)?) => at += 2,
            octet if *octet != b'\\' && is_text(&[*octet]) => at += 1,
            _ => return None,
        }
    }
}

/// A quoted string that breaks off without breaking a rule.
fn is_open_quote(value: &[u8]) -> bool {
    is_text(value)
}

/// Fields that may be trailers, and the empty line.
fn trailers(input: &[u8], bounds: ChunkBounds, data: &mut Vec<u8>) -> Reading<Body> {
    let whole = [b"\r\n", input].concat();
    let Some((section, behind)) = split_at_first(&whole, b"\r\n\r\n") else { return Reading::Partial };
    let length = input.len() - behind.len();
    let section = section.strip_prefix(b"\r\n").unwrap_or(section);
    match fields::lines(section, bounds.trailers) {
        Some(lines) if length <= bounds.trailer_bytes => {
            let passing = lines.into_iter().filter(|line| is_trailer(line.0));
            let trailers = passing.map(|line| (line.0.to_vec(), trimmed(line.1).to_vec())).collect();
            Reading::Whole(Body { data: std::mem::take(data), trailers }, behind.to_vec())
        }
        _ => Reading::Refused,
    }
}
