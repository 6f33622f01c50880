//! Routing: gives requests to sessions, those that come and those that have waited.

use alloc::borrow::Cow;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::Router;
use super::affinity::{Candidate, Choice, Preference, Standing};
use super::parking::{Place, Wanted};
use super::sessions::Rank;
use super::table::{Ambiguous, MountId};
use super::types::{Client, Refusal, Route, RouterEvent, SessionKey, Ticket};
use crate::affinity::{Binding, Cookie, Sticky};
use crate::limits::DARK_TIME;
use crate::mount::{Mount, host_name};
use crate::time::Timestamp;

/// What comes of a request for a mount.
pub(super) enum Assigned {
    /// This session has one exchange more.
    To { session: SessionKey, mount: Arc<Mount>, binding: Option<Binding> },
    /// It waits for the session that its client is bound to, until then.
    Held(Timestamp),
    /// No session of the mount takes requests.
    Nobody,
}

impl Router {
    /// Decides on a request by its host (a `Host` field, port and case as they came) and the path of its
    /// canonical target; a `*` belongs to the root.
    pub fn route(&mut self, host: Option<&[u8]>, path: &[u8], now: Timestamp) -> Route {
        self.route_for(None, host, path, now)
    }

    /// The same for a client that is known: where its mount's telephones ask for it, it stays with one session.
    pub fn route_for(
        &mut self,
        client: Option<&Client<'_>>,
        host: Option<&[u8]>,
        path: &[u8],
        now: Timestamp,
    ) -> Route {
        self.forget(now);
        let host = host.map(host_name);
        let found = self.mounts.lookup(host.as_deref(), path);
        let wanted =
            || Wanted::Under { host: host.map(|name| Cow::into_owned(name).into()), path: path.into() };
        self.decide(found, wanted, client, now)
    }

    /// The same, for the session `key` if that serves the request's mount and takes requests: state of
    /// the client is kept there.
    pub fn route_back(
        &mut self,
        key: SessionKey,
        client: Option<&Client<'_>>,
        host: Option<&[u8]>,
        path: &[u8],
        now: Timestamp,
    ) -> Route {
        let name = host.map(host_name);
        if let Ok(Some(id)) = self.mounts.lookup(name.as_deref(), path)
            && self.mounts.members(id).contains(&key)
            && self.is_eligible(id, key, self.best_rank(id))
            && let Some(mount) = self.mounts.mount(id).cloned()
        {
            self.sessions.begin_exchange(key);
            let binding = client.and_then(|client| self.binding(id, key, &Preference::from(client)));
            return Route::To { session: key, mount, binding };
        }
        self.route_for(client, host, path, now)
    }

    /// Decides on whoever names a mount: a room or a port.
    pub fn route_to(&mut self, mount: &Mount, now: Timestamp) -> Route {
        self.forget(now);
        let found = self.mounts.find(mount);
        self.decide(Ok(found), || Wanted::Exactly(mount.clone()), None, now)
    }

    fn decide(
        &mut self,
        found: Result<Option<MountId>, Ambiguous>,
        wanted: impl FnOnce() -> Wanted,
        client: Option<&Client<'_>>,
        now: Timestamp,
    ) -> Route {
        match found {
            Err(Ambiguous) => Route::Refuse(Refusal::Ambiguous),
            Ok(Some(id)) => self.decide_mount(id, client, now),
            Ok(None) if now.since(self.started) < self.limits.start_grace => {
                self.park(Place::Unknown(wanted()), client.map(Preference::from), now)
            }
            Ok(None) if self.sessions.serving() == 0 => Route::Refuse(self.nobody_connected()),
            Ok(None) => Route::Refuse(Refusal::NoSuchMount),
        }
    }

