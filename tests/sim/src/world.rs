//! The world: who is there, and one loop that lets the next thing happen.

use crate::actors::hostile::{HostilePlugboard, HostileTelephone};
use crate::actors::plugboard::Plugboard;
use crate::actors::telephone::Telephone;
use crate::actors::{exchange, operator};
use crate::clock::{Event, Micros, Owner, SECOND};
use crate::host::Host;
use crate::net::Side;
use crate::oracle::{Outcome, Violation};
use crate::recorder::Recorder;
use crate::scenario::Scenario;
use crate::stage::Stage;

/// How long a link lives at most that is reset again and again.
const FLAP: Micros = SECOND / 3;
/// How long a client waits for a liar.
const PATIENCE: Micros = 10 * SECOND;

/// More events than any scenario has that comes to an end.
const EVENTS_MAX: u64 = 5_000_000;

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
    /// Sessions that telephones moved from.
    pub moved: u64,
    /// Requests that were not repeated because too many were.
    pub refused_repeats: u64,
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
    pub(crate) liars: (Vec<HostilePlugboard>, Vec<HostileTelephone>),
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

    pub(crate) fn run_until(&mut self, until: Micros, is_done: impl Fn(&mut Self) -> bool) {
        while self.stage.oracle.violation().is_none() && !is_done(self) {
            let Some(event) = self.stage.clock.advance(until) else { return };
            self.handle(event);
            self.see_off();
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
            Event::Arrive { wire, to: Side::Plugboard } | Event::Drained { wire, from: Side::Plugboard } => {
                self.on_wire_of_plugboard(wire);
            }
            Event::Drained { wire, from: Side::Telephone } => {
                let telephone = stage.connection(wire).telephone;
                self.with_telephone(telephone, |telephone, stage| telephone.on_arrive(wire, stage));
            }
            Event::Plugboard(index) => self.with_plugboards(index, Plugboard::on_clock),
            Event::Line { plugboard, session } => {
                self.with_plugboards(plugboard, |plugboard, stage| plugboard.on_line(session, stage));
            }
            Event::Stranded { plugboard, session } => {
                self.with_plugboards(plugboard, |plugboard, stage| plugboard.on_stranded(session, stage));
            }
            Event::Telephone(index) => self.on_telephone(index),
            Event::Leg { owner: Owner::Plugboard(index), stream, session } => {
                self.with_plugboards(index, |plugboard, stage| plugboard.on_leg(session, stream, stage));
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

    /// Also those that leave: what is not theirs does not concern them.
    pub(crate) fn with_plugboards(&mut self, index: u32, turn: impl Fn(&mut Plugboard, &mut Stage<'a>)) {
        for plugboard in self.plugboards[index as usize].all_running() {
            turn(plugboard, &mut self.stage);
        }
    }

    fn on_wire_of_plugboard(&mut self, wire: u32) {
        let index = self.stage.connection(wire).plugboard as usize;
        if self.stage.scenario.plugboards[index].is_hostile {
            return self.liars.0[index].on_arrive(wire, &mut self.stage);
        }
        // One that nobody has is answered by the kernel, for whichever process.
        let mut processes: Vec<&mut Plugboard> = self.plugboards[index].all_running().collect();
        let holder = processes.iter().position(|plugboard| plugboard.has(wire)).unwrap_or_default();
        if let Some(plugboard) = processes.get_mut(holder) {
            plugboard.on_arrive(wire, &mut self.stage);
        }
    }

    /// Plugboards that leave go on with it, and are gone when they are done.
    fn see_off(&mut self) {
        for host in self.plugboards.iter_mut().filter(|host| host.freezes == 0) {
            for mut plugboard in std::mem::take(&mut host.leaving) {
                if plugboard.go(&mut self.stage) {
                    plugboard.kill(&mut self.stage);
                } else {
                    host.leaving.push(plugboard);
                }
            }
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
            self.accept(u32::from(plugboard), wire);
        }
    }

    /// Makes the connection that a telephone dials for, or not.
    fn connect(&mut self, index: u32) {
        let plan = self.stage.scenario.telephones[index as usize];
        let (until, is_hanging) = self.telephones[index as usize].no_dial;
        let is_broken = until > self.stage.now();
        let host = &mut self.plugboards[usize::from(plan.plugboard)];
        let is_listening = host.processes().any(Plugboard::is_listening);
        if is_broken && is_hanging {
            return self.with_telephone(index, |telephone, _| telephone.on_hanging());
        }
        if is_broken || !is_listening {
            return self.with_telephone(index, Telephone::on_unreachable);
        }
        let wire = self.stage.connect(index, u32::from(plan.plugboard), plan.rules);
        if self.telephones[index as usize].flaps_until > self.stage.now() {
            for side in [Side::Telephone, Side::Plugboard] {
                let delay = self.stage.random.up_to(FLAP);
                self.stage.reset(wire, side, delay);
            }
        }
        self.accept(u32::from(plan.plugboard), wire);
        self.with_telephone(index, |telephone, stage| telephone.on_connected(wire, stage));
    }

    /// A wire is accepted at a plugboard's address.
    pub(crate) fn accept(&mut self, index: u32, wire: u32) {
        let host = &mut self.plugboards[index as usize];
        if self.stage.scenario.plugboards[index as usize].is_hostile {
            self.liars.0[index as usize].on_connected(wire);
        } else if host.freezes > 0 {
            host.backlog.push(wire);
        } else if let Some(plugboard) = host.listening(&mut self.stage.random) {
            plugboard.on_connected(wire, &mut self.stage);
        }
    }

    pub(crate) fn on_request(&mut self, request: u32) {
        let plan = *self.stage.request(request);
        // Nobody answers for a liar, and no client waits for ever.
        let is_lied_to = self.stage.scenario.is_lied_to(&plan);
        let leaves = if is_lied_to && plan.leaves == 0 { PATIENCE } else { plan.leaves };
        if leaves > 0 {
            self.stage.plan_in(leaves, Event::ClientLeaves(request));
        }
        self.send(request);
    }

    /// A request comes to its plugboard's address.
    pub(crate) fn send(&mut self, request: u32) {
        let index = usize::from(self.stage.request(request).plugboard);
        let is_liar = self.stage.scenario.plugboards[index].is_hostile;
        let host = &mut self.plugboards[index];
        if host.freezes > 0 && !is_liar && host.processes().any(Plugboard::is_listening) {
            return host.requests.push(request);
        }
        match host.listening(&mut self.stage.random).filter(|_| !is_liar) {
            None => exchange::finish(request, Outcome::Refused(0), &mut self.stage),
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
        self.with_plugboards(plugboard as u32, |one, stage| one.on_client_leaves(request, stage));
    }

    fn report(self) -> Report {
        let mut outcomes = [0; 4];
        for record in self.stage.oracle.records() {
            match record.outcome {
                Some(Outcome::Full) => outcomes[0] += 1,
                Some(Outcome::Refused(_)) => outcomes[1] += 1,
                Some(Outcome::Aborted | Outcome::CutOff) => outcomes[2] += 1,
                Some(Outcome::Left) => outcomes[3] += 1,
                None => {}
            }
        }
        Report {
            hash: self.stage.trace.hash(),
            violation: self.stage.oracle.violation().cloned(),
            sessions: self.stage.sessions,
            resumed: self.stage.resumed,
            moved: self.stage.moved,
            refused_repeats: self.stage.refused_repeats,
            elapsed: self.stage.clock.now(),
            planned: self.stage.clock.planned(),
            outcomes,
            events: self.stage.trace.into_text(),
        }
    }
}
