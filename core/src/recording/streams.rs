//! The two directions of a stream of a recorded session.

use bytes::Bytes;

use super::recorded::{RecordedRecv, RecordedSend};
use super::{Input, Output};
use crate::error::{Reset, ResetCode};
use crate::limits::SEND_BURST_BYTES;
use crate::message::{Headers, ResponseHead};
use crate::session::{HeadRefused, Incoming, Stopped};
use crate::time::Timestamp;

impl RecordedSend<'_> {
    /// As [`SendStream::capacity`](crate::session::SendStream::capacity).
    pub fn capacity(&mut self) -> usize {
        let id = self.id;
        if !self.recorded.is_noted(|session| session.is_room_news(id)) {
            return self.plain().capacity();
        }
        self.recorded.note(|| Input::Capacity { id });
        let room = self.plain().capacity();
        self.recorded.told(|| Output::Room(room));
        room
    }

    /// As [`SendStream::write`](crate::session::SendStream::write).
    ///
    /// # Errors
    /// As there.
    pub fn write(&mut self, octets: &mut Bytes) -> Result<usize, Stopped> {
        let id = self.id;
        self.recorded.note(|| {
            // One more than could be taken shows that not all was.
            let octets = octets.slice(..octets.len().min(SEND_BURST_BYTES + 1));
            Input::Write { id, octets }
        });
        let written = self.plain().write(octets);
        self.recorded.told(|| Output::Written(written));
        written
    }

    /// As [`SendStream::interim`](crate::session::SendStream::interim).
    ///
    /// # Errors
    /// As there.
    pub fn interim(&mut self, head: ResponseHead) -> Result<(), HeadRefused> {
        let id = self.id;
        self.recorded.note(|| Input::Interim { id, head: head.clone() });
        let given = self.plain().interim(head);
        self.recorded.told(|| Output::Given(given));
        given
    }

    /// As [`SendStream::respond`](crate::session::SendStream::respond).
    ///
    /// # Errors
    /// As there.
    pub fn respond(&mut self, head: ResponseHead, end: bool) -> Result<(), HeadRefused> {
        let id = self.id;
        self.recorded.note(|| Input::Respond { id, head: head.clone(), end });
        let given = self.plain().respond(head, end);
        self.recorded.told(|| Output::Given(given));
        given
    }

    /// As [`SendStream::end`](crate::session::SendStream::end).
    pub fn end(&mut self, trailers: Headers) {
        let id = self.id;
        self.recorded.note(|| Input::End { id, trailers: trailers.clone() });
        self.plain().end(trailers);
        self.recorded.told(|| Output::Nothing);
    }

    /// As [`SendStream::reset`](crate::session::SendStream::reset).
    pub fn reset(&mut self, reset: Reset) {
        let id = self.id;
        self.recorded.note(|| Input::Reset { id, reset });
        self.plain().reset(reset);
        self.recorded.told(|| Output::Nothing);
    }

    /// As [`SendStream::stopped`](crate::session::SendStream::stopped).
    #[must_use]
    pub fn stopped(&mut self) -> Option<Reset> {
        self.plain().stopped()
    }

    /// As [`SendStream::is_sent`](crate::session::SendStream::is_sent).
    #[must_use]
    pub fn is_sent(&mut self) -> bool {
        self.plain().is_sent()
    }
}

impl RecordedRecv<'_> {
    /// As [`RecvStream::peek`](crate::session::RecvStream::peek).
    pub fn peek(&mut self) -> Incoming {
        let id = self.id;
        if !self.recorded.is_noted(|session| session.is_readable(id)) {
            return self.plain().peek();
        }
        self.recorded.note(|| Input::Peek { id });
        let incoming = self.plain().peek();
        self.recorded.told(|| Output::Incoming(incoming.clone()));
        incoming
    }

    /// As [`RecvStream::read`](crate::session::RecvStream::read).
    pub fn read(&mut self) -> Incoming {
        let id = self.id;
        if !self.recorded.is_noted(|session| session.is_readable(id)) {
            return self.plain().read();
        }
        self.recorded.note(|| Input::Read { id });
        let incoming = self.plain().read();
        self.recorded.told(|| Output::Incoming(incoming.clone()));
        incoming
    }

    /// As [`RecvStream::take_head`](crate::session::RecvStream::take_head).
    pub fn take_head(&mut self) -> Option<ResponseHead> {
        let id = self.id;
        self.recorded.note(|| Input::TakeHead { id });
        let head = self.plain().take_head();
        self.recorded.told(|| Output::Head(head.clone()));
        head
    }

    /// As [`RecvStream::is_at_end`](crate::session::RecvStream::is_at_end).
    #[must_use]
    pub fn is_at_end(&mut self) -> bool {
        self.plain().is_at_end()
    }

    /// As [`RecvStream::credit`](crate::session::RecvStream::credit).
    pub fn credit(&mut self, count: usize, now: Timestamp) {
        let id = self.id;
        self.recorded.note(|| Input::Credit { id, count, now });
        self.plain().credit(count, now);
        self.recorded.told(|| Output::Nothing);
    }

    /// As [`RecvStream::consume`](crate::session::RecvStream::consume).
    pub fn consume(&mut self, count: usize, now: Timestamp) {
        let id = self.id;
        self.recorded.note(|| Input::Consume { id, count, now });
        self.plain().consume(count, now);
        self.recorded.told(|| Output::Nothing);
    }

    /// As [`RecvStream::stop`](crate::session::RecvStream::stop).
    pub fn stop(&mut self, code: ResetCode) {
        let id = self.id;
        self.recorded.note(|| Input::Stop { id, code });
        self.plain().stop(code);
        self.recorded.told(|| Output::Nothing);
    }
}
