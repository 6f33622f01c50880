//! The relay: who is registered, and where a request goes.
//!
//! ```text
//!   client ─▶ public ─ route ─▶ registry ─▶ session ═▶ telephone
//!   telephone ─▶ public ─ upgrade ─▶ admission ─ register ─▶ registry, tunnel
//! ```

mod account;
mod admission;
mod answer;
mod codec;
mod connections;
mod drain;
mod exchange;
mod holders;
mod login;
mod loss;
mod ports;
mod presented;
mod pressure;
mod public;
mod raw;
mod registry;
mod renewal;
mod report;
mod rooms;
mod site;
mod tunnel;
mod turn;
mod verification;
mod visitors;

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use telephone_core::address::AddressBlock;
use telephone_core::connections::Activity;
use telephone_core::error::LeaveCode;
use telephone_core::forward::{Trusted, TrustedField};
use telephone_core::limits::{
    HelloLimits, HttpLimits, MEASURED_A_SECOND, REDIAL_SPREAD, RouterLimits, SessionLimits,
};
use telephone_core::router::{AffinityKey, RouterCounts};
use telephone_core::site::SiteUrl;
use telephone_core::time::Timestamp;
use telephone_core::token_bucket::TokenBucket;
use telephone_core::wire::{HeadRules, Move, Stats};

use crate::authority::Authority;
use crate::connection::Connection;
use crate::flag::Flag;
use crate::log::Log;
use crate::observe::Observer;
use crate::recorder::Recorder;
use crate::runtime::Runtime;
use crate::shared::SharedSession;
use crate::socket::Socket;
use connections::{Connections, Permit};
use drain::Exchanges;
pub use drain::{DrainConfig, Drained};
use ports::Ports;
pub use ports::TcpPorts;
use registry::Registry;
use verification::Verification;
use visitors::Visitors;

pub use rooms::RoomsConfig;

/// Whether the proxy at an address may say on whose behalf it asks.
pub type Trust = Box<dyn Fn(IpAddr) -> bool + Send + Sync>;

/// How a relay is set up. The defaults are safe.
pub struct RelayConfig {
    /// Where telephones upgrade; everything else is public.
    pub tunnel_path: String,
    /// Limits of public connections.
    pub http: HttpLimits,
    /// Limits of sessions.
    pub session: SessionLimits,
    /// Limits of routing.
    pub router: RouterLimits,
    /// What an address may try in vain.
    pub hellos: HelloLimits,
    /// Whose `X-Forwarded-*` are believed: nobody's by default.
    pub trust: Trust,
    /// Whether trusted peers understand interim responses (1xx), above all 103. Off by default: they are sent none but
    /// 101 and a 100 that they asked for.
    pub early_hints: bool,
    /// Whether per-address limits count loopback addresses too. Off by default: behind a local front or on one machine
    /// all clients share one address.
    pub limit_loopback: bool,
    /// Fields that pass from trusted peers alone, beside those that are always believed.
    pub trusted_fields: Vec<TrustedField>,
    /// Whether what an application says about its whole web origin is removed from the answers of mounts without a
    /// host, which share theirs.
    pub isolate_paths: bool,
    /// Connections that are open at once, listening ports and files of recordings among them. Beyond that some are closed,
    /// as [`ConnectionTable`](telephone_core::connections::ConnectionTable) says.
    pub connections: usize,
    /// Where telephones reach this very relay, if not at the URL that they dial.
    pub public_url: Option<String>,
    /// Where clients reach it, as its telephones show the URLs of their mounts: by default the scheme and host that each
    /// telephone dials.
    pub site_url: Option<SiteUrl>,
    /// The ports that it opens for telephones: none by default.
    pub tcp: Option<TcpPorts>,
    /// How `/client` and `/agent` serve rooms; those paths are like all others if they do not.
    pub rooms: Option<RoomsConfig>,
    /// What records what each session is given: nothing by default.
    pub recorder: Option<Recorder>,
    /// With which key clients are bound to sessions: a random one by default. Relays with the same key bind them alike, also
    /// after a restart.
    pub affinity_key: AffinityKey,
}

