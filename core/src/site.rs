//! The public URL of a mount: what a person types to reach it.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use core::fmt;
use core::str::FromStr;

use crate::forward::Scheme;
use crate::message::Headers;
use crate::mount::Mount;

/// Bytes of a site URL: more than a host name and a path prefix need.
const SITE_BYTES_MAX: usize = 1024;

/// Where clients reach a plugboard: `https://HOST[:PORT][/PREFIX]`.
///
/// ```
/// use telephone_core::site::SiteUrl;
///
/// let site: SiteUrl = "https://apps.example".parse().unwrap();
/// let url = site.url(&"/api".parse().unwrap(), false);
/// assert_eq!(url.as_deref(), Some("https://apps.example/api"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SiteUrl {
    scheme: Scheme,
    /// The host, an IPv6 address in brackets.
    host: String,
    /// The port with its colon; empty for the scheme's own.
    port: String,
    /// A path without a slash at its end, often empty.
    prefix: String,
}

/// Why a text is no site URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadSiteUrl {
    /// Another scheme, or none.
    #[error("it must begin with http:// or https://")]
    Scheme,
    /// No host, a bad port, a user name, a query or a fragment, or too long.
    #[error("it must be http://HOST[:PORT][/PREFIX] or https://HOST[:PORT][/PREFIX]")]
    Syntax,
}

impl SiteUrl {
    /// The site that a request was sent to, of which the fields of [`Stamp`](crate::forward::Stamp) tell scheme and host.
    /// None if its `Host` is no host.
    #[must_use]
    pub fn dialled(headers: &Headers) -> Option<Self> {
        let text = |name| core::str::from_utf8(headers.first(name)?).ok();
        let text = format!("{}://{}", text("x-forwarded-proto")?, text("x-forwarded-host")?);
        text.parse().ok().filter(|site: &Self| site.prefix.is_empty())
    }

    /// What a client types to reach a mount; none for an endpoint, which only `telephone connect` reaches, and for a room where
    /// rooms are not served.
    #[must_use]
    pub fn url(&self, mount: &Mount, has_rooms: bool) -> Option<String> {
        let Self { host, prefix, .. } = self;
        if let Some(port) = mount.port() {
            return Some(format!("tcp://{host}:{port}"));
        }
        if let Some(room) = mount.room() {
            return has_rooms.then(|| format!("{self}/client?room={room}"));
        }
        let path = mount.path()?;
        Some(match mount.host() {
            Some(host) => format!("{}://{host}{}{}", self.scheme.as_str(), self.port, or_slash(path)),
            None if prefix.is_empty() => format!("{self}{}", or_slash(path)),
            None => format!("{self}{path}"),
        })
    }
}

/// A path, or a slash if it is empty.
const fn or_slash(path: &str) -> &str {
    if path.is_empty() { "/" } else { path }
}

impl FromStr for SiteUrl {
    type Err = BadSiteUrl;

    fn from_str(text: &str) -> Result<Self, BadSiteUrl> {
        let (name, rest) = text.split_once("://").ok_or(BadSiteUrl::Scheme)?;
        // In any case. [RFC 3986 §3.1]
        let scheme = [Scheme::Http, Scheme::Https]
            .into_iter()
            .find(|scheme| name.eq_ignore_ascii_case(scheme.as_str()))
            .ok_or(BadSiteUrl::Scheme)?;
        let (authority, prefix) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (host, port) = match authority.rfind(':').filter(|at| authority.find(']') < Some(*at)) {
            Some(at) => authority.split_at(at),
            None => (authority, ""),
        };
        let is_port =
            port.is_empty() || port.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok());
        let is_path = |byte: u8| byte.is_ascii_graphic() && !b"?#\"<>\\^`{|}".contains(&byte);
        if text.len() > SITE_BYTES_MAX || !is_host(host) || !is_port || !prefix.bytes().all(is_path) {
            return Err(BadSiteUrl::Syntax);
        }
        let is_own = matches!((scheme, port), (Scheme::Http, ":80") | (Scheme::Https, ":443"));
        Ok(Self {
            scheme,
            host: host.to_ascii_lowercase(),
            port: if is_own { String::new() } else { port.to_owned() },
            prefix: prefix.trim_end_matches('/').to_owned(),
        })
    }
}

