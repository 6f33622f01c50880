//! Notices that this process stood still, and notifies the lines.

use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use event_listener::{Event, EventListener};
use rustix::time::{ClockId, clock_gettime};
use telephone_core::limits::WAKE_PATIENCE;
use telephone_core::time::{Timestamp, as_millis};
use telephone_core::wakefulness::Wakefulness;

use crate::runtime::Runtime;

/// CLOCK_MONOTONIC stands still with a suspended Linux; on other systems it counts.
#[cfg(any(target_os = "linux", target_os = "android"))]
const BOOT_CLOCK: ClockId = ClockId::Boottime;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const BOOT_CLOCK: ClockId = ClockId::Monotonic;

/// The time since the machine booted.
pub(crate) fn boot_time() -> Timestamp {
    let time = clock_gettime(BOOT_CLOCK);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    Timestamp::ZERO + Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or_default())
}

/// Notifies each time that the process stood still.
#[derive(Debug, Default)]
pub(crate) struct WakeUps {
    count: AtomicUsize,
    /// Milliseconds of the latest time.
    latest: AtomicU64,
    /// When that ended, in milliseconds.
    at: AtomicU64,
    event: Event,
}

impl WakeUps {
    /// How often it did so far.
    pub(crate) fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// For how long it did last.
    pub(crate) fn latest(&self) -> Duration {
        Duration::from_millis(self.latest.load(Ordering::Relaxed))
    }

    /// Whether the latest ended so lately that a link may be lost for it.
    pub(crate) fn is_recent(&self, now: Timestamp) -> bool {
        let at = Timestamp::ZERO + Duration::from_millis(self.at.load(Ordering::Relaxed));
        now.since(at) <= *WAKE_PATIENCE.end() * 2
    }

    /// Ready at the next time.
    pub(crate) fn next(&self) -> EventListener {
        self.event.listen()
    }

    /// Looks at the clocks, for ever.
    pub(crate) async fn watch<R: Runtime>(&self, runtime: &R) -> Infallible {
        let mut wakefulness = Wakefulness::new(runtime.now(), runtime.boot_time());
        loop {
            runtime.sleep_until(wakefulness.poll_timeout()).await;
            if let Some(time) = wakefulness.handle_timeout(runtime.now(), runtime.boot_time()) {
                let seconds = time.as_secs();
                tracing::info!(
                    "this machine was suspended, or this program stopped, for {seconds} s; checking the links"
                );
                self.latest.store(as_millis(time), Ordering::Relaxed);
                self.at.store(as_millis(runtime.now().since(Timestamp::ZERO)), Ordering::Relaxed);
                self.count.fetch_add(1, Ordering::Relaxed);
                self.event.notify(usize::MAX);
            }
        }
    }
}
