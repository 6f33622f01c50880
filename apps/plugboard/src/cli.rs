//! The command line of the relay.

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroUsize;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use clap::builder::BoolishValueParser;
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use ipnet::IpNet;
use telephone_core::forward::TrustedField;
use telephone_core::limits::MOUNTS_MAX;
use telephone_core::mount::{Mount, MountError};
use telephone_core::site::{BadSiteUrl, SiteUrl};
use telephone_driver::PlugboardUrl;
use telephone_driver::file::Reading;
use telephone_sidecar::values::{duration, endpoint, listen_address};
use telephone_sidecar::variables::{self, Environment, Naming};
use telephone_sidecar::{Exit, LogFormat, Stop, Usage, exposure};

use crate::access_log::Destination;
use crate::bench::{self, BenchOptions};
use crate::secret::Secret;
use crate::settings::{self, SecretVariable, ServeSettings};
use crate::token::{Order, Right, mint};

/// The longest life that a token can be given: a token that outlives its use should be revocable by
/// changing the key.
const TTL_MAX: Duration = Duration::from_secs(10 * 366 * 24 * 60 * 60);

const EXAMPLES: &str = "\
Examples:
  See it work, all on this machine:
    plugboard demo

  Run a relay, and make a token for an application that may show itself under /api:
    (umask 077; plugboard secret > secret)
    plugboard serve --listen 0.0.0.0:4000 --secret-file secret
    plugboard token --secret-file secret --sub shop --mount /api

  Meet in a room: a relay with rooms, and a token for the telephone of one:
    plugboard serve --rooms --secret-file secret
    plugboard token --secret-file secret --sub desk --room ID

  Measure what the tunnel costs here, and what a path gives:
    plugboard bench
    plugboard bench http://127.0.0.1:4000/api

  Take a token back, with everything that was opened with it:
    curl -d '{\"sub\":\"shop\"}' http://127.0.0.1:4001/revoke

Exit codes: 0 after a clean stop, 1 after a failure, 2 for bad usage. SIGTERM drains, a second one stops at
once.";

const SERVE_NOTES: &str = "\
A key is needed: --secret-file (or the variable PLUGBOARD_SECRET) for HS256 tokens, --public-key-file for
RS256, ES256 and EdDSA ones, or both. RUST_LOG sets the levels of the log, which goes to standard error.";

/// The relay: clients come to it, and the telephones of applications that nobody can reach dial in.
#[derive(Debug, Parser)]
#[command(name = "plugboard", version, after_help = EXAMPLES, disable_help_subcommand = true)]
struct Line {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run a relay
    #[command(after_help = SERVE_NOTES)]
    Serve(Box<ServeOptions>),
    /// Print a token
    Token(TokenOptions),
    /// Print a fresh secret
    Secret,
    /// Run a relay, a sidecar and a sample application in one process, on this machine alone
    Demo(DemoOptions),
    /// Measure what a path gives: requests a second, throughput, latency
    #[command(after_help = bench::NOTES)]
    Bench(Box<BenchOptions>),
}

