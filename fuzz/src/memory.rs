//! How much memory a piece of work takes.

use std::alloc::System;

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Counts what is allocated from its making on. The counts are the process's: work that is measured runs alone.
pub(crate) struct Meter(Region<'static, System>);

impl Meter {
    pub(crate) fn start() -> Self {
        Self(Region::new(ALLOCATOR))
    }

    /// Octets that were asked for so far, freed or not.
    pub(crate) fn asked(&self) -> usize {
        let change = self.0.change();
        change.bytes_allocated.saturating_add_signed(change.bytes_reallocated.max(0))
    }

    /// Octets that are held now and were not at the start.
    pub(crate) fn held(&self) -> usize {
        let change = self.0.change();
        let held = change.bytes_allocated.saturating_add_signed(change.bytes_reallocated);
        held.saturating_sub(change.bytes_deallocated)
    }
}
