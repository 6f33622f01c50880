//! What the relay itself answers, and the word for it in logs: one table.

use telephone_core::error::{CloseReason, Reset, ResetCode};
use telephone_core::http1::OwnAnswer;
use telephone_core::room::VisitError;
use telephone_core::router::Refusal;

use crate::authority::AuthError;

/// An answer of the relay's own, with the word of RFC 9209 §2.3 for its cause.
#[derive(Debug, Clone, Copy)]
pub(super) struct Refused {
    pub(super) answer: OwnAnswer,
    pub(super) cause: &'static str,
}

impl Refused {
    const fn new(status: u16, cause: &'static str, text: &'static str) -> Self {
        Self { answer: OwnAnswer::new(status, text).cause(cause), cause }
    }

    const fn retry_after(self, seconds: u32) -> Self {
        Self { answer: self.answer.retry_after(seconds), ..self }
    }

    /// Why a request was not routed.
    pub(super) fn from_refusal(refusal: Refusal) -> Self {
        let seconds = |delay: std::time::Duration| u32::try_from(delay.as_secs().max(1)).unwrap_or(1);
        match refusal {
            Refusal::NoSuchMount => Self::new(404, "destination_not_found", "There is no application here."),
            Refusal::Ambiguous => Self::new(400, "http_request_error", "The path can be read in two ways."),
            Refusal::NobodyConnected { retry_after } => {
                Self::new(503, "destination_unavailable", "The application is not connected.")
                    .retry_after(seconds(retry_after))
            }
            Refusal::TooBusy { retry_after } => {
                Self::new(503, "connection_limit_reached", "Too many requests wait for the application.")
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
        Self::new(400, "http_request_error", text)
    }

    /// Why a client did not get to its room: there is nothing else that its name could mean, so it is not found.
    pub(super) fn from_room_refusal(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NoSuchMount | Refusal::NobodyConnected { .. } => {
                Self::new(404, "destination_not_found", "Nobody is connected for this room.")
            }
            Refusal::Ambiguous | Refusal::TooBusy { .. } => Self::from_refusal(refusal),
        }
    }

    /// A web page of another origin asks for a room.
    pub(super) const fn foreign_origin() -> Self {
        Self::new(403, "http_request_denied", "Web pages of this origin may not come here.")
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
            | AuthError::WrongAudience
            | AuthError::WrongIssuer
            | AuthError::Revoked => (401, "The token is not good here."),
        };
        Self::new(status, "http_request_denied", text)
    }

    /// The session has as many streams as its telephone takes.
    pub(super) const fn too_many_streams() -> Self {
        Self::new(503, "connection_limit_reached", "The application is at its limit.").retry_after(1)
    }

    /// A telephone asked for a stream that its token does not allow.
    pub(super) const fn denied() -> Self {
        Self::new(403, "http_request_denied", "The token does not allow this.")
    }

    /// The head fits no frame.
    pub(super) const fn head_too_large() -> Self {
        Self::new(431, "http_request_error", "The request's header fields are too large.")
    }

    /// A telephone's answer cannot be written as one HTTP response.
    pub(super) const fn unsendable() -> Self {
        Self::new(502, "http_protocol_error", "The application's answer is not usable.")
    }

    /// Why a stream was reset before its answer's head.
    pub(super) fn from_reset(reset: Reset, closed: Option<CloseReason>) -> Self {
        match (reset.code, closed) {
            (ResetCode::SessionLost, Some(CloseReason::Silent)) => {
                Self::new(504, "connection_timeout", "The application's tunnel fell silent.")
            }
            (ResetCode::SessionLost, _) => {
                Self::new(502, "connection_terminated", "The application's tunnel was lost.")
            }
            (ResetCode::Unreachable, _) => {
                Self::new(502, "connection_refused", "The application does not accept connections.")
            }
            (ResetCode::TimedOut, _) => {
                Self::new(504, "http_response_timeout", "The application did not answer in time.")
            }
            (ResetCode::Refused, _) => {
                Self::new(503, "connection_limit_reached", "The application is at its limit.").retry_after(1)
            }
            (ResetCode::BackendFailed | ResetCode::Truncated, _) => {
                Self::new(502, "http_response_incomplete", "The application broke its answer off.")
            }
            (ResetCode::Cancelled | ResetCode::Stopped | ResetCode::Denied | ResetCode::Other(_), _) => {
                Self::new(502, "proxy_internal_error", "The application's side gave the request up.")
            }
        }
    }
}
