//! The sidecar on smol, as a library: its package is compiled for size, which that of a program cannot be by itself.

use std::io;
use std::process::ExitCode;

use async_signal::{Signal, Signals};
use futures_lite::{Stream, StreamExt};
use smol::Executor;
use telephone_sidecar::{Builders, Terminal};
use telephone_smol::SmolRuntime;

static EXECUTOR: Executor<'static> = Executor::new();

const BUILDERS: Builders<SmolRuntime> =
    Builders { backend: telephone_smol::build_backend, raw: telephone_smol::build_raw };

/// Runs the program: `telephone-smol`.
#[must_use]
pub fn main() -> ExitCode {
    telephone_sidecar::main("telephone-smol", |command| {
        let terminal = Terminal::at_start();
        let signals = || {
            let (stops, hangups) = (signals(&[Signal::Term, Signal::Int])?, signals(&[Signal::Hup])?);
            Ok(telephone_sidecar::signals(terminal, stops, hangups))
        };
        // One thread for tasks and sockets: smol's own executor has another one, and each request would cross over.
        let runtime = SmolRuntime::on(&EXECUTOR);
        let running = EXECUTOR.spawn(telephone_sidecar::run(runtime, BUILDERS, command, signals));
        smol::block_on(EXECUTOR.run(running))
    })
}

/// Each of these signals from now on.
fn signals(of: &[Signal]) -> io::Result<impl Stream<Item = ()> + use<>> {
    Ok(Signals::new(of.iter().copied())?.map(|_| ()))
}
