//! Which signature is checked next, and which is not checked at all.
//!
//! ```text
//!  enter ─▶ waiting, by address block ── in turn ──▶ running, a few at once ─▶ finish
//!      └──────────── refused: too many wait, or too many failed ─────────────┘
//! ```
//!
//! A check of a signature takes up to milliseconds of a core, and anybody may ask for one. So only a few run at once, the
//! address blocks that wait get them in turn, and a block whose checks fail gets fewer.

mod failures;
#[cfg(test)]
mod tests;

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use core::time::Duration;

use self::failures::Failures;
use crate::address::AddressBlock;
use crate::limits::{FAILING_BLOCKS_MAX, HelloLimits, UNCHECKED_RETRY, WAITING_CHECKS_MAX};
use crate::time::Timestamp;

/// Names one check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CheckTicket(u64);

/// On whose behalf a token is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Applicant {
    /// Where the token came from: blocks take turns.
    pub block: AddressBlock,
    /// Whether its failures count. Those of exempt addresses do not.
    pub is_counted: bool,
}

/// Why a token is refused without a check. The same token may be good later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overload {
    /// As many checks wait as may wait, most of them of this address block.
    QueueFull,
    /// The address block failed as often as it may.
    TooManyFailures {
        /// Until it may fail again.
        wait: Duration,
    },
}

impl Overload {
    /// How long until the same token is worth another try, at least. A refusal that said less would bring it back in vain.
    #[must_use]
    pub fn retry_after(self) -> Duration {
        match self {
            Self::QueueFull => *UNCHECKED_RETRY.start(),
            Self::TooManyFailures { wait } => wait.clamp(*UNCHECKED_RETRY.start(), *UNCHECKED_RETRY.end()),
        }
    }
}

/// What becomes of a check that waited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// It is to begin now. [`VerificationQueue::finish`] ends it.
    Begin,
    /// It is over without having begun.
    Refuse(Overload),
}

/// The checks of one relay.
///
/// Inputs may come in any order and about any ticket; those about unknown ones change nothing. After each,
/// [`poll_turn`](Self::poll_turn) is to be drained. Nothing here depends on anything but the inputs.
///
/// Memory: at most [`WAITING_CHECKS_MAX`] tickets wait, and [`FAILING_BLOCKS_MAX`] blocks are counted.
#[derive(Debug)]
pub struct VerificationQueue {
    running_max: usize,
    waiting_max: usize,
    next_ticket: u64,
    next_turn: u64,
    running: BTreeMap<CheckTicket, Applicant>,
    waiting: BTreeMap<CheckTicket, Applicant>,
    lanes: BTreeMap<AddressBlock, Lane>,
    /// The blocks that wait, by turn.
    turns: BTreeMap<u64, AddressBlock>,
    /// The same, by how many checks of them wait.
    by_length: BTreeSet<(usize, AddressBlock)>,
    /// Those that are over without having begun.
    refused: VecDeque<(CheckTicket, Overload)>,
    failures: Failures,
}

/// The checks of one address block that wait.
#[derive(Debug)]
struct Lane {
    turn: u64,
    tickets: BTreeSet<CheckTicket>,
}

impl VerificationQueue {
    /// A queue of which `running_max` checks, and at least one, run at once.
    #[must_use]
    pub fn new(limits: HelloLimits, running_max: usize) -> Self {
        Self::bounded(limits, running_max, WAITING_CHECKS_MAX, FAILING_BLOCKS_MAX)
    }

    fn bounded(limits: HelloLimits, running_max: usize, waiting_max: usize, blocks_max: usize) -> Self {
        Self {
            running_max: running_max.max(1),
            waiting_max,
            next_ticket: 0,
            next_turn: 0,
            running: BTreeMap::new(),
            waiting: BTreeMap::new(),
            lanes: BTreeMap::new(),
            turns: BTreeMap::new(),
            by_length: BTreeSet::new(),
            refused: VecDeque::new(),
            failures: Failures::new(limits, blocks_max),
        }
    }

