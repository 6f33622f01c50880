use alloc::vec::Vec;

use super::*;

fn served(mounts: &[&str]) -> ServedMounts {
    ServedMounts::new(mounts.iter().map(|mount| mount.parse().unwrap()).collect())
}

/// What a plugboard routes to `/api`.
const BELOW: &[&str] = &[
    "/api",
    "/api/",
    "/api?",
    "/api?a=b",
    "/api?/../x",
    "/api?%2e%2e/admin",
    "/api?//evil.example",
    "/api/users",
    "/api/users/7?page=2&sort=..",
    "/api//",
    "/api//users",
    "/api/users//7",
    "/api/.well-known/x",
    "/api/..hidden",
    "/api/...",
    "/api/x..",
    "/api/a.b/c.d",
    "/api/a%20b",
    "/api/%C3%A9",
    "/api/a%2Fb",
    "/api/a%5Cb",
    "/api/a%3Bb",
    "/api/a;v=1",
    "/api/;v=1",
    "/api/%252e%252e/admin",
    "/api/api/api",
    "/api/http:x",
    "/api/http://evil.example/",
    "/api/@evil.example",
    "/api/*",
    "/api/%2A",
    "/api/~ann",
    "/api/-",
    "/api/:80",
    "/api/[::1]",
    "/api/a=b&c",
    "/api/(x)",
    "/api/!$&'()*+,;=:@",
    "/api?a[]=1",
    "/api?q=%",
    "/api/%7e",
    "/api/%2a",
    "/api/%c3%a9",
    "/api/a%2fb",
    "/api/a%5cb",
    "/api/a%3bb",
    "/api/{x}",
    "/api/|",
    "/api/^",
    "/api/`",
    "/api/\"",
    "/api/<x>",
    "/api?a\"b",
    "/api/\u{e9}",
    "/api/\u{202e}",
    "/api?\u{e9}",
];

/// Targets with a dot segment, or without a canonical form: a backend may read another path in them than a plugboard does.
const NOT_CANONICAL: &[&str] = &[
    "",
    " ",
    "api",
    "api/users",
    "admin",
    "?a=b",
    "%2Fapi",
    "http://evil.example/",
    "http://127.0.0.1/api",
    "http://127.0.0.1:22/api/users",
    "https://evil.example/api",
    "HTTP://evil.example/api",
    "ftp://evil.example/api",
    "unix:/run/docker.sock",
    "file:///etc/passwd",
    "evil.example:443",
    "127.0.0.1:22",
    "user@evil.example/api",
    "\\api",
    "\\\\evil.example\\api",
    "/./api",
    "/../api",
    "/%2e/api",
    "/%2E%2E/api",
    "/api/.",
    "/api/..",
    "/api/./users",
    "/api/../api",
    "/api/../api/users",
    "/api/../../etc/passwd",
    "/api/../admin",
    "/api/../apiary",
    "/api/x/../../admin",
    "/api/x/..",
    "/api/%2e",
    "/api/%2e%2e",
    "/api/%2E%2E/admin",
    "/api/.%2e/admin",
    "/api/%2e./admin",
    "/api/%2e%2e/%2e%2e/etc/passwd",
    "/api/..%2fadmin",
    "/api/..%2Fadmin",
    "/api/..%5cadmin",
    "/api/..%5Cadmin",
    "/api/%2e%2e%2fadmin",
    "/api%2f..%2fadmin",
    "/api%2F..%2Fadmin",
    "/api/..;/admin",
    "/api/..;v=1/admin",
    "/api/.;/admin",
    "/api/..%3b/admin",
    "/api/..%3B/admin",
    "/api;/../admin",
    "/api/..\\admin",
    "/api\\..\\admin",
    "/api/%c0%ae%c0%ae/admin",
    "/api/%C0%AE%C0%AE/admin",
    "/api/..%c0%afadmin",
    "/api/..%C0%AFadmin",
    "/api/%E0%80%AE%E0%80%AE/admin",
    "/api/..%F0%80%80%AFadmin",
    "/api/%c1%9c..",
    "/%7Eann/../api",
    "/api/%00",
    "/api%00x",
    "/%2E%2Fapi",
    "/api/%",
    "/api/%2",
    "/api/%zz",
    "/api%",
    "/api#fragment",
    "/api/#/../admin",
    "/api?a#b",
    "/api users",
    "/api\tusers",
    "/api\r\nHost: evil.example",
    "/api HTTP/1.1\r\nX: y",
    "/api\0",
    "/api/\u{7f}",
    "/api?a b",
    "/..",
    "/.",
    "/../..",
    "/../../../../etc/passwd",
    "/etc/../api",
    "/etc/%2e%2e/api",
    "/a/..//api",
    "/a/../..//api",
    "**",
    "* ",
    "*/",
    "*?x",
];

