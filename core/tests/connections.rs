//! Which connections a full relay closes: against a model that looks at all of them each time, and the promises one by one.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use telephone_core::address::AddressBlock;
use telephone_core::connections::Activity::{Exchange, Idle, Link, Waiting};
use telephone_core::connections::{
    Activity, ConnectionId, ConnectionState, ConnectionTable, EXCHANGES_RATIO, FIRST_HEAD_TIME, Shed,
};
use telephone_core::time::Timestamp;

/// `None` is an exempt address.
fn block(address: Option<u8>) -> Option<AddressBlock> {
    address.map(|last| AddressBlock::of([192, 0, 2, last].into()))
}

fn state(activity: Activity, address: Option<u8>, since: Timestamp) -> ConnectionState {
    ConnectionState { activity, since, block: block(address) }
}

/// One connection of the model.
#[derive(Debug, Clone)]
struct Known {
    id: ConnectionId,
    state: ConnectionState,
    is_closing: bool,
    is_beyond: bool,
}

/// The rules of the table's documentation, each by a look at all connections.
struct Model {
    limit: usize,
    needs_states: bool,
    known: Vec<Known>,
    closed: Vec<(ConnectionId, Shed)>,
}

impl Model {
    fn live(&self) -> impl Iterator<Item = &Known> {
        self.known.iter().filter(|one| !one.is_closing)
    }

    fn of(&self, activity: Activity) -> impl Iterator<Item = &Known> {
        self.live().filter(move |one| one.state.activity == activity)
    }

    fn held(&self, block: Option<AddressBlock>) -> usize {
        let counts = |one: &&Known| one.state.activity != Link && one.state.block == block;
        if block.is_some() { self.live().filter(counts).count() } else { 0 }
    }

    fn idle(&self, is_exempt: bool) -> Option<(ConnectionId, Shed)> {
        let idle = self.of(Idle).filter(|one| one.state.block.is_none() == is_exempt);
        idle.min_by_key(|one| (one.state.since, one.id)).map(|one| (one.id, Shed::Idle))
    }

    /// The oldest of the address with the most of an activity, and how many it has.
    fn most(&self, activity: Activity) -> Option<(usize, Known)> {
        let mut blocks = BTreeMap::<_, Vec<&Known>>::new();
        for one in self.of(activity).filter(|one| one.state.block.is_some()) {
            blocks.entry(one.state.block).or_default().push(one);
        }
        let oldest = |of: Vec<&Known>| {
            (of.len(), of.into_iter().min_by_key(|one| (one.state.since, one.id)).unwrap().clone())
        };
        let ranked = blocks.into_values().map(oldest);
        ranked.max_by_key(|(count, oldest)| (*count, Reverse((oldest.state.since, oldest.id))))
    }

    fn replaceable_by(&self, newcomer: Option<AddressBlock>) -> Option<(ConnectionId, Shed)> {
        let own = self.held(newcomer);
        let waiting = self.most(Waiting).filter(|(_, oldest)| self.held(oldest.state.block) > own);
        let exempt = self.of(Waiting).filter(|one| one.state.block.is_none());
        let exempt = exempt.min_by_key(|one| (one.state.since, one.id));
        let exchange = self.most(Exchange).filter(|(count, _)| *count >= EXCHANGES_RATIO * (own + 1));
        let latest = exchange.and_then(|(_, of)| {
            let same = self.of(Exchange).filter(|one| one.state.block == of.state.block);
            same.max_by_key(|one| (one.state.since, one.id))
        });
        self.idle(false)
            .or(waiting.map(|(_, oldest)| (oldest.id, Shed::Waiting)))
            .or(self.idle(true))
            .or(exempt.map(|one| (one.id, Shed::Waiting)))
            .or(latest.map(|one| (one.id, Shed::Exchange)))
    }

    fn close(&mut self, (id, why): (ConnectionId, Shed)) {
        self.known.iter_mut().find(|one| one.id == id).unwrap().is_closing = true;
        self.closed.push((id, why));
    }

    /// Whether a newcomer is let in, and if so whether it is one too many until its client is known.
    fn admit(&mut self, newcomer: ConnectionState) -> Option<bool> {
        if self.known.len() >= self.limit + (self.limit / 8).max(8) {
            return None;
        }
        if self.known.len() < self.limit {
            return Some(false);
        }
        let victim = self.replaceable_by(newcomer.block)?;
        let may_be_a_fronts = newcomer.activity == Waiting && newcomer.block.is_none();
        if victim.1 == Shed::Exchange && may_be_a_fronts {
            return Some(true);
        }
        self.close(victim);
        Some(false)
    }

