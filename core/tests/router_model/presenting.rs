//! What comes of mounts that a session presents, by the words of the documentation.

use telephone_core::mount::Mount;
use telephone_core::router::{Reduced, Registered, SessionKey};

use super::{Member, Pair};

impl Pair {
    /// A session gets of what it presents what its claims cover, no other subject holds and no session of its identity
    /// that is as new; it loses the rest.
    pub(super) fn present(
        &mut self,
        key: SessionKey,
        mounts: &[Mount],
        not_ready: &[Mount],
        claims: &[Mount],
    ) {
        let found = self.router.present(key, mounts, not_ready, claims, self.model.now);
        let own = |member: &&Member| member.key == key && !member.is_suspended;
        let Some(presenting) = self.model.members.iter().find(own) else {
            return assert_eq!(found, Registered::default());
        };
        let (identity, epoch) = (presenting.identity.clone(), presenting.epoch);
        let is_in_way = |holder: &Member| {
            let is_own = holder.identity == identity;
            holder.key != key
                && (holder.identity.subject() != identity.subject() || (is_own && holder.epoch >= epoch))
        };
        let is_free = |mount: &&Mount| !self.model.holders(mount).any(is_in_way);
        let is_covered = |mount: &&Mount| claims.iter().any(|claim| claim.covers(mount));
        let mut kept: Vec<Mount> = mounts.iter().filter(is_covered).filter(is_free).cloned().collect();
        kept.sort();
        kept.dedup();
        assert_eq!(found.mounts, kept);
        let is_older = |member: &&Member| member.key != key && member.identity == identity;
        let older: Vec<SessionKey> = self.model.members.iter().filter(is_older).map(|old| old.key).collect();
        self.model.learn(&kept);
        let presenting = self.model.members.iter_mut().find(|member| member.key == key).unwrap();
        let gone: Vec<Mount> =
            presenting.mounts.iter().filter(|mount| !kept.contains(mount)).cloned().collect();
        presenting.mounts = [kept.clone(), gone].concat();
        presenting.serves |= !kept.is_empty();
        presenting.not_ready = not_ready.iter().filter(|mount| kept.contains(mount)).cloned().collect();
        self.model.withdraw(key, |mount| kept.contains(mount));
        let mut reduced = 0;
        for old in older {
            let before = self.model.members.iter().find(|member| member.key == old).unwrap().mounts.len();
            self.model.withdraw(old, |mount| !kept.contains(mount));
            let left = self.model.members.iter().find(|member| member.key == old).unwrap().mounts.clone();
            if left.len() < before {
                reduced += 1;
                assert!(found.reduced.contains(&Reduced { session: old, left: left.clone() }), "{found:?}");
                self.model.members.retain(|member| member.key != old || !left.is_empty());
            }
        }
        assert_eq!(found.reduced.len(), reduced);
        self.settle_unknown();
    }
}
