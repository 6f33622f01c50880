//! Connections to the backend that wait for another request.

use std::future::Future;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_lite::future;
use telephone_core::backend_health::Attempt;
use telephone_core::error::ResetCode;
use telephone_core::http1::Client;
use telephone_core::limits::{BackendLimits, HttpLimits};
use telephone_core::reuse::Rest;

use super::Watch;
use super::connector::{BackendConnector, BackendSocket};
use crate::alarm::Alarm;
use crate::connection::Connection;
use crate::file_table;
use crate::runtime::Runtime;
use crate::socket::Socket;
use crate::stream::StreamHandle;

/// Between two looks for connections whose time is over: one that its backend keeps for 1 s only may come behind others.
const REAP_INTERVAL: Duration = Duration::from_millis(500);

/// A connection and the codec that remembers how its last exchange ended.
pub(super) struct Kept<R: Runtime> {
    pub(super) connection: Connection<BackendSocket<R::Socket>>,
    pub(super) client: Client,
    pub(super) alarm: Alarm<R>,
}

struct Idle<R: Runtime> {
    kept: Box<Kept<R>>,
    rest: Rest,
}

pub(super) struct Pool<R: Runtime> {
    runtime: R,
    connector: Arc<BackendConnector<R>>,
    watch: Arc<Watch>,
    limits: BackendLimits,
    http: HttpLimits,
    idle: Arc<Mutex<Shelf<R>>>,
}

/// What waits, and whether somebody looks after it.
struct Shelf<R: Runtime> {
    /// The latest at the end: it is the one that its backend closes last.
    idle: Vec<Idle<R>>,
    has_reaper: bool,
}

impl<R: Runtime> Pool<R> {
    pub(super) fn new(
        runtime: R,
        (connector, watch): (Arc<BackendConnector<R>>, Arc<Watch>),
        limits: BackendLimits,
        http: HttpLimits,
    ) -> Self {
        let shelf = Shelf { idle: Vec::new(), has_reaper: false };
        Self { runtime, connector, watch, limits, http, idle: Arc::new(Mutex::new(shelf)) }
    }

    /// The connection that was used last and may carry such a request, if its backend has not closed it meanwhile.
    pub(super) fn take(&self, is_repeatable: bool) -> Option<Box<Kept<R>>> {
        let now = self.runtime.now();
        loop {
            let mut shelf = lock(&self.idle);
            let fitting = |one: &Idle<R>| one.rest.may_carry(is_repeatable, now, &self.limits);
            let place = shelf.idle.iter().rposition(fitting)?;
            let mut kept = shelf.idle.remove(place).kept;
            drop(shelf);
            if is_quiet(&mut kept.connection) {
                return Some(kept);
            }
        }
    }

    /// A fresh connection for one stream.
    pub(super) async fn connect(&self, stream: &StreamHandle) -> Result<Box<Kept<R>>, ResetCode> {
        let connect =
            || connect_for(&self.runtime, self.connector.connect(), (&self.limits, &self.watch), stream);
        let socket = match connect().await {
            // A request needs the descriptor more than a connection that waits for one.
            Err(ResetCode::Exhausted) if self.close_idle() => connect().await,
            connected => connected,
        };
        Ok(Box::new(Kept {
            connection: Connection::new(socket?),
            // What may be offered the session has checked.
            client: Client::new(self.http.clone()).with_h2c(),
            alarm: Alarm::new(self.runtime.clone()),
        }))
    }

    /// Closes what nobody uses. Tells if there was something.
    fn close_idle(&self) -> bool {
        let idle = std::mem::take(&mut lock(&self.idle).idle);
        !idle.is_empty()
    }

    /// Keeps a connection whose exchange is complete, if it can serve another one (I23).
    pub(super) fn put(&self, kept: Box<Kept<R>>) {
        if !kept.client.is_reusable(&kept.connection.input) {
            return;
        }
        let Some(rest) = Rest::begin(self.runtime.now(), kept.client.idle_time(), &self.limits) else {
            return;
        };
        let mut shelf = lock(&self.idle);
        if shelf.idle.len() >= self.limits.pooled {
            return;
        }
        shelf.idle.push(Idle { kept, rest });
        if !std::mem::replace(&mut shelf.has_reaper, true) {
            self.runtime.spawn(reap(self.runtime.clone(), self.idle.clone()));
        }
    }
}

/// Connects to a backend for one stream, unless that takes too long or the peer stops the stream before. If it fails the
/// backend was not touched.
pub(crate) async fn connect_for<R: Runtime, S>(
    runtime: &R,
    connect: impl Future<Output = io::Result<S>>,
    (limits, watch): (&BackendLimits, &Watch),
    stream: &StreamHandle,
) -> Result<S, ResetCode> {
    let connecting = async {
        let error = match connect.await {
            Ok(socket) => {
                watch.note(Attempt::Stream, None, runtime.now());
                return Ok(socket);
            }
            Err(error) => error,
        };
        tracing::debug!(%error, "cannot reach the backend");
        // What this process lacks is not the application's fault.
        if file_table::is_full(&error) {
            return Err(ResetCode::Exhausted);
        }
        watch.note(Attempt::Stream, Some(&error), runtime.now());
        Err(ResetCode::Unreachable)
    };
    let late = async {
        runtime.sleep_until(runtime.now() + limits.connect_timeout).await;
        watch.note(Attempt::Stream, Some(&"it accepted no connection in time"), runtime.now());
        Err(ResetCode::TimedOut)
    };
    let left = async { Err(std::future::poll_fn(|cx| stream.poll_stopped(cx)).await.code) };
    future::or(connecting, future::or(late, left)).await
}

/// Closes what nobody took in time; ends when nothing is left. It looks once in a while, since what rests only shortly comes
/// and goes: a connection whose time is over carries nothing meanwhile.
async fn reap<R: Runtime>(runtime: R, shelf: Arc<Mutex<Shelf<R>>>) {
    loop {
        let now = runtime.now();
        let next = {
            let mut shelf = lock(&shelf);
            shelf.idle.retain(|one| now < one.rest.until());
            let Some(next) = shelf.idle.iter().map(|one| one.rest.until()).min() else {
                shelf.has_reaper = false;
                return;
            };
            next.min(now + REAP_INTERVAL)
        };
        runtime.sleep_until(next).await;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether the backend neither closed the connection nor said anything unasked.
pub(super) fn is_quiet<S: Socket>(connection: &mut Connection<S>) -> bool {
    connection.socket.look_again();
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    connection.poll_fill(&mut cx).is_pending()
}
