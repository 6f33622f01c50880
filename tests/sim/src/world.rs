//! The world: who is there, and one loop that lets the next thing happen.

use telephone_core::error::LeaveCode;

use crate::actors::hostile::{HostilePlugboard, HostileTelephone};
use crate::actors::plugboard::Plugboard;
use crate::actors::telephone::Telephone;
use crate::actors::{exchange, operator};
use crate::clock::{Event, Micros, Owner, SECOND};
use crate::net::Side;
use crate::oracle::{Outcome, Violation};
use crate::recorder::Recorder;
use crate::scenario::{BackendFault, Body, Pace, Request, Scenario, Shape};
use crate::stage::{Note, Stage};

/// How long a link lives at most that is reset again and again.
const FLAP: Micros = SECOND / 3;
/// How long a client waits for a liar.
const PATIENCE: Micros = 10 * SECOND;
/// All telephones are back, and all requests over, so long after the last fault. (I40)
const SETTLE: Micros = 90 * SECOND;
/// What is under way may take so long to come to rest before the last requests are sent.
const REST: Micros = 5 * SECOND;
/// The last requests are answered within this. (I35)
const PROBE: Micros = 45 * SECOND;
/// All is gone so long after everybody was told to end. (I38)
const FAREWELL: Micros = 60 * SECOND;

/// More events than any scenario has that comes to an end.
const EVENTS_MAX: u64 = 5_000_000;

/// A process and the machine that it runs on.
#[derive(Debug)]
pub struct Host<P> {
    /// The process, if it runs.
    pub process: Option<P>,
    /// Who keeps it down.
    pub downs: u32,
    /// Who keeps it stopped.
    pub freezes: u32,
    /// What the kernel keeps for a process that is stopped: wires to accept.
    pub backlog: Vec<u32>,
    /// Requests to it meanwhile.
    pub requests: Vec<u32>,
    /// Until when dials of it fail, and whether they hang.
    pub no_dial: (Micros, bool),
    /// Until when its links are reset soon after they are made.
    pub flaps_until: Micros,
}

impl<P> Default for Host<P> {
    fn default() -> Self {
        let (backlog, requests) = (Vec::new(), Vec::new());
        Self { process: None, downs: 0, freezes: 0, backlog, requests, no_dial: (0, false), flaps_until: 0 }
    }
}

impl<P> Host<P> {
    /// The process, if it runs and is not stopped.
    pub const fn running(&mut self) -> Option<&mut P> {
        if self.freezes > 0 { None } else { self.process.as_mut() }
    }
}

/// What a run came to.
#[derive(Debug)]
pub struct Report {
    /// The trace's hash.
    pub hash: u64,
    /// The events as text, if they were asked for.
    pub events: Option<String>,
    /// The law that was broken.
    pub violation: Option<Violation>,
    /// Sessions with ten streams and a cut.
    pub sessions: u64,
    /// Links over which a session went on.
    pub resumed: u64,
    /// Virtual time.
    pub elapsed: Micros,
    /// Events, and requests of each outcome: full, refused, aborted, left.
    pub planned: u64,
    /// Requests by their outcome: full, refused, aborted, left.
    pub outcomes: [u64; 4],
}

/// The world of one scenario.
#[derive(Debug)]
pub struct World<'a> {
    pub(crate) stage: Stage<'a>,
    pub(crate) plugboards: Vec<Host<Plugboard>>,
    pub(crate) telephones: Vec<Host<Telephone>>,
    liars: (Vec<HostilePlugboard>, Vec<HostileTelephone>),
    /// Directions that a fault took away: the fault, the wire, to which side.
    pub(crate) black: Vec<(u32, u32, Side)>,
}

impl<'a> World<'a> {
    /// A world in which nothing has happened yet.
    #[must_use]
    pub fn new(scenario: &'a Scenario, is_told: bool) -> Self {
        Self::on(Stage::new(scenario, is_told))
    }

