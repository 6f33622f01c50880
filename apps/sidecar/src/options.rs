//! The command line of both sidecar programs.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::BoolishValueParser;
use clap::{CommandFactory, FromArgMatches, Parser};
use telephone_driver::{BackendUrl, Token};

use crate::logging::LogFormat;
use crate::settings::Settings;
use crate::usage::Stop;
use crate::values;

const EXAMPLES: &str = "\
Examples:
  Show the application on port 3000 under /api of a plugboard on this machine:
    telephone --plugboard ws://127.0.0.1:4000 --mount /api --port 3000 --token \"$JWT\"

  Let the clients of a room reach the WebSocket server on port 1234:
    telephone --plugboard ws://127.0.0.1:4000 --room ID --port 1234 --token-file token

  In a container, by variables alone, with a token that is renewed in its file:
    PLUGBOARD_URL=wss://example.com MOUNT_PATH=/shop,/cart BACKEND_PORT=8080 \\
    TELEPHONE_TOKEN_FILE=/var/run/secrets/telephone/token telephone

RELAY_URL stands in for PLUGBOARD_URL, and LOCAL_PORT for BACKEND_PORT, where no variable says otherwise.
A token comes from `plugboard token`. Exit codes: 0 after a clean stop, 1 after a failure, 2 for bad usage,
3 if the plugboard refused the token for good. SIGTERM lets what is in flight finish; a second one does not.";

/// Makes a local application reachable at a plugboard.
///
/// Dials out over one WebSocket, proves who it is with a token, and hands every request that comes to the
/// plugboard for its mounts to the backend. It redials by itself after every failure.
#[derive(Debug, Parser)]
#[command(version, after_help = EXAMPLES, disable_help_subcommand = true)]
pub(crate) struct Options {
    /// Where to dial: ws:// or wss://; repeat it for several plugboards (an empty path means
    /// /.well-known/telephone)
    #[arg(long, value_name = "URL", env = "PLUGBOARD_URL", required = true)]
    pub(crate) plugboard: Vec<String>,

    /// What to be reachable under: [host]/path, room:ID or tcp:PORT; repeat it, or put commas in the
    /// variable
    #[arg(long, value_name = "M", env = "MOUNT_PATH", required_unless_present = "room")]
    pub(crate) mount: Vec<String>,

    /// The room whose clients reach the application; short for --mount room:ID
    #[arg(long, value_name = "ID", env = "ROOM_ID")]
    pub(crate) room: Vec<String>,

    /// The application's port on this machine; short for --backend http://127.0.0.1:N
    #[arg(long, value_name = "N", env = "BACKEND_PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) port: Option<u16>,

    /// The application: http://host:port or unix:/path
    #[arg(long, value_name = "URL", env = "BACKEND_URL", value_parser = values::backend)]
    pub(crate) backend: Option<BackendUrl>,

    /// The token that proves who this is; better kept in the variable or a file, since others on this
    /// machine can read command lines
    #[arg(long, value_name = "JWT", env = "TELEPHONE_TOKEN", hide_env_values = true)]
    pub(crate) token: Option<Token>,

    /// A file with the token, read again before it expires
    #[arg(long, value_name = "PATH", env = "TELEPHONE_TOKEN_FILE")]
    pub(crate) token_file: Option<PathBuf>,

    /// Serve GET /livez, /readyz (200 only while a session has a link) and /healthz (JSON) here
    #[arg(long, value_name = "ADDR", env = "TELEPHONE_HEALTH", value_parser = values::listen_address)]
    pub(crate) health: Option<SocketAddr>,

    /// Reconnects in a row before giving up; 0 is never
    #[arg(long, value_name = "N", env = "MAX_ATTEMPTS", default_value_t = 0)]
    pub(crate) max_attempts: u32,

    /// The first delay between attempts; it doubles each time, fully jittered
    #[arg(long, value_name = "D", env = "BACKOFF_BASE", default_value = "1s",
          value_parser = values::positive_duration)]
    pub(crate) backoff_base: Duration,

    /// What that delay grows to at most
    #[arg(long, value_name = "D", env = "BACKOFF_MAX", default_value = "30s",
          value_parser = values::positive_duration)]
    pub(crate) backoff_max: Duration,

    /// Tells replicas of one subject apart [default: host name and backend]
    #[arg(long, value_name = "NAME", env = "INSTANCE", value_parser = values::instance)]
    pub(crate) instance: Option<String>,

    /// What the backend sees as Host (development servers refuse foreign ones) [default: as sent]
    #[arg(long, value_name = "H", env = "HOST_HEADER", value_parser = values::host_header)]
    pub(crate) host_header: Option<String>,

    /// Show the backend the path without the mount
    #[arg(long, env = "STRIP_PREFIX", value_parser = BoolishValueParser::new())]
    pub(crate) strip_prefix: bool,

    /// Requests and upgraded connections that each plugboard may have in progress at once; more wait there
    #[arg(long, value_name = "N", env = "STREAMS", default_value_t = 1024,
          value_parser = clap::value_parser!(u32).range(1..=65536))]
    pub(crate) streams: u32,

    /// Trust the certificates in this PEM file, for wss:// with a private authority
    #[arg(long, value_name = "FILE", env = "TELEPHONE_CA")]
    pub(crate) ca: Option<PathBuf>,

    /// How log lines look; RUST_LOG sets their levels
    #[arg(long, value_name = "F", env = "LOG_FORMAT", default_value = "text")]
    pub(crate) log_format: LogFormat,
}

/// Reads the command line (`args` begins with the program's own name) and the variables.
///
/// # Errors
/// Help or the version was asked for, or something is wrong; [`Stop::say`] tells the user.
pub fn parse<I>(program: &'static str, args: I) -> Result<Settings, Stop>
where
    I: IntoIterator<Item = OsString>,
{
    let command = with_stand_ins(Options::command()).name(program).bin_name(program);
    let matches = command.try_get_matches_from(args)?;
    let options = Options::from_arg_matches(&matches)?;
    Ok(Settings::new(options, &matches)?)
}

/// Other names of variables, each used only while none of those that it stands in for is set.
fn with_stand_ins(command: clap::Command) -> clap::Command {
    const STAND_INS: [(&str, &str, &[&str]); 2] = [
        ("plugboard", "RELAY_URL", &["PLUGBOARD_URL"]),
        ("port", "LOCAL_PORT", &["BACKEND_PORT", "BACKEND_URL"]),
    ];
    let is_set = |name: &str| std::env::var_os(name).is_some();
    let used = STAND_INS
        .into_iter()
        .filter(|(_, name, for_whom)| is_set(name) && !for_whom.iter().any(|one| is_set(one)));
    used.fold(command, |command, (id, name, _)| command.mut_arg(id, |arg| arg.env(name)))
}

#[cfg(test)]
mod tests;