/// The options of `serve`.
#[derive(Debug, Args)]
pub(crate) struct ServeOptions {
    /// Where clients and telephones come to
    #[arg(long, value_name = "ADDR", env = "PLUGBOARD_LISTEN", default_value = "127.0.0.1:4000",
          value_parser = listen_address)]
    pub(crate) listen: SocketAddr,

    /// Where operators come to: /livez, /readyz, /metrics and POST /revoke; keep it private
    #[arg(long, value_name = "ADDR", env = "PLUGBOARD_ADMIN", default_value = "127.0.0.1:4001",
          value_parser = listen_address)]
    pub(crate) admin: SocketAddr,

    /// A file with the secret of HS256 tokens, 32 bytes or more; its last newline does not count
    #[arg(long, value_name = "FILE", env = "PLUGBOARD_SECRET_FILE")]
    pub(crate) secret_file: Option<PathBuf>,

    /// A PEM file with one public key of RSA (2048 to 8192 bits), P-256 or Ed25519; repeatable, to change keys
    #[arg(long, value_name = "FILE", env = "PLUGBOARD_PUBLIC_KEY_FILE")]
    pub(crate) public_key_file: Vec<PathBuf>,

    /// Who tokens must be for (aud); without it, tokens that name an audience are refused
    #[arg(long, value_name = "A", env = "PLUGBOARD_AUDIENCE")]
    pub(crate) audience: Option<String>,

    /// Who must have issued tokens (iss)
    #[arg(long, value_name = "I", env = "PLUGBOARD_ISSUER")]
    pub(crate) issuer: Option<String>,

    /// Refuse tokens that are valid for longer than this from now, such as 24h [default: accept any life]
    #[arg(long, value_name = "D", env = "PLUGBOARD_TOKEN_TTL_MAX", value_parser = ttl)]
    pub(crate) token_ttl_max: Option<Duration>,

    /// A file with a token of 32 bytes or more that requests to the admin port must show if they change something, as
    /// `Authorization: Bearer TOKEN`; read again for each of them [default: none is asked for]
    #[arg(long, value_name = "FILE", env = "PLUGBOARD_ADMIN_TOKEN_FILE")]
    pub(crate) admin_token_file: Option<PathBuf>,

    /// Keep revocations in this file, so that a restart does not forget them; a file for each relay
    #[arg(long, value_name = "FILE", env = "PLUGBOARD_REVOCATIONS")]
    pub(crate) revocations: Option<PathBuf>,

    /// Believe X-Forwarded-For, -Proto, -Host and Forwarded from proxies here, such as 10.0.0.0/8; repeatable
    /// [default: from nobody]
    #[arg(long, value_name = "CIDR", env = "PLUGBOARD_TRUST", value_delimiter = ',', value_parser = network)]
    pub(crate) trust: Vec<IpNet>,

    /// Let this field, such as X-Forwarded-User of an authenticating proxy, through from --trust peers, and from nobody
    /// else; repeatable [default: X-Forwarded-For, -Proto, -Host and Forwarded alone]
    #[arg(long, value_name = "NAME", env = "PLUGBOARD_TRUST_HEADER", value_delimiter = ',',
          value_parser = str::parse::<TrustedField>)]
    pub(crate) trust_header: Vec<TrustedField>,

    /// The --trust peers understand interim responses (1xx) such as 103 Early Hints, so send them: nginx does not
    /// [default: they get none but 101, and a 100 that they asked for]
    #[arg(long, env = "PLUGBOARD_EARLY_HINTS", value_parser = BoolishValueParser::new())]
    pub(crate) early_hints: bool,

    /// Where telephones reach this very relay again, if not at the URL that they dialled, such as
    /// wss://relay-1.example.com behind a balancer
    #[arg(long, value_name = "URL", env = "PLUGBOARD_PUBLIC_URL", value_parser = plugboard_url)]
    pub(crate) public_url: Option<PlugboardUrl>,

    /// What clients type to reach the plugboard, such as https://apps.example.com: telephones show the URLs of their mounts
    /// with it [default: scheme and host as each telephone dials]
    #[arg(long, value_name = "URL", env = "PLUGBOARD_SITE_URL", value_parser = site_url)]
    pub(crate) site_url: Option<SiteUrl>,

    /// Share the port of --listen with the relay that is to take over, which is started before this one is stopped;
    /// each needs an --admin of its own
    #[arg(long, env = "PLUGBOARD_REUSE_PORT", value_parser = BoolishValueParser::new())]
    pub(crate) reuse_port: bool,

    /// Which TCP ports telephones may ask for, if their tokens claim them, such as 5400-5499; they are opened at the
    /// address of --listen [default: none]
    #[arg(long, value_name = "FIRST-LAST", env = "PLUGBOARD_TCP_PORTS", value_parser = ports_of)]
    pub(crate) tcp_ports: Option<RangeInclusive<u16>>,

    /// Serve rooms: clients come to /client?room=ID and /client/PATH?room=ID, and /agent is another name of
    /// the path where telephones connect
    #[arg(long, env = "PLUGBOARD_ROOMS", value_parser = BoolishValueParser::new())]
    pub(crate) rooms: bool,

    /// Let no client into a room without a token for it, such as `plugboard token --client --room ID` prints
    /// [default: only where the room's own token asks for that]
    #[arg(long, env = "PLUGBOARD_CLIENT_TOKENS", value_parser = BoolishValueParser::new())]
    pub(crate) client_tokens: bool,

    /// Let web pages of this origin, such as https://app.example, into rooms and no others; repeatable
    /// [default: of all origins]
    #[arg(long, value_name = "ORIGIN", env = "PLUGBOARD_ORIGIN", value_delimiter = ',', value_parser = origin)]
    pub(crate) origin: Vec<String>,

    /// Mounts without a host share one web origin: drop Service-Worker-Allowed, Clear-Site-Data,
    /// Strict-Transport-Security, Alt-Svc and other fields that speak for all of it from their answers
    #[arg(long, env = "PLUGBOARD_ISOLATE_PATHS", value_parser = BoolishValueParser::new())]
    pub(crate) isolate_paths: bool,

    /// How long to go on accepting after SIGTERM, until balancers have noticed
    #[arg(long, value_name = "D", env = "PLUGBOARD_DRAIN_DELAY", default_value = "1s", value_parser = duration)]
    pub(crate) drain_delay: Duration,

    /// How long what is in flight may take to finish after that
    #[arg(long, value_name = "D", env = "PLUGBOARD_DRAIN_GRACE", default_value = "30s", value_parser = duration)]
    pub(crate) drain_grace: Duration,

    /// Where telephones are to go when this relay stops, such as wss://relay-2.example.com
    /// [default: where they dialled, which may lead to another relay]
    #[arg(long, value_name = "URL", env = "PLUGBOARD_DRAIN_TO", value_parser = plugboard_url)]
    pub(crate) drain_to: Option<PlugboardUrl>,

    /// How many threads serve; one is enough for tens of thousands of requests a second
    /// [default: one less than there are processors, which leaves one to the network stack]
    #[arg(long, value_name = "N", env = "PLUGBOARD_THREADS")]
    pub(crate) threads: Option<NonZeroUsize>,

    /// Change a limit, such as request-head-bytes=16KiB or head-timeout=5s; repeatable. A wrong name is
    /// answered with all names
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) limit: Vec<String>,

    /// Count loopback addresses in per-address limits, too [default: they are exempt]
    #[arg(long, env = "PLUGBOARD_LIMIT_LOOPBACK", value_parser = BoolishValueParser::new())]
    pub(crate) limit_loopback: bool,

    /// Record in this directory what each session is given, for `telephone replay`: bodies as lengths, tokens and
    /// cookies redacted
    #[arg(long, value_name = "DIR", env = "PLUGBOARD_RECORD")]
    pub(crate) record: Option<PathBuf>,

    /// Record bodies, tokens and all else that passes as it is
    #[arg(long, env = "PLUGBOARD_RECORD_BODIES", value_parser = BoolishValueParser::new())]
    pub(crate) record_bodies: bool,

    /// Where one line for each request goes: a file, which is made with mode 0600, - for standard output, or off
    #[arg(long, value_name = "FILE", env = "PLUGBOARD_ACCESS_LOG", default_value = "-",
          value_parser = Destination::parse)]
    pub(crate) access_log: Destination,

    /// Log targets whole, also what follows the first ?, # or ;, where tokens may stand
    #[arg(long, env = "PLUGBOARD_LOG_QUERIES", value_parser = BoolishValueParser::new())]
    pub(crate) log_queries: bool,

    /// How log lines look
    #[arg(long, value_name = "F", env = "LOG_FORMAT", default_value = "text")]
    pub(crate) log_format: LogFormat,
}