    /// False if that changes nothing.
    fn change(&mut self, nth: usize, state: ConnectionState) -> bool {
        let one = &mut self.known[nth];
        let is_beyond = one.is_beyond && state.activity == Exchange;
        if one.is_closing {
            let is_kept = state.activity == Link;
            if is_kept {
                (one.is_closing, one.state) = (false, state);
            }
            one.is_beyond &= !is_beyond;
            return is_kept || is_beyond;
        }
        if is_beyond {
            let mut one = self.known.remove(nth);
            let is_full = self.known.len() >= self.limit;
            let victim = self.replaceable_by(state.block).unwrap_or((one.id, Shed::Refused));
            (one.is_beyond, one.state) = (false, state);
            self.known.insert(nth, one);
            if is_full {
                self.close(victim);
            }
            return true;
        }
        let before = std::mem::replace(&mut one.state, state);
        before != state
    }

    /// Whether a connection that is being closed may serve a request.
    fn is_kept(&mut self, nth: usize, state: ConnectionState) -> bool {
        if self.live().count() >= self.limit {
            let Some(victim) = self.replaceable_by(state.block) else { return false };
            self.close(victim);
        }
        (self.known[nth].is_closing, self.known[nth].state) = (false, state);
        true
    }

    fn settle(&mut self, now: Timestamp) {
        let mark = self.limit - self.limit.div_ceil(5);
        let was_needed = self.needs_states;
        let open = self.known.len();
        self.needs_states = open >= if was_needed { mark - mark / 8 } else { mark };
        while was_needed && self.live().count() > mark {
            let late = |(_, oldest): &(usize, Known)| now.since(oldest.state.since) >= FIRST_HEAD_TIME;
            let waiting = self.most(Waiting).filter(late).map(|(_, oldest)| (oldest.id, Shed::Waiting));
            let Some(victim) = self.idle(false).or(waiting) else { break };
            self.close(victim);
        }
    }
}

#[derive(Debug, Clone)]
enum Op {
    Open(Activity, Option<u8>),
    Change(usize, Activity, Option<u8>),
    Ask(usize, Option<u8>),
    Close(usize),
    Limit(usize),
    Pass(u64),
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let activity = || prop_oneof![4 => Just(Waiting), 2 => Just(Idle), 4 => Just(Exchange), 1 => Just(Link)];
    let address = || prop_oneof![1 => Just(None), 3 => Just(Some(1)), 4 => (2_u8..6).prop_map(Some)];
    let op = prop_oneof![
        20 => (activity(), address()).prop_map(|(activity, address)| Op::Open(activity, address)),
        10 => (0_usize..40, activity(), address())
            .prop_map(|(nth, activity, address)| Op::Change(nth, activity, address)),
        4 => (0_usize..40, address()).prop_map(|(nth, address)| Op::Ask(nth, address)),
        8 => (0_usize..40).prop_map(Op::Close),
        1 => (1_usize..24).prop_map(Op::Limit),
        4 => (0_u64..1_500).prop_map(Op::Pass),
    ];
    prop::collection::vec(op, 1..250)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn the_table_decides_as_its_documentation_says(limit in 1_usize..24, ops in ops()) {
        let mut now = Timestamp::ZERO;
        let mut table = ConnectionTable::new(limit);
        let needs_states = table.needs_states();
        let mut model = Model { limit, needs_states, known: Vec::new(), closed: Vec::new() };
        for op in ops {
            match op {
                Op::Open(activity, address) => {
                    let state = state(activity, address, now);
                    let opened = table.handle_opened(state, now);
                    let admitted = model.admit(state);
                    prop_assert_eq!(opened.is_some(), admitted.is_some());
                    if let Some((id, is_beyond)) = opened.zip(admitted) {
                        model.known.push(Known { id, state, is_closing: false, is_beyond });
                        model.settle(now);
                    }
                }
                Op::Change(nth, activity, address) => {
                    let nth = nth % model.known.len().max(1);
                    let Some(id) = model.known.get(nth).map(|one| one.id) else { continue };
                    let state = state(activity, address, now);
                    table.handle_changed(id, state, now);
                    if model.change(nth, state) {
                        model.settle(now);
                    }
                }
                Op::Ask(nth, address) => {
                    let closing: Vec<usize> =
                        (0..model.known.len()).filter(|nth| model.known[*nth].is_closing).collect();
                    let Some(nth) = closing.get(nth % closing.len().max(1)) else { continue };
                    let state = state(Exchange, address, now);
                    let is_kept = model.is_kept(*nth, state);
                    prop_assert_eq!(table.handle_asked(model.known[*nth].id, state, now), is_kept);
                    if is_kept {
                        model.settle(now);
                    }
                }
                Op::Close(nth) if !model.known.is_empty() => {
                    let one = model.known.remove(nth % model.known.len());
                    table.handle_closed(one.id, now);
                    model.settle(now);
                }
                Op::Close(_) => {}
                Op::Limit(limit) => {
                    table.handle_limit(limit, now);
                    model.limit = limit;
                    model.settle(now);
                }
                Op::Pass(ms) => now = now + Duration::from_millis(ms),
            }
            let closed: Vec<_> = std::iter::from_fn(|| table.poll_close()).collect();
            prop_assert_eq!(&closed, &model.closed);
            model.closed.clear();
            prop_assert_eq!(table.open(), model.known.len());
            prop_assert_eq!(table.needs_states(), model.needs_states);
        }
    }
}