impl Default for RelayConfig {
    fn default() -> Self {
        Self {
            tunnel_path: "/.well-known/telephone".into(),
            http: HttpLimits::default(),
            session: SessionLimits::default(),
            router: RouterLimits::default(),
            hellos: HelloLimits::default(),
            trust: Box::new(|_| false),
            early_hints: false,
            trusted_fields: Vec::new(),
            isolate_paths: false,
            limit_loopback: false,
            connections: usize::MAX,
            public_url: None,
            site_url: None,
            tcp: None,
            rooms: None,
            recorder: None,
            affinity_key: AffinityKey::new(fastrand::u128(..).to_le_bytes()),
        }
    }
}

impl RelayConfig {
    /// Whom it believes about clients, and what.
    fn trusted(&self) -> Trusted<'_> {
        Trusted { proxies: &*self.trust, fields: &self.trusted_fields }
    }
}

/// A relay. Clones are the same relay.
pub struct Plugboard<R: Runtime>(Arc<Inner<R>>);

impl<R: Runtime> Clone for Plugboard<R> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

struct Inner<R: Runtime> {
    runtime: R,
    config: RelayConfig,
    authority: Arc<dyn Authority>,
    observer: Arc<dyn Observer>,
    registry: Registry,
    visitors: Visitors,
    verification: Verification,
    ports: Ports,
    connections: Connections,
    /// What telephones are asked once the relay is about to leave.
    moving: OnceLock<Move>,
    /// The relay is about to leave.
    draining: Flag,
    /// It listens no more.
    closing: Flag,
    /// What is in flight is cut off.
    stopping: Flag,
    exchanges: Exchanges,
    /// Telephones that were refused since it leaves.
    turned_away: AtomicU64,
    /// Client connections that it has had.
    clients: AtomicU64,
    /// What telephones and clients cause of the log.
    log: Log,
    /// Which requests are measured.
    measured: Mutex<TokenBucket>,
}

/// What each session adds to the interval over which dials are spread. (L12)
const SPREAD_A_SESSION: Duration = Duration::from_millis(1);

/// The interval over which all telephones together are to spread their dials.
fn spread<R: Runtime>(relay: &Inner<R>) -> Duration {
    let sessions = u32::try_from(relay.registry.counts().sessions).unwrap_or(u32::MAX);
    SPREAD_A_SESSION.saturating_mul(sessions).max(*REDIAL_SPREAD.start())
}

impl<R: Runtime> Inner<R> {
    /// Whether metrics say where the time of this request goes.
    fn is_measured(&self, now: Timestamp) -> bool {
        self.measured.lock().unwrap_or_else(PoisonError::into_inner).take(now)
    }

    /// The address block that per-address limits count a client under; `None` if it is exempt.
    fn counted_block(&self, address: IpAddr) -> Option<AddressBlock> {
        let is_exempt = address.to_canonical().is_loopback() && !self.config.limit_loopback;
        (!is_exempt).then(|| AddressBlock::of(address))
    }
}

impl<R: Runtime> Plugboard<R> {
    /// A relay that believes `authority` and tells `observer` what happens.
    pub fn new(
        runtime: R,
        mut config: RelayConfig,
        authority: Arc<dyn Authority>,
        observer: Arc<dyn Observer>,
    ) -> Self {
        // What its HTTP server writes, a relay takes, whatever limits it is given.
        config.session.heads = HeadRules::WIDE;
        let registry = Registry::new(config.router.clone(), config.affinity_key, runtime.now());
        let verification = Verification::new(config.hellos.clone());
        let ports = Ports::default();
        let connections = Connections::new(config.connections);
        let measured = TokenBucket::new(MEASURED_A_SECOND, MEASURED_A_SECOND, runtime.now());
        Self(Arc::new(Inner {
            runtime,
            config,
            authority,
            observer,
            registry,
            visitors: Visitors::default(),
            verification,
            ports,
            connections,
            moving: OnceLock::new(),
            draining: Flag::default(),
            closing: Flag::default(),
            stopping: Flag::default(),
            exchanges: Exchanges::default(),
            turned_away: AtomicU64::new(0),
            clients: AtomicU64::new(0),
            log: Log::default(),
            measured: Mutex::new(measured),
        }))
    }

