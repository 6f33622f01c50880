//! Which `Host` a port for operators answers to, so that web pages cannot reach it (faults X-02).
//!
//! A page can make a browser connect here under a name of the page's own (DNS rebinding): the address is then right, and
//! `Host` alone tells. A browser that was given an address sends the address, so that literal ones are safe.

use std::net::{IpAddr, SocketAddr};

use http::uri::Authority;

/// The names and addresses under which one port is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostGuard {
    own: IpAddr,
    names: Vec<String>,
}

impl HostGuard {
    /// Of a port that listens on `address`: it answers to `localhost`, to loopback addresses, to its own address or to any
    /// if it listens on all of them, and to `names`.
    #[must_use]
    pub const fn new(address: SocketAddr, names: Vec<String>) -> Self {
        Self { own: address.ip(), names }
    }

    /// Whether a request with these `Host` fields is answered. There must be exactly one.
    pub fn admits<'a>(&self, mut hosts: impl Iterator<Item = &'a [u8]>) -> bool {
        let (Some(host), None) = (hosts.next(), hosts.next()) else { return false };
        let Ok(host) = Authority::try_from(host) else { return false };
        if host.as_str().contains('@') {
            return false;
        }
        let name = host.host();
        let literal = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
        match literal.parse::<IpAddr>() {
            // Whoever listens on all addresses cannot list them.
            Ok(address) => self.own.is_unspecified() || address == self.own || address.is_loopback(),
            Err(_) => {
                let is = |own: &str| name.eq_ignore_ascii_case(own);
                is("localhost") || self.names.iter().any(|own| is(own))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_its_own_names_and_addresses_are_answered() {
        for (address, host, is_own) in [
            ("127.0.0.1:4001", "127.0.0.1:4001", true),
            ("127.0.0.1:4001", "127.0.0.1", true),
            ("127.0.0.1:4001", "127.0.0.2:4001", true),
            ("127.0.0.1:4001", "localhost:9", true),
            ("127.0.0.1:4001", "LOCALHOST", true),
            ("127.0.0.1:4001", "[::1]:4001", true),
            ("127.0.0.1:4001", "10.0.0.7:4001", false),
            ("127.0.0.1:4001", "evil.example", false),
            ("127.0.0.1:4001", "localhost.evil.example", false),
            ("127.0.0.1:4001", "127.0.0.1.evil.example", false),
            ("127.0.0.1:4001", "localhost.", false),
            ("127.0.0.1:4001", "evil@localhost:x", false),
            ("127.0.0.1:4001", "evil@localhost", false),
            ("127.0.0.1:4001", "localhost/x", false),
            ("127.0.0.1:4001", "", false),
            ("127.0.0.1:4001", " ", false),
            ("10.0.0.7:4001", "10.0.0.7:4001", true),
            ("10.0.0.7:4001", "10.0.0.8:4001", false),
            ("0.0.0.0:4001", "10.0.0.8:4001", true),
            ("0.0.0.0:4001", "evil.example", false),
            ("0.0.0.0:4001", "pod.example", true),
            ("0.0.0.0:4001", "POD.example:9", true),
            ("0.0.0.0:4001", "x.pod.example", false),
            ("[::]:4001", "[2001:db8::1]:4001", true),
            ("[::]:4001", "2001:db8::1", false),
        ] {
            let guard = HostGuard::new(address.parse().unwrap(), vec!["pod.example".into()]);
            assert_eq!(guard.admits([host.as_bytes()].into_iter()), is_own, "{host} at {address}");
        }
    }

    #[test]
    fn no_host_two_of_them_and_other_octets_are_refused() {
        let guard = HostGuard::new("127.0.0.1:4001".parse().unwrap(), vec![]);
        assert!(!guard.admits(std::iter::empty()));
        assert!(!guard.admits([&b"localhost"[..], b"localhost"].into_iter()));
        assert!(!guard.admits([&b"localhost\xff"[..]].into_iter()));
    }
}
