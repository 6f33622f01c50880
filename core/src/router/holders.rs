//! What is known of the telephones behind the sessions that hold mounts: whether they answer, and whether their tokens are
//! good.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use super::Router;
use super::parking::Place;
use super::sessions::Sessions;
use super::table::MountId;
use super::types::{Identity, Refusal, SessionKey};
use crate::mount::Mount;
use crate::time::Timestamp;

impl Router {
    /// The linked sessions of a newer epoch that hold what a registration asks for: they are to be pinged, and
    /// [`handle_pinged`](Self::handle_pinged) is to be called, before it is judged.
    #[must_use]
    pub fn rivals(&self, identity: &Identity, epoch: u64, mounts: &[Mount]) -> Vec<SessionKey> {
        let holders = mounts.iter().filter_map(|mount| self.identities.holder(identity, mount));
        let connecting = self.identities.connecting(identity).filter(|_| mounts.is_empty());
        let rivals: BTreeSet<SessionKey> = holders
            .chain(connecting)
            .filter(|&key| self.is_newer(key, epoch) && self.sessions.load(key).is_some())
            .collect();
        rivals.into_iter().collect()
    }

    /// A session was pinged, and answered or not.
    pub fn handle_pinged(&mut self, key: SessionKey, has_answered: bool) {
        self.sessions.set_silent(key, !has_answered);
    }

    /// A session's token is over, or there is a good one again. Whether it takes requests is for
    /// [`handle_link_up`](Self::handle_link_up) and [`handle_link_down`](Self::handle_link_down) to say: this is for the
    /// answer to those that nobody takes.
    pub fn handle_token(&mut self, key: SessionKey, is_expired: bool) {
        self.sessions.set_expired(key, is_expired);
    }

    /// Whether a request of a mount has nothing to wait for: the tokens of all its sessions are over, and each has a link, over
    /// which its telephone would have renewed the token by now.
    pub(super) fn is_out_of_tokens(&self, id: MountId) -> bool {
        let members = self.mounts.members(id);
        is_expired(members, &self.sessions) && !members.iter().any(|&key| self.waiting.has(key))
    }

    /// Ends the waits that have been long enough, each for the reason why nobody took the request.
    pub(super) fn expire_waits(&mut self, now: Timestamp) {
        let (sessions, mounts) = (&self.sessions, &self.mounts);
        let retry_after = self.limits.retry_after;
        let refusal = |place: &Place| match place {
            Place::Mount(id) if is_expired(mounts.members(*id), sessions) => {
                Refusal::TokenExpired { retry_after }
            }
            Place::Mount(_) | Place::Unknown(_) => Refusal::NobodyConnected { retry_after },
        };
        self.parking.expire(refusal, now);
    }
}

/// Whether a mount has sessions, and the tokens of all of them are over.
fn is_expired(members: &[SessionKey], sessions: &Sessions) -> bool {
    !members.is_empty() && members.iter().all(|&key| sessions.is_expired(key))
}
