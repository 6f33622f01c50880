//! The connections of a relay, with the core's table that says which are closed when there are too many.

use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use futures_util::task::AtomicWaker;
use telephone_core::address::AddressBlock;
use telephone_core::connections::{Activity, ConnectionId, ConnectionState, ConnectionTable, Shed};
use telephone_core::time::Timestamp;

use super::{Inner, pressure};
use crate::pump::Wait;
use crate::runtime::Runtime;

/// All connections.
pub(super) struct Connections {
    /// How many there may be, before what else needs descriptors.
    limit: usize,
    shared: Mutex<Shared>,
    /// The table needs to know what connections do. While it does not, a connection keeps that to itself, so that requests
    /// of different connections share no lock.
    is_pressed: AtomicBool,
    /// The process runs short of memory.
    pub(super) is_memory_short: AtomicBool,
}

pub(super) struct Shared {
    pub(super) table: ConnectionTable,
    pub(super) slots: BTreeMap<ConnectionId, Arc<Slot>>,
    /// A task looks at what exchanges move.
    pub(super) has_watch: bool,
}

/// What a connection's task and the table share.
pub(super) struct Slot {
    state: Mutex<ConnectionState>,
    wait: Mutex<Option<SlotWait>>,
    is_closing: AtomicBool,
    /// It is closed since its client is slow.
    is_slow: AtomicBool,
    task: AtomicWaker,
}

/// What the exchange of a connection waits for at its client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SlotWait {
    pub(super) wait: Wait,
    /// Of the socket, if it is blocked and the system lists it.
    pub(super) inode: Option<u64>,
}

