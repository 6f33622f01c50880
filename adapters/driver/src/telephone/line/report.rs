//! What a line writes about dials and links that failed, with the next step.

use telephone_core::dial_report::DialReport;
use telephone_core::dialer::{DialFailure, Dialer};
use telephone_core::error::CloseReason;
use telephone_core::hint::Hint;
use telephone_core::limits::DIAL_LINES_FIRST;
use telephone_core::log_limit::Due;
use telephone_core::text::readable;

use super::super::dial::DialError;
use super::Line;
use crate::plugboard_url::PlugboardUrl;
use crate::runtime::Runtime;

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
}

impl From<&str> for Failure {
    fn from(text: &str) -> Self {
        Self { text: text.into(), hint: None }
    }
}

impl From<CloseReason> for Failure {
    fn from(reason: CloseReason) -> Self {
        let hint = match reason {
            CloseReason::Received(code) => Hint::of_leave(code),
            CloseReason::Left
            | CloseReason::Sent(_)
            | CloseReason::LinkLost
            | CloseReason::Silent
            | CloseReason::Misbehaved(_) => None,
        };
        Self { text: reason.to_string(), hint }
    }
}

impl<R: Runtime> Line<R> {
    /// Writes a line about a failure, unless there are enough of its kind. It has the hint if the line before had another one,
    /// and names the doctor once. Nothing is wrong yet while a session that was moved serves the mounts (`is_served`).
    pub(super) fn report(&self, dialer: &Dialer, failure: &Failure, is_served: bool, shown: &mut Shown) {
        let Failure { text, hint } = failure;
        let attempts = dialer.attempts();
        self.status.fail(self.index, attempts, text);
        let due = shown.report.handle_failed(text, is_served, self.runtime.now());
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
        match dialer.delay() {
            Some(delay) if dialer.is_awaiting_token() => tracing::warn!(
                plugboard = %self.url, attempts, suppressed,
                "{text}; dialling again with another token, or in {delay:.0?}.{next} Put a good one into the token file."
            ),
            Some(delay) if is_served => tracing::info!(
                plugboard = %self.url, attempts, suppressed,
                "{text}; dialling again in {delay:.1?}, served meanwhile.{next}"
            ),
            Some(delay) => tracing::warn!(
                plugboard = %self.url, attempts, suppressed,
                "{text}; dialling again in {delay:.1?}.{next}"
            ),
            None => tracing::error!(plugboard = %self.url, attempts, "{text}; giving up.{next}"),
        }
    }

    /// A dial came to nothing. Tells what is written about it.
    pub(super) fn fail(&self, dialer: &mut Dialer, url: &PlugboardUrl, error: &DialError) -> Failure {
        let clocks = self.clock_to_blame(error);
        let failure = match error.failure() {
            // Whoever answers where a plugboard said that it is has no last word.
            DialFailure::Forbidden if *url != self.url => DialFailure::Unreachable,
            // Once the clocks are right the only token that there is may be good.
            DialFailure::Forbidden if clocks.is_some() && self.config.dialer.token_is_fixed => {
                DialFailure::Refused { retry_after: None }
            }
            failure => failure,
        };
        let now = self.runtime.now();
        dialer.handle_failed(failure, now);
        if failure == DialFailure::Forbidden && self.on_token_refused() {
            dialer.handle_token_changed(now);
        }
        let hint = if clocks.is_some() { Hint::Clock } else { error.hint() };
        // It holds what the peer wrote, and is for the log, a terminal and the health page.
        let text = readable(&format!("{error}{}", clocks.unwrap_or_default()));
        let text = if *url == self.url { text } else { format!("{url}: {text}") };
        let is_refusal = matches!(error, DialError::Refused(..));
        self.status.tell_failed(self.index, dialer.attempts(), &text, is_refusal);
        Failure { text, hint: Some(hint) }
    }
}
