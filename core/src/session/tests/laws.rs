//! Two honest ends under random use, tiny limits and a slow link: the laws hold after each step.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use bytes::Bytes;
use core::time::Duration;
use proptest::prelude::*;

use super::pair::{OnLink as _, Pair, SECOND, assert_empty, http, request, response, tcp};
use crate::error::{CloseReason, LeaveCode, Reset, ResetCode, Touched};
use crate::limits::{SEND_BUFFER_BYTES, SEND_BURST_BYTES, SessionLimits};
use crate::message::Headers;
use crate::random::Random;
use crate::session::stream::SendState;
use crate::session::{Incoming, Role, Session, StreamId};
use crate::wire::{Opening, Profile};

/// What a byte of a stream must be: leaks, reorderings and repetitions show at the first wrong one. [I8]
fn content(id: StreamId, is_openers: bool, offset: u64) -> u8 {
    let mut random = Random::new(id.number() * 2 + u64::from(is_openers) + (offset << 20));
    random.next_u64() as u8
}

/// Limits drawn so that rare states are common.
fn swarm(random: &mut Random) -> SessionLimits {
    let mut pick = |choices: [u64; 4]| choices[(random.next_u64() % 4) as usize];
    let session_window = pick([0, 1, 10_000, 4 << 20]);
    let stream_window = pick([1, 1000, 64 * 1024, 256 * 1024]);
    SessionLimits {
        stream_floor: pick([1, 2, 100, 16 * 1024]),
        stream_window,
        stream_window_max: stream_window * pick([1, 1, 4, 64]),
        session_window,
        session_window_max: session_window * pick([1, 1, 4, 8]),
        streams: pick([1, 2, 5, 1024]),
        unaccepted: pick([1, 2, 3, 256]) as usize,
        free_frames_burst: pick([3, 5, 10, 200]) as u32,
        replay_bytes: pick([1, 300, 5_000, 1 << 20]) as usize,
        replay_bytes_max: pick([1, 1_000, 20_000, 8 << 20]) as usize,
        ..SessionLimits::default()
    }
}

/// What one direction of a stream should come to.
#[derive(Debug, Default)]
struct Direction {
    written: u64,
    read: u64,
    /// The writer ended it and the session took that for an end.
    is_ended: bool,
    /// The reader stopped it, or either end let go of the stream or reset it.
    is_given_up: bool,
    has_final_head: bool,
    outcome: Option<Incoming>,
}

struct World {
    pair: Pair,
    directions: BTreeMap<(StreamId, bool), Direction>,
    /// The streams that each end holds: opened, or accepted, and not released.
    held: [Vec<StreamId>; 2],
    limits: [SessionLimits; 2],
    has_left: bool,
    trace: u64,
}

const ENDS: [Role; 2] = [Role::Telephone, Role::Plugboard];

fn is_opener(role: Role, id: StreamId) -> bool {
    (id.number() % 2 == 1) == (role == Role::Telephone)
}

