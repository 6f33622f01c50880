//! A session and its tape.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Deref;
use core::time::Duration;

use bytes::Bytes;

use super::{Input, Output, Tape};
use crate::error::{LeaveCode, Misbehaviour};
use crate::session::{
    Accepted, CannotResume, Event, LinkId, OpenError, RecvStream, SendStream, Session, SessionConfig,
    StreamId,
};
use crate::time::Timestamp;
use crate::wire::{MountUrl, Mounts, Move, Opening, Refused};

/// A [`Session`] that is recorded if it has a tape.
///
/// It has the session's methods, and lends the session itself for looking only: what could change it goes through here, so
/// that no input can be forgotten.
#[derive(Debug)]
pub struct Recorded {
    pub(super) session: Session,
    tape: Option<Box<Tape>>,
}

impl Deref for Recorded {
    type Target = Session;

    fn deref(&self) -> &Session {
        &self.session
    }
}

impl Recorded {
    /// As [`Session::new`], on a tape if there is one and it takes what a recording begins with.
    #[must_use]
    pub fn new(config: SessionConfig, now: Timestamp, tape: Option<Tape>) -> Self {
        let tape = tape.and_then(|mut tape| tape.start(&config, now).then(|| Box::new(tape)));
        Self { session: Session::new(config, now), tape }
    }

    /// A session that is given a recording's inputs.
    pub(super) fn replaying(session: Session, tape: Tape) -> Self {
        Self { session, tape: Some(Box::new(tape)) }
    }

    pub(super) fn tape(&self) -> Option<&Tape> {
        self.tape.as_deref()
    }

    /// As [`Tape::take_last`].
    pub(super) fn take_last(&mut self) -> Option<Output> {
        self.tape.as_mut()?.take_last()
    }

    /// Throws the tape away, with all that is on it: the session never came to anything.
    pub fn discard_tape(&mut self) {
        if let Some(tape) = self.tape.take() {
            tape.discard();
        }
    }

    /// Notes an input before it is given.
    #[inline]
    pub(super) fn note(&mut self, input: impl FnOnce() -> Input) {
        if self.tape.is_some() {
            self.note_input(input());
        }
    }

    #[cold]
    fn note_input(&mut self, input: Input) {
        self.tape.take_if(|tape| !tape.note(&self.session, input));
    }

    /// Notes what came of it.
    #[inline]
    pub(super) fn told(&mut self, output: impl FnOnce() -> Output) {
        if self.tape.is_some() {
            self.fold_output(output());
        }
    }

    #[cold]
    fn fold_output(&mut self, output: Output) {
        if let Some(tape) = &mut self.tape {
            tape.fold(&self.session, output);
        }
    }

    /// Whether what the session is asked for is worth a record: `can_change` says whether it can change anything.
    pub(super) fn is_noted(&self, can_change: impl FnOnce(&Session) -> bool) -> bool {
        self.tape.is_some() && can_change(&self.session)
    }

    /// As [`Session::handle_message`].
    pub fn handle_message(&mut self, link: LinkId, message: Bytes, now: Timestamp) {
        let size = message.len();
        self.take_message(link, message, size, now);
    }

    /// A message that had so many octets before it was redacted.
    pub(super) fn take_message(&mut self, link: LinkId, message: Bytes, size: usize, now: Timestamp) {
        // One that is too long is refused for its size alone.
        let is_read = size <= self.session.profile().message_bytes_max();
        self.note(|| {
            let octets = if is_read { message.clone() } else { Bytes::new() };
            Input::Message { link, octets, size, now }
        });
        self.session.handle_sized_message(link, message, size, now);
        self.told(|| Output::Nothing);
    }

    /// As [`Session::handle_misbehaviour`].
    pub fn handle_misbehaviour(&mut self, link: LinkId, misbehaviour: Misbehaviour, now: Timestamp) {
        self.note(|| Input::Misbehaviour { link, misbehaviour, now });
        self.session.handle_misbehaviour(link, misbehaviour, now);
        self.told(|| Output::Nothing);
    }

