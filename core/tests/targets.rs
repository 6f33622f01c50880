//! What becomes of every kind of request target (H-16, H-17), as a table and as properties.

use proptest::prelude::*;
use telephone_core::target::TargetError::{
    BrokenEscape, HiddenDotSegment, NamesAHost, NotAPath, Nul, Octet, Overlong,
};
use telephone_core::target::{TargetError, canonical, path};

/// A target and what it becomes.
type Row = (&'static str, Result<&'static str, TargetError>);

const FORMS: &[Row] = &[
    ("/", Ok("/")),
    ("/a", Ok("/a")),
    ("/a/", Ok("/a/")),
    ("/a/b", Ok("/a/b")),
    ("/A/b", Ok("/A/b")),
    ("/?", Ok("/?")),
    ("/a?b", Ok("/a?b")),
    ("/a?b?c", Ok("/a?b?c")),
    ("/:80", Ok("/:80")),
    ("/a:b@c", Ok("/a:b@c")),
    ("/http://example.com/", Ok("/http://example.com/")),
    ("/-._~!$&'()*+,;=:@[]", Ok("/-._~!$&'()*+,;=:@[]")),
    ("", Err(NotAPath)),
    ("*", Err(NotAPath)),
    ("a", Err(NotAPath)),
    ("?a", Err(NotAPath)),
    ("./a", Err(NotAPath)),
    ("../a", Err(NotAPath)),
    ("%2Fa", Err(NotAPath)),
    ("http://example.com/", Err(NotAPath)),
    ("example.com:443", Err(NotAPath)),
    ("//", Err(NamesAHost)),
    ("//host", Err(NamesAHost)),
    ("//host/x", Err(NamesAHost)),
    ("///x", Err(NamesAHost)),
    ("//?x", Err(NamesAHost)),
    ("/.//host", Err(NamesAHost)),
    ("/a/..//host", Err(NamesAHost)),
    ("/%2e//host", Err(NamesAHost)),
    ("//../host", Ok("/host")),
];

/// Dot segments, bare and encoded, are resolved before anything is matched (RFC 3986 §5.2.4, §6.2.2.3).
const DOTS: &[Row] = &[
    ("/.", Ok("/")),
    ("/..", Ok("/")),
    ("/./", Ok("/")),
    ("/../", Ok("/")),
    ("/../..", Ok("/")),
    ("/../x", Ok("/x")),
    ("/../../x", Ok("/x")),
    ("/api/.", Ok("/api/")),
    ("/api/./", Ok("/api/")),
    ("/api/./x", Ok("/api/x")),
    ("/api/..", Ok("/")),
    ("/api/../", Ok("/")),
    ("/api/../admin", Ok("/admin")),
    ("/api/v1/../../admin", Ok("/admin")),
    ("/api/v1/..", Ok("/api/")),
    ("/api/x/../y/./../z", Ok("/api/z")),
    ("/a/b/c/./../../g", Ok("/a/g")),
    ("/api/%2e%2e/admin", Ok("/admin")),
    ("/api/%2E%2E/admin", Ok("/admin")),
    ("/api/%2e%2E/admin", Ok("/admin")),
    ("/api/.%2e/admin", Ok("/admin")),
    ("/api/%2e./admin", Ok("/admin")),
    ("/api/%2e/x", Ok("/api/x")),
    ("/api/%2e", Ok("/api/")),
    ("/api/%2e%2e", Ok("/")),
    ("/api/../admin?q=../x", Ok("/admin?q=../x")),
    ("/api?/../admin", Ok("/api?/../admin")),
    ("/api/...", Ok("/api/...")),
    ("/api/..../x", Ok("/api/..../x")),
    ("/api/.x", Ok("/api/.x")),
    ("/api/x.", Ok("/api/x.")),
    ("/api/..x", Ok("/api/..x")),
    ("/api/x..", Ok("/api/x..")),
    ("/api./x", Ok("/api./x")),
    ("/.well-known/telephone", Ok("/.well-known/telephone")),
    ("/a//../b", Ok("/a/b")),
    ("/a//..", Ok("/a/")),
    ("/a/b//../../c", Ok("/a/c")),
];

