//! Two sessions: the scheduler, credit, whole exchanges, bulk.

use bytes::Bytes;
use telephone_core::limits::{DATA_BYTES_MAX, SessionLimits};
use telephone_core::message::{Headers, RequestHead, ResponseHead};
use telephone_core::session::{Accepted, Event, Incoming, StreamId};

use crate::pair::Pair;
use crate::{Work, heads};

/// Streams that have something to say at once.
const STREAMS: usize = 64;
/// Octets that each of them has to say.
const PIECE: Bytes = Bytes::from_static(&[b'x'; 512]);

/// A pair with raw streams, all of them accepted.
fn with_streams(limits: &SessionLimits) -> (Pair, Vec<StreamId>) {
    let mut pair = Pair::new(limits);
    let streams = (0..STREAMS).map(|_| pair.open_raw()).collect();
    (pair, streams)
}

/// Each stream has a piece to say at the plugboard; what was said before is read and acknowledged.
fn write_pieces(pair: &mut Pair, streams: &[StreamId]) {
    pair.telephone.read(true, pair.now);
    pair.settle();
    pair.plugboard.drain_events();
    pair.step();
    for id in streams {
        let taken = pair.plugboard.session.send(*id).write(&mut PIECE.clone());
        assert_eq!(taken, Ok(PIECE.len()));
    }
}

/// The scheduler: one message of what 64 streams have to say.
#[derive(Debug)]
pub struct Transmit {
    pair: Pair,
    streams: Vec<StreamId>,
    message: Option<Bytes>,
}

impl Transmit {
    /// 64 open streams.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "setting up is work")]
    pub fn new() -> Self {
        let (pair, streams) = with_streams(&SessionLimits::default());
        Self { pair, streams, message: None }
    }
}

impl Work for Transmit {
    fn prepare(&mut self) {
        if let Some(message) = self.message.take() {
            self.pair.telephone.hear(message, self.pair.now);
        }
        write_pieces(&mut self.pair, &self.streams);
    }

    fn run(&mut self) {
        self.message = self.pair.plugboard.say(self.pair.now);
        assert!(self.message.as_ref().is_some_and(|message| message.len() > STREAMS * PIECE.len()));
    }
}

/// The other side of it: a message with data for 64 streams comes in, and is told as events.
#[derive(Debug)]
pub struct Receive {
    pair: Pair,
    streams: Vec<StreamId>,
    message: Option<Bytes>,
}

impl Receive {
    /// 64 open streams.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "setting up is work")]
    pub fn new() -> Self {
        let (pair, streams) = with_streams(&SessionLimits::default());
        Self { pair, streams, message: None }
    }
}

impl Work for Receive {
    fn prepare(&mut self) {
        // The events were taken by the last run.
        for id in &self.streams {
            while let Incoming::Octets(octets) = self.pair.telephone.session.recv(*id).read() {
                self.pair.telephone.session.recv(*id).credit(octets.len(), self.pair.now);
            }
        }
        write_pieces(&mut self.pair, &self.streams);
        self.message = self.pair.plugboard.say(self.pair.now);
    }

    fn run(&mut self) {
        let message = self.message.take().expect("a prepared run");
        self.pair.telephone.hear(message, self.pair.now);
        assert_eq!(self.pair.telephone.drain_events(), STREAMS);
    }
}

/// Credit of 64 streams goes back: each stream's octets are taken, one message says so, the sender hears it.
#[derive(Debug)]
pub struct Credit {
    pair: Pair,
    streams: Vec<StreamId>,
}

impl Credit {
    /// 64 open streams whose windows are their floor, so that each needs its credit back after 16 KiB.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "setting up is work")]
    pub fn new() -> Self {
        let floor = SessionLimits::default().stream_floor;
        let limits =
            SessionLimits { stream_window: floor, stream_window_max: floor, ..SessionLimits::default() };
        let (pair, streams) = with_streams(&limits);
        Self { pair, streams }
    }
}

impl Work for Credit {
    fn prepare(&mut self) {
        self.pair.step();
        self.pair.plugboard.drain_events();
        for id in &self.streams {
            let mut octets = Bytes::from_static(&[b'x'; DATA_BYTES_MAX]);
            let taken = self.pair.plugboard.session.send(*id).write(&mut octets);
            assert_eq!(taken, Ok(DATA_BYTES_MAX));
        }
        while self.pair.down() | self.pair.up() {
            self.pair.telephone.read(false, self.pair.now);
        }
    }

