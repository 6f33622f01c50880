//! F3: two honest ends, any use of them, and a line that breaks.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use core::time::Duration;
use telephone_core::error::{CloseReason, LeaveCode, ResetCode};
use telephone_core::message::Headers;
use telephone_core::random::Random;
use telephone_core::recording::Tape;
use telephone_core::session::{Event, Incoming, Role, StreamId};
use telephone_core::time::Timestamp;
use telephone_core::wire::{MountUrl, Mounts, Move, Opening, Refused, RefusedCode};

use super::apply::{End, GIVEN_UP};
use super::rules::Stage;
use super::tap::is_opener;
use super::{assert_empty, content, opening, response, swarm};

/// Steps of one run: enough to fill the smallest limits many times.
const STEPS_MAX: usize = 80;
/// Turns in which everything must be said, whatever the limits.
const TURNS_MAX: usize = 20_000;
const RESUME_WINDOW: Duration = Duration::from_secs(30);
/// Longer than any run.
const TOKEN_LIFE: Duration = Duration::from_secs(1 << 20);

/// F3: a seed, which draws limits, and steps of three octets each: which end, what, and a number. What is
/// delivered is a prefix of what was sent, an end is delivered if and only if all before it was (I8, I9); what is
/// said follows the protocol (I5 to I7, I11, I13, I15), also over a line that is cut at any message; credit is
/// conserved (I12), nothing waits for ever (I14), and in the end nothing is left (I38).
pub fn session_pair(data: &[u8]) {
    let Some((seed, steps)) = data.split_first_chunk::<2>() else { return };
    let mut world = World::new(*seed, [None, None]);
    world.act_all(steps);
    world.finish();
    world.assert_delivered();
    while world.ends.iter().any(|end| !end.held.is_empty()) {
        for end in &mut world.ends {
            end.held.clone().into_iter().for_each(|id| end.release(id));
        }
        // What was opened and not accepted until now comes to light.
        world.finish();
    }
    world.ends.iter().for_each(|end| assert_empty(&end.session));
}

/// Two ends after a seed and steps as those of [`session_pair`], recorded by these tapes.
pub(crate) fn used_pair(data: &[u8], tapes: [Tape; 2]) -> [End; 2] {
    let (seed, steps) = data.split_first_chunk::<2>().unwrap_or((&[0; 2], &[]));
    let mut world = World::new(*seed, tapes.map(Some));
    world.act_all(steps);
    world.ends
}

/// What one direction of a stream came to, as the applications see it.
#[derive(Debug, Default)]
struct Flow {
    written: u64,
    read: u64,
    /// An application stopped it, reset it, or let go of the stream.
    is_given_up: bool,
    has_final_head: bool,
    outcome: Option<Incoming>,
}

/// Two ends: a telephone and a plugboard.
struct World {
    ends: [End; 2],
    /// What is on its way to each.
    lines: [VecDeque<Bytes>; 2],
    is_up: bool,
    flows: BTreeMap<(StreamId, bool), Flow>,
    now: Timestamp,
    window: Duration,
    has_left: bool,
    /// So much time may have passed at once that links or sessions ended for it.
    is_late: bool,
}

impl World {
    fn new(seed: [u8; 2], [telephone, plugboard]: [Option<Tape>; 2]) -> Self {
        let mut random = Random::new(u64::from(u16::from_le_bytes(seed)));
        let limits = [swarm(&mut random), swarm(&mut random)];
        let window = if random.up_to(2) == 0 { Duration::ZERO } else { RESUME_WINDOW };
        let ends = [
            End::recorded(telephone, Role::Telephone, &limits[0], &limits[1], window),
            End::recorded(plugboard, Role::Plugboard, &limits[1], &limits[0], window),
        ];
        Self {
            ends,
            lines: [VecDeque::new(), VecDeque::new()],
            is_up: true,
            flows: BTreeMap::new(),
            now: Timestamp::ZERO,
            window,
            has_left: false,
            is_late: false,
        }
    }

    fn act_all(&mut self, steps: &[u8]) {
        for step in steps.chunks_exact(3).take(STEPS_MAX) {
            let end = usize::from(step[0] & 1);
            self.act(end, step[0] >> 1, u16::from_le_bytes([step[1], step[2]]));
            self.check();
        }
    }

    fn flow(&mut self, id: StreamId, is_openers: bool) -> &mut Flow {
        self.flows.entry((id, is_openers)).or_default()
    }

