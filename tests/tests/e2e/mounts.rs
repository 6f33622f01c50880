//! What is reachable is the mount and what lies below it, and nothing else, however it is spelled.

use telephone_tests::client::ask;
use telephone_tests::curl::Curl;
use telephone_tests::line::{Line, both, both_programs};
use telephone_tests::origin::Origin;
use telephone_tests::relay::Relay;
use telephone_tests::request::Request;
use telephone_tests::sidecar::{Program, Sidecar};

/// Targets that try to leave the mount `/m`, by what a careless hop or a careless backend would make of them.
const ESCAPES: &[&str] = &[
    "/m/../x",
    "/m/../../x",
    "/m/a/../../x",
    "/m/./../x",
    "/m/..",
    "/m/a/../..",
    "/m/%2e%2e/x",
    "/m/%2E%2e/x",
    "/m/.%2e/x",
    "/m/%2e./x",
    "/m/..%2fx",
    "/m/..%2Fx",
    "/m/%2e%2e%2fx",
    "/m/a%2f..%2f..%2fx",
    "/m/..%5cx",
    "/m/..%5Cx",
    "/m/%2e%2e%5cx",
    "/m/..\\x",
    "/m\\..\\x",
    "/m/..;/x",
    "/m/..;a=b/x",
    "/m/%2e%2e;/x",
    "/m/..%3b/x",
    "/m/%252e%252e/x",
    "/m/%252e%252e%252fx",
    "/m/..%252fx",
    "/m/..%00/x",
    "/m/%00/../x",
    "/m/..%c0%afx",
    "/m/%c0%ae%c0%ae/x",
    "/m/..%ef%bc%8fx",
    "/m/..//x",
    "/m//../x",
    "/m//../../x",
    "/m/..///x",
    "//m/../x",
    "/./m/../x",
    "/x/../m/../x",
    "/m;/../x",
    "/m;a=b/../x",
    "/m/..?x",
    "/m/..#x",
    "/m/../m2",
    "/m%2f..%2fx",
    "/m%2e%2e/x",
    "/m/%2e%2e?/x",
    "/M/../x",
    "/m/.../../../x",
    "/m/ ../x",
    "/m/..\t/x",
    "http://app.example/m/../x",
    "http://app.example/m/%2e%2e/x",
];

/// Targets that look like the mount and are not below it.
const NEIGHBOURS: &[&str] =
    &["/", "/x", "/m2", "/m2/x", "/mm", "/M", "/M/x", "/m%20", "/m.", "/x/m", "/x/../m2", "/%6d2/x", "/m%61"];