impl Slot {
    pub(super) fn wait(&self) -> Option<SlotWait> {
        *self.wait.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, ConnectionState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connections {
    pub(super) fn new(limit: usize) -> Self {
        let (table, slots) = (ConnectionTable::new(limit), BTreeMap::new());
        let is_pressed = AtomicBool::new(table.needs_states());
        let shared = Mutex::new(Shared { table, slots, has_watch: false });
        Self { limit, shared, is_pressed, is_memory_short: AtomicBool::new(false) }
    }

    /// Connections that are open.
    pub(super) fn open(&self) -> usize {
        self.lock().table.open()
    }

    /// Whether connections or memory run short.
    pub(super) fn are_short(&self) -> bool {
        self.is_pressed.load(Ordering::Relaxed) || self.is_memory_short.load(Ordering::Relaxed)
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<R: Runtime> Inner<R> {
    /// Gives the table an input and has the tasks of the connections that it then says end.
    pub(super) fn update_connections<T>(&self, now: Timestamp, input: impl FnOnce(&mut Shared) -> T) -> T {
        let connections = &self.connections;
        let mut shared = connections.lock();
        let result = input(&mut shared);
        let Shared { table, slots, .. } = &mut *shared;
        let is_pressed = table.needs_states();
        if is_pressed != connections.is_pressed.load(Ordering::Relaxed) {
            // Before the states are read: what changes later is told to the table.
            connections.is_pressed.store(is_pressed, Ordering::SeqCst);
            if is_pressed {
                table.handle_states(slots.iter().map(|(id, slot)| (*id, *slot.lock())), now);
            }
        }
        let mut to_close = Vec::new();
        while let Some((id, why)) = table.poll_close() {
            to_close.extend(slots.get(&id).cloned().map(|slot| (slot, why)));
        }
        drop(shared);
        for (slot, why) in to_close {
            slot.is_slow.store(why == Shed::Slow, Ordering::Relaxed);
            slot.is_closing.store(true, Ordering::Release);
            slot.task.wake();
            self.observer.connection_shed(why);
        }
        result
    }

    /// Descriptors that are in use beside those of connections: listening ports, and files of recordings.
    fn other_descriptors(&self) -> usize {
        let recordings = self.config.recorder.as_ref().map_or(0, |_| self.registry.counts().sessions);
        self.ports.open() + recordings
    }
}

/// A connection that was admitted. It counts until this is dropped, which is to be after its socket.
pub(super) struct Permit<R: Runtime> {
    relay: Arc<Inner<R>>,
    id: ConnectionId,
    slot: Arc<Slot>,
}

impl<R: Runtime> Permit<R> {
    /// Admits a new connection of `address`, if it may be served.
    pub(super) fn new(relay: &Arc<Inner<R>>, address: IpAddr, activity: Activity) -> Option<Self> {
        let now = relay.runtime.now();
        // Until a trusted proxy says for whom it asks its connection is nobody's.
        let block =
            if (relay.config.trust)(address.to_canonical()) { None } else { relay.counted_block(address) };
        let state = ConnectionState { activity, since: now, block };
        let limit = relay.connections.limit.saturating_sub(relay.other_descriptors()).max(1);
        // By itself: with a lower limit the table may need to know what connections do before it looks at the new one.
        relay.update_connections(now, |shared| shared.table.handle_limit(limit, now));
        let admitted = relay.update_connections(now, |Shared { table, slots, .. }| {
            let id = table.handle_opened(state, now)?;
            let (state, wait) = (Mutex::new(state), Mutex::new(None));
            let [is_closing, is_slow] = [const { AtomicBool::new(false) }; 2];
            let slot = Arc::new(Slot { state, wait, is_closing, is_slow, task: AtomicWaker::new() });
            slots.insert(id, slot.clone());
            Some((id, slot))
        });
        if admitted.is_none() {
            relay.observer.connection_shed(Shed::Refused);
        }
        pressure::watch(relay);
        admitted.map(|(id, slot)| Self { relay: relay.clone(), id, slot })
    }

    /// It is used for something else from now on.
    pub(super) fn set(&self, activity: Activity, now: Timestamp) {
        let block = self.slot.lock().block;
        self.change(ConnectionState { activity, since: now, block });
    }

    /// It has a request of a client of that block from now on.
    pub(super) fn set_client(&self, block: Option<AddressBlock>, now: Timestamp) {
        self.change(ConnectionState { activity: Activity::Exchange, since: now, block });
    }

    fn change(&self, state: ConnectionState) {
        *self.slot.lock() = state;
        // A link that is to be closed tells the table, too: it is kept.
        if self.is_closing() || self.relay.connections.is_pressed.load(Ordering::SeqCst) {
            let changed = |shared: &mut Shared| shared.table.handle_changed(self.id, state, state.since);
            self.relay.update_connections(state.since, changed);
        }
    }

    /// What its exchange waits for at its client, if for anything; `inode` finds the socket's.
    pub(super) fn set_wait(&self, wait: Option<Wait>, inode: impl FnOnce() -> Option<u64>) {
        let mut known = self.slot.wait.lock().unwrap_or_else(PoisonError::into_inner);
        *known = match (*known, wait) {
            (_, None) => None,
            (Some(SlotWait { wait: Wait { is_blocked, since, .. }, inode }), Some(wait))
                if is_blocked == wait.is_blocked =>
            {
                Some(SlotWait { wait: Wait { since, ..wait }, inode })
            }
            (_, Some(wait)) => Some(SlotWait { wait, inode: if wait.is_blocked { inode() } else { None } }),
        };
    }

    /// Whether it is to be closed since its client is slow.
    pub(super) fn is_slow(&self) -> bool {
        self.is_closing() && self.slot.is_slow.load(Ordering::Relaxed)
    }

    /// It was idle, is to be closed for that, and has a request all the same. Whether it stays open to serve it.
    pub(super) fn ask_to_stay(&self, now: Timestamp) -> bool {
        let state = {
            let mut state = self.slot.lock();
            (state.activity, state.since) = (Activity::Exchange, now);
            *state
        };
        // Before the table may choose it anew.
        self.slot.is_closing.store(false, Ordering::Release);
        let asked = |shared: &mut Shared| shared.table.handle_asked(self.id, state, now);
        let is_kept = self.relay.update_connections(now, asked);
        if !is_kept {
            self.slot.is_closing.store(true, Ordering::Release);
        }
        is_kept
    }

    /// Whether it is to be closed.
    pub(super) fn is_closing(&self) -> bool {
        self.slot.is_closing.load(Ordering::Acquire)
    }

    /// Ready when it is to be closed; until then the latest task that asked is woken for that.
    pub(super) fn poll_closing(&self, cx: &Context<'_>) -> Poll<()> {
        self.slot.task.register(cx.waker());
        if self.is_closing() { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Waits until it is to be closed.
    pub(super) fn closing(&self) -> impl Future<Output = ()> + Send {
        poll_fn(|cx| self.poll_closing(cx))
    }
}

impl<R: Runtime> Drop for Permit<R> {
    fn drop(&mut self) {
        let now = self.relay.runtime.now();
        self.relay.update_connections(now, |Shared { table, slots, .. }| {
            slots.remove(&self.id);
            table.handle_closed(self.id, now);
        });
    }
}
