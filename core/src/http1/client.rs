//! The telephone's side of one backend connection: writes requests, reads responses.

use alloc::boxed::Box;

use bytes::{Buf, Bytes, BytesMut};
use core::time::Duration;

use super::body::{BodyDecoder, Part};
use super::encode::{self, BodyEncoder};
use super::error::{ResponseError, Unsendable};
use super::lenient::{Excerpt, Oddity};
use super::response::{self, Asked, Response};
use super::scan::Scanner;
use super::{Closing, body_goes_on};
use crate::limits::HttpLimits;
use crate::login;
use crate::message::{Headers, RequestHead, ResponseHead};
use crate::output::Output;

/// What a backend said.
#[derive(Debug, PartialEq, Eq)]
pub enum ClientEvent {
    /// An interim response (1xx but 101). Another head follows.
    Interim(ResponseHead),
    /// The final response's head, or a 101, behind which the connection is opaque.
    Head {
        /// The head.
        head: ResponseHead,
        /// Whether the response is complete with it.
        end: bool,
    },
    /// The next octets of the body.
    Body(Bytes),
    /// The body is whole; its trailers.
    End(Headers),
    /// Octets behind a 101.
    Opaque(Bytes),
    /// The backend shut down its half of an opaque connection.
    OpaqueEnd,
}

/// Where the response is.
#[derive(Debug)]
enum Reading {
    /// No request is out: nothing may come. [B-13]
    Idle,
    Head(Scanner),
    Body(BodyDecoder),
    Opaque,
    /// Nothing more will come, or be believed.
    Over,
    Failed(ResponseError),
}

/// Where the request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Writing {
    /// No request is out, or all of it is written.
    Idle,
    Body(BodyEncoder),
    Opaque,
    OpaqueEnded,
    /// The request can never be completed. [B-09]
    Aborted,
}

/// One backend connection, request after request.
///
/// ```text
///  request ─▶ write* ─▶ end      (or abort)
///     └─▶ Interim* ─▶ Head ─▶ Body* ─▶ End      ─▶ is_reusable? ─▶ request …
///                       └ 101 ─▶ Opaque* ─▶ OpaqueEnd
/// ```
///
/// The response may come before the request is written. Errors are final: the same one is answered again.
#[derive(Debug)]
pub struct Client {
    limits: HttpLimits,
    reading: Reading,
    writing: Writing,
    asked: Asked,
    interims: usize,
    is_kept_alive: bool,
    /// The final response lets the rest of the request's body go on.
    is_body_wanted: bool,
    /// How long the backend keeps the connection idle, as it said last.
    idle_time: Option<Duration>,
    is_shut_down: bool,
    /// A login of the connection began here.
    has_login: bool,
    /// What was odd first about the answer. Boxed, for most have nothing.
    oddity: Option<Box<Oddity>>,
    /// What the answer was refused for.
    offence: Option<Box<Excerpt>>,
    may_offer_h2c: bool,
    /// What came with the end of a body ahead of a 101, and is for the other protocol.
    ahead: Bytes,
    output: Output,
}

impl Client {
    /// A fresh connection.
    #[must_use]
    pub fn new(limits: HttpLimits) -> Self {
        Self {
            limits,
            reading: Reading::Idle,
            writing: Writing::Idle,
            asked: Asked::default(),
            interims: 0,
            is_kept_alive: true,
            is_body_wanted: false,
            idle_time: None,
            is_shut_down: false,
            has_login: false,
            oddity: None,
            offence: None,
            may_offer_h2c: false,
            ahead: Bytes::new(),
            output: Output::default(),
        }
    }

    /// Offers h2c where a request does: see [`HeadRules::is_h2c`](crate::wire::HeadRules::is_h2c).
    #[must_use]
    pub const fn with_h2c(mut self) -> Self {
        self.may_offer_h2c = true;
        self
    }

