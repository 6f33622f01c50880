//! `telephone doctor`: what stands between this machine, a plugboard and the application, stage by stage.
//!
//! Nothing is registered, so that it can run beside a telephone that serves.

mod checks;
mod claims;
mod report;

use std::io::{self, IsTerminal as _, Write as _};
use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Command};
use telephone_core::mount::Mount;
use telephone_driver::{BackendTrust, BackendUrl, PlugboardUrl, Proxies, Runtime};

use crate::exclusive::{Either, TOKEN, TOKEN_FILE, either};
use crate::exit::Exit;
use crate::line::{TokenOrigin, checked, plugboards, proxies};
use crate::options::Options;
use crate::settings;
use crate::usage::{Stop, Usage};
use report::Report;

/// What the subcommand is called.
pub(crate) const NAME: &str = "doctor";

const EXAMPLES: &str = "\
Examples:
  Why does nothing come through? Give it what the telephone was given:
    telephone doctor --plugboard wss://example.com --mount /api --port 3000 --token-file token

  In a container it finds the variables of its telephone:
    kubectl exec deploy/shop -c telephone -- telephone doctor

It looks at DNS, TCP, a proxy (HTTPS_PROXY, ALL_PROXY, NO_PROXY), TLS, the upgrade to a
WebSocket, the token, and the clock against the plugboard's, in this order, and then whether the
application answers GET / in a way that a telephone passes on; if not, it names the rule, the field
and the value. With --backend-check it asks for that path, and fails unless a 2xx or 3xx comes. A stage that depends on one that failed is skipped. The plugboard judges
the token without registering anything: a telephone that is running keeps its mounts. No secret is
shown. Exit codes: 0 if nothing failed, 1 if something did, 2 for bad usage.";

/// The options of a telephone that it looks at, by their ids. It takes all of them.
const USED: [&str; 12] = [
    "plugboard",
    "token",
    "token_file",
    "mount",
    "room",
    "tcp",
    "port",
    "backend",
    "backend_check",
    "backend_ca",
    "backend_insecure",
    "ca",
];

/// The subcommand of a telephone's command line, with the very options of that: what a telephone was given, its doctor
/// understands. None of them is needed but the plugboard.
pub(crate) fn command(telephone: &Command) -> Command {
    let args = telephone.get_arguments().cloned().map(|arg| match arg.get_id().as_str() {
        "mount" => arg.required_unless_present("plugboard"),
        id if USED.contains(&id) => arg,
        _ => arg.hide(true),
    });
    let json = Arg::new("json").long("json").action(ArgAction::SetTrue).help("Tell it to a program");
    Command::new(NAME)
        .about("See what stands between this machine, a plugboard and the application")
        .after_help(EXAMPLES)
        .args(args)
        .arg(json)
}

/// What the doctor is to look at. Every value has been checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DoctorSettings {
    plugboards: Vec<PlugboardUrl>,
    token: Option<TokenOrigin>,
    mounts: Vec<Mount>,
    backend: Option<BackendUrl>,
    backend_check: Option<String>,
    backend_trust: BackendTrust,
    ca: Option<PathBuf>,
    proxies: Proxies,
    is_json: bool,
}

impl DoctorSettings {
    pub(crate) fn new(options: Options, matches: &ArgMatches) -> Result<Self, Usage> {
        let mut mounts = settings::mounts(options.mount, options.room)?;
        mounts.extend(options.tcp.iter().filter_map(|service| service.mount.parse::<Mount>().ok()));
        let token = match (options.line.token, options.line.token_file) {
            (None, None) => None,
            (token, file) => Some(match either(TOKEN, TOKEN_FILE, token, file)? {
                Either::Left(token) => TokenOrigin::Fixed(checked(token)?),
                Either::Right(path) => TokenOrigin::File(path),
            }),
        };
        let backend = match (options.port, options.backend) {
            (None, None) => None,
            (port, url) => Some(settings::backend(port, url)?),
        };
        let backend_trust =
            settings::backend_trust(options.backend_ca, options.backend_insecure, backend.as_ref())?;
        Ok(Self {
            plugboards: plugboards(options.line.plugboard)?,
            token,
            mounts,
            backend,
            backend_check: options.backend_check,
            backend_trust,
            ca: options.line.ca,
            proxies: proxies(),
            is_json: matches.get_flag("json"),
        })
    }
}

/// Looks at everything and says what it found.
///
/// # Errors
/// The roots for TLS cannot be loaded.
pub(crate) async fn run<R: Runtime>(runtime: R, settings: DoctorSettings) -> Result<Exit, Stop> {
    let report = examine(&runtime, &settings).await?;
    let mut out = io::stdout();
    let text =
        if settings.is_json { format!("{}\n", report.to_json()) } else { report.to_text(out.is_terminal()) };
    // A reader that closed the pipe needs no more.
    let _ = out.write_all(text.as_bytes());
    Ok(if report.has_failed() { Exit::Failed } else { Exit::Clean })
}

async fn examine<R: Runtime>(runtime: &R, settings: &DoctorSettings) -> Result<Report, Stop> {
    let mut ways = Vec::new();
    for url in &settings.plugboards {
        ways.push((url.to_string(), Box::pin(checks::plugboard(runtime, settings, url)).await?));
    }
    if let Some(backend) = &settings.backend {
        ways.push((backend.to_string(), checks::backend(runtime, backend, settings).await?));
    }
    Ok(Report(ways))
}
