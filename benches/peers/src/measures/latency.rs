//! How long one client waits.

use std::time::Duration;

use crate::backend::{SMALL, Serving};
use crate::failed::Failed;
use crate::measures::{Column, Measure, Subject};
use crate::wrk::Load;

/// One client on one kept connection.
#[derive(Debug)]
pub(super) struct Latency;

impl Measure for Latency {
    fn name(&self) -> &'static str {
        "latency"
    }

    fn about(&self) -> &'static str {
        "answers of 10 octets to one client, one after the other on one connection"
    }

    fn columns(&self) -> Vec<Column> {
        vec![Column::compared("p50 µs"), Column::compared("p99 µs"), Column::compared("req/s")]
    }

    fn take(&self, subject: &mut Subject<'_>) -> Result<Vec<Option<f64>>, Failed> {
        let seconds = subject.seconds;
        let line = subject.line(Serving::Files)?;
        let pace = Load { path: SMALL, connections: 1, closes: false, seconds }.put_on(line.addr())?;
        let micros = |time: Duration| Some(time.as_secs_f64() * 1e6);
        Ok(vec![micros(pace.half_within), micros(pace.most_within), Some(pace.per_second)])
    }
}
