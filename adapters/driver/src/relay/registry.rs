//! The router with the sessions that it chooses among, and the requests that wait for it.

mod choice;
mod waits;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::{SystemTime, UNIX_EPOCH};

use telephone_core::claims::Claims;
use telephone_core::error::LeaveCode;
use telephone_core::limits::RouterLimits;
use telephone_core::log_limit::{Due, LineKind, LineSource, LogLimit};
use telephone_core::mount::Mount;
use telephone_core::retry::RetryBudget;
use telephone_core::router::{
    AffinityKey, Client, Identity, Reduced, RegisterError, Registration, Route, Router, RouterCounts,
    RouterEvent, SessionKey, Ticket,
};
use telephone_core::time::{Timestamp, as_millis};
use telephone_core::wire::{Move, Resume};

use super::site::Site;
use crate::authority::Grant;
use crate::log;
use crate::shared::SharedSession;
use choice::choose;
pub(super) use choice::{Chosen, Decision};
use waits::Waiting;

/// A registered session.
struct Registered {
    session: SharedSession,
    subject: Arc<str>,
    token_id: Option<String>,
    /// Whether clients of its rooms must show a token.
    client_tokens: bool,
    /// What it registered, less what a renewal no longer covered.
    mounts: Vec<Mount>,
    /// What the claims of its last token cover.
    claims: Vec<Mount>,
    /// Stands for the mounts that it presented last and did not get.
    left_out: u64,
    /// Where it may open raw streams to.
    connect: Vec<Mount>,
    /// Where its mounts are public, if that is known.
    site: Option<Site>,
    /// Its telephone presents its mounts within the session: it may have none for a while.
    has_presented: bool,
    /// Its telephone has another session elsewhere, as it was asked to.
    has_moved: bool,
}

impl Registered {
    /// Tells the telephone which mounts it has. To be called with the registry locked, so that what is told last is true.
    fn tell_scope(&self) {
        self.session.act(|session| session.tell_scope(texts(&self.mounts)));
        self.tell_site();
    }

    /// Tells the telephone where its mounts are public, likewise.
    fn tell_site(&self) {
        if let Some(site) = &self.site {
            self.session.act(|session| session.tell_site(site.urls(&self.mounts)));
        }
    }
}

/// What a fresh token did to a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Renewed {
    /// Nothing: it would leave it no mount, or is another subject's.
    Useless,
    /// It covers all mounts.
    Whole,
    /// It covers some of the mounts, and the telephone is told which; the others are withdrawn.
    Narrowed,
}

struct State {
    router: Router,
    /// In order, so that whoever is told something is told in the same order in every run.
    sessions: BTreeMap<SessionKey, Registered>,
    waiting: HashMap<Ticket, Waiting>,
    next_key: u64,
    retries: RetryBudget,
    /// Telephones that have moved.
    moved: usize,
    /// Which sessions that are given up or lose mounts are logged.
    log: LogLimit,
}

impl State {
    /// Older sessions lost mounts to a newer one of their identity. Those that have nothing left are taken out.
    fn reduce(&mut self, reduced: Vec<Reduced>, now: Timestamp) -> TakenOver {
        let mut taken_over = TakenOver::default();
        for Reduced { session: key, left } in reduced {
            if left.is_empty() {
                taken_over.replaced.extend(self.sessions.remove(&key).map(|one| one.session));
            } else if let Some(one) = self.sessions.get_mut(&key) {
                let due = self.log.handle_line(LineKind::MountsTakenOver, LineSource::Process, now);
                taken_over.lines.extend(due.map(|due| (key, left.clone(), due)));
                one.mounts = left;
                one.tell_scope();
            }
        }
        taken_over
    }
}

/// What a newer process did to the older sessions of its identity.
#[derive(Default)]
struct TakenOver {
    /// They have nothing left.
    replaced: Vec<SharedSession>,
    /// They have these mounts left, as the log is to say.
    lines: Vec<(SessionKey, Vec<Mount>, Due)>,
}

