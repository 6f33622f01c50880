//! The table of reserved names: each, in each spelling, from each kind of peer.

use super::*;
use alloc::format;
use alloc::vec;

/// Names whose first letters are those of reserved ones, and others that applications use.
const FREE: &[&str] = &[
    "Accept",
    "Authorization",
    "Cache-Control",
    "CDN-Loop",
    "Client-Version",
    "Cookie",
    "DNT",
    "Fastly-Debug",
    "For",
    "From",
    "If-None-Match",
    "Origin",
    "Path",
    "Priority",
    "Proxies",
    "Range",
    "Referer",
    "Remote",
    "Sec-Fetch-Site",
    "SSL",
    "Traceparent",
    "User-Agent",
    "Via",
    "X-API-Key",
    "X-Amzn-Trace-Id",
    "X-Auth-Token",
    "X-B3-TraceId",
    "X-Client-Version",
    "X-CSRF-Token",
    "X-Forwarde",
    "X-Hostname",
    "X-HTTP-Method-Override",
    "X-Realm",
    "X-Request-ID",
    "X-Requested-With",
    "X-User-Id",
];

/// All names of the list, a family as its bare beginning and with more behind it.
fn all() -> Vec<String> {
    let names = reserved().flat_map(|name| match name.strip_suffix('*') {
        Some(start) => vec![start.into(), format!("{start}zz"), format!("{start}z-z")],
        None => vec![String::from(name)],
    });
    names.collect()
}

/// A name in capitals as people write them, in small ones, in large ones, and with what CGI-like backends fold.
fn spellings(name: &str) -> Vec<String> {
    let title: Vec<String> = name
        .split('-')
        .map(|part| {
            part.get(..1).unwrap_or_default().to_ascii_uppercase() + part.get(1..).unwrap_or_default()
        })
        .collect();
    let title = title.join("-");
    let folded = ["_", ".", "~"].map(|sign| title.replace('-', sign));
    [vec![title, name.into(), name.to_ascii_uppercase()], folded.into()].concat()
}

/// Whether a field of that name, as a peer sends it, reaches the backend.
fn passes(name: &str, is_trusted: bool, fields: &[TrustedField]) -> bool {
    let mut headers: Headers = [("Host", "a"), (name, "evil")].into_iter().collect();
    let peer = IpAddr::from([10, 0, 0, 1]);
    let observed = Observed { peer: peer.into(), scheme: Scheme::Http, is_trusted };
    Stamp::new(observed).put(&mut headers, Trusted { fields, ..TRUSTED });
    headers.iter().any(|(_, value)| value.windows(4).any(|part| part == b"evil"))
}

#[test]
fn every_reserved_name_is_removed_from_an_untrusted_peer_in_every_spelling() {
    for name in all() {
        for spelling in spellings(&name) {
            let trusted = spelling.parse::<TrustedField>();
            let fields: Vec<_> = trusted.into_iter().collect();
            assert!(!passes(&spelling, false, &[]), "{spelling}");
            assert!(!passes(&spelling, false, &fields), "{spelling}, which is trusted of others");
        }
    }
}

#[test]
fn a_trusted_peer_is_believed_in_four_fields_and_in_those_that_are_named_in_clear_spelling() {
    for name in all() {
        let is_believed = trusted::BELIEVED.contains(&name.as_bytes());
        // Nothing that ends in a sign can be named: a family's bare beginning.
        let trusted = name.parse::<TrustedField>();
        for spelling in spellings(&name) {
            let is_clear = is_unambiguous(spelling.as_bytes());
            assert_eq!(passes(&spelling, true, &[]), is_believed && is_clear, "{spelling}");
            if let Ok(field) = &trusted {
                let fields = core::slice::from_ref(field);
                assert_eq!(passes(&spelling, true, fields), is_clear, "{spelling}, which is trusted");
                let other: TrustedField = "X-Else".parse().expect("a field");
                assert!(!passes(&spelling, true, &[other]), "{spelling}, where another one is trusted");
            }
        }
    }
}

