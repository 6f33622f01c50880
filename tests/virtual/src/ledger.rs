//! What was asked, what the backends did, and how it ended: the laws about requests.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use telephone_driver::core::time::Timestamp;

use crate::executor::Executor;
use crate::wire::Pace;
use telephone_sim::content::{Content, Direction};

/// How often a backend may execute an idempotent request: three attempts of the relay, each with one more of the
/// telephone on a fresh connection.
const EXECUTIONS_MAX: u32 = 6;

/// One request, as its client and its backend are to carry it out.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Its number, which its target names.
    pub id: u64,
    /// How long its client waits before it.
    pub delay: Duration,
    /// Under which of the world's mounts.
    pub mount: usize,
    /// `GET`, `POST` or `PUT`.
    pub method: &'static str,
    /// It asks for another protocol; both bodies then follow the 101.
    pub is_upgrade: bool,
    /// Octets of the request's body.
    pub up: u64,
    /// Whether they are chunked.
    pub is_up_chunked: bool,
    /// How fast the client writes them.
    pub up_pace: Pace,
    /// Octets of the answer's body.
    pub down: u64,
    /// Whether they are chunked.
    pub is_down_chunked: bool,
    /// How fast the backend writes them.
    pub down_pace: Pace,
    /// How fast the client reads them.
    pub read_pace: Pace,
    /// An upgraded connection may end early without a reset: processes get killed in this world, and the system
    /// ends their connections as if all was said.
    pub may_end_early: bool,
    /// The backend answers before it reads the request's body.
    pub is_early: bool,
    /// What the backend does with the connection behind its answer.
    pub after: After,
    /// How long the client waits for the answer's end before it leaves.
    pub patience: Option<Duration>,
}

/// What a backend does with a connection on which it has answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum After {
    /// It waits for the next request.
    Keep,
    /// It closes, as its answer said.
    Close,
    /// It closes, and nobody was told.
    CloseUntold,
    /// It closes without an answer, as one that dies of the request.
    Die,
}

impl Plan {
    /// A plain `GET` for so many octets, as fast as they come.
    #[must_use]
    pub const fn get(id: u64, mount: usize, down: u64) -> Self {
        Self {
            id,
            delay: Duration::ZERO,
            mount,
            method: "GET",
            is_upgrade: false,
            up: 0,
            is_up_chunked: false,
            up_pace: Pace::FULL,
            down,
            is_down_chunked: false,
            down_pace: Pace::FULL,
            read_pace: Pace::FULL,
            may_end_early: true,
            is_early: false,
            after: After::Keep,
            patience: None,
        }
    }

    /// How long its bodies' paces take.
    #[must_use]
    pub fn pauses(&self) -> Duration {
        let pauses = |pace: Pace, octets: u64| {
            pace.pause * u32::try_from(octets / pace.piece as u64 + 1).unwrap_or(u32::MAX)
        };
        pauses(self.up_pace, self.up) + pauses(self.down_pace, self.down) + pauses(self.read_pace, self.down)
    }

    /// The content of one of its bodies.
    #[must_use]
    pub const fn content(&self, direction: Direction) -> Content {
        Content::new(0, self.id, direction)
    }
}

/// How a request ended for its client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// With its backend's whole answer.
    Whole,
    /// With an answer of the relay's own.
    Refused(u16),
    /// Its connection ended before the answer did.
    Aborted,
    /// The client had enough of it.
    Left,
}

#[derive(Default)]
struct Entry {
    executions: u32,
    /// The seat of the backend that executed it last.
    seat: Option<usize>,
    begun: Option<Timestamp>,
    time: Duration,
    outcome: Option<Outcome>,
}

#[derive(Default)]
struct State {
    plans: BTreeMap<u64, Arc<Plan>>,
    entries: BTreeMap<u64, Entry>,
    violations: Vec<String>,
}

/// The ledger of one world. Clones are the same one.
#[derive(Clone)]
pub struct Ledger {
    executor: Executor,
    state: Arc<Mutex<State>>,
}