/// Empty segments stay; the router checks that they change no mount.
const EMPTY: &[Row] = &[
    ("/a//b", Ok("/a//b")),
    ("/a///b", Ok("/a///b")),
    ("/a//", Ok("/a//")),
    ("/a/.//b", Ok("/a//b")),
    ("/a//./b", Ok("/a//b")),
    ("/a//b?x=//", Ok("/a//b?x=//")),
];

/// Escapes (RFC 3986 §2.1, §6.2.2.1, §6.2.2.2).
const ESCAPES: &[Row] = &[
    ("/%7Eann", Ok("/~ann")),
    ("/%7eann", Ok("/~ann")),
    ("/%61%5A%30%2d%5f", Ok("/aZ0-_")),
    ("/%61pi/x", Ok("/api/x")),
    ("/caf%c3%a9", Ok("/caf%C3%A9")),
    ("/%20", Ok("/%20")),
    ("/%3f", Ok("/%3F")),
    ("/%23", Ok("/%23")),
    ("/%25", Ok("/%25")),
    ("/%0a", Ok("/%0A")),
    ("/%0d%0aX:y", Ok("/%0D%0AX:y")),
    ("/%ff", Ok("/%FF")),
    ("/%7f", Ok("/%7F")),
    ("/%3a", Ok("/%3A")),
    ("/%40", Ok("/%40")),
    ("/%252e", Ok("/%252e")),
    ("/%252E%252e/x", Ok("/%252E%252e/x")),
    ("/api/%252e%252e/admin", Ok("/api/%252e%252e/admin")),
    ("/api/..%252fx", Ok("/api/..%252fx")),
    ("/api/..%255cx", Ok("/api/..%255cx")),
    ("/%25%32%65", Ok("/%252e")),
    ("/%u002e%u002e", Err(BrokenEscape)),
    ("/%", Err(BrokenEscape)),
    ("/%2", Err(BrokenEscape)),
    ("/%/", Err(BrokenEscape)),
    ("/%2/e", Err(BrokenEscape)),
    ("/%zz", Err(BrokenEscape)),
    ("/%g0", Err(BrokenEscape)),
    ("/%0g", Err(BrokenEscape)),
    ("/%+2", Err(BrokenEscape)),
    ("/% 2", Err(BrokenEscape)),
    ("/%%32e", Err(BrokenEscape)),
    ("/a%?b", Err(BrokenEscape)),
    ("/a%2?e", Err(BrokenEscape)),
    ("/%2e%2", Err(BrokenEscape)),
    ("/%00", Err(Nul)),
    ("/a%00", Err(Nul)),
    ("/a/%00/b", Err(Nul)),
    ("/api/..%00/x", Err(Nul)),
    ("/a%00.html", Err(Nul)),
    ("/%2500", Ok("/%2500")),
    ("/a?%00", Ok("/a?%00")),
    ("/a?100%", Ok("/a?100%")),
    ("/a?%7e%2e%2f", Ok("/a?%7e%2e%2f")),
    ("/%7e?%7e", Ok("/~?%7e")),
];

