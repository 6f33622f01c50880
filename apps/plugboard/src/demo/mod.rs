//! `plugboard demo`: a relay, a sidecar and a sample application in one process, on loopback.

pub mod backend;

use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_lite::{StreamExt, future};
use telephone_driver::{BackendUrl, Handle, Listener, Plugboard, Runtime, Telephone, Unobserved};
use telephone_sidecar::{Exit, Stop};
use telephone_tokio::{TokioRuntime, stop_signals};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::limits::Limits;
use crate::secret::Secret;
use crate::serve;
use crate::token::{Expectations, Key, Order, Revocations, TokenAuthority, Verifier, mint};

/// Where the demo is shown if nobody says otherwise.
const ADDRESS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 4000);
/// How long the demo's token lasts: longer than any demo.
const TTL: Duration = Duration::from_secs(365 * 24 * 60 * 60);
/// How often the demo looks whether its telephone is connected.
const READY_INTERVAL: Duration = Duration::from_millis(5);

/// Shows the demo at `address`, or where there is room, until it is told to stop.
///
/// # Errors
/// Nothing could be started.
pub async fn run(address: Option<SocketAddr>) -> Result<Exit, Stop> {
    let runtime = TokioRuntime::new();
    let mut signals = Box::pin(stop_signals().map_err(failed)?);
    let secret = Secret::generate().map_err(failed)?;

    let application = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(failed)?;
    let backend = BackendUrl::local(application.local_addr().map_err(failed)?.port());
    tokio::spawn(async move { axum::serve(application, backend::routes()).await });

    let listener = listen(runtime, address)?;
    let public = listener.local_addr().map_err(failed)?;
    let (_stop, stopped) = oneshot::channel();
    tokio::spawn(serve::accept(runtime, listener, relay(runtime, &secret), stopped));

    let telephone = telephone(runtime, public, &secret, backend)?;
    let handle = telephone.handle();
    let serving = async { telephone.run().await.map(|()| Exit::Clean).map_err(failed) };
    let showing = async {
        show(runtime, &handle, public).await;
        signals.next().await;
        // A demo has nothing in flight that is worth waiting for.
        Ok(Exit::Clean)
    };
    future::or(serving, showing).await
}

/// The address that was asked for, or else the usual one, or else any.
fn listen(runtime: TokioRuntime, address: Option<SocketAddr>) -> Result<telephone_tokio::Listener, Stop> {
    match address {
        Some(address) => serve::bind(runtime, "--listen", address),
        None => serve::bind(runtime, "--listen", ADDRESS)
            .or_else(|_| serve::bind(runtime, "--listen", SocketAddr::new(ADDRESS.ip(), 0))),
    }
}

fn relay(runtime: TokioRuntime, secret: &Secret) -> Plugboard<TokioRuntime> {
    let verifier = Verifier::new(vec![Key::from_secret(secret)], Expectations::default());
    let authority = TokenAuthority::new(verifier, Arc::new(Revocations::default()));
    let config = serve::relay_config(Limits::default(), Vec::new(), None);
    Plugboard::new(runtime, config, Arc::new(authority), Arc::new(Unobserved))
}

fn telephone(
    runtime: TokioRuntime,
    public: SocketAddr,
    secret: &Secret,
    backend: BackendUrl,
) -> Result<Telephone<TokioRuntime>, Stop> {
    let order = Order {
        subject: "demo".into(),
        mounts: vec!["/".parse().map_err(failed)?],
        ttl: TTL,
        audience: None,
        issuer: None,
    };
    let token = mint(&order, secret, SystemTime::now()).map_err(failed)?;
    // Whoever listens on all addresses is reached on this machine's own.
    let dialled = match public {
        address if address.ip().is_unspecified() => format!("ws://localhost:{}", address.port()),
        address => format!("ws://{address}"),
    };
    let builder = Telephone::builder().url(&dialled).mount("/").token(token).instance("demo");
    builder.backend(runtime, backend).map_err(failed)
}

/// Prints where to look, once there is something to see.
async fn show(runtime: TokioRuntime, telephone: &Handle, public: SocketAddr) {
    while !telephone.status().is_ready() {
        runtime.sleep_until(runtime.now() + READY_INTERVAL).await;
    }
    let text = format!(
        "Open http://{public}/ in a browser, or try: curl -d hello http://{public}/echo\nCtrl-C ends the demo.\n"
    );
    // That nobody reads it is no error.
    let _ = io::stdout().write_all(text.as_bytes());
}

fn failed(error: impl std::fmt::Display) -> Stop {
    Stop::new(Exit::Failed, error)
}
