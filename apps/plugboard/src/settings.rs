//! What `plugboard serve` was asked to do, checked, its key files read.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::thread::available_parallelism;

use ipnet::IpNet;
use telephone_core::forward::TrustedField;
use telephone_core::router::AffinityKey;
use telephone_core::site::SiteUrl;
use telephone_driver::file::Reading;
use telephone_driver::{DrainConfig, PlugboardUrl, RoomsConfig};
use telephone_sidecar::{LogFormat, Recording, Usage};

use crate::access_log::Destination;
use crate::admin::AdminToken;
use crate::cli::ServeOptions;
use crate::limits::Limits;
use crate::reload::KeySources;
use crate::secret::Secret;
use crate::token::{Expectations, Key, Verifier};

/// What a relay is to do. No output shows a secret of it.
#[derive(Debug)]
#[non_exhaustive]
pub struct ServeSettings {
    /// Where clients and telephones come to.
    pub listen: SocketAddr,
    /// Where operators come to.
    pub admin: SocketAddr,
    /// Judges tokens.
    pub verifier: Verifier,
    /// With what clients are bound to sessions.
    pub affinity_key: AffinityKey,
    /// Where its keys come from.
    pub keys: KeySources,
    /// The files with secrets, each with the option that named it.
    pub secret_files: Vec<(&'static str, PathBuf)>,
    /// The token that changes on the admin port need.
    pub admin_token: Option<AdminToken>,
    /// Where revocations are kept.
    pub revocations: Option<PathBuf>,
    /// Whose `X-Forwarded-*` is believed.
    pub trust: Vec<IpNet>,
    /// Fields that pass from those alone.
    pub trusted_fields: Vec<TrustedField>,
    /// Whether those understand interim responses.
    pub early_hints: bool,
    /// Where telephones reach this very relay again, if not at the URL that they dialled.
    pub public_url: Option<PlugboardUrl>,
    /// What clients type to reach the plugboard, if not what each telephone dials.
    pub site_url: Option<SiteUrl>,
    /// The ports that telephones may ask for.
    pub tcp_ports: Option<RangeInclusive<u16>>,
    /// Whether mounts without a host may not speak for their whole web origin.
    pub isolate_paths: bool,
    /// How rooms are served, if they are.
    pub rooms: Option<RoomsConfig>,
    /// Whether the relay that takes over may listen at the same time.
    pub reuse_port: bool,
    /// How it goes after SIGTERM.
    pub drain: DrainConfig,
    /// How many threads serve.
    pub threads: NonZeroUsize,
    /// Every limit.
    pub limits: Limits,
    /// Whether per-address limits count loopback addresses.
    pub limit_loopback: bool,
    /// Where sessions are recorded, if they are.
    pub recording: Option<Recording>,
    /// Where access lines go.
    pub access_log: Destination,
    /// Whether access lines have queries.
    pub log_queries: bool,
    /// How log lines look.
    pub log_format: LogFormat,
}

/// The variable `PLUGBOARD_SECRET`.
pub(crate) enum SecretVariable {
    Missing,
    /// Set, to nothing but white space: as if it were missing, as for all variables.
    Blank,
    Given(OsString),
}

impl From<Option<OsString>> for SecretVariable {
    fn from(value: Option<OsString>) -> Self {
        match value {
            None => Self::Missing,
            Some(value) if value.to_string_lossy().trim().is_empty() => Self::Blank,
            Some(value) => Self::Given(value),
        }
    }
}

impl SecretVariable {
    /// What an error about a missing key says of it, in front of the rest.
    pub(crate) const fn blank_note(&self) -> &'static str {
        match self {
            Self::Blank => "PLUGBOARD_SECRET is set but blank, which counts as not set; ",
            Self::Missing | Self::Given(_) => "",
        }
    }

    pub(crate) fn given(self) -> Option<OsString> {
        match self {
            Self::Given(value) => Some(value),
            Self::Missing | Self::Blank => None,
        }
    }
}

