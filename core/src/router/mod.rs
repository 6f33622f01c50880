//! The relay's routing: which session a request goes to.

mod affinity;
mod holders;
mod identities;
mod mounts;
mod parking;
mod presentation;
mod routing;
mod sessions;
mod table;
#[cfg(test)]
mod tests;
mod types;
mod waiting;

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;

pub use self::affinity::AffinityKey;
use self::affinity::Rendezvous;
use self::identities::Identities;
use self::mounts::Mounts;
use self::parking::{Parking, Wanted};
use self::sessions::{New, Rank, Sessions};
use self::table::{Ambiguous, MountId};
pub use self::types::{
    Awaited, Client, Identity, Reduced, Refusal, RegisterError, Registered, Registration, ResumeSecret,
    Route, RouterCounts, RouterEvent, SessionKey, Ticket,
};
use self::waiting::Waiting;
use crate::limits::{EPOCH_AHEAD_MAX, MOUNTS_MAX, RouterLimits};
use crate::mount::Mount;
use crate::time::{Timestamp, as_millis};
use crate::wire::Resume;

/// Which session a request goes to: mounts, epochs, choice, parking and their limits. One per relay.
///
/// **Who holds a mount.** A session holds exactly the mounts that it registered, linked or not, until it
/// is suspended or removed. Another session of the same subject joins it: a pool. Another subject is
/// refused. A room has one session, since who meets there must meet in one place: there another instance of the
/// subject is refused, too. Mounts above and below are other mounts; who may have them is for the claims of the tokens to
/// say.
///
/// **One identity.** Of one identity (subject and instance) each mount has one session: the newest epoch's. A session
/// takes at once those mounts of older ones that it registers or that its token's claims cover, and no others, so that a
/// token never ends what it does not claim. An older session keeps the rest, and ends when nothing is left of it. A
/// session of an older epoch may register what no newer one holds that is alive: one without a link, or that did not answer
/// the last ping, loses those mounts, for a clock may be behind. Of an identity's sessions without mounts the newest stays,
/// likewise; they and sessions with mounts do not concern each other.
///
/// **Where a request goes.** To the mount with the longest path that the request's path lies under, on
/// segment boundaries; any mount of its host goes before all mounts without a host. Of the mount's
/// sessions that have a link the least busy one is chosen, of equally busy ones the next in turn. One whose telephone
/// [said](Self::present) that the mount is not ready is chosen only while all are such.
///
/// **Who stays.** Where a telephone of the mount asks for it, the requests of a client go to one session, as
/// [`Sticky`](crate::affinity::Sticky) says by what the client is recognised: of several wishes the one of the session that
/// registered last. A client moves when its session leaves the mount or has had no link for
/// [`DARK_TIME`](crate::limits::DARK_TIME); until then its
/// requests wait. A busy session keeps its clients.
///
/// **Who waits.** A request whose mount has no linked session, and in the first moments of a relay one
/// whose mount is not known yet, for [`RouterLimits::park_time`]. One is refused at once if all sessions of its mount have a
/// link and a token that is over. A mount that lost its last session is
/// remembered and still hides shorter ones, so that a restart hands no request to another application.
///
/// Inputs may come in any order and about any session; those about unknown ones change nothing. After
/// each, [`poll_event`](Self::poll_event) is to be drained. Nothing here depends on anything but the inputs.
#[derive(Debug)]
pub struct Router {
    limits: RouterLimits,
    started: Timestamp,
    sessions: Sessions,
    identities: Identities,
    mounts: Mounts,
    parking: Parking,
    waiting: Waiting,
    rendezvous: Rendezvous,
    /// Mounts whose waiting requests may have somewhere to go, and the first of those that were not looked at.
    ready: BTreeMap<MountId, Ticket>,
    /// Requests that no longer wait for one session, or whose wait ends earlier.
    unparked: VecDeque<RouterEvent>,
    /// The latest time of an input.
    now: Timestamp,
}

impl Router {
    /// A relay's router at its start: for [`RouterLimits::start_grace`] it expects telephones to come back.
    #[must_use]
    pub fn new(limits: RouterLimits, now: Timestamp) -> Self {
        Self {
            limits,
            started: now,
            sessions: Sessions::default(),
            identities: Identities::default(),
            mounts: Mounts::default(),
            parking: Parking::default(),
            waiting: Waiting::default(),
            rendezvous: Rendezvous::default(),
            ready: BTreeMap::new(),
            unparked: VecDeque::new(),
            now,
        }
    }

    /// The same, which binds clients to sessions with this key.
    #[must_use]
    pub fn with_affinity_key(mut self, key: AffinityKey) -> Self {
        self.rendezvous = Rendezvous::new(key);
        self
    }

