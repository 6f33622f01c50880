//! Request targets and mounts, segment by segment (RFC 3986 §5.2.4, §6.2.2), and backends that read them in
//! their own ways.

use telephone_core::mount::Mount;

use super::split_at_first;

/// The canonical form of an origin-form target, if it has one.
pub(crate) fn canonical(raw: &[u8]) -> Option<Vec<u8>> {
    let (path, query) = cut(raw);
    if !query.unwrap_or_default().iter().all(|octet| is_query(*octet)) {
        return None;
    }
    let out = canonical_path(&segments(path, false)?)?;
    (!out.starts_with(b"//")).then(|| with_query(out, query.map(<[u8]>::to_vec)))
}

/// What a client sent, in canonical form, and as a backend gets it.
pub(crate) fn read(raw: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let (path, query) = cut(raw);
    let written = |octet: &u8| match *octet {
        octet if is_query(octet) => Some(vec![octet]),
        octet if is_raw(octet) => Some(format!("%{octet:02X}").into_bytes()),
        _ => None,
    };
    let query: Option<Option<Vec<Vec<u8>>>> = query.map(|query| query.iter().map(written).collect());
    let query = match query {
        Some(query) => Some(query?.concat()),
        None => None,
    };
    let segments = segments(path, true)?;
    let out = canonical_path(&segments)?;
    if out.starts_with(b"//") && !path.starts_with(b"//") {
        return None;
    }
    let canonical = with_query(out, query);
    let has_dots = segments.iter().any(|segment| is_dots(segment));
    Some((canonical.clone(), if has_dots { canonical } else { raw.to_vec() }))
}

fn cut(raw: &[u8]) -> (&[u8], Option<&[u8]>) {
    match split_at_first(raw, b"?") {
        Some((path, query)) => (path, Some(query)),
        None => (raw, None),
    }
}

fn segments(path: &[u8], takes_raw: bool) -> Option<Vec<Vec<Octet>>> {
    path.strip_prefix(b"/")?.split(|octet| *octet == b'/').map(|segment| octets(segment, takes_raw)).collect()
}

fn canonical_path(segments: &[Vec<Octet>]) -> Option<Vec<u8>> {
    if segments.iter().filter(|segment| !is_dots(segment)).any(|segment| is_disguised(segment)) {
        return None;
    }
    Some(resolved(&segments.iter().map(|segment| spelled(segment)).collect::<Vec<_>>()))
}

fn with_query(mut path: Vec<u8>, query: Option<Vec<u8>>) -> Vec<u8> {
    if let Some(query) = query {
        path.push(b'?');
        path.extend_from_slice(&query);
    }
    path
}

fn is_query(octet: u8) -> bool {
    is_plain(octet) || b"/?%".contains(&octet)
}

/// What is in no URI and clients send all the same.
fn is_raw(octet: u8) -> bool {
    octet >= 0x80 || (octet.is_ascii_graphic() && !is_query(octet) && octet != b'#')
}

/// An octet of a path: as it stands, or escaped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Octet {
    Bare(u8),
    Escaped(u8),
}

fn is_unreserved(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || b"-._~".contains(&octet)
}

/// What stands in a path without an escape: `pchar`, and brackets.
fn is_plain(octet: u8) -> bool {
    is_unreserved(octet) || b"!$&'()*+,;=:@[]".contains(&octet)
}

/// A segment's octets, unreserved ones without their escapes; raw ones as if they were escaped, if those pass.
fn octets(segment: &[u8], takes_raw: bool) -> Option<Vec<Octet>> {
    let mut rest = segment;
    let mut octets = Vec::new();
    while let [first, behind @ ..] = rest {
        if *first != b'%' {
            let octet = match *first {
                octet if is_plain(octet) => Octet::Bare(octet),
                octet if takes_raw && is_raw(octet) => Octet::Escaped(octet),
                _ => return None,
            };
            octets.push(octet);
            rest = behind;
            continue;
        }
        let digits = behind.get(..2).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))?;
        let octet =
            u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok().filter(|octet| *octet > 0)?;
        octets.push(if is_unreserved(octet) { Octet::Bare(octet) } else { Octet::Escaped(octet) });
        rest = &behind[2..];
    }
    Some(octets)
}

fn spelled(segment: &[Octet]) -> Vec<u8> {
    let spell = |octet: &Octet| match octet {
        Octet::Bare(octet) => vec![*octet],
        Octet::Escaped(octet) => format!("%{octet:02X}").into_bytes(),
    };
    segment.iter().flat_map(spell).collect()
}

fn is_dots(segment: &[Octet]) -> bool {
    matches!(&spelled(segment)[..], b"." | b"..")
}