    /// One whose sessions are recorded.
    #[must_use]
    pub fn recorded(scenario: &'a Scenario, is_told: bool, recorder: Recorder) -> Self {
        let mut stage = Stage::new(scenario, is_told);
        stage.recorder = Some(recorder);
        Self::on(stage)
    }

    fn on(mut stage: Stage<'a>) -> Self {
        let scenario = stage.scenario;
        for (index, request) in scenario.requests.iter().enumerate() {
            stage.clock.plan(request.at, Event::Request(index as u32));
        }
        for (index, fault) in scenario.faults.iter().enumerate() {
            stage.clock.plan(fault.at, Event::Fault(index as u32));
        }
        for (index, telephone) in scenario.telephones.iter().enumerate() {
            stage.clock.plan(telephone.starts, Event::Telephone(index as u32));
        }
        let plugboards = (0..scenario.plugboards.len() as u32).map(|index| {
            let process = Some(Plugboard::new(index, &mut stage));
            Host { process, ..Host::default() }
        });
        let plugboards = plugboards.collect();
        let telephones = scenario.telephones.iter().map(|_| Host::default()).collect();
        let liars = (
            (0..scenario.plugboards.len()).map(|_| HostilePlugboard::default()).collect(),
            (0..scenario.telephones.len() as u32).map(HostileTelephone::new).collect(),
        );
        Self { stage, plugboards, telephones, liars, black: Vec::new() }
    }

    /// Runs all phases and says what came of it.
    #[must_use]
    pub fn run(mut self) -> Report {
        let phases: [fn(&mut Self); 4] = [Self::storm, Self::settle, Self::probe, Self::dismiss];
        for phase in phases {
            phase(&mut self);
            if self.stage.oracle.violation().is_some() {
                break;
            }
        }
        self.report()
    }

    fn storm(&mut self) {
        let chaos = self.stage.scenario.chaos;
        self.run_until(chaos, |_| false);
    }

    fn settle(&mut self) {
        self.phase("healed");
        operator::heal(self);
        let deadline = self.stage.now() + SETTLE;
        self.run_until(deadline, Self::is_settled);
        self.judge_settled();
        let rested = self.stage.now() + REST;
        self.run_until(rested, |_| false);
    }

    fn phase(&mut self, name: &'static str) {
        self.stage.note(Note::Phase, 0, || format!("-- {name}"));
    }

    fn run_until(&mut self, until: Micros, is_done: impl Fn(&mut Self) -> bool) {
        while self.stage.oracle.violation().is_none() && !is_done(self) {
            let Some(event) = self.stage.clock.advance(until) else { return };
            self.handle(event);
            let planned = self.stage.clock.planned();
            self.stage.oracle.check("I39", planned < EVENTS_MAX, || format!("{planned} events and no end"));
        }
    }

    fn handle(&mut self, event: Event) {
        let stage = &mut self.stage;
        match event {
            Event::Arrive { wire, to: Side::Telephone } => {
                let telephone = stage.connection(wire).telephone;
                self.with_telephone(telephone, |telephone, stage| telephone.on_arrive(wire, stage));
                self.liars.1[telephone as usize].on_arrive(wire, &mut self.stage);
            }
            Event::Arrive { wire, to: Side::Plugboard } => {
                let plugboard = stage.connection(wire).plugboard;
                self.with_plugboard(plugboard, |plugboard, stage| plugboard.on_arrive(wire, stage));
                self.liars.0[plugboard as usize].on_arrive(wire, &mut self.stage);
            }
            Event::Drained { wire, from: Side::Telephone } => {
                let telephone = stage.connection(wire).telephone;
                self.with_telephone(telephone, |telephone, stage| telephone.on_arrive(wire, stage));
            }
            Event::Drained { wire, from: Side::Plugboard } => {
                let plugboard = stage.connection(wire).plugboard;
                self.with_plugboard(plugboard, |plugboard, stage| plugboard.on_arrive(wire, stage));
            }
            Event::Plugboard(index) => self.with_plugboard(index, Plugboard::on_clock),
            Event::Line { plugboard, session } => {
                self.with_plugboard(plugboard, |plugboard, stage| plugboard.on_line(session, stage));
            }
            Event::Stranded { plugboard, session } => {
                self.with_plugboard(plugboard, |plugboard, stage| plugboard.on_stranded(session, stage));
            }
            Event::Telephone(index) => self.on_telephone(index),
            Event::Leg { owner: Owner::Plugboard(index), stream, session } => {
                self.with_plugboard(index, |plugboard, stage| plugboard.on_leg(session, stream, stage));
            }
            Event::Leg { owner: Owner::Telephone(index), stream, session } => {
                self.with_telephone(index, |telephone, stage| telephone.on_leg(session, stream, stage));
            }
            Event::Request(request) => self.on_request(request),
            Event::ClientLeaves(request) => self.on_client_leaves(request),
            Event::Fault(fault) => operator::break_down(self, fault),
            Event::Repair(fault) => operator::repair(self, fault),
        }
    }

