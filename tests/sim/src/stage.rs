//! What all actors share: the clock, the wires, the trace, the oracle, the issuer.

use bytes::Bytes;
use telephone_core::random::Random;
use telephone_core::recording::Tape;

use crate::actors::issuer::Issuer;
use crate::clock::{Clock, Event, Micros};
use crate::net::{Arrival, Rules, Side, Wire};
use crate::oracle::Oracle;
use crate::recorder::Recorder;
use crate::scenario::{Request, Scenario};
use crate::trace::Trace;

/// A wire and who is at its ends.
#[derive(Debug)]
pub struct Connection {
    wire: Wire,
    /// Who dialled.
    pub telephone: u32,
    /// Who accepts.
    pub plugboard: u32,
    /// Whether it will never carry anything again, though an end may not know.
    pub is_severed: bool,
}

/// What all actors share.
#[derive(Debug)]
pub struct Stage<'a> {
    /// What is to happen.
    pub scenario: &'a Scenario,
    /// Requests that make sure of the end: they follow those of the scenario.
    pub probes: Vec<Request>,
    /// Time.
    pub clock: Clock,
    /// Jitter and cuts.
    pub random: Random,
    /// What happened.
    pub trace: Trace,
    /// What was right.
    pub oracle: Oracle,
    /// Who gives out tokens.
    pub issuer: Issuer,
    /// Whether all faults are over.
    pub is_healed: bool,
    /// Sessions that had ten streams and lost a link.
    pub sessions: u64,
    /// Links over which a session went on.
    pub resumed: u64,
    /// Requests that were not repeated because too many were.
    pub refused_repeats: u64,
    /// Sessions that were moved from.
    pub moved: u64,
    /// What records the sessions, if they are recorded.
    pub recorder: Option<Recorder>,
    connections: Vec<Connection>,
    /// The last moment of a redial, and how many there were.
    redials: (Micros, u32),
}

impl<'a> Stage<'a> {
    /// An empty stage.
    #[must_use]
    pub fn new(scenario: &'a Scenario, is_told: bool) -> Self {
        Self {
            scenario,
            probes: Vec::new(),
            clock: Clock::default(),
            random: Random::new(scenario.noise),
            trace: Trace::new(is_told),
            oracle: Oracle::new(scenario),
            issuer: Issuer::default(),
            is_healed: false,
            sessions: 0,
            resumed: 0,
            refused_repeats: 0,
            moved: 0,
            recorder: None,
            connections: Vec::new(),
            redials: (0, 0),
        }
    }

    /// The present.
    #[must_use]
    pub const fn now(&self) -> Micros {
        self.clock.now()
    }

    /// The tape of a session that begins.
    #[must_use]
    pub fn tape(&self, side: Side, actor: u32, session: u64) -> Option<Tape> {
        self.recorder.as_ref().map(|recorder| recorder.tape(side, actor, session))
    }

    /// The plan of a request, or of a probe.
    #[must_use]
    pub fn request(&self, number: u32) -> &Request {
        let (number, planned) = (number as usize, self.scenario.requests.len());
        self.scenario.requests.get(number).unwrap_or_else(|| &self.probes[number - planned])
    }

    /// Makes a wire.
    pub fn connect(&mut self, telephone: u32, plugboard: u32, rules: Rules) -> u32 {
        let index = self.connections.len() as u32;
        self.connections.push(Connection {
            wire: Wire::new(index, rules),
            telephone,
            plugboard,
            is_severed: false,
        });
        index
    }

    /// Who is at the ends of a wire.
    #[must_use]
    pub fn connection(&self, wire: u32) -> &Connection {
        &self.connections[wire as usize]
    }

    /// Nothing gets through a wire any more, either way, and nobody is told.
    pub fn sever(&mut self, wire: u32) {
        self.connections[wire as usize].is_severed = true;
        self.blacken(wire, Side::Telephone, true);
        self.blacken(wire, Side::Plugboard, true);
    }

    /// Whether `side` can write a message.
    pub fn is_writable(&mut self, wire: u32, side: Side) -> bool {
        self.connections[wire as usize].wire.is_writable(side)
    }

    /// `side` writes a message.
    pub fn write(&mut self, wire: u32, side: Side, message: Bytes) {
        self.trace.mix(u64::from(wire) << 1 | side as u64);
        self.trace.mix_octets(&message);
        self.connections[wire as usize].wire.write(side, message, &mut self.random, &mut self.clock);
    }

    /// What came to `side`.
    pub fn read(&mut self, wire: u32, side: Side) -> Option<Arrival> {
        self.connections[wire as usize].wire.read(side, &mut self.random, &mut self.clock)
    }

    /// `side` lets go of its socket.
    pub fn close(&mut self, wire: u32, side: Side) {
        self.connections[wire as usize].wire.close(side, &mut self.random, &mut self.clock);
    }

    /// A reset comes to `side`.
    pub fn reset(&mut self, wire: u32, side: Side, delay: Micros) {
        self.connections[wire as usize].wire.reset(side, delay, &mut self.clock);
    }

    /// Somebody between the ends closes a direction.
    pub fn cut(&mut self, wire: u32, to: Side) {
        self.connections[wire as usize].wire.cut(to, &mut self.random, &mut self.clock);
    }

    /// A direction is lost, or no longer.
    pub fn blacken(&mut self, wire: u32, to: Side, is_black: bool) {
        self.connections[wire as usize].wire.blacken(to, is_black, &mut self.random, &mut self.clock);
    }

    /// Notes an event in the trace.
    pub fn note(&mut self, kind: Note, subject: u64, tell: impl FnOnce() -> String) {
        self.trace.note(self.clock.now(), kind as u64, subject, tell);
    }

    /// A telephone dials again. What is drawn at random does not meet three times in one microsecond. (I41)
    pub fn note_redial(&mut self, is_redial: bool) {
        let now = self.clock.now();
        let (at, count) = self.redials;
        // Those that were stopped go on together when all is repaired, and dial as they should have before.
        let is_drawn = is_redial && now != self.scenario.chaos;
        let count = if at == now { count } else { 0 } + u32::from(is_drawn);
        self.redials = (now, count);
        self.oracle.check("I41", count < 3, || format!("{count} telephones dial again at one moment, {now}"));
    }

    /// Plans an event so long from now.
    pub fn plan_in(&mut self, delay: Micros, event: Event) {
        self.clock.plan(self.clock.now() + delay, event);
    }
}

/// Kinds of events in a trace.
#[derive(Debug, Clone, Copy)]
pub enum Note {
    /// A telephone dials.
    Dial = 1,
    /// A handshake ended.
    Handshake,
    /// A session lost its link.
    Lost,
    /// A session is over.
    Closed,
    /// A request was routed.
    Routed,
    /// A backend sees a request.
    Executed,
    /// A request is over.
    Outcome,
    /// A fault, or its end.
    Fault,
    /// A phase of the run.
    Phase,
    /// A token was renewed or refused.
    Token,
    /// A session is left for another one.
    Moving,
}
