//! The table of what backends send that two parsers could take for different answers. [H-20, H-22, H-26, B-06, B-13]

use telephone_core::http1::{Malformed as M, ResponseError as E};

use super::answer_row::{Row, row};

pub(super) fn rows() -> Vec<Row> {
    [framings(), chunks(), status_lines(), fields(), bodiless(), interims(), upgrades(), ends()]
        .into_iter()
        .flatten()
        .collect()
}

/// An answer of 200 with these lines and this body.
fn ok(lines: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let end = if lines.is_empty() { "" } else { "\r\n" };
    [format!("HTTP/1.1 200 OK\r\n{lines}{end}\r\n").as_bytes(), body.as_ref()].concat()
}

fn chunked(body: impl AsRef<[u8]>) -> Vec<u8> {
    ok("Transfer-Encoding: chunked", body)
}

const HELLO: &str = "Content-Length: 5";
const POISON: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

fn framings() -> Vec<Row> {
    const CHUNKS: &str = "5\r\nhello\r\n0\r\n\r\n";
    let fails = |name, lines, error: M| row(name, ok(lines, CHUNKS)).fails(error);
    let is_chunked = |name, lines| row(name, ok(lines, CHUNKS)).passes(chunked(CHUNKS));
    let has_no_framing = |name, lines| {
        row(name, ok(lines, CHUNKS)).passes(chunked(format!("f\r\n{CHUNKS}\r\n0\r\n\r\n"))).until_close()
    };
    vec![
        is_chunked("both framings, the coding first", "Transfer-Encoding: chunked\r\nContent-Length: 5")
            .spent(),
        fails("both framings, the coding unknown", "Content-Length: 5\r\nTransfer-Encoding: x", M::Coding),
        fails("a coding on a folded line", "Content-Length: 5\r\n Transfer-Encoding: chunked", M::Length),
        row("a coding behind a bare LF", ok("X: y\nTransfer-Encoding: chunked", CHUNKS))
            .passes(ok("X: y\r\nTransfer-Encoding: chunked", CHUNKS))
            .spent(),
        is_chunked("a coding with a space before its colon", "Transfer-Encoding : chunked").spent(),
        has_no_framing("the look-alike of a length", "Content_Length: 5"),
        has_no_framing("the look-alike of a coding", "Transfer_Encoding: chunked"),
        is_chunked("a coding twice in one line", "Transfer-Encoding: chunked, chunked").spent(),
        fails("a coding that is not the last", "Transfer-Encoding: chunked, gzip", M::Coding),
        is_chunked("a coding with a tab before it", "Transfer-Encoding:\tchunked"),
        fails("a coding that is empty", "Transfer-Encoding:", M::Coding),
        row("a length with white space behind it", ok("Content-Length: 5 ", "hello"))
            .passes(ok(HELLO, "hello")),
        fails("a length in hexadecimal", "Content-Length: 0x5", M::Length),
        fails("a length that is 5 in 64 bits", "Content-Length: 18446744073709551621", M::Length),
        row("two lengths in other letters", ok("Content-Length: 5\r\ncontent-length: 5", "hello"))
            .passes(ok(HELLO, "hello"))
            .spent(),
        row("a length with a leading zero", ok("Content-Length: 05", "hello")).passes(ok(HELLO, "hello")),
        row("a coding in capital letters", ok("Transfer-Encoding: CHUNKED", "0\r\n\r\n"))
            .passes(chunked("0\r\n\r\n")),
    ]
}

