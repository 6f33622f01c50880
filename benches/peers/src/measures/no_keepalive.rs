//! A connection for each request.

use crate::backend::{SMALL, Serving};
use crate::failed::Failed;
use crate::measures::{Column, Measure, Subject};
use crate::proc::connections_opened;
use crate::wrk::Load;

/// Clients at once.
const CLIENTS: u32 = 16;

/// 16 clients that come anew for each request.
#[derive(Debug)]
pub(super) struct NoKeepalive;

impl Measure for NoKeepalive {
    fn name(&self) -> &'static str {
        "no-keepalive"
    }

    fn about(&self) -> &'static str {
        "answers of 10 octets to 16 clients, each on a connection of its own"
    }

    fn columns(&self) -> Vec<Column> {
        vec![
            Column::compared("req/s"),
            Column::compared("CPU µs/req"),
            Column::shown("relay µs"),
            Column::shown("agent µs"),
        ]
    }

    fn take(&self, subject: &mut Subject<'_>) -> Result<Vec<Option<f64>>, Failed> {
        let seconds = subject.seconds;
        let line = subject.line(Serving::Files)?;
        let load = Load { path: SMALL, connections: CLIENTS, closes: true, seconds };
        let (before, opened_before) = (line.cpu()?, connections_opened()?);
        let pace = load.put_on(line.addr())?;
        let opened = connections_opened()? - opened_before;
        if opened < pace.requests {
            return Err(Failed::Load(format!("{} requests on {opened} connections", pace.requests)));
        }
        let taken = line.cpu_since(&before)?.map(|seconds| seconds * 1e6 / pace.requests as f64);
        Ok(vec![Some(pace.per_second), taken.sum(), taken.relay, taken.agent])
    }
}
