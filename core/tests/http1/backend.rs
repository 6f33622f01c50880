//! How requests are written to a backend, and when its connection is used again.

use crate::support::{fields, get, limits, taken};
use bytes::{Bytes, BytesMut};
use telephone_core::http1::{Client, ClientEvent, Closing, ResponseError, Unsendable};
use telephone_core::message::{Headers, RequestHead};

fn written(client: &mut Client) -> String {
    String::from_utf8(taken(client.output())).expect("text")
}

fn method(method: &'static str, length: Option<u64>) -> RequestHead {
    RequestHead { method: Bytes::from_static(method.as_bytes()), length, ..get("/x?y") }
}

#[test]
fn a_request_is_framed_by_what_is_known_of_it() {
    let upgrade = RequestHead { upgrade: Some(Bytes::from_static(b"websocket")), ..get("/x?y") };
    let trailers = RequestHead { wants_trailers: true, ..get("/x?y") };
    let both = RequestHead { wants_trailers: true, ..upgrade.clone() };
    let rows: [(&RequestHead, &[u8], &str); 9] = [
        (&method("GET", None), b"", "GET /x?y HTTP/1.1\r\nHost: a\r\n\r\n"),
        (&method("POST", None), b"", "POST /x?y HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"),
        (&method("DELETE", Some(0)), b"", "DELETE /x?y HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"),
        (&method("DELETE", None), b"", "DELETE /x?y HTTP/1.1\r\nHost: a\r\n\r\n"),
        (&method("POST", Some(2)), b"hi", "POST /x?y HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi"),
        (
            &method("POST", None),
            b"hi",
            "POST /x?y HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX: 1\r\n\r\n",
        ),
        (&upgrade, b"", "GET /x?y HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n"),
        (&trailers, b"", "GET /x?y HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nConnection: TE\r\n\r\n"),
        (
            &both,
            b"",
            "GET /x?y HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nTE: trailers\r\nConnection: upgrade, TE\r\n\r\n",
        ),
    ];
    for (head, body, expected) in rows {
        let mut client = Client::new(limits());
        client.request(head, body.is_empty()).expect("sendable");
        client.write(Bytes::from_static(body));
        client.end(&fields(&[("X", "1"), ("Content-Length", "9"), ("Y\r\n", "2"), ("Z", "a\nb")]));
        assert_eq!(written(&mut client), expected);
        assert_eq!(client.closing(), Closing::Open);
    }
}

#[test]
fn a_head_that_would_not_be_one_request_is_not_sent() {
    let target =
        |target: &'static str| RequestHead { target: Bytes::from_static(target.as_bytes()), ..get("/") };
    let bad = [
        method("", None),
        method("G T", None),
        method("GET\r\n", None),
        RequestHead { method: Bytes::from(vec![b'M'; 33]), ..get("/") },
        target(""),
        target("x"),
        target("/a b"),
        target("/\r\n"),
        target("/\u{7f}"),
        target("/\t"),
        target("http://a/"),
        RequestHead { headers: fields(&[("X", "a\r\nY: b")]), ..get("/") },
        RequestHead { headers: fields(&[("X\n", "a")]), ..get("/") },
        RequestHead { upgrade: Some(Bytes::from_static(b"a\r\nb")), ..get("/") },
        RequestHead { upgrade: Some(Bytes::from_static(b"h2c")), ..get("/") },
        RequestHead { upgrade: Some(Bytes::from_static(b"x, h2c")), ..get("/") },
        RequestHead { upgrade: Some(Bytes::from_static(b" , ")), ..get("/") },
        RequestHead { length: Some(5), ..get("/") },
    ];
    for head in bad {
        let mut client = Client::new(limits());
        assert!(client.request(&head, true).is_err(), "{head:?}");
        assert!(client.output().is_empty(), "{head:?}");
    }
}

#[test]
fn an_upload_that_dies_or_lies_never_looks_complete() {
    // B-09
    let finish: [fn(&mut Client); 3] = [
        Client::abort,
        |client| client.end(&Headers::new()),
        |client| {
            client.write(Bytes::from_static(b"too much"));
            client.end(&Headers::new());
        },
    ];
    for finish in finish {
        let mut client = Client::new(limits());
        client.request(&method("POST", Some(3)), false).expect("sendable");
        client.write(Bytes::from_static(b"hi"));
        finish(&mut client);
        assert_eq!(client.closing(), Closing::Reset);
        assert!(written(&mut client).ends_with("\r\n\r\nhi"));
        assert!(!client.is_reusable(&BytesMut::new()));
    }
    let mut chunked = Client::new(limits());
    chunked.request(&method("POST", None), false).expect("sendable");
    chunked.write(Bytes::from_static(b"hi"));
    chunked.abort();
    chunked.end(&Headers::new());
    assert!(written(&mut chunked).ends_with("2\r\nhi\r\n"), "no last chunk");
}

