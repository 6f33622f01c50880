//! Describes a telephone.

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::marker::PhantomData;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use telephone_core::affinity::Sticky;
use telephone_core::backend_health::BackendHealth;
use telephone_core::dialer::DialerConfig;
use telephone_core::follow::{FollowPolicy, FollowRule};
use telephone_core::limits::{BackendLimits, MOUNTS_MAX, PING_INTERVAL, SessionLimits};
use telephone_core::mount::Mount;
use telephone_core::served::ServedMounts;
use telephone_core::time::{Timestamp, as_millis};

use super::build_error::BuildError;
use super::instance::default_instance;
use super::proxy::Proxies;
use super::raw::{Acceptor, Arrivals, RawService, THIS_PROGRAM};
use super::readiness::Readiness;
use super::{Config, Telephone, Watched};
use crate::backend::{
    Backend, BackendConnector, BackendTrust, BackendUrl, HealthProbe, Leg, NoLeg, Rewrite, Watch,
};
use crate::log::Log;
use crate::plugboard_url::PlugboardUrl;
use crate::recorder::Recorder;
use crate::request_record::{OnRequest, RequestRecord};
use crate::runtime::{Endpoint, Runtime};
use crate::token::{Token, TokenSource};
use crate::wake::WakeUps;

/// Describes a telephone: where it dials, who it is, what it is reachable under.
///
/// The first mistake is remembered and told by the last call.
#[must_use = "a builder does nothing until it has something to serve"]
pub struct TelephoneBuilder<R> {
    urls: Vec<PlugboardUrl>,
    follow: Vec<FollowRule>,
    mounts: Vec<Mount>,
    raw: BTreeMap<Bytes, RawService>,
    tells_peer: bool,
    may_connect: bool,
    token: Option<Arc<dyn TokenSource>>,
    instance: Option<String>,
    epoch: Option<u64>,
    pub(super) rewrite: Rewrite,
    limits: SessionLimits,
    body_clock: Option<Duration>,
    sticky: Option<Sticky>,
    backend_limits: BackendLimits,
    backend_trust: BackendTrust,
    backend_check: Option<String>,
    watched: Option<Watched>,
    dialer: DialerConfig,
    ca: Option<PathBuf>,
    recorder: Option<Recorder>,
    on_request: Option<OnRequest>,
    log: Arc<Log>,
    proxies: Proxies,
    target: String,
    mistake: Option<BuildError>,
    runtime: PhantomData<fn() -> R>,
}

impl<R> Default for TelephoneBuilder<R> {
    fn default() -> Self {
        Self {
            urls: Vec::new(),
            follow: Vec::new(),
            mounts: Vec::new(),
            raw: BTreeMap::new(),
            tells_peer: false,
            may_connect: false,
            token: None,
            instance: None,
            epoch: None,
            rewrite: Rewrite::default(),
            limits: SessionLimits::default(),
            body_clock: None,
            sticky: None,
            backend_limits: BackendLimits::default(),
            backend_trust: BackendTrust::default(),
            backend_check: None,
            watched: None,
            dialer: DialerConfig::default(),
            ca: None,
            recorder: None,
            on_request: None,
            log: Arc::default(),
            proxies: Proxies::default(),
            target: THIS_PROGRAM.into(),
            mistake: None,
            runtime: PhantomData,
        }
    }
}

impl<R> TelephoneBuilder<R> {
    /// Adds a plugboard, `ws://` or `wss://`. A session is held to each. A URL that was added before is left out, with a
    /// line in the log: one identity has one session at a plugboard.
    pub fn url(mut self, url: &str) -> Self {
        match url.parse::<PlugboardUrl>() {
            Ok(url) if self.urls.contains(&url) => {
                tracing::warn!("the plugboard {url} is given more than once; one session is held to it");
            }
            Ok(url) => self.urls.push(url),
            Err(error) => self.blame(error),
        }
        self
    }

