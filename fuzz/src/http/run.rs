//! Runs of both ends over octets that come in any pieces.

use bytes::{Buf, Bytes, BytesMut};
use telephone_core::http1::{Client, ClientEvent, Closing, ResponseError, Server, ServerEvent};
use telephone_core::limits::HttpLimits;
use telephone_core::message::{Headers, RequestHead, ResponseHead};
use telephone_core::output::Output;
use telephone_core::random::Random;
use telephone_core::time::Timestamp;

use crate::reference::chunks::ChunkBounds;
use crate::reference::fields::Bounds;

pub(super) const NOW: Timestamp = Timestamp::from_micros(1_000_000);

/// Limits that inputs of a few hundred octets reach.
pub(super) fn limits() -> HttpLimits {
    HttpLimits {
        request_head_bytes: 1024,
        request_headers: 12,
        header_line_bytes: 256,
        target_bytes: 128,
        response_head_bytes: 1024,
        response_headers: 12,
        chunk_extension_bytes: 32,
        trailer_bytes: 256,
        trailers: 4,
        request_body_bytes: 10_000,
        drain_bytes: 512,
        interim_responses: 3,
        ..HttpLimits::default()
    }
}

/// The part of [`limits`] that is about chunks.
pub(super) fn chunk_bounds() -> ChunkBounds {
    let limits = limits();
    let trailers = Bounds { line: limits.header_line_bytes, lines: limits.trailers };
    let (extensions, trailer_bytes) = (limits.chunk_extension_bytes, limits.trailer_bytes);
    ChunkBounds { extensions, is_answer: false, trailer_bytes, trailers }
}

/// What was read is written again with a space behind each colon: it is read back with room to spare.
pub(super) fn wide_chunk_bounds() -> ChunkBounds {
    let trailers = Bounds { line: usize::MAX, lines: usize::MAX };
    ChunkBounds { trailer_bytes: usize::MAX, trailers, ..chunk_bounds() }
}

/// What a run over some input showed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Served {
    /// Events, with neighbouring body pieces joined.
    pub(super) events: Vec<ServerEvent>,
    pub(super) output: Vec<u8>,
    pub(super) closing: Closing,
    /// What was not read.
    pub(super) left: Vec<u8>,
    /// The targets of the requests, as backends get them.
    pub(super) targets: Vec<Vec<u8>>,
}

/// A response head without anything special.
pub(super) fn plain_response(status: u16) -> ResponseHead {
    ResponseHead { status, reason: Bytes::new(), headers: Headers::new(), length: None, upgrade: None }
}

/// Serves `pieces` as one connection. Each request is answered with `200` and `ok` once it is whole.
pub(super) fn serve<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Served {
    let mut server = Server::new(limits(), NOW);
    let mut input = BytesMut::new();
    let (mut events, mut targets) = (Vec::new(), Vec::new());
    for piece in pieces {
        input.extend_from_slice(piece);
        while let Some(event) = server.poll_event(&mut input, NOW) {
            let is_whole = match &event {
                ServerEvent::Request { head, end, .. } => *end || head.upgrade.is_some(),
                ServerEvent::End(_) => true,
                ServerEvent::Body(_)
                | ServerEvent::Aborted(_)
                | ServerEvent::Refused(_)
                | ServerEvent::Opaque(_)
                | ServerEvent::OpaqueEnd => false,
            };
            if matches!(event, ServerEvent::Request { .. }) {
                targets.push(server.sent_target().to_vec());
            }
            join_served(&mut events, event);
            if is_whole {
                answer(&mut server);
            }
        }
    }
    let (closing, left) = (server.closing(), input.to_vec());
    Served { events, targets, output: taken(server.output()), closing, left }
}

fn answer(server: &mut Server) {
    server.respond(&plain_response(200), false).expect("a plain response");
    server.write(Bytes::from_static(b"ok"));
    server.end(&Headers::new());
}

