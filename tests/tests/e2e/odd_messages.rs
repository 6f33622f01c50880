//! Messages outside the grammar that have one meaning pass, and those that have none are refused by name: rows of the tables
//! that `core/tests/http1/odd.rs` holds to the parser, from an application and from clients through both sidecars.

use telephone_tests::line::{Line, both, both_programs};
use telephone_tests::origin::After;
use telephone_tests::wait::{self, PATIENCE};

#[path = "../../../core/tests/http1/odd/table.rs"]
mod table;

use table::{ANSWERS, REQUESTS, bytes, rows};

const SIZED: &str = r"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n";
const CHUNKED: &str = r"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

/// The rest of a row behind a usual start, and what the log says of it: rule, field and value.
const PASSED: [(&str, &str, [&str; 3]); 16] = [
    (SIZED, r"X : y\r\n\r\nhello", ["white space before a colon", "X", "y"]),
    ("", r"HTTP/1.1 200 OK\nContent-Length: 5\n\nhello", ["bare LF", "", "HTTP/1.1 200 OK"]),
    (SIZED, r"X: a\r\n b\r\n\r\nhello", ["folded line", "X", "b"]),
    (SIZED, r"X: a\x01b\r\n\r\nhello", ["control character", "X", r"a\x01b"]),
    (SIZED, r"Content-Length: 5\r\n\r\nhello", ["repeated Content-Length", "Content-Length", "5"]),
    (
        "",
        r"HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\nhello",
        ["repeated Content-Length", "Content-Length", "5, 5"],
    ),
    (
        "",
        r"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        ["repeated Transfer-Encoding", "Transfer-Encoding", "chunked, chunked"],
    ),
    (
        SIZED,
        r"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        ["Content-Length beside Transfer-Encoding", "Transfer-Encoding", "chunked"],
    ),
    (
        "",
        r"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        ["Transfer-Encoding in HTTP/1.0", "Transfer-Encoding", "chunked"],
    ),
    (SIZED, r"Connection: a b\r\n\r\nhello", ["malformed Connection", "Connection", "a b"]),
    (
        SIZED,
        r"Connection: Set-Cookie\r\nSet-Cookie: a=b\r\n\r\nhello",
        ["Connection names an end-to-end field", "Connection", "Set-Cookie"],
    ),
    (
        "",
        r"HTTP/2.0 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        ["unknown HTTP version", "", "HTTP/2.0 200 OK"],
    ),
    (CHUNKED, r"5 \r\nhello\r\n0\r\n\r\n", ["malformed line of a chunk", "", "5 "]),
    (CHUNKED, r"5; a\r\nhello\r\n0\r\n\r\n", ["malformed line of a chunk", "", "5; a"]),
    (CHUNKED, r"5\r\nhello\r\n0\r\nX: y\n\r\n", ["bare LF", "X", "y"]),
    (SIZED, r"X(: y\r\n\r\nhello", ["malformed field name", "X(", "y"]),
];

/// Likewise, with the cause of the 502 in place of the rule, which the row has.
const REFUSED: [(&str, &str, [&str; 3]); 12] = [
    (SIZED, r"X: y\rZ: w\r\n\r\nhello", ["http_protocol_error", "X", r"y\x0dZ: w"]),
    (SIZED, r"X: a\x00b\r\n\r\nhello", ["http_protocol_error", "X", r"a\x00b"]),
    (SIZED, r"Content-Length: 6\r\n\r\nhello", ["http_protocol_error", "Content-Length", "5, 6"]),
    (
        "",
        r"HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhello",
        ["http_protocol_error", "Content-Length", "+5"],
    ),
    ("", r"HTTP/1.1 99 X\r\nContent-Length: 5\r\n\r\nhello", ["http_protocol_error", "", "HTTP/1.1 99 X"]),
    ("", r"ICY 200 OK\r\nContent-Length: 5\r\n\r\nhello", ["http_protocol_error", "", "ICY 200 OK"]),
    (SIZED, r"X y\r\n\r\nhello", ["http_protocol_error", "", "X y"]),
    (SIZED, r"X: <y*58000>\r\n\r\nhello", ["http_response_header_size", "X", "yyyyyyyyyy"]),
    (SIZED, r"<fields*300>\r\n\r\nhello", ["http_response_header_size", "X-255", "y"]),
    (
        "",
        r"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        ["http_response_transfer_coding", "Transfer-Encoding", "gzip, chunked"],
    ),
    (CHUNKED, r"+5\r\nhello\r\n0\r\n\r\n", ["http_response_transfer_coding", "", "+5"]),
    (CHUNKED, r"5\rhello\r\n0\r\n\r\n", ["http_response_transfer_coding", "", r"5\x0dhello"]),
];