/// All escapes decoded, once.
fn decode(path: &str) -> String {
    let mut octets = Vec::new();
    let mut rest = path.as_bytes();
    while let [first, tail @ ..] = rest {
        let hex = tail.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        match hex.and_then(|digits| u8::from_str_radix(digits, 16).ok()).filter(|_| *first == b'%') {
            Some(octet) => {
                octets.push(octet);
                rest = &tail[2..];
            }
            None => {
                octets.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&octets).into_owned()
}

/// Each segment up to its first semicolon.
fn without_parameters(path: &str) -> String {
    path.split('/').map(|segment| segment.split(';').next().unwrap_or_default()).collect::<Vec<_>>().join("/")
}

/// Dot segments resolved (RFC 3986 §5.2.4).
fn resolve(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    for segment in path.split('/').skip(1) {
        match segment {
            ".." => _ = kept.pop(),
            "." => {}
            segment => kept.push(segment),
        }
    }
    format!("/{}", kept.join("/"))
}

/// Whether each path that reached the origin lies in the mount however a backend reads it: as it is, with its
/// escapes decoded, with backslashes for slashes, without parameters.
fn assert_inside(line: &Line, target: &str) {
    for seen in line.origin.seen() {
        let path = seen.head.path();
        // A second decoding is the backend's own fault: %252e is a name, and is passed on as one.
        let once = [path.clone(), decode(&path)];
        for reading in once.iter().flat_map(|path| [path.replace('\\', "/"), without_parameters(path)]) {
            let resolved = resolve(&reading);
            let is_inside = resolved == "/m" || resolved.starts_with("/m/");
            assert!(is_inside, "{target} reached the origin as {path}, which may be read as {resolved}");
        }
    }
}

#[test]
fn no_escape_reaches_the_origin_outside_the_mount() {
    both(|line| {
        for target in ESCAPES {
            let mut client = line.connect();
            client.send(format!("GET {target} HTTP/1.1\r\nHost: app.example\r\nConnection: close\r\n\r\n"));
            let status = client.answer("GET").status();
            assert!([200, 400, 404].contains(&status), "{target}: {status}");
            assert_inside(line, target);
        }
    });
}

#[test]
fn an_escape_that_leaves_the_mount_is_no_such_mount() {
    both(|line| {
        for target in ["/m/../x", "/m/%2e%2e/x", "/m/a/../../x", "/m/.%2E/x"] {
            assert_eq!(line.get(target).status(), 404, "{target}");
        }
        for target in ["/m/..%2fx", "/m/..%5cx", "/m/..;/x", "/m/a%00b", "/m/..\\x"] {
            assert_eq!(line.get(target).status(), 400, "{target}");
        }
        assert_eq!(line.origin.counts().requests, 0);
    });
}

#[test]
fn neighbours_of_a_mount_are_no_such_mount() {
    both(|line| {
        for target in NEIGHBOURS {
            assert_eq!(line.get(target).status(), 404, "{target}");
        }
        assert_eq!(line.origin.counts().requests, 0);
    });
}

#[test]
fn the_origin_gets_the_target_as_it_was_and_a_path_without_dot_segments() {
    both(|line| {
        let table = [
            ("/m", "/m"),
            ("/m/", "/m/"),
            ("/m/a/../b", "/m/b"),
            ("/m/./a", "/m/a"),
            ("/x/../m/a", "/m/a"),
            ("/m/%61%2Db", "/m/%61%2Db"),
            ("/m/%e4", "/m/%e4"),
            ("/m/./%e4", "/m/%E4"),
            ("/m/a%2fb", "/m/a%2fb"),
            ("/m/a;b=c", "/m/a;b=c"),
            ("/m?/../x", "/m?/../x"),
            ("/m/?a=%2e%2E&b=%61", "/m/?a=%2e%2E&b=%61"),
            ("http://other.example/m/a", "/m/a"),
        ];
        for (target, canonical) in table {
            assert_eq!(line.get(target).status(), 200, "{target}");
            assert_eq!(line.origin.last_head().target(), canonical, "{target}");
        }
    });
}

#[test]
fn curl_cannot_climb_out_of_the_mount() {
    both(|line| {
        assert_eq!(Curl::new(&line.url("/m/../x")).run().status(), 404);
        assert_eq!(Curl::new(&line.url("/m/%2e%2e/x")).run().status(), 404);
        assert_eq!(line.origin.counts().requests, 0);
    });
}

#[test]
fn one_sidecar_serves_several_mounts() {
    both_programs(|program| {
        let (origin, relay) = (Origin::start(), Relay::start());
        let token = relay.token(&["/a", "/b/c"]);
        let _by_options =
            program.dial(&relay).token(&token).mount("/a").mount("/b/c").backend(&origin.url()).ready();
        assert_statuses(
            &relay,
            None,
            &[("/a/x", 200), ("/b/c", 200), ("/b/c/x", 200), ("/b/x", 404), ("/c", 404)],
        );
        assert_eq!(origin.last_head().target(), "/b/c/x");
    });
}

#[test]
fn mounts_come_from_the_environment_too() {
    both_programs(|program| {
        let (origin, relay) = (Origin::start(), Relay::start());
        let dial = program.dial(&relay).token(&relay.token(&["/a", "/b"])).env("MOUNT_PATH", "/a,/b");
        let _sidecar = dial.env("BACKEND_PORT", &origin.addr().port().to_string()).ready();
        assert_statuses(&relay, None, &[("/a/x", 200), ("/b/x", 200), ("/c", 404)]);
    });
}

#[test]
fn a_host_mount_is_reached_under_its_host_only() {
    both_programs(|program| {
        let (origin, relay) = (Origin::start(), Relay::start());
        let _sidecar = serve(program, &relay, &origin, "app.example/");
        let asked = [("/", 200), ("/any/thing", 200)];
        assert_statuses(&relay, Some("app.example"), &asked);
        assert_statuses(&relay, Some("APP.Example:8080"), &asked);
        assert_statuses(&relay, Some("app.example."), &asked);
        assert_statuses(&relay, Some("other.example"), &[("/", 404)]);
        assert_statuses(&relay, Some("x.app.example"), &[("/", 404)]);
    });
}

#[test]
fn a_mount_on_an_ipv6_address_is_reached_under_that_address() {
    both_programs(|program| {
        let (origin, relay) = (Origin::start(), Relay::start());
        let _sidecar = serve(program, &relay, &origin, "[::1]/");
        for host in ["[::1]", "[::1]:8080", "[0:0:0::1]"] {
            assert_statuses(&relay, Some(host), &[("/any", 200)]);
        }
        assert_statuses(&relay, Some("[::2]"), &[("/any", 404)]);
        assert_statuses(&relay, Some("localhost"), &[("/any", 404)]);
    });
}

#[test]
fn the_longest_mount_wins() {
    both_programs(|program| {
        let (outer, inner, relay) = (Origin::start(), Origin::start(), Relay::start());
        let _outer = serve(program, &relay, &outer, "/a");
        let _inner = serve(program, &relay, &inner, "/a/b");
        assert_statuses(&relay, None, &[("/a/x", 200), ("/a/bc", 200), ("/a/b", 200), ("/a/b/x", 200)]);
        assert_eq!((outer.counts().requests, inner.counts().requests), (2, 2));
    });
}

#[test]
fn a_prefix_can_be_stripped_and_a_host_replaced() {
    both_programs(|program| {
        let (origin, relay) = (Origin::start(), Relay::start());
        let dial = program.dial(&relay).token(&relay.token(&["/m"])).mount("/m").backend(&origin.url());
        let _sidecar = dial.args(&["--strip-prefix", "--host-header", "localhost:3000"]).ready();
        for (target, stripped) in [("/m/", "/"), ("/m/a?b", "/a?b"), ("/m/?b", "/?b"), ("/m/m/", "/m/")] {
            assert_statuses(&relay, None, &[(target, 200)]);
            assert_eq!(origin.last_head().target(), stripped, "{target}");
            assert_eq!(origin.last_head().values("host"), [b"localhost:3000"]);
        }
    });
}

#[test]
fn a_stripped_path_is_never_another_host() {
    both_programs(|program| {
        let (origin, relay) = (Origin::start(), Relay::start());
        let dial = program.dial(&relay).token(&relay.token(&["/m"])).mount("/m").backend(&origin.url());
        let _sidecar = dial.args(&["--strip-prefix"]).ready();
        let answer = ask(relay.addr(), &Request::get("/m//evil.example/x").close());
        if answer.status() == 200 {
            let target = origin.last_head().target();
            assert!(target.starts_with('/') && !target.starts_with("//"), "the origin got {target}");
        } else {
            assert_eq!(answer.status(), 400);
        }
    });
}

fn serve(program: Program, relay: &Relay, origin: &Origin, mount: &str) -> Sidecar {
    program.dial(relay).token(&relay.token(&[mount])).mount(mount).backend(&origin.url()).ready()
}

fn assert_statuses(relay: &Relay, host: Option<&str>, table: &[(&str, u16)]) {
    for (target, status) in table {
        let head = format!("GET {target} HTTP/1.1\r\nHost: {}\r\n", host.unwrap_or("app.example"));
        assert_eq!(
            ask(relay.addr(), &Request::raw("GET", &head).close()).status(),
            *status,
            "{host:?} {target}"
        );
    }
}
