//! The relay's side of one client connection: reads requests, writes responses.

mod clock;
mod reading;
mod trace;
mod writing;

use bytes::{Bytes, BytesMut};

use self::clock::{Clock, Verdict};
use super::body::BodyDecoder;
use super::encode::BodyEncoder;
use super::error::RequestError;
use super::fields::Version;
use super::line::RefusedLine;
use super::request::{self, RequestOrigin};
use super::scan::Scanner;
use super::{Closing, error};
use crate::limits::HttpLimits;
use crate::message::{Headers, RequestHead};
use crate::output::Output;
use crate::time::Timestamp;
use crate::traceparent::TraceParent;
use core::time::Duration;

/// What a client said or did.
#[derive(Debug, PartialEq, Eq)]
pub enum ServerEvent {
    /// A request; the next one comes only when this one's response is complete.
    Request {
        /// The head, with the target in canonical form: [`Server::sent_target`] tells the other one. Forwarding headers are as
        /// the client sent them.
        head: RequestHead,
        /// Whether the request is complete with it. Never for one that asks for an upgrade: its direction
        /// stays open for what comes behind a 101, and is to be ended when another final head comes. The `End` of a body
        /// that it has comes behind that head.
        end: bool,
        /// For routing.
        origin: RequestOrigin,
    },
    /// The next octets of the body.
    Body(Bytes),
    /// The body is whole; its trailers.
    End(Headers),
    /// The exchange is lost: its stream is to be reset. If no response had begun and the client is there to
    /// read one, the answer is in the output.
    Aborted(AbortCause),
    /// What came was no request: the answer is in the output, and the connection closes.
    Refused(RequestError),
    /// Octets behind a 101.
    Opaque(Bytes),
    /// The client shut down its half of an opaque connection.
    OpaqueEnd,
}

/// Why an exchange was lost on the client's side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AbortCause {
    /// The client closed or half-closed the connection before its response was complete. [B-10]
    ClientLeft,
    /// The body broke a rule, came too slowly, or was too long.
    Body(RequestError),
}

/// Which interim responses a client is sent, besides 101. A HEAD is answered by [`Asked`](Self::Asked) ones alone,
/// whatever is set: there are proxies that take any 1xx for the final response to HEAD, reuse the connection, and
/// give the final response to the next request (nginx).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Interims {
    /// All of them: clients have to understand those that they did not ask for (RFC 9110 §15.2).
    #[default]
    All,
    /// Only a 100 that the request's own `Expect` asked for, before its body begins (RFC 9110 §10.1.1).
    Asked,
}

impl Interims {
    /// What a peer is sent: a trusted peer is a proxy that may not understand interim responses, unless the operator
    /// says that it does.
    #[must_use]
    pub const fn towards(is_trusted: bool, is_understood: bool) -> Self {
        if is_trusted && !is_understood { Self::Asked } else { Self::All }
    }
}

/// Where the request is.
#[derive(Debug)]
enum Reading {
    Head(Scanner),
    Body(BodyDecoder),
    /// The request is whole, its response is not.
    Whole,
    /// The response is complete, the request is not: so many octets more are read and thrown away to keep
    /// the connection. [H-10]
    Drain(BodyDecoder, u64),
    Opaque,
    OpaqueEnded,
    /// Nothing that comes is interpreted (I20); so many octets more are thrown away before the connection
    /// is given up.
    Discard(u64),
}

/// Where the response is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Writing {
    /// No request is in, or its response is complete.
    Idle,
    /// A final head is owed.
    Owed,
    Body(BodyEncoder),
    /// The response is complete and the request's body still comes, for a telephone that takes it.
    Done,
    Opaque,
    OpaqueEnded,
}

/// What is known of the request whose response is owed.
#[derive(Debug)]
struct Exchange {
    version: Version,
    is_head: bool,
    is_kept_alive: bool,
    /// The client waits for 100, and none was sent, and no octet of the body came.
    is_expecting: bool,
    upgrade: Option<Bytes>,
    sent: Bytes,
    offers_h2c: bool,
    /// The body is whole, and whether something follows it is for the final head to say.
    is_end_held: bool,
    interims: usize,
    /// The body still has a reader: it may go on behind a whole response.
    is_body_wanted: bool,
    /// Octets of the body so far.
    octets: u64,
}

