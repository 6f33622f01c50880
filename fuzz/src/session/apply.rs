//! One honest end with its application, and the tap on what it says.

use bytes::Bytes;
use core::time::Duration;
use telephone_core::error::{Reset, ResetCode, Touched};
use telephone_core::limits::SessionLimits;
use telephone_core::recording::{Recorded, Tape};
use telephone_core::session::{LinkId, Role, SessionConfig, StreamId};
use telephone_core::time::Timestamp;
use telephone_core::wire::{Profile, Setting, Settings};

use super::assert_bounded;
use super::tap::Tap;

/// Why an application gives a direction up.
pub(crate) const GIVEN_UP: Reset = Reset { code: ResetCode::TimedOut, touched: Touched::Yes };

#[derive(Debug)]
pub(crate) struct End {
    pub(crate) role: Role,
    pub(crate) session: Recorded,
    pub(super) tap: Tap,
    /// The streams that the application holds: opened, or accepted, and not released.
    pub(crate) held: Vec<StreamId>,
    /// The link that it was given last.
    pub(crate) link: Option<LinkId>,
    pub(super) limits: SessionLimits,
    /// What it said last.
    pub(crate) last_said: Option<Bytes>,
}

impl End {
    /// An end whose first link is up from the start of time.
    pub(crate) fn new(role: Role, limits: &SessionLimits, peer: &SessionLimits, window: Duration) -> Self {
        Self::at(Timestamp::ZERO, role, limits, peer, window)
    }

    /// An end that is recorded from its beginning on, if it has a tape.
    pub(super) fn recorded(
        tape: Option<Tape>,
        role: Role,
        limits: &SessionLimits,
        peer: &SessionLimits,
        window: Duration,
    ) -> Self {
        Self::make(tape, Timestamp::ZERO, role, limits, peer, window)
    }

    /// An end whose first link is up from `now` on.
    pub(crate) fn at(
        now: Timestamp,
        role: Role,
        limits: &SessionLimits,
        peer: &SessionLimits,
        window: Duration,
    ) -> Self {
        Self::make(None, now, role, limits, peer, window)
    }

    fn make(
        tape: Option<Tape>,
        now: Timestamp,
        role: Role,
        limits: &SessionLimits,
        peer: &SessionLimits,
        window: Duration,
    ) -> Self {
        let config = SessionConfig {
            role,
            profile: Profile::Binary,
            limits: limits.clone(),
            peer: Settings::of(peer).with(Setting::Refusals, 1).with(Setting::Mounts, 1),
            seed: 1,
            resume_window: window,
        };
        let session = Recorded::new(config, now, tape);
        let link = session.link();
        let tap = Tap::new(role, limits, peer);
        Self { role, session, tap, held: Vec::new(), link, limits: limits.clone(), last_said: None }
    }

    /// The session goes on over a new link, behind so many of its messages.
    pub(crate) fn resumed(&mut self, link: LinkId, position: u64) {
        self.link = Some(link);
        self.tap.resume(position);
    }

    /// The stream that a number from an input means.
    pub(crate) fn picked(&self, number: usize) -> Option<StreamId> {
        self.held.get(number % self.held.len().max(1)).copied()
    }

    /// One message, if there is something to say.
    pub(crate) fn say(&mut self, now: Timestamp) -> Option<Bytes> {
        let received = self.session.position();
        let message = self.session.poll_transmit(self.link?, now)?;
        self.tap.say(&message, received);
        self.last_said = Some(message.clone());
        Some(message)
    }

    pub(crate) fn hear(&mut self, message: Bytes, now: Timestamp) {
        if let Some(link) = self.link {
            self.tap.hear(&message);
            self.session.handle_message(link, message, now);
        }
    }

    /// The link is gone, as far as this end can tell.
    pub(crate) fn lose(&mut self, now: Timestamp) {
        if let Some(link) = self.link.take() {
            self.session.handle_disconnect(link, now);
            assert_eq!(
                self.session.poll_transmit(link, now),
                None,
                "something is said on a link that is gone"
            );
        }
    }

    /// Time has passed. No deadline is in the past behind it: a busy loop is impossible. [I39]
    pub(crate) fn pass(&mut self, now: Timestamp) {
        self.session.handle_timeout(now);
        assert!(self.session.poll_timeout().is_none_or(|next| next > now), "a deadline that has passed");
    }

    pub(crate) fn release(&mut self, id: StreamId) {
        self.session.release(id);
        self.held.retain(|held| *held != id);
    }

    pub(crate) fn check(&self) {
        assert_bounded(&self.session, &self.limits);
    }
}
