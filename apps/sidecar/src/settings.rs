//! What a sidecar was asked to do, checked.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::ArgMatches;
use clap::parser::ValueSource;
use telephone_core::limits::MOUNTS_MAX;
use telephone_core::mount::{Mount, MountError};
use telephone_driver::{BackendUrl, PlugboardUrl, Token};

use crate::logging::LogFormat;
use crate::options::Options;
use crate::usage::Usage;
use crate::values::INSTANCE_BYTES_MAX;

/// Where the token is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenOrigin {
    /// Given once, for ever.
    Fixed(Token),
    /// In a file that somebody keeps fresh.
    File(PathBuf),
}

/// What a sidecar was asked to do. Every value has been checked; nothing was opened yet.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settings {
    /// Where to dial, at least one.
    pub plugboards: Vec<PlugboardUrl>,
    /// What to be reachable under, 1 to `MOUNTS_MAX`.
    pub mounts: Vec<Mount>,
    /// The application.
    pub backend: BackendUrl,
    /// Where the token is.
    pub token: TokenOrigin,
    /// Where to serve the health page, if anywhere.
    pub health: Option<SocketAddr>,
    /// Failed attempts in a row before giving up; 0 is never.
    pub attempts_max: u32,
    /// The first delay between attempts.
    pub backoff_base: Duration,
    /// The longest delay between attempts, at least `backoff_base`.
    pub backoff_max: Duration,
    /// Tells replicas of one subject apart.
    pub instance: String,
    /// What the backend sees as `Host`, if not what was sent.
    pub host_header: Option<String>,
    /// Whether the backend sees the path without the mount.
    pub strips_prefix: bool,
    /// Streams that each plugboard may have open at once.
    pub streams: u32,
    /// PEM roots to trust instead of the platform's.
    pub ca: Option<PathBuf>,
    /// How log lines look.
    pub log_format: LogFormat,
}

impl Settings {
    pub(crate) fn new(options: Options, matches: &ArgMatches) -> Result<Self, Usage> {
        let plugboards = plugboards(listed(options.plugboard, matches, "plugboard"))?;
        let rooms = listed(options.room, matches, "room");
        let mounts = mounts(listed(options.mount, matches, "mount"), rooms)?;
        let backend = match either(matches, PORT, BACKEND, options.port, options.backend)? {
            Either::Left(port) => BackendUrl::local(port),
            Either::Right(url) => url,
        };
        let token = match either(matches, TOKEN, TOKEN_FILE, options.token, options.token_file)? {
            Either::Left(token) => TokenOrigin::Fixed(checked(token)?),
            Either::Right(path) => TokenOrigin::File(path),
        };
        if options.backoff_base > options.backoff_max {
            let [base, max] = [options.backoff_base, options.backoff_max].map(humantime::format_duration);
            return Err(Usage::new(
                &format!("--backoff-base {base}"),
                format!("it must not be longer than --backoff-max, which is {max}"),
            ));
        }
        Ok(Self {
            plugboards,
            mounts,
            token,
            health: options.health,
            attempts_max: options.max_attempts,
            backoff_base: options.backoff_base,
            backoff_max: options.backoff_max,
            instance: options.instance.unwrap_or_else(|| default_instance(&backend)),
            backend,
            host_header: options.host_header,
            strips_prefix: options.strip_prefix,
            streams: options.streams,
            ca: options.ca,
            log_format: options.log_format,
        })
    }
}

/// The values of a repeatable option; in its variable, commas part them.
fn listed(values: Vec<String>, matches: &ArgMatches, id: &str) -> Vec<String> {
    if matches.value_source(id) != Some(ValueSource::EnvVariable) {
        return values;
    }
    let parts = values.iter().flat_map(|value| value.split(','));
    parts.map(|part| part.trim().to_owned()).collect()
}

