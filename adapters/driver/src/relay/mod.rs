//! The relay: who is registered, and where a request goes.
//!
//! ```text
//!   client ─▶ public ─ route ─▶ registry ─▶ session ═▶ telephone
//!   telephone ─▶ public ─ upgrade ─▶ tunnel ─ register ─▶ registry
//! ```

mod answer;
mod codec;
mod exchange;
mod public;
mod registry;
mod rooms;
mod tunnel;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use telephone_core::error::LeaveCode;
use telephone_core::limits::{HttpLimits, RouterLimits, SessionLimits};
use telephone_core::router::RouterCounts;

use crate::authority::Authority;
use crate::connection::Connection;
use crate::flag::Flag;
use crate::observe::Observer;
use crate::runtime::Runtime;
use registry::Registry;

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
    /// Whose `X-Forwarded-*` are believed: nobody's by default.
    pub trust: Trust,
    /// Where telephones reach this very relay, if not at the URL that they dial.
    pub public_url: Option<String>,
    /// How `/client` and `/agent` serve rooms; those paths are like all others if they do not.
    pub rooms: Option<RoomsConfig>,
}

impl Default for RelayConfig {
    fn default() -> Self {
        Self {
            tunnel_path: "/.well-known/telephone".into(),
            http: HttpLimits::default(),
            session: SessionLimits::default(),
            router: RouterLimits::default(),
            trust: Box::new(|_| false),
            public_url: None,
            rooms: None,
        }
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
    draining: Flag,
    /// Exchanges in flight.
    exchanges: AtomicUsize,
}

impl<R: Runtime> Plugboard<R> {
    /// A relay that believes `authority` and tells `observer` what happens.
    pub fn new(
        runtime: R,
        config: RelayConfig,
        authority: Arc<dyn Authority>,
        observer: Arc<dyn Observer>,
    ) -> Self {
        let registry = Registry::new(config.router.clone(), runtime.now());
        let draining = Flag::default();
        let exchanges = AtomicUsize::new(0);
        Self(Arc::new(Inner { runtime, config, authority, observer, registry, draining, exchanges }))
    }

    /// Serves one accepted connection to its end: a client's requests, or a telephone's session.
    pub async fn serve_connection(&self, socket: R::Socket, peer: SocketAddr) {
        public::serve(&self.0, Connection::new(socket), peer).await;
    }

    /// Ends every session whose subject and token name `is_revoked` says yes to. Says how many.
    pub fn revoke(&self, is_revoked: impl Fn(&str, Option<&str>) -> bool) -> usize {
        self.0.registry.leave_where(LeaveCode::Revoked, is_revoked)
    }

    /// From now on responses say `Connection: close` and idle client connections are closed.
    pub fn announce_drain(&self) {
        self.0.draining.raise();
    }

    /// Sends every session away; their streams may finish.
    pub fn leave(&self) {
        self.0.registry.leave_where(LeaveCode::Draining, |_, _| true);
    }

    /// Requests that are being served now.
    #[must_use]
    pub fn exchanges(&self) -> usize {
        self.0.exchanges.load(Ordering::Relaxed)
    }

    /// How much of everything there is.
    #[must_use]
    pub fn counts(&self) -> RouterCounts {
        self.0.registry.counts()
    }
}
