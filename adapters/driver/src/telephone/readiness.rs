//! Which mounts of a telephone are ready, as its plugboards are told.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use telephone_core::mount::Mount;
use telephone_core::wire::Mounts;

use crate::backend::Watch;
use crate::shared::{SharedSession, WeakSession};
use crate::status::BackendStatus;

/// The mounts, each with what watches its application, and the sessions that have them.
pub(super) struct Readiness {
    mounts: Vec<(Mount, Option<Arc<Watch>>)>,
    watches: Vec<Arc<Watch>>,
    sessions: Mutex<Vec<WeakSession>>,
}

impl Readiness {
    /// A mount that nothing watches is always ready.
    pub(super) const fn new(mounts: Vec<(Mount, Option<Arc<Watch>>)>, watches: Vec<Arc<Watch>>) -> Self {
        Self { mounts, watches, sessions: Mutex::new(Vec::new()) }
    }

    /// All mounts as they are now.
    fn presented(&self) -> Mounts {
        let mut mounts = Mounts::default();
        for (mount, watch) in &self.mounts {
            let is_ready = watch.as_ref().is_none_or(|watch| watch.is_ready());
            let list = if is_ready { &mut mounts.ready } else { &mut mounts.not_ready };
            list.push(mount.to_string());
        }
        mounts
    }

    fn sessions(&self) -> MutexGuard<'_, Vec<WeakSession>> {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.retain(|session| session.upgrade().is_some_and(|session| session.closed().is_none()));
        sessions
    }

    /// A session begins, for which its plugboard takes all mounts for ready. It is told if they are not, now and later.
    pub(super) fn join(&self, session: &SharedSession) {
        let mut sessions = self.sessions();
        sessions.push(session.downgrade());
        let mounts = self.presented();
        if !mounts.not_ready.is_empty() {
            session.act(|session| session.present_mounts(mounts));
        }
    }

    /// Presents all mounts to the plugboard of one session.
    pub(super) fn present_to(&self, session: &SharedSession) {
        // Under the lock, so that what is told last is true.
        let _sessions = self.sessions();
        let mounts = self.presented();
        session.act(|session| session.present_mounts(mounts));
    }

    /// Tells all plugboards what has changed.
    pub(super) fn present(&self) {
        for session in self.sessions().iter().filter_map(WeakSession::upgrade) {
            let mounts = self.presented();
            session.act(|session| session.present_mounts(mounts));
        }
    }

    pub(super) fn status(&self) -> Vec<BackendStatus> {
        self.watches.iter().map(|watch| watch.status()).collect()
    }
}
