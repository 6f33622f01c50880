//! What a system is before it does anything.

use crate::failed::Failed;
use crate::measures::{Column, Measure, Subject};

/// Memory and time of a fresh start.
#[derive(Debug)]
pub(super) struct Footprint;

impl Measure for Footprint {
    fn name(&self) -> &'static str {
        "footprint"
    }

    fn about(&self) -> &'static str {
        "resident memory after the first request, and the time to its answer from the start of the agent's process"
    }

    fn columns(&self) -> Vec<Column> {
        vec![
            Column::compared("first answer ms"),
            Column::compared("MiB"),
            Column::shown("relay MiB"),
            Column::shown("agent MiB"),
        ]
    }

    fn take(&self, subject: &mut Subject<'_>) -> Result<Vec<Option<f64>>, Failed> {
        let line = subject.fresh(None)?;
        let resident = line.resident_kib()?.map(|kib| kib / 1024.0);
        let first = line.first_answer().map(|time| time.as_secs_f64() * 1e3);
        Ok(vec![first, resident.sum(), resident.relay, resident.agent])
    }
}
