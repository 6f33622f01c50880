//! Mounts: what a session is reachable under, and what a token may claim.

use alloc::borrow::{Cow, ToOwned};
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use core::fmt;
use core::net::Ipv6Addr;
use core::str::FromStr;

use crate::limits::MOUNT_BYTES_MAX;
use crate::target::{self, Lenient, TargetError};

/// Octets of the name of a room or an endpoint.
const NAME_BYTES_MAX: usize = 64;
/// Octets of a host name (RFC 1035 §2.3.4).
const HOST_BYTES_MAX: usize = 253;

/// What a session is reachable under: `[host]/path`, `room:ID`, `tcp:PORT` (a port that the plugboard opens to everybody)
/// or `tcp:NAME:PORT` (an endpoint that only other sessions reach).
///
/// Always in canonical form, so equal mounts compare equal and print equal: the host in lower case
/// without a trailing dot, the path as [`target::canonical`] makes it without a trailing slash. Normalising a text
/// changes nothing else: a path with a dot segment or an empty segment is refused, because its canonical form covers
/// other requests than the text says. A mount's path is plain, too: no encoded slash, no `;parameters`, nothing that two
/// backends could read in two ways.
///
/// ```
/// use telephone_core::mount::Mount;
/// let mount: Mount = "Example.COM./%7Eann/".parse().unwrap();
/// assert_eq!(mount.to_string(), "example.com/~ann");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mount {
    text: Box<str>,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Kind {
    /// So many octets of the text are the host. The path behind it is a slash alone for the root.
    Path {
        host: usize,
    },
    Room,
    Port(u16),
    Endpoint,
}

const ROOM: &str = "room:";
const TCP: &str = "tcp:";

impl Mount {
    /// The text that stands for it everywhere, as it prints.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    fn parts(&self) -> Option<(&str, &str)> {
        match self.kind {
            Kind::Path { host } => self.text.split_at_checked(host),
            Kind::Room | Kind::Port(_) | Kind::Endpoint => None,
        }
    }

    /// The host name, if this is a path on one host.
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        self.parts().map(|(host, _)| host).filter(|host| !host.is_empty())
    }

    /// The path without a trailing slash, empty for the root: what `--strip-prefix` takes off a target.
    #[must_use]
    pub fn path(&self) -> Option<&str> {
        self.parts().map(|(_, path)| if path == "/" { "" } else { path })
    }

    /// The name of a room.
    #[must_use]
    pub fn room(&self) -> Option<&str> {
        match self.kind {
            Kind::Room => self.text.strip_prefix(ROOM),
            Kind::Path { .. } | Kind::Port(_) | Kind::Endpoint => None,
        }
    }

    /// The port that the plugboard opens for it.
    #[must_use]
    pub const fn port(&self) -> Option<u16> {
        match self.kind {
            Kind::Port(port) => Some(port),
            Kind::Path { .. } | Kind::Room | Kind::Endpoint => None,
        }
    }

    /// Whether raw connections come to it, and no HTTP.
    #[must_use]
    pub const fn is_tcp(&self) -> bool {
        matches!(self.kind, Kind::Port(_) | Kind::Endpoint)
    }

    /// Whether one of `claims` [covers](Self::covers) this mount.
    #[must_use]
    pub fn is_covered_by(&self, claims: &[Self]) -> bool {
        claims.iter().any(|claim| claim.covers(self))
    }

    /// Whether a token that claims this mount may register `other`: itself, or a path below it on segment
    /// boundaries.
    ///
    /// A claim covers one host only, and one without a host covers mounts without a host: since a host's
    /// mount is chosen before one of all hosts, `/api` must not be enough to take `example.com/api`.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        match (self.path(), other.path()) {
            (Some(path), Some(its_path)) => {
                self.host() == other.host() && is_at_or_below(path.as_bytes(), its_path.as_bytes())
            }
            _ => self == other,
        }
    }
}

impl Mount {
    /// Where the mounts below this one begin in the order of mounts. All of them follow one another.
    pub(crate) fn first_below(&self) -> Self {
        let slash = if self.text.ends_with('/') { "" } else { "/" };
        Self { text: [&self.text, slash].concat().into(), kind: self.kind }
    }
}

/// Whether `path` is `top`, or lies below it on a segment boundary.
pub(crate) fn is_at_or_below(top: &[u8], path: &[u8]) -> bool {
    path.strip_prefix(top).is_some_and(|rest| {
        rest.is_empty() || rest.starts_with(b"/") || cfg!(planted = "claim-covers-neighbour")
    })
}

