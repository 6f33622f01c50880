//! What a client may take how long for, on virtual time. [L3, H-25]

use crate::support::{NOW, response, taken};
use bytes::BytesMut;
use core::time::Duration;
use telephone_core::http1::{AbortCause, Closing, RequestError, Server, ServerEvent};
use telephone_core::limits::HttpLimits;

const SECOND: Duration = Duration::from_secs(1);
const HEAD: &[u8] = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n";

fn server() -> (Server, BytesMut) {
    (Server::new(HttpLimits::default(), NOW), BytesMut::new())
}

#[test]
fn a_fresh_connection_has_ten_seconds_for_its_whole_head() {
    let (mut server, mut input) = server();
    assert_eq!(server.poll_timeout(), Some(NOW + 10 * SECOND));
    input.extend_from_slice(b"GET / HT");
    assert_eq!(server.poll_event(&mut input, NOW + 9 * SECOND), None);
    assert_eq!(server.poll_timeout(), Some(NOW + 10 * SECOND), "octets do not prolong it");
    server.handle_timeout(NOW + 10 * SECOND);
    assert_eq!(server.poll_event(&mut input, NOW), Some(ServerEvent::Refused(RequestError::HeadTimeout)));
    assert!(taken(server.output()).starts_with(b"HTTP/1.1 408 "));
    assert_eq!(server.closing(), Closing::AfterOutput);
    assert_eq!(server.poll_timeout(), None);
}

#[test]
fn a_connection_on_which_nothing_came_closes_without_a_word() {
    let (mut server, mut input) = server();
    assert_eq!(server.poll_event(&mut input, NOW), None);
    server.handle_timeout(NOW + 10 * SECOND);
    assert_eq!(server.poll_event(&mut input, NOW + 10 * SECOND), None);
    assert!(server.output().is_empty());
    assert_eq!(server.closing(), Closing::AfterOutput);
}