/// Encoded slashes and parameters pass untouched as long as they hide no dot segment.
const HIDDEN: &[Row] = &[
    ("/a%2fb", Ok("/a%2Fb")),
    ("/a%2Fb", Ok("/a%2Fb")),
    ("/a%5cb", Ok("/a%5Cb")),
    ("/a%2f%2fb", Ok("/a%2F%2Fb")),
    ("/%2fhost", Ok("/%2Fhost")),
    ("/a%2f", Ok("/a%2F")),
    ("/a%2f...%2fb", Ok("/a%2F...%2Fb")),
    ("/a%2f.b", Ok("/a%2F.b")),
    ("/a%2fb/../c", Ok("/c")),
    ("/a;v=1", Ok("/a;v=1")),
    ("/a;v=1/b", Ok("/a;v=1/b")),
    ("/a;/b", Ok("/a;/b")),
    ("/;", Ok("/;")),
    ("/a;v=1/../b", Ok("/b")),
    ("/a;v=.", Ok("/a;v=.")),
    ("/a;..", Ok("/a;..")),
    ("/...;x", Ok("/...;x")),
    ("/a%3bb", Ok("/a%3Bb")),
    ("/api/..%2fadmin", Err(HiddenDotSegment)),
    ("/api/..%2Fadmin", Err(HiddenDotSegment)),
    ("/api/..%5cadmin", Err(HiddenDotSegment)),
    ("/api/..%5Cadmin", Err(HiddenDotSegment)),
    ("/api/%2e%2e%2fadmin", Err(HiddenDotSegment)),
    ("/api/%2e%2e%5cadmin", Err(HiddenDotSegment)),
    ("/api/.%2e%2fadmin", Err(HiddenDotSegment)),
    ("/api/.%2fadmin", Err(HiddenDotSegment)),
    ("/api/.%5cadmin", Err(HiddenDotSegment)),
    ("/api%2f..", Err(HiddenDotSegment)),
    ("/api%2f.", Err(HiddenDotSegment)),
    ("/api%2f../x", Err(HiddenDotSegment)),
    ("/api%2f..%2fx", Err(HiddenDotSegment)),
    ("/api%5c..%5cx", Err(HiddenDotSegment)),
    ("/api%2f..%5cx", Err(HiddenDotSegment)),
    ("/api/x%2f%2e%2e%2f%2e%2e%2fy", Err(HiddenDotSegment)),
    ("/api/x%2f..%2fy", Err(HiddenDotSegment)),
    ("/api/%2f..", Err(HiddenDotSegment)),
    ("/api/%2f../x", Err(HiddenDotSegment)),
    ("/%5c..%5c", Err(HiddenDotSegment)),
    ("/%2e%2e%2f", Err(HiddenDotSegment)),
    ("/api/..;/admin", Err(HiddenDotSegment)),
    ("/api/..;v=1/admin", Err(HiddenDotSegment)),
    ("/api/..;", Err(HiddenDotSegment)),
    ("/api/.;/x", Err(HiddenDotSegment)),
    ("/api/.;", Err(HiddenDotSegment)),
    ("/..;/", Err(HiddenDotSegment)),
    ("/api/%2e%2e;/admin", Err(HiddenDotSegment)),
    ("/api/%2e%2e;x=%2f/admin", Err(HiddenDotSegment)),
    ("/api/..%3b/admin", Err(HiddenDotSegment)),
    ("/api/..%3Bx/admin", Err(HiddenDotSegment)),
    ("/api/x%2f..;y/admin", Err(HiddenDotSegment)),
    ("/api/x;y%2f../admin", Err(HiddenDotSegment)),
    ("/api/x;%2f..;%2fy", Err(HiddenDotSegment)),
    ("/api/..;/../x", Err(HiddenDotSegment)),
];

