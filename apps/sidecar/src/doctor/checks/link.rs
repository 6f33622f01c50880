//! From a connection to a link: TLS, the upgrade to a WebSocket, and the clocks of both ends.

use std::time::{Duration, SystemTime};

use telephone_driver::{LEEWAY, NotUpgraded, PlugboardUrl, Runtime, Socket, TlsFault, Upgraded};

use super::{Way, in_time, too_late};

/// From where the distance of two clocks is worth a word.
const CLOCK_WARN: Duration = Duration::from_secs(30);

/// What two clocks said at one moment.
pub(super) struct Clocks {
    here: SystemTime,
    there: SystemTime,
}

impl<R: Runtime> Way<'_, R> {
    pub(super) async fn tls(
        &mut self,
        socket: Option<R::Socket>,
        url: &PlugboardUrl,
    ) -> Option<Box<dyn Socket>> {
        let Some(socket) = socket else {
            self.findings.skip("tls", "no connection");
            return None;
        };
        let start = self.runtime.now();
        let secured = in_time(self.runtime, self.probe.secure(socket)).await;
        let secured = secured.unwrap_or_else(|| Err((TlsFault::NotSpoken, too_late().to_string())));
        match secured {
            Ok((socket, _)) if !url.is_tls() => {
                self.findings.skip("tls", "ws:// has none: over the internet use wss://");
                Some(socket)
            }
            Ok((socket, None)) => {
                self.passed("tls", "the certificate is trusted".into(), start);
                Some(socket)
            }
            Ok((socket, Some(certificate))) => {
                let date = humantime::format_rfc3339_seconds(certificate.expires);
                let (subject, issuer) = (certificate.subject, certificate.issuer);
                let facts =
                    format!("the certificate of {subject}, by {issuer}, is trusted and good until {date}");
                self.passed("tls", facts, start);
                Some(socket)
            }
            Err((fault, facts)) => {
                self.findings.fail("tls", facts, tls_hint(fault));
                None
            }
        }
    }

    pub(super) async fn upgrade(
        &mut self,
        socket: Option<Box<dyn Socket>>,
    ) -> (Option<Upgraded>, Option<Clocks>) {
        let Some(socket) = socket else {
            self.findings.skip("upgrade", "no connection");
            return (None, None);
        };
        let start = self.runtime.now();
        let upgraded = in_time(self.runtime, self.probe.upgrade(socket)).await;
        let here = SystemTime::now();
        let clocks = |date: Option<SystemTime>| date.map(|there| Clocks { here, there });
        match upgraded.unwrap_or_else(|| Err(NotUpgraded::Broken(too_late().to_string()))) {
            Ok(upgraded) => {
                self.passed("upgrade", "101, telephone.v1".into(), start);
                let date = upgraded.date;
                (Some(upgraded), clocks(date))
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
                (None, clocks(date))
            }
        }
    }

    pub(super) fn clock(&mut self, clocks: Option<Clocks>) {
        const HINT: &str = "Set this machine's clock, or the plugboard's: let NTP run. Tokens are judged by the plugboard's.";
        let Some(Clocks { here, there }) = clocks else {
            return self.findings.skip("clock", "the server told no time");
        };
        let (apart, side) = match here.duration_since(there) {
            Ok(ahead) => (ahead, "ahead of"),
            Err(error) => (error.duration(), "behind"),
        };
        let facts = format!("this clock is {} s {side} the server's", apart.as_secs());
        // Plugboards forgive so much.
        if apart >= LEEWAY {
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
        TlsFault::NoRoots => {
            "This machine trusts no authority at all: install ca-certificates, or give the plugboard's with --ca."
        }
        TlsFault::NotSpoken => "This port speaks no TLS: use ws://, or the port of the server that ends TLS.",
        TlsFault::Expired => {
            "Renew the server's certificate; if it is new, see whether this machine's clock is right."
        }
        TlsFault::NotYetValid => "See whether this machine's clock is right.",
        TlsFault::UnknownIssuer => {
            "A private authority, or a company's proxy that opens TLS: give its certificate with --ca."
        }
        TlsFault::Authority => {
            "A certificate that signed itself as an authority is none for a server: have it sign one for this host, and \
             give the authority's with --ca."
        }
        TlsFault::WrongName => "Dial the name that the certificate is for, or have one made for this name.",
        TlsFault::Other => "See the server's TLS log: versions, certificates that it asks of clients.",
    }
}

const fn upgrade_hint(status: u16, is_plugboard: bool) -> &'static str {
    match status {
        400 | 426 if is_plugboard => {
            "A plugboard, which was not asked for an upgrade: a server in between drops Upgrade and Connection; README has \
             what nginx needs."
        }
        _ if is_plugboard => {
            "A plugboard, but not where telephones come: leave the path out of the URL, and see which path a server in \
             front passes on."
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
