//! What must be true of each request, whatever happens: the reference against which outcomes are judged.

use std::collections::BTreeMap;

use telephone_core::error::{Reset, ResetCode, Touched};

use crate::scenario::{BackendFault, Request, Scenario, Shape};

/// A law that was broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The law, by its name in the catalogue of faults.
    pub law: &'static str,
    /// What was seen.
    pub what: String,
}

/// What a client got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// The backend's whole answer.
    Full,
    /// An answer of the plugboard's own.
    Refused(u16),
    /// A broken connection.
    Aborted,
    /// A broken connection: its plugboard left, and the time for what was in flight is over.
    CutOff,
    /// The client did not stay for it.
    Left,
}

/// What is known of one request.
#[derive(Debug, Clone, Default)]
pub struct Record {
    /// How often it was given to a session.
    pub attempts: u32,
    /// How often a backend saw some of it.
    pub executions: u32,
    /// The session and the stream of the last execution.
    last: Option<(u64, u64)>,
    /// Octets that the client wrote, and whether all.
    up: Progress,
    /// The same of the backend, over all executions.
    down: Progress,
    /// A liar stands between its client and its backend: anything may come of it.
    is_lied_to: bool,
    /// Nothing that goes wrong explains that it fails.
    is_calm: bool,
    /// What came of it.
    pub outcome: Option<Outcome>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Progress {
    written: u64,
    is_ended: bool,
}

/// The record of all requests, and the first law that was broken.
#[derive(Debug)]
pub struct Oracle {
    records: Vec<Record>,
    pending: usize,
    violation: Option<Violation>,
    /// The last stream that a telephone had taken of a session when it left.
    lasts: BTreeMap<u64, u64>,
}

impl Oracle {
    /// Nothing has happened yet.
    #[must_use]
    pub fn new(scenario: &Scenario) -> Self {
        let is_calm = scenario.is_calm();
        let record = |request: &Request| Record {
            is_lied_to: scenario.is_lied_to(request),
            is_calm: is_calm && request.fault == BackendFault::None,
            ..Record::default()
        };
        let records: Vec<Record> = scenario.requests.iter().map(record).collect();
        Self { pending: records.len(), records, violation: None, lasts: BTreeMap::new() }
    }

    /// Takes note of a request that is not in the scenario; says its number.
    pub fn add(&mut self) -> u32 {
        self.records.push(Record::default());
        self.pending += 1;
        self.records.len() as u32 - 1
    }

    /// Requests without an outcome.
    #[must_use]
    pub const fn pending(&self) -> usize {
        self.pending
    }

    /// The records, by the requests' numbers.
    #[must_use]
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// The first law that was broken.
    #[must_use]
    pub const fn violation(&self) -> Option<&Violation> {
        self.violation.as_ref()
    }

    /// A law is broken.
    pub fn violate(&mut self, law: &'static str, what: impl FnOnce() -> String) {
        if self.violation.is_none() {
            self.violation = Some(Violation { law, what: what() });
        }
    }

    /// A law that holds if `is_kept`.
    pub fn check(&mut self, law: &'static str, is_kept: bool, what: impl FnOnce() -> String) {
        if !is_kept {
            self.violate(law, what);
        }
    }

    /// A law that holds for a request if `is_kept`, unless a liar has to do with it.
    pub fn judge(&mut self, law: &'static str, request: u32, is_kept: bool, what: impl FnOnce() -> String) {
        let is_kept = is_kept || self.records[request as usize].is_lied_to;
        self.check(law, is_kept, || format!("request {request}: {}", what()));
    }

    fn record(&mut self, request: u32) -> &mut Record {
        &mut self.records[request as usize]
    }

    /// A request is given to a session.
    pub fn attempt(&mut self, request: u32) {
        self.record(request).attempts += 1;
    }

    /// A backend sees a request's first octet.
    pub fn execute(&mut self, request: u32, plan: &Request, session: u64, stream: u64) {
        let record = self.record(request);
        record.executions += 1;
        record.last = Some((session, stream));
        let (executions, attempts) = (record.executions, record.attempts);
        self.judge("I31", request, executions == 1 || is_idempotent(plan.shape), || {
            format!("{:?} was executed {executions} times", plan.shape)
        });
        self.judge("I32", request, executions <= attempts, || {
            format!("executed {executions} times in {attempts} attempts")
        });
    }

    /// The client wrote so many octets so far, and perhaps all.
    pub fn wrote_up(&mut self, request: u32, written: u64, is_ended: bool) {
        self.record(request).up.write(written, is_ended);
    }

    /// A backend wrote so many octets so far, and perhaps all.
    pub fn wrote_down(&mut self, request: u32, written: u64, is_ended: bool) {
        self.record(request).down.write(written, is_ended);
    }

