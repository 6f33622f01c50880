//! The chunked coding: sizes, extensions, line ends, last chunks and trailers.

use telephone_core::http1::Malformed as M;

use super::row::{Row, SMUGGLED, chunked, post, row, then};

pub(super) fn rows() -> Vec<Row> {
    [sizes(), spills(), extensions(), ends(), trailers()].into_iter().flatten().collect()
}

/// A chunked request whose body of `hello` was read up to an error.
fn hello() -> Vec<u8> {
    chunked("5\r\nhello\r\n")
}

fn sizes() -> Vec<Row> {
    let whole = "5\r\nhello\r\n0\r\n\r\n";
    let sized = |size: &[u8]| chunked([size, b"\r\nhello\r\n0\r\n\r\n", SMUGGLED].concat());
    let refused = |name, size: &[u8]| row(name, sized(size)).begins(chunked("")).aborted(M::ChunkSize);
    let huge = |name, size: &str| {
        let body = then(format!("{size}\r\n"), SMUGGLED);
        let written = [b"23\r\n", SMUGGLED, b"\r\n"].concat();
        row(name, chunked(body)).begins(chunked(written)).waits()
    };
    vec![
        row("leading zeros", chunked("0005\r\nhello\r\n0\r\n\r\n")).serves(chunked(whole)),
        row("sixteen digits", chunked("0000000000000005\r\nhello\r\n0\r\n\r\n")).serves(chunked(whole)),
        row("capital digits", chunked("A\r\n0123456789\r\n0\r\n\r\n"))
            .serves(chunked("a\r\n0123456789\r\n0\r\n\r\n")),
        row("chunks of one byte", chunked("1\r\nh\r\n4\r\nello\r\n0\r\n\r\n")).serves(chunked(whole)),
        row("an empty body", chunked("0\r\n\r\n")).serves(chunked("0\r\n\r\n")),
        row("many zeros as the last chunk", chunked("0000\r\n\r\n")).serves(chunked("0\r\n\r\n")),
        refused("a size with a fraction", b"5.0"),
        refused("a size in quotes", b"\"5\""),
        refused("a size behind a backslash", b"\\5"),
        refused("Arabic digits", b"\xd9\xa5"),
        refused("full-width digits", b"\xef\xbc\x95"),
        refused("a size behind a byte order mark", b"\xef\xbb\xbf5"),
        refused("a size with a separator", b"0'5"),
        refused("a size in hexadecimal by its suffix", b"5h"),
        refused("a size in hexadecimal by its dollar sign", b"$5"),
        refused("a colon behind the size", b"5:"),
        refused("a second size on the line", b"5 5"),
        refused("a form feed before the size", b"\x0c5"),
        refused("a tab and an extension", b"5\t;a"),
        refused("eighteen zeros", b"000000000000000000"),
        huge("a size that is 5 in 32 bits", "100000005"),
        huge("a size that is negative in 64 bits", "ffffffffffffffff"),
        huge("a size that is 5 in 63 bits", "8000000000000005"),
        huge("a size that looks like a float", "1e5"),
    ]
}

