//! The sidecar on smol, as a library: its package is compiled for size, which that of a program cannot be by itself.

use std::io;
use std::process::ExitCode;

use async_signal::{Signal, Signals};
use futures_lite::{Stream, StreamExt};
use smol::Executor;
use telephone_sidecar::{Builders, Exit, Stop};
use telephone_smol::SmolRuntime;

static EXECUTOR: Executor<'static> = Executor::new();

const BUILDERS: Builders<SmolRuntime> =
    Builders { backend: telephone_smol::build_backend, raw: telephone_smol::build_raw };

/// Runs the program: `telephone-smol`.
#[must_use]
pub fn main() -> ExitCode {
    telephone_sidecar::main("telephone-smol", |command| {
        let signals = signals().map_err(|error| Stop::new(Exit::Failed, error))?;
        // One thread for tasks and sockets: smol's own executor has another one, and each request would cross over.
        let runtime = SmolRuntime::on(&EXECUTOR);
        let running = EXECUTOR.spawn(telephone_sidecar::run(runtime, BUILDERS, command, signals));
        smol::block_on(EXECUTOR.run(running))
    })
}

/// Every request to stop, by the system or by the keyboard.
fn signals() -> io::Result<impl Stream<Item = ()>> {
    Ok(Signals::new([Signal::Term, Signal::Int])?.map(|_| ()))
}
