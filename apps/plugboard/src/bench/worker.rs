//! One connection's task: takes a request, sends it, reads the answer, counts it.

use std::sync::Arc;
use std::time::Duration;

use http::header::{CONNECTION, HOST, HeaderValue};
use http::{HeaderMap, Method, Request, Uri};
use tokio::time::{sleep, timeout};

use super::body::Filler;
use super::dial::Dialer;
use super::line::{Answer, Broken, Line};
use super::mishap::{Mishap, MishapKind};
use super::pace::Pace;
use super::plan::Plan;
use super::tally::Shard;
use super::target::Target;

/// How long a connection that could not be opened waits with the next attempt, where no rate says when:
/// soon enough to see a relay come back, and no storm of refusals.
const REDIAL_TIME: Duration = Duration::from_millis(100);

/// What all connections of a run share.
pub(super) struct Shared {
    pub(super) dialer: Dialer,
    pub(super) pace: Arc<Pace>,
    timeout: Duration,
    is_keep_alive: bool,
    is_clocked: bool,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body_bytes: u64,
}

impl Shared {
    pub(super) fn new(target: &Target, dialer: Dialer, plan: &Plan) -> Self {
        let mut headers = plan.headers.clone();
        if !headers.contains_key(HOST) {
            // A URL's host and port are always fit for a header.
            headers.extend(HeaderValue::from_str(target.authority()).ok().map(|host| (HOST, host)));
        }
        if !plan.is_keep_alive {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        Self {
            dialer,
            pace: Arc::new(Pace::new(plan)),
            timeout: plan.timeout,
            is_keep_alive: plan.is_keep_alive,
            is_clocked: plan.rate.is_some(),
            method: plan.method.clone(),
            uri: target.request_target(),
            headers,
            body_bytes: plan.body_bytes,
        }
    }
}

/// One connection, and its successors when it breaks.
pub(super) struct Worker {
    shared: Arc<Shared>,
    shard: Arc<Shard>,
    line: Option<Line>,
}

impl Worker {
    pub(super) const fn new(shared: Arc<Shared>, shard: Arc<Shard>) -> Self {
        Self { shared, shard, line: None }
    }

    /// Opens the connection ahead, so that the run does not begin with a burst of them. If that fails,
    /// the first request tries again and tells.
    pub(super) async fn prepare(mut self) -> Self {
        if self.shared.is_keep_alive {
            let dialled = timeout(self.shared.timeout, self.shared.dialer.dial()).await;
            self.line = dialled.ok().and_then(Result::ok);
        }
        self
    }

    /// Works until there are no more requests.
    pub(super) async fn run(mut self) {
        let shared = Arc::clone(&self.shared);
        while let Some(due) = shared.pace.next().await {
            let answer = timeout(shared.timeout, self.exchange()).await;
            match answer.unwrap_or_else(|_| Err(Mishap::timeout())) {
                Ok(Answer { status, first, last }) => {
                    self.shard.answer(status, last - due, first - due);
                    if !shared.is_keep_alive {
                        self.line = None;
                    }
                }
                Err(mishap) => {
                    self.line = None;
                    let is_unreachable = mishap.kind.is_of_connecting();
                    self.shard.mishap(mishap);
                    if is_unreachable && !shared.is_clocked {
                        sleep(REDIAL_TIME).await;
                    }
                }
            }
        }
    }

    /// Sends a request on the connection, or on a new one if there is none any more: a server may end
    /// an idle connection at any time, which is no error.
    async fn exchange(&mut self) -> Result<Answer, Mishap> {
        if let Some(line) = &mut self.line {
            match line.exchange(request(&self.shared, &self.shard), &self.shard).await {
                Ok(answer) => return Ok(answer),
                Err(Broken::Mishap(mishap)) => return Err(mishap),
                Err(Broken::Unused) => {}
            }
        }
        let line = self.line.insert(self.shared.dialer.dial().await?);
        match line.exchange(request(&self.shared, &self.shard), &self.shard).await {
            Ok(answer) => Ok(answer),
            Err(Broken::Mishap(mishap)) => Err(mishap),
            Err(Broken::Unused) => Err(Mishap {
                kind: MishapKind::Unanswered,
                detail: "the connection was closed before the request".into(),
            }),
        }
    }
}

fn request(shared: &Shared, shard: &Arc<Shard>) -> Request<Filler> {
    let mut request = Request::new(Filler::counted(shared.body_bytes, shard));
    *request.method_mut() = shared.method.clone();
    *request.uri_mut() = shared.uri.clone();
    *request.headers_mut() = shared.headers.clone();
    request
}
