//! Who is no longer let in.

mod file;

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::SystemTime;

pub use file::BadRevocations;
use file::RevocationFile;

use super::verifier::NAME_BYTES_MAX;

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
    /// The one that is named. `None` if that is not one, or a name that no good token has.
    #[must_use]
    pub fn named(sub: Option<String>, jti: Option<String>) -> Option<Self> {
        let is_name = |name: &str| (1..=NAME_BYTES_MAX).contains(&name.len());
        match (sub, jti) {
            (Some(sub), None) if is_name(&sub) => Some(Self::Subject(sub)),
            (None, Some(jti)) if is_name(&jti) => Some(Self::Token(jti)),
            _ => None,
        }
    }

    /// Whether a token of `subject` with the name `token_id` is meant.
    #[must_use]
    pub fn is(&self, subject: &str, token_id: Option<&str>) -> bool {
        match self {
            Self::Subject(name) => name == subject,
            Self::Token(name) => token_id == Some(name),
        }
    }
}

/// The list. In memory it is forgotten by a restart of the plugboard, in a file it is not.
#[derive(Debug, Default)]
pub struct Revocations {
    list: RwLock<List>,
    /// To be locked ahead of the list, never after it: a writer of the file waits for the disk, and the list is read for
    /// each hello.
    file: Option<Mutex<RevocationFile>>,
}

#[derive(Debug, Default)]
struct List {
    subjects: BTreeSet<String>,
    tokens: BTreeSet<String>,
    /// Entries of both that are not in the file, if there is one. Under the same lock, so that a request that finds an entry in the
    /// list and none here knows that it is on the disk.
    unsaved: BTreeSet<Revoked>,
}

/// The list holds [`REVOCATIONS_MAX`] entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the list of revocations is full at {REVOCATIONS_MAX} entries; change the key instead")]
pub struct TooManyRevocations;

impl Revocations {
    /// The list in the file at `path`, which is made if there is none. No other process may have it open.
    ///
    /// # Errors
    /// The file cannot be used, or holds something else; a last line that was not written whole is left out.
    pub fn open(path: &Path) -> Result<Self, BadRevocations> {
        let (file, entries) = RevocationFile::open(path)?;
        let mut list = List::default();
        for entry in entries {
            list.insert(entry);
        }
        Ok(Self { list: RwLock::new(list), file: Some(Mutex::new(file)) })
    }

    /// Adds an entry; twice the same is one. It holds at once, and is in the file after [`Revocations::save`].
    ///
    /// # Errors
    /// The list is full.
    pub fn add(&self, revoked: Revoked) -> Result<(), TooManyRevocations> {
        let mut list = self.list_mut();
        if list.has(&revoked) {
            return Ok(());
        }
        if list.len() >= REVOCATIONS_MAX {
            return Err(TooManyRevocations);
        }
        if self.file.is_some() {
            list.unsaved.insert(revoked.clone());
        }
        list.insert(revoked);
        Ok(())
    }

    /// Writes to the file what is not there yet, and waits until it is on the disk. Without a file it does nothing.
    ///
    /// # Errors
    /// The file takes no more. What could not be written is tried again by the next call.
    pub fn save(&self, now: SystemTime) -> io::Result<()> {
        let Some(mut file) = self.file() else { return Ok(()) };
        self.write(&mut file, now)
    }

    fn write(&self, file: &mut RevocationFile, now: SystemTime) -> io::Result<()> {
        let unsaved = self.list().unsaved.clone();
        file.append(&unsaved, now)?;
        // What was added meanwhile stays.
        self.list_mut().unsaved.retain(|entry| !unsaved.contains(entry));
        Ok(())
    }

    fn file(&self) -> Option<MutexGuard<'_, RevocationFile>> {
        self.file.as_ref().map(|file| file.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn list(&self) -> RwLockReadGuard<'_, List> {
        self.list.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn list_mut(&self) -> RwLockWriteGuard<'_, List> {
        self.list.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a token of `subject` with the name `token_id` is revoked.
    #[must_use]
    pub fn holds(&self, subject: &str, token_id: Option<&str>) -> bool {
        let list = self.list();
        list.subjects.contains(subject) || token_id.is_some_and(|id| list.tokens.contains(id))
    }

    /// With a file that can be read and not written.
    #[cfg(test)]
    pub(crate) fn unwritable(path: &Path) -> Self {
        Self { list: RwLock::default(), file: Some(Mutex::new(RevocationFile::unwritable(path))) }
    }
}

impl List {
    fn len(&self) -> usize {
        self.subjects.len() + self.tokens.len()
    }

    fn has(&self, revoked: &Revoked) -> bool {
        match revoked {
            Revoked::Subject(name) => self.subjects.contains(name),
            Revoked::Token(name) => self.tokens.contains(name),
        }
    }

    fn insert(&mut self, revoked: Revoked) {
        match revoked {
            Revoked::Subject(name) => self.subjects.insert(name),
            Revoked::Token(name) => self.tokens.insert(name),
        };
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
