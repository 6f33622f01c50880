//! One big body.

use crate::backend::{BIG_FILE, Serving};
use crate::failed::Failed;
use crate::measures::{Column, Measure, Subject};
use crate::transfer::{BIG, Download, upload};

/// 1 GiB over one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bulk {
    /// From the backend to a client.
    Down,
    /// From a client to the backend.
    Up,
}

impl Measure for Bulk {
    fn name(&self) -> &'static str {
        match self {
            Self::Down => "down",
            Self::Up => "up",
        }
    }

    fn about(&self) -> &'static str {
        match self {
            Self::Down => "a download of 1 GiB, and the CPU time that it takes",
            Self::Up => "an upload of 1 GiB, and the CPU time that it takes",
        }
    }

    fn columns(&self) -> Vec<Column> {
        vec![
            Column::compared("MB/s"),
            Column::compared("CPU s/GiB"),
            Column::shown("relay s"),
            Column::shown("agent s"),
        ]
    }

    fn take(&self, subject: &mut Subject<'_>) -> Result<Vec<Option<f64>>, Failed> {
        let line = subject.line(match self {
            Self::Down => Serving::Files,
            Self::Up => Serving::Uploads,
        })?;
        let before = line.cpu()?;
        let transfer = match self {
            Self::Down => Download::start(line.addr(), BIG_FILE)?.finish(None)?,
            Self::Up => upload(line.addr(), BIG)?,
        };
        let taken = line.cpu_since(&before)?;
        Ok(vec![Some(transfer.megabytes_per_second()), taken.sum(), taken.relay, taken.agent])
    }
}
