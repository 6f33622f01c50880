//! What becomes of every kind of mount and claim, as a table and as a property (T-12, I26).

use std::mem::discriminant;

use proptest::prelude::*;
use telephone_core::mount::{Mount, MountError};
use telephone_core::target;

/// What is expected of a text.
#[derive(Debug)]
enum Verdict {
    /// A mount, which prints like this.
    Is(&'static str),
    /// Refused for a dot segment; its canonical form would have been this.
    Dots(&'static str),
    /// Refused for a dot segment that lenient readers see; they would take it for this.
    Hidden(&'static str),
    /// Refused for an empty segment; without it this.
    Empty(&'static str),
    /// Refused for something else: of this kind.
    Not(Kind),
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Nothing,
    NoSlash,
    Url,
    HostWithPort,
    Host,
    Query,
    Path,
    NotPlain,
    Room,
    Port,
}

use Kind::{Host, HostWithPort, NoSlash, NotPlain, Nothing, Path, Port, Query, Room, Url};
use Verdict::{Dots, Empty, Hidden, Is, Not};

type Row = (&'static str, Verdict);

/// Letter case of hosts, a trailing slash, a host's trailing dot and escapes of unreserved letters are normalised.
const NORMALISED: &[Row] = &[
    ("/", Is("/")),
    ("/api", Is("/api")),
    ("/api/", Is("/api")),
    ("/API", Is("/API")),
    ("/api/v1/", Is("/api/v1")),
    ("/%61pi", Is("/api")),
    ("/a%70i", Is("/api")),
    ("/%41", Is("/A")),
    ("/a%2db", Is("/a-b")),
    ("/a%2Eb", Is("/a.b")),
    ("/%7eann", Is("/~ann")),
    ("/%7Eann/", Is("/~ann")),
    ("/caf%c3%a9", Is("/caf%C3%A9")),
    ("/a%20b", Is("/a%20b")),
    ("/a%3fb", Is("/a%3Fb")),
    ("/100%25", Is("/100%25")),
    ("/100%2525", Is("/100%2525")),
    ("/a%252fb", Is("/a%252fb")),
    ("/.well-known/acme", Is("/.well-known/acme")),
    ("/...", Is("/...")),
    ("/..a", Is("/..a")),
    ("/a..", Is("/a..")),
    ("/a./b", Is("/a./b")),
    ("/.a", Is("/.a")),
    ("/%2e%2e%2e", Is("/...")),
    ("/%2ea", Is("/.a")),
    ("/a:b@c", Is("/a:b@c")),
    ("/[a]", Is("/[a]")),
    ("/room:a", Is("/room:a")),
    ("/tcp:80", Is("/tcp:80")),
    ("example.com/", Is("example.com/")),
    ("example.com/api/", Is("example.com/api")),
    ("Example.COM/Api", Is("example.com/Api")),
    ("example.com./x", Is("example.com/x")),
    ("EXAMPLE.com./%78", Is("example.com/x")),
    ("xn--caf-dma.example/", Is("xn--caf-dma.example/")),
    ("my_host/", Is("my_host/")),
    ("127.0.0.1/x", Is("127.0.0.1/x")),
    ("room:Blue-1_a.b", Is("room:Blue-1_a.b")),
    ("room:...", Is("room:...")),
    ("room:.a", Is("room:.a")),
    ("tcp:1", Is("tcp:1")),
    ("tcp:65535", Is("tcp:65535")),
    ("tcp:db-1.eu:5432", Is("tcp:db-1.eu:5432")),
    ("tcp:DB:5432", Is("tcp:DB:5432")),
];

/// A dot segment makes a claim larger than its text, in whatever spelling. (RFC 3986 §5.2.4, §6.2.2.3)
const DOT_SEGMENTS: &[Row] = &[
    ("/u/..", Dots("/")),
    ("/u/../", Dots("/")),
    ("/u/../bank", Dots("/bank")),
    ("/u/../../bank", Dots("/bank")),
    ("/u/v/..", Dots("/u")),
    ("/u/v/../..", Dots("/")),
    ("/u/./v", Dots("/u/v")),
    ("/u/.", Dots("/u")),
    ("/u/./", Dots("/u")),
    ("/.", Dots("/")),
    ("/./", Dots("/")),
    ("/..", Dots("/")),
    ("/../", Dots("/")),
    ("/./u", Dots("/u")),
    ("/../u", Dots("/u")),
    ("/u/%2e%2e", Dots("/")),
    ("/u/%2E%2E", Dots("/")),
    ("/u/%2e%2E/bank", Dots("/bank")),
    ("/u/.%2e", Dots("/")),
    ("/u/%2e.", Dots("/")),
    ("/u/%2e", Dots("/u")),
    ("/u/%2E/v", Dots("/u/v")),
    ("/%2e%2e/%75", Dots("/u")),
    ("/a/b/../c/./d", Dots("/a/c/d")),
    ("/a;v=1/..", Dots("/")),
    ("/a%2Fb/..", Dots("/")),
    ("/u//..", Dots("/u")),
    ("victim.example/u/..", Dots("victim.example/")),
    ("victim.example/..", Dots("victim.example/")),
    ("Victim.Example./u/%2e%2e", Dots("victim.example/")),
    ("victim.example/u/../bank", Dots("victim.example/bank")),
    ("victim.example/.", Dots("victim.example/")),
];

/// Dot segments for readers that decode slashes, decode twice or cut parameters off. (H-16)
const HIDDEN_DOT_SEGMENTS: &[Row] = &[
    ("/u/..;", Hidden("/")),
    ("/u/..;x", Hidden("/")),
    ("/u/..;x=1/bank", Hidden("/bank")),
    ("/u/.;x", Hidden("/u")),
    ("/u/..%3bx", Hidden("/")),
    ("/u/%2e%2e;x", Hidden("/")),
    ("/u/%2e%2e%3Bx", Hidden("/")),
    ("/u/..%2f", Hidden("/")),
    ("/u/..%2fbank", Hidden("/bank")),
    ("/u/%2e%2e%2fbank", Hidden("/bank")),
    ("/u%2f..", Hidden("/")),
    ("/u/x%2f..%2f..%2fbank", Hidden("/bank")),
    ("/u/..%5cbank", Hidden("/bank")),
    ("/u%5C..%5Cbank", Hidden("/bank")),
    ("/u/.%2fv", Hidden("/u/v")),
    ("/u/%252e%252e", Hidden("/")),
    ("/u/%252E%252e/bank", Hidden("/bank")),
    ("/u/%25252e%25252e", Hidden("/")),
    ("/u/%25%32%65.", Hidden("/")),
    ("/u/.%252e", Hidden("/")),
    ("/u/%252e", Hidden("/u")),
    ("/u/..%252fbank", Hidden("/bank")),
    ("/u/..%255cbank", Hidden("/bank")),
    ("/u/..%253bx", Hidden("/")),
    ("victim.example/u/..;x", Hidden("victim.example/")),
    ("victim.example/u/..%2fbank", Hidden("victim.example/bank")),
    ("victim.example/%252e%252e", Hidden("victim.example/")),
];

/// Readers that merge slashes find another path.
const EMPTY_SEGMENTS: &[Row] = &[
    ("//", Empty("/")),
    ("///", Empty("/")),
    ("//api", Empty("/api")),
    ("//victim.example/api", Empty("/victim.example/api")),
    ("/api//", Empty("/api")),
    ("/a//b", Empty("/a/b")),
    ("/a///b//c", Empty("/a/b/c")),
    ("/.//a", Empty("/a")),
    ("/a/..//b", Empty("/b")),
    ("h.example//", Empty("h.example/")),
    ("h.example//a", Empty("h.example/a")),
    ("H.example/a//b", Empty("h.example/a/b")),
];

/// What is no mount at all.
const REFUSED: &[Row] = &[
    ("", Not(Nothing)),
    ("api", Not(NoSlash)),
    ("..", Not(NoSlash)),
    ("example.com", Not(NoSlash)),
    ("Room:a", Not(NoSlash)),
    ("Tcp:1", Not(NoSlash)),
    (" ", Not(NoSlash)),
    ("http://example.com/x", Not(Url)),
    ("//user@host://x", Not(Url)),
    ("example.com:80/x", Not(HostWithPort)),
    ("[::1]:80/x", Not(HostWithPort)),
    ("../x", Not(Host)),
    ("./", Not(Host)),
    ("a..b/", Not(Host)),
    ("example.com../x", Not(Host)),
    (".example.com/x", Not(Host)),
    ("*.example.com/", Not(Host)),
    ("%65xample.com/", Not(Host)),
    (" /api", Not(Host)),
    ("u@h/", Not(Host)),
    ("h\\..\\/", Not(Host)),
    ("/api?x", Not(Query)),
    ("/u/..?x", Not(Query)),
    ("/a b", Not(Path)),
    ("/a#b", Not(Path)),
    ("/a\\..\\b", Not(Path)),
    ("/u/..\\", Not(Path)),
    ("/caf\u{e9}", Not(Path)),
    ("/u/\u{ff0e}\u{ff0e}", Not(Path)),
    ("/%", Not(Path)),
    ("/u/%2", Not(Path)),
    ("/u/%u002e%u002e", Not(Path)),
    ("/u/..%00", Not(Path)),
    ("/u/%c0%ae%c0%ae", Not(Path)),
    ("/u/..%c0%afbank", Not(Path)),
    ("/api\n", Not(Path)),
    ("/api;v=1", Not(NotPlain)),
    ("/api%3Bx", Not(NotPlain)),
    ("/api%2fx", Not(NotPlain)),
    ("/api%5Cx", Not(NotPlain)),
    ("room:", Not(Room)),
    ("room:.", Not(Room)),
    ("room:..", Not(Room)),
    ("room:a/..", Not(Room)),
    ("room:a/b", Not(Room)),
    ("room:%61", Not(Room)),
    ("room:a b", Not(Room)),
    ("tcp:", Not(Port)),
    ("tcp:0", Not(Port)),
    ("tcp:01", Not(Port)),
    ("tcp:+1", Not(Port)),
    ("tcp:65536", Not(Port)),
    ("tcp:80/..", Not(Port)),
    ("tcp:.:80", Not(Port)),
    ("tcp:..:80", Not(Port)),
    ("tcp:a:b:1", Not(Port)),
    ("tcp:%64b:1", Not(Port)),
];

fn kind(error: &MountError) -> Option<Kind> {
    Some(match error {
        MountError::Empty => Nothing,
        MountError::NoSlash(_) => NoSlash,
        MountError::Url(_) => Url,
        MountError::HostWithPort(_) => HostWithPort,
        MountError::Host(_) => Host,
        MountError::Query(_) => Query,
        MountError::Path { .. } => Path,
        MountError::NotPlain(_) => NotPlain,
        MountError::Room(_) => Room,
        MountError::Port(_) => Port,
        MountError::TooLong(_)
        | MountError::DotSegment { .. }
        | MountError::HiddenDotSegment { .. }
        | MountError::EmptySegment { .. } => return None,
    })
}

#[test]
fn every_text_is_a_mount_in_its_own_canonical_form_or_refused_for_its_own_reason() {
    let rows: Vec<_> = [NORMALISED, DOT_SEGMENTS, HIDDEN_DOT_SEGMENTS, EMPTY_SEGMENTS, REFUSED]
        .into_iter()
        .flatten()
        .collect();
    assert!(rows.len() >= 110, "{}", rows.len());
    for (text, verdict) in rows {
        let mount = text.parse::<Mount>();
        match (verdict, &mount) {
            (Is(canonical), Ok(mount)) => assert_eq!(mount.as_str(), *canonical, "{text:?}"),
            (Dots(form), Err(MountError::DotSegment { canonical, .. }))
            | (Hidden(form), Err(MountError::HiddenDotSegment { canonical, .. }))
            | (Empty(form), Err(MountError::EmptySegment { canonical, .. })) => {
                assert_eq!(canonical, form, "{text:?}");
                let said = mount.as_ref().unwrap_err().to_string();
                assert!(said.contains(&format!("{text:?}")) && said.contains(&format!("{form:?}")), "{said}");
            }
            (Not(expected), Err(error)) => {
                let found = kind(error).map(|kind| discriminant(&kind));
                assert_eq!(found, Some(discriminant(expected)), "{text:?}: {error}");
            }
            _ => panic!("{text:?}: expected {verdict:?}, got {mount:?}"),
        }
    }
}

/// The path of a mount's text as it stands there, with nothing decoded but unreserved characters (RFC 3986 §2.3): a
/// second, naive reading of RFC 3986.
fn literal_path(text: &str) -> String {
    let path = &text[text.find('/').expect("a path")..];
    let mut out = String::new();
    let mut rest = path;
    while let Some(first) = rest.chars().next() {
        let escape = (first == '%').then(|| rest.get(1..3)).flatten();
        match escape.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(octet) => {
                let decoded = char::from(octet);
                if decoded.is_ascii_alphanumeric() || "-._~".contains(decoded) {
                    out.push(decoded);
                } else {
                    out.push_str(&format!("%{octet:02X}"));
                }
                rest = &rest[3..];
            }
            None => {
                out.push(first);
                rest = &rest[first.len_utf8()..];
            }
        }
    }
    out.trim_end_matches('/').to_owned()
}

/// Whether `path` is `top`, or below it on a segment boundary.
fn is_at_or_below(top: &str, path: &str) -> bool {
    path.strip_prefix(top).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Paths made of what matters: separators, dots, escapes of both, and a few names.
fn paths() -> impl Strategy<Value = String> {
    const PIECES: [&str; 24] = [
        "/", "/", "/", "a", "b", "u", ".", "..", "%2e", "%2E", "%2f", "%5C", ";", "%3b", "%61", "%c3", "%25",
        "2e", "/..", "/.", "//", "%252e", "~", "%7e",
    ];
    prop::collection::vec(prop::sample::select(PIECES.to_vec()), 0..8).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(20_000) })]

    #[test]
    fn a_mount_covers_no_request_that_its_text_does_not(
        host in prop::sample::select(vec!["", "h.net", "H.net."]),
        path in paths(),
        request in paths(),
    ) {
        let text = format!("{host}/{path}");
        if let Ok(mount) = text.parse::<Mount>() {
            let literal = literal_path(&text);
            let top = mount.path().expect("a path");
            // Requests near the mount, which random ones seldom are.
            for target in [format!("/{request}"), format!("{top}/{request}"), format!("{literal}/{request}")] {
                let Ok(canonical) = target::canonical(target.as_bytes()) else { continue };
                let seen = String::from_utf8_lossy(target::path(&canonical)).into_owned();
                prop_assert!(
                    !is_at_or_below(top, &seen) || is_at_or_below(&literal, &seen),
                    "{} covers {}, and its text {} does not", mount, seen, literal
                );
            }
        }
    }
}
