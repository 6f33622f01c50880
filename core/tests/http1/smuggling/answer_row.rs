//! A row of the table of answers, and how it is run.

use bytes::{Bytes, BytesMut};
use telephone_core::http1::{ClientEvent, Closing, ResponseError, Server};
use telephone_core::message::{Headers, RequestHead, ResponseHead};

use super::text;
use crate::support::{Fetched, NOW, fetch, get, limits, octets, taken};

/// How a backend's connection ends up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// The answer is whole, and the connection may carry another request.
    Kept,
    /// The answer is whole, and the connection is given up.
    Spent,
    /// The answer is whole, and further bytes follow it. The connection is given up.
    Surplus,
    /// The answer is whole when the connection ends.
    UntilClose,
    /// There is no answer, or it is aborted.
    Failed(ResponseError),
    /// The connection is opaque. These bytes follow the switch.
    Opaque(&'static [u8]),
}

/// What a backend sends, and the only answer that it is.
pub(super) struct Row {
    /// What two parsers would disagree on.
    pub(super) name: &'static str,
    request: RequestHead,
    input: Vec<u8>,
    /// The number of interim answers before the final one.
    interims: usize,
    /// What is written to the client, if an answer begins.
    written: Option<Vec<u8>>,
    outcome: Outcome,
}

/// An answer to `GET /` that is whole.
pub(super) fn row(name: &'static str, input: impl AsRef<[u8]>) -> Row {
    let input = input.as_ref().to_vec();
    Row { name, request: get("/"), input, interims: 0, written: None, outcome: Outcome::Kept }
}

impl Row {
    /// The answer is to a HEAD.
    pub(super) fn answers_head(mut self) -> Self {
        self.request.method = Bytes::from_static(b"HEAD");
        self
    }

    /// The answer is to a request for a WebSocket.
    pub(super) fn answers_upgrade(mut self) -> Self {
        self.request.upgrade = Some(Bytes::from_static(b"websocket"));
        self
    }

    pub(super) fn behind_interims(self, interims: usize) -> Self {
        Self { interims, ..self }
    }

    /// What the client gets of it.
    pub(super) fn passes(self, written: impl AsRef<[u8]>) -> Self {
        Self { written: Some(written.as_ref().to_vec()), ..self }
    }

    pub(super) fn spent(self) -> Self {
        Self { outcome: Outcome::Spent, ..self }
    }

    pub(super) fn surplus(self) -> Self {
        Self { outcome: Outcome::Surplus, ..self }
    }

    pub(super) fn until_close(self) -> Self {
        Self { outcome: Outcome::UntilClose, ..self }
    }

    pub(super) fn fails(self, error: impl Into<ResponseError>) -> Self {
        Self { outcome: Outcome::Failed(error.into()), ..self }
    }

    pub(super) fn opaque(self, bytes: &'static [u8]) -> Self {
        Self { outcome: Outcome::Opaque(bytes), ..self }
    }

    /// Whether the end of the connection belongs to the row.
    fn has_eof(&self) -> bool {
        let is_cut =
            matches!(self.outcome, Outcome::Failed(ResponseError::Truncated | ResponseError::NoResponse));
        is_cut || self.outcome == Outcome::UntilClose
    }

