//! Grants of one ledger against a model that adds up from the start each time.

use alloc::vec::Vec;
use core::time::Duration;
use proptest::prelude::*;

use super::{Grant, Ledger, Tuning};
use crate::limits::SessionLimits;
use crate::time::Timestamp;

/// What happens to one of the streams.
#[derive(Debug, Clone)]
enum Step {
    Open,
    /// So many parts in 256 of what may come does.
    Receive(usize, u8),
    /// One octet more than may come.
    Exceed(usize),
    /// So many parts in 256 of what is unread are read.
    Consume(usize, u8),
    Extend(usize),
    Declare(usize, u16),
    Finish(usize),
    Close(usize),
    Pass(u32),
}

fn any_step() -> impl Strategy<Value = Step> {
    let stream = 0_usize..8;
    prop_oneof![
        2 => Just(Step::Open),
        4 => (stream.clone(), any::<u8>()).prop_map(|(stream, part)| Step::Receive(stream, part)),
        1 => stream.clone().prop_map(Step::Exceed),
        4 => (stream.clone(), any::<u8>()).prop_map(|(stream, part)| Step::Consume(stream, part)),
        4 => stream.clone().prop_map(Step::Extend),
        1 => (stream.clone(), any::<u16>()).prop_map(|(stream, length)| Step::Declare(stream, length)),
        1 => stream.clone().prop_map(Step::Finish),
        1 => stream.prop_map(Step::Close),
        2 => any::<u32>().prop_map(Step::Pass),
    ]
}

fn any_limits() -> impl Strategy<Value = SessionLimits> {
    let size = || prop_oneof![0_u64..4, 0_u64..5_000, Just(1 << 20)];
    (1_u64..300, size(), size(), 1_u64..9).prop_map(
        |(stream_floor, stream_window, session_window, growth)| SessionLimits {
            stream_floor,
            stream_window,
            stream_window_max: stream_window * growth,
            session_window,
            session_window_max: session_window * growth,
            ..SessionLimits::default()
        },
    )
}

/// What a stream came to, counted apart from its grant.
#[derive(Debug, Default)]
struct Counts {
    received: u64,
    consumed: u64,
    told: u64,
    declared: Option<u64>,
}

impl Counts {
    /// What must be reserved: what may still be unread beyond the floor.
    fn needed(&self, floor: u64) -> u64 {
        let reach = self.declared.map_or(self.told, |length| length.min(self.told));
        reach.saturating_sub(self.consumed + floor)
    }
}

struct World {
    limits: SessionLimits,
    ledger: Ledger,
    streams: Vec<(Grant, Counts)>,
    now: Timestamp,
}

impl World {
    fn new(limits: SessionLimits) -> Self {
        let now = Timestamp::from_micros(1);
        Self { ledger: Ledger::new(&limits, now), limits, streams: Vec::new(), now }
    }

    fn step(&mut self, step: &Step) {
        let (limits, ledger) = (&self.limits, &mut self.ledger);
        match step {
            Step::Open if self.streams.len() < 8 => {
                let counts = Counts { told: limits.stream_floor, ..Counts::default() };
                self.streams.push((Grant::new(limits, self.now), counts));
            }
            Step::Receive(at, part) => {
                let Some((grant, counts)) = self.streams.get_mut(*at) else { return };
                let count = (counts.told - counts.received) * u64::from(*part) / 255;
                assert!(grant.receive(count));
                counts.received += count;
            }
            Step::Exceed(at) => {
                let Some((grant, counts)) = self.streams.get_mut(*at) else { return };
                assert!(!grant.receive(counts.told - counts.received + 1), "more than was granted");
            }
            Step::Consume(at, part) => {
                let Some((grant, counts)) = self.streams.get_mut(*at) else { return };
                let count = (counts.received - counts.consumed) * u64::from(*part) / 255;
                grant.consume(count, ledger, limits);
                counts.consumed += count;
            }
            Step::Extend(at) => self.extend(*at),
            Step::Declare(at, length) => {
                let Some((grant, counts)) = self.streams.get_mut(*at) else { return };
                let length = u64::from(*length).max(counts.received);
                grant.declare(Some(length), ledger, limits);
                counts.declared = Some(length);
            }
            Step::Finish(at) => {
                let Some((grant, counts)) = self.streams.get_mut(*at) else { return };
                grant.finish(ledger, limits);
                counts.told = counts.received;
            }
            Step::Close(at) if *at < self.streams.len() => self.streams.swap_remove(*at).0.close(ledger),
            Step::Pass(micros) => {
                self.now = self.now + Duration::from_micros(u64::from(*micros));
                ledger.shrink(limits, self.now);
            }
            Step::Open | Step::Close(_) => {}
        }
    }

