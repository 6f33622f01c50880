//! Requests and answers that two parsers could frame in different ways, as tables. [H-01 to H-23, I3, I18, I20]
//!
//! Each row is run whole, byte by byte and cut at every place, and a further message follows it. What is accepted is
//! written afresh, compared with the row byte by byte, and read again.

mod answer_row;
mod answers;
mod chunks;
mod framing;
mod heads;
mod pipelines;
mod row;
mod targets;

use std::collections::BTreeSet;

use bytes::Bytes;
use telephone_core::http1::{AbortCause, Client, Closing, Server, ServerEvent};
use telephone_core::message::{Headers, RequestHead, ResponseHead};

use self::row::{Answer, Ending, NEXT, Row};
use crate::refusal_rows;
use crate::support::{Served, answer_ok, is_whole, limits, octets, response, serve, serve_with, taken};

fn rows() -> Vec<Row> {
    let families = [framing::rows(), chunks::rows(), heads::rows(), targets::rows(), pipelines::rows()];
    families.into_iter().flatten().collect()
}

/// Serves `pieces` and answers as the row says.
fn run<'a>(row: &Row, pieces: impl IntoIterator<Item = &'a [u8]>) -> Served {
    let ok = ResponseHead { length: Some(2), ..response(200) };
    serve_with(pieces, |server, event| match (row.answer, event) {
        (Answer::WhenWhole, event) if is_whole(event) => answer_ok(server, &ok),
        (Answer::AtHead, ServerEvent::Request { .. }) => answer_ok(server, &ok),
        (Answer::Switch, ServerEvent::Request { head, .. }) => switch(server, head),
        (Answer::WhenWhole | Answer::AtHead | Answer::Switch, _) => {}
    })
}

fn switch(server: &mut Server, head: &RequestHead) {
    let upgrade = head.upgrade.clone().expect("an upgrade is asked for");
    let answer = ResponseHead { upgrade: Some(upgrade), ..response(101) };
    server.respond(&answer, false).expect("a switch");
}

/// All of `bytes`, readable.
fn text(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

/// A request that was served.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Message {
    head: RequestHead,
    host: Option<Bytes>,
    body: Bytes,
    trailers: Headers,
    /// Whether it was whole with its head.
    is_bare: bool,
    is_whole: bool,
}

impl Message {
    /// As a backend gets it.
    fn written(&self) -> Vec<u8> {
        let mut client = Client::new(limits());
        client.request(&self.head, self.is_bare).expect("what is accepted can be sent");
        client.write(self.body.clone());
        if self.is_whole {
            client.end(&self.trailers);
        }
        taken(client.output())
    }
}

/// The requests of a run, and the events that belong to none.
fn messages(served: Served) -> (Vec<Message>, Vec<ServerEvent>) {
    let (mut messages, mut others) = (Vec::<Message>::new(), Vec::new());
    for event in served.events {
        match (event, messages.last_mut()) {
            (ServerEvent::Request { head, end, origin }, _) => {
                let is_bare = end || head.upgrade.is_some();
                let (body, trailers) = (Bytes::new(), Headers::new());
                let host = origin.host;
                messages.push(Message { head, host, body, trailers, is_bare, is_whole: is_bare });
            }
            (ServerEvent::Body(body), Some(message)) => message.body = body,
            (ServerEvent::End(trailers), Some(message)) => {
                message.trailers = trailers;
                message.is_whole = true;
            }
            (event, _) => others.push(event),
        }
    }
    (messages, others)
}

/// Checks a run of the row against what the row says.
fn check_verdict(row: &Row, served: Served) {
    let (closing, output) = (served.closing, served.output.clone());
    let (messages, others) = messages(served);
    let expected: Vec<(String, bool)> =
        row.requests.iter().map(|(written, is_whole)| (text(written), *is_whole)).collect();
    let written: Vec<(String, bool)> =
        messages.iter().map(|message| (text(&message.written()), message.is_whole)).collect();
    assert_eq!(written, expected, "{}", row.name);
    let (event, expected_closing) = match row.ending {
        Ending::Open | Ending::Partial => (None, Closing::Open),
        Ending::Closed => (None, Closing::AfterOutput),
        Ending::Refused(error) => (Some(ServerEvent::Refused(error)), Closing::AfterOutput),
        Ending::Aborted(error) => (Some(ServerEvent::Aborted(AbortCause::Body(error))), Closing::AfterOutput),
        Ending::Opaque(bytes) => (Some(ServerEvent::Opaque(Bytes::from_static(bytes))), Closing::Open),
    };
    assert_eq!((others, closing), (event.into_iter().collect(), expected_closing), "{}", row.name);
    let status = match row.ending {
        Ending::Refused(error) | Ending::Aborted(error) => Some(error.status()),
        Ending::Open | Ending::Closed | Ending::Partial | Ending::Opaque(_) => None,
    };
    let has_refusal = |status| text(&output).contains(&format!("HTTP/1.1 {status} "));
    assert!(status.is_none_or(has_refusal), "{}: {}", row.name, text(&output));
    messages.iter().for_each(|message| check_reading(row, message));
}

