//! The run of a sidecar program, from its command line to its exit code.

use std::collections::HashSet;
use std::io::{self, IsTerminal as _};
use std::pin::pin;
use std::process::ExitCode;

use futures_lite::{Stream, StreamExt, future};
use telephone_core::limits::streams_within;
use telephone_driver::{
    BackendTrust, BackendUrl, BuildError, Handle, Listener, Runtime, ServeError, Telephone, TelephoneBuilder,
    WhenFull,
};

use crate::connect;
use crate::descriptors::raise_descriptor_limit;
use crate::doctor;
use crate::exit::Exit;
use crate::health;
use crate::host_guard::HostGuard;
use crate::line::TokenOrigin;
use crate::listen::cannot_listen;
use crate::logging;
use crate::memory;
use crate::options::{self, Command, NAMING, SERVICE_LINKS};
use crate::probes;
#[cfg(feature = "replay")]
use crate::replay;
use crate::requests;
use crate::settings::Settings;
use crate::signals::{Signal, stops};
use crate::status;
use crate::usage::Stop;
use crate::variables;

/// Reads the command line of `program`, starts the log, and leaves the rest to `start`, which brings the
/// runtime.
pub fn main(program: &'static str, start: impl FnOnce(Command) -> Result<Exit, Stop>) -> ExitCode {
    memory::keep_freed_memory();
    let run = || {
        let environment = |name: &str| std::env::var_os(name);
        let command = options::parse(program, std::env::args_os(), &environment)?;
        let (format, level) = command.log();
        logging::init_at(format, level)?;
        for ignored in variables::ignored_service_links(&NAMING, &SERVICE_LINKS, &environment) {
            tracing::info!("{ignored}");
        }
        start(command)
    };
    end(run())
}

/// The exit code of a program that ends with `result`, once its last words are written. That takes at most a second.
pub fn end(result: Result<Exit, Stop>) -> ExitCode {
    let exit = result.unwrap_or_else(|stop| stop.say());
    logging::flush();
    exit.into()
}

/// A telephone, or the first mistake of its description.
pub type Built<R> = Result<Telephone<R>, BuildError>;

/// How telephones are made on a runtime. Its binding compiles these for speed; all else of a sidecar is compiled for size.
#[derive(Debug, Clone, Copy)]
pub struct Builders<R> {
    /// [`TelephoneBuilder::backend`].
    pub backend: fn(TelephoneBuilder<R>, R, BackendUrl) -> Built<R>,
    /// [`TelephoneBuilder::raw`].
    pub raw: fn(TelephoneBuilder<R>, R) -> Built<R>,
}

/// Does what the command line asked for, until a signal, or until there is no use in going on. The first signal lets
/// what is in flight finish; the second does not wait for it. `signals` begins to receive them, and is called only by what runs
/// until one: what ends by itself keeps the system's way with signals.
///
/// # Errors
/// Nothing could be started.
pub async fn run<R: Runtime, S: Stream<Item = Signal>>(
    runtime: R,
    builders: Builders<R>,
    command: Command,
    signals: impl FnOnce() -> io::Result<S>,
) -> Result<Exit, Stop> {
    let descriptors = raise_descriptor_limit();
    let signals = || signals().map_err(|error| Stop::new(Exit::Failed, error));
    match command {
        Command::Serve(settings) => serve(runtime, builders, *settings, descriptors, signals()?).await,
        Command::Connect(settings) => connect::run(runtime, builders.raw, *settings, signals()?).await,
        Command::Doctor(settings) => doctor::run(runtime, *settings).await,
        Command::Status(health) => status::show(health),
        #[cfg(feature = "replay")]
        Command::Replay(settings) => replay::show(&settings),
    }
}

/// Serves as `settings` say until a signal, or until there is no use in going on. The first signal lets
/// what is in flight finish; the second does not wait for it.
///
/// # Errors
/// Nothing could be started.
async fn serve<R: Runtime>(
    runtime: R,
    builders: Builders<R>,
    mut settings: Settings,
    descriptors: u64,
    signals: impl Stream<Item = Signal>,
) -> Result<Exit, Stop> {
    let (health, names) = (settings.health, std::mem::take(&mut settings.health_hosts));
    let ready_on = settings.ready_on;
    settings.streams = affordable_streams(&settings, descriptors);
    let token = settings.line.token.clone();
    let telephone = telephone(runtime.clone(), builders, settings)?;
    let handle = telephone.handle();
    if let Some(address) = health {
        let refused = |error| cannot_listen("--health", address, &error);
        let listener = runtime.bind(address).map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        tracing::info!("health page on http://{address}/healthz");
        let status = handle.clone();
        let guard = HostGuard::new(address, names);
        let page =
            move |method: &str, target: &str| health::answer(method, target, &status.status(), ready_on);
        let task = probes::serve(runtime.clone(), listener, WhenFull::Serve, guard, page);
        runtime.spawn(task);
    }
    let serving = async { exit_of(telephone.run().await) };
    let stops = stops(signals, || reload(&handle, &token));
    Ok(future::or(serving, until_stopped(&handle, stops)).await)
}

