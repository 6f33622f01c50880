//! An async closure as a service.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::{Request, Response};
use tower_service::Service;

use super::Incoming;

/// A service that is always ready and calls a clone of a closure, once each: an async closure that uses
/// what it captured is no `Fn`, since its future borrows from it, but always an `FnOnce`.
#[derive(Clone)]
pub(crate) struct ServiceFn<F>(pub(crate) F);

impl<F, Fut, B> Service<Request<Incoming>> for ServiceFn<F>
where
    F: FnOnce(Request<Incoming>) -> Fut + Clone,
    Fut: Future<Output = Response<B>>,
{
    type Response = Response<B>;
    type Error = Infallible;
    type Future = Unfailing<Fut>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        Unfailing(Box::pin((self.0.clone())(request)))
    }
}

/// A future that cannot fail, as one that could.
pub(crate) struct Unfailing<Fut>(Pin<Box<Fut>>);

impl<Fut: Future> Future for Unfailing<Fut> {
    type Output = Result<Fut::Output, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(Ok(ready!(self.0.as_mut().poll(cx))))
    }
}
