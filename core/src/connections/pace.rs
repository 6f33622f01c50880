//! How fast exchanges move whose clients are waited for, and which of them are slow.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::cmp::Reverse;
use core::time::Duration;

use super::ConnectionId;
use crate::address::AddressBlock;
use crate::time::Timestamp;

/// How long an exchange is watched at least before its rate is known (Kestrel's `MinRequestBodyDataRate`: 5 s of grace).
/// Its rate is that of the last 5 to 10 s.
pub const PACE_TIME: Duration = Duration::from_secs(5);

/// What an exchange has moved that waits for its client: for bytes of an upload, or until the client takes bytes of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Since when it has waited for its client and for nothing else.
    pub since: Timestamp,
    /// Bytes that its client has sent and taken so far.
    pub moved: u64,
}

/// Bytes a second, times 2^20, so that few bytes in a long time are not the same as none.
type Rate = u64;

const FRACTION: u128 = 1 << 20;
const MICROS: u128 = 1_000_000;

/// The slowest is the greatest; of equal ones, the one that was opened first.
type Slowness = Reverse<(Rate, ConnectionId)>;
/// A client's connections, none if it is exempt, and its slowest exchange. The last one goes first.
type Rank = (usize, Slowness, Option<AddressBlock>);

/// What was seen of one exchange.
#[derive(Debug, Clone, Copy)]
struct Seen {
    /// The wait that it belongs to.
    wait: Timestamp,
    older: (Timestamp, u64),
    newer: (Timestamp, u64),
}

impl Seen {
    const fn first(pace: Pace, now: Timestamp) -> Self {
        let mark = (now, pace.moved);
        Self { wait: pace.since, older: mark, newer: mark }
    }

    /// The rate, once it was watched for long enough.
    fn look(&mut self, moved: u64, now: Timestamp) -> Option<Rate> {
        let (began, before) = self.older;
        let time = now.since(began);
        if now.since(self.newer.0) >= PACE_TIME {
            (self.older, self.newer) = (self.newer, (now, moved));
        }
        let bytes = u128::from(moved.saturating_sub(before));
        let rate = bytes.saturating_mul(MICROS).saturating_mul(FRACTION).checked_div(time.as_micros());
        rate.filter(|_| time >= PACE_TIME).map(|rate| Rate::try_from(rate).unwrap_or(Rate::MAX))
    }
}

/// What was seen of all exchanges that wait for their clients.
#[derive(Debug, Default)]
pub(super) struct Paces(BTreeMap<ConnectionId, Seen>);

impl Paces {
    /// Looks at all exchanges that wait for their clients now: those that move below `rate_min` bytes a second, with their rates.
    pub(super) fn handle(
        &mut self,
        paces: impl IntoIterator<Item = (ConnectionId, Pace)>,
        rate_min: u64,
        now: Timestamp,
    ) -> Vec<(ConnectionId, Rate)> {
        let before = core::mem::take(&mut self.0);
        let least = Rate::try_from(u128::from(rate_min).saturating_mul(FRACTION)).unwrap_or(Rate::MAX);
        let mut slow = Vec::new();
        for (id, pace) in paces {
            // What was seen in an earlier shortage says nothing of now.
            let is_same = |seen: &Seen| {
                seen.wait == pace.since && now.since(seen.newer.0) <= PACE_TIME.saturating_mul(2)
            };
            let same = before.get(&id).copied().filter(is_same);
            let mut seen = same.unwrap_or(Seen::first(pace, now));
            slow.extend(seen.look(pace.moved, now).filter(|rate| *rate < least).map(|rate| (id, rate)));
            self.0.insert(id, seen);
        }
        slow
    }
}

/// Slow exchanges by client: those of the client that holds most connections first, each client's slowest first. Those of
/// exempt addresses, which nobody holds in particular, come last.
#[derive(Debug, Default)]
pub(super) struct Slow {
    /// The slowest at the end.
    clients: BTreeMap<Option<AddressBlock>, Vec<Slowness>>,
    ranks: BTreeSet<Rank>,
}

impl Slow {
    /// `held` tells how many connections a client has.
    pub(super) fn new(
        slow: impl IntoIterator<Item = (Option<AddressBlock>, ConnectionId, Rate)>,
        held: impl Fn(AddressBlock) -> usize,
    ) -> Self {
        let mut all = Self::default();
        for (block, id, rate) in slow {
            all.clients.entry(block).or_default().push(Reverse((rate, id)));
        }
        let blocks: Vec<_> = all.clients.keys().copied().collect();
        for block in blocks {
            if let Some(exchanges) = all.clients.get_mut(&block) {
                exchanges.sort_unstable();
            }
            all.rank(block, block.map_or(0, &held));
        }
        all
    }

    /// The next one to close. `held` tells how many connections its client has without it.
    pub(super) fn take(&mut self, held: impl Fn(AddressBlock) -> usize) -> Option<ConnectionId> {
        let (_, _, block) = self.ranks.pop_last()?;
        let Reverse((_, id)) = self.clients.get_mut(&block)?.pop()?;
        self.rank(block, block.map_or(0, |block| held(block).saturating_sub(1)));
        Some(id)
    }

    fn rank(&mut self, block: Option<AddressBlock>, held: usize) {
        let slowest = self.clients.get(&block).and_then(|exchanges| exchanges.last());
        self.ranks.extend(slowest.map(|slowest| (held, *slowest, block)));
    }
}
