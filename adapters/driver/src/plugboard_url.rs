//! Where a telephone dials.

use std::fmt;
use std::str::FromStr;

use telephone_core::follow::Location;
use url::Url;

/// The path that an empty one stands for.
const DEFAULT_PATH: &str = "/.well-known/telephone";

/// A plugboard's URL: `ws://` or `wss://`, a host, no credentials. `http://` and `https://` are other spellings of the two.
/// An empty path is `/.well-known/telephone`.
///
/// ```
/// use telephone_driver::PlugboardUrl;
///
/// let url: PlugboardUrl = "wss://example.com".parse()?;
/// assert_eq!(url.as_url().as_str(), "wss://example.com/.well-known/telephone");
/// # Ok::<(), telephone_driver::BadUrl>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PlugboardUrl(Url);

/// Why a text is no plugboard URL. The text itself is not repeated: it may hold a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadUrl {
    /// Another scheme, or none.
    #[error("it must begin with ws://, wss://, http:// or https://")]
    Scheme,
    /// Not a URL at all.
    #[error("it is not a URL of the form ws://HOST[:PORT][/PATH]")]
    Syntax,
    /// A user name or password before the host.
    #[error("it must not hold a user name or password; the token says who you are")]
    Credentials,
    /// A `?query`: tokens in it would end in logs (faults A-11).
    #[error("it must not hold a query; the token goes into a header")]
    Query,
    /// A `#fragment`.
    #[error("it must not hold a fragment")]
    Fragment,
}

impl PlugboardUrl {
    /// The whole URL, path included.
    #[must_use]
    pub const fn as_url(&self) -> &Url {
        &self.0
    }

    /// Its host, an IPv6 address without brackets, and its port.
    #[must_use]
    pub fn host_and_port(&self) -> (String, u16) {
        let host = self.0.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        (host, self.0.port_or_known_default().unwrap_or(80))
    }

    /// What decides whether a telephone follows its plugboard there.
    #[must_use]
    pub fn location(&self) -> Location {
        let (host, port) = self.host_and_port();
        Location { is_tls: self.is_tls(), host, port, path: self.0.path().to_owned() }
    }

    /// Whether the link is encrypted.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.0.scheme() == "wss"
    }
}

impl FromStr for PlugboardUrl {
    type Err = BadUrl;

    fn from_str(text: &str) -> Result<Self, BadUrl> {
        let mut url = Url::parse(text).map_err(|error| match error {
            url::ParseError::RelativeUrlWithoutBase => BadUrl::Scheme,
            _ => BadUrl::Syntax,
        })?;
        let scheme = match url.scheme() {
            "ws" | "http" => "ws",
            "wss" | "https" => "wss",
            _ => return Err(BadUrl::Scheme),
        };
        // Both are special schemes (WHATWG URL §4.2), so that one may stand in for the other.
        url.set_scheme(scheme).map_err(|()| BadUrl::Scheme)?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(BadUrl::Credentials);
        }
        if url.query().is_some() {
            return Err(BadUrl::Query);
        }
        if url.fragment().is_some() {
            return Err(BadUrl::Fragment);
        }
        if matches!(url.path(), "" | "/") {
            url.set_path(DEFAULT_PATH);
        }
        Ok(Self(url))
    }
}

impl fmt::Display for PlugboardUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_path_means_the_well_known_one() {
        for (text, whole) in [
            ("ws://127.0.0.1:4000", "ws://127.0.0.1:4000/.well-known/telephone"),
            ("ws://127.0.0.1:4000/", "ws://127.0.0.1:4000/.well-known/telephone"),
            ("wss://Example.com/x", "wss://example.com/x"),
            ("ws://[::1]:4000", "ws://[::1]:4000/.well-known/telephone"),
            ("https://example.com:443", "wss://example.com/.well-known/telephone"),
            ("http://example.com:443/x", "ws://example.com:443/x"),
        ] {
            assert_eq!(text.parse::<PlugboardUrl>().unwrap().to_string(), whole, "{text}");
        }
    }

    #[test]
    fn a_location_is_in_one_form_however_the_url_is_spelled() {
        let location = |text: &str| text.parse::<PlugboardUrl>().unwrap().location();
        for (text, same) in [
            ("wss://Example.COM", "wss://example.com:443/.well-known/telephone"),
            ("ws://[2001:DB8:0:0::1]/a/../b", "ws://[2001:db8::1]:80/b"),
            ("ws://127.1:4000", "ws://127.0.0.1:4000/"),
            ("ws://0x7f000001:4000", "ws://127.0.0.1:4000/"),
            ("ws://exämple.com", "ws://xn--exmple-cua.com"),
            ("https://example.com", "wss://example.com:443"),
            ("HTTPS://example.com:8443/x", "wss://example.com:8443/x"),
            ("http://127.0.0.1:4000/", "ws://127.0.0.1:4000"),
            ("http://example.com:80", "ws://example.com"),
        ] {
            assert_eq!(location(text), location(same), "{text}");
        }
        assert_eq!(location("ws://[::1]:4000").rule(), "[::1]:4000");
    }

    #[test]
    fn what_is_no_plugboard_url_is_refused_with_its_reason() {
        for (text, error) in [
            ("", BadUrl::Scheme),
            ("example.com", BadUrl::Scheme),
            ("ftp://example.com", BadUrl::Scheme),
            ("https://me:canary@example.com", BadUrl::Credentials),
            ("ws://", BadUrl::Syntax),
            ("ws://a:99999", BadUrl::Syntax),
            ("ws://me:canary@example.com", BadUrl::Credentials),
            ("ws://me@example.com", BadUrl::Credentials),
            ("ws://example.com/?token=canary", BadUrl::Query),
            ("ws://example.com/#x", BadUrl::Fragment),
        ] {
            assert_eq!(text.parse::<PlugboardUrl>(), Err(error), "{text}");
            assert!(!error.to_string().contains("canary"));
        }
    }
}
