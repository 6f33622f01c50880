//! The clients of rooms that have shown a token, so that they can be found when it is revoked.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::authority::Bearer;
use crate::flag::{Flag, Raised};

/// Those whose requests are being served now: at most one for each connection.
#[derive(Debug, Default, Clone)]
pub(super) struct Visitors(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    next: u64,
    present: BTreeMap<u64, Present>,
}

#[derive(Debug)]
struct Present {
    bearer: Bearer,
    revoked: Arc<Flag>,
}

/// One request of a client that has shown a token. Dropping it takes the client off the list.
#[derive(Debug)]
pub(super) struct Admission {
    number: u64,
    revoked: Arc<Flag>,
    visitors: Visitors,
}

impl Visitors {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a client on the list.
    pub(super) fn admit(&self, bearer: Bearer) -> Admission {
        let revoked = Arc::new(Flag::default());
        let mut state = self.lock();
        let number = state.next;
        state.next += 1;
        state.present.insert(number, Present { bearer, revoked: revoked.clone() });
        drop(state);
        Admission { number, revoked, visitors: self.clone() }
    }

    /// Ends what the clients do whose subject and token name `is_meant` says yes to. Says how many.
    pub(super) fn end_where(&self, is_meant: impl Fn(&str, Option<&str>) -> bool) -> usize {
        let state = self.lock();
        let meant = state
            .present
            .values()
            .filter(|one| is_meant(&one.bearer.subject, one.bearer.token_id.as_deref()));
        let flags: Vec<Arc<Flag>> = meant.map(|one| one.revoked.clone()).collect();
        drop(state);
        flags.iter().for_each(|flag| flag.raise());
        flags.len()
    }
}

impl Admission {
    /// Ready once the token was revoked.
    pub(super) fn revoked(&self) -> Raised<'_> {
        self.revoked.raised()
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        let present = self.visitors.lock().present.remove(&self.number);
        drop(present);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bearer(subject: &str, token_id: Option<&str>) -> Bearer {
        Bearer { subject: subject.into(), token_id: token_id.map(Into::into) }
    }

    #[test]
    fn a_revocation_finds_the_clients_that_are_there_and_leaves_the_others() {
        let visitors = Visitors::default();
        let [ann, also_ann, bob] = [("ann", Some("1")), ("ann", None), ("bob", Some("2"))]
            .map(|(subject, token_id)| visitors.admit(bearer(subject, token_id)));
        assert_eq!(visitors.end_where(|_, token_id| token_id == Some("1")), 1);
        assert_eq!([&ann, &also_ann, &bob].map(|one| one.revoked().is_over()), [true, false, false]);
        drop(ann);
        assert_eq!(visitors.end_where(|subject, _| subject == "ann"), 1);
        assert_eq!([&also_ann, &bob].map(|one| one.revoked().is_over()), [true, false]);
    }

    #[test]
    fn a_client_that_is_done_leaves_nothing_behind() {
        let visitors = Visitors::default();
        drop(visitors.admit(bearer("ann", None)));
        assert_eq!(visitors.end_where(|_, _| true), 0);
        assert!(visitors.lock().present.is_empty());
    }
}
