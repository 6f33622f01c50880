//! What the relay itself answers, and why: one table.

use telephone_core::cause::Cause;
use telephone_core::error::{CloseReason, Reset, ResetCode, Touched};
use telephone_core::http1::OwnAnswer;
use telephone_core::room::VisitError;
use telephone_core::router::Refusal;
use telephone_core::verification::Overload;

use super::Inner;
use crate::authority::AuthError;
use crate::runtime::Runtime;
use crate::shared::SharedSession;

impl<R: Runtime> Inner<R> {
    /// Why what came was not routed, to a room or to another mount, as this relay stands.
    pub(super) fn not_routed(&self, refusal: Refusal, is_room: bool) -> Refused {
        match refusal {
            // Its telephones are at another one, or on their way there.
            Refusal::NobodyConnected { .. } if self.draining.is_raised() => Refused::draining(),
            _ if is_room => Refused::from_room_refusal(refusal),
            _ => Refused::from_refusal(refusal),
        }
    }

    /// Why a stream of a session was given up ahead of what it was opened for, as this relay stands.
    pub(super) fn given_up(&self, reset: Reset, session: &SharedSession) -> Refused {
        if self.stopping.is_raised() {
            Refused::cut_off()
        } else {
            Refused::from_reset(reset, session.closed())
        }
    }

    /// Why a stream was reset behind its answer's head, as this relay stands.
    pub(super) fn broken_behind_head(&self, reset: Reset) -> Cause {
        if self.stopping.is_raised() { Cause::CutOff } else { Refused::behind_head(reset.code) }
    }
}

/// An answer of the relay's own.
#[derive(Debug, Clone, Copy)]
pub(super) struct Refused {
    pub(super) answer: OwnAnswer,
}

impl Refused {
    const fn new(status: u16, cause: Cause, text: &'static str) -> Self {
        Self { answer: OwnAnswer::new(status, cause, text) }
    }

    pub(super) const fn cause(&self) -> Cause {
        self.answer.cause()
    }

    const fn retry_after(self, seconds: u32) -> Self {
        Self { answer: self.answer.retry_after(seconds) }
    }

    /// Why a request was not routed.
    fn from_refusal(refusal: Refusal) -> Self {
        let seconds = |delay: std::time::Duration| u32::try_from(delay.as_secs().max(1)).unwrap_or(1);
        match refusal {
            Refusal::NoSuchMount => Self::new(404, Cause::NoSuchMount, "There is no application here."),
            Refusal::Ambiguous => Self::new(400, Cause::AmbiguousPath, "The path can be read in two ways."),
            Refusal::NobodyConnected { retry_after } => {
                Self::new(503, Cause::NobodyConnected, "The application is not connected.")
                    .retry_after(seconds(retry_after))
            }
            Refusal::TokenExpired { retry_after } => {
                Self::new(503, Cause::TokenExpired, "The token of the application's telephone has expired.")
                    .retry_after(seconds(retry_after))
            }
            Refusal::TooBusy { retry_after } => {
                Self::new(503, Cause::TooManyWait, "Too many requests wait for the application.")
                    .retry_after(seconds(retry_after))
            }
        }
    }

    /// The target of a room's client names none.
    pub(super) fn from_visit(error: VisitError) -> Self {
        let text = match error {
            VisitError::NoRoom => "The query must name a room: /client?room=ID",
            VisitError::SeveralRooms => "The query must name one room: /client?room=ID",
            VisitError::Name => {
                "A room's name is 1 to 64 of a-z A-Z 0-9 - _ . and what follows it belongs to the path: \
                 /client/DOCUMENT?room=ID"
            }
        };
        Self::new(400, Cause::RoomNotNamed, text)
    }

