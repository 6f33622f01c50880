//! Which slow exchanges a relay closes when it runs short, and that it never closes one that moves fast enough.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;
use telephone_core::address::AddressBlock;
use telephone_core::connections::Activity::Exchange;
use telephone_core::connections::{
    ConnectionId, ConnectionState, ConnectionTable, PACE_TIME, Pace, Shed, is_short,
};
use telephone_core::time::Timestamp;

const RATE_MIN: u64 = 240;
const SECOND: Duration = Duration::from_secs(1);

/// `None` is an exempt address.
fn block(address: Option<u8>) -> Option<AddressBlock> {
    address.map(|last| AddressBlock::of([192, 0, 2, last].into()))
}

/// An exchange of a client, and the bytes that it moves each second.
#[derive(Debug, Clone, Copy)]
struct Upload {
    id: ConnectionId,
    address: Option<u8>,
    rate: u64,
}

/// A table with one exchange for each client and rate, in this order.
struct Stage {
    table: ConnectionTable,
    uploads: Vec<Upload>,
    /// Since when each waits for its client.
    since: Timestamp,
    now: Timestamp,
    is_memory_short: bool,
}

impl Stage {
    fn new(limit: usize, clients: &[(Option<u8>, u64)]) -> Self {
        let (mut table, now) = (ConnectionTable::new(limit), Timestamp::ZERO);
        let uploads = clients
            .iter()
            .map(|(address, rate)| {
                let state = ConnectionState { activity: Exchange, since: now, block: block(*address) };
                let id = table.handle_opened(state, now).expect("there is room");
                Upload { id, address: *address, rate: *rate }
            })
            .collect();
        assert_eq!(table.poll_close(), None);
        Self { table, uploads, since: now, now, is_memory_short: false }
    }

    /// Looks at all that are open a second later, and closes what the table says.
    fn look(&mut self) -> Vec<Upload> {
        self.now = self.now + SECOND;
        let seconds = self.now.since(Timestamp::ZERO).as_secs();
        let pace = |one: &Upload| (one.id, Pace { since: self.since, moved: one.rate * seconds });
        let paces: Vec<_> = self.uploads.iter().map(pace).collect();
        self.table.handle_paces(paces, (RATE_MIN, self.is_memory_short), self.now);
        let mut closed = Vec::new();
        while let Some((id, why)) = self.table.poll_close() {
            assert_eq!(why, Shed::Slow);
            let place = self.uploads.iter().position(|one| one.id == id).expect("it is open");
            closed.push(self.uploads.remove(place));
            self.table.handle_closed(id, self.now);
        }
        closed
    }

    /// The same for so long.
    fn look_for(&mut self, time: Duration) -> Vec<Upload> {
        (0..time.as_secs()).flat_map(|_| self.look()).collect()
    }
}

fn whose(closed: &[Upload]) -> Vec<(Option<u8>, u64)> {
    closed.iter().map(|one| (one.address, one.rate)).collect()
}

#[test]
fn the_slowest_of_the_client_with_most_connections_goes_first_until_enough_are_closed() {
    let most = [(Some(1), 50), (Some(1), 10), (Some(1), 239), (Some(1), 240), (Some(1), 20)];
    let others = [(Some(2), 0), (Some(2), 30), (Some(2), 1_000), (Some(3), 0), (Some(4), 1_000)];
    // Ten of ten are open, and eight may be.
    let mut stage = Stage::new(10, &[most, others].concat());
    assert_eq!(whose(&stage.look_for(PACE_TIME)), [], "no rate is known yet");
    assert_eq!(whose(&stage.look()), [(Some(1), 10), (Some(1), 20)]);
    assert_eq!(whose(&stage.look_for(60 * SECOND)), []);
}

#[test]
fn a_client_that_no_longer_has_most_connections_is_followed_by_the_next() {
    let mut clients = vec![(Some(1), 0); 4];
    clients.extend([(Some(2), 5); 3]);
    clients.extend([(Some(3), 1_000); 3]);
    let mut stage = Stage::new(10, &clients);
    stage.table.handle_limit(7, stage.now);
    assert_eq!(stage.look_for(PACE_TIME).len(), 0);
    // Of 7 it keeps 5. Of equal ones the one with the slower exchange goes first.
    let order = [(Some(1), 0), (Some(1), 0), (Some(2), 5), (Some(1), 0), (Some(2), 5)];
    assert_eq!(whose(&stage.look()), order);
}

#[test]
fn nothing_is_too_slow_below_four_fifths_of_the_limit() {
    let mut stage = Stage::new(10, &[(Some(1), 0); 8]);
    assert_eq!(whose(&stage.look_for(600 * SECOND)), []);
}