/// A public client's octets, for a plugboard with its own limits: it may be refused, never misread.
pub(crate) fn public_connection(data: &[u8]) {
    let mut server = Server::new(HttpLimits::default(), NOW);
    let mut input = BytesMut::from(data);
    let mut steps = 0;
    let mut is_over = false;
    while let Some(event) = server.poll_event(&mut input, NOW) {
        assert!(!is_over, "{event:?} behind the last event");
        steps += 1;
        assert!(steps <= 4 * data.len() + 64, "more events than octets for them");
        match event {
            ServerEvent::Request { end: true, .. } | ServerEvent::End(_) => answer(&mut server),
            ServerEvent::Request { head, .. } if head.upgrade.is_some() => answer(&mut server),
            ServerEvent::Aborted(_) | ServerEvent::Refused(_) | ServerEvent::OpaqueEnd => is_over = true,
            ServerEvent::Request { .. } | ServerEvent::Body(_) | ServerEvent::Opaque(_) => {}
        }
    }
    assert!(!is_over || server.closing() != Closing::Open, "an error leaves the connection open");
    server.handle_eof();
    while server.poll_event(&mut input, NOW).is_some() {
        steps += 1;
        assert!(steps <= 4 * data.len() + 128, "a connection that is gone goes on");
    }
    assert!(server.closing() != Closing::Open, "a client that left leaves its connection open");
}

fn join_served(events: &mut Vec<ServerEvent>, event: ServerEvent) {
    match (events.last_mut(), event) {
        (Some(ServerEvent::Body(so_far)), ServerEvent::Body(more)) => {
            *so_far = [&so_far[..], &more[..]].concat().into();
        }
        (_, event) => events.push(event),
    }
}

/// What a run over a response showed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fetched {
    /// Events, with neighbouring body pieces joined.
    pub(super) events: Vec<ClientEvent>,
    pub(super) error: Option<ResponseError>,
    pub(super) is_reusable: bool,
    /// Whether the answer departs from the grammar, and has one meaning all the same.
    pub(super) is_odd: bool,
}

/// Asks with `head` and reads `pieces`, then the end of the connection if `has_eof`.
pub(super) fn fetch<'a>(
    head: &RequestHead,
    pieces: impl IntoIterator<Item = &'a [u8]>,
    has_eof: bool,
) -> Fetched {
    let mut client = Client::new(limits());
    client.request(head, true).expect("a plain request");
    taken(client.output());
    let mut input = BytesMut::new();
    let mut fetched = Fetched { events: Vec::new(), error: None, is_reusable: false, is_odd: false };
    for piece in pieces {
        input.extend_from_slice(piece);
        drain_events(&mut fetched, || client.poll_event(&mut input));
    }
    fetched.is_reusable = client.is_reusable(&input);
    if has_eof {
        drain_events(&mut fetched, || client.handle_eof(&mut input));
        assert!(!client.is_reusable(&input), "a connection that ended is used again");
    }
    fetched.is_odd = client.oddity().is_some();
    fetched
}

fn drain_events(fetched: &mut Fetched, mut next: impl FnMut() -> Result<Option<ClientEvent>, ResponseError>) {
    loop {
        match next() {
            Ok(None) => return,
            Ok(Some(event)) => {
                assert_eq!(fetched.error, None, "{event:?} behind an error");
                join_fetched(&mut fetched.events, event);
            }
            Err(error) => {
                assert!(fetched.error.is_none_or(|earlier| earlier == error), "{error:?} behind another");
                fetched.error = Some(error);
                return;
            }
        }
    }
}

fn join_fetched(events: &mut Vec<ClientEvent>, event: ClientEvent) {
    match (events.last_mut(), event) {
        (Some(ClientEvent::Body(so_far)), ClientEvent::Body(more))
        | (Some(ClientEvent::Opaque(so_far)), ClientEvent::Opaque(more)) => {
            *so_far = [&so_far[..], &more[..]].concat().into();
        }
        (_, event) => events.push(event),
    }
}

/// All that waits in an output.
pub(super) fn taken(output: &mut Output) -> Vec<u8> {
    let mut all = vec![0; output.remaining()];
    output.copy_to_slice(&mut all);
    all
}

/// `input` cut at places that follow from its octets, so that an input is all that there is to a run.
pub(super) fn cut(input: &[u8]) -> Vec<&[u8]> {
    let seed = input.iter().fold(0, |seed: u64, octet| seed.wrapping_mul(31).wrapping_add(u64::from(*octet)));
    let mut random = Random::new(seed);
    let mut pieces = Vec::new();
    let mut rest = input;
    while !rest.is_empty() {
        let count = 1 + usize::try_from(random.up_to(15)).unwrap_or(0) * usize::from(random.up_to(2) > 0);
        let (piece, behind) = rest.split_at(count.min(rest.len()));
        pieces.push(piece);
        rest = behind;
    }
    pieces
}