    /// Starts a request; `end` if it has no body. Its framing follows from `head.length`: so many octets,
    /// or chunks. One that asks for an upgrade has a body of `head.length` octets, or none, whatever `end` says: what is
    /// written behind that and before the 101 is dropped, but for what comes in one piece with the body's end. `Host` is taken from the fields; without one an empty one is written (RFC 9112 §3.2).
    ///
    /// # Errors
    /// [`Unsendable`] if the head would not be one request, or the connection is not free. Nothing is
    /// written then.
    pub fn request(&mut self, head: &RequestHead, end: bool) -> Result<(), Unsendable> {
        let is_free = matches!(self.reading, Reading::Idle) && self.writing == Writing::Idle;
        if !is_free || !self.is_kept_alive {
            return Err(Unsendable::Busy);
        }
        encode::check_request(head, self.may_offer_h2c)?;
        let body = request_body(head, end)?;
        self.write_head(head, body);
        self.has_login |= login::is_carried(&head.headers);
        self.asked = Asked { is_head: head.method == "HEAD", upgrade: head.upgrade.clone() };
        self.interims = 0;
        self.reading = Reading::Head(response::scanner(&self.limits));
        let has_body = !end && (head.upgrade.is_none() || head.length.is_some_and(|length| length > 0));
        self.ahead = Bytes::new();
        self.writing = if has_body { Writing::Body(body) } else { Writing::Idle };
        Ok(())
    }

    fn write_head(&mut self, head: &RequestHead, body: BodyEncoder) {
        let output = &mut self.output;
        encode::request_line(output, head);
        if !head.headers.has("host") {
            output.text(b"Host: \r\n");
        }
        encode::fields(output, &head.headers);
        body.declare(output);
        if let Some(protocol) = &head.upgrade {
            encode::field(output, b"Upgrade", protocol);
        }
        if head.wants_trailers {
            output.text(b"TE: trailers\r\n");
        }
        match (head.upgrade.is_some(), head.wants_trailers) {
            (true, true) => output.text(b"Connection: upgrade, TE\r\n"),
            (true, false) => output.text(b"Connection: upgrade\r\n"),
            (false, true) => output.text(b"Connection: TE\r\n"),
            (false, false) => {}
        }
        output.text(b"\r\n");
    }

    /// Writes the next octets of the request's body, or of the opaque stream. More than the declared
    /// length aborts.
    pub fn write(&mut self, mut body: Bytes) {
        match &mut self.writing {
            Writing::Body(BodyEncoder::Length(owed)) if self.asked.upgrade.is_some() => {
                let count = usize::try_from(*owed).unwrap_or(usize::MAX).min(body.len());
                *owed = owed.saturating_sub(count as u64);
                if *owed == 0 {
                    self.writing = Writing::Idle;
                    self.ahead = body.split_off(count);
                }
                self.output.payload(body);
            }
            Writing::Body(encoder) => {
                if encoder.write(body, &mut self.output).is_err() {
                    self.abort();
                }
            }
            Writing::Opaque => self.output.payload(body),
            Writing::Idle | Writing::OpaqueEnded | Writing::Aborted => {}
        }
    }

    /// Ends the request's body, or our half of the opaque stream. Less than the declared length aborts.
    pub fn end(&mut self, trailers: &Headers) {
        match self.writing {
            Writing::Body(encoder) => {
                self.writing = Writing::Idle;
                if encoder.end(trailers, &mut self.output).is_err() {
                    self.abort();
                }
            }
            Writing::Opaque => self.writing = Writing::OpaqueEnded,
            Writing::Idle | Writing::OpaqueEnded | Writing::Aborted => {}
        }
    }

    /// The request cannot be completed: it is never ended, and the connection must be reset. [B-09]
    pub fn abort(&mut self) {
        self.writing = Writing::Aborted;
    }

    /// The next event, taken from the front of `input`, or `None` until more comes.
    ///
    /// # Errors
    /// [`ResponseError`] if what came is no response to the request; the connection must be dropped.
    pub fn poll_event(&mut self, input: &mut BytesMut) -> Result<Option<ClientEvent>, ResponseError> {
        let event = self.step(input);
        if let Err(error) = event {
            self.fail(error, input);
        }
        event
    }

    fn step(&mut self, input: &mut BytesMut) -> Result<Option<ClientEvent>, ResponseError> {
        match &mut self.reading {
            Reading::Idle | Reading::Head(_) | Reading::Opaque if input.is_empty() => Ok(None),
            Reading::Idle => Err(ResponseError::Unasked),
            Reading::Head(_) => self.read_head(input),
            Reading::Body(body) => {
                let mut oddity = None;
                let polled = body.poll(input, &mut oddity);
                self.note(oddity);
                match polled? {
                    None => Ok(None),
                    Some(Part::Data(data)) => Ok(Some(ClientEvent::Body(data))),
                    Some(Part::End(trailers)) => {
                        self.reading = self.after_response();
                        Ok(Some(ClientEvent::End(trailers)))
                    }
                }
            }
            Reading::Opaque => Ok(Some(ClientEvent::Opaque(input.split().freeze()))),
            Reading::Over => Ok(None),
            Reading::Failed(error) => Err(*error),
        }
    }

