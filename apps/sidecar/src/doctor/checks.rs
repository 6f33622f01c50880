//! The stages, in their order: each takes what the one before made.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use futures_lite::{AsyncReadExt as _, AsyncWriteExt as _, future};
use telephone_core::time::Timestamp;
use telephone_driver::{
    BackendUrl, Endpoint, NotUpgraded, PlugboardUrl, Probe, ProbeError, ProxyError, Runtime, Socket,
    TlsFault, TokenSource as _, Upgraded,
};

use super::DoctorSettings;
use super::claims::{Claims, Standing};
use super::report::Findings;
use crate::exit::Exit;
use crate::line::TokenOrigin;
use crate::token_file::TokenFile;
use crate::usage::Stop;

/// How long one step may take.
const STEP_TIMEOUT: Duration = Duration::from_secs(5);
/// Addresses of one name that are tried, as a telephone does.
const ADDRESSES_MAX: usize = 16;
/// Between two clocks: from where it is worth a word, and what plugboards forgive.
const CLOCK_WARN: Duration = Duration::from_secs(30);
const CLOCK_FAIL: Duration = Duration::from_secs(60);

/// One way to a plugboard, while it is examined.
struct Way<'a, R: Runtime> {
    runtime: &'a R,
    probe: Probe<R>,
    findings: Findings,
}

/// Examines the way to a plugboard.
pub(super) async fn plugboard<R: Runtime>(
    runtime: &R,
    settings: &DoctorSettings,
    url: &PlugboardUrl,
) -> Result<Findings, Stop> {
    let mut findings = Findings::default();
    let probe = match Probe::new(runtime.clone(), url.clone(), &settings.proxies, settings.ca.as_deref()) {
        Ok(probe) => probe,
        Err(ProbeError::Proxy(error)) => {
            let hint = "Name an HTTP proxy there, or exempt the plugboard's host in NO_PROXY.";
            findings.fail("proxy", error.to_string(), hint);
            for stage in ["dns", "tcp", "tls", "upgrade", "token", "clock"] {
                findings.skip(stage, "no proxy to dial");
            }
            return Ok(findings);
        }
        // Without TLS in this program there is no other.
        #[allow(unreachable_patterns, reason = "that depends on the driver's features")]
        Err(error) => return Err(Stop::new(Exit::Usage, format!("--ca: {error}"))),
    };
    let mut way = Way { runtime, probe, findings };
    let addresses = way.dns().await;
    let socket = way.tcp(addresses).await;
    let socket = way.proxy(socket).await;
    let socket = way.tls(socket, url).await;
    let (upgraded, date) = way.upgrade(socket).await;
    way.token(settings, upgraded).await;
    way.clock(date);
    Ok(way.findings)
}

/// `what`, if it ends in time.
async fn in_time<R: Runtime, T>(runtime: &R, what: impl Future<Output = T>) -> Option<T> {
    let late = async {
        runtime.sleep_until(runtime.now() + STEP_TIMEOUT).await;
        None
    };
    future::or(async { Some(what.await) }, late).await
}

fn too_late() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {} s", STEP_TIMEOUT.as_secs()))
}

