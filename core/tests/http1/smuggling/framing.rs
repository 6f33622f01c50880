//! `Content-Length` and `Transfer-Encoding`: both, twice, hidden, misspelt, or in a version that has no such thing.

use telephone_core::http1::Malformed as M;

use super::row::{Row, SMUGGLED, chunked, get, message, post, row, sized, then};

pub(super) fn rows() -> Vec<Row> {
    [both(), hidden(), spellings(), lengths(), versions(), bodies()].into_iter().flatten().collect()
}

/// CL.TE, TE.CL and TE.TE, each with the request that it would smuggle.
fn both() -> Vec<Row> {
    let cl_te = then("0\r\n\r\n", SMUGGLED);
    let te_cl = [b"23\r\n", SMUGGLED, b"\r\n0\r\n\r\n"].concat();
    let lengths = format!("Content-Length: {}\r\nTransfer-Encoding: chunked", cl_te.len());
    vec![
        row("CL.TE: a request behind the last chunk", post(lengths, cl_te)).refused(M::LengthAndCoding),
        row("TE.CL: a request in the first chunk", {
            post("Transfer-Encoding: chunked\r\nContent-Length: 4", te_cl)
        })
        .refused(M::LengthAndCoding),
        row("a coding that is none beside a length", {
            post("Transfer-Encoding: cow\r\nContent-Length: 5", then("hello", SMUGGLED))
        })
        .refused(M::LengthAndCoding),
        row("an empty coding beside a length", post("Transfer-Encoding:\r\nContent-Length: 5", "hello"))
            .refused(M::LengthAndCoding),
        row("an empty length beside a coding", {
            post("Content-Length:\r\nTransfer-Encoding: chunked", "0\r\n\r\n")
        })
        .refused(M::LengthAndCoding),
        row("TE.TE: a second coding that one of them overlooks", {
            post("Transfer-Encoding: chunked\r\nTransfer-encoding: cow", "0\r\n\r\n")
        })
        .refused(M::CodingRepeated),
        row("TE.TE: a first coding that one of them overlooks", {
            post("Transfer-Encoding: cow\r\nTransfer-Encoding: chunked", "0\r\n\r\n")
        })
        .refused(M::CodingRepeated),
        row("two codings far apart", {
            post("Transfer-Encoding: chunked\r\nX: y\r\nZ: y\r\ntransfer-encoding: chunked", "0\r\n\r\n")
        })
        .refused(M::CodingRepeated),
        row("three lengths of which two agree", {
            post("Content-Length: 5\r\nContent-Length: 0\r\nContent-Length: 5", "hello")
        })
        .refused(M::LengthRepeated),
        row("a length and its look-alike", post("Content-Length: 5\r\nContent_Length: 0", "hello"))
            .refused(M::FramingAlias),
        row("a coding and the look-alike of a length", {
            post("CONTENT_LENGTH: 5\r\nTransfer-Encoding: chunked", "0\r\n\r\n")
        })
        .refused(M::FramingAlias),
        row("a length and the look-alike of a coding", {
            post("Content-Length: 5\r\ntransfer_encoding: chunked", "hello")
        })
        .refused(M::FramingAlias),
        row("both in HTTP/1.0", {
            "POST / HTTP/1.0\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
        })
        .refused(M::LengthAndCoding),
    ]
}