impl TakenOver {
    /// Writes the lines and sends sessions away. Not to be called with the registry locked: the reader of the log may be slow.
    fn finish(self) {
        for (key, left, Due { suppressed, .. }) in self.lines {
            let session = format_args!("{:016x}", key.number());
            let left = log::shown(texts(&left).join(", "));
            tracing::info!(session, left, suppressed, "a newer process took mounts over");
        }
        for session in self.replaced {
            session.leave(LeaveCode::Replaced);
        }
    }
}

pub(super) struct Registry(Mutex<State>);

impl Registry {
    pub(super) fn new(limits: RouterLimits, key: AffinityKey, now: Timestamp) -> Self {
        Self(Mutex::new(State {
            retries: RetryBudget::new(&limits, now),
            moved: 0,
            router: Router::new(limits, now).with_affinity_key(key),
            sessions: BTreeMap::new(),
            waiting: HashMap::new(),
            log: LogLimit::default(),
            // Numbers of an earlier process of this relay are not met again.
            next_key: fastrand::u64(1..u64::MAX / 2),
        }))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs one input of the router, then settles the waits that it ended.
    fn with<T>(&self, input: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.lock();
        let result = input(&mut state);
        let mut wakers = Vec::new();
        while let Some(event) = state.router.poll_event() {
            let (ticket, settled) = match event {
                RouterEvent::Unparked { ticket, session, mount, binding } => {
                    (ticket, Ok((session, mount, binding)))
                }
                RouterEvent::Refused { ticket, refusal } => (ticket, Err(refusal)),
                RouterEvent::Rescheduled { ticket } => {
                    wakers.extend(state.waiting.get_mut(&ticket).and_then(|waiting| waiting.waker.take()));
                    continue;
                }
            };
            match state.waiting.get_mut(&ticket) {
                Some(waiting) => {
                    waiting.settled = Some(settled);
                    wakers.extend(waiting.waker.take());
                }
                // Nobody waits any more: the exchange that was counted does not take place.
                None => {
                    if let Ok((key, ..)) = settled {
                        state.router.finish(key);
                    }
                }
            }
        }
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
        result
    }

    /// A number for a session that is about to register.
    pub(super) fn next_key(&self) -> SessionKey {
        let mut state = self.lock();
        state.next_key += 1;
        SessionKey::new(state.next_key)
    }

    /// Registers a session. Older sessions of its identity that lose mounts to it are told what is left of them, or sent
    /// away if nothing is.
    pub(super) fn register(
        &self,
        key: SessionKey,
        registration: Registration,
        grant: &Grant,
        connect: Vec<Mount>,
        (session, site): (SharedSession, Option<Site>),
        now: Timestamp,
    ) -> Result<(), RegisterError> {
        let subject: Arc<str> = registration.identity.subject().into();
        let (asked, claims) = (registration.mounts.clone(), registration.claims.clone());
        let (token_id, client_tokens) = (grant.token_id.clone(), grant.client_tokens);
        let unix_millis = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, as_millis);
        let taken_over = self.with(|state| {
            let outcome = state.router.register(key, registration, unix_millis, now)?;
            let mounts = outcome.mounts;
            let is_whole = asked.iter().all(|mount| mounts.contains(mount));
            let (left_out, has_presented, has_moved) = (0, false, false);
            let one = Registered {
                session,
                subject,
                token_id,
                client_tokens,
                mounts,
                claims,
                left_out,
                connect,
                site,
                has_presented,
                has_moved,
            };
            if is_whole {
                one.tell_site();
            } else {
                one.tell_scope();
            }
            state.sessions.insert(key, one);
            Ok::<_, RegisterError>(state.reduce(outcome.reduced, now))
        })?;
        taken_over.finish();
        Ok(())
    }

