//! One direction of a virtual TCP connection, and what the network does to it.

use std::collections::VecDeque;
use std::ops::RangeInclusive;
use std::task::Waker;
use std::time::Duration;

use bytes::Bytes;
use telephone_driver::core::time::Timestamp;

/// How a connection is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// Something in the middle ends it: both ends read an end, and writing meets a reset.
    Fin,
    /// Both ends meet a reset.
    Reset,
    /// Nothing arrives any more in the named directions, for a while. What is sent meanwhile arrives then.
    Dark {
        /// What the side that connected sends.
        up: bool,
        /// What the side that was connected to sends.
        down: bool,
        /// How long; `None` is for ever.
        time: Option<Duration>,
    },
}

/// What connections to one port are like.
#[derive(Debug, Clone)]
pub struct Weather {
    /// One way.
    pub latency: Duration,
    /// Octets that one direction holds, in flight and unread.
    pub capacity: usize,
    /// Octets of one segment, drawn log-uniformly. A read takes one segment at most.
    pub segment: RangeInclusive<usize>,
    /// Octets per second in one direction.
    pub rate: u64,
    /// Whether a reset takes unread octets away, too.
    pub resets_discard: bool,
    /// Whether the system gives up octets that stay unacknowledged, where it was asked to.
    pub has_user_timeout: bool,
    /// What becomes of new connections.
    pub fate: Fate,
    /// How likely a new connection is to be cut by itself, in percent, with the kinds to choose from.
    pub cuts: (u8, Vec<Cut>),
    /// Octets in either direction before such a cut, drawn log-uniformly.
    pub cut_after: RangeInclusive<usize>,
}

/// What becomes of connection attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// They are answered, by whoever listens.
    Answered,
    /// They are refused.
    Refused,
    /// No answer ever comes.
    Swallowed,
}

impl Default for Weather {
    fn default() -> Self {
        Self {
            latency: Duration::from_micros(200),
            capacity: 128 * 1024,
            segment: 65_536..=65_536,
            rate: 100_000_000,
            resets_discard: false,
            has_user_timeout: true,
            fate: Fate::Answered,
            cuts: (0, Vec::new()),
            cut_after: 1..=1,
        }
    }
}

/// A number from a range, every order of magnitude as likely as the other.
pub fn log_uniform(random: &mut fastrand::Rng, range: &RangeInclusive<usize>) -> usize {
    let (low, high) = ((*range.start().max(&1) as f64).ln(), (*range.end().max(&1) as f64).ln());
    let drawn = (low + random.f64() * (high - low)).exp().round() as usize;
    drawn.clamp(*range.start(), *range.end())
}

/// What travels together.
pub(crate) struct Segment {
    pub(crate) sent: Timestamp,
    pub(crate) arrives: Timestamp,
    /// `None` is the end of the direction.
    pub(crate) octets: Option<Bytes>,
}

/// Octets on their way from one end to the other.
#[derive(Default)]
pub(crate) struct Pipe {
    pub(crate) flight: VecDeque<Segment>,
    /// Segments that arrived and are not read.
    pub(crate) inbox: VecDeque<Bytes>,
    /// Octets of both.
    pub(crate) held: usize,
    /// Octets that arrived so far.
    pub(crate) arrived: u64,
    pub(crate) is_dark: bool,
    pub(crate) is_ended: bool,
    pub(crate) has_end_arrived: bool,
    /// When the line is free for the next octet.
    pub(crate) free_at: Timestamp,
    /// A cut that comes as soon as so many octets arrived.
    pub(crate) cut: Option<(u64, Cut)>,
    pub(crate) reader: Option<Waker>,
    pub(crate) writer: Option<Waker>,
}

impl Pipe {
    /// The next segment that has arrived by `now`, cut where the pipe is.
    pub(crate) fn take_arrived(&mut self, now: Timestamp) -> Option<Segment> {
        if self.is_dark || self.flight.front()?.arrives > now {
            return None;
        }
        let mut segment = self.flight.pop_front()?;
        if let (Some(octets), Some((at, _))) = (&mut segment.octets, self.cut) {
            let left = usize::try_from(at.saturating_sub(self.arrived)).unwrap_or(usize::MAX);
            if left < octets.len() {
                let rest = octets.split_off(left);
                self.flight.push_front(Segment { octets: Some(rest), ..segment });
            }
        }
        Some(segment)
    }

    /// Reads from the first segment.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> usize {
        let Some(first) = self.inbox.front_mut() else { return 0 };
        let count = first.len().min(buffer.len());
        buffer[..count].copy_from_slice(&first.split_to(count));
        if first.is_empty() {
            self.inbox.pop_front();
        }
        self.held -= count;
        count
    }

    /// Octets that arrived and are no longer there: they were read, while both ends are open.
    pub(crate) fn taken(&self) -> u64 {
        self.arrived - self.inbox.iter().map(|segment| segment.len() as u64).sum::<u64>()
    }

    /// Nothing that has not arrived ever will.
    pub(crate) fn lose_flight(&mut self) {
        self.flight.clear();
        self.held = self.inbox.iter().map(Bytes::len).sum();
    }

    /// Takes the tasks that wait for this direction.
    pub(crate) fn take_wakers(&mut self, wakers: &mut Vec<Waker>) {
        wakers.extend(self.reader.take());
        wakers.extend(self.writer.take());
    }
}