    fn fail(&mut self, error: ResponseError, input: &[u8]) {
        let offence = match &self.reading {
            Reading::Failed(_) => return,
            Reading::Head(scanner) => Excerpt::of_head(input, scanner.seen(), error),
            Reading::Idle | Reading::Body(_) | Reading::Opaque | Reading::Over => Excerpt::of_body(input),
        };
        self.offence = Some(Box::new(offence));
        self.reading = Reading::Failed(error);
    }

    fn read_head(&mut self, input: &mut BytesMut) -> Result<Option<ClientEvent>, ResponseError> {
        while let Some(mut response) = self.next_head(input)? {
            self.is_kept_alive &= response.is_kept_alive;
            self.has_login |= login::is_asked(&response.head.headers);
            self.idle_time = response.idle_time.or(self.idle_time);
            self.note(response.oddity.take());
            if !response.head.is_interim() {
                return Ok(Some(self.on_final_head(response)));
            }
            self.reading = Reading::Head(response::scanner(&self.limits));
            self.interims = self.interims.saturating_add(1);
            if self.interims <= self.limits.interim_responses {
                return Ok(Some(ClientEvent::Interim(response.head)));
            }
        }
        Ok(None)
    }

    fn next_head(&mut self, input: &mut BytesMut) -> Result<Option<Response>, ResponseError> {
        let Reading::Head(scanner) = &mut self.reading else { return Ok(None) };
        if is_no_http(input) {
            return Err(ResponseError::StatusLine);
        }
        let Some(end) = scanner.scan(input)? else { return Ok(None) };
        let is_odd = scanner.is_odd();
        let response = response::parse(input.get(..end).unwrap_or_default(), is_odd, &self.asked)?;
        input.advance(end);
        Ok(Some(response))
    }

    fn on_final_head(&mut self, response: Response) -> ClientEvent {
        let head = response.head;
        self.is_body_wanted = body_goes_on(head.status);
        if head.status == 101 {
            self.reading = Reading::Opaque;
            // Of a body that is not whole the rest goes on as what it is.
            if matches!(self.writing, Writing::Idle | Writing::Body(_)) {
                self.writing = Writing::Opaque;
                self.output.payload(core::mem::take(&mut self.ahead));
            }
            return ClientEvent::Head { head, end: false };
        }
        let body = BodyDecoder::lenient(response.framing, &self.limits);
        let end = body.left() == Some(0);
        self.reading = if end { self.after_response() } else { Reading::Body(body) };
        ClientEvent::Head { head, end }
    }

    fn note(&mut self, oddity: Option<Box<Oddity>>) {
        if let Some(oddity) = oddity.filter(|_| self.oddity.is_none()) {
            self.is_kept_alive = false;
            self.oddity = Some(oddity);
        }
    }

    /// What was odd first about the answer so far. Such a connection is not reused.
    #[must_use]
    pub fn oddity(&self) -> Option<&Oddity> {
        self.oddity.as_deref()
    }

    /// What the answer was refused for, if it was.
    #[must_use]
    pub fn offence(&self) -> Option<&Excerpt> {
        self.offence.as_deref()
    }

    const fn after_response(&self) -> Reading {
        if self.is_kept_alive { Reading::Idle } else { Reading::Over }
    }

    /// The backend shut down its half. Call until it answers `None`: what had come before is told first.
    ///
    /// # Errors
    /// [`ResponseError::NoResponse`] if nothing of a response had come, [`ResponseError::Truncated`] if
    /// something had: that response must be aborted.
    pub fn handle_eof(&mut self, input: &mut BytesMut) -> Result<Option<ClientEvent>, ResponseError> {
        let event = self.poll_event(input)?;
        if event.is_some() {
            return Ok(event);
        }
        self.is_kept_alive = false;
        let lost = match &self.reading {
            Reading::Idle | Reading::Over => None,
            Reading::Head(_) if input.is_empty() && self.interims == 0 => Some(ResponseError::NoResponse),
            Reading::Head(_) => Some(ResponseError::Truncated),
            Reading::Body(body) if body.ends_with_connection() => {
                self.reading = Reading::Over;
                return Ok(Some(ClientEvent::End(Headers::new())));
            }
            Reading::Body(_) => Some(ResponseError::Truncated),
            Reading::Opaque => {
                self.reading = Reading::Over;
                return Ok(Some(ClientEvent::OpaqueEnd));
            }
            Reading::Failed(error) => Some(*error),
        };
        match lost {
            None => Ok(None),
            Some(error) => {
                self.reading = Reading::Failed(error);
                Err(error)
            }
        }
    }