    /// Decides on a request for a mount that is known.
    fn decide_mount(&mut self, id: MountId, client: Option<&Client<'_>>, now: Timestamp) -> Route {
        let is_sticky = self.mounts.sticky(id).is_some();
        let matters = |client: &&Client<'_>| is_sticky || client.avoided.is_some();
        let mut preference = client.filter(matters).map(Preference::from);
        if let Some(preference) = &mut preference {
            preference.is_patient = self.parking.has_room(&Place::Mount(id), &self.limits);
        }
        match self.assign(id, preference.as_ref()) {
            Assigned::To { session, mount, binding } => Route::To { session, mount, binding },
            Assigned::Held(_) | Assigned::Nobody if self.is_out_of_tokens(id) => {
                Route::Refuse(Refusal::TokenExpired { retry_after: self.limits.retry_after })
            }
            Assigned::Held(until) => {
                let route = self.park(Place::Mount(id), None, now);
                if let Route::Park(ticket) = route {
                    self.parking.hold(ticket, preference, Some(until));
                }
                route
            }
            // Whoever comes back may ask for clients to be bound.
            Assigned::Nobody => self.park(Place::Mount(id), client.map(Preference::from), now),
        }
    }

    fn park(&mut self, place: Place, preference: Option<Preference>, now: Timestamp) -> Route {
        let too_busy = Refusal::TooBusy { retry_after: self.limits.retry_after };
        self.parking.park(place, preference, &self.limits, now).map_or(Route::Refuse(too_busy), Route::Park)
    }

    /// Gives one exchange to a session of a mount: the one that its client prefers, if clients are bound there, or else the
    /// least busy one.
    pub(super) fn assign(&mut self, id: MountId, preference: Option<&Preference>) -> Assigned {
        let bound = self.mounts.sticky(id).zip(preference);
        let choice = bound.map_or(Choice::Any, |(sticky, preference)| self.prefer(id, sticky, preference));
        let chosen = match choice {
            Choice::To(key) => self.mounts.mount(id).map(|mount| (key, Arc::clone(mount))),
            Choice::Hold(until) => return Assigned::Held(until),
            Choice::Any => {
                let avoided = preference.and_then(|preference| preference.avoided);
                self.mounts.choose(id, |key| Some(self.sessions.rank(key, id)?.avoid(avoided == Some(key))))
            }
        };
        let Some((session, mount)) = chosen else { return Assigned::Nobody };
        self.sessions.begin_exchange(session);
        let binding = preference.and_then(|preference| self.binding(id, session, preference));
        Assigned::To { session, mount, binding }
    }

    fn prefer(&self, id: MountId, sticky: Sticky, preference: &Preference) -> Choice {
        if cfg!(planted = "affinity-forgotten") {
            return Choice::Any;
        }
        let best = self.best_rank(id);
        let candidate = |&key: &SessionKey| {
            let standing = match self.sessions.dark_since(key) {
                _ if self.is_eligible(id, key, best) => Standing::Taking,
                Some(since) if self.now < since + DARK_TIME => Standing::Dark { until: since + DARK_TIME },
                Some(_) | None => Standing::Lost,
            };
            Some(Candidate { key, tag: self.sessions.session(key)?.tag, standing })
        };
        let candidates: Vec<Candidate> = self.mounts.members(id).iter().filter_map(candidate).collect();
        let expected_until = self.started + self.limits.start_grace;
        let expected_until = Some(expected_until).filter(|&until| self.now < until);
        self.rendezvous.choose(sticky, preference, &candidates, expected_until)
    }

    /// The rank of the session that serves a mount best.
    fn best_rank(&self, id: MountId) -> Option<Rank> {
        self.mounts.members(id).iter().filter_map(|&key| self.sessions.rank(key, id)).min()
    }

    /// Whether a session takes requests of a mount: it is ready for them, or no session is, as the [best](Self::best_rank) rank
    /// tells.
    fn is_eligible(&self, id: MountId, key: SessionKey, best: Option<Rank>) -> bool {
        self.sessions.rank(key, id).zip(best).is_some_and(|(own, best)| own.is_ready() || !best.is_ready())
    }

