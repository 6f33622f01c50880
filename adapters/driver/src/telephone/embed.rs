//! A telephone inside another program: it serves that program's own handler, or its local backend.

use std::future::Future;

use bytes::Buf;
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::{BuildError, ServeError, Telephone, TelephoneBuilder};
use crate::backend::BackendUrl;
use crate::runtime::Runtime;
use crate::service::{BoxError, Incoming, ServiceFn, ServiceLeg};

/// Why an embedded telephone does not, or no longer, serve.
#[derive(Debug, thiserror::Error)]
pub enum EmbedError {
    /// It was described wrongly.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// It gave up.
    #[error(transparent)]
    Serve(#[from] ServeError),
}

impl<R: Runtime> TelephoneBuilder<R> {
    /// Serves a handler inside this program: any [`Service`] over the types of `http`, such as an axum
    /// `Router`. Each request goes to a clone of `service`, once that is ready.
    ///
    /// Bodies stream both ways, and hold each other's sender back. An answer of known length that has trailers
    /// announces them with a `Trailer` field, or HTTP/1.1 has no place for them. A handler that fails or panics is
    /// answered for with 502; when the client leaves, the handler's future is dropped. A request for an
    /// upgrade is served as if it had not asked: WebSockets need a [backend](Self::backend).
    ///
    /// # Errors
    /// [`BuildError`], the first mistake that was made.
    pub fn service<S, B>(mut self, runtime: R, service: S) -> Result<Telephone<R>, BuildError>
    where
        S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send,
        B: Body<Data: Buf + Send, Error: Into<BoxError>> + Send + 'static,
    {
        let rewrite = std::mem::take(&mut self.rewrite);
        let log = self.log();
        self.leg(runtime, ServiceLeg::new(log, service, rewrite))
    }

    /// The same with an async closure, or an `async fn`, from request to response. Each request goes to a clone of it: what
    /// it captures and shares belongs in an `Arc`.
    ///
    /// # Errors
    /// [`BuildError`], the first mistake that was made.
    pub fn service_fn<F, Fut, B>(self, runtime: R, handler: F) -> Result<Telephone<R>, BuildError>
    where
        F: FnOnce(Request<Incoming>) -> Fut + Clone + Send + 'static,
        Fut: Future<Output = Response<B>> + Send + 'static,
        B: Body<Data: Buf + Send, Error: Into<BoxError>> + Send + 'static,
    {
        self.service(runtime, ServiceFn(handler))
    }
}

impl<R: Runtime + Default> TelephoneBuilder<R> {
    /// Serves a handler inside this program, as [`service`](Self::service) does, until the telephone gives
    /// up. Dropping the future closes everything at once.
    ///
    /// # Errors
    /// [`EmbedError`].
    pub async fn serve<S, B>(self, service: S) -> Result<(), EmbedError>
    where
        S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send,
        B: Body<Data: Buf + Send, Error: Into<BoxError>> + Send + 'static,
    {
        Ok(self.service(R::default(), service)?.run().await?)
    }

    /// Serves with an async closure, or an `async fn`, from request to response. Each request goes to a
    /// clone of it: what it captures and shares belongs in an `Arc`.
    ///
    /// # Errors
    /// [`EmbedError`].
    pub async fn serve_fn<F, Fut, B>(self, handler: F) -> Result<(), EmbedError>
    where
        F: FnOnce(Request<Incoming>) -> Fut + Clone + Send + 'static,
        Fut: Future<Output = Response<B>> + Send + 'static,
        B: Body<Data: Buf + Send, Error: Into<BoxError>> + Send + 'static,
    {
        Ok(self.service_fn(R::default(), handler)?.run().await?)
    }

    /// Serves the backend at `url`, `http://host:port` or `unix:/path`, until the telephone gives up.
    /// Dropping the future closes everything at once.
    ///
    /// # Errors
    /// [`EmbedError`].
    pub async fn forward(self, url: &str) -> Result<(), EmbedError> {
        let url: BackendUrl = url.parse().map_err(BuildError::Backend)?;
        Ok(self.backend(R::default(), url)?.run().await?)
    }
}
