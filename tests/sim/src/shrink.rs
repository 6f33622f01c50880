//! Makes a scenario that breaks a law smaller, as long as it breaks the same one.

use crate::clock::{MILLI, Micros};
use crate::net::{Rules, Slicing};
use crate::scenario::{BackendFault, Body, Limits, Pace, Request, Scenario};

/// Runs that shrinking may take.
const RUNS_MAX: usize = 3_000;

/// The smallest scenario that is found for which `is_broken` holds, as it does for `scenario`.
#[must_use]
pub fn shrink(scenario: Scenario, is_broken: impl Fn(&Scenario) -> bool) -> Scenario {
    let mut search = Search { best: scenario, runs: 0, is_broken };
    loop {
        let before = search.best.clone();
        search.drop_chunks(
            |scenario| scenario.requests.len(),
            |scenario, range| {
                scenario.requests.drain(range);
            },
        );
        search.drop_chunks(
            |scenario| scenario.faults.len(),
            |scenario, range| {
                scenario.faults.drain(range);
            },
        );
        search.drop_telephones();
        search.simplify();
        if search.best == before || search.runs >= RUNS_MAX {
            return search.best;
        }
    }
}

struct Search<F> {
    best: Scenario,
    runs: usize,
    is_broken: F,
}

impl<F: Fn(&Scenario) -> bool> Search<F> {
    fn attempt(&mut self, candidate: Scenario) -> bool {
        if self.runs >= RUNS_MAX || candidate == self.best {
            return false;
        }
        self.runs += 1;
        let is_broken = (self.is_broken)(&candidate);
        if is_broken {
            self.best = candidate;
        }
        is_broken
    }

    /// Drops ever smaller stretches of a list.
    fn drop_chunks(
        &mut self,
        count: impl Fn(&Scenario) -> usize,
        drop: impl Fn(&mut Scenario, std::ops::Range<usize>),
    ) {
        let mut size = count(&self.best).div_ceil(2);
        while size > 0 {
            let mut start = 0;
            while start < count(&self.best) {
                let end = (start + size).min(count(&self.best));
                let mut candidate = self.best.clone();
                drop(&mut candidate, start..end);
                if !self.attempt(candidate) {
                    start = end;
                }
            }
            size = if size == 1 { 0 } else { size.div_ceil(2) };
        }
    }

    fn drop_telephones(&mut self) {
        for index in (0..self.best.telephones.len())
            .rev()
            .filter(|_| self.best.telephones.len() > 1)
            .collect::<Vec<_>>()
        {
            let mut candidate = self.best.clone();
            let gone = candidate.telephones.remove(index);
            let index = index as u8;
            candidate.faults.retain(|fault| fault.kind.is_of_plugboard() || fault.whom != index);
            for fault in &mut candidate.faults {
                if !fault.kind.is_of_plugboard() && fault.whom > index {
                    fault.whom -= 1;
                }
            }
            let place = (gone.tenant, gone.plugboard);
            let is_served = candidate.telephones.iter().any(|one| (one.tenant, one.plugboard) == place);
            candidate.requests.retain(|request| is_served || (request.tenant, request.plugboard) != place);
            self.attempt(candidate);
        }
    }

    fn simplify(&mut self) {
        for change in SIMPLER {
            let mut candidate = self.best.clone();
            change(&mut candidate);
            self.attempt(candidate);
        }
        for index in 0..self.best.requests.len() {
            for change in SIMPLER_REQUEST {
                let mut candidate = self.best.clone();
                change(&mut candidate.requests[index]);
                self.attempt(candidate);
            }
        }
        for index in 0..self.best.telephones.len() {
            let mut candidate = self.best.clone();
            candidate.telephones[index].rules = PLAIN_RULES;
            self.attempt(candidate);
            let mut candidate = self.best.clone();
            candidate.telephones[index].starts = 0;
            self.attempt(candidate);
        }
        for index in 0..self.best.faults.len() {
            let mut candidate = self.best.clone();
            candidate.faults[index].lasts = round(candidate.faults[index].lasts);
            self.attempt(candidate);
        }
    }
}

const PLAIN_RULES: Rules =
    Rules { buffer: 1 << 20, latency: MILLI, jitter: 0, micros_per_kib: 0, slicing: Slicing::Whole };
const PLAIN_PACE: Pace = Pace { piece: u32::MAX, rest: 0, stall_at: 0, stall: 0 };

const SIMPLER: [fn(&mut Scenario); 6] = [
    |scenario| scenario.plugboard_limits = Limits::PLAIN,
    |scenario| scenario.telephone_limits = Limits::PLAIN,
    |scenario| scenario.token_life = 0,
    |scenario| scenario.parked_per_mount = 100,
    |scenario| scenario.park_time = 5 * crate::clock::SECOND,
    |scenario| scenario.resume_window = 30 * crate::clock::SECOND,
];

const SIMPLER_REQUEST: [fn(&mut Request); 10] = [
    |request| request.up = plain(request.up),
    |request| request.down = plain(request.down),
    |request| request.up.length /= 2,
    shorter,
    |request| request.delay = 0,
    |request| request.interims = 0,
    |request| request.has_trailers = false,
    |request| request.waits = false,
    |request| request.at = round(request.at),
    |request| {
        if !matches!(request.fault, BackendFault::Silent | BackendFault::HangsAt(_)) {
            request.leaves = 0;
        }
    },
];

/// A body whose length its backend's fault speaks of stays as long as it is.
fn shorter(request: &mut Request) {
    if request.fault == BackendFault::None {
        request.down.length /= 2;
    }
}

const fn plain(body: Body) -> Body {
    Body { written: PLAIN_PACE, read: PLAIN_PACE, ..body }
}

/// A rounder number: what stands before its first three digits' worth of bits.
const fn round(micros: Micros) -> Micros {
    micros - micros % 1_000
}