impl<R: Runtime> Way<'_, R> {
    fn since(&self, start: Timestamp) -> String {
        let micros = self.runtime.now().since(start).as_micros();
        format!("{}.{} ms", micros / 1000, micros / 100 % 10)
    }

    async fn dns(&mut self) -> Vec<SocketAddr> {
        const HINT: &str =
            "Is the name spelt right? Does this machine resolve it: /etc/resolv.conf, the cluster's DNS?";
        let ((host, port), start) = (self.probe.first_hop(), self.runtime.now());
        let found =
            in_time(self.runtime, self.runtime.resolve(&host, port)).await.unwrap_or_else(|| Err(too_late()));
        let whose = if self.probe.proxy().is_some() { " (the proxy)" } else { "" };
        match found {
            Ok(mut addresses) if !addresses.is_empty() => {
                addresses.truncate(ADDRESSES_MAX);
                let texts: Vec<String> = addresses.iter().map(|address| address.ip().to_string()).collect();
                let facts = format!("{host}{whose} is {} ({})", texts.join(", "), self.since(start));
                self.findings.ok("dns", facts);
                addresses
            }
            Ok(_) => {
                self.findings.fail("dns", format!("{host}{whose} has no address"), HINT);
                Vec::new()
            }
            Err(error) => {
                self.findings.fail("dns", format!("{host}{whose}: {error}"), HINT);
                Vec::new()
            }
        }
    }

    async fn tcp(&mut self, addresses: Vec<SocketAddr>) -> Option<R::Socket> {
        if addresses.is_empty() {
            self.findings.skip("tcp", "no address");
            return None;
        }
        let (mut first, mut facts, mut failed) = (None, Vec::new(), 0);
        for address in addresses {
            let start = self.runtime.now();
            let connected = in_time(self.runtime, self.runtime.connect_tcp(address)).await;
            match connected.unwrap_or_else(|| Err(too_late())) {
                Ok(socket) => {
                    facts.push(format!("{address} answered ({})", self.since(start)));
                    first.get_or_insert(socket);
                }
                Err(error) => {
                    facts.push(format!("{address}: {error}"));
                    failed += 1;
                }
            }
        }
        let facts = facts.join("; ");
        match &first {
            None => self.findings.fail(
                "tcp",
                facts,
                "Does the plugboard listen at this port (`serve --listen`)? Is a firewall between, or a proxy needed (HTTPS_PROXY)?",
            ),
            Some(_) if failed > 0 => self.findings.warn(
                "tcp",
                facts,
                "Each dial may first try an address that does not answer: take it out of DNS, or repair its route.",
            ),
            Some(_) => self.findings.ok("tcp", facts),
        }
        first
    }

    async fn proxy(&mut self, socket: Option<R::Socket>) -> Option<R::Socket> {
        let Some(proxy) = self.probe.proxy().map(ToString::to_string) else {
            self.findings
                .skip("proxy", "none is named for this plugboard (HTTPS_PROXY, ALL_PROXY, NO_PROXY)");
            return socket;
        };
        let Some(socket) = socket else {
            self.findings.skip("proxy", "no connection");
            return None;
        };
        let (facts, hint) = match in_time(self.runtime, self.probe.pass_proxy(socket)).await {
            Some(Ok(socket)) => {
                self.findings.ok("proxy", format!("{proxy} gave a tunnel"));
                return Some(socket);
            }
            None => {
                (format!("{proxy}: {}", too_late()), "Is this an HTTP proxy? Can it reach the plugboard?")
            }
            Some(Err(error)) => (
                error.to_string(),
                match error {
                    ProxyError::Refused { status: 407, .. } => {
                        "It wants credentials: http://USER:PASSWORD@HOST:PORT in the variable."
                    }
                    ProxyError::Refused { status: 500.., .. } => {
                        "The proxy cannot reach the plugboard: is its name known there, its port open?"
                    }
                    ProxyError::Refused { .. } => {
                        "The proxy does not allow this: have host and port allowed, use port 443, or exempt it in NO_PROXY."
                    }
                    ProxyError::Broken { .. } | ProxyError::NotAProxy { .. } => {
                        "Is this an HTTP proxy, and this its port?"
                    }
                },
            ),
        };
        self.findings.fail("proxy", facts, hint);
        None
    }

    async fn tls(&mut self, socket: Option<R::Socket>, url: &PlugboardUrl) -> Option<Box<dyn Socket>> {
        let Some(socket) = socket else {
            self.findings.skip("tls", "no connection");
            return None;
        };
        let secured = in_time(self.runtime, self.probe.secure(socket)).await;
        let secured = secured.unwrap_or_else(|| Err((TlsFault::NotSpoken, too_late().to_string())));
        match secured {
            Ok((socket, _)) if !url.is_tls() => {
                self.findings.skip("tls", "ws:// has none: over the internet use wss://");
                Some(socket)
            }
            Ok((socket, None)) => {
                self.findings.ok("tls", "the certificate is trusted".into());
                Some(socket)
            }
            Ok((socket, Some(certificate))) => {
                let date = humantime::format_rfc3339_seconds(certificate.expires);
                let (subject, issuer) = (certificate.subject, certificate.issuer);
                let facts =
                    format!("the certificate of {subject}, by {issuer}, is trusted and good until {date}");
                self.findings.ok("tls", facts);
                Some(socket)
            }
            Err((fault, facts)) => {
                self.findings.fail("tls", facts, tls_hint(fault));
                None
            }
        }
    }

    async fn upgrade(&mut self, socket: Option<Box<dyn Socket>>) -> (Option<Upgraded>, Option<SystemTime>) {
        let Some(socket) = socket else {
            self.findings.skip("upgrade", "no connection");
            return (None, None);
        };
        let upgraded = in_time(self.runtime, self.probe.upgrade(socket)).await;
        match upgraded.unwrap_or_else(|| Err(NotUpgraded::Broken(too_late().to_string()))) {
            Ok(upgraded) => {
                self.findings.ok("upgrade", "101, telephone.v1".into());
                let date = upgraded.date;
                (Some(upgraded), date)
            }
            Err(NotUpgraded::Broken(error)) => {
                let hint = "Something there is no web server, or hangs: is this the plugboard's port, and wss:// or ws:// right?";
                self.findings.fail("upgrade", error, hint);
                (None, None)
            }
            Err(NotUpgraded::Answered { status, server, is_plugboard, date }) => {
                let server = server.map(|name| format!(" (Server: {name})")).unwrap_or_default();
                let facts = format!("it answered {status}{server} instead of 101");
                self.findings.fail("upgrade", facts, upgrade_hint(status, is_plugboard));
                (None, date)
            }
        }
    }

    async fn token(&mut self, settings: &DoctorSettings, upgraded: Option<Upgraded>) {
        const STAGE: &str = "token";
        let token = match &settings.token {
            None => return self.findings.skip(STAGE, "none was given (--token, --token-file)"),
            Some(TokenOrigin::Fixed(token)) => token.expose().to_owned(),
            Some(TokenOrigin::File(path)) => match TokenFile::open(path).and_then(|file| file.token()) {
                Ok(token) => token,
                Err(error) => {
                    let facts = format!("{}: {error}", path.display());
                    return self.findings.fail(
                        STAGE,
                        facts,
                        "Let the file hold what `plugboard token` prints.",
                    );
                }
            },
        };
        let Some(claims) = Claims::read(&token) else {
            return self.findings.fail(
                STAGE,
                "this is no JWT".into(),
                "Give what `plugboard token` prints, whole.",
            );
        };
        let now = SystemTime::now();
        let told = claims.told(now);
        let uncovered: Vec<String> =
            claims.uncovered(&settings.mounts).iter().map(ToString::to_string).collect();
        let said = match upgraded {
            Some(upgraded) => {
                let mounts: Vec<String> = settings.mounts.iter().map(ToString::to_string).collect();
                in_time(self.runtime, self.probe.ask(upgraded, token, &mounts)).await
            }
            None => None,
        };
        let hint = token_hint(claims.standing(now), !uncovered.is_empty());
        match (said, hint) {
            (Some(Ok(Err(refused))), hint) => {
                let hint = hint.unwrap_or(
                    "The plugboard does not know its key, or revoked it: make one with the secret that it was given (--secret-file).",
                );
                self.findings.fail(
                    STAGE,
                    format!("{told}; the plugboard refuses it: {}", refused.reason),
                    hint,
                );
            }
            // It lives on, or soon will not.
            (Some(Ok(Ok(()))), Some(hint)) => self.findings.warn(STAGE, told, hint),
            (Some(Ok(Ok(()))), None) => self.findings.ok(STAGE, format!("{told}; the plugboard takes it")),
            (_, Some(hint)) if !uncovered.is_empty() => {
                let facts = format!("{told}; it does not cover {}", uncovered.join(", "));
                self.findings.fail(STAGE, facts, hint);
            }
            (_, Some(hint)) => self.findings.fail(STAGE, told, hint),
            (Some(Err(error)), None) => {
                let hint =
                    "The link broke before the plugboard had answered: see its log, and what lies between.";
                self.findings.fail(STAGE, format!("{told}; not judged: {error}"), hint);
            }
            (None, None) => self.findings.skip(STAGE, format!("{told}; the plugboard could not be asked")),
        }
    }

    fn clock(&mut self, date: Option<SystemTime>) {
        const HINT: &str = "Set this machine's clock, or the plugboard's: let NTP run. Tokens are judged by the plugboard's.";
        let Some(date) = date else {
            return self.findings.skip("clock", "the server told no time");
        };
        let (apart, side) = match SystemTime::now().duration_since(date) {
            Ok(ahead) => (ahead, "ahead of"),
            Err(error) => (error.duration(), "behind"),
        };
        let facts = format!("this clock is {} s {side} the server's", apart.as_secs());
        if apart >= CLOCK_FAIL {
            self.findings.fail("clock", facts, HINT);
        } else if apart >= CLOCK_WARN {
            self.findings.warn("clock", facts, HINT);
        } else {
            self.findings.ok("clock", facts);
        }
    }
}

