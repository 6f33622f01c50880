//! From a connection to a link: TLS, the upgrade to a WebSocket, and the clocks of both ends.

use std::time::{Duration, SystemTime};

use telephone_core::hint::Hint;
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
                self.findings.fail("tls", facts, fault.hint());
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
                self.findings.fail("upgrade", error, Hint::NoHttp);
                (None, None)
            }
            Err(NotUpgraded::Answered { status, server, is_plugboard, date }) => {
                let server = server.map(|name| format!(" (Server: {name})")).unwrap_or_default();
                let facts = format!("it answered {status}{server} instead of 101");
                self.findings.fail("upgrade", facts, Hint::of_answer(status, is_plugboard));
                (None, clocks(date))
            }
        }
    }

    pub(super) fn clock(&mut self, clocks: Option<Clocks>) {
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
            self.findings.fail("clock", facts, Hint::Clock);
        } else if apart >= CLOCK_WARN {
            self.findings.warn("clock", facts, Hint::Clock);
        } else {
            self.findings.ok("clock", facts);
        }
    }
}
