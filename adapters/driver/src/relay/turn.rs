//! Waiting for one's turn: for a session that takes the request, and for a stream of it.

use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use futures_lite::future;
use telephone_core::limits::WAIT_TOLD;
use telephone_core::retry::slot_deadline;
use telephone_core::router::{SessionKey, Ticket};
use telephone_core::session::OpenError;
use telephone_core::time::Timestamp;
use telephone_core::wire::Opening;

use super::registry::{Chosen, Decision};
use super::{Inner, report};
use crate::alarm::Alarm;
use crate::runtime::Runtime;
use crate::stream::StreamHandle;

/// Gives a chosen session back, however the exchange's task ends.
pub(super) struct Lease<'a, R: Runtime> {
    relay: &'a Inner<R>,
    key: SessionKey,
}

impl<'a, R: Runtime> Lease<'a, R> {
    pub(super) const fn new(relay: &'a Inner<R>, key: SessionKey) -> Self {
        Self { relay, key }
    }
}

impl<R: Runtime> Drop for Lease<'_, R> {
    fn drop(&mut self) {
        self.relay.registry.finish(self.key);
    }
}

/// Gives up a wait, however the exchange's task ends. After the wait's own end that changes nothing.
struct Place<'a, R: Runtime> {
    relay: &'a Inner<R>,
    ticket: Ticket,
}

impl<R: Runtime> Drop for Place<'_, R> {
    fn drop(&mut self) {
        self.relay.registry.cancel(self.ticket);
    }
}

/// Waits for a parked request's turn. `None` if `left` was ready first.
pub(super) async fn wait_for_session<R: Runtime>(
    relay: &Inner<R>,
    ticket: Ticket,
    left: impl Future<Output = ()>,
) -> Option<Decision> {
    let _place = Place { relay, ticket };
    // With a clock of its own for each, none is woken for another's end.
    let mut alarm = Alarm::new(relay.runtime.clone());
    let mut told_at = Some(relay.runtime.now() + WAIT_TOLD);
    let settled = poll_fn(|cx| {
        loop {
            if let Poll::Ready(decision) = relay.registry.poll_wait(ticket, cx) {
                return Poll::Ready(Some(decision));
            }
            // Asked behind it: the wait may have become shorter.
            let (due, now) = (relay.registry.wake_at(ticket), relay.runtime.now());
            if !alarm.poll(due.into_iter().chain(told_at).min(), now, cx) {
                return Poll::Pending;
            }
            if told_at.take_if(|at| *at <= now).is_some() {
                report::waiting(relay, relay.registry.awaited(ticket));
            }
            relay.registry.handle_timeout(now);
        }
    });
    let left = async {
        left.await;
        None
    };
    future::or(settled, left).await
}

/// How a wait for a session ended, in a word for metrics.
pub(super) const fn outcome<E>(decided: &Result<Option<Decision>, E>) -> &'static str {
    match decided {
        Ok(Some(Decision::To(_))) => "served",
        Ok(Some(Decision::Refuse(_) | Decision::Wait(_))) => "refused",
        Ok(None) => "client_left",
        Err(_) => "revoked",
    }
}

/// Opens a stream, waiting for as long as [`slot_deadline`] says if the session has as many as its telephone takes: a slot
/// comes back only some time after its exchange. Adds that time to `waited`. `Err(None)` if `left` was ready first.
pub(super) async fn open<R: Runtime>(
    relay: &Arc<Inner<R>>,
    (chosen, client, now): (&Chosen, Option<u64>, Timestamp),
    waited: &mut Duration,
    opening: impl Fn() -> Opening,
    end: bool,
    left: impl Future<Output = ()>,
) -> Result<StreamHandle, Option<OpenError>> {
    match chosen.session.open_for(client, opening(), end, now) {
        Err(OpenError::TooManyStreams) => {}
        settled => return settled.map_err(Some),
    }
    let mut slot =
        chosen.session.wait_for_slot(relay.config.router.parked).ok_or(Some(OpenError::TooManyStreams))?;
    let mut alarm = Alarm::new(relay.runtime.clone());
    let opened = poll_fn(|cx| {
        let mut time = relay.runtime.now();
        loop {
            if let Poll::Ready(opened) = slot.poll_open(client, &opening, end, time, cx) {
                return Poll::Ready(opened.map_err(Some));
            }
            let deadline = slot_deadline(now, slot.freed_at(), &relay.config.router);
            if deadline <= time {
                return Poll::Ready(Err(Some(OpenError::TooManyStreams)));
            }
            if !alarm.poll(Some(deadline), time, cx) {
                return Poll::Pending;
            }
            time = relay.runtime.now();
        }
    });
    let left = async {
        left.await;
        Err(None)
    };
    let opened = future::or(opened, left).await;
    *waited += relay.runtime.now().since(now);
    opened
}
