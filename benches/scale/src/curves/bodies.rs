//! Larger bodies.

use std::time::{Duration, Instant};

use telephone_peers::backend::{BODIES, Serving, body};
use telephone_peers::failed::Failed;
use telephone_peers::line::Site;
use telephone_peers::statistics::median;
use telephone_peers::systems;

use super::{Column, Curve, Given};
use crate::axis::Unit;
use crate::kept::Kept;

/// A GiB, in octets.
const GIB: f64 = (1_u64 << 30) as f64;

/// One client on one connection, which asks for the same body again and again.
#[derive(Debug)]
pub(super) struct Bodies;

impl Curve for Bodies {
    fn name(&self) -> &'static str {
        "bodies"
    }

    fn about(&self) -> &'static str {
        "answers of so many octets to one client on one kept connection: the CPU time of relay and sidecar that one \
         takes, and the time to its first octet"
    }

    fn axis(&self) -> &'static str {
        "octets of a body"
    }

    fn unit(&self) -> Unit {
        Unit::Octet
    }

    fn points(&self) -> Vec<u64> {
        BODIES.to_vec()
    }

    fn columns(&self) -> Vec<Column> {
        vec![
            Column::drawn("relay and sidecar, CPU µs a request"),
            Column::drawn("relay and sidecar, CPU s a GiB"),
            Column::drawn("µs to the first octet"),
        ]
    }

    fn take(&self, at: u64, given: &Given<'_>) -> Result<Vec<Option<f64>>, Failed> {
        let site = Site { backend: given.backends.addr(Serving::Files), link: None };
        let line = systems::telephone().start(&site)?;
        let mut client = Kept::connect(line.addr())?;
        let path = body(at);
        // All connections on the way are there then.
        client.ask_for(&path, at)?;
        let mut first = Vec::new();
        let deadline = Instant::now() + Duration::from_secs(given.seconds.into());
        let before = line.cpu()?;
        loop {
            first.push(client.ask_for(&path, at)?.as_secs_f64() * 1e6);
            if Instant::now() >= deadline {
                break;
            }
        }
        let taken = line.cpu_since(&before)?.sum().map(|seconds| seconds / first.len() as f64);
        let a_gib = taken.filter(|_| at > 0).map(|seconds| seconds * GIB / at as f64);
        Ok(vec![taken.map(|seconds| seconds * 1e6), a_gib, median(&first)])
    }
}
