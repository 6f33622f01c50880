//! Two recorded sessions, their link, and whoever uses them at random.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;

use crate::error::{LeaveCode, Reset, ResetCode, Touched};
use crate::limits::SessionLimits;
use crate::message::{Headers, RequestHead, ResponseHead};
use crate::random::Random;
use crate::recording::{Recorded, Tape, TapeConfig};
use crate::session::{Event, Incoming, Role, SessionConfig, StreamId};
use crate::time::Timestamp;
use crate::wire::{Opening, Profile, Settings};

use super::memory::Memory;

/// What everything secret is made of.
pub(super) const SECRET: &str = "hunter2";

pub(super) fn tape(memory: &Memory, segment_bytes: usize, keeps_contents: bool) -> Tape {
    let sink = Box::new(memory.clone());
    Tape::new(TapeConfig { about: "a test".into(), keeps_contents, segment_bytes, sink })
}

/// A session that nobody else uses.
pub(super) fn session(tape: Tape) -> Recorded {
    let limits = SessionLimits::default();
    let (role, profile, peer) = (Role::Plugboard, Profile::Binary, Settings::of(&limits));
    let config = SessionConfig { role, profile, limits, peer, seed: 1, resume_window: Duration::ZERO };
    Recorded::new(config, Timestamp::ZERO, Some(tape))
}

pub(super) struct World {
    random: Random,
    ends: [Recorded; 2],
    tapes: [Memory; 2],
    /// Messages on their way to each end.
    queues: [VecDeque<Bytes>; 2],
    held: [Vec<StreamId>; 2],
    now: Timestamp,
}

/// The segments of the telephone and of the plugboard after some steps of random use.
pub(super) fn record(
    seed: u64,
    steps: usize,
    segment_bytes: usize,
    keeps_contents: bool,
) -> [Vec<Vec<u8>>; 2] {
    let mut world = World::new(seed, segment_bytes, keeps_contents);
    (0..steps).for_each(|_| world.step());
    world.finish()
}

impl World {
    pub(super) fn new(seed: u64, segment_bytes: usize, keeps_contents: bool) -> Self {
        let mut random = Random::new(seed);
        let limits = SessionLimits {
            stream_floor: [1, 100, 16_384][random.up_to(2) as usize],
            streams: [2, 5, 1024][random.up_to(2) as usize],
            replay_bytes: [300, 5_000, 1 << 20][random.up_to(2) as usize],
            ..SessionLimits::default()
        };
        let profile = if random.up_to(2) == 0 { Profile::Json } else { Profile::Binary };
        let resume_window = Duration::from_secs(30 * random.up_to(2).min(1));
        let tapes = [Memory::default(), Memory::default()];
        let end = |index: usize, role| {
            let (peer, limits) = (Settings::of(&limits), limits.clone());
            let config = SessionConfig { role, profile, limits, peer, seed, resume_window };
            let tape = tape(&tapes[index], segment_bytes, keeps_contents);
            Recorded::new(config, Timestamp::ZERO, Some(tape))
        };
        let ends = [end(0, Role::Telephone), end(1, Role::Plugboard)];
        let (queues, held) = ([VecDeque::new(), VecDeque::new()], [Vec::new(), Vec::new()]);
        Self { random, ends, tapes, queues, held, now: Timestamp::ZERO }
    }

    /// Ends both sessions; the segments of each.
    pub(super) fn finish(self) -> [Vec<Vec<u8>>; 2] {
        let Self { ends, tapes, .. } = self;
        drop(ends);
        tapes.map(|memory| memory.segments())
    }

    /// A request from the plugboard's end, with secrets, answered by the telephone's.
    pub(super) fn exchange_one_request(&mut self) {
        self.open(1);
        self.carry();
        self.accept(0);
        let id = self.held[0][0];
        for end in [1, 0] {
            if end == 0 {
                self.respond(0, id);
            }
            let mut octets = Bytes::from(SECRET.repeat(300));
            self.ends[end].send(id).write(&mut octets).expect("nobody stopped");
            self.ends[end].send(id).end(secret_fields());
            self.carry();
            self.read(1 - end, id);
        }
    }

    pub(super) fn carry(&mut self) {
        for _ in 0..20 {
            for end in 0..2 {
                self.transmit(end);
                self.deliver(end);
            }
        }
    }

    fn step(&mut self) {
        let end = self.random.up_to(1) as usize;
        let picked = {
            let held = &self.held[end];
            let index = self.random.up_to(held.len().max(1) as u64 - 1) as usize;
            held.get(index).copied()
        };
        match (self.random.up_to(28), picked) {
            (0..=1, _) => self.open(end),
            (2..=3, _) => self.accept(end),
            (4..=7, _) => self.transmit(end),
            (8..=11, _) => self.deliver(end),
            (12, _) => self.pass(),
            (13..=15, Some(id)) => self.write(end, id),
            (16..=18, Some(id)) => self.read(end, id),
            (19, Some(id)) => self.respond(end, id),
            (20, Some(id)) => self.ends[end].send(id).end(secret_fields()),
            (21, Some(id)) => {
                self.ends[end].send(id).reset(Reset { code: ResetCode::TimedOut, touched: Touched::Yes });
            }
            (22, Some(id)) => self.ends[end].recv(id).stop(ResetCode::Cancelled),
            (23, Some(id)) => {
                self.ends[end].release(id);
                self.held[end].retain(|held| *held != id);
            }
            (24, _) => self.token(end),
            (25, _) => self.relink(),
            (26, _) if self.random.up_to(30) == 0 => self.ends[end].leave(LeaveCode::Draining, self.now),
            (27, _) => self.garble(end),
            (28, _) => self.ends[end].handle_woken(Duration::from_secs(5), self.now),
            (_, _) => {}
        }
        self.watch(end);
    }

