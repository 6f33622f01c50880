//! Responses, from verbs to output.

use bytes::Bytes;

use super::{Interims, Reading, Server, ServerEvent, Writing};
use crate::http1::answer::OwnAnswer;
use crate::http1::encode::{self, BodyEncoder};
use crate::http1::error::Unsendable;
use crate::http1::fields::{Version, is_offered};
use crate::http1::{Closing, body_goes_on};
use crate::http1::{UPGRADE_REQUIRED, request};
use crate::message::{Headers, ResponseHead};

impl Server {
    /// Passes an interim response on: not to HTTP/1.0 clients, not one that this client or a HEAD may not be sent
    /// ([`Interims`]), and no more than the limit. What does not pass is dropped, and the exchange goes on. [H-20]
    ///
    /// # Errors
    /// [`Unsendable`] if the head would not be one interim response. Nothing is written then.
    pub fn interim(&mut self, head: &ResponseHead) -> Result<(), Unsendable> {
        if self.writing != Writing::Owed {
            return Ok(());
        }
        encode::check_response(head)?;
        if !head.is_interim() {
            return Err(Unsendable::Status);
        }
        if !self.is_passing(head.status) {
            return Ok(());
        }
        self.exchange.interims = self.exchange.interims.saturating_add(1);
        if self.exchange.interims <= self.limits.interim_responses {
            if head.status == 100 {
                self.exchange.is_expecting = false;
            }
            encode::status_line(&mut self.output, head.status, &head.reason, &head.headers);
            encode::fields(&mut self.output, &head.headers);
            self.output.text(b"\r\n");
        }
        Ok(())
    }

    /// Whether this client may be sent such an interim response to this request.
    const fn is_passing(&self, status: u16) -> bool {
        let is_all = matches!(self.passing, Interims::All) && !self.exchange.is_head;
        let is_asked = status == 100 && self.exchange.is_expecting;
        matches!(self.exchange.version, Version::Http11) && (is_all || is_asked)
    }

    /// Starts the final response; `end` if nothing follows it. The framing follows from the request, the status
    /// and `head.length`: so many octets, chunks, or for HTTP/1.0 the end of the connection. A 101 makes the
    /// connection opaque; with `end` our half of it is over at once.
    ///
    /// # Errors
    /// [`Unsendable`] if the head would not be one response to this request. Nothing is written then:
    /// [`refuse`](Self::refuse) with 502.
    pub fn respond(&mut self, head: &ResponseHead, end: bool) -> Result<(), Unsendable> {
        if self.writing != Writing::Owed {
            return Ok(());
        }
        encode::check_response(head)?;
        if head.status == 101 {
            self.switch(head)?;
        } else if head.is_interim() {
            return Err(Unsendable::Status);
        } else {
            let body = self.response_body(head, end)?;
            // There is no switch: what it was offered is over, and its body ends as others do.
            self.exchange.upgrade = None;
            if core::mem::take(&mut self.exchange.is_end_held) {
                self.owed = Some(ServerEvent::End(Headers::new()));
            }
            self.settle_connection(body);
            self.exchange.is_body_wanted &= body_goes_on(head.status);
            self.write_head(head, body);
            self.writing = Writing::Body(body);
        }
        if end {
            self.end(&Headers::new());
        }
        Ok(())
    }

    /// Switches protocols, to one that was asked for. [H-20]
    fn switch(&mut self, head: &ResponseHead) -> Result<(), Unsendable> {
        let asked = self.exchange.upgrade.as_deref().unwrap_or_default();
        let protocol = head.upgrade.as_ref().filter(|new| is_offered(asked, new));
        let protocol = protocol.ok_or(Unsendable::Switch)?;
        encode::status_line(&mut self.output, head.status, &head.reason, &head.headers);
        encode::fields(&mut self.output, &head.headers);
        encode::field(&mut self.output, b"Upgrade", protocol);
        self.output.text(b"Connection: upgrade\r\n\r\n");
        self.reading = Reading::Opaque;
        self.writing = Writing::Opaque;
        Ok(())
    }

    /// How the body is written (RFC 9112 §6.3). [H-22]
    fn response_body(&self, head: &ResponseHead, end: bool) -> Result<BodyEncoder, Unsendable> {
        if self.exchange.is_head || head.status == 204 || head.status == 304 {
            return Ok(BodyEncoder::Nothing);
        }
        match (end, head.length) {
            (true, Some(1..)) => Err(Unsendable::Length),
            (true, Some(0) | None) => Ok(BodyEncoder::Length(0)),
            (false, Some(length)) => Ok(BodyEncoder::Length(length)),
            (false, None) => match self.exchange.version {
                Version::Http11 => Ok(BodyEncoder::Chunked),
                Version::Http10 => Ok(BodyEncoder::UntilClose),
            },
        }
    }

    /// Whether the connection stays. It does not where the client waits for 100 and will not get it: it may
    /// send the body or not, and what comes next could be either (RFC 9110 §10.1.1). [H-21]
    fn settle_connection(&mut self, body: BodyEncoder) {
        let is_ambiguous = self.exchange.is_expecting && matches!(self.reading, Reading::Body(_));
        let is_delimited = body != BodyEncoder::UntilClose;
        self.exchange.is_kept_alive &= is_delimited && !is_ambiguous && !self.is_close_announced;
    }

