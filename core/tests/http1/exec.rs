//! An upgrade beside a body of declared length, as Docker's client sends it: the body first, then the other protocol.

use bytes::{Bytes, BytesMut};
use telephone_core::http1::{Client, ClientEvent, Server, ServerEvent};
use telephone_core::message::{Headers, RequestHead, ResponseHead};

use crate::support::{NOW, get, limits, response, taken};

const EXEC: &[u8] = b"POST /exec HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 2\r\n\r\n{}raw";

fn exec() -> RequestHead {
    let upgrade = Some(Bytes::from_static(b"tcp"));
    RequestHead { method: Bytes::from_static(b"POST"), length: Some(2), upgrade, ..get("/exec") }
}

fn switch() -> ResponseHead {
    ResponseHead { upgrade: Some(Bytes::from_static(b"tcp")), ..response(101) }
}

/// A server that has read the request and its body, and what is left of the input.
fn asked() -> (Server, BytesMut) {
    let (mut server, mut input) = (Server::new(limits(), NOW), BytesMut::from(EXEC));
    let Some(ServerEvent::Request { head, end, .. }) = server.poll_event(&mut input, NOW) else {
        panic!("no request")
    };
    assert_eq!((head.upgrade, head.length, end), (exec().upgrade, Some(2), false));
    assert_eq!(server.poll_event(&mut input, NOW), Some(ServerEvent::Body(Bytes::from_static(b"{}"))));
    (server, input)
}

#[test]
fn what_is_behind_the_body_waits_for_the_101() {
    let (mut server, mut input) = asked();
    assert_eq!(server.poll_event(&mut input, NOW), None, "neither an end nor what is behind it");
    server.respond(&switch(), false).expect("a switch");
    assert_eq!(server.poll_event(&mut input, NOW), Some(ServerEvent::Opaque(Bytes::from_static(b"raw"))));
}

#[test]
fn without_a_101_the_body_ends_and_the_next_request_is_read() {
    let (mut server, mut input) = asked();
    assert_eq!(server.poll_event(&mut input, NOW), None);
    input = BytesMut::from(&b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"[..]);
    server.respond(&ResponseHead { length: Some(1), ..response(200) }, false).expect("a head");
    assert_eq!(server.poll_event(&mut input, NOW), Some(ServerEvent::End(Headers::new())));
    server.write(Bytes::from_static(b"x"));
    server.end(&Headers::new());
    let next = server.poll_event(&mut input, NOW);
    assert!(matches!(next, Some(ServerEvent::Request { end: true, .. })), "{next:?}");
}

#[test]
fn a_101_ahead_of_the_body_leaves_the_rest_as_it_is() {
    let (mut server, mut input) = (Server::new(limits(), NOW), BytesMut::from(&EXEC[..EXEC.len() - 4]));
    assert!(matches!(server.poll_event(&mut input, NOW), Some(ServerEvent::Request { .. })));
    assert!(matches!(server.poll_event(&mut input, NOW), Some(ServerEvent::Body(_))));
    server.respond(&switch(), false).expect("a switch");
    input.extend_from_slice(&EXEC[EXEC.len() - 4..]);
    assert_eq!(server.poll_event(&mut input, NOW), Some(ServerEvent::Opaque(Bytes::from_static(b"}raw"))));
}

#[test]
fn a_backend_is_sent_the_body_ahead_of_its_101_and_the_rest_behind_it() {
    let mut client = Client::new(limits());
    client.request(&exec(), false).expect("sendable");
    assert!(client.owes_body());
    client.write(Bytes::from_static(b"{"));
    client.write(Bytes::from_static(b"}raw"));
    assert!(!client.owes_body());
    let written = String::from_utf8(taken(client.output())).expect("ASCII");
    assert!(written.contains("\r\nContent-Length: 2\r\nUpgrade: tcp\r\n"), "{written}");
    assert!(written.ends_with("\r\n\r\n{}"), "{written}");
    let mut input = BytesMut::from(&b"HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: tcp\r\n\r\nout"[..]);
    assert!(matches!(client.poll_event(&mut input), Ok(Some(ClientEvent::Head { end: false, .. }))));
    assert_eq!(client.poll_event(&mut input), Ok(Some(ClientEvent::Opaque(Bytes::from_static(b"out")))));
    client.write(Bytes::from_static(b" more"));
    assert_eq!(taken(client.output()), b"raw more");
}

#[test]
fn a_backend_that_makes_no_switch_gets_an_ordinary_request_and_is_asked_again() {
    let mut client = Client::new(limits());
    client.request(&exec(), false).expect("sendable");
    client.write(Bytes::from_static(b"{}"));
    taken(client.output());
    let mut input = BytesMut::from(&b"HTTP/1.1 404 N\r\nContent-Length: 0\r\n\r\n"[..]);
    assert!(matches!(client.poll_event(&mut input), Ok(Some(ClientEvent::Head { end: true, .. }))));
    assert!(client.is_reusable(&input));
    client.request(&get("/"), true).expect("a free connection");
    assert!(!taken(client.output()).windows(3).any(|three| three == b"raw"));
}

#[test]
fn a_body_ahead_of_a_101_that_is_cut_short_resets_the_connection() {
    let mut client = Client::new(limits());
    client.request(&exec(), false).expect("sendable");
    client.write(Bytes::from_static(b"{"));
    client.end(&Headers::new());
    assert_eq!(client.closing(), telephone_core::http1::Closing::Reset);
    assert!(Client::new(limits()).request(&exec(), true).is_err(), "a body is due");
}
