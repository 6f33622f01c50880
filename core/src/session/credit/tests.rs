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
