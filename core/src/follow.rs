//! Where a telephone follows its plugboard: which of the URLs that a plugboard names it dials with its token.
//!
//! A plugboard names a URL where it can be reached again (`resume_url`) and one where the next session belongs (`move`).
//! A hostile or broken one could name any host, and would get a token sent there.

use alloc::borrow::ToOwned as _;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::net::IpAddr;
use core::str::FromStr;

/// The parts of a plugboard's URL that decide whether it is followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// Whether the link is encrypted.
    pub is_tls: bool,
    /// The host name in lower case, or an address without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The path.
    pub path: String,
}

impl Location {
    const fn default_port(&self) -> u16 {
        if self.is_tls { 443 } else { 80 }
    }

    fn is_same_server(&self, other: &Self) -> bool {
        self.is_tls == other.is_tls && self.port == other.port && name(&self.host) == name(&other.host)
    }

    /// What [`FollowRule`] admits this location's host and port alone.
    #[must_use]
    pub fn rule(&self) -> String {
        let host = if self.host.contains(':') { ["[", &self.host, "]"].concat() } else { self.host.clone() };
        if self.port == self.default_port() { host } else { [&host, ":", &self.port.to_string()].concat() }
    }
}

/// A host name without the dot of the root.
fn name(host: &str) -> &str {
    host.strip_suffix('.').unwrap_or(host)
}

/// Which locations are followed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FollowPolicy {
    /// The plugboards that the telephone was given.
    own: Vec<Location>,
    rules: Vec<FollowRule>,
}

/// Why a location is not followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum NotFollowed {
    /// Of it and the dialled one only one has TLS.
    #[error("of it and the URL that was dialled only one has TLS")]
    Tls,
    /// A plugboard of the telephone's own with another path than the dialled one, not admitted by a rule.
    #[error("its path is not the one that was dialled")]
    Path,
    /// Neither a plugboard of the telephone's own nor admitted by a rule.
    #[error("it is not one of the plugboards that were given")]
    Elsewhere,
}

impl FollowPolicy {
    /// Follows to `own` plugboards, and to what `rules` admit.
    #[must_use]
    pub const fn new(own: Vec<Location>, rules: Vec<FollowRule>) -> Self {
        Self { own, rules }
    }

    /// Checks what a plugboard named on a link that was made by dialling `dialled`.
    ///
    /// # Errors
    /// It is not to be dialled.
    pub fn check(&self, dialled: &Location, named: &Location) -> Result<(), NotFollowed> {
        if dialled.is_tls != named.is_tls {
            return Err(NotFollowed::Tls);
        }
        let is_own = self.own.iter().any(|own| own.is_same_server(named));
        let is_path = named.path == dialled.path;
        if is_own && is_path || self.rules.iter().any(|rule| rule.admits(named)) {
            Ok(())
        } else if is_own {
            Err(NotFollowed::Path)
        } else {
            Err(NotFollowed::Elsewhere)
        }
    }
}

/// Hosts that are followed: `HOST`, `HOST:PORT` or `HOST:*`. A `*` in the host stands for any characters, dots among
/// them; a host of digits, dots and `*`, such as `10.0.0.*`, admits IP addresses alone. Without a port it is the default one
/// of the URL's scheme, 443 or 80.
///
/// ```
/// use telephone_core::follow::FollowRule;
/// let rule: FollowRule = "*.example.com:8443".parse().unwrap();
/// assert_eq!(rule.to_string(), "*.example.com:8443");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FollowRule {
    text: String,
    host: String,
    port: RulePort,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RulePort {
    Default,
    One(u16),
    Any,
}