impl Ledger {
    /// A ledger of these requests.
    #[must_use]
    pub fn new(executor: Executor, plans: impl IntoIterator<Item = Plan>) -> Self {
        let plans = plans.into_iter().map(|plan| (plan.id, Arc::new(plan))).collect();
        Self { executor, state: Arc::new(Mutex::new(State { plans, ..State::default() })) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The plan with this number.
    #[must_use]
    pub fn plan(&self, id: u64) -> Option<Arc<Plan>> {
        self.lock().plans.get(&id).cloned()
    }

    /// A law was broken.
    pub fn violate(&self, what: impl Into<String>) {
        let now = self.executor.now().as_micros();
        self.lock().violations.push(format!(
            "at {}.{:06} s: {}",
            now / 1_000_000,
            now % 1_000_000,
            what.into()
        ));
    }

    pub(crate) fn begin(&self, id: u64) {
        let now = self.executor.now();
        self.lock().entries.entry(id).or_default().begun = Some(now);
    }

    /// A request ended for its client. (I34)
    pub(crate) fn end(&self, id: u64, outcome: Outcome) {
        let code = match outcome {
            Outcome::Whole => 1,
            Outcome::Refused(status) => u64::from(status),
            Outcome::Aborted => 2,
            Outcome::Left => 3,
        };
        self.executor.trace(&[6, id, code]);
        let now = self.executor.now();
        let has_ended = {
            let mut state = self.lock();
            let entry = state.entries.entry(id).or_default();
            entry.time = entry.begun.map_or(Duration::ZERO, |begun| now.since(begun));
            entry.outcome.replace(outcome).is_some()
        };
        if has_ended {
            self.violate(format!("request {id} ended twice (I34)"));
        }
    }

    /// A backend has read a request's head. (I31, I32)
    pub(crate) fn execute(&self, plan: &Plan, seat: usize) {
        self.executor.trace(&[7, plan.id]);
        let executions = {
            let mut state = self.lock();
            let entry = state.entries.entry(plan.id).or_default();
            entry.executions += 1;
            entry.seat = Some(seat);
            entry.executions
        };
        let most = if plan.method == "POST" { 1 } else { EXECUTIONS_MAX };
        if executions > most {
            self.violate(format!("request {} ({}) executed {executions} times (I31)", plan.id, plan.method));
        }
    }

    /// The seat of the backend that executed a request last.
    #[must_use]
    pub fn executed_in(&self, id: u64) -> Option<usize> {
        self.lock().entries.get(&id).and_then(|entry| entry.seat)
    }

    /// Requests that have not ended.
    #[must_use]
    pub fn open(&self) -> Vec<u64> {
        let state = self.lock();
        let is_open = |id: &&u64| state.entries.get(*id).is_none_or(|entry| entry.outcome.is_none());
        state.plans.keys().filter(is_open).copied().collect()
    }

    /// How many requests ended in which way.
    #[must_use]
    pub fn outcomes(&self) -> BTreeMap<Outcome, usize> {
        let mut counts = BTreeMap::new();
        for outcome in self.lock().entries.values().filter_map(|entry| entry.outcome) {
            *counts.entry(outcome).or_insert(0) += 1;
        }
        counts
    }

    /// Requests whose clients did not leave, and that did not end with their whole answer: how they ended.
    #[must_use]
    pub fn failed(&self) -> Vec<(u64, Outcome)> {
        let state = self.lock();
        let outcomes = state.entries.iter().filter_map(|(id, entry)| Some((*id, entry.outcome?)));
        outcomes.filter(|(_, outcome)| !matches!(outcome, Outcome::Whole | Outcome::Left)).collect()
    }

    /// Requests that took longer than they may, and how long.
    #[must_use]
    pub fn late(&self, time_max: impl Fn(&Plan) -> Duration) -> Vec<(u64, Duration)> {
        let state = self.lock();
        let late = state.plans.values().filter_map(|plan| {
            let time = state.entries.get(&plan.id)?.time;
            (time > time_max(plan)).then_some((plan.id, time))
        });
        late.collect()
    }

    /// How many requests their clients gave up.
    #[must_use]
    pub fn left(&self) -> u64 {
        self.outcomes().get(&Outcome::Left).map_or(0, |count| *count as u64)
    }

    /// The laws that were broken.
    #[must_use]
    pub fn violations(&self) -> Vec<String> {
        self.lock().violations.clone()
    }
}