    /// What the response says about the connection, where that is not its version's default.
    const fn connection_option(&self) -> Option<&'static str> {
        match (self.exchange.is_kept_alive, self.exchange.version) {
            (false, _) => Some("close"),
            (true, Version::Http10) => Some("keep-alive"),
            (true, Version::Http11) => None,
        }
    }

    fn write_head(&mut self, head: &ResponseHead, body: BodyEncoder) {
        let connection = self.connection_option();
        let output = &mut self.output;
        encode::status_line(output, head.status, &head.reason, &head.headers);
        encode::fields(output, &head.headers);
        match head.length {
            // HEAD and 304 tell the length that is not sent (RFC 9110 §8.6); 204 has none.
            Some(length) if body == BodyEncoder::Nothing && head.status != 204 => {
                encode::content_length(output, length);
            }
            Some(_) | None => body.declare(output),
        }
        if let Some(protocols) = head.upgrade.as_deref().filter(|_| head.status == UPGRADE_REQUIRED) {
            encode::field(output, b"Upgrade", protocols);
            encode::field(output, b"Connection", b"upgrade");
        }
        if let Some(option) = connection {
            encode::field(output, b"Connection", option.as_bytes());
        }
        output.text(b"\r\n");
    }

    /// Writes the next octets of the response's body, or of the opaque stream. More than the declared
    /// length resets the connection.
    pub fn write(&mut self, body: Bytes) {
        match &mut self.writing {
            Writing::Body(encoder) => {
                if encoder.write(body, &mut self.output).is_err() {
                    self.reset();
                }
            }
            Writing::Opaque => self.output.payload(body),
            Writing::Idle | Writing::Owed | Writing::Done | Writing::OpaqueEnded => {}
        }
    }

    /// Ends the response's body, or our half of the opaque stream. Less than the declared length resets the
    /// connection. Trailers are written where the body is chunked.
    pub fn end(&mut self, trailers: &Headers) {
        match self.writing {
            Writing::Body(encoder) => match encoder.end(trailers, &mut self.output) {
                Ok(()) if self.may_read_on(encoder) => {
                    self.writing = Writing::Done;
                    // A client that waits for 100 takes this answer for it.
                    self.exchange.is_expecting = false;
                }
                Ok(()) => self.on_exchange_complete(),
                Err(encode::LengthBroken) => self.reset(),
            },
            Writing::Opaque => {
                self.writing = Writing::OpaqueEnded;
                self.closing = Closing::AfterOutput;
            }
            Writing::Idle | Writing::Owed | Writing::Done | Writing::OpaqueEnded => {}
        }
    }

    /// The response, or the opaque stream, cannot be completed: it must not look as if it were.
    pub const fn abort(&mut self) {
        match self.writing {
            Writing::Done => self.close(),
            Writing::Owed | Writing::Body(_) | Writing::Opaque | Writing::OpaqueEnded => self.reset(),
            Writing::Idle => {}
        }
    }

    /// Ends an opaque connection with these last octets. What the client still sends is thrown away, and it has
    /// [`linger`](crate::limits::HttpLimits::linger) to close.
    pub fn hang_up(&mut self, last: Bytes) {
        if self.writing == Writing::Opaque {
            self.output.payload(last);
            self.close();
        }
    }

    /// Answers the request with the plugboard's own words. The connection stays if the request was read to
    /// its end. A response that has begun is aborted instead.
    pub fn refuse(&mut self, answer: &OwnAnswer) {
        if self.writing != Writing::Owed {
            return self.abort();
        }
        self.exchange.is_kept_alive &= matches!(self.reading, Reading::Whole) && !self.is_close_announced;
        let connection = self.connection_option();
        self.traced(*answer).write(&mut self.output, connection, !self.exchange.is_head);
        self.on_exchange_complete();
    }

    /// Whether the exchange goes on behind a whole response, for the rest of its request: the answer tells of no failure, the
    /// rest has a reader, and the end of the connection is not what ends the answer. [B-11]
    fn may_read_on(&self, body: BodyEncoder) -> bool {
        let is_unfinished = matches!(self.reading, Reading::Body(_)) && body != BodyEncoder::UntilClose;
        is_unfinished && self.exchange.is_body_wanted
    }

    /// The exchange is over: the connection closes, or goes on to the next request when the rest of this
    /// one has come. [H-10]
    pub(super) fn on_exchange_complete(&mut self) {
        if !self.exchange.is_kept_alive {
            return self.close();
        }
        self.writing = Writing::Idle;
        let drain_bytes = self.limits.drain_bytes;
        match core::mem::replace(&mut self.reading, Reading::Whole) {
            Reading::Body(body) if body.left().is_none_or(|left| left <= drain_bytes) => {
                self.reading = Reading::Drain(body, drain_bytes);
            }
            Reading::Body(_) => self.close(),
            Reading::Whole
            | Reading::Head(_)
            | Reading::Drain(..)
            | Reading::Opaque
            | Reading::OpaqueEnded
            | Reading::Discard(_) => self.reading = Reading::Head(request::scanner(&self.limits)),
        }
    }
}
