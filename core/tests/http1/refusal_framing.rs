//! Requests whose framing must be refused.

use crate::refusal_rows::{Row, row, with};

pub(crate) fn lengths_and_codings() -> Vec<Row> {
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
    let lengths: [&[u8]; 29] = [
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
        b" a",
        b" \xb2",
        b" \xd9\xa1",
        b" 0b1",
        b" 1\x80",
        b" 9223372036854775808",
        b" 9999999999999999999",
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

pub(crate) fn codings() -> Vec<Row> {
    let bad: [&[u8]; 18] = [
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

/// A chunked request whose body starts with `frame`.
fn chunked_body(frame: &[u8]) -> Vec<u8> {
    [with("POST", b"Transfer-Encoding: chunked").as_slice(), frame, b"\r\n0\r\n\r\n"].concat()
}

pub(crate) fn chunks() -> Vec<Row> {
    let frames: [&[u8]; 34] = [
        b"5\rXhello\r\n",
        b"5\r\nhello\rX1\r\nx",
        b"5\r\nhelloX\n1\r\nx",
        b"5\r\nhello\r\nX1\r\nx",
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
    frames.iter().map(|frame| row("H-04", chunked_body(frame), 400)).collect()
}

pub(crate) fn chunk_extensions() -> Vec<Row> {
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
    let mut rows: Vec<Row> = extensions
        .iter()
        .map(|frame| {
            // White space right behind the digits is a matter of the size.
            let clause = if frame.starts_with(b"5 ") { "H-04" } else { "H-05" };
            row(clause, chunked_body(frame), 400)
        })
        .collect();
    rows.push(row("H-05", chunked_body(format!("5;a={}\r\nhello", "x".repeat(100)).as_bytes()), 400));
    let many = "1;a=1234567890\r\nx\r\n".repeat(8);
    rows.push(row("H-05", chunked_body(many.trim_end().as_bytes()), 400));
    rows
}

pub(crate) fn trailers() -> Vec<Row> {
    let mut rows = Vec::new();
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
