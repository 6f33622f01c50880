//! F8: a backend's response, and the same response as a client gets it.

use bytes::{Bytes, BytesMut};
use telephone_core::http1::{ClientEvent, Closing, ResponseError, Server};
use telephone_core::limits::HttpLimits;
use telephone_core::message::{Headers, RequestHead, ResponseHead};
use telephone_core::wire::{Frame, Frames, StreamId, varint};

use super::compare::{assert_clean_head, assert_same_response, pairs};
use super::run::{Fetched, NOW, chunk_bounds, cut, fetch, limits, taken, wide_chunk_bounds};
use crate::reference::Reading;
use crate::reference::chunks::{self, ChunkBounds};
use crate::reference::response::{self, BodyEnd, Question, Response};

/// What an input asks: its first octet says which, and whether the backend closes.
struct Case {
    head: RequestHead,
    question: Question,
    has_eof: bool,
}

impl Case {
    fn of(octet: u8) -> Self {
        let (method, upgrade) = match octet % 4 {
            0 | 1 => ("GET", None),
            2 => ("HEAD", None),
            _ => ("GET", Some("x, y/1")),
        };
        let mut headers = Headers::new();
        headers.push(&b"Host"[..], &b"a"[..]);
        let question =
            Question { is_head: method == "HEAD", upgrade: upgrade.map(|protocol: &str| protocol.into()) };
        let head = RequestHead {
            method: method.into(),
            target: Bytes::from_static(b"/"),
            headers,
            length: None,
            upgrade: upgrade.map(Bytes::from),
            wants_trailers: false,
        };
        Self { head, question, has_eof: octet & 4 == 0 }
    }
}

/// F8: octets from a backend. The strict reader finds the same heads and body in them, no body where none may
/// be (I22), and the same end; however they are cut, the events are the same (I3). What the client then gets is one
/// strict response, the same one (I19), and one that broke off never looks complete.
pub fn response(data: &[u8]) {
    let Some((octet, data)) = data.split_first() else { return };
    let case = Case::of(*octet);
    let fetched = fetch(&case.head, [data], case.has_eof);
    assert_eq!(fetch(&case.head, data.chunks(1), case.has_eof), fetched, "cut into octets");
    assert_eq!(fetch(&case.head, cut(data), case.has_eof), fetched, "cut into pieces");
    // The reference is strict. Of an odd answer the laws of every answer hold, and its connection is not used again.
    if fetched.is_odd {
        assert!(!fetched.is_reusable, "an odd answer's connection is used again");
    } else {
        assert_as_in_the_reference(&case, data, &fetched);
    }
    pass_on(&case, &fetched);
}

/// Walks over the input with the reference and over the events at once.
fn assert_as_in_the_reference(case: &Case, data: &[u8], fetched: &Fetched) {
    let mut events = fetched.events.iter();
    let mut rest = data.to_vec();
    let (mut interims, mut is_reusable) = (0, true);
    loop {
        let (read, behind) = match response::read(&rest, &case.question, &limits()) {
            Reading::Whole(read, behind) => (read, behind),
            broken => {
                let is_error = fetched.error.is_some();
                assert!(is_error || (broken == Reading::Partial && !case.has_eof), "{broken:?}");
                return assert_eq!((events.next(), fetched.is_reusable), (None, false));
            }
        };
        is_reusable &= read.is_reusable || read.body == BodyEnd::Opaque;
        if read.is_doubtful && fetched.error.is_some() && events.len() == 0 {
            return;
        }
        rest = behind;
        if !read.is_interim() {
            return assert_final(case, &read, &rest, fetched, events, is_reusable);
        }
        interims += 1;
        if interims <= limits().interim_responses {
            let Some(ClientEvent::Interim(head)) = events.next() else { panic!("no event for {read:?}") };
            assert_same_response(head, &read);
        }
    }
}

