//! Requests to stop, and SIGHUP.

use std::io;
use std::task::Poll;

use futures_lite::{Stream, stream};
use tokio::signal::unix::{SignalKind, signal};

/// Each SIGTERM and each SIGINT from now on: a request to stop, by the system or by the keyboard. Neither
/// ends the process by itself any more. To be called within a tokio runtime.
///
/// # Errors
/// What the operating system said.
pub fn stop_signals() -> io::Result<impl Stream<Item = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(stream::poll_fn(move |cx| {
        if terminate.poll_recv(cx).is_ready() || interrupt.poll_recv(cx).is_ready() {
            return Poll::Ready(Some(()));
        }
        Poll::Pending
    }))
}

/// Each SIGHUP from now on. None ends the process by itself any more. To be called within a tokio runtime.
///
/// # Errors
/// What the operating system said.
pub fn hangups() -> io::Result<impl Stream<Item = ()>> {
    let mut hangup = signal(SignalKind::hangup())?;
    Ok(stream::poll_fn(move |cx| hangup.poll_recv(cx)))
}
