//! Requests that must be refused, each with its clause. [I4, I20]

use std::collections::BTreeSet;

use crate::support::{Served, octets, serve, shown};
use telephone_core::http1::{AbortCause, Closing, RequestError, ServerEvent};

/// A request that must be refused: the faults table's row, its octets, the status.
struct Row {
    clause: &'static str,
    input: Vec<u8>,
    status: u16,
}

fn row(clause: &'static str, input: impl Into<Vec<u8>>, status: u16) -> Row {
    Row { clause, input: input.into(), status }
}

/// A request whose head has these lines behind the request line and `Host`.
fn with(method: &str, lines: &[u8]) -> Vec<u8> {
    [format!("{method} / HTTP/1.1\r\nHost: a\r\n").as_bytes(), lines, b"\r\n\r\n"].concat()
}

fn lengths_and_codings() -> Vec<Row> {
    let both: [&[u8]; 7] = [
        b"Content-Length: 5\r\nTransfer-Encoding: chunked",
        b"Transfer-Encoding: chunked\r\nContent-Length: 5",
        b"Content-Length: 0\r\nTransfer-Encoding: chunked",
        b"content-length: 5\r\ntransfer-encoding: identity",
        b"CONTENT-LENGTH: x\r\nTRANSFER-ENCODING: x",
        b"Transfer-Encoding: chunked\r\nX: y\r\nContent-Length: 5\r\nContent-Length: 6",
        b"Transfer-Encoding: xchunked\r\nTransfer-Encoding: chunked\r\nContent-Length: 5",
    ];
    let mut rows: Vec<Row> = both.iter().map(|lines| row("H-01", with("POST", lines), 400)).collect();
    let lengths: [&[u8]; 32] = [
        b"",
        b" ",
        b"+1",
        b"-1",
        b"+0",
        b"-0",
        b"0x1",
        b"0X1",
        b"1_0",
        b"1 0",
        b"1,1",
        b"1, 1",
        b"1,2",
        b"1;",
        b"1.0",
        b"1e1",
        b"  1",
        b" 1 ",
        b" 1\t",
        b"\t1",
        b" \t1",
        b" a",
        b" \xb2",
        b" \xd9\xa1",
        b" 0b1",
        b" 1\x80",
        b" 12345678901234567890",
        b" 18446744073709551616",
        b" 00000000000000000001",
        b" \"1\"",
        b" 1,",
        b" ,1",
    ];
    rows.extend(
        lengths.iter().map(|value| row("H-02", with("POST", &[b"Content-Length:", *value].concat()), 400)),
    );
    for lines in [
        "Content-Length: 5\r\nContent-Length: 5",
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: 0\r\nX: y\r\ncontent-length: 0",
        "Content-Length: 5\r\nContent-Length:",
        "Content_Length: 5",
    ] {
        rows.push(row("H-02", with("POST", lines.as_bytes()), 400));
    }
    rows
}