/// Targets that are not the mount's.
const ELSEWHERE: &[&str] = &[
    "/",
    "/?x",
    "/?/api",
    "/?/api/users",
    "/admin",
    "/admin/api",
    "/admin?/api",
    "/admin/api/users",
    "/apiary",
    "/apiary/x",
    "/api-v2",
    "/api_",
    "/api.",
    "/api.json",
    "/api..",
    "/api,x",
    "/api:80",
    "/api@evil.example",
    "/api;v=1",
    "/api;/x",
    "/api%2Fusers",
    "/api%5Cusers",
    "/api%3Bv",
    "/api%20",
    "/api*",
    "/api=",
    "/API",
    "/Api/users",
    "/aPI/users",
    "/ap",
    "/ap/i",
    "/a/pi",
    "/a//pi",
    "/x/api",
    "/x//api",
    "/etc/passwd",
    "/.well-known/telephone",
    "/.git/config",
    "/.env",
    "/metrics",
    "/healthz",
    "/server-status",
    "/actuator/env",
    "/latest/meta-data/",
    "/client?room=r",
    "/agent",
    "/%2Fapi",
    "/%5Capi",
    "/~ann/api",
    "/:80/api",
    "/@api",
    "/*",
    "/*/api",
    "/%2A",
    "/api%252e",
    "*",
    "//api",
    "//api/users",
    "//evil.example/api",
    "///api",
    "/\\evil.example/api",
    "/%61pi",
    "/ap%69/users",
];

#[test]
fn a_request_reaches_the_mounts_path_and_below_and_nothing_else() {
    let served = served(&["/api", "/shop/eu", "example.com/api", "tcp:5432", "room:r"]);
    for target in BELOW {
        assert_eq!(served.check_request(b"/api", target.as_bytes()), Ok(()), "{target}");
        assert_eq!(served.check_request(b"example.com/api", target.as_bytes()), Ok(()), "{target}");
        let other = served.check_request(b"/shop/eu", target.as_bytes());
        assert_eq!(other, Err(NotServed::Target), "{target} for /shop/eu");
    }
    for target in NOT_CANONICAL {
        let checked = served.check_request(b"/api", target.as_bytes());
        assert_eq!(checked, Err(NotServed::Form), "{target:?}");
    }
    for target in ELSEWHERE {
        let checked = served.check_request(b"/api", target.as_bytes());
        assert_eq!(checked, Err(NotServed::Target), "{target}");
    }
    let rows = BELOW.len() * 3 + NOT_CANONICAL.len() + ELSEWHERE.len();
    assert!(rows >= 200, "{rows} rows");
}

#[test]
fn a_root_serves_all_targets_of_one_reading_and_the_asterisk() {
    for (mount, text) in [("/", "/"), ("example.com/", "example.com/")] {
        let served = served(&[mount]);
        for target in BELOW.iter().chain(ELSEWHERE) {
            let checked = served.check_request(text.as_bytes(), target.as_bytes());
            assert_eq!(checked, Ok(()), "{target} for {mount}");
        }
        for target in NOT_CANONICAL {
            let checked = served.check_request(text.as_bytes(), target.as_bytes());
            assert_eq!(checked, Err(NotServed::Form), "{target:?} for {mount}");
        }
    }
}

#[test]
fn a_room_has_all_paths_of_its_application() {
    let served = served(&["room:r"]);
    for target in BELOW.iter().chain(ELSEWHERE) {
        let is_served = *target != "*" && !target.starts_with("//") && !target.starts_with("/\\");
        assert_eq!(served.check_request(b"room:r", target.as_bytes()).is_ok(), is_served, "{target}");
    }
    for target in NOT_CANONICAL {
        let checked = served.check_request(b"room:r", target.as_bytes());
        assert_eq!(checked, Err(NotServed::Form), "{target:?}");
    }
}

#[test]
fn only_a_mount_that_was_registered_is_served_under_the_text_that_was_registered() {
    let served = served(&["/api/", "Example.com/shop", "room:r", "tcp:5432", "tcp:db:22"]);
    for mount in ["/api", "example.com/shop"] {
        assert_eq!(served.check_request(mount.as_bytes(), b"/api/x").is_ok(), mount == "/api", "{mount}");
    }
    for mount in [
        "",
        "/",
        "/admin",
        "/api/",
        "/API",
        "/ap",
        "/apiary",
        "/api/v1",
        "api",
        "//api",
        "/./api",
        "/x/../api",
        "/%61pi",
        "Example.com/shop",
        "example.com/",
        "example.com",
        "evil.example/shop",
        "/shop",
        "*",
        "room:",
        "room:R",
        "room:x",
        "room:r/",
        "tcp:5432",
        "tcp:db:22",
        "tcp:",
        "\0",
        "/api\0",
        " /api",
        "/api ",
    ] {
        let checked = served.check_request(mount.as_bytes(), b"/api/x");
        assert_eq!(checked, Err(NotServed::Mount), "{mount:?}");
    }
}

#[test]
fn raw_streams_are_for_raw_mounts_and_requests_are_not() {
    let served = served(&["/api", "room:r", "tcp:5432", "tcp:db:22"]);
    let tcp = |mount: &str| {
        served.check(&Opening::Tcp { mount: bytes::Bytes::copy_from_slice(mount.as_bytes()), from: None })
    };
    assert_eq!([tcp("tcp:5432"), tcp("tcp:db:22")], [Ok(()), Ok(())]);
    for mount in ["tcp:22", "tcp:db:5432", "tcp:05432", "TCP:5432", "/api", "room:r", "", "tcp:*"] {
        assert_eq!(tcp(mount), Err(NotServed::Mount), "{mount}");
    }
}

#[test]
fn a_telephone_that_only_connects_serves_nothing() {
    let served = served(&[]);
    let targets: Vec<&[u8]> = alloc::vec![b"/", b"*", b"/api"];
    for target in targets {
        assert_eq!(served.check_request(b"/", target), Err(NotServed::Mount));
    }
}
