//! What sessions hold that wait for a link. Somebody with a good token could else make sessions that cost a relay
//! memory and no socket.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::types::SessionKey;

/// What a waiting session costs beside the octets that it holds.
const SESSION_BYTES: u64 = 4 * 1024;

#[derive(Debug)]
struct Waiter {
    key: SessionKey,
    octets: u64,
}

/// The waiting sessions in the order in which they began to wait.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    waiters: BTreeMap<u64, Waiter>,
    turns: BTreeMap<SessionKey, u64>,
    next_turn: u64,
    octets: u64,
}

impl Waiting {
    /// A session waits, and holds so many octets meanwhile. One that waits already keeps its turn.
    pub(super) fn begin(&mut self, key: SessionKey, octets: u64) {
        let turn = self.turns.get(&key).copied().unwrap_or(self.next_turn);
        self.end(key);
        self.next_turn = self.next_turn.max(turn.saturating_add(1));
        let octets = octets.saturating_add(SESSION_BYTES);
        self.octets = self.octets.saturating_add(octets);
        self.turns.insert(key, turn);
        self.waiters.insert(turn, Waiter { key, octets });
    }

    /// Whether a session waits.
    pub(super) fn has(&self, key: SessionKey) -> bool {
        self.turns.contains_key(&key)
    }

    /// A session waits no more.
    pub(super) fn end(&mut self, key: SessionKey) {
        let waiter = self.turns.remove(&key).and_then(|turn| self.waiters.remove(&turn));
        self.octets = self.octets.saturating_sub(waiter.map_or(0, |waiter| waiter.octets));
    }

    /// Takes out sessions until no more than `octets_max` are held: of the subject that holds the most the one that
    /// has waited longest, and so on.
    pub(super) fn take_excess<'a>(
        &mut self,
        octets_max: u64,
        subject_of: impl Fn(SessionKey) -> Option<&'a str>,
    ) -> Vec<SessionKey> {
        let mut excess = Vec::new();
        while self.octets > octets_max {
            let mut shares: BTreeMap<Option<&str>, u64> = BTreeMap::new();
            for waiter in self.waiters.values() {
                let share = shares.entry(subject_of(waiter.key)).or_default();
                *share = share.saturating_add(waiter.octets);
            }
            let Some((subject, _)) = shares.into_iter().max_by_key(|(_, share)| *share) else { break };
            let longest = self.waiters.values().find(|waiter| subject_of(waiter.key) == subject);
            let Some(key) = longest.map(|waiter| waiter.key) else { break };
            self.end(key);
            excess.push(key);
        }
        excess
    }
}