/// Overlong UTF-8 for what would matter (RFC 3629 §10), and octets that only look like it.
const OVERLONG: &[Row] = &[
    ("/%c0%ae%c0%ae/x", Err(Overlong)),
    ("/%C0%AE./x", Err(Overlong)),
    ("/..%c0%af", Err(Overlong)),
    ("/a%c0%afb", Err(Overlong)),
    ("/a%c1%9cb", Err(Overlong)),
    ("/a%c0%80", Err(Overlong)),
    ("/a%c0%bbx", Err(Overlong)),
    ("/%e0%80%ae%e0%80%ae/", Err(Overlong)),
    ("/%e0%80%af", Err(Overlong)),
    ("/%e0%81%9c", Err(Overlong)),
    ("/%e0%80%80", Err(Overlong)),
    ("/%e0%80%bb", Err(Overlong)),
    ("/%f0%80%80%ae", Err(Overlong)),
    ("/%f0%80%80%af", Err(Overlong)),
    ("/%f0%80%80%80", Err(Overlong)),
    ("/%f0%80%80%bb", Err(Overlong)),
    ("/%f0%80%81%9c", Err(Overlong)),
    ("/%c0%b4", Ok("/%C0%B4")),
    ("/%c0", Ok("/%C0")),
    ("/%c0/%ae", Ok("/%C0/%AE")),
    ("/%c2%ae", Ok("/%C2%AE")),
    ("/%ef%bc%8f", Ok("/%EF%BC%8F")),
    ("/a?%c0%ae", Ok("/a?%c0%ae")),
];

/// Octets that stand for nothing in a target (RFC 3986 §2, RFC 9112 §3).
const OCTETS: &[Row] = &[
    ("/a b", Err(Octet(b' '))),
    ("/a ", Err(Octet(b' '))),
    (" /a", Err(NotAPath)),
    ("/a\tb", Err(Octet(b'\t'))),
    ("/a\rb", Err(Octet(b'\r'))),
    ("/a\nb", Err(Octet(b'\n'))),
    ("/a\0", Err(Octet(0))),
    ("/a\x7f", Err(Octet(0x7f))),
    ("/a#b", Err(Octet(b'#'))),
    ("/a?b#c", Err(Octet(b'#'))),
    ("/#", Err(Octet(b'#'))),
    ("/api\\..\\admin", Err(Octet(b'\\'))),
    ("\\api", Err(NotAPath)),
    ("/a\"b", Err(Octet(b'"'))),
    ("/<a>", Err(Octet(b'<'))),
    ("/a>", Err(Octet(b'>'))),
    ("/a^b", Err(Octet(b'^'))),
    ("/a`b", Err(Octet(b'`'))),
    ("/{a}", Err(Octet(b'{'))),
    ("/a|b", Err(Octet(b'|'))),
    ("/a}", Err(Octet(b'}'))),
    ("/caf\u{e9}", Err(Octet(0xc3))),
    ("/a?b c", Err(Octet(b' '))),
    ("/a?b\\c", Err(Octet(b'\\'))),
    ("/a?{}", Err(Octet(b'{'))),
    ("/a?\u{e9}", Err(Octet(0xc3))),
    ("/a?\"", Err(Octet(b'"'))),
    ("/a?b[]=1", Ok("/a?b[]=1")),
    ("/[slug].js", Ok("/[slug].js")),
    ("/a?/?:@!$&'()*+,;=", Ok("/a?/?:@!$&'()*+,;=")),
];

#[test]
fn every_row_becomes_what_it_says() {
    let tables = [FORMS, DOTS, EMPTY, ESCAPES, HIDDEN, OVERLONG, OCTETS];
    let rows: Vec<&Row> = tables.iter().flat_map(|table| table.iter()).collect();
    assert!(rows.len() >= 200, "{} rows", rows.len());
    for (raw, expected) in rows {
        let found = canonical(raw.as_bytes());
        let found = found.as_ref().map(|target| str::from_utf8(target).unwrap()).map_err(|&error| error);
        assert_eq!(found, *expected, "{raw:?}");
    }
}

#[test]
fn every_bare_octet_passes_as_it_is_or_not_at_all() {
    for octet in 0..=u8::MAX {
        let is_text = octet.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@[]/?".contains(&octet);
        let target = [b'/', b'x', octet, b'x'];
        let expected = match octet {
            b'%' => Err(BrokenEscape),
            _ if is_text => Ok(target.to_vec()),
            _ => Err(Octet(octet)),
        };
        assert_eq!(canonical(&target).map(Vec::from), expected, "{octet:#x} in a path");
        let target = [b'/', b'?', octet];
        let expected = if is_text || octet == b'%' { Ok(target.to_vec()) } else { Err(Octet(octet)) };
        assert_eq!(canonical(&target).map(Vec::from), expected, "{octet:#x} in a query");
    }
}