#[test]
fn a_kept_connection_may_idle_75_seconds_and_then_has_ten_seconds_from_its_first_octet() {
    let (mut server, mut input) = server();
    input.extend_from_slice(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(server.poll_event(&mut input, NOW).is_some());
    assert_eq!(server.poll_event(&mut input, NOW), None);
    assert_eq!(server.poll_timeout(), None, "the client waits for us");
    server.respond(&response(200), true).expect("sendable");
    assert_eq!(server.poll_event(&mut input, NOW + SECOND), None);
    assert_eq!(server.poll_timeout(), Some(NOW + 76 * SECOND));
    assert_eq!(server.poll_event(&mut input, NOW + 30 * SECOND), None);
    assert_eq!(server.poll_timeout(), Some(NOW + 76 * SECOND), "to look again does not prolong it");
    input.extend_from_slice(b"G");
    assert_eq!(server.poll_event(&mut input, NOW + 50 * SECOND), None);
    assert_eq!(server.poll_timeout(), Some(NOW + 60 * SECOND));
}

#[test]
fn a_body_that_moves_on_is_never_late() {
    let (mut server, mut input) = server();
    input.extend_from_slice(HEAD);
    assert!(server.poll_event(&mut input, NOW).is_some());
    for minute in 0..10 {
        let now = NOW + minute * 59 * SECOND;
        input.extend_from_slice(b"x");
        server.handle_timeout(now);
        assert!(
            matches!(server.poll_event(&mut input, now), Some(ServerEvent::Body(_))),
            "one byte is enough"
        );
        assert_eq!(server.poll_event(&mut input, now), None);
        assert_eq!(server.poll_timeout(), Some(now + 60 * SECOND));
        assert_eq!(server.closing(), Closing::Open);
    }
}

#[test]
fn a_body_of_which_nothing_comes_for_a_minute_is_aborted() {
    let (mut server, mut input) = server();
    input.extend_from_slice(HEAD);
    assert!(server.poll_event(&mut input, NOW).is_some());
    input.extend_from_slice(b"x");
    assert!(matches!(server.poll_event(&mut input, NOW + SECOND), Some(ServerEvent::Body(_))));
    assert_eq!(server.poll_event(&mut input, NOW + SECOND), None);
    server.handle_timeout(NOW + 60 * SECOND);
    assert_eq!(server.poll_event(&mut input, NOW + 60 * SECOND), None, "a second is left");
    server.handle_timeout(NOW + 61 * SECOND);
    let late = AbortCause::Body(RequestError::BodyTimeout);
    assert_eq!(server.poll_event(&mut input, NOW + 61 * SECOND), Some(ServerEvent::Aborted(late)));
    assert!(taken(server.output()).starts_with(b"HTTP/1.1 408 "));
}

#[test]
fn a_body_that_is_not_asked_for_is_not_late() {
    let (mut server, mut input) = server();
    input.extend_from_slice(HEAD);
    input.extend_from_slice(b"x");
    assert!(server.poll_event(&mut input, NOW).is_some());
    assert!(matches!(server.poll_event(&mut input, NOW), Some(ServerEvent::Body(_))));
    assert_eq!(server.poll_timeout(), None, "backpressure");
    let later = NOW + 100 * SECOND;
    assert_eq!(server.poll_event(&mut input, later), None);
    assert_eq!(server.poll_timeout(), Some(later + 60 * SECOND));
}

#[test]
fn a_client_that_waits_for_100_is_not_late() {
    let (mut server, mut input) = server();
    input.extend_from_slice(
        b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n",
    );
    assert!(server.poll_event(&mut input, NOW).is_some());
    assert_eq!(server.poll_event(&mut input, NOW), None);
    assert_eq!(server.poll_timeout(), None);
    server.interim(&response(100)).expect("sendable");
    assert_eq!(server.poll_event(&mut input, NOW + 50 * SECOND), None);
    assert_eq!(server.poll_timeout(), Some(NOW + 110 * SECOND));
}

#[test]
fn a_client_that_began_its_body_unasked_waits_for_nothing() {
    let (mut server, mut input) = server();
    input.extend_from_slice(
        b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\nx",
    );
    assert!(server.poll_event(&mut input, NOW).is_some());
    assert!(matches!(server.poll_event(&mut input, NOW), Some(ServerEvent::Body(_))));
    assert_eq!(server.poll_event(&mut input, NOW), None);
    assert_eq!(server.poll_timeout(), Some(NOW + 60 * SECOND));
}

#[test]
fn a_client_may_be_silent_for_as_long_as_its_answer_comes() {
    let (mut server, mut input) = server();
    input.extend_from_slice(HEAD);
    assert!(server.poll_event(&mut input, NOW).is_some());
    assert_eq!(server.poll_event(&mut input, NOW), None);
    server.respond(&response(200), false).expect("sendable");
    assert_eq!(server.poll_event(&mut input, NOW + SECOND), None);
    assert_eq!(server.poll_timeout(), None);
    server.handle_timeout(NOW + 3600 * SECOND);
    assert_eq!(server.closing(), Closing::Open);
}

#[test]
fn the_rest_of_a_request_behind_its_answer_may_pause_for_a_minute() {
    let (mut server, mut input) = server();
    input.extend_from_slice(HEAD);
    assert!(server.poll_event(&mut input, NOW).is_some());
    server.set_body_wanted(true);
    server.respond(&response(202), true).expect("sendable");
    assert_eq!(server.poll_event(&mut input, NOW), None);
    assert!(server.is_body_pending());
    input.extend_from_slice(b"x");
    assert!(matches!(server.poll_event(&mut input, NOW + SECOND), Some(ServerEvent::Body(_))));
    assert_eq!(server.poll_event(&mut input, NOW + SECOND), None);
    server.handle_timeout(NOW + 61 * SECOND);
    let late = AbortCause::Body(RequestError::BodyTimeout);
    assert_eq!(server.poll_event(&mut input, NOW + 61 * SECOND), Some(ServerEvent::Aborted(late)));
    assert_eq!(server.closing(), Closing::AfterOutput, "the answer is whole");
}

#[test]
fn a_lingering_close_ends_when_the_client_closes_or_the_time_is_over() {
    for has_eof in [false, true] {
        let (mut server, mut input) = server();
        input.extend_from_slice(b"BAD\r\n\r\n");
        assert!(server.poll_event(&mut input, NOW).is_some());
        taken(server.output());
        server.handle_shutdown(NOW + SECOND);
        assert_eq!(server.closing(), Closing::Lingering);
        assert_eq!(server.poll_timeout(), Some(NOW + 3 * SECOND));
        if has_eof {
            server.handle_eof();
        } else {
            server.handle_timeout(NOW + 3 * SECOND);
        }
        assert_eq!(server.closing(), Closing::Finished);
        assert_eq!(server.poll_timeout(), None);
    }
}

#[test]
fn a_timer_that_fires_early_changes_nothing() {
    let (mut server, mut input) = server();
    server.handle_timeout(NOW + 9 * SECOND);
    assert_eq!(server.poll_event(&mut input, NOW + 9 * SECOND), None);
    assert_eq!(server.closing(), Closing::Open);
    assert_eq!(server.poll_timeout(), Some(NOW + 10 * SECOND));
}

#[test]
fn the_rest_of_an_upload_that_trickles_behind_its_answer_ends_the_connection_and_not_the_answer() {
    let (mut server, mut input) = server();
    input.extend_from_slice(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n");
    assert!(server.poll_event(&mut input, NOW).is_some());
    server.respond(&response(200), true).expect("sendable");
    assert_eq!(server.poll_event(&mut input, NOW), None);
    let late = server.poll_timeout().expect("a window");
    server.handle_timeout(late);
    assert_eq!(server.poll_event(&mut input, late), None, "the exchange is over");
    assert!(taken(server.output()).starts_with(b"HTTP/1.1 200 "));
    assert_eq!(server.closing(), Closing::AfterOutput);
}

#[test]
fn a_slow_upload_is_refused_while_its_answer_is_due_and_never_behind_its_head() {
    for is_begun in [false, true] {
        let (mut server, mut input) = server();
        input.extend_from_slice(HEAD);
        assert!(matches!(server.poll_event(&mut input, NOW), Some(ServerEvent::Request { end: false, .. })));
        assert!(server.awaits_body());
        if is_begun {
            server.respond(&response(200), false).unwrap();
            taken(server.output());
        }
        assert_eq!(server.refuse_slow_body(), !is_begun);
        if is_begun {
            assert!(server.awaits_body() && server.output().is_empty());
        } else {
            assert!(taken(server.output()).starts_with(b"HTTP/1.1 408 "));
            assert_eq!(server.closing(), Closing::AfterOutput);
        }
    }
}

#[test]
fn no_bytes_of_a_body_are_due_while_the_client_waits_for_100_and_behind_a_whole_request() {
    let (mut server, mut input) = server();
    input.extend_from_slice(
        b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n",
    );
    assert!(matches!(server.poll_event(&mut input, NOW), Some(ServerEvent::Request { .. })));
    assert!(!server.awaits_body());
    server.interim(&response(100)).unwrap();
    assert!(server.awaits_body());
    input.extend_from_slice(b"ab");
    while server.poll_event(&mut input, NOW).is_some() {}
    assert!(!server.awaits_body() && !server.refuse_slow_body());
}