    fn watch(&mut self, end: usize) {
        while let Some(event) = self.ends[end].poll_event() {
            if let Event::Renewal(_) = event {
                self.ends[end].confirm_renewal(Some(Duration::from_secs(60)), self.now);
            }
        }
    }

    fn open(&mut self, end: usize) {
        let is_ended = self.random.up_to(3) == 0;
        let opening = if self.random.up_to(3) == 0 {
            Opening::Tcp { mount: Bytes::from_static(b"tcp:22"), from: "192.0.2.1:7".parse().ok() }
        } else {
            let upgrade = None;
            let target = Bytes::from(std::format!("/things?key={SECRET}\\&a"));
            let (method, headers) = (Bytes::from_static(b"POST"), secret_fields());
            let head = RequestHead { method, target, headers, length: None, upgrade, wants_trailers: false };
            Opening::Http { mount: Bytes::from_static(b"/"), head }
        };
        if let Ok(id) = self.ends[end].open(opening, is_ended, self.now) {
            self.held[end].push(id);
        }
    }

    pub(super) fn accept(&mut self, end: usize) {
        if let Some(accepted) = self.ends[end].accept() {
            self.held[end].push(accepted.id);
        }
    }

    fn transmit(&mut self, end: usize) {
        let link = self.ends[end].latest_link();
        if let Some(message) = self.ends[end].poll_transmit(link, self.now) {
            self.queues[1 - end].push_back(message);
        }
    }

    fn deliver(&mut self, end: usize) {
        let link = self.ends[end].latest_link();
        if let Some(message) = self.queues[end].pop_front() {
            self.ends[end].handle_activity(link, self.now);
            self.ends[end].handle_message(link, message, self.now);
        }
    }

    /// A message changes on its way, now and then.
    fn garble(&mut self, end: usize) {
        if self.random.up_to(20) > 0 {
            return;
        }
        let Some(message) = self.queues[end].pop_front() else { return };
        let mut octets = message.to_vec();
        let at = self.random.up_to(octets.len() as u64 - 1) as usize;
        octets[at] = self.random.next_u64() as u8;
        self.queues[end].push_front(octets.into());
    }

    fn pass(&mut self) {
        self.now = self.now + Duration::from_millis(self.random.up_to(40) * self.random.up_to(40));
        for end in 0..2 {
            if self.ends[end].poll_timeout().is_some_and(|at| at <= self.now) {
                self.ends[end].handle_timeout(self.now);
            }
        }
    }

    fn write(&mut self, end: usize, id: StreamId) {
        let count = self.random.up_to(300) * self.random.up_to(300);
        let mut octets = Bytes::from(vec![self.random.next_u64() as u8; count as usize]);
        if self.ends[end].send(id).capacity() > 0 {
            let _ = self.ends[end].send(id).write(&mut octets);
        }
    }

    fn read(&mut self, end: usize, id: StreamId) {
        for _ in 0..20 {
            match self.ends[end].recv(id).read() {
                Incoming::Octets(octets) => self.ends[end].recv(id).credit(octets.len(), self.now),
                Incoming::Head => drop(self.ends[end].recv(id).take_head()),
                Incoming::End(_) | Incoming::Reset(_) | Incoming::Pending => return,
            }
        }
    }

    fn respond(&mut self, end: usize, id: StreamId) {
        let status = if self.random.up_to(2) == 0 { 103 } else { 200 };
        let (reason, headers) = (Bytes::new(), secret_fields());
        let head = ResponseHead { status, reason, headers, length: None, upgrade: None };
        let is_ended = self.random.up_to(4) == 0;
        if status == 103 {
            self.ends[end].send(id).interim(head).expect("a sound head");
        } else {
            self.ends[end].send(id).respond(head, is_ended).expect("a sound head");
        }
    }

    fn token(&mut self, end: usize) {
        self.ends[end].authorize(Some(Duration::from_secs(20)), self.now);
        self.ends[end].renew(Bytes::from(std::format!("{SECRET}\u{1}\"token")));
        self.ends[end].ask_stats(self.now);
    }

    /// The link breaks, and another one takes over where that is possible.
    fn relink(&mut self) {
        if self.random.up_to(3) > 0 {
            return;
        }
        self.queues = [VecDeque::new(), VecDeque::new()];
        for end in &mut self.ends {
            let link = end.latest_link();
            end.handle_disconnect(link, self.now);
        }
        let positions = [self.ends[1].position(), self.ends[0].position()];
        for (end, position) in self.ends.iter_mut().zip(positions) {
            let _ = end.resume(position, self.now);
        }
    }
}

/// Fields of a head or a trailer section, some of them secret.
pub(super) fn secret_fields() -> Headers {
    let mut headers = Headers::new();
    headers.push("X-Odd", b"\x80\xff");
    headers.push("Authorization", std::format!("Bearer {SECRET}"));
    headers.push("cookie", std::format!("a=\"{SECRET}\"; b=\\"));
    headers.push("X-Api-Key", SECRET);
    headers.push("Referer", std::format!("https://example.test/?q={SECRET}"));
    headers.push("Location", std::format!("https://example.test/#access_{SECRET}"));
    headers.push("Sec-WebSocket-Protocol", std::format!("chat, telephone.token.{SECRET}"));
    headers.push("Cf-Access-Jwt-Assertion", SECRET);
    headers.push("X-Goog-Iap-Jwt-Assertion", SECRET);
    headers.push("X-Amzn-Oidc-Data", SECRET);
    headers.push("DPoP", SECRET);
    headers
}
