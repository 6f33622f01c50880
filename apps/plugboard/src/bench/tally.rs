//! Counts what happens, without the connections waiting for each other.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hdrhistogram::{CreationError, Histogram};

use super::mishap::{Mishap, MishapKind};

/// Microseconds of the longest time that is told apart: a day, the longest `--timeout`.
const MICROSECONDS_MAX: u64 = 24 * 60 * 60 * 1_000_000;
/// Figures of a time that are kept: a tenth of a percent.
const DIGITS: u8 = 3;
/// Connections that count in one place would wait for each other; more places than this only cost memory
/// (of 430 KiB each).
const SHARDS_MAX: usize = 16;

/// What happened on some of the connections.
pub(super) struct Tally {
    /// From when a request was due to the last octet of its answer, in microseconds.
    pub(super) latency: Histogram<u64>,
    /// The same to the head of its answer.
    pub(super) first: Histogram<u64>,
    pub(super) statuses: BTreeMap<u16, u64>,
    pub(super) mishaps: BTreeMap<MishapKind, Trouble>,
}

/// Errors of one kind.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub(super) struct Trouble {
    /// How many.
    pub(super) count: u64,
    /// What the first one said.
    pub(super) first: String,
}

impl Tally {
    pub(super) fn new() -> Result<Self, CreationError> {
        Ok(Self {
            latency: Histogram::new_with_bounds(1, MICROSECONDS_MAX, DIGITS)?,
            first: Histogram::new_with_bounds(1, MICROSECONDS_MAX, DIGITS)?,
            statuses: BTreeMap::new(),
            mishaps: BTreeMap::new(),
        })
    }

    fn add(&mut self, other: &Self) {
        // It cannot fail: all have the same bounds.
        let _ = self.latency.add(&other.latency);
        let _ = self.first.add(&other.first);
        for (status, count) in &other.statuses {
            *self.statuses.entry(*status).or_default() += count;
        }
        for (kind, trouble) in &other.mishaps {
            self.trouble(*kind, trouble.count, || trouble.first.clone());
        }
    }

    fn trouble(&mut self, kind: MishapKind, count: u64, first: impl FnOnce() -> String) {
        self.mishaps.entry(kind).or_insert_with(|| Trouble { count: 0, first: first() }).count += count;
    }
}

/// Where some of the connections count.
pub(super) struct Shard {
    tally: Mutex<Tally>,
    answers: AtomicU64,
    mishaps: AtomicU64,
    received: AtomicU64,
    sent: AtomicU64,
}

impl std::fmt::Debug for Shard {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Shard").finish_non_exhaustive()
    }
}

impl Shard {
    /// A whole answer, and how long its end and its head took.
    pub(super) fn answer(&self, status: u16, latency: Duration, first: Duration) {
        let microseconds = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let mut tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
        tally.latency.saturating_record(microseconds(latency));
        tally.first.saturating_record(microseconds(first));
        *tally.statuses.entry(status).or_default() += 1;
        drop(tally);
        self.answers.fetch_add(1, Ordering::Relaxed);
    }

    /// A request without a whole answer.
    pub(super) fn mishap(&self, mishap: Mishap) {
        let mut tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
        tally.trouble(mishap.kind, 1, || mishap.detail);
        drop(tally);
        self.mishaps.fetch_add(1, Ordering::Relaxed);
    }

    /// Octets of an answer's body came.
    pub(super) fn received(&self, octets: u64) {
        self.received.fetch_add(octets, Ordering::Relaxed);
    }

    /// Octets of a request's body went.
    pub(super) fn sent(&self, octets: u64) {
        self.sent.fetch_add(octets, Ordering::Relaxed);
    }
}

/// How far a run is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) answers: u64,
    pub(super) mishaps: u64,
    pub(super) received: u64,
    pub(super) sent: u64,
}

/// Where all connections of a run count.
pub(super) struct Board(Vec<Arc<Shard>>);

impl Board {
    pub(super) fn new(connections: usize) -> Result<Self, CreationError> {
        let shard = |_| {
            Ok(Arc::new(Shard {
                tally: Mutex::new(Tally::new()?),
                answers: AtomicU64::new(0),
                mishaps: AtomicU64::new(0),
                received: AtomicU64::new(0),
                sent: AtomicU64::new(0),
            }))
        };
        Ok(Self((0..connections.clamp(1, SHARDS_MAX)).map(shard).collect::<Result<_, _>>()?))
    }

    /// Where the connection of this number counts.
    pub(super) fn shard(&self, connection: usize) -> Arc<Shard> {
        Arc::clone(&self.0[connection % self.0.len()])
    }

    /// How far the run is at the moment.
    pub(super) fn counts(&self) -> Counts {
        self.0.iter().fold(Counts::default(), |counts, shard| Counts {
            answers: counts.answers + shard.answers.load(Ordering::Relaxed),
            mishaps: counts.mishaps + shard.mishaps.load(Ordering::Relaxed),
            received: counts.received + shard.received.load(Ordering::Relaxed),
            sent: counts.sent + shard.sent.load(Ordering::Relaxed),
        })
    }

    /// All that was counted.
    pub(super) fn sum(&self) -> Result<Tally, CreationError> {
        let mut sum = Tally::new()?;
        for shard in &self.0 {
            sum.add(&shard.tally.lock().unwrap_or_else(PoisonError::into_inner));
        }
        Ok(sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_count_apart_and_are_summed() {
        let board = Board::new(100).unwrap();
        for connection in 0..100 {
            let shard = board.shard(connection);
            shard.answer(200, Duration::from_millis(2), Duration::from_millis(1));
            shard.received(10);
            shard.mishap(Mishap::timeout());
        }
        board.shard(7).answer(503, Duration::from_secs(90_000), Duration::ZERO);
        assert_eq!(board.counts(), Counts { answers: 101, mishaps: 100, received: 1000, sent: 0 });
        let sum = board.sum().unwrap();
        assert_eq!(sum.statuses, BTreeMap::from([(200, 100), (503, 1)]));
        assert_eq!(sum.mishaps[&MishapKind::Timeout].count, 100);
        assert_eq!(sum.latency.value_at_quantile(0.5) / 10, 200);
        // What is out of bounds is counted at the bound, never lost.
        assert_eq!(sum.latency.len(), 101);
    }
}
