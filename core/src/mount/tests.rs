use alloc::string::ToString;

use super::{HOST_BYTES_MAX, MOUNT_BYTES_MAX, Mount, MountError, host_name};

fn mount(text: &str) -> Mount {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn a_mount_is_printed_in_its_canonical_form() {
    let rows = [
        ("/", "/"),
        ("/api", "/api"),
        ("/api/", "/api"),
        ("/API", "/API"),
        ("/a%70i", "/api"),
        ("/%7eann", "/~ann"),
        ("/caf%c3%a9", "/caf%C3%A9"),
        ("example.com/", "example.com/"),
        ("Example.COM/Api/", "example.com/Api"),
        ("example.com./x", "example.com/x"),
        ("xn--caf-dma.example/", "xn--caf-dma.example/"),
        ("my_host/", "my_host/"),
        ("127.0.0.1/x", "127.0.0.1/x"),
        ("[0:0::1]/", "[::1]/"),
        ("[2001:DB8::A]/x", "[2001:db8::a]/x"),
        ("room:Blue-1_a.b", "room:Blue-1_a.b"),
        ("tcp:1", "tcp:1"),
        ("tcp:65535", "tcp:65535"),
        ("tcp:db-1.eu:5432", "tcp:db-1.eu:5432"),
    ];
    for (written, canonical) in rows {
        assert_eq!(mount(written).to_string(), canonical, "{written}");
        assert_eq!(mount(canonical), mount(written), "{written} survives being printed");
    }
}

#[test]
fn what_is_no_mount_is_refused_for_the_reason_that_it_has() {
    let kind = |text: &str| text.parse::<Mount>().expect_err("no mount");
    assert_eq!(kind(""), MountError::Empty);
    assert!(matches!(kind(&"/x".repeat(257)), MountError::TooLong(514)));
    for text in ["api", "example.com", "rooms:x", "..", "Tcp:1", "caf\u{e9}"] {
        assert!(matches!(kind(text), MountError::NoSlash(_)), "{text:?}");
    }
    for text in ["http://example.com/x", "ws://h/", "://x"] {
        assert!(matches!(kind(text), MountError::Url(_)), "{text:?}");
    }
    for text in ["example.com:80/x", "[::1]:80/x", "::1/x", ":80/"] {
        assert!(matches!(kind(text), MountError::HostWithPort(_)), "{text:?}");
    }
    for text in [
        "a..b/",
        "[::1/",
        "[1.2.3.4]/",
        "[fe80::1%25eth0]/",
        "./",
        "../x",
        "*.example.com/",
        "caf\u{e9}.example/",
        "a b/",
        "u@h/",
        "h\\x/",
    ] {
        assert!(matches!(kind(text), MountError::Host(_)), "{text:?}");
    }
    assert!(matches!(kind(&["a.".repeat(127).as_str(), "b/"].concat()), MountError::Host(_)));
    for text in ["/api?x=1", "h/?"] {
        assert!(matches!(kind(text), MountError::Query(_)), "{text:?}");
    }
    for text in ["/a b", "/caf\u{e9}", "/a\\b", "/a#b", "/%", "/%0", "/%00"] {
        assert!(matches!(kind(text), MountError::Path { .. }), "{text:?}");
    }
    for text in ["/api/../admin", "/api/%2e%2e/", "h/.", "/./a"] {
        assert!(matches!(kind(text), MountError::DotSegment { .. }), "{text:?}");
    }
    for text in ["/..;/x", "/a/..%2fb", "/a/%252e%252e"] {
        assert!(matches!(kind(text), MountError::HiddenDotSegment { .. }), "{text:?}");
    }
    for text in ["//api", "/a//b", "/api//", "h/a//b"] {
        assert!(matches!(kind(text), MountError::EmptySegment { .. }), "{text:?}");
    }
    for text in ["/api%2fx", "/api%5Cx", "/api;v=1", "/api%3Bx"] {
        assert!(matches!(kind(text), MountError::NotPlain(_)), "{text:?}");
    }
    for text in ["room:", "room:a b", "room:a/b", "room:\u{e9}", &["room:", &"x".repeat(65)].concat()] {
        assert!(matches!(kind(text), MountError::Room(_)), "{text:?}");
    }
    for text in [
        "tcp:",
        "tcp:0",
        "tcp:65536",
        "tcp:+1",
        "tcp: 1",
        "tcp:01",
        "tcp:http",
        "tcp:1/x",
        "tcp::1",
        "tcp:db:",
        "tcp:a b:1",
        "tcp:db:0",
        "tcp:a:b:1",
    ] {
        assert!(matches!(kind(text), MountError::Port(_)), "{text:?}");
    }
}

#[test]
fn what_has_the_greatest_length_is_a_mount() {
    let path = ["/", "x".repeat(MOUNT_BYTES_MAX - 1).as_str()].concat();
    assert_eq!(mount(&path).to_string(), path);
    let host = "a.".repeat(126) + "b";
    assert_eq!(host.len(), HOST_BYTES_MAX);
    assert_eq!(mount(&(host.clone() + "/")).host(), Some(host.as_str()));
}

#[test]
fn raw_connections_come_to_ports_and_endpoints_alone() {
    for (text, is_tcp) in
        [("tcp:80", true), ("tcp:db:80", true), ("/80", false), ("h/", false), ("room:a", false)]
    {
        assert_eq!(mount(text).is_tcp(), is_tcp, "{text}");
    }
}

#[test]
fn a_refusal_says_what_was_written_and_what_would_be_right() {
    let said = "api".parse::<Mount>().unwrap_err().to_string();
    assert!(said.contains("\"/api\"") && said.contains("\"api/\""), "{said}");
    let escaped = "a\u{1b}[2J".parse::<Mount>().unwrap_err().to_string();
    assert!(escaped.contains("\\u{1b}") && !escaped.contains('\u{1b}'), "{escaped}");
}

/// T-12: what looks like a claimed mount and is none.
#[test]
fn a_claim_covers_itself_and_what_lies_below_it_and_nothing_else() {
    let rows = [
        ("/api", "/api", true),
        ("/api", "/api/", true),
        ("/api/", "/api", true),
        ("/api", "/api/v1", true),
        ("/api", "/api/v1/x", true),
        ("/api", "/%61pi/v1", true),
        ("/api/v1", "/api", false),
        ("/api", "/", false),
        ("/api", "/apiary", false),
        ("/api", "/api-v1", false),
        ("/api", "/api.", false),
        ("/api", "/api%20", false),
        ("/api", "/API", false),
        ("/api", "/ap%C4%B1", false),
        ("/api", "/%C3%A0pi", false),
        ("/api", "/x/api", false),
        ("/", "/", true),
        ("/", "/anything", true),
        ("/", "example.com/", false),
        ("/api", "example.com/api", false),
        ("example.com/", "example.com/", true),
        ("example.com/", "example.com/api", true),
        ("EXAMPLE.com./", "example.com/api", true),
        ("example.com/api", "example.com/", false),
        ("example.com/api", "example.com/apiary", false),
        ("example.com/api", "/api", false),
        ("example.com/", "www.example.com/", false),
        ("example.com/", "example.com.evil.net/", false),
        ("example.com/", "example.co/", false),
        ("room:a", "room:a", true),
        ("room:a", "room:A", false),
        ("room:a", "room:ab", false),
        ("room:a", "room:a.b", false),
        ("tcp:80", "tcp:80", true),
        ("tcp:80", "tcp:8080", false),
        ("tcp:80", "room:80", false),
        ("/", "room:a", false),
        ("/", "tcp:80", false),
        ("room:a", "/", false),
    ];
    for (claim, asked, is_covered) in rows {
        assert_eq!(mount(claim).covers(&mount(asked)), is_covered, "{claim} and {asked}");
    }
}

#[test]
fn a_mount_tells_its_parts() {
    let path = mount("h.example/a/b/");
    assert_eq!((path.host(), path.path()), (Some("h.example"), Some("/a/b")));
    assert_eq!((mount("/").host(), mount("/").path()), (None, Some("")));
    assert_eq!((mount("room:a").room(), mount("tcp:22").port()), (Some("a"), Some(22)));
    assert_eq!((path.room(), path.port(), mount("tcp:22").path()), (None, None, None));
}

#[test]
fn a_host_is_compared_without_case_port_and_trailing_dots() {
    let rows: [(&[u8], &[u8]); 8] = [
        (b"example.com", b"example.com"),
        (b"Example.COM", b"example.com"),
        (b"example.com:8080", b"example.com"),
        (b"example.com.", b"example.com"),
        (b"EXAMPLE.com..:80", b"example.com"),
        (b"[0::1]:4000", b"[::1]"),
        (b"", b""),
        (b"\xff:1", b"\xff"),
    ];
    for (written, name) in rows {
        assert_eq!(&*host_name(written), name);
        assert_eq!(&*host_name(name), name, "the name of a name is itself");
    }
}