#[test]
fn a_name_that_an_operator_trusts_is_taken_from_all_others() {
    let fields = ["X-Staff".parse::<TrustedField>().expect("a field")];
    for (spelling, from_trusted) in
        [("X-Staff", true), ("x-staff", true), ("X_Staff", false), ("X.STAFF", false)]
    {
        assert!(!passes(spelling, false, &fields), "{spelling}");
        assert_eq!(passes(spelling, true, &fields), from_trusted, "{spelling}");
    }
    assert!(passes("X-Staff", false, &[]), "it is an application's own otherwise");
}

#[test]
fn names_that_only_look_like_reserved_ones_pass() {
    for name in FREE {
        for is_trusted in [false, true] {
            assert!(passes(name, is_trusted, &[]), "{name}");
        }
    }
}

#[test]
fn each_reserved_name_is_listed_once_under_its_initial_in_lower_case() {
    let names: Vec<&str> = reserved().collect();
    assert!(names.len() > 80, "{}", names.len());
    assert!(
        names.is_sorted_by(|one, next| one.trim_end_matches('*') < next.trim_end_matches('*')),
        "{names:?}"
    );
    for name in names {
        let signs = name.strip_suffix('*').unwrap_or(name);
        assert!(signs.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{name}");
        assert!(is_reserved(signs.as_bytes()), "{name} stands under another initial");
        let is_within = |family: &str| family.strip_suffix('*').is_some_and(|start| signs.starts_with(start));
        assert_eq!(reserved().filter(|other| is_within(other)).count(), usize::from(name != signs), "{name}");
    }
}

#[test]
fn a_trusted_field_is_a_clear_name_that_belongs_to_no_connection_and_is_not_the_relays_own() {
    type Error = fn(String) -> TrustedFieldError;
    let rows: &[(&str, Error)] = &[
        ("", TrustedFieldError::NoName),
        ("X User", TrustedFieldError::NoName),
        ("X-User:", TrustedFieldError::NoName),
        ("X-Us\u{e9}r", TrustedFieldError::NoName),
        ("X_Forwarded_User", TrustedFieldError::Ambiguous),
        ("X.User", TrustedFieldError::Ambiguous),
        ("Host", TrustedFieldError::Routing),
        ("connection", TrustedFieldError::Routing),
        ("Content-Length", TrustedFieldError::Routing),
        ("content_length", TrustedFieldError::Routing),
        ("Transfer-Encoding", TrustedFieldError::Routing),
        ("TE", TrustedFieldError::Routing),
        ("Trailer", TrustedFieldError::Routing),
        ("Upgrade", TrustedFieldError::Routing),
        ("Keep-Alive", TrustedFieldError::Routing),
        ("Proxy-Connection", TrustedFieldError::Routing),
        ("HTTP2-Settings", TrustedFieldError::Routing),
        ("Expect", TrustedFieldError::Routing),
        ("X-Forwarded-For", TrustedFieldError::Written),
        ("x-forwarded-proto", TrustedFieldError::Written),
        ("X-Forwarded-Host", TrustedFieldError::Written),
        ("Forwarded", TrustedFieldError::Written),
        ("X-Real-IP", TrustedFieldError::Written),
        ("X-Plugboard-Subject", TrustedFieldError::Written),
    ];
    for (name, error) in rows {
        assert_eq!(name.parse::<TrustedField>(), Err(error(String::from(*name))), "{name}");
    }
    for name in ["X-Forwarded-User", "Remote-User", "CF-Connecting-IP", "X-Staff", "Authorization"] {
        assert!(name.parse::<TrustedField>().is_ok(), "{name}");
    }
}

#[test]
fn trailers_of_a_request_say_nothing_that_only_the_relay_may_say() {
    for name in all() {
        for spelling in spellings(&name) {
            let mut trailers: Headers = [("X-Sum", "1"), (&*spelling, "evil")].into_iter().collect();
            TRUSTED.clear_trailers(&mut trailers);
            assert_eq!(trailers, [("X-Sum", "1")].into_iter().collect(), "{spelling}");
        }
    }
}
