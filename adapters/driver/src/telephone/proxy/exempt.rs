//! Whom no proxy is for: `NO_PROXY`, and this machine.

use std::net::IpAddr;

use ipnet::IpNet;
use telephone_core::follow::matches_pattern;

/// Hosts that are reached without a proxy, at one port or at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Exempt {
    hosts: Hosts,
    port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Hosts {
    All,
    /// A host and those below it.
    Named(String),
    /// A text in which `*` stands for any characters, such as `127.*`.
    Pattern(String),
    Network(IpNet),
}

/// Whether no proxy can have a way to `host`, whatever the variables say: it is this machine.
pub(super) fn is_loopback(host: &str) -> bool {
    let name = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    match name.parse::<IpAddr>() {
        Ok(address) => address.to_canonical().is_loopback(),
        // RFC 6761 §6.3
        Err(_) => name == "localhost" || name.ends_with(".localhost"),
    }
}

impl Exempt {
    /// The parts of `NO_PROXY`, between commas, semicolons or white space. One whose port is none is left out: it must not
    /// exempt more than was meant.
    pub(super) fn list(text: &str) -> Vec<Self> {
        let parts = text.split(|c: char| matches!(c, ',' | ';') || c.is_whitespace());
        parts.filter(|part| !part.is_empty()).filter_map(Self::parse).collect()
    }

    fn parse(text: &str) -> Option<Self> {
        // The colons of an IPv6 address without brackets are part of it.
        if let Some(network) = network(text) {
            return Some(Self { hosts: Hosts::Network(network), port: None });
        }
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, Some(port.parse().ok()?)),
            _ => (text, None),
        };
        let host = host.trim_matches(['[', ']']).to_ascii_lowercase();
        let name = host.trim_start_matches("*.").trim_start_matches('.');
        let hosts = match network(&host) {
            Some(network) => Hosts::Network(network),
            None if host == "*" => Hosts::All,
            None if name.contains('*') => Hosts::Pattern(host),
            None => Hosts::Named(name.to_owned()),
        };
        Some(Self { hosts, port })
    }

    pub(super) fn holds(&self, host: &str, port: u16) -> bool {
        let host = host.to_ascii_lowercase();
        let address = host.parse::<IpAddr>();
        let is_among = match &self.hosts {
            Hosts::All => true,
            Hosts::Network(network) => address.is_ok_and(|address| network.contains(&address)),
            // A name can begin like an address, as `127.evil.example` does.
            Hosts::Pattern(pattern) => {
                let is_of_addresses = pattern.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'*'));
                (address.is_ok() || !is_of_addresses) && matches_pattern(pattern, &host)
            }
            Hosts::Named(name) => {
                let rest = host.strip_suffix(name.as_str());
                rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
            }
        };
        is_among && self.port.is_none_or(|only| only == port)
    }
}

/// An address, or several by their prefix.
fn network(text: &str) -> Option<IpNet> {
    text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}
