//! Where the load goes: a URL, taken apart.

use std::fmt;
use std::str::FromStr;

use http::Uri;
use http::uri::PathAndQuery;
use telephone_driver::Endpoint;

/// A URL of `http://` or `https://`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    text: String,
    host: String,
    port: u16,
    authority: String,
    path: PathAndQuery,
    is_tls: bool,
}

/// Why a text is no target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadTarget {
    /// Not a URL, or not one of a web server.
    #[error("give a URL such as http://127.0.0.1:4000/api")]
    Syntax,
    /// A name and a password before the host.
    #[error("leave the user out of the URL; --header 'Authorization: Basic …' sends it")]
    User,
}

impl Target {
    /// `http://` and an address with its port.
    pub(super) fn local(address: std::net::SocketAddr) -> Self {
        Self {
            text: format!("http://{address}/"),
            host: address.ip().to_string(),
            port: address.port(),
            authority: address.to_string(),
            path: PathAndQuery::from_static("/"),
            is_tls: false,
        }
    }

    /// What is dialled.
    pub(super) fn endpoint(&self) -> Endpoint {
        Endpoint::Tcp { host: self.host.clone(), port: self.port }
    }

    /// The name or address that a certificate must be for, without brackets.
    #[cfg(feature = "tls")]
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// What `Host` says.
    pub(super) fn authority(&self) -> &str {
        &self.authority
    }

    /// What stands in the request's first line.
    pub(super) fn request_target(&self) -> Uri {
        self.path.clone().into()
    }

    /// Whether it is `https://`.
    pub(super) const fn is_tls(&self) -> bool {
        self.is_tls
    }
}

impl FromStr for Target {
    type Err = BadTarget;

    fn from_str(text: &str) -> Result<Self, BadTarget> {
        let url = url::Url::parse(text).map_err(|_| BadTarget::Syntax)?;
        let is_tls = match url.scheme() {
            "http" => false,
            "https" => true,
            _ => return Err(BadTarget::Syntax),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(BadTarget::User);
        }
        let host = match url.host() {
            Some(url::Host::Domain(name)) => name.to_owned(),
            Some(url::Host::Ipv4(address)) => address.to_string(),
            Some(url::Host::Ipv6(address)) => address.to_string(),
            None => return Err(BadTarget::Syntax),
        };
        let path = &url[url::Position::BeforePath..url::Position::AfterQuery];
        Ok(Self {
            text: url[..url::Position::AfterQuery].to_owned(),
            host,
            port: url.port_or_known_default().ok_or(BadTarget::Syntax)?,
            authority: url[url::Position::BeforeHost..url::Position::AfterPort].to_owned(),
            path: path.parse().map_err(|_| BadTarget::Syntax)?,
            is_tls,
        })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_whom_to_dial_what_to_ask_and_which_host_to_name() {
        for (text, host, port, authority, path) in [
            ("http://127.0.0.1:4000/api?q=1#x", "127.0.0.1", 4000, "127.0.0.1:4000", "/api?q=1"),
            ("http://example.com", "example.com", 80, "example.com", "/"),
            ("http://[::1]:81/a b", "::1", 81, "[::1]:81", "/a%20b"),
        ] {
            let target: Target = text.parse().unwrap();
            assert_eq!(target.endpoint(), Endpoint::Tcp { host: host.into(), port }, "{text}");
            assert_eq!(target.authority(), authority, "{text}");
            assert_eq!(target.request_target(), path, "{text}");
        }
    }

    #[test]
    fn what_is_no_url_of_a_web_server_is_refused_with_an_example() {
        for text in ["", "127.0.0.1:4000", "/api", "ws://a/", "unix:/run/a", "http://", "http://:80/"] {
            let why = text.parse::<Target>().unwrap_err().to_string();
            assert!(why.contains("such as http://127.0.0.1:4000/api"), "{text}: {why}");
        }
        assert_eq!("http://a:b@c/".parse::<Target>(), Err(BadTarget::User));
    }
}
