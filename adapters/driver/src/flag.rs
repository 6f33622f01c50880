//! A flag that is raised once, and that tasks wait for.

use std::sync::atomic::{AtomicBool, Ordering};

use event_listener::Event;

/// Raised once and for ever.
#[derive(Debug, Default)]
pub(crate) struct Flag {
    is_raised: AtomicBool,
    raising: Event,
}

impl Flag {
    pub(crate) fn raise(&self) {
        self.is_raised.store(true, Ordering::Release);
        self.raising.notify(usize::MAX);
    }

    pub(crate) fn is_raised(&self) -> bool {
        self.is_raised.load(Ordering::Acquire)
    }

    /// Ready once the flag is raised. Dropping the future leaves nothing behind.
    pub(crate) async fn raised(&self) {
        while !self.is_raised() {
            let listener = self.raising.listen();
            // It may have been raised between the look and the wait.
            if !self.is_raised() {
                listener.await;
            }
        }
    }
}
