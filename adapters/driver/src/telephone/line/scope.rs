//! The mounts of a line's session: those that the plugboard left it, and when the others are presented again.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use event_listener::Event;
use futures_lite::future;
use telephone_core::log_limit::{Due, LineKind};
use telephone_core::missing_mounts::MissingMounts;
use telephone_core::mount::Mount;
use telephone_core::time::Timestamp;

use super::Line;
use crate::log;
use crate::runtime::Runtime;
use crate::shared::SharedSession;
use crate::status::MissingMount;

/// Of the mounts that a telephone serves those of its present session.
pub(in crate::telephone) struct Scope {
    mounts: Mutex<Vec<String>>,
    missing: Mutex<MissingMounts>,
    changed: Event,
}

impl Scope {
    pub(in crate::telephone) fn of(mounts: &[Mount]) -> Self {
        let mounts = mounts.iter().map(ToString::to_string).collect();
        Self { mounts: Mutex::new(mounts), missing: Mutex::default(), changed: Event::new() }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Why a plugboard may not serve a mount.
fn reason_for_missing(mount: &str) -> &'static str {
    if mount.starts_with("tcp:") {
        "the plugboard cannot open the port or does not offer it, the token does not cover it, or another telephone has it; the plugboard's log says which"
    } else {
        "the token does not cover it, or another telephone has it; the plugboard's log says which"
    }
}

fn without(mounts: &[String], others: &[String]) -> Vec<String> {
    mounts.iter().filter(|mount| !others.contains(mount)).cloned().collect()
}

impl<R: Runtime> Line<R> {
    pub(super) fn scope(&self) -> Vec<String> {
        lock(&self.scope.mounts).clone()
    }

    /// A new session has these mounts until its plugboard says otherwise.
    pub(super) fn begin_scope(&self, mounts: Vec<String>) {
        // A hello that left out what another subject held asks for it again within the session.
        let is_whole = self.is_whole(&mounts);
        *lock(&self.scope.mounts) = mounts;
        let mut missing = MissingMounts::default();
        missing.handle_scope(is_whole, self.runtime.now());
        *lock(&self.scope.missing) = missing;
        self.scope.changed.notify(usize::MAX);
    }

    /// The plugboard serves these mounts and no others; those that this telephone does not serve do not count.
    pub(super) fn on_scope(&self, mut mounts: Vec<String>) {
        let served = self.config.served.as_slice();
        mounts.retain(|mount| served.iter().any(|own| own.as_str() == mount));
        lock(&self.scope.missing).handle_scope(self.is_whole(&mounts), self.runtime.now());
        self.scope.changed.notify(usize::MAX);
        let before = std::mem::replace(&mut *lock(&self.scope.mounts), mounts.clone());
        let (lost, regained) = (without(&before, &mounts), without(&mounts, &before));
        if !lost.is_empty() || !regained.is_empty() {
            self.report_scope(&lost, &regained);
            self.status.narrow(self.index, mounts, !lost.is_empty());
        }
    }

    /// Whether these are all mounts that the telephone serves.
    fn is_whole(&self, mounts: &[String]) -> bool {
        self.config.served.as_slice().iter().all(|own| mounts.iter().any(|mount| own.as_str() == mount))
    }

    fn report_scope(&self, lost: &[String], regained: &[String]) {
        let Some(Due { suppressed, .. }) = self.log(LineKind::ScopeNarrowed) else { return };
        let (plugboard, shown) = (&self.url, |mounts: &[String]| log::shown(mounts.join(", ")));
        if !regained.is_empty() {
            let mounts = shown(regained);
            tracing::info!(%plugboard, mounts, suppressed, "the plugboard serves mounts again");
        }
        if !lost.is_empty() {
            let is_port = lost.iter().all(|mount| mount.starts_with("tcp:"));
            let port = if is_port { "it cannot open the port or does not offer it, " } else { "" };
            let lost = shown(lost);
            tracing::warn!(%plugboard, lost, suppressed, "the plugboard took mounts away: {port}the token does not cover them, or a newer process of this identity has them; its log says more, and they are asked for again");
        }
    }

    /// Shows in the status which mounts the session lacks, and when they are presented again.
    fn show_missing(&self, deadline: Option<Timestamp>) {
        let held = self.scope();
        let is_missing = |mount: &String| !held.contains(mount);
        let asked_again = deadline.map(|at| SystemTime::now() + at.since(self.runtime.now()));
        let missing = |mount: String| {
            let reason = reason_for_missing(&mount);
            MissingMount { mount, reason, asked_again }
        };
        let all = self.config.served.as_slice().iter().map(ToString::to_string);
        self.status.set_missing(self.index, all.filter(is_missing).map(missing).collect());
    }

    /// Presents all mounts again whenever that is due. Never ready.
    pub(super) async fn present_missing<T>(&self, session: &SharedSession) -> T {
        loop {
            let changed = self.scope.changed.listen();
            let (is_due, deadline) = {
                let mut missing = lock(&self.scope.missing);
                (missing.poll_present(self.runtime.now()), missing.poll_timeout())
            };
            if is_due {
                self.config.readiness.present_to(session);
            }
            self.show_missing(deadline);
            let due = async {
                match deadline {
                    Some(deadline) => self.runtime.sleep_until(deadline).await,
                    None => future::pending().await,
                }
            };
            future::or(due, changed).await;
        }
    }
}