/// One client connection, request after request.
///
/// ```text
///  Request ─▶ Body* ─▶ End     (or Aborted)
///     └─▶ interim* ─▶ respond ─▶ write* ─▶ end     (or refuse, or abort)
///                        └ 101 ─▶ Opaque* ─▶ OpaqueEnd  and  write* ─▶ end
/// ```
///
/// Verbs that come at the wrong moment, such as those for an exchange that was aborted, do nothing.
/// How long the client may take to read what is written is the driver's to bound.
#[derive(Debug)]
pub struct Server {
    limits: HttpLimits,
    passing: Interims,
    reading: Reading,
    writing: Writing,
    exchange: Exchange,
    /// An event that was found outside of `poll_event`.
    owed: Option<ServerEvent>,
    /// What was refused, at the end of the connection.
    refused: Option<RefusedLine>,
    /// The trace of a head that has none of its own and is refused.
    trace_start: Option<TraceParent>,
    /// The trace of the latest request, which an answer of the plugboard's own names.
    trace: Option<TraceParent>,
    clock: Clock,
    closing: Closing,
    is_eof: bool,
    is_close_announced: bool,
    /// When `poll_event` was called the last time.
    polled_at: Timestamp,
    /// Octets that the last `poll_event` left in the input.
    held: usize,
    output: Output,
}

impl Server {
    /// A fresh connection, accepted at `now`: its first head is waited for from then on. (L3)
    #[must_use]
    pub fn new(limits: HttpLimits, now: Timestamp) -> Self {
        Self {
            passing: Interims::All,
            reading: Reading::Head(request::scanner(&limits)),
            writing: Writing::Idle,
            exchange: Exchange::none(),
            owed: None,
            refused: None,
            trace_start: None,
            trace: None,
            clock: Clock::new(now, &limits),
            closing: Closing::Open,
            is_eof: false,
            is_close_announced: false,
            polled_at: now,
            held: 0,
            output: Output::default(),
            limits,
        }
    }

    /// Sends this client no other interim responses than `passing`.
    #[must_use]
    pub const fn with_interims(mut self, passing: Interims) -> Self {
        self.passing = passing;
        self
    }

    /// The next event, taken from the front of `input`, or `None` until more comes.
    ///
    /// Call it after each read and after each verb. Not calling it is how to exert backpressure: a body
    /// that is not asked for is not late.
    pub fn poll_event(&mut self, input: &mut BytesMut, now: Timestamp) -> Option<ServerEvent> {
        self.polled_at = now;
        self.clock.handle_poll(now);
        let event = match self.owed.take() {
            // Its head came too slowly to be whole.
            Some(event @ ServerEvent::Refused(_)) => {
                self.refused = RefusedLine::read(input);
                Some(event)
            }
            Some(event) => Some(event),
            None => self.read(input),
        };
        self.held = input.len();
        self.settle_clock(event.as_ref(), now);
        event
    }

    /// The target of the latest request as its backend gets it: see [`Target`](crate::target::Target).
    #[must_use]
    pub const fn sent_target(&self) -> &Bytes {
        &self.exchange.sent
    }

    /// Whether the latest request offers h2c, which its head leaves out.
    #[must_use]
    pub const fn offers_h2c(&self) -> bool {
        self.exchange.offers_h2c
    }

    /// The telephone of the latest request takes this offer, with the h2c that the client made, or none: a 101 may switch to
    /// one of it. To be called before more of the request is read.
    pub fn set_offer(&mut self, offer: Option<&Bytes>) {
        self.exchange.upgrade = offer.cloned();
    }

    /// The request line of what was [refused](ServerEvent::Refused), if there was one to read.
    #[must_use]
    pub const fn refused_line(&self) -> Option<&RefusedLine> {
        self.refused.as_ref()
    }

    /// Whether more input is of use. Behind a whole request reading goes on only to notice that the client
    /// left, up to one head's worth of what is pipelined.
    #[must_use]
    pub const fn wants_read(&self) -> bool {
        if self.is_eof || matches!(self.closing, Closing::Finished | Closing::Reset) {
            return false;
        }
        match self.reading {
            Reading::Whole => self.held < self.limits.request_head_bytes,
            Reading::OpaqueEnded => false,
            Reading::Head(_)
            | Reading::Body(_)
            | Reading::Drain(..)
            | Reading::Opaque
            | Reading::Discard(_) => true,
        }
    }

