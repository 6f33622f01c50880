//! The whole path in one process, on loopback: a relay, a sidecar, and an application behind it.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::serve::ListenerExt;
use futures_lite::future;
use telephone_core::mount::Mount;
use telephone_driver::{
    BackendUrl, Handle, Listener, Plugboard, RelayConfig, RoomsConfig, Runtime, ServeError, Telephone,
    Unobserved,
};
use telephone_sidecar::{Exit, Stop};
use telephone_tokio::TokioRuntime;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::limits::Limits;
use crate::secret::Secret;
use crate::serve;
use crate::token::{Expectations, Key, Order, Revocations, Right, TokenAuthority, Verifier, mint};

/// How long the sidecar's token lasts: longer than anybody watches.
const TTL: Duration = Duration::from_secs(365 * 24 * 60 * 60);
/// How often it is asked whether the sidecar is connected.
const READY_INTERVAL: Duration = Duration::from_millis(5);

/// A relay, a sidecar and an application, each on a port of its own. They end with the process.
pub(crate) struct Loopback {
    runtime: TokioRuntime,
    application: SocketAddr,
    public: SocketAddr,
    telephone: Telephone<TokioRuntime>,
    /// The relay accepts for as long as this is held.
    _stop: oneshot::Sender<()>,
}

impl Loopback {
    /// Starts the application on a free port and the relay on `public`. With a `room` the relay serves rooms, and the
    /// application is there, too.
    pub(crate) async fn start(
        runtime: TokioRuntime,
        public: telephone_tokio::Listener,
        routes: Router,
        room: Option<Mount>,
    ) -> Result<Self, Stop> {
        let secret = Secret::generate().map_err(failed)?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(failed)?;
        let application = listener.local_addr().map_err(failed)?;
        // An answer in two writes would wait for a delayed acknowledgement.
        let listener = listener.tap_io(|socket| drop(socket.set_nodelay(true)));
        tokio::spawn(async move { axum::serve(listener, routes).await });

        let address = public.local_addr().map_err(failed)?;
        let (stop, stopped) = oneshot::channel();
        let rooms = room.is_some().then(RoomsConfig::default);
        tokio::spawn(serve::accept(runtime, public, relay(runtime, &secret, rooms), stopped));
        let mounts = [Some("/".parse().map_err(failed)?), room].into_iter().flatten().collect();
        let backend = BackendUrl::local(application.port());
        let telephone = telephone(runtime, address, (&secret, mounts), backend)?;
        Ok(Self { runtime, application, public: address, telephone, _stop: stop })
    }

    /// Where the application is reached directly.
    pub(crate) const fn application(&self) -> SocketAddr {
        self.application
    }

    /// Where it is reached through the tunnel.
    pub(crate) const fn public(&self) -> SocketAddr {
        self.public
    }

    /// Runs the sidecar beside `work`, which begins once the application can be reached and whose end is
    /// the end.
    pub(crate) async fn during<T>(self, work: impl Future<Output = Result<T, Stop>>) -> Result<T, Stop> {
        let handle = self.telephone.handle();
        let ended = start(self.telephone).map_err(failed)?;
        let serving = async {
            match ended.await {
                Ok(Err(error)) => Err(failed(error)),
                Ok(Ok(())) | Err(_) => Err(failed("the sidecar has stopped")),
            }
        };
        let working = async {
            until_ready(self.runtime, &handle).await;
            work.await
        };
        future::or(serving, working).await
    }
}

fn relay(runtime: TokioRuntime, secret: &Secret, rooms: Option<RoomsConfig>) -> Plugboard<TokioRuntime> {
    let verifier = Verifier::new(vec![Key::from_secret(secret)], Expectations::default());
    let authority = TokenAuthority::new(verifier, Arc::new(Revocations::default()));
    let config = RelayConfig { rooms, ..serve::relay_config(Limits::default(), Vec::new(), None) };
    Plugboard::new(runtime, config, Arc::new(authority), Arc::new(Unobserved))
}

fn telephone(
    runtime: TokioRuntime,
    public: SocketAddr,
    (secret, mounts): (&Secret, Vec<Mount>),
    backend: BackendUrl,
) -> Result<Telephone<TokioRuntime>, Stop> {
    let mut builder = Telephone::builder().instance("demo");
    for mount in &mounts {
        builder = builder.mount(mount.as_str());
    }
    let order = Order {
        subject: "demo".into(),
        right: Right::Register,
        mounts,
        connect: Vec::new(),
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
    builder.url(&dialled).token(token).backend(runtime, backend).map_err(failed)
}

/// Runs the sidecar on a thread and a runtime of its own, as its program does.
fn start(telephone: Telephone<TokioRuntime>) -> io::Result<oneshot::Receiver<Result<(), ServeError>>> {
    let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (end, ended) = oneshot::channel();
    thread::Builder::new().name("telephone".into()).spawn(move || {
        // If nobody waits for it any more, the process ends.
        let _ = end.send(tokio.block_on(telephone.run()));
    })?;
    Ok(ended)
}

async fn until_ready(runtime: TokioRuntime, telephone: &Handle) {
    while !telephone.status().is_ready() {
        runtime.sleep_until(runtime.now() + READY_INTERVAL).await;
    }
}

fn failed(error: impl std::fmt::Display) -> Stop {
    Stop::new(Exit::Failed, error)
}