    /// What waits to be written.
    pub const fn output(&mut self) -> &mut Output {
        &mut self.output
    }

    /// Whether another request may go out here: the last one fully written, its response fully read,
    /// nothing behind it, and both sides keep the connection (I23). Whose it may be where a [login](Self::has_login) runs is the caller's to know.
    #[must_use]
    pub fn is_reusable(&self, input: &BytesMut) -> bool {
        let is_free = matches!(self.reading, Reading::Idle) && self.writing == Writing::Idle;
        is_free && self.is_kept_alive && input.is_empty() && self.output.is_empty()
    }

    /// How long the backend keeps this connection idle, as its last `Keep-Alive: timeout=N` said.
    #[must_use]
    pub const fn idle_time(&self) -> Option<Duration> {
        self.idle_time
    }

    /// Whether a [login](crate::login) of the connection began here: the backend takes the sender of the next request for the
    /// user who logged in.
    #[must_use]
    pub const fn has_login(&self) -> bool {
        self.has_login
    }

    /// Whether octets of the request's body are still to be written.
    #[must_use]
    pub const fn owes_body(&self) -> bool {
        matches!(self.writing, Writing::Body(_))
    }

    /// Whether all that came of the request's body has been written, and more is to come.
    #[must_use]
    pub fn awaits_body(&self) -> bool {
        self.owes_body() && self.output.is_empty()
    }

    /// Whether all of the request's body has been written.
    #[must_use]
    pub fn has_sent_body(&self) -> bool {
        !self.owes_body() && self.output.is_empty()
    }

    /// Whether a 101 came: octets pass as they are.
    #[must_use]
    pub const fn is_opaque(&self) -> bool {
        matches!(self.writing, Writing::Opaque | Writing::OpaqueEnded)
    }

    /// Our half of an opaque connection was shut down, as [`Closing::AfterOutput`] asked.
    pub const fn handle_shutdown(&mut self) {
        self.is_shut_down = true;
    }

    /// What becomes of the connection. One that is [`Closing::Open`] and not reusable after its response is
    /// to be closed too.
    #[must_use]
    pub const fn closing(&self) -> Closing {
        match (self.writing, &self.reading) {
            (Writing::Aborted, _) | (_, Reading::Failed(_)) => Closing::Reset,
            (Writing::OpaqueEnded, _) if !self.is_shut_down => Closing::AfterOutput,
            (Writing::OpaqueEnded, Reading::Over) => Closing::Finished,
            (Writing::OpaqueEnded, _) => Closing::Lingering,
            // The rest of an upload is of no use to a backend that has refused it and will close. [B-11]
            (Writing::Body(_), Reading::Over) if self.is_body_wanted => Closing::Open,
            (Writing::Idle | Writing::Body(_), Reading::Over) => Closing::Finished,
            (Writing::Idle | Writing::Body(_) | Writing::Opaque, _) => Closing::Open,
        }
    }
}

/// Whether this cannot begin a status line. A server of another protocol may wait for its client and never send what looks
/// like a whole head. White space in front is the scanner's to refuse, at once.
fn is_no_http(input: &[u8]) -> bool {
    let is_white = matches!(input.first(), Some(b' ' | b'\t' | b'\r' | b'\n'));
    !is_white && !input.iter().zip(b"HTTP/").all(|(octet, of_http)| octet == of_http)
}

/// How a request's body is written. Methods that usually have one say so when they have none, since some
/// backends insist (RFC 9110 §8.6).
fn request_body(head: &RequestHead, end: bool) -> Result<BodyEncoder, Unsendable> {
    let is_usual = ["POST", "PUT", "PATCH"].iter().any(|method| head.method == method);
    let has_none = head.upgrade.is_some() && matches!(head.length, None | Some(0));
    match (end || has_none, head.length) {
        (true, Some(1..)) => Err(Unsendable::Length),
        (true, Some(0)) => Ok(BodyEncoder::Length(0)),
        (true, None) if is_usual => Ok(BodyEncoder::Length(0)),
        (true, None) => Ok(BodyEncoder::Nothing),
        (false, Some(length)) => Ok(BodyEncoder::Length(length)),
        (false, None) => Ok(BodyEncoder::Chunked),
    }
}
