//! The table of requests that must be refused, family by family.

use crate::refusal_framing::{chunk_extensions, chunks, codings, lengths_and_codings, trailers};

/// A request that must be refused: the faults table's row, its octets, the status.
pub(crate) struct Row {
    pub(crate) clause: &'static str,
    pub(crate) input: Vec<u8>,
    pub(crate) status: u16,
}

/// A row of the table.
pub(crate) fn row(clause: &'static str, input: impl Into<Vec<u8>>, status: u16) -> Row {
    Row { clause, input: input.into(), status }
}

/// A request whose head has these lines behind the request line and `Host`.
pub(crate) fn with(method: &str, lines: &[u8]) -> Vec<u8> {
    [format!("{method} / HTTP/1.1\r\nHost: a\r\n").as_bytes(), lines, b"\r\n\r\n"].concat()
}

fn octet_rules() -> Vec<Row> {
    let plain: [&[u8]; 30] = [
        b"GET / HTTP/1.1\nHost: a\n\n",
        b"GET / HTTP/1.1\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n\n",
        b"GET / HTTP/1.1\rHost: a\r\r",
        b"GET / HTTP/1.1\r\nHost: a\rX: y\r\n\r\n",
        b"GET / HTTP/1.1\r\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n\rX",
        b"\r\n\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"\n\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        b" GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"\tGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"\r\n GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\n Host: a\r\n\r\n",
        b"GET / HTTP/1.1\r\n\tX: y\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\n \r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n\tb\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost : a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost\t: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length : 5\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n: nameless\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nna me: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nn\xe4me: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n\"name\": x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX(y): z\r\n\r\n",
    ];
    let mut rows: Vec<Row> = plain.iter().map(|input| row("H-06", *input, 400)).collect();
    let controls = (0_u8..0x20).chain([0x7f]).filter(|octet| !matches!(octet, b'\t' | b'\n' | b'\r'));
    rows.extend(controls.map(|octet| row("H-06", with("GET", &[b"X: a", &[octet][..], b"b"].concat()), 400)));
    rows
}

fn request_lines() -> Vec<Row> {
    let mut rows = Vec::new();
    for line in [
        "GET /",
        "GET",
        "",
        "GET  / HTTP/1.1",
        "GET / HTTP/1.1 ",
        "GET /  HTTP/1.1",
        "GET / x HTTP/1.1",
        "GET /a b HTTP/1.1",
        "GET\t/\tHTTP/1.1",
        "G@T / HTTP/1.1",
        "G\u{e4}T / HTTP/1.1",
        "GET / http/1.1",
        "GET / HTTP/1",
        "GET / HTTP/1.1.1",
        "GET / HTTP/11",
        "GET / HTTP/ 1.1",
        "GET / HTTPS/1.1",
        "GET / HTTP/1.x",
        "GET / HTTP/-1.1",
        "GET /\tHTTP/1.1",
        "(GET) / HTTP/1.1",
        "GET: / HTTP/1.1",
        " / HTTP/1.1",
    ] {
        rows.push(row("H-06", format!("{line}\r\nHost: a\r\n\r\n"), 400));
    }
    for target in [&b"/\xff"[..], b"/\xc3", b"http://a/\xe4"] {
        rows.push(row("H-06", [b"GET ", target, b" HTTP/1.1\r\nHost: a\r\n\r\n"].concat(), 400));
    }
    for version in ["HTTP/0.9", "HTTP/2.1", "HTTP/2.0", "HTTP/3.0", "HTTP/0.0", "HTTP/9.9"] {
        rows.push(row("H-19", format!("GET / {version}\r\nHost: a\r\n\r\n"), 505));
    }
    rows.push(row("H-19", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505));
    rows
}

