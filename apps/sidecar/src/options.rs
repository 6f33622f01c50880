//! The command line of both sidecar programs.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::BoolishValueParser;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use telephone_driver::BackendUrl;
use tracing_subscriber::filter::LevelFilter;

use crate::connect::{CONNECT_EXAMPLES, ConnectOptions, ConnectSettings, Side};
use crate::doctor::{self, DoctorSettings};
use crate::exit::Exit;
use crate::line::LineOptions;
use crate::logging::LogFormat;
#[cfg(feature = "replay")]
use crate::replay::{REPLAY_EXAMPLES, ReplayOptions, ReplaySettings};
use crate::settings::Settings;
use crate::status::StatusOptions;
use crate::usage::{Stop, Usage};
use crate::values::{self, AllowedUpgrade, ReadyOn, StickyBy, TcpService};
use crate::variables::{self, Environment, Naming, StandIn};

const EXAMPLES: &str = "\
Examples:
  Show the application on port 3000 under /api of a plugboard on this machine:
    telephone --plugboard ws://127.0.0.1:4000 --mount /api --port 3000 --token-file token

  Let the clients of a room reach the WebSocket server on port 1234:
    telephone --plugboard ws://127.0.0.1:4000 --room ID --port 1234 --token-file token

  In a container, by variables alone, with a token that is renewed in its file:
    PLUGBOARD_URL=wss://example.com MOUNT_PATH=/shop,/cart BACKEND_PORT=8080 \\
    TELEPHONE_TOKEN_FILE=/var/run/secrets/telephone/token telephone

  Find out why nothing comes through:
    telephone doctor --plugboard wss://example.com --mount /api --port 3000 --token-file token

  See what a running one is doing, through its health page:
    telephone status --health 127.0.0.1:4100

  Record what its sessions are given, to find out later what went wrong:
    telephone --record /var/lib/telephone --plugboard ws://127.0.0.1:4000 --mount /api --port 3000
    telephone replay FILE

HTTPS_PROXY or ALL_PROXY names a proxy, http://[USER:PASSWORD@]HOST:PORT or socks5://…, on the way to
plugboards, and NO_PROXY lists the hosts that are dialled directly, as this machine always is.
Each variable may have TELEPHONE_ before its name, as in TELEPHONE_MOUNT_PATH, and one that is empty is not set.
RELAY_URL stands in for PLUGBOARD_URL, and LOCAL_PORT for BACKEND_PORT, where no variable says otherwise.
A token comes from `plugboard token`. Exit codes: 0 after a clean stop, 1 after a failure, 2 for bad usage,
3 if the plugboard refused the token for good. SIGTERM lets what is in flight finish; a second one does not.";

