//! Waiting for the peer to allow one more stream: whoever came first is called first, and no more are called than there
//! are slots.

use std::collections::BTreeMap;
use std::task::{Context, Poll, Waker};

use telephone_core::session::{OpenError, Session};
use telephone_core::time::Timestamp;
use telephone_core::wire::Opening;

use super::{SharedSession, State, open_told};
use crate::stream::StreamHandle;

/// Those who wait at one session.
#[derive(Debug, Default)]
pub(super) struct Queue {
    next: u64,
    waiting: BTreeMap<u64, Waker>,
    /// How many were called and are still about to open their stream.
    called: u64,
    /// When one of them had its stream the last time.
    freed_at: Timestamp,
}

impl Queue {
    /// Whether nobody waits.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.called == 0
    }

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
    /// Stands in the queue for a slot; `None` if so many wait already.
    pub(crate) fn wait_for_slot(&self, waiting_max: usize) -> Option<SlotWait<'_>> {
        let is_full = self.lock().openers.waiting.len() >= waiting_max;
        (!is_full).then_some(SlotWait { session: self, ticket: None })
    }
}

impl SlotWait<'_> {
    /// When somebody who waited had a stream the last time.
    pub(crate) fn freed_at(&self) -> Timestamp {
        self.session.lock().openers.freed_at
    }

    /// Opens the stream, for a client connection on which a login runs if that is given, when its turn has come, or fails
    /// when none can be opened any more.
    pub(crate) fn poll_open(
        &mut self,
        client: Option<u64>,
        opening: &impl Fn() -> Opening,
        end: bool,
        now: Timestamp,
        cx: &Context<'_>,
    ) -> Poll<Result<StreamHandle, OpenError>> {
        let opened = self.session.change(|State { session, openers: queue, .. }| {
            let is_called = self.ticket.is_some_and(|ticket| !queue.waiting.contains_key(&ticket));
            let is_next = is_called || queue.is_empty();
            if !session.is_open() || (is_next && session.free_slots() > 0) {
                let opened = open_told(session, client, opening(), end, now);
                if opened != Err(OpenError::TooManyStreams) {
                    queue.freed_at = now;
                    return Poll::Ready(opened);
                }
            }
            queue.called -= u64::from(is_called);
            let ticket = *self.ticket.get_or_insert(queue.next);
            queue.next = queue.next.max(ticket + 1);
            queue.waiting.insert(ticket, cx.waker().clone());
            Poll::Pending
        });
        opened.map_ok(|id| StreamHandle::new(self.session.clone(), id))
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

    use super::super::tests::{Woken, limited, opening};
    use super::*;

    fn poll(wait: &mut SlotWait<'_>, waker: &Waker) -> Poll<Result<StreamHandle, OpenError>> {
        wait.poll_open(None, &opening, false, Timestamp::ZERO, &Context::from_waker(waker))
    }

    #[test]
    fn whoever_waits_longest_is_called_and_hands_on_what_it_does_not_take() {
        let session = limited(SessionLimits { streams: 1, ..SessionLimits::default() });
        let open = || session.open(opening(), false, session.now());
        let stream = open().unwrap();
        assert_eq!(open().err(), Some(OpenError::TooManyStreams));
        let woken: Vec<_> = (0..3).map(|_| Arc::new(Woken::default())).collect();
        let wakers: Vec<Waker> = woken.iter().cloned().map(Waker::from).collect();
        let mut waits: Vec<_> = (0..3).map(|_| session.wait_for_slot(3).unwrap()).collect();
        for (wait, waker) in waits.iter_mut().zip(&wakers) {
            assert!(poll(wait, waker).is_pending());
            // A second look keeps the place.
            assert!(poll(wait, waker).is_pending());
        }
        assert!(session.wait_for_slot(3).is_none(), "the queue is full");

        // The peer has not heard of the stream, so that its slot is free at once.
        drop(stream);
        assert_eq!([true, false, false], [0, 1, 2].map(|at| woken[at].is_woken()));
        assert_eq!(open().err(), Some(OpenError::TooManyStreams), "nobody overtakes those who wait");
        assert!(poll(&mut waits[2], &wakers[2]).is_pending(), "nor do they each other");

        drop(waits.remove(0));
        assert_eq!([true, true, false], [0, 1, 2].map(|at| woken[at].is_woken()));
        let Poll::Ready(Ok(_stream)) = poll(&mut waits[0], &wakers[1]) else { panic!("its turn has come") };
        drop(waits.remove(0));
        assert!(!woken[2].is_woken(), "there is no second slot");
        assert!(poll(&mut waits[0], &wakers[2]).is_pending());

        session.abandon();
        assert!(woken[2].is_woken());
        assert!(matches!(poll(&mut waits[0], &wakers[2]), Poll::Ready(Err(OpenError::Leaving))));
    }
}
