//! Tests of the queue of checks.

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv6Addr};

use super::*;
use crate::random::Random;

fn at(millis: u64) -> Timestamp {
    Timestamp::ZERO + Duration::from_millis(millis)
}

/// The `n`th of many blocks.
fn block(n: u16) -> AddressBlock {
    AddressBlock::of(IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, n, 0, 0, 0, 1)))
}

fn counted(n: u16) -> Applicant {
    Applicant { block: block(n), is_counted: true }
}

const SMALL: HelloLimits = HelloLimits { per_address: 10, per_address_burst: 3 };

fn queue(running_max: usize, waiting_max: usize, blocks_max: usize) -> VerificationQueue {
    VerificationQueue::bounded(SMALL, running_max, waiting_max, blocks_max)
}

fn turns(queue: &mut VerificationQueue, now: Timestamp) -> Vec<(CheckTicket, Turn)> {
    core::iter::from_fn(|| queue.poll_turn(now)).collect()
}

/// Runs everything that waits to its end; who began, in order.
fn run(queue: &mut VerificationQueue, has_failed: bool, now: Timestamp) -> Vec<CheckTicket> {
    let mut begun = Vec::new();
    while let Some((ticket, turn)) = queue.poll_turn(now) {
        if turn == Turn::Begin {
            begun.push(ticket);
            queue.finish(ticket, has_failed, now);
        }
    }
    begun
}

#[test]
fn no_more_checks_run_at_once_than_may_and_the_next_begins_when_one_is_finished() {
    let mut queue = queue(2, 10, 10);
    let tickets: Vec<_> = (0..4).map(|n| queue.enter(counted(n), at(0))).collect();
    assert_eq!(turns(&mut queue, at(0)), [(tickets[0], Turn::Begin), (tickets[1], Turn::Begin)]);
    assert_eq!((queue.running(), queue.waiting()), (2, 2));
    queue.finish(tickets[1], true, at(0));
    assert_eq!(turns(&mut queue, at(0)), [(tickets[2], Turn::Begin)]);
    // Twice finished, or never begun: neither frees a place.
    queue.finish(tickets[1], true, at(0));
    queue.finish(tickets[3], true, at(0));
    assert_eq!(turns(&mut queue, at(0)), []);
}

#[test]
fn address_blocks_take_turns_whatever_waits_of_each() {
    let mut queue = VerificationQueue::new(HelloLimits::default(), 1);
    let flood: Vec<_> = (0..50).map(|_| queue.enter(counted(1), at(0))).collect();
    let others: Vec<_> = [2, 3, 2].map(|n| queue.enter(counted(n), at(0))).into();
    let begun = run(&mut queue, false, at(0));
    let first = [flood[0], others[0], others[1], flood[1], others[2], flood[2], flood[3]];
    assert_eq!(begun[..7], first);
    assert_eq!(begun.len(), 53);
}

#[test]
fn a_late_block_waits_for_one_check_of_a_flood_and_not_for_all() {
    let mut queue = VerificationQueue::new(HelloLimits::default(), 1);
    let flood: Vec<_> = (0..50).map(|_| queue.enter(counted(1), at(0))).collect();
    assert_eq!(turns(&mut queue, at(0)), [(flood[0], Turn::Begin)]);
    let late = queue.enter(counted(2), at(1));
    queue.finish(flood[0], false, at(2));
    let next = turns(&mut queue, at(2));
    assert!(next == [(flood[1], Turn::Begin)] || next == [(late, Turn::Begin)]);
    queue.finish(next[0].0, false, at(3));
    let then = turns(&mut queue, at(3));
    assert!([next[0].0, then[0].0].contains(&late));
}

