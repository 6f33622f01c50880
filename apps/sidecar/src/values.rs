//! Values on command lines, with errors that say what would be right.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use telephone_core::affinity::Sticky;
use telephone_core::follow::{BadFollowRule, FollowRule};
use telephone_core::limits::{INSTANCE_BYTES_MAX, PING_INTERVAL};
use telephone_core::mount::{Mount, MountError};
use telephone_driver::{BackendUrl, BadBackendUrl};

/// A protocol that clients may switch to only if that is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum AllowedUpgrade {
    /// HTTP/2 without TLS.
    H2c,
}

/// By what a client is recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum StickyBy {
    /// A cookie that the plugboard sets.
    Cookie,
    /// The client's address, IPv6 by /64.
    Address,
}

impl From<StickyBy> for Sticky {
    fn from(by: StickyBy) -> Self {
        match by {
            StickyBy::Cookie => Self::Cookie,
            StickyBy::Address => Self::Address,
        }
    }
}

/// What makes a telephone ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum ReadyOn {
    /// A session with a link.
    Link,
    /// That, and applications that accept connections.
    Backend,
}

/// Hosts that a telephone follows its plugboard to: `HOST`, `HOST:PORT` or `HOST:*`. White space around it is left out, as
/// it stands behind commas.
///
/// # Errors
/// What would be right.
pub fn follow(text: &str) -> Result<FollowRule, String> {
    text.trim().parse().map_err(|why: BadFollowRule| why.to_string())
}

/// A host name without a port, in lower case: under which a port for operators is reached.
///
/// # Errors
/// What would be right.
pub fn host_name(text: &str) -> Result<String, String> {
    let name = text.trim();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if name.is_empty() || !name.chars().all(is_plain) {
        return Err("give a host name without a port, such as shop.internal".into());
    }
    Ok(name.to_ascii_lowercase())
}

/// A duration such as `500ms`, `30s` or `5m`, up to a day.
///
/// # Errors
/// What would be right.
pub fn duration(text: &str) -> Result<Duration, String> {
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    match humantime::parse_duration(text) {
        Ok(duration) if duration <= DAY => Ok(duration),
        Ok(_) => Err("it must be at most a day (24h)".into()),
        Err(_) => Err("give a number with its unit, such as 500ms, 30s or 5m".into()),
    }
}

/// A duration that is not zero.
///
/// # Errors
/// What would be right.
pub fn positive_duration(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err("it must be longer than nothing, such as 1s".into()),
        duration => Ok(duration),
    }
}

/// How long an idle link may be without a ping.
///
/// # Errors
/// What would be right.
pub fn ping_interval(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        interval if PING_INTERVAL.contains(&interval) => Ok(interval),
        _ => Err("it must be between 1s and 20s".into()),
    }
}

/// The path of a check: as in a request, with a query or without.
///
/// # Errors
/// What would be right.
pub fn check_path(text: &str) -> Result<String, String> {
    let is_sound = text.starts_with('/') && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
    if is_sound {
        Ok(text.to_owned())
    } else {
        Err("give a path that begins with a slash, such as /healthz".into())
    }
}

/// An address to listen on: `IP:PORT`, `[IPv6]:PORT` or `localhost:PORT`. Port 0 takes a free one.
///
/// # Errors
/// What would be right.
pub fn listen_address(text: &str) -> Result<SocketAddr, String> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let port = text.strip_prefix("localhost:").and_then(|port| port.parse().ok());
    port.map(|port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port))
        .ok_or_else(|| "give an address and a port, such as 127.0.0.1:4000 or [::]:4000".into())
}

/// A backend: `http://HOST[:PORT]`, `https://HOST[:PORT]` or `unix:/PATH`.
///
/// # Errors
/// What would be right.
pub fn backend(text: &str) -> Result<BackendUrl, String> {
    text.parse().map_err(|why: BadBackendUrl| format!("{why}, such as http://127.0.0.1:3000"))
}

/// A mount for raw connections, and what they go to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TcpService {
    /// `tcp:PORT` or `tcp:NAME:PORT`.
    pub mount: String,
    /// The backend.
    pub backend: BackendUrl,
}

/// A service of raw connections: `PORT=HOST:PORT`, `NAME:PORT=HOST:PORT`, or `unix:/PATH` behind the sign.
///
/// # Errors
/// What would be right.
pub fn tcp(text: &str) -> Result<TcpService, String> {
    const EXAMPLE: &str =
        "such as 5432=127.0.0.1:5432, or db:5432=127.0.0.1:5432 for `telephone connect` alone";
    let (place, backend) =
        text.split_once('=').ok_or_else(|| format!("give a mount and a backend, {EXAMPLE}"))?;
    let backend = match backend.rsplit_once(':') {
        _ if backend.starts_with("unix:") => backend.to_owned(),
        Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0) => {
            format!("http://{backend}")
        }
        _ => return Err(format!("the backend must be HOST:PORT or unix:/PATH, {EXAMPLE}")),
    };
    let backend = backend.parse().map_err(|why: BadBackendUrl| format!("{why}, {EXAMPLE}"))?;
    Ok(TcpService { mount: endpoint(place)?, backend })
}