    /// Registers a session, which has a link: it was asked for on one. The earlier sessions of its identity, of an older
    /// epoch or of the same one (a process that lost its session is not its own rival), lose the mounts that this one
    /// registers or that its claims cover. `unix_millis` is the relay's clock, in milliseconds since 1970.
    ///
    /// # Errors
    /// See [`RegisterError`]; then nothing has changed.
    pub fn register(
        &mut self,
        key: SessionKey,
        registration: Registration,
        unix_millis: u64,
        now: Timestamp,
    ) -> Result<Registered, RegisterError> {
        let mounts = self.admit(key, &registration, unix_millis)?;
        let Registration { identity, epoch, claims, secret, sticky, .. } = registration;
        self.now = self.now.max(now);
        let older = if cfg!(planted = "ghost-not-fenced") {
            BTreeSet::new()
        } else {
            self.older(&identity, epoch, &mounts, &claims)
        };
        let held: Vec<MountId> = mounts.iter().map(|mount| self.mounts.join(mount, key)).collect();
        for mount in held.iter().filter_map(|&id| self.mounts.mount(id)) {
            self.identities.hold(&identity, Arc::clone(mount), key);
        }
        if held.is_empty() {
            self.identities.connect(&identity, key);
        }
        let tag = self.rendezvous.tag(&identity);
        self.sessions.insert(key, New { identity, epoch, mounts: held.clone(), secret, sticky, tag });
        held.into_iter().for_each(|id| self.settle_sticky(id));
        let mut reduced = Vec::new();
        for old in older {
            // From a newer one that is dead no more than what is registered.
            let claims = if self.is_newer(old, epoch) { &[][..] } else { &claims };
            let is_lost = |mount: &Mount| mounts.contains(mount) || mount.is_covered_by(claims);
            reduced.push(self.reduce(old, is_lost, now));
        }
        self.settle_unknown();
        self.mark_ready(key);
        Ok(Registered { mounts, reduced })
    }

    /// The earlier sessions of an identity that have something which a new one takes.
    fn older(
        &self,
        identity: &Identity,
        epoch: u64,
        mounts: &[Mount],
        claims: &[Mount],
    ) -> BTreeSet<SessionKey> {
        if mounts.is_empty() {
            return self.identities.connecting(identity).into_iter().collect();
        }
        let covered = self.identities.covered(identity, claims).filter(|&old| !self.is_newer(old, epoch));
        let same = mounts.iter().filter_map(|mount| self.identities.holder(identity, mount));
        covered.chain(same).collect()
    }

    fn is_newer(&self, key: SessionKey, epoch: u64) -> bool {
        self.sessions.session(key).is_some_and(|session| session.epoch > epoch)
    }

    /// Takes mounts away from an older session, and all of it if nothing is left.
    fn reduce(&mut self, key: SessionKey, is_lost: impl Fn(&Mount) -> bool, now: Timestamp) -> Reduced {
        self.retain(key, |mount| !is_lost(mount), now);
        let held = self.sessions.session(key).map_or(&[][..], |session| &session.mounts);
        let left: Vec<Mount> =
            held.iter().filter_map(|&id| self.mounts.mount(id)).map(|mount| Mount::clone(mount)).collect();
        if left.is_empty() {
            self.remove(key, now);
        }
        Reduced { session: key, left }
    }

    /// Whether a registration may be accepted, and for which mounts; changes nothing.
    fn admit(
        &self,
        key: SessionKey,
        registration: &Registration,
        unix_millis: u64,
    ) -> Result<Vec<Mount>, RegisterError> {
        let Registration { identity, epoch, mounts, .. } = registration;
        if self.sessions.session(key).is_some() {
            return Err(RegisterError::Twice);
        }
        if mounts.len() > MOUNTS_MAX {
            return Err(RegisterError::TooManyMounts(mounts.len()));
        }
        if *epoch > unix_millis.saturating_add(as_millis(EPOCH_AHEAD_MAX)) {
            return Err(RegisterError::EpochAhead { epoch: *epoch, unix_millis });
        }
        let kept = self.not_stale(registration)?;
        match kept.iter().find(|mount| self.is_held_by_other(mount, identity)) {
            Some(mount) => Err(RegisterError::Held { mount: mount.clone() }),
            None => Ok(kept),
        }
    }

    /// The mounts of a registration that no newer session of its identity holds that is alive, in order and each once.
    fn not_stale(&self, registration: &Registration) -> Result<Vec<Mount>, RegisterError> {
        let Registration { identity, epoch, mounts, is_partial_enough, .. } = registration;
        let is_stale = |holder: Option<SessionKey>| {
            holder.is_some_and(|key| self.is_newer(key, *epoch) && self.sessions.is_alive(key))
                && !cfg!(planted = "older-epoch-fences")
        };
        if mounts.is_empty() && is_stale(self.identities.connecting(identity)) {
            return Err(RegisterError::Stale { mount: None });
        }
        let is_free = |mount: &&Mount| !is_stale(self.identities.holder(identity, mount));
        let (mut kept, stale): (Vec<_>, Vec<_>) = mounts.iter().partition(is_free);
        match stale.first() {
            Some(mount) if kept.is_empty() || !is_partial_enough => {
                Err(RegisterError::Stale { mount: Some(Mount::clone(mount)) })
            }
            Some(_) | None => {
                kept.sort_unstable();
                kept.dedup();
                Ok(kept.into_iter().cloned().collect())
            }
        }
    }

