//! Runs both ends of the codec over bytes that come in any pieces.

use bytes::{Buf, Bytes, BytesMut};
use telephone_core::http1::{Client, ClientEvent, Closing, ResponseError, Server, ServerEvent};
use telephone_core::limits::HttpLimits;
use telephone_core::message::{Headers, RequestHead, ResponseHead};
use telephone_core::time::Timestamp;

pub(crate) const NOW: Timestamp = Timestamp::from_micros(1_000_000);

/// Limits small enough that a table can reach them.
pub(crate) fn limits() -> HttpLimits {
    HttpLimits {
        request_head_bytes: 4096,
        request_headers: 20,
        header_line_bytes: 1024,
        target_bytes: 512,
        response_head_bytes: 4096,
        response_headers: 20,
        chunk_extension_bytes: 64,
        trailer_bytes: 512,
        trailers: 4,
        request_body_bytes: 1_000_000,
        drain_bytes: 1024,
        interim_responses: 3,
        ..HttpLimits::default()
    }
}

/// What a run over some input showed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Served {
    /// Events, with neighbouring body pieces joined.
    pub(crate) events: Vec<ServerEvent>,
    pub(crate) output: Vec<u8>,
    pub(crate) closing: Closing,
}

/// Serves `pieces` as one connection. Each request is answered with `200` and `ok` once it is whole.
pub(crate) fn serve<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Served {
    serve_with(pieces, |server, event| {
        if is_whole(event) {
            answer_ok(server, &response(200));
        }
    })
}

/// Whether a request is whole with this event, as far as it may be before its answer.
pub(crate) fn is_whole(event: &ServerEvent) -> bool {
    matches!(event, ServerEvent::Request { end: true, .. } | ServerEvent::End(_))
        || matches!(event, ServerEvent::Request { head, .. } if head.upgrade.is_some())
}

/// Answers a request with `head` and `ok`.
pub(crate) fn answer_ok(server: &mut Server, head: &ResponseHead) {
    server.respond(head, false).expect("a plain response");
    server.write(Bytes::from_static(b"ok"));
    server.end(&Headers::new());
}

/// Serves `pieces` as one connection. `answer` sees each event and answers the requests.
pub(crate) fn serve_with<'a>(
    pieces: impl IntoIterator<Item = &'a [u8]>,
    mut answer: impl FnMut(&mut Server, &ServerEvent),
) -> Served {
    let mut server = Server::new(limits(), NOW);
    let mut input = BytesMut::new();
    let mut events = Vec::new();
    for piece in pieces {
        input.extend_from_slice(piece);
        while let Some(event) = server.poll_event(&mut input, NOW) {
            answer(&mut server, &event);
            join(&mut events, event);
        }
    }
    Served { events, output: taken(server.output()), closing: server.closing() }
}

fn join(events: &mut Vec<ServerEvent>, event: ServerEvent) {
    match (events.last_mut(), event) {
        (Some(ServerEvent::Body(so_far)), ServerEvent::Body(more))
        | (Some(ServerEvent::Opaque(so_far)), ServerEvent::Opaque(more)) => {
            *so_far = [&so_far[..], &more[..]].concat().into();
        }
        (_, event) => events.push(event),
    }
}

/// What a run over a response showed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fetched {
    /// Events, with neighbouring body pieces joined.
    pub(crate) events: Vec<ClientEvent>,
    pub(crate) error: Option<ResponseError>,
    pub(crate) is_reusable: bool,
}

/// Asks with `head` and reads `pieces`, then the end of the connection if `has_eof`.
pub(crate) fn fetch<'a>(
    head: &RequestHead,
    pieces: impl IntoIterator<Item = &'a [u8]>,
    has_eof: bool,
) -> Fetched {
    fetch_with(limits(), head, pieces, has_eof)
}

/// The same within these limits.
pub(crate) fn fetch_with<'a>(
    limits: HttpLimits,
    head: &RequestHead,
    pieces: impl IntoIterator<Item = &'a [u8]>,
    has_eof: bool,
) -> Fetched {
    let mut client = Client::new(limits);
    client.request(head, true).expect("a plain request");
    let sent = client.output().remaining();
    client.output().advance(sent);
    let mut input = BytesMut::new();
    let mut fetched = Fetched { events: Vec::new(), error: None, is_reusable: false };
    for piece in pieces {
        input.extend_from_slice(piece);
        drain_events(&mut fetched, || client.poll_event(&mut input));
    }
    fetched.is_reusable = client.is_reusable(&input);
    if has_eof {
        drain_events(&mut fetched, || client.handle_eof(&mut input));
    }
    fetched
}

fn drain_events(fetched: &mut Fetched, mut next: impl FnMut() -> Result<Option<ClientEvent>, ResponseError>) {
    loop {
        match next() {
            Ok(None) => return,
            Ok(Some(event)) => join_response(&mut fetched.events, event),
            Err(error) => {
                fetched.error = Some(error);
                return;
            }
        }
    }
}

fn join_response(events: &mut Vec<ClientEvent>, event: ClientEvent) {
    match (events.last_mut(), event) {
        (Some(ClientEvent::Body(so_far)), ClientEvent::Body(more))
        | (Some(ClientEvent::Opaque(so_far)), ClientEvent::Opaque(more)) => {
            *so_far = [&so_far[..], &more[..]].concat().into();
        }
        (_, event) => events.push(event),
    }
}

/// Each octet of `input` by itself.
pub(crate) fn octets(input: &[u8]) -> impl Iterator<Item = &[u8]> {
    input.chunks(1)
}

/// All that waits in an output.
pub(crate) fn taken(output: &mut telephone_core::output::Output) -> Vec<u8> {
    let sliced: Vec<u8> = output.slices().flatten().copied().collect();
    let mut all = vec![0; output.remaining()];
    output.copy_to_slice(&mut all);
    assert_eq!(sliced, all, "slices and chunks tell the same");
    assert!(output.is_empty());
    all
}

/// A GET without anything special.
pub(crate) fn get(target: &'static str) -> RequestHead {
    RequestHead {
        method: Bytes::from_static(b"GET"),
        target: Bytes::from_static(target.as_bytes()),
        headers: fields(&[("Host", "a")]),
        length: None,
        upgrade: None,
        wants_trailers: false,
    }
}

/// A response head without anything special.
pub(crate) fn response(status: u16) -> ResponseHead {
    ResponseHead { status, reason: Bytes::new(), headers: Headers::new(), length: None, upgrade: None }
}

pub(crate) fn fields(fields: &[(&'static str, &'static str)]) -> Headers {
    let field = |(name, value): &(&'static str, &'static str)| {
        (Bytes::from_static(name.as_bytes()), Bytes::from_static(value.as_bytes()))
    };
    fields.iter().map(field).collect()
}

/// Bytes for a failure message.
pub(crate) fn shown(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string().chars().take(200).collect()
}
