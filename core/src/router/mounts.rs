//! The mounts that the router knows: who serves them, and which were there.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::sessions::Rank;
use super::table::{Ambiguous, MountId, Table};
use super::types::SessionKey;
use crate::affinity::Sticky;
use crate::limits::RouterLimits;
use crate::mount::Mount;
use crate::time::Timestamp;

/// Mounts with their sessions, and for a while those without.
#[derive(Debug, Default)]
pub(super) struct Mounts {
    next: u64,
    table: Table,
    entries: BTreeMap<MountId, Entry>,
    /// Mounts without a session, the one that lost its last session first in front.
    lost: BTreeSet<(Timestamp, MountId)>,
}

#[derive(Debug)]
struct Entry {
    mount: Arc<Mount>,
    /// All of one subject, in the order in which they came.
    members: Vec<SessionKey>,
    /// Whose turn it is among equally busy members.
    turn: usize,
    /// How its clients are bound to its members, as the latest of those wants that asks for it at all.
    sticky: Option<Sticky>,
    lost_at: Timestamp,
}

impl Mounts {
    pub(super) fn find(&self, mount: &Mount) -> Option<MountId> {
        self.table.find(mount)
    }

    pub(super) fn lookup(&self, host: Option<&[u8]>, path: &[u8]) -> Result<Option<MountId>, Ambiguous> {
        self.table.lookup(host, path)
    }

    pub(super) fn mount(&self, id: MountId) -> Option<&Arc<Mount>> {
        self.entries.get(&id).map(|entry| &entry.mount)
    }

    /// The sessions of a mount, in the order in which they came.
    pub(super) fn members(&self, id: MountId) -> &[SessionKey] {
        self.entries.get(&id).map_or(&[], |entry| &entry.members)
    }

    /// Adds a session to a mount, which need not be known yet.
    pub(super) fn join(&mut self, mount: &Mount, key: SessionKey) -> MountId {
        let id = self.table.find(mount).unwrap_or_else(|| self.create(mount));
        if let Some(entry) = self.entries.get_mut(&id) {
            self.lost.remove(&(entry.lost_at, id));
            entry.members.push(key);
        }
        id
    }

    fn create(&mut self, mount: &Mount) -> MountId {
        let id = MountId(self.next);
        self.next = self.next.saturating_add(1);
        self.table.insert(mount, id);
        let mount = Arc::new(mount.clone());
        let (members, lost_at) = (Vec::new(), Timestamp::ZERO);
        self.entries.insert(id, Entry { mount, members, turn: 0, sticky: None, lost_at });
        id
    }

    /// Takes a session away from a mount, which stays in memory after its last one.
    pub(super) fn leave(&mut self, id: MountId, key: SessionKey, now: Timestamp) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        entry.members.retain(|member| *member != key);
        if entry.members.is_empty() {
            entry.lost_at = now;
            self.lost.insert((now, id));
        }
    }

    pub(super) fn sticky(&self, id: MountId) -> Option<Sticky> {
        self.entries.get(&id).and_then(|entry| entry.sticky)
    }

    /// Its members have changed: `wish` says how each of them wants clients to be bound.
    pub(super) fn settle_sticky(&mut self, id: MountId, wish: impl Fn(SessionKey) -> Option<Sticky>) {
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.sticky = entry.members.iter().rev().find_map(|&member| wish(member));
        }
    }

    /// Forgets one mount that was lost too long ago, or one too many.
    pub(super) fn forget_one(&mut self, limits: &RouterLimits, now: Timestamp) -> Option<MountId> {
        let &(lost_at, id) = self.lost.first()?;
        if self.lost.len() <= limits.remembered && now.since(lost_at) < limits.remember_time {
            return None;
        }
        self.lost.remove(&(lost_at, id));
        if let Some(entry) = self.entries.remove(&id) {
            self.table.remove(&entry.mount);
        }
        Some(id)
    }

    /// Chooses the session of a mount with the least rank, of equal ones the next in turn. `rank` is `None` for a session
    /// that takes no requests.
    pub(super) fn choose(
        &mut self,
        id: MountId,
        rank: impl Fn(SessionKey) -> Option<Rank>,
    ) -> Option<(SessionKey, Arc<Mount>)> {
        let entry = self.entries.get_mut(&id)?;
        let (earlier, later) = entry.members.split_at_checked(entry.turn).unwrap_or((&[], &entry.members));
        let in_turn = later.iter().chain(earlier).copied();
        let (_, key) = in_turn.filter_map(|key| Some((rank(key)?, key))).min_by_key(|&(rank, _)| rank)?;
        let place = entry.members.iter().position(|member| *member == key);
        entry.turn = place.map_or(0, |at| at.saturating_add(1));
        Some((key, Arc::clone(&entry.mount)))
    }

    /// Mounts with a session.
    pub(super) fn held(&self) -> usize {
        self.entries.len().saturating_sub(self.lost.len())
    }

    /// Mounts without one.
    pub(super) fn remembered(&self) -> usize {
        self.lost.len()
    }
}