    /// As [`Session::handle_activity`].
    pub fn handle_activity(&mut self, link: LinkId, now: Timestamp) {
        self.note(|| Input::Activity { link, now });
        self.session.handle_activity(link, now);
        self.told(|| Output::Nothing);
    }

    /// As [`Session::handle_disconnect`].
    pub fn handle_disconnect(&mut self, link: LinkId, now: Timestamp) {
        self.note(|| Input::Disconnect { link, now });
        self.session.handle_disconnect(link, now);
        self.told(|| Output::Nothing);
    }

    /// As [`Session::handle_timeout`].
    pub fn handle_timeout(&mut self, now: Timestamp) {
        self.note(|| Input::Timeout { now });
        self.session.handle_timeout(now);
        self.told(|| Output::Nothing);
    }

    /// As [`Session::handle_woken`].
    pub fn handle_woken(&mut self, time: Duration, now: Timestamp) {
        self.note(|| Input::Woken { time, now });
        self.session.handle_woken(time, now);
        self.told(|| Output::Nothing);
    }

    /// As [`Session::poll_transmit`].
    pub fn poll_transmit(&mut self, link: LinkId, now: Timestamp) -> Option<Bytes> {
        let is_noted = self.is_noted(|session| session.link() == Some(link) && session.has_transmit());
        if !is_noted {
            return self.session.poll_transmit(link, now);
        }
        self.note(|| Input::Transmit { link, now });
        let message = self.session.poll_transmit(link, now);
        self.told(|| Output::Message(message.clone()));
        message
    }

    /// As [`Session::limit_messages`].
    pub fn limit_messages(&mut self, link: LinkId, bytes: usize) {
        self.note(|| Input::LimitMessages { link, bytes });
        self.session.limit_messages(link, bytes);
        self.told(|| Output::Nothing);
    }

    /// As [`Session::poll_event`].
    pub fn poll_event(&mut self) -> Option<Event> {
        if !self.is_noted(Session::has_events) {
            return self.session.poll_event();
        }
        self.note(|| Input::PollEvent);
        let event = self.session.poll_event();
        self.told(|| Output::Event(event.clone()));
        event
    }

    /// As [`Session::open`].
    ///
    /// # Errors
    /// As there.
    pub fn open(&mut self, opening: Opening, end: bool, now: Timestamp) -> Result<StreamId, OpenError> {
        self.note(|| Input::Open { opening: opening.clone(), end, now });
        let opened = self.session.open(opening, end, now);
        self.told(|| Output::Opened(opened));
        opened
    }

    /// As [`Session::accept`].
    pub fn accept(&mut self) -> Option<Accepted> {
        if !self.is_noted(Session::has_unaccepted) {
            return self.session.accept();
        }
        self.note(|| Input::Accept);
        let accepted = self.session.accept();
        self.told(|| Output::Accepted(accepted.clone()));
        accepted
    }

