//! Which address of a name is tried next, and when a dial is given up (RFC 8305).
//!
//! A name may have several addresses, and some of them may be unreachable without an error. The next address is tried
//! when the one before has failed or had its head start; the first connection wins. When one address has answered with a
//! refusal, the server is up and does not listen: the dial does not wait long for the addresses that have not answered,
//! because the next dial may find the server listening again.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use crate::limits::{
    DIAL_ADDRESSES_MAX, DIAL_HEAD_START, DIAL_PATIENCE, DIAL_PATIENT_EACH, HANDSHAKE_TIMEOUT,
};
use crate::time::{Timestamp, earliest};

/// What the driver is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RaceEvent {
    /// Start to connect to this address, beside the attempts that run.
    Connect(SocketAddr),
    /// Drop the attempts that run: the dial has failed.
    GiveUp,
}

/// What a failed attempt says of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttemptFailure {
    /// The server's host answered: it refuses connections.
    Refused,
    /// Something else, such as no route from this machine to that address. It says nothing of the other addresses.
    Other,
}

/// One dial to all addresses of a name.
///
/// ```
/// use core::time::Duration;
/// use telephone_core::dial_race::{AttemptFailure, DialRace, RaceEvent};
/// use telephone_core::time::Timestamp;
///
/// let now = Timestamp::ZERO;
/// let addresses = ["192.0.2.1:443", "192.0.2.2:443"].map(|text| text.parse().unwrap());
/// let mut race = DialRace::new(addresses.to_vec(), Duration::from_secs(1), now);
/// assert_eq!(race.poll_event(now), Some(RaceEvent::Connect(addresses[0])));
/// race.handle_failed(AttemptFailure::Refused, now);
/// assert_eq!(race.poll_event(now), Some(RaceEvent::Connect(addresses[1])));
/// // It does not answer.
/// let later = now + Duration::from_secs(1);
/// assert_eq!(race.poll_timeout(), Some(later));
/// assert_eq!(race.poll_event(later), Some(RaceEvent::GiveUp));
/// ```
#[derive(Debug)]
pub struct DialRace {
    waiting: VecDeque<SocketAddr>,
    running: usize,
    patience: Duration,
    /// When the next address is tried beside those that run.
    next_at: Option<Timestamp>,
    /// When the latest address was tried.
    tried_at: Timestamp,
    /// When the latest refusal came.
    refused_at: Option<Timestamp>,
}

impl DialRace {
    /// A dial to `addresses`, in the resolver's order of preference. `patience` is how long it waits for an answer after
    /// an address refused.
    #[must_use]
    pub fn new(addresses: Vec<SocketAddr>, patience: Duration, now: Timestamp) -> Self {
        let waiting = interleaved(addresses);
        Self { waiting, running: 0, patience, next_at: None, tried_at: now, refused_at: None }
    }

    /// What to do now, until it is nothing.
    pub fn poll_event(&mut self, now: Timestamp) -> Option<RaceEvent> {
        if self.running == 0 || self.next_at.is_some_and(|at| at <= now) {
            if let Some(address) = self.waiting.pop_front() {
                self.running += 1;
                self.tried_at = now;
                self.next_at = (!self.waiting.is_empty()).then(|| now + DIAL_HEAD_START);
                return Some(RaceEvent::Connect(address));
            }
            self.next_at = None;
        }
        let is_over = self.running == 0 || self.gives_up_at().is_some_and(|at| at <= now);
        is_over.then_some(RaceEvent::GiveUp)
    }

    /// When [`poll_event`](Self::poll_event) has something to do without another input.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        earliest(self.next_at, self.gives_up_at())
    }

    /// One of the attempts that run has failed: the next address need not wait.
    pub fn handle_failed(&mut self, failure: AttemptFailure, now: Timestamp) {
        self.running = self.running.saturating_sub(1);
        self.next_at = (!self.waiting.is_empty()).then_some(now);
        if failure == AttemptFailure::Refused {
            self.refused_at = Some(now);
        }
    }

    /// The address that was tried last has as long to answer as the others.
    fn gives_up_at(&self) -> Option<Timestamp> {
        let refused_at = self.refused_at.filter(|_| self.waiting.is_empty())?;
        Some(refused_at.max(self.tried_at) + self.patience)
    }
}

/// The addresses that a dial tries, in its order: the two families by turns, beginning with the one that the resolver
/// prefers (RFC 8305 §4), so that a family without a route costs one head start and not one for each address.
#[must_use]
pub fn interleaved(addresses: Vec<SocketAddr>) -> VecDeque<SocketAddr> {
    let is_v6_first = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| address.is_ipv6() == is_v6_first);
    let mut second = second.into_iter();
    let mut order = VecDeque::new();
    for address in first {
        order.push_back(address);
        order.extend(second.next());
    }
    order.extend(second);
    order.truncate(DIAL_ADDRESSES_MAX);
    order
}

/// How long a dial waits for an answer after an address refused, by the number of the attempt since the last good link,
/// from 1. A server whose answers take longer than [`DIAL_PATIENCE`] is reached by every [`DIAL_PATIENT_EACH`]th attempt.
#[must_use]
pub const fn patience(attempts: u32) -> Duration {
    if attempts.is_multiple_of(DIAL_PATIENT_EACH) { HANDSHAKE_TIMEOUT } else { DIAL_PATIENCE }
}

#[cfg(test)]
mod tests;
