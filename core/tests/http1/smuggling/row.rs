//! A row of the tables: bytes of one connection, and what they are.

use telephone_core::http1::RequestError;

/// When a request is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// Once it is whole.
    WhenWhole,
    /// At its head, as a backend does that does not want the body.
    AtHead,
    /// With a 101 to the first protocol that it offers.
    Switch,
}

/// What stands behind the last request of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// Nothing: the next request is served.
    Open,
    /// The connection closes. Nothing more is read.
    Closed,
    /// A part of a message. What follows belongs to it.
    Partial,
    /// Bytes that are no request. Nothing more is read.
    Refused(RequestError),
    /// A body that broke a rule. Nothing more is read.
    Aborted(RequestError),
    /// Bytes behind a 101. What follows belongs to them.
    Opaque(&'static [u8]),
}

/// Bytes that two parsers could take for different requests, and the only reading that is right.
pub(super) struct Row {
    /// What the parsers would disagree on.
    pub(super) name: &'static str,
    pub(super) input: Vec<u8>,
    pub(super) answer: Answer,
    /// The requests in order, as they are written to a backend, and whether each is whole.
    pub(super) requests: Vec<(Vec<u8>, bool)>,
    pub(super) ending: Ending,
}

/// A row without a request, of which nothing is said yet.
pub(super) fn row(name: &'static str, input: impl AsRef<[u8]>) -> Row {
    let input = input.as_ref().to_vec();
    let (answer, ending) = (Answer::WhenWhole, Ending::Open);
    Row { name, input, answer, requests: Vec::new(), ending }
}

impl Row {
    /// One more request is passed on whole.
    pub(super) fn serves(mut self, written: impl AsRef<[u8]>) -> Self {
        self.requests.push((written.as_ref().to_vec(), true));
        self
    }

    /// One more request is passed on in part.
    pub(super) fn begins(mut self, written: impl AsRef<[u8]>) -> Self {
        self.requests.push((written.as_ref().to_vec(), false));
        self
    }

    /// Backends answer at the head.
    pub(super) fn answered_at_head(self) -> Self {
        Self { answer: Answer::AtHead, ..self }
    }

    /// Backends switch protocols.
    pub(super) fn switched(self, opaque: &'static [u8]) -> Self {
        Self { answer: Answer::Switch, ending: Ending::Opaque(opaque), ..self }
    }

    pub(super) fn closes(self) -> Self {
        Self { ending: Ending::Closed, ..self }
    }

    pub(super) fn waits(self) -> Self {
        Self { ending: Ending::Partial, ..self }
    }

    pub(super) fn refused(self, error: impl Into<RequestError>) -> Self {
        Self { ending: Ending::Refused(error.into()), ..self }
    }

    pub(super) fn aborted(self, error: impl Into<RequestError>) -> Self {
        Self { ending: Ending::Aborted(error.into()), ..self }
    }
}

/// A request with these lines behind `Host`, each ended, and this body.
pub(super) fn message(start: &str, lines: impl AsRef<[u8]>, body: impl AsRef<[u8]>) -> Vec<u8> {
    let (lines, body) = (lines.as_ref(), body.as_ref());
    let end: &[u8] = if lines.is_empty() { b"" } else { b"\r\n" };
    [start.as_bytes(), b" HTTP/1.1\r\nHost: a\r\n", lines, end, b"\r\n", body].concat()
}

/// `GET /` with these lines.
pub(super) fn get(lines: impl AsRef<[u8]>) -> Vec<u8> {
    message("GET /", lines, "")
}

/// `POST /` with these lines and this body.
pub(super) fn post(lines: impl AsRef<[u8]>, body: impl AsRef<[u8]>) -> Vec<u8> {
    message("POST /", lines, body)
}

/// `POST /` with a chunked body: these bytes of it.
pub(super) fn chunked(body: impl AsRef<[u8]>) -> Vec<u8> {
    post("Transfer-Encoding: chunked", body)
}

/// `POST /` with this body behind its length.
pub(super) fn sized(body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    post(format!("Content-Length: {}", body.len()), body)
}

/// What is to be smuggled.
pub(super) const SMUGGLED: &[u8] = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";

/// The request that follows each row.
pub(super) const NEXT: &[u8] = b"GET /next HTTP/1.1\r\nHost: next.example\r\n\r\n";

/// `first` and `rest` one behind the other.
pub(super) fn then(first: impl AsRef<[u8]>, rest: impl AsRef<[u8]>) -> Vec<u8> {
    [first.as_ref(), rest.as_ref()].concat()
}