    fn extend(&mut self, at: usize) {
        let others = self.reserved_by_others(at);
        let Some((grant, counts)) = self.streams.get_mut(at) else { return };
        let tuning = Tuning { limits: &self.limits, round_trip: None, now: self.now };
        let is_raised = grant.extend(&mut self.ledger, &tuning);
        let is_starved = counts.consumed == counts.told;
        let is_covered = counts.declared.is_some_and(|length| length <= counts.told);
        assert!(is_raised || !is_starved || is_covered, "a sender that used up all it had waits for ever");
        assert_eq!(is_raised, grant.limit() > counts.told);
        counts.told = grant.limit();
        let free = self.ledger.window() - others.min(self.ledger.window());
        let beyond = (counts.told - counts.consumed).saturating_sub(self.limits.stream_floor);
        assert!(!is_raised || beyond <= free / 2, "one stream takes more than half of what is free");
    }

    fn reserved_by_others(&self, at: usize) -> u64 {
        let others = self.streams.iter().enumerate().filter(|(index, _)| *index != at);
        others.map(|(_, (_, counts))| counts.needed(self.limits.stream_floor)).sum()
    }

    fn check(&self) {
        let mut needed = 0;
        for (grant, counts) in &self.streams {
            assert_eq!((grant.received(), grant.consumed()), (counts.received, counts.consumed));
            assert_eq!((grant.limit(), grant.declared()), (counts.told, counts.declared));
            assert_eq!(grant.reserved(), counts.needed(self.limits.stream_floor));
            needed += grant.reserved();
        }
        assert_eq!(self.ledger.reserved(), needed, "credit is lost or made"); // I12
        let window_max = self.limits.session_window_max.max(self.limits.session_window);
        assert!(self.ledger.window() <= window_max && self.ledger.window() >= self.limits.session_window);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2_000) })]

    #[test]
    fn credit_adds_up_whatever_becomes_of_streams(
        limits in any_limits(),
        steps in proptest::collection::vec(any_step(), 0..100),
    ) {
        let mut world = World::new(limits);
        for step in &steps {
            world.step(step);
            world.check();
        }
        while !world.streams.is_empty() {
            world.step(&Step::Close(0));
        }
        prop_assert_eq!(world.ledger.reserved(), 0);
    }
}

const ROUND_TRIP: Duration = Duration::from_millis(20);
const IDLE: Duration = Duration::from_secs(10);
const TICK: Duration = Duration::from_micros(1);

/// One stream of a session, whose reader takes what it is told to.
struct Reader {
    limits: SessionLimits,
    ledger: Ledger,
    grant: Grant,
    now: Timestamp,
}

impl Reader {
    fn new(session_window: u64) -> Self {
        let limits = SessionLimits {
            stream_floor: 100,
            stream_window: 1_000,
            stream_window_max: 4_000,
            session_window,
            session_window_max: 4 * session_window,
            ..SessionLimits::default()
        };
        let now = Timestamp::from_micros(1);
        Self { ledger: Ledger::new(&limits, now), grant: Grant::new(&limits, now), limits, now }
    }

    /// One whose first window runs from now on: all of it was granted and nothing of it read.
    fn begun() -> Self {
        let mut reader = Self::new(1 << 20);
        assert!(reader.extend());
        reader.read(300);
        assert!(reader.extend());
        assert_eq!(reader.window(), 1_000);
        reader
    }

    /// So many octets come and are read.
    fn read(&mut self, count: u64) {
        let lacking = (self.grant.consumed() + count).saturating_sub(self.grant.received());
        assert!(self.grant.receive(lacking));
        self.grant.consume(count, &mut self.ledger, &self.limits);
    }

    fn extend(&mut self) -> bool {
        let tuning = Tuning { limits: &self.limits, round_trip: Some(ROUND_TRIP), now: self.now };
        self.grant.extend(&mut self.ledger, &tuning)
    }

