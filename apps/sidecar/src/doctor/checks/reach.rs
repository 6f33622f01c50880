//! To the plugboard's port: its name, its addresses, a proxy on the way.

use std::net::SocketAddr;

use rustix::io::Errno;
use telephone_core::hint::Hint;
use telephone_driver::{Runtime, Tried};

use super::{STEP_TIMEOUT, Way, in_time, in_time_or_failed, millis, too_late};

impl<R: Runtime> Way<'_, R> {
    pub(super) async fn dns(&mut self) -> Vec<SocketAddr> {
        let (host, _) = self.probe.first_hop();
        let start = self.runtime.now();
        let found = in_time_or_failed(self.runtime, self.probe.addresses()).await;
        let (whose, hint) = match self.probe.proxy() {
            Some(_) => (" (the proxy)", Hint::ProxyName),
            None => ("", Hint::Name),
        };
        let facts = match found {
            Ok(addresses) if !addresses.is_empty() => {
                let texts: Vec<String> = addresses.iter().map(|address| address.ip().to_string()).collect();
                let took = millis(self.runtime.now().since(start));
                self.passed("dns", format!("{host}{whose} is {} ({took})", texts.join(", ")), start);
                return addresses;
            }
            Ok(_) => format!("{host}{whose} has no address"),
            Err(error) => format!("{host}{whose}: {error}"),
        };
        self.findings.fail("dns", facts, hint);
        Vec::new()
    }

    pub(super) async fn tcp(&mut self, addresses: Vec<SocketAddr>) -> Option<R::Socket> {
        if addresses.is_empty() {
            self.findings.skip("tcp", "no address");
            return None;
        }
        let tried = self.probe.try_all(addresses, STEP_TIMEOUT).await;
        let texts: Vec<String> = tried.iter().map(told).collect();
        let mut facts = texts.join("; ");
        if let Some(good) = tried.iter().find(|one| one.result.is_ok()) {
            // Afresh: a plugboard closes a connection on which nothing comes while another address is waited for.
            let start = self.runtime.now();
            let connecting = self.runtime.connect_tcp(good.address);
            match in_time_or_failed(self.runtime, connecting).await {
                Ok(socket) => {
                    if is_worth_a_word(&tried) {
                        let hint = "Each dial may first try an address that does not answer: take it out of DNS, or repair its route.";
                        self.findings.warn("tcp", facts, hint);
                    } else {
                        self.passed("tcp", facts, start);
                    }
                    return Some(socket);
                }
                Err(error) => facts = format!("{facts}; a moment later: {error}"),
            }
        }
        let hint = match self.probe.proxy() {
            Some(_) => Hint::ProxyUnreachable,
            None => Hint::Unreachable,
        };
        self.findings.fail("tcp", facts, hint);
        None
    }

    pub(super) async fn proxy(&mut self, socket: Option<R::Socket>) -> Option<R::Socket> {
        let Some(proxy) = self.probe.proxy().map(ToString::to_string) else {
            match self.probe.ignored_proxy().map(ToString::to_string) {
                Some(why) => {
                    let hint = "A telephone dials directly then. Name a proxy, or take the variable away.";
                    self.findings.warn("proxy", why, hint);
                }
                None => self
                    .findings
                    .skip("proxy", "none is named for this plugboard (HTTPS_PROXY, ALL_PROXY, NO_PROXY)"),
            }
            return socket;
        };
        let Some(socket) = socket else {
            self.findings.skip("proxy", "no connection");
            return None;
        };
        let start = self.runtime.now();
        let (facts, hint) = match in_time(self.runtime, self.probe.pass_proxy(socket)).await {
            Some(Ok(socket)) => {
                self.passed("proxy", format!("{proxy} gave a tunnel"), start);
                return Some(socket);
            }
            None => (format!("{proxy}: {}", too_late()), Hint::NoProxy),
            Some(Err(error)) => (error.to_string(), error.hint()),
        };
        self.findings.fail("proxy", facts, hint);
        None
    }
}

fn told(Tried { address, result, took }: &Tried) -> String {
    match result {
        Ok(()) => format!("{address} answered ({})", millis(*took)),
        Err(error) => format!("{address}: {error}"),
    }
}

/// Whether an address that does not answer costs a dial its time. A machine without a way to any address of one family, as
/// most without IPv6, hears so at once.
fn is_worth_a_word(tried: &[Tried]) -> bool {
    let has_no_way = |one: &Tried| {
        let errno = one.result.as_ref().err().and_then(Errno::from_io_error);
        matches!(errno, Some(Errno::NETUNREACH | Errno::ADDRNOTAVAIL | Errno::AFNOSUPPORT))
    };
    let is_family_absent = |of: &Tried| {
        let mut family = tried.iter().filter(|one| one.address.is_ipv6() == of.address.is_ipv6());
        family.all(has_no_way)
    };
    tried.iter().any(|one| one.result.is_err() && !is_family_absent(one))
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::time::Duration;

    use super::*;

    fn tried(address: &str, errno: Option<Errno>) -> Tried {
        let result = errno.map_or(Ok(()), |errno| Err(io::Error::from(errno)));
        Tried { address: address.parse().unwrap(), result, took: Duration::ZERO }
    }

    #[test]
    fn a_family_that_this_machine_does_not_have_is_no_fault() {
        let (v4, v6, other_v6) = ("192.0.2.7:443", "[2001:db8::7]:443", "[2001:db8::8]:443");
        for errno in [Errno::NETUNREACH, Errno::ADDRNOTAVAIL, Errno::AFNOSUPPORT] {
            assert!(!is_worth_a_word(&[tried(v6, Some(errno)), tried(v4, None)]), "{errno}");
            // The family is there, and one address of it is not.
            assert!(is_worth_a_word(&[tried(v6, Some(errno)), tried(other_v6, None), tried(v4, None)]));
        }
        for errno in [Errno::CONNREFUSED, Errno::TIMEDOUT, Errno::HOSTUNREACH] {
            assert!(is_worth_a_word(&[tried(v6, Some(errno)), tried(v4, None)]), "{errno}");
        }
        assert!(!is_worth_a_word(&[tried(v6, None), tried(v4, None)]));
    }
}
