//! A telephone's dial: from its first packet to the session that comes of it.

use telephone_core::dialer::DialFailure;
use telephone_core::handshake::{Answer, Greeting};
use telephone_core::limits::HANDSHAKE_TIMEOUT;
use telephone_core::recording::Recorded;
use telephone_core::session::{Role, SessionConfig};
use telephone_core::wire::{Hello, Profile, Refused, Resume, Settings, Welcome};

use super::issuer::Issuer;
use super::plugboard::session_limits;
use super::presenting::Wanted;
use super::telephone::{Served, Telephone};
use crate::clock::Micros;
use crate::line::Line;
use crate::net::{Arrival, Side};
use crate::stage::{Note, Stage};

/// Attempts in any stretch of half a minute. (I41)
const ATTEMPTS_MAX: usize = 60;
const ATTEMPTS_SPAN: Micros = 30 * crate::clock::SECOND;

/// A dial that is under way.
#[derive(Debug)]
pub(super) struct Dial {
    pub(super) wire: Option<u32>,
    greeting: Option<Greeting>,
    /// When it fails.
    pub(super) until: Micros,
    /// Nobody answers its first packet.
    is_hanging: bool,
}

impl Telephone {
    pub(super) fn dial(&mut self, stage: &mut Stage<'_>) {
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

    pub(super) fn fail(&mut self, failure: DialFailure, stage: &mut Stage<'_>) {
        if let Some(wire) = self.dial.take().and_then(|dial| dial.wire) {
            stage.close(wire, Side::Telephone);
        }
        self.dialer.handle_failed(failure, stage.clock.timestamp());
        self.advance(stage);
    }

    /// Whoever puts tokens into the file has put a fresh one there if the old one was no good any more.
    pub(super) fn read_token(&mut self, stage: &mut Stage<'_>) {
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

    pub(super) fn renew_token(&mut self, stage: &mut Stage<'_>) {
        let tenant = stage.scenario.telephones[self.index as usize].tenant;
        self.token = stage.issuer.issue(tenant, stage.scenario.token_life, stage.clock.now());
    }

    pub(super) fn on_answer(&mut self, wire: u32, stage: &mut Stage<'_>) {
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
        if self.served.is_some() {
            self.confirm_moves(stage);
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
    pub(super) fn is_deceived(&self, stage: &Stage<'_>) -> bool {
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
            resume_window: welcome.resume_window(),
        };
        let tape = stage.tape(Side::Telephone, self.index, welcome.session);
        let mut session = Recorded::new(config, now, tape);
        session.authorize(welcome.expires_in(), now);
        if self.wanted != Wanted::Ready {
            session.present_mounts(self.presented(stage));
        }
        let line = Line::new(session, welcome.session, Side::Telephone, self.index, wire, stage.now());
        // What is left of an earlier session is lost with it.
        self.served = Some(Served { line, secret: welcome.secret, position: 0, asked: None });
        if self.is_leaving() {
            self.leave(stage);
        }
    }
}
