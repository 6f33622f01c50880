//! F5: a request's head.

use telephone_core::http1::{Closing, ServerEvent};

use super::compare::assert_same_request;
use super::run::{cut, limits, serve};
use crate::reference::response::{self, Question};
use crate::reference::{Reading, request};

/// F5: octets from a client. The strict reader has the same verdict on the first head and finds the same in it;
/// nothing is interpreted behind an error (I20); and however the octets are cut, the events are the same (I3).
pub fn request_head(data: &[u8]) {
    let served = serve([data]);
    assert_eq!(serve(data.chunks(1)), served, "cut into octets");
    assert_eq!(serve(cut(data)), served, "cut into pieces");
    let read = request::read(data, &limits());
    match (served.events.first(), &read) {
        (Some(ServerEvent::Request { head, end, origin }), Reading::Whole(read, _)) => {
            assert_same_request(head, *end, origin, read);
            assert_eq!(served.targets.first(), Some(&read.sent));
        }
        (Some(ServerEvent::Refused(_)), Reading::Whole(read, _)) if read.is_doubtful => {}
        (Some(ServerEvent::Refused(_)), Reading::Refused | Reading::Partial) => {}
        (None, Reading::Partial) => {}
        (event, read) => panic!("{event:?} for {read:?}"),
    }
    assert_errors_are_last(&served.events, served.closing);
    assert_answers(&served.output, &served.events, &read);
}

/// Nothing follows an error, which closes the connection (I20).
fn assert_errors_are_last(events: &[ServerEvent], closing: Closing) {
    let is_error = |event: &ServerEvent| matches!(event, ServerEvent::Refused(_) | ServerEvent::Aborted(_));
    if let Some(at) = events.iter().position(is_error) {
        assert_eq!(at + 1, events.len(), "{events:?}");
        assert_ne!(closing, Closing::Open);
    }
}

/// The first answer is one strict response, and says whether the connection stays as the request wants it.
fn assert_answers(output: &[u8], events: &[ServerEvent], read: &Reading<request::Request>) {
    let Some(ServerEvent::Request { head, .. }) = events.first() else {
        return assert_eq!(output.is_empty(), events.is_empty());
    };
    let question = Question { is_head: head.method == "HEAD", upgrade: None };
    match (response::read(output, &question, &limits()), read) {
        (Reading::Partial, _) => assert_eq!(output, b"", "an answer that is not whole"),
        (Reading::Whole(answer, _), Reading::Whole(read, _)) if answer.status == 200 => {
            // HTTP/1.0 knows no chunks: there the end of the connection is the end of the body.
            let is_delimited = !read.is_http10 || head.method == "HEAD";
            let is_closed = !read.is_kept_alive || !is_delimited;
            assert_eq!(is_closed, !answer.is_reusable, "{read:?} and {answer:?}");
        }
        (Reading::Whole(answer, _), _) => assert!(answer.status >= 400 && !answer.is_reusable, "{answer:?}"),
        (Reading::Refused, _) => panic!("an answer that is none: {}", output.escape_ascii()),
    }
}
