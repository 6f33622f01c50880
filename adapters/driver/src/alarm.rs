//! One timer that follows a moving deadline.

use std::future::Future;
use std::pin::Pin;
use std::task::Context;

use telephone_core::time::Timestamp;

use crate::runtime::Runtime;

/// A timer that is left standing when its deadline moves back, so that traffic costs no timer operations.
pub(crate) struct Alarm<R: Runtime> {
    runtime: R,
    set: Option<(Timestamp, Pin<Box<R::Sleep>>)>,
}

impl<R: Runtime> Alarm<R> {
    pub(crate) const fn new(runtime: R) -> Self {
        Self { runtime, set: None }
    }

    /// Whether `deadline` has come. If not, the task is woken no later than then, perhaps earlier.
    pub(crate) fn poll(&mut self, deadline: Option<Timestamp>, cx: &mut Context<'_>) -> bool {
        // One that is set stands until it comes: the next deadline is seldom nearer.
        let Some(deadline) = deadline else { return false };
        loop {
            if self.set.as_ref().is_none_or(|(at, _)| *at > deadline) {
                self.set = Some((deadline, Box::pin(self.runtime.sleep_until(deadline))));
            }
            let Some((at, sleep)) = &mut self.set else { return false };
            if sleep.as_mut().poll(cx).is_pending() {
                return false;
            }
            let has_come = *at >= deadline;
            self.set = None;
            if has_come {
                return true;
            }
        }
    }
}