/// So many lines of one kind are logged at once.
const BURST: usize = 4;

/// The bytes of a row, which must be one of the table, and our verdict on it.
fn row(start: &str, rest: &str) -> (Vec<u8>, &'static str) {
    let text = format!("{start}{rest}");
    let found = rows(ANSWERS).into_iter().find(|row| row.text == text);
    let row = found.unwrap_or_else(|| panic!("no row of the table: {text}"));
    assert!([row.curl, row.go].iter().all(|verdict| ["takes", "refuses"].contains(verdict)), "{}", row.why);
    (bytes(row.text), row.ours)
}

/// That the sidecar's log says all of this about the answer at `path`.
fn assert_logged(line: &Line, path: &str, [rule, field, value]: [&str; 3]) {
    let said = line.sidecar().process().wait_stderr(&format!("path=\"{path}\""), PATIENCE);
    let value = value.replace('\\', r"\\");
    for part in [format!("rule=\"{rule}\""), format!("field=\"{field}\""), format!("value=\"{value}")] {
        assert!(said.contains(&part), "{part}: {said}");
    }
}

fn assert_passes(line: &Line, path: &str, (start, rest, told): (&str, &str, [&str; 3])) {
    let (octets, verdict) = row(start, rest);
    assert_eq!(verdict, "passes", "{start}{rest}");
    // The origin keeps the connection: it is the sidecar that does not use it again.
    line.origin.on_raw(path, octets, After::KeepAlive);
    let answer = line.get(path);
    assert_eq!((answer.status(), answer.text().as_str()), (200, "hello"), "{start}{rest}");
    assert!(!answer.head.has("proxy-status") && answer.ending.is_complete());
    let before = line.origin.counts().accepted;
    assert_eq!(line.get("/m/x").status(), 200);
    assert_eq!(line.origin.counts().accepted, before + 1, "a kept connection behind {start}{rest}");
    assert_logged(line, path, told);
}

fn assert_refused(line: &Line, path: &str, (start, rest, [cause, field, value]): (&str, &str, [&str; 3])) {
    let (octets, verdict) = row(start, rest);
    let rule = verdict.strip_prefix("refuses: ").unwrap_or_else(|| panic!("{verdict}: {start}{rest}"));
    line.origin.on_raw(path, octets, After::Close);
    let answer = line.get(path);
    assert_eq!(answer.status(), 502, "{start}{rest}");
    assert_eq!(answer.head.value("proxy-status"), Some(format!("plugboard; error={cause}")), "{start}{rest}");
    wait::until_true("the access log has the cause", PATIENCE, || {
        let said = line.relay().process().stdout();
        let is_told = |line: &str| line.contains(path) && line.contains(&format!("\"cause\":\"{cause}\""));
        said.lines().any(is_told)
    });
    assert_logged(line, path, [rule, field, value]);
}

#[test]
fn odd_answers_with_one_meaning_pass_and_others_are_refused_by_rule_field_and_value() {
    both_programs(|program| {
        for (group, rows) in PASSED.chunks(BURST).enumerate() {
            let line = Line::through(program);
            for (at, row) in rows.iter().enumerate() {
                assert_passes(&line, &format!("/m/odd-{group}-{at}"), *row);
            }
            for (at, row) in REFUSED.iter().skip(group * BURST).take(BURST).enumerate() {
                assert_refused(&line, &format!("/m/bad-{group}-{at}"), *row);
            }
        }
    });
}

#[test]
fn odd_requests_with_one_meaning_reach_the_application_in_strict_form() {
    both(|line| {
        let mut count = 0;
        for row in rows(REQUESTS).into_iter().filter(|row| row.ours == "takes") {
            // The mount in place of the root; what has another path is the router's.
            let text = row.text.replacen(" / ", " /m/hash ", 1);
            if text == row.text {
                continue;
            }
            let mut client = line.connect();
            client.send(bytes(&text));
            let answer = client.answer("GET");
            assert_eq!(answer.status(), 200, "{text}: {}", row.why);
            let seen = line.origin.last_head();
            assert!(seen.start.ends_with(b"HTTP/1.1"), "{text}");
            for name in ["content-length", "transfer-encoding"] {
                assert!(seen.values(name).len() <= 1, "{text}");
                let value = seen.value(name).unwrap_or_default();
                assert!(["", "0", "5", "chunked"].contains(&value.as_str()), "{text}: {value}");
            }
            count += 1;
        }
        assert!(count >= 15, "{count} rows");
    });
}
