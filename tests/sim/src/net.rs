//! Links as TCP carries them: octets in order, a bounded buffer, segments cut anywhere, latency, and every
//! way in which a connection goes wrong.
//!
//! No octet is copied: a message is kept whole beside the offset at which its last octet ends, and what
//! has been written, launched, arrived and read are offsets. A message is there once all of it arrived.

use std::collections::VecDeque;

use bytes::Bytes;
use telephone_core::random::Random;

use crate::clock::{Clock, Event, Micros};

/// Octets before each message, in place of the WebSocket's frame head.
const PREFIX_BYTES: u64 = 4;

/// One end of a wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Who dialled.
    Telephone,
    /// Who accepted.
    Plugboard,
}

impl Side {
    /// The other end.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Telephone => Self::Plugboard,
            Self::Plugboard => Self::Telephone,
        }
    }
}

/// How what is written is cut into segments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slicing {
    /// As much as there is.
    Whole,
    /// At random.
    Random,
    /// Into at most so many octets.
    AtMost(u32),
}

/// What a wire is like, the same both ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// Octets that are written and not read yet, at most.
    pub buffer: u64,
    /// From one end to the other.
    pub latency: Micros,
    /// What may come on top of that.
    pub jitter: Micros,
    /// The time that a KiB takes.
    pub micros_per_kib: Micros,
    /// How it is cut.
    pub slicing: Slicing,
}

/// A segment, or the end of what is sent, on its way.
#[derive(Debug, Clone, Copy)]
struct Segment {
    at: Micros,
    end: u64,
    is_fin: bool,
}

/// One direction.
#[derive(Debug)]
struct Pipe {
    to: Side,
    messages: VecDeque<(u64, Bytes)>,
    flight: VecDeque<Segment>,
    given: u64,
    written: u64,
    launched: u64,
    arrived: u64,
    read: u64,
    /// When the last segment will be there: none overtakes it.
    last_at: Micros,
    /// When the wire is free for the next segment.
    free_at: Micros,
    is_black: bool,
    /// The writer is done; nothing follows what was given.
    is_ending: bool,
    is_fin_launched: bool,
    is_fin_arrived: bool,
    /// Nothing is written or read any more.
    is_dead: bool,
}

impl Pipe {
    const fn new(to: Side) -> Self {
        Self {
            to,
            messages: VecDeque::new(),
            flight: VecDeque::new(),
            given: 0,
            written: 0,
            launched: 0,
            arrived: 0,
            read: 0,
            last_at: 0,
            free_at: 0,
            is_black: false,
            is_ending: false,
            is_fin_launched: false,
            is_fin_arrived: false,
            is_dead: false,
        }
    }

    /// Takes what the buffer has room for and sends it off.
    fn push(&mut self, wire: u32, rules: &Rules, random: &mut Random, clock: &mut Clock) {
        if self.is_dead {
            return;
        }
        self.written = self.given.min(self.read + rules.buffer).max(self.written);
        if self.is_black {
            return;
        }
        while self.launched < self.written {
            let left = self.written - self.launched;
            let count = match rules.slicing {
                Slicing::Whole => left,
                Slicing::Random => 1 + random.up_to(left - 1),
                Slicing::AtMost(most) => left.min(u64::from(most)),
            };
            self.launch(wire, rules, self.launched + count, false, random, clock);
        }
        if self.is_ending && self.launched == self.given && !self.is_fin_launched {
            self.is_fin_launched = true;
            self.launch(wire, rules, self.launched, true, random, clock);
        }
    }

    fn launch(
        &mut self,
        wire: u32,
        rules: &Rules,
        end: u64,
        is_fin: bool,
        random: &mut Random,
        clock: &mut Clock,
    ) {
        let count = end - self.launched;
        self.free_at = clock.now().max(self.free_at) + count * rules.micros_per_kib / 1024;
        let at = (self.free_at + rules.latency + random.up_to(rules.jitter)).max(self.last_at);
        // Segments that arrive together are one event.
        if at != self.last_at || self.flight.is_empty() {
            clock.plan(at, Event::Arrive { wire, to: self.to });
        }
        self.flight.push_back(Segment { at, end, is_fin });
        self.last_at = at;
        self.launched = end;
    }

    /// Takes in the segments that are there now. True if there were any octets.
    fn arrive(&mut self, now: Micros) -> bool {
        let before = self.arrived;
        while let Some(segment) = self.flight.front().copied().filter(|segment| segment.at <= now) {
            if self.is_black {
                // Lost; what was not acknowledged is sent again when the hole is gone.
                self.rewind();
                return false;
            }
            self.flight.pop_front();
            self.arrived = segment.end;
            self.is_fin_arrived |= segment.is_fin;
        }
        self.arrived > before
    }

    fn rewind(&mut self) {
        self.flight.clear();
        self.launched = self.arrived;
        self.is_fin_launched = self.is_fin_arrived;
    }

    fn kill(&mut self) {
        self.is_dead = true;
        self.flight.clear();
        self.messages.clear();
    }
}

/// What a side of a wire knows of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Open,
    /// A reset is on its way and comes then.
    Breaking(Micros),
    /// A reset came.
    Broken,
    /// The process let go of its socket.
    Closed,
}

/// What comes out of a wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Arrival {
    /// A whole message.
    Message(Bytes),
    /// Octets, but no whole message.
    Octets,
    /// The peer closed, or the connection was reset.
    Over,
}

/// A connection.
#[derive(Debug)]
pub struct Wire {
    index: u32,
    rules: Rules,
    up: Pipe,
    down: Pipe,
    ends: [End; 2],
}