    fn is_held_by_other(&self, mount: &Mount, identity: &Identity) -> bool {
        let members = self.mounts.find(mount).map_or(&[][..], |id| self.mounts.members(id));
        if cfg!(planted = "tenants-share") {
            return false;
        }
        let holder = members.first().and_then(|&key| self.sessions.session(key));
        holder.is_some_and(|session| match mount.room() {
            Some(_) => session.identity != *identity,
            None => session.identity.subject() != identity.subject(),
        })
    }

    /// The session that a hello of this identity may go on with: the one that it names, if it knows the secret.
    /// Whether that one can go on is for the session to say.
    #[must_use]
    pub fn resumable(&self, identity: &Identity, resume: &Resume) -> Option<SessionKey> {
        self.sessions.proven(identity, resume)
    }

    /// Whether some session holds a mount, with a link or without.
    #[must_use]
    pub fn is_held(&self, mount: &Mount) -> bool {
        self.mounts.find(mount).is_some_and(|id| !self.mounts.members(id).is_empty())
    }

    /// Whether a mount of this session has another one that takes requests.
    #[must_use]
    pub fn has_other(&self, key: SessionKey, mount: &Mount) -> bool {
        self.others(key, mount).next().is_some()
    }

    /// Whether a mount of this session has another one that takes requests and is ready.
    #[must_use]
    pub fn has_other_ready(&self, key: SessionKey, mount: &Mount) -> bool {
        self.others(key, mount).any(Rank::is_ready)
    }

    /// The other sessions of a mount that take requests.
    fn others(&self, key: SessionKey, mount: &Mount) -> impl Iterator<Item = Rank> {
        let id = self.mounts.find(mount);
        let members = id.into_iter().flat_map(|id| self.mounts.members(id).iter().map(move |&one| (one, id)));
        members.filter(move |(one, _)| *one != key).filter_map(|(one, id)| self.sessions.rank(one, id))
    }

    /// Since when a session that waits for its next link has had none.
    #[must_use]
    pub fn dark_since(&self, key: SessionKey) -> Option<Timestamp> {
        self.sessions.dark_since(key)
    }

    /// A session has a link again.
    pub fn handle_link_up(&mut self, key: SessionKey, now: Timestamp) {
        self.now = self.now.max(now);
        self.sessions.set_silent(key, false);
        self.sessions.set_linked(key);
        self.mark_ready(key);
    }

    /// A session lost its link: it is not chosen, but its mounts stay its own.
    pub fn handle_link_down(&mut self, key: SessionKey, now: Timestamp) {
        self.now = self.now.max(now);
        self.sessions.set_broken(key, now);
    }

    /// A session waits for its next link, and holds so many octets for it; `None` if it waits no more. Returns the
    /// sessions that hold too much together: they are to be given up. ([`RouterLimits::waiting_bytes`])
    #[must_use]
    pub fn handle_waiting(&mut self, key: SessionKey, held: Option<u64>) -> Vec<SessionKey> {
        match held {
            Some(octets) if self.sessions.session(key).is_some() => self.waiting.begin(key, octets),
            Some(_) | None => self.waiting.end(key),
        }
        let sessions = &self.sessions;
        let subject = |key| sessions.session(key).map(|session| session.identity.subject());
        self.waiting.take_excess(self.limits.waiting_bytes, subject)
    }

    /// Withdraws a session's mounts for good: it drains or its token expired. Its exchanges go on, and it
    /// no longer stands in the way of another session of its identity, nor is it fenced by one.
    pub fn suspend(&mut self, key: SessionKey, now: Timestamp) {
        let withdrawn = self.sessions.suspend(key);
        if let Some(session) = self.sessions.session(key) {
            self.identities.disconnect(&session.identity, key);
        }
        self.withdraw(key, &withdrawn, now);
    }

    /// Withdraws those mounts of a session that none of `claims` covers: its token was renewed.
    pub fn narrow(&mut self, key: SessionKey, claims: &[Mount], now: Timestamp) {
        self.retain(key, |mount| mount.is_covered_by(claims), now);
    }

