//! More mounts in a relay.

use telephone_core::limits::MOUNTS_MAX;
use telephone_peers::failed::Failed;

use super::{COUNTS, Column, Curve, Given};
use crate::crowd::Crowd;
use crate::ground::{Ground, of_each};

/// What all mounts lie below.
const UNDER: &str = "/mount";

/// Mounts, as many in each session as it may have.
#[derive(Debug)]
pub(super) struct Mounts;

impl Curve for Mounts {
    fn name(&self) -> &'static str {
        "mounts"
    }

    fn about(&self) -> &'static str {
        "what a request takes of a relay that knows so many mounts, 64 of them in a session, when 64 clients ask for \
         the first one, and when they ask for all in turn; and the memory of a mount with its share of a session"
    }

    fn axis(&self) -> &'static str {
        "mounts in a relay"
    }

    fn points(&self) -> Vec<u64> {
        COUNTS.to_vec()
    }

    fn columns(&self) -> Vec<Column> {
        vec![
            Column::drawn("one mount, relay, CPU µs a request"),
            Column::drawn("all mounts, relay, CPU µs a request"),
            Column::drawn("KiB a mount"),
        ]
    }

    fn take(&self, at: u64, given: &Given<'_>) -> Result<Vec<Option<f64>>, Failed> {
        let ground = Ground::lay()?;
        let before = ground.settled_kib()?;
        let _crowd = Crowd::dial(ground.relay(), UNDER, at, MOUNTS_MAX as u64)?;
        let held = ground.settled_kib()? - before;
        let one = ground.micros_a_request(UNDER, 1, given.seconds)?;
        let all = ground.micros_a_request(UNDER, at, given.seconds)?;
        Ok(vec![Some(one), Some(all), of_each(held, at)])
    }
}