/// Opens a connection, and has what it displaces close at once.
fn open(table: &mut ConnectionTable, activity: Activity, address: Option<u8>, now: Timestamp) -> bool {
    let opened = table.handle_opened(state(Waiting, address, now), now);
    drain(table, now);
    if let Some(id) = opened {
        table.handle_changed(id, state(activity, address, now), now);
        drain(table, now);
    }
    opened.is_some()
}

fn drain(table: &mut ConnectionTable, now: Timestamp) -> Vec<Shed> {
    let mut why = Vec::new();
    while let Some((id, shed)) = table.poll_close() {
        table.handle_closed(id, now);
        why.push(shed);
    }
    why
}

#[test]
fn one_address_keeps_nobody_out_whatever_its_connections_do() {
    for activity in [Waiting, Idle, Exchange] {
        let (mut table, mut now) = (ConnectionTable::new(100), Timestamp::ZERO);
        for _ in 0..500 {
            now = now + Duration::from_micros(500);
            open(&mut table, activity, Some(1), now);
        }
        for other in 2..10 {
            assert!(open(&mut table, Exchange, Some(other), now), "{activity:?}");
            // The attack goes on.
            for _ in 0..20 {
                now = now + Duration::from_micros(500);
                open(&mut table, activity, Some(1), now);
            }
        }
        assert!(table.open() <= 100, "{activity:?}");
    }
}

#[test]
fn links_and_exchanges_of_small_clients_outlive_an_attack_from_many_addresses() {
    let (mut table, mut now) = (ConnectionTable::new(100), Timestamp::ZERO);
    let kept: Vec<ConnectionId> = [(Link, 1), (Link, 2), (Exchange, 3), (Exchange, 4)]
        .into_iter()
        .map(|(activity, address)| table.handle_opened(state(activity, Some(address), now), now).unwrap())
        .collect();
    for round in 0..10_000_u32 {
        now = now + Duration::from_micros(500);
        let address = 10 + (round % 200) as u8;
        let activity = if round % 3 == 0 { Idle } else { Waiting };
        let _admitted = table.handle_opened(state(activity, Some(address), now), now);
        while let Some((id, _)) = table.poll_close() {
            assert!(!kept.contains(&id), "round {round}");
            table.handle_closed(id, now);
        }
    }
}

#[test]
fn exempt_connections_are_closed_only_for_want_of_others_and_their_exchanges_never() {
    let (mut table, now) = (ConnectionTable::new(10), Timestamp::ZERO);
    for activity in [Idle, Waiting, Exchange, Exchange] {
        assert!(open(&mut table, activity, None, now));
    }
    for address in 1..=6 {
        table.handle_opened(state(Waiting, Some(address), now), now).unwrap();
    }
    let later = now + Duration::from_millis(1);
    let mut why = Vec::new();
    for address in 11..=18 {
        let opened = table.handle_opened(state(Waiting, Some(address), later), later).unwrap();
        why.extend(drain(&mut table, later));
        table.handle_changed(opened, state(Exchange, Some(address), later), later);
    }
    assert_eq!(why[..6], [Shed::Waiting; 6]);
    assert_eq!(why[6..], [Shed::Idle, Shed::Waiting]);
    assert_eq!(table.handle_opened(state(Waiting, Some(19), later), later), None, "all have exchanges");
}

#[test]
fn room_for_closing_connections_is_bounded_and_left_to_other_addresses() {
    let (mut table, now) = (ConnectionTable::new(80), Timestamp::ZERO);
    let mut opened = |address| table.handle_opened(state(Waiting, Some(address), now), now).is_some();
    assert_eq!((0..1_000).filter(|_| opened(1)).count(), 80);
    assert_eq!((0..100).map(|other| opened(100 + other)).filter(|is_open| *is_open).count(), 80 / 8);
    assert_eq!(table.open(), 90);
    assert_eq!(drain(&mut table, now).len(), 10);
    assert!(table.handle_opened(state(Waiting, Some(2), now), now).is_some());
    assert!(table.handle_opened(state(Waiting, Some(1), now), now).is_none());
}