    /// How a client is bound to the session that has its request, if that is by a cookie. A client whose own session is only not
    /// ready keeps the cookie of that: another session stands in for it until it is ready again.
    pub(super) fn binding(
        &mut self,
        id: MountId,
        key: SessionKey,
        preference: &Preference,
    ) -> Option<Binding> {
        let tag = self.sessions.session(key)?.tag;
        match self.mounts.sticky(id)? {
            Sticky::Cookie => {
                let kept = preference.cookie_of(tag).or_else(|| self.cookie_of_not_ready(id, preference));
                let kept = kept.map(|cookie| Binding { cookie, is_new: false });
                Some(kept.unwrap_or_else(|| self.rendezvous.bind(tag, preference)))
            }
            Sticky::Address => None,
        }
    }

    /// A client's cookie that names a session of the mount which is up, and not ready.
    fn cookie_of_not_ready(&self, id: MountId, preference: &Preference) -> Option<Cookie> {
        let is_waiting =
            |key: &&SessionKey| self.sessions.rank(**key, id).is_some_and(|rank| !rank.is_ready());
        let waiting = self.mounts.members(id).iter().filter(is_waiting);
        waiting.filter_map(|&key| preference.cookie_of(self.sessions.session(key)?.tag)).next()
    }

    /// Goes by what the sessions of a mount want for its clients.
    pub(super) fn settle_sticky(&mut self, id: MountId) {
        let sessions = &self.sessions;
        self.mounts.settle_sticky(id, |key| sessions.session(key).and_then(|session| session.sticky));
    }

    /// The next request that no longer waits, of the mounts where something has changed. Those that wait for a session of
    /// their own stand in nobody's way.
    pub(super) fn poll_unparked(&mut self) -> Option<RouterEvent> {
        while let Some((&id, &from)) = self.ready.first_key_value() {
            let Some(ticket) = self.parking.first_from(id, from) else {
                self.ready.remove(&id);
                continue;
            };
            let preference = self.parking.lend(ticket);
            match self.assign(id, preference.as_ref()) {
                Assigned::To { session, mount, binding } => {
                    self.parking.take(ticket);
                    return Some(RouterEvent::Unparked { ticket, session, mount, binding });
                }
                Assigned::Held(until) => {
                    self.hold(ticket, preference, until);
                    self.ready.insert(id, ticket.next());
                }
                Assigned::Nobody => {
                    self.parking.hold(ticket, preference, None);
                    self.ready.remove(&id);
                }
            }
        }
        None
    }

    /// Gives requests that waited long enough for one session to another one.
    pub(super) fn release_held(&mut self, now: Timestamp) {
        for (ticket, id) in self.parking.overdue(now) {
            self.release(ticket, id, now);
        }
    }

    fn release(&mut self, ticket: Ticket, id: MountId, now: Timestamp) {
        let mut preference = self.parking.lend(ticket);
        if let Some(preference) = &mut preference {
            // One that has waited long enough at all waits for no other session.
            preference.is_patient &= !self.parking.is_over(ticket, now);
        }
        match self.assign(id, preference.as_ref()) {
            Assigned::To { session, mount, binding } => {
                self.parking.take(ticket);
                self.unparked.push_back(RouterEvent::Unparked { ticket, session, mount, binding });
            }
            Assigned::Held(until) => self.hold(ticket, preference, until),
            Assigned::Nobody => self.parking.hold(ticket, preference, None),
        }
    }

    /// Lets a request that waits for any session wait for the one that it prefers. Its caller has a timer for the other wait.
    fn hold(&mut self, ticket: Ticket, preference: Option<Preference>, until: Timestamp) {
        let before = self.parking.wake_at(ticket);
        self.parking.hold(ticket, preference, Some(until));
        if self.parking.wake_at(ticket) < before {
            self.unparked.push_back(RouterEvent::Rescheduled { ticket });
        }
    }
}
