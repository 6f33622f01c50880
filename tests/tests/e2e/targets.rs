//! Request targets: the application gets what the client sent, and a refused one is in the access log.

use std::path::Path;

use serde_json::{Value, json};
use telephone_tests::client::{Client, ask};
use telephone_tests::curl::Curl;
use telephone_tests::line::{Line, both, both_programs, everywhere};
use telephone_tests::origin::Origin;
use telephone_tests::puppet::Puppet;
use telephone_tests::relay::Relay;
use telephone_tests::request::Request;
use telephone_tests::wait::{self, PATIENCE};

/// What browsers and curl send bare, and spellings that a signature may cover.
const SENT: &[&str] = &[
    "/m/a%7Eb/%2f%5c",
    "/m/a%7eb?%7e",
    "/m/a|b",
    "/m/{a}^`\"<b>",
    "/m/a\\b",
    "/m/grüße/\u{1f600}",
    "/m/?q={\"a\":[1,2]}|^`\\<>",
    "/m/?ü=ü",
    "/m//a//b",
];

#[test]
fn a_target_reaches_the_application_octet_by_octet() {
    everywhere(|line| {
        for target in SENT {
            assert_eq!(line.get(target).status(), 200, "{target}");
            assert_eq!(line.origin.last_head().target(), *target);
        }
        let absolute = Request::get("http://app.example/m/%7e|?ü");
        if line.is_tunnel() {
            assert_eq!(line.ask(&absolute.close()).status(), 200);
            assert_eq!(line.origin.last_head().target(), "/m/%7e|?ü");
        }
    });
}

#[test]
fn a_mount_that_is_spelled_in_escapes_reaches_the_application_as_it_is_registered() {
    both(|line| {
        for (target, seen) in [("/%6d/a%7Eb?%7e", "/m/a%7Eb?%7e"), ("/%6D?%6d", "/m?%6d")] {
            assert_eq!(line.get(target).status(), 200, "{target}");
            assert_eq!(line.origin.last_head().target(), seen);
        }
    });
}

#[test]
fn what_curl_sends_reaches_the_application_as_it_is() {
    both(|line| {
        // It escapes what is not ASCII by itself.
        for target in SENT.iter().filter(|target| target.is_ascii()) {
            let answer = Curl::new(&line.url(target)).args(["--path-as-is", "--globoff"]).run();
            assert_eq!(answer.status(), 200, "{target}");
            assert_eq!(line.origin.last_head().target(), *target);
        }
        let answer = Curl::new(&line.url("/m/./a%7e/../b|")).arg("--path-as-is").run();
        assert_eq!(answer.status(), 200);
        assert_eq!(line.origin.last_head().target(), "/m/b%7C", "dot segments are resolved");
    });
}

#[test]
fn two_slashes_at_the_front_reach_the_application_at_the_root() {
    both_programs(|program| {
        let relay = Relay::start();
        let origin = Origin::start();
        let dial = program.dial(&relay).token(&relay.token(&["/"])).mount("/").backend(&origin.url());
        let _sidecar = dial.ready();
        for target in ["//a.example/x", "//", "///x"] {
            assert_eq!(ask(relay.addr(), &Request::get(target).close()).status(), 200, "{target}");
            assert_eq!(origin.last_head().target(), target);
        }
    });
}

#[test]
fn a_stripped_mount_leaves_the_rest_as_it_was_sent() {
    both_programs(|program| {
        let line = Line::with(program, &[], &["--strip-prefix"]);
        for (target, seen) in [
            ("/m/a%7Eb/%2f?%7e", "/a%7Eb/%2f?%7e"),
            ("/%6D/x|ü?{}", "/x|ü?{}"),
            ("/m//evil.example/%7e", "/evil.example/%7e"),
            ("/m/\\evil.example", "/evil.example"),
            ("/m/x/../y%7e", "/y~"),
        ] {
            assert_eq!(line.get(target).status(), 200, "{target}");
            assert_eq!(line.origin.last_head().target(), seen, "{target}");
        }
    });
}

fn access_lines(log: &Path, count: usize) -> Vec<Value> {
    wait::until("all lines", PATIENCE, || {
        let text = std::fs::read_to_string(log).unwrap_or_default();
        let lines: Vec<Value> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        (lines.len() >= count).then_some(lines)
    })
}

/// Sends these octets, and nothing else, to a relay with an access log; gives the line of it and the status of the answer.
fn refused(options: &[&str], input: &[u8]) -> (Value, u16) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let log = directory.path().join("access.log");
    let given = [options, &["--access-log", log.to_str().expect("UTF-8")]].concat();
    let relay = Relay::with(&given);
    let mut client = Client::connect(relay.addr());
    client.send(input);
    let status = client.head().status();
    (access_lines(&log, 1).remove(0), status)
}

