//! Bad input is refused with the right status, with a lingering close, and nothing of it reaches an origin.

use telephone_tests::client::Answer;
use telephone_tests::line::{Line, both};
use telephone_tests::request::Request;

/// Requests that are refused: the row of the hostile-input table, the statuses allowed, the octets.
const REFUSED: &[(&str, &[u16], &str)] = &[
    (
        "H-01",
        &[400],
        "POST /m/x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    (
        "H-01",
        &[400],
        "POST /m/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n0\r\n\r\n",
    ),
    ("H-02", &[400], "POST /m/x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc"),
    ("H-02", &[400], "POST /m/x HTTP/1.1\r\nHost: a\r\nContent-Length: 3, 3\r\n\r\nabc"),
    ("H-02", &[400], "POST /m/x HTTP/1.1\r\nHost: a\r\nContent-Length: +3\r\n\r\nabc"),
    ("H-02", &[400], "POST /m/x HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\nabc"),
    ("H-02", &[400], "POST /m/x HTTP/1.1\r\nHost: a\r\nContent-Length: 0x3\r\n\r\nabc"),
    ("H-02", &[400], "POST /m/x HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\nabc"),
    ("H-02", &[400, 413], "POST /m/x HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\nabc"),
    ("H-03", &[400, 501], "POST /m/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
    (
        "H-03",
        &[400, 501],
        "POST /m/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    ),
    ("H-03", &[400, 501], "POST /m/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n0\r\n\r\n"),
    ("H-03", &[400, 501], "POST /m/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n"),
    ("H-03", &[400], "POST /m/x HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    ("H-06", &[400], "GET /m/x HTTP/1.1\nHost: a\n\n"),
    ("H-06", &[400], "GET /m/x HTTP/1.1\r\nHost: a\r\nX: 1\n\r\n"),
    ("H-06", &[400], "GET /m/x HTTP/1.1\r\nHost: a\r\nX: 1\r2\r\n\r\n"),
    ("H-06", &[400], "GET /m/x HTTP/1.1\r\n Host: a\r\n\r\n"),
    ("H-06", &[400], "GET /m/x HTTP/1.1\r\nHost: a\r\nX: 1\r\n folded\r\n\r\n"),
    ("H-06", &[400], "GET /m/x HTTP/1.1\r\nHost : a\r\n\r\n"),
    ("H-06", &[400], "GET /m/x HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n"),
    ("H-06", &[400], "GET /m/x HTTP/1.1\r\nHost: a\r\nX\u{e4}: 1\r\n\r\n"),
    ("H-06", &[400], "\r\n\r\n\r\n\r\n\r\nGET /m/x HTTP/1.1\r\nHost: a\r\n\r\n"),
    (
        "H-13",
        &[400],
        "GET /m/x HTTP/1.1\r\nHost: a\r\nConnection: authorization\r\nAuthorization: Basic Og==\r\n\r\n",
    ),
    ("H-13", &[400], "GET /m/x HTTP/1.1\r\nHost: a\r\nConnection: host\r\n\r\n"),
    ("H-15", &[400], "GET /m/x HTTP/1.1\r\n\r\n"),
    ("H-15", &[400], "GET /m/x HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"),
    ("H-15", &[400], "GET /m/x HTTP/1.1\r\nHost: a, b\r\n\r\n"),
    ("H-15", &[400], "GET /m/x HTTP/1.1\r\nHost: user@a\r\n\r\n"),
    ("H-15", &[400], "GET /m/x HTTP/1.1\r\nHost: a:b\r\n\r\n"),
    ("H-16", &[400], "GET /m/%00 HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("H-16", &[400], "GET /m/%zz HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("H-17", &[400], "GET m/x HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("H-17", &[400], "GET * HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("H-17", &[400], "GET /m/x#f HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("H-17", &[400], "GET  /m/x HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("H-17", &[400], "GET /m/x y HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("H-17", &[400], "GET ftp://a/m/x HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("H-18", &[400, 405], "CONNECT app.example:443 HTTP/1.1\r\nHost: app.example:443\r\n\r\n"),
    ("H-18", &[405], "TRACE /m/x HTTP/1.1\r\nHost: a\r\n\r\n"),
    (
        "H-18",
        &[400, 501],
        "ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFGHIJKLMNOPQRSTUVWXYZ /m/x HTTP/1.1\r\nHost: a\r\n\r\n",
    ),
    ("H-19", &[400, 505], "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    ("H-19", &[400, 505], "GET /m/x HTTP/2.0\r\nHost: a\r\n\r\n"),
    ("H-19", &[400, 505], "GET /m/x HTTP/2.1\r\nHost: a\r\n\r\n"),
    ("H-19", &[400, 505], "GET /m/x\r\n\r\n"),
    ("H-21", &[417], "POST /m/x HTTP/1.1\r\nHost: a\r\nExpect: a-miracle\r\nContent-Length: 3\r\n\r\nabc"),
];

/// Bodies whose framing breaks after a good head: the request may have reached an origin, never as a whole.
const BROKEN_CHUNKS: &[&str] = &[
    "\r\n",
    "0x3\r\nabc\r\n0\r\n\r\n",
    "+3\r\nabc\r\n0\r\n\r\n",
    " 3\r\nabc\r\n0\r\n\r\n",
    "3 \r\nabc\r\n0\r\n\r\n",
    "3\nabc\r\n0\r\n\r\n",
    "3\r\nabcd\r\n0\r\n\r\n",
    "3\r\nabc0\r\n\r\n",
    "3;a\nb\r\nabc\r\n0\r\n\r\n",
    "10000000000000000\r\nabc",
    "-1\r\nabc\r\n0\r\n\r\n",
    "3\r\nabc\r\n0\r\nbad trailer\r\n\r\n",
    "g\r\nabc\r\n0\r\n\r\n",
];

/// The answer to these octets, and whether the connection then ended in order.
fn answer_to(line: &Line, octets: &[u8]) -> (Answer, bool) {
    let mut client = line.connect();
    client.send(octets);
    let answer = client.answer("GET");
    let (surplus, is_orderly) = client.rest();
    assert_eq!(surplus, b"", "something came after a refusal");
    (answer, is_orderly)
}

#[test]
fn what_is_refused_reaches_no_origin_and_ends_the_connection_in_order() {
    both(|line| {
        for (row, statuses, octets) in REFUSED {
            let next = Request::get("/m/smuggled").to_vec();
            let (answer, is_orderly) = answer_to(line, &[octets.as_bytes(), &next].concat());
            assert!(statuses.contains(&answer.status()), "{row}: {} to {octets:?}", answer.status());
            assert!(is_orderly, "{row}: reset before the answer was read: {octets:?}");
        }
        assert_eq!(line.origin.seen().len(), 0, "{:?}", line.origin.seen());
    });
}

#[test]
fn a_broken_chunk_is_never_a_whole_upload() {
    both(|line| {
        for broken in BROKEN_CHUNKS {
            let mut client = line.connect();
            let head = Request::new("POST", "/m/hash").field("Transfer-Encoding", "chunked").head();
            client.send([&head, broken.as_bytes()].concat());
            client.finish_sending();
            if let Ok(answer) = client.try_answer("POST") {
                assert_eq!(answer.status(), 400, "{broken:?}");
            }
            assert_eq!(line.origin.counts().uploads_complete, 0, "{broken:?}");
        }
    });
}

#[test]
fn what_is_too_large_is_414_or_431_and_reaches_no_origin() {
    both(|line| {
        let target = format!("/m/{}", "a".repeat(70_000));
        assert_eq!(answer_to(line, &Request::get(&target).to_vec()).0.status(), 414);
        let long = Request::get("/m/x").field("X-Long", "a".repeat(70_000));
        assert_eq!(answer_to(line, &long.to_vec()).0.status(), 431);
        let many = (0..1000).fold(Request::get("/m/x"), |request, n| request.field(&format!("X-{n}"), "1"));
        assert_eq!(answer_to(line, &many.to_vec()).0.status(), 431);
        assert_eq!(line.origin.counts().requests, 0);
    });
}

#[test]
fn a_refusal_says_why_without_repeating_what_was_sent() {
    both(|line| {
        let octets = "GET /m/x HTTP/1.1\r\nHost: <script>alert(1)</script>\r\n\r\n";
        let (answer, _) = answer_to(line, octets.as_bytes());
        assert_eq!(answer.status(), 400);
        assert!(!answer.text().contains("script"), "{}", answer.text());
        assert!(answer.head.value("content-type").is_some_and(|kind| kind.starts_with("text/plain")));
        assert_eq!(answer.head.value("x-content-type-options").as_deref(), Some("nosniff"));
        assert!(answer.head.lists("connection", "close"));
    });
}

#[test]
fn an_answer_that_a_backend_malforms_is_a_502() {
    both(|line| {
        let malformed = [
            "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
            "HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nX: a\rb\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 99 Low\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 1000 High\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 101 Unasked\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n",
            "SSH-2.0-OpenSSH_9.2\r\n",
            "",
        ];
        for raw in malformed {
            line.origin.on_raw("/m/bad", raw, telephone_tests::origin::After::Close);
            let answer = line.get("/m/bad");
            assert_eq!(answer.status(), 502, "to {raw:?}");
            assert!(!answer.text().contains("127.0.0.1"), "{}", answer.text());
        }
    });
}
