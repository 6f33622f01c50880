//! What a line writes about dials and links that failed, with the next step.

use telephone_core::dialer::{DialFailure, Dialer};
use telephone_core::error::CloseReason;
use telephone_core::hint::Hint;
use telephone_core::text::{readable, told_delay};

use super::super::dial::DialError;
use super::Line;
use crate::plugboard_url::PlugboardUrl;
use crate::runtime::Runtime;

/// Failures in a row behind which the log names `telephone doctor`.
const DOCTOR_ATTEMPTS: u32 = 3;

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
        match reason {
            CloseReason::Received(code) => {
                Self { text: format!("the plugboard ended the session: {code}"), hint: Hint::of_leave(code) }
            }
            CloseReason::Left
            | CloseReason::Sent(_)
            | CloseReason::LinkLost
            | CloseReason::Silent
            | CloseReason::Misbehaved(_) => Self { text: reason.to_string(), hint: None },
        }
    }
}

impl<R: Runtime> Line<R> {
    /// Writes one line about a failure. It has the hint if the line before had another one, and names the doctor once.
    pub(super) fn report(&self, dialer: &Dialer, failure: &Failure, shown: &mut Option<Hint>) {
        let Failure { text, hint } = failure;
        let attempts = dialer.attempts();
        self.status.fail(self.index, attempts, text);
        let is_new = std::mem::replace(shown, *hint) != *hint;
        let mut next = String::new();
        if let Some(hint) = hint.filter(|_| is_new || attempts == DOCTOR_ATTEMPTS) {
            next = format!(" {}", hint.text());
            if hint == Hint::SameInstance {
                next.push_str(&format!(" It is {:?} here.", self.config.instance));
            }
        }
        if attempts == DOCTOR_ATTEMPTS {
            next.push_str(" `telephone doctor` with the same options examines each step.");
        }
        match dialer.delay().map(told_delay) {
            Some(delay) if dialer.is_awaiting_token() => tracing::warn!(
                plugboard = %self.url, attempts,
                "{text}; dialling again with another token, or {delay}.{next} Put a good one into the token file."
            ),
            Some(delay) => {
                tracing::warn!(plugboard = %self.url, attempts, "{text}; dialling again {delay}.{next}");
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
        Failure { text, hint: Some(hint) }
    }
}