    /// The client shut down its half. Inside of a request that means that it left. Behind a whole one it may have, or may
    /// still read: the head of the response is waited for, for [`half_close`](HttpLimits::half_close), and what follows
    /// that is written until it cannot be. [B-10]
    /// Behind a 101 it is passed on, after what is still in the input.
    pub fn handle_eof(&mut self) {
        self.is_eof = true;
        match (&self.reading, self.writing) {
            (Reading::Opaque | Reading::OpaqueEnded, _) => {}
            (Reading::Whole, Writing::Owed) => self.clock.half_close(self.polled_at, &self.limits),
            (Reading::Whole, Writing::Body(_)) => {}
            (_, Writing::Owed | Writing::Body(_) | Writing::Done) => self.lose(AbortCause::ClientLeft),
            (_, Writing::Idle | Writing::Opaque | Writing::OpaqueEnded) => self.close(),
        }
        if self.is_half_closed() {
            self.exchange.is_kept_alive = false;
        }
        if self.closing == Closing::Lingering {
            self.handle_shutdown_end();
        }
    }

    /// Whether the client shut down its half behind a whole request, and the response to that is not complete. What breaks
    /// its connection now says that it has left.
    #[must_use]
    pub const fn is_half_closed(&self) -> bool {
        let is_answering = matches!(self.writing, Writing::Owed | Writing::Body(_));
        self.is_eof && matches!(self.reading, Reading::Whole) && is_answering
    }

    /// The writing half was shut down, as [`Closing::AfterOutput`] asked.
    pub fn handle_shutdown(&mut self, now: Timestamp) {
        if self.closing == Closing::AfterOutput {
            self.closing = Closing::Lingering;
            if matches!(self.reading, Reading::Discard(_)) {
                self.clock.linger(now, &self.limits);
            }
            self.handle_shutdown_end();
        }
    }

    /// A connection that is shut down both ways is finished.
    fn handle_shutdown_end(&mut self) {
        let is_read_out = match self.reading {
            Reading::Opaque => false,
            Reading::OpaqueEnded => true,
            Reading::Head(_)
            | Reading::Body(_)
            | Reading::Whole
            | Reading::Drain(..)
            | Reading::Discard(_) => self.is_eof,
        };
        if is_read_out {
            self.closing = Closing::Finished;
        }
    }

    /// Whether somebody takes the request's body. While it does, a 2xx or 3xx that is complete before the body is does not end
    /// the exchange: events of the body go on, until its `End` or until nobody wants it any more. [B-11]
    pub fn set_body_wanted(&mut self, is_wanted: bool) {
        self.exchange.is_body_wanted = is_wanted;
        if !is_wanted && self.writing == Writing::Done {
            self.on_exchange_complete();
        }
    }

    /// Nothing of a request's body may come for so long, from now on.
    pub const fn set_body_window(&mut self, window: Duration) {
        self.clock.set_body_window(window);
    }

    /// Whether bytes of a request's body are due: not while the client waits for 100 (Continue).
    #[must_use]
    pub const fn awaits_body(&self) -> bool {
        matches!(self.reading, Reading::Body(_)) && !self.exchange.is_expecting
    }

    /// The request's body comes too slowly for what the relay has left: 408 if the response has not begun. False if it has.
    pub fn refuse_slow_body(&mut self) -> bool {
        let is_owed = self.writing == Writing::Owed && matches!(self.reading, Reading::Body(_));
        if is_owed {
            self.lose(AbortCause::Body(RequestError::BodyTimeout));
        }
        is_owed
    }

    /// Whether the response is complete and the request's body is still carried.
    #[must_use]
    pub fn is_body_pending(&self) -> bool {
        self.writing == Writing::Done
    }

    /// What waits to be written.
    pub const fn output(&mut self) -> &mut Output {
        &mut self.output
    }

    /// What becomes of the connection.
    #[must_use]
    pub const fn closing(&self) -> Closing {
        self.closing
    }

    /// Whether the connection waits for a request of which nothing has come: it can be closed with no loss.
    #[must_use]
    pub const fn is_idle(&self) -> bool {
        matches!(self.reading, Reading::Head(_)) && self.held == 0 && self.output.is_empty()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called, unless something happens before.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        match self.closing {
            Closing::Finished | Closing::Reset => None,
            Closing::Open | Closing::AfterOutput | Closing::Lingering => self.clock.deadline(),
        }
    }

