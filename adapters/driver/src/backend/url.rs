//! Where the application listens.

use std::fmt;
use std::str::FromStr;

use crate::runtime::Endpoint;

/// A backend's URL: `http://host[:port]` or `unix:/path`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackendUrl {
    endpoint: Endpoint,
    text: String,
}

/// Why a text is no backend URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadBackendUrl {
    /// Neither `http://` nor `unix:`.
    #[error("it must be http://HOST[:PORT] or unix:/PATH")]
    Scheme,
    /// Not a URL.
    #[error("it is not a URL of the form http://HOST[:PORT]")]
    Syntax,
    /// Something behind the host: the path of a request is the client's.
    #[error("it must end after the host and port: the path is what the client asks for")]
    Path,
    /// A `unix:` path that does not begin with a slash.
    #[error("the path behind unix: must begin with a slash")]
    UnixPath,
}

impl BackendUrl {
    /// The application on this machine's `port`.
    #[must_use]
    pub fn local(port: u16) -> Self {
        let endpoint = Endpoint::Tcp { host: "127.0.0.1".into(), port };
        Self { endpoint, text: format!("http://127.0.0.1:{port}") }
    }
}

impl From<BackendUrl> for Endpoint {
    fn from(url: BackendUrl) -> Self {
        url.endpoint
    }
}

impl FromStr for BackendUrl {
    type Err = BadBackendUrl;

    fn from_str(text: &str) -> Result<Self, BadBackendUrl> {
        if let Some(path) = text.strip_prefix("unix:") {
            if !path.starts_with('/') {
                return Err(BadBackendUrl::UnixPath);
            }
            return Ok(Self { endpoint: Endpoint::Unix(path.into()), text: text.into() });
        }
        if !text.starts_with("http://") {
            return Err(BadBackendUrl::Scheme);
        }
        let url = url::Url::parse(text).map_err(|_| BadBackendUrl::Syntax)?;
        if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
            return Err(BadBackendUrl::Path);
        }
        let host = match url.host() {
            Some(url::Host::Domain(name)) => name.to_owned(),
            Some(url::Host::Ipv4(address)) => address.to_string(),
            Some(url::Host::Ipv6(address)) => address.to_string(),
            None => return Err(BadBackendUrl::Syntax),
        };
        let port = url.port_or_known_default().unwrap_or(80);
        Ok(Self { endpoint: Endpoint::Tcp { host, port }, text: text.trim_end_matches('/').into() })
    }
}

impl fmt::Display for BackendUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}
