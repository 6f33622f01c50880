//! The connections of the admin port: few, answered out of descriptors of their own, and none that stays for nothing.

use std::collections::HashMap;
use std::future::pending;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{Request, StatusCode};
use axum::response::{IntoResponse, Response};
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use telephone_core::connections::{Activity, ConnectionId, ConnectionState, ConnectionTable};
use telephone_driver::{Runtime as _, WhenFull, accept_loop};
use telephone_tokio::{Listener, Socket, TokioRuntime};
use tokio::task::AbortHandle;
use tokio::time::timeout;
use tokio_util::compat::FuturesAsyncReadCompatExt as _;
use tower_service::Service as _;

/// Connections at once. For a new one the connection that has been idle for longest is closed, or else the one that has
/// sent a part of a request for longest.
const CONNECTIONS_MAX: usize = 8;
/// How long a connection may take to send a request's head, also the first one, and how long it is kept for the next. The
/// relay's own `head-timeout`.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a request may take from its head to its answer, its body included.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of a head, and so of what is read ahead. hyper takes no less.
const HEAD_BYTES_MAX: usize = 8 * 1024;

/// Serves `routes` at `listener` for ever, also while the process has no descriptor left.
pub(crate) async fn serve(runtime: TokioRuntime, listener: Listener, routes: Router) {
    let port = Arc::new(Port::new(runtime));
    let on_socket = |socket, _peer| port.accept(socket, &routes);
    accept_loop(&runtime, listener, WhenFull::Serve, on_socket, pending()).await;
}

struct Port {
    runtime: TokioRuntime,
    open: Mutex<Open>,
}

struct Open {
    table: ConnectionTable,
    tasks: HashMap<ConnectionId, AbortHandle>,
}

impl Open {
    /// Ends the tasks of the connections that are to be closed.
    fn settle(&mut self) {
        while let Some((id, _)) = self.table.poll_close() {
            self.tasks.get(&id).inspect(|task| task.abort());
        }
    }
}

impl Port {
    fn new(runtime: TokioRuntime) -> Self {
        let open = Open { table: ConnectionTable::new(CONNECTIONS_MAX), tasks: HashMap::new() };
        Self { runtime, open: Mutex::new(open) }
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the table knows of a connection. No address is counted: operators share them.
    fn state(&self, activity: Activity) -> ConnectionState {
        ConnectionState { activity, since: self.runtime.now(), block: None }
    }

    /// Serves a connection in a task of its own, if there is room for it.
    fn accept(self: &Arc<Self>, socket: Socket, routes: &Router) {
        let state = self.state(Activity::Waiting);
        let mut open = self.lock();
        let Some(id) = open.table.handle_opened(state, state.since) else { return };
        let place = Place { port: Arc::clone(self), id };
        let task = tokio::spawn(converse(socket, routes.clone(), place));
        open.tasks.insert(id, task.abort_handle());
        open.settle();
    }
}

/// The place of one connection. It counts until this is dropped.
struct Place {
    port: Arc<Port>,
    id: ConnectionId,
}

impl Place {
    fn set(&self, activity: Activity) {
        let state = self.port.state(activity);
        let mut open = self.port.lock();
        open.table.handle_changed(self.id, state, state.since);
        open.settle();
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let now = self.port.runtime.now();
        let mut open = self.port.lock();
        open.tasks.remove(&self.id);
        open.table.handle_closed(self.id, now);
    }
}

/// A request's body. Until it has been read its connection counts as one that waits, so that slow bodies are closed for new
/// connections, as slow heads are.
struct RequestBody {
    body: Incoming,
    place: Arc<Place>,
    is_read: bool,
}

impl RequestBody {
    fn new(body: Incoming, place: &Arc<Place>) -> Self {
        place.set(Activity::Waiting);
        let mut this = Self { body, place: Arc::clone(place), is_read: false };
        this.note_end(false);
        this
    }

    fn note_end(&mut self, is_over: bool) {
        if !self.is_read && (is_over || self.body.is_end_stream()) {
            self.is_read = true;
            self.place.set(Activity::Exchange);
        }
    }
}

impl HttpBody for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        self.note_end(matches!(polled, Poll::Ready(None | Some(Err(_)))));
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Answers the requests of one connection.
async fn converse(socket: Socket, routes: Router, place: Place) {
    let place = &Arc::new(place);
    let answer = service_fn(move |request: Request<Incoming>| {
        let mut routes = routes.clone();
        async move {
            let request = request.map(|body| Body::new(RequestBody::new(body, place)));
            let answered = timeout(REQUEST_TIMEOUT, routes.call(request)).await;
            place.set(Activity::Idle);
            answered.unwrap_or_else(|_late| Ok(too_slow()))
        }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_buf_size(HEAD_BYTES_MAX);
    if let Err(error) = http.serve_connection(TokioIo::new(socket.compat()), answer).await {
        tracing::debug!(%error, "a connection of the admin port failed");
    }
}

fn too_slow() -> Response {
    (StatusCode::REQUEST_TIMEOUT, "the request took too long\n").into_response()
}