fn chunks() -> Vec<Row> {
    let whole = chunked("5\r\nhello\r\n0\r\n\r\n");
    let breaks =
        |name, body: &[u8], error: M| row(name, chunked(body)).passes(chunked("5\r\nhello\r\n")).fails(error);
    vec![
        row("an extension of a chunk", chunked("5;a=\"b\"\r\nhello\r\n0;c\r\n\r\n")).passes(&whole),
        row("trailers that set, frame and redirect", {
            chunked("5\r\nhello\r\n0\r\nSet-Cookie: a=b\r\nContent-Length: 9\r\nLocation: /\r\n\r\n")
        })
        .passes(&whole),
        row("an answer as a chunk", chunked(format!("26\r\n{POISON}\r\n0\r\n\r\n")))
            .passes(chunked(format!("26\r\n{POISON}\r\n0\r\n\r\n"))),
        row("a size behind a plus", chunked("+5\r\nhello\r\n0\r\n\r\n"))
            .passes(chunked(""))
            .fails(M::ChunkSize),
        row("a size of seventeen digits", chunked("00000000000000005\r\nhello\r\n0\r\n\r\n"))
            .passes(chunked(""))
            .fails(M::ChunkSize),
        row("a body that is not chunked", chunked("hello")).passes(chunked("")).fails(M::ChunkSize),
        row("a bare LF behind the bytes", chunked("5\r\nhello\n0\r\n\r\n")).passes(&whole).spent(),
        breaks("more bytes than the size", b"5\r\nhello!\r\n0\r\n\r\n", M::ChunkEnd),
        breaks("an answer where a size is due", b"5\r\nhello\r\nHTTP/1.1 200 OK\r\n", M::ChunkSize),
        breaks(
            "an answer where the last line end is due",
            b"5\r\nhello\r\n0\r\nHTTP/1.1 200 OK\r\n\r\n",
            M::FieldLine,
        ),
        row("a trailer on a folded line", chunked("5\r\nhello\r\n0\r\nX: y\r\n z\r\n\r\n"))
            .passes(chunked("5\r\nhello\r\n0\r\nX: y z\r\n\r\n"))
            .spent(),
    ]
}

fn status_lines() -> Vec<Row> {
    let fails = |name, line: &[u8], error: E| {
        row(name, [line, b"\r\nContent-Length: 0\r\n\r\n"].concat()).fails(error)
    };
    vec![
        fails("a status of four digits", b"HTTP/1.1 0200 OK", E::StatusLine),
        fails("a status of two digits", b"HTTP/1.1 20 OK", E::StatusLine),
        fails("a status without a space behind it", b"HTTP/1.1 200OK", E::StatusLine),
        fails("a status with a sign", b"HTTP/1.1 -200 OK", E::StatusLine),
        fails("a version with a leading zero", b"HTTP/01.1 200 OK", E::StatusLine),
        fails("a version with a trailing zero", b"HTTP/1.10 200 OK", E::StatusLine),
        fails("a byte order mark before the version", b"\xef\xbb\xbfHTTP/1.1 200 OK", E::StatusLine),
        fails("a request for an answer", b"GET / HTTP/1.1", E::StatusLine),
        fails("the banner of another protocol", b"220 ready", E::StatusLine),
        fails("a field for a status line", b"Content-Type: text/html", E::StatusLine),
        fails("a space before the version", b" HTTP/1.1 200 OK", M::LeadingSpace.into()),
        row("an escape character in the reason", "HTTP/1.1 200 \x1b[2J\r\nContent-Length: 0\r\n\r\n")
            .passes("HTTP/1.1 200  [2J\r\nContent-Length: 0\r\n\r\n")
            .spent(),
        fails("settings of HTTP/2", b"\0\0\x12\x04\0\0\0\0\0", E::StatusLine),
        row("an answer in the reason", "HTTP/1.1 200 HTTP/1.1 500 X\r\nContent-Length: 0\r\n\r\n")
            .passes("HTTP/1.1 200 HTTP/1.1 500 X\r\nContent-Length: 0\r\n\r\n"),
    ]
}

fn fields() -> Vec<Row> {
    let fails =
        |name, lines: &str, error: M| row(name, ok(&format!("{HELLO}\r\n{lines}"), "hello")).fails(error);
    let passes = |name, lines: &str, kept: &str| {
        let end = if kept.is_empty() { "" } else { "\r\n" };
        row(name, ok(&format!("{HELLO}\r\n{lines}"), "hello"))
            .passes(ok(&format!("{kept}{end}{HELLO}"), "hello"))
    };
    vec![
        fails("a status line among the fields", "HTTP/1.1 200 OK", M::FieldLine),
        fails("a cookie behind a bare CR", "X: y\rSet-Cookie: a=b", M::BareCr),
        passes("a cookie on a folded line", "X: y\r\n\tSet-Cookie: a=b", "X: y Set-Cookie: a=b").spent(),
        passes("a name that is not ASCII", "X-\u{e4}: y", "").spent(),
        passes(
            "a protection that Connection names",
            "Connection: Content-Security-Policy\r\nContent-Security-Policy: x",
            "Content-Security-Policy: x",
        )
        .spent(),
        passes("an option that is no token", "Connection: close keep-alive", "").spent(),
        passes("a field that Connection names", "Connection: X-Mine\r\nX-Mine: 1\r\nX: y", "X: y"),
        passes(
            "fields of one connection",
            {
                "Keep-Alive: timeout=5\r\nProxy-Connection: close\r\nTrailer: X\r\nUpgrade: h2c\r\nTE: trailers"
            },
            "",
        ),
        passes(
            "an encoded line end in a location",
            "Location: /%0d%0aSet-Cookie:%20a",
            "Location: /%0d%0aSet-Cookie:%20a",
        ),
    ]
}

