//! The sidecar on tokio.

use std::io;
use std::process::ExitCode;
use std::task::Poll;

use futures_lite::{Stream, stream};
use telephone_sidecar::{Exit, Stop};
use telephone_tokio::TokioRuntime;
use tokio::signal::unix::{SignalKind, signal};

fn main() -> ExitCode {
    telephone_sidecar::main("telephone", |settings| {
        let cannot_start = |error: io::Error| Stop::new(Exit::Failed, error);
        // One thread: a sidecar waits for sockets, it does not compute.
        let tokio =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(cannot_start)?;
        tokio.block_on(async {
            let signals = signals().map_err(cannot_start)?;
            telephone_sidecar::run(TokioRuntime::new(), settings, signals).await
        })
    })
}

/// Every request to stop, by the system or by the keyboard.
fn signals() -> io::Result<impl Stream<Item = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(stream::poll_fn(move |cx| {
        if terminate.poll_recv(cx).is_ready() || interrupt.poll_recv(cx).is_ready() {
            return Poll::Ready(Some(()));
        }
        Poll::Pending
    }))
}
