//! A telephone's process: what the sidecar's line and its dials are.

use std::time::Duration;

use bytes::Bytes;
use telephone_core::dialer::{DialEvent, DialFailure, Dialer, DialerConfig};
use telephone_core::error::{CloseReason, LeaveCode};
use telephone_core::handshake::{Answer, Greeting};
use telephone_core::limits::{DRAIN_TIME, HANDSHAKE_TIMEOUT};
use telephone_core::recording::Recorded;
use telephone_core::session::{Event as News, Role, SessionConfig};
use telephone_core::wire::{Hello, Profile, Refused, Resume, Settings, Welcome};

use super::backend::BackendLeg;
use super::issuer::Issuer;
use super::plugboard::session_limits;
use crate::clock::{Event, Micros};
use crate::laws;
use crate::line::Line;
use crate::net::{Arrival, Side};
use crate::stage::{Note, Stage};

/// Attempts in any stretch of half a minute. (I41)
const ATTEMPTS_MAX: usize = 60;
const ATTEMPTS_SPAN: Micros = 30 * crate::clock::SECOND;

/// A dial that is under way.
#[derive(Debug)]
struct Dial {
    wire: Option<u32>,
    greeting: Option<Greeting>,
    /// When it fails.
    until: Micros,
    /// Nobody answers its first packet.
    is_hanging: bool,
}

/// A session, and what it takes to go on with it.
#[derive(Debug)]
struct Served {
    line: Line<BackendLeg>,
    secret: [u8; 16],
    /// Where the session was when its present link came.
    position: u64,
}

