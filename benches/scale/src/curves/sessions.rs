//! More sessions in a relay.

use telephone_peers::failed::Failed;

use super::{COUNTS, Column, Curve, Given};
use crate::crowd::Crowd;
use crate::ground::{Ground, carry, of_each};

/// What the sessions' mounts lie below.
const UNDER: &str = "/session";

/// Telephones with a mount each: idle, after each has carried a body, and while all are asked in turn.
#[derive(Debug)]
pub(super) struct Sessions;

impl Curve for Sessions {
    fn name(&self) -> &'static str {
        "sessions"
    }

    fn about(&self) -> &'static str {
        "what a session takes of its relay: memory while it is idle, at first and after it has carried 10 MiB, CPU \
         time when 64 clients ask all sessions in turn, and time to connect, 64 at once"
    }

    fn axis(&self) -> &'static str {
        "sessions in a relay"
    }

    fn points(&self) -> Vec<u64> {
        COUNTS.to_vec()
    }

    fn columns(&self) -> Vec<Column> {
        vec![
            Column::drawn("KiB an idle session"),
            Column::drawn("KiB a session that has carried 10 MiB"),
            Column::drawn("relay, CPU µs a request"),
            Column::drawn("ms to connect one"),
        ]
    }

    fn take(&self, at: u64, given: &Given<'_>) -> Result<Vec<Option<f64>>, Failed> {
        let ground = Ground::lay()?;
        let before = ground.settled_kib()?;
        let crowd = Crowd::dial(ground.relay(), UNDER, at, 1)?;
        let idle = ground.settled_kib()? - before;
        carry(ground.relay().addr(), UNDER, at, 1)?;
        let carried = ground.settled_kib()? - before;
        let micros = ground.micros_a_request(UNDER, at, given.seconds)?;
        let connecting = crowd.took().as_secs_f64() * 1e3 / at as f64;
        Ok(vec![of_each(idle, at), of_each(carried, at), Some(micros), Some(connecting)])
    }
}
