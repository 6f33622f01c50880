//! The telephone: lines to one or more plugboards, and what serves their streams.

mod build_error;
mod builder;
mod connect;
mod crew;
mod dial;
mod embed;
mod events;
mod instance;
mod line;
mod parting;
mod probe;
mod proxy;
mod raw;
mod readiness;
mod shared_status;
mod upgrade;

use std::collections::BTreeMap;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_lite::{StreamExt as _, future};
use telephone_core::affinity::Sticky;
use telephone_core::dialer::DialerConfig;
use telephone_core::follow::FollowPolicy;
use telephone_core::limits::SessionLimits;
use telephone_core::served::ServedMounts;

use crate::backend::{HealthProbe, Leg, Watch};
use crate::flag::Flag;
use crate::log::Log;
use crate::plugboard_url::PlugboardUrl;
use crate::recorder::Recorder;
use crate::request_record::OnRequest;
use crate::runtime::Runtime;
use crate::status::Status;
use crate::token::TokenSource;
use crate::wake::WakeUps;
pub use build_error::BuildError;
pub use builder::TelephoneBuilder;
pub use connect::ConnectError;
use crew::{Crew, Serve};
pub use embed::EmbedError;
pub use events::{Events, TelephoneEvent};
pub use instance::default_instance;
use line::{Line, Scope, Tokens};
pub use probe::{Certificate, NotUpgraded, Probe, ProbeError, TlsFault, Tried, Upgraded};
pub use proxy::{BadProxy, Proxies, Proxy, ProxyError};
pub use raw::Acceptor;
use raw::RawService;
use readiness::Readiness;
use shared_status::SharedStatus;

/// What all lines of one telephone share.
struct Config {
    token: Arc<dyn TokenSource>,
    served: ServedMounts,
    readiness: Arc<Readiness>,
    /// Where it follows its plugboards.
    follow: FollowPolicy,
    /// Who serves the raw streams, by mount.
    raw: BTreeMap<Bytes, RawService>,
    /// Who serves requests, as people read it.
    target: String,
    /// Whether their backends are told where a connection comes from.
    tells_peer: bool,
    instance: String,
    /// The process's start in milliseconds since 1970.
    epoch: u64,
    dialer: DialerConfig,
    limits: SessionLimits,
    /// How long nothing of a request's body may come, where the plugboard's own limit is not to do.
    body_clock: Option<Duration>,
    /// How the clients of its mounts are to be bound to it.
    sticky: Option<Sticky>,
    recorder: Option<Recorder>,
    /// What plugboards and their clients cause of the log.
    log: Arc<Log>,
    /// Who is told of each request.
    on_request: Option<OnRequest>,
    proxies: Proxies,
    wake_ups: WakeUps,
    #[cfg(feature = "tls")]
    tls: Option<crate::tls::TlsConnector>,
}

impl Config {
    /// Who serves a mount, as people read it.
    fn target(&self, mount: &str) -> String {
        self.raw.get(mount.as_bytes()).map_or_else(|| self.target.clone(), ToString::to_string)
    }
}

/// Why a telephone stopped without being told to, or before it had finished.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The plugboard refused the token for good, and there is no other one.
    #[error("{url} refused the token: {reason}")]
    Refused {
        /// The plugboard.
        url: String,
        /// What it said.
        reason: String,
    },
    /// It was [told to stop at once](Handle::stop).
    #[error("stopped before what was in flight had finished")]
    Stopped,
    /// As many attempts in a row failed as were allowed.
    #[error("no session with {url}: {reason}")]
    AttemptsExhausted {
        /// The plugboard.
        url: String,
        /// What the last attempt failed with.
        reason: String,
    },
}

/// A telephone on the runtime `R` that is ready to run.
///
/// It holds one session to each plugboard URL and dials again after every failure.
#[must_use = "a telephone does nothing until it runs"]
pub struct Telephone<R> {
    running: Pin<Box<dyn Future<Output = Result<(), ServeError>> + Send>>,
    handle: Handle,
    runtime: PhantomData<fn() -> R>,
}

impl<R> Telephone<R> {
    /// Starts to describe a telephone.
    pub fn builder() -> TelephoneBuilder<R> {
        TelephoneBuilder::default()
    }

    /// What stops it and tells its state, from anywhere.
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Serves until [`Handle::shutdown`] is called and what is in flight has finished, or until every line
    /// has given up. Dropping the future closes everything at once.
    ///
    /// # Errors
    /// [`ServeError`] if every line gave up.
    pub async fn run(self) -> Result<(), ServeError> {
        self.running.await
    }