    /// Why a client did not get to its room: there is nothing else that its name could mean, so it is not found.
    fn from_room_refusal(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NoSuchMount | Refusal::NobodyConnected { .. } => {
                Self::new(404, Cause::RoomEmpty, "Nobody is connected for this room.")
            }
            Refusal::Ambiguous | Refusal::TokenExpired { .. } | Refusal::TooBusy { .. } => {
                Self::from_refusal(refusal)
            }
        }
    }

    /// A web page of another origin asks for a room.
    pub(super) const fn foreign_origin() -> Self {
        Self::new(403, Cause::OriginRefused, "Web pages of this origin may not come here.")
    }

    /// A room's client showed no token that is good for it.
    pub(super) const fn from_client_token(error: AuthError) -> Self {
        let (status, text) = match error {
            AuthError::NotClaimed => (403, "The token is not for this room."),
            AuthError::Missing => (401, "A token for this room is needed."),
            AuthError::Expired => (401, "The token has expired."),
            AuthError::TooLong
            | AuthError::Malformed(_)
            | AuthError::BadSignature
            | AuthError::NotYetValid
            | AuthError::LivesTooLong { .. }
            | AuthError::WrongAudience
            | AuthError::WrongIssuer
            | AuthError::Revoked => (401, "The token is not good here."),
        };
        Self::new(status, Cause::ClientTokenRefused, text)
    }

    /// The token of a room's client was not checked.
    pub(super) fn from_overload(overload: Overload) -> Self {
        let (status, cause, text) = match overload {
            Overload::QueueFull => (503, Cause::TooManyWait, "Too many tokens wait to be checked."),
            Overload::TooManyFailures { .. } => {
                (429, Cause::TooManyBadTokens, "Too many tokens from this address were not good.")
            }
        };
        let after = overload.retry_after();
        let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
        Self::new(status, cause, text).retry_after(u32::try_from(seconds).unwrap_or(u32::MAX))
    }

    /// The session has as many streams as its telephone takes.
    pub(super) const fn too_many_streams() -> Self {
        Self::new(503, Cause::TooManyStreams, "The application is at its limit.").retry_after(1)
    }

    /// The session takes no new stream: its telephone is leaving, or said so.
    pub(super) const fn telephone_refused() -> Self {
        Self::new(503, Cause::TelephoneRefused, "The application takes no more requests.").retry_after(1)
    }

    /// The telephone has no descriptor left for the request.
    const fn telephone_exhausted() -> Self {
        let text = "The application's telephone is at its limit of open files.";
        Self::new(503, Cause::TelephoneExhausted, text).retry_after(1)
    }

    /// The relay is about to leave, and has sent its telephones away.
    const fn draining() -> Self {
        Self::new(503, Cause::Draining, "The plugboard is about to restart.").retry_after(1)
    }

    /// The relay leaves, and its grace is over.
    pub(super) const fn cut_off() -> Self {
        Self::new(502, Cause::CutOff, "The plugboard stops before the answer was there.")
    }

    /// A request for the telephones' path that is no upgrade.
    pub(super) const fn no_upgrade() -> Self {
        Self::new(426, Cause::NotATelephone, "Telephones connect here, with a WebSocket upgrade.")
    }

    /// A request for the telephones' path whose upgrade is not theirs.
    pub(super) const fn unusable_upgrade(text: &'static str) -> Self {
        Self::new(400, Cause::NotATelephone, text)
    }

    /// The head fits no frame.
    pub(super) const fn head_too_large() -> Self {
        Self::new(431, Cause::RequestTooLarge, "The request's header fields are too large.")
    }

    /// The target is one that the telephone did not announce to take: it is older than this plugboard.
    pub(super) const fn target_not_taken() -> Self {
        Self::new(400, Cause::BadRequest, "The application's telephone takes no such request target.")
    }

    /// A telephone's answer cannot be written as one HTTP response.
    pub(super) const fn unsendable() -> Self {
        Self::new(502, Cause::UnusableAnswer, "The application's answer is not usable.")
    }

    /// Why a stream was reset behind its answer's head.
    pub(super) const fn behind_head(code: ResetCode) -> Cause {
        match code {
            ResetCode::Malformed => Cause::UnusableAnswer,
            ResetCode::HeadTooLarge => Cause::ResponseTooLarge,
            ResetCode::Coding => Cause::TransferCoding,
            ResetCode::Cancelled
            | ResetCode::Unreachable
            | ResetCode::TimedOut
            | ResetCode::BackendFailed
            | ResetCode::Truncated
            | ResetCode::Stopped
            | ResetCode::Refused
            | ResetCode::SessionLost
            | ResetCode::Denied
            | ResetCode::Exhausted
            | ResetCode::Other(_) => Cause::ResponseAborted,
        }
    }

    /// Why a stream was reset before its answer's head.
    fn from_reset(reset: Reset, closed: Option<CloseReason>) -> Self {
        let (status, cause, text) = match (reset.code, reset.touched) {
            (ResetCode::Refused, Touched::No) => return Self::telephone_refused(),
            (ResetCode::Exhausted, Touched::No) => return Self::telephone_exhausted(),
            (ResetCode::SessionLost, Touched::No) => (
                502,
                Cause::LostBeforeDispatch,
                "The application's tunnel was lost before the request was sent.",
            ),
            (ResetCode::SessionLost, _) if closed == Some(CloseReason::Silent) => {
                (504, Cause::TunnelSilent, "The application's tunnel fell silent.")
            }
            (ResetCode::SessionLost, _) => (502, Cause::TunnelLost, "The application's tunnel was lost."),
            (ResetCode::Unreachable, Touched::No) => {
                (502, Cause::BackendRefused, "The application does not accept connections.")
            }
            (ResetCode::TimedOut, Touched::No) => {
                (504, Cause::BackendConnectTimeout, "The application did not accept the connection in time.")
            }
            (ResetCode::TimedOut, _) => {
                (504, Cause::BackendTimeout, "The application did not answer in time.")
            }
            (ResetCode::BackendFailed | ResetCode::Truncated, _) => {
                (502, Cause::BackendBroke, "The application broke its answer off.")
            }
            (ResetCode::Malformed, _) => {
                (502, Cause::UnusableAnswer, "The application's answer is not valid HTTP.")
            }
            (ResetCode::HeadTooLarge, _) => (
                502,
                Cause::ResponseTooLarge,
                "The head of the application's answer is larger than 56 KiB or has more than 256 fields.",
            ),
            (ResetCode::Coding, _) => {
                (502, Cause::TransferCoding, "The application's answer has a broken transfer coding.")
            }
            // A telephone that refuses what it has touched contradicts itself: such a request is not sent again.
            (
                ResetCode::Unreachable
                | ResetCode::Refused
                | ResetCode::Exhausted
                | ResetCode::Cancelled
                | ResetCode::Stopped
                | ResetCode::Denied
                | ResetCode::Other(_),
                _,
            ) => (502, Cause::GivenUp, "The application's side gave the request up."),
        };
        Self::new(status, cause, text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_whose_token_was_not_checked_is_told_to_wait_for_as_long_as_it_must() {
        let after = |millis| {
            let wait = std::time::Duration::from_millis(millis);
            Refused::from_overload(Overload::TooManyFailures { wait }).answer
        };
        let expected = |seconds| {
            let text = "Too many tokens from this address were not good.";
            Refused::new(429, Cause::TooManyBadTokens, text).retry_after(seconds).answer
        };
        for (millis, seconds) in [(1, 1), (1_000, 1), (2_001, 3), (90_000, 90)] {
            assert_eq!(format!("{:?}", after(millis)), format!("{:?}", expected(seconds)));
        }
    }

    #[test]
    fn an_answer_that_broke_a_rule_is_told_from_one_that_broke_off() {
        for (code, cause, text) in [
            (ResetCode::Malformed, Cause::UnusableAnswer, "The application's answer is not valid HTTP."),
            (
                ResetCode::HeadTooLarge,
                Cause::ResponseTooLarge,
                "The head of the application's answer is larger than 56 KiB or has more than 256 fields.",
            ),
            (
                ResetCode::Coding,
                Cause::TransferCoding,
                "The application's answer has a broken transfer coding.",
            ),
            (ResetCode::BackendFailed, Cause::BackendBroke, "The application broke its answer off."),
            (ResetCode::Truncated, Cause::BackendBroke, "The application broke its answer off."),
        ] {
            let reset = Reset { code, touched: Touched::Yes };
            let expected = Refused::new(502, cause, text);
            assert_eq!(format!("{:?}", Refused::from_reset(reset, None)), format!("{expected:?}"));
            let behind = if cause == Cause::BackendBroke { Cause::ResponseAborted } else { cause };
            assert_eq!(Refused::behind_head(code), behind, "{code:?}");
        }
    }

    /// A telephone's line of a request names it.
    #[test]
    fn the_status_of_a_failed_application_follows_from_the_cause() {
        let mut causes = std::collections::BTreeSet::new();
        for code in (0..16).map(ResetCode::from_wire) {
            for touched in [Touched::No, Touched::Yes, Touched::Unknown] {
                let refused = Refused::from_reset(Reset { code, touched }, None);
                if let Some(status) = refused.cause().backend_failure_status() {
                    assert_eq!(refused.answer.status(), status, "{:?}", refused.cause());
                    causes.insert(refused.cause());
                }
            }
        }
        let all = Cause::ALL.iter().filter(|cause| cause.backend_failure_status().is_some());
        assert_eq!(causes, all.copied().collect());
    }

    #[test]
    fn the_size_that_an_answer_names_is_the_limit() {
        let limits = telephone_core::limits::HttpLimits::default();
        let reset = Reset { code: ResetCode::HeadTooLarge, touched: Touched::Yes };
        let text = format!("{:?}", Refused::from_reset(reset, None));
        assert!(text.contains(&format!("{} KiB", limits.response_head_bytes / 1024)), "{text}");
        assert!(text.contains(&format!("{} fields", limits.response_headers)), "{text}");
    }

    #[test]
    fn who_refuses_what_it_has_touched_is_not_believed() {
        let cause = |code, touched| Refused::from_reset(Reset { code, touched }, None).cause();
        assert_eq!(cause(ResetCode::Refused, Touched::No), Cause::TelephoneRefused);
        assert_eq!(cause(ResetCode::Exhausted, Touched::No), Cause::TelephoneExhausted);
        assert_eq!(cause(ResetCode::Unreachable, Touched::No), Cause::BackendRefused);
        for touched in [Touched::Yes, Touched::Unknown] {
            assert_eq!(cause(ResetCode::Refused, touched), Cause::GivenUp);
            assert_eq!(cause(ResetCode::Exhausted, touched), Cause::GivenUp);
            assert_eq!(cause(ResetCode::Unreachable, touched), Cause::GivenUp);
        }
    }
}