    /// Adds hosts to which the telephone follows a plugboard that names another URL, where a session can be resumed or the
    /// next one belongs: `HOST`, `HOST:PORT` or `HOST:*`, with `*` in the host for any characters. Without a port it is
    /// the scheme's default one. The token is sent there. Without this only the plugboards that were
    /// [added](Self::url) are followed, at the path that was dialled.
    pub fn follow(mut self, hosts: &str) -> Self {
        match hosts.parse() {
            Ok(rule) => self.follow.push(rule),
            Err(error) => self.blame(error),
        }
        self
    }

    /// Adds a mount: `[host]/path`.
    pub fn mount(mut self, mount: &str) -> Self {
        match mount.parse() {
            Ok(mount) => self.mounts.push(mount),
            Err(error) => self.blame(error),
        }
        self
    }

    /// Adds a mount for raw connections, `tcp:PORT` or `tcp:NAME:PORT`, and the backend that they go to.
    pub fn tcp(mut self, mount: &str, backend: impl Into<BackendUrl>) -> Self {
        let backend = backend.into();
        if backend.is_tls() {
            self.blame(BuildError::RawTls(backend));
        } else {
            let endpoint = Endpoint::from(backend);
            let watch = self.raw_watch(&endpoint);
            self.add_raw(mount, RawService::Backend(endpoint, watch));
        }
        self
    }

    /// Tells the backends of raw connections where each comes from, by PROXY protocol v2.
    pub const fn proxy_protocol(mut self, is_on: bool) -> Self {
        self.tells_peer = is_on;
        self
    }

    /// Adds a mount for raw connections, `tcp:PORT` or `tcp:NAME:PORT`, that this program serves itself.
    pub fn accept(mut self, mount: &str) -> (Self, Acceptor) {
        let arrivals = Arc::<Arrivals>::default();
        self.add_raw(mount, RawService::Acceptor(arrivals.clone()));
        (self, Acceptor(arrivals))
    }

    /// The telephone need not serve anything, also with a backend or a handler: it [connects](super::Handle::connect) to
    /// what others serve. Each telephone may do that; [`raw`](Self::raw) needs no mount in any case.
    pub const fn connects(mut self) -> Self {
        self.may_connect = true;
        self
    }

    /// What watches a backend of raw connections: one for all mounts that it has. It counts as ready until a connect fails, for
    /// one that a probe connects to may serve that and no other.
    fn raw_watch(&self, endpoint: &Endpoint) -> Arc<Watch> {
        let same = self.raw.values().find_map(|service| match service {
            RawService::Backend(other, watch) if other == endpoint => Some(Arc::clone(watch)),
            RawService::Backend(..) | RawService::Acceptor(_) => None,
        });
        let health = || BackendHealth::new(false, false, Timestamp::ZERO);
        same.unwrap_or_else(|| Arc::new(Watch::new(endpoint.authority(), health())))
    }

    fn add_raw(&mut self, mount: &str, service: RawService) {
        match mount.parse::<Mount>() {
            Ok(mount) if self.mounts.contains(&mount) => self.blame(BuildError::Twice(mount)),
            Ok(mount) if mount.is_tcp() => {
                self.raw.insert(Bytes::copy_from_slice(mount.as_str().as_bytes()), service);
                self.mounts.push(mount);
            }
            Ok(mount) => self.blame(BuildError::NotRaw(mount)),
            Err(error) => self.blame(error),
        }
    }

    /// The JWT to present, always the same.
    pub fn token(self, token: impl Into<Token>) -> Self {
        self.token_source(token.into())
    }

    /// Where the JWT comes from whenever one is presented.
    pub fn token_source(mut self, source: impl TokenSource) -> Self {
        self.token = Some(Arc::new(source));
        self
    }

    /// Tells replicas of one subject apart: two instances share a mount, a newer process of one instance
    /// takes over from the older. By default [host name and backend](super::default_instance); without a backend each
    /// telephone has a name of its own, so that replicas share their mounts.
    pub fn instance(mut self, name: impl Into<String>) -> Self {
        self.instance = Some(name.into());
        self
    }