    /// Leaves a session the mounts for which `keep` is true.
    fn retain(&mut self, key: SessionKey, keep: impl Fn(&Mount) -> bool, now: Timestamp) {
        let mounts = &self.mounts;
        let is_kept = |id| mounts.mount(id).is_some_and(|mount| keep(mount));
        let withdrawn = self.sessions.retain_mounts(key, is_kept);
        self.withdraw(key, &withdrawn, now);
    }

    /// A session has ended.
    pub fn remove(&mut self, key: SessionKey, now: Timestamp) {
        self.waiting.end(key);
        self.suspend(key, now);
        self.sessions.remove(key);
    }

    fn withdraw(&mut self, key: SessionKey, withdrawn: &[MountId], now: Timestamp) {
        let session = self.sessions.session(key);
        for &id in withdrawn {
            if let Some((session, mount)) = session.zip(self.mounts.mount(id)) {
                self.identities.release(&session.identity, mount, key);
            }
            self.mounts.leave(id, key, now);
        }
        for &id in withdrawn {
            self.settle_sticky(id);
            // Those that waited for this session must move.
            self.mark_mount_ready(id);
        }
        self.forget(now);
    }

    /// An exchange ended that [`Route::To`] or [`RouterEvent::Unparked`] gave to this session.
    pub fn finish(&mut self, key: SessionKey) {
        self.sessions.end_exchange(key);
    }

    /// A request that waits is given up. One that was unparked meanwhile is to be finished instead.
    pub fn cancel(&mut self, ticket: Ticket) {
        self.parking.cancel(ticket);
    }

    /// The next request whose wait has ended, or ends earlier than it was to.
    pub fn poll_event(&mut self) -> Option<RouterEvent> {
        if let Some((ticket, refusal)) = self.parking.poll_refused() {
            return Some(RouterEvent::Refused { ticket, refusal });
        }
        self.unparked.pop_front().or_else(|| self.poll_unparked()).or_else(|| self.unparked.pop_front())
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        self.parking.deadline()
    }

    /// When it is to be called for one request that waits.
    #[must_use]
    pub fn wake_at(&self, ticket: Ticket) -> Option<Timestamp> {
        self.parking.wake_at(ticket)
    }

    /// What a request waits for; `None` if its wait is over, or its mount is not known yet.
    #[must_use]
    pub fn awaited(&self, ticket: Ticket) -> Option<Awaited> {
        let id = self.parking.mount_of(ticket)?;
        let mount = Arc::clone(self.mounts.mount(id)?);
        Some(Awaited { mount, number: id.0, waiting: self.parking.count(id) })
    }

    /// Ends the waits that have been long enough. The next deadline lies after `now`.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        self.forget(now);
        self.release_held(now);
        if !cfg!(planted = "parked-for-ever") {
            self.expire_waits(now);
        }
    }

    /// How much of everything there is.
    #[must_use]
    pub fn counts(&self) -> RouterCounts {
        RouterCounts {
            sessions: self.sessions.len(),
            linked: self.sessions.linked(),
            mounts: self.mounts.held(),
            remembered: self.mounts.remembered(),
            parked: self.parking.len(),
        }
    }

    /// Lets the requests that waited for any mount wait for theirs, if it has come.
    fn settle_unknown(&mut self) {
        let decide = |(wanted, ticket): (&Wanted, Ticket)| match wanted {
            Wanted::Under { host, path } => (ticket, self.mounts.lookup(host.as_deref(), path)),
            Wanted::Exactly(mount) => (ticket, Ok(self.mounts.find(mount))),
        };
        let decided: Vec<_> = self.parking.unknown().map(decide).collect();
        for (ticket, decision) in decided {
            match decision {
                Ok(Some(id)) => self.parking.settle(ticket, id),
                Ok(None) => {}
                Err(Ambiguous) => self.parking.refuse(ticket, Refusal::Ambiguous),
            }
        }
    }

    /// Requests that wait for a mount of this session may have somewhere to go.
    fn mark_ready(&mut self, key: SessionKey) {
        let held = self.sessions.session(key).map_or(&[][..], |session| &session.mounts);
        let waited_for = held.iter().filter(|&&id| self.parking.first(id).is_some());
        self.ready.extend(waited_for.map(|&id| (id, Ticket::FIRST)));
    }

    fn mark_mount_ready(&mut self, id: MountId) {
        if self.parking.first(id).is_some() {
            self.ready.insert(id, Ticket::FIRST);
        }
    }

    /// Forgets mounts that were lost long ago, and whoever still waits for one.
    fn forget(&mut self, now: Timestamp) {
        self.now = self.now.max(now);
        while let Some(id) = self.mounts.forget_one(&self.limits, now) {
            while let Some(ticket) = self.parking.first(id) {
                self.parking.refuse(ticket, self.nobody_connected());
            }
        }
    }

    const fn nobody_connected(&self) -> Refusal {
        Refusal::NobodyConnected { retry_after: self.limits.retry_after }
    }
}
