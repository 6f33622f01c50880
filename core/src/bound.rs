//! Connections to a backend that are bound to whom they serve: a login runs on each, so that nobody else may have it.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::time::Duration;

use crate::time::Timestamp;

/// Connections between two requests of the one whom each is bound to.
///
/// ```
/// use core::time::Duration;
/// use telephone_core::{bound::Bound, time::Timestamp};
///
/// let now = Timestamp::ZERO;
/// let mut bound = Bound::new(2, Duration::from_secs(90));
/// assert_eq!(bound.put("alice", 1, now), None);
/// assert_eq!(bound.take(&"bob", now), None);
/// assert_eq!(bound.take(&"alice", now), Some(1));
/// assert_eq!(bound.take(&"alice", now), None);
/// ```
#[derive(Debug)]
pub struct Bound<K, C> {
    most: usize,
    idle_time: Duration,
    connections: BTreeMap<K, (C, Timestamp)>,
}

impl<K: Ord + Clone, C> Bound<K, C> {
    /// Keeps at most `most` connections, each for at most `idle_time`.
    #[must_use]
    pub const fn new(most: usize, idle_time: Duration) -> Self {
        Self { most, idle_time, connections: BTreeMap::new() }
    }

    /// Keeps a connection that `owner` has used. Returns what is to be closed for it: the owner's earlier one, or the one that
    /// has waited longest if there is room for no more. That owner's login is lost, and its next request begins another.
    #[must_use]
    pub fn put(&mut self, owner: K, connection: C, now: Timestamp) -> Option<C> {
        if self.most == 0 {
            return Some(connection);
        }
        let earlier = self.connections.insert(owner, (connection, now));
        if earlier.is_none() && self.connections.len() > self.most {
            return self.take_oldest();
        }
        earlier.map(|(connection, _)| connection)
    }

    fn take_oldest(&mut self) -> Option<C> {
        let oldest = self.connections.iter().min_by_key(|(_, (_, since))| *since);
        let owner = oldest.map(|(owner, _)| owner.clone())?;
        self.connections.remove(&owner).map(|(connection, _)| connection)
    }

    /// The connection of `owner`, unless it has waited too long: then nobody may have it.
    pub fn take(&mut self, owner: &K, now: Timestamp) -> Option<C> {
        let (connection, since) = self.connections.remove(owner)?;
        (now.since(since) < self.idle_time).then_some(connection)
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        self.connections.values().map(|(_, since)| *since + self.idle_time).min()
    }

    /// Takes out the connections that have waited too long: they are to be closed.
    pub fn handle_timeout(&mut self, now: Timestamp) -> Vec<C> {
        let is_late = |since: Timestamp| now.since(since) >= self.idle_time;
        let all = core::mem::take(&mut self.connections).into_iter();
        let (late, kept): (Vec<_>, Vec<_>) = all.partition(|(_, (_, since))| is_late(*since));
        self.connections = kept.into_iter().collect();
        late.into_iter().map(|(_, (connection, _))| connection).collect()
    }

    /// Takes out all connections: their descriptors are needed.
    pub fn take_all(&mut self) -> Vec<C> {
        core::mem::take(&mut self.connections).into_values().map(|(connection, _)| connection).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    const IDLE: Duration = Duration::from_secs(90);

    fn at(seconds: u64) -> Timestamp {
        Timestamp::ZERO + Duration::from_secs(seconds)
    }

    #[test]
    fn a_connection_is_given_to_its_owner_alone_and_once() {
        let mut bound = Bound::new(4, IDLE);
        assert_eq!(bound.put((1, 7), "a", at(0)), None);
        assert_eq!(bound.put((2, 7), "b", at(0)), None);
        assert_eq!([bound.take(&(1, 8), at(0)), bound.take(&(3, 7), at(0))], [None, None]);
        assert_eq!([bound.take(&(1, 7), at(1)), bound.take(&(1, 7), at(1))], [Some("a"), None]);
        assert_eq!(bound.take(&(2, 7), at(1)), Some("b"));
    }

    #[test]
    fn the_oldest_goes_where_there_is_room_for_no_more_and_an_owner_has_one() {
        let mut bound = Bound::new(2, IDLE);
        assert_eq!(bound.put(1, "a", at(0)), None);
        assert_eq!(bound.put(2, "b", at(1)), None);
        assert_eq!(bound.put(1, "c", at(2)), Some("a"), "its earlier one");
        assert_eq!(bound.put(3, "d", at(3)), Some("b"), "the one that waited longest");
        assert_eq!(bound.take(&2, at(3)), None);
        assert_eq!([bound.take(&1, at(3)), bound.take(&3, at(3))], [Some("c"), Some("d")]);
        assert_eq!(Bound::new(0, IDLE).put(1, "a", at(0)), Some("a"), "none is kept");
    }

    #[test]
    fn what_waits_too_long_is_closed_and_never_given() {
        let mut bound = Bound::new(4, IDLE);
        assert_eq!(bound.poll_timeout(), None);
        assert_eq!((bound.put(1, "a", at(0)), bound.put(2, "b", at(10))), (None, None));
        assert_eq!(bound.poll_timeout(), Some(at(90)));
        assert_eq!(bound.handle_timeout(at(89)), Vec::<&str>::new());
        assert_eq!(bound.handle_timeout(at(90)), vec!["a"]);
        assert_eq!(bound.poll_timeout(), Some(at(100)));
        assert_eq!(bound.take(&2, at(100)), None, "also where nobody has called");
        assert_eq!(bound.put(3, "c", at(100)), None);
        assert_eq!(bound.take_all(), vec!["c"]);
    }
}