    /// When the process started, in milliseconds since 1970: of two telephones of one identity the later one
    /// stays. By default the time at which the telephone is built.
    pub const fn epoch(mut self, millis: u64) -> Self {
        self.epoch = Some(millis);
        self
    }

    /// Which certificates a backend may have that is reached by `https://`; by default those that the platform trusts.
    pub fn backend_trust(mut self, trust: BackendTrust) -> Self {
        self.backend_trust = trust;
        self
    }

    /// What the backend sees as `Host`, instead of what the client sent. An `Origin`, `Referer` or `Destination` that names
    /// the public origin names the backend's likewise.
    pub fn host_header(mut self, host: impl Into<String>) -> Self {
        self.rewrite.host = Some(Bytes::from(host.into()));
        self
    }

    /// The backend sees the path without the mount, and its answers' fields get it in front: `Location`, `Content-Location`,
    /// `Refresh`, `Link` and the paths of cookies. Links inside of pages are not changed: `X-Forwarded-Prefix` names the mount
    /// to the application.
    pub const fn strip_prefix(mut self, is_on: bool) -> Self {
        self.rewrite.strip_prefix = is_on;
        self
    }

    /// The first delay between failed attempts, doubled each time up to the second, fully jittered.
    /// By default 1 s and 30 s.
    pub const fn backoff(mut self, base: Duration, max: Duration) -> Self {
        self.dialer.backoff_base = base;
        self.dialer.backoff_max = max;
        self
    }

    /// Attempts in a row that may fail before the telephone gives up; 0, the default, is never.
    pub const fn attempts_max(mut self, attempts: u32) -> Self {
        self.dialer.attempts_max = attempts;
        self
    }

    /// Streams that each plugboard may have open at once: requests in progress and upgraded connections. More wait at
    /// the plugboard. By default 1,024.
    pub fn streams(mut self, streams: u32) -> Self {
        self.limits.streams = streams.into();
        self
    }

    /// How long clients may pause within a request's body before its answer begins, in whole seconds. The plugboard caps it, at
    /// an hour by default. By default it is the plugboard's to say (60 s).
    pub const fn body_clock(mut self, clock: Duration) -> Self {
        self.body_clock = Some(clock);
        self
    }

    /// The longest time without a ping on an idle link, kept within [`PING_INTERVAL`]: for a front that closes connections after
    /// less silence than 12 s. By default pings come after 12 to 18 s.
    pub fn ping_interval(mut self, longest: Duration) -> Self {
        // Jitter may add a fifth.
        self.limits.ping_interval = longest.clamp(*PING_INTERVAL.start(), *PING_INTERVAL.end()) * 5 / 6;
        self
    }

    /// Binds each client of the mounts to one of the telephones that share them, by a cookie of the plugboard or by the client's
    /// address. By default the least busy telephone has a request.
    pub const fn sticky(mut self, sticky: Sticky) -> Self {
        self.sticky = Some(sticky);
        self
    }

    /// Lets clients switch to h2c, HTTP/2 without TLS, where the backend does. Such a client reaches the whole backend, past
    /// mounts and access logs. By default it is left out of what a client offers.
    pub const fn allow_h2c(mut self, is_allowed: bool) -> Self {
        self.limits.heads.is_h2c = is_allowed;
        self
    }

    /// How long the backend of requests may take: to accept a connection, to begin its answer, and between two bytes of
    /// a body of declared length. By default 5 s, 60 s and 300 s.
    pub const fn backend_timeouts(mut self, connect: Duration, answer: Duration, idle: Duration) -> Self {
        self.backend_limits.connect_timeout = connect;
        self.backend_limits.first_byte_timeout = answer;
        self.backend_limits.idle_timeout = idle;
        self
    }

