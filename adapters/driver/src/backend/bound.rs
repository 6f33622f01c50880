//! Connections to the backend on which a login runs, between two requests of the client connection that it belongs to.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use telephone_core::bound::Bound;
use telephone_core::limits::BackendLimits;

use super::pool::{Kept, is_quiet};
use crate::runtime::Runtime;
use crate::shared::Owner;

type Shelf<R> = Bound<Owner, Box<Kept<R>>>;

pub(super) struct BoundConnections<R: Runtime> {
    runtime: R,
    shelf: Arc<Mutex<State<R>>>,
}

struct State<R: Runtime> {
    connections: Shelf<R>,
    /// Somebody closes what waits too long.
    has_reaper: bool,
}

impl<R: Runtime> BoundConnections<R> {
    pub(super) fn new(runtime: R, limits: &BackendLimits) -> Self {
        let connections = Bound::new(limits.bound, limits.bound_time);
        Self { runtime, shelf: Arc::new(Mutex::new(State { connections, has_reaper: false })) }
    }

    /// The connection of `owner`, if its backend has not closed it meanwhile.
    pub(super) fn take(&self, owner: Owner) -> Option<Box<Kept<R>>> {
        let mut kept = lock(&self.shelf).connections.take(&owner, self.runtime.now())?;
        is_quiet(&mut kept.connection).then_some(kept)
    }

    /// Keeps a connection for the next request of `owner`, if it can serve another one (I23).
    pub(super) fn put(&self, owner: Owner, kept: Box<Kept<R>>) {
        if !kept.client.is_reusable(&kept.connection.input) {
            return;
        }
        let mut state = lock(&self.shelf);
        let closed = state.connections.put(owner, kept, self.runtime.now());
        let is_first = !std::mem::replace(&mut state.has_reaper, true);
        drop(state);
        drop(closed);
        if is_first {
            self.runtime.spawn(reap(self.runtime.clone(), self.shelf.clone()));
        }
    }

    /// Closes them all. Tells if there was one.
    pub(super) fn close_idle(&self) -> bool {
        let closed = lock(&self.shelf).connections.take_all();
        !closed.is_empty()
    }
}

/// Closes what waits too long; ends when nothing is left.
async fn reap<R: Runtime>(runtime: R, shelf: Arc<Mutex<State<R>>>) {
    loop {
        let next = {
            let mut state = lock(&shelf);
            let Some(next) = state.connections.poll_timeout() else {
                state.has_reaper = false;
                return;
            };
            next
        };
        runtime.sleep_until(next).await;
        let late = lock(&shelf).connections.handle_timeout(runtime.now());
        drop(late);
    }
}

fn lock<R: Runtime>(shelf: &Mutex<State<R>>) -> MutexGuard<'_, State<R>> {
    shelf.lock().unwrap_or_else(PoisonError::into_inner)
}
