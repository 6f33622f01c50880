//! The core's HTTP/1.1 client as the pump drives it.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use telephone_core::error::{HeadRefused, ResetCode};
use telephone_core::http1::{Client, ClientEvent, Closing, ResponseError, Unsendable, body_goes_on};
use telephone_core::limits::BackendLimits;
use telephone_core::message::{Headers, RequestHead, ResponseHead};
use telephone_core::output::Output;
use telephone_core::rewrite::Prefix;
use telephone_core::time::Timestamp;

use crate::codec::{Codec, Part};

/// Why a backend's answer is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BackendLoss {
    /// The connection ended before a single octet of an answer.
    NoResponse,
    /// The connection ended, or broke, inside the answer.
    Truncated,
    /// What came is no answer to the request.
    Malformed(ResponseError),
    /// Its head does not fit the tunnel.
    Refused(HeadRefused),
    /// The backend was silent for too long.
    TimedOut,
}

impl BackendLoss {
    pub(super) const fn code(self) -> ResetCode {
        match self {
            Self::NoResponse | Self::Truncated => ResetCode::BackendFailed,
            Self::Malformed(error) => error.reset_code(),
            Self::Refused(refused) => refused.reset_code(),
            Self::TimedOut => ResetCode::TimedOut,
        }
    }
}

impl From<ResponseError> for BackendLoss {
    fn from(error: ResponseError) -> Self {
        match error {
            ResponseError::NoResponse => Self::NoResponse,
            ResponseError::Truncated => Self::Truncated,
            broken => Self::Malformed(broken),
        }
    }
}

/// Where the answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    /// Nothing of a final head came.
    Awaited,
    /// A body of declared length is coming: the backend owes the rest.
    Owed,
    /// A body of unknown length, or an upgraded connection.
    Open,
    /// All of it came.
    Whole,
}

pub(super) struct BackendCodec<'a> {
    client: &'a mut Client,
    limits: &'a BackendLimits,
    /// Changes the heads of the answer.
    pub(super) prefix: Option<&'a Prefix>,
    answer: Answer,
    is_upgrade_asked: bool,
    has_body: bool,
    /// The client waits for 100 (Continue), which the backend owes.
    is_continue_owed: bool,
    /// The answer lets the rest of the request's body go on behind it.
    is_body_wanted: bool,
    is_eof: bool,
    /// Something came, be it half a head.
    has_heard: bool,
    moved_at: Timestamp,
    now: Timestamp,
}

impl<'a> BackendCodec<'a> {
    pub(super) const fn new(client: &'a mut Client, limits: &'a BackendLimits, now: Timestamp) -> Self {
        Self {
            client,
            limits,
            prefix: None,
            answer: Answer::Awaited,
            is_upgrade_asked: false,
            has_body: false,
            is_continue_owed: false,
            is_body_wanted: false,
            is_eof: false,
            has_heard: false,
            moved_at: now,
            now,
        }
    }

    pub(super) fn request(&mut self, head: &RequestHead, end: bool) -> Result<(), Unsendable> {
        self.is_upgrade_asked = head.upgrade.is_some();
        self.client.request(head, end)?;
        self.has_body = self.client.owes_body();
        self.is_continue_owed = head.headers.first("expect").is_some();
        Ok(())
    }

    fn on_event(&mut self, mut event: ClientEvent) -> Part<BackendLoss> {
        self.moved_at = self.now;
        if let (Some(prefix), ClientEvent::Interim(head) | ClientEvent::Head { head, .. }) =
            (self.prefix, &mut event)
        {
            prefix.rewrite_response(&mut head.headers);
        }
        match event {
            ClientEvent::Interim(head) => {
                self.is_continue_owed = false;
                Part::Head(head, false)
            }
            ClientEvent::Head { head, end } => {
                self.is_body_wanted = self.has_body && body_goes_on(head.status);
                self.answer = match (end, head.length) {
                    (true, _) => Answer::Whole,
                    (false, Some(_)) => Answer::Owed,
                    (false, None) => Answer::Open,
                };
                Part::Head(head, end)
            }
            ClientEvent::Body(octets) | ClientEvent::Opaque(octets) => Part::Octets(octets),
            ClientEvent::End(trailers) => {
                self.answer = Answer::Whole;
                Part::End(trailers)
            }
            ClientEvent::OpaqueEnd => {
                self.answer = Answer::Whole;
                Part::End(Headers::new())
            }
        }
    }
}

