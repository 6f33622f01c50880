//! Where the application listens.

use std::fmt;
use std::str::FromStr;

use telephone_core::forward::Scheme;

use crate::runtime::Endpoint;

/// A backend's URL: `http://host[:port]`, `https://host[:port]` or `unix:/path`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackendUrl {
    endpoint: Endpoint,
    scheme: Scheme,
    text: String,
}

/// Why a text is no backend URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadBackendUrl {
    /// None of these.
    #[error("it must be http://HOST[:PORT], https://HOST[:PORT] or unix:/PATH")]
    Scheme,
    /// Not a URL.
    #[error("it is not a URL of the form http://HOST[:PORT] or https://HOST[:PORT]")]
    Syntax,
    /// Something behind the host: the path of a request is the client's.
    #[error("it must end after the host and port: the path is what the client asks for")]
    Path,
    /// A `unix:` path that does not begin with a slash.
    #[error("the path behind unix: must begin with a slash")]
    UnixPath,
}

impl BackendUrl {
    /// The application on this machine's `port`: at 127.0.0.1, or at ::1 if that refuses.
    #[must_use]
    pub fn local(port: u16) -> Self {
        Endpoint::Localhost(port).into()
    }

    /// Where it is.
    #[must_use]
    pub const fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Whether it is reached by TLS.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.scheme == Scheme::Https
    }

    /// The scheme of its own URLs.
    pub(crate) const fn scheme(&self) -> Scheme {
        self.scheme
    }
}

/// In clear.
impl From<Endpoint> for BackendUrl {
    fn from(endpoint: Endpoint) -> Self {
        let text = match &endpoint {
            Endpoint::Unix(path) => format!("unix:{}", path.display()),
            Endpoint::Tcp { .. } | Endpoint::Localhost(_) => format!("http://{}", endpoint.authority()),
        };
        Self { endpoint, scheme: Scheme::Http, text }
    }
}

/// Its address alone, without TLS.
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
            return Ok(Endpoint::Unix(path.into()).into());
        }
        let scheme = match text.split_once("://") {
            Some(("http", _)) => Scheme::Http,
            Some(("https", _)) => Scheme::Https,
            _ => return Err(BadBackendUrl::Scheme),
        };
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
        Ok(Self { endpoint: Endpoint::Tcp { host, port }, scheme, text: text.trim_end_matches('/').into() })
    }
}

impl fmt::Display for BackendUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}
