//! Whether an application accepts connections, and when it is tried again while it does not.
//!
//! ```text
//!            a connect fails                                  a connect or a check succeeds
//!  READY ───────────────────────▶ DOWN: tried after 1, 2, 4, 8, 10, 10 … s ───────────────────────▶ READY
//! ```
//!
//! One failed connect is enough: the next request would fail as well. Each telephone tries its own application, so that
//! the attempts need no jitter. With a check a connection proves too little, and only a check that passes ends the outage.

use core::time::Duration;

use crate::limits::{BACKEND_CHECK_INTERVAL, BACKEND_RETRY_MAX, BACKEND_RETRY_MIN};
use crate::time::Timestamp;

/// Who connected, or could not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempt {
    /// A request or a raw stream.
    Stream,
    /// What [`HealthEvent::Probe`] asked for.
    Probe,
}

/// What the driver is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HealthEvent {
    /// Connect once, or make the check, and tell the result as [`Attempt::Probe`].
    Probe,
    /// The application went down.
    BecameDown,
    /// It is back.
    BecameReady {
        /// How long it was down.
        after: Duration,
    },
}

/// The health of one application, as all that connect to it found. After each input drain
/// [`poll_event`](Self::poll_event).
#[derive(Debug)]
pub struct BackendHealth {
    is_checked: bool,
    /// The wait before the next probe, while it is down.
    retry: Duration,
    down_since: Option<Timestamp>,
    probe_at: Option<Timestamp>,
    news: Option<HealthEvent>,
}

impl BackendHealth {
    /// An application that counts as ready until a connect fails. With `is_probed` the first probe is due at once: a
    /// telephone that starts finds out before the first request does. With `is_checked` a probe is a check, which is
    /// repeated while the application is ready.
    #[must_use]
    pub fn new(is_probed: bool, is_checked: bool, now: Timestamp) -> Self {
        let probe_at = is_probed.then_some(now);
        Self { is_checked, retry: BACKEND_RETRY_MIN, down_since: None, probe_at, news: None }
    }

    /// Whether requests can be expected to reach the application.
    #[must_use]
    pub const fn is_ready(&self) -> bool {
        self.down_since.is_none()
    }

    /// A connection was made, or the check passed.
    pub fn handle_connected(&mut self, by: Attempt, now: Timestamp) {
        if by == Attempt::Stream && self.is_checked {
            return;
        }
        self.probe_at = self.is_checked.then(|| now + BACKEND_CHECK_INTERVAL);
        self.retry = BACKEND_RETRY_MIN;
        if let Some(since) = self.down_since.take() {
            // A driver that has not heard of the outage need not hear of its end.
            let is_told = self.news.take().is_none();
            self.news = is_told.then_some(HealthEvent::BecameReady { after: now.since(since) });
        }
    }

    /// No connection was made, or the check failed. Requests that fail while the application is down change nothing.
    pub fn handle_failed(&mut self, by: Attempt, now: Timestamp) {
        match (self.down_since, by) {
            (None, _) => {
                self.down_since = Some(now);
                let is_told = self.news.take().is_none();
                self.news = is_told.then_some(HealthEvent::BecameDown);
            }
            (Some(_), Attempt::Probe) => self.retry = (self.retry * 2).min(BACKEND_RETRY_MAX),
            (Some(_), Attempt::Stream) => return,
        }
        self.probe_at = Some(now + self.retry);
    }

    /// The next thing to do by `now`.
    pub fn poll_event(&mut self, now: Timestamp) -> Option<HealthEvent> {
        let probe = || self.probe_at.take_if(|at| *at <= now).map(|_| HealthEvent::Probe);
        self.news.take().or_else(probe)
    }

    /// When [`poll_event`](Self::poll_event) is to be called again; `None` while a probe runs, and while there is no
    /// reason for one.
    #[must_use]
    pub const fn poll_timeout(&self) -> Option<Timestamp> {
        self.probe_at
    }
}

#[cfg(test)]
mod tests;
