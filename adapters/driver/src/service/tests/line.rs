//! A relay's end of the same session, in memory, and what it sends and hears.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_lite::future;
use http::{HeaderMap, Request, Response};
use http_body::{Body, Frame};
use telephone_core::error::Reset;
use telephone_core::limits::SessionLimits;
use telephone_core::message::{Headers, RequestHead, ResponseHead};
use telephone_core::recording::Recorded;
use telephone_core::session::{self, Role, SessionConfig};
use telephone_core::time::Timestamp;
use telephone_core::wire::{Opening, Profile, Settings};
use tower_service::Service;

use crate::backend::{Leg as _, Rewrite};
use crate::service::{BodyLost, BoxError, Incoming, ServiceFn, ServiceLeg};
use crate::shared::SharedSession;
use crate::stream::StreamHandle;

/// Both ends of a session.
pub(super) struct Line {
    relay: SharedSession,
    telephone: SharedSession,
}

impl Line {
    pub(super) fn new() -> Self {
        let end = |role| {
            let limits = SessionLimits::default();
            let config = SessionConfig {
                role,
                profile: Profile::Binary,
                peer: Settings::of(&limits),
                limits,
                seed: 1,
                resume_window: std::time::Duration::ZERO,
            };
            SharedSession::new(Recorded::new(config, Timestamp::ZERO, None), Arc::new(|| Timestamp::ZERO))
        };
        Self { relay: end(Role::Plugboard), telephone: end(Role::Telephone) }
    }

    pub(super) fn open(&self, head: RequestHead, end: bool) -> StreamHandle {
        let mount = Bytes::from_static(b"/m");
        self.relay.open(Opening::Http { mount, head }, end, self.relay.now()).unwrap()
    }

    /// The stream as the telephone's end sees it, once the open frame is there.
    pub(super) fn accept(&self) -> (RequestHead, StreamHandle) {
        self.deliver();
        match self.telephone.accept().unwrap() {
            (Opening::Http { head, .. }, stream) => (head, stream),
            (Opening::Tcp { .. }, _) => panic!("nobody opened a TCP stream"),
        }
    }

    /// Carries every message there is; true if there was one.
    pub(super) fn deliver(&self) -> bool {
        let carry = |from: &SharedSession, to: &SharedSession| {
            let mut count = 0;
            let link = from.link().unwrap();
            while let Some(message) = from.with_link(|session| session.poll_transmit(link, Timestamp::ZERO)) {
                to.with_link(|session| session.handle_message(link, message, Timestamp::ZERO));
                count += 1;
            }
            from.take_events();
            to.take_events();
            assert_eq!((from.closed(), to.closed()), (None, None));
            count > 0
        };
        let down = carry(&self.relay, &self.telephone);
        carry(&self.telephone, &self.relay) || down
    }

    fn poll(&self, cx: &Context<'_>) -> Poll<Infallible> {
        loop {
            let has_moved = self.deliver();
            let is_due = [&self.relay, &self.telephone].map(|end| {
                let standing = end.stand(end.link(), cx);
                standing.has_moved || standing.is_due
            });
            let is_due = is_due.contains(&true);
            if !has_moved && !is_due {
                return Poll::Pending;
            }
        }
    }

    /// Serves one exchange with `service` while `client` plays the relay.
    pub(super) fn serve<S, B, F>(
        service: S,
        head: RequestHead,
        end: bool,
        client: impl FnOnce(StreamHandle) -> F,
    ) where
        S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send,
        B: Body<Data: Send, Error: Into<BoxError>> + Send,
        F: Future<Output = ()>,
    {
        let line = Self::new();
        let client = client(line.open(head, end));
        let (head, stream) = line.accept();
        let leg = ServiceLeg::new(Arc::default(), service, Rewrite::default());
        let mount = Bytes::from_static(b"/m");
        let exchange = async {
            let ((), ()) = future::zip(leg.serve(&mount, head, stream), client).await;
        };
        let carrying = async { match poll_fn(|cx| line.poll(cx)).await {} };
        smol::block_on(future::or(exchange, carrying));
    }
}

