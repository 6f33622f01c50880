//! Waiting for the peer to allow one more stream: whoever came first is called first, and no more are called than there
//! are slots.

use std::collections::BTreeMap;
use std::task::{Context, Poll, Waker};

use telephone_core::session::Session;

use super::SharedSession;

/// Those who wait at one session.
#[derive(Debug, Default)]
pub(super) struct Queue {
    next: u64,
    waiting: BTreeMap<u64, Waker>,
    /// How many were called and are still about to open their stream.
    called: u64,
}

impl Queue {
    /// Takes those whose turn it is: all of them if nobody may open streams any more.
    pub(super) fn call(&mut self, session: &Session, callers: &mut Vec<Waker>) {
        let free = if session.is_open() { session.free_slots() } else { u64::MAX };
        while self.called < free {
            let Some((_, waker)) = self.waiting.pop_first() else { return };
            self.called += 1;
            callers.push(waker);
        }
    }
}

/// A place in the queue for a slot, given up when dropped.
pub(crate) struct SlotWait<'a> {
    session: &'a SharedSession,
    ticket: Option<u64>,
}

impl SharedSession {
    /// Stands in the queue for a slot.
    pub(crate) fn wait_for_slot(&self) -> SlotWait<'_> {
        SlotWait { session: self, ticket: None }
    }
}

impl SlotWait<'_> {
    /// Ready once a stream may be opened, or none ever again. Another may still be faster: then this is polled again.
    pub(crate) fn poll(&mut self, cx: &Context<'_>) -> Poll<()> {
        let mut state = self.session.lock();
        if state.session.free_slots() > 0 || !state.session.is_open() {
            return Poll::Ready(());
        }
        let queue = &mut state.openers;
        let was_called = self.ticket.is_some_and(|ticket| !queue.waiting.contains_key(&ticket));
        queue.called -= u64::from(was_called);
        let ticket = *self.ticket.get_or_insert(queue.next);
        queue.next = queue.next.max(ticket + 1);
        queue.waiting.insert(ticket, cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for SlotWait<'_> {
    fn drop(&mut self) {
        let Some(ticket) = self.ticket else { return };
        // The change calls the next one.
        self.session.change(|state| {
            if state.openers.waiting.remove(&ticket).is_none() {
                state.openers.called -= 1;
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use telephone_core::limits::SessionLimits;
    use telephone_core::session::OpenError;

    use super::super::tests::{Woken, limited, opening};
    use super::*;

    #[test]
    fn whoever_waits_longest_is_called_and_hands_on_what_it_does_not_take() {
        let limits = SessionLimits { streams: 1, ..SessionLimits::default() };
        let session = limited(limits);
        let stream = session.open(opening(), false, session.now()).unwrap();
        assert_eq!(session.open(opening(), false, session.now()).err(), Some(OpenError::TooManyStreams));
        let woken: Vec<_> = (0..3).map(|_| Arc::new(Woken::default())).collect();
        let wakers: Vec<Waker> = woken.iter().cloned().map(Waker::from).collect();
        let mut waits: Vec<_> = (0..3).map(|_| session.wait_for_slot()).collect();
        for (wait, waker) in waits.iter_mut().zip(&wakers) {
            assert!(wait.poll(&Context::from_waker(waker)).is_pending());
            // A second look keeps the place.
            assert!(wait.poll(&Context::from_waker(waker)).is_pending());
        }

        // The peer has not heard of the stream, so that its slot is free at once.
        drop(stream);
        assert_eq!([true, false, false], [0, 1, 2].map(|at| woken[at].is_woken()));

        drop(waits.remove(0));
        assert_eq!([true, true, false], [0, 1, 2].map(|at| woken[at].is_woken()));
        assert!(waits[0].poll(&Context::from_waker(&wakers[1])).is_ready());
        let _stream = session.open(opening(), false, session.now()).unwrap();
        drop(waits.remove(0));
        assert!(!woken[2].is_woken(), "there is no second slot");
        assert!(waits[0].poll(&Context::from_waker(&wakers[2])).is_pending());

        session.abandon();
        assert!(woken[2].is_woken());
        assert!(waits[0].poll(&Context::from_waker(&wakers[2])).is_ready());
    }
}
