//! How plugboards are reached, and as whom: what every verb of a sidecar needs to know.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use clap::builder::BoolishValueParser;
use telephone_core::follow::FollowRule;
use telephone_driver::{PlugboardUrl, Proxies, Runtime, TelephoneBuilder, Token};

use crate::exclusive::{Either, TOKEN, TOKEN_FILE, either};
use crate::logging::LogFormat;
use crate::recording::Recording;
use crate::token_file::TokenFile;
use crate::usage::{Stop, Usage};
use crate::values;

/// The option that keeps bodies in recordings, by its names.
const BODIES: &str = "--record-bodies (TELEPHONE_RECORD_BODIES)";

/// The options of every verb.
#[derive(Debug, Args)]
pub(crate) struct LineOptions {
    /// Where to dial: wss:// or https://, or ws:// or http:// without encryption; repeat it for several plugboards (an empty path means
    /// /.well-known/telephone)
    #[arg(long, value_name = "URL", env = "PLUGBOARD_URL", required = true)]
    pub(crate) plugboard: Vec<String>,

    /// Hosts to which a plugboard may send the telephone, beside those of --plugboard: HOST, HOST:PORT or HOST:*, with * in
    /// the host for any characters, such as *.example.com; without a port it is the default one. The token is sent there
    #[arg(long, value_name = "HOST[:PORT]", env = "TELEPHONE_FOLLOW", value_delimiter = ',',
          value_parser = values::follow)]
    pub(crate) follow: Vec<FollowRule>,

    /// The token that proves who this is. Every user of this machine can read command lines: prefer --token-file, or
    /// the variable
    #[arg(long, value_name = "JWT", env = "TELEPHONE_TOKEN", hide_env_values = true)]
    pub(crate) token: Option<Token>,

    /// A file with the token, read again before it expires
    #[arg(long, value_name = "PATH", env = "TELEPHONE_TOKEN_FILE")]
    pub(crate) token_file: Option<PathBuf>,

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

    /// The longest time without a ping on an idle link, 1s to 20s, for a proxy or balancer that closes idle connections sooner
    /// than after 18s [default: 12s to 18s]
    #[arg(long, value_name = "D", env = "TELEPHONE_PING_INTERVAL", value_parser = values::ping_interval)]
    pub(crate) ping_interval: Option<Duration>,

    /// Trust the certificates in this PEM file, for wss:// with a private authority; read again when it changes
    #[arg(long, value_name = "FILE", env = "TELEPHONE_CA")]
    pub(crate) ca: Option<PathBuf>,

    /// Record in this directory what each session is given, for `telephone replay`: bodies as lengths, tokens and
    /// cookies redacted
    #[arg(long, value_name = "DIR", env = "TELEPHONE_RECORD")]
    pub(crate) record: Option<PathBuf>,

    /// Record bodies, tokens and all else that passes as it is
    #[arg(long, env = "TELEPHONE_RECORD_BODIES", value_parser = BoolishValueParser::new())]
    pub(crate) record_bodies: bool,

    /// How log lines look; RUST_LOG sets their levels
    #[arg(long, value_name = "F", env = "LOG_FORMAT", default_value = "text")]
    pub(crate) log_format: LogFormat,
}

/// Where the token is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenOrigin {
    /// Given once, for ever.
    Fixed(Token),
    /// In a file that somebody keeps fresh.
    File(PathBuf),
}

/// How plugboards are reached, and as whom. Every value has been checked; nothing was opened yet.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LineSettings {
    /// Where to dial, at least one.
    pub plugboards: Vec<PlugboardUrl>,
    /// Where plugboards may send it beside.
    pub follow: Vec<FollowRule>,
    /// Where the token is.
    pub token: TokenOrigin,
    /// Failed attempts in a row before giving up; 0 is never.
    pub attempts_max: u32,
    /// The first delay between attempts.
    pub backoff_base: Duration,
    /// The longest delay between attempts, at least `backoff_base`.
    pub backoff_max: Duration,
    /// The longest time without a ping on an idle link, if not the default.
    pub ping_interval: Option<Duration>,
    /// PEM roots to trust instead of the platform's.
    pub ca: Option<PathBuf>,
    /// Where sessions are recorded, if they are.
    pub recording: Option<Recording>,
    /// The proxies on the way there.
    pub proxies: Proxies,
    /// How log lines look.
    pub log_format: LogFormat,
}

impl LineSettings {
    pub(crate) fn new(options: LineOptions) -> Result<Self, Usage> {
        let plugboards = plugboards(options.plugboard)?;
        let token = match either(TOKEN, TOKEN_FILE, options.token, options.token_file)? {
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
            follow: options.follow,
            token,
            attempts_max: options.max_attempts,
            backoff_base: options.backoff_base,
            backoff_max: options.backoff_max,
            ping_interval: options.ping_interval,
            ca: options.ca,
            recording: Recording::asked_for(options.record, options.record_bodies, BODIES)?,
            proxies: proxies(),
            log_format: options.log_format,
        })
    }

    /// Tells a telephone of it.
    ///
    /// # Errors
    /// The token's file cannot be read, or the directory of recordings not be written.
    pub(crate) fn describe<R: Runtime>(
        self,
        mut telephone: TelephoneBuilder<R>,
    ) -> Result<TelephoneBuilder<R>, Stop> {
        telephone = telephone.backoff(self.backoff_base, self.backoff_max).attempts_max(self.attempts_max);
        telephone = telephone.proxies(self.proxies);
        for url in &self.plugboards {
            telephone = telephone.url(url.as_url().as_str());
        }
        for rule in &self.follow {
            telephone = telephone.follow(&rule.to_string());
        }
        if let Some(longest) = self.ping_interval {
            telephone = telephone.ping_interval(longest);
        }
        if let Some(file) = self.ca {
            telephone = telephone.ca(file);
        }
        if let Some(recording) = self.recording {
            telephone = telephone.record(recording.open("telephone")?);
        }
        match self.token {
            TokenOrigin::Fixed(token) => Ok(telephone.token(token)),
            TokenOrigin::File(path) => {
                let named = format!("--token-file {}", path.display());
                Ok(telephone.token_source(TokenFile::open(&path).map_err(|why| Usage::new(&named, why))?))
            }
        }
    }
}

/// The HTTP proxies that the environment names.
pub(crate) fn proxies() -> Proxies {
    Proxies::from_variables(|name| std::env::var(name).ok())
}

pub(crate) fn plugboards(texts: Vec<String>) -> Result<Vec<PlugboardUrl>, Usage> {
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

/// A token that fits into a header. Its value stays out of the error.
pub(crate) fn checked(token: Token) -> Result<Token, Usage> {
    let is_sound = !token.expose().is_empty() && token.expose().bytes().all(|b| b.is_ascii_graphic());
    if is_sound {
        return Ok(token);
    }
    Err(Usage::new(
        "--token (TELEPHONE_TOKEN)",
        "it is empty or holds white space; give one JWT, such as `plugboard token` prints",
    ))
}
