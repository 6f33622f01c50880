//! What a sidecar was asked to do, checked.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use telephone_core::affinity::Sticky;
use telephone_core::limits::MOUNTS_MAX;
use telephone_core::mount::{Mount, MountError};
use telephone_driver::{BackendTrust, BackendUrl, default_instance};

use crate::exclusive::{BACKEND, Either, PORT, either};
use crate::line::LineSettings;
use crate::options::Options;
use crate::usage::Usage;
use crate::values::{AllowedUpgrade, ReadyOn, TcpService};

/// What a sidecar was asked to do. Every value has been checked; nothing was opened yet.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settings {
    /// How plugboards are reached, and as whom.
    pub line: LineSettings,
    /// What to be reachable under by HTTP; with `tcp`, 1 to `MOUNTS_MAX`.
    pub mounts: Vec<Mount>,
    /// What raw connections go to.
    pub tcp: Vec<TcpService>,
    /// Whether the backends of raw connections are told where each comes from.
    pub proxy_protocol: bool,
    /// The application, unless there are raw connections alone.
    pub backend: Option<BackendUrl>,
    /// Which certificates it may have.
    pub backend_trust: BackendTrust,
    /// The path of its check, if there is one.
    pub backend_check: Option<String>,
    /// What makes the telephone ready.
    pub ready_on: ReadyOn,
    /// Where to serve the health page, if anywhere.
    pub health: Option<SocketAddr>,
    /// The names under which it is reached.
    pub health_hosts: Vec<String>,
    /// Tells replicas of one subject apart.
    pub instance: String,
    /// What the backend sees as `Host`, if not what was sent.
    pub host_header: Option<String>,
    /// Whether the backend sees the path without the mount.
    pub strips_prefix: bool,
    /// Whether each request is a line of the log; if nothing is said, on a terminal.
    pub logs_requests: Option<bool>,
    /// Streams that each plugboard may have open at once.
    pub streams: u32,
    /// How long clients may pause within a request's body, where the plugboard's own limit is not to do.
    pub body_clock: Option<Duration>,
    /// How clients are to be bound to one of the telephones of a mount.
    pub sticky: Option<Sticky>,
    /// Whether clients may switch to h2c.
    pub allows_h2c: bool,
    /// How long the backend may take to accept a connection.
    pub connect_timeout: Duration,
    /// How long it may take to begin its answer.
    pub answer_timeout: Duration,
    /// How long it may pause within a body of declared length.
    pub idle_timeout: Duration,
}

impl Settings {
    pub(crate) fn new(options: Options) -> Result<Self, Usage> {
        let mounts = mounts(options.mount, options.room)?;
        let serves_raw_alone = mounts.is_empty();
        if mounts.len() + options.tcp.len() > MOUNTS_MAX {
            return Err(Usage::new("--mount, --tcp", format!("at most {MOUNTS_MAX} mounts can be given")));
        }
        let backend = if serves_raw_alone && options.port.is_none() && options.backend.is_none() {
            None
        } else {
            Some(backend(options.port, options.backend)?)
        };
        if let (Some(path), None) = (&options.backend_check, &backend) {
            let named = format!("--backend-check {path} (TELEPHONE_BACKEND_CHECK)");
            return Err(Usage::new(
                &named,
                "there is no backend that answers requests; give --port or --backend",
            ));
        }
        let backend_trust = backend_trust(options.backend_ca, options.backend_insecure, backend.as_ref())?;
        let first = backend.as_ref().or_else(|| options.tcp.first().map(|service| &service.backend));
        let instance = options.instance.unwrap_or_else(|| default_instance(first));
        Ok(Self {
            line: LineSettings::new(options.line)?,
            mounts,
            tcp: options.tcp,
            proxy_protocol: options.proxy_protocol,
            backend_check: options.backend_check,
            ready_on: options.ready_on,
            health: options.health,
            health_hosts: options.health_host,
            instance,
            backend,
            backend_trust,
            host_header: options.host_header,
            strips_prefix: options.strip_prefix,
            logs_requests: options.log_requests,
            streams: options.streams,
            body_clock: options.body_clock,
            sticky: options.sticky.map(Sticky::from),
            allows_h2c: options.allow_upgrade == Some(AllowedUpgrade::H2c),
            connect_timeout: options.backend_connect_timeout,
            answer_timeout: options.backend_answer_timeout,
            idle_timeout: options.backend_idle_timeout,
        })
    }
}

pub(crate) fn mounts(texts: Vec<String>, rooms: Vec<String>) -> Result<Vec<Mount>, Usage> {
    let parse = |text: String| {
        let named = format!("--mount {text:?} (MOUNT_PATH)");
        let mount: Mount = text.parse().map_err(|why: MountError| Usage::new(&named, why))?;
        if mount.is_tcp() {
            let place = mount.as_str().trim_start_matches("tcp:");
            let why =
                format!("raw connections need a backend of their own: write --tcp {place}=127.0.0.1:PORT");
            return Err(Usage::new(&named, why));
        }
        Ok(mount)
    };
    let parse_room = |room: String| {
        let mount = format!("room:{room}").parse();
        mount.map_err(|why: MountError| Usage::new(&format!("--room {room:?} (ROOM_ID)"), why))
    };
    texts.into_iter().map(parse).chain(rooms.into_iter().map(parse_room)).collect()
}

/// The one of `--port` and `--backend` that was given.
pub(crate) fn backend(port: Option<u16>, url: Option<BackendUrl>) -> Result<BackendUrl, Usage> {
    Ok(match either(PORT, BACKEND, port, url)? {
        Either::Left(port) => BackendUrl::local(port),
        Either::Right(url) => url,
    })
}

/// Which certificates the backend may have. To say so for one that has none is a mistake: its user expects TLS.
pub(crate) fn backend_trust(
    ca: Option<PathBuf>,
    is_insecure: bool,
    backend: Option<&BackendUrl>,
) -> Result<BackendTrust, Usage> {
    const INSECURE: &str = "--backend-insecure (TELEPHONE_BACKEND_INSECURE)";
    let (named, trust) = match (ca, is_insecure) {
        (None, false) => return Ok(BackendTrust::Platform),
        (Some(_), true) => {
            let why = "it contradicts --backend-ca (TELEPHONE_BACKEND_CA); give one of the two";
            return Err(Usage::new(INSECURE, why));
        }
        (Some(path), false) => {
            (format!("--backend-ca {} (TELEPHONE_BACKEND_CA)", path.display()), BackendTrust::File(path))
        }
        (None, true) => (INSECURE.to_owned(), BackendTrust::Insecure),
    };
    match backend {
        Some(url) if url.is_tls() => Ok(trust),
        Some(url) => {
            Err(Usage::new(&named, format!("{url} is reached without TLS; give --backend https://HOST")))
        }
        None => Err(Usage::new(&named, "there is no backend; give --backend https://HOST")),
    }
}
