use super::*;
use alloc::borrow::ToOwned;
use alloc::string::String;

use crate::message::RequestHead;
use crate::target::Target;
use proptest::prelude::*;

fn text(value: &[u8]) -> String {
    String::from_utf8(value.to_vec()).expect("ASCII")
}

/// Of a client at `https://shop.example` and a backend that sees `Host: localhost:3000`.
fn names() -> Names {
    let request: Headers =
        [("Host", "relay.example"), ("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "shop.example")]
            .into_iter()
            .collect();
    Names::of(&request, Scheme::Http, Some(&Bytes::from_static(b"localhost:3000")))
}

fn prefix() -> Prefix {
    Prefix::new("/m", (b"/m/a/b", b"/a/b"), names())
}

/// A field's value as it came, and as the backend sees it.
const REQUESTS: &[(&str, &str, &str)] = &[
    ("Origin", "https://shop.example", "http://localhost:3000"),
    ("Origin", "HTTPS://Shop.Example:443", "http://localhost:3000"),
    ("Origin", "https://relay.example", "http://localhost:3000"),
    ("Origin", "http://shop.example", "http://shop.example"),
    ("Origin", "https://shop.example:8443", "https://shop.example:8443"),
    ("Origin", "https://evil.example", "https://evil.example"),
    ("Origin", "https://shop.example.evil", "https://shop.example.evil"),
    ("Origin", "null", "null"),
    ("Origin", "", ""),
    ("Referer", "https://shop.example/a?b", "http://localhost:3000/a?b"),
    ("Referer", "https://shop.example", "http://localhost:3000"),
    ("Referer", "https://evil.example/https://shop.example/", "https://evil.example/https://shop.example/"),
    ("Referer", "https://user@shop.example/", "https://user@shop.example/"),
    ("Destination", "https://shop.example/x", "http://localhost:3000/x"),
    ("Destination", "/x", "/x"),
    ("X-Other", "https://shop.example", "https://shop.example"),
    ("Host", "relay.example", "localhost:3000"),
];

#[test]
fn what_names_the_public_origin_names_the_backends_and_all_else_stays() {
    for &(name, sent, seen) in REQUESTS {
        let mut headers: Headers = [("A", "1"), (name, sent), ("B", "2")].into_iter().collect();
        names().rewrite_request(&mut headers);
        assert_eq!(text(headers.first(name).expect("the field")), seen, "{name}: {sent}");
        assert_eq!((headers.first("a"), headers.first("b")), (Some(&b"1"[..]), Some(&b"2"[..])), "{name}");
    }
}

#[test]
fn behind_a_changed_origin_no_field_names_the_public_host() {
    let fields = [
        ("Host", "shop.example"),
        ("X-Forwarded-Host", "shop.example"),
        ("X-Forwarded-Proto", "https"),
        ("Forwarded", "for=192.0.2.7;host=shop.example;proto=https"),
    ];
    for (origin, is_changed) in [("https://shop.example", true), ("https://evil.example", false)] {
        let mut headers: Headers = fields.into_iter().chain([("Origin", origin)]).collect();
        names().rewrite_request(&mut headers);
        assert_eq!(headers.has("x-forwarded-host"), !is_changed, "{origin}");
        let expected = if is_changed { "for=192.0.2.7;proto=https" } else { fields[3].1 };
        assert_eq!(text(headers.first("forwarded").expect("the field")), expected, "{origin}");
        assert!(headers.has("x-forwarded-proto"));
    }
}

/// A field's value as the backend wrote it, and as the client gets it.
const ANSWERS: &[(&str, &str, &str)] = &[
    ("Location", "/", "/m/"),
    ("Location", "/x?y=/z#f", "/m/x?y=/z#f"),
    ("Location", "/m", "/m"),
    ("Location", "/m/x", "/m/x"),
    ("Location", "/m?x", "/m?x"),
    ("Location", "/mx", "/m/mx"),
    ("Location", "/../x?/../y#/../z", "/m/x?/../y#/../z"),
    ("Location", "/m/../x", "/m/x"),
    ("Location", "https://shop.example/a/%2e%2E/../x", "https://shop.example/m/x"),
    ("Location", "/a%2fb|c", "/m/a%2fb|c"),
    ("Location", "x", "x"),
    ("Location", "../x", "../x"),
    ("Location", "?x", "?x"),
    ("Location", "", ""),
    ("Location", "https://shop.example/x", "https://shop.example/m/x"),
    ("Location", "https://shop.example", "https://shop.example/m/"),
    ("Location", "https://shop.example?x", "https://shop.example/m/?x"),
    ("Location", "https://shop.example/m/x", "https://shop.example/m/x"),
    ("Location", "http://Shop.example:80/x", "http://Shop.example:80/m/x"),
    ("Location", "http://relay.example/x", "http://relay.example/m/x"),
    ("Location", "http://localhost:3000/x", "https://shop.example/m/x"),
    ("Location", "http://localhost:3000/m/x", "https://shop.example/m/x"),
    ("Location", "//shop.example/x", "//shop.example/m/x"),
    ("Location", "//evil.example/x", "//evil.example/x"),
    ("Location", "https://evil.example/x", "https://evil.example/x"),
    ("Location", "https://shop.example.evil/x", "https://shop.example.evil/x"),
    ("Location", "https://shop.example@evil.example/x", "https://shop.example@evil.example/x"),
    ("Location", "mailto:a@shop.example", "mailto:a@shop.example"),
    ("Content-Location", "/x", "/m/x"),
    ("Service-Worker-Allowed", "/", "/m/"),
    (
        "Link",
        "</x>; rel=preload, <https://evil.example/y>; rel=next, </z>",
        "</m/x>; rel=preload, <https://evil.example/y>; rel=next, </m/z>",
    ),
    ("Link", "</x", "</x"),
    ("Refresh", "5", "5"),
    ("Refresh", "5; url=/x", "5; url=/m/x"),
    ("Refresh", "0;URL='/x'", "0;URL='/m/x'"),
    ("Refresh", "0, url = \"https://shop.example/x\"; a", "0, url = \"https://shop.example/m/x\"; a"),
    ("Refresh", "1 /x", "1 /m/x"),
    ("Refresh", "5; url=x", "5; url=x"),
    ("Set-Cookie", "a=b; Path=/", "a=b; Path=/m"),
    ("Set-Cookie", "a=b; HttpOnly; path = /x ; Secure", "a=b; HttpOnly; path =/m/x; Secure"),
    ("Set-Cookie", "a=b; Path=/x/", "a=b; Path=/m/x/"),
    ("Set-Cookie", "a=b; Path=/m", "a=b; Path=/m"),
    ("Set-Cookie", "a=b; Path=/m/x", "a=b; Path=/m/x"),
    ("Set-Cookie", "a=b", "a=b"),
    ("Set-Cookie", "a=b; Path=", "a=b; Path="),
    ("Set-Cookie", "a=b; Path=\"/\"", "a=b; Path=\"/\""),
    ("Set-Cookie", "path=/", "path=/"),
    ("Set-Cookie", "__Host-a=b; Path=/; Secure", "__Host-a=b; Path=/; Secure"),
    ("X-Other", "/x", "/x"),
];

#[test]
fn an_answers_paths_for_the_own_host_get_the_mount() {
    for &(name, written, read) in ANSWERS {
        let mut headers: Headers = [("A", "1"), (name, written), (name, written)].into_iter().collect();
        prefix().rewrite_response(&mut headers);
        let values: Vec<String> = headers.all(name).map(text).collect();
        assert_eq!(values, [read, read], "{name}: {written}");
    }
}

#[test]
fn a_cookie_of_the_bare_mount_without_a_path_belongs_to_the_mount() {
    for (target, stripped, expected) in
        [(&b"/m?x"[..], &b"/?x"[..], "a=b; Path=/m"), (b"/m/?x", b"/?x", "a=b"), (b"/m/x", b"/x", "a=b")]
    {
        let mut headers: Headers = [("Set-Cookie", "a=b")].into_iter().collect();
        Prefix::new("/m", (target, stripped), names()).rewrite_response(&mut headers);
        assert_eq!(text(headers.first("set-cookie").expect("the cookie")), expected);
    }
}

/// What the client sends, and what the backend sees; none where the request is refused.
const DESTINATIONS: &[(&str, &str, Option<&str>)] = &[
    ("Destination", "https://shop.example/m/x%20y", Some("http://localhost:3000/x%20y")),
    ("Destination", "https://shop.example/m", Some("http://localhost:3000/")),
    ("Destination", "http://localhost:3000/m/x", Some("http://localhost:3000/x")),
    ("Destination", "/m/x", Some("/x")),
    ("Destination", "/m//x", Some("/x")),
    ("Destination", "/%6d/x%2fy", Some("/x%2fy")),
    ("Destination", "/other/../m/x", Some("/x")),
    ("Destination", "/m/../other/x", None),
    ("Destination", "https://shop.example/m/%2E%2e/other/x", None),
    ("Destination", "/m/..%2fx", None),
    ("Destination", "https://evil.example/m/x", Some("https://evil.example/m/x")),
    ("Destination", "https://shop.example/other/x", None),
    ("Destination", "https://shop.example/mx", None),
    ("Destination", "https://shop.example", None),
    ("Destination", "/other/x", None),
    (
        "If",
        "<https://shop.example/m/x> (<opaquelocktoken:1>)",
        Some("<http://localhost:3000/x> (<opaquelocktoken:1>)"),
    ),
    ("If", "(<opaquelocktoken:1>)", Some("(<opaquelocktoken:1>)")),
    ("If", "<https://shop.example/other/x> ([\"e\"])", Some("<https://shop.example/other/x> ([\"e\"])")),
    ("Referer", "/m/x", Some("/m/x")),
];

#[test]
fn a_destination_below_the_mount_loses_it_and_one_elsewhere_on_the_host_is_refused() {
    for &(name, sent, seen) in DESTINATIONS {
        let mut headers: Headers = [(name, sent)].into_iter().collect();
        let result = prefix().rewrite_request(&mut headers);
        match seen {
            Some(seen) => {
                assert_eq!(result, Ok(()), "{name}: {sent}");
                assert_eq!(text(headers.first(name).expect("the field")), seen, "{name}: {sent}");
            }
            None => assert_eq!(result, Err(Outside(sent.to_owned())), "{name}"),
        }
    }
}

fn head(method: &'static str, target: &'static str, upgrade: Option<&'static str>) -> RequestHead {
    RequestHead {
        method: Bytes::from_static(method.as_bytes()),
        target: Bytes::from_static(target.as_bytes()),
        headers: Headers::new(),
        length: None,
        upgrade: upgrade.map(|upgrade| Bytes::from_static(upgrade.as_bytes())),
        wants_trailers: false,
    }
}

#[test]
fn a_page_at_the_bare_mount_is_found_behind_a_slash() {
    for (method, target, stripped, upgrade, expected) in [
        ("GET", "/m", "/", None, Some("/m/")),
        ("HEAD", "/m?a=/b", "/?a=/b", None, Some("/m/?a=/b")),
        ("GET", "/m/", "/", None, None),
        ("GET", "/m/x", "/x", None, None),
        ("GET", "/m", "/", Some("websocket"), None),
        ("POST", "/m", "/", None, None),
        ("OPTIONS", "/m", "/", None, None),
        // As a client spelled it.
        ("GET", "/%6d", "/", None, Some("/m/")),
        ("GET", "//m", "/", None, Some("/m/")),
    ] {
        let prefix = Prefix::new("/m", (target.as_bytes(), stripped.as_bytes()), names());
        let found = prefix.redirect(&head(method, target, upgrade)).map(|found| text(&found));
        assert_eq!(found.as_deref(), expected, "{method} {target}");
    }
}

proptest! {
    #[test]
    fn a_reference_that_got_the_mount_loses_it_again(
        path in "(/([a-z.]|%[4-7][1-9]){1,4}){1,4}/?",
        query in "(\\?[a-z/=]{0,6})?",
        origin in prop::sample::select(&["", "https://shop.example", "http://localhost:3000"][..]),
    ) {
        let value = [origin, &path, &query].concat();
        let prefix = prefix();
        prop_assume!(!path.contains("//"));
        let read = Target::read([path, query].concat().as_bytes());
        prop_assume!(read.is_ok());
        let sent = text(&read.expect("a target").sent);
        // What is below the mount stays as it is, and two slashes name a host or become one.
        let path = sent.split('?').next().unwrap_or_default();
        prop_assume!(!path.contains("//") && path != "/m" && !path.starts_with("/m/"));
        let outward = prefix.outward(value.as_bytes()).expect("it is of this host");
        let inward = prefix.inward(&outward).expect("it is below the mount").expect("it is of this host");
        let expected = if origin.is_empty() { sent } else { ["http://localhost:3000", &sent].concat() };
        prop_assert_eq!(text(&inward), expected);
    }

    #[test]
    fn no_value_makes_a_rewrite_fail(value in "[ -~]{0,40}") {
        for name in ["Location", "Refresh", "Link", "Set-Cookie", "Destination", "If", "Origin"] {
            let mut headers: Headers = [(name, value.as_str())].into_iter().collect();
            prefix().rewrite_response(&mut headers);
            let _ = prefix().rewrite_request(&mut headers);
            names().rewrite_request(&mut headers);
            prop_assert!(headers.is_sound());
        }
    }
}
