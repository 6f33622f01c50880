//! The phases of a run: chaos, then everything comes back, answers, and goes.

use telephone_core::error::LeaveCode;

use crate::actors::operator;
use crate::actors::plugboard::Plugboard;
use crate::actors::telephone::Telephone;
use crate::clock::{Micros, SECOND};
use crate::host::Host;
use crate::oracle::Outcome;
use crate::scenario::{BackendFault, Body, Pace, Request, Shape};
use crate::stage::Note;
use crate::world::World;

/// All telephones are back, and all requests over, so long after the last fault. (I40)
const SETTLE: Micros = 90 * SECOND;
/// What is under way may take so long to come to rest before the last requests are sent.
const REST: Micros = 5 * SECOND;
/// The last requests are answered within this. (I35)
const PROBE: Micros = 45 * SECOND;
/// All is gone so long after everybody was told to end. (I38)
const FAREWELL: Micros = 60 * SECOND;

impl World<'_> {
    pub(crate) fn storm(&mut self) {
        let chaos = self.stage.scenario.chaos;
        self.run_until(chaos, |_| false);
    }

    pub(crate) fn settle(&mut self) {
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
    pub(crate) fn probe(&mut self) {
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

    pub(crate) fn dismiss(&mut self) {
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
                self.with_plugboards(index, |one, stage| {
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
        let is_free = |host: &Host<Plugboard>| host.processes().all(Plugboard::is_empty);
        self.telephones.iter().all(is_idle) && self.plugboards.iter().all(is_free)
    }

    fn judge_empty(&mut self) {
        let is_empty = self.is_empty();
        let left: Vec<String> =
            self.plugboards.iter().flat_map(Host::processes).map(Plugboard::left).collect();
        self.stage.oracle.check("I38", is_empty, || format!("something is left at the end: {left:?}"));
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