/// A telephone's process.
#[derive(Debug)]
pub struct Telephone {
    index: u32,
    dialer: Dialer,
    dial: Option<Dial>,
    served: Option<Served>,
    token: u32,
    epoch: u64,
    armed: Micros,
    attempts: std::collections::VecDeque<Micros>,
    /// Whether a fresh token can be had.
    pub has_tokens: bool,
    /// It was asked to end: when it does, whatever is still open.
    leaves_at: Option<Micros>,
    has_given_up: bool,
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
            token,
            // Two starts of a process within a millisecond are one epoch; two processes never have the same.
            epoch: stage.now() / crate::clock::MILLI * 256 + u64::from(index),
            armed: Micros::MAX,
            attempts: std::collections::VecDeque::new(),
            has_tokens: true,
            leaves_at: None,
            has_given_up: false,
        }
    }

    /// Whether no stream is open.
    #[must_use]
    pub fn is_at_rest(&self) -> bool {
        self.served.as_ref().is_none_or(|served| served.line.session.stats().streams_open == 0)
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
        self.served.is_none() && self.dial.is_none()
    }

    /// The wire that its session uses now.
    #[must_use]
    pub fn wire(&self) -> Option<u32> {
        self.served.as_ref().and_then(|served| served.line.wire()).map(|(wire, _)| wire)
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
            None => {
                if let Some(at) = self.dialer.poll_timeout() {
                    self.arm(at.as_micros(), stage);
                }
            }
        }
    }

    fn arm(&mut self, at: Micros, stage: &mut Stage<'_>) {
        if at < self.armed {
            self.armed = at;
            stage.clock.plan(at, Event::Telephone(self.index));
        }
    }

    fn dial(&mut self, stage: &mut Stage<'_>) {
        self.judge_pace(stage);
        self.read_token(stage);
        let index = self.index;
        stage.note(Note::Dial, u64::from(index), || format!("telephone {index} dials"));
        let until = stage.now() + HANDSHAKE_TIMEOUT.as_micros() as Micros;
        self.dial = Some(Dial { wire: None, greeting: None, until, is_hanging: false });
        self.arm(until, stage);
    }

    /// The pace of redials. (I41)
    fn judge_pace(&mut self, stage: &mut Stage<'_>) {
        let now = stage.now();
        self.attempts.push_back(now);
        while self.attempts.front().is_some_and(|at| *at + ATTEMPTS_SPAN < now) {
            self.attempts.pop_front();
        }
        let is_redial = self.attempts.len() > 1;
        stage.note_redial(is_redial);
        let (index, count) = (self.index, self.attempts.len());
        stage.oracle.check("I41", count <= ATTEMPTS_MAX, || {
            format!("telephone {index} dialled {count} times in half a minute")
        });
    }

    /// Whether a dial waits for somebody to say how the connection went.
    #[must_use]
    pub fn is_connecting(&self) -> bool {
        self.dial.as_ref().is_some_and(|dial| dial.wire.is_none() && !dial.is_hanging)
    }

    /// Nobody answers its dial.
    pub const fn on_hanging(&mut self) {
        if let Some(dial) = &mut self.dial {
            dial.is_hanging = true;
        }
    }

    /// The connection of its dial is made: it greets.
    pub fn on_connected(&mut self, wire: u32, stage: &mut Stage<'_>) {
        let plan = stage.scenario.telephones[self.index as usize];
        let resume = self.served.as_ref().map(|served| Resume {
            session: served.line.number,
            secret: served.secret,
            position: served.line.session.position(),
        });
        let hello = Hello {
            token: Issuer::text(self.token),
            mounts: vec![format!("/t{}", plan.tenant)],
            instance: format!("i{}", plan.instance),
            epoch: self.epoch,
            agent: "sim".into(),
            settings: Settings::of(&session_limits(&stage.scenario.telephone_limits)),
            resume,
        };
        let (message, greeting) = Greeting::start(Profile::Binary, hello, stage.clock.timestamp());
        stage.write(wire, Side::Telephone, message);
        if let Some(dial) = &mut self.dial {
            dial.wire = Some(wire);
            dial.greeting = Some(greeting);
        }
    }

    /// The connection of its dial was refused.
    pub fn on_unreachable(&mut self, stage: &mut Stage<'_>) {
        self.fail(DialFailure::Unreachable, stage);
    }

    fn fail(&mut self, failure: DialFailure, stage: &mut Stage<'_>) {
        if let Some(wire) = self.dial.take().and_then(|dial| dial.wire) {
            stage.close(wire, Side::Telephone);
        }
        self.dialer.handle_failed(failure, stage.clock.timestamp());
        self.advance(stage);
    }

    /// Whoever puts tokens into the file has put a fresh one there if the old one was no good any more.
    fn read_token(&mut self, stage: &mut Stage<'_>) {
        let grant = stage.issuer.verify(&Issuer::text(self.token), stage.now());
        let is_stale = match grant.map(|grant| grant.expires_in) {
            Ok(Some(left)) => (left.as_micros() as Micros) < stage.scenario.token_life / 3,
            Ok(None) => false,
            Err(_) => true,
        };
        if is_stale && self.has_tokens {
            self.renew_token(stage);
        }
    }

    fn renew_token(&mut self, stage: &mut Stage<'_>) {
        let tenant = stage.scenario.telephones[self.index as usize].tenant;
        self.token = stage.issuer.issue(tenant, stage.scenario.token_life, stage.clock.now());
    }

    /// Something came on a wire.
    pub fn on_arrive(&mut self, wire: u32, stage: &mut Stage<'_>) {
        if self.dial.as_ref().is_some_and(|dial| dial.wire == Some(wire)) {
            self.on_answer(wire, stage);
        } else if self.wire() == Some(wire) {
            self.turn(stage);
        } else {
            // A socket that was closed: the kernel answers.
            let _ = stage.read(wire, Side::Telephone);
        }
    }

    fn on_answer(&mut self, wire: u32, stage: &mut Stage<'_>) {
        while let Some(arrival) = stage.read(wire, Side::Telephone) {
            let message = match arrival {
                Arrival::Octets => continue,
                Arrival::Over => return self.fail(DialFailure::Unreachable, stage),
                Arrival::Message(message) => message,
            };
            let Some(greeting) = self.dial.as_mut().and_then(|dial| dial.greeting.take()) else { return };
            return match greeting.handle_message(message) {
                Ok(Answer::Welcome(welcome)) => self.establish(wire, &welcome, stage),
                Ok(Answer::Refused(refused)) => self.on_refused(&refused, stage),
                Err(_) => self.fail(DialFailure::Refused { retry_after: None }, stage),
            };
        }
    }

    fn on_refused(&mut self, refused: &Refused, stage: &mut Stage<'_>) {
        self.fail(DialFailure::from(refused), stage);
    }

    fn establish(&mut self, wire: u32, welcome: &Welcome, stage: &mut Stage<'_>) {
        self.dial = None;
        let now = stage.clock.timestamp();
        self.dialer.handle_established(welcome.spread(), now);
        if let Some(position) = welcome.resumed {
            self.go_on(wire, welcome, position, stage);
        } else {
            self.begin(wire, welcome, stage);
        }
        self.turn(stage);
    }

    fn go_on(&mut self, wire: u32, welcome: &Welcome, position: u64, stage: &mut Stage<'_>) {
        let now = stage.clock.timestamp();
        let served = self.served.as_mut().filter(|served| served.line.number == welcome.session);
        let is_there = served.is_some();
        let resumed = served.and_then(|served| {
            let link = served.line.session.resume(position, now).ok()?;
            served.line.session.authorize(welcome.expires_in(), now);
            served.line.relink(wire, link);
            served.position = served.line.session.position();
            Some(())
        });
        if resumed.is_none() {
            // Its own window may have passed while it dialled; then nobody goes on.
            let is_honest = !self.is_deceived(stage);
            let index = self.index;
            stage.oracle.check("resume", !is_there || !is_honest, || {
                format!("telephone {index} cannot go on with its session")
            });
            stage.close(wire, Side::Telephone);
            self.served = None;
            // It may say so once more, to a telephone that has nothing to go on with.
            self.dialer.handle_lost(None, now);
            self.advance(stage);
        }
    }

    /// Whether its plugboard lies.
    fn is_deceived(&self, stage: &Stage<'_>) -> bool {
        let plugboard = stage.scenario.telephones[self.index as usize].plugboard;
        stage.scenario.plugboards[usize::from(plugboard)].is_hostile
    }

    fn begin(&mut self, wire: u32, welcome: &Welcome, stage: &mut Stage<'_>) {
        let now = stage.clock.timestamp();
        let config = SessionConfig {
            role: Role::Telephone,
            profile: Profile::Binary,
            limits: session_limits(&stage.scenario.telephone_limits),
            peer: welcome.settings.clone(),
            seed: stage.random.next_u64(),
            resume_window: Duration::from_millis(welcome.resume_window_ms),
        };
        let tape = stage.tape(Side::Telephone, self.index, welcome.session);
        let mut session = Recorded::new(config, now, tape);
        session.authorize(welcome.expires_in(), now);
        let line = Line::new(session, welcome.session, Side::Telephone, self.index, wire, stage.now());
        // What is left of an earlier session is lost with it.
        self.served = Some(Served { line, secret: welcome.secret, position: 0 });
        if self.is_leaving() {
            self.leave(stage);
        }
    }

    /// Lets its session do what it can, and draws the conclusions.
    pub fn turn(&mut self, stage: &mut Stage<'_>) {
        let Some(served) = &mut self.served else { return };
        let before = served.line.wire();
        served.line.turn(stage);
        served.line.ended.clear();
        let news = std::mem::take(&mut served.line.news);
        let after = served.line.wire();
        let has_lost = before.is_some() && after.is_none();
        if has_lost && served.line.session.position() > served.position {
            self.dialer.handle_progress(stage.clock.timestamp());
        }
        let mut closed = None;
        let (mut has_renewed, mut has_moved) = (false, false);
        for event in news {
            match event {
                News::RenewalDue if self.has_tokens => {
                    self.renew_token(stage);
                    has_renewed = true;
                }
                News::Closed(reason) => closed = Some(reason),
                News::MoveAsked(_) => has_moved = true,
                News::RenewalDue
                | News::Renewed(_)
                | News::PeerLeaves(_)
                | News::Opened
                | News::Readable(_)
                | News::Writable(_)
                | News::Renewal(_)
                | News::ScopeLeft(_)
                | News::Moved
                | News::Expired => {}
            }
        }
        if let Some(reason) = closed {
            return self.on_over(reason, stage);
        }
        if has_lost {
            self.on_lost(stage);
        }
        // Whatever a telephone says that it did, the plugboard goes on until it leaves.
        if has_moved && let Some(served) = &mut self.served {
            served.line.session.confirm_move();
        }
        if has_renewed && let Some(served) = &mut self.served {
            served.line.session.renew(Bytes::from(Issuer::text(self.token)));
            self.turn(stage);
        }
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
        }
    }

    /// Everything that waited while the process was stopped.
    pub fn thaw(&mut self, stage: &mut Stage<'_>) {
        if let Some(wire) = self.dial.as_ref().and_then(|dial| dial.wire) {
            self.on_answer(wire, stage);
        }
        if let Some(served) = &mut self.served {
            served.line.pump_all(stage);
        }
        self.on_clock(stage);
        self.turn(stage);
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
            served.line.session.leave(LeaveCode::Draining, stage.clock.timestamp());
            self.turn(stage);
        }
        if self.served.is_none() {
            self.end(stage);
        }
    }

    /// It lets go of everything.
    fn end(&mut self, stage: &mut Stage<'_>) {
        if let Some(wire) = self.dial.take().and_then(|dial| dial.wire) {
            stage.close(wire, Side::Telephone);
        }
        if let Some(mut served) = self.served.take() {
            served.line.unlink(stage);
        }
    }

    /// The process is killed: the kernel closes its sockets.
    pub fn kill(self, stage: &mut Stage<'_>) {
        let dialled = self.dial.and_then(|dial| dial.wire);
        let used = self.served.and_then(|served| served.line.wire()).map(|(wire, _)| wire);
        for wire in dialled.into_iter().chain(used) {
            stage.close(wire, Side::Telephone);
        }
    }
}