/// Makes a local application reachable at a plugboard.
///
/// Dials out over one WebSocket, proves who it is with a token, and hands every request that comes to the
/// plugboard for its mounts to the backend. It redials by itself after every failure.
#[derive(Debug, Parser)]
#[command(version, after_help = EXAMPLES, disable_help_subcommand = true)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Options {
    #[command(subcommand)]
    verb: Option<Verb>,

    #[command(flatten)]
    pub(crate) line: LineOptions,

    /// What to be reachable under: [host]/path, or room:ID; repeat it, or put commas in the
    /// variable
    #[arg(long, value_name = "M", env = "MOUNT_PATH", required_unless_present_any = ["room", "tcp"])]
    pub(crate) mount: Vec<String>,

    /// Raw TCP: a port that the plugboard is to open, or the NAME:PORT of an endpoint that only `telephone connect`
    /// reaches, and the backend, such as 5432=127.0.0.1:5432 or db:5432=unix:/run/db.sock; repeatable
    #[arg(long, value_name = "MOUNT=BACKEND", env = "TCP", value_delimiter = ',', value_parser = values::tcp)]
    pub(crate) tcp: Vec<TcpService>,

    /// Tell the backends of --tcp where each connection comes from, by PROXY protocol v2
    #[arg(long, env = "PROXY_PROTOCOL", value_parser = BoolishValueParser::new())]
    pub(crate) proxy_protocol: bool,

    /// The room whose clients reach the application; short for --mount room:ID
    #[arg(long, value_name = "ID", env = "ROOM_ID")]
    pub(crate) room: Vec<String>,

    /// The application's port on this machine, at 127.0.0.1, or at ::1 if that refuses
    #[arg(long, value_name = "N", env = "BACKEND_PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) port: Option<u16>,

    /// The application: http://host:port, https://host:port or unix:/path
    #[arg(long, value_name = "URL", env = "BACKEND_URL", value_parser = values::backend)]
    pub(crate) backend: Option<BackendUrl>,

    /// Check the application by GET of this path every 10 s: it is ready while it answers 2xx or 3xx [default: while it
    /// accepts connections]
    #[arg(long, value_name = "PATH", env = "TELEPHONE_BACKEND_CHECK", value_parser = values::check_path)]
    pub(crate) backend_check: Option<String>,

    /// Trust the certificates in this PEM file, and no others, for an https:// backend; read again when it changes
    #[arg(long, value_name = "FILE", env = "TELEPHONE_BACKEND_CA")]
    pub(crate) backend_ca: Option<PathBuf>,

    /// Take every certificate from an https:// backend: anybody on the network between can read and change what passes
    #[arg(long, env = "TELEPHONE_BACKEND_INSECURE", value_parser = BoolishValueParser::new())]
    pub(crate) backend_insecure: bool,

    /// Serve GET /livez, /readyz (200 only while a session has a link and the application accepts connections) and /healthz
    /// (JSON) here
    #[arg(long, value_name = "ADDR", env = "TELEPHONE_HEALTH", value_parser = values::listen_address)]
    pub(crate) health: Option<SocketAddr>,

    /// What /readyz asks for: backend, a link and an application that accepts connections, or link alone
    #[arg(long, value_name = "WHAT", env = "TELEPHONE_READY_ON", default_value = "backend")]
    pub(crate) ready_on: ReadyOn,

    /// A name under which the health page is reached, beside localhost and addresses; repeat it, or put commas in the
    /// variable. Requests with another Host get 403
    #[arg(long, value_name = "NAME", env = "TELEPHONE_HEALTH_HOST", value_delimiter = ',',
          value_parser = values::host_name)]
    pub(crate) health_host: Vec<String>,

    /// Tells replicas of one subject apart [default: host name and backend]
    #[arg(long, value_name = "NAME", env = "INSTANCE", value_parser = values::instance)]
    pub(crate) instance: Option<String>,

    /// What the backend sees as Host, and in an Origin or Referer that names the public host (development servers refuse
    /// foreign ones) [default: as sent]
    #[arg(long, value_name = "H", env = "HOST_HEADER", value_parser = values::host_header)]
    pub(crate) host_header: Option<String>,

    /// Show the backend the path without the mount, and put it in front of the paths in Location, Refresh, Link and cookies
    /// of its answers; links in pages must be relative, or the application must read X-Forwarded-Prefix
    #[arg(long, env = "STRIP_PREFIX", value_parser = BoolishValueParser::new())]
    pub(crate) strip_prefix: bool,

    /// Write a line of the log for each request; by default if standard error is a terminal
    #[arg(long, value_name = "BOOL", env = "LOG_REQUESTS", value_parser = BoolishValueParser::new(), num_args = 0..=1,
          require_equals = true, default_missing_value = "true")]
    pub(crate) log_requests: Option<bool>,

    /// Requests and upgraded connections that each plugboard may have in progress at once; more wait there
    #[arg(long, value_name = "N", env = "STREAMS", default_value_t = 1024,
          value_parser = clap::value_parser!(u32).range(1..=65536))]
    pub(crate) streams: u32,

    /// How long clients may pause within a request's body before its answer begins, up to the plugboard's `body-clock-max`
    /// (1h); by default what the plugboard allows (60s)
    #[arg(long, value_name = "D", env = "BODY_CLOCK", value_parser = values::positive_duration)]
    pub(crate) body_clock: Option<Duration>,

    /// Let clients switch to this protocol where the application does; the one that can be allowed is h2c, HTTP/2 without TLS
    /// (BuildKit's sessions). Such a client reaches the whole application, past mounts and access logs
    #[arg(long, value_name = "PROTOCOL", env = "TELEPHONE_ALLOW_UPGRADE", value_enum)]
    pub(crate) allow_upgrade: Option<AllowedUpgrade>,

    /// Bind each client to one of the telephones that share a mount, by a cookie of the plugboard or by its address: for
    /// sessions in the application's memory, Socket.IO and long polling
    #[arg(long, value_name = "HOW", env = "TELEPHONE_STICKY", value_enum)]
    pub(crate) sticky: Option<StickyBy>,

    /// How long the application may take to accept a connection; then the client gets 504
    #[arg(long, value_name = "D", env = "BACKEND_CONNECT_TIMEOUT", default_value = "5s",
          value_parser = values::positive_duration)]
    pub(crate) backend_connect_timeout: Duration,

    /// How long it may take to begin its answer; then the client gets 504
    #[arg(long, value_name = "D", env = "BACKEND_ANSWER_TIMEOUT", default_value = "60s",
          value_parser = values::positive_duration)]
    pub(crate) backend_answer_timeout: Duration,

    /// How long it may pause within a body of declared length; then the client's connection is reset
    #[arg(long, value_name = "D", env = "BACKEND_IDLE_TIMEOUT", default_value = "5m",
          value_parser = values::positive_duration)]
    pub(crate) backend_idle_timeout: Duration,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Reach a private endpoint that another telephone serves with --tcp NAME:PORT=BACKEND
    #[command(after_help = CONNECT_EXAMPLES)]
    Connect(Box<ConnectOptions>),
    /// Show what a running sidecar is doing, by its health page
    Status(StatusOptions),
    /// Replay what was recorded with --record, and see whether the same comes of it
    #[cfg(feature = "replay")]
    #[command(after_help = REPLAY_EXAMPLES)]
    Replay(ReplayOptions),
}

