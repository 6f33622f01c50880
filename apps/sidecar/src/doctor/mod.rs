//! `telephone doctor`: what stands between this machine, a plugboard and the application, stage by stage.
//!
//! Nothing is registered, so that it can run beside a telephone that serves.

mod checks;
mod claims;
mod report;

use std::io::{self, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::pin::pin;

use clap::{ArgMatches, Args};
use futures_lite::{Stream, StreamExt as _, future};
use telephone_core::mount::Mount;
use telephone_driver::{BackendUrl, PlugboardUrl, Proxies, Runtime, Token};

use crate::exclusive::{BACKEND, Either, PORT, TOKEN, TOKEN_FILE, either};
use crate::exit::Exit;
use crate::line::{TokenOrigin, checked, listed, plugboards, proxies};
use crate::settings;
use crate::usage::{Stop, Usage};
use crate::values::{self, TcpService};
use report::Report;

pub(crate) const DOCTOR_EXAMPLES: &str = "\
Examples:
  Why does nothing come through? Give it what the telephone was given:
    TELEPHONE_TOKEN=\"$JWT\" telephone doctor --plugboard wss://example.com --mount /api --port 3000

  In a container it finds the variables of its telephone:
    kubectl exec deploy/shop -c telephone -- telephone doctor

It looks in this order at DNS, TCP, an HTTP proxy (HTTPS_PROXY, ALL_PROXY, NO_PROXY), TLS, the upgrade to a WebSocket, the
token, and the clock against the plugboard's, and then whether the application answers GET /. A stage that depends on one
that failed is skipped. The plugboard judges the token without registering anything: a telephone that is
running keeps its mounts. No secret is shown. Exit codes: 0 if nothing failed, 1 if something did, 2 for bad usage.";

/// The options of `doctor`.
#[derive(Debug, Args)]
pub(crate) struct DoctorOptions {
    /// Where telephones dial: ws:// or wss://; repeatable
    #[arg(long, value_name = "URL", env = "PLUGBOARD_URL", required = true)]
    plugboard: Vec<String>,

    /// The token to judge; better kept in the variable or a file
    #[arg(long, value_name = "JWT", env = "TELEPHONE_TOKEN", hide_env_values = true)]
    token: Option<Token>,

    /// A file with the token
    #[arg(long, value_name = "PATH", env = "TELEPHONE_TOKEN_FILE")]
    token_file: Option<PathBuf>,

    /// A mount that the token is to cover: [host]/path, or room:ID; repeatable
    #[arg(long, value_name = "M", env = "MOUNT_PATH")]
    mount: Vec<String>,

    /// A room that the token is to cover
    #[arg(long, value_name = "ID", env = "ROOM_ID")]
    room: Vec<String>,

    /// A mount of raw connections that the token is to cover, as the telephone was given it
    #[arg(long, value_name = "MOUNT=BACKEND", env = "TCP", value_delimiter = ',', value_parser = values::tcp)]
    tcp: Vec<TcpService>,

    /// The application's port on this machine; short for --backend http://127.0.0.1:N
    #[arg(long, value_name = "N", env = "BACKEND_PORT", value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,

    /// The application: http://host:port or unix:/path
    #[arg(long, value_name = "URL", env = "BACKEND_URL", value_parser = values::backend)]
    backend: Option<BackendUrl>,

    /// Trust the certificates in this PEM file, for wss:// with a private authority
    #[arg(long, value_name = "FILE", env = "TELEPHONE_CA")]
    ca: Option<PathBuf>,

    /// Tell it to a program
    #[arg(long)]
    json: bool,
}

/// What the doctor is to look at. Every value has been checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DoctorSettings {
    plugboards: Vec<PlugboardUrl>,
    token: Option<TokenOrigin>,
    mounts: Vec<Mount>,
    backend: Option<BackendUrl>,
    ca: Option<PathBuf>,
    proxies: Proxies,
    is_json: bool,
}

impl DoctorSettings {
    pub(crate) fn new(options: DoctorOptions, matches: &ArgMatches) -> Result<Self, Usage> {
        let texts = listed(options.mount, matches, "mount");
        let mut mounts = settings::mounts(texts, listed(options.room, matches, "room"))?;
        mounts.extend(options.tcp.iter().filter_map(|service| service.mount.parse::<Mount>().ok()));
        let token = match (options.token, options.token_file) {
            (None, None) => None,
            (token, file) => Some(match either(matches, TOKEN, TOKEN_FILE, token, file)? {
                Either::Left(token) => TokenOrigin::Fixed(checked(token)?),
                Either::Right(path) => TokenOrigin::File(path),
            }),
        };
        let backend = match (options.port, options.backend) {
            (None, None) => None,
            (port, url) => Some(match either(matches, PORT, BACKEND, port, url)? {
                Either::Left(port) => BackendUrl::local(port),
                Either::Right(url) => url,
            }),
        };
        Ok(Self {
            plugboards: plugboards(listed(options.plugboard, matches, "plugboard"))?,
            token,
            mounts,
            backend,
            ca: options.ca,
            proxies: proxies(),
            is_json: options.json,
        })
    }
}

/// Looks at everything and says what it found; a signal ends it before.
///
/// # Errors
/// The roots for TLS cannot be loaded.
pub(crate) async fn run<R: Runtime>(
    runtime: R,
    settings: DoctorSettings,
    signals: impl Stream<Item = ()>,
) -> Result<Exit, Stop> {
    let mut signals = pin!(signals);
    let stopped = async {
        if signals.next().await.is_none() {
            future::pending::<()>().await;
        }
        Err(Stop::new(Exit::Failed, "stopped before all was looked at"))
    };
    let report = future::or(examine(&runtime, &settings), stopped).await?;
    let mut out = io::stdout();
    let text =
        if settings.is_json { format!("{}\n", report.to_json()) } else { report.to_text(out.is_terminal()) };
    // Whoever closed the pipe does not want to read it.
    let _ = out.write_all(text.as_bytes());
    Ok(if report.has_failed() { Exit::Failed } else { Exit::Clean })
}

async fn examine<R: Runtime>(runtime: &R, settings: &DoctorSettings) -> Result<Report, Stop> {
    let mut ways = Vec::new();
    for url in &settings.plugboards {
        ways.push((url.to_string(), Box::pin(checks::plugboard(runtime, settings, url)).await?));
    }
    if let Some(backend) = &settings.backend {
        ways.push((backend.to_string(), checks::backend(runtime, backend).await));
    }
    Ok(Report(ways))
}