impl fmt::Display for Mount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// What is wrong with a mount, and what would be right. What was written is quoted and escaped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MountError {
    /// Nothing at all.
    #[error("the mount is empty: write a path such as /api")]
    Empty,
    /// More than [`MOUNT_BYTES_MAX`] octets.
    #[error("the mount has {0} octets: at most {MOUNT_BYTES_MAX} are allowed")]
    TooLong(usize),
    /// A word without a slash: a path without its slash, or a host without a path.
    #[error("the mount {0:?} has no slash: write \"/{word}\" for a path, or \"{word}/\" for a host", word = .0.escape_debug())]
    NoSlash(String),
    /// A whole URL.
    #[error("the mount {0:?} is a URL: write the host and the path only")]
    Url(String),
    /// A host with a port.
    #[error("the mount {0:?} has a port: write the host alone, mounts are reachable on every port")]
    HostWithPort(String),
    /// Not a host name.
    #[error(
        "the mount {0:?} has no valid host: use letters, digits, '-', '_' and '.', Punycode for others, and brackets around an IPv6 address"
    )]
    Host(String),
    /// A path with a query.
    #[error("the mount {0:?} has a query: write the path alone")]
    Query(String),
    /// Not a path.
    #[error("the mount {mount:?} has no valid path: {error}; percent-encode what is not plain ASCII")]
    Path {
        /// What was written.
        mount: String,
        /// What is wrong with its path.
        error: TargetError,
    },
    /// A path with a dot segment, bare or percent-encoded: its canonical form covers other requests than its text.
    #[error(
        "the mount {mount:?} has a dot segment: write the path without one, its canonical form is {canonical:?}"
    )]
    DotSegment {
        /// What was written.
        mount: String,
        /// The mount that it would be with its dot segments resolved.
        canonical: String,
    },
    /// A path with a dot segment for readers that decode slashes, decode twice or cut parameters off.
    #[error(
        "the mount {mount:?} hides a dot segment: write the path without one, a lenient reader takes it for {canonical:?}"
    )]
    HiddenDotSegment {
        /// What was written.
        mount: String,
        /// The mount that such a reader would take it for.
        canonical: String,
    },
    /// A path with two slashes in a row: readers that merge slashes find another path.
    #[error(
        "the mount {mount:?} has an empty segment: write single slashes, its canonical form is {canonical:?}"
    )]
    EmptySegment {
        /// What was written.
        mount: String,
        /// The mount that it would be without empty segments.
        canonical: String,
    },
    /// A path that backends read in more than one way.
    #[error("the mount {0:?} can be read in two ways: leave out ';', \"%2F\", \"%5C\" and \"%3B\"")]
    NotPlain(String),
    /// Not the name of a room.
    #[error(
        "the mount {0:?} names no room: write room: and 1 to {NAME_BYTES_MAX} of a-z A-Z 0-9 '-' '_' '.', not \".\" or \"..\""
    )]
    Room(String),
    /// Not the number of a port.
    #[error("the mount {0:?} names no port: write tcp:PORT or tcp:NAME:PORT, with a number from 1 to 65535")]
    Port(String),
}

impl FromStr for Mount {
    type Err = MountError;

    fn from_str(text: &str) -> Result<Self, MountError> {
        if text.is_empty() {
            return Err(MountError::Empty);
        }
        if text.len() > MOUNT_BYTES_MAX {
            return Err(MountError::TooLong(text.len()));
        }
        if let Some(name) = text.strip_prefix(ROOM) {
            return room(name).ok_or_else(|| MountError::Room(text.to_owned()));
        }
        if let Some(place) = text.strip_prefix(TCP) {
            return tcp(place).ok_or_else(|| MountError::Port(text.to_owned()));
        }
        if text.contains("://") {
            return Err(MountError::Url(text.to_owned()));
        }
        let slash = text.find('/').ok_or_else(|| MountError::NoSlash(text.to_owned()))?;
        let (host, path) = text.split_at(slash);
        let host = parse_host(host, text)?;
        let path = parse_path(&host, path, text)?;
        let kind = Kind::Path { host: host.len() };
        Ok(Self { text: [host, path].concat().into(), kind })
    }
}

fn room(name: &str) -> Option<Mount> {
    is_name(name).then(|| Mount { text: [ROOM, name].concat().into(), kind: Kind::Room })
}