/// Answers without a body, and those that send one all the same. [H-22]
fn bodiless() -> Vec<Row> {
    let none = "HTTP/1.1 204 No\r\n\r\n";
    vec![
        row("a HEAD that is answered with a body", ok(HELLO, "hello"))
            .answers_head()
            .passes(ok(HELLO, ""))
            .surplus(),
        row("a HEAD that is answered with an answer", ok("Content-Length: 38", POISON))
            .answers_head()
            .passes(ok("Content-Length: 38", ""))
            .surplus(),
        row("a HEAD that is answered with chunks", chunked("0\r\n\r\n"))
            .answers_head()
            .passes(ok("", ""))
            .surplus(),
        row("a HEAD that is answered rightly", ok(HELLO, "")).answers_head().passes(ok(HELLO, "")),
        row("a HEAD that is answered with both framings", {
            ok("Content-Length: 5\r\nTransfer-Encoding: chunked", "")
        })
        .answers_head()
        .passes(ok("", ""))
        .spent(),
        row("a 204 with a length", format!("HTTP/1.1 204 No\r\n{HELLO}\r\n\r\n")).passes(none).spent(),
        row("a 204 with chunks", "HTTP/1.1 204 No\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
            .passes(none)
            .spent(),
        row("a 304 with a length and a body", format!("HTTP/1.1 304 No\r\n{HELLO}\r\n\r\nhello"))
            .passes(format!("HTTP/1.1 304 No\r\n{HELLO}\r\n\r\n"))
            .surplus(),
        row("a 205 with a body", format!("HTTP/1.1 205 Reset\r\n{HELLO}\r\n\r\nhello"))
            .passes(format!("HTTP/1.1 205 Reset\r\n{HELLO}\r\n\r\nhello")),
    ]
}

/// Interim answers, which have neither body nor length. [H-20]
fn interims() -> Vec<Row> {
    let then_ok = |interim: &str| [interim.as_bytes(), &ok(HELLO, "hello")].concat();
    vec![
        row("an unknown interim answer", then_ok("HTTP/1.1 199 Odd\r\n\r\n"))
            .behind_interims(1)
            .passes(ok(HELLO, "hello")),
        row(
            "an interim answer with a length and a body",
            then_ok("HTTP/1.1 103 E\r\nContent-Length: 5\r\n\r\nhello"),
        )
        .behind_interims(1)
        .fails(E::StatusLine),
        row("an interim answer with chunks that are not there", {
            then_ok("HTTP/1.1 103 E\r\nTransfer-Encoding: chunked\r\n\r\n")
        })
        .behind_interims(1)
        .passes(ok(HELLO, "hello"))
        .spent(),
        row("an interim answer with both framings", {
            then_ok("HTTP/1.1 103 E\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n")
        })
        .behind_interims(1)
        .passes(ok(HELLO, "hello"))
        .spent(),
        row("an empty line behind an interim answer", then_ok("HTTP/1.1 103 E\r\n\r\n\r\n"))
            .behind_interims(1)
            .fails(M::BlankStartLine),
        row("an interim answer of a version that has none", then_ok("HTTP/1.0 103 E\r\n\r\n"))
            .behind_interims(1)
            .passes(ok(HELLO, "hello"))
            .spent(),
        row("an interim answer that closes", then_ok("HTTP/1.1 103 E\r\nConnection: close\r\n\r\n"))
            .behind_interims(1)
            .passes(ok(HELLO, "hello"))
            .spent(),
        row("an interim answer and nothing", "HTTP/1.1 103 E\r\n\r\n").behind_interims(1).fails(E::Truncated),
    ]
}

fn upgrades() -> Vec<Row> {
    let switch =
        |lines: &str, rest: &[u8]| [format!("HTTP/1.1 101 S\r\n{lines}\r\n\r\n").as_bytes(), rest].concat();
    let asked = "Upgrade: websocket\r\nConnection: upgrade";
    vec![
        row("an answer behind a switch", switch(asked, POISON.as_bytes()))
            .answers_upgrade()
            .passes(switch(asked, b""))
            .opaque(POISON.as_bytes()),
        row("a switch with a length", switch(&format!("{asked}\r\n{HELLO}"), b"hello"))
            .answers_upgrade()
            .passes(switch(asked, b""))
            .opaque(b"hello"),
        row("a switch with both framings", {
            switch(&format!("{asked}\r\n{HELLO}\r\nTransfer-Encoding: chunked"), b"hi")
        })
        .answers_upgrade()
        .passes(switch(asked, b""))
        .opaque(b"hi"),
        row("a switch to another protocol", switch("Upgrade: h2c\r\nConnection: upgrade", b""))
            .answers_upgrade()
            .fails(E::UnaskedSwitch),
        row("a switch to two protocols", switch("Upgrade: websocket, h2c\r\nConnection: upgrade", b""))
            .answers_upgrade()
            .fails(E::UnaskedSwitch),
        row("a switch that Connection does not name", switch("Upgrade: websocket", b""))
            .answers_upgrade()
            .fails(E::UnaskedSwitch),
        row("a switch that nobody asked for, and an answer", switch(asked, POISON.as_bytes()))
            .fails(E::UnaskedSwitch),
        row("a switch in answer to a HEAD", switch(asked, b"")).answers_head().fails(E::UnaskedSwitch),
        row("a refusal to switch, and its body", ok(HELLO, "hello"))
            .answers_upgrade()
            .passes(ok(HELLO, "hello")),
        row("a refusal to switch, and more than its body", ok(HELLO, "hello\x01\x02"))
            .answers_upgrade()
            .passes(ok(HELLO, "hello"))
            .surplus(),
    ]
}

/// Where answers end, and bytes behind them.
fn ends() -> Vec<Row> {
    let chunks = |body: &str| chunked(format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len()));
    vec![
        row("an answer behind an answer", ok(HELLO, format!("hello{POISON}")))
            .passes(ok(HELLO, "hello"))
            .surplus(),
        row("an answer behind chunks", chunked(format!("0\r\n\r\n{POISON}")))
            .passes(chunked("0\r\n\r\n"))
            .surplus(),
        row(
            "an answer behind one that closes",
            ok(&format!("Connection: close\r\n{HELLO}"), format!("hello{POISON}")),
        )
        .passes(ok(HELLO, "hello"))
        .spent(),
        row("an answer behind one without framing", ok("", POISON)).passes(chunks(POISON)).until_close(),
        row(
            "an answer behind the split of a location",
            format!("HTTP/1.1 302 F\r\nLocation: /\r\n\r\n{POISON}"),
        )
        .passes(format!(
            "HTTP/1.1 302 F\r\nLocation: /\r\nTransfer-Encoding: chunked\r\n\r\n26\r\n{POISON}\r\n0\r\n\r\n"
        ))
        .until_close(),
        row("HTTP/1.0 that keeps the connection without a length", {
            "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\nhello"
        })
        .passes(chunks("hello"))
        .until_close(),
        row("HTTP/1.0 with a length", format!("HTTP/1.0 200 OK\r\n{HELLO}\r\n\r\nhello"))
            .passes(ok(HELLO, "hello"))
            .spent(),
        row("HTTP/1.0 with a length that keeps the connection", {
            format!("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n{HELLO}\r\n\r\nhello")
        })
        .passes(ok(HELLO, "hello")),
        row("a length one too large", ok("Content-Length: 6", "hello"))
            .passes(ok("Content-Length: 6", "hello"))
            .fails(E::Truncated),
        row("chunks without the last", chunked("5\r\nhello\r\n"))
            .passes(chunked("5\r\nhello\r\n"))
            .fails(E::Truncated),
        row("chunks without the last line end", chunked("5\r\nhello\r\n0\r\n"))
            .passes(chunked("5\r\nhello\r\n"))
            .fails(E::Truncated),
        row("a head without end", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n").fails(E::Truncated),
        row("bytes behind an empty answer", ok("Content-Length: 0", "\n"))
            .passes(ok("Content-Length: 0", ""))
            .surplus(),
    ]
}