/// A framing field that only one of the parsers finds.
fn hidden() -> Vec<Row> {
    let hide = |lines: &[u8]| post(lines, then("0\r\n\r\n", SMUGGLED));
    vec![
        row("a coding behind a bare LF", hide(b"X: y\nTransfer-Encoding: chunked")).refused(M::BareLf),
        row("a coding behind a bare CR", hide(b"X: y\rTransfer-Encoding: chunked")).refused(M::BareCr),
        row("a coding behind CR CR LF", hide(b"X: y\r\r\nTransfer-Encoding: chunked")).refused(M::BareCr),
        row("a coding behind LF CR", hide(b"X: y\n\rTransfer-Encoding: chunked")).refused(M::BareLf),
        row("a coding behind NUL", hide(b"X: y\0Transfer-Encoding: chunked")).refused(M::Control),
        row("a coding that continues another field", hide(b"X: y\r\n Transfer-Encoding: chunked"))
            .refused(M::LeadingSpace),
        row("a coding that continues a length", hide(b"Content-Length: 5\r\n\tTransfer-Encoding: chunked"))
            .refused(M::LeadingSpace),
        row("a coding whose value is on the next line", hide(b"Transfer-Encoding:\r\n chunked"))
            .refused(M::LeadingSpace),
        row("a coding that continues on the next line", hide(b"Transfer-Encoding: chunked\r\n , identity"))
            .refused(M::LeadingSpace),
        row("a length with a digit on the next line", post("Content-Length: 5\r\n 0", "hello"))
            .refused(M::LeadingSpace),
        row("a length behind a line of white space", post("X: y\r\n \t \r\nContent-Length: 5", "hello"))
            .refused(M::LeadingSpace),
        row("a coding before the host", "POST / HTTP/1.1\r\n Transfer-Encoding: chunked\r\nHost: a\r\n\r\n")
            .refused(M::LeadingSpace),
        row("a tab before the colon", hide(b"Transfer-Encoding\t: chunked")).refused(M::FieldLine),
        row("a space in the name", hide(b"Transfer Encoding: chunked")).refused(M::FieldLine),
        row("a semicolon behind the name", hide(b"Transfer-Encoding;: chunked")).refused(M::FieldLine),
        row("no colon behind the name", hide(b"Transfer-Encoding chunked")).refused(M::FieldLine),
        row("an equals sign for the colon", hide(b"Content-Length=5")).refused(M::FieldLine),
        row("a byte order mark before the name", hide(b"\xef\xbb\xbfTransfer-Encoding: chunked"))
            .refused(M::FieldLine),
        row("a soft hyphen in the name", hide(b"Transfer\xc2\xadEncoding: chunked")).refused(M::FieldLine),
        row("quotes around the name", hide(b"\"Transfer-Encoding\": chunked")).refused(M::FieldLine),
        row("a backspace in the name", hide(b"X\x08Transfer-Encoding: chunked")).refused(M::Control),
        row("a vertical tab before the name", hide(b"\x0bTransfer-Encoding: chunked")).refused(M::Control),
        row("a folded name", hide(b"Transfer-\r\n Encoding: chunked")).refused(M::LeadingSpace),
        row("half a name", hide(b"Transfer-\r\nEncoding: chunked")).refused(M::FieldLine),
    ]
}

/// Codings that one parser takes for `chunked`.
fn spellings() -> Vec<Row> {
    let coded = |value: &[u8]| post(then("Transfer-Encoding:", value), "0\r\n\r\n");
    vec![
        row("a control in the coding", coded(b" chu\0nked")).refused(M::Control),
        row("a letter that is not ASCII", coded(b" chunk\xc3\xa9d")).refused(M::Coding),
        row("the letter k of another alphabet", coded(b" chun\xe2\x84\xaaed")).refused(M::Coding),
        row("a byte order mark before the coding", coded(b" \xef\xbb\xbfchunked")).refused(M::Coding),
        row("a no-break space before the coding", coded(b" \xc2\xa0chunked")).refused(M::Coding),
        row("a next-line byte behind the coding", coded(b" chunked\x85")).refused(M::Coding),
        row("a space and a tab before the coding", coded(b" \tchunked")).serves(chunked("0\r\n\r\n")),
        row("white space behind the coding", coded(b"chunked \t")).serves(chunked("0\r\n\r\n")),
        row("a comma and a space behind the coding", coded(b" chunked, ")).refused(M::Coding),
        row("a semicolon alone behind the coding", coded(b" chunked;")).refused(M::Coding),
        row("a comment behind the coding", coded(b" chunked (really)")).refused(M::Coding),
        row("the coding in brackets", coded(b" <chunked>")).refused(M::Coding),
        row("the coding with an escape", coded(b" chunke%64")).refused(M::Coding),
        row("a colon before the coding", coded(b": chunked")).refused(M::Coding),
        row("a coding before chunked that is no token", coded(b" g\"zip, chunked")).refused(M::Coding),
        row("chunked before and behind another coding", coded(b" chunked, gzip, chunked")).refused(M::Coding),
        row("trailers as a coding", coded(b" trailers")).refused(M::Coding),
        row("a coding before chunked", coded(b" x-custom , chunked")).refused(M::CodingUnknown),
        row("capital letters", coded(b" ChUnKeD")).serves(chunked("0\r\n\r\n")),
        row("no space behind the colon", coded(b"chunked")).serves(chunked("0\r\n\r\n")),
    ]
}