/// Whether a room or an endpoint may be called that. A dot segment is no name, since names end in paths and URLs.
fn is_name(name: &str) -> bool {
    let is_plain = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_' | b'.');
    (1..=NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(is_plain) && !matches!(name, "." | "..")
}

/// A port, or a name and a port. Digits only and no leading zero, so that one port has one name.
fn tcp(place: &str) -> Option<Mount> {
    let (name, number) = place.split_once(':').map_or((None, place), |(name, port)| (Some(name), port));
    let is_number = number.bytes().all(|octet| octet.is_ascii_digit()) && !number.starts_with('0');
    let port = is_number.then(|| number.parse().ok()).flatten().filter(|_| name.is_none_or(is_name))?;
    let kind = if name.is_some() { Kind::Endpoint } else { Kind::Port(port) };
    Some(Mount { text: [TCP, place].concat().into(), kind })
}

/// The host in `mount`, empty where there is none before the path.
fn parse_host(host: &str, mount: &str) -> Result<String, MountError> {
    if host.is_empty() {
        return Ok(String::new());
    }
    if host.starts_with('[') {
        let (address, rest) = ipv6(host).ok_or_else(|| MountError::Host(mount.to_owned()))?;
        return if rest.is_empty() { Ok(address) } else { Err(MountError::HostWithPort(mount.to_owned())) };
    }
    if host.contains(':') {
        return Err(MountError::HostWithPort(mount.to_owned()));
    }
    let name = host.strip_suffix('.').unwrap_or(host);
    if name.len() > HOST_BYTES_MAX || !is_host_name(name) {
        return Err(MountError::Host(mount.to_owned()));
    }
    Ok(name.to_ascii_lowercase())
}

/// The IPv6 address in brackets at the front of `authority`, as it is compared (RFC 5952 §4), and what follows it.
pub(crate) fn ipv6(authority: &str) -> Option<(String, &str)> {
    let (address, rest) = authority.strip_prefix('[')?.split_once(']')?;
    let address: Ipv6Addr = address.parse().ok()?;
    Some((format!("[{address}]"), rest))
}

/// Whether `name` is labels of letters, digits, `-` and `_` with dots between them, of whatever length.
pub(crate) fn is_host_name(name: &str) -> bool {
    let mut is_in_label = false;
    for octet in name.bytes() {
        match octet {
            b'.' if is_in_label => is_in_label = false,
            b'-' | b'_' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => is_in_label = true,
            _ => return false,
        }
    }
    is_in_label
}

/// The canonical path behind `host` in `mount`, unless it is another one than its text says.
fn parse_path(host: &str, path: &str, mount: &str) -> Result<String, MountError> {
    if path.contains('?') {
        return Err(MountError::Query(mount.to_owned()));
    }
    let written = || mount.to_owned();
    // What is canonical is ASCII, so no octet is replaced.
    let named = |path: &[u8]| [host, without_last_slash(&String::from_utf8_lossy(path))].concat();
    let hidden = |lenient: Lenient| {
        let canonical = named(&lenient.path);
        MountError::HiddenDotSegment { mount: written(), canonical }
    };
    let lenient = || target::lenient(path.as_bytes());
    let empty = || MountError::EmptySegment { mount: written(), canonical: named(&lenient().path) };
    let canonical = target::canonical(path.as_bytes()).map_err(|error| match error {
        TargetError::HiddenDotSegment => hidden(lenient()),
        TargetError::NamesAHost => empty(),
        TargetError::NotAPath
        | TargetError::Octet(_)
        | TargetError::BrokenEscape
        | TargetError::Nul
        | TargetError::Overlong => MountError::Path { mount: written(), error },
    })?;
    if !target::is_resolved(path.as_bytes()) {
        return Err(MountError::DotSegment { mount: written(), canonical: named(&canonical) });
    }
    if canonical.windows(2).any(|pair| pair == b"//") {
        return Err(empty());
    }
    if !target::is_plain(&canonical) {
        return Err(MountError::NotPlain(written()));
    }
    if canonical.contains(&b'%') {
        let lenient = target::lenient(&canonical);
        if lenient.has_dot_segment {
            return Err(hidden(lenient));
        }
    }
    Ok(without_last_slash(&String::from_utf8_lossy(&canonical)).into())
}

/// A path without a trailing slash, but for the root.
fn without_last_slash(path: &str) -> &str {
    path.strip_suffix('/').filter(|path| !path.is_empty()).unwrap_or(path)
}

/// The name in a `Host` field or an authority as mounts hold it: without port and trailing dots, in lower
/// case. Borrowed if it is canonical already.
pub(crate) fn host_name(authority: &[u8]) -> Cow<'_, [u8]> {
    // The colons of an IPv6 address are no port.
    if let Some((address, _port)) = core::str::from_utf8(authority).ok().and_then(ipv6) {
        return address.into_bytes().into();
    }
    let mut name = authority.split(|&octet| octet == b':').next().unwrap_or_default();
    while let Some(shorter) = name.strip_suffix(b".") {
        name = shorter;
    }
    if name.iter().any(u8::is_ascii_uppercase) { name.to_ascii_lowercase().into() } else { name.into() }
}

#[cfg(test)]
mod tests;