    fn act(&mut self, end: usize, op: u8, arg: u16) {
        let picked = self.ends[end].picked(usize::from(arg >> 4));
        match (op % 32, picked) {
            (0 | 1, _) => self.open(end, arg),
            (2 | 3, _) => {
                self.accept(end);
            }
            (4..=7, _) => self.transmit(end),
            (8..=11, _) => self.deliver(end),
            (12, _) => self.pass(Duration::from_micros(u64::from(arg) / 3)),
            (13, _) if arg.is_multiple_of(8) => {
                self.is_late = true;
                self.pass(Duration::from_millis(u64::from(arg)));
            }
            (14..=16, Some(id)) => self.write(end, id, arg),
            (17..=19, Some(id)) => self.read(end, id, usize::from(arg)),
            (20, Some(id)) => self.respond(end, id, arg),
            (21, Some(id)) => self.ends[end].session.send(id).end(Headers::new()),
            (22, Some(id)) => self.reset(end, id),
            (23, Some(id)) => self.stop(end, id),
            (24, Some(id)) => self.release(end, id),
            (25, _) if arg.is_multiple_of(16) => {
                self.has_left = true;
                self.ends[end].session.leave(LeaveCode::Draining, self.now);
            }
            (26, _) if self.is_resumable() => self.cut(),
            // One end notices before the other does.
            (27, _) if self.is_resumable() => {
                self.break_line();
                self.ends[end].lose(self.now);
            }
            (28, _) => self.resume(),
            // The plugboard's consent is lost on its way.
            (29, _) => {
                self.resume_plugboard();
            }
            (30, _) => self.ask(end, arg),
            (31, _) => self.follow_events(end),
            (_, _) => {}
        }
    }

    fn open(&mut self, end: usize, arg: u16) {
        let declared = arg.is_multiple_of(3).then_some(u64::from(arg % 500));
        let (is_raw, is_ended) = (arg.is_multiple_of(4), arg.is_multiple_of(5));
        let end = &mut self.ends[end];
        if let Ok(id) = end.session.open(opening(is_raw, declared), is_ended, self.now) {
            assert!(is_opener(end.role, id));
            end.held.push(id);
            self.flow(id, true);
        }
    }

    fn accept(&mut self, end: usize) -> bool {
        let Some(accepted) = self.ends[end].session.accept() else { return false };
        assert!(!is_opener(self.ends[end].role, accepted.id));
        self.flow(accepted.id, false).has_final_head = matches!(accepted.opening, Opening::Tcp { .. });
        self.ends[end].held.push(accepted.id);
        true
    }

    /// What concerns the session as a whole.
    fn ask(&mut self, end: usize, arg: u16) {
        let session = &mut self.ends[end].session;
        match arg % 11 {
            0 => session.authorize(Some(TOKEN_LIFE), self.now),
            1 => session.renew(Bytes::from_static(b"a.b.c")),
            2 => session.confirm_renewal(Some(TOKEN_LIFE), self.now),
            3 => session.ask_stats(self.now),
            4 => session.ask_to_move(Move { within_ms: u64::from(arg), url: Some("ws://a".into()) }),
            5 => session.confirm_move(),
            6 => session.ping(),
            7 => session.refuse_renewal(Refused {
                code: RefusedCode::Expired,
                reason: "over".into(),
                retry_after_ms: None,
            }),
            8 => session.tell_site(vec![MountUrl { mount: "/a".into(), url: "http://a/a".into() }]),
            9 => session.present_mounts(Mounts { ready: vec!["/a".into()], not_ready: Vec::new() }),
            _ => session.tell_scope(vec!["/a".into()]),
        }
    }

    fn transmit(&mut self, end: usize) {
        if let Some(message) = self.ends[end].say(self.now).filter(|_| self.is_up) {
            self.lines[1 - end].push_back(message);
        }
    }

    fn deliver(&mut self, end: usize) {
        if let Some(message) = self.lines[end].pop_front() {
            self.ends[end].hear(message, self.now);
        }
    }

    fn pass(&mut self, time: Duration) {
        self.now = self.now + time;
        self.ends.iter_mut().for_each(|end| end.pass(self.now));
    }

    fn write(&mut self, end: usize, id: StreamId, arg: u16) {
        let is_openers = is_opener(self.ends[end].role, id);
        let start = self.flow(id, is_openers).written;
        // Enough to go past a small floor or a turn, and not so much that it takes for ever.
        let is_wide = self.ends[1 - end].limits.stream_floor > 10_000;
        let count = match arg % 64 {
            0 if is_wide => 20_000,
            0 | 16 | 32 | 48 => 200,
            _ => usize::from(arg >> 4) % 48,
        };
        let mut octets = content::octets(id, is_openers, start, count);
        if let Ok(taken) = self.ends[end].session.send(id).write(&mut octets) {
            self.flow(id, is_openers).written += taken as u64;
        }
    }

