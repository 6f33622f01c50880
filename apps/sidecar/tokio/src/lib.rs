//! The sidecar on tokio, as a library: its package is compiled for size, which that of a program cannot be by itself.

use std::io;
use std::process::ExitCode;

use telephone_sidecar::{Builders, Exit, Stop, Terminal};
use telephone_tokio::{TokioRuntime, hangups, stop_signals};

/// Sockets that are looked after before what came of them is said: with all that are ready at once, relay and sidecar
/// would work by turns and never at the same time.
const EVENTS_A_TURN: usize = 32;

const BUILDERS: Builders<TokioRuntime> =
    Builders { backend: telephone_tokio::build_backend, raw: telephone_tokio::build_raw };

/// Runs the program: `telephone`.
#[must_use]
pub fn main() -> ExitCode {
    telephone_sidecar::main("telephone", |command| {
        let terminal = Terminal::at_start();
        let cannot_start = |error: io::Error| Stop::new(Exit::Failed, error);
        // One thread: a sidecar waits for sockets, it does not compute.
        let tokio = tokio::runtime::Builder::new_current_thread()
            .max_io_events_per_tick(EVENTS_A_TURN)
            .enable_all()
            .build()
            .map_err(cannot_start)?;
        let result = tokio.block_on(async {
            let signals = || Ok(telephone_sidecar::signals(terminal, stop_signals()?, hangups()?));
            // A task of its own: what runs under `block_on` itself is woken by way of the kernel.
            let running =
                tokio::spawn(telephone_sidecar::run(TokioRuntime::new(), BUILDERS, command, signals));
            running.await.unwrap_or_else(|lost| Err(Stop::new(Exit::Failed, lost)))
        });
        // A name that the system still looks up is nobody's concern any more: to drop the runtime would wait for it.
        tokio.shutdown_background();
        result
    })
}
