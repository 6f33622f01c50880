//! Which requests a plugboard repeats, and how many of them: what the relay asks its budget.

use telephone_core::limits::RETRY_COST;

use super::plugboard::Plugboard;
use crate::clock::{Micros, SECOND};
use crate::stage::Stage;

/// What a plugboard's budget is held against.
#[derive(Debug)]
pub(super) struct Repeats {
    since: Micros,
    requests: u64,
    repeated: u64,
}

impl Repeats {
    pub(super) const fn since(since: Micros) -> Self {
        Self { since, requests: 0, repeated: 0 }
    }
}

impl Plugboard {
    /// A request is to be given to a session, for the first time or again.
    pub(super) fn earn(&mut self) {
        self.repeats.requests += 1;
        self.retries.earn();
    }

    /// Whether a request that a backend may have seen is given to another session.
    pub(super) fn has_budget(&mut self, request: u32, stage: &mut Stage<'_>) -> bool {
        let is_allowed = self.retries.spend(stage.clock.timestamp());
        let Repeats { since, requests, repeated } = &mut self.repeats;
        let (rate, kept) = stage.scenario.retries;
        // A full budget is what a plugboard starts with, so that it is empty only once all of that was spent.
        let had_all = *repeated >= kept;
        stage.oracle.judge("I35", request, is_allowed || had_all, || {
            format!("it is not repeated, and {repeated} of {kept} repeats were used")
        });
        *repeated += u64::from(is_allowed);
        let earned = *requests / RETRY_COST + (stage.now() - *since) * rate / SECOND;
        stage.oracle.check("I32", *repeated <= kept + earned, || {
            format!("{repeated} repeats of {kept} that were kept and {earned} that were earned")
        });
        stage.refused_repeats += u64::from(!is_allowed);
        is_allowed
    }
}
