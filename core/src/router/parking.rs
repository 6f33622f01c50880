//! Requests that wait for a session of their mount.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use core::ops::RangeInclusive;

use super::table::MountId;
use super::types::{Refusal, Ticket};
use crate::limits::RouterLimits;
use crate::mount::Mount;
use crate::time::Timestamp;

/// What a request waits for.
#[derive(Debug)]
pub(super) enum Place {
    /// A session of a mount.
    Mount(MountId),
    /// A mount that is not known yet: the relay has just started.
    Unknown(Wanted),
}

/// How a request names its mount.
#[derive(Debug)]
pub(super) enum Wanted {
    /// Any mount that its path lies under.
    Under { host: Option<Box<[u8]>>, path: Box<[u8]> },
    /// This very mount.
    Exactly(Mount),
}

/// The waiting requests, bounded for each mount and in all.
#[derive(Debug, Default)]
pub(super) struct Parking {
    next: u64,
    waiting: BTreeMap<Ticket, (Timestamp, Place)>,
    /// The same requests by mount, so that the oldest of a mount goes first.
    by_mount: BTreeSet<(MountId, Ticket)>,
    refused: VecDeque<(Ticket, Refusal)>,
}

impl Parking {
    /// Lets a request wait, or `None` if too many do.
    pub(super) fn park(&mut self, place: Place, limits: &RouterLimits, now: Timestamp) -> Option<Ticket> {
        let is_mount_full = match place {
            Place::Mount(_) if cfg!(planted = "parking-unbounded") => false,
            Place::Mount(id) => self.by_mount.range(all(id)).count() >= limits.parked_per_mount,
            Place::Unknown(_) => false,
        };
        if is_mount_full || self.len() >= limits.parked {
            return None;
        }
        let ticket = Ticket(self.next);
        self.next = self.next.saturating_add(1);
        if let Place::Mount(id) = place {
            self.by_mount.insert((id, ticket));
        }
        self.waiting.insert(ticket, (now + limits.park_time, place));
        Some(ticket)
    }

    /// Ends the wait of a request that goes somewhere.
    pub(super) fn take(&mut self, ticket: Ticket) {
        if let Some((_, Place::Mount(id))) = self.waiting.remove(&ticket) {
            self.by_mount.remove(&(id, ticket));
        }
    }

    /// Forgets a request, also one whose refusal nobody has fetched.
    pub(super) fn cancel(&mut self, ticket: Ticket) {
        self.take(ticket);
        self.refused.retain(|(refused, _)| *refused != ticket);
    }

    /// Ends the wait of a request that goes nowhere: `poll_refused` says so.
    pub(super) fn refuse(&mut self, ticket: Ticket, refusal: Refusal) {
        self.take(ticket);
        self.refused.push_back((ticket, refusal));
    }

    /// Lets a request that waited for an unknown mount wait for this one. Its deadline stays.
    pub(super) fn settle(&mut self, ticket: Ticket, id: MountId) {
        if let Some((_, place)) = self.waiting.get_mut(&ticket) {
            *place = Place::Mount(id);
            self.by_mount.insert((id, ticket));
        }
    }

    /// The request that has waited longest for a mount.
    pub(super) fn first(&self, id: MountId) -> Option<Ticket> {
        self.by_mount.range(all(id)).next().map(|&(_, ticket)| ticket)
    }

    /// The requests that wait for a mount that is not known yet.
    pub(super) fn unknown(&self) -> impl Iterator<Item = (&Wanted, Ticket)> {
        self.waiting.iter().filter_map(|(&ticket, (_, place))| match place {
            Place::Mount(_) => None,
            Place::Unknown(wanted) => Some((wanted, ticket)),
        })
    }

    /// When the first wait ends. All waits are equally long, so the oldest request is the first.
    pub(super) fn deadline(&self) -> Option<Timestamp> {
        self.waiting.first_key_value().map(|(_, &(deadline, _))| deadline)
    }

    pub(super) fn expire(&mut self, refusal: impl Fn(&Place) -> Refusal, now: Timestamp) {
        while let Some((&ticket, (deadline, place))) = self.waiting.first_key_value()
            && *deadline <= now
        {
            let refusal = refusal(place);
            self.refuse(ticket, refusal);
        }
    }

    pub(super) fn poll_refused(&mut self) -> Option<(Ticket, Refusal)> {
        self.refused.pop_front()
    }

    /// Requests that wait, and those whose refusal nobody has fetched.
    pub(super) fn len(&self) -> usize {
        self.waiting.len().saturating_add(self.refused.len())
    }
}

fn all(id: MountId) -> RangeInclusive<(MountId, Ticket)> {
    (id, Ticket(0))..=(id, Ticket(u64::MAX))
}