    /// Serves until `stop` is ready, such as a signal, and what is then in flight has finished: as [`run`](Self::run), with a
    /// [`Handle::shutdown`] at that moment.
    ///
    /// # Errors
    /// [`ServeError`] if every line gave up.
    pub async fn run_until(self, stop: impl Future<Output = ()>) -> Result<(), ServeError> {
        let Self { running, handle, .. } = self;
        let stopping = async {
            stop.await;
            handle.shutdown();
            future::pending().await
        };
        future::or(running, stopping).await
    }
}

impl<R: Runtime> Telephone<R> {
    fn new<L: Leg>(
        runtime: R,
        config: Config,
        urls: Vec<PlugboardUrl>,
        leg: L,
        watched: Vec<Watched>,
    ) -> Self {
        let status = Arc::new(SharedStatus::new(&urls, config.readiness.clone()));
        let (shutdown, stop) = (Arc::<Flag>::default(), Arc::<Flag>::default());
        let config = Arc::new(config);
        let crew: Arc<dyn Serve> = Arc::new(Crew::new(runtime.clone(), leg));
        let others = |of: usize| -> Vec<PlugboardUrl> {
            urls.iter().enumerate().filter(|(index, _)| *index != of).map(|(_, url)| url.clone()).collect()
        };
        let lines: Vec<_> = urls
            .iter()
            .cloned()
            .enumerate()
            .map(|(index, url)| Line {
                others: others(index),
                runtime: runtime.clone(),
                config: config.clone(),
                crew: crew.clone(),
                url,
                index,
                status: status.clone(),
                shutdown: shutdown.clone(),
                stop: stop.clone(),
                scope: Scope::of(config.served.as_slice()),
                tokens: Tokens::new(config.token.is_fixed()),
                reported: Default::default(),
            })
            .collect();
        let ending = EndOfEvents(status.clone());
        let handle = Handle { shutdown, stop, status };
        let running = Box::pin(async move {
            let _ending = ending;
            if let Some(ignored) = urls.iter().find_map(|url| config.proxies.ignored_on_way_to(url)) {
                tracing::warn!("{ignored}");
            }
            let waking = async { match config.wake_ups.watch(&runtime).await {} };
            let watching = future::or(waking, watch_all(runtime.clone(), &config, watched));
            future::or(run_lines(lines), watching).await
        });
        Self { running, handle, runtime: PhantomData }
    }
}

/// Ends the events of a telephone when it is dropped with what runs.
struct EndOfEvents(Arc<SharedStatus>);

impl Drop for EndOfEvents {
    fn drop(&mut self) {
        self.0.events.end();
    }
}

/// An application and how it is probed.
type Watched = (Arc<Watch>, HealthProbe);

/// Watches all applications, and tells what changes. Never ready.
fn watch_all<R: Runtime, T>(
    runtime: R,
    config: &Arc<Config>,
    watched: Vec<Watched>,
) -> impl Future<Output = T> + Send + use<R, T> {
    let config = config.clone();
    let watch = move |(watch, probe): Watched| {
        let on_change = config.clone();
        watch.run(runtime.clone(), config.log.clone(), probe, move || on_change.readiness.present())
    };
    let watching: futures_util::stream::FuturesUnordered<_> = watched.into_iter().map(watch).collect();
    async {
        watching.collect::<()>().await;
        future::pending().await
    }
}

/// Runs all lines at once. An error only if every one of them gave up.
async fn run_lines<R: Runtime>(lines: Vec<Line<R>>) -> Result<(), ServeError> {
    let running: futures_util::stream::FuturesUnordered<_> = lines.into_iter().map(Line::run).collect();
    let ends: Vec<Result<(), ServeError>> = running.collect().await;
    ends.into_iter().reduce(Result::or).unwrap_or(Ok(()))
}

/// Stops a telephone and tells its state. Clones are the same telephone.
#[derive(Clone)]
pub struct Handle {
    shutdown: Arc<Flag>,
    stop: Arc<Flag>,
    status: Arc<SharedStatus>,
}

impl Handle {
    /// Takes no new streams, lets those that are open finish for up to 30 s, then ends the run.
    pub fn shutdown(&self) {
        self.shutdown.raise();
    }

    /// Ends the run without waiting for streams, with a last word to the plugboard where that is possible within 2 s.
    pub fn stop(&self) {
        self.stop.raise();
        self.shutdown.raise();
    }

    /// Ready once either of the two was called.
    pub async fn stopping(&self) {
        self.shutdown.raised().await;
    }

    /// Reads the token again and presents it on each session, before it would be due. A token that never changes is not
    /// presented again.
    pub fn reload_token(&self) {
        self.status.reload_token();
    }

    /// What happens from now on. Tracing tells the same to the log.
    pub fn events(&self) -> Events {
        self.status.events.add()
    }

    /// The state at this moment.
    #[must_use]
    pub fn status(&self) -> Status {
        self.status.status()
    }
}