#[derive(Debug, Args)]
struct TokenOptions {
    /// The file with the relay's secret (or the secret itself in the variable PLUGBOARD_SECRET)
    #[arg(long, value_name = "FILE", env = "PLUGBOARD_SECRET_FILE")]
    secret_file: Option<PathBuf>,

    /// Whose token it is; sessions of one subject share its mounts
    #[arg(long, value_name = "NAME", default_value = "telephone", value_parser = subject)]
    sub: String,

    /// What it allows: [host]/path, room:ID, tcp:PORT or tcp:NAME:PORT, with all that lies below; repeatable
    #[arg(long, value_name = "M", value_parser = mount)]
    mount: Vec<Mount>,

    /// Short for --mount room:ID
    #[arg(long, value_name = "ID", value_parser = room)]
    room: Vec<Mount>,

    /// What else it may reach with `telephone connect`: the NAME:PORT, or the PORT alone, that another telephone
    /// serves; repeatable
    #[arg(long, value_name = "NAME:PORT", value_parser = endpoint)]
    connect: Vec<String>,

    /// Make a token for clients of the rooms: it lets them in and registers nothing
    #[arg(long, requires = "room", conflicts_with_all = ["mount", "connect", "client_tokens"])]
    client: bool,

    /// Ask the clients of these rooms for tokens, too
    #[arg(long, requires = "room")]
    client_tokens: bool,

