//! The admin server: probes, metrics, revocation. It belongs on an address that only operators reach.

mod token;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::Deserialize;
use serde_json::json;

use telephone_driver::Stats;
use telephone_driver::core::limits::LOG_FIELD_BYTES_MAX;
use telephone_driver::core::text::printable;
use telephone_sidecar::HostGuard;

pub use token::AdminToken;

use crate::telemetry::{OPENMETRICS, Present, TEXT, Telemetry, wants_openmetrics};
use crate::token::{Revocations, Revoked};

/// Octets of a request body.
const BODY_BYTES_MAX: usize = 4096;

/// The sessions and requests that are there now.
pub trait Sessions: Send + Sync + 'static {
    /// Ends every session, and all that clients of rooms do, whose token is revoked by this, and says how many there were.
    fn end(&self, revoked: &Revoked) -> usize;

    /// How many requests are in progress, those that wait for a session among them.
    fn requests(&self) -> usize;

    /// How many of them wait for a session.
    fn waiting(&self) -> usize;

    /// How many connections are open, those of telephones among them.
    fn connections(&self) -> usize;

    /// Bytes of messages that sessions keep until their telephones acknowledge them.
    fn replay_bytes(&self) -> u64;

    /// The numbers of all sessions that there are.
    fn stats(&self) -> Stats;
}

/// What the admin server knows and may do.
pub struct Admin {
    /// Where the server listens: which `Host` it answers to.
    pub address: SocketAddr,
    /// What a request that changes something must show; without one, nothing.
    pub token: Option<AdminToken>,
    /// What is counted.
    pub telemetry: Arc<Telemetry>,
    /// Who is no longer let in.
    pub revocations: Arc<Revocations>,
    /// Who is here.
    pub sessions: Arc<dyn Sessions>,
    /// Whether the relay is on its way out.
    pub is_draining: Arc<AtomicBool>,
}

/// The routes of the admin server.
pub fn routes(admin: Admin) -> Router {
    let admin = Arc::new(admin);
    Router::new()
        .route("/livez", get(|| async { "alive\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/revoke", post(revoke))
        .fallback(|| async {
            error(StatusCode::NOT_FOUND, "not found; there are /livez, /readyz, /metrics and POST /revoke")
        })
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(from_fn_with_state(Arc::clone(&admin), guard))
        .with_state(admin)
}

/// Keeps web pages out (faults X-02): those that come under a name of their own (DNS rebinding) by `Host`, those that post
/// across sites by `Origin`.
async fn guard(State(admin): State<Arc<Admin>>, request: Request, next: Next) -> Response {
    let hosts = request.headers().get_all(header::HOST).iter();
    if !HostGuard::new(admin.address, Vec::new()).admits(hosts.map(HeaderValue::as_bytes)) {
        return error(
            StatusCode::FORBIDDEN,
            "Host must be localhost, a loopback address or the one listened on",
        );
    }
    if request.method() != Method::GET && request.headers().contains_key(header::ORIGIN) {
        return error(StatusCode::FORBIDDEN, "web pages may not change anything here");
    }
    if !request.method().is_safe()
        && let Some(refusal) = refusal(&admin, request.headers())
    {
        return refusal;
    }
    next.run(request).await
}

/// What answers a request for a change that lacks the token, if one is needed. Every method that can change something needs
/// it, whatever its path, so that no route can be added without. (RFC 9110 §9.2.1)
fn refusal(admin: &Admin, headers: &HeaderMap) -> Option<Response> {
    match admin.token.as_ref().map(|token| token.is_shown(headers)) {
        None | Some(Ok(true)) => None,
        Some(Ok(false)) => {
            let why = "send the token of --admin-token-file as Authorization: Bearer TOKEN";
            let challenge = [(header::WWW_AUTHENTICATE, "Bearer")];
            Some((challenge, error(StatusCode::UNAUTHORIZED, why)).into_response())
        }
        Some(Err(unreadable)) => {
            tracing::error!(error = %unreadable, "--admin-token-file: the token cannot be read");
            Some(error(StatusCode::INTERNAL_SERVER_ERROR, "the admin token cannot be read; the log says why"))
        }
    }
}

async fn readyz(State(admin): State<Arc<Admin>>) -> Response {
    if admin.is_draining.load(Ordering::Relaxed) {
        return (StatusCode::SERVICE_UNAVAILABLE, "draining\n").into_response();
    }
    "ready\n".into_response()
}

async fn metrics(State(admin): State<Arc<Admin>>, headers: HeaderMap) -> Response {
    let sessions = &admin.sessions;
    let present = Present {
        requests: sessions.requests(),
        waiting: sessions.waiting(),
        connections: sessions.connections(),
        replay_bytes: sessions.replay_bytes(),
        sessions: sessions.stats(),
    };
    let accept = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let (kind, text) = if wants_openmetrics(&accept.collect::<Vec<_>>().join(",")) {
        (OPENMETRICS, admin.telemetry.render_openmetrics(&present))
    } else {
        (TEXT, admin.telemetry.render(&present))
    };
    ([(header::CONTENT_TYPE, kind), (header::VARY, "Accept")], text).into_response()
}

/// The body of `POST /revoke`: one of the two.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Order {
    sub: Option<String>,
    jti: Option<String>,
}

async fn revoke(State(admin): State<Arc<Admin>>, body: Bytes) -> Response {
    let revoked = match serde_json::from_slice(&body) {
        Ok(Order { sub, jti }) => Revoked::named(sub, jti),
        Err(why) => return bad_order(&why.to_string()),
    };
    let Some(revoked) = revoked else {
        return bad_order("it must hold sub or jti, one of the two, of 1 to 256 bytes");
    };
    // The disk may take its time; and a client that does not wait for the answer must not stop this half way.
    let carried_out = tokio::task::spawn_blocking(move || carry_out(&admin, revoked)).await;
    carried_out.unwrap_or_else(|lost| error(StatusCode::INTERNAL_SERVER_ERROR, &lost.to_string()))
}

/// Adds to the list first: a hello that registers meanwhile finds it there. Then what is there is ended, and last it is saved.
fn carry_out(admin: &Admin, revoked: Revoked) -> Response {
    if let Err(full) = admin.revocations.add(revoked.clone()) {
        return error(StatusCode::INSUFFICIENT_STORAGE, &full.to_string());
    }
    admin.telemetry.revoked();
    let ended = admin.sessions.end(&revoked);
    tracing::info!(
        revoked = printable(format!("{revoked:?}").as_bytes(), LOG_FIELD_BYTES_MAX),
        ended,
        "revoked"
    );
    if let Err(why) = admin.revocations.save(SystemTime::now()) {
        tracing::error!(error = %why, "--revocations: a revocation is not in the file");
        let why = format!("it holds until the relay stops, but could not be written to --revocations: {why}");
        return json_answer(StatusCode::INTERNAL_SERVER_ERROR, &json!({ "error": why, "ended": ended }));
    }
    json_answer(StatusCode::OK, &json!({ "ended": ended }))
}

fn bad_order(why: &str) -> Response {
    let text = format!(r#"the body must be JSON such as {{"sub":"shop"}} or {{"jti":"…"}}: {why}"#);
    error(StatusCode::BAD_REQUEST, &text)
}

fn error(status: StatusCode, why: &str) -> Response {
    json_answer(status, &json!({ "error": why }))
}

fn json_answer(status: StatusCode, body: &serde_json::Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], format!("{body}\n")).into_response()
}

#[cfg(test)]
mod tests;