    /// Checks the backend of requests by a `GET` of this path, every 10 s: it is ready while the answer is a 2xx or 3xx. By
    /// default it is ready while it accepts connections.
    pub fn backend_check(mut self, path: impl Into<String>) -> Self {
        self.backend_check = Some(path.into());
        self
    }

    /// A PEM file of roots for `wss://`, instead of the platform's.
    pub fn ca(mut self, file: impl Into<PathBuf>) -> Self {
        self.ca = Some(file.into());
        self
    }

    /// Records what each session is given, without what people sent.
    pub fn record(mut self, recorder: Recorder) -> Self {
        self.recorder = Some(recorder);
        self
    }

    /// Has `on_request` called with each request that is over, on the event loop: it must neither block nor panic.
    pub fn on_request(mut self, on_request: impl Fn(&RequestRecord<'_>) + Send + Sync + 'static) -> Self {
        self.on_request = Some(Arc::new(on_request));
        self
    }

    /// The proxies on the way to plugboards; none by default.
    pub fn proxies(mut self, proxies: Proxies) -> Self {
        self.proxies = proxies;
        self
    }

    pub(super) fn log(&self) -> Arc<Log> {
        Arc::clone(&self.log)
    }

    fn blame(&mut self, error: impl Into<BuildError>) {
        self.mistake.get_or_insert(error.into());
    }
}

impl<R: Runtime> TelephoneBuilder<R> {
    /// Serves the application behind a URL or an [`Endpoint`](crate::Endpoint).
    ///
    /// # Errors
    /// [`BuildError`], the first mistake that was made.
    pub fn backend(mut self, runtime: R, backend: impl Into<BackendUrl>) -> Result<Telephone<R>, BuildError> {
        let backend = backend.into();
        self.instance.get_or_insert_with(|| default_instance(Some(&backend)));
        let mut rewrite = std::mem::take(&mut self.rewrite);
        rewrite.scheme = backend.scheme();
        self.target = backend.to_string();
        let (log, limits) = (self.log(), self.backend_limits.clone());
        let dialled = backend.to_string();
        let connector = Arc::new(BackendConnector::new(runtime.clone(), backend, &self.backend_trust)?);
        let check: Option<Arc<str>> = self.backend_check.take().map(Arc::from);
        let health = BackendHealth::new(true, check.is_some(), runtime.now());
        let watch = Arc::new(Watch::new(dialled, health));
        let probe = {
            let connector = Arc::clone(&connector);
            move || -> Pin<Box<dyn Future<Output = io::Result<()>> + Send>> {
                let (connector, check) = (Arc::clone(&connector), check.clone());
                Box::pin(async move { connector.check(check.as_deref()).await })
            }
        };
        self.watched = Some((Arc::clone(&watch), Box::new(probe)));
        let backend = Backend::new((runtime.clone(), log), (connector, watch), rewrite, limits);
        self.leg(runtime, backend)
    }

    /// Serves raw connections alone, or nothing at all: requests are refused. Without a mount it only
    /// [connects](super::Handle::connect) to what others serve, as any telephone may.
    ///
    /// # Errors
    /// [`BuildError`], the first mistake that was made.
    pub fn raw(mut self, runtime: R) -> Result<Telephone<R>, BuildError> {
        self.instance.get_or_insert_with(|| default_instance(None));
        self.telephone(runtime, NoLeg)
    }

    /// Serves with `leg`, which needs a mount.
    pub(crate) fn leg<L: Leg>(self, runtime: R, leg: L) -> Result<Telephone<R>, BuildError> {
        if self.mounts.is_empty() && !self.may_connect && self.mistake.is_none() {
            return Err(BuildError::NoMount);
        }
        self.telephone(runtime, leg)
    }