/// Lengths that two parsers count in two ways.
fn lengths() -> Vec<Row> {
    let long = |value: &[u8]| post(then("Content-Length:", value), then("hello", SMUGGLED));
    let length = |value: &str| post(format!("Content-Length:{value}"), "hello");
    vec![
        row("a comment behind the length", long(b" 5#")).refused(M::Length),
        row("a unit behind the length", long(b" 5b")).refused(M::Length),
        row("octal by its prefix", long(b" 0o5")).refused(M::Length),
        row("NUL behind the length", long(b" 5\0")).refused(M::Control),
        row("a length that is 5 in 64 bits", long(b" 18446744073709551621")).refused(M::Length),
        row("a length of 2^63", long(b" 9223372036854775808")).refused(M::Length),
        row("superscript digits", long(b" \xc2\xb2")).refused(M::Length),
        row("a no-break space before the length", long(b" \xc2\xa05")).refused(M::Length),
        row("a list whose second length is empty", long(b" 5,")).refused(M::Length),
        row("a list of the same length with a tab", long(b" 5,\t5")).refused(M::Length),
        row("a length in braces", long(b" {5}")).refused(M::Length),
        row("an apostrophe between the digits", long(b" 1'0")).refused(M::Length),
        row("a length that is 5 in 32 bits", post("Content-Length: 4294967301", "hello"))
            .refused(telephone_core::http1::RequestError::BodyTooLong),
        row("a leading zero", length(" 05")).serves(sized("hello")),
        row("nineteen digits", length(" 0000000000000000005")).serves(sized("hello")),
        row("no space before the length", length("5")).serves(sized("hello")),
        row("white space around the length", length(" \t 5 \t")).serves(sized("hello")),
        row("white space inside of the length", length(" 5\t5")).refused(M::Length),
        row("a name that only ends like a length's", get("X-Content-Length: 5"))
            .serves(get("X-Content-Length: 5")),
        row("a name that only begins like a coding's", get("Transfer-Encoding-X: chunked"))
            .serves(get("Transfer-Encoding-X: chunked")),
        row("a dot for the hyphen", get("Transfer.Encoding: chunked"))
            .serves(get("Transfer.Encoding: chunked")),
        row("a length as TE", get("TE: chunked;q=1, gzip")).serves(get("")),
    ]
}

