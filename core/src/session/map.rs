//! What is kept for each stream, by its number.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use hashbrown::HashTable;
use serde::{Deserialize, Serialize, Serializer};

use super::StreamId;

/// An odd number whose bits are well mixed: the golden ratio's.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// Something for each of some streams, found in constant time. One that is empty holds no memory.
///
/// Its own order means nothing, and may be another one on another processor: what is told to a peer or to the application
/// in turn is [sorted](StreamMap::sorted).
#[derive(Debug, Clone, Deserialize)]
#[serde(from = "BTreeMap<StreamId, T>")]
pub struct StreamMap<T>(HashTable<(StreamId, T)>);

/// Spreads numbers over a table, without chance. Whoever picks them to meet there has a session's limit of streams to do
/// it with, and has so many entries looked at, at most.
fn place(id: StreamId) -> u64 {
    let product = u128::from(id.number()) * u128::from(SPREAD);
    // The table takes a row from the low bits and a tag from the high ones.
    product as u64 ^ (product >> 64) as u64
}

fn place_of<T>((id, _): &(StreamId, T)) -> u64 {
    place(*id)
}

fn is_of<T>(id: StreamId) -> impl Fn(&(StreamId, T)) -> bool {
    move |(of, _)| *of == id
}

impl<T> StreamMap<T> {
    /// How many streams have something.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether none has.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What a stream has.
    #[must_use]
    pub fn get(&self, id: StreamId) -> Option<&T> {
        self.0.find(place(id), is_of(id)).map(|(_, value)| value)
    }

    /// What a stream has, to be changed.
    pub fn get_mut(&mut self, id: StreamId) -> Option<&mut T> {
        self.0.find_mut(place(id), is_of(id)).map(|(_, value)| value)
    }

    /// What a stream has, and if that is nothing, what it has from now on.
    pub fn get_or_default(&mut self, id: StreamId) -> &mut T
    where
        T: Default,
    {
        let entry = self.0.entry(place(id), is_of(id), place_of);
        &mut entry.or_insert_with(|| (id, T::default())).into_mut().1
    }

    /// Gives a stream something, in place of what it had.
    pub fn insert(&mut self, id: StreamId, value: T) {
        self.0.entry(place(id), is_of(id), place_of).insert((id, value));
    }

    /// Takes what a stream has.
    pub fn remove(&mut self, id: StreamId) -> Option<T> {
        let ((_, value), _) = self.0.find_entry(place(id), is_of(id)).ok()?.remove();
        if self.0.is_empty() {
            self.0 = HashTable::new();
        }
        Some(value)
    }

    /// All that there is, by the streams' numbers.
    pub fn sorted(&self) -> Vec<(StreamId, &T)> {
        let mut all: Vec<_> = self.0.iter().map(|(id, value)| (*id, value)).collect();
        all.sort_unstable_by_key(|(id, _)| *id);
        all
    }

    /// What each stream has, in no order.
    pub fn values(&self) -> impl Iterator<Item = &T> {
        self.0.iter().map(|(_, value)| value)
    }

    /// What each stream has, to be changed, by the streams' numbers.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        let mut all: Vec<_> = self.0.iter_mut().collect();
        all.sort_unstable_by_key(|(id, _)| *id);
        all.into_iter().map(|(_, value)| value)
    }
}

impl<T> Default for StreamMap<T> {
    fn default() -> Self {
        Self(HashTable::new())
    }
}

impl<T> From<BTreeMap<StreamId, T>> for StreamMap<T> {
    fn from(sorted: BTreeMap<StreamId, T>) -> Self {
        let mut map = Self::default();
        sorted.into_iter().for_each(|(id, value)| map.insert(id, value));
        map
    }
}

/// In the order of their numbers, so that what is written of a session depends on the session alone.
impl<T: Serialize> Serialize for StreamMap<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.sorted())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Few numbers, near and far, so that the same one comes again.
    fn ids() -> impl Strategy<Value = StreamId> {
        prop_oneof![0..40_u64, (0..40_u64).prop_map(|far| far << 57), Just(u64::MAX)].prop_map(StreamId::new)
    }

    proptest! {
        #[test]
        fn it_holds_what_a_sorted_map_holds(turns in proptest::collection::vec((ids(), any::<Option<Option<u8>>>()), 0..200)) {
            let (mut map, mut model) = (StreamMap::default(), BTreeMap::new());
            for (id, value) in turns {
                match value {
                    Some(None) => {
                        prop_assert_eq!(map.get_or_default(id), model.entry(id).or_default());
                    }
                    Some(Some(value)) => {
                        map.insert(id, value);
                        model.insert(id, value);
                    }
                    None => prop_assert_eq!(map.remove(id), model.remove(&id)),
                }
                prop_assert_eq!(map.get(id), model.get(&id));
                prop_assert_eq!((map.len(), map.is_empty()), (model.len(), model.is_empty()));
                prop_assert!(!map.is_empty() || map.0.capacity() == 0, "an empty one holds memory");
            }
            let octets = postcard::to_allocvec(&map).unwrap();
            prop_assert_eq!(&octets, &postcard::to_allocvec(&model).unwrap());
            let read: StreamMap<u8> = postcard::from_bytes(&octets).unwrap();
            let model: Vec<_> = model.iter().map(|(id, value)| (*id, value)).collect();
            prop_assert_eq!(read.sorted(), model);
        }
    }

    #[test]
    fn numbers_that_follow_each_other_and_those_far_apart_spread_over_the_table() {
        for step in [1, 2, 64, 1 << 20, 1 << 40, 1 << 57] {
            let ids = (0..128_u64).map(|at| StreamId::new(at.wrapping_mul(step)));
            let places: alloc::collections::BTreeSet<u64> = ids.map(|id| place(id) % 1024).collect();
            assert!(places.len() > 64, "steps of {step} meet in {} places", places.len());
        }
    }
}