    /// Gives a session requests while it takes any: not while it has no link, nor after its token ran out. To be called
    /// after every change of that, in whatever order: what the session says under this lock is what the router goes
    /// by. Sessions that wait and hold too much together are given up.
    pub(super) fn settle_line(&self, key: SessionKey, now: Timestamp) {
        let given_up = self.with(|state| {
            let Some(one) = state.sessions.get(&key) else { return Vec::new() };
            let held = one.session.held_without_link();
            state.router.handle_token(key, one.session.is_expired());
            if one.session.takes_requests() {
                state.router.handle_link_up(key, now);
            } else {
                state.router.handle_link_down(key, now);
            }
            let given_up = state.router.handle_waiting(key, held);
            let given_up = given_up.iter().filter_map(|key| state.sessions.get(key));
            let log = &mut state.log;
            let with_line = |one: &Registered| {
                let due = log.handle_line(LineKind::SessionAbandoned, LineSource::Process, now);
                (one.session.clone(), due)
            };
            given_up.map(with_line).collect()
        });
        for (session, due) in given_up {
            if let Some(due) = due {
                let suppressed = due.suppressed;
                tracing::warn!(
                    suppressed,
                    "giving up a session that waits for its telephone: all of them hold too much"
                );
            }
            session.abandon();
        }
    }

    /// The session that a hello of this identity proves the right to go on with.
    pub(super) fn resumable(
        &self,
        identity: &Identity,
        resume: &Resume,
    ) -> Option<(SessionKey, SharedSession)> {
        let state = self.lock();
        let key = state.router.resumable(identity, resume)?;
        state.sessions.get(&key).map(|one| (key, one.session.clone()))
    }

    /// Since when a session has had no link, if it has none.
    pub(super) fn dark_since(&self, key: SessionKey) -> Option<Timestamp> {
        self.lock().router.dark_since(key)
    }

    /// Whether a session may open raw streams to a mount of others.
    pub(super) fn may_connect(&self, key: SessionKey, mount: &Mount) -> bool {
        let state = self.lock();
        mount.is_tcp() && state.sessions.get(&key).is_some_and(|one| one.connect.contains(mount))
    }

    /// Whether some session holds a mount, with a link or without.
    pub(super) fn is_held(&self, mount: &Mount) -> bool {
        self.lock().router.is_held(mount)
    }

    /// Whether another session of a mount takes requests.
    pub(super) fn has_other(&self, key: SessionKey, mount: &Mount) -> bool {
        self.lock().router.has_other(key, mount)
    }

    /// Whether another session of a mount takes requests and is ready.
    pub(super) fn has_other_ready(&self, key: SessionKey, mount: &Mount) -> bool {
        self.lock().router.has_other_ready(key, mount)
    }

    /// A session takes no new requests any more.
    pub(super) fn suspend(&self, key: SessionKey, now: Timestamp) {
        self.with(|state| state.router.suspend(key, now));
    }

    /// A session has a fresh token: it loses the mounts that the token does not cover.
    pub(super) fn renew(&self, key: SessionKey, grant: &Grant, claims: &Claims, now: Timestamp) -> Renewed {
        let is_covered = |mount: &Mount| mount.is_covered_by(&claims.mounts);
        self.with(|state| {
            let Some(one) = state.sessions.get_mut(&key) else { return Renewed::Useless };
            let is_of_use = one.mounts.iter().any(is_covered)
                || (one.mounts.is_empty() && (one.has_presented || !claims.connect.is_empty()));
            if *one.subject != *grant.subject || !is_of_use {
                return Renewed::Useless;
            }
            let before = one.mounts.len();
            one.connect.clone_from(&claims.connect);
            one.claims.clone_from(&claims.mounts);
            one.mounts.retain(is_covered);
            one.token_id.clone_from(&grant.token_id);
            one.client_tokens = grant.client_tokens;
            state.router.narrow(key, &claims.mounts, now);
            if one.mounts.len() == before {
                return Renewed::Whole;
            }
            one.tell_scope();
            Renewed::Narrowed
        })
    }

    /// Asks every session's telephone for its next session elsewhere.
    pub(super) fn ask_to_move(&self, order: &Move) {
        for session in self.sessions() {
            session.act(|session| session.ask_to_move(order.clone()));
        }
    }