    fn telephone<L: Leg>(mut self, runtime: R, leg: L) -> Result<Telephone<R>, BuildError> {
        if let Some(mistake) = self.mistake.take() {
            return Err(mistake);
        }
        if self.urls.is_empty() {
            return Err(BuildError::NoUrl);
        }
        #[cfg(not(feature = "tls"))]
        if self.urls.iter().any(PlugboardUrl::is_tls) {
            return Err(BuildError::NoTls);
        }
        let token = self.token.take().ok_or(BuildError::NoToken)?;
        let count = self.mounts.len();
        if count > MOUNTS_MAX {
            return Err(BuildError::TooManyMounts(count));
        }
        self.dialer.token_is_fixed = token.is_fixed();
        self.limits.heads.is_wide = true;
        let (readiness, watched) = self.readiness(&runtime);
        let instance = self.instance.take().unwrap_or_else(|| default_instance(None));
        let config = Config {
            token,
            served: ServedMounts::new(self.mounts),
            readiness: Arc::new(readiness),
            follow: FollowPolicy::new(self.urls.iter().map(PlugboardUrl::location).collect(), self.follow),
            raw: self.raw,
            target: self.target,
            tells_peer: self.tells_peer,
            instance,
            epoch: self.epoch.unwrap_or_else(now_in_millis),
            dialer: self.dialer,
            limits: self.limits,
            body_clock: self.body_clock,
            sticky: self.sticky,
            recorder: self.recorder,
            log: self.log,
            on_request: self.on_request,
            proxies: self.proxies,
            wake_ups: WakeUps::default(),
            #[cfg(feature = "tls")]
            tls: if self.urls.iter().any(PlugboardUrl::is_tls) {
                Some(crate::tls::TlsConnector::new(self.ca.as_deref())?)
            } else {
                None
            },
        };
        Ok(Telephone::new(runtime, config, self.urls, leg, watched))
    }

    /// What watches the applications behind the mounts, and what is to run for that.
    fn readiness(&mut self, runtime: &R) -> (Readiness, Vec<Watched>) {
        let http = self.watched.as_ref().map(|(watch, _)| Arc::clone(watch));
        let mut watched: Vec<Watched> = self.watched.take().into_iter().collect();
        let mut mounts = Vec::new();
        for mount in &self.mounts {
            let watch = match self.raw.get(mount.as_str().as_bytes()) {
                Some(RawService::Backend(endpoint, watch)) => {
                    if !watched.iter().any(|(one, _)| Arc::ptr_eq(one, watch)) {
                        watched.push((Arc::clone(watch), raw_probe(runtime.clone(), endpoint.clone())));
                    }
                    Some(Arc::clone(watch))
                }
                Some(RawService::Acceptor(_)) => None,
                None => http.clone(),
            };
            mounts.push((mount.clone(), watch));
        }
        let watches = watched.iter().map(|(watch, _)| Arc::clone(watch)).collect();
        (Readiness::new(mounts, watches), watched)
    }
}

fn raw_probe<R: Runtime>(runtime: R, endpoint: Endpoint) -> HealthProbe {
    Box::new(move || {
        let (runtime, endpoint) = (runtime.clone(), endpoint.clone());
        Box::pin(async move { runtime.connect(&endpoint).await.map(drop) })
    })
}

/// Milliseconds since 1970.
fn now_in_millis() -> u64 {
    as_millis(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::capture::Capture;

    #[test]
    fn a_plugboard_that_is_given_twice_is_dialled_once_and_the_log_names_it() {
        let (log, _guard) = Capture::start();
        let same = ["ws://127.0.0.1:4000", "http://127.1:4000/", "ws://127.0.0.1:4000/.well-known/telephone"];
        let builder = same.iter().fold(TelephoneBuilder::<()>::default(), |builder, url| builder.url(url));
        assert_eq!(builder.urls.len(), 1);
        assert_eq!(log.lines("ws://127.0.0.1:4000/.well-known/telephone is given more than once").len(), 2);
        let builder =
            builder.url("ws://127.0.0.1:4001").url("wss://127.0.0.1:4000").url("ws://127.0.0.1:4000/x");
        assert_eq!(builder.urls.len(), 4, "another port, scheme or path is another plugboard");
    }
}
