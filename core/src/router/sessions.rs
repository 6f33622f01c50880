//! The sessions that registered: who they are, what they hold, how busy they are.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::table::MountId;
use super::types::{Identity, ResumeSecret, SessionKey};
use crate::affinity::Sticky;
use crate::time::Timestamp;
use crate::wire::Resume;

/// Every session.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    by_key: BTreeMap<SessionKey, Session>,
    linked: usize,
    /// Those of them that registered mounts.
    serving: usize,
}

#[derive(Debug)]
pub(super) struct Session {
    pub(super) identity: Identity,
    pub(super) epoch: u64,
    pub(super) mounts: Vec<MountId>,
    /// Those whose application does not accept connections.
    not_ready: Vec<MountId>,
    /// It registered mounts: it is an application's, and does not only connect to others'.
    serves: bool,
    secret: ResumeSecret,
    /// How it wants clients to be bound to it, and the number that stands for its identity.
    pub(super) sticky: Option<Sticky>,
    pub(super) tag: u64,
    /// Exchanges that were sent to it and have not ended.
    load: u64,
    line: Line,
    /// Its token is over.
    is_expired: bool,
    /// It did not answer the last ping.
    is_silent: bool,
}

/// A session that registers.
pub(super) struct New {
    pub(super) identity: Identity,
    pub(super) epoch: u64,
    pub(super) mounts: Vec<MountId>,
    pub(super) secret: ResumeSecret,
    pub(super) sticky: Option<Sticky>,
    pub(super) tag: u64,
}

/// How well a session serves the next request of a mount: the least of all does best.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    is_not_ready: bool,
    is_avoided: bool,
    load: u64,
}

impl Rank {
    /// Behind all others that are as ready, if `is_avoided`.
    pub(super) const fn avoid(self, is_avoided: bool) -> Self {
        Self { is_avoided, ..self }
    }

    pub(super) const fn is_ready(self) -> bool {
        !self.is_not_ready
    }
}

impl Session {
    pub(super) fn is_suspended(&self) -> bool {
        self.line == Line::Suspended
    }
}

/// Whether a session takes requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    Linked,
    Broken {
        since: Timestamp,
    },
    /// For good, whatever its link does.
    Suspended,
}

impl Sessions {
    /// Adds a session, which has a link.
    pub(super) fn insert(&mut self, key: SessionKey, new: New) {
        let New { identity, epoch, mounts, secret, sticky, tag } = new;
        let (serves, line) = (!mounts.is_empty(), Line::Broken { since: Timestamp::ZERO });
        let session = Session {
            identity,
            epoch,
            mounts,
            not_ready: Vec::new(),
            serves,
            secret,
            sticky,
            tag,
            load: 0,
            line,
            is_expired: false,
            is_silent: false,
        };
        self.by_key.insert(key, session);
        self.set_line(key, Line::Linked);
    }

    pub(super) fn session(&self, key: SessionKey) -> Option<&Session> {
        self.by_key.get(&key)
    }

    /// The session that `resume` proves the right to.
    pub(super) fn proven(&self, identity: &Identity, resume: &Resume) -> Option<SessionKey> {
        let key = SessionKey::new(resume.session);
        let session = self.by_key.get(&key)?;
        let is_known = session.secret.is(&resume.secret) || cfg!(planted = "secret-unchecked");
        let is_own = session.identity == *identity || cfg!(planted = "session-stolen");
        (is_own && is_known).then_some(key)
    }

    /// Takes a session's mounts and requests away. What it held is returned.
    pub(super) fn suspend(&mut self, key: SessionKey) -> Vec<MountId> {
        self.set_line(key, Line::Suspended);
        self.by_key.get_mut(&key).map(|session| core::mem::take(&mut session.mounts)).unwrap_or_default()
    }

    /// Forgets a session that was suspended.
    pub(super) fn remove(&mut self, key: SessionKey) {
        self.by_key.remove(&key);
    }

    /// Leaves a session the mounts for which `keep` is true. The others are returned.
    pub(super) fn retain_mounts(&mut self, key: SessionKey, keep: impl Fn(MountId) -> bool) -> Vec<MountId> {
        let Some(session) = self.by_key.get_mut(&key) else { return Vec::new() };
        let (kept, withdrawn) = session.mounts.iter().partition(|&&id| keep(id));
        session.mounts = kept;
        withdrawn
    }