/// A message without what may be said in two ways: a body of no bytes.
fn normal(message: &Message) -> Message {
    let head =
        RequestHead { length: message.head.length.filter(|length| *length > 0), ..message.head.clone() };
    Message { head, is_bare: false, ..message.clone() }
}

/// What is written is one strict request and the same one, and a part of one never looks whole. [I18]
fn check_reading(row: &Row, message: &Message) {
    if !message.head.headers.has("host") {
        // HTTP/1.0 alone may do without, and what is written is not.
        return;
    }
    let written = message.written();
    let (again, others) = messages(serve([&written[..]]));
    assert_eq!(others, [], "{}", row.name);
    assert_eq!(again.len(), 1, "{}", row.name);
    if message.is_whole {
        assert_eq!(normal(&again[0]), normal(message), "{}", row.name);
    } else {
        assert!(!again[0].is_whole, "{} looks complete", row.name);
    }
}

/// A further request is served behind a row that ends between two, and behind no other. [I20]
fn check_what_follows(row: &Row, whole: &Served) {
    let at_once = [&row.input[..], NEXT].concat();
    let followed = run(row, [&row.input[..], NEXT]);
    assert_eq!(run(row, [&at_once[..]]), followed, "{}", row.name);
    let is_next = |event: &ServerEvent| matches!(event, ServerEvent::Request { head, .. } if head.method == "GET" && head.target == "/next");
    let count = followed.events.iter().filter(|event| is_next(event)).count();
    match row.ending {
        Ending::Open if row.answer != Answer::Switch => {
            assert_eq!(count, 1, "{}", row.name);
            assert_eq!(followed.events.len(), whole.events.len() + 1, "{}", row.name);
            let Some(ServerEvent::Request { origin, .. }) = followed.events.last() else {
                panic!("{}: {:?}", row.name, followed.events)
            };
            assert_eq!(origin.host.as_deref(), Some(&b"next.example"[..]), "{}", row.name);
        }
        Ending::Closed | Ending::Refused(_) | Ending::Aborted(_) => {
            assert_eq!(followed, *whole, "{}", row.name);
        }
        Ending::Open | Ending::Partial | Ending::Opaque(_) => assert_eq!(count, 0, "{}", row.name),
    }
}

#[test]
fn each_request_has_one_reading_at_every_cut() {
    for row in rows() {
        let whole = run(&row, [&row.input[..]]);
        assert_eq!(run(&row, octets(&row.input)), whole, "{} byte by byte", row.name);
        for cut in 1..row.input.len() {
            let (front, back) = row.input.split_at(cut);
            assert_eq!(run(&row, [front, back]), whole, "{} cut at {cut}", row.name);
        }
        check_what_follows(&row, &whole);
        check_verdict(&row, whole);
    }
}

#[test]
fn each_answer_has_one_reading_at_every_cut() {
    answers::rows().iter().for_each(answer_row::Row::check);
}

#[test]
fn the_tables_have_at_least_200_rows_and_none_twice() {
    let (requests, answers) = (rows(), answers::rows());
    let names: BTreeSet<&str> = requests.iter().map(|row| row.name).collect();
    assert_eq!(names.len(), requests.len(), "no name twice");
    let names: BTreeSet<&str> = answers.iter().map(|row| row.name).collect();
    assert_eq!(names.len(), answers.len(), "no name twice");
    let mut inputs: BTreeSet<Vec<u8>> = refusal_rows::rows().into_iter().map(|row| row.input).collect();
    for row in &requests {
        // The same bytes may be answered in two ways.
        let is_new = inputs.insert(row.input.clone()) || row.answer != Answer::WhenWhole;
        assert!(is_new, "{} stands in a table already", row.name);
    }
    assert!(answers.len() >= 40, "{}", answers.len());
    assert!(requests.len() + answers.len() >= 200, "{} and {}", requests.len(), answers.len());
}
