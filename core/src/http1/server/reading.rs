//! Requests, from input to events.

use bytes::{Buf, Bytes, BytesMut};

use super::{AbortCause, Exchange, Reading, Server, ServerEvent, Writing};
use crate::http1::Closing;
use crate::http1::body::{BodyDecoder, Framing, Part};
use crate::http1::error::{Malformed, RequestError};
use crate::http1::fields::Declared;
use crate::http1::line::RefusedLine;
use crate::http1::request::{self, Request};

impl Server {
    /// Reads on. What answers no event may have changed what is read next, so it goes round until input is
    /// used up.
    pub(super) fn read(&mut self, input: &mut BytesMut) -> Option<ServerEvent> {
        match &mut self.reading {
            Reading::Head(_) => self.read_head(input),
            Reading::Body(_) => self.read_body(input),
            Reading::Whole | Reading::OpaqueEnded => None,
            Reading::Drain(..) => {
                self.drain(input);
                matches!(self.reading, Reading::Head(_)).then(|| self.read_head(input))?
            }
            Reading::Opaque => self.read_opaque(input),
            Reading::Discard(_) => {
                self.discard(input);
                None
            }
        }
    }

    fn read_head(&mut self, input: &mut BytesMut) -> Option<ServerEvent> {
        let Reading::Head(scanner) = &mut self.reading else { return None };
        let request = match scanner.scan(input) {
            Ok(None) => return None,
            Ok(Some(end)) => {
                let section = input.get(..end).unwrap_or_default();
                let request = request::parse(section, &self.limits);
                self.refused = if request.is_err() { RefusedLine::read(section) } else { None };
                input.advance(end);
                request
            }
            Err(malformed) => {
                self.refused = RefusedLine::read(input);
                Err(match malformed {
                    Malformed::StartLineTooLong => RequestError::TargetTooLong,
                    malformed => malformed.into(),
                })
            }
        };
        match request {
            Ok(request) => Some(self.begin(request)),
            Err(error) => Some(self.refuse_head(error)),
        }
    }

    fn begin(&mut self, request: Request) -> ServerEvent {
        let Request { head, sent, offers_h2c, origin, declared, is_kept_alive, is_expecting } = request;
        // A request is never delimited by the end of the connection. [H-12]
        let framing = match declared {
            Declared::Nothing | Declared::Length(0) => Framing::Nothing,
            Declared::Length(length) => Framing::Length(length),
            Declared::Chunked => Framing::Chunked,
        };
        let has_body = framing != Framing::Nothing;
        self.reading =
            if has_body { Reading::Body(BodyDecoder::new(framing, &self.limits)) } else { Reading::Whole };
        self.writing = Writing::Owed;
        self.exchange = Exchange {
            version: origin.version,
            is_head: head.method == "HEAD",
            is_kept_alive,
            is_expecting: is_expecting && has_body,
            upgrade: head.upgrade.clone(),
            sent,
            offers_h2c,
            is_end_held: false,
            interims: 0,
            is_body_wanted: false,
            octets: 0,
        };
        let end = !has_body && head.upgrade.is_none();
        ServerEvent::Request { head, end, origin }
    }

    fn read_body(&mut self, input: &mut BytesMut) -> Option<ServerEvent> {
        let Reading::Body(body) = &mut self.reading else { return None };
        match body.poll(input, &mut None) {
            Ok(None) => None,
            Ok(Some(Part::Data(data))) => self.on_data(data),
            Ok(Some(Part::End(trailers))) => {
                self.reading = Reading::Whole;
                if self.writing == Writing::Done {
                    self.on_exchange_complete();
                }
                if self.exchange.upgrade.is_some() && self.writing == Writing::Owed {
                    self.exchange.is_end_held = true;
                    return None;
                }
                Some(ServerEvent::End(trailers))
            }
            Err(malformed) => {
                self.lose(malformed.into());
                self.owed.take()
            }
        }
    }

    fn on_data(&mut self, data: Bytes) -> Option<ServerEvent> {
        // A body that comes unasked is passed on. [H-21]
        self.exchange.is_expecting = false;
        self.exchange.octets = self.exchange.octets.saturating_add(data.len() as u64);
        if self.exchange.octets > self.limits.request_body_bytes {
            self.lose(AbortCause::Body(RequestError::BodyTooLong));
            return self.owed.take();
        }
        Some(ServerEvent::Body(data))
    }

    /// Throws the rest of a request away, so that it is never taken for the next one. [H-10]
    fn drain(&mut self, input: &mut BytesMut) {
        let Reading::Drain(body, left) = &mut self.reading else { return };
        loop {
            match body.poll(input, &mut None) {
                Ok(None) => return,
                Ok(Some(Part::End(_))) => {
                    self.reading = Reading::Head(request::scanner(&self.limits));
                    return;
                }
                Ok(Some(Part::Data(data))) if data.len() as u64 <= *left => {
                    *left = left.saturating_sub(data.len() as u64);
                }
                Ok(Some(Part::Data(_))) | Err(_) => return self.close(),
            }
        }
    }

    fn read_opaque(&mut self, input: &mut BytesMut) -> Option<ServerEvent> {
        if !input.is_empty() {
            return Some(ServerEvent::Opaque(input.split().freeze()));
        }
        if !self.is_eof {
            return None;
        }
        self.reading = Reading::OpaqueEnded;
        if self.closing == Closing::Lingering {
            self.closing = Closing::Finished;
        }
        Some(ServerEvent::OpaqueEnd)
    }

    /// Throws away what a client sends behind the last answer, up to a bound.
    fn discard(&mut self, input: &mut BytesMut) {
        let Reading::Discard(left) = &mut self.reading else { return };
        match left.checked_sub(input.len() as u64) {
            Some(rest) => *left = rest,
            None if self.closing == Closing::Lingering => self.closing = Closing::Finished,
            // The answer is still being written: the client finds it if it reads.
            None => *left = 0,
        }
        input.clear();
    }
}
