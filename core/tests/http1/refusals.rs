//! Requests that must be refused, each for its clause. [I4, I20]

use std::collections::BTreeSet;

use crate::refusal_rows::{Row, rows};
use crate::support::{Served, octets, serve, shown};
use telephone_core::http1::{AbortCause, Closing, RequestError, ServerEvent};

/// The one refusal in a run, which must be its last event.
fn refusal(served: &Served, input: &[u8]) -> RequestError {
    match served.events.as_slice() {
        [ServerEvent::Refused(error)] => *error,
        [ServerEvent::Request { .. }, rest @ ..] => match rest {
            [ServerEvent::Aborted(AbortCause::Body(error))]
            | [ServerEvent::Body(_), ServerEvent::Aborted(AbortCause::Body(error))] => *error,
            other => panic!("{} came through: {other:?}", shown(input)),
        },
        other => panic!("{} came through: {other:?}", shown(input)),
    }
}

fn assert_refused(row: &Row, served: &Served) {
    let name = shown(&row.input);
    let error = refusal(served, &row.input);
    assert_eq!(error.status(), row.status, "{name}: {error:?}");
    assert!(error.clause().contains(row.clause), "{name}: {error:?} for {}", row.clause);
    let answer = String::from_utf8(served.output.clone()).expect("answers are text");
    assert!(answer.starts_with(&format!("HTTP/1.1 {} ", row.status)), "{name}: {answer}");
    assert!(answer.contains("\r\nConnection: close\r\n"), "{name}: {answer}");
    assert!(answer.contains("\r\nX-Content-Type-Options: nosniff\r\n"), "{name}: {answer}");
    assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{name}: {answer}");
    assert_eq!(served.closing, Closing::AfterOutput, "{name}");
}

#[test]
fn each_bad_request_is_refused_for_its_clause_and_nothing_behind_it_is_read() {
    let rows = rows();
    for row in &rows {
        let whole = serve([&row.input[..]]);
        assert_refused(row, &whole);
        let tail = &b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"[..];
        assert_eq!(serve([&row.input[..], tail]), whole, "{} with a tail", shown(&row.input));
        let at_once = [&row.input[..], tail].concat();
        assert_eq!(serve([&at_once[..]]), whole, "{} with a tail at once", shown(&row.input));
        if row.input.len() < 64 * 1024 {
            assert_eq!(serve(octets(&row.input)), whole, "{} octet by octet", shown(&row.input));
        }
    }
}

#[test]
fn the_table_has_at_least_150_distinct_rows() {
    let rows = rows();
    let inputs: BTreeSet<&[u8]> = rows.iter().map(|row| &row.input[..]).collect();
    assert_eq!(inputs.len(), rows.len(), "no row twice");
    assert!(rows.len() >= 150, "{}", rows.len());
}

#[test]
fn a_bad_request_behind_good_ones_is_refused_after_their_answers() {
    // H-09: in order, and nothing behind the bad one.
    let input = b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\nGET /3\r\n\r\nGET /4 HTTP/1.1\r\nHost: a\r\n\r\n";
    let served = serve([&input[..]]);
    let answer = String::from_utf8(served.output).expect("answers are text");
    let statuses: Vec<&str> = answer.matches("HTTP/1.1 200").chain(answer.matches("HTTP/1.1 400")).collect();
    assert_eq!(statuses, ["HTTP/1.1 200", "HTTP/1.1 200", "HTTP/1.1 400"]);
    assert_eq!(served.events.len(), 3);
    assert_eq!(served.events.last(), Some(&ServerEvent::Refused(RequestError::RequestLine)));
}

#[test]
fn no_answer_reflects_what_was_sent() {
    let input = b"GET /%0<script>canary</script> HTTP/1.1\r\nHost: canary\r\nCanary: canary\r\n\r\n";
    let answer = serve([&input[..]]).output;
    assert!(answer.starts_with(b"HTTP/1.1 400 "));
    assert!(!answer.to_ascii_lowercase().windows(6).any(|part| part == b"canary"));
}

#[test]
fn a_refused_head_request_gets_no_body() {
    let served = serve([&b"HEAD / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n"[..]]);
    assert!(matches!(served.events.last(), Some(ServerEvent::Aborted(_))), "{:?}", served.events);
    let answer = String::from_utf8(served.output).expect("answers are text");
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.ends_with("\r\n\r\n"), "{answer}");
    assert!(!answer.contains("Content-Length: 0"), "{answer}");
}

#[test]
fn a_chunked_body_may_be_as_long_as_the_limit_and_no_longer() {
    let (first, bound) = (999_990, 1_000_000);
    for (second, is_fine) in [(bound - first, true), (bound - first + 1, false), (bound - first + 5, false)] {
        let head = format!("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{first:x}\r\n");
        let (first, second_octets) = (vec![b'x'; first], vec![b'y'; second]);
        let size = format!("\r\n{second:x}\r\n");
        let served = serve([head.as_bytes(), &first, size.as_bytes(), &second_octets, &b"\r\n0\r\n\r\n"[..]]);
        let last = served.events.last().expect("an event");
        let too_long = ServerEvent::Aborted(AbortCause::Body(RequestError::BodyTooLong));
        assert_eq!(matches!(last, ServerEvent::End(_)), is_fine, "{second}");
        assert_eq!(*last == too_long, !is_fine, "{second}");
    }
}