#[test]
fn a_limit_that_shrinks_closes_nothing_that_has_an_exchange() {
    let (mut table, now) = (ConnectionTable::new(1_000), Timestamp::ZERO);
    let waiting = |number: usize| state(Waiting, Some((number % 200) as u8), now);
    let all: Vec<_> = (0..795)
        .map(|number| (table.handle_opened(waiting(number), now).unwrap(), waiting(number)))
        .collect();
    assert!(!table.needs_states(), "what they do is not asked for");
    let later = now + FIRST_HEAD_TIME;
    table.handle_limit(980, later);
    assert!(table.needs_states());
    // All have exchanges but the last, which waits indeed.
    let states = all.iter().enumerate().map(|(nth, (id, state))| {
        let activity = if nth == 794 { Waiting } else { Exchange };
        (*id, ConnectionState { activity, ..*state })
    });
    table.handle_states(states, later);
    assert_eq!(table.poll_close(), Some((all[794].0, Shed::Waiting)));
    assert_eq!(table.poll_close(), None, "it has an exchange");
}

#[test]
fn the_link_of_a_telephone_that_was_to_be_closed_meanwhile_stays_and_counts_once() {
    for is_told_with_all in [false, true] {
        let (mut table, now) = (ConnectionTable::new(20), Timestamp::ZERO);
        let opened = |table: &mut ConnectionTable, address| {
            table.handle_opened(state(Waiting, Some(address), now), now).unwrap()
        };
        let telephone = opened(&mut table, 1);
        (0..19).for_each(|_| assert!(opened(&mut table, 1) != telephone));
        opened(&mut table, 2);
        assert_eq!(table.poll_close(), Some((telephone, Shed::Waiting)));
        let link = state(Link, Some(1), now);
        match is_told_with_all {
            false => table.handle_changed(telephone, link, now),
            true => table.handle_states([(telephone, link)], now),
        }
        // 21 are open, of which none is being closed: those beyond 16 have waited too long.
        let later = now + FIRST_HEAD_TIME;
        table.handle_states([], later);
        let shed = drain(&mut table, later);
        assert_eq!((shed, table.open()), (vec![Shed::Waiting; 5], 16), "{is_told_with_all}");
    }
}

#[test]
fn a_client_behind_a_front_cuts_off_an_exchange_only_where_its_own_address_might() {
    let (mut table, now) = (ConnectionTable::new(40), Timestamp::ZERO);
    for address in [1_u8, 1, 1, 1, 2].repeat(8) {
        assert!(open(&mut table, Exchange, Some(address), now));
    }
    let mut behind_the_front = |address| {
        let opened = table.handle_opened(state(Waiting, None, now), now).unwrap();
        assert_eq!(table.poll_close(), None, "it is not known yet who asks");
        table.handle_changed(opened, state(Exchange, Some(address), now), now);
        let (closed, why) = table.poll_close().unwrap();
        assert_eq!(table.poll_close(), None);
        table.handle_closed(closed, now);
        (closed == opened, why)
    };
    // The first address has 32 exchanges, the second 8.
    assert_eq!(behind_the_front(2), (true, Shed::Refused));
    assert_eq!(behind_the_front(1), (true, Shed::Refused));
    assert_eq!(behind_the_front(3), (false, Shed::Exchange));
    assert_eq!(table.open(), 40);
}

#[test]
fn an_idle_connection_that_asks_while_it_is_closed_is_kept_if_there_is_room_or_another_to_close() {
    let (mut table, now) = (ConnectionTable::new(10), Timestamp::ZERO);
    let asks = state(Exchange, Some(1), now);
    for _ in 0..10 {
        table.handle_opened(state(Idle, Some(1), now), now).unwrap();
    }
    let shed: Vec<_> = std::iter::from_fn(|| table.poll_close()).collect();
    assert!(shed.iter().all(|(_, why)| *why == Shed::Idle), "{shed:?}");
    let closing: Vec<ConnectionId> = shed.into_iter().map(|(id, _)| id).collect();
    assert_eq!(closing.len(), 2, "8 is the mark");
    assert!(table.handle_asked(closing[0], asks, now), "there is room");
    assert_eq!(drain(&mut table, now).len(), 1, "another idle one");
    // One of a front gave way to a new one, and no other can be closed.
    let mut table = ConnectionTable::new(10);
    let idle = table.handle_opened(state(Idle, None, now), now).unwrap();
    for address in 1..=10 {
        table.handle_opened(state(Exchange, Some(address), now), now).unwrap();
    }
    assert_eq!(table.poll_close(), Some((idle, Shed::Idle)));
    assert!(!table.handle_asked(idle, asks, now));
    table.handle_closed(idle, now);
    assert_eq!((table.open(), table.poll_close()), (10, None));
}