/// The final head and what comes behind it.
fn assert_final<'a>(
    case: &Case,
    read: &Response,
    rest: &[u8],
    fetched: &Fetched,
    mut events: impl Iterator<Item = &'a ClientEvent>,
    is_reusable: bool,
) {
    let Some(ClientEvent::Head { head, end }) = events.next() else { panic!("no event for {read:?}") };
    assert_same_response(head, read);
    assert_eq!(*end, read.body == BodyEnd::Head, "{read:?}");
    let Content { data, trailers, surplus, may_fail } = content(read, rest, case.has_eof);
    let mut next = events.next();
    if !data.is_empty() {
        match next {
            Some(ClientEvent::Body(octets) | ClientEvent::Opaque(octets)) if read.body != BodyEnd::Head => {
                assert_eq!(octets, &data);
            }
            other => panic!("{other:?} for {} octets", data.len()),
        }
        next = events.next();
    }
    match (next, &trailers) {
        (Some(ClientEvent::OpaqueEnd), Some(_)) => assert_eq!(read.body, BodyEnd::Opaque),
        (Some(ClientEvent::End(fields)), Some(expected)) => assert_eq!(&pairs(fields), expected),
        (None, Some(_)) => assert_eq!(read.body, BodyEnd::Head),
        (None, None) => {}
        (event, expected) => panic!("{event:?} for {expected:?}"),
    }
    assert!(events.next().is_none(), "an event behind the last one");
    let is_whole = trailers.is_some();
    let has_surplus = is_whole && !surplus.is_empty() && is_reusable;
    match fetched.error {
        Some(ResponseError::Unasked) => assert!(has_surplus),
        Some(_) => assert!(may_fail && !is_whole),
        None => assert!(!has_surplus && (is_whole || !case.has_eof)),
    }
    let is_delimited = read.body != BodyEnd::Connection && read.body != BodyEnd::Opaque;
    assert_eq!(fetched.is_reusable, is_delimited && is_whole && is_reusable && surplus.is_empty());
}

/// A body as the reference reads it.
struct Content {
    data: Vec<u8>,
    /// What ended it, if anything did.
    trailers: Option<Vec<(Vec<u8>, Vec<u8>)>>,
    surplus: Vec<u8>,
    /// Whether what is there breaks a rule, or is not all and nothing more comes.
    may_fail: bool,
}

fn content(read: &Response, rest: &[u8], has_eof: bool) -> Content {
    let (data, surplus) = match read.body {
        BodyEnd::Head => (&[][..], rest),
        BodyEnd::Length(length) => {
            rest.split_at(usize::try_from(length).unwrap_or(usize::MAX).min(rest.len()))
        }
        BodyEnd::Connection | BodyEnd::Opaque => (rest, &[][..]),
        BodyEnd::LastChunk => return chunked_content(rest),
    };
    let is_whole = match read.body {
        BodyEnd::Length(length) => data.len() as u64 == length,
        BodyEnd::Head | BodyEnd::LastChunk => true,
        BodyEnd::Connection | BodyEnd::Opaque => has_eof,
    };
    let trailers = is_whole.then(Vec::new);
    Content { data: data.to_vec(), trailers, surplus: surplus.to_vec(), may_fail: has_eof }
}

fn chunked_content(rest: &[u8]) -> Content {
    let mut data = Vec::new();
    let (trailers, surplus) =
        match chunks::read(rest, ChunkBounds { is_answer: true, ..chunk_bounds() }, &mut data) {
            Reading::Whole(body, behind) => {
                data = body.data;
                (Some(body.trailers), behind)
            }
            Reading::Partial | Reading::Refused => (None, Vec::new()),
        };
    Content { data, trailers, surplus, may_fail: true }
}

