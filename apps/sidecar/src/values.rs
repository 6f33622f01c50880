//! Values on command lines, with errors that say what would be right.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use telephone_driver::Endpoint;

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

/// A backend: `http://HOST[:PORT]` or `unix:/PATH`.
///
/// # Errors
/// What would be right.
pub fn backend(text: &str) -> Result<Endpoint, String> {
    const FORMS: &str = "give http://HOST:PORT or unix:/PATH, such as http://127.0.0.1:3000";
    if let Some(path) = text.strip_prefix("unix:") {
        return match path.strip_prefix("//").unwrap_or(path) {
            path if path.starts_with('/') && path.len() > 1 => Ok(Endpoint::Unix(path.into())),
            _ => Err("a Unix socket needs an absolute path, such as unix:/run/app.sock".into()),
        };
    }
    if text.starts_with("https:") {
        return Err("backends are spoken to in plain HTTP; give http://HOST:PORT".into());
    }
    let url = url::Url::parse(text).map_err(|_| FORMS.to_owned())?;
    if url.scheme() != "http" {
        return Err(FORMS.into());
    }
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() || url.username() != "" {
        return Err("it must hold a host and a port alone; the request brings its own path".into());
    }
    let host = match url.host() {
        Some(url::Host::Ipv6(address)) => address.to_string(),
        Some(host) => host.to_string(),
        None => return Err(FORMS.into()),
    };
    Ok(Endpoint::Tcp { host, port: url.port().unwrap_or(80) })
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
    let is_sound = (1..=128).contains(&text.len()) && !text.chars().any(char::is_control);
    if is_sound { Ok(text.to_owned()) } else { Err("give a name of 1 to 128 bytes, such as web-1".into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(host: &str, port: u16) -> Endpoint {
        Endpoint::Tcp { host: host.into(), port }
    }

    #[test]
    fn backends_are_hosts_with_ports_or_socket_paths() {
        for (text, endpoint) in [
            ("http://127.0.0.1:3000", tcp("127.0.0.1", 3000)),
            ("http://app:8080/", tcp("app", 8080)),
            ("http://app", tcp("app", 80)),
            ("http://[::1]:3000", tcp("::1", 3000)),
            ("unix:/run/app.sock", Endpoint::Unix("/run/app.sock".into())),
            ("unix:///run/app.sock", Endpoint::Unix("/run/app.sock".into())),
        ] {
            assert_eq!(backend(text), Ok(endpoint), "{text}");
        }
    }

    #[test]
    fn what_is_no_backend_is_refused_with_what_would_be_right() {
        for (text, part) in [
            ("", "http://HOST:PORT"),
            ("3000", "http://HOST:PORT"),
            ("localhost:3000", "http://HOST:PORT"),
            ("ftp://a", "http://HOST:PORT"),
            ("https://a", "plain HTTP"),
            ("http://a/path", "its own path"),
            ("http://a/?q", "its own path"),
            ("http://me@a/", "its own path"),
            ("unix:run/app.sock", "absolute path"),
            ("unix:", "absolute path"),
        ] {
            let error = backend(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
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