    /// So many octets are read in this time. Tells the window that the stream has then.
    fn read_in(&mut self, count: u64, time: Duration) -> u64 {
        self.now = self.now + time;
        self.read(count);
        self.extend();
        self.window()
    }

    fn window(&self) -> u64 {
        self.grant.window()
    }
}

#[test]
fn a_limit_is_raised_once_a_quarter_of_the_window_is_used_up() {
    let mut reader = Reader::new(1 << 20);
    assert_eq!(reader.grant.limit(), 100);
    assert!(reader.extend());
    assert_eq!(reader.grant.limit(), 1_000);
    reader.read(249);
    assert!(!reader.extend());
    reader.read(1);
    assert!(reader.extend());
    assert_eq!(reader.grant.limit(), 1_250);
    assert!(!reader.extend());
}

#[test]
fn a_limit_of_a_narrow_window_is_raised_once_half_of_the_floor_is_used_up() {
    let mut reader = Reader::new(0);
    reader.read(49);
    assert!(!reader.extend());
    reader.read(1);
    assert!(reader.extend());
    assert_eq!(reader.grant.limit(), 150);
}

#[test]
fn a_window_that_is_read_in_less_than_two_round_trips_is_doubled_up_to_its_bound() {
    let mut reader = Reader::begun();
    assert_eq!(reader.read_in(1_000, 2 * ROUND_TRIP), 1_000);
    assert_eq!(reader.read_in(1_000, 2 * ROUND_TRIP - TICK), 2_000);
    assert_eq!(reader.read_in(2_000, 2 * ROUND_TRIP - TICK), 4_000);
    assert_eq!(reader.read_in(4_000, TICK), 4_000);
}

#[test]
fn less_than_a_window_says_nothing_of_the_way() {
    let mut reader = Reader::begun();
    assert_eq!(reader.read_in(999, TICK), 1_000);
    assert_eq!(reader.read_in(1, TICK), 1_000, "nothing to raise, nothing to look at");
    assert_eq!(reader.read_in(249, TICK), 2_000);
}

#[test]
fn time_runs_from_the_first_octets() {
    let mut reader = Reader::new(1 << 20);
    assert!(reader.extend());
    assert_eq!(reader.read_in(300, 5 * ROUND_TRIP), 1_000);
    assert_eq!(reader.read_in(1_000, ROUND_TRIP), 2_000);
}

#[test]
fn a_window_that_lasts_long_falls_back_to_where_it_began() {
    for (count, time, window) in [(1_000, IDLE, 2_000), (2_000, IDLE, 2_000), (1_000, IDLE + TICK, 1_000)] {
        let mut reader = Reader::begun();
        assert_eq!(reader.read_in(1_000, ROUND_TRIP), 2_000);
        assert_eq!(reader.read_in(count, time), window, "{count} in {time:?}");
    }
}

#[test]
fn where_the_session_is_the_narrower_its_window_is_doubled_once_in_a_round_trip() {
    let mut reader = Reader::new(400);
    reader.now = reader.now + ROUND_TRIP;
    assert!(reader.extend());
    // Its floor and half of the session's window.
    assert_eq!(reader.grant.limit(), 300);
    reader.read(300);
    assert!(reader.extend());
    for (time, window) in [(TICK, 800), (ROUND_TRIP - TICK, 800), (TICK, 1_600)] {
        let count = reader.grant.limit() - reader.grant.consumed();
        assert_eq!(reader.read_in(count, time), 1_000);
        assert_eq!(reader.ledger.window(), window, "{time:?}");
    }
}

#[test]
fn a_session_window_of_which_less_than_a_quarter_is_used_is_halved_once_in_a_while() {
    let limits = SessionLimits { session_window: 150, ..SessionLimits::default() };
    let start = Timestamp::from_micros(1);
    let after = |reserved, time| {
        let mut ledger = Ledger { window: 400, reserved, tuned_at: start };
        ledger.shrink(&limits, start + time);
        ledger.window()
    };
    assert_eq!(after(100, IDLE), 400);
    assert_eq!(after(99, IDLE), 200);
    assert_eq!(after(99, IDLE - TICK), 400);
    let mut ledger = Ledger { window: 200, reserved: 0, tuned_at: start };
    ledger.shrink(&limits, start + IDLE);
    assert_eq!(ledger.window(), 150, "no less than at first");
}
