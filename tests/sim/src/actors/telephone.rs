//! A telephone's process: what the sidecar's line and its dials are.

use bytes::Bytes;
use telephone_core::dialer::{DialEvent, DialFailure, Dialer, DialerConfig};
use telephone_core::error::{CloseReason, LeaveCode};
use telephone_core::limits::DRAIN_TIME;
use telephone_core::session::Event as News;
use telephone_core::wire::Move;

use super::backend::BackendLeg;
use super::dial::Dial;
use super::issuer::Issuer;
use super::presenting::Wanted;
use crate::clock::{Event, Micros};
use crate::laws;
use crate::line::Line;
use crate::net::Side;
use crate::stage::{Note, Stage};

/// A session, and what it takes to go on with it.
#[derive(Debug)]
pub(super) struct Served {
    pub(super) line: Line<BackendLeg>,
    pub(super) secret: [u8; 16],
    /// Where the session was when its present link came.
    pub(super) position: u64,
    /// What its plugboard asked of it, the first time.
    pub(super) asked: Option<Move>,
}

/// What a session's turn came to.
#[derive(Debug, Default)]
pub(super) struct Turned {
    has_lost: bool,
    pub(super) is_renewal_due: bool,
    pub(super) closed: Option<CloseReason>,
}

/// A telephone's process.
#[derive(Debug)]
pub struct Telephone {
    pub(super) index: u32,
    pub(super) dialer: Dialer,
    pub(super) dial: Option<Dial>,
    pub(super) served: Option<Served>,
    /// Sessions that go on beside their successor.
    pub(super) parting: Vec<Served>,
    pub(super) token: u32,
    pub(super) epoch: u64,
    armed: Micros,
    pub(super) attempts: std::collections::VecDeque<Micros>,
    /// Whether a fresh token can be had.
    pub has_tokens: bool,
    /// What it wants of its mount.
    pub(super) wanted: Wanted,
    /// It was asked to end: when it does, whatever is still open.
    leaves_at: Option<Micros>,
    has_given_up: bool,
}

impl Served {
    /// Lets it do what it can, with a fresh token if it wants one and there is one.
    pub(super) fn turn(&mut self, stage: &mut Stage<'_>) -> Turned {
        let had_link = self.line.wire().is_some();
        self.line.turn(stage);
        self.line.ended.clear();
        let mut turned = Turned { has_lost: had_link && self.line.wire().is_none(), ..Turned::default() };
        for event in std::mem::take(&mut self.line.news) {
            match event {
                News::RenewalDue => turned.is_renewal_due = true,
                News::Closed(reason) => turned.closed = Some(reason),
                News::MoveAsked(order) => {
                    self.asked.get_or_insert(order);
                }
                News::Renewed(_)
                | News::PeerLeaves(_)
                | News::Opened
                | News::Readable(_)
                | News::Writable(_)
                | News::Renewal(_)
                | News::ScopeLeft(_)
                | News::Site(_)
                | News::RenewalRefused(_)
                | News::MountsPresented(_)
                | News::Moved
                | News::Expired => {}
            }
        }
        turned
    }

    /// Whether its present link brought it on.
    pub(super) fn has_progressed(&self) -> bool {
        self.line.session.position() > self.position
    }
}

impl Telephone {
    /// A process that starts now.
    #[must_use]
    pub fn new(index: u32, stage: &mut Stage<'_>) -> Self {
        let config = DialerConfig { token_is_fixed: false, ..DialerConfig::default() };
        let dialer = Dialer::new(config, stage.random.next_u64(), stage.clock.timestamp());
        let tenant = stage.scenario.telephones[index as usize].tenant;
        let token = stage.issuer.issue(tenant, stage.scenario.token_life, stage.clock.now());
        Self {
            index,
            dialer,
            dial: None,
            served: None,
            parting: Vec::new(),
            token,
            // Two starts of a process within a millisecond are one epoch; two processes never have the same.
            epoch: stage.now() / crate::clock::MILLI * 256 + u64::from(index),
            armed: Micros::MAX,
            attempts: std::collections::VecDeque::new(),
            has_tokens: true,
            wanted: Wanted::Ready,
            leaves_at: None,
            has_given_up: false,
        }
    }

