//! The run of a sidecar program, from its command line to its exit code.

use std::pin::pin;
use std::process::ExitCode;

use futures_lite::{Stream, StreamExt, future};
use telephone_driver::{Handle, Listener, Runtime, ServeError, Telephone, WhenFull};

use crate::exit::Exit;
use crate::logging;
use crate::memory;
use crate::options;
use crate::probes;
use crate::settings::{Settings, TokenOrigin};
use crate::status;
use crate::token_file::TokenFile;
use crate::usage::{Stop, Usage};

/// Reads the command line of `program`, starts the log, and leaves the rest to `start`, which brings the
/// runtime.
pub fn main(program: &'static str, start: impl FnOnce(Settings) -> Result<Exit, Stop>) -> ExitCode {
    memory::keep_freed_memory();
    let run = || {
        let mut args = std::env::args_os();
        if std::env::args_os().nth(1).is_some_and(|arg| arg == "status") {
            let name = args.next();
            return status::show(program, name.into_iter().chain(args.skip(1)));
        }
        let settings = options::parse(program, args)?;
        logging::init(settings.log_format)?;
        start(settings)
    };
    run().unwrap_or_else(|stop| stop.say()).into()
}

/// Serves as `settings` say until a signal, or until there is no use in going on. The first signal lets
/// what is in flight finish; the second does not wait for it.
///
/// # Errors
/// Nothing could be started.
pub async fn run<R: Runtime>(
    runtime: R,
    settings: Settings,
    signals: impl Stream<Item = ()>,
) -> Result<Exit, Stop> {
    let health = settings.health;
    let telephone = telephone(runtime.clone(), settings)?;
    let handle = telephone.handle();
    if let Some(address) = health {
        let cannot_listen =
            |error| Stop::new(Exit::Failed, format!("--health {address}: cannot listen there: {error}"));
        let listener = runtime.bind(address).map_err(cannot_listen)?;
        let address = listener.local_addr().map_err(cannot_listen)?;
        tracing::info!("health page on http://{address}/healthz");
        let status = handle.clone();
        let task = probes::serve(runtime.clone(), listener, WhenFull::Serve, move || status.status());
        runtime.spawn(task);
    }
    let serving = async { exit_of(telephone.run().await) };
    Ok(future::or(serving, until_stopped(&handle, signals)).await)
}

fn telephone<R: Runtime>(runtime: R, settings: Settings) -> Result<Telephone<R>, Stop> {
    let mut builder = Telephone::builder()
        .instance(settings.instance)
        .strip_prefix(settings.strips_prefix)
        .streams(settings.streams)
        .backoff(settings.backoff_base, settings.backoff_max)
        .attempts_max(settings.attempts_max);
    for url in &settings.plugboards {
        builder = builder.url(url.as_url().as_str());
    }
    for mount in &settings.mounts {
        builder = builder.mount(&mount.to_string());
    }
    if let Some(host) = settings.host_header {
        builder = builder.host_header(host);
    }
    if let Some(file) = settings.ca {
        builder = builder.ca(file);
    }
    builder = match settings.token {
        TokenOrigin::Fixed(token) => builder.token(token),
        TokenOrigin::File(path) => {
            let named = format!("--token-file {}", path.display());
            builder.token_source(TokenFile::open(&path).map_err(|why| Usage::new(&named, why))?)
        }
    };
    builder.backend(runtime, settings.backend).map_err(|why| Stop::new(Exit::Usage, why))
}

fn exit_of(result: Result<(), ServeError>) -> Exit {
    match result {
        Ok(()) => Exit::Clean,
        Err(error @ ServeError::Refused { .. }) => {
            tracing::error!("{error}");
            Exit::Refused
        }
        Err(error @ (ServeError::AttemptsExhausted { .. } | ServeError::Stopped)) => {
            tracing::error!("{error}");
            Exit::Failed
        }
    }
}

async fn until_stopped(handle: &Handle, signals: impl Stream<Item = ()>) -> Exit {
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