#[test]
fn failures_beyond_the_burst_are_refused_without_a_check_and_come_back_with_time() {
    let mut queue = queue(1, 100, 10);
    for _ in 0..8 {
        queue.enter(counted(1), at(0));
    }
    let (mut begun, mut refused) = (0, Vec::new());
    while let Some((ticket, turn)) = queue.poll_turn(at(0)) {
        match turn {
            Turn::Begin => {
                begun += 1;
                queue.finish(ticket, true, at(0));
            }
            Turn::Refuse(overload) => refused.push(overload),
        }
    }
    let wait = Duration::from_millis(100);
    assert_eq!((begun, refused.len()), (3, 5));
    assert!(refused.iter().all(|refused| *refused == Overload::TooManyFailures { wait }));

    // Another block is not concerned.
    let other = queue.enter(counted(2), at(0));
    assert_eq!(run(&mut queue, true, at(0)), [other]);
    // One comes back in 100 ms, ten in a second, and no more than the burst.
    let again = queue.enter(counted(1), at(100));
    assert_eq!(run(&mut queue, true, at(100)), [again]);
    let many: Vec<_> = (0..8).map(|_| queue.enter(counted(1), at(60_000))).collect();
    assert_eq!(run(&mut queue, true, at(60_000)), many[..3]);
}

#[test]
fn whoever_is_refused_unchecked_is_asked_to_wait_for_as_long_as_it_must_and_a_second_at_least() {
    let rare = HelloLimits { per_address: 1, per_address_burst: 1 };
    let mut queue = VerificationQueue::bounded(rare, 1, 10, 10);
    for _ in 0..2 {
        queue.enter(counted(1), at(0));
    }
    let refused = |turn: &(CheckTicket, Turn)| match turn.1 {
        Turn::Refuse(overload) => Some(overload),
        Turn::Begin => None,
    };
    let (ticket, _) = queue.poll_turn(at(0)).expect("the first begins");
    queue.finish(ticket, true, at(0));
    let overload = turns(&mut queue, at(0)).iter().find_map(refused).expect("the second is refused");
    assert_eq!(overload.retry_after(), Duration::from_secs(1));
    let after = |wait| Overload::TooManyFailures { wait }.retry_after();
    assert_eq!(after(Duration::from_millis(100)), Duration::from_secs(1));
    assert_eq!(after(Duration::from_secs(90)), Duration::from_secs(90));
    assert_eq!(after(Duration::MAX), Duration::from_secs(3600));
    assert_eq!(Overload::QueueFull.retry_after(), Duration::from_secs(1));
}

#[test]
fn what_succeeds_costs_nothing_however_many_come_from_one_block() {
    let mut queue = queue(2, 1_000, 10);
    let fleet: Vec<_> = (0..500).map(|_| queue.enter(counted(1), at(0))).collect();
    assert_eq!(run(&mut queue, false, at(0)), fleet);
    assert_eq!(queue.failures.len(), 0, "a block that never failed is not remembered");
}

#[test]
fn a_breach_of_the_protocol_counts_like_a_bad_token() {
    let mut queue = queue(1, 10, 10);
    for _ in 0..3 {
        queue.count_failure(counted(1), at(0));
    }
    let refused = queue.enter(counted(1), at(0));
    let overload = Overload::TooManyFailures { wait: Duration::from_millis(100) };
    assert_eq!(turns(&mut queue, at(0)), [(refused, Turn::Refuse(overload))]);
}

#[test]
fn exempt_addresses_take_turns_and_never_run_out() {
    let mut queue = queue(1, 1_000, 10);
    let exempt = Applicant { is_counted: false, ..counted(1) };
    let all: Vec<_> = (0..100).map(|_| queue.enter(exempt, at(0))).collect();
    assert_eq!(run(&mut queue, true, at(0)), all);
    queue.count_failure(exempt, at(0));
    assert_eq!(queue.failures.len(), 0);
}

#[test]
fn whoever_leaves_while_it_waits_frees_its_place() {
    let mut queue = queue(1, 10, 10);
    let tickets: Vec<_> = (0..4).map(|n| queue.enter(counted(n % 2), at(0))).collect();
    assert_eq!(turns(&mut queue, at(0)), [(tickets[0], Turn::Begin)]);
    queue.cancel(tickets[1]);
    queue.cancel(tickets[2]);
    assert_eq!(queue.waiting(), 1);
    // One that runs goes on: its core is busy until it is finished.
    queue.cancel(tickets[0]);
    assert_eq!(turns(&mut queue, at(0)), []);
    queue.finish(tickets[0], true, at(0));
    assert_eq!(turns(&mut queue, at(0)), [(tickets[3], Turn::Begin)]);
}