    fn respond(&mut self, end: usize, id: StreamId, arg: u16) {
        let status = if arg.is_multiple_of(3) { 103 } else { 200 };
        let length = arg.is_multiple_of(7).then_some(u64::from(arg % 400));
        let is_ended = arg.is_multiple_of(5);
        self.ends[end].session.send(id).respond(response(status, length), is_ended).expect("a sound head");
    }

    fn reset(&mut self, end: usize, id: StreamId) {
        self.ends[end].session.send(id).reset(GIVEN_UP);
        let is_openers = is_opener(self.ends[end].role, id);
        self.flow(id, is_openers).is_given_up = true;
    }

    fn stop(&mut self, end: usize, id: StreamId) {
        self.ends[end].session.recv(id).stop(ResetCode::Cancelled);
        let is_openers = !is_opener(self.ends[end].role, id);
        self.flow(id, is_openers).is_given_up = true;
    }

    fn release(&mut self, end: usize, id: StreamId) {
        self.ends[end].release(id);
        self.flow(id, true).is_given_up = true;
        self.flow(id, false).is_given_up = true;
    }

    fn read(&mut self, end: usize, id: StreamId, mut count: usize) {
        let is_openers = !is_opener(self.ends[end].role, id);
        let now = self.now;
        loop {
            let next = self.ends[end].session.recv(id).peek();
            let flow = self.flows.entry((id, is_openers)).or_default();
            let seen = flow.outcome.as_ref();
            assert!(seen.is_none_or(|seen| *seen == next), "{id}: {next:?} behind {seen:?}"); // I7
            match next {
                Incoming::Head => {
                    let head = self.ends[end].session.recv(id).take_head().expect("a head stands next");
                    assert!(!flow.has_final_head && flow.read == 0);
                    flow.has_final_head = !head.is_interim();
                }
                Incoming::Octets(piece) if count > 0 => {
                    let taken = piece.len().min(count);
                    count -= taken;
                    let expected = content::octets(id, is_openers, flow.read, taken);
                    assert_eq!(piece.slice(..taken), expected, "{id} at {}", flow.read); // I8
                    flow.read += taken as u64;
                    assert!(flow.read <= flow.written);
                    self.ends[end].session.recv(id).consume(taken, now);
                }
                Incoming::Octets(_) | Incoming::Pending => return,
                Incoming::End(_) | Incoming::Reset(_) => return self.note_outcome(end, id, next),
            }
        }
    }

    fn note_outcome(&mut self, end: usize, id: StreamId, outcome: Incoming) {
        let is_openers = !is_opener(self.ends[end].role, id);
        let flow = self.flows.entry((id, is_openers)).or_default();
        if matches!(outcome, Incoming::End(_)) {
            let sent = self.ends[1 - end].tap.sends(id).expect("a stream that was opened");
            let is_whole = sent.sent == flow.read && sent.sent == flow.written;
            assert!(sent.stage == Stage::Ended && is_whole, "{id} looks complete: {sent:?}, {flow:?}"); // I9
        }
        flow.outcome = Some(outcome);
    }

    fn is_resumable(&self) -> bool {
        self.ends.iter().all(|end| end.session.closed().is_none()) && !self.window.is_zero()
    }

    /// What is on its way is lost.
    fn break_line(&mut self) {
        self.is_up = false;
        self.lines.iter_mut().for_each(VecDeque::clear);
    }

    fn cut(&mut self) {
        self.break_line();
        self.ends.iter_mut().for_each(|end| end.lose(self.now));
    }

    /// The telephone comes back, whether or not the plugboard knows that it was gone.
    fn resume(&mut self) {
        if let Some(position) = self.resume_plugboard() {
            let telephone = &mut self.ends[0];
            let link = telephone.session.resume(position, self.now).expect("the telephone goes on");
            telephone.resumed(link, position);
            self.is_up = true;
        }
    }

    /// The plugboard takes a new link, if there is to be one, and says how far it has heard the telephone.
    fn resume_plugboard(&mut self) -> Option<u64> {
        if self.is_up {
            return None;
        }
        self.ends[0].lose(self.now);
        if !self.is_resumable() {
            return None;
        }
        let [telephone, plugboard] = &mut self.ends;
        let position = telephone.session.position();
        let link = plugboard.session.resume(position, self.now).expect("the plugboard goes on");
        plugboard.resumed(link, position);
        Some(plugboard.session.position())
    }

