//! Sessions whose plugboards asked their telephone to move: each goes on beside its successor until it is left.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll};

use futures_lite::future;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use telephone_core::error::{CloseReason, LeaveCode};
use telephone_core::recording::Recorded;
use telephone_core::wire::Move;

use crate::flag::Flag;
use crate::shared::{Ending, SharedSession};

/// Sessions of one line that go on beside their successor.
const PARTING_MAX: usize = 4;

/// What a plugboard asked of one session's telephone, the first time.
#[derive(Default)]
pub(super) struct Asked {
    order: OnceLock<Move>,
    flag: Flag,
}

impl Asked {
    pub(super) fn set(&self, order: Move) {
        let _ = self.order.set(order);
        self.flag.raise();
    }

    /// Whether it asked.
    pub(super) fn is_set(&self) -> bool {
        self.flag.is_raised()
    }

    /// The order, once it comes.
    pub(super) async fn order(&self) -> Move {
        self.flag.raised().await;
        self.order.get().cloned().unwrap_or(Move { within_ms: 0, url: None })
    }
}

/// The sessions of one line that go on beside their successor.
#[derive(Default)]
pub(super) struct Parting<'a> {
    running: Mutex<FuturesUnordered<Pin<Box<dyn Future<Output = ()> + Send + 'a>>>>,
    sessions: Mutex<Vec<SharedSession>>,
}

impl<'a> Parting<'a> {
    /// Goes on with a session by what serves its link, and ends it with that; then says so, and why.
    pub(super) fn add(
        &self,
        session: SharedSession,
        ending: Ending,
        running: impl Future<Output = Option<CloseReason>> + Send + 'a,
        ended: impl FnOnce(CloseReason) + Send + 'a,
    ) {
        let mut sessions = self.open();
        if sessions.len() >= PARTING_MAX {
            // Whoever asks again and again is not served on all of them.
            sessions.remove(0).leave(LeaveCode::Stopped);
        }
        sessions.push(session);
        drop(sessions);
        lock(&self.running).push(Box::pin(async move {
            let reason = running.await.unwrap_or(CloseReason::LinkLost);
            drop(ending);
            ended(reason);
        }));
    }

    fn open(&self) -> MutexGuard<'_, Vec<SharedSession>> {
        let mut sessions = lock(&self.sessions);
        sessions.retain(|session| session.closed().is_none());
        sessions
    }

    /// Whether one of them has a link.
    pub(super) fn is_up(&self) -> bool {
        self.open().iter().any(SharedSession::is_up)
    }

    /// Tells their plugboards that the successor is there.
    pub(super) fn confirm(&self) {
        for session in self.open().iter() {
            session.act(Recorded::confirm_move);
        }
    }

    /// Leaves them all.
    pub(super) fn leave(&self, code: LeaveCode) {
        for session in self.open().iter() {
            session.leave(code);
        }
    }

    /// Runs `what`, and the sessions beside it.
    pub(super) async fn beside<T>(&self, what: impl Future<Output = T>) -> T {
        // Behind `what`, so that a session which that adds is polled before the task sleeps.
        let running = poll_fn(|cx| match self.poll_ended(cx) {
            Poll::Ready(()) | Poll::Pending => Poll::Pending,
        });
        future::or(what, running).await
    }

    /// Ready once they are over, each by itself.
    pub(super) async fn ended(&self) {
        poll_fn(|cx| self.poll_ended(cx)).await;
    }

    fn poll_ended(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut running = lock(&self.running);
        while std::task::ready!(running.poll_next_unpin(cx)).is_some() {
            // So that nothing is kept of the one that is over.
            drop(self.open());
        }
        Poll::Ready(())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
