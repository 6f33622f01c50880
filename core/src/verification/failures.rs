//! What each address block may still try in vain.

use alloc::collections::{BTreeMap, BTreeSet};
use core::time::Duration;

use crate::address::AddressBlock;
use crate::limits::HelloLimits;
use crate::time::Timestamp;
use crate::token_bucket::TokenBucket;

/// One token bucket for each address block that failed lately. A block that is not here has a full one.
///
/// At most `blocks_max` are kept. When there are more, the one that would be full soonest is forgotten. So a block can have
/// a low bucket forgotten only if as many other blocks failed as often as it did, each within the ten seconds that a bucket
/// takes to fill: a flood of addresses that fail once each resets nobody's bucket.
#[derive(Debug)]
pub(super) struct Failures {
    limits: HelloLimits,
    blocks_max: usize,
    blocks: BTreeMap<AddressBlock, TokenBucket>,
    by_fullness: BTreeSet<(Timestamp, AddressBlock)>,
}

impl Failures {
    pub(super) const fn new(limits: HelloLimits, blocks_max: usize) -> Self {
        Self { limits, blocks_max, blocks: BTreeMap::new(), by_fullness: BTreeSet::new() }
    }

    /// Charges a block for what may fail, or did.
    ///
    /// # Errors
    /// It failed as often as it may: how long until it may fail again.
    pub(super) fn charge(&mut self, block: AddressBlock, now: Timestamp) -> Result<(), Duration> {
        self.change(block, now, |bucket| {
            let has_token = bucket.take(now);
            if has_token { Ok(()) } else { Err(bucket.next_token_at(now).since(now)) }
        })
    }

    /// What a block was charged for did not fail.
    pub(super) fn refund(&mut self, block: AddressBlock, now: Timestamp) {
        // A block that was forgotten has a full bucket.
        if self.blocks.contains_key(&block) {
            self.change(block, now, |bucket| bucket.put_back(now));
        }
    }

    /// How long until a block may fail again; zero if it may now.
    pub(super) fn wait(&self, block: AddressBlock, now: Timestamp) -> Duration {
        let bucket = self.blocks.get(&block);
        bucket.map_or(Duration::ZERO, |bucket| bucket.next_token_at(now).since(now))
    }

    fn change<T>(
        &mut self,
        block: AddressBlock,
        now: Timestamp,
        change: impl FnOnce(&mut TokenBucket) -> T,
    ) -> T {
        let new = || {
            let HelloLimits { per_address, per_address_burst } = self.limits;
            TokenBucket::new(per_address_burst, per_address, now)
        };
        let bucket = self.blocks.entry(block).or_insert_with(new);
        self.by_fullness.remove(&(bucket.full_at(), block));
        let result = change(bucket);
        self.by_fullness.insert((bucket.full_at(), block));
        self.forget(now);
        result
    }

    /// Forgets full buckets, and beyond the bound those that are full soonest.
    fn forget(&mut self, now: Timestamp) {
        while let Some(first) = self.by_fullness.first().copied() {
            let (full_at, block) = first;
            if full_at > now && self.blocks.len() <= self.blocks_max {
                return;
            }
            self.by_fullness.remove(&first);
            self.blocks.remove(&block);
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        assert_eq!(self.blocks.len(), self.by_fullness.len());
        self.blocks.len()
    }
}
