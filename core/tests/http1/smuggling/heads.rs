//! Line ends, folded lines, names, values, and fields that belong to one connection.

use telephone_core::http1::{Malformed as M, RequestError};

use super::row::{Row, SMUGGLED, chunked, get, message, post, row, sized, then};

pub(super) fn rows() -> Vec<Row> {
    [line_ends(), names(), values(), connections(), expectations()].into_iter().flatten().collect()
}

fn line_ends() -> Vec<Row> {
    let between = |bytes: &[u8]| [&get("")[..], bytes, SMUGGLED].concat();
    vec![
        row("a bare LF before the next request", between(b"\n")).serves(get("")).refused(M::BareLf),
        row("a bare CR before the next request", between(b"\r")).serves(get("")).refused(M::BareCr),
        row("a space before the next request", between(b" ")).serves(get("")).refused(M::LeadingSpace),
        row("NUL before the next request", between(b"\0")).serves(get("")).refused(M::Control),
        row("five empty lines before the next request", between(b"\r\n\r\n\r\n\r\n\r\n"))
            .serves(get(""))
            .refused(M::BlankStartLine),
        row("an empty line and a bare LF before the next request", between(b"\r\n\n"))
            .serves(get(""))
            .refused(M::BareLf),
        row("an empty line before the next request", then(get(""), "\r\n")).serves(get("")),
        row("a head that ends in LF LF", then("GET / HTTP/1.1\r\nHost: a\n\n", SMUGGLED)).refused(M::BareLf),
        row("a head that ends in CR CR", then("GET / HTTP/1.1\r\nHost: a\r\r", SMUGGLED)).refused(M::BareCr),
        row("a head that ends in CRLF CR", then("GET / HTTP/1.1\r\nHost: a\r\n\r", SMUGGLED))
            .refused(M::BareCr),
        row("a head that ends in CRLF space CRLF", {
            then("GET / HTTP/1.1\r\nHost: a\r\n \r\n\r\n", SMUGGLED)
        })
        .refused(M::LeadingSpace),
        row("a request line with a bare LF", then("GET / HTTP/1.1\nHost: a\r\n\r\n", SMUGGLED))
            .refused(M::BareLf),
        row("a bare LF in the target", then("GET /\nX: HTTP/1.1\r\nHost: a\r\n\r\n", SMUGGLED))
            .refused(M::BareLf),
        row("a bare CR in the target", then("GET /\rX HTTP/1.1\r\nHost: a\r\n\r\n", SMUGGLED))
            .refused(M::BareCr),
        row("a bare CR in the method", then("GE\rT / HTTP/1.1\r\nHost: a\r\n\r\n", SMUGGLED))
            .refused(M::BareCr),
        row("a head without end", b"GET / HTTP/1.1\r\nHost: a\r\n").waits(),
        row("half of the last line end of a head", b"GET / HTTP/1.1\r\nHost: a\r\n\r").waits(),
    ]
}

fn names() -> Vec<Row> {
    let named = |line: &[u8]| then(get(line), "");
    let refused = |name, line: &[u8]| row(name, then(get(line), SMUGGLED)).refused(M::FieldLine);
    vec![
        refused("a slash in a name", b"X/Y: z"),
        refused("brackets in a name", b"X[0]: z"),
        refused("an at sign in a name", b"X@Y: z"),
        refused("an equals sign in a name", b"X=Y: z"),
        refused("a comma in a name", b"X,Y: z"),
        refused("a no-break space before a colon", b"X\xa0: z"),
        refused("a name of white space", b"X \t: z"),
        refused("a request line among the fields", b"GET /smuggled HTTP/1.1"),
        refused("an absolute request line among the fields", b"GET http://b/smuggled HTTP/1.1"),
        refused("a status line among the fields", b"HTTP/1.1 200 OK"),
        row("NUL in a name", get(b"X\0Y: z")).refused(M::Control),
        row("DEL in a name", get(b"X\x7fY: z")).refused(M::Control),
        row("a second host in a folded line", get(b"X: y\r\n Host: b")).refused(M::LeadingSpace),
        row("a second host with a space before its colon", get(b"Host : b")).refused(M::FieldLine),
        row("a second host in other letters", get(b"hOSt: b")).refused(RequestError::HostRepeated),
        row("a second host that is empty", get(b"Host:")).refused(RequestError::HostRepeated),
        row("a name with two colons", named(b"X::y")).serves(get("X: :y")),
        row("a name of odd token characters", named(b"!#$%&'*+.^_`|~: y")).serves(get("!#$%&'*+.^_`|~: y")),
        row("a look-alike of the host", named(b"X-Host: b\r\nHost_: b")).serves(get("X-Host: b\r\nHost_: b")),
    ]
}

fn values() -> Vec<Row> {
    let passes = |name, line: &[u8]| row(name, get(line)).serves(get(line));
    vec![
        passes("an encoded line end in a value", b"X: y%0d%0aTransfer-Encoding: chunked"),
        passes("a line end in wide characters in a value", b"X: y\xe5\x98\x8d\xe5\x98\x8aHost: b"),
        passes("a next-line character in a value", b"X: y\xc2\x85Host: b"),
        passes("a line separator in a value", b"X: y\xe2\x80\xa8Host: b"),
        passes("an escaped line end in a value", b"X: y\\r\\nHost: b"),
        passes("a request in a value", b"X: GET /smuggled HTTP/1.1"),
        passes("overlong UTF-8 of a line end in a value", b"X: y\xc0\x8d\xc0\x8aHost: b"),
        row("a value of white space", get(b"X: \t ")).serves(get("X: ")),
        row("white space around a value", get(b"X:\t y \t")).serves(get("X: y")),
        row("a vertical tab in a value", get(b"X: y\x0bHost: b")).refused(M::Control),
        row("a form feed at the end of a value", get(b"X: y\x0c")).refused(M::Control),
        row("an escape character in a value", get(b"X: \x1b[2J")).refused(M::Control),
        row("a folded value of nothing", get(b"X: y\r\n\t")).refused(M::LeadingSpace),
    ]
}

