//! Series that are there from the start: the first event is then a step from zero, which `rate` counts, and no new series, of
//! which it knows no rise.

use metrics::{counter, gauge, histogram};
use telephone_driver::core::connections::Shed;
use telephone_driver::{AuthError, HANDSHAKE_OUTCOMES, SESSION_ENDS, WAIT_OUTCOMES};

/// Registers all series whose labels are known with the recorder of this thread, but those of requests. Each request counts in
/// some, which are there from the start, too; those of requests that failed are as many as causes and status classes together.
pub(super) fn all() {
    gauge!("plugboard_sessions").set(0.0);
    gauge!("plugboard_links").set(0.0);
    for outcome in ["allowed", "denied"] {
        let _ = counter!("plugboard_retries_total", "outcome" => outcome);
    }
    for why in Shed::ALL {
        let _ = counter!("plugboard_connections_shed_total", "reason" => why.label());
    }
    for reason in SESSION_ENDS {
        let _ = counter!("plugboard_sessions_ended_total", "reason" => reason);
    }
    for kind in ["new", "resumed"] {
        let _ = counter!("plugboard_link_starts_total", "kind" => kind);
    }
    for outcome in HANDSHAKE_OUTCOMES {
        let _ = counter!("plugboard_handshakes_total", "outcome" => outcome);
    }
    for reason in AuthError::LABELS.into_iter().chain(["overloaded"]) {
        let _ = counter!("plugboard_tokens_refused_total", "reason" => reason);
    }
    for outcome in WAIT_OUTCOMES {
        let _ = histogram!("plugboard_request_wait_seconds", "outcome" => outcome);
    }
    let _ = histogram!("plugboard_resume_seconds");
    let _ = counter!("plugboard_revocations_total");
}
