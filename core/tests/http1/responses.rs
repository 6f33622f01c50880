//! Responses: what a backend may say, what it may not, and where its body ends.

use crate::support::{Fetched, fetch, fields, get, octets, response, shown};
use bytes::{Bytes, BytesMut};
use telephone_core::http1::{Client, ClientEvent, Odd, ResponseError};
use telephone_core::limits::HttpLimits;
use telephone_core::message::{Headers, RequestHead, ResponseHead};

/// Fetches `input` whole and octet by octet.
fn fetched(request: &RequestHead, input: &[u8], has_eof: bool) -> Fetched {
    let whole = fetch(request, [input], has_eof);
    assert_eq!(fetch(request, octets(input), has_eof), whole, "{} octet by octet", shown(input));
    whole
}

fn ok(reason: &'static str, headers: Headers, length: Option<u64>) -> ResponseHead {
    ResponseHead { reason: Bytes::from_static(reason.as_bytes()), headers, length, ..response(200) }
}

#[test]
fn each_bad_response_is_an_error_for_its_clause() {
    let rows: [(&str, &[u8]); 33] = [
        ("H-26", b"HTTP/1.1 99 x\r\n\r\n"),
        ("H-26", b"HTTP/1.1 1000 x\r\n\r\n"),
        ("H-26", b"HTTP/1.1 000 x\r\n\r\n"),
        ("H-26", b"HTTP/1.1 2xx x\r\n\r\n"),
        ("H-26", b"HTTP/1.1 +20 x\r\n\r\n"),
        ("H-26", b"HTTP/1.1\r\n\r\n"),
        ("H-26", b"HTTP/1.1 \r\n\r\n"),
        ("H-26", b"HTTP/0.9 200 OK\r\n\r\n"),
        ("H-26", b"http/1.1 200 OK\r\n\r\n"),
        ("H-26", b"ICY 200 OK\r\n\r\n"),
        ("H-26", b"<html>\r\n\r\n"),
        ("H-26", b"HTTP/1.1\t200\tOK\r\n\r\n"),
        ("H-06", b"\r\nHTTP/1.1 200 OK\r\n\r\n"),
        ("H-06", b"HTTP/1.1 200 O\rK\r\n\r\n"),
        ("H-06", b"HTTP/1.1 200 O\0K\r\n\r\n"),
        ("H-06", b"HTTP/1.1 200 OK\r\nX: a\rb\r\n\r\n"),
        ("H-06", b"HTTP/1.1 200 OK\r\nX: a\0b\r\n\r\n"),
        ("H-06", b"HTTP/1.1 200 OK\r\n X: a\r\n\r\n"),
        ("H-06", b"HTTP/1.1 200 OK\r\nX\r\n\r\n"),
        ("H-02", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello"),
        ("H-02", b"HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhello"),
        ("H-02", b"HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n"),
        ("H-02", b"HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775808\r\n\r\n"),
        ("H-02", b"HTTP/1.1 304 No\r\nContent-Length: -1\r\n\r\n"),
        ("H-02", b"HTTP/1.1 100 Continue\r\nContent-Length: x\r\n\r\n"),
        ("H-03", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"),
        ("H-03", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\n"),
        ("H-04", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\n\r\n"),
        ("H-04", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloX\r\n0\r\n\r\n"),
        ("H-20", b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"),
        ("H-20", b"HTTP/1.1 101 Switching\r\n\r\n"),
        ("H-20", b"HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n"),
        ("B-06", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell"),
    ];
    for (clause, input) in rows {
        let fetched = fetched(&get("/"), input, true);
        let error = fetched.error.unwrap_or_else(|| panic!("{} came through", shown(input)));
        assert!(error.clause().contains(clause), "{}: {error:?} for {clause}", shown(input));
        assert!(!fetched.is_reusable, "{}", shown(input));
        let is_ended = fetched
            .events
            .iter()
            .any(|event| matches!(event, ClientEvent::End(_) | ClientEvent::Head { end: true, .. }));
        assert!(!is_ended, "{} looks complete", shown(input));
    }
}

#[test]
fn oversized_heads_are_errors() {
    let fields = "X: y\r\n".repeat(21);
    let line = format!("X: {}\r\n", "x".repeat(4096));
    let long = format!("X: {}\r\n", "x".repeat(1000)).repeat(5);
    for lines in [&fields, &line, &long] {
        let error = fetched(&get("/"), format!("HTTP/1.1 200 OK\r\n{lines}\r\n").as_bytes(), false).error;
        assert!(error.expect("an error").clause().contains("H-24"), "{}", shown(lines.as_bytes()));
    }
}

#[test]
fn a_response_by_length_is_whole_at_its_last_octet_and_the_connection_is_reusable() {
    let fetched = fetched(&get("/"), b"HTTP/1.1 200 Fine\r\nContent-Length: 2\r\nX: \xff\r\n\r\nhi", false);
    let mut headers = Headers::new();
    headers.push(&b"X"[..], &b"\xff"[..]);
    let expected = [
        ClientEvent::Head { head: ok("Fine", headers, Some(2)), end: false },
        ClientEvent::Body(Bytes::from_static(b"hi")),
        ClientEvent::End(Headers::new()),
    ];
    assert_eq!(fetched.events, expected);
    assert_eq!(fetched.error, None);
    assert!(fetched.is_reusable);
}

#[test]
fn a_chunked_response_ends_with_its_trailers() {
    let input = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n2;x\r\nhi\r\n0\r\nX: 1\r\nSet-Cookie: no\r\n\r\n";
    let fetched = fetched(&get("/"), input, false);
    let expected = [
        ClientEvent::Head { head: ok("OK", Headers::new(), None), end: false },
        ClientEvent::Body(Bytes::from_static(b"hi")),
        ClientEvent::End(fields(&[("X", "1")])),
    ];
    assert_eq!(fetched.events, expected);
    assert!(fetched.is_reusable);
}

#[test]
fn each_chunk_of_an_answer_may_be_padded() {
    let chunks = "1 \r\nx\r\n".repeat(5_000);
    let answer =
        |chunks: &str| format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}0\r\n\r\n");
    let fetched = fetch(&get("/"), [answer(&chunks).as_bytes()], false);
    assert_eq!(fetched.events.last(), Some(&ClientEvent::End(Headers::new())));
    // The bound is that of one line.
    let padded = format!("1{}\r\nx\r\n", " ".repeat(5_000));
    let fetched = fetch(&get("/"), [answer(&padded).as_bytes()], false);
    assert!(!matches!(fetched.events.last(), Some(ClientEvent::End(_))));
}

#[test]
fn octets_behind_a_whole_response_make_the_connection_useless() {
    // B-06, B-13: surplus, or a response that nobody asked for.
    for surplus in [&b"!"[..], b"\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"] {
        let input = [b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", surplus].concat();
        let fetched = fetched(&get("/"), &input, false);
        assert_eq!(fetched.events.len(), 3, "{}", shown(surplus));
        assert_eq!(fetched.error, Some(ResponseError::Unasked), "{}", shown(surplus));
        assert!(!fetched.is_reusable, "{}", shown(surplus));
    }
}

#[test]
fn responses_that_have_no_body_end_with_their_head() {
    let head = RequestHead { method: Bytes::from_static(b"HEAD"), ..get("/") };
    type Row<'a> = (&'a RequestHead, &'a [u8], u16, Option<u64>, bool);
    let rows: [Row<'_>; 9] = [
        (&head, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", 200, Some(5), true),
        (&head, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", 200, None, true),
        (&head, b"HTTP/1.1 200 OK\r\n\r\n", 200, None, true),
        (&get("/"), b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", 304, Some(5), true),
        (&get("/"), b"HTTP/1.1 204 No Content\r\n\r\n", 204, None, true),
        (&get("/"), b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", 204, None, true),
        // H-22: one that declares what is forbidden is read right, and not believed again.
        (&get("/"), b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", 204, None, false),
        (&get("/"), b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n", 204, None, false),
        (&get("/"), b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200, Some(0), true),
    ];
    for (request, input, status, length, is_reusable) in rows {
        let fetched = fetched(request, input, false);
        let [ClientEvent::Head { head, end: true }] = fetched.events.as_slice() else {
            panic!("{}: {:?}", shown(input), fetched.events)
        };
        assert_eq!((head.status, head.length), (status, length), "{}", shown(input));
        assert_eq!(fetched.is_reusable, is_reusable, "{}", shown(input));
    }
}

#[test]
fn a_body_where_none_may_be_is_never_told() {
    // I22
    let head = RequestHead { method: Bytes::from_static(b"HEAD"), ..get("/") };
    let inputs: [(&RequestHead, &[u8]); 3] = [
        (&head, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
        (&get("/"), b"HTTP/1.1 304 No\r\nContent-Length: 5\r\n\r\nhello"),
        (&get("/"), b"HTTP/1.1 204 No\r\nContent-Length: 5\r\n\r\nhello"),
    ];
    for (request, input) in inputs {
        let fetched = fetched(request, input, false);
        assert_eq!(fetched.events.len(), 1, "{:?}", fetched.events);
        assert!(!fetched.is_reusable, "{}", shown(input));
    }
}

#[test]
fn a_body_without_length_ends_with_the_connection_alone() {
    for input in [&b"HTTP/1.0 200 OK\r\n\r\nhello"[..], b"HTTP/1.1 200 OK\r\n\r\nhello"] {
        let open = fetched(&get("/"), input, false);
        assert!(!open.events.iter().any(|event| matches!(event, ClientEvent::End(_))));
        assert!(!open.is_reusable);
        let closed = fetched(&get("/"), input, true);
        assert_eq!(closed.events.get(1), Some(&ClientEvent::Body(Bytes::from_static(b"hello"))));
        assert_eq!(closed.events.get(2), Some(&ClientEvent::End(Headers::new())));
        assert_eq!(closed.error, None);
    }
}

#[test]
fn a_truncated_body_never_looks_complete() {
    let wholes: [&[u8]; 2] = [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: y\r\n\r\n",
    ];
    for whole in wholes {
        for cut in 1..whole.len() {
            let part = &whole[..cut];
            let fetched = fetched(&get("/"), part, true);
            assert_eq!(fetched.error, Some(ResponseError::Truncated), "{}", shown(part));
            assert!(
                !fetched.events.iter().any(|event| matches!(event, ClientEvent::End(_))),
                "{}",
                shown(part)
            );
        }
        assert_eq!(fetched(&get("/"), whole, true).error, None);
    }
}

#[test]
fn a_connection_that_closes_before_any_octet_gave_no_response() {
    assert_eq!(fetched(&get("/"), b"", true).error, Some(ResponseError::NoResponse));
    let interim = fetched(&get("/"), b"HTTP/1.1 100 Continue\r\n\r\n", true);
    assert_eq!(interim.error, Some(ResponseError::Truncated), "something of a response had come");
}

#[test]
fn interim_responses_come_first_and_only_so_many() {
    let early = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
    let input = format!("{}HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", early.repeat(5));
    let fetched = fetched(&get("/"), input.as_bytes(), false);
    assert_eq!(fetched.events.len(), 4, "H-20: three of five, and the final one");
    let ClientEvent::Interim(head) = &fetched.events[0] else { panic!("{:?}", fetched.events) };
    assert_eq!((head.status, &head.reason[..]), (103, &b"Early Hints"[..]));
    assert_eq!(head.headers, fields(&[("Link", "</a>")]));
    assert!(matches!(fetched.events[3], ClientEvent::Head { end: true, .. }));
    assert!(fetched.is_reusable);
}

#[test]
fn ten_thousand_interim_responses_need_no_stack() {
    let input = "HTTP/1.1 103 E\r\n\r\n".repeat(10_000) + "HTTP/1.1 204 N\r\n\r\n";
    assert_eq!(fetch(&get("/"), [input.as_bytes()], false).events.len(), 4);
}

#[test]
fn a_connection_is_kept_only_if_the_backend_keeps_it() {
    let rows: [(&[u8], bool); 5] = [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", false),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: x, CLOSE\r\n\r\n", false),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", false),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n", true),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nKeep-Alive: timeout=5\r\n\r\n", true),
    ];
    for (input, is_reusable) in rows {
        assert_eq!(fetched(&get("/"), input, false).is_reusable, is_reusable, "{}", shown(input));
    }
}

#[test]
fn a_reason_phrase_passes_octet_by_octet() {
    for reason in [&b" OK"[..], b"O\tK ", b"f\xfcr \xe4lle", b"\xc3\xa4", b"404 HTTP/1.1"] {
        let input = [b"HTTP/1.1 200 ", reason, b"\r\nContent-Length: 0\r\n\r\n"].concat();
        let fetched = fetched(&get("/"), &input, false);
        let [ClientEvent::Head { head, .. }] = fetched.events.as_slice() else {
            panic!("{:?}", fetched.events)
        };
        assert_eq!(head.reason, reason);
    }
}

#[test]
fn a_status_line_may_lack_its_reason() {
    for line in ["HTTP/1.1 200", "HTTP/1.1 200 "] {
        let fetched = fetched(&get("/"), format!("{line}\r\nContent-Length: 0\r\n\r\n").as_bytes(), false);
        assert_eq!(fetched.events, [ClientEvent::Head { head: ok("", Headers::new(), Some(0)), end: true }]);
    }
}

#[test]
fn a_refused_answer_tells_the_field_and_the_value_that_broke_the_rule() {
    let long = format!("HTTP/1.1 200 OK\r\nServer: a\r\nX-Long: {}\r\n\r\n", "y".repeat(60_000));
    let shown = "y".repeat(80);
    for (input, field, value) in [
        ("SSH-2.0-x\r\n", "", "SSH-2.0-x"),
        ("HTTP/1.1 99 Low\r\nServer: a\r\n\r\n", "", "HTTP/1.1 99 Low"),
        ("HTTP/1.1 200 OK\r\nServer: a\r\nX: a\0b\r\n\r\n", "X", "a\0b"),
        ("HTTP/1.1 200 OK\r\nServer: a\r\nX: a\rb\r\n\r\n", "X", "a\rb"),
        ("HTTP/1.1 200 OK\r\nX: a\r\nContent-Length: +5\r\nY: b\r\n\r\n", "Content-Length", "+5"),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: a\r\ncontent-length: 6\r\n\r\n",
            "content-length",
            "5, 6",
        ),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", "Transfer-Encoding", "gzip, chunked"),
        ("HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n", "Upgrade", "x"),
        ("HTTP/1.1 103 Early\r\nX: a\r\n\r\nHTTP/1.1 200 OK\r\nY: a\0\r\n\r\n", "Y", "a\0"),
        (&long, "X-Long", &shown),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n+1\r\n", "", "+1"),
    ] {
        let mut client = Client::new(HttpLimits::default());
        client.request(&get("/"), true).expect("a plain request");
        let mut input = BytesMut::from(input);
        while client.poll_event(&mut input).is_ok_and(|event| event.is_some()) {}
        let offence = client.offence().unwrap_or_else(|| panic!("{input:?} passed"));
        assert_eq!((&offence.field[..], &offence.value[..]), (field.as_bytes(), value.as_bytes()));
    }
}

#[test]
fn what_is_no_http_is_refused_at_the_byte_that_shows_it() {
    for input in ["S", "HTTX", "220 mail.example ESMTP", "http/1.1 200 OK"] {
        let mut client = Client::new(HttpLimits::default());
        client.request(&get("/"), true).expect("a plain request");
        assert_eq!(client.poll_event(&mut BytesMut::from(input)), Err(ResponseError::StatusLine), "{input}");
    }
}

#[test]
fn an_answer_that_passed_tells_what_was_odd_about_it_first() {
    const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let chunks = |rest: &str| format!("{CHUNKED}{rest}");
    for (input, rule, field, value) in [
        ("HTTP/1.1 200 OK\nContent-Length: 0\n\n".into(), Odd::BareLf, "", "HTTP/1.1 200 OK"),
        ("HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n".into(), Odd::Fold, "X", "b"),
        (
            "HTTP/1.1 200 OK\r\nX : a\r\nY: \x01\r\nContent-Length: 0\r\n\r\n".into(),
            Odd::SpaceBeforeColon,
            "X",
            "a",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 0, 0\r\n\r\n".into(),
            Odd::LengthRepeated,
            "Content-Length",
            "0, 0",
        ),
        (chunks("5 \r\nhello\r\n0\r\n\r\n"), Odd::ChunkFrame, "", "5 "),
        (chunks("5\r\nhello\r\n0;=\r\n\r\n"), Odd::ChunkFrame, "", "0;="),
        (chunks("0\r\nX: y\n\r\n"), Odd::BareLf, "X", "y"),
        (chunks("0\r\nX: y\r\n z\r\n\r\n"), Odd::Fold, "X", "z"),
        (chunks("0\r\nX : y\r\n\r\n"), Odd::SpaceBeforeColon, "X", "y"),
    ] {
        let mut client = Client::new(HttpLimits::default());
        client.request(&get("/"), true).expect("a plain request");
        let mut bytes = BytesMut::from(input.as_bytes());
        while client.poll_event(&mut bytes).expect("it passes").is_some() {}
        let odd = client.oddity().unwrap_or_else(|| panic!("nothing odd: {input:?}"));
        let seen = (odd.rule, &odd.field[..], &odd.value[..]);
        assert_eq!(seen, (rule, field.as_bytes(), value.as_bytes()), "{input:?}");
        assert!(!client.is_reusable(&bytes), "{input:?}");
    }
}