pub(super) fn request(method: &'static str, target: &'static str) -> RequestHead {
    RequestHead {
        method: Bytes::from_static(method.as_bytes()),
        target: Bytes::from_static(target.as_bytes()),
        headers: Headers::new(),
        length: None,
        upgrade: None,
        wants_trailers: false,
    }
}

pub(super) fn with_field(mut head: RequestHead, name: &'static str, value: &'static str) -> RequestHead {
    head.headers.push(name, value);
    head
}

/// What came of an exchange: the heads in order, the octets, and how it ended.
pub(super) struct Heard {
    pub(super) heads: Vec<ResponseHead>,
    pub(super) octets: Vec<u8>,
    pub(super) ending: Result<Headers, Reset>,
}

impl Heard {
    pub(super) fn head(&self) -> &ResponseHead {
        self.heads.last().unwrap()
    }
}

/// The next piece, its credit given back.
pub(super) async fn next(stream: &StreamHandle) -> session::Incoming {
    let incoming = poll_fn(|cx| stream.poll_read(cx)).await;
    if let session::Incoming::Octets(octets) = &incoming {
        stream.credit(octets.len());
    }
    incoming
}

pub(super) async fn hear(stream: &StreamHandle) -> Heard {
    let (mut heads, mut octets) = (Vec::new(), Vec::new());
    let ending = loop {
        match next(stream).await {
            session::Incoming::Head => heads.extend(stream.take_head()),
            session::Incoming::Octets(piece) => octets.extend_from_slice(&piece),
            session::Incoming::End(trailers) => break Ok(trailers),
            session::Incoming::Reset(reset) => break Err(reset),
            session::Incoming::Pending => panic!("a read that is ready has something"),
        }
    };
    Heard { heads, octets, ending }
}

pub(super) async fn send(stream: &StreamHandle, octets: &'static [u8]) {
    let mut octets = Bytes::from_static(octets);
    while !octets.is_empty() {
        if poll_fn(|cx| stream.poll_write(&mut octets, cx)).await.is_err() {
            return;
        }
    }
}

/// A body in frames that were laid down before; the end may be an error.
#[derive(Default)]
pub(super) struct Frames(VecDeque<Result<Frame<Bytes>, &'static str>>);

impl Frames {
    pub(super) fn of(pieces: &[&'static str]) -> Self {
        Self(pieces.iter().map(|piece| Ok(Frame::data(Bytes::from_static(piece.as_bytes())))).collect())
    }

    pub(super) fn then(mut self, last: Result<Frame<Bytes>, &'static str>) -> Self {
        self.0.push_back(last);
        self
    }
}

impl Body for Frames {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Poll::Ready(self.0.pop_front().map(|frame| frame.map_err(Into::into)))
    }
}

pub(super) async fn next_piece(body: &mut Incoming) -> Option<Result<Frame<Bytes>, BodyLost>> {
    let mut body = Pin::new(body);
    poll_fn(|cx| body.as_mut().poll_frame(cx)).await
}

/// Reads a body to its end: its octets and its trailers.
pub(super) async fn read(mut body: Incoming) -> Result<(Vec<u8>, HeaderMap), BodyLost> {
    let (mut octets, mut trailers) = (Vec::new(), HeaderMap::new());
    while let Some(frame) = next_piece(&mut body).await {
        match frame?.into_data() {
            Ok(data) => octets.extend_from_slice(&data),
            Err(frame) => trailers = frame.into_trailers().unwrap(),
        }
    }
    Ok((octets, trailers))
}

/// Serves `head` with a handler and hears what comes of it.
pub(super) fn heard<Fut, B>(
    head: RequestHead,
    handler: impl FnOnce(Request<Incoming>) -> Fut + Clone + Send + 'static,
) -> Heard
where
    Fut: Future<Output = Response<B>> + Send,
    B: Body<Data: Send, Error: Into<BoxError>> + Send,
{
    let mut result = None;
    Line::serve(ServiceFn(handler), head, true, async |stream| result = Some(hear(&stream).await));
    result.unwrap()
}