/// What a program was asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Serve an application.
    Serve(Box<Settings>),
    /// Reach what another telephone serves.
    Connect(Box<ConnectSettings>),
    /// Look at each stage of the way.
    Doctor(Box<DoctorSettings>),
    /// Show what the sidecar with this health page is doing.
    Status(SocketAddr),
    /// Replay a recording.
    #[cfg(feature = "replay")]
    Replay(ReplaySettings),
}

impl Command {
    /// How log lines look, and the level where `RUST_LOG` names none: a program in a pipeline writes
    /// errors alone.
    pub(crate) fn log(&self) -> (LogFormat, LevelFilter) {
        match self {
            Self::Serve(settings) => (settings.line.log_format, LevelFilter::INFO),
            Self::Connect(settings) if settings.side == Side::Stdio => {
                (settings.line.log_format, LevelFilter::ERROR)
            }
            Self::Connect(settings) => (settings.line.log_format, LevelFilter::INFO),
            // What goes wrong is what it reports.
            Self::Doctor(_) => (LogFormat::Text, LevelFilter::ERROR),
            Self::Status(_) => (LogFormat::Text, LevelFilter::INFO),
            #[cfg(feature = "replay")]
            Self::Replay(_) => (LogFormat::Text, LevelFilter::INFO),
        }
    }
}

/// The names of a sidecar's variables.
pub(crate) const NAMING: Naming = Naming {
    prefix: "TELEPHONE_",
    stand_ins: &[
        StandIn { option: "plugboard", name: "RELAY_URL", unless: &["PLUGBOARD_URL"] },
        StandIn { option: "port", name: "LOCAL_PORT", unless: &["BACKEND_PORT", "BACKEND_URL"] },
    ],
    rivals: &[("port", "backend"), ("token", "token_file")],
};

/// Those of its variables that Kubernetes sets, too, for services of certain names.
pub(crate) const SERVICE_LINKS: [&str; 2] = ["BACKEND_PORT", "LOCAL_PORT"];

/// Reads the command line (`args` begins with the program's own name) and the variables.
///
/// # Errors
/// Help or the version was asked for, or something is wrong; [`Stop::say`] tells the user.
pub fn parse<I>(program: &'static str, args: I, environment: Environment<'_>) -> Result<Command, Stop>
where
    I: IntoIterator<Item = OsString>,
{
    parse_all(program, args, environment).map_err(|stop| {
        // One that was meant for the telephone is missing now.
        let is_about_them = SERVICE_LINKS.iter().any(|name| stop.text().contains(name));
        let ignored = variables::ignored_service_links(&NAMING, &SERVICE_LINKS, environment);
        let ignored = ignored.filter(|_| is_about_them && stop.exit() == Exit::Usage).collect::<Vec<_>>();
        ignored.iter().fold(stop, |stop, ignored| stop.with_note(ignored))
    })
}

fn parse_all<I>(program: &'static str, args: I, environment: Environment<'_>) -> Result<Command, Stop>
where
    I: IntoIterator<Item = OsString>,
{
    let parsed = variables::parse(command(program), args.into_iter().collect(), &NAMING, environment)?;
    let settled = |result: Result<Command, Usage>| result.map_err(|usage| parsed.name_variables(&usage));
    let matches = &parsed.matches;
    if let Some((doctor::NAME, matches)) = matches.subcommand() {
        let settings = DoctorSettings::new(Options::from_arg_matches(matches)?, matches);
        return settled(settings.map(|settings| Command::Doctor(Box::new(settings))));
    }
    let mut options = Options::from_arg_matches(matches)?;
    settled(match options.verb.take() {
        Some(Verb::Connect(options)) => {
            ConnectSettings::new(*options).map(|settings| Command::Connect(Box::new(settings)))
        }
        Some(Verb::Status(options)) => Ok(Command::Status(options.health)),
        #[cfg(feature = "replay")]
        Some(Verb::Replay(options)) => Ok(Command::Replay(options.into())),
        None => Settings::new(options).map(|settings| Command::Serve(Box::new(settings))),
    })
}

/// The whole command line of `program`.
fn command(program: &'static str) -> clap::Command {
    let command = Options::command();
    let doctor = doctor::command(&command);
    command.subcommand(doctor).name(program).bin_name(program)
}

#[cfg(test)]
mod tests;