const fn tls_hint(fault: TlsFault) -> &'static str {
    match fault {
        TlsFault::Absent => "Use a build with the feature `tls`, or ws:// to a TLS client beside it.",
        TlsFault::NotSpoken => "This port speaks no TLS: use ws://, or the port of the server that ends TLS.",
        TlsFault::Expired => {
            "Renew the server's certificate; if it is new, see whether this machine's clock is right."
        }
        TlsFault::NotYetValid => "See whether this machine's clock is right.",
        TlsFault::UnknownIssuer => {
            "A private authority, or a company's proxy that opens TLS: give its certificate with --ca."
        }
        TlsFault::WrongName => "Dial the name that the certificate is for, or have one made for this name.",
        TlsFault::Other => "See the server's TLS log: versions, certificates that it asks of clients.",
    }
}

const fn upgrade_hint(status: u16, is_plugboard: bool) -> &'static str {
    match status {
        _ if is_plugboard => {
            "A plugboard, which was not asked for an upgrade: a server in between drops Upgrade and Connection; README has \
             what nginx needs."
        }
        301..=399 | 511 => "A login page or a redirect: sign in to this network, or dial where it points.",
        401 | 403 => "Somebody in between lets nobody in: have WebSockets to this host allowed.",
        407 => "A proxy wants credentials: name it in HTTPS_PROXY.",
        500..=599 => "A server in front has no plugboard behind it: is `plugboard serve` running?",
        _ => {
            "A web server, but no plugboard at this path: are host, port and path right, and does a server in front pass \
             them on?"
        }
    }
}

