//! Virtual time, and what is to happen at which moment of it.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use telephone_core::time::Timestamp;

/// Microseconds of virtual time since the world began.
pub type Micros = u64;

/// A second.
pub const SECOND: Micros = 1_000_000;
/// A millisecond.
pub const MILLI: Micros = 1_000;

/// What comes to pass at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// Octets, or the end of a connection, come to one side of a wire.
    Arrive {
        /// The wire.
        wire: u32,
        /// The side that they come to.
        to: crate::net::Side,
    },
    /// A side of a wire may write again.
    Drained {
        /// The wire.
        wire: u32,
        /// The side that writes.
        from: crate::net::Side,
    },
    /// A plugboard looks at its clock.
    Plugboard(u32),
    /// A session of a plugboard has a deadline.
    Line {
        /// The plugboard.
        plugboard: u32,
        /// The session's number.
        session: u64,
    },
    /// A session of a plugboard has been without a link for a while.
    Stranded {
        /// The plugboard.
        plugboard: u32,
        /// The session's number.
        session: u64,
    },
    /// A telephone looks at its clock.
    Telephone(u32),
    /// A side of an exchange has something to do, such as the next piece of a slow body.
    Leg {
        /// Whose leg it is.
        owner: Owner,
        /// The stream's number in its session.
        stream: u64,
        /// The session's number.
        session: u64,
    },
    /// A client sends its request.
    Request(u32),
    /// A client goes away.
    ClientLeaves(u32),
    /// A fault begins.
    Fault(u32),
    /// What a fault took away comes back.
    Repair(u32),
}

/// Who owns a leg.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// A plugboard: the client's side.
    Plugboard(u32),
    /// A telephone: the backend's side.
    Telephone(u32),
}

#[derive(Debug, PartialEq, Eq)]
struct Entry {
    at: Micros,
    tie: u64,
    event: Event,
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.tie).cmp(&(other.at, other.tie))
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// The world's clock and its queue of events. Of two events at one moment the earlier one made goes first.
#[derive(Debug, Default)]
pub struct Clock {
    now: Micros,
    ties: u64,
    queue: BinaryHeap<Reverse<Entry>>,
}

impl Clock {
    /// The present.
    #[must_use]
    pub const fn now(&self) -> Micros {
        self.now
    }

    /// The present as the core sees it.
    #[must_use]
    pub const fn timestamp(&self) -> Timestamp {
        Timestamp::from_micros(self.now)
    }

    /// Plans an event; one of the past comes at once.
    pub fn plan(&mut self, at: Micros, event: Event) {
        self.ties += 1;
        self.queue.push(Reverse(Entry { at: at.max(self.now), tie: self.ties, event }));
    }

    /// Goes to the next event that is not later than `until`; without one, to `until`.
    pub fn advance(&mut self, until: Micros) -> Option<Event> {
        if self.queue.peek().is_some_and(|Reverse(next)| next.at <= until) {
            let Reverse(next) = self.queue.pop()?;
            self.now = next.at;
            return Some(next.event);
        }
        self.now = self.now.max(until);
        None
    }

    /// Events that were planned so far: what a run costs.
    #[must_use]
    pub const fn planned(&self) -> u64 {
        self.ties
    }
}
