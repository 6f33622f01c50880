//! Log lines about answers of the application: what was odd about one that passed, and what rule a refused one broke.

use telephone_core::error::ResetCode;
use telephone_core::http1::{Excerpt, Oddity};
use telephone_core::limits::HttpLimits;
use telephone_core::log_limit::{Due, LineKind};
use telephone_core::message::RequestHead;

use super::Backend;
use super::codec::BackendLoss;
use crate::log::shown;
use crate::runtime::Runtime;

impl<R: Runtime> Backend<R> {
    /// Logs what was odd about an answer that was understood. Its connection is not used again.
    pub(super) fn report_oddity(&self, oddity: Option<&Oddity>, head: &RequestHead) {
        if let Some(Oddity { rule, field, value }) = oddity
            && let Some(Due { suppressed, .. }) = self.log(LineKind::BackendOdd)
        {
            let (path, field, value) = (shown(path_of(head)), shown(field), shown(value));
            let what = "the backend's answer was odd; it was passed on";
            tracing::warn!(rule = rule.reason(), path, field, value, suppressed, "{what}");
        }
    }

    /// Logs what rule a refused answer broke.
    pub(super) fn report_loss(&self, loss: BackendLoss, offence: Option<&Excerpt>, head: &RequestHead) {
        let (rule, clause) = match &loss {
            BackendLoss::Malformed(error) => (error.to_string(), error.clause()),
            BackendLoss::Refused(refused) => (refused.to_string(), "PROTOCOL.md"),
            BackendLoss::NoResponse | BackendLoss::Truncated | BackendLoss::TimedOut => return,
        };
        if let Some(Due { suppressed, .. }) = self.log(LineKind::BackendBroken) {
            let path = shown(path_of(head));
            let (field, value) = offence.map(|at| (shown(&at.field), shown(&at.value))).unwrap_or_default();
            let limit = (loss.code() == ResetCode::HeadTooLarge).then(size_limit);
            tracing::warn!(rule, clause, path, field, value, limit, suppressed, "the backend broke HTTP");
        }
    }
}

/// A target without its query, which may hold secrets.
fn path_of(head: &RequestHead) -> &[u8] {
    head.target.split(|&octet| octet == b'?').next().unwrap_or_default()
}

/// How large the head and the trailers of an answer may be.
fn size_limit() -> String {
    let limits = HttpLimits::default();
    let (head, trailers) = (limits.response_head_bytes / 1024, limits.trailer_bytes / 1024);
    let (fields, more) = (limits.response_headers, limits.trailers);
    format!("a head of {head} KiB with {fields} fields, trailers of {trailers} KiB with {more}")
}
