//! Methods and header fields arrive as they were sent, and go back as they were answered.

use telephone_tests::line::{Line, both, everywhere};
use telephone_tests::origin::After;
use telephone_tests::request::Request;
use telephone_tests::wire::{Field, Head};

/// Every token that IANA registers and whose meaning a relay may leave alone, and some that nobody does.
const METHODS: &[&str] = &[
    "GET",
    "POST",
    "PUT",
    "PATCH",
    "DELETE",
    "OPTIONS",
    "ACL",
    "BASELINE-CONTROL",
    "BIND",
    "CHECKIN",
    "CHECKOUT",
    "COPY",
    "LABEL",
    "LINK",
    "LOCK",
    "MERGE",
    "MKACTIVITY",
    "MKCALENDAR",
    "MKCOL",
    "MKREDIRECTREF",
    "MKWORKSPACE",
    "MOVE",
    "ORDERPATCH",
    "PROPFIND",
    "PROPPATCH",
    "REBIND",
    "REPORT",
    "SEARCH",
    "UNBIND",
    "UNCHECKOUT",
    "UNLINK",
    "UNLOCK",
    "UPDATE",
    "UPDATEREDIRECTREF",
    "VERSION-CONTROL",
    "QUERY",
    "PURGE",
    "get",
    "Made-Up",
    "x",
    "!#$%&'*+-.^_`|~",
    "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345",
];

/// What a hop may add, take away or move: everything else stays as it is, in order.
const OF_THE_HOP: &[&str] = &[
    "connection",
    "keep-alive",
    "content-length",
    "transfer-encoding",
    "traceparent",
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-forwarded-host",
    "x-real-ip",
    "via",
];

/// The fields that no hop may touch.
fn end_to_end(head: &Head) -> Vec<Field> {
    let is_kept = |field: &&Field| {
        let name = String::from_utf8_lossy(&field.0).to_ascii_lowercase();
        !OF_THE_HOP.contains(&name.as_str())
    };
    head.fields.iter().filter(is_kept).cloned().collect()
}

/// The head that reaches the origin of that line.
fn head_at_origin(line: &Line, request: &Request) -> Head {
    let answer = line.ask(request);
    assert_eq!(answer.status(), 200, "{}", answer.text());
    line.origin.last_head()
}

#[test]
fn every_method_token_arrives_as_it_was_sent() {
    everywhere(|line| {
        let mut client = line.connect();
        for method in METHODS {
            let answer = client.ask(&Request::new(method, "/m/echo"));
            assert_eq!(answer.status(), 200, "{method}");
            assert_eq!(line.origin.last_head().method(), *method);
        }
        assert_eq!(client.ask(&Request::new("HEAD", "/m/echo")).status(), 200);
        assert_eq!(line.origin.last_head().method(), "HEAD");
    });
}

#[test]
fn a_request_head_keeps_the_order_the_case_and_the_octets_of_its_fields() {
    let request = Request::get("/m/echo?q=%2f&x=a+b%20c")
        .field("X-Mixed-CASE", "1")
        .field("cookie", "a=1")
        .field("Accept", "text/html;q=0.5, */*")
        .field("x-mixed-case", "2")
        .field("X-Octets", b"\x80 \xff\xfe \xe9t\xe9")
        .field("X-Empty", "")
        .field("X-Tab", "a\tb")
        .field("Cookie", "b=2")
        .field("Authorization", "Basic Og==")
        .field("User-Agent", "one/1.0 (two)");
    let straight = head_at_origin(&Line::straight(), &request);
    everywhere(|line| {
        let head = head_at_origin(line, &request);
        assert_eq!(head.start, straight.start);
        assert_eq!(end_to_end(&head), end_to_end(&straight));
    });
}

#[test]
fn an_answer_head_keeps_the_order_the_case_and_the_octets_of_its_fields() {
    let raw = b"HTTP/1.1 299 Sehr \xe4hnlich\r\nSet-Cookie: a=1; Path=/\r\nx-lower: 1\r\nX-UPPER: 2\r\n\
        Set-Cookie: b=2; HttpOnly\r\nX-Octets: \x80\xff\r\nServer: s\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n\
        Content-Length: 2\r\n\r\nok";
    everywhere(|line| {
        line.origin.on_raw("/m/fields", raw.as_slice(), After::KeepAlive);
        let answer = line.get("/m/fields");
        assert_eq!(answer.body, b"ok");
        assert_eq!(answer.head.start, b"HTTP/1.1 299 Sehr \xe4hnlich");
        let expected: &[(&str, &[u8])] = &[
            ("Set-Cookie", b"a=1; Path=/"),
            ("x-lower", b"1"),
            ("X-UPPER", b"2"),
            ("Set-Cookie", b"b=2; HttpOnly"),
            ("X-Octets", b"\x80\xff"),
            ("Server", b"s"),
            ("Date", b"Thu, 01 Jan 1970 00:00:00 GMT"),
        ];
        let expected: Vec<Field> =
            expected.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.to_vec())).collect();
        assert_eq!(end_to_end(&answer.head), expected);
    });
}

#[test]
fn two_cookies_are_set_in_order() {
    everywhere(|line| {
        let raw = "HTTP/1.1 200 OK\r\nSet-Cookie: z=1\r\nContent-Length: 0\r\nSet-Cookie: a=2\r\n\r\n";
        line.origin.on_raw("/m/cookies", raw, After::KeepAlive);
        assert_eq!(line.get("/m/cookies").head.values("set-cookie"), [&b"z=1"[..], b"a=2"]);
    });
}

#[test]
fn the_host_is_passed_through() {
    both(|line| {
        line.ask(&Request::raw("GET", "GET /m/echo HTTP/1.1\r\nHost: Some.Example:8080\r\n"));
        assert_eq!(line.origin.last_head().values("host"), [b"Some.Example:8080"]);
    });
}

#[test]
fn hop_by_hop_fields_end_at_the_hop() {
    both(|line| {
        let request = Request::get("/m/echo")
            .field("Connection", "X-Hop, keep-alive")
            .field("X-Hop", "1")
            .field("Keep-Alive", "timeout=5")
            .field("Proxy-Connection", "keep-alive")
            .field("X-End", "2");
        let head = head_at_origin(line, &request);
        for gone in ["x-hop", "keep-alive", "proxy-connection"] {
            assert!(!head.has(gone), "{gone} crossed the hop");
        }
        assert!(head.has("x-end"));
        let raw = "HTTP/1.1 200 OK\r\nConnection: X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nX-End: 2\r\n\
            Content-Length: 0\r\n\r\n";
        line.origin.on_raw("/m/hop", raw, After::KeepAlive);
        let answer = line.get("/m/hop");
        assert!(!answer.head.has("x-hop") && !answer.head.has("keep-alive") && answer.head.has("x-end"));
    });
}

#[test]
fn a_head_near_the_limits_passes_whole() {
    everywhere(|line| {
        let long = "v".repeat(14_000);
        let mut request = Request::get(&format!("/m/echo?{}", "q".repeat(8_000))).field("X-Long", &long);
        for index in 0..80 {
            request = request.field(&format!("X-{index}"), "value");
        }
        let head = head_at_origin(line, &request);
        assert_eq!(head.value("x-long"), Some(long));
        assert_eq!(head.value("x-79").as_deref(), Some("value"));
        assert_eq!(head.target().len(), "/m/echo?".len() + 8_000);
    });
}
