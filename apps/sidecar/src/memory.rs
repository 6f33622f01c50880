//! How the programs hold their memory.

use mimalloc::MiMalloc;

/// Each request takes a dozen small blocks and gives them back soon after. That of glibc takes three times the
/// instructions, and gives what a busy link frees back to the system, from where it comes again filled with zeros.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;
