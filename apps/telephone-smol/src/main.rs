//! The sidecar on smol.

use std::io;
use std::process::ExitCode;

use async_signal::{Signal, Signals};
use futures_lite::{Stream, StreamExt};
use telephone_sidecar::{Exit, Stop};
use telephone_smol::SmolRuntime;

fn main() -> ExitCode {
    telephone_sidecar::main("telephone-smol", |settings| {
        let signals = signals().map_err(|error| Stop::new(Exit::Failed, error))?;
        smol::block_on(telephone_sidecar::run(SmolRuntime::new(), settings, signals))
    })
}

/// Every request to stop, by the system or by the keyboard.
fn signals() -> io::Result<impl Stream<Item = ()>> {
    Ok(Signals::new([Signal::Term, Signal::Int])?.map(|_| ()))
}
