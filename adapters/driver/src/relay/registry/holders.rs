//! The holders of mounts, for whoever finds out whether they are alive.

use telephone_core::mount::Mount;
use telephone_core::router::{Identity, SessionKey};

use super::Registry;
use crate::shared::SharedSession;

impl Registry {
    /// The sessions that are to be pinged before a process of this epoch is judged.
    pub(in crate::relay) fn rivals(
        &self,
        identity: &Identity,
        epoch: u64,
        mounts: &[Mount],
    ) -> Vec<(SessionKey, SharedSession)> {
        let state = self.lock();
        let session = |key| state.sessions.get(&key).map(|one| (key, one.session.clone()));
        state.router.rivals(identity, epoch, mounts).into_iter().filter_map(session).collect()
    }

    /// A session was pinged, and answered or not.
    pub(in crate::relay) fn set_pinged(&self, key: SessionKey, has_answered: bool) {
        self.lock().router.handle_pinged(key, has_answered);
    }
}
