//! Requests one behind the other: behind other framings, early answers, upgrades and early bytes.

use telephone_core::http1::{Malformed as M, RequestError};

use super::row::{Row, SMUGGLED, chunked, get, message, post, row, sized, then};

pub(super) fn rows() -> Vec<Row> {
    [requests(), early_answers(), upgrades(), early_bytes()].into_iter().flatten().collect()
}

/// A request that is meant to be one.
fn behind() -> Vec<u8> {
    message("GET /behind", "", "")
}

fn requests() -> Vec<Row> {
    let pair = |name, first: Vec<u8>| row(name, then(&first, behind())).serves(first).serves(behind());
    vec![
        pair("a request behind another", get("")),
        pair("a request behind a length", sized("hello")),
        pair("a request behind chunks", chunked("5\r\nhello\r\n0\r\n\r\n")),
        pair("a request behind a HEAD", message("HEAD /", "", "")),
        pair("a request behind an OPTIONS of all", message("OPTIONS *", "", "")),
        pair("a request behind a body that ends in a line end", sized("hi\r\n")),
        pair("a request behind a body that ends in half a request", sized("GET /smuggled HTTP/1.1\r\nX: ")),
        row("a request behind a body and a line end", [&sized("hi")[..], b"\r\n", &behind()].concat())
            .serves(sized("hi"))
            .serves(behind()),
        row(
            "a request behind a body and five line ends",
            [&sized("hi")[..], &b"\r\n".repeat(5), SMUGGLED].concat(),
        )
        .serves(sized("hi"))
        .refused(M::BlankStartLine),
        row("a request behind one that is refused for its method", {
            [&get("")[..], &message("TRACE /", "", ""), SMUGGLED].concat()
        })
        .serves(get(""))
        .refused(RequestError::MethodNotAllowed),
        row("a request behind one that is refused for its expectation", {
            [&get("")[..], &get("Expect: y"), SMUGGLED].concat()
        })
        .serves(get(""))
        .refused(RequestError::Expectation),
        row("a request behind both framings", {
            let both = post("Content-Length: 5\r\nTransfer-Encoding: chunked", "0\r\n\r\n");
            [&get("")[..], &both, SMUGGLED].concat()
        })
        .serves(get(""))
        .refused(M::LengthAndCoding),
        row("a request behind a broken chunk", {
            [&get("")[..], &chunked("5\r\nhelloX"), SMUGGLED].concat()
        })
        .serves(get(""))
        .begins(chunked("5\r\nhello\r\n"))
        .aborted(M::ChunkEnd),
        row("a request behind a close behind a request", {
            [&get("")[..], &get("Connection: close"), SMUGGLED].concat()
        })
        .serves(get(""))
        .serves(get(""))
        .closes(),
        row("the preface of HTTP/2 behind a request", then(get(""), "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"))
            .serves(get(""))
            .refused(RequestError::Version),
        row("a request of HTTP/0.9 behind one of HTTP/1.1", then(get(""), "GET /smuggled\r\n"))
            .serves(get(""))
            .waits(),
        row("four requests of four framings", {
            [&get("")[..], &sized("hi"), &chunked("2\r\nhi\r\n0\r\n\r\n"), &behind()].concat()
        })
        .serves(get(""))
        .serves(sized("hi"))
        .serves(chunked("2\r\nhi\r\n0\r\n\r\n"))
        .serves(behind()),
    ]
}

/// Answers before the end of the body: the rest of the body is never read as a request. [B-11, H-10]
fn early_answers() -> Vec<Row> {
    let early = |name, input: Vec<u8>| row(name, input).answered_at_head();
    let begun = |lines: &str| post(lines, "");
    let long = [&SMUGGLED.repeat(40)[..], b"x"].concat();
    let length = format!("Content-Length: {}", long.len());
    vec![
        early("0.CL: a body that is a request", sized(SMUGGLED)).begins(begun("Content-Length: 35")),
        early("a chunk that is a request", chunked([b"23\r\n", SMUGGLED, b"\r\n0\r\n\r\n"].concat()))
            .begins(chunked("")),
        early("a body that arrives later", post("Content-Length: 35", &SMUGGLED[..20]))
            .begins(begun("Content-Length: 35"))
            .waits(),
        early("a body that is too long to be thrown away", post(&length, &long))
            .begins(begun(&length))
            .closes(),
        early("chunks that are too long to be thrown away", {
            chunked([format!("{:x}\r\n", long.len()).as_bytes(), &long, b"\r\n0\r\n\r\n"].concat())
        })
        .begins(chunked(""))
        .closes(),
        early("a broken chunk that nobody reads", chunked(then("5\r\nhelloX", SMUGGLED)))
            .begins(chunked(""))
            .closes(),
        early("a trailer that nobody reads", chunked("0\r\nHost: b\r\n\r\n")).begins(chunked("")),
        early("a broken trailer that nobody reads", chunked(then("0\r\nHost : b\r\n\r\n", SMUGGLED)))
            .begins(chunked(""))
            .closes(),
        early("an expectation that is answered, with its body", {
            post("Expect: 100-continue\r\nContent-Length: 35", SMUGGLED)
        })
        .begins(begun("Expect: 100-continue\r\nContent-Length: 35"))
        .closes(),
        early("an expectation with chunks that is answered", {
            post("Expect: 100-continue\r\nTransfer-Encoding: chunked", SMUGGLED)
        })
        .begins(begun("Expect: 100-continue\r\nTransfer-Encoding: chunked"))
        .closes(),
        early("an expectation without a body that is answered", get("Expect: 100-continue"))
            .serves(get("Expect: 100-continue")),
        early("two bodies that are requests", then(sized(SMUGGLED), get("")))
            .begins(begun("Content-Length: 35"))
            .serves(get("")),
    ]
}