    /// So many octets came to the backend, and perhaps the end.
    pub fn came_up(&mut self, request: u32, taken: u64, is_end: bool) {
        let progress = self.record(request).up;
        self.judge_arrival(request, progress, taken, is_end);
    }

    /// So many octets came to the client, and perhaps the end.
    pub fn came_down(&mut self, request: u32, taken: u64, is_end: bool) {
        let progress = self.record(request).down;
        self.judge_arrival(request, progress, taken, is_end);
    }

    fn judge_arrival(&mut self, request: u32, progress: Progress, taken: u64, is_end: bool) {
        self.judge("I8", request, taken <= progress.written, || {
            format!("{taken} octets came of {} that were written", progress.written)
        });
        let is_whole = progress.is_ended && taken == progress.written;
        self.judge("I9", request, !is_end || is_whole, || {
            format!("an end came behind {taken} octets of {progress:?}")
        });
    }

    /// A stream was reset: may whoever reset it claim that the backend was not touched?
    pub fn judge_touched(&mut self, request: u32, reset: Reset, session: u64, stream: u64) {
        let was_executed = self.record(request).last == Some((session, stream));
        self.judge("I33", request, !was_executed || reset.touched != Touched::No, || {
            format!("it was executed, and {reset:?} came of it")
        });
    }

    /// A telephone leaves a session, of which it took streams up to `last`.
    pub fn leave(&mut self, session: u64, last: u64) {
        self.lasts.insert(session, last);
    }

    /// Whether a telephone had left a session before it took a stream. (I42)
    #[must_use]
    pub fn is_crossed(&self, session: u64, stream: u64) -> bool {
        self.lasts.get(&session).is_some_and(|last| stream > *last)
    }

    /// Whether a backend's own fault explains a reset.
    #[must_use]
    pub fn is_backends_fault(plan: &Request, code: ResetCode) -> bool {
        let fault = shown(plan);
        match code {
            ResetCode::Unreachable => fault == BackendFault::Refuses,
            ResetCode::TimedOut => {
                matches!(fault, BackendFault::ConnectHangs | BackendFault::Silent | BackendFault::HangsAt(_))
            }
            ResetCode::BackendFailed => fault == BackendFault::DiesUnanswered,
            ResetCode::Truncated => matches!(fault, BackendFault::DiesAt(_) | BackendFault::EndsAt(_)),
            ResetCode::Cancelled
            | ResetCode::Stopped
            | ResetCode::Refused
            | ResetCode::SessionLost
            | ResetCode::Denied
            | ResetCode::Exhausted
            | ResetCode::Malformed
            | ResetCode::HeadTooLarge
            | ResetCode::Coding
            | ResetCode::Other(_) => false,
        }
    }

    /// A request is over.
    pub fn finish(&mut self, request: u32, plan: &Request, outcome: Outcome) {
        let record = self.record(request);
        if let Some(earlier) = record.outcome.replace(outcome) {
            return self.violate("I7", || format!("request {request}: {outcome:?} after {earlier:?}"));
        }
        let (executions, down) = (record.executions, record.down);
        self.pending -= 1;
        let is_failure = matches!(outcome, Outcome::Refused(_) | Outcome::Aborted);
        let is_calm = self.record(request).is_calm;
        self.judge("I35", request, !is_failure || !is_calm, || {
            format!("{outcome:?}, though all that happened was that plugboards handed over")
        });
        if outcome == Outcome::Full {
            self.judge("I34", request, executions > 0, || "an answer of nobody".into());
            let is_honest = shown(plan) == BackendFault::None;
            self.judge("I9", request, is_honest && down.is_ended, || {
                format!("a whole answer of a backend that broke off: {plan:?}")
            });
        }
    }
}

impl Progress {
    fn write(&mut self, written: u64, is_ended: bool) {
        self.written = self.written.max(written);
        self.is_ended |= is_ended;
    }
}

/// The fault that a backend comes to.
fn shown(plan: &Request) -> BackendFault {
    match plan.fault {
        // An answer without a body is over before it can break off.
        BackendFault::DiesAt(_) | BackendFault::HangsAt(_) | BackendFault::EndsAt(_)
            if plan.shape == Shape::Head =>
        {
            BackendFault::None
        }
        fault => fault,
    }
}

/// Whether doing a request twice is the same as doing it once. (RFC 9110 §9.2.2)
#[must_use]
pub const fn is_idempotent(shape: Shape) -> bool {
    match shape {
        Shape::Get | Shape::Head | Shape::Put => true,
        Shape::Post | Shape::Upgrade | Shape::Tcp => false,
    }
}
