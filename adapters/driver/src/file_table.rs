//! The table of descriptors: what an error says of it.

use std::fs::File;
use std::io;

/// Whether no descriptor is left in the system (ENFILE) or in the process (EMFILE). These numbers are the same on every
/// Unix, and `io::ErrorKind` has no name for them.
#[must_use]
pub fn is_full(error: &io::Error) -> bool {
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    matches!(error.raw_os_error(), Some(ENFILE | EMFILE))
}

/// The error of a full table, if it is full now. For errors that hide it: a resolver that can open neither its files nor
/// a socket says that the name is unknown, or to try again.
pub(crate) fn error_if_full() -> Option<io::Error> {
    File::open("/dev/null").err().filter(is_full)
}
