//! The HTTP/1.1 codec at both outer legs.

use std::hint::black_box;

use bytes::{Buf, Bytes, BytesMut};
use telephone_core::http1::{Client, ClientEvent, Server, ServerEvent};
use telephone_core::limits::HttpLimits;
use telephone_core::message::{Headers, RequestHead, ResponseHead};
use telephone_core::output::Output;
use telephone_core::time::Timestamp;

use crate::{Work, heads};

const NOW: Timestamp = Timestamp::ZERO;

/// Octets of a read buffer.
const INPUT_BYTES: usize = 64 * 1024;

fn server() -> Server {
    Server::new(HttpLimits::default(), NOW)
}

/// A server that owes the answer to `request`.
fn asked(request: &[u8], input: &mut BytesMut) -> Server {
    let mut server = server();
    input.clear();
    input.extend_from_slice(request);
    assert!(matches!(server.poll_event(input, NOW), Some(ServerEvent::Request { .. })));
    server
}

/// The socket takes all that waits.
pub(crate) fn write_out(output: &mut Output) -> usize {
    let count = output.slices().map(|slice| black_box(slice).len()).sum();
    output.advance(count);
    count
}

/// A request's head comes in whole.
#[derive(Debug)]
pub struct ReadRequest {
    octets: &'static [u8],
    input: BytesMut,
    server: Server,
    event: Option<ServerEvent>,
}

impl ReadRequest {
    /// The least that a request can have.
    #[must_use]
    pub fn minimal() -> Self {
        Self::of(heads::MINIMAL_REQUEST)
    }

    /// A browser's.
    #[must_use]
    pub fn browser() -> Self {
        Self::of(heads::BROWSER_REQUEST)
    }

    fn of(octets: &'static [u8]) -> Self {
        Self { octets, input: BytesMut::with_capacity(INPUT_BYTES), server: server(), event: None }
    }
}

impl Work for ReadRequest {
    fn prepare(&mut self) {
        self.event = None;
        self.server = server();
        self.input.clear();
        self.input.extend_from_slice(self.octets);
    }

    fn run(&mut self) {
        self.event = self.server.poll_event(&mut self.input, NOW);
        assert!(matches!(self.event, Some(ServerEvent::Request { end: true, .. })));
    }
}

/// A response's head is written for a client.
#[derive(Debug)]
pub struct WriteResponse {
    head: ResponseHead,
    input: BytesMut,
    server: Server,
}

impl WriteResponse {
    /// A site's.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "setting up is work")]
    pub fn new() -> Self {
        let head = heads::response(heads::SITE_RESPONSE);
        Self { head, input: BytesMut::with_capacity(INPUT_BYTES), server: server() }
    }
}

impl Work for WriteResponse {
    fn prepare(&mut self) {
        self.server = asked(heads::MINIMAL_REQUEST, &mut self.input);
    }

    fn run(&mut self) {
        self.server.respond(&self.head, false).expect("a sound head");
        assert!(!self.server.output().is_empty());
    }
}

/// A request's head is written for a backend.
#[derive(Debug)]
pub struct WriteRequest {
    head: RequestHead,
    client: Client,
}

impl WriteRequest {
    /// A browser's.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "setting up is work")]
    pub fn new() -> Self {
        let head = heads::request(heads::BROWSER_REQUEST);
        Self { head, client: Client::new(HttpLimits::default()) }
    }
}

impl Work for WriteRequest {
    fn prepare(&mut self) {
        self.client = Client::new(HttpLimits::default());
    }

    fn run(&mut self) {
        self.client.request(&self.head, true).expect("a sound head");
        assert!(!self.client.output().is_empty());
    }
}

/// A response's head comes in whole.
#[derive(Debug)]
pub struct ReadResponse {
    request: RequestHead,
    input: BytesMut,
    client: Client,
    event: Option<ClientEvent>,
}

impl ReadResponse {
    /// A site's.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "setting up is work")]
    pub fn new() -> Self {
        Self {
            request: heads::request(heads::MINIMAL_REQUEST),
            input: BytesMut::with_capacity(INPUT_BYTES),
            client: Client::new(HttpLimits::default()),
            event: None,
        }
    }
}

impl Work for ReadResponse {
    fn prepare(&mut self) {
        self.event = None;
        self.client = Client::new(HttpLimits::default());
        self.client.request(&self.request, true).expect("a free connection");
        self.input.clear();
        self.input.extend_from_slice(heads::SITE_RESPONSE);
    }

    fn run(&mut self) {
        self.event = self.client.poll_event(&mut self.input).expect("a sound response");
        assert!(matches!(self.event, Some(ClientEvent::Head { end: false, .. })));
    }
}

/// A chunked request body comes in at once, with its end.
#[derive(Debug)]
pub struct ReadChunks {
    octets: Vec<u8>,
    body_bytes: usize,
    input: BytesMut,
    server: Server,
}

impl ReadChunks {
    /// So many chunks of so many octets.
    #[must_use]
    pub fn new(count: usize, size: usize) -> Self {
        let chunk = format!("{size:x}\r\n{}\r\n", "x".repeat(size));
        let octets = [chunk.repeat(count).as_bytes(), b"0\r\n\r\n"].concat();
        let input = BytesMut::with_capacity(2 * INPUT_BYTES);
        Self { octets, body_bytes: count * size, input, server: server() }
    }
}

impl Work for ReadChunks {
    fn prepare(&mut self) {
        let head = b"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n";
        self.server = asked(head, &mut self.input);
        self.input.extend_from_slice(&self.octets);
    }

    fn run(&mut self) {
        let mut count = 0;
        loop {
            match self.server.poll_event(&mut self.input, NOW) {
                Some(ServerEvent::Body(octets)) => count += black_box(octets).len(),
                Some(ServerEvent::End(_)) => break,
                event => panic!("not a body: {event:?}"),
            }
        }
        assert_eq!(count, self.body_bytes);
    }
}

/// A response's body of unknown length is written and taken by the socket, piece by piece.
#[derive(Debug)]
pub struct WriteChunks {
    count: usize,
    piece: Bytes,
    input: BytesMut,
    server: Server,
}

impl WriteChunks {
    /// So many pieces of so many octets.
    #[must_use]
    pub fn new(count: usize, size: usize) -> Self {
        let piece = vec![b'x'; size].into();
        Self { count, piece, input: BytesMut::with_capacity(INPUT_BYTES), server: server() }
    }
}

impl Work for WriteChunks {
    fn prepare(&mut self) {
        self.server = asked(heads::MINIMAL_REQUEST, &mut self.input);
        let head = ResponseHead { length: None, ..heads::response(heads::MINIMAL_RESPONSE) };
        self.server.respond(&head, false).expect("a sound head");
        write_out(self.server.output());
    }

    fn run(&mut self) {
        let mut count = 0;
        for _ in 0..self.count {
            self.server.write(self.piece.clone());
            count += write_out(self.server.output());
        }
        self.server.end(&Headers::new());
        count += write_out(self.server.output());
        assert!(count > self.count * self.piece.len());
    }
}