impl World {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let limits = [swarm(&mut random), swarm(&mut random)];
        let window = if random.up_to(2) == 0 { Duration::ZERO } else { 30 * SECOND };
        let profile = if seed.is_multiple_of(3) { Profile::Json } else { Profile::Binary };
        let pair = Pair::speaking(profile, &limits[0], &limits[1], window);
        let held = [Vec::new(), Vec::new()];
        Self { pair, directions: BTreeMap::new(), held, limits, has_left: false, trace: 0 }
    }

    fn session(&mut self, end: usize) -> &mut Session {
        if end == 0 { &mut self.pair.telephone } else { &mut self.pair.plugboard }
    }

    fn direction(&mut self, id: StreamId, is_openers: bool) -> &mut Direction {
        self.directions.entry((id, is_openers)).or_default()
    }

    /// Mixes an output into the trace, which the same inputs must give again. [I47]
    fn record(&mut self, output: &[u8]) {
        for octet in output {
            self.trace = (self.trace ^ u64::from(*octet)).wrapping_mul(0x100_0000_01b3);
        }
    }

    fn act(&mut self, end: usize, op: u8, arg: u16) {
        let picked = self.held[end].get(usize::from(arg >> 4) % self.held[end].len().max(1)).copied();
        match (op, picked) {
            (0, _) => self.open(end, arg),
            (1, _) => self.accept(end),
            (2..=4, _) => self.transmit(end),
            (5..=7, _) => self.deliver(end),
            (8, _) => self.tick(arg),
            (9..=11, Some(id)) => self.write(end, id, arg),
            (12..=14, Some(id)) => self.read(end, id, usize::from(arg % 300) * usize::from(arg % 100)),
            (15, Some(id)) => self.respond(end, id, arg),
            (16, Some(id)) => self.end(end, id),
            (17, Some(id)) => self.reset(end, id),
            (18, Some(id)) => self.stop(end, id),
            (19, Some(id)) => self.release(end, id),
            (20, _) if arg.is_multiple_of(16) => {
                self.has_left = true;
                let now = self.pair.now;
                self.session(end).leave(LeaveCode::Draining, now);
            }
            (21, _) if self.is_resumable() => self.pair.cut(),
            (22, _) => self.resume(),
            (23, _) if self.is_resumable() => {
                // The telephone comes back before the plugboard knows that it was gone.
                let now = self.pair.now;
                self.pair.telephone.lose(now);
                if self.pair.telephone.closed().is_some() {
                    // It took the end of the link for the end of the session: nobody comes back.
                    self.pair.cut();
                }
                self.resume();
            }
            (24, _) => {
                let link = self.session(end).latest_link();
                self.session(end).limit_messages(link, usize::from(arg));
            }
            (_, _) => {}
        }
    }

    fn is_resumable(&self) -> bool {
        let ends = [&self.pair.telephone, &self.pair.plugboard];
        ends.iter().all(|session| session.closed().is_none() && !session.config.resume_window.is_zero())
    }

    /// An end whose peer is gone for good waits until its window is over.
    fn give_up_waiting(&mut self) {
        for end in 0..2 {
            if self.session(1 - end).closed().is_some()
                && let Some(until) = self.session(end).resumable_until()
            {
                self.session(end).handle_timeout(until);
            }
        }
    }

    fn resume(&mut self) {
        if self.is_resumable() && self.pair.telephone.link().is_none() {
            self.pair.to_telephone.clear();
            self.pair.to_plugboard.clear();
            self.pair.resume();
        }
    }

    fn open(&mut self, end: usize, arg: u16) {
        let now = self.pair.now;
        let mut head = request("POST");
        head.length = (arg.is_multiple_of(3)).then_some(u64::from(arg % 500));
        let opening = if arg.is_multiple_of(4) { tcp() } else { http(head) };
        let is_ended = arg.is_multiple_of(5);
        if let Ok(id) = self.session(end).open(opening, is_ended, now) {
            assert!(is_opener(ENDS[end], id));
            assert!(self.held[end].last().is_none_or(|last| *last < id || !is_opener(ENDS[end], *last)));
            self.held[end].push(id);
            self.direction(id, true).is_ended = is_ended;
        }
    }

    fn accept(&mut self, end: usize) {
        if let Some(accepted) = self.session(end).accept() {
            assert!(!is_opener(ENDS[end], accepted.id));
            if matches!(accepted.opening, Opening::Tcp { .. }) {
                self.direction(accepted.id, false).has_final_head = true;
            }
            self.held[end].push(accepted.id);
        }
    }

    fn transmit(&mut self, end: usize) {
        let now = self.pair.now;
        if let Some(message) = self.session(end).say(now) {
            assert!(message.len() <= self.session(end).profile().message_bytes_max());
            self.record(&message);
            let queue = if end == 0 { &mut self.pair.to_plugboard } else { &mut self.pair.to_telephone };
            queue.push_back(message);
        }
    }

    fn deliver(&mut self, end: usize) {
        let now = self.pair.now;
        let queue = if end == 0 { &mut self.pair.to_telephone } else { &mut self.pair.to_plugboard };
        if let Some(message) = queue.pop_front() {
            self.session(end).hear(message, now);
        }
    }

    fn tick(&mut self, arg: u16) {
        self.pair.now = self.pair.now + Duration::from_micros(u64::from(arg) / 3);
        let now = self.pair.now;
        for end in 0..2 {
            self.session(end).handle_timeout(now);
            assert!(self.session(end).poll_timeout().is_none_or(|next| next > now)); // I39
        }
    }

    fn write(&mut self, end: usize, id: StreamId, arg: u16) {
        let is_openers = is_opener(ENDS[end], id);
        let start = self.direction(id, is_openers).written;
        let count = u64::from(arg % 200) * u64::from(arg % 150);
        let mut octets: Bytes = (start..start + count).map(|at| content(id, is_openers, at)).collect();
        if let Ok(taken) = self.session(end).send(id).write(&mut octets) {
            self.direction(id, is_openers).written += taken as u64;
        }
        self.note_ending(end, id);
    }

    fn respond(&mut self, end: usize, id: StreamId, arg: u16) {
        let status = if arg.is_multiple_of(3) { 103 } else { 200 };
        let is_ended = arg.is_multiple_of(5);
        self.session(end).send(id).respond(response(status), is_ended).expect("a sound head");
        self.note_ending(end, id);
    }

    fn end(&mut self, end: usize, id: StreamId) {
        self.session(end).send(id).end(Headers::new());
        self.note_ending(end, id);
    }

    /// After a verb: whether the session now holds the direction for complete, or for given up.
    fn note_ending(&mut self, end: usize, id: StreamId) {
        let Some(stream) = self.session(end).streams.get(id) else { return };
        let (is_ending, is_reset) = (
            matches!(stream.send.state, SendState::Ending(_)),
            matches!(stream.send.state, SendState::Resetting(_)),
        );
        let direction = self.direction(id, is_opener(ENDS[end], id));
        direction.is_ended |= is_ending;
        direction.is_given_up |= is_reset;
    }

    fn reset(&mut self, end: usize, id: StreamId) {
        self.session(end).send(id).reset(Reset { code: ResetCode::TimedOut, touched: Touched::Yes });
        self.direction(id, is_opener(ENDS[end], id)).is_given_up = true;
    }

    fn stop(&mut self, end: usize, id: StreamId) {
        self.session(end).recv(id).stop(ResetCode::Cancelled);
        self.direction(id, !is_opener(ENDS[end], id)).is_given_up = true;
    }

    fn release(&mut self, end: usize, id: StreamId) {
        self.session(end).release(id);
        self.held[end].retain(|held| *held != id);
        self.direction(id, true).is_given_up = true;
        self.direction(id, false).is_given_up = true;
    }

    fn read(&mut self, end: usize, id: StreamId, mut count: usize) {
        let now = self.pair.now;
        let is_openers = !is_opener(ENDS[end], id);
        loop {
            let next = self.session(end).recv(id).peek();
            let seen = self.direction(id, is_openers).outcome.clone();
            assert!(seen.is_none() || seen.as_ref() == Some(&next), "{next:?} after {seen:?}"); // I7
            match next {
                Incoming::Head => {
                    let head = self.session(end).recv(id).take_head().expect("a head stands next");
                    let direction = self.direction(id, is_openers);
                    assert!(!direction.has_final_head && direction.read == 0);
                    direction.has_final_head = !head.is_interim();
                }
                Incoming::Octets(piece) if count > 0 => {
                    let taken = piece.len().min(count);
                    count -= taken;
                    let direction = self.direction(id, is_openers);
                    for octet in &piece[..taken] {
                        assert_eq!(*octet, content(id, is_openers, direction.read));
                        direction.read += 1;
                    }
                    assert!(direction.read <= direction.written);
                    self.session(end).recv(id).consume(taken, now);
                }
                Incoming::Octets(_) | Incoming::Pending => return,
                Incoming::End(_) | Incoming::Reset(_) => return self.note_outcome(end, id, next),
            }
        }
    }

    fn note_outcome(&mut self, end: usize, id: StreamId, outcome: Incoming) {
        let is_at_end = self.session(end).recv(id).is_at_end();
        assert_eq!(is_at_end, matches!(&outcome, Incoming::End(trailers) if trailers.is_empty()));
        let direction = self.direction(id, !is_opener(ENDS[end], id));
        if matches!(outcome, Incoming::End(_)) {
            assert!(direction.is_ended && direction.read == direction.written, "{id}: {direction:?}"); // I9
        }
        direction.outcome = Some(outcome);
    }

    /// The laws that hold between any two steps.
    fn check(&mut self) {
        for end in 0..2 {
            let limits = self.limits[end].clone();
            let session = self.session(end);
            check_session(session, &limits);
            match session.closed() {
                None => {}
                Some(CloseReason::Left) => assert!(self.has_left),
                // Its peer had nothing more to say, and the link went before it heard so.
                Some(CloseReason::LinkLost) if self.has_left => {}
                Some(reason) => panic!("two honest ends, and {reason:?}"),
            }
        }
        let [telephone, plugboard] = [&self.pair.telephone, &self.pair.plugboard];
        if telephone.closed().is_none() && plugboard.closed().is_none() {
            check_credit(telephone, plugboard);
            check_credit(plugboard, telephone);
        }
    }

    /// Everything is carried and read, until nobody has anything to say.
    fn finish(&mut self) {
        // Longer than an acknowledgement waits.
        let mut quiet_turns = 0;
        while quiet_turns < 3 {
            self.resume();
            self.give_up_waiting();
            self.tick(u16::MAX);
            for end in 0..2 {
                self.transmit(end);
                self.deliver(end);
                while !self.session(end).unaccepted.is_empty() {
                    self.accept(end);
                }
                for id in self.held[end].clone() {
                    self.read(end, id, usize::MAX);
                }
            }
            self.check();
            let is_said = !self.pair.telephone.has_transmit() && !self.pair.plugboard.has_transmit();
            let is_quiet = is_said && self.pair.to_telephone.is_empty() && self.pair.to_plugboard.is_empty();
            quiet_turns = if is_quiet { quiet_turns + 1 } else { 0 };
        }
    }

    /// No complete direction that both ends still hold is short of its end. [I14]
    fn check_delivered(&self) {
        if self.has_left {
            return;
        }
        for ((id, is_openers), direction) in &self.directions {
            let reader = if is_opener(Role::Telephone, *id) == *is_openers { 1 } else { 0 };
            if direction.is_ended && !direction.is_given_up && self.held[reader].contains(id) {
                assert!(matches!(direction.outcome, Some(Incoming::End(_))), "{id}: {direction:?}");
            }
        }
    }
}