    /// A session's telephone has another one elsewhere.
    pub(super) fn set_moved(&self, key: SessionKey) {
        let state = &mut *self.lock();
        let Some(one) = state.sessions.get_mut(&key) else { return };
        state.moved += usize::from(!std::mem::replace(&mut one.has_moved, true));
    }

    /// Whether every telephone that is still here has another session elsewhere.
    pub(super) fn has_all_moved(&self) -> bool {
        self.lock().sessions.values().all(|one| one.has_moved)
    }

    /// Whether no telephone is to be waited for: all have moved, or none ever has, for then there is nowhere to go.
    pub(super) fn is_nobody_moving(&self) -> bool {
        self.moved() == 0 || self.has_all_moved()
    }

    /// How many telephones have another session elsewhere, those that have left meanwhile too.
    pub(super) fn moved(&self) -> usize {
        self.lock().moved
    }

    /// A session is over.
    pub(super) fn remove(&self, key: SessionKey, now: Timestamp) {
        self.with(|state| {
            state.router.remove(key, now);
            state.sessions.remove(&key);
        });
    }

    /// Sends away the sessions whose subject and token name `is_meant` says yes to.
    pub(super) fn leave_where(
        &self,
        code: LeaveCode,
        is_meant: impl Fn(&str, Option<&str>) -> bool,
    ) -> usize {
        let meant: Vec<SharedSession> = {
            let state = self.lock();
            let sessions = state.sessions.values();
            sessions
                .filter(|one| is_meant(&one.subject, one.token_id.as_deref()))
                .map(|one| one.session.clone())
                .collect()
        };
        for session in &meant {
            session.leave(code);
        }
        meant.len()
    }

    /// Decides where a request goes. A chosen session must be given back with [`Registry::finish`].
    pub(super) fn route(
        &self,
        client: &Client<'_>,
        host: Option<&[u8]>,
        path: &[u8],
        now: Timestamp,
    ) -> Decision {
        self.decide(|router| router.route_for(Some(client), host, path, now))
    }

    /// Likewise, and to `key` if that serves the request.
    pub(super) fn route_back(
        &self,
        key: SessionKey,
        client: &Client<'_>,
        host: Option<&[u8]>,
        path: &[u8],
        now: Timestamp,
    ) -> Decision {
        self.decide(|router| router.route_back(key, Some(client), host, path, now))
    }

    /// Whether a request that was sent may be sent again.
    pub(super) fn may_retry(&self, now: Timestamp) -> bool {
        self.lock().retries.spend(now)
    }

    /// Likewise for whoever names a mount: a room or a port.
    pub(super) fn route_to(&self, mount: &Mount, now: Timestamp) -> Decision {
        self.decide(|router| router.route_to(mount, now))
    }

    fn decide(&self, route: impl FnOnce(&mut Router) -> Route) -> Decision {
        self.with(|state| {
            state.retries.earn();
            match route(&mut state.router) {
                Route::To { session, mount, binding } => choose(state, (session, mount, binding)),
                Route::Park(ticket) => {
                    state.waiting.insert(ticket, Waiting::default());
                    Decision::Wait(ticket)
                }
                Route::Refuse(refusal) => Decision::Refuse(refusal),
            }
        })
    }

    /// An exchange with a chosen session has ended.
    pub(super) fn finish(&self, key: SessionKey) {
        self.with(|state| state.router.finish(key));
    }

    pub(super) fn handle_timeout(&self, now: Timestamp) {
        self.with(|state| state.router.handle_timeout(now));
    }

    /// Every session that is registered.
    pub(super) fn sessions(&self) -> Vec<SharedSession> {
        self.lock().sessions.values().map(|one| one.session.clone()).collect()
    }

    pub(super) fn counts(&self) -> RouterCounts {
        self.lock().router.counts()
    }
}

/// Mounts in the notation of the hello.
pub(super) fn texts(mounts: &[Mount]) -> Vec<String> {
    mounts.iter().map(ToString::to_string).collect()
}

mod holders;
mod presenting;
#[cfg(test)]
mod tests;