#[test]
fn while_memory_is_short_one_is_closed_at_each_look() {
    let mut stage = Stage::new(1_000, &[(Some(1), 0), (Some(1), 0), (Some(2), 0), (Some(2), 240)]);
    stage.is_memory_short = true;
    assert_eq!(whose(&stage.look_for(PACE_TIME)), []);
    let closed: Vec<usize> = (0..4).map(|_| stage.look().len()).collect();
    assert_eq!(closed, [1, 1, 1, 0]);
}

#[test]
fn the_exchanges_of_exempt_addresses_are_closed_last() {
    let mut stage = Stage::new(5, &[(None, 0), (None, 0), (None, 0), (Some(1), 100), (Some(2), 1_000)]);
    stage.table.handle_limit(4, stage.now);
    stage.look_for(PACE_TIME);
    assert_eq!(whose(&stage.look()), [(Some(1), 100), (None, 0)]);
}

#[test]
fn an_exchange_that_waited_for_another_is_watched_anew() {
    let mut stage = Stage::new(5, &[(Some(1), 0); 5]);
    for _ in 0..20 {
        assert_eq!(whose(&stage.look_for(PACE_TIME)), []);
        // Its backend took nothing for a moment.
        stage.since = stage.now;
    }
}

#[test]
fn what_was_seen_in_an_earlier_shortage_says_nothing_of_the_next() {
    let mut stage = Stage::new(5, &[(Some(1), 0); 5]);
    stage.look();
    stage.now = stage.now + 3_600 * SECOND;
    // They paused in between, and are fast since the second look.
    for second in 1..=3 * PACE_TIME.as_secs() {
        stage.now = stage.now + SECOND;
        let pace = |one: &Upload| (one.id, Pace { since: stage.since, moved: 1_000 * second });
        let paces: Vec<_> = stage.uploads.iter().map(pace).collect();
        stage.table.handle_paces(paces, (RATE_MIN, false), stage.now);
        assert_eq!(stage.table.poll_close(), None, "{second}");
    }
}

#[test]
fn an_upload_that_pauses_is_slow_though_it_was_fast_before() {
    let mut stage = Stage::new(5, &[(Some(1), 100_000); 5]);
    assert_eq!(whose(&stage.look_for(60 * SECOND)), []);
    let seconds = 60;
    for one in &mut stage.uploads {
        // What it has moved stays the same from now on.
        one.rate *= seconds;
    }
    let mut closed = 0;
    for _ in 0..10 {
        stage.now = stage.now + SECOND;
        let pace = |one: &Upload| (one.id, Pace { since: stage.since, moved: one.rate });
        let paces: Vec<_> = stage.uploads.iter().map(pace).collect();
        stage.table.handle_paces(paces, (RATE_MIN, false), stage.now);
        closed += std::iter::from_fn(|| stage.table.poll_close()).count();
    }
    assert_eq!(closed, 1);
}

#[test]
fn something_is_short_beyond_four_fifths_of_its_limit() {
    let cases = [
        (80, 100, false),
        (81, 100, true),
        (3, 4, false),
        (4, 5, false),
        (5, 5, true),
        (0, 0, false),
        (1, 0, true),
    ];
    for (used, limit, expected) in cases {
        assert_eq!(is_short(used, limit), expected, "{used} of {limit}");
    }
    assert!(!is_short(u64::MAX / 2, u64::MAX));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn the_choice_is_that_of_a_look_at_all(
        clients in prop::collection::vec((prop::option::of(1_u8..5), 0_u64..480), 1..30),
        limit in 1_usize..40,
        is_memory_short: bool,
    ) {
        let mut stage = Stage::new(usize::MAX, &clients);
        stage.table.handle_limit(limit, stage.now);
        prop_assert_eq!(stage.look_for(PACE_TIME).len(), 0);
        stage.is_memory_short = is_memory_short;
        let mut open: BTreeMap<ConnectionId, Upload> = stage.uploads.iter().map(|one| (one.id, *one)).collect();
        let mark = limit - limit.div_ceil(5);
        let mut expected = Vec::new();
        while open.len() > mark || (is_memory_short && expected.is_empty()) {
            let held = |of: Option<u8>| open.values().filter(|one| of.is_some() && one.address == of).count();
            let slow = open.values().filter(|one| one.rate < RATE_MIN);
            // Each client's slowest, and of these the one of the client with most.
            let slowest: BTreeSet<_> = slow.map(|one| (one.address, one.rate, one.id)).collect();
            let first = slowest.iter().filter(|(address, rate, id)| {
                !slowest.iter().any(|other| other.0 == *address && (other.1, other.2) < (*rate, *id))
            });
            let rank = |(address, rate, id): &&(Option<u8>, u64, ConnectionId)| {
                (address.is_some(), held(*address), std::cmp::Reverse((*rate, *id)))
            };
            let Some((_, _, id)) = first.max_by_key(rank) else { break };
            open.remove(id);
            expected.push(*id);
        }
        let closed: Vec<_> = stage.look().iter().map(|one| one.id).collect();
        prop_assert_eq!(closed, expected);
    }
}