#[test]
fn a_connection_is_used_again_only_when_both_messages_are_whole() {
    // I23
    let mut client = Client::new(limits());
    client.request(&method("POST", Some(2)), false).expect("sendable");
    let mut input = BytesMut::from(&b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"[..]);
    assert!(matches!(client.poll_event(&mut input), Ok(Some(ClientEvent::Head { end: true, .. }))));
    assert!(!client.is_reusable(&input), "the upload is not over");
    assert_eq!(client.request(&get("/"), true), Err(Unsendable::Busy));
    client.write(Bytes::from_static(b"hi"));
    client.end(&Headers::new());
    assert!(!client.is_reusable(&input), "the upload is not written");
    written(&mut client);
    assert!(client.is_reusable(&input));
    assert!(!client.is_reusable(&BytesMut::from("x")), "surplus");
    client.request(&get("/2"), true).expect("sendable");
    assert_eq!(written(&mut client), "GET /2 HTTP/1.1\r\nHost: a\r\n\r\n");
}

#[test]
fn an_early_answer_of_a_backend_that_closes_ends_the_upload() {
    // B-11
    let mut client = Client::new(limits());
    client.request(&method("POST", None), false).expect("sendable");
    let mut input = BytesMut::from(&b"HTTP/1.1 413 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"[..]);
    assert!(matches!(client.poll_event(&mut input), Ok(Some(ClientEvent::Head { end: true, .. }))));
    assert_eq!(client.closing(), Closing::Finished);
    assert!(!client.is_reusable(&input));
}

#[test]
fn a_switch_makes_both_directions_opaque_each_with_its_own_end() {
    let mut client = Client::new(limits());
    let head = RequestHead { upgrade: Some(Bytes::from_static(b"websocket")), ..get("/") };
    client.request(&head, false).expect("sendable");
    client.write(Bytes::from_static(b"too early"));
    assert!(!written(&mut client).contains("early"), "I21");
    assert!(!client.is_opaque());
    let answer = b"HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Accept: x\r\n\r\n\0raw";
    let mut input = BytesMut::from(&answer[..]);
    let Ok(Some(ClientEvent::Head { head, end: false })) = client.poll_event(&mut input) else {
        panic!("no head")
    };
    assert_eq!(head.upgrade.as_deref(), Some(&b"WebSocket"[..]));
    assert_eq!(head.headers, fields(&[("Sec-WebSocket-Accept", "x")]));
    assert!(client.is_opaque());
    assert_eq!(client.poll_event(&mut input), Ok(Some(ClientEvent::Opaque(Bytes::from_static(b"\0raw")))));
    assert_eq!(client.handle_eof(&mut input), Ok(Some(ClientEvent::OpaqueEnd)));
    assert_eq!(client.handle_eof(&mut input), Ok(None));
    client.write(Bytes::from_static(b"still"));
    assert_eq!(written(&mut client), "still");
    assert_eq!(client.closing(), Closing::Open);
    client.end(&Headers::new());
    assert_eq!(client.closing(), Closing::AfterOutput);
    client.handle_shutdown();
    assert_eq!(client.closing(), Closing::Finished);
    assert!(!client.is_reusable(&input));
}

#[test]
fn a_backend_may_switch_to_one_of_the_protocols_that_were_offered_and_to_no_other() {
    let head = RequestHead { upgrade: Some(Bytes::from_static(b"foo/2, foo/1")), ..get("/") };
    for (protocol, is_fine) in [("foo/1", true), ("FOO/2", true), ("foo", false), ("foo/2, foo/1", false)] {
        let mut client = Client::new(limits());
        client.request(&head, true).expect("sendable");
        assert!(written(&mut client).contains("\r\nUpgrade: foo/2, foo/1\r\n"));
        let answer = format!("HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: {protocol}\r\n\r\n");
        let event = client.poll_event(&mut BytesMut::from(answer.as_bytes()));
        assert_eq!(event.is_ok(), is_fine, "{protocol}: {event:?}");
    }
    for fields in ["Upgrade: foo/1", "Connection: upgrade", "Connection: close\r\nUpgrade: foo/1"] {
        let mut client = Client::new(limits());
        client.request(&head, true).expect("sendable");
        let answer = format!("HTTP/1.1 101 S\r\n{fields}\r\n\r\n");
        let event = client.poll_event(&mut BytesMut::from(answer.as_bytes()));
        assert_eq!(event, Err(ResponseError::UnaskedSwitch), "{fields}");
    }
}

#[test]
fn the_longest_method_is_sent() {
    let mut client = Client::new(limits());
    client.request(&RequestHead { method: Bytes::from(vec![b'M'; 32]), ..get("/") }, true).expect("sendable");
    assert!(written(&mut client).starts_with("MMMM"));
}

#[test]
fn large_payloads_are_queued_without_a_copy() {
    let payload = Bytes::from(vec![7; 100_000]);
    let mut client = Client::new(limits());
    client.request(&method("POST", None), false).expect("sendable");
    client.write(payload.clone());
    let is_same = client.output().slices().any(|slice| slice.as_ptr() == payload.as_ptr());
    assert!(is_same);
}