fn is_host(host: &str) -> bool {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~%".contains(&byte);
    match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(address) => address.parse::<core::net::Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.bytes().all(is_name),
    }
}

impl fmt::Display for SiteUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}://{}{}{}", self.scheme.as_str(), self.host, self.port, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString as _;

    use super::*;

    fn url(site: &str, mount: &str) -> Option<String> {
        site.parse::<SiteUrl>().unwrap().url(&mount.parse().unwrap(), true)
    }

    #[test]
    fn a_mount_has_the_url_that_a_person_types() {
        for (site, mount, wanted) in [
            ("https://apps.example", "/api", "https://apps.example/api"),
            ("https://apps.example/", "/", "https://apps.example/"),
            ("https://Apps.Example:443", "/api", "https://apps.example/api"),
            ("HTTPS://APPS.EXAMPLE", "/api", "https://apps.example/api"),
            ("Http://apps.example:80", "/", "http://apps.example/"),
            ("http://127.0.0.1:4000", "/api", "http://127.0.0.1:4000/api"),
            ("http://[::1]:80", "/api", "http://[::1]/api"),
            ("https://apps.example/tunnel/", "/api", "https://apps.example/tunnel/api"),
            ("https://apps.example/tunnel", "/", "https://apps.example/tunnel"),
            ("https://apps.example/tunnel", "shop.example/cart", "https://shop.example/cart"),
            ("https://apps.example:8443", "shop.example/", "https://shop.example:8443/"),
            ("https://apps.example:8443", "tcp:5432", "tcp://apps.example:5432"),
            ("http://[::1]:4000", "tcp:5432", "tcp://[::1]:5432"),
            ("https://apps.example", "room:r1", "https://apps.example/client?room=r1"),
        ] {
            assert_eq!(url(site, mount).as_deref(), Some(wanted), "{site} {mount}");
        }
        assert_eq!(url("https://apps.example", "tcp:db:5432"), None);
        let site: SiteUrl = "https://apps.example".parse().unwrap();
        assert_eq!(site.url(&"room:r1".parse().unwrap(), false), None);
    }

    #[test]
    fn a_text_that_is_no_site_is_refused() {
        for text in ["", "apps.example", "ws://apps.example", "HTTPS//a", "ftp://a"] {
            assert_eq!(text.parse::<SiteUrl>(), Err(BadSiteUrl::Scheme), "{text}");
        }
        for text in [
            "http://",
            "http:///a",
            "http://:80",
            "http://a:b",
            "http://a:99999",
            "http://me@a",
            "http://a/?q",
            "http://a/#f",
            "http://a b",
            "http://a/\u{1b}",
            "http://[::1",
            "http://::1",
            "http://ä",
        ] {
            assert_eq!(text.parse::<SiteUrl>(), Err(BadSiteUrl::Syntax), "{text}");
        }
        assert_eq!(format!("http://{}", "a".repeat(2_000)).parse::<SiteUrl>(), Err(BadSiteUrl::Syntax));
    }

    #[test]
    fn the_site_that_was_dialled_is_told_by_the_stamped_fields() {
        let fields = [("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "relay.example")];
        let dialled = |fields: &[(&str, &str)]| SiteUrl::dialled(&fields.iter().copied().collect());
        assert_eq!(dialled(&fields).unwrap().to_string(), "https://relay.example");
        for bad in [[fields[0], ("X-Forwarded-Host", "a/b")], [("X-Forwarded-Proto", "wss"), fields[1]]] {
            assert_eq!(dialled(&bad), None);
        }
        assert_eq!(dialled(&[]), None);
    }
}
