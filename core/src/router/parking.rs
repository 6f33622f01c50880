//! Requests that wait for a session of their mount.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;
use core::ops::RangeInclusive;

use super::affinity::Preference;
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

/// A request that waits.
#[derive(Debug)]
struct Waiting {
    deadline: Timestamp,
    place: Place,
    preference: Option<Preference>,
    /// It waits for one session of its mount, for so long, although others take requests.
    held_until: Option<Timestamp>,
}

/// The waiting requests, bounded for each mount and in all.
#[derive(Debug, Default)]
pub(super) struct Parking {
    next: u64,
    waiting: BTreeMap<Ticket, Waiting>,
    /// The same requests by mount, so that the oldest of a mount goes first.
    by_mount: BTreeSet<(MountId, Ticket)>,
    /// Those that wait for one session, the one that does so shortest in front.
    held: BTreeSet<(Timestamp, Ticket)>,
    refused: VecDeque<(Ticket, Refusal)>,
}

impl Parking {
    /// Whether one more request may wait.
    pub(super) fn has_room(&self, place: &Place, limits: &RouterLimits) -> bool {
        let is_mount_full = match *place {
            Place::Mount(_) if cfg!(planted = "parking-unbounded") => false,
            Place::Mount(id) => self.count(id) >= limits.parked_per_mount,
            Place::Unknown(_) => false,
        };
        !is_mount_full && self.len() < limits.parked
    }

    /// Lets a request wait, or `None` if too many do.
    pub(super) fn park(
        &mut self,
        place: Place,
        preference: Option<Preference>,
        limits: &RouterLimits,
        now: Timestamp,
    ) -> Option<Ticket> {
        if !self.has_room(&place, limits) {
            return None;
        }
        let ticket = Ticket(self.next);
        self.next = self.next.saturating_add(1);
        if let Place::Mount(id) = place {
            self.by_mount.insert((id, ticket));
        }
        let deadline = now + limits.park_time;
        self.waiting.insert(ticket, Waiting { deadline, place, preference, held_until: None });
        Some(ticket)
    }

    /// Ends the wait of a request that goes somewhere.
    pub(super) fn take(&mut self, ticket: Ticket) {
        let Some(waiting) = self.waiting.remove(&ticket) else { return };
        if let Place::Mount(id) = waiting.place {
            self.by_mount.remove(&(id, ticket));
        }
        if let Some(until) = waiting.held_until {
            self.held.remove(&(until, ticket));
        }
    }

    /// Lends what decides which session a request prefers: [`hold`](Self::hold) gives it back.
    pub(super) fn lend(&mut self, ticket: Ticket) -> Option<Preference> {
        self.waiting.get_mut(&ticket)?.preference.take()
    }

    /// Lets a request wait for the session that it prefers until then, or for any.
    pub(super) fn hold(&mut self, ticket: Ticket, preference: Option<Preference>, until: Option<Timestamp>) {
        let Some(waiting) = self.waiting.get_mut(&ticket) else { return };
        waiting.preference = preference;
        let before = core::mem::replace(&mut waiting.held_until, until);
        before.map(|before| self.held.remove(&(before, ticket)));
        until.map(|until| self.held.insert((until, ticket)));
    }

    /// The requests that have waited long enough for one session, or long enough at all while they did. They still wait.
    pub(super) fn overdue(&self, now: Timestamp) -> Vec<(Ticket, MountId)> {
        let due = self.held.iter().filter_map(|&(until, ticket)| {
            let waiting = self.waiting.get(&ticket).filter(|one| until.min(one.deadline) <= now)?;
            match waiting.place {
                Place::Mount(id) => Some((ticket, id)),
                Place::Unknown(_) => None,
            }
        });
        due.collect()
    }

    /// The mount that a request waits for, if that is known.
    pub(super) fn mount_of(&self, ticket: Ticket) -> Option<MountId> {
        match self.waiting.get(&ticket)?.place {
            Place::Mount(id) => Some(id),
            Place::Unknown(_) => None,
        }
    }

    /// Requests that wait for a mount.
    pub(super) fn count(&self, id: MountId) -> usize {
        self.by_mount.range(all(id)).count()
    }

    /// Whether a request has waited as long as any may.
    pub(super) fn is_over(&self, ticket: Ticket, now: Timestamp) -> bool {
        self.waiting.get(&ticket).is_some_and(|waiting| waiting.deadline <= now)
    }

    /// When something is to be done about a request that waits.
    pub(super) fn wake_at(&self, ticket: Ticket) -> Option<Timestamp> {
        let waiting = self.waiting.get(&ticket)?;
        Some(waiting.held_until.map_or(waiting.deadline, |until| until.min(waiting.deadline)))
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
        if let Some(waiting) = self.waiting.get_mut(&ticket) {
            waiting.place = Place::Mount(id);
            self.by_mount.insert((id, ticket));
        }
    }

    /// The request that has waited longest for a mount.
    pub(super) fn first(&self, id: MountId) -> Option<Ticket> {
        self.first_from(id, Ticket::FIRST)
    }

    /// Likewise, of those that are no older than `from`.
    pub(super) fn first_from(&self, id: MountId, from: Ticket) -> Option<Ticket> {
        self.by_mount.range((id, from)..=(id, Ticket(u64::MAX))).next().map(|&(_, ticket)| ticket)
    }

    /// The requests that wait for a mount that is not known yet.
    pub(super) fn unknown(&self) -> impl Iterator<Item = (&Wanted, Ticket)> {
        self.waiting.iter().filter_map(|(&ticket, waiting)| match &waiting.place {
            Place::Mount(_) => None,
            Place::Unknown(wanted) => Some((wanted, ticket)),
        })
    }

    /// When the first wait ends, or the first one for one session. All waits are equally long, so the oldest request is the
    /// first.
    pub(super) fn deadline(&self) -> Option<Timestamp> {
        let ends = self.waiting.first_key_value().map(|(_, waiting)| waiting.deadline);
        let held = self.held.first().map(|&(until, _)| until);
        ends.into_iter().chain(held).min()
    }

    pub(super) fn expire(&mut self, refusal: impl Fn(&Place) -> Refusal, now: Timestamp) {
        while let Some((&ticket, waiting)) = self.waiting.first_key_value()
            && waiting.deadline <= now
        {
            let refusal = refusal(&waiting.place);
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
    (id, Ticket::FIRST)..=(id, Ticket(u64::MAX))
}