/// The laws of one end.
pub(super) fn check_session(session: &Session, limits: &SessionLimits) {
    let reserved: u64 = session.streams.values().map(|stream| stream.recv.grant.reserved()).sum();
    let (window, told) = session.window();
    assert_eq!(reserved, told); // I12
    assert!(told <= window && window <= limits.session_window_max.max(limits.session_window));
    assert!(session.unaccepted.len() <= limits.unaccepted); // I5
    let theirs = session.streams.values().filter(|stream| !stream.is_ours).count() as u64;
    assert!(theirs <= limits.streams);
    let unread: usize = session.streams.values().map(|stream| stream.recv.buffer.len()).sum();
    let replay_max = limits.replay_bytes.max(limits.replay_bytes_max);
    assert!(session.kept() <= replay_max + session.profile().message_bytes_max() + 64);
    assert!(unread as u64 <= window + session.streams.len() as u64 * limits.stream_floor); // I36
    let bursts =
        session.streams.values().filter(|stream| stream.send.buffer.len() > SEND_BUFFER_BYTES).count();
    assert!(bursts <= 1, "{bursts} streams have more than a send buffer's octets");
    for (id, stream) in session.streams.sorted() {
        let grant = &stream.recv.grant;
        assert!(grant.consumed() <= grant.received() && grant.received() <= grant.limit()); // I11
        assert_eq!(stream.recv.buffer.len() as u64, grant.received() - grant.consumed());
        assert!(stream.send.sent <= stream.send.limit); // I13
        let (buffered, is_allowed) = (stream.send.buffer.len(), stream.send.sendable());
        assert!(buffered <= SEND_BUFFER_BYTES || buffered <= SEND_BURST_BYTES.min(is_allowed));
        if session.closed().is_none() {
            assert_eq!(stream.listed.to_send, session.to_send.contains(&id));
            // A stream that could send stands in the list: no wake-up is lost. [M-16]
            assert!(stream.listed.to_send || !stream.send.is_sendable());
        }
    }
}