/// `Connection`, and what it may take away. [H-13]
fn connections() -> Vec<Row> {
    let closing = |name, line: &[u8]| row(name, then(get(line), SMUGGLED)).serves(get("")).closes();
    vec![
        closing("a request behind a close", b"Connection: close"),
        closing("a close in capital letters behind a tab", b"Connection:\tCLOSE"),
        closing("a close in the second line", b"Connection: x\r\nConnection: close"),
        closing("a close among empty options", b"Connection: ,, close ,"),
        closing("a close beside keep-alive", b"Connection: keep-alive, close"),
        row("a close with a body", then(post("Connection: close\r\nContent-Length: 5", "hello"), SMUGGLED))
            .serves(sized("hello"))
            .closes(),
        row("a close with chunks", {
            then(post("Connection: close\r\nTransfer-Encoding: chunked", "0\r\n\r\n"), SMUGGLED)
        })
        .serves(chunked("0\r\n\r\n"))
        .closes(),
        row("an option that only begins like close", get("Connection: closed")).serves(get("")),
        row("a close that is another field's", get("Proxy-Connection: close")).serves(get("")),
        row("a close as Keep-Alive", get("Keep-Alive: close")).serves(get("")),
        row("the coding named beside its field", {
            post("Connection: close, Transfer-Encoding\r\nTransfer-Encoding: chunked", "0\r\n\r\n")
        })
        .refused(M::ProtectedOption),
        row("the length named beside its field", {
            post("Content-Length: 5\r\nConnection: content-length", then("hello", SMUGGLED))
        })
        .refused(M::ProtectedOption),
        row("the host named twice", get("Connection: host, host")).refused(M::ProtectedOption),
        row("a look-alike of the length that is named", {
            post("Connection: content_length\r\nContent_Length: 5", "hello")
        })
        .refused(M::FramingAlias),
        row("a field that is named", get("Connection: X-Mine\r\nX-Mine: 1\r\nX-Other: 2"))
            .serves(get("X-Other: 2")),
        row("a field that is named behind itself", get("X-Mine: 1\r\nconnection: x-mine")).serves(get("")),
        row("Connection that names itself", get("Connection: connection, x")).serves(get("")),
        row("TE that is named", get("TE: trailers\r\nConnection: TE"))
            .serves(get("TE: trailers\r\nConnection: TE")),
        row("the trailers that are announced and named", {
            post("Connection: Trailer\r\nTrailer: Host\r\nTransfer-Encoding: chunked", "0\r\nHost: b\r\n\r\n")
        })
        .serves(chunked("0\r\n\r\n")),
        row("quotes around an option", get("Connection: \"close\", x")).refused(M::ConnectionOption),
        row("an option with a parameter", get("Connection: close;q=1")).refused(M::ConnectionOption),
        row("an option behind NUL", get(b"Connection: close\0")).refused(M::Control),
    ]
}

/// `Expect`: who waits for whom. [H-21]
fn expectations() -> Vec<Row> {
    let expecting = |value: &str| format!("Expect: {value}\r\nContent-Length: 5");
    let refused = |name, value| {
        row(name, post(expecting(value), then("hello", SMUGGLED))).refused(RequestError::Expectation)
    };
    let sent = post("Expect: 100-continue\r\nContent-Length: 5", "hello");
    vec![
        row("a body that does not wait", &sent).serves(&sent),
        row("an expectation in capital letters", post(expecting("100-CONTINUE"), "hello"))
            .serves(post("Expect: 100-CONTINUE\r\nContent-Length: 5", "hello")),
        row("an expectation of nothing", post(expecting(""), "hello"))
            .serves(post("Expect: \r\nContent-Length: 5", "hello")),
        row("an expectation without a body", get("Expect: 100-continue")).serves(get("Expect: 100-continue")),
        row("an expectation with chunks", {
            post("Expect: 100-continue\r\nTransfer-Encoding: chunked", "0\r\n\r\n")
        })
        .serves(post("Expect: 100-continue\r\nTransfer-Encoding: chunked", "0\r\n\r\n")),
        refused("an expectation behind a letter", "y 100-continue"),
        refused("an expectation with a leading zero", "0100-continue"),
        refused("an expectation with a space", "100 -continue"),
        refused("an expectation with an empty parameter", "100-continue;"),
        refused("an expectation in quotes", "\"100-continue\""),
        row(
            "an expectation on a folded line",
            post("Expect:\r\n 100-continue\r\nContent-Length: 5", "hello"),
        )
        .refused(M::LeadingSpace),
        row(
            "an expectation behind a bare LF",
            post("X: y\nExpect: 100-continue\r\nContent-Length: 5", "hello"),
        )
        .refused(M::BareLf),
        row(
            "a tab before the expectation's colon",
            post("Expect\t: 100-continue\r\nContent-Length: 5", "hello"),
        )
        .refused(M::FieldLine),
        row("an expectation and a final answer at once", then(&sent[..sent.len() - 5], SMUGGLED))
            .begins(&sent[..sent.len() - 5])
            .answered_at_head()
            .closes(),
        row("an expectation in an OPTIONS of all", message("OPTIONS *", expecting("x"), "hello"))
            .refused(RequestError::Expectation),
    ]
}