fn codings() -> Vec<Row> {
    let bad: [&[u8]; 22] = [
        b"",
        b" ",
        b"xchunked",
        b" xchunked",
        b" chunkedx",
        b" chunked, chunked",
        b" ,chunked",
        b" chunked,",
        b" identity",
        b" chunked, identity",
        b" chunked;q=1",
        b" chunked; a",
        b"\tchunked",
        b"  chunked",
        b" chunked ",
        b" chunked\t",
        b" \"chunked\"",
        b" 'chunked'",
        b" gzip",
        b" chunked\x80",
        b" chunked, gzip",
        b" gzip; q=1, chunked",
    ];
    let line = |value: &&[u8]| with("POST", &[b"Transfer-Encoding:", *value].concat());
    let mut rows: Vec<Row> = bad.iter().map(|value| row("H-03", line(value), 400)).collect();
    let unknown: [&[u8]; 4] =
        [b" gzip, chunked", b" identity, chunked", b" gzip,chunked", b" a, b,\tchunked"];
    rows.extend(unknown.iter().map(|value| row("H-03", line(value), 501)));
    for lines in [
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        "Transfer-Encoding:\r\nTransfer-Encoding: chunked",
        "Transfer_Encoding: chunked",
    ] {
        rows.push(row("H-03", with("POST", lines.as_bytes()), 400));
    }
    for octet in [b'\x0b', b'\x0c', b'\0', b'\x7f'] {
        rows.push(row(
            "H-06",
            with("POST", &[b"Transfer-Encoding: ", &[octet][..], b"chunked"].concat()),
            400,
        ));
        rows.push(row("H-06", with("POST", &[b"Transfer-Encoding: chunked", &[octet][..]].concat()), 400));
    }
    for version in ["HTTP/1.0\r\n", "HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n"] {
        let head = format!("POST / {version}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
        rows.push(row("H-12", head, 400));
    }
    rows
}

fn chunks() -> Vec<Row> {
    let frames: [&[u8]; 30] = [
        b"\r\n",
        b"\r\n\r\n",
        b"0x5\r\nhello\r\n",
        b"+5\r\nhello\r\n",
        b"-5\r\nhello\r\n",
        b" 5\r\nhello\r\n",
        b"\t5\r\nhello\r\n",
        b"5_0\r\nhello",
        b"5 \r\nhello\r\n",
        b"5\t\r\nhello\r\n",
        b"5\nhello\r\n",
        b"5\rhello\r\n",
        b"5\r\rhello\r\n",
        b"5\r\nhello\n",
        b"5\r\nhello\r",
        b"5\r\nhelloX\r\n",
        b"5\r\nhelloworld\r\n",
        b"5\r\nhello0\r\n\r\n",
        b"5\r\nhello\r\r\n",
        b"00000000000000005\r\nhello\r\n",
        b"10000000000000000\r\nhello\r\n",
        b"fffffffffffffffff\r\nhello\r\n",
        b"g\r\nhello\r\n",
        b"5h\r\nhello\r\n",
        b"5,\r\nhello\r\n",
        b"5\0\r\nhello\r\n",
        b"\x805\r\nhello\r\n",
        b"5\r\nhello\r\n\r\n",
        b"5\r\nhello\r\n 0\r\n\r\n",
        b"\n5\r\nhello\r\n",
    ];
    let extensions: [&[u8]; 22] = [
        b"5;a\nb\r\nhello",
        b"5;\r\nhello",
        b"5;;a\r\nhello",
        b"5; a\r\nhello",
        b"5;a =b\r\nhello",
        b"5;a= b\r\nhello",
        b"5;a=\r\nhello",
        b"5;a=b c\r\nhello",
        b"5;a=\"b\r\n\"\r\nhello",
        b"5;a=\"b\nc\"\r\nhello",
        b"5;a=\"\\\r\nhello",
        b"5;a=\"b\"c\r\nhello",
        b"5;a\0\r\nhello",
        b"5;a=\"\x7f\"\r\nhello",
        b"5;a=\"\x01\"\r\nhello",
        b"5;a\x80\r\nhello",
        b"5;a=b=c\r\nhello",
        b"5;=b\r\nhello",
        b"5;a,b\r\nhello",
        b"5;a;\r\nhello",
        b"5 ;a\r\nhello",
        b"5;a \r\nhello",
    ];
    let body = |frame: &[u8]| {
        [with("POST", b"Transfer-Encoding: chunked").as_slice(), frame, b"\r\n0\r\n\r\n"].concat()
    };
    let mut rows: Vec<Row> = frames.iter().map(|frame| row("H-04", body(frame), 400)).collect();
    rows.extend(extensions.iter().map(|frame| {
        // White space right behind the digits is a matter of the size.
        let clause = if frame.starts_with(b"5 ") { "H-04" } else { "H-05" };
        row(clause, body(frame), 400)
    }));
    rows.push(row("H-05", body(format!("5;a={}\r\nhello", "x".repeat(100)).as_bytes()), 400));
    let many = "1;a=1234567890\r\nx\r\n".repeat(8);
    rows.push(row("H-05", body(many.trim_end().as_bytes()), 400));
    for (trailer, clause, status) in [
        ("X: y\n", "H-06", 400),
        (" X: y\r\n", "H-06", 400),
        ("X : y\r\n", "H-06", 400),
        ("X: a\r\n b\r\n", "H-06", 400),
        ("X: a\0b\r\n", "H-06", 400),
        ("no colon\r\n", "H-06", 400),
        (": nameless\r\n", "H-06", 400),
        ("X: a\rb\r\n", "H-06", 400),
        ("A: 1\r\nB: 1\r\nC: 1\r\nD: 1\r\nE: 1\r\n", "H-24", 431),
        (&format!("A: {}\r\nB: {0}\r\n", "x".repeat(300)), "H-24", 431),
    ] {
        let input = [&with("POST", b"Transfer-Encoding: chunked")[..], b"0\r\n", trailer.as_bytes(), b"\r\n"];
        rows.push(row(clause, input.concat(), status));
    }
    rows
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
        b"\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
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
        if !line.is_empty() {
            rows.push(row("H-06", format!("{line}\r\nHost: a\r\n\r\n"), 400));
        }
    }
    for version in ["HTTP/0.9", "HTTP/1.2", "HTTP/2.0", "HTTP/3.0", "HTTP/0.0", "HTTP/9.9"] {
        rows.push(row("H-19", format!("GET / {version}\r\nHost: a\r\n\r\n"), 505));
    }
    rows.push(row("H-19", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505));
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
    rows.push(row("H-17", "POST http://a* HTTP/1.1\r\nHost: a\r\n\r\n".replace("http://a*", "*"), 400));
    rows.push(row("H-17", "options * HTTP/1.1\r\nHost: a\r\n\r\n", 400));
    for target in [
        "/#",
        "/a#b",
        "http://a/#b",
        "http://a#b",
        "http://a?x#b",
        "/\u{e4}",
        "/\"",
        "/<",
        "/>",
        "/^",
        "/`",
        "/{",
        "/|",
        "/}",
        "/\\",
        "/%",
        "/%0",
        "/%zz",
        "/%00",
        "/..%2fx",
        "/%2e%2e%2fx",
        "//a/x",
        "http://a//b",
        "/?\u{e4}",
    ] {
        rows.push(row("H-16", format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"), 400));
    }
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
        row("RFC 9110 §15.5.14", with("POST", b"Content-Length: 9999999999999999999"), 413),
    ]
}

fn rows() -> Vec<Row> {
    let families = [
        lengths_and_codings(),
        codings(),
        chunks(),
        octet_rules(),
        request_lines(),
        hosts(),
        connection_options(),
        sizes(),
    ];
    families.into_iter().flatten().collect()
}

/// The one refusal in a run, which must be its last event.
fn refusal(served: &Served, input: &[u8]) -> RequestError {
    match served.events.as_slice() {
        [ServerEvent::Refused(error)] => *error,
        [ServerEvent::Request { .. }, rest @ ..] => match rest {
            [ServerEvent::Aborted(AbortCause::Body(error))]
            | [ServerEvent::Body(_), ServerEvent::Aborted(AbortCause::Body(error))] => *error,
            other => panic!("{} came through: {other:?}", shown(input)),
        },
        other => panic!("{} came through: {other:?}", shown(input)),
    }
}

fn assert_refused(row: &Row, served: &Served) {
    let name = shown(&row.input);
    let error = refusal(served, &row.input);
    assert_eq!(error.status(), row.status, "{name}: {error:?}");
    assert!(error.clause().contains(row.clause), "{name}: {error:?} for {}", row.clause);
    let answer = String::from_utf8(served.output.clone()).expect("answers are text");
    assert!(answer.starts_with(&format!("HTTP/1.1 {} ", row.status)), "{name}: {answer}");
    assert!(answer.contains("\r\nConnection: close\r\n"), "{name}: {answer}");
    assert!(answer.contains("\r\nX-Content-Type-Options: nosniff\r\n"), "{name}: {answer}");
    assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{name}: {answer}");
    assert_eq!(served.closing, Closing::AfterOutput, "{name}");
}

#[test]
fn each_bad_request_is_refused_for_its_clause_and_nothing_behind_it_is_read() {
    let rows = rows();
    for row in &rows {
        let whole = serve([&row.input[..]]);
        assert_refused(row, &whole);
        let tail = &b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"[..];
        assert_eq!(serve([&row.input[..], tail]), whole, "{} with a tail", shown(&row.input));
        let at_once = [&row.input[..], tail].concat();
        assert_eq!(serve([&at_once[..]]), whole, "{} with a tail at once", shown(&row.input));
        if row.input.len() < 64 * 1024 {
            assert_eq!(serve(octets(&row.input)), whole, "{} octet by octet", shown(&row.input));
        }
    }
}

#[test]
fn the_table_has_at_least_150_distinct_rows() {
    let rows = rows();
    let inputs: BTreeSet<&[u8]> = rows.iter().map(|row| &row.input[..]).collect();
    assert_eq!(inputs.len(), rows.len(), "no row twice");
    assert!(rows.len() >= 150, "{}", rows.len());
}

#[test]
fn a_bad_request_behind_good_ones_is_refused_after_their_answers() {
    // H-09: in order, and nothing behind the bad one.
    let input = b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\nGET /3\r\n\r\nGET /4 HTTP/1.1\r\nHost: a\r\n\r\n";
    let served = serve([&input[..]]);
    let answer = String::from_utf8(served.output).expect("answers are text");
    let statuses: Vec<&str> = answer.matches("HTTP/1.1 200").chain(answer.matches("HTTP/1.1 400")).collect();
    assert_eq!(statuses, ["HTTP/1.1 200", "HTTP/1.1 200", "HTTP/1.1 400"]);
    assert_eq!(served.events.len(), 3);
    assert_eq!(served.events.last(), Some(&ServerEvent::Refused(RequestError::RequestLine)));
}

#[test]
fn no_answer_reflects_what_was_sent() {
    let input = b"GET /<script>canary</script> HTTP/1.1\r\nHost: canary\r\nCanary: canary\r\n\r\n";
    let answer = serve([&input[..]]).output;
    assert!(answer.starts_with(b"HTTP/1.1 400 "));
    assert!(!answer.to_ascii_lowercase().windows(6).any(|part| part == b"canary"));
}
