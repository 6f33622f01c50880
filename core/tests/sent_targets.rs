//! Targets as clients send them: what is routed, and what the backend gets.

use proptest::prelude::*;
use telephone_core::target::TargetError::{BrokenEscape, HiddenDotSegment, NamesAHost, Nul, Octet, Overlong};
use telephone_core::target::{Target, TargetError, canonical, path};

/// What is sent, and its canonical form. The backend gets it as sent.
const KEPT: &[(&str, &str)] = &[
    ("/", "/"),
    ("/a?b=c", "/a?b=c"),
    ("/a%7Eb", "/a~b"),
    ("/a%7eb/%2f%5c?x=%7e", "/a~b/%2F%5C?x=%7e"),
    ("/%61pi/x", "/api/x"),
    ("/a|b", "/a%7Cb"),
    ("/{a}", "/%7Ba%7D"),
    ("/a^b`c", "/a%5Eb%60c"),
    ("/\"a\"", "/%22a%22"),
    ("/<a>", "/%3Ca%3E"),
    ("/\u{fc}", "/%C3%BC"),
    ("/\u{202e}", "/%E2%80%AE"),
    ("/a?b|c{d}^`\\\"<>", "/a?b%7Cc%7Bd%7D%5E%60%5C%22%3C%3E"),
    ("/?\u{fc}=\u{1f600}", "/?%C3%BC=%F0%9F%98%80"),
    ("/a?100%&\\..\\", "/a?100%&%5C..%5C"),
    ("/a\\b", "/a%5Cb"),
    ("/\\a", "/%5Ca"),
    ("//", "//"),
    ("//a", "//a"),
    ("//a.example/x?y", "//a.example/x?y"),
    ("///a", "///a"),
    ("//%61", "//a"),
    ("/a//b", "/a//b"),
    ("/...|", "/...%7C"),
    ("/.\u{fc}", "/.%C3%BC"),
];

/// What is sent with a dot segment, of which the backend gets the canonical form.
const RESOLVED: &[(&str, &str)] = &[
    ("/a/../b", "/b"),
    ("/a/%2e%2E/b%7e", "/b~"),
    ("/./a|b", "/a%7Cb"),
    ("/x/../\u{fc}?\u{fc}", "/%C3%BC?%C3%BC"),
    ("/a/.", "/a/"),
    ("//../a", "/a"),
    ("//./a", "//a"),
    ("//a/..", "//"),
];

const REFUSED: &[(&str, TargetError)] = &[
    ("/a b", Octet(b' ')),
    ("/a#b", Octet(b'#')),
    ("/a?b#c", Octet(b'#')),
    ("/\u{7f}", Octet(0x7f)),
    ("/a?\t", Octet(b'\t')),
    ("/%zz", BrokenEscape),
    ("/%", BrokenEscape),
    ("/%\u{fc}", BrokenEscape),
    ("/%00", Nul),
    ("/..\\a", HiddenDotSegment),
    ("/api\\..\\admin", HiddenDotSegment),
    ("/api/..\\admin", HiddenDotSegment),
    ("/api\\..", HiddenDotSegment),
    ("/api\\.;x/y", HiddenDotSegment),
    ("/api%5c..\\x", HiddenDotSegment),
    ("/.//a", NamesAHost),
    ("/a/..//b", NamesAHost),
];

#[test]
fn what_has_no_dot_segment_reaches_the_backend_as_it_was_sent() {
    for (raw, form) in KEPT {
        let target = Target::read(raw.as_bytes()).unwrap_or_else(|error| panic!("{raw}: {error}"));
        assert_eq!((&target.canonical[..], &target.sent[..]), (form.as_bytes(), raw.as_bytes()), "{raw}");
    }
}

#[test]
fn what_has_a_dot_segment_reaches_the_backend_in_canonical_form() {
    for (raw, form) in RESOLVED {
        let target = Target::read(raw.as_bytes()).unwrap_or_else(|error| panic!("{raw}: {error}"));
        assert_eq!((&target.canonical[..], &target.sent[..]), (form.as_bytes(), form.as_bytes()), "{raw}");
    }
}

#[test]
fn what_readers_read_in_different_ways_is_refused() {
    for (raw, error) in REFUSED {
        assert_eq!(Target::read(raw.as_bytes()), Err(*error), "{raw}");
    }
    // Overlong UTF-8 for a slash, a dot and a backslash, raw and in part.
    for raw in [&b"/..\xc0\xafx"[..], b"/\xc0\xae\xc0\xae/x", b"/a\xc1\x9cb", b"/\xc0%af", b"/%e0\x80\xaf"] {
        assert_eq!(Target::read(raw), Err(Overlong), "{}", raw.escape_ascii());
    }
}

#[test]
fn each_octet_passes_but_controls_space_and_the_number_sign() {
    for octet in 0..=u8::MAX {
        let is_refused = octet <= b' ' || octet == 0x7f || octet == b'#';
        for raw in [[b'/', b'x', octet, b'4', b'1'], [b'/', b'?', octet, b'4', b'1']] {
            let read = Target::read(&raw);
            assert_eq!(read.is_err(), is_refused, "{}: {read:?}", raw.escape_ascii());
            assert!(read.is_err() || read.is_ok_and(|target| target.sent == raw[..]));
        }
    }
}

/// Octets as they are, and escapes of them, with what makes trouble more often than the rest.
fn targets() -> impl Strategy<Value = Vec<u8>> {
    let trouble = prop::sample::select(vec![
        ".", "..", "/", "//", "\\", ";", "%2e", "%2f", "%5C", "%3b", "%25", "%c0", "%ae", "\u{fc}", "|",
        "\"", "?", "a", "api", "%61", "%7e",
    ]);
    let piece = prop_oneof![
        8 => trouble.prop_map(|text| text.as_bytes().to_vec()),
        1 => any::<u8>().prop_map(|octet| vec![octet]),
    ];
    prop::collection::vec(piece, 0..16).prop_map(|pieces| [b"/", pieces.concat().as_slice()].concat())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(4_000) })]

    #[test]
    fn both_forms_are_read_alike(raw in targets()) {
        if let Ok(Target { canonical, sent }) = Target::read(&raw) {
            let of_canonical = Target { canonical: canonical.clone(), sent: canonical.clone() };
            prop_assert_eq!(Target::read(&canonical), Ok(of_canonical));
            prop_assert_eq!(Target::read(&sent), Ok(Target { canonical: canonical.clone(), sent }));
            prop_assert!(canonical.iter().all(u8::is_ascii_graphic));
        }
    }

    #[test]
    fn what_a_strict_reader_takes_has_the_same_canonical_form(raw in targets()) {
        if let Ok(strict) = canonical(&raw) {
            prop_assert_eq!(Target::read(&raw).map(|target| target.canonical), Ok(strict));
        }
    }

    #[test]
    fn no_dot_segment_reaches_a_backend(raw in targets()) {
        if let Ok(target) = Target::read(&raw) {
            for segment in path(&target.sent).split(|octet| b"/\\".contains(octet)) {
                let name = segment.split(|&octet| octet == b';').next().unwrap();
                let name = name.to_ascii_lowercase();
                prop_assert!(![&b"."[..], b"..", b"%2e", b".%2e", b"%2e.", b"%2e%2e"].contains(&&name[..]));
            }
        }
    }
}
