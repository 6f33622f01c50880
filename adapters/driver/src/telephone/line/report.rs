//! What a line writes about dials and links that failed, with the next step, and about links that are up.

use std::time::Duration;

use telephone_core::dial_report::DialReport;
use telephone_core::dialer::{DialFailure, Dialer};
use telephone_core::error::CloseReason;
use telephone_core::hint::Hint;
use telephone_core::limits::DIAL_LINES_FIRST;
use telephone_core::log_limit::{Due, LineKind};
use telephone_core::text::{readable, told_delay, told_time};
use telephone_core::wire::Welcome;

use super::super::dial::DialError;
use super::Line;
use crate::plugboard_url::PlugboardUrl;
use crate::runtime::Runtime;
use crate::shared::SharedSession;

/// What the lines about failed dials have said.
#[derive(Default)]
pub(super) struct Shown {
    hint: Option<Hint>,
    report: DialReport,
}

impl Shown {
    /// A dial succeeded.
    pub(super) fn handle_established(&mut self) {
        self.hint = None;
        self.report.handle_established();
    }
}

/// Why there is no session, or no link, at the moment.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) text: String,
    pub(super) hint: Option<Hint>,
    /// Whether a session waits for the next link.
    pub(super) is_link_lost: bool,
}

impl From<&str> for Failure {
    fn from(text: &str) -> Self {
        Self { text: text.into(), hint: None, is_link_lost: false }
    }
}

impl From<CloseReason> for Failure {
    fn from(reason: CloseReason) -> Self {
        match reason {
            CloseReason::Received(code) => {
                let text = format!("the plugboard ended the session: {code}");
                Self { text, hint: Hint::of_leave(code), is_link_lost: false }
            }
            CloseReason::Left
            | CloseReason::Sent(_)
            | CloseReason::LinkLost
            | CloseReason::Silent
            | CloseReason::Misbehaved(_) => reason.to_string().as_str().into(),
        }
    }
}

impl<R: Runtime> Line<R> {
    /// Writes a line about a failure, unless there are enough of its kind. It has the hint if the line before had another one,
    /// and names the doctor once. Nothing is wrong yet while a session that was moved serves the mounts (`is_served`).
    pub(super) fn report(&self, dialer: &Dialer, failure: &Failure, is_served: bool, shown: &mut Shown) {
        let Failure { text, hint, is_link_lost } = failure;
        let attempts = dialer.attempts();
        self.status.fail(self.index, attempts, text);
        // A link that holds for a moment each time begins the count of failed dials anew.
        let due = if *is_link_lost {
            self.log(LineKind::LinkLost)
        } else {
            shown.report.handle_failed(text, is_served, self.runtime.now())
        };
        let Some(Due { suppressed, .. }) = due.or_else(|| dialer.delay().is_none().then(Due::default)) else {
            return;
        };
        let is_new = std::mem::replace(&mut shown.hint, *hint) != *hint;
        let mut next = String::new();
        if let Some(hint) = hint.filter(|_| is_new || attempts == DIAL_LINES_FIRST) {
            next = format!(" {}", hint.text());
            if hint == Hint::SameInstance {
                next.push_str(&format!(" It is {:?} here.", self.config.instance));
            }
        }
        if attempts == DIAL_LINES_FIRST {
            next.push_str(" `telephone doctor` with the same options examines each step.");
        }
        match dialer.delay().map(told_delay) {
            Some(delay) if dialer.is_awaiting_token() => tracing::warn!(
                plugboard = %self.url, attempts, suppressed,
                "{text}; dialling again with another token, or {delay}.{next} Put a good one into the token file."
            ),
            Some(delay) if is_served => tracing::info!(
                plugboard = %self.url, attempts, suppressed,
                "{text}; dialling again {delay}, served meanwhile.{next}"
            ),
            Some(delay) => {
                tracing::warn!(plugboard = %self.url, attempts, suppressed, "{text}; dialling again {delay}.{next}");
            }
            None => tracing::error!(plugboard = %self.url, attempts, "{text}; giving up.{next}"),
        }
    }

    /// A dial came to nothing. Tells what is written about it.
    pub(super) fn fail(&self, dialer: &mut Dialer, url: &PlugboardUrl, error: &DialError) -> Failure {
        let clocks = self.clock_to_blame(error);
        let failure = match error.failure() {
            // A server at a URL that the plugboard named does not decide for the plugboard.
            DialFailure::Forbidden if *url != self.url => DialFailure::Unreachable,
            // Once the clocks are right the only token that there is may be good.
            DialFailure::Forbidden if clocks.is_some() && self.config.dialer.token_is_fixed => {
                DialFailure::Refused { retry_after: None }
            }
            failure => failure,
        };
        let now = self.runtime.now();
        dialer.handle_failed(failure, now);
        let hint = if clocks.is_some() { Hint::Clock } else { error.hint() };
        // It holds what the peer wrote, and is for the log, a terminal and the health page.
        let text = readable(&format!("{error}{}", clocks.unwrap_or_default()));
        let text = if *url == self.url { text } else { format!("{url}: {text}") };
        if failure == DialFailure::Forbidden && self.on_token_refused(&text) {
            dialer.handle_token_changed(now);
        }
        let is_refusal = matches!(error, DialError::Refused(..));
        self.status.tell_failed(self.index, dialer.attempts(), &text, is_refusal);
        Failure { text, hint: Some(hint), is_link_lost: false }
    }

    /// The link of a session was lost that waits for the next one. Tells what is written about it.
    pub(super) fn lost_link(&self, session: &SharedSession) -> Failure {
        let now = self.runtime.now();
        let why = match session.lost_link() {
            Some(CloseReason::Silent) => {
                format!("the plugboard was silent for {}", told_time(now.since(session.last_heard())))
            }
            _ => "the connection was closed".to_owned(),
        };
        let left = session.resumable_until().map(|until| told_time(until.since(now))).unwrap_or_default();
        let text = format!(
            "the link was lost: {why}; its session waits up to {left}, and its requests wait with it"
        );
        Failure { text, hint: None, is_link_lost: true }
    }

    /// There is a link, after the line was without one for `away` if it had one before.
    pub(super) fn report_link(&self, welcome: &Welcome, away: Option<Duration>) {
        let (plugboard, session) = (&self.url, format_args!("{:016x}", welcome.session));
        let away = away.map(|away| format!(" after {}", told_time(away))).unwrap_or_default();
        if welcome.resumed.is_none() {
            let mounts = self.scope();
            tracing::info!(%plugboard, session, ?mounts, "connected{away}");
        } else if let Some(Due { suppressed, .. }) = self.log(LineKind::SessionResumed) {
            tracing::info!(%plugboard, session, suppressed, "connected again{away}: the session goes on");
        }
    }
}
