//! A request's body, as a handler reads it.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use telephone_core::error::ResetCode;
use telephone_core::message::{Headers, RequestHead, ResponseHead};
use telephone_core::session;

use super::convert;
use crate::stream::StreamHandle;

/// The client, or the way to it, was lost before the body was complete: what was read is only its
/// beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the request's body was lost before its end ({0:?})")]
pub struct BodyLost(ResetCode);

/// The body of a request that came through the tunnel.
///
/// Pieces arrive as the client sends them; one that is not read holds the client back. Trailers come as
/// the last frame. A body that stops short of its end reads as [`BodyLost`], never as complete. Dropping
/// it tells the client to stop sending.
///
/// A client that waits for `100 Continue` gets it when the body is first polled, so that a handler which
/// refuses by the head alone never receives a byte (RFC 9110 §10.1.1).
pub struct Incoming {
    /// `None` once nothing more comes.
    stream: Option<Arc<StreamHandle>>,
    /// Octets still to come, if their number was declared.
    remaining: Option<u64>,
    is_continue_due: bool,
    /// What comes behind the declared octets belongs to the protocol that the client would switch to.
    is_upgrade: bool,
}

impl Incoming {
    /// The body that belongs to `head`. A request for an upgrade has one only if it declares its length: what its client
    /// sends after that belongs to the protocol that no handler here switches to.
    pub(super) fn new(stream: Arc<StreamHandle>, head: &RequestHead) -> Self {
        let is_upgrade = head.upgrade.is_some();
        let is_empty = (is_upgrade && head.length.is_none_or(|length| length == 0)) || stream.is_at_end();
        let is_continue_due =
            head.headers.all("expect").any(|value| value.eq_ignore_ascii_case(b"100-continue"));
        Self { stream: (!is_empty).then_some(stream), remaining: head.length, is_continue_due, is_upgrade }
    }

    fn on_octets(&mut self, mut octets: Bytes) -> Frame<Bytes> {
        // The piece is the handler's now: another may come in its place.
        if let Some(stream) = &self.stream {
            stream.credit(octets.len());
        }
        let left = self.remaining.map_or(u64::MAX, |left| left.saturating_sub(octets.len() as u64));
        if let Some(remaining) = self.remaining.filter(|_| self.is_upgrade) {
            octets.truncate(usize::try_from(remaining).unwrap_or(usize::MAX));
        }
        self.remaining = self.remaining.map(|_| left);
        if self.is_upgrade && left == 0 {
            self.stream = None;
        }
        Frame::data(octets)
    }

    fn on_end(&mut self, trailers: &Headers) -> Option<Frame<Bytes>> {
        self.stream = None;
        (!trailers.is_empty()).then(|| Frame::trailers(convert::header_map(trailers)))
    }
}

impl Body for Incoming {
    type Data = Bytes;
    type Error = BodyLost;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyLost>>> {
        let Some(stream) = &self.stream else { return Poll::Ready(None) };
        let Poll::Ready(incoming) = stream.poll_read(cx) else {
            // A client that sent something unasked needs no invitation.
            if self.is_continue_due {
                invite(stream);
                self.is_continue_due = false;
            }
            return Poll::Pending;
        };
        self.is_continue_due = false;
        match incoming {
            session::Incoming::Octets(octets) => Poll::Ready(Some(Ok(self.on_octets(octets)))),
            session::Incoming::End(trailers) => Poll::Ready(self.on_end(&trailers).map(Ok)),
            session::Incoming::Reset(reset) => {
                self.stream = None;
                Poll::Ready(Some(Err(BodyLost(reset.code))))
            }
            // The opener of a stream sends no heads, and `poll_read` does its own waiting.
            session::Incoming::Head | session::Incoming::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.stream.as_ref().is_none_or(|stream| stream.is_at_end())
    }

    fn size_hint(&self) -> SizeHint {
        match (&self.stream, self.remaining) {
            (None, _) => SizeHint::with_exact(0),
            (Some(_), Some(remaining)) => SizeHint::with_exact(remaining),
            (Some(_), None) => SizeHint::default(),
        }
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        if let Some(stream) = &self.stream {
            stream.stop(ResetCode::Cancelled);
        }
    }
}

impl fmt::Debug for Incoming {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Incoming").field("remaining", &self.remaining).finish_non_exhaustive()
    }
}

/// Says `100 Continue`; of no effect behind the final head.
fn invite(stream: &StreamHandle) {
    let head = ResponseHead {
        status: 100,
        reason: Bytes::from_static(b"Continue"),
        headers: Headers::new(),
        length: None,
        upgrade: None,
    };
    if stream.interim(head).is_err() {
        tracing::debug!("an interim head of no fields was refused");
    }
}
