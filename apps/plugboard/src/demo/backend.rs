//! The demo's sample application: a page that shows what reaches it through the tunnel.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::Bytes;
use axum::extract::ws::{Message, WebSocket};
use axum::extract::{DefaultBodyLimit, Request, State, WebSocketUpgrade};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{any, get};
use futures_core::Stream;
use futures_lite::stream;
use serde::Serialize;
use serde_json::json;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::broadcast::{Receiver, Sender};

/// Exchanges that a newly opened page is shown.
const HISTORY: usize = 50;
/// Octets that the echo takes, and of one WebSocket message.
const ECHO_BYTES_MAX: usize = 64 * 1024;
/// The page needs nothing from anywhere else, and may not get it.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; \
                      connect-src 'self' ws: wss:; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";

/// One exchange, as the application saw it.
#[derive(Debug, Clone, Serialize)]
struct Exchange {
    number: u64,
    /// Milliseconds since 1970.
    time: u128,
    method: String,
    target: String,
    status: u16,
    milliseconds: f64,
    headers: Vec<(String, String)>,
}

/// Who watches, and what there was to see.
struct Stage {
    seen: Mutex<Seen>,
    news: Sender<Arc<Exchange>>,
}

#[derive(Default)]
struct Seen {
    count: u64,
    latest: VecDeque<Arc<Exchange>>,
}

/// The sample application: `/` is the page, `/events` feeds it, `/echo` and `/ws` answer with what came.
pub fn routes() -> Router {
    let stage = Arc::new(Stage { seen: Mutex::default(), news: Sender::new(HISTORY) });
    Router::new()
        .route("/", get(page))
        .route("/echo", any(echo))
        .route("/ws", any(websocket))
        .fallback(|| async { (StatusCode::NOT_FOUND, "The application has no such page.\n") })
        .layer(DefaultBodyLimit::max(ECHO_BYTES_MAX))
        .layer(from_fn_with_state(Arc::clone(&stage), watch))
        .route("/events", get(events))
        .with_state(stage)
}

async fn page() -> Response {
    let headers = [(header::CONTENT_SECURITY_POLICY, POLICY), (header::CACHE_CONTROL, "no-store")];
    (headers, Html(include_str!("page.html"))).into_response()
}

/// Answers with the request itself.
async fn echo(method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let story = json!({
        "method": method.as_str(),
        "target": uri.to_string(),
        "headers": pairs(&headers).map(|(name, value)| format!("{name}: {value}")).collect::<Vec<_>>(),
        "body": String::from_utf8_lossy(&body),
    });
    ([(header::CONTENT_TYPE, "application/json")], format!("{story:#}\n")).into_response()
}

async fn websocket(upgrade: WebSocketUpgrade) -> Response {
    upgrade.max_message_size(ECHO_BYTES_MAX).on_upgrade(echo_messages)
}

async fn echo_messages(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        let is_echoed = match message {
            Message::Text(_) | Message::Binary(_) => socket.send(message).await.is_ok(),
            // The library answers pings and closes.
            Message::Ping(_) | Message::Pong(_) | Message::Close(_) => true,
        };
        if !is_echoed {
            return;
        }
    }
}

/// Notes each exchange once its response head is there.
async fn watch(State(stage): State<Arc<Stage>>, request: Request, next: Next) -> Response {
    let began = Instant::now();
    let (method, target) = (request.method().to_string(), request.uri().to_string());
    let headers = pairs(request.headers()).collect();
    let response = next.run(request).await;
    stage.note(|number| Exchange {
        number,
        time: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis(),
        method,
        target,
        status: response.status().as_u16(),
        milliseconds: began.elapsed().as_secs_f64() * 1e3,
        headers,
    });
    response
}

fn pairs(headers: &HeaderMap) -> impl Iterator<Item = (String, String)> {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    headers.iter().map(move |(name, value)| (name.to_string(), text(value)))
}

async fn events(State(stage): State<Arc<Stage>>) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let start = stage.watch();
    let feed = stream::unfold(start, |(mut history, mut news)| async move {
        let exchange = match history.pop_front() {
            Some(exchange) => exchange,
            None => next(&mut news).await?,
        };
        let text = serde_json::to_string(&*exchange).unwrap_or_default();
        Some((Ok(Event::default().data(text)), (history, news)))
    });
    Sse::new(feed).keep_alive(KeepAlive::default())
}

/// The next exchange; what a slow page missed, it missed.
async fn next(news: &mut Receiver<Arc<Exchange>>) -> Option<Arc<Exchange>> {
    loop {
        match news.recv().await {
            Ok(exchange) => return Some(exchange),
            Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return None,
        }
    }
}

impl Stage {
    fn note(&self, exchange: impl FnOnce(u64) -> Exchange) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.count += 1;
        let exchange = Arc::new(exchange(seen.count));
        if seen.latest.len() == HISTORY {
            seen.latest.pop_front();
        }
        seen.latest.push_back(Arc::clone(&exchange));
        // Sent under the lock, so that a page gets each exchange once: from the history or as news.
        let _ = self.news.send(exchange);
    }

    fn watch(&self) -> (VecDeque<Arc<Exchange>>, Receiver<Arc<Exchange>>) {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        (seen.latest.clone(), self.news.subscribe())
    }
}

#[cfg(test)]
mod tests;