    /// A session has one more mount.
    pub(super) fn hold(&mut self, key: SessionKey, id: MountId) {
        let Some(session) = self.by_key.get_mut(&key) else { return };
        session.mounts.push(id);
        let is_new = !core::mem::replace(&mut session.serves, true);
        self.serving = self.serving.saturating_add(usize::from(is_new && session.line == Line::Linked));
    }

    /// The mounts of a session that are not ready, of those that it holds.
    pub(super) fn set_not_ready(&mut self, key: SessionKey, mut not_ready: Vec<MountId>) {
        let Some(session) = self.by_key.get_mut(&key) else { return };
        not_ready.retain(|id| session.mounts.contains(id));
        session.not_ready = not_ready;
    }

    pub(super) fn set_linked(&mut self, key: SessionKey) {
        self.set_line(key, Line::Linked);
    }

    /// It has no link, since `now` if it had one.
    pub(super) fn set_broken(&mut self, key: SessionKey, now: Timestamp) {
        let since = self.dark_since(key).unwrap_or(now);
        self.set_line(key, Line::Broken { since });
    }

    /// Since when a session has no link that waits for one.
    pub(super) fn dark_since(&self, key: SessionKey) -> Option<Timestamp> {
        match self.by_key.get(&key)?.line {
            Line::Broken { since } => Some(since),
            Line::Linked | Line::Suspended => None,
        }
    }

    /// The one place that changes a line, so that the count is right.
    fn set_line(&mut self, key: SessionKey, line: Line) {
        let Some(session) = self.by_key.get_mut(&key) else { return };
        let (before, after) = match session.line {
            Line::Suspended => return,
            Line::Linked | Line::Broken { .. } => (session.line == Line::Linked, line == Line::Linked),
        };
        session.line = line;
        let count = |all: usize| all.saturating_sub(usize::from(before)).saturating_add(usize::from(after));
        self.linked = count(self.linked);
        if session.serves {
            self.serving = count(self.serving);
        }
    }

    pub(super) fn set_expired(&mut self, key: SessionKey, is_expired: bool) {
        if let Some(session) = self.by_key.get_mut(&key) {
            session.is_expired = is_expired;
        }
    }

    pub(super) fn set_silent(&mut self, key: SessionKey, is_silent: bool) {
        if let Some(session) = self.by_key.get_mut(&key) {
            session.is_silent = is_silent;
        }
    }

    /// Whether a session has a link, and nothing says that its telephone is dead.
    pub(super) fn is_alive(&self, key: SessionKey) -> bool {
        let is_alive = |session: &Session| session.line == Line::Linked && !session.is_silent;
        self.by_key.get(&key).is_some_and(is_alive)
    }

    pub(super) fn is_expired(&self, key: SessionKey) -> bool {
        self.by_key.get(&key).is_some_and(|session| session.is_expired)
    }

    /// How busy a session is that takes requests.
    pub(super) fn load(&self, key: SessionKey) -> Option<u64> {
        self.taking(key).map(|session| session.load)
    }

    /// A session that takes requests.
    fn taking(&self, key: SessionKey) -> Option<&Session> {
        let is_taking =
            |session: &&Session| session.line == Line::Linked || cfg!(planted = "dark-session-chosen");
        self.by_key.get(&key).filter(is_taking)
    }

    /// How well a session serves the next request of a mount, if it takes requests.
    pub(super) fn rank(&self, key: SessionKey, id: MountId) -> Option<Rank> {
        let session = self.taking(key)?;
        let is_not_ready = session.not_ready.contains(&id) && !cfg!(planted = "readiness-ignored");
        Some(Rank { is_not_ready, is_avoided: false, load: session.load })
    }

    pub(super) fn begin_exchange(&mut self, key: SessionKey) {
        if let Some(session) = self.by_key.get_mut(&key) {
            session.load = session.load.saturating_add(1);
        }
    }

    pub(super) fn end_exchange(&mut self, key: SessionKey) {
        if let Some(session) = self.by_key.get_mut(&key) {
            session.load = session.load.saturating_sub(1);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.by_key.len()
    }

    pub(super) fn linked(&self) -> usize {
        self.linked
    }

    /// Linked sessions that registered mounts.
    pub(super) fn serving(&self) -> usize {
        self.serving
    }
}
