//! Connections by address and age, and the address that has the most of them.

use alloc::collections::{BTreeMap, BTreeSet};
use core::cmp::Reverse;

use super::ConnectionId;
use crate::address::AddressBlock;
use crate::time::Timestamp;

type Aged = (Timestamp, ConnectionId);
/// The last one has the most; of equal ones, the oldest connection.
type Rank = (usize, Reverse<Aged>, AddressBlock);

const FIRST: Aged = (Timestamp::ZERO, ConnectionId(0));
const LAST: Aged = (Timestamp::from_micros(u64::MAX), ConnectionId(u64::MAX));

/// Connections of one activity. Those of exempt addresses have no rank.
#[derive(Debug, Default)]
pub(super) struct Pool {
    by_age: BTreeSet<(Option<AddressBlock>, Aged)>,
    counts: BTreeMap<AddressBlock, usize>,
    ranks: BTreeSet<Rank>,
}

impl Pool {
    /// Adds a connection, or takes it out.
    pub(super) fn count(&mut self, block: Option<AddressBlock>, aged: Aged, is_added: bool) {
        let before = block.and_then(|block| self.rank(block));
        if is_added {
            self.by_age.insert((block, aged));
        } else {
            self.by_age.remove(&(block, aged));
        }
        let Some(block) = block else { return };
        step(&mut self.counts, block, is_added);
        if let Some(rank) = before {
            self.ranks.remove(&rank);
        }
        self.ranks.extend(self.rank(block));
    }

    /// The address that has the most, and how many.
    pub(super) fn most(&self) -> Option<(usize, AddressBlock)> {
        self.ranks.last().map(|(count, _, block)| (*count, *block))
    }

    /// The oldest connection of an address, or of all exempt ones.
    pub(super) fn oldest(&self, block: Option<AddressBlock>) -> Option<Aged> {
        let first = self.by_age.range((block, FIRST)..).next();
        first.filter(|(of, _)| *of == block).map(|(_, aged)| *aged)
    }

    /// The youngest connection of an address.
    pub(super) fn newest(&self, block: AddressBlock) -> Option<ConnectionId> {
        let last = self.by_age.range(..=(Some(block), LAST)).next_back();
        last.filter(|(of, _)| *of == Some(block)).map(|(_, (_, id))| *id)
    }

    fn rank(&self, block: AddressBlock) -> Option<Rank> {
        let count = self.counts.get(&block)?;
        Some((*count, Reverse(self.oldest(Some(block))?), block))
    }
}

/// Counts one more or one less of an address; none is no entry.
pub(super) fn step(counts: &mut BTreeMap<AddressBlock, usize>, block: AddressBlock, is_more: bool) {
    let count = counts.entry(block).or_default();
    *count = if is_more { count.saturating_add(1) } else { count.saturating_sub(1) };
    if *count == 0 {
        counts.remove(&block);
    }
}