    /// How long it lasts
    #[arg(long, value_name = "D", default_value = "1h", value_parser = ttl)]
    ttl: Duration,

    /// Who it is for, if the relay asks for one
    #[arg(long, value_name = "A")]
    audience: Option<String>,

    /// Who issues it, if the relay asks for one
    #[arg(long, value_name = "I")]
    issuer: Option<String>,
}

/// The options of `demo`.
#[derive(Debug, Args)]
struct DemoOptions {
    /// Where to show the demo [default: 127.0.0.1:4000, or a free port if that is taken]
    #[arg(long, value_name = "ADDR", value_parser = listen_address)]
    listen: Option<SocketAddr>,
}

/// What is to be done, ready to start.
#[derive(Debug)]
pub enum Command {
    /// Run a relay.
    Serve(Box<ServeSettings>),
    /// Print this line.
    Print(String),
    /// Run the demo, at an address or wherever there is room.
    Demo(Option<SocketAddr>),
    /// Measure a path.
    Bench(Box<bench::Order>),
}

/// The names of a relay's variables.
const NAMING: Naming = Naming { prefix: "PLUGBOARD_", stand_ins: &[], rivals: &[] };

/// Reads the command line (`args` begins with the program's name), the variables and the key files.
///
/// # Errors
/// Help or the version was asked for, or something is wrong; [`Stop::say`] tells the user.
pub fn parse<I>(args: I, environment: Environment<'_>) -> Result<Command, Stop>
where
    I: IntoIterator<Item = OsString>,
{
    let parsed = variables::parse(Line::command(), args.into_iter().collect(), &NAMING, environment)?;
    // No option shows it.
    let secret = SecretVariable::from(environment("PLUGBOARD_SECRET"));
    match Line::from_arg_matches(&parsed.matches)?.verb {
        Verb::Serve(options) => {
            let settings = ServeSettings::new(*options, secret);
            let settings = settings.map_err(|usage| parsed.name_variables(&usage))?;
            Ok(Command::Serve(Box::new(settings)))
        }
        Verb::Token(options) => token(options, secret),
        Verb::Secret => {
            let secret = Secret::generate().map_err(|error| Stop::new(Exit::Failed, error))?;
            Ok(Command::Print(String::from_utf8_lossy(secret.expose()).into_owned()))
        }
        Verb::Demo(options) => Ok(Command::Demo(options.listen)),
        Verb::Bench(options) => Ok(Command::Bench(Box::new((*options).into()))),
    }
}

fn token(options: TokenOptions, secret: SecretVariable) -> Result<Command, Stop> {
    let mounts = [options.mount, options.room].concat();
    if mounts.is_empty() && options.connect.is_empty() {
        let why = "give at least one, such as --mount /api, --room ID or --connect db:5432";
        return Err(Usage::new("--mount", why).into());
    }
    if mounts.len().max(options.connect.len()) > MOUNTS_MAX {
        return Err(Usage::new("--mount, --connect", format!("give at most {MOUNTS_MAX} of each")).into());
    }
    let file = options.secret_file.as_deref();
    if let Some(warning) = file.and_then(|file| exposure("--secret-file", file)) {
        // Standard output is the token's.
        let _ = writeln!(io::stderr(), "warning: {warning}");
    }
    let blank = secret.blank_note();
    let secret = settings::secret(file, secret.given(), Reading::First)?;
    let secret = secret.ok_or_else(|| {
        Usage::new(
            "--secret-file (PLUGBOARD_SECRET_FILE)",
            format!("it is missing; {blank}`plugboard secret` prints a secret"),
        )
    })?;
    let right = match (options.client, options.client_tokens) {
        (true, _) => Right::Visit,
        (false, true) => Right::RegisterWithClientTokens,
        (false, false) => Right::Register,
    };
    let order = Order {
        subject: options.sub,
        right,
        mounts,
        connect: options.connect,
        ttl: options.ttl,
        audience: options.audience,
        issuer: options.issuer,
    };
    let token = mint(&order, &secret, SystemTime::now()).map_err(|error| Stop::new(Exit::Failed, error))?;
    Ok(Command::Print(token.expose().to_owned()))
}

fn mount(text: &str) -> Result<Mount, MountError> {
    text.parse()
}

fn room(text: &str) -> Result<Mount, MountError> {
    format!("room:{text}").parse()
}

/// The first and the last port of a range, or one port.
fn ports_of(text: &str) -> Result<RangeInclusive<u16>, String> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let port = |text: &str| text.parse().ok().filter(|port| *port > 0);
    match (port(first), port(last)) {
        (Some(first), Some(last)) if first <= last => Ok(first..=last),
        _ => Err("give the first and the last port, such as 5400-5499".into()),
    }
}