/// Chunks whose size and whose bytes disagree.
fn spills() -> Vec<Row> {
    let broken = |name, body: &[u8]| row(name, chunked(then(body, SMUGGLED))).begins(hello());
    vec![
        row("a chunk that is longer than its size", chunked(then("3\r\nhello\r\n0\r\n\r\n", SMUGGLED)))
            .begins(chunked("3\r\nhel\r\n"))
            .aborted(M::ChunkEnd),
        row("a chunk that is shorter than its size", chunked(then("7\r\nhello\r\n0\r\n\r\n", SMUGGLED)))
            .begins(chunked("7\r\nhello\r\n\r\n"))
            .aborted(M::ChunkEnd),
        broken("no line end behind the bytes", b"5\r\nhello0\r\n\r\n").aborted(M::ChunkEnd),
        broken("a bare LF behind the bytes", b"5\r\nhello\n0\r\n\r\n").aborted(M::ChunkEnd),
        broken("LF CR behind the bytes", b"5\r\nhello\n\r0\r\n\r\n").aborted(M::ChunkEnd),
        broken("a space behind the bytes", b"5\r\nhello \r\n0\r\n\r\n").aborted(M::ChunkEnd),
        broken("an empty line between chunks", b"5\r\nhello\r\n\r\n1\r\nx\r\n").aborted(M::ChunkSize),
        broken("a request where the next size is due", b"5\r\nhello\r\n").aborted(M::ChunkSize),
        row("a method that begins with hexadecimal digits", {
            chunked("5\r\nhello\r\nDEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
        })
        .begins(hello())
        .aborted(M::ChunkSize),
        row("a last chunk as bytes", chunked("5\r\n0\r\n\r\n\r\n0\r\n\r\n"))
            .serves(chunked("5\r\n0\r\n\r\n\r\n0\r\n\r\n")),
        row("a line end as bytes", chunked("2\r\n\r\n\r\n0\r\n\r\n"))
            .serves(chunked("2\r\n\r\n\r\n0\r\n\r\n")),
        row("a zero as the only byte", chunked(then("1\r\n0\r\n\r\n", SMUGGLED)))
            .begins(chunked("1\r\n0\r\n"))
            .aborted(M::ChunkSize),
        row("a body that is not chunked at all", chunked(SMUGGLED)).begins(chunked("")).aborted(M::ChunkSize),
    ]
}

fn extensions() -> Vec<Row> {
    let whole = "5\r\nhello\r\n0\r\n\r\n";
    let extended = |extension: &[u8]| chunked([b"5", extension, b"\r\nhello\r\n0\r\n\r\n"].concat());
    let refused = |name, extension: &[u8]| row(name, extended(extension)).begins(chunked(""));
    vec![
        row("an extension that is a number", extended(b";0")).serves(chunked(whole)),
        row("a quoted extension with a semicolon", extended(b";a=\"b;c\"")).serves(chunked(whole)),
        row("a quoted extension of nothing", extended(b";a=\"\"")).serves(chunked(whole)),
        row("a quoted pair that is a quote", extended(b";a=\"\\\"\"")).serves(chunked(whole)),
        row("an extension of the last chunk", chunked("5\r\nhello\r\n0;a=b\r\n\r\n")).serves(chunked(whole)),
        row("an extension named like a field", extended(b";Content-Length=0")).serves(chunked(whole)),
        refused("a bare CR in an extension", b";a\rb").aborted(M::ChunkEnd),
        refused("CR CR LF behind an extension", b";a\r").aborted(M::ChunkEnd),
        refused("a bare LF behind an extension", b";a\n0\r\n\r\n").aborted(M::ChunkExtension),
        refused("a last chunk in quotes", b";a=\"\r\n0\r\n\r\n\"").aborted(M::ChunkExtension),
        refused("a quote that is never closed", b";a=\"b").aborted(M::ChunkExtension),
        refused("a quoted pair that is a line end", b";a=\"\\\r\n\"").aborted(M::ChunkExtension),
        refused("a form feed in an extension", b";a\x0c").aborted(M::ChunkExtension),
        refused("a second size as an extension", b";a\t6").aborted(M::ChunkExtension),
    ]
}

/// Ends of the body.
fn ends() -> Vec<Row> {
    let broken =
        |name, end: &[u8]| row(name, chunked([b"5\r\nhello\r\n", end, SMUGGLED].concat())).begins(hello());
    vec![
        broken("a last chunk with bare LFs", b"0\n\n").aborted(M::ChunkSize),
        broken("a bare LF behind the last chunk", b"0\r\n\n").aborted(M::BareLf),
        broken("a bare CR behind the last chunk", b"0\r\n\r").aborted(M::BareCr),
        broken("a space behind the last chunk", b"0\r\n \r\n").aborted(M::LeadingSpace),
        broken("no empty line behind the last chunk", b"0\r\n").aborted(M::FieldLine),
        broken("a last chunk with a sign", b"-0\r\n\r\n").aborted(M::ChunkSize),
        broken("a last chunk with a space", b"0 \r\n\r\n").aborted(M::ChunkSize),
        row("an empty line behind the body", then(chunked("0\r\n\r\n"), "\r\n")).serves(chunked("0\r\n\r\n")),
        row("four empty lines behind the body", then(chunked("0\r\n\r\n"), "\r\n\r\n\r\n\r\n"))
            .serves(chunked("0\r\n\r\n")),
        row("five empty lines behind the body", then(chunked("0\r\n\r\n"), "\r\n\r\n\r\n\r\n\r\n"))
            .serves(chunked("0\r\n\r\n"))
            .refused(M::BlankStartLine),
        row("a second last chunk", then(chunked("0\r\n\r\n"), "0\r\n\r\n"))
            .serves(chunked("0\r\n\r\n"))
            .refused(telephone_core::http1::RequestError::RequestLine),
        row("half of the last line end", chunked("5\r\nhello\r\n0\r\n\r")).begins(hello()).waits(),
        row("no last chunk", chunked("5\r\nhello\r\n")).begins(hello()).waits(),
    ]
}

fn trailers() -> Vec<Row> {
    let whole = "5\r\nhello\r\n0\r\n\r\n";
    let trailed = |trailers: &[u8]| chunked([b"5\r\nhello\r\n0\r\n", trailers, b"\r\n"].concat());
    let dropped = |name, trailer: &[u8]| row(name, trailed(trailer)).serves(chunked(whole));
    let refused = |name, trailer: &[u8]| row(name, trailed(trailer)).begins(hello());
    vec![
        dropped("a length as a trailer", b"Content-Length: 500\r\n"),
        dropped("a coding as a trailer", b"Transfer-Encoding: gzip\r\n"),
        dropped("a host as a trailer", b"Host: b\r\n"),
        dropped("a close as a trailer", b"Connection: close\r\n"),
        dropped("an upgrade as a trailer", b"Upgrade: websocket\r\n"),
        dropped("a look-alike of a coding as a trailer", b"transfer_encoding: chunked\r\n"),
        dropped("an expectation as a trailer", b"Expect: 100-continue\r\n"),
        row("a trailer of its own", trailed(b"X-Sum: 1\r\n"))
            .serves(chunked("5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n")),
        row("a trailer that is announced", {
            post("Trailer: X-Sum\r\nTransfer-Encoding: chunked", "0\r\nX-Sum: 1\r\n\r\n")
        })
        .serves(chunked("0\r\nX-Sum: 1\r\n\r\n")),
        row("a trailer named like a method", trailed(b"GET: /smuggled\r\n"))
            .serves(chunked("5\r\nhello\r\n0\r\nGET: /smuggled\r\n\r\n")),
        refused("a request line as a trailer", b"GET /smuggled HTTP/1.1\r\n").aborted(M::FieldLine),
        refused("a tab before a trailer's colon", b"Content-Length\t: 5\r\n").aborted(M::FieldLine),
        refused("a trailer that is not ASCII", b"X-\xc3\xa4: y\r\n").aborted(M::FieldLine),
        refused("a trailer that ends in CR CR LF", b"X: y\r\r\n").aborted(M::BareCr),
        refused("a trailer that ends in LF CR", b"X: y\n\r").aborted(M::BareLf),
        refused("a trailer with DEL", b"X: y\x7f\r\n").aborted(M::Control),
    ]
}
