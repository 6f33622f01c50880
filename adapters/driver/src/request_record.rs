//! What a telephone tells of each request once it is over.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use telephone_core::cause::Cause;
use telephone_core::error::{Reset, ResetCode, Touched};
use telephone_core::message::RequestHead;
use telephone_core::target;
use telephone_core::time::Timestamp;

/// One request that a telephone served, and that is over.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RequestRecord<'a> {
    /// The method token.
    pub method: &'a [u8],
    /// The target as the client sent it, without query, fragment and parameters: tokens stand in those.
    pub path: &'a [u8],
    /// The final status of the application's answer; `None` if it gave none.
    pub status: Option<u16>,
    /// From when the request came to the telephone to its end.
    pub duration: Duration,
    /// How it ended. Its word is the one that the plugboard's access log has, where both know the same.
    pub cause: Cause,
}

impl RequestRecord<'_> {
    /// The status that the client gets: the application's, or that of the plugboard's answer in its place, where it is known for
    /// certain.
    #[must_use]
    pub const fn client_status(&self) -> Option<u16> {
        match self.status {
            Some(status) => Some(status),
            None => self.cause.backend_failure_status(),
        }
    }
}

/// Is called with each request that is over, on the event loop: it must neither block nor panic.
pub(crate) type OnRequest = Arc<dyn Fn(&RequestRecord<'_>) + Send + Sync>;

/// A request that is being served.
pub(crate) struct Observed {
    on_request: OnRequest,
    method: Bytes,
    target: Bytes,
    started: Timestamp,
    end: Mutex<End>,
}

/// What is known of its end.
#[derive(Default)]
struct End {
    status: Option<u16>,
    reset: Option<Reset>,
}

impl Observed {
    pub(crate) fn new(on_request: OnRequest, head: &RequestHead, started: Timestamp) -> Box<Self> {
        let (method, target) = (head.method.clone(), head.target.clone());
        Box::new(Self { on_request, method, target, started, end: Mutex::default() })
    }

    pub(crate) fn on_response(&self, status: u16) {
        self.end.lock().unwrap_or_else(PoisonError::into_inner).status = Some(status);
    }

    pub(crate) fn on_reset(&self, reset: Reset) {
        self.end.lock().unwrap_or_else(PoisonError::into_inner).reset.get_or_insert(reset);
    }

    pub(crate) fn tell(self, now: Timestamp) {
        let End { status, reset } = self.end.into_inner().unwrap_or_else(PoisonError::into_inner);
        (self.on_request)(&RequestRecord {
            method: &self.method,
            path: target::without_parameters(&self.target),
            status,
            duration: now.since(self.started),
            cause: cause(status, reset),
        });
    }
}

/// How a request ended at the telephone.
fn cause(status: Option<u16>, reset: Option<Reset>) -> Cause {
    let Some(Reset { code, touched }) = reset else {
        return if status.is_some() { Cause::Complete } else { Cause::GivenUp };
    };
    match code {
        ResetCode::Cancelled | ResetCode::Stopped => Cause::ClientLeft,
        ResetCode::SessionLost => Cause::TunnelLost,
        ResetCode::Malformed => Cause::UnusableAnswer,
        ResetCode::HeadTooLarge => Cause::ResponseTooLarge,
        ResetCode::Coding => Cause::TransferCoding,
        _ if status.is_some() => Cause::ResponseAborted,
        ResetCode::Unreachable => Cause::BackendRefused,
        ResetCode::TimedOut if touched == Touched::No => Cause::BackendConnectTimeout,
        ResetCode::TimedOut => Cause::BackendTimeout,
        ResetCode::BackendFailed | ResetCode::Truncated => Cause::BackendBroke,
        ResetCode::Exhausted => Cause::TelephoneExhausted,
        ResetCode::Refused => Cause::TelephoneRefused,
        ResetCode::Denied | ResetCode::Other(_) => Cause::GivenUp,
    }
}
