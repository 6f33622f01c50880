//! What the origin is told about the client is what the relay saw.

use telephone_tests::line::{Line, both, both_programs};
use telephone_tests::request::Request;
use telephone_tests::wire::Head;

/// What a client may pretend, with the spellings that some backends take for the same.
const SPOOFED: &[&str] = &[
    "X-Forwarded-For",
    "x-forwarded-for",
    "X-Forwarded-Proto",
    "X-Forwarded-Host",
    "Forwarded",
    "X-Real-IP",
    "X_Forwarded_For",
    "X-Forwarded_For",
    "X_Real_IP",
    "X-Plugboard-Subject",
    "X_Plugboard_Subject",
    "X-Client-IP",
    "True-Client-IP",
    "CF-Connecting-IP",
    "X-Cluster-Client-IP",
    "Fastly-Client-IP",
    "X-Original-Forwarded-For",
    "X-Original-URL",
    "X.Original.URL",
    "X-Rewrite-URL",
    "X-Script-Name",
    "SCRIPT_NAME",
    "Front-End-Https",
    "X-Url-Scheme",
    "Proxy",
    "X-Forwarded-User",
    "Remote_User",
];

fn spoof() -> Request {
    let request = Request::get("/m/echo");
    SPOOFED.iter().fold(request, |request, name| request.field(name, "6.6.6.6"))
}

fn head_at_origin(line: &Line, request: &Request) -> Head {
    assert_eq!(line.ask(request).status(), 200);
    line.origin.last_head()
}

#[test]
fn the_origin_is_told_what_the_relay_saw() {
    both(|line| {
        let head = head_at_origin(line, &Request::get("/m/echo"));
        assert_eq!(head.values("x-forwarded-for"), [b"127.0.0.1"]);
        assert_eq!(head.values("x-forwarded-proto"), [b"http"]);
        assert_eq!(head.values("x-forwarded-host"), [b"app.example"]);
        let forwarded = head.value("forwarded").expect("a Forwarded field (RFC 7239)");
        for part in ["for=127.0.0.1", "proto=http", "host=app.example"] {
            assert!(forwarded.to_ascii_lowercase().replace('"', "").contains(part), "{forwarded}");
        }
    });
}

#[test]
fn spoofed_forwarding_fields_are_overwritten() {
    both(|line| {
        let head = head_at_origin(line, &spoof());
        let text = String::from_utf8_lossy(&head.octets).into_owned();
        assert!(!text.contains("6.6.6.6"), "{text}");
        assert_eq!(head.values("x-forwarded-for"), [b"127.0.0.1"]);
        assert_eq!(head.values("x-forwarded-host"), [b"app.example"]);
        assert_eq!(head.values("x-real-ip"), [b"127.0.0.1"]);
    });
}

#[test]
fn spoofed_trailers_are_removed() {
    both(|line| {
        let request =
            Request::new("POST", "/m/echo").chunked(&[b"a"], "X-Sum: 1\r\nX-Client-IP: 6.6.6.6\r\n");
        let echoed = line.ask(&request).text();
        assert!(echoed.contains("X-Sum: 1") && !echoed.contains("6.6.6.6"), "{echoed}");
    });
}

#[test]
fn a_trusted_peer_says_what_the_operator_names_and_no_more() {
    both_programs(|program| {
        let trust =
            ["--trust", "127.0.0.0/8", "--trust-header", "X-Forwarded-User", "--trust-header", "X-Staff"];
        let request = Request::get("/m/echo")
            .field("X-Forwarded-User", "ann")
            .field("X_Forwarded_User", "bob")
            .field("X-Staff", "yes")
            .field("X-Forwarded-Email", "ann@a.example")
            .field("X-Client-IP", "6.6.6.6")
            .field("X-Real-IP", "6.6.6.6")
            .field("X-Forwarded-For", "6.6.6.6, 203.0.113.9, 127.0.0.2");
        let head = head_at_origin(&Line::with(program, &trust, &[]), &request);
        assert_eq!(head.value("x-forwarded-user").as_deref(), Some("ann"));
        assert_eq!(head.value("x-staff").as_deref(), Some("yes"));
        assert_eq!(head.value("x-real-ip").as_deref(), Some("203.0.113.9"));
        for name in ["x_forwarded_user", "x-forwarded-email", "x-client-ip"] {
            assert!(!head.has(name), "{name}");
        }
        let foreign = ["--trust", "10.0.0.0/8", "--trust-header", "X-Forwarded-User,X-Staff"];
        let head = head_at_origin(&Line::with(program, &foreign, &[]), &request);
        for name in ["x-forwarded-user", "x-staff"] {
            assert!(!head.has(name), "{name}");
        }
        assert_eq!(head.value("x-real-ip").as_deref(), Some("127.0.0.1"));
    });
}

#[test]
fn a_trusted_peer_is_believed_and_added_to() {
    both_programs(|program| {
        let line = Line::with(program, &["--trust", "127.0.0.0/8"], &[]);
        let request = Request::get("/m/echo")
            .field("X-Forwarded-For", "203.0.113.9")
            .field("X-Forwarded-Proto", "https")
            .field("X-Forwarded-Host", "public.example");
        let head = head_at_origin(&line, &request);
        assert_eq!(head.value("x-forwarded-for").as_deref(), Some("203.0.113.9, 127.0.0.1"));
        assert_eq!(head.value("x-forwarded-proto").as_deref(), Some("https"));
        assert_eq!(head.value("x-forwarded-host").as_deref(), Some("public.example"));
    });
}

#[test]
fn a_peer_outside_the_trusted_networks_is_not_believed() {
    both_programs(|program| {
        let line = Line::with(program, &["--trust", "10.0.0.0/8"], &[]);
        let head = head_at_origin(&line, &spoof());
        assert_eq!(head.values("x-forwarded-for"), [b"127.0.0.1"]);
    });
}
