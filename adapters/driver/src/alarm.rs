//! One timer that follows a moving deadline.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Waker};

use telephone_core::time::Timestamp;

use crate::runtime::Runtime;

/// A timer that is left standing when its deadline moves back, so that traffic costs no timer operations.
pub(crate) struct Alarm<R: Runtime> {
    runtime: R,
    set: Option<Set<R::Sleep>>,
}

struct Set<S> {
    at: Timestamp,
    sleep: Pin<Box<S>>,
    /// Whom it wakes.
    waker: Waker,
}

impl<R: Runtime> Alarm<R> {
    pub(crate) const fn new(runtime: R) -> Self {
        Self { runtime, set: None }
    }

    /// The time, as its clock has it.
    pub(crate) fn now(&self) -> Timestamp {
        self.runtime.now()
    }

    /// Whether `deadline` has come. If not, the task is woken no later than then, perhaps earlier. `now` may be a moment
    /// ago: when the task was woken.
    pub(crate) fn poll(&mut self, deadline: Option<Timestamp>, now: Timestamp, cx: &mut Context<'_>) -> bool {
        // One that is set stands until it comes: the next deadline is seldom nearer.
        let Some(deadline) = deadline else { return false };
        loop {
            let set = match &mut self.set {
                // There is nothing to ask it before.
                Some(set) if set.at <= deadline && now < set.at && set.waker.will_wake(cx.waker()) => {
                    return false;
                }
                Some(set) if set.at <= deadline => set,
                late => late.insert(Set {
                    at: deadline,
                    sleep: Box::pin(self.runtime.sleep_until(deadline)),
                    waker: cx.waker().clone(),
                }),
            };
            if set.sleep.as_mut().poll(cx).is_pending() {
                set.waker.clone_from(cx.waker());
                return false;
            }
            let has_come = set.at >= deadline;
            self.set = None;
            if has_come {
                return true;
            }
        }
    }
}
