//! Mounts that a telephone presents within its session.

use telephone_core::mount::Mount;
use telephone_core::router::SessionKey;
use telephone_core::time::Timestamp;

use super::{Registry, State, TakenOver};

impl Registry {
    /// The mounts among these that a session may have now.
    pub(in crate::relay) fn available(&self, key: SessionKey, mounts: &[Mount]) -> Vec<Mount> {
        let state = self.lock();
        let claims = state.sessions.get(&key).map_or(&[][..], |one| &one.claims);
        state.router.available(key, mounts, claims)
    }

    /// A session's telephone wants these mounts and no others, and is told which of them it has. `left_out` stands for those
    /// that were refused before; says whether it is another number than the last time.
    pub(in crate::relay) fn present(
        &self,
        key: SessionKey,
        (mounts, not_ready): (&[Mount], &[Mount]),
        left_out: u64,
        now: Timestamp,
    ) -> bool {
        let (is_new, taken_over) = self.with(|state| {
            let State { router, sessions, .. } = state;
            let Some(one) = sessions.get_mut(&key) else { return (false, TakenOver::default()) };
            if !router.takes_mounts(key) {
                return (false, TakenOver::default());
            }
            let outcome = router.present(key, mounts, not_ready, &one.claims, now);
            one.has_presented = true;
            one.mounts = outcome.mounts;
            one.tell_scope();
            let is_new = std::mem::replace(&mut one.left_out, left_out) != left_out;
            (is_new, state.reduce(outcome.reduced, now))
        });
        taken_over.finish();
        is_new
    }
}
