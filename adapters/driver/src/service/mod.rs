//! The service leg: from a stream that the relay opened to a handler inside this program.

mod convert;
mod incoming;
mod service_fn;

use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Buf, Bytes};
use futures_lite::{FutureExt as _, future};
use http::{Request, Response};
use http_body::{Body, Frame};
use telephone_core::error::{Reset, ResetCode, Touched};
use telephone_core::log_limit::{Due, LineKind, LineSource};
use telephone_core::message::{Headers, RequestHead, ResponseHead};
use telephone_core::rewrite::Prefix;
use tower_service::Service;

use crate::backend::{self, Leg, Rewrite, Rewritten};
use crate::log::{self, Log};
use crate::stream::StreamHandle;
use convert::{Answer, BadResponse};
pub use incoming::{BodyLost, Incoming};
pub(crate) use service_fn::ServiceFn;

/// Any error of a handler or of the body that it answered with.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Serves streams with a service; each exchange has its own clone.
pub(crate) struct ServiceLeg<S> {
    log: Arc<Log>,
    /// Cloned under a lock, so that a service need not be `Sync`.
    service: Mutex<S>,
    rewrite: Rewrite,
}

/// Why an exchange has no answer, or only the beginning of one.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("the handler is not ready: {0}")]
    NotReady(BoxError),
    #[error("the handler failed: {0}")]
    Failed(BoxError),
    #[error("the handler panicked")]
    Panicked,
    #[error("the handler's answer cannot be sent: {0}")]
    Answer(#[from] BadResponse),
    #[error("the handler's body failed: {0}")]
    Body(BoxError),
    #[error("the handler's body is not as long as declared")]
    Length,
    #[error("the client left")]
    ClientLeft,
}

impl Failure {
    /// What the relay is told. A body that has begun never looks complete.
    const fn reset(&self) -> Reset {
        let (code, touched) = match self {
            Self::NotReady(_) => (ResetCode::BackendFailed, Touched::No),
            Self::Failed(_) | Self::Panicked => (ResetCode::BackendFailed, Touched::Yes),
            Self::Answer(bad) => (bad.reset_code(), Touched::Yes),
            Self::Body(_) | Self::Length => (ResetCode::Truncated, Touched::Yes),
            Self::ClientLeft => (ResetCode::Cancelled, Touched::Yes),
        };
        Reset { code, touched }
    }
}

impl<S> ServiceLeg<S> {
    pub(crate) const fn new(log: Arc<Log>, service: S, rewrite: Rewrite) -> Self {
        Self { log, service: Mutex::new(service), rewrite }
    }
}

impl<S, B> Leg for ServiceLeg<S>
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
    B: Body + Send,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    async fn serve(&self, mount: &Bytes, head: RequestHead, stream: StreamHandle) {
        let (head, prefix) = match self.rewrite.apply(mount, head) {
            Rewritten::Passed(head, prefix) => (head, prefix),
            Rewritten::Answered(head) => return backend::respond(head, &stream),
        };
        let stream = Arc::new(stream);
        let exchange = async {
            let service = self.service.lock().unwrap_or_else(PoisonError::into_inner).clone();
            exchange(service, (head, prefix.as_ref()), &stream).await
        };
        let exchange = async {
            let caught = AssertUnwindSafe(exchange).catch_unwind().await;
            caught.unwrap_or(Err(Failure::Panicked))
        };
        let client_left = async {
            std::future::poll_fn(|cx| stream.poll_stopped(cx)).await;
            Err(Failure::ClientLeft)
        };
        // Whoever loses is dropped: a handler whose client left is cancelled where it waits.
        if let Err(failure) = future::or(exchange, client_left).await {
            if matches!(failure, Failure::ClientLeft) {
                tracing::debug!("{failure}");
            } else if let Some(Due { suppressed, .. }) =
                self.log.line(LineKind::HandlerFailed, LineSource::Process, stream.now())
            {
                tracing::warn!(suppressed, "{}", log::shown(failure.to_string()));
            }
            let Reset { code, touched } = failure.reset();
            stream.reset(code, touched);
        }
    }
}

/// One exchange, from the request's head to the end of the answer.
async fn exchange<S, B>(
    mut service: S,
    (head, prefix): (RequestHead, Option<&Prefix>),
    stream: &Arc<StreamHandle>,
) -> Result<(), Failure>
where
    S: Service<Request<Incoming>, Response = Response<B>>,
    S::Error: Into<BoxError>,
    B: Body,
    B::Error: Into<BoxError>,
{
    let is_head = head.method == "HEAD";
    let body = Incoming::new(stream.clone(), &head);
    let Ok(request) = convert::request(head, body) else {
        return respond(convert::bad_request(), true, stream);
    };
    let ready = std::future::poll_fn(|cx| service.poll_ready(cx)).await;
    ready.map_err(|error| Failure::NotReady(error.into()))?;
    let response = service.call(request).await.map_err(|error| Failure::Failed(error.into()))?;
    let (parts, body) = response.into_parts();
    let Answer { mut head, has_body, owed } = convert::answer(&parts, is_head, &body.size_hint())?;
    if let Some(prefix) = prefix {
        prefix.rewrite_response(&mut head.headers);
    }
    let is_whole = !has_body || (owed.unwrap_or(0) == 0 && body.is_end_stream());
    respond(head, is_whole, stream)?;
    if is_whole { Ok(()) } else { send_body(body, owed, stream).await }
}

fn respond(head: ResponseHead, end: bool, stream: &StreamHandle) -> Result<(), Failure> {
    stream.respond(head, end).map_err(|refused| Failure::Answer(refused.into()))
}

/// Sends a body as fast as the client reads it; `owed` octets if their number is known.
async fn send_body<B>(body: B, mut owed: Option<u64>, stream: &StreamHandle) -> Result<(), Failure>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    let mut body = pin!(body);
    let mut trailers = Headers::new();
    while let Some(frame) = next_frame(body.as_mut()).await? {
        match frame.into_data() {
            Ok(data) => {
                if let Some(owed) = &mut owed {
                    *owed = owed.checked_sub(data.remaining() as u64).ok_or(Failure::Length)?;
                }
                send_data(data, stream).await?;
            }
            Err(frame) => {
                trailers = frame.into_trailers().map(|map| convert::trailers(&map)).unwrap_or_default();
                break;
            }
        }
    }
    if owed.is_some_and(|owed| owed > 0) {
        return Err(Failure::Length);
    }
    stream.end(trailers);
    Ok(())
}

async fn next_frame<B>(mut body: Pin<&mut B>) -> Result<Option<Frame<B::Data>>, Failure>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    let frame = std::future::poll_fn(|cx| body.as_mut().poll_frame(cx)).await;
    frame.transpose().map_err(|error| Failure::Body(error.into()))
}

async fn send_data(mut data: impl Buf, stream: &StreamHandle) -> Result<(), Failure> {
    while data.has_remaining() {
        let capacity = std::future::poll_fn(|cx| stream.poll_capacity(cx)).await;
        let room = capacity.map_err(|_| Failure::ClientLeft)?.min(data.remaining());
        let mut octets = data.copy_to_bytes(room);
        while !octets.is_empty() {
            let taken = std::future::poll_fn(|cx| stream.poll_write(&mut octets, cx)).await;
            taken.map_err(|_| Failure::ClientLeft)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
