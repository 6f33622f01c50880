//! A flag that is raised once, and that tasks wait for.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use event_listener::{Event, EventListener};

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
    pub(crate) const fn raised(&self) -> Raised<'_> {
        Raised { flag: self, listener: None }
    }
}

/// Waits for a flag.
#[derive(Debug)]
#[must_use = "a future does nothing unless it is awaited"]
pub(crate) struct Raised<'a> {
    flag: &'a Flag,
    listener: Option<EventListener>,
}

impl Raised<'_> {
    /// Whether the wait is over.
    pub(crate) fn is_over(&self) -> bool {
        self.flag.is_raised()
    }
}

impl Future for Raised<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        while !self.is_over() {
            match &mut self.listener {
                Some(listener) => {
                    ready!(Pin::new(listener).poll(cx));
                    self.listener = None;
                }
                // It may have been raised between the look and this.
                None => self.listener = Some(self.flag.raising.listen()),
            }
        }
        Poll::Ready(())
    }
}