/// Credit between a sender and its receiver, of each stream that both know.
fn check_credit(sender: &Session, receiver: &Session) {
    for (id, stream) in sender.streams.sorted() {
        let Some(other) = receiver.streams.get(id) else { continue };
        let grant = &other.recv.grant;
        assert!(grant.received() <= stream.send.sent); // I11
        if !other.recv.is_closed() {
            assert!(stream.send.limit <= grant.limit());
        }
    }
}

type Op = (u8, u8, u16);

fn run(seed: u64, ops: &[Op]) -> World {
    let mut world = World::new(seed);
    for (end, op, arg) in ops {
        world.act(usize::from(*end), *op, *arg);
        world.check();
    }
    world
}

fn run_to_the_end(seed: u64, ops: &[Op]) -> u64 {
    let mut world = run(seed, ops);
    world.finish();
    world.check_delivered();
    while world.held != [[], []] {
        for end in 0..2 {
            for id in world.held[end].clone() {
                world.release(end, id);
            }
        }
        // What was opened but not accepted until now comes to light.
        world.finish();
    }
    assert_empty(&world.pair.telephone);
    assert_empty(&world.pair.plugboard);
    world.trace
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn two_honest_ends_keep_the_laws_whatever_they_do(
        seed: u64,
        ops in proptest::collection::vec((0_u8..2, 0_u8..25, any::<u16>()), 0..400),
    ) {
        run_to_the_end(seed, &ops);
    }

    #[test]
    fn the_same_inputs_give_the_same_outputs(
        seed: u64,
        ops in proptest::collection::vec((0_u8..2, 0_u8..25, any::<u16>()), 0..150),
    ) {
        prop_assert_eq!(run_to_the_end(seed, &ops), run_to_the_end(seed, &ops));
    }
}