#[test]
fn every_escaped_octet_is_decoded_only_if_it_is_unreserved() {
    for octet in 0..=u8::MAX {
        let lower = canonical(format!("/x%{octet:02x}x").as_bytes());
        let upper = canonical(format!("/x%{octet:02X}x").as_bytes());
        assert_eq!(lower, upper, "{octet:#x}");
        let is_unreserved = octet.is_ascii_alphanumeric() || b"-._~".contains(&octet);
        let expected = match octet {
            0 => Err(Nul),
            _ if is_unreserved => Ok(format!("/x{}x", char::from(octet))),
            _ => Ok(format!("/x%{octet:02X}x")),
        };
        assert_eq!(lower.map(|target| String::from_utf8(target.into()).unwrap()), expected);
    }
}

/// Octets as they are, and escapes of them, with what makes trouble more often than the rest.
fn targets() -> impl Strategy<Value = Vec<u8>> {
    let trouble = prop::sample::select(vec![
        ".", "..", "/", "//", "\\", ";", "%2e", "%2E%2e", "%2f", "%5C", "%3b", "%25", "%00", "%c0", "%ae",
        "%", "?", "a", "api", "%61", "%7e", "~", "%2", "%252e",
    ]);
    let piece = prop_oneof![
        8 => trouble.prop_map(|text| text.as_bytes().to_vec()),
        1 => any::<u8>().prop_map(|octet| vec![octet]),
        1 => any::<u8>().prop_map(|octet| format!("%{octet:02x}").into_bytes()),
    ];
    prop::collection::vec(piece, 0..16).prop_map(|pieces| [b"/", pieces.concat().as_slice()].concat())
}

/// Decodes every escape once, as the most eager backend does.
fn decoded(path: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = path;
    while let Some((&octet, tail)) = rest.split_first() {
        let digits = tail.get(..2).and_then(|two| str::from_utf8(two).ok());
        match digits.and_then(|two| u8::from_str_radix(two, 16).ok()).filter(|_| octet == b'%') {
            Some(decoded) => {
                out.push(decoded);
                rest = &tail[2..];
            }
            None => {
                out.push(octet);
                rest = tail;
            }
        }
    }
    out
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(4_000) })]

    #[test]
    fn the_canonical_form_of_a_canonical_form_is_itself(raw in targets()) {
        if let Ok(target) = canonical(&raw) {
            prop_assert_eq!(canonical(&target), Ok(target.clone()));
            prop_assert!(target.starts_with(b"/") && !target.starts_with(b"//"));
            prop_assert!(path(&target).len() <= path(&raw).len());
        }
    }

    #[test]
    fn no_dot_segment_survives_one_more_decoding(raw in targets()) {
        if let Ok(target) = canonical(&raw) {
            for seen in [path(&target).to_vec(), decoded(path(&target))] {
                for segment in seen.split(|octet| b"/\\".contains(octet)) {
                    let name = segment.split(|&octet| octet == b';').next().unwrap();
                    prop_assert!(name != b"." && name != b"..", "{}", target.escape_ascii());
                    prop_assert!(!name.contains(&0));
                }
            }
        }
    }

    #[test]
    fn the_query_passes_octet_by_octet(raw in targets()) {
        if let Ok(target) = canonical(&raw) {
            prop_assert_eq!(&target[path(&target).len()..], &raw[path(&raw).len()..]);
        }
    }

    #[test]
    fn what_is_canonical_is_printable_ascii(tail in prop::collection::vec(any::<u8>(), 0..3)) {
        if let Ok(target) = canonical(&[b"/", tail.as_slice()].concat()) {
            prop_assert!(target.iter().all(u8::is_ascii_graphic));
        }
    }
}
