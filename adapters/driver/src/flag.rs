//! A flag that is raised once, and that tasks wait for.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::task::{Poll, Waker};

/// Raised once and for ever.
#[derive(Debug, Default)]
pub(crate) struct Flag {
    is_raised: AtomicBool,
    waiting: Mutex<Vec<Waker>>,
}

impl Flag {
    pub(crate) fn raise(&self) {
        self.is_raised.store(true, Ordering::Release);
        let waiting = std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        waiting.into_iter().for_each(Waker::wake);
    }

    pub(crate) fn is_raised(&self) -> bool {
        self.is_raised.load(Ordering::Acquire)
    }

    /// Ready once the flag is raised.
    pub(crate) async fn raised(&self) {
        std::future::poll_fn(|cx| {
            if !self.is_raised() {
                let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
                if !waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
                    waiting.push(cx.waker().clone());
                }
            }
            // It may have been raised between the look and the wait.
            if self.is_raised() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}
