//! How the sidecars hold their memory.

use std::hint::black_box;

/// Half of what may be free at the end of the heap before it goes back to the system, in octets.
const HALF_KEPT_BYTES: usize = 2 << 20;

/// Has the allocator of glibc keep up to 4 MiB of what was freed, in place of 128 KiB: a busy link frees and allocates
/// that much all the time, and each page that comes back from the system is a fault and is filled with zeros. No effect
/// on other allocators.
///
/// A block of its own that is freed raises both thresholds, "`M_MMAP_THRESHOLD`" in mallopt(3): the size from which
/// blocks are the system's, and twice that for what is kept. Nothing of the block is ever touched.
pub(crate) fn keep_freed_memory() {
    drop(black_box(Vec::<u8>::with_capacity(HALF_KEPT_BYTES)));
}
