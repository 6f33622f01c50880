//! The two halves of one side of an exchange: what makes octets, and what takes them.

use bytes::Bytes;
use telephone_core::error::Reset;
use telephone_core::message::Headers;
use telephone_core::recording::{RecordedRecv, RecordedSend};
use telephone_core::session::Incoming;
use telephone_core::time::Timestamp;

use crate::clock::Micros;
use crate::content::Content;
use crate::scenario::Pace;

/// How far a pace has come.
#[derive(Debug, Clone, Copy)]
struct Paced {
    pace: Pace,
    next_at: Micros,
    has_stalled: bool,
}

impl Paced {
    const fn new(pace: Pace) -> Self {
        Self { pace, next_at: 0, has_stalled: pace.stall == 0 }
    }

    /// Octets of the next piece from `offset` on, at least one.
    fn piece(&self, offset: u64) -> u64 {
        let to_stall = u64::from(self.pace.stall_at).saturating_sub(offset);
        let piece = u64::from(self.pace.piece).max(1);
        if self.has_stalled || to_stall == 0 { piece } else { piece.min(to_stall) }
    }

    /// A piece is done, up to `offset`.
    fn rest(&mut self, offset: u64, now: Micros) {
        if !self.has_stalled && offset >= u64::from(self.pace.stall_at) {
            self.has_stalled = true;
            self.next_at = now + self.pace.stall;
        } else {
            self.next_at = now + self.pace.rest;
        }
    }
}

/// What makes the octets of a body.
#[derive(Debug)]
pub struct Source {
    content: Content,
    paced: Paced,
    length: u64,
    made: u64,
    held: Bytes,
}

/// How far a source came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offered {
    /// All octets are written.
    Done,
    /// The stream takes no more for now.
    Blocked,
    /// The next piece is made then.
    Later(Micros),
    /// The peer no longer reads.
    Stopped(Reset),
}

impl Source {
    /// A source of `length` octets.
    #[must_use]
    pub const fn new(content: Content, length: u64, pace: Pace) -> Self {
        Self { content, paced: Paced::new(pace), length, made: 0, held: Bytes::new() }
    }

    /// Octets that the stream took.
    #[must_use]
    pub const fn made(&self) -> u64 {
        self.made
    }

    /// Writes what can be written now.
    pub fn offer(&mut self, mut send: RecordedSend<'_>, now: Micros) -> Offered {
        loop {
            if self.held.is_empty() {
                if self.made == self.length {
                    return Offered::Done;
                }
                if self.paced.next_at > now {
                    return Offered::Later(self.paced.next_at);
                }
                let count = self.paced.piece(self.made).min(self.length - self.made);
                self.held = self.content.piece(self.made, usize::try_from(count).unwrap_or(usize::MAX));
            }
            match send.write(&mut self.held) {
                Ok(0) => return Offered::Blocked,
                Ok(count) => self.made += count as u64,
                Err(stopped) => return Offered::Stopped(stopped.0),
            }
            if self.held.is_empty() {
                self.paced.rest(self.made, now);
            }
        }
    }
}

/// What takes the octets of a body, and looks at each.
#[derive(Debug)]
pub struct Sink {
    content: Content,
    /// None takes whatever is there.
    paced: Option<Paced>,
    taken: u64,
}

/// What stands next for a sink, or why nothing does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Drained {
    /// Nothing is there.
    Pending,
    /// The next piece is taken then.
    Later(Micros),
    /// A head is to be taken.
    Head,
    /// All of it came, with these trailers.
    End(Headers),
    /// It was given up.
    Reset(Reset),
    /// The octet at this offset is not what it must be.
    Wrong(u64),
}

impl Sink {
    /// A sink of a body.
    #[must_use]
    pub fn new(content: Content, pace: Pace) -> Self {
        let is_paced = pace.rest > 0 || pace.stall > 0;
        Self { content, paced: is_paced.then(|| Paced::new(pace)), taken: 0 }
    }

    /// Octets that were taken, all of them right.
    #[must_use]
    pub const fn taken(&self) -> u64 {
        self.taken
    }

    /// Takes what can be taken now.
    pub fn drain(&mut self, recv: &mut RecordedRecv<'_>, now: Micros) -> Drained {
        loop {
            if let Some(paced) = self.paced.as_ref().filter(|paced| paced.next_at > now) {
                return Drained::Later(paced.next_at);
            }
            // Both ways to read: octets that leave at once and are paid back, and those that wait in place.
            let incoming = if self.paced.is_some() { recv.peek() } else { recv.read() };
            let octets = match incoming {
                Incoming::Octets(octets) => octets,
                Incoming::Head => return Drained::Head,
                Incoming::End(trailers) => return Drained::End(trailers),
                Incoming::Reset(reset) => return Drained::Reset(reset),
                Incoming::Pending => return Drained::Pending,
            };
            let piece = self.paced.as_ref().map_or(u64::MAX, |paced| paced.piece(self.taken));
            let count = octets.len().min(usize::try_from(piece).unwrap_or(usize::MAX));
            let wrong = self.content.first_wrong(self.taken, &octets[..count]);
            self.taken += count as u64;
            let at = Timestamp::from_micros(now);
            match &mut self.paced {
                Some(paced) => {
                    recv.consume(count, at);
                    paced.rest(self.taken, now);
                }
                None => recv.credit(count, at),
            }
            if let Some(wrong) = wrong {
                return Drained::Wrong(wrong);
            }
        }
    }
}
