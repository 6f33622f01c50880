//! Which interim responses pass: none to a HEAD and none to a proxy, but what `Expect` asked for. [H-20]

use crate::support::{NOW, fields, limits, response, taken};
use bytes::BytesMut;
use telephone_core::http1::{Closing, Interims, Server, ServerEvent};
use telephone_core::message::{Headers, ResponseHead};

const EXPECT: &str = "Expect: 100-continue\r\nContent-Length: 2\r\n";
const FRONT: Interims = Interims::towards(true, false);
const FRONT_THAT_UNDERSTANDS: Interims = Interims::towards(true, true);
const CLIENT: Interims = Interims::towards(false, false);

/// Whom an interim response is for, the method, its other fields, the status, and whether it passes.
const ROWS: &[(Interims, &str, &str, u16, bool)] = &[
    (CLIENT, "GET", "", 100, true),
    (CLIENT, "GET", "", 102, true),
    (CLIENT, "GET", "", 103, true),
    (CLIENT, "POST", EXPECT, 100, true),
    (CLIENT, "POST", EXPECT, 103, true),
    (CLIENT, "HEAD", "", 100, false),
    (CLIENT, "HEAD", "", 102, false),
    (CLIENT, "HEAD", "", 103, false),
    (CLIENT, "HEAD", "", 199, false),
    (CLIENT, "HEAD", EXPECT, 100, true),
    (CLIENT, "HEAD", EXPECT, 103, false),
    // Without a body there is nothing to wait for.
    (CLIENT, "HEAD", "Expect: 100-continue\r\n", 100, false),
    (FRONT, "GET", "", 100, false),
    (FRONT, "GET", "", 102, false),
    (FRONT, "GET", "", 103, false),
    (FRONT, "POST", EXPECT, 100, true),
    (FRONT, "POST", EXPECT, 102, false),
    (FRONT, "POST", EXPECT, 103, false),
    (FRONT, "POST", "Content-Length: 2\r\n", 100, false),
    (FRONT, "GET", "Expect: 100-continue\r\n", 100, false),
    (FRONT, "HEAD", "", 103, false),
    (FRONT, "HEAD", EXPECT, 100, true),
    (FRONT_THAT_UNDERSTANDS, "GET", "", 100, true),
    (FRONT_THAT_UNDERSTANDS, "GET", "", 103, true),
    (FRONT_THAT_UNDERSTANDS, "HEAD", "", 103, false),
    (FRONT_THAT_UNDERSTANDS, "HEAD", EXPECT, 100, true),
];

/// A connection on which a request has come.
fn asked(interims: Interims, method: &str, more: &str) -> (Server, BytesMut) {
    let mut server = Server::new(limits(), NOW).with_interims(interims);
    let mut input = BytesMut::from(format!("{method} / HTTP/1.1\r\nHost: a\r\n{more}\r\n").as_bytes());
    let event = server.poll_event(&mut input, NOW);
    assert!(matches!(event, Some(ServerEvent::Request { .. })), "{event:?}");
    (server, input)
}

fn early(status: u16) -> ResponseHead {
    ResponseHead { headers: fields(&[("Link", "</a.css>")]), ..response(status) }
}

fn written(server: &mut Server) -> String {
    String::from_utf8(taken(server.output())).expect("text")
}

#[test]
fn an_interim_response_passes_where_it_can_be_told_from_the_final_one() {
    for &(interims, method, more, status, is_passed) in ROWS {
        let (mut server, _) = asked(interims, method, more);
        server.interim(&early(status)).expect("sendable");
        let expected = format!("HTTP/1.1 {status} \r\nLink: </a.css>\r\n\r\n");
        let expected = if is_passed { expected } else { String::new() };
        assert_eq!(written(&mut server), expected, "{interims:?} {method} {more:?} {status}");
    }
}

#[test]
fn behind_a_dropped_interim_response_the_exchange_and_the_connection_go_on() {
    for (interims, method) in [(CLIENT, "HEAD"), (FRONT, "HEAD"), (FRONT, "GET")] {
        let (mut server, mut input) = asked(interims, method, "");
        for status in [100, 103, 102] {
            server.interim(&early(status)).expect("sendable");
        }
        server.respond(&ResponseHead { length: Some(0), ..response(302) }, true).expect("sendable");
        assert_eq!(
            written(&mut server),
            "HTTP/1.1 302 \r\nContent-Length: 0\r\n\r\n",
            "{interims:?} {method}"
        );
        input.extend_from_slice(b"GET /2 HTTP/1.1\r\nHost: a\r\n\r\n");
        assert!(matches!(server.poll_event(&mut input, NOW), Some(ServerEvent::Request { .. })));
        assert_eq!(server.closing(), Closing::Open);
    }
}

#[test]
fn dropped_interim_responses_leave_room_for_the_100_that_was_asked_for() {
    let (mut server, mut input) = asked(FRONT, "POST", EXPECT);
    for _ in 0..2 * limits().interim_responses {
        server.interim(&early(103)).expect("sendable");
    }
    server.interim(&response(100)).expect("sendable");
    assert_eq!(written(&mut server), "HTTP/1.1 100 \r\n\r\n");
    server.interim(&response(100)).expect("sendable");
    assert_eq!(written(&mut server), "", "one was asked for");
    input.extend_from_slice(b"hi");
    assert!(matches!(server.poll_event(&mut input, NOW), Some(ServerEvent::Body(_))));
    assert_eq!(server.poll_event(&mut input, NOW), Some(ServerEvent::End(Headers::new())));
}

#[test]
fn a_100_behind_the_beginning_of_the_body_was_not_asked_for() {
    let (mut server, mut input) = asked(FRONT, "POST", EXPECT);
    input.extend_from_slice(b"h");
    assert!(matches!(server.poll_event(&mut input, NOW), Some(ServerEvent::Body(_))));
    server.interim(&response(100)).expect("sendable");
    assert_eq!(written(&mut server), "");
}

#[test]
fn a_proxy_that_asks_for_another_protocol_gets_its_101() {
    let (mut server, _) = asked(FRONT, "GET", "Connection: upgrade\r\nUpgrade: websocket\r\n");
    let switch = ResponseHead { upgrade: Some("websocket".into()), ..response(101) };
    server.respond(&switch, false).expect("what was asked for");
    assert!(written(&mut server).starts_with("HTTP/1.1 101 "));
}