impl Codec for BackendCodec<'_> {
    type Lost = BackendLoss;

    fn poll_part(&mut self, input: &mut BytesMut, now: Timestamp) -> Part<BackendLoss> {
        self.now = now;
        self.has_heard |= !input.is_empty();
        if self.answer == Answer::Whole {
            // Surplus behind the answer is nobody's; the connection is then not reused.
            return Part::None;
        }
        let polled = if self.is_eof { self.client.handle_eof(input) } else { self.client.poll_event(input) };
        match polled {
            Ok(Some(event)) => self.on_event(event),
            Ok(None) => Part::None,
            Err(error) => Part::Lost(error.into()),
        }
    }

    fn handle_eof(&mut self) {
        self.is_eof = true;
    }

    fn handle_broken(&mut self) -> BackendLoss {
        if self.has_heard { BackendLoss::Truncated } else { BackendLoss::NoResponse }
    }

    fn handle_refused_head(&mut self, refused: HeadRefused) -> BackendLoss {
        BackendLoss::Refused(refused)
    }

    fn wants_read(&self) -> bool {
        self.answer != Answer::Whole
    }

    fn owes_head(&self) -> bool {
        self.answer == Answer::Awaited
    }

    fn wants_octets(&self) -> bool {
        // A body ahead of a 101 goes out, and what is behind it waits.
        !self.is_upgrade_asked || self.client.is_opaque() || self.client.owes_body()
    }

    fn put_head(&mut self, _head: ResponseHead, _end: bool) -> bool {
        // The opener of a stream sends no heads; the session refuses them before they come here.
        false
    }

    fn put_octets(&mut self, octets: Bytes) {
        self.moved_at = self.now;
        self.is_continue_owed = false;
        self.client.write(octets);
    }

    fn put_end(&mut self, trailers: &Headers) {
        self.moved_at = self.now;
        self.client.end(trailers);
    }

    fn output(&mut self) -> &mut Output {
        self.client.output()
    }

    fn wants_shutdown(&self) -> bool {
        self.client.closing() == Closing::AfterOutput
    }

    fn handle_shutdown(&mut self, _now: Timestamp) {
        self.client.handle_shutdown();
    }

    fn is_complete(&self, inbound: bool, outbound: bool) -> bool {
        // Where an upgrade was asked for no end tells that the body is whole.
        let is_body_out = self.is_upgrade_asked && self.client.has_sent_body();
        let is_body_going = self.is_body_wanted && !is_body_out;
        inbound && (outbound || !(self.client.is_opaque() || is_body_going))
    }

    fn handle_stopped(&mut self) -> bool {
        false
    }

    fn survives_broken_write(&self) -> bool {
        // An answer that came early may still stand to be read. (B-11)
        true
    }

    fn handle_backpressure(&mut self, now: Timestamp) {
        self.moved_at = now;
    }

    fn send_timeout(&self) -> Option<Duration> {
        // A backend that neither reads nor answers is late with its answer. Behind that it is late with its reading.
        (self.answer == Answer::Whole).then_some(self.limits.idle_timeout)
    }

    fn poll_timeout(&self) -> Option<Timestamp> {
        match self.answer {
            // The client is waited for, and the plugboard's clock runs.
            Answer::Awaited if self.client.awaits_body() && !self.is_continue_owed => None,
            Answer::Awaited => Some(self.moved_at + self.limits.first_byte_timeout),
            Answer::Owed => Some(self.moved_at + self.limits.idle_timeout),
            Answer::Open | Answer::Whole => None,
        }
    }

    fn handle_timeout(&mut self, now: Timestamp) -> Option<BackendLoss> {
        self.poll_timeout().is_some_and(|deadline| deadline <= now).then_some(BackendLoss::TimedOut)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use telephone_core::limits::HttpLimits;

    fn loss_behind(input: &[u8]) -> BackendLoss {
        let (mut client, limits) = (Client::new(HttpLimits::default()), BackendLimits::default());
        let mut codec = BackendCodec::new(&mut client, &limits, Timestamp::ZERO);
        let head = RequestHead {
            method: Bytes::from_static(b"GET"),
            target: Bytes::from_static(b"/"),
            headers: Headers::new(),
            length: None,
            upgrade: None,
            wants_trailers: false,
        };
        codec.request(&head, true).expect("a free connection");
        let mut input = BytesMut::from(input);
        while !matches!(codec.poll_part(&mut input, Timestamp::ZERO), Part::None) {}
        codec.handle_broken()
    }

    #[test]
    fn a_connection_that_broke_inside_of_an_answer_is_no_closed_one_whose_request_may_be_repeated() {
        assert_eq!(loss_behind(b""), BackendLoss::NoResponse);
        for begun in [&b"H"[..], b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"] {
            assert_eq!(loss_behind(begun), BackendLoss::Truncated, "{}", begun.escape_ascii());
        }
    }
}