fn targets() -> Vec<Row> {
    let mut rows = Vec::new();
    for target in [
        "*",
        "a:80",
        "a",
        "example.com/",
        "http:/a",
        "http:a",
        "http//a/",
        "ftp://a/",
        "file:///etc",
        "://a/",
        "HTTPX://a/",
        "?x",
        "#",
        "\\",
        "ws://a/",
        "mailto:a",
        "javascript:1",
    ] {
        rows.push(row("H-17", format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"), 400));
    }
    rows.push(row("H-17", "POST * HTTP/1.1\r\nHost: a\r\n\r\n", 400));
    rows.push(row("H-17", "options * HTTP/1.1\r\nHost: a\r\n\r\n", 400));
    for target in [
        "/#",
        "/a#b",
        "http://a/#b",
        "http://a#b",
        "http://a?x#b",
        "/\\..",
        "/a\\..\\b",
        "/%",
        "/%0",
        "/%zz",
        "/%00",
        "/..%2fx",
        "/%2e%2e%2fx",
        "/.//a/x",
        "http://a/b/..//b",
        "/?#\u{e4}",
    ] {
        rows.push(row("H-16", format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"), 400));
    }
    rows
}

fn methods() -> Vec<Row> {
    let mut rows = Vec::new();
    for method in ["CONNECT", "TRACE", "TRACK", "connect", "Trace"] {
        rows.push(row("H-18", format!("{method} / HTTP/1.1\r\nHost: a\r\n\r\n"), 405));
    }
    rows.push(row("H-18", "CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n", 405));
    rows.push(row("H-18", format!("{} / HTTP/1.1\r\nHost: a\r\n\r\n", "M".repeat(33)), 501));
    rows
}

fn hosts() -> Vec<Row> {
    let mut rows = vec![
        row("H-15", "GET / HTTP/1.1\r\n\r\n", 400),
        row("H-15", "GET http://a/ HTTP/1.1\r\n\r\n", 400),
        row("H-15", "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400),
        row("H-15", "GET / HTTP/1.1\r\nHost: a\r\nhost: b\r\n\r\n", 400),
        row("H-15", "GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        row("H-15", "GET http://b/ HTTP/1.1\r\nHost: a, b\r\n\r\n", 400),
    ];
    for host in [
        "",
        "a,b",
        "a, b",
        "u@a",
        "u:p@a",
        "a:x",
        "a:-1",
        "a:65536",
        "a:1:2",
        "a:80x",
        ":80",
        "a b",
        "a/b",
        "a?b",
        "a#b",
        "[::1",
        "::1",
        "[::1]x",
        "[::1]:x",
        "[::g]",
        "[]",
        "[fe80::1%25eth0]",
        "a..b",
        ".",
        ".a",
        "a..",
        "%61",
        "a%00",
        "\u{e4}",
        "a\\b",
        "a;b",
        "(a)",
        "*",
        "*.a",
        "http://a",
        "a$b",
    ] {
        rows.push(row("H-15", format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"), 400));
    }
    for authority in ["", "u@a", "a:b:c", "a,b", ":80", "[::1", "a%41", "a\\"] {
        rows.push(row("H-15", format!("GET http://{authority}/ HTTP/1.1\r\nHost: a\r\n\r\n"), 400));
    }
    rows.push(row("H-15", format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", "a".repeat(256)), 400));
    rows
}

fn connection_options() -> Vec<Row> {
    let mut rows = Vec::new();
    for option in [
        "authorization",
        "Cookie",
        "host",
        "Content-Length",
        "transfer-encoding",
        "content-type",
        "x-forwarded-for",
        "X-Forwarded-Proto",
        "forwarded",
        "x-real-ip",
        "origin",
        "expect",
        "close, host",
        "host, close",
        "cache-control",
        "range",
        "if-match",
        "sec-websocket-key",
        "x-plugboard-subject",
        "Set-Cookie",
        ",host,",
    ] {
        rows.push(row("H-13", with("GET", format!("Connection: {option}").as_bytes()), 400));
    }
    for option in ["a b", "\"close\"", "close;", "close, @", "x=1", "\u{e4}"] {
        rows.push(row("H-13", with("GET", format!("Connection: {option}").as_bytes()), 400));
    }
    for expectation in ["200-ok", "100-continue, x", "100", "100-continue;q=1", "nothing"] {
        rows.push(row("H-21", with("POST", format!("Expect: {expectation}").as_bytes()), 417));
    }
    rows.push(row("H-21", with("POST", b"Expect: 100-continue\r\nExpect: other"), 417));
    rows
}

fn sizes() -> Vec<Row> {
    let long = |count: usize| "x".repeat(count);
    vec![
        row("H-24", format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", long(512)), 414),
        row("H-24", format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", long(64 * 1024)), 414),
        row("H-24", format!("GET /{}", long(1024 * 1024)), 414),
        row("H-24", long(600), 414),
        row("H-24", with("GET", format!("X: {}", long(1024)).as_bytes()), 431),
        row("H-24", with("GET", format!("X: {}", long(1024 * 1024)).as_bytes()), 431),
        row("H-24", with("GET", format!("{}: y", long(1030)).as_bytes()), 431),
        row("H-24", with("GET", "X: y\r\n".repeat(20).trim_end().as_bytes()), 431),
        row("H-24", with("GET", "X: y\r\n".repeat(100_000).trim_end().as_bytes()), 431),
        row("H-24", with("GET", format!("X: {}\r\n", long(900)).repeat(6).trim_end().as_bytes()), 431),
        row("RFC 9110 §15.5.14", with("POST", b"Content-Length: 1000001"), 413),
        row("RFC 9110 §15.5.14", with("POST", b"Content-Length: 9223372036854775807"), 413),
    ]
}

/// The whole table.
pub(crate) fn rows() -> Vec<Row> {
    let families = [
        lengths_and_codings(),
        codings(),
        chunks(),
        chunk_extensions(),
        trailers(),
        octet_rules(),
        request_lines(),
        targets(),
        methods(),
        hosts(),
        connection_options(),
        sizes(),
    ];
    families.into_iter().flatten().collect()
}