/// The streams that can be served with so many descriptors, at most those that were asked for; says so if it is fewer.
fn affordable_streams(settings: &Settings, descriptors: u64) -> u32 {
    // One that is given twice has one session.
    let plugboards = settings.line.plugboards.iter().collect::<HashSet<_>>().len();
    let asked = settings.streams;
    let affordable = streams_within(descriptors, plugboards as u64);
    let streams = u32::try_from(affordable).unwrap_or(u32::MAX).min(asked);
    if streams < asked {
        tracing::warn!(
            "--streams {asked}: with at most {descriptors} open files this telephone serves {streams} streams for each of \
             {plugboards} plugboards; raise the limit with `ulimit -n`, or LimitNOFILE in a systemd unit"
        );
    }
    streams
}

fn telephone<R: Runtime>(
    runtime: R,
    builders: Builders<R>,
    settings: Settings,
) -> Result<Telephone<R>, Stop> {
    if let (BackendTrust::Insecure, Some(backend)) = (&settings.backend_trust, &settings.backend) {
        tracing::warn!(
            "--backend-insecure: no certificate of {backend} is checked; anybody on the network between can read and change all requests"
        );
    }
    let mut builder = Telephone::builder()
        .instance(settings.instance)
        .strip_prefix(settings.strips_prefix)
        .backend_trust(settings.backend_trust.clone())
        .proxy_protocol(settings.proxy_protocol)
        .streams(settings.streams)
        .allow_h2c(settings.allows_h2c)
        .backend_timeouts(settings.connect_timeout, settings.answer_timeout, settings.idle_timeout);
    if settings.logs_requests.unwrap_or_else(|| io::stderr().is_terminal()) {
        let format = settings.line.log_format;
        builder = builder.on_request(move |request| requests::log(format, request));
    }
    if let Some(path) = settings.backend_check {
        builder = builder.backend_check(path);
    }
    if let Some(clock) = settings.body_clock {
        builder = builder.body_clock(clock);
    }
    if let Some(sticky) = settings.sticky {
        builder = builder.sticky(sticky);
    }
    for service in settings.tcp {
        builder = builder.tcp(&service.mount, service.backend);
    }
    for mount in &settings.mounts {
        builder = builder.mount(&mount.to_string());
    }
    if let Some(host) = settings.host_header {
        builder = builder.host_header(host);
    }
    builder = settings.line.describe(builder)?;
    let telephone = match settings.backend {
        Some(backend) => (builders.backend)(builder, runtime, backend),
        None => (builders.raw)(builder, runtime),
    };
    telephone.map_err(|why| Stop::new(Exit::Usage, why))
}

/// SIGHUP: reads again what can be read.
pub(crate) fn reload(handle: &Handle, token: &TokenOrigin) {
    match token {
        TokenOrigin::File(path) => {
            tracing::info!("SIGHUP: reading --token-file {} again", path.display());
            handle.reload_token();
        }
        TokenOrigin::Fixed(_) => tracing::info!("SIGHUP: nothing to read again without --token-file"),
    }
}

pub(crate) fn exit_of(result: Result<(), ServeError>) -> Exit {
    match result {
        Ok(()) => Exit::Clean,
        // The line that gave up has written why.
        Err(ServeError::Refused { .. }) => Exit::Refused,
        Err(ServeError::AttemptsExhausted { .. }) => Exit::Failed,
        Err(error @ ServeError::Stopped) => {
            tracing::error!("{error}");
            Exit::Failed
        }
    }
}

pub(crate) async fn until_stopped(handle: &Handle, signals: impl Stream<Item = ()>) -> Exit {
    let mut signals = pin!(signals);
    if signals.next().await.is_some() {
        tracing::info!("stopping; what is in flight may finish");
        handle.shutdown();
        if signals.next().await.is_some() {
            tracing::warn!("stopping at once");
            handle.stop();
        }
    }
    // No more signals can come: the telephone alone decides.
    future::pending().await
}
