//! Waiting for a condition, always with a deadline.

use std::thread;
use std::time::{Duration, Instant};

/// What a test waits for at most where no law names a tighter bound. Generous: a loaded machine is no fault.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Between two looks at a condition that nobody announces (another process, `/proc`).
const PAUSE: Duration = Duration::from_millis(2);

/// Looks until `probe` has something to show, and returns it with the time that it took.
///
/// # Panics
/// After `within`, naming `what` was waited for.
pub fn timed<T>(what: &str, within: Duration, mut probe: impl FnMut() -> Option<T>) -> (T, Duration) {
    let start = Instant::now();
    loop {
        if let Some(found) = probe() {
            return (found, start.elapsed());
        }
        assert!(start.elapsed() < within, "waited {within:?} in vain: {what}");
        thread::sleep(PAUSE);
    }
}

/// Looks until `probe` has something to show.
///
/// # Panics
/// After `within`, naming `what` was waited for.
pub fn until<T>(what: &str, within: Duration, probe: impl FnMut() -> Option<T>) -> T {
    timed(what, within, probe).0
}

/// Waits until `holds` is true, and returns the time that it took.
///
/// # Panics
/// After `within`, naming `what` was waited for.
pub fn until_true(what: &str, within: Duration, mut holds: impl FnMut() -> bool) -> Duration {
    timed(what, within, || holds().then_some(())).1
}

/// The turns of a scenario at a steady pace: 0, 1, 2 …, each no sooner than it is due, whatever the one before took.
///
/// The pace is what is tested: it stands for clients that come when they come, and for a network that breaks when
/// it breaks. It is no way to wait for anything.
pub fn paced(start: Instant, gap: Duration) -> impl Iterator<Item = u32> {
    (0..).inspect(move |&turn| thread::sleep((start + gap * turn).saturating_duration_since(Instant::now())))
}