fn plugboards(texts: Vec<String>) -> Result<Vec<PlugboardUrl>, Usage> {
    let parse = |text: String| {
        text.parse().map_err(|error| {
            let shown = if text.contains(['@', '?']) { "URL".into() } else { format!("{text:?}") };
            Usage::new(
                &format!("--plugboard {shown} (PLUGBOARD_URL)"),
                format!("{error}, such as ws://127.0.0.1:4000"),
            )
        })
    };
    texts.into_iter().map(parse).collect()
}

fn mounts(texts: Vec<String>, rooms: Vec<String>) -> Result<Vec<Mount>, Usage> {
    if texts.len() + rooms.len() > MOUNTS_MAX {
        return Err(Usage::new("--mount (MOUNT_PATH)", format!("at most {MOUNTS_MAX} mounts can be given")));
    }
    let parse = |text: String| {
        text.parse().map_err(|why: MountError| Usage::new(&format!("--mount {text:?} (MOUNT_PATH)"), why))
    };
    let parse_room = |room: String| {
        let mount = format!("room:{room}").parse();
        mount.map_err(|why: MountError| Usage::new(&format!("--room {room:?} (ROOM_ID)"), why))
    };
    texts.into_iter().map(parse).chain(rooms.into_iter().map(parse_room)).collect()
}

/// A token that fits into a header. Its value stays out of the error.
fn checked(token: Token) -> Result<Token, Usage> {
    let is_sound = !token.expose().is_empty() && token.expose().bytes().all(|b| b.is_ascii_graphic());
    if is_sound {
        return Ok(token);
    }
    Err(Usage::new(
        "--token (TELEPHONE_TOKEN)",
        "it is empty or holds white space; give one JWT, such as `plugboard token` prints",
    ))
}

fn default_instance(backend: &BackendUrl) -> String {
    let backend = backend.to_string();
    let backend = backend.strip_prefix("http://").unwrap_or(&backend);
    let name = format!("{}/{backend}", gethostname::gethostname().display());
    // A Unix socket's path may be longer than a name may be; what tells two apart is at its end.
    let start = name.len().saturating_sub(INSTANCE_BYTES_MAX);
    let is_boundary = |at: &usize| name.is_char_boundary(*at);
    (start..=name.len()).find(is_boundary).and_then(|at| name.get(at..)).unwrap_or_default().to_owned()
}

enum Either<A, B> {
    Left(A),
    Right(B),
}

/// An option of which exactly one out of two is to be given.
#[derive(Clone, Copy)]
struct Named {
    id: &'static str,
    flag: &'static str,
    variable: &'static str,
}

const PORT: Named = Named { id: "port", flag: "--port N", variable: "BACKEND_PORT" };
const BACKEND: Named = Named { id: "backend", flag: "--backend URL", variable: "BACKEND_URL" };
const TOKEN: Named = Named { id: "token", flag: "--token JWT", variable: "TELEPHONE_TOKEN" };
const TOKEN_FILE: Named =
    Named { id: "token_file", flag: "--token-file PATH", variable: "TELEPHONE_TOKEN_FILE" };

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.flag, self.variable)
    }
}

/// The one that was given. A flag beats the other one's variable, so that an image's variables can be
/// overruled; two flags, or two variables, contradict each other.
fn either<A, B>(
    matches: &ArgMatches,
    left: Named,
    right: Named,
    a: Option<A>,
    b: Option<B>,
) -> Result<Either<A, B>, Usage> {
    let is_flag = |named: Named| matches.value_source(named.id) == Some(ValueSource::CommandLine);
    match (a, b) {
        (Some(a), None) => Ok(Either::Left(a)),
        (None, Some(b)) => Ok(Either::Right(b)),
        (Some(a), Some(_)) if is_flag(left) && !is_flag(right) => Ok(Either::Left(a)),
        (Some(_), Some(b)) if is_flag(right) && !is_flag(left) => Ok(Either::Right(b)),
        (Some(_), Some(_)) => {
            Err(Usage::new(left.flag, format!("it contradicts {right}; give one of the two")))
        }
        (None, None) => Err(Usage::new(&left.to_string(), format!("it is missing; give it or {right}"))),
    }
}