    /// Serves one accepted connection to its end: a client's requests, or a telephone's session. It is admitted, or reset
    /// because there are too many, when this is called, and not only when the future is polled.
    pub fn serve_connection(
        &self,
        socket: R::Socket,
        peer: SocketAddr,
    ) -> impl Future<Output = ()> + Send + use<R> {
        let relay = self.0.clone();
        let permit = Permit::new(&relay, peer.ip(), Activity::Waiting);
        let admitted = admitted(socket, permit);
        async move {
            let Some((socket, permit)) = admitted else { return };
            let served = public::serve(&relay, Connection::new(socket), peer, permit).await;
            let Some(upgraded) = served else { return };
            let client = upgraded.client;
            let Some(greeted) = admission::greet(&relay, upgraded, peer).await else { return };
            // In a box, for most connections are clients', and each would have the room of a session.
            Box::pin(tunnel::run(&relay, greeted, (peer, client))).await;
        }
    }

    /// Connections that are open now, those of telephones and of raw ports among them.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.0.connections.open()
    }

    /// Whether the process runs short of memory: while it does, exchanges whose clients are slow are closed one by one, as
    /// [`ConnectionTable`](telephone_core::connections::ConnectionTable) says.
    pub fn set_memory_short(&self, is_short: bool) {
        self.0.connections.is_memory_short.store(is_short, Ordering::Relaxed);
        pressure::watch(&self.0);
    }

    /// Ends every session, and every request and WebSocket of a room's client, whose subject and token name `is_revoked` says
    /// yes to. Says how many. The authority must know of the revocation before.
    pub fn revoke(&self, is_revoked: impl Fn(&str, Option<&str>) -> bool) -> usize {
        self.0.registry.leave_where(LeaveCode::Revoked, &is_revoked) + self.0.visitors.end_where(&is_revoked)
    }

    /// Requests that are being served now.
    #[must_use]
    pub fn exchanges(&self) -> usize {
        self.0.exchanges.all()
    }

    /// The numbers of all sessions that are registered now, added up; the uptime and the round trip are the longest.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.0.registry.sessions().iter().map(SharedSession::report).fold(Stats::default(), add)
    }

    /// Bytes of messages that all sessions keep until their telephones acknowledge them, with what each message costs beside.
    #[must_use]
    pub fn replay_bytes(&self) -> u64 {
        self.0.registry.sessions().iter().map(SharedSession::kept).sum()
    }

    /// How much of everything there is.
    #[must_use]
    pub fn counts(&self) -> RouterCounts {
        self.0.registry.counts()
    }
}

/// A socket with its permit, or neither: then it is reset.
fn admitted<S: Socket, A>(socket: S, permit: Option<A>) -> Option<(S, A)> {
    if permit.is_none() {
        socket.reset_on_drop();
    }
    permit.map(|permit| (socket, permit))
}

fn add(sum: Stats, one: Stats) -> Stats {
    Stats {
        requests: sum.requests + one.requests,
        streams_open: sum.streams_open + one.streams_open,
        bytes_sent: sum.bytes_sent + one.bytes_sent,
        bytes_received: sum.bytes_received + one.bytes_received,
        reconnects: sum.reconnects + one.reconnects,
        uptime_ms: sum.uptime_ms.max(one.uptime_ms),
        round_trip_us: sum.round_trip_us.max(one.round_trip_us),
    }
}