/// An endpoint of raw connections, `NAME:PORT` or `PORT`, with or without `tcp:` before it. Gives its mount.
///
/// # Errors
/// What would be right.
pub fn endpoint(text: &str) -> Result<String, String> {
    let mount = format!("tcp:{}", text.strip_prefix("tcp:").unwrap_or(text));
    let mount: Mount = mount.parse().map_err(|why: MountError| why.to_string())?;
    Ok(mount.to_string())
}

/// What a backend gets as `Host`: a name or an address, with or without a port.
///
/// # Errors
/// What would be right.
pub fn host_header(text: &str) -> Result<String, String> {
    let is_host = |c: char| c.is_ascii_alphanumeric() || "-._~:[]%!$&'()*+;=".contains(c);
    if text.is_empty() || !text.chars().all(is_host) {
        return Err("give a host name with or without a port, such as localhost:3000".into());
    }
    Ok(text.to_owned())
}

/// A name that tells replicas of one subject apart: 1 to 128 visible characters.
///
/// # Errors
/// What would be right.
pub fn instance(text: &str) -> Result<String, String> {
    let is_sound = (1..=INSTANCE_BYTES_MAX).contains(&text.len()) && !text.chars().any(char::is_control);
    if is_sound {
        Ok(text.to_owned())
    } else {
        Err(format!("give a name of 1 to {INSTANCE_BYTES_MAX} bytes, such as web-1"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_backend_is_refused_with_an_example() {
        for text in ["http://app:8080", "https://app", "unix:/run/app.sock"] {
            assert!(backend(text).is_ok(), "{text}");
        }
        for text in
            ["", "3000", "localhost:3000", "ftp://a", "https://a/path", "http://a/path", "unix:app.sock"]
        {
            assert!(backend(text).unwrap_err().contains("such as http://127.0.0.1:3000"), "{text}");
        }
    }

    #[test]
    fn a_name_of_the_health_page_has_no_port() {
        assert_eq!(host_name(" Shop.internal").unwrap(), "shop.internal");
        for text in ["", "a:1", "http://a", "a/b", "a b", "é", "[::1]", "*"] {
            assert!(host_name(text).unwrap_err().contains("such as shop.internal"), "{text}");
        }
    }

    #[test]
    fn a_ping_interval_is_long_enough_for_a_link_and_short_enough_to_keep_it() {
        for (text, is_good) in
            [("1s", true), ("8s", true), ("20s", true), ("999ms", false), ("21s", false), ("8", false)]
        {
            assert_eq!(ping_interval(text).is_ok(), is_good, "{text}");
        }
        assert!(ping_interval("0s").unwrap_err().contains("between 1s and 20s"));
    }

    #[test]
    fn durations_have_units_and_end_within_a_day() {
        assert_eq!(duration("1500ms"), Ok(Duration::from_millis(1500)));
        assert_eq!(duration("1m 30s"), Ok(Duration::from_secs(90)));
        for text in ["", "5", "-1s", "1e9s", "25h", "x"] {
            assert!(duration(text).is_err(), "{text}");
        }
        assert!(positive_duration("0s").is_err());
    }

    #[test]
    fn the_path_of_a_check_is_one_that_a_request_may_have() {
        for text in ["/", "/healthz", "/a/b?deep=1", "/a%20b"] {
            assert_eq!(check_path(text).as_deref(), Ok(text));
        }
        for text in ["", "healthz", "/a b", "/a\r\nX: y", "/é", "/a#b", "http://a/"] {
            assert!(check_path(text).unwrap_err().contains("such as /healthz"), "{text:?}");
        }
    }

    #[test]
    fn listen_addresses_have_a_port() {
        assert_eq!(listen_address("localhost:80").unwrap().to_string(), "127.0.0.1:80");
        assert_eq!(listen_address("[::]:0").unwrap().to_string(), "[::]:0");
        for text in ["", "4000", ":4000", "127.0.0.1", "example.com:80", "localhost:x", "1.2.3.4:70000"] {
            assert!(listen_address(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_host_header_cannot_smuggle_a_line() {
        assert!(host_header("localhost:3000").is_ok());
        for text in ["", "a b", "a\r\nX: y", "a/b", "é", "a@b", "a,b"] {
            assert!(host_header(text).is_err(), "{text:?}");
        }
    }
}
