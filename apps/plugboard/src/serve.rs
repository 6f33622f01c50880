//! `plugboard serve`: a relay from its first socket to its last stream.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_lite::{Stream, StreamExt, future};
use ipnet::IpNet;
use telephone_core::limits::{ConnectionLimits, connections_of};
use telephone_driver::{
    Drained, Listener, Plugboard, RelayConfig, Runtime, Stats, TcpPorts, WhenFull, accept_loop,
};
use telephone_sidecar::{
    Exit, Signal, Stop, Terminal, cannot_listen, raise_descriptor_limit, signals, stops, warn_if_exposed,
};
use telephone_tokio::{TokioRuntime, hangups, stop_signals};
use tokio::sync::oneshot;

use crate::access_log::{AccessLog, Destination};
use crate::admin::{self, Admin, Sessions};
use crate::admin_port;
use crate::limits::Limits;
use crate::memory;
use crate::reload::Reload;
use crate::settings::ServeSettings;
use crate::telemetry::Telemetry;
use crate::token::{Revocations, Revoked, TokenAuthority};

/// Whether the kernel hands connections that wait at a listener which closes to another one of the same port.
const MIGRATES: &str = "/proc/sys/net/ipv4/tcp_migrate_req";

/// Serves as `settings` say until it is told to stop, and what is in flight has finished.
///
/// # Errors
/// Nothing could be started.
pub async fn run(settings: ServeSettings) -> Result<Exit, Stop> {
    let runtime = TokioRuntime::new();
    let failed = |error: io::Error| Stop::new(Exit::Failed, error);
    let signals = received().map_err(failed)?;
    let bind_public = if settings.reuse_port { bind_shared } else { bind };
    let public = bind_public(runtime, "--listen", settings.listen)?;
    let public_address = public.local_addr().map_err(failed)?;
    let admin = bind(runtime, "--admin", settings.admin)?;
    let admin_address = admin.local_addr().map_err(failed)?;
    let log = access_log(&settings.access_log)?.map(|log| log.keep_queries(settings.log_queries));

    let telemetry = Arc::new(Telemetry::new(log).map_err(|error| Stop::new(Exit::Failed, error))?);
    settings.secret_files.iter().for_each(|(option, path)| warn_if_exposed(option, path));
    let revocations = Arc::new(revocations(settings.revocations.as_deref())?);
    let authority = Arc::new(TokenAuthority::new(settings.verifier, Arc::clone(&revocations)));
    let reload =
        Reload { keys: settings.keys, authority: Arc::clone(&authority), telemetry: Arc::clone(&telemetry) };
    let stops = stops(signals, move || reload.run());
    let (address, are_shared) = (settings.listen.ip(), settings.reuse_port);
    let tcp = settings.tcp_ports.map(|ports| TcpPorts { address, ports, are_shared });
    let public_url = settings.public_url.map(|url| url.to_string());
    let mut limits = settings.limits;
    limits.connection = connections_within(limits.connection, raise_descriptor_limit());
    let memory_bytes = limits.connection.memory_bytes;
    let config = relay_config(limits, settings.trust, public_url);
    let recorder = settings.recording.map(|recording| recording.open("plugboard")).transpose()?;
    let config = RelayConfig {
        trusted_fields: settings.trusted_fields,
        early_hints: settings.early_hints,
        isolate_paths: settings.isolate_paths,
        limit_loopback: settings.limit_loopback,
        site_url: settings.site_url,
        tcp,
        rooms: settings.rooms,
        recorder,
        affinity_key: settings.affinity_key,
        ..config
    };
    let relay = Plugboard::new(runtime, config, authority, Arc::clone(&telemetry) as Arc<_>);
    let memory_limit = memory::limit(memory_bytes);
    memory_limit.inspect(|limit| telemetry.set_memory_limit(*limit));
    tokio::spawn(memory::watch(runtime, relay.clone(), memory_limit));
    let is_draining = Arc::new(AtomicBool::new(false));
    let routes = admin::routes(Admin {
        address: admin_address,
        token: settings.admin_token,
        telemetry,
        revocations,
        sessions: Arc::new(RelaySessions(relay.clone())),
        is_draining: Arc::clone(&is_draining),
    });
    tokio::spawn(admin_port::serve(runtime, admin, routes));
    tracing::info!("listening on http://{public_address}");
    tracing::info!("admin on http://{admin_address}");

    let (stop, stopped) = oneshot::channel();
    let accepting = tokio::spawn(accept(runtime, public, relay.clone(), stopped));
    let drain = async {
        is_draining.store(true, Ordering::Relaxed);
        tracing::info!("draining; what is in flight may finish");
        let close = async {
            // The accept loop may only have ended if its task was lost.
            let _ = stop.send(());
            let _ = accepting.await;
        };
        let Drained { sessions, moved, refused_dials, cut_off } = relay.drain(&settings.drain, close).await;
        tracing::info!(sessions, moved, refused_dials, cut_off, "drained");
    };
    Ok(until_stopped(stops, drain).await)
}

