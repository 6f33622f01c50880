//! What an origin has seen: the evidence on which tests judge.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crate::wire::Head;

/// One request that reached the origin.
#[derive(Debug, Clone)]
pub struct Seen {
    /// The connection on which it came, counted from 0.
    pub connection: usize,
    /// Its head.
    pub head: Head,
}

/// Counts of one origin.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    pub(super) accepted: AtomicUsize,
    pub(super) open: AtomicUsize,
    pub(super) bytes_read: AtomicU64,
    pub(super) bytes_written: AtomicU64,
    pub(super) uploads_complete: AtomicUsize,
    pub(super) uploads_broken: AtomicUsize,
    pub(super) seen: Mutex<Vec<Seen>>,
}

impl Ledger {
    pub(super) fn note(&self, connection: usize, head: &Head) {
        let seen = Seen { connection, head: head.clone() };
        self.seen.lock().expect("no panic while it is held").push(seen);
    }
}

/// The counts of an origin at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Connections accepted so far.
    pub accepted: usize,
    /// Connections open now.
    pub open: usize,
    /// Octets read so far, heads and framing included.
    pub bytes_read: u64,
    /// Octets that the kernel took so far.
    pub bytes_written: u64,
    /// Request bodies read to their proper end.
    pub uploads_complete: usize,
    /// Request bodies whose connection ended before they did.
    pub uploads_broken: usize,
    /// Requests whose heads arrived.
    pub requests: usize,
}

impl Counts {
    pub(super) fn of(ledger: &Ledger) -> Self {
        Self {
            accepted: ledger.accepted.load(Ordering::SeqCst),
            open: ledger.open.load(Ordering::SeqCst),
            bytes_read: ledger.bytes_read.load(Ordering::SeqCst),
            bytes_written: ledger.bytes_written.load(Ordering::SeqCst),
            uploads_complete: ledger.uploads_complete.load(Ordering::SeqCst),
            uploads_broken: ledger.uploads_broken.load(Ordering::SeqCst),
            requests: ledger.seen.lock().expect("no panic while it is held").len(),
        }
    }
}