/// What to do about a token for what it says itself.
const fn token_hint(standing: Standing, is_narrow: bool) -> Option<&'static str> {
    match standing {
        Standing::Expired => {
            Some("Make a new one with `plugboard token`, with a longer --ttl or in a --token-file.")
        }
        Standing::NotYet => Some("It is not valid yet: see whether the clocks are right."),
        _ if is_narrow => Some("Make one with `plugboard token --mount` for each mount, or change --mount."),
        Standing::Ending => Some("It ends soon: let --token-file hold a fresh one by then."),
        Standing::Good => None,
    }
}

/// Sees whether the application answers.
pub(super) async fn backend<R: Runtime>(runtime: &R, backend: &BackendUrl) -> Findings {
    const STAGE: &str = "backend";
    let mut findings = Findings::default();
    let endpoint = Endpoint::from(backend.clone());
    let host = match &endpoint {
        Endpoint::Tcp { host, port } => format!("{host}:{port}"),
        Endpoint::Unix(_) => "localhost".into(),
    };
    let asked = async {
        let mut socket = runtime.connect(&endpoint).await?;
        socket
            .write_all(format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").as_bytes())
            .await?;
        socket.flush().await?;
        let mut line = Vec::new();
        // "HTTP/1.1 200"
        socket.take(12).read_to_end(&mut line).await?;
        Ok(String::from_utf8_lossy(&line).into_owned())
    };
    match in_time(runtime, asked).await.unwrap_or_else(|| Err(too_late())) {
        Ok(line) if line.starts_with("HTTP/1.") => {
            let status = line.get(9..).unwrap_or_default();
            let facts = format!("it answered {status} to GET /");
            if status.starts_with('5') {
                findings.warn(STAGE, facts, "It runs, and fails: see the application's log.");
            } else {
                findings.ok(STAGE, facts);
            }
        }
        Ok(_) => findings.fail(
            STAGE,
            "what answered speaks no HTTP".into(),
            "Give the port of the application's HTTP server; other protocols go through --tcp.",
        ),
        Err(error) => findings.fail(
            STAGE,
            error.to_string(),
            "Start the application, or correct --port or --backend; in a container 127.0.0.1 is the container itself.",
        ),
    }
    findings
}
