//! Something that goes on for as long as something else is done.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// Does `work`, and `companion` beside it in a thread of its own, which is to end soon after it is told, by the function
/// that it is given, that the work is done. Returns what came of both.
///
/// # Panics
/// If one of them does; the companion is told all the same.
pub fn beside<T, C: Send>(
    work: impl FnOnce() -> T,
    companion: impl FnOnce(&(dyn Fn() -> bool + Sync)) -> C + Send,
) -> (T, C) {
    let is_done = AtomicBool::new(false);
    thread::scope(|scope| {
        let companion = scope.spawn(|| companion(&|| is_done.load(Ordering::SeqCst)));
        let done = catch_unwind(AssertUnwindSafe(work));
        is_done.store(true, Ordering::SeqCst);
        let accompanied = companion.join().unwrap_or_else(|panic| resume_unwind(panic));
        (done.unwrap_or_else(|panic| resume_unwind(panic)), accompanied)
    })
}
