//! How exchanges run on a client connection: framing of responses, keeping, closing, aborting.

use crate::support::{NOW, fields, limits, response, taken};
use bytes::{Bytes, BytesMut};
use core::time::Duration;
use telephone_core::cause::Cause;
use telephone_core::http1::{AbortCause, Closing, OwnAnswer, RequestError, Server, ServerEvent, Unsendable};
use telephone_core::message::{Headers, ResponseHead};

/// A connection on which `sent` has come.
struct Line {
    server: Server,
    input: BytesMut,
}

impl Line {
    fn new(sent: &[u8]) -> Self {
        Self { server: Server::new(limits(), NOW), input: BytesMut::from(sent) }
    }

    fn feed(&mut self, sent: &[u8]) {
        self.input.extend_from_slice(sent);
    }

    fn event(&mut self) -> Option<ServerEvent> {
        self.server.poll_event(&mut self.input, NOW)
    }

    /// The next event must be a request.
    fn request(&mut self) -> Bytes {
        match self.event() {
            Some(ServerEvent::Request { head, .. }) => head.target,
            other => panic!("{other:?}"),
        }
    }

    /// What was written since the last time.
    fn written(&mut self) -> String {
        String::from_utf8(taken(self.server.output())).expect("text")
    }
}

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";

fn answered(request: &[u8], head: &ResponseHead, body: &'static [u8]) -> (String, Closing) {
    let mut line = Line::new(request);
    line.request();
    line.server.respond(head, body.is_empty()).expect("a sendable head");
    line.server.write(Bytes::from_static(body));
    line.server.end(&fields(&[("X-Sum", "1"), ("Host", "no")]));
    (line.written(), line.server.closing())
}