    /// The deadline has passed: a head or a body came too slowly, a kept connection stayed idle, or a
    /// lingering client does not close. (L3)
    pub fn handle_timeout(&mut self, now: Timestamp) {
        match self.clock.judge(now) {
            None => {}
            Some(Verdict::Silent) => self.close(),
            Some(Verdict::Head) if self.held == 0 => self.close(),
            Some(Verdict::Head) => self.owed = Some(self.refuse_head(RequestError::HeadTimeout)),
            Some(Verdict::Body) => self.lose(AbortCause::Body(RequestError::BodyTimeout)),
            Some(Verdict::HalfClosed) => self.lose(AbortCause::ClientLeft),
            Some(Verdict::Linger) => self.closing = Closing::Finished,
        }
    }

    /// The next response says `Connection: close`, and the connection closes behind it: the relay drains.
    pub const fn announce_close(&mut self) {
        self.is_close_announced = true;
    }

    /// Nothing more is read; the connection ends when the output is written.
    const fn close(&mut self) {
        if matches!(self.closing, Closing::Open) {
            self.closing = Closing::AfterOutput;
        }
        self.reading = Reading::Discard(self.limits.drain_bytes);
        self.writing = Writing::Idle;
        self.clock.stop();
    }

    /// Nothing on this connection can be completed any more.
    const fn reset(&mut self) {
        self.close();
        self.closing = Closing::Reset;
    }

    /// Answers a head that is no request. Nothing behind it is interpreted (I20).
    fn refuse_head(&mut self, error: RequestError) -> ServerEvent {
        self.trace = self.refused.as_ref().and_then(|line| line.trace).or(self.trace_start);
        self.traced(error.into()).write(&mut self.output, Some("close"), true);
        self.close();
        ServerEvent::Refused(error)
    }

    /// The request will never be whole. A response that was not begun tells why; one that was must not
    /// look complete.
    fn lose(&mut self, cause: AbortCause) {
        let is_told = self.writing != Writing::Idle;
        match (self.writing, cause) {
            (Writing::Owed, AbortCause::Body(error)) => {
                let has_body = !self.exchange.is_head;
                self.traced(error.into()).write(&mut self.output, Some("close"), has_body);
                self.close();
            }
            (Writing::Idle | Writing::Done, _) => self.close(),
            (Writing::Owed | Writing::Body(_) | Writing::Opaque | Writing::OpaqueEnded, _) => self.reset(),
        }
        if is_told {
            self.owed = Some(ServerEvent::Aborted(cause));
        }
    }

    /// Tells the clock what is waited for now.
    fn settle_clock(&mut self, event: Option<&ServerEvent>, now: Timestamp) {
        let is_begun = self.held > 0;
        match self.reading {
            Reading::Head(_) => self.clock.wait_for_head(is_begun, now, &self.limits),
            // An exchange that goes both ways: the client may be silent for as long as its answer comes. (L3)
            Reading::Body(_) if matches!(self.writing, Writing::Body(_)) => self.clock.stop(),
            Reading::Body(_) | Reading::Drain(..) => {
                let octets = if let Some(ServerEvent::Body(data)) = event { data.len() } else { 0 };
                let is_waiting = event.is_none() && !self.exchange.is_expecting;
                self.clock.wait_for_body(octets, is_waiting, now);
            }
            // The head of the response is due.
            Reading::Whole if self.is_half_closed() && self.writing == Writing::Owed => {}
            Reading::Whole | Reading::Opaque | Reading::OpaqueEnded => self.clock.stop(),
            Reading::Discard(_) => {}
        }
    }
}

impl Exchange {
    /// Before the first request.
    const fn none() -> Self {
        Self {
            version: Version::Http11,
            is_head: false,
            is_kept_alive: false,
            is_expecting: false,
            upgrade: None,
            sent: Bytes::new(),
            offers_h2c: false,
            is_end_held: false,
            interims: 0,
            is_body_wanted: false,
            octets: 0,
        }
    }
}

impl From<error::Malformed> for AbortCause {
    fn from(malformed: error::Malformed) -> Self {
        Self::Body(malformed.into())
    }
}
