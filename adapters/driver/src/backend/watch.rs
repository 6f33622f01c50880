//! Watches whether one application accepts connections, and tries it again while it does not.

use std::fmt::Display;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use event_listener::Event;
use futures_lite::future;
use telephone_core::backend_health::{Attempt, BackendHealth, HealthEvent};
use telephone_core::hint::Hint;
use telephone_core::limits::BACKEND_CHECK_TIMEOUT;
use telephone_core::log_limit::{Due, LineKind, LineSource};
use telephone_core::time::Timestamp;

use super::check::BadAnswer;
use crate::file_table;
use crate::log::{self, Log};
use crate::runtime::Runtime;
use crate::status::BackendStatus;

/// Connects once to an application, or makes its check.
pub(crate) type HealthProbe =
    Box<dyn Fn() -> Pin<Box<dyn Future<Output = io::Result<()>> + Send>> + Send + Sync>;

/// The health of one application, shared by all that connect to it.
pub(crate) struct Watch {
    /// What is dialled.
    backend: String,
    state: Mutex<State>,
    /// The application went down or came back.
    changed: Event,
}

struct State {
    health: BackendHealth,
    since: SystemTime,
    /// Why the latest attempt failed, while it is down.
    why: Option<Failure>,
}

/// A failed attempt, for people.
struct Failure {
    text: String,
    hint: Hint,
}

impl Watch {
    pub(crate) fn new(backend: String, health: BackendHealth) -> Self {
        let state = State { health, since: SystemTime::now(), why: None };
        Self { backend, state: Mutex::new(state), changed: Event::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.lock().health.is_ready()
    }

    /// Notes what came of an attempt to connect.
    pub(crate) fn note(&self, by: Attempt, failed: Option<&dyn Display>, now: Timestamp) {
        self.note_as(by, failed.map(|why| (why, Hint::NotRunning)), now);
    }

    fn note_as(&self, by: Attempt, failed: Option<(&dyn Display, Hint)>, now: Timestamp) {
        let mut state = self.lock();
        let was_ready = state.health.is_ready();
        match failed {
            None => state.health.handle_connected(by, now),
            Some(_) => state.health.handle_failed(by, now),
        }
        let is_ready = state.health.is_ready();
        if let Some((why, hint)) = failed {
            state.why = Some(Failure { text: log::shown(why.to_string()), hint });
        }
        if is_ready {
            state.why = None;
        }
        if is_ready != was_ready {
            state.since = SystemTime::now();
            self.changed.notify(usize::MAX);
        }
    }

    pub(crate) fn status(&self) -> BackendStatus {
        let state = self.lock();
        BackendStatus {
            backend: self.backend.clone(),
            is_ready: state.health.is_ready(),
            since: state.since,
            last_error: state.why.as_ref().map(|why| why.text.clone()),
        }
    }

    /// Probes the application whenever that is due, logs when it goes down and when it is back, and calls `on_change` then.
    pub(crate) async fn run<R: Runtime>(
        self: Arc<Self>,
        runtime: R,
        log: Arc<Log>,
        probe: HealthProbe,
        on_change: impl Fn(),
    ) {
        loop {
            let changed = self.changed.listen();
            let (event, deadline) = {
                let mut state = self.lock();
                (state.health.poll_event(runtime.now()), state.health.poll_timeout())
            };
            match event {
                Some(HealthEvent::Probe) => self.probe(&runtime, &probe).await,
                Some(told) => {
                    self.report(&log, told, runtime.now());
                    on_change();
                }
                None => {
                    let due = async {
                        match deadline {
                            Some(deadline) => runtime.sleep_until(deadline).await,
                            None => future::pending().await,
                        }
                    };
                    future::or(due, changed).await;
                }
            }
        }
    }

    async fn probe<R: Runtime>(&self, runtime: &R, probe: &HealthProbe) {
        let late = async {
            runtime.sleep_until(runtime.now() + BACKEND_CHECK_TIMEOUT).await;
            Err(io::Error::from(io::ErrorKind::TimedOut))
        };
        let failed = future::or(probe(), late).await.err();
        // What this process lacks is not the application's fault.
        let failed = failed.filter(|error| !(file_table::is_full(error) && self.is_ready()));
        let failed = failed.as_ref().map(|error| (error as &dyn Display, hint(error)));
        self.note_as(Attempt::Probe, failed, runtime.now());
    }

    fn report(&self, log: &Log, event: HealthEvent, now: Timestamp) {
        let line = |kind| log.line(kind, LineSource::Process, now);
        let backend = &self.backend;
        match event {
            HealthEvent::Probe => {}
            HealthEvent::BecameDown => {
                if let Some(Due { suppressed, .. }) = line(LineKind::BackendDown) {
                    match &self.lock().why {
                        Some(Failure { text, hint: hint @ Hint::CheckFailed }) => tracing::warn!(
                            suppressed,
                            "the application at {backend} failed its check: {text}; it is checked again until it passes. {}",
                            hint.text()
                        ),
                        why => tracing::warn!(
                            suppressed,
                            "cannot reach the application at {backend}: {}; it is tried again until it is back. {}",
                            why.as_ref().map(|why| &why.text[..]).unwrap_or_default(),
                            Hint::NotRunning.text()
                        ),
                    }
                }
            }
            HealthEvent::BecameReady { after } => {
                if let Some(Due { suppressed, .. }) = line(LineKind::BackendReady) {
                    tracing::info!(suppressed, "the application at {backend} is back after {after:.1?}");
                }
            }
        }
    }
}

/// What to do about an application that failed an attempt.
fn hint(error: &io::Error) -> Hint {
    let has_answered = error.get_ref().is_some_and(|inner| inner.is::<BadAnswer>());
    if has_answered { Hint::CheckFailed } else { Hint::NotRunning }
}