/// What the client of a request gets: the events go over the wire and into the relay's side.
fn pass_on(case: &Case, fetched: &Fetched) {
    let mut server = asked(case);
    let (mut expected, mut body, mut trailers) = (Vec::new(), Vec::new(), None);
    for event in &fetched.events {
        match event {
            ClientEvent::Interim(head) => {
                cross(head);
                server.interim(head).expect("an interim head that was accepted");
                // To a HEAD only a 100 would pass, and this one asks for none.
                if !case.question.is_head {
                    expected.push(head);
                }
            }
            ClientEvent::Head { head, end } => {
                cross(head);
                server.respond(head, *end).expect("a head that was accepted");
                expected.push(head);
                trailers = end.then(Headers::new);
            }
            ClientEvent::Body(octets) | ClientEvent::Opaque(octets) => {
                server.write(octets.clone());
                body.extend_from_slice(octets);
            }
            ClientEvent::End(fields) => {
                server.end(fields);
                trailers = Some(fields.clone());
            }
            ClientEvent::OpaqueEnd => server.end(&Headers::new()),
        }
    }
    let is_begun = expected.iter().any(|head| !head.is_interim());
    if is_begun && trailers.is_none() && fetched.error.is_some() {
        // Ended by mistake, where the length can tell.
        let has_length = expected.last().is_some_and(|head| head.length.is_some());
        if has_length {
            server.end(&Headers::new());
        } else {
            server.abort();
        }
        assert_eq!(server.closing(), Closing::Reset, "what broke off looks complete");
    }
    assert_passed_on(case, &taken(server.output()), &expected, &body, trailers.as_ref());
}

/// A relay that has read the question.
fn asked(case: &Case) -> Server {
    let upgrade = if case.head.upgrade.is_some() { "Connection: upgrade\r\nUpgrade: x, y/1\r\n" } else { "" };
    let method = String::from_utf8_lossy(&case.head.method);
    let text = format!("{method} / HTTP/1.1\r\nHost: a\r\n{upgrade}\r\n");
    let mut server = Server::new(limits(), NOW);
    assert!(server.poll_event(&mut BytesMut::from(text.as_bytes()), NOW).is_some());
    server
}

/// What a telephone accepts the session carries.
fn cross(head: &ResponseHead) {
    let frame = Frame::Head { id: StreamId::new(2), end: false, head: head.clone() };
    let mut message = BytesMut::new();
    varint::put(&mut message, 0);
    frame.put(&mut message);
    let (_, mut frames) = Frames::of(message.freeze()).expect("a message");
    assert_eq!(frames.next(), Some(Ok(frame)), "the session refuses what the telephone accepted");
}

fn assert_passed_on(
    case: &Case,
    output: &[u8],
    expected: &[&ResponseHead],
    body: &[u8],
    trailers: Option<&Headers>,
) {
    let mut rest = output.to_vec();
    for head in expected {
        assert_clean_head(&rest);
        let Reading::Whole(read, behind) = response::read(&rest, &case.question, &HttpLimits::default())
        else {
            panic!("no response: {}", rest.escape_ascii());
        };
        assert_eq!((read.status, &read.reason[..]), (head.status, &head.reason[..]));
        assert_eq!(read.fields, pairs(&head.headers));
        rest = behind;
        match read.body {
            _ if read.is_interim() => {}
            BodyEnd::Head => assert_eq!((&rest[..], body), (&b""[..], &b""[..])),
            BodyEnd::Opaque => assert_eq!(rest, body),
            BodyEnd::Length(length) => {
                assert_eq!(rest, body);
                assert_eq!(length == rest.len() as u64, trailers.is_some());
            }
            BodyEnd::LastChunk => match (chunks::read(&rest, wide_chunk_bounds(), &mut Vec::new()), trailers)
            {
                (Reading::Whole(read, surplus), Some(trailers)) => {
                    assert_eq!((&read.data[..], read.trailers), (body, pairs(trailers)));
                    assert_eq!(surplus, b"");
                }
                (Reading::Partial, None) => {}
                (read, trailers) => panic!("{read:?} with {trailers:?}"),
            },
            BodyEnd::Connection => panic!("a body without an end for HTTP/1.1"),
        }
    }
    assert!(!expected.is_empty() || output.is_empty());
}
