//! Many requests on kept connections.

use crate::backend::{SMALL, Serving, TEN_KIB};
use crate::failed::Failed;
use crate::measures::{Column, Measure, Subject};
use crate::wrk::Load;

/// Clients at once.
pub(super) const CLIENTS: u32 = 64;

/// 64 clients that ask again as soon as they are answered.
#[derive(Debug)]
pub(super) struct Keepalive {
    name: &'static str,
    about: &'static str,
    path: &'static str,
}

impl Keepalive {
    /// Answers of ten octets.
    pub(super) const SMALL: Self = Self {
        name: "keepalive",
        about: "answers of 10 octets on 64 kept connections, and the CPU time that one takes",
        path: SMALL,
    };

    /// Answers of 10 KiB.
    pub(super) const TEN_KIB: Self = Self {
        name: "keepalive-10k",
        about: "answers of 10 KiB on 64 kept connections, and the CPU time that one takes",
        path: TEN_KIB,
    };
}

impl Measure for Keepalive {
    fn name(&self) -> &'static str {
        self.name
    }

    fn about(&self) -> &'static str {
        self.about
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
        let load = Load { path: self.path, connections: CLIENTS, closes: false, seconds };
        let before = line.cpu()?;
        let pace = load.put_on(line.addr())?;
        let taken = line.cpu_since(&before)?.map(|seconds| seconds * 1e6 / pace.requests as f64);
        Ok(vec![Some(pace.per_second), taken.sum(), taken.relay, taken.agent])
    }
}