#[test]
fn a_response_is_framed_by_what_is_known_of_it() {
    let known = ResponseHead { length: Some(2), ..response(200) };
    let rows: [(&[u8], &ResponseHead, &[u8], &str); 9] = [
        (GET, &known, b"hi", "HTTP/1.1 200 \r\nContent-Length: 2\r\n\r\nhi"),
        (
            GET,
            &response(200),
            b"hi",
            "HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-Sum: 1\r\n\r\n",
        ),
        (GET, &response(200), b"", "HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n"),
        (b"GET / HTTP/1.0\r\n\r\n", &response(200), b"hi", "HTTP/1.1 200 \r\nConnection: close\r\n\r\nhi"),
        (
            b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
            &known,
            b"hi",
            "HTTP/1.1 200 \r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nhi",
        ),
        (b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", &known, b"hi", "HTTP/1.1 200 \r\nContent-Length: 2\r\n\r\n"),
        (b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", &response(200), b"hi", "HTTP/1.1 200 \r\n\r\n"),
        (
            GET,
            &ResponseHead { length: Some(2), ..response(304) },
            b"hi",
            "HTTP/1.1 304 \r\nContent-Length: 2\r\n\r\n",
        ),
        (GET, &ResponseHead { length: Some(2), ..response(204) }, b"hi", "HTTP/1.1 204 \r\n\r\n"),
    ];
    for (request, head, body, expected) in rows {
        assert_eq!(answered(request, head, body).0, expected);
    }
}

#[test]
fn framing_fields_of_a_head_are_never_written() {
    let headers = fields(&[
        ("Content-Length", "9"),
        ("Transfer-Encoding", "chunked"),
        ("Connection", "keep-alive"),
        ("Upgrade", "x"),
        ("Keep-Alive", "1"),
        ("content_length", "9"),
        ("Kept", "1"),
    ]);
    let head = ResponseHead { headers, length: Some(2), ..response(200) };
    assert_eq!(answered(GET, &head, b"hi").0, "HTTP/1.1 200 \r\nKept: 1\r\nContent-Length: 2\r\n\r\nhi");
}

#[test]
fn a_head_that_would_split_the_response_is_not_sent() {
    // H-26: heads come from the other end of the tunnel, which may be hostile.
    let with = |name: &'static str, value: &'static str| ResponseHead {
        headers: fields(&[(name, value)]),
        ..response(200)
    };
    let bad = [
        with("X", "a\r\nSet-Cookie: b"),
        with("X", "a\nb"),
        with("X", "a\rb"),
        with("X", "a\0"),
        with("X\r\nY", "a"),
        with("X:", "a"),
        with("", "a"),
        with("X y", "a"),
        ResponseHead { reason: Bytes::from_static(b"O\r\nK"), ..response(200) },
        response(99),
        response(1000),
        response(0),
        response(100),
        response(103),
        response(101),
        ResponseHead { upgrade: Some(Bytes::from_static(b"websocket")), ..response(101) },
    ];
    for head in bad {
        let mut line = Line::new(GET);
        line.request();
        assert!(line.server.respond(&head, true).is_err(), "{head:?}");
        assert_eq!(line.written(), "");
        line.server.refuse(&OwnAnswer::new(502, Cause::UnusableAnswer, "bad gateway"));
        assert!(line.written().starts_with("HTTP/1.1 502 Bad Gateway\r\n"), "{head:?}");
    }
}

#[test]
fn a_response_shorter_or_longer_than_declared_never_looks_complete() {
    let head = ResponseHead { length: Some(3), ..response(200) };
    for body in [&b"hi"[..], b"high"] {
        let (written, closing) = answered(GET, &head, body);
        assert_eq!(closing, Closing::Reset);
        assert!(written.len() < "HTTP/1.1 200 \r\nContent-Length: 3\r\n\r\n".len() + 3, "{written}");
    }
    let mut line = Line::new(GET);
    line.request();
    assert_eq!(line.server.respond(&head, true), Err(Unsendable::Length));
}

#[test]
fn an_aborted_response_has_no_last_chunk_and_resets() {
    let mut line = Line::new(GET);
    line.request();
    line.server.respond(&response(200), false).expect("sendable");
    line.server.write(Bytes::from_static(b"hi"));
    line.server.abort();
    line.server.end(&Headers::new());
    assert!(line.written().ends_with("\r\n\r\n2\r\nhi\r\n"));
    assert_eq!(line.server.closing(), Closing::Reset);
}

#[test]
fn an_empty_write_is_no_last_chunk() {
    let mut line = Line::new(GET);
    line.request();
    line.server.respond(&response(200), false).expect("sendable");
    line.server.write(Bytes::new());
    assert!(line.written().ends_with("chunked\r\n\r\n"));
}

#[test]
fn interim_responses_pass_to_those_that_know_them() {
    let early = ResponseHead {
        reason: Bytes::from_static(b"Early"),
        headers: fields(&[("Link", "x")]),
        ..response(103)
    };
    let mut line = Line::new(GET);
    line.request();
    for _ in 0..5 {
        line.server.interim(&early).expect("sendable");
    }
    assert_eq!(
        line.written(),
        "HTTP/1.1 103 Early\r\nLink: x\r\n\r\n".repeat(3),
        "H-20: as many as the limit"
    );
    assert_eq!(line.server.interim(&response(200)), Err(Unsendable::Status));
    assert_eq!(line.server.interim(&response(101)), Err(Unsendable::Status));
    let mut old = Line::new(b"GET / HTTP/1.0\r\n\r\n");
    old.request();
    old.server.interim(&early).expect("sendable");
    assert_eq!(old.written(), "", "H-20: HTTP/1.0 has none");
}

#[test]
fn the_next_request_waits_for_the_whole_response() {
    let mut line = Line::new(&[GET, b"GET /2 HTTP/1.1\r\nHost: a\r\n\r\n"].concat());
    line.request();
    assert_eq!(line.event(), None);
    line.server.respond(&response(200), false).expect("sendable");
    assert_eq!(line.event(), None);
    line.server.end(&Headers::new());
    assert_eq!(line.request(), "/2");
}

#[test]
fn pipelined_octets_are_held_up_to_one_head() {
    let mut line = Line::new(GET);
    line.request();
    assert!(line.server.wants_read(), "to notice that the client leaves");
    line.feed(&[b'x'; 4096]);
    assert_eq!(line.event(), None);
    assert!(!line.server.wants_read());
    assert_eq!(line.input.len(), 4096);
}

#[test]
fn the_rest_of_a_small_upload_is_never_taken_for_a_request() {
    // H-10, B-11
    let mut line = Line::new(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n");
    line.request();
    line.server.respond(&response(413), true).expect("sendable");
    let evil = b"GET /evil HTTP/1.1\r\nHost: a\r\n\r\n";
    line.feed(&evil.repeat(1000 / evil.len() + 1)[..1000]);
    line.feed(b"GET /good HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(line.request(), "/good");
}

#[test]
fn the_rest_of_a_large_upload_closes_the_connection() {
    let mut declared = Line::new(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1025\r\n\r\n");
    declared.request();
    declared.server.respond(&response(413), true).expect("sendable");
    assert_eq!(declared.server.closing(), Closing::AfterOutput);
    let mut chunked = Line::new(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    chunked.request();
    chunked.server.respond(&response(413), true).expect("sendable");
    assert_eq!(chunked.server.closing(), Closing::Open);
    chunked.feed(&[b"401\r\n", &[b'x'; 1025][..], b"\r\n0\r\n\r\n", GET].concat());
    assert_eq!(chunked.event(), None);
    assert_eq!(chunked.server.closing(), Closing::AfterOutput);
}

#[test]
fn a_client_that_waits_for_100_and_gets_a_final_answer_is_not_kept() {
    // H-21: whether its body comes is anyone's guess.
    let expecting = b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n";
    let mut line = Line::new(expecting);
    line.request();
    line.server.respond(&response(417), true).expect("sendable");
    assert!(line.written().contains("\r\nConnection: close\r\n"));
    assert_eq!(line.server.closing(), Closing::AfterOutput);

    let mut line = Line::new(expecting);
    line.request();
    line.server.interim(&response(100)).expect("sendable");
    line.feed(b"hi");
    assert_eq!(line.event(), Some(ServerEvent::Body(Bytes::from_static(b"hi"))));
    assert_eq!(line.event(), Some(ServerEvent::End(Headers::new())));
    line.server.respond(&response(200), true).expect("sendable");
    assert_eq!(line.written(), "HTTP/1.1 100 \r\n\r\nHTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n");
    assert_eq!(line.server.closing(), Closing::Open);
}

#[test]
fn a_client_that_half_closes_behind_its_request_may_wait_for_the_head_of_its_answer() {
    // B-10
    let late = NOW + Duration::from_secs(5);
    for is_answered in [false, true] {
        let mut line = Line::new(GET);
        line.request();
        line.server.handle_eof();
        assert_eq!(line.event(), None);
        assert!(line.server.is_half_closed());
        assert_eq!(line.server.poll_timeout(), Some(late));
        if is_answered {
            line.server.respond(&response(200), false).expect("sendable");
            assert_eq!(line.event(), None);
            assert_eq!(line.server.poll_timeout(), None, "then until a write fails");
            line.server.end(&Headers::new());
            assert_eq!(line.event(), None);
            assert!(line.written().contains("\r\nConnection: close\r\n"));
            assert_eq!(line.server.closing(), Closing::AfterOutput);
        } else {
            line.server.handle_timeout(late);
            assert_eq!(line.event(), Some(ServerEvent::Aborted(AbortCause::ClientLeft)));
            assert_eq!(line.event(), None);
            assert_eq!(line.server.closing(), Closing::Reset);
        }
    }
}

#[test]
fn an_upload_that_is_cut_off_has_no_end() {
    let mut line = Line::new(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nhi");
    line.request();
    assert_eq!(line.event(), Some(ServerEvent::Body(Bytes::from_static(b"hi"))));
    line.server.handle_eof();
    assert_eq!(line.event(), Some(ServerEvent::Aborted(AbortCause::ClientLeft)));
    assert_eq!(line.event(), None);
}

#[test]
fn a_body_that_breaks_a_rule_under_a_running_response_resets() {
    let mut line = Line::new(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    line.request();
    line.server.respond(&response(200), false).expect("sendable");
    line.feed(b"x\r\n");
    assert!(matches!(line.event(), Some(ServerEvent::Aborted(AbortCause::Body(RequestError::Malformed(_))))));
    assert_eq!(line.server.closing(), Closing::Reset);
    assert!(!line.server.wants_read());
    assert!(!line.written().contains("0\r\n\r\n"));
}

#[test]
fn a_client_that_closes_between_requests_leaves_nothing() {
    let mut line = Line::new(GET);
    line.request();
    line.server.respond(&response(200), true).expect("sendable");
    assert_eq!(line.event(), None);
    assert!(!line.server.is_idle(), "the response is not written yet");
    line.written();
    assert!(line.server.is_idle());
    assert!(line.server.wants_read());
    line.server.handle_eof();
    assert!(!line.server.wants_read());
    assert_eq!(line.event(), None);
    assert_eq!(line.server.closing(), Closing::AfterOutput);
    line.server.handle_shutdown(NOW);
    assert_eq!(line.server.closing(), Closing::Finished);
}

#[test]
fn a_refusal_keeps_the_connection_only_behind_a_whole_request() {
    let answer = OwnAnswer::new(503, Cause::NobodyConnected, "nobody connected").retry_after(5);
    let mut whole = Line::new(GET);
    whole.request();
    whole.server.refuse(&answer);
    let expected = "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\nX-Content-Type-Options: nosniff\r\nRetry-After: 5\r\nProxy-Status: plugboard; error=destination_unavailable\r\nContent-Length: 17\r\n\r\nnobody connected\n";
    assert_eq!(whole.written(), expected);
    assert_eq!(whole.server.closing(), Closing::Open);

    let mut part = Line::new(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n");
    part.request();
    part.server.refuse(&answer);
    assert!(part.written().contains("\r\nConnection: close\r\n"));
    assert_eq!(part.server.closing(), Closing::AfterOutput);

    let mut head = Line::new(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
    head.request();
    head.server.refuse(&answer);
    assert!(head.written().ends_with("Content-Length: 17\r\n\r\n"));
}

#[test]
fn a_refusal_says_our_word_where_the_registered_one_says_less() {
    for (cause, expected) in [
        (Cause::TunnelLost, "\r\nProxy-Status: plugboard; error=connection_terminated\r\n"),
        (
            Cause::LostBeforeDispatch,
            "\r\nProxy-Status: plugboard; error=connection_terminated; details=\"lost_before_dispatch\"\r\n",
        ),
    ] {
        let mut line = Line::new(GET);
        line.request();
        line.server.refuse(&OwnAnswer::new(502, cause, "lost"));
        assert!(line.written().contains(expected), "{}", line.written());
    }
}

#[test]
fn a_refusal_of_a_begun_response_resets() {
    let mut line = Line::new(GET);
    line.request();
    line.server.respond(&response(200), false).expect("sendable");
    line.server.refuse(&OwnAnswer::new(502, Cause::TunnelLost, "late"));
    assert_eq!(line.server.closing(), Closing::Reset);
    assert!(!line.written().contains("502"));
}

#[test]
fn a_draining_relay_says_close_and_closes() {
    let mut line = Line::new(GET);
    line.request();
    line.server.announce_close();
    line.server.respond(&response(200), true).expect("sendable");
    assert!(line.written().contains("\r\nConnection: close\r\n"));
    assert_eq!(line.server.closing(), Closing::AfterOutput);
}

#[test]
fn an_upgrade_is_opaque_behind_its_101_and_not_before() {
    // H-11, I21
    let request = b"GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    let switch = ResponseHead { upgrade: Some(Bytes::from_static(b"WebSocket")), ..response(101) };
    let mut line = Line::new(&[&request[..], b"early"].concat());
    let Some(ServerEvent::Request { end: false, .. }) = line.event() else { panic!("no open request") };
    assert_eq!(line.event(), None);
    line.server.respond(&switch, false).expect("sendable");
    assert_eq!(line.written(), "HTTP/1.1 101 \r\nUpgrade: WebSocket\r\nConnection: upgrade\r\n\r\n");
    assert_eq!(line.event(), Some(ServerEvent::Opaque(Bytes::from_static(b"early"))));
    line.server.write(Bytes::from_static(b"\0raw"));
    assert_eq!(line.written(), "\0raw");

    // Each half closes by itself.
    line.server.end(&Headers::new());
    assert_eq!(line.server.closing(), Closing::AfterOutput);
    line.server.handle_shutdown(NOW);
    assert_eq!(line.server.closing(), Closing::Lingering);
    assert_eq!(line.server.poll_timeout(), None, "an opaque stream may stay half open");
    line.feed(b"late");
    line.server.handle_eof();
    assert_eq!(line.event(), Some(ServerEvent::Opaque(Bytes::from_static(b"late"))));
    assert_eq!(line.event(), Some(ServerEvent::OpaqueEnd));
    assert_eq!(line.event(), None);
    assert_eq!(line.server.closing(), Closing::Finished);
}

#[test]
fn a_switch_that_says_nothing_more_ends_our_half_at_once() {
    let request = b"GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    let switch = ResponseHead { upgrade: Some(Bytes::from_static(b"websocket")), ..response(101) };
    let mut line = Line::new(request);
    let Some(ServerEvent::Request { end: false, .. }) = line.event() else { panic!("no open request") };
    line.server.respond(&switch, true).expect("sendable");
    assert_eq!(line.server.closing(), Closing::AfterOutput);
    line.server.handle_shutdown(NOW);
    line.feed(b"\0raw");
    assert_eq!(line.event(), Some(ServerEvent::Opaque(Bytes::from_static(b"\0raw"))));
    line.server.handle_eof();
    assert_eq!(line.event(), Some(ServerEvent::OpaqueEnd));
    assert_eq!(line.server.closing(), Closing::Finished);
}

#[test]
fn a_connection_that_is_hung_up_on_says_its_last_and_waits_a_little_for_the_client() {
    let request = b"GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: a, b\r\n\r\n";
    let switch = ResponseHead { upgrade: Some(Bytes::from_static(b"b")), ..response(101) };
    let mut line = Line::new(request);
    line.event();
    line.server.hang_up(Bytes::from_static(b"too early"));
    line.server.respond(&switch, false).expect("sendable");
    line.server.hang_up(Bytes::from_static(b"last"));
    assert!(line.written().ends_with("\r\n\r\nlast"));
    assert_eq!(line.server.closing(), Closing::AfterOutput);
    line.server.handle_shutdown(NOW);
    line.feed(b"what nobody reads any more");
    assert_eq!(line.event(), None);
    assert_eq!(line.server.closing(), Closing::Lingering);
    assert_eq!(line.server.poll_timeout(), Some(NOW + limits().linger));
    line.server.handle_eof();
    assert_eq!(line.server.closing(), Closing::Finished);
}

#[test]
fn a_refused_upgrade_leaves_what_came_early_as_the_next_request() {
    let request = b"GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    let mut line = Line::new(&[&request[..], GET].concat());
    line.request();
    let other = ResponseHead { upgrade: Some(Bytes::from_static(b"other")), ..response(101) };
    assert_eq!(line.server.respond(&other, false), Err(Unsendable::Switch));
    line.server.respond(&response(403), true).expect("sendable");
    assert_eq!(line.request(), "/");
}

#[test]
fn what_a_refused_client_still_sends_is_thrown_away_up_to_a_bound() {
    let mut line = Line::new(b"BAD\r\n\r\n");
    assert!(matches!(line.event(), Some(ServerEvent::Refused(_))));
    line.written();
    line.server.handle_shutdown(NOW);
    line.feed(&[b'x'; 1000]);
    assert_eq!(line.event(), None);
    assert!(line.input.is_empty());
    assert_eq!(line.server.closing(), Closing::Lingering);
    line.feed(&[b'x'; 1000]);
    assert_eq!(line.event(), None);
    assert_eq!(line.server.closing(), Closing::Finished);
}
