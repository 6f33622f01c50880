//! What becomes of a request: the session that was chosen for it.

use std::sync::Arc;
use std::time::Duration;

use telephone_core::affinity::Binding;
use telephone_core::mount::Mount;
use telephone_core::router::{Refusal, SessionKey, Ticket};

use super::State;
use crate::shared::SharedSession;

/// What ended a wait.
pub(super) type Settled = Result<(SessionKey, Arc<Mount>, Option<Binding>), Refusal>;

/// What [`Registry::route`](super::Registry::route) decided.
pub(in super::super) enum Decision {
    To(Chosen),
    Wait(Ticket),
    Refuse(Refusal),
}

/// A session that was chosen for a request.
pub(in super::super) struct Chosen {
    pub(in super::super) key: SessionKey,
    pub(in super::super) session: SharedSession,
    pub(in super::super) subject: Arc<str>,
    pub(in super::super) mount: Arc<Mount>,
    /// Whether a room's client must show a token.
    pub(in super::super) client_tokens: bool,
    /// How the client is bound to the session by a cookie, if the mount's clients are.
    pub(in super::super) binding: Option<Binding>,
}

/// Finds the session that the router chose.
pub(super) fn choose(
    state: &mut State,
    (key, mount, binding): (SessionKey, Arc<Mount>, Option<Binding>),
) -> Decision {
    match state.sessions.get(&key) {
        Some(one) => Decision::To(Chosen {
            key,
            session: one.session.clone(),
            subject: one.subject.clone(),
            mount,
            client_tokens: one.client_tokens,
            binding,
        }),
        None => {
            // The router and the map change together, so it is there; if it were not, nobody is connected.
            state.router.finish(key);
            Decision::Refuse(Refusal::NobodyConnected { retry_after: Duration::from_secs(1) })
        }
    }
}
