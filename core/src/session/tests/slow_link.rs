//! A link whose messages are limited, since what it takes delays everything behind it.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use bytes::Bytes;
use core::time::Duration;

use super::pair::{OnLink as _, Pair, SECOND, end, fill, http, read, request, response};
use crate::limits::{MESSAGE_BYTES_MAX, MESSAGE_BYTES_MIN, SessionLimits};
use crate::session::{Session, StreamId};
use crate::time::Timestamp;
use crate::wire::Frame;

/// Bytes of a message beside its data: the acknowledgement and a few heads.
const HEADS: usize = 64;

fn limit(session: &mut Session, bytes: usize) {
    session.limit_messages(session.link, bytes);
}

/// A pair with so many downloads of which the plugboard lacks 60 KiB each.
fn downloads(count: usize) -> (Pair, Vec<StreamId>) {
    let mut pair = Pair::new();
    let streams: Vec<StreamId> = (0..count).map(|_| pair.exchange()).collect();
    for id in &streams {
        pair.telephone.send(*id).respond(response(200), false).expect("a head");
    }
    pair.settle();
    for id in &streams {
        assert_eq!(fill(&mut pair.telephone, *id, 60 * 1024), 60 * 1024);
    }
    (pair, streams)
}

/// The telephone's next message: its size, and how many bytes of which stream are in it.
fn next(pair: &mut Pair) -> Option<(usize, BTreeMap<StreamId, usize>)> {
    let now = pair.now;
    let message = pair.telephone.poll_transmit(pair.telephone.link, now)?;
    let mut data = BTreeMap::new();
    for frame in super::pair::frames(&message) {
        if let Frame::Data { id, octets } = frame {
            *data.entry(id).or_insert(0) += octets.len();
        }
    }
    pair.to_plugboard.push_back(message.clone());
    Some((message.len(), data))
}

#[test]
fn messages_of_a_slow_link_are_as_small_as_asked_and_carry_every_byte() {
    for bytes in [0, MESSAGE_BYTES_MIN, 3000, 12_000, 40_000] {
        let (mut pair, streams) = downloads(3);
        limit(&mut pair.telephone, bytes);
        let mut count = 0;
        while let Some((size, _)) = next(&mut pair) {
            assert!(size <= bytes.max(MESSAGE_BYTES_MIN) + HEADS, "{size} bytes where {bytes} are asked for");
            count += 1;
        }
        assert!(count >= 3 * 60 * 1024 / bytes.max(MESSAGE_BYTES_MIN), "{count} messages");
        for id in streams {
            pair.telephone.send(id).end(crate::message::Headers::new());
            pair.settle();
            pair.plugboard.recv(id).take_head().expect("a head");
            let (octets, last) = read(&mut pair.plugboard, id, pair.now);
            assert_eq!((octets.len(), last), (60 * 1024, end()));
        }
    }
}

#[test]
fn a_new_stream_waits_for_one_small_turn_of_each_other() {
    const BYTES: usize = 8 * MESSAGE_BYTES_MIN;
    let (mut pair, _) = downloads(4);
    limit(&mut pair.telephone, BYTES);
    next(&mut pair).expect("data");
    let late = pair.plugboard.open(http(request("GET")), true, pair.now).expect("a stream");
    let open = pair.plugboard.poll_transmit(pair.plugboard.link, pair.now).expect("an open frame");
    pair.telephone.handle_message(pair.telephone.link, open, pair.now);
    pair.accept_all();
    pair.telephone.send(late).respond(response(200), false).expect("a head");
    fill(&mut pair.telephone, late, 500);
    let mut ahead = 0;
    loop {
        let (_, data) = next(&mut pair).expect("data");
        if data.contains_key(&late) {
            break;
        }
        ahead += data.values().sum::<usize>();
    }
    // A turn is a quarter of a message.
    assert!(ahead <= 4 * BYTES / 4, "{ahead} bytes ahead of a new stream");
}

#[test]
fn streams_share_a_slow_link() {
    let (mut pair, streams) = downloads(3);
    limit(&mut pair.telephone, 4 * MESSAGE_BYTES_MIN);
    let mut sums = BTreeMap::new();
    for _ in 0..15 {
        let (_, data) = next(&mut pair).expect("data");
        data.into_iter().for_each(|(id, bytes)| *sums.entry(id).or_insert(0) += bytes);
    }
    let shares: Vec<usize> = streams.iter().map(|id| sums[id]).collect();
    let (least, most) = (shares.iter().min().expect("three"), shares.iter().max().expect("three"));
    assert!(most - least <= 2 * MESSAGE_BYTES_MIN, "{shares:?}");
}

