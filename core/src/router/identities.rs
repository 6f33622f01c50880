//! Which session of an identity holds which mount.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;

use super::types::{Identity, SessionKey};
use crate::mount::Mount;

/// Of each identity its sessions that were not suspended: by the mounts that they hold, or the one without mounts.
#[derive(Debug, Default)]
pub(super) struct Identities(BTreeMap<Identity, Holdings>);

#[derive(Debug, Default)]
struct Holdings {
    mounts: BTreeMap<Arc<Mount>, SessionKey>,
    /// The session that registered no mounts: it only connects to others'.
    connecting: Option<SessionKey>,
}

impl Identities {
    /// The session of an identity that holds this very mount.
    pub(super) fn holder(&self, identity: &Identity, mount: &Mount) -> Option<SessionKey> {
        self.0.get(identity)?.mounts.get(mount).copied()
    }

    /// The session of an identity that registered no mounts.
    pub(super) fn connecting(&self, identity: &Identity) -> Option<SessionKey> {
        self.0.get(identity)?.connecting
    }

    /// The sessions of an identity that hold a mount which one of `claims` covers, once for each such mount. As many
    /// steps as there are, and a few for each claim, whatever else the identity holds.
    pub(super) fn covered<'a>(
        &'a self,
        identity: &Identity,
        claims: &'a [Mount],
    ) -> impl Iterator<Item = SessionKey> + use<'a> {
        let mounts = self.0.get(identity).map(|holdings| &holdings.mounts);
        mounts.into_iter().flat_map(move |mounts| {
            claims.iter().flat_map(move |claim| {
                let below = mounts.range::<Mount, _>(claim.first_below()..);
                let below = below.take_while(move |(mount, _)| claim.covers(mount));
                mounts.get(claim).into_iter().chain(below.map(|(_, key)| key)).copied()
            })
        })
    }

    /// A session holds a mount, in place of the identity's other ones.
    pub(super) fn hold(&mut self, identity: &Identity, mount: Arc<Mount>, key: SessionKey) {
        self.0.entry(identity.clone()).or_default().mounts.insert(mount, key);
    }

    /// A session registered no mounts, in place of the identity's earlier one.
    pub(super) fn connect(&mut self, identity: &Identity, key: SessionKey) {
        self.0.entry(identity.clone()).or_default().connecting = Some(key);
    }

    /// A session lets go of a mount, unless another one of the identity holds it by now.
    pub(super) fn release(&mut self, identity: &Identity, mount: &Mount, key: SessionKey) {
        self.change(identity, |holdings| {
            if holdings.mounts.get(mount) == Some(&key) {
                holdings.mounts.remove(mount);
            }
        });
    }

    /// A session that registered no mounts is over, or is to be.
    pub(super) fn disconnect(&mut self, identity: &Identity, key: SessionKey) {
        self.change(identity, |holdings| {
            holdings.connecting.take_if(|connecting| *connecting == key);
        });
    }

    fn change(&mut self, identity: &Identity, change: impl FnOnce(&mut Holdings)) {
        let Some(holdings) = self.0.get_mut(identity) else { return };
        change(holdings);
        if holdings.mounts.is_empty() && holdings.connecting.is_none() {
            self.0.remove(identity);
        }
    }
}