fn subject(text: &str) -> Result<String, String> {
    let is_sound = (1..=256).contains(&text.len()) && !text.chars().any(char::is_control);
    if is_sound { Ok(text.to_owned()) } else { Err("give a name of 1 to 256 bytes, such as shop".into()) }
}

fn ttl(text: &str) -> Result<Duration, String> {
    let range = Duration::from_secs(1)..=TTL_MAX;
    let ttl = humantime::parse_duration(text).ok().filter(|ttl| range.contains(ttl));
    ttl.ok_or_else(|| "give a duration from 1s to ten years, such as 1h or 30days".into())
}

fn network(text: &str) -> Result<IpNet, String> {
    let network = text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    network.map_err(|_| "give a network or an address, such as 10.0.0.0/8 or 192.0.2.1".into())
}

/// An origin as browsers write it (RFC 6454 §6.2).
fn origin(text: &str) -> Result<String, String> {
    let wrong =
        || "give a scheme and a host, such as https://app.example or http://localhost:5173".to_owned();
    let url = url::Url::parse(text).map_err(|_| wrong())?;
    let is_bare =
        url.path() == "/" && url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
    if url.origin().is_tuple() && is_bare { Ok(url.origin().ascii_serialization()) } else { Err(wrong()) }
}

/// Where telephones find a relay.
fn plugboard_url(text: &str) -> Result<PlugboardUrl, String> {
    text.parse().map_err(|why| format!("{why}, such as wss://example.com"))
}

/// What clients type.
fn site_url(text: &str) -> Result<SiteUrl, String> {
    text.parse().map_err(|why: BadSiteUrl| format!("{why}, such as https://apps.example.com"))
}

#[cfg(test)]
mod tests;