#[test]
fn a_head_that_is_larger_than_a_slow_links_messages_is_sent() {
    let mut pair = Pair::new();
    limit(&mut pair.telephone, MESSAGE_BYTES_MIN);
    let id = pair.exchange();
    let mut head = response(200);
    head.headers.push(&b"x-large"[..], alloc::vec![b'a'; 30_000]);
    pair.telephone.send(id).respond(head, true).expect("a head");
    pair.settle();
    assert!(pair.plugboard.recv(id).take_head().is_some());
}

#[test]
fn a_new_link_has_no_limit_and_an_old_one_sets_none() {
    let mut pair = Pair::waiting(&SessionLimits::default(), &SessionLimits::default(), SECOND);
    let old = pair.telephone.link;
    limit(&mut pair.telephone, MESSAGE_BYTES_MIN);
    pair.settle();
    pair.cut();
    pair.resume();
    pair.telephone.limit_messages(old, MESSAGE_BYTES_MIN);
    assert_eq!(pair.telephone.message_bytes_max, MESSAGE_BYTES_MAX);
}

/// Two ends of a link on which each message waits in a queue, the same one each way.
struct Queued {
    pair: Pair,
    /// Messages on their way from the telephone and to it, with their arrivals.
    ways: [VecDeque<(Timestamp, Bytes)>; 2],
    delay: Duration,
}

impl Queued {
    fn new() -> Self {
        let (limits, window) = (SessionLimits::default(), 30 * SECOND);
        let pair = Pair::waiting(&limits, &limits, window);
        Self { pair, ways: <[VecDeque<_>; 2]>::default(), delay: Duration::ZERO }
    }

    /// A tenth of a second.
    fn step(&mut self) {
        let Self { pair, ways, delay } = self;
        pair.now = pair.now + SECOND / 10;
        let now = pair.now;
        let ends = [&mut pair.telephone, &mut pair.plugboard];
        for (end, way) in ends.into_iter().zip(&mut *ways) {
            if end.poll_timeout().is_some_and(|deadline| deadline <= now) {
                end.handle_timeout(now);
            }
            while let Some(message) = end.say(now) {
                let arrival = way.back().map_or(now, |(at, _)| *at).max(now + *delay);
                way.push_back((arrival, message));
            }
        }
        for (end, way) in [&mut pair.plugboard, &mut pair.telephone].into_iter().zip(ways) {
            while way.front().is_some_and(|(at, _)| *at <= now) {
                let Some((_, message)) = way.pop_front() else { break };
                end.hear(message, now);
            }
        }
    }

    fn pass(&mut self, time: Duration) {
        for _ in 0..time.as_millis() / 100 {
            self.step();
        }
    }

    /// An upload through a queue that grows to that delay, and is there still when the upload pauses.
    fn fill(&mut self, delay: Duration) -> StreamId {
        let id = self.pair.telephone.open(http(request("POST")), false, self.pair.now).expect("a stream");
        for tenth in 0..600 {
            self.delay = self.delay.max(delay * tenth / 600);
            fill(&mut self.pair.telephone, id, 100);
            self.step();
            read(&mut self.pair.plugboard, id, self.pair.now);
        }
        self.pass(delay);
        read(&mut self.pair.plugboard, id, self.pair.now);
        id
    }

    fn are_up(&self) -> bool {
        self.pair.telephone.link().is_some() && self.pair.plugboard.link().is_some()
    }
}

/// What others send comes and goes, and with it the queues, while an exchange has nothing to send.
#[test]
fn a_link_whose_queues_vary_by_twenty_seconds_is_not_taken_for_silent() {
    let mut link = Queued::new();
    link.fill(12 * SECOND);
    for turn in 0..20 {
        link.delay = if turn % 2 == 0 { 2 * SECOND } else { 12 * SECOND };
        for second in 0..41 {
            link.pass(SECOND);
            assert!(link.are_up(), "{second} s after the delay each way became {:?}", link.delay);
        }
    }
}

#[test]
fn a_dead_peer_behind_deep_queues_is_found_and_behind_queues_that_are_gone_as_soon_as_ever() {
    for (seconds, is_gone, within) in [(10, false, 60), (10, true, 30), (0, false, 30)] {
        let mut link = Queued::new();
        let id = link.fill(seconds * SECOND);
        if is_gone {
            link.delay = Duration::ZERO;
            for _ in 0..120 {
                fill(&mut link.pair.telephone, id, 100);
                link.pass(SECOND);
                read(&mut link.pair.plugboard, id, link.pair.now);
            }
        }
        link.delay = 100_000 * SECOND;
        link.ways.iter_mut().for_each(VecDeque::clear);
        link.pass(within * SECOND);
        assert!(!link.are_up(), "{within} s after the end at {seconds} s each way");
        link.pass(SECOND);
        assert!(link.pair.telephone.link().is_none() && link.pair.plugboard.link().is_none());
    }
}