#[test]
fn the_line_of_a_refused_request_names_its_method_its_target_and_the_rule() {
    let rows: [(&[u8], u16, &str, &str, &str); 8] = [
        (
            b"GET /a/..%2fb?token=t HTTP/1.1\r\nHost: a\r\n\r\n",
            400,
            "GET",
            "/a/..%2fb",
            "the path hides a dot segment",
        ),
        (
            b"PUT /%zz HTTP/1.1\r\nHost: a\r\n\r\n",
            400,
            "PUT",
            "/%zz",
            "the path holds a broken percent escape",
        ),
        (b"GET /x HTTP/1.1\r\n\r\n", 400, "GET", "/x", "missing Host"),
        (b"TRACE /x HTTP/1.1\r\nHost: a\r\n\r\n", 405, "TRACE", "/x", "method not allowed"),
        (b"GET http://u:p@a/x HTTP/1.1\r\nHost: a\r\n\r\n", 400, "GET", "a/x", "malformed Host"),
        (b"GET /x HTTP/3.0\r\nHost: a\r\n\r\n", 505, "GET", "/x", "unsupported HTTP version"),
        (b"GET /x HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n", 400, "GET", "/x", "control character"),
        (
            b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            400,
            "POST",
            "/x",
            "Content-Length beside Transfer-Encoding",
        ),
    ];
    for (input, status, method, target, rule) in rows {
        let (line, answered) = refused(&[], input);
        let name = input.escape_ascii();
        assert_eq!(answered, status, "{name}");
        assert_eq!((&line["method"], &line["target"]), (&json!(method), &json!(target)), "{name}");
        assert_eq!((&line["status"], &line["rule"]), (&json!(status), &json!(rule)), "{name}");
    }
}

#[test]
fn the_query_of_a_refused_request_is_logged_only_if_that_is_asked_for_and_a_long_target_is_cut() {
    let (line, _) = refused(&["--log-queries"], b"GET /%zz?token=t HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(line["target"], "/%zz?token=t");
    let long = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(9_000));
    let (line, status) = refused(&[], long.as_bytes());
    assert_eq!((status, line["rule"].as_str()), (414, Some("target too long")));
    assert_eq!((line["target"].as_str().map(str::len), &line["truncated"]), (Some(512), &json!(true)));
    let (line, _) = refused(&["--limit", "head-timeout=300ms"], b"GET /half HTTP/1.1\r\nHost: a\r\n");
    assert_eq!((&line["method"], &line["target"]), (&json!("GET"), &json!("/half")));
    assert_eq!((&line["status"], &line["rule"]), (&json!(408), &json!("request head came too slowly")));
    let (line, _) = refused(&[], b"\x16\x03\x01\x02\r\n\r\n");
    assert_eq!((&line["method"], &line["target"]), (&json!("-"), &json!("-")), "no request line at all");
}

#[test]
fn a_telephone_that_announced_nothing_is_sent_what_it_takes_and_keeps_its_session() {
    let relay = Relay::start();
    let mut puppet = Puppet::connect(&relay, &[]);
    for target in ["/m/ü", "/m/?ü", "/m/a|b", "/m/?{}", "/m/a\\b"] {
        assert_eq!(ask(relay.addr(), &Request::get(target).close()).status(), 400, "{target}");
    }
    // The session is the same one, and gets the canonical form.
    let mut client = Client::connect(relay.addr());
    client.send(Request::get("/%6d/a%7eb?%7e").to_vec());
    let asked = puppet.hear("http_request");
    assert_eq!(asked["target"], "/m/a~b?%7e");
    puppet.say(
        "http_response",
        &json!({"stream": asked["stream"], "status": 204, "reason": "", "headers": [], "end": true}),
    );
    assert_eq!(client.head().status(), 204);
}

#[test]
fn a_telephone_that_announced_nothing_is_sent_no_upgrade_beside_a_body() {
    let relay = Relay::start();
    let mut puppet = Puppet::connect(&relay, &[]);
    let mut client = Client::connect(relay.addr());
    let request = Request::new("POST", "/m/exec").field("Connection", "Upgrade").field("Upgrade", "tcp");
    client.send(request.body("{}").to_vec());
    let asked = puppet.hear("http_request");
    assert_eq!((&asked["length"], &asked["upgrade"]), (&json!(2), &Value::Null));
    puppet.hear("data");
    let head = json!({"stream": asked["stream"], "status": 200, "reason": "", "headers": [], "end": true});
    puppet.say("http_response", &head);
    assert_eq!(client.head().status(), 200);
}

#[test]
fn a_telephone_that_announced_it_is_sent_the_target_as_it_came_and_answers_any_status() {
    let relay = Relay::start();
    let mut puppet = Puppet::connect(&relay, &[("wide", 1)]);
    let mut client = Client::connect(relay.addr());
    client.send(Request::get("/m/ü|").to_vec());
    let asked = puppet.hear("http_request");
    assert_eq!(asked["target"], "/m/\u{c3}\u{bc}|");
    let head = json!({"stream": asked["stream"], "status": 700, "reason": "Odd", "headers": [], "length": 0, "end": true});
    puppet.say("http_response", &head);
    assert_eq!(client.head().status(), 700);
}