/// What HTTP/1.0 makes of a body, and what it makes of the request behind.
fn versions() -> Vec<Row> {
    let old = |lines: &str, rest: &[u8]| then(format!("POST / HTTP/1.0\r\nHost: a\r\n{lines}\r\n"), rest);
    vec![
        row("HTTP/1.0: a body by length, and a request behind it", {
            old("Content-Length: 5\r\n", &then("hello", SMUGGLED))
        })
        .serves(sized("hello"))
        .closes(),
        row("HTTP/1.0: no length is no body", old("", b"hello")).serves(sized("")).closes(),
        row("HTTP/1.0: a length that keeps the connection", {
            old("Connection: keep-alive\r\nContent-Length: 5\r\n", b"hello")
        })
        .serves(sized("hello")),
        row("HTTP/1.0: keep-alive and close", {
            old("Connection: keep-alive, close\r\nContent-Length: 5\r\n", &then("hello", SMUGGLED))
        })
        .serves(sized("hello"))
        .closes(),
        row("HTTP/1.0: Keep-Alive without Connection", old("Keep-Alive: 300\r\n", SMUGGLED))
            .serves(sized(""))
            .closes(),
        row("HTTP/1.0: Proxy-Connection keeps nothing", old("Proxy-Connection: keep-alive\r\n", SMUGGLED))
            .serves(sized(""))
            .closes(),
        row("HTTP/1.0: an expectation is nobody's", {
            old("Expect: 100-continue\r\nContent-Length: 5\r\n", &then("hello", SMUGGLED))
        })
        .serves(sized("hello"))
        .closes(),
        row("HTTP/1.0: chunks on a connection that is kept", {
            old("Connection: keep-alive\r\nTransfer-Encoding: chunked\r\n", &then("0\r\n\r\n", SMUGGLED))
        })
        .refused(M::CodingInHttp10),
        row("HTTP/1.0: two lengths", old("Content-Length: 5\r\nContent-Length: 5\r\n", b"hello"))
            .refused(M::LengthRepeated),
        row("HTTP/1.0: a body that is too short", old("Content-Length: 50\r\n", b"hello"))
            .begins(post("Content-Length: 50", "hello"))
            .waits(),
        row("HTTP/1.0: without a host", then("GET / HTTP/1.0\r\n\r\n", SMUGGLED))
            .serves("GET / HTTP/1.1\r\nHost: \r\n\r\n")
            .closes(),
    ]
}

/// Bodies where one parser expects none, none where it expects one, and bodies that hold requests.
fn bodies() -> Vec<Row> {
    let with_length = |start: &str| message(start, "Content-Length: 5", "hello");
    let with_chunks = |start: &str| message(start, "Transfer-Encoding: chunked", "5\r\nhello\r\n0\r\n\r\n");
    let mut rows = Vec::new();
    for (length_name, chunks_name, start) in [
        ("GET with a length", "GET with chunks", "GET /"),
        ("HEAD with a length", "HEAD with chunks", "HEAD /"),
        ("DELETE with a length", "DELETE with chunks", "DELETE /"),
        ("OPTIONS * with a length", "OPTIONS * with chunks", "OPTIONS *"),
        ("an unknown method with a length", "an unknown method with chunks", "BREW /"),
    ] {
        rows.push(row(length_name, with_length(start)).serves(with_length(start)));
        rows.push(row(chunks_name, with_chunks(start)).serves(with_chunks(start)));
    }
    let whole = SMUGGLED.len();
    rows.extend([
        row("a request as a body", sized(SMUGGLED)).serves(sized(SMUGGLED)),
        row("a request as a chunk", chunked([b"23\r\n", SMUGGLED, b"\r\n0\r\n\r\n"].concat()))
            .serves(chunked([b"23\r\n", SMUGGLED, b"\r\n0\r\n\r\n"].concat())),
        row("CL.0: a request where a body was promised", {
            post(format!("Content-Length: {}", whole + 5), SMUGGLED)
        })
        .begins(post(format!("Content-Length: {}", whole + 5), SMUGGLED))
        .waits(),
        row("0.CL: a length of nothing", post("Content-Length: 0", "")).serves(sized("")),
        row("no length where POST has one", post("", "")).serves(sized("")),
        row("no length where PUT has one", message("PUT /", "", "")).serves(message(
            "PUT /",
            "Content-Length: 0",
            "",
        )),
        row("a length one too small", post("Content-Length: 4", "hello\r\n\r\n"))
            .serves(post("Content-Length: 4", "hell"))
            .refused(telephone_core::http1::RequestError::RequestLine),
        row("a length one too large", post("Content-Length: 6", "hello"))
            .begins(post("Content-Length: 6", "hello"))
            .waits(),
        row("a body without a declaration", get("").into_iter().chain(*b"x=1\r\n\r\n").collect::<Vec<_>>())
            .serves(get(""))
            .refused(telephone_core::http1::RequestError::RequestLine),
    ]);
    rows
}
