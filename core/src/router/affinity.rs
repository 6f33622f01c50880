//! Which session of a mount a client's requests go to, where its telephones ask for that.
//!
//! By rendezvous hashing (highest random weight; Thaler and Ravishankar 1998): each session has a weight for each client, and
//! the heaviest one is chosen. So a session that comes or leaves moves no client between two others. The hash is keyed,
//! since clients choose their cookies and some of them their addresses. Its inputs are identities, not sessions, so that
//! a telephone that restarts has its clients again, and all relays with one key choose alike.

#![expect(deprecated, reason = "`SipHasher` is the one hash of the library whose algorithm never changes")]

use alloc::vec::Vec;
use core::fmt;
use core::hash::{Hasher, SipHasher};

use super::types::{Client, Identity, SessionKey};
use crate::address::AddressBlock;
use crate::affinity::{Binding, Cookie, Sticky};
use crate::time::Timestamp;

/// The key of the hash. Relays with the same key bind clients alike.
#[derive(Clone, Copy, Default)]
pub struct AffinityKey(u64, u64);

impl AffinityKey {
    /// A key of octets that clients cannot guess.
    #[must_use]
    pub const fn new(octets: [u8; 16]) -> Self {
        let bits = u128::from_le_bytes(octets);
        Self(bits as u64, (bits >> 64) as u64)
    }

    /// SipHash-2-4 of some texts and numbers, each set apart from the next.
    fn hash<'a>(self, parts: impl IntoIterator<Item = &'a [u8]>) -> u64 {
        let mut hasher = SipHasher::new_with_keys(self.0, self.1);
        for part in parts {
            hasher.write(&(part.len() as u64).to_le_bytes());
            hasher.write(part);
        }
        hasher.finish()
    }
}

impl fmt::Debug for AffinityKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AffinityKey")
    }
}

/// What decides which session a client prefers. It may outlast the request's head.
#[derive(Debug)]
pub(super) struct Preference {
    address: AddressBlock,
    cookies: Vec<Cookie>,
    pub(super) avoided: Option<SessionKey>,
    /// Whether it waits for a session that has lost its link.
    pub(super) is_patient: bool,
}

impl From<&Client<'_>> for Preference {
    fn from(client: &Client<'_>) -> Self {
        let Client { address, headers, avoided } = *client;
        Self { address, cookies: Cookie::all_of(headers), avoided, is_patient: true }
    }
}

impl Preference {
    /// The cookie that names a session with this tag.
    pub(super) fn cookie_of(&self, tag: u64) -> Option<Cookie> {
        self.cookies.iter().copied().find(|cookie| cookie.session == tag)
    }
}

/// A session of a mount.
#[derive(Debug, Clone, Copy)]
pub(super) struct Candidate {
    pub(super) key: SessionKey,
    pub(super) tag: u64,
    pub(super) standing: Standing,
}

/// Whether a session keeps its clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// It takes requests.
    Taking,
    /// It has lost its link, and keeps its clients until then.
    Dark { until: Timestamp },
    /// It has had no link for too long.
    Lost,
}

/// What comes of a choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Choice {
    To(SessionKey),
    /// The request waits for its session, until then at most.
    Hold(Timestamp),
    /// Any session will do: the client is new, or there is none that takes requests.
    Any,
}

/// The hash with its key, and how many clients were given a number.
#[derive(Debug, Default)]
pub(super) struct Rendezvous {
    key: AffinityKey,
    clients: u64,
}

impl Rendezvous {
    pub(super) const fn new(key: AffinityKey) -> Self {
        Self { key, clients: 0 }
    }

    /// The number that stands for an identity. It tells no client what that is.
    pub(super) fn tag(&self, identity: &Identity) -> u64 {
        self.key.hash([identity.subject().as_bytes(), identity.instance().as_bytes()])
    }

    fn weight(&self, tag: u64, client: u64) -> u64 {
        self.key.hash([&tag.to_le_bytes()[..], &client.to_le_bytes()])
    }

    /// Binds a client with these cookies, none of which names it, to a session.
    pub(super) fn bind(&mut self, tag: u64, preference: &Preference) -> Binding {
        let client = preference.cookies.first().map_or_else(|| self.next_client(), |cookie| cookie.client);
        Binding { cookie: Cookie { session: tag, client }, is_new: true }
    }

    fn next_client(&mut self) -> u64 {
        self.clients = self.clients.wrapping_add(1);
        self.key.hash([&self.clients.to_le_bytes()[..]])
    }

    /// Chooses among the sessions of a mount. Of sessions that a relay expects back until `expected_until` it knows nothing
    /// yet: a cookie that names none of those that are here may name one of them.
    pub(super) fn choose(
        &self,
        sticky: Sticky,
        preference: &Preference,
        candidates: &[Candidate],
        expected_until: Option<Timestamp>,
    ) -> Choice {
        let client = match sticky {
            Sticky::Address => self.key.hash([&preference.address.to_bits().to_le_bytes()[..]]),
            Sticky::Cookie => {
                let named = |candidate: &&Candidate| preference.cookie_of(candidate.tag).is_some();
                let named = candidates.iter().find(named);
                if let Some(choice) = named.and_then(|candidate| keep(candidate, preference)) {
                    return choice;
                }
                let Some(first) = preference.cookies.first() else { return Choice::Any };
                if let (None, Some(until), true) = (named, expected_until, preference.is_patient) {
                    return Choice::Hold(until);
                }
                first.client
            }
        };
        let kept =
            candidates.iter().filter_map(|one| Some((self.weight(one.tag, client), keep(one, preference)?)));
        kept.max_by_key(|&(weight, _)| weight).map_or(Choice::Any, |(_, choice)| choice)
    }
}

/// What becomes of a client whose session that is; nothing if the client must move.
fn keep(candidate: &Candidate, preference: &Preference) -> Option<Choice> {
    match candidate.standing {
        _ if preference.avoided == Some(candidate.key) => None,
        Standing::Taking => Some(Choice::To(candidate.key)),
        Standing::Dark { until } => preference.is_patient.then_some(Choice::Hold(until)),
        Standing::Lost => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vectors of the reference implementation, for messages of 0 to 3 octets behind each other.
    #[test]
    fn the_hash_is_siphash_2_4() {
        let key = AffinityKey::new(core::array::from_fn(|at| at as u8));
        let mut hasher = SipHasher::new_with_keys(key.0, key.1);
        assert_eq!(hasher.finish(), 0x726f_db47_dd0e_0e31);
        hasher.write(&[0]);
        assert_eq!(hasher.finish(), 0x74f8_39c5_93dc_67fd);
        hasher.write(&[1]);
        assert_eq!(hasher.finish(), 0x0d6c_8009_d9a9_4f5a);
    }

    #[test]
    fn parts_are_set_apart() {
        let key = AffinityKey::default();
        assert_ne!(key.hash([&b"ab"[..], b"c"]), key.hash([&b"a"[..], b"bc"]));
    }
}
