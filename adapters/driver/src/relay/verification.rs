//! Checks of signatures, off the event loop: as many at once as there are processors, in the order that the core's
//! [`VerificationQueue`] says.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread::available_parallelism;

use telephone_core::address::AddressBlock;
use telephone_core::limits::HelloLimits;
use telephone_core::time::Timestamp;
use telephone_core::verification::{Applicant, CheckTicket, Overload, Turn, VerificationQueue};

use super::{Inner, report};
use crate::authority::{AuthError, Authority};
use crate::runtime::Runtime;

/// The checks of one relay.
pub(super) struct Verification(Mutex<State>);

struct State {
    queue: VerificationQueue,
    /// Those whose turn has not been told yet.
    waiting: BTreeMap<CheckTicket, Waiting>,
}

#[derive(Default)]
struct Waiting {
    turn: Option<Turn>,
    waker: Option<Waker>,
}

/// Why a token allows nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unverified {
    /// It was checked.
    Bad(AuthError),
    /// It was not checked.
    Overload(Overload),
}

impl Verification {
    pub(super) fn new(limits: HelloLimits) -> Self {
        let processors = available_parallelism().map_or(1, Into::into);
        let queue = VerificationQueue::new(limits, processors);
        Self(Mutex::new(State { queue, waiting: BTreeMap::new() }))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the queue and wakes those whose turn has come with it.
    fn change<T>(&self, now: Timestamp, change: impl FnOnce(&mut State) -> T) -> T {
        let mut woken = Vec::new();
        let mut state = self.lock();
        let result = change(&mut state);
        while let Some((ticket, turn)) = state.queue.poll_turn(now) {
            if let Some(waiting) = state.waiting.get_mut(&ticket) {
                waiting.turn = Some(turn);
                woken.extend(waiting.waker.take());
            }
        }
        drop(state);
        woken.into_iter().for_each(Waker::wake);
        result
    }

    fn poll_turn(&self, ticket: CheckTicket, cx: &Context<'_>) -> Poll<Turn> {
        let mut state = self.lock();
        let Some(waiting) = state.waiting.get_mut(&ticket) else { return Poll::Pending };
        let Some(turn) = waiting.turn.take() else {
            waiting.waker = Some(cx.waker().clone());
            return Poll::Pending;
        };
        state.waiting.remove(&ticket);
        Poll::Ready(turn)
    }
}

impl<R: Runtime> Inner<R> {
    /// Whoever shows a token from an address.
    pub(super) fn applicant(&self, address: IpAddr) -> Applicant {
        let counted = self.counted_block(address);
        let block = counted.unwrap_or_else(|| AddressBlock::of(address));
        Applicant { block, is_counted: counted.is_some() }
    }

    /// Counts a failure of an address that took no check, such as a hello that breaks the protocol.
    pub(super) fn count_failure(&self, address: IpAddr) {
        let now = self.runtime.now();
        self.verification.change(now, |state| state.queue.count_failure(self.applicant(address), now));
    }
}

/// Has the relay's authority `judge` a token that came from `address`, when its turn comes. Dropping the future gives the
/// turn up; a check that has begun goes on, and counts.
pub(super) async fn verify<R: Runtime, T: Send + 'static>(
    relay: &Arc<Inner<R>>,
    address: IpAddr,
    judge: impl FnOnce(&dyn Authority) -> Result<T, AuthError> + Send + 'static,
) -> Result<T, Unverified> {
    verify_as(relay, relay.applicant(address), address, judge).await
}

/// Likewise, on behalf of an applicant that is not counted as all others of its address.
pub(super) async fn verify_as<R: Runtime, T: Send + 'static>(
    relay: &Arc<Inner<R>>,
    applicant: Applicant,
    address: IpAddr,
    judge: impl FnOnce(&dyn Authority) -> Result<T, AuthError> + Send + 'static,
) -> Result<T, Unverified> {
    let place = Place::new(relay, applicant);
    let ticket = place.ticket;
    let turn = poll_fn(|cx| relay.verification.poll_turn(ticket, cx)).await;
    match turn {
        Turn::Begin => {
            let running = Running { relay: relay.clone(), ticket, has_failed: false };
            relay.runtime.spawn_blocking(move || running.run(judge)).await.map_err(Unverified::Bad)
        }
        Turn::Refuse(overload) => {
            report::unchecked(relay, address);
            relay.observer.token_unchecked();
            Err(Unverified::Overload(overload))
        }
    }
}

/// A place in the queue, given up when dropped.
struct Place<'a, R: Runtime> {
    relay: &'a Inner<R>,
    ticket: CheckTicket,
}

impl<'a, R: Runtime> Place<'a, R> {
    fn new(relay: &'a Inner<R>, applicant: Applicant) -> Self {
        let now = relay.runtime.now();
        let ticket = relay.verification.change(now, |state| {
            let ticket = state.queue.enter(applicant, now);
            state.waiting.insert(ticket, Waiting::default());
            ticket
        });
        Self { relay, ticket }
    }
}

impl<R: Runtime> Drop for Place<'_, R> {
    fn drop(&mut self) {
        let now = self.relay.runtime.now();
        self.relay.verification.change(now, |state| {
            let Some(waiting) = state.waiting.remove(&self.ticket) else { return };
            match waiting.turn {
                // Nobody took the turn, and nothing was checked.
                Some(Turn::Begin) => state.queue.finish(self.ticket, false, now),
                Some(Turn::Refuse(_)) => {}
                None => state.queue.cancel(self.ticket),
            }
        });
    }
}

/// A check that has begun, finished when dropped: by the thread that ran it, or without having run.
struct Running<R: Runtime> {
    relay: Arc<Inner<R>>,
    ticket: CheckTicket,
    has_failed: bool,
}

impl<R: Runtime> Running<R> {
    fn run<T>(mut self, judge: impl FnOnce(&dyn Authority) -> Result<T, AuthError>) -> Result<T, AuthError> {
        // Also if it panics.
        self.has_failed = true;
        let verdict = judge(&*self.relay.authority);
        self.has_failed = verdict.is_err();
        verdict
    }
}

impl<R: Runtime> Drop for Running<R> {
    fn drop(&mut self) {
        let now = self.relay.runtime.now();
        self.relay.verification.change(now, |state| state.queue.finish(self.ticket, self.has_failed, now));
    }
}