    pub(crate) fn with_plugboard(&mut self, index: u32, turn: impl FnOnce(&mut Plugboard, &mut Stage<'a>)) {
        if let Some(plugboard) = self.plugboards[index as usize].running() {
            turn(plugboard, &mut self.stage);
        }
    }

    pub(crate) fn with_telephone(&mut self, index: u32, turn: impl FnOnce(&mut Telephone, &mut Stage<'a>)) {
        if let Some(telephone) = self.telephones[index as usize].running() {
            turn(telephone, &mut self.stage);
            // Who dials again at once, for ever, has broken a law by then.
            if telephone.is_connecting() && self.stage.oracle.violation().is_none() {
                self.connect(index);
            }
        }
    }

    /// A telephone's clock; the first time it starts.
    fn on_telephone(&mut self, index: u32) {
        let plan = self.stage.scenario.telephones[index as usize];
        if plan.is_hostile {
            return self.on_liar(index);
        }
        let is_due = self.stage.now() >= plan.starts;
        let host = &mut self.telephones[index as usize];
        if host.process.is_none() && host.downs == 0 && is_due {
            self.start_telephone(index);
        }
        self.with_telephone(index, Telephone::on_clock);
    }

    pub(crate) fn start_telephone(&mut self, index: u32) {
        if !self.stage.scenario.telephones[index as usize].is_hostile {
            self.telephones[index as usize].process = Some(Telephone::new(index, &mut self.stage));
        }
    }

    fn on_liar(&mut self, index: u32) {
        let plugboard = self.stage.scenario.telephones[index as usize].plugboard;
        let liar = &mut self.liars.1[index as usize];
        if let Some(wire) = liar.advance(&mut self.stage) {
            self.with_plugboard(u32::from(plugboard), |plugboard, stage| plugboard.on_connected(wire, stage));
        }
    }

    /// Makes the connection that a telephone dials for, or not.
    fn connect(&mut self, index: u32) {
        let plan = self.stage.scenario.telephones[index as usize];
        let (until, is_hanging) = self.telephones[index as usize].no_dial;
        let is_broken = until > self.stage.now();
        let host = &mut self.plugboards[usize::from(plan.plugboard)];
        if is_broken && is_hanging {
            return self.with_telephone(index, |telephone, _| telephone.on_hanging());
        }
        if is_broken || host.process.is_none() {
            return self.with_telephone(index, Telephone::on_unreachable);
        }
        let wire = self.stage.connect(index, u32::from(plan.plugboard), plan.rules);
        if self.telephones[index as usize].flaps_until > self.stage.now() {
            for side in [Side::Telephone, Side::Plugboard] {
                let delay = self.stage.random.up_to(FLAP);
                self.stage.reset(wire, side, delay);
            }
        }
        let host = &mut self.plugboards[usize::from(plan.plugboard)];
        if self.stage.scenario.plugboards[usize::from(plan.plugboard)].is_hostile {
            self.liars.0[usize::from(plan.plugboard)].on_connected(wire);
        } else if host.freezes > 0 {
            host.backlog.push(wire);
        } else if let Some(plugboard) = &mut host.process {
            plugboard.on_connected(wire, &mut self.stage);
        }
        self.with_telephone(index, |telephone, stage| telephone.on_connected(wire, stage));
    }

    fn on_request(&mut self, request: u32) {
        let plan = *self.stage.request(request);
        // Nobody answers for a liar, and no client waits for ever.
        let is_lied_to = self.stage.scenario.is_lied_to(&plan);
        let leaves = if is_lied_to && plan.leaves == 0 { PATIENCE } else { plan.leaves };
        if leaves > 0 {
            self.stage.plan_in(leaves, Event::ClientLeaves(request));
        }
        let is_liar = self.stage.scenario.plugboards[usize::from(plan.plugboard)].is_hostile;
        let host = &mut self.plugboards[usize::from(plan.plugboard)];
        match host.process.as_mut().filter(|_| !is_liar) {
            None => exchange::finish(request, Outcome::Refused(0), &mut self.stage),
            Some(_) if host.freezes > 0 => host.requests.push(request),
            Some(plugboard) => plugboard.on_request(request, &mut self.stage),
        }
    }

    fn on_client_leaves(&mut self, request: u32) {
        let plugboard = usize::from(self.stage.request(request).plugboard);
        let host = &mut self.plugboards[plugboard];
        if let Some(at) = host.requests.iter().position(|waiting| *waiting == request) {
            host.requests.remove(at);
            return exchange::finish(request, Outcome::Left, &mut self.stage);
        }
        // A process that is stopped hears of it when it goes on; that is as if it came then.
        if host.freezes > 0 {
            self.stage.plan_in(SECOND, Event::ClientLeaves(request));
        }
        self.with_plugboard(plugboard as u32, |plugboard, stage| plugboard.on_client_leaves(request, stage));
    }

    fn is_up(&self, index: usize) -> bool {
        let plan = &self.stage.scenario.telephones[index];
        let is_deceived = self.stage.scenario.plugboards[usize::from(plan.plugboard)].is_hostile;
        if plan.is_hostile || is_deceived || self.is_superseded(index) {
            return true;
        }
        let telephone = self.telephones[index]
            .process
            .as_ref()
            .filter(|telephone| telephone.is_up() && telephone.is_at_rest());
        let plugboard = self.plugboards[usize::from(plan.plugboard)].process.as_ref();
        // Both must see the same wire: one that only one of them has is half-open.
        telephone.and_then(Telephone::wire).is_some_and(|wire| {
            let is_severed = self.stage.connection(wire).is_severed;
            !is_severed && plugboard.is_some_and(|one| one.is_using(wire))
        })
    }

    /// Whether a newer process of the same identity is there: then it is sent away.
    fn is_superseded(&self, index: usize) -> bool {
        let identity = |index: usize| {
            let plan = &self.stage.scenario.telephones[index];
            (plan.tenant, plan.instance, plan.plugboard)
        };
        let epoch = |index: usize| self.telephones[index].process.as_ref().map(Telephone::epoch);
        (0..self.telephones.len())
            .any(|other| other != index && identity(other) == identity(index) && epoch(other) > epoch(index))
    }

    fn is_settled(&mut self) -> bool {
        self.stage.oracle.pending() == 0 && (0..self.telephones.len()).all(|index| self.is_up(index))
    }

    fn judge_settled(&mut self) {
        for index in 0..self.telephones.len() {
            let (is_up, now) = (self.is_up(index), self.stage.now());
            self.stage.oracle.check("I40", is_up, || format!("telephone {index} is not back at {now}"));
        }
        let pending = self.stage.oracle.pending();
        let records = self.stage.oracle.records();
        let waits = records.iter().position(|record| record.outcome.is_none());
        self.stage.oracle.check("I34", pending == 0, || {
            format!("{pending} requests have come to no end, the first is {waits:?}")
        });
    }

    /// One small request to each mount at each plugboard.
    fn probe(&mut self) {
        self.phase("probing");
        let mut probed = Vec::new();
        for plan in &self.stage.scenario.telephones {
            let probe = probe(plan.plugboard, plan.tenant, self.stage.now());
            if !self.stage.scenario.is_lied_to(&probe) && !probed.contains(&probe) {
                probed.push(probe);
            }
        }
        for probe in probed {
            self.stage.probes.push(probe);
            let number = self.stage.oracle.add();
            self.on_request(number);
        }
        let deadline = self.stage.now() + PROBE;
        self.run_until(deadline, |world| world.stage.oracle.pending() == 0);
        self.judge_probes();
    }

    fn judge_probes(&mut self) {
        let planned = self.stage.scenario.requests.len();
        let probes = self.stage.oracle.records().iter().enumerate().skip(planned);
        let failed = probes.map(|(number, record)| (number, record.outcome));
        if let Some((number, outcome)) =
            failed.into_iter().find(|(_, outcome)| *outcome != Some(Outcome::Full))
        {
            self.stage.oracle.violate("I35", || format!("the last request {number}: {outcome:?}"));
        }
    }

    fn dismiss(&mut self) {
        self.phase("ending");
        for liar in &mut self.liars.1 {
            liar.end(&mut self.stage);
        }
        for liar in &mut self.liars.0 {
            liar.end(&mut self.stage);
        }
        for index in 0..self.telephones.len() as u32 {
            self.with_telephone(index, Telephone::leave);
        }
        // What a liar left behind goes with its token.
        let liars: Vec<u8> = self
            .stage
            .scenario
            .telephones
            .iter()
            .filter(|one| one.is_hostile)
            .map(|one| one.tenant)
            .collect();
        for index in 0..self.plugboards.len() as u32 {
            for tenant in &liars {
                self.with_plugboard(index, |one, stage| {
                    one.dismiss_all(Some(*tenant), LeaveCode::Revoked, stage);
                });
            }
        }
        let deadline = self.stage.now() + FAREWELL;
        self.run_until(deadline, Self::is_empty);
        self.judge_empty();
    }

    fn is_empty(&mut self) -> bool {
        let is_idle = |host: &Host<Telephone>| host.process.as_ref().is_none_or(Telephone::is_idle);
        let is_free = |host: &Host<Plugboard>| host.process.as_ref().is_none_or(Plugboard::is_empty);
        self.telephones.iter().all(is_idle) && self.plugboards.iter().all(is_free)
    }

    fn judge_empty(&mut self) {
        let is_empty = self.is_empty();
        let left: Vec<String> =
            self.plugboards.iter().filter_map(|host| Some(host.process.as_ref()?.left())).collect();
        self.stage.oracle.check("I38", is_empty, || format!("something is left at the end: {left:?}"));
    }

    fn report(self) -> Report {
        let mut outcomes = [0; 4];
        for record in self.stage.oracle.records() {
            match record.outcome {
                Some(Outcome::Full) => outcomes[0] += 1,
                Some(Outcome::Refused(_)) => outcomes[1] += 1,
                Some(Outcome::Aborted) => outcomes[2] += 1,
                Some(Outcome::Left) => outcomes[3] += 1,
                None => {}
            }
        }
        Report {
            hash: self.stage.trace.hash(),
            violation: self.stage.oracle.violation().cloned(),
            sessions: self.stage.sessions,
            resumed: self.stage.resumed,
            elapsed: self.stage.clock.now(),
            planned: self.stage.clock.planned(),
            outcomes,
            events: self.stage.trace.into_text(),
        }
    }
}

const fn probe(plugboard: u8, tenant: u8, at: Micros) -> Request {
    let pace = Pace { piece: u32::MAX, rest: 0, stall_at: 0, stall: 0 };
    let body = Body { length: 0, is_declared: false, written: pace, read: pace };
    Request {
        at,
        plugboard,
        tenant,
        shape: Shape::Get,
        up: body,
        down: Body { length: 20, is_declared: true, ..body },
        delay: 0,
        waits: false,
        interims: 0,
        has_trailers: false,
        fault: BackendFault::None,
        leaves: 0,
    }
}
