//! Requests that wait for a session.

use std::task::{Context, Poll, Waker};

use telephone_core::router::{Awaited, Ticket};
use telephone_core::time::Timestamp;

use super::Registry;
use super::choice::{Decision, Settled, choose};

/// A request that waits for a session, or whose wait has ended.
#[derive(Default)]
pub(super) struct Waiting {
    pub(super) settled: Option<Settled>,
    pub(super) waker: Option<Waker>,
}

impl Registry {
    /// Whether the wait of `ticket` has ended; if not, the task is woken when it does, or [is to](Self::wake_at) end earlier.
    pub(in crate::relay) fn poll_wait(&self, ticket: Ticket, cx: &mut Context<'_>) -> Poll<Decision> {
        let mut state = self.lock();
        let Some(waiting) = state.waiting.get_mut(&ticket) else { return Poll::Pending };
        let Some(settled) = waiting.settled.take() else {
            waiting.waker = Some(cx.waker().clone());
            return Poll::Pending;
        };
        state.waiting.remove(&ticket);
        Poll::Ready(match settled {
            Ok(settled) => choose(&mut state, settled),
            Err(refusal) => Decision::Refuse(refusal),
        })
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due for a request that waits.
    pub(in crate::relay) fn wake_at(&self, ticket: Ticket) -> Option<Timestamp> {
        self.lock().router.wake_at(ticket)
    }

    /// What a request waits for, if that is known.
    pub(in crate::relay) fn awaited(&self, ticket: Ticket) -> Option<Awaited> {
        self.lock().router.awaited(ticket)
    }

    /// Gives up a request that may still wait; one whose wait has ended is not concerned.
    pub(in crate::relay) fn cancel(&self, ticket: Ticket) {
        self.with(|state| {
            let settled = state.waiting.remove(&ticket).and_then(|waiting| waiting.settled);
            match settled {
                Some(Ok((key, ..))) => state.router.finish(key),
                Some(Err(_)) => {}
                None => state.router.cancel(ticket),
            }
        });
    }
}