impl ServeSettings {
    pub(crate) fn new(options: ServeOptions, secret: SecretVariable) -> Result<Self, Usage> {
        if options.listen == options.admin && options.listen.port() != 0 {
            let why = "it is the same address as --listen; the admin port needs one of its own";
            return Err(Usage::new(&format!("--admin {}", options.admin), why));
        }
        if options.trust.is_empty() && !options.trust_header.is_empty() {
            let why = "it is about trusted peers, and there are none without --trust";
            return Err(Usage::new("--trust-header (PLUGBOARD_TRUST_HEADER)", why));
        }
        let blank = secret.blank_note();
        let sources = KeySources::new(options.secret_file.clone(), secret.given(), options.public_key_file)?;
        let keys = sources.read(Reading::First)?;
        if keys.is_empty() {
            return Err(Usage::new(
                "--secret-file (PLUGBOARD_SECRET_FILE)",
                format!(
                    "a key is missing; {blank}give it, PLUGBOARD_SECRET or --public-key-file (`plugboard secret` prints a secret)"
                ),
            ));
        }
        let affinity_key = keys.first().map(Key::affinity).unwrap_or_default();
        let admin_token = options.admin_token_file.map(AdminToken::open).transpose()?;
        let files = [
            ("--secret-file", options.secret_file),
            ("--admin-token-file", admin_token.as_ref().map(|token| token.path().to_owned())),
        ];
        let secret_files = files.into_iter().filter_map(|(option, path)| Some((option, path?))).collect();
        let rooms = rooms(options.rooms, options.client_tokens, options.origin)?;
        let bodies = "--record-bodies (PLUGBOARD_RECORD_BODIES)";
        let recording = Recording::asked_for(options.record, options.record_bodies, bodies)?;
        let expectations = Expectations { audience: options.audience, issuer: options.issuer };
        Ok(Self {
            listen: options.listen,
            admin: options.admin,
            affinity_key,
            verifier: Verifier::new(keys, expectations).with_life_max(options.token_ttl_max),
            keys: sources,
            secret_files,
            admin_token,
            revocations: options.revocations,
            trust: options.trust,
            trusted_fields: options.trust_header,
            early_hints: options.early_hints,
            public_url: options.public_url,
            site_url: options.site_url,
            tcp_ports: options.tcp_ports,
            isolate_paths: options.isolate_paths,
            rooms,
            reuse_port: options.reuse_port,
            drain: DrainConfig {
                delay: options.drain_delay,
                grace: options.drain_grace,
                to: options.drain_to.map(|url| url.to_string()),
            },
            threads: options.threads.unwrap_or_else(default_threads),
            limits: limits(&options.limit)?,
            limit_loopback: options.limit_loopback,
            recording,
            access_log: options.access_log,
            log_queries: options.log_queries,
            log_format: options.log_format,
        })
    }
}

fn rooms(is_on: bool, client_tokens: bool, origins: Vec<String>) -> Result<Option<RoomsConfig>, Usage> {
    let without = match (is_on, client_tokens, origins.is_empty()) {
        (true, ..) => return Ok(Some(RoomsConfig { client_tokens, origins })),
        (false, false, true) => return Ok(None),
        (false, true, _) => "--client-tokens (PLUGBOARD_CLIENT_TOKENS)",
        (false, false, false) => "--origin (PLUGBOARD_ORIGIN)",
    };
    Err(Usage::new(without, "it is about rooms, which are not served without --rooms"))
}

/// One less than there are processors: what the kernel does for a relay's sockets needs as much time as the relay.
#[must_use]
pub fn default_threads() -> NonZeroUsize {
    let processors = available_parallelism().map_or(1, NonZeroUsize::get);
    NonZeroUsize::new(processors - 1).unwrap_or(NonZeroUsize::MIN)
}

/// The secret in the file, or else the one in the variable.
pub(crate) fn secret(
    file: Option<&Path>,
    variable: Option<OsString>,
    reading: Reading,
) -> Result<Option<Secret>, Usage> {
    if let Some(path) = file {
        let named = || format!("--secret-file {}", path.display());
        return Secret::read(path, reading).map(Some).map_err(|why| Usage::new(&named(), why));
    }
    variable.map(Secret::from_variable).transpose().map_err(|why| Usage::new("PLUGBOARD_SECRET", why))
}

fn limits(assignments: &[String]) -> Result<Limits, Usage> {
    let mut limits = Limits::default();
    for assignment in assignments {
        limits.set(assignment).map_err(|why| Usage::new(&format!("--limit {assignment:?}"), why))?;
    }
    limits.check().map_err(|why| Usage::new("--limit", why))?;
    Ok(limits)
}