    fn run(&mut self) {
        for id in &self.streams {
            self.pair.telephone.session.recv(*id).credit(DATA_BYTES_MAX, self.pair.now);
        }
        assert!(self.pair.up());
    }
}

/// A whole request and its answer: open, accept, respond, read, release.
#[derive(Debug)]
pub struct Exchange {
    pair: Pair,
    request: RequestHead,
    response: ResponseHead,
    /// What the two ends have to say in the next run.
    prepared: Option<(RequestHead, ResponseHead)>,
}

impl Exchange {
    /// With heads as small as can be.
    #[must_use]
    pub fn minimal() -> Self {
        Self::of(heads::MINIMAL_REQUEST, heads::MINIMAL_RESPONSE)
    }

    /// With a browser's head and a site's.
    #[must_use]
    pub fn browser() -> Self {
        Self::of(heads::BROWSER_REQUEST, heads::SITE_RESPONSE)
    }

    fn of(request: &[u8], response: &[u8]) -> Self {
        let pair = Pair::new(&SessionLimits::default());
        Self { pair, request: heads::request(request), response: heads::response(response), prepared: None }
    }

    /// The telephone takes the stream, sees the request's end, and answers in full.
    fn answer(&mut self, head: ResponseHead) -> StreamId {
        let session = &mut self.pair.telephone.session;
        assert_eq!(session.poll_event(), Some(Event::Opened));
        let Some(Accepted { id, opening: _request, .. }) = session.accept() else { panic!("no stream") };
        assert!(session.recv(id).is_at_end());
        session.send(id).respond(head, false).expect("a sound head");
        session.send(id).write(&mut Bytes::from_static(heads::BODY)).expect("a peer that reads");
        session.send(id).end(Headers::new());
        id
    }

    /// The plugboard takes the answer, and its credit goes back.
    fn take(&mut self, id: StreamId) {
        let session = &mut self.pair.plugboard.session;
        assert_eq!(session.poll_event(), Some(Event::Readable(id)));
        assert_eq!(session.recv(id).read(), Incoming::Head);
        assert!(session.recv(id).take_head().is_some());
        let Incoming::Octets(octets) = session.recv(id).read() else { panic!("no body") };
        assert_eq!(octets.len(), heads::BODY_BYTES);
        session.recv(id).credit(octets.len(), self.pair.now);
        assert!(matches!(session.recv(id).read(), Incoming::End(_)));
    }
}

impl Work for Exchange {
    fn prepare(&mut self) {
        self.prepared = Some((self.request.clone(), self.response.clone()));
    }

    fn run(&mut self) {
        let (request, response) = self.prepared.take().expect("a prepared run");
        self.pair.step();
        let opening = heads::opening(request);
        let id = self.pair.plugboard.session.open(opening, true, self.pair.now).expect("an open session");
        self.pair.down();
        assert_eq!(self.answer(response), id);
        self.pair.up();
        self.take(id);
        self.pair.plugboard.session.release(id);
        self.pair.telephone.session.release(id);
        assert_eq!(self.pair.plugboard.drain_events() + self.pair.telephone.drain_events(), 0);
    }
}

/// 64 KiB through one stream, written at once, read as they come, with the credit that goes back.
#[derive(Debug)]
pub struct Bulk {
    pair: Pair,
    id: StreamId,
    octets: Bytes,
}

impl Bulk {
    /// One open stream.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "setting up is work")]
    pub fn new() -> Self {
        let mut pair = Pair::new(&SessionLimits::default());
        let id = pair.open_raw();
        Self { pair, id, octets: vec![b'x'; 64 * 1024].into() }
    }
}

impl Work for Bulk {
    fn run(&mut self) {
        let mut octets = self.octets.clone();
        self.pair.step();
        let mut count = 0;
        while count < self.octets.len() {
            self.pair.plugboard.session.send(self.id).write(&mut octets).expect("a peer that reads");
            assert!(self.pair.down());
            count += self.pair.telephone.read(true, self.pair.now);
            self.pair.up();
            self.pair.plugboard.drain_events();
        }
        assert!(octets.is_empty());
    }
}