/// Why a text is no rule. The text is quoted and escaped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadFollowRule {
    /// A whole URL.
    #[error("{0:?} is a URL: give its host and port alone, such as relay-2.example.com:443")]
    Url(String),
    /// No host, or characters that no host has.
    #[error(
        "{0:?} has no valid host: give HOST, HOST:PORT or HOST:*, such as relay-2.example.com or *.example.com:8443"
    )]
    Host(String),
    /// An IPv6 address without brackets.
    #[error("{0:?} is an IPv6 address without brackets: write [ADDRESS] or [ADDRESS]:PORT")]
    Brackets(String),
    /// Neither a port nor `*` behind the colon.
    #[error("{0:?} has no valid port: write a number from 1 to 65535, or * for all")]
    Port(String),
}

impl FollowRule {
    fn admits(&self, location: &Location) -> bool {
        let is_port = match self.port {
            RulePort::Default => location.port == location.default_port(),
            RulePort::One(port) => location.port == port,
            RulePort::Any => true,
        };
        let host = name(&location.host);
        // A name can begin like an address, as `10.0.0.evil.example` does: what describes addresses admits no names.
        let is_kind = !self.is_of_addresses() || host.parse::<IpAddr>().is_ok();
        is_port && is_kind && matches_pattern(&self.host, host)
    }

    /// Whether the host describes IPv4 addresses: digits, dots and `*`, with one digit at least.
    fn is_of_addresses(&self) -> bool {
        self.host.bytes().any(|byte| byte.is_ascii_digit())
            && self.host.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'*'))
    }
}

impl core::fmt::Display for FollowRule {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for FollowRule {
    type Err = BadFollowRule;

    fn from_str(text: &str) -> Result<Self, BadFollowRule> {
        let owned = || text.to_owned();
        if text.contains('/') {
            return Err(BadFollowRule::Url(owned()));
        }
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (address, rest) = rest.split_once(']').ok_or_else(|| BadFollowRule::Host(owned()))?;
                let address = address.parse::<core::net::Ipv6Addr>();
                let address = address.map_err(|_| BadFollowRule::Host(owned()))?;
                let port = match rest.strip_prefix(':') {
                    Some(port) => Some(port),
                    None if rest.is_empty() => None,
                    None => return Err(BadFollowRule::Port(owned())),
                };
                (address.to_string(), port)
            }
            None if text.parse::<IpAddr>().is_ok_and(|address| address.is_ipv6()) => {
                return Err(BadFollowRule::Brackets(owned()));
            }
            None => {
                let (host, port) =
                    text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port)));
                let host = name(host);
                if host.is_empty() || !host.bytes().all(is_host_octet) {
                    return Err(BadFollowRule::Host(owned()));
                }
                (host.to_ascii_lowercase(), port)
            }
        };
        let port = match port {
            None => RulePort::Default,
            Some("*") => RulePort::Any,
            Some(number) => {
                let is_number = number.bytes().all(|octet| octet.is_ascii_digit());
                let port = number.parse().ok().filter(|port| is_number && *port > 0);
                RulePort::One(port.ok_or_else(|| BadFollowRule::Port(owned()))?)
            }
        };
        Ok(Self { text: owned(), host, port })
    }
}

const fn is_host_octet(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_' | b'.' | b'*')
}

/// Whether `text` is what `pattern` describes, in which `*` stands for any bytes. The work is the product of their lengths
/// at the most.
#[must_use]
pub fn matches_pattern(pattern: &str, text: &str) -> bool {
    let (mut pattern, mut text) = (pattern.as_bytes(), text.as_bytes());
    // Where to go on if the latest star has to stand for one byte more.
    let mut star: Option<(&[u8], &[u8])> = None;
    loop {
        match (pattern.split_first(), text.split_first()) {
            (Some((b'*', rest)), _) => {
                star = Some((rest, text));
                pattern = rest;
            }
            (Some((one, pattern_rest)), Some((other, text_rest))) if one == other => {
                (pattern, text) = (pattern_rest, text_rest);
            }
            (None, None) => return true,
            (Some(_) | None, _) => {
                let Some((behind, from)) = star else { return false };
                let Some((_, shorter)) = from.split_first() else { return false };
                star = Some((behind, shorter));
                (pattern, text) = (behind, shorter);
            }
        }
    }
}

#[cfg(test)]
mod tests;
