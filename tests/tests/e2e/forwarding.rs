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