    /// Whether no stream is open.
    #[must_use]
    pub fn is_at_rest(&self) -> bool {
        let is_at_rest = |served: &Served| served.line.session.stats().streams_open == 0;
        self.served.iter().chain(&self.parting).all(is_at_rest)
    }

    /// Whether it has a session with a link.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.served
            .as_ref()
            .is_some_and(|served| served.line.wire().is_some() && served.line.session.is_open())
    }

    /// Which of two processes of one identity is the newer one.
    #[must_use]
    pub const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Whether nothing is left of it but the process.
    #[must_use]
    pub const fn is_idle(&self) -> bool {
        self.served.is_none() && self.parting.is_empty() && self.dial.is_none()
    }

    /// The wire that its session uses now.
    #[must_use]
    pub fn wire(&self) -> Option<u32> {
        self.served.as_ref().and_then(|served| served.line.wire()).map(|(wire, _)| wire)
    }

    /// The wires that its sessions use now.
    #[must_use]
    pub fn wires(&self) -> Vec<u32> {
        let served = self.served.iter().chain(&self.parting);
        served.filter_map(|served| served.line.wire()).map(|(wire, _)| wire).collect()
    }

    /// Whether it will never dial again.
    #[must_use]
    pub const fn has_given_up(&self) -> bool {
        self.has_given_up
    }

    /// Does what its dialer says.
    pub fn advance(&mut self, stage: &mut Stage<'_>) {
        let is_done = self.is_leaving() && self.served.is_none();
        if is_done || self.dial.is_some() {
            return;
        }
        self.dialer.handle_timeout(stage.clock.timestamp());
        match self.dialer.poll_event() {
            Some(DialEvent::Dial) => self.dial(stage),
            Some(DialEvent::GiveUp(_)) => self.has_given_up = true,
            Some(DialEvent::ReadToken) => {
                let before = self.token;
                self.read_token(stage);
                if self.token != before {
                    self.dialer.handle_token_changed(stage.clock.timestamp());
                }
                self.advance(stage);
            }
            None => {
                if let Some(at) = self.dialer.poll_timeout() {
                    self.arm(at.as_micros(), stage);
                }
            }
        }
    }

    pub(super) fn arm(&mut self, at: Micros, stage: &mut Stage<'_>) {
        if at < self.armed {
            self.armed = at;
            stage.clock.plan(at, Event::Telephone(self.index));
        }
    }

    /// Something came on a wire.
    pub fn on_arrive(&mut self, wire: u32, stage: &mut Stage<'_>) {
        if self.dial.as_ref().is_some_and(|dial| dial.wire == Some(wire)) {
            self.on_answer(wire, stage);
        } else if self.wire() == Some(wire) {
            self.turn(stage);
        } else if let Some(number) = self.parting_on(wire) {
            self.turn_parting(number, stage);
        } else {
            // A socket that was closed: the kernel answers.
            let _ = stage.read(wire, Side::Telephone);
        }
    }

    /// Lets its session do what it can, and draws the conclusions.
    pub fn turn(&mut self, stage: &mut Stage<'_>) {
        let Some(served) = &mut self.served else { return };
        let turned = served.turn(stage);
        if turned.has_lost && served.has_progressed() {
            self.dialer.handle_progress(stage.clock.timestamp());
        }
        if let Some(reason) = turned.closed {
            return self.on_over(reason, stage);
        }
        if turned.has_lost {
            self.on_lost(stage);
        }
        if self.renew(&turned, stage) {
            return self.turn(stage);
        }
        self.part(stage);
    }

    /// Has a fresh token for a session that wants one, if there is one.
    fn renew(&mut self, turned: &Turned, stage: &mut Stage<'_>) -> bool {
        if !turned.is_renewal_due || !self.has_tokens {
            return false;
        }
        self.renew_token(stage);
        if let Some(served) = &mut self.served {
            served.line.session.renew(Bytes::from(Issuer::text(self.token)));
        }
        true
    }

    fn on_lost(&mut self, stage: &mut Stage<'_>) {
        let Some(served) = &self.served else { return };
        let index = self.index;
        stage.note(Note::Lost, u64::from(index), || format!("telephone {index} lost its link"));
        let until = served.line.session.resumable_until();
        self.dialer.handle_lost(until, stage.clock.timestamp());
        self.advance(stage);
    }

    fn on_over(&mut self, reason: CloseReason, stage: &mut Stage<'_>) {
        let index = self.index;
        stage.note(Note::Closed, u64::from(index), || {
            format!("telephone {index}'s session is over: {reason}")
        });
        let is_honest = !self.is_deceived(stage);
        stage.oracle.check("I6", !is_honest || !laws::is_misbehaviour(reason), || {
            format!("a session of telephone {index} and an honest plugboard is over: {reason:?}")
        });
        let had_link = self.dial.is_none();
        self.served = None;
        if had_link {
            self.dialer.handle_session_over(reason, stage.clock.timestamp());
        }
        self.advance(stage);
    }

    /// Its clock may have come to something.
    pub fn on_clock(&mut self, stage: &mut Stage<'_>) {
        if self.armed <= stage.now() {
            self.armed = Micros::MAX;
        }
        if let Some(served) = &mut self.served {
            served.line.tick(stage);
            self.turn(stage);
        }
        self.tick_parting(stage);
        if self.leaves_at.is_some_and(|at| at <= stage.now()) {
            return self.end(stage);
        }
        if self.dial.as_ref().is_some_and(|dial| dial.until <= stage.now()) {
            self.fail(DialFailure::Unreachable, stage);
        }
        self.advance(stage);
    }

    /// A leg asked to be woken.
    pub fn on_leg(&mut self, session: u64, stream: u64, stage: &mut Stage<'_>) {
        if let Some(served) = self.served.as_mut().filter(|served| served.line.number == session) {
            served.line.pump(telephone_core::session::StreamId::new(stream), stage);
            self.turn(stage);
        } else if let Some(one) = self.parting.iter_mut().find(|one| one.line.number == session) {
            one.line.pump(telephone_core::session::StreamId::new(stream), stage);
            self.turn_parting(session, stage);
        }
    }

    /// Everything that waited while the process was stopped.
    pub fn thaw(&mut self, stage: &mut Stage<'_>) {
        if let Some(wire) = self.dial.as_ref().and_then(|dial| dial.wire) {
            self.on_answer(wire, stage);
        }
        for served in self.served.iter_mut().chain(&mut self.parting) {
            served.line.pump_all(stage);
        }
        self.on_clock(stage);
        self.turn(stage);
        self.turn_all_parting(stage);
    }

    /// Whether it was asked to end.
    #[must_use]
    pub const fn is_leaving(&self) -> bool {
        self.leaves_at.is_some()
    }

    /// It ends as soon as its streams have.
    pub fn leave(&mut self, stage: &mut Stage<'_>) {
        let end = stage.now() + DRAIN_TIME.as_micros() as Micros;
        self.leaves_at.get_or_insert(end);
        stage.clock.plan(end, Event::Telephone(self.index));
        if let Some(served) = &mut self.served {
            served.line.leave(LeaveCode::Draining, stage);
            self.turn(stage);
        }
        for one in &mut self.parting {
            one.line.leave(LeaveCode::Draining, stage);
        }
        self.turn_all_parting(stage);
        if self.served.is_none() {
            self.give_up_dial(stage);
        }
    }

    fn give_up_dial(&mut self, stage: &mut Stage<'_>) {
        if let Some(wire) = self.dial.take().and_then(|dial| dial.wire) {
            stage.close(wire, Side::Telephone);
        }
    }

    /// It lets go of everything.
    fn end(&mut self, stage: &mut Stage<'_>) {
        self.give_up_dial(stage);
        for mut served in self.served.take().into_iter().chain(self.parting.drain(..)) {
            served.line.unlink(stage);
        }
    }

    /// The process is killed: the kernel closes its sockets.
    pub fn kill(self, stage: &mut Stage<'_>) {
        let used = self.wires();
        let dialled = self.dial.and_then(|dial| dial.wire);
        for wire in dialled.into_iter().chain(used) {
            stage.close(wire, Side::Telephone);
        }
    }
}