const WEBSOCKET: &str = "Upgrade: websocket\r\nConnection: upgrade";

/// Upgrades, those that are no upgrade, and those to HTTP itself. [H-11, H-19]
fn upgrades() -> Vec<Row> {
    let plain = |name, lines: &str| row(name, get(lines)).serves(get(""));
    let offers = |name, lines: &str, offer: &str| {
        row(name, get(lines)).serves(get(format!("Upgrade: {offer}\r\nConnection: upgrade")))
    };
    vec![
        plain("h2c with its settings", {
            "Upgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\nConnection: Upgrade, HTTP2-Settings"
        }),
        plain("h2c in capital letters", "Upgrade: H2C\r\nConnection: upgrade"),
        plain("HTTP of another version", "Upgrade: HTTP/3.0\r\nConnection: upgrade"),
        plain("TLS inside of the connection", "Upgrade: TLS/1.3\r\nConnection: upgrade"),
        plain("an upgrade that Connection does not name", "Upgrade: websocket\r\nConnection: keep-alive"),
        plain("an upgrade to nothing", "Upgrade: ,\r\nConnection: upgrade"),
        plain("Connection that names no upgrade", "Connection: upgrade"),
        plain("settings of HTTP/2 alone", "HTTP2-Settings: AAMAAABk\r\nConnection: HTTP2-Settings"),
        plain("a protocol that is no token", "Upgrade: web socket\r\nConnection: upgrade"),
        offers("h2c among others", "Upgrade: h2c, websocket\r\nConnection: upgrade", "websocket"),
        offers(
            "a protocol twice",
            "Upgrade: websocket\r\nUpgrade: websocket\r\nConnection: upgrade",
            "websocket, websocket",
        ),
        offers("a protocol in mixed letters", "Upgrade: WebSocket\r\nConnection: UPGRADE", "WebSocket"),
        offers(
            "an upgrade with a length of nothing",
            "Content-Length: 0\r\nUpgrade: websocket\r\nConnection: upgrade",
            "websocket",
        ),
        row("an upgrade with a body", post(format!("{WEBSOCKET}\r\nContent-Length: 35"), SMUGGLED))
            .serves(sized(SMUGGLED)),
        row("an upgrade with chunks", {
            post(format!("{WEBSOCKET}\r\nTransfer-Encoding: chunked"), "0\r\n\r\n")
        })
        .serves(chunked("0\r\n\r\n")),
        row("an upgrade of a HEAD", message("HEAD /", WEBSOCKET, "")).serves(message("HEAD /", "", "")),
        row("an upgrade in HTTP/1.0", {
            then(format!("GET / HTTP/1.0\r\nHost: a\r\n{WEBSOCKET}\r\n\r\n"), SMUGGLED)
        })
        .serves(get(""))
        .closes(),
        row("an upgrade and a close", then(get(format!("{WEBSOCKET}, close")), SMUGGLED))
            .serves(get(WEBSOCKET))
            .closes(),
        row("an upgrade with both framings", {
            post(format!("{WEBSOCKET}\r\nContent-Length: 0\r\nTransfer-Encoding: chunked"), "")
        })
        .refused(M::LengthAndCoding),
    ]
}

/// Bytes behind an upgrade before its answer: of the new protocol if it is a 101, else a request.
fn early_bytes() -> Vec<Row> {
    let asked = get(WEBSOCKET);
    vec![
        row("a request behind an upgrade that is not made", then(&asked, behind()))
            .serves(&asked)
            .serves(behind()),
        row("a frame behind an upgrade that is not made", then(&asked, b"\x81\x85\0\0\0\0hello"))
            .serves(&asked)
            .refused(M::Control),
        row("a request behind an upgrade that is made", then(&asked, SMUGGLED))
            .serves(&asked)
            .switched(SMUGGLED),
        row("a frame behind an upgrade that is made", then(&asked, b"\x81\x85\0\0\0\0hello"))
            .serves(&asked)
            .switched(b"\x81\x85\0\0\0\0hello"),
        row("the preface of HTTP/2 behind an upgrade that is made", {
            then(get("Upgrade: h2c, websocket\r\nConnection: upgrade"), "PRI * HTTP/2.0\r\n\r\n")
        })
        .serves(&asked)
        .switched(b"PRI * HTTP/2.0\r\n\r\n"),
        row("an empty line behind an upgrade that is made", then(&asked, b"\r\n"))
            .serves(&asked)
            .switched(b"\r\n"),
        row("the preface of HTTP/2 behind h2c", {
            then(get("Upgrade: h2c\r\nConnection: Upgrade"), "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        })
        .serves(get(""))
        .refused(RequestError::Version),
        row("a hello of TLS behind an upgrade to it", {
            then(get("Upgrade: TLS/1.2\r\nConnection: Upgrade"), b"\x16\x03\x01\x02\0\x01")
        })
        .serves(get(""))
        .refused(M::Control),
    ]
}