/// The signals of this process from now on.
fn received() -> io::Result<impl Stream<Item = Signal>> {
    let terminal = Terminal::at_start();
    Ok(signals(terminal, stop_signals()?, hangups()?))
}

/// How a relay with these limits is set up.
pub(crate) fn relay_config(limits: Limits, trust: Vec<IpNet>, public_url: Option<String>) -> RelayConfig {
    let Limits { http, connection, session, router, hellos } = limits;
    let connections = connection.connections;
    let trust = Box::new(move |address| trust.iter().any(|network| network.contains(&address)));
    RelayConfig { http, connections, session, router, hellos, trust, public_url, ..RelayConfig::default() }
}

/// As many connections as asked for, and no more than so many descriptors allow.
fn connections_within(asked: ConnectionLimits, descriptors: u64) -> ConnectionLimits {
    let most = connections_of(descriptors);
    if asked.connections > most && asked.connections != ConnectionLimits::default().connections {
        tracing::warn!(
            "--limit connections={}: this process may open {descriptors} descriptors, so {most} connections are allowed; \
             raise its limit (ulimit -n, LimitNOFILE=) for more",
            asked.connections
        );
    }
    ConnectionLimits { connections: asked.connections.min(most), ..asked }
}

/// Opens a port.
pub(crate) fn bind(
    runtime: TokioRuntime,
    option: &str,
    address: SocketAddr,
) -> Result<telephone_tokio::Listener, Stop> {
    runtime.bind(address).map_err(|error| cannot_listen(option, address, &error))
}

/// Opens it beside the relay that it is to take over from, or that is to take over from it.
fn bind_shared(
    runtime: TokioRuntime,
    option: &str,
    address: SocketAddr,
) -> Result<telephone_tokio::Listener, Stop> {
    if std::fs::read_to_string(MIGRATES).is_ok_and(|text| text.trim() == "0") {
        tracing::warn!(
            "--reuse-port: a connection that waits to be accepted just when this relay stops is reset; \
             `sysctl net.ipv4.tcp_migrate_req=1` hands it to the next one"
        );
    }
    runtime.bind_shared(address).map_err(|error| cannot_listen(option, address, &error))
}

/// The list that lasts, if there is a file for it.
fn revocations(file: Option<&Path>) -> Result<Revocations, Stop> {
    let opened = file.map(|path| {
        Revocations::open(path)
            .map_err(|why| Stop::new(Exit::Usage, format!("--revocations {}: {why}", path.display())))
    });
    opened.transpose().map(Option::unwrap_or_default)
}

fn access_log(destination: &Destination) -> Result<Option<AccessLog>, Stop> {
    AccessLog::start(destination).map_err(|error| {
        Stop::new(Exit::Usage, format!("--access-log {destination}: cannot write there: {error}"))
    })
}

/// Serves every connection in a task of its own, until `stopped`.
pub(crate) async fn accept(
    runtime: TokioRuntime,
    listener: telephone_tokio::Listener,
    relay: Plugboard<TokioRuntime>,
    stopped: oneshot::Receiver<()>,
) {
    let on_socket = |socket, peer| {
        runtime.spawn(relay.serve_connection(socket, peer));
    };
    let stopped = async {
        let _ = stopped.await;
    };
    accept_loop(&runtime, listener, WhenFull::Shed, on_socket, stopped).await;
}

/// Waits for a signal, then for `drain` or for another signal.
async fn until_stopped(signals: impl Stream<Item = ()>, drain: impl Future<Output = ()>) -> Exit {
    let mut signals = pin!(signals);
    if signals.next().await.is_none() {
        future::pending::<()>().await;
    }
    let drained = async {
        drain.await;
        Exit::Clean
    };
    let at_once = async {
        if signals.next().await.is_none() {
            future::pending::<()>().await;
        }
        tracing::warn!("stopping at once");
        Exit::Failed
    };
    future::or(drained, at_once).await
}

struct RelaySessions(Plugboard<TokioRuntime>);

impl Sessions for RelaySessions {
    fn end(&self, revoked: &Revoked) -> usize {
        self.0.revoke(|subject, token_id| revoked.is(subject, token_id))
    }

    fn requests(&self) -> usize {
        self.0.exchanges()
    }

    fn waiting(&self) -> usize {
        self.0.counts().parked
    }

    fn connections(&self) -> usize {
        self.0.connections()
    }

    fn replay_bytes(&self) -> u64 {
        self.0.replay_bytes()
    }

    fn stats(&self) -> Stats {
        self.0.stats()
    }
}