impl Wire {
    /// A connection that is just made.
    #[must_use]
    pub fn new(index: u32, rules: Rules) -> Self {
        let up = Pipe::new(Side::Plugboard);
        Self { index, rules, up, down: Pipe::new(Side::Telephone), ends: [End::Open; 2] }
    }

    const fn pipe(&mut self, to: Side) -> &mut Pipe {
        match to {
            Side::Plugboard => &mut self.up,
            Side::Telephone => &mut self.down,
        }
    }

    /// Whether `side` can write a message: all of the one before it is in the buffer.
    pub const fn is_writable(&mut self, side: Side) -> bool {
        let is_open = matches!(self.ends[side as usize], End::Open | End::Breaking(_));
        let pipe = self.pipe(side.other());
        is_open && pipe.given == pipe.written && !pipe.is_ending
    }

    /// `side` writes a message.
    pub fn write(&mut self, side: Side, message: Bytes, random: &mut Random, clock: &mut Clock) {
        let (index, rules) = (self.index, self.rules);
        let pipe = self.pipe(side.other());
        if pipe.is_dead || pipe.is_ending {
            return;
        }
        pipe.given += message.len() as u64 + PREFIX_BYTES;
        pipe.messages.push_back((pipe.given, message));
        pipe.push(index, &rules, random, clock);
    }

    /// Something may have come to `side`: takes the next message, or notices octets or the end.
    pub fn read(&mut self, side: Side, random: &mut Random, clock: &mut Clock) -> Option<Arrival> {
        let (index, rules, now) = (self.index, self.rules, clock.now());
        match self.ends[side as usize] {
            End::Open => {}
            End::Breaking(at) if at > now => {}
            End::Breaking(_) => {
                self.ends[side as usize] = End::Broken;
                // Whoever has read the end already is not told twice.
                let is_news = !self.pipe(side).is_dead;
                self.pipe(side).kill();
                return is_news.then_some(Arrival::Over);
            }
            End::Broken => return None,
            End::Closed => {
                self.bounce(side, clock);
                return None;
            }
        }
        let pipe = self.pipe(side);
        pipe.arrive(now);
        if pipe.arrived > pipe.read {
            let was_blocked = pipe.written < pipe.given;
            pipe.read = pipe.arrived;
            pipe.push(index, &rules, random, clock);
            if was_blocked && pipe.written == pipe.given {
                clock.plan(now + rules.latency, Event::Drained { wire: index, from: side.other() });
            }
            if pipe.messages.front().is_none_or(|(end, _)| *end > pipe.read) {
                return Some(Arrival::Octets);
            }
        }
        if pipe.messages.front().is_some_and(|(end, _)| *end <= pipe.read) {
            return pipe.messages.pop_front().map(|(_, message)| Arrival::Message(message));
        }
        if pipe.is_fin_arrived && !pipe.is_dead {
            pipe.kill();
            return Some(Arrival::Over);
        }
        None
    }

    /// What comes to a socket that is closed is answered with a reset.
    fn bounce(&mut self, side: Side, clock: &mut Clock) {
        let (index, latency, now) = (self.index, self.rules.latency, clock.now());
        let pipe = self.pipe(side);
        if pipe.arrive(now) {
            pipe.kill();
            let peer = side.other();
            if self.ends[peer as usize] == End::Open && !self.pipe(peer).is_black {
                self.ends[peer as usize] = End::Breaking(now + latency);
                clock.plan(now + latency, Event::Arrive { wire: index, to: peer });
            }
        }
    }

    /// The process at `side` lets go of its socket: what it wrote still goes out, then an end.
    pub fn close(&mut self, side: Side, random: &mut Random, clock: &mut Clock) {
        let (index, rules) = (self.index, self.rules);
        if self.ends[side as usize] == End::Closed {
            return;
        }
        let was_broken = self.ends[side as usize] == End::Broken;
        self.ends[side as usize] = End::Closed;
        let pipe = self.pipe(side.other());
        pipe.is_ending = true;
        if !was_broken {
            pipe.push(index, &rules, random, clock);
        }
    }

    /// A reset comes to `side` after `delay`; what is under way is lost.
    pub fn reset(&mut self, side: Side, delay: Micros, clock: &mut Clock) {
        if matches!(self.ends[side as usize], End::Open | End::Breaking(_)) {
            let at = clock.now() + delay;
            self.ends[side as usize] = End::Breaking(at);
            clock.plan(at, Event::Arrive { wire: self.index, to: side });
        }
    }

    /// Somebody between the ends closes the direction to `to`: what is launched still arrives, nothing
    /// that was not launched does.
    pub fn cut(&mut self, to: Side, random: &mut Random, clock: &mut Clock) {
        let (index, rules) = (self.index, self.rules);
        let pipe = self.pipe(to);
        if !pipe.is_dead && !pipe.is_fin_launched {
            pipe.given = pipe.launched;
            pipe.written = pipe.launched;
            pipe.is_ending = true;
            pipe.is_fin_launched = true;
            pipe.launch(index, &rules, pipe.launched, true, random, clock);
        }
    }

    /// From now on, or no longer, everything on its way to `to` is lost.
    pub fn blacken(&mut self, to: Side, is_black: bool, random: &mut Random, clock: &mut Clock) {
        let (index, rules) = (self.index, self.rules);
        let pipe = self.pipe(to);
        pipe.is_black = is_black;
        if is_black {
            pipe.rewind();
        } else {
            pipe.push(index, &rules, random, clock);
        }
    }

    /// Whether neither process holds its socket any more.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.ends.iter().all(|end| *end == End::Closed)
    }
}

#[cfg(test)]
mod tests;
