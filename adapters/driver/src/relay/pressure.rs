//! A look each second at what exchanges move, while connections, descriptors or memory run short.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use telephone_core::connections::{ConnectionId, Pace};

use super::Inner;
use super::connections::{Shared, SlotWait};
use crate::runtime::Runtime;
use crate::send_queue;

/// Between two looks.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// Has a task look while there is a shortage, unless one does.
pub(super) fn watch<R: Runtime>(relay: &Arc<Inner<R>>) {
    if relay.connections.are_short() && !std::mem::replace(&mut relay.connections.lock().has_watch, true) {
        relay.runtime.spawn(looks(relay.clone()));
    }
}

async fn looks<R: Runtime>(relay: Arc<Inner<R>>) {
    while relay.is_short() {
        relay.runtime.sleep_until(relay.runtime.now() + LOOK_INTERVAL).await;
        relay.look().await;
    }
}

impl<R: Runtime> Inner<R> {
    /// Whether there is a shortage; if not, the task that looks is about to end.
    fn is_short(&self) -> bool {
        let mut shared = self.connections.lock();
        let is_memory_short = self.connections.is_memory_short.load(Ordering::Relaxed);
        shared.has_watch = !self.stopping.is_raised() && (is_memory_short || shared.table.needs_states());
        shared.has_watch
    }

    /// Tells the table what exchanges have moved that wait for their clients.
    async fn look(&self) {
        let before = waits(&self.connections.lock());
        let queues = if before.iter().any(|(_, wait)| wait.inode.is_some()) {
            self.runtime.spawn_blocking(send_queue::read).await
        } else {
            None
        };
        let pace = |shared: &Shared, (id, seen): (ConnectionId, SlotWait)| {
            let SlotWait { wait, inode } = seen;
            if !wait.is_blocked {
                return Some((id, Pace { since: wait.since, moved: wait.moved }));
            }
            // One that has just taken something moves, and how much is told by the next look.
            let is_same = shared.slots.get(&id).and_then(|slot| slot.wait()) == Some(seen);
            let held = queues.as_ref()?.get(&inode?).copied().unwrap_or(0);
            is_same.then_some((id, Pace { since: wait.since, moved: wait.moved.saturating_sub(held) }))
        };
        let is_memory_short = self.connections.is_memory_short.load(Ordering::Relaxed);
        let shortage = (self.config.http.body_bytes_min, is_memory_short);
        let now = self.runtime.now();
        self.update_connections(now, |shared| {
            let paces: Vec<_> = before.into_iter().filter_map(|seen| pace(shared, seen)).collect();
            let Shared { table, slots, .. } = shared;
            table.handle_states(slots.iter().map(|(id, slot)| (*id, *slot.lock())), now);
            table.handle_paces(paces, shortage, now);
        });
    }
}

fn waits(shared: &Shared) -> Vec<(ConnectionId, SlotWait)> {
    shared.slots.iter().filter_map(|(id, slot)| Some((*id, slot.wait()?))).collect()
}