    /// As [`Session::send`].
    pub fn send(&mut self, id: StreamId) -> RecordedSend<'_> {
        RecordedSend { recorded: self, id }
    }

    /// As [`Session::recv`].
    pub fn recv(&mut self, id: StreamId) -> RecordedRecv<'_> {
        RecordedRecv { recorded: self, id }
    }

    /// As [`Session::release`].
    pub fn release(&mut self, id: StreamId) {
        self.note(|| Input::Release { id });
        self.session.release(id);
        self.told(|| Output::Nothing);
    }

    /// As [`Session::leave`].
    pub fn leave(&mut self, code: LeaveCode, now: Timestamp) {
        self.note(|| Input::Leave { code, now });
        self.session.leave(code, now);
        self.told(|| Output::Nothing);
    }

    /// As [`Session::renew`].
    pub fn renew(&mut self, token: Bytes) {
        self.note(|| Input::Renew { token: token.clone() });
        self.session.renew(token);
        self.told(|| Output::Nothing);
    }

    /// As [`Session::authorize`].
    pub fn authorize(&mut self, expires_in: Option<Duration>, now: Timestamp) {
        self.note(|| Input::Authorize { expires_in, now });
        self.session.authorize(expires_in, now);
        self.told(|| Output::Nothing);
    }

    /// As [`Session::confirm_renewal`].
    pub fn confirm_renewal(&mut self, expires_in: Option<Duration>, now: Timestamp) {
        self.note(|| Input::ConfirmRenewal { expires_in, now });
        self.session.confirm_renewal(expires_in, now);
        self.told(|| Output::Nothing);
    }

    /// As [`Session::ping`].
    pub fn ping(&mut self) {
        self.note(|| Input::Ping);
        self.session.ping();
        self.told(|| Output::Nothing);
    }

    /// As [`Session::refuse_renewal`].
    pub fn refuse_renewal(&mut self, refused: Refused) {
        self.note(|| Input::RefuseRenewal { refused: refused.clone() });
        self.session.refuse_renewal(refused);
        self.told(|| Output::Nothing);
    }

    /// As [`Session::ask_to_move`].
    pub fn ask_to_move(&mut self, order: Move) {
        self.note(|| Input::AskToMove { order: order.clone() });
        self.session.ask_to_move(order);
        self.told(|| Output::Nothing);
    }

    /// As [`Session::confirm_move`].
    pub fn confirm_move(&mut self) {
        self.note(|| Input::ConfirmMove);
        self.session.confirm_move();
        self.told(|| Output::Nothing);
    }

    /// As [`Session::tell_scope`].
    pub fn tell_scope(&mut self, mounts: Vec<String>) {
        self.note(|| Input::TellScope { mounts: mounts.clone() });
        self.session.tell_scope(mounts);
        self.told(|| Output::Nothing);
    }

    /// As [`Session::tell_site`].
    pub fn tell_site(&mut self, mounts: Vec<MountUrl>) {
        self.note(|| Input::TellSite { mounts: mounts.clone() });
        self.session.tell_site(mounts);
        self.told(|| Output::Nothing);
    }

    /// As [`Session::present_mounts`].
    pub fn present_mounts(&mut self, mounts: Mounts) {
        self.note(|| Input::PresentMounts { mounts: mounts.clone() });
        self.session.present_mounts(mounts);
        self.told(|| Output::Nothing);
    }

    /// As [`Session::tell_client`].
    pub fn tell_client(&mut self, id: StreamId, client: u64) {
        self.note(|| Input::TellClient { id, client });
        self.session.tell_client(id, client);
        self.told(|| Output::Nothing);
    }

    /// As [`Session::ask_stats`].
    pub fn ask_stats(&mut self, now: Timestamp) {
        self.note(|| Input::AskStats { now });
        self.session.ask_stats(now);
        self.told(|| Output::Nothing);
    }

    /// As [`Session::resume`].
    ///
    /// # Errors
    /// As there.
    pub fn resume(&mut self, peer_position: u64, now: Timestamp) -> Result<LinkId, CannotResume> {
        self.note(|| Input::Resume { peer_position, now });
        let resumed = self.session.resume(peer_position, now);
        self.told(|| Output::Resumed(resumed));
        resumed
    }

    /// As [`Session::abandon`].
    pub fn abandon(&mut self) {
        self.note(|| Input::Abandon);
        self.session.abandon();
        self.told(|| Output::Nothing);
    }
}

/// The direction of a stream that this end sends, as [`SendStream`].
#[derive(Debug)]
pub struct RecordedSend<'a> {
    pub(super) recorded: &'a mut Recorded,
    pub(super) id: StreamId,
}

/// The direction of a stream that this end reads, as [`RecvStream`].
#[derive(Debug)]
pub struct RecordedRecv<'a> {
    pub(super) recorded: &'a mut Recorded,
    pub(super) id: StreamId,
}

impl RecordedSend<'_> {
    pub(super) fn plain(&mut self) -> SendStream<'_> {
        self.recorded.session.send(self.id)
    }
}

impl RecordedRecv<'_> {
    pub(super) fn plain(&mut self) -> RecvStream<'_> {
        self.recorded.session.recv(self.id)
    }
}
