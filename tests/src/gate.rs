//! Who may run beside whom.
//!
//! Most tests share the machine; a test that measures time must not share it with one that moves gigabytes. A
//! readers-writer lock on files does that across threads and across test processes alike (cargo test, nextest).

use std::fs::File;
use std::path::PathBuf;

use rustix::fs::{FlockOperation, flock};

use crate::bins;

/// The right to run, until it is dropped.
#[derive(Debug)]
pub struct Turn {
    _lock: File,
}

/// Waits until no test runs that must be alone. One thread must not ask twice.
pub fn shared() -> Turn {
    enter(FlockOperation::LockShared)
}

/// Waits until no other test runs, and keeps it so.
pub fn alone() -> Turn {
    enter(FlockOperation::LockExclusive)
}

/// The turnstile makes it fair: who waits to be alone is not overtaken for ever by those who share.
fn enter(operation: FlockOperation) -> Turn {
    let turnstile = lock_file("e2e-turnstile.lock");
    flock(&turnstile, FlockOperation::LockExclusive).expect("a lock on a local file");
    let lock = lock_file("e2e-gate.lock");
    flock(&lock, operation).expect("a lock on a local file");
    Turn { _lock: lock }
}

/// Opens (and makes) a lock file beside the programs under test.
fn lock_file(name: &str) -> File {
    let path: PathBuf = bins::directory().join(name);
    File::create(&path).unwrap_or_else(|error| panic!("cannot make {}: {error}", path.display()))
}
