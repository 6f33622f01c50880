//! Mounts that a telephone presents within its session: it may withdraw some, take others, and say which of them are ready.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::types::{Registered, SessionKey};
use super::{MountId, Router};
use crate::mount::Mount;
use crate::time::Timestamp;

impl Router {
    /// The mounts among these that a session may have now, in order and each once: its token's claims cover it, no other
    /// subject holds it, and no session of its identity that is as new. Changes nothing.
    #[must_use]
    pub fn available(&self, key: SessionKey, mounts: &[Mount], claims: &[Mount]) -> Vec<Mount> {
        let Some(session) = self.sessions.session(key).filter(|session| !session.is_suspended()) else {
            return Vec::new();
        };
        let is_available = |mount: &&Mount| {
            let holder = self.identities.holder(&session.identity, mount).filter(|holder| *holder != key);
            let is_older =
                |holder| self.sessions.session(holder).is_some_and(|old| old.epoch < session.epoch);
            mount.is_covered_by(claims)
                && holder.is_none_or(is_older)
                && !self.is_held_by_other(mount, &session.identity)
        };
        let mut available: Vec<Mount> = mounts.iter().filter(is_available).cloned().collect();
        available.sort_unstable();
        available.dedup();
        available
    }

    /// Whether a session may still have mounts: it does not drain.
    #[must_use]
    pub fn takes_mounts(&self, key: SessionKey) -> bool {
        self.sessions.session(key).is_some_and(|session| !session.is_suspended())
    }

    /// A session's telephone wants these mounts and no others; those of `not_ready` get requests only while no session on
    /// them is ready. It has those that are [`available`](Self::available) afterwards; the earlier sessions of its
    /// identity lose them.
    pub fn present(
        &mut self,
        key: SessionKey,
        mounts: &[Mount],
        not_ready: &[Mount],
        claims: &[Mount],
        now: Timestamp,
    ) -> Registered {
        let mounts = self.available(key, mounts, claims);
        let Some(session) = self.sessions.session(key).filter(|session| !session.is_suspended()) else {
            return Registered::default();
        };
        let (identity, held) = (session.identity.clone(), session.mounts.clone());
        let is_held = |mount: &&Mount| self.mounts.find(mount).is_some_and(|id| held.contains(&id));
        let joined: Vec<Mount> = mounts.iter().filter(|mount| !is_held(mount)).cloned().collect();
        let older: Vec<SessionKey> =
            joined.iter().filter_map(|mount| self.identities.holder(&identity, mount)).collect();
        if !joined.is_empty() {
            // It serves by now, and does not stand in the way of a session that only connects.
            self.identities.disconnect(&identity, key);
        }
        for mount in &joined {
            let id = self.mounts.join(mount, key);
            if let Some(mount) = self.mounts.mount(id) {
                self.identities.hold(&identity, Arc::clone(mount), key);
            }
            self.sessions.hold(key, id);
            self.settle_sticky(id);
        }
        self.retain(key, |mount| mounts.contains(mount), now);
        let not_ready: Vec<MountId> = not_ready.iter().filter_map(|mount| self.mounts.find(mount)).collect();
        self.sessions.set_not_ready(key, not_ready);
        let mut reduced = Vec::new();
        for old in older {
            // One that lost several is told once, what it has in the end.
            if reduced.iter().all(|one: &super::Reduced| one.session != old) {
                reduced.push(self.reduce(old, |mount| joined.contains(mount), now));
            }
        }
        self.settle_unknown();
        self.mark_ready(key);
        Registered { mounts, reduced }
    }
}