    /// The laws that hold between any two steps.
    fn check(&mut self) {
        let may_lose = self.has_left || self.is_late;
        for end in &mut self.ends {
            end.check();
            if end.session.link() != end.link {
                // It found by itself that the link is dead, or it is over.
                end.link = None;
                self.is_up = false;
            }
            match end.session.closed() {
                None => {}
                Some(CloseReason::Left) => assert!(self.has_left),
                Some(CloseReason::LinkLost | CloseReason::Silent) if may_lose => {}
                Some(reason) => panic!("two honest ends, and {reason:?}"),
            }
        }
        if !self.is_up {
            self.break_line();
        }
    }

    /// An end whose peer is gone for good notices, and waits until its window is over.
    fn give_up_waiting(&mut self) {
        for end in 0..2 {
            if self.ends[1 - end].session.closed().is_some() {
                self.ends[end].lose(self.now);
                if let Some(until) = self.ends[end].session.resumable_until() {
                    self.now = self.now.max(until);
                    self.ends[end].pass(self.now);
                }
            }
        }
    }

    /// Reads what it is told of, and nothing else: a wake-up that is lost is data that never arrives. [M-16]
    fn follow_events(&mut self, end: usize) {
        while let Some(event) = self.ends[end].session.poll_event() {
            match event {
                Event::Opened => {
                    while self.accept(end) {
                        // What came with the open is told with it.
                        self.ends[end]
                            .held
                            .last()
                            .copied()
                            .into_iter()
                            .for_each(|id| self.read(end, id, usize::MAX));
                    }
                }
                Event::Readable(id) => self.read(end, id, usize::MAX),
                _ => {}
            }
        }
    }

    /// Everything is carried and read, until nobody has anything to say.
    fn finish(&mut self) {
        for end in 0..2 {
            self.ends[end].held.clone().into_iter().for_each(|id| self.read(end, id, usize::MAX));
        }
        let mut quiet_turns = 0;
        for turn in 0.. {
            assert!(turn < TURNS_MAX, "the ends never fall silent: {:?}", self.ends);
            if quiet_turns == 2 {
                return self.assert_credit();
            }
            self.resume();
            // Longer than an acknowledgement waits for something to ride on.
            self.pass(Duration::from_millis(30));
            for end in 0..2 {
                self.transmit(end);
                self.deliver(end);
                self.follow_events(end);
            }
            self.check();
            self.give_up_waiting();
            let is_said = self.ends.iter().all(|end| !end.session.has_transmit());
            let is_quiet = is_said && self.lines.iter().all(VecDeque::is_empty);
            quiet_turns = if is_quiet { quiet_turns + 1 } else { 0 };
        }
    }

    /// All is said and read: what is reserved is what the peer was told it may send, and nothing else. [I12]
    fn assert_credit(&self) {
        let is_alive = self.ends.iter().all(|end| end.session.closed().is_none());
        if self.has_left || !is_alive {
            return;
        }
        for (reader, writer) in [(0, 1), (1, 0)] {
            let floor = self.ends[reader].limits.stream_floor;
            let told: u64 = self.ends[reader].tap.unused(&self.ends[writer].tap, floor).sum();
            assert_eq!(self.ends[reader].session.window().1, told, "credit is lost or made");
        }
    }

    /// Of a direction that nobody gave up all that was written arrived, and its end if it has one. [I14]
    fn assert_delivered(&self) {
        let is_alive = self.ends.iter().all(|end| end.session.closed().is_none());
        if self.has_left || !is_alive {
            return;
        }
        for ((id, is_openers), flow) in &self.flows {
            let is_held = self.ends.iter().all(|end| end.held.contains(id));
            let writer = usize::from(is_opener(self.ends[0].role, *id) != *is_openers);
            let Some(sent) = self.ends[writer].tap.sends(*id).filter(|_| is_held && !flow.is_given_up) else {
                continue;
            };
            match (sent.stage, &flow.outcome) {
                (Stage::Ended, Some(Incoming::End(_))) | (Stage::Reset, Some(Incoming::Reset(_))) => {}
                (Stage::Head | Stage::Open, None) => assert_eq!(flow.read, flow.written, "{id}"),
                (stage, outcome) => panic!("{id}: {outcome:?} of a direction that is {stage:?}"),
            }
        }
    }
}
