//! Who is no longer let in.

use std::collections::BTreeSet;
use std::sync::{PoisonError, RwLock};

/// Entries that are kept. A full list refuses to grow rather than forget, since what it forgot would be
/// let in again.
pub const REVOCATIONS_MAX: usize = 100_000;

/// What is revoked.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Revoked {
    /// All tokens of a subject (`sub`), whenever they were issued.
    Subject(String),
    /// One token, by its name (`jti`).
    Token(String),
}

impl Revoked {
    /// Whether a token of `subject` with the name `token_id` is meant.
    #[must_use]
    pub fn is(&self, subject: &str, token_id: Option<&str>) -> bool {
        match self {
            Self::Subject(name) => name == subject,
            Self::Token(name) => token_id == Some(name),
        }
    }
}

/// The list, in memory: a restart of the plugboard forgets it.
#[derive(Debug, Default)]
pub struct Revocations(RwLock<BTreeSet<Revoked>>);

/// The list holds [`REVOCATIONS_MAX`] entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the list of revocations is full at {REVOCATIONS_MAX} entries; change the key instead")]
pub struct TooManyRevocations;

impl Revocations {
    /// Adds an entry; twice the same is one.
    ///
    /// # Errors
    /// The list is full.
    pub fn add(&self, revoked: Revoked) -> Result<(), TooManyRevocations> {
        let mut list = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if list.len() >= REVOCATIONS_MAX && !list.contains(&revoked) {
            return Err(TooManyRevocations);
        }
        list.insert(revoked);
        Ok(())
    }

    /// Whether a token of `subject` with the name `token_id` is revoked.
    #[must_use]
    pub fn holds(&self, subject: &str, token_id: Option<&str>) -> bool {
        let list = self.0.read().unwrap_or_else(PoisonError::into_inner);
        list.contains(&Revoked::Subject(subject.to_owned()))
            || token_id.is_some_and(|id| list.contains(&Revoked::Token(id.to_owned())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_and_a_token_of_the_same_name_are_two_things() {
        let list = Revocations::default();
        list.add(Revoked::Token("x".into())).unwrap();
        assert!(!list.holds("x", None));
        assert!(list.holds("y", Some("x")));
        list.add(Revoked::Subject("x".into())).unwrap();
        assert!(list.holds("x", None));
        assert!(Revoked::Subject("x".into()).is("x", None));
        assert!(!Revoked::Token("x".into()).is("x", None));
    }

    #[test]
    fn a_full_list_forgets_nobody_and_says_that_it_is_full() {
        let list = Revocations::default();
        for n in 0..REVOCATIONS_MAX {
            list.add(Revoked::Token(n.to_string())).unwrap();
        }
        assert_eq!(list.add(Revoked::Token("one more".into())), Err(TooManyRevocations));
        assert_eq!(list.add(Revoked::Token("0".into())), Ok(()));
        assert!(list.holds("s", Some("0")));
    }
}