    fn run<'a>(&self, pieces: impl IntoIterator<Item = &'a [u8]>) -> Fetched {
        fetch(&self.request, pieces, self.has_eof())
    }

    /// Runs the row in every way, and checks the result.
    pub(super) fn check(&self) {
        let whole = self.run([&self.input[..]]);
        assert_eq!(self.run(octets(&self.input)), whole, "{} byte by byte", self.name);
        for cut in 1..self.input.len() {
            let (front, back) = self.input.split_at(cut);
            assert_eq!(self.run([front, back]), whole, "{} cut at {cut}", self.name);
        }
        self.check_verdict(&whole);
        self.check_what_follows(&whole);
    }

    fn check_verdict(&self, fetched: &Fetched) {
        let (error, is_reusable) = match self.outcome {
            Outcome::Kept => (None, true),
            Outcome::Spent | Outcome::UntilClose | Outcome::Opaque(_) => (None, false),
            Outcome::Surplus => (Some(ResponseError::Unasked), false),
            Outcome::Failed(error) => (Some(error), false),
        };
        assert_eq!((fetched.error, fetched.is_reusable), (error, is_reusable), "{}", self.name);
        let interims = fetched.events.iter().filter(|event| matches!(event, ClientEvent::Interim(_))).count();
        assert_eq!(interims, self.interims, "{}", self.name);
        let opaque = fetched.events.iter().find_map(|event| match event {
            ClientEvent::Opaque(bytes) => Some(&bytes[..]),
            _ => None,
        });
        let expected = if let Outcome::Opaque(bytes) = self.outcome { Some(bytes) } else { None };
        assert_eq!(opaque, expected, "{}", self.name);
        let written = self.written(fetched);
        let (seen, expected) = (written.as_deref().map(text), self.written.as_deref().map(text));
        assert_eq!(seen, expected, "{}", self.name);
        if let Some(written) = written {
            self.check_reading(fetched, &written);
        }
    }

    /// What the client gets of the final answer, if it begins.
    fn written(&self, fetched: &Fetched) -> Option<Vec<u8>> {
        let mut server = self.server();
        for event in &fetched.events {
            match event {
                ClientEvent::Interim(_) | ClientEvent::Opaque(_) | ClientEvent::OpaqueEnd => {}
                ClientEvent::Head { head, end } => server.respond(head, *end).expect("it can be sent"),
                ClientEvent::Body(body) => server.write(body.clone()),
                ClientEvent::End(trailers) => server.end(trailers),
            }
        }
        if matches!(self.outcome, Outcome::Failed(_)) {
            server.abort();
            assert_eq!(server.closing(), Closing::Reset, "{}", self.name);
        }
        let written = taken(server.output());
        (!written.is_empty()).then_some(written)
    }

    /// A client's connection on which the row's request has come.
    fn server(&self) -> Server {
        let mut server = Server::new(limits(), NOW);
        let method = String::from_utf8_lossy(&self.request.method).into_owned();
        let upgrade =
            if self.request.upgrade.is_some() { "Upgrade: websocket\r\nConnection: upgrade\r\n" } else { "" };
        let request = format!("{method} / HTTP/1.1\r\nHost: a\r\n{upgrade}\r\n");
        assert!(server.poll_event(&mut BytesMut::from(request.as_bytes()), NOW).is_some());
        server
    }

    /// What is written is one strict answer and the same one, and a part of one never looks whole. [I18]
    fn check_reading(&self, fetched: &Fetched, written: &[u8]) {
        let again = fetch(&self.request, [written], true);
        if matches!(self.outcome, Outcome::Failed(_)) {
            assert_eq!(again.error, Some(ResponseError::Truncated), "{} looks complete", self.name);
            return;
        }
        assert_eq!(again.error, None, "{}", self.name);
        let final_only = |fetched: &Fetched| {
            let opaque = |event: &&ClientEvent| {
                matches!(event, ClientEvent::Interim(_) | ClientEvent::Opaque(_) | ClientEvent::OpaqueEnd)
            };
            fetched.events.iter().filter(|event| !opaque(event)).map(parts).collect::<Vec<_>>()
        };
        assert_eq!(final_only(&again), final_only(fetched), "{}", self.name);
    }

    /// An answer that nobody asked for is no part of this one, and never that of a later request. [B-13]
    fn check_what_follows(&self, whole: &Fetched) {
        const SECRET: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nX-Secret: 1\r\n\r\nsecret";
        if self.has_eof() || matches!(self.outcome, Outcome::Opaque(_)) {
            return;
        }
        let at_once = [&self.input[..], SECRET].concat();
        for followed in [self.run([&self.input[..], SECRET]), self.run([&at_once[..]])] {
            assert_eq!(followed.events, whole.events, "{}", self.name);
            assert!(!followed.is_reusable, "{}", self.name);
        }
    }
}

/// An event without what may be said in two ways.
fn parts(event: &ClientEvent) -> (Option<ResponseHead>, Bytes, Headers) {
    match event {
        ClientEvent::Head { head, .. } => {
            // Each of our answers with a body says how long it is, or that it is chunked.
            let head = ResponseHead { length: head.length.filter(|length| *length > 0), ..head.clone() };
            (Some(head), Bytes::new(), Headers::new())
        }
        ClientEvent::Body(body) => (None, body.clone(), Headers::new()),
        ClientEvent::End(trailers) => (None, Bytes::new(), trailers.clone()),
        other => panic!("{other:?}"),
    }
}