    /// Asks for a check. What becomes of it is told by [`poll_turn`](Self::poll_turn).
    pub fn enter(&mut self, applicant: Applicant, now: Timestamp) -> CheckTicket {
        let ticket = CheckTicket(self.next_ticket);
        self.next_ticket += 1;
        // A block that may not fail any more does not take the queue's room from others.
        let wait =
            if applicant.is_counted { self.failures.wait(applicant.block, now) } else { Duration::ZERO };
        if !wait.is_zero() {
            self.refused.push_back((ticket, Overload::TooManyFailures { wait }));
            return ticket;
        }
        self.waiting.insert(ticket, applicant);
        self.change_lane(applicant.block, |tickets| tickets.insert(ticket));
        if self.waiting.len() > self.waiting_max {
            self.shorten_the_longest_lane();
        }
        ticket
    }

    /// The next check that begins or is refused, or `None` until something changes.
    pub fn poll_turn(&mut self, now: Timestamp) -> Option<(CheckTicket, Turn)> {
        if let Some((ticket, overload)) = self.refused.pop_front() {
            return Some((ticket, Turn::Refuse(overload)));
        }
        if self.running.len() >= self.running_max {
            return None;
        }
        let (_, block) = self.turns.pop_first()?;
        let ticket = self.change_lane(block, BTreeSet::pop_first)?;
        let applicant = self.waiting.remove(&ticket)?;
        if applicant.is_counted
            && let Err(wait) = self.failures.charge(block, now)
        {
            return Some((ticket, Turn::Refuse(Overload::TooManyFailures { wait })));
        }
        self.running.insert(ticket, applicant);
        Some((ticket, Turn::Begin))
    }

    /// A check that began is over.
    pub fn finish(&mut self, ticket: CheckTicket, has_failed: bool, now: Timestamp) {
        let Some(applicant) = self.running.remove(&ticket) else { return };
        if applicant.is_counted && !has_failed {
            self.failures.refund(applicant.block, now);
        }
    }

    /// Nobody waits for a check any more. One that began is not concerned: it goes on until it is finished.
    pub fn cancel(&mut self, ticket: CheckTicket) {
        if let Some(applicant) = self.waiting.remove(&ticket) {
            self.change_lane(applicant.block, |tickets| tickets.remove(&ticket));
        }
        self.refused.retain(|(refused, ..)| *refused != ticket);
    }

    /// Counts a failure that took no check, such as a breach of the protocol.
    pub fn count_failure(&mut self, applicant: Applicant, now: Timestamp) {
        if applicant.is_counted {
            // What failed cannot be refused any more.
            let _ = self.failures.charge(applicant.block, now);
        }
    }

    /// Whoever fills the queue loses the place that it took last.
    fn shorten_the_longest_lane(&mut self) {
        let Some((_, block)) = self.by_length.last().copied() else { return };
        let Some(ticket) = self.change_lane(block, BTreeSet::pop_last) else { return };
        self.waiting.remove(&ticket);
        self.refused.push_back((ticket, Overload::QueueFull));
    }

    /// Changes what waits of one block, which keeps its turn unless that was taken: then it goes behind the others.
    fn change_lane<T>(
        &mut self,
        block: AddressBlock,
        change: impl FnOnce(&mut BTreeSet<CheckTicket>) -> T,
    ) -> T {
        let mut lane = self.lanes.remove(&block).unwrap_or_else(|| {
            self.next_turn += 1;
            Lane { turn: self.next_turn, tickets: BTreeSet::new() }
        });
        self.by_length.remove(&(lane.tickets.len(), block));
        let had_turn = self.turns.remove(&lane.turn).is_some() || lane.tickets.is_empty();
        let result = change(&mut lane.tickets);
        if lane.tickets.is_empty() {
            return result;
        }
        if !had_turn {
            self.next_turn += 1;
            lane.turn = self.next_turn;
        }
        self.turns.insert(lane.turn, block);
        self.by_length.insert((lane.tickets.len(), block));
        self.lanes.insert(block, lane);
        result
    }

    /// Checks that wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Checks that run.
    #[must_use]
    pub fn running(&self) -> usize {
        self.running.len()
    }
}
