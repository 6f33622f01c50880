//! Ctrl-C: the run ends, and the figures so far are told.

use std::io;

use futures_lite::{StreamExt, future};
use telephone_tokio::stop_signals;
use tokio::sync::watch;

/// Whether the user wants an end.
pub(super) struct Interrupt(watch::Receiver<bool>);

impl Interrupt {
    /// Listens for SIGINT and SIGTERM from now on.
    pub(super) fn listen() -> io::Result<Self> {
        let mut signals = Box::pin(stop_signals()?);
        let (sender, receiver) = watch::channel(false);
        tokio::spawn(async move {
            if signals.next().await.is_some() {
                let _ = sender.send(true);
            }
            // The sender stays, or its end would look like a signal.
            sender.closed().await;
        });
        Ok(Self(receiver))
    }

    /// Whether there was a signal.
    pub(super) fn has_come(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits for a signal.
    pub(super) async fn wait(&self) {
        let _ = self.0.clone().wait_for(|has_come| *has_come).await;
    }

    /// What `work` gives, or nothing if a signal comes first.
    pub(super) async fn or<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let work = async { Some(work.await) };
        let signal = async {
            self.wait().await;
            None
        };
        future::or(work, signal).await
    }
}