/// Whether a backend that decodes more than it should finds dots, or what is no UTF-8, in a segment.
fn is_disguised(segment: &[Octet]) -> bool {
    let decoded: Vec<u8> = segment.iter().map(|octet| value(*octet)).collect();
    let is_slash = |octet: &Octet| matches!(octet, Octet::Escaped(b'/' | b'\\'));
    let mut pieces = segment.split(is_slash);
    let name = |piece: &[Octet]| piece.split(|octet| value(*octet) == b';').next().map(spelled);
    (0..decoded.len()).any(|at| is_overlong(&decoded[at..]))
        || pieces.any(|piece| matches!(name(piece).as_deref(), Some(b"." | b"..")))
}

const fn value(octet: Octet) -> u8 {
    match octet {
        Octet::Bare(octet) | Octet::Escaped(octet) => octet,
    }
}

/// Whether text begins with more octets than are needed for one that means something in a path.
fn is_overlong(text: &[u8]) -> bool {
    let (first, count) = match text {
        [first @ 0xc0..=0xdf, ..] => (u32::from(first & 0x1f), 1),
        [first @ 0xe0..=0xef, ..] => (u32::from(first & 0x0f), 2),
        [first @ 0xf0..=0xf7, ..] => (u32::from(first & 0x07), 3),
        _ => return false,
    };
    let Some(following) = text.get(1..=count) else { return false };
    let is_following = following.iter().all(|octet| (0x80..=0xbf).contains(octet));
    let code = following.iter().fold(first, |code, octet| code << 6 | u32::from(octet & 0x3f));
    is_following && [0, u32::from(b'.'), u32::from(b'/'), u32::from(b';'), u32::from(b'\\')].contains(&code)
}

/// Segments without the dots among them, as a path.
fn resolved(segments: &[Vec<u8>]) -> Vec<u8> {
    let mut stack: Vec<&[u8]> = Vec::new();
    for segment in segments {
        match &segment[..] {
            b"." => {}
            b".." => drop(stack.pop()),
            segment => stack.push(segment),
        }
    }
    let ends_in_dots = matches!(segments.last().map(|last| &last[..]), Some(b"." | b".."));
    let mut path: Vec<u8> = stack.iter().flat_map(|segment| [b"/", *segment].concat()).collect();
    if ends_in_dots || path.is_empty() {
        path.push(b'/');
    }
    path
}

/// What a lenient backend does to a path before it looks where it leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Habit {
    /// An encoded slash is a slash.
    DecodesSlashes,
    /// So is an encoded backslash.
    DecodesBackslashes,
    DecodesSemicolons,
    /// What is behind a semicolon is no part of a segment's name.
    CutsParameters,
    MergesSlashes,
    ResolvesDots,
}

impl Habit {
    pub(crate) const ALL: [Self; 6] = [
        Self::DecodesSlashes,
        Self::DecodesBackslashes,
        Self::DecodesSemicolons,
        Self::CutsParameters,
        Self::MergesSlashes,
        Self::ResolvesDots,
    ];

    pub(crate) fn read(self, path: &[u8]) -> Vec<u8> {
        match self {
            Self::DecodesSlashes => replaced(path, b"%2F", b"/"),
            Self::DecodesBackslashes => replaced(path, b"%5C", b"/"),
            Self::DecodesSemicolons => replaced(path, b"%3B", b";"),
            Self::CutsParameters => joined(path, |name| name.split(|octet| *octet == b';').next()),
            Self::MergesSlashes => joined(path, |name| (!name.is_empty()).then_some(name)),
            Self::ResolvesDots => {
                let segments = path.strip_prefix(b"/").unwrap_or(path).split(|octet| *octet == b'/');
                resolved(&segments.map(<[u8]>::to_vec).collect::<Vec<_>>())
            }
        }
    }
}

fn replaced(path: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    match split_at_first(path, from) {
        Some((before, behind)) => [before, to, &replaced(behind, from, to)].concat(),
        None => path.to_vec(),
    }
}

/// The path of what is left of each segment.
fn joined<'a>(path: &'a [u8], keep: impl Fn(&'a [u8]) -> Option<&'a [u8]>) -> Vec<u8> {
    let segments = path.strip_prefix(b"/").unwrap_or(path).split(|octet| *octet == b'/');
    segments.filter_map(keep).flat_map(|segment| [b"/", segment].concat()).collect()
}

/// The mount of a path: the longest one whose segments the path begins with; one of the host first.
pub(crate) fn mount_of<'a>(mounts: &'a [Mount], host: Option<&str>, path: &[u8]) -> Option<&'a Mount> {
    let segments =
        |path: &[u8]| -> Vec<Vec<u8>> { path.split(|octet| *octet == b'/').map(<[u8]>::to_vec).collect() };
    let path = segments(path);
    let covers = |mount: &&Mount| {
        let top = mount.path().map(|path| segments(path.as_bytes()));
        (mount.host().is_none() || mount.host() == host) && top.is_some_and(|top| path.starts_with(&top))
    };
    let rank = |mount: &&Mount| (mount.host().is_some(), mount.path().map(str::len));
    mounts.iter().filter(covers).max_by_key(rank)
}
