//! More streams in a session.

use telephone_core::limits::SessionLimits;
use telephone_peers::backend::{SMALL, Serving};
use telephone_peers::failed::Failed;
use telephone_peers::line::Site;
use telephone_peers::systems;
use telephone_peers::wrk::Load;

use super::{COUNTS, Column, Curve, Given};

/// Clients that ask again as soon as they are answered, all through one session: each has a stream almost always.
#[derive(Debug)]
pub(super) struct Streams;

impl Curve for Streams {
    fn name(&self) -> &'static str {
        "streams"
    }

    fn about(&self) -> &'static str {
        "answers of 10 octets on so many kept connections through one session, and the CPU time that one takes"
    }

    fn axis(&self) -> &'static str {
        "streams in a session"
    }

    /// As far as a sidecar lets its plugboard go by default: more clients wait, and too many are refused.
    fn points(&self) -> Vec<u64> {
        let most = SessionLimits::default().streams;
        COUNTS.into_iter().filter(|&count| count <= most).collect()
    }

    fn columns(&self) -> Vec<Column> {
        vec![
            Column::drawn("relay, CPU µs a request"),
            Column::drawn("sidecar, CPU µs a request"),
            Column::told("requests/s"),
        ]
    }

    fn take(&self, at: u64, given: &Given<'_>) -> Result<Vec<Option<f64>>, Failed> {
        let site = Site { backend: given.backends.addr(Serving::Files), link: None };
        let line = systems::telephone().start(&site)?;
        let connections = u32::try_from(at).unwrap_or(u32::MAX);
        let load = Load { path: SMALL, connections, closes: false, seconds: given.seconds };
        let before = line.cpu()?;
        let pace = load.put_on(line.addr())?;
        let taken = line.cpu_since(&before)?.map(|seconds| seconds * 1e6 / pace.requests as f64);
        Ok(vec![taken.relay, taken.agent, Some(pace.per_second)])
    }
}