#[test]
fn a_full_queue_takes_from_the_block_that_has_most() {
    let mut queue = queue(1, 4, 10);
    let begun = queue.enter(counted(9), at(0));
    assert_eq!(turns(&mut queue, at(0)), [(begun, Turn::Begin)]);
    let flood: Vec<_> = (0..4).map(|_| queue.enter(counted(1), at(0))).collect();
    let full = Turn::Refuse(Overload::QueueFull);
    let fifth = queue.enter(counted(1), at(0));
    assert_eq!(turns(&mut queue, at(0)), [(fifth, full)]);
    let honest = queue.enter(counted(2), at(0));
    assert_eq!(turns(&mut queue, at(0)), [(flood[3], full)]);
    assert_eq!(queue.waiting(), 4);
    queue.finish(begun, false, at(0));
    assert_eq!(run(&mut queue, false, at(0)), [flood[0], honest, flood[1], flood[2]]);
}

#[test]
fn a_flood_of_addresses_resets_no_bucket_that_is_low() {
    let mut queue = queue(1, 10, 100);
    for _ in 0..3 {
        queue.count_failure(counted(0), at(0));
    }
    for n in 1..=10_000 {
        queue.count_failure(counted(n), at(1));
        assert!(queue.failures.len() <= 100);
    }
    let refused = queue.enter(counted(0), at(1));
    let turns = turns(&mut queue, at(1));
    assert!(matches!(turns[..], [(ticket, Turn::Refuse(_))] if ticket == refused), "{turns:?}");
}

#[test]
fn full_buckets_are_forgotten() {
    let mut queue = queue(1, 10, 100);
    for n in 0..50 {
        queue.count_failure(counted(n), at(0));
    }
    assert_eq!(queue.failures.len(), 50);
    // Each lacks one token, which is back after 100 ms.
    queue.count_failure(counted(50), at(100));
    assert_eq!(queue.failures.len(), 1);
}

#[test]
fn whatever_comes_in_whatever_order_nothing_is_lost_and_all_is_bounded() {
    let mut random = Random::new(19);
    let mut queue = queue(2, 8, 5);
    let (mut open, mut running) = (Vec::new(), Vec::new());
    let mut now = at(0);
    for _ in 0..20_000 {
        match random.up_to(5) {
            0..=2 => {
                let is_counted = random.up_to(3) > 0;
                let from = u16::try_from(random.up_to(8)).expect("small");
                open.push(queue.enter(Applicant { is_counted, ..counted(from) }, now));
            }
            3 if !running.is_empty() => {
                let at = random.up_to(running.len() as u64 - 1) as usize;
                queue.finish(running.swap_remove(at), random.up_to(1) == 0, now);
            }
            4 if !open.is_empty() => {
                let at = random.up_to(open.len() as u64 - 1) as usize;
                queue.cancel(open.swap_remove(at));
            }
            _ => now = now + Duration::from_millis(random.up_to(199)),
        }
        while let Some((ticket, turn)) = queue.poll_turn(now) {
            let at = open.iter().position(|one| *one == ticket).expect("it waited");
            open.swap_remove(at);
            if turn == Turn::Begin {
                running.push(ticket);
            }
        }
        assert!(queue.running() <= 2 && queue.waiting() <= 8 && queue.failures.len() <= 5);
        assert_eq!((queue.running(), queue.waiting()), (running.len(), open.len()));
        assert!(queue.waiting() == 0 || queue.running() == 2, "a free place beside one that waits");
        let lanes: usize = queue.lanes.values().map(|lane| lane.tickets.len()).sum();
        assert_eq!((lanes, queue.turns.len()), (queue.waiting(), queue.lanes.len()));
    }
}
