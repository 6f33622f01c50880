//! F7: from a client's octets to a backend's.

use bytes::{Bytes, BytesMut};
use telephone_core::forward::{Observed, Scheme, Stamp, Trusted, reserved};
use telephone_core::http1::{Client, Closing, ServerEvent};
use telephone_core::limits::HttpLimits;
use telephone_core::message::{Headers, RequestHead};
use telephone_core::wire::{Frame, Frames, Opening, StreamId, varint};

use super::compare::{assert_clean_head, owned, pairs};
use super::run::{serve, taken, wide_chunk_bounds};
use crate::reference::fields::Framing;
use crate::reference::{Reading, chunks, request};

const PEER: &str = "192.0.2.7";

/// A request as the relay had it from its client.
struct Message {
    head: RequestHead,
    body: Bytes,
    /// What ended it, if anything did.
    trailers: Option<Headers>,
    has_body: bool,
}

/// F7: each request that is accepted crosses the wire as it is and is written for a backend as exactly one
/// request: that one, strictly (I17 to I19, I24). One that breaks off never looks complete.
pub fn proxy_transform(data: &[u8]) {
    for mut message in messages(serve([data]).events) {
        stamp(&mut message.head);
        cross(&message.head);
        let output = written(&message);
        assert_clean_head(&output);
        assert_read_back(&output, &message);
    }
}

fn messages(events: Vec<ServerEvent>) -> Vec<Message> {
    let mut messages: Vec<Message> = Vec::new();
    for event in events {
        match (event, messages.last_mut()) {
            (ServerEvent::Request { head, end, .. }, _) => {
                let is_whole = end || (head.upgrade.is_some() && matches!(head.length, None | Some(0)));
                let trailers = is_whole.then(Headers::new);
                messages.push(Message { head, body: Bytes::new(), trailers, has_body: !is_whole });
            }
            (ServerEvent::Body(body), Some(message)) => {
                // Beside an upgrade the end is told only with the answer.
                let is_whole = message.head.length == Some(body.len() as u64);
                message.trailers = (message.head.upgrade.is_some() && is_whole).then(Headers::new);
                message.body = body;
            }
            (ServerEvent::End(trailers), Some(message)) => message.trailers = Some(trailers),
            (_, _) => {}
        }
    }
    messages
}

/// What the relay adds: nothing that the client wrote in its place is left (I24).
fn stamp(head: &mut RequestHead) {
    if !head.headers.has("host") {
        // HTTP/1.0 alone; a backend is told an empty one, which the strict reader takes from nobody.
        head.headers.push(&b"Host"[..], &b"a"[..]);
    }
    let peer: std::net::IpAddr = PEER.parse().expect("an address");
    Stamp::new(Observed { peer: peer.into(), scheme: Scheme::Http, is_trusted: false })
        .put(&mut head.headers, Trusted::NOBODY);
    let values = |name: &'static str| head.headers.all(name).collect::<Vec<_>>();
    assert_eq!(values("x-forwarded-for"), [PEER.as_bytes()]);
    assert_eq!(values("x-forwarded-proto"), [b"http"]);
    assert_eq!(values("x-forwarded-host"), values("host"));
    assert_eq!(values("forwarded").len(), 1);
    assert_eq!(values("x-real-ip"), [PEER.as_bytes()]);
    let reserved: Vec<_> = head.headers.iter().filter(|(name, _)| is_reserved(name)).collect();
    assert_eq!(reserved.len(), 4 + values("x-forwarded-host").len(), "{reserved:?}");
}

/// Whether a name stands in the list, with everything folded that any backend folds.
fn is_reserved(name: &[u8]) -> bool {
    let fold = |octet: &u8| if octet.is_ascii_alphanumeric() { octet.to_ascii_lowercase() } else { b'-' };
    let name: Vec<u8> = name.iter().map(fold).collect();
    reserved().any(|known| match known.split_once('*') {
        Some((start, _)) => name.starts_with(start.as_bytes()),
        None => name == known.as_bytes(),
    })
}

/// What the relay accepts the session carries.
fn cross(head: &RequestHead) {
    let opening = Opening::Http { mount: Bytes::from_static(b"/"), head: head.clone() };
    let open = Frame::Open { id: StreamId::new(2), grant: 0, end: false, opening };
    let mut message = BytesMut::new();
    varint::put(&mut message, 0);
    open.put(&mut message);
    let (_, mut frames) = Frames::of(message.freeze()).expect("a message");
    assert_eq!(frames.next(), Some(Ok(open)), "the session refuses what the relay accepted");
}

/// The request as it is written for a backend; one that broke off is given up.
fn written(message: &Message) -> Vec<u8> {
    let mut client = Client::new(HttpLimits::default());
    client.request(&message.head, !message.has_body).expect("what is accepted can be sent");
    if message.has_body {
        message.body.chunks(1000).for_each(|piece| client.write(Bytes::copy_from_slice(piece)));
        match &message.trailers {
            Some(trailers) => client.end(trailers),
            // Ended by mistake, where the length can tell.
            None if message.head.length.is_some() => client.end(&Headers::new()),
            None => client.abort(),
        }
    }
    let is_given_up = client.closing() == Closing::Reset;
    assert_eq!(is_given_up, message.trailers.is_none(), "what broke off looks complete");
    taken(client.output())
}

fn assert_read_back(output: &[u8], message: &Message) {
    let (head, limits) = (&message.head, HttpLimits::default());
    let Reading::Whole(read, behind) = request::read(output, &limits) else {
        panic!("no request: {}", output.escape_ascii());
    };
    assert_eq!((&read.method[..], &read.target[..]), (&head.method[..], &head.target[..]));
    assert_eq!(read.fields, pairs(&head.headers));
    assert_eq!(
        (read.upgrade.clone(), read.wants_trailers),
        (owned(head.upgrade.as_ref()), head.wants_trailers)
    );
    assert!(read.is_kept_alive, "the backend is asked to close");
    let trailers = message.trailers.as_ref().map(pairs);
    match read.framing {
        Framing::Nothing => assert!(!message.has_body && behind.is_empty()),
        Framing::Length(length) => {
            assert_eq!(length, head.length.unwrap_or(0));
            assert_eq!(behind, message.body);
            assert_eq!(
                behind.len() as u64 == length,
                trailers.is_some(),
                "cut short and whole, or the reverse"
            );
        }
        Framing::Chunked => match (chunks::read(&behind, wide_chunk_bounds(), &mut Vec::new()), trailers) {
            (Reading::Whole(body, rest), Some(trailers)) => {
                assert_eq!((&body.data[..], body.trailers), (&message.body[..], trailers));
                assert_eq!(rest, b"", "surplus behind the request");
            }
            (Reading::Partial, None) => {}
            (read, trailers) => panic!("{read:?} with {trailers:?}"),
        },
    }
}
