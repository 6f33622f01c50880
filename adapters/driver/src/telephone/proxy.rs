//! HTTP proxies between a telephone and its plugboards, as company networks have them (faults T-17).
//!
//! A link is a WebSocket, which a proxy carries when it is asked for a tunnel (CONNECT, RFC 9110 §9.3.6), with TLS or
//! without. Which proxy, and for whom none, is said as other programs are told it: by `HTTPS_PROXY`, `ALL_PROXY` and
//! `NO_PROXY`.

use std::fmt;
use std::io;
use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_lite::{AsyncReadExt as _, AsyncWriteExt as _};
use ipnet::IpNet;
use percent_encoding::percent_decode_str;
use telephone_core::hint::Hint;
use url::Url;

use crate::plugboard_url::PlugboardUrl;
use crate::runtime::Endpoint;
use crate::socket::Socket;

/// Octets of the head of a proxy's answer.
const HEAD_BYTES_MAX: usize = 8 * 1024;
/// The port of a proxy whose URL has none.
const PROXY_PORT: u16 = 3128;

/// One HTTP proxy. Its credentials show nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    host: String,
    port: u16,
    /// `user:password` in base64.
    credentials: Option<String>,
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}", self.endpoint().authority())
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({self})")
    }
}

/// A variable whose value is no proxy that a telephone can use. The value is not repeated: it may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not of the form http://[USER:PASSWORD@]HOST[:PORT], and other proxies are not supported")]
pub struct BadProxy(String);

/// Why a proxy gave no tunnel.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    /// The connection to it broke.
    #[error("the proxy {proxy} broke the connection: {error}")]
    Broken {
        /// Which proxy.
        proxy: Proxy,
        /// What the operating system said.
        error: io::Error,
    },
    /// It answered something else than 2xx.
    #[error("the proxy {proxy} answered {status} to CONNECT")]
    Refused {
        /// Which proxy.
        proxy: Proxy,
        /// Its status.
        status: u16,
    },
    /// What it answered is no HTTP.
    #[error("the proxy {proxy} does not answer as an HTTP proxy does")]
    NotAProxy {
        /// Which proxy.
        proxy: Proxy,
    },
}

impl ProxyError {
    /// What to do about it.
    #[must_use]
    pub const fn hint(&self) -> Hint {
        match self {
            Self::Refused { status: 407, .. } => Hint::ProxyLogin,
            Self::Refused { status: 500.., .. } => Hint::ProxyRoute,
            Self::Refused { .. } => Hint::ProxyRefusal,
            Self::Broken { .. } | Self::NotAProxy { .. } => Hint::NoProxy,
        }
    }
}

/// Which proxies there are, and for whom none is used.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Proxies {
    proxy: Option<Result<Proxy, BadProxy>>,
    exempt: Vec<Exempt>,
}

/// Hosts that are reached without a proxy, at one port or at all.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Exempt {
    hosts: Hosts,
    port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Hosts {
    All,
    /// A host and those below it.
    Named(String),
    Network(IpNet),
}

impl Proxies {
    /// Reads `HTTPS_PROXY`, else `ALL_PROXY`, and `NO_PROXY`, each in small letters first, by `variable`. Empty ones count as
    /// if they were not there, and so does a part of `NO_PROXY` whose port is none.
    pub fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Self {
        let value = |name: &str| {
            let either = [name.to_ascii_lowercase(), name.to_owned()];
            either.into_iter().find_map(|name| variable(&name).filter(|value| !value.trim().is_empty()))
        };
        let named = ["HTTPS_PROXY", "ALL_PROXY"].into_iter().find_map(|name| Some((name, value(name)?)));
        let proxy = named.map(|(name, text)| parse(text.trim()).ok_or_else(|| BadProxy(name.to_owned())));
        let exempt = value("NO_PROXY").unwrap_or_default();
        let parts = exempt.split([',', ' ']).map(str::trim).filter(|part| !part.is_empty());
        Self { proxy, exempt: parts.filter_map(Exempt::parse).collect() }
    }

    /// The proxy on the way to a plugboard, if there is one.
    ///
    /// # Errors
    /// The one that is named cannot be used.
    pub fn on_way_to(&self, url: &PlugboardUrl) -> Result<Option<&Proxy>, BadProxy> {
        let (host, port) = url.host_and_port();
        if self.exempt.iter().any(|exempt| exempt.holds(&host, port)) {
            return Ok(None);
        }
        self.proxy.as_ref().map(|proxy| proxy.as_ref().map_err(Clone::clone)).transpose()
    }
}

fn parse(text: &str) -> Option<Proxy> {
    let with_scheme = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let url = Url::parse(&with_scheme).ok().filter(|url| url.scheme() == "http")?;
    if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
        // A password whose `/`, `?` or `#` is not escaped: what stands before that would be taken for the host, and shown.
        return None;
    }
    let host = url.host_str()?.trim_matches(['[', ']']).to_owned();
    // `Url` hides the default port of http, which may have been written.
    let has_port = with_scheme.trim_end_matches('/').ends_with(":80");
    let port = url.port().unwrap_or(if has_port { 80 } else { PROXY_PORT });
    let plain = |text: &str| percent_decode_str(text).collect::<Vec<u8>>();
    let credentials = (!url.username().is_empty() || url.password().is_some()).then(|| {
        let both = [plain(url.username()), plain(url.password().unwrap_or_default())];
        STANDARD.encode(both.join(&b':'))
    });
    Some(Proxy { host, port, credentials })
}

impl Exempt {
    /// One part of `NO_PROXY`. `None` if what stands for its port is none: it must not exempt more than was meant.
    fn parse(text: &str) -> Option<Self> {
        // The colons of an IPv6 address without brackets are part of it.
        if let Some(network) = network(text) {
            return Some(Self { hosts: Hosts::Network(network), port: None });
        }
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, Some(port.parse().ok()?)),
            _ => (text, None),
        };
        let host = host.trim_matches(['[', ']']);
        let name = || host.trim_start_matches("*.").trim_start_matches('.').to_ascii_lowercase();
        let hosts = match network(host) {
            Some(network) => Hosts::Network(network),
            None if host == "*" => Hosts::All,
            None => Hosts::Named(name()),
        };
        Some(Self { hosts, port })
    }

    fn holds(&self, host: &str, port: u16) -> bool {
        let is_among = match &self.hosts {
            Hosts::All => true,
            Hosts::Network(network) => host.parse().is_ok_and(|address: IpAddr| network.contains(&address)),
            Hosts::Named(name) => {
                let host = host.to_ascii_lowercase();
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

impl Proxy {
    /// Where it is.
    #[must_use]
    pub fn endpoint(&self) -> Endpoint {
        Endpoint::Tcp { host: self.host.clone(), port: self.port }
    }

    /// Asks for a tunnel to a plugboard over a connection to the proxy.
    ///
    /// # Errors
    /// It gives none.
    pub async fn tunnel<S: Socket>(&self, socket: &mut S, url: &PlugboardUrl) -> Result<(), ProxyError> {
        let (host, port) = url.host_and_port();
        let target = Endpoint::Tcp { host, port }.authority();
        let mut request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n");
        if let Some(credentials) = &self.credentials {
            request += &format!("Proxy-Authorization: Basic {credentials}\r\n");
        }
        request += "\r\n";
        let asked = async {
            socket.write_all(request.as_bytes()).await?;
            socket.flush().await?;
            read_head(socket).await
        };
        let proxy = || self.clone();
        let head = asked.await.map_err(|error| ProxyError::Broken { proxy: proxy(), error })?;
        match status(&head) {
            Some(200..=299) => Ok(()),
            Some(status) => Err(ProxyError::Refused { proxy: proxy(), status }),
            None => Err(ProxyError::NotAProxy { proxy: proxy() }),
        }
    }
}

/// The head of an answer, and not an octet behind it: those are the plugboard's.
async fn read_head<S: Socket>(socket: &mut S) -> io::Result<Vec<u8>> {
    let (mut head, mut octet) = (Vec::new(), [0]);
    while head.len() < HEAD_BYTES_MAX && !head.ends_with(b"\r\n\r\n") {
        if socket.read(&mut octet).await? == 0 {
            return if head.is_empty() { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(head) };
        }
        head.extend_from_slice(&octet);
    }
    Ok(head)
}

/// The status of a whole head of HTTP/1.
fn status(head: &[u8]) -> Option<u16> {
    let line = head.strip_suffix(b"\r\n\r\n")?.strip_prefix(b"HTTP/1.")?;
    std::str::from_utf8(line.get(2..5)?).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(variables: &[(&str, &str)]) -> Proxies {
        Proxies::from_variables(|name| {
            variables.iter().find(|(variable, _)| *variable == name).map(|(_, value)| (*value).to_owned())
        })
    }

    fn way(variables: &[(&str, &str)], url: &str) -> Option<String> {
        let url = url.parse().unwrap();
        proxies(variables).on_way_to(&url).unwrap().map(ToString::to_string)
    }

    #[test]
    fn the_first_variable_that_says_something_names_the_proxy() {
        let url = "wss://plugboard.example";
        assert_eq!(way(&[], url), None);
        assert_eq!(way(&[("ALL_PROXY", "http://a:1")], url).unwrap(), "http://a:1");
        assert_eq!(way(&[("ALL_PROXY", "http://a:1"), ("HTTPS_PROXY", "b:2")], url).unwrap(), "http://b:2");
        assert_eq!(way(&[("HTTPS_PROXY", "http://a:1"), ("https_proxy", "c:3")], url).unwrap(), "http://c:3");
        assert_eq!(way(&[("HTTPS_PROXY", " "), ("ALL_PROXY", "[::1]:80/")], url).unwrap(), "http://[::1]:80");
        assert_eq!(way(&[("HTTPS_PROXY", "a")], "ws://plugboard.example").unwrap(), "http://a:3128");
    }

    #[test]
    fn whoever_is_exempt_is_reached_directly() {
        let is_direct =
            |exempt: &str, url: &str| way(&[("ALL_PROXY", "a:1"), ("NO_PROXY", exempt)], url).is_none();
        for (exempt, url) in [
            ("*", "wss://a.example"),
            ("example.com", "wss://example.com"),
            ("example.com", "wss://a.EXAMPLE.com"),
            (".example.com", "wss://a.example.com"),
            ("*.example.com", "wss://a.example.com"),
            ("x, a.example:443", "wss://a.example"),
            ("10.0.0.0/8", "ws://10.1.2.3:4000"),
            ("127.0.0.1", "ws://127.0.0.1:4000"),
            ("::1", "ws://[::1]:4000"),
            ("[::1]", "ws://[::1]:4000"),
            ("[::1]:4000", "ws://[::1]:4000"),
            ("fd00::/8", "ws://[fd00::7]:4000"),
            ("127.0.0.1:4000", "ws://127.0.0.1:4000"),
            ("*:4000", "ws://a.example:4000"),
        ] {
            assert!(is_direct(exempt, url), "{exempt} {url}");
        }
        for (exempt, url) in [
            ("example.com", "wss://badexample.com"),
            ("a.example:444", "wss://a.example"),
            ("10.0.0.0/8", "ws://11.1.2.3:4000"),
            ("127.0.0.1", "ws://127.0.0.2:4000"),
            ("[::1]:4001", "ws://[::1]:4000"),
            ("[::1]", "ws://[::2]:4000"),
            ("127.0.0.1:4001", "ws://127.0.0.1:4000"),
            ("a.example:https", "wss://a.example"),
            ("a.example:", "wss://a.example"),
            ("a.example:4430000", "wss://a.example"),
            ("*:4001", "ws://a.example:4000"),
        ] {
            assert!(!is_direct(exempt, url), "{exempt} {url}");
        }
    }

    #[test]
    fn what_is_no_http_proxy_is_told_by_its_variable_and_only_to_who_needs_it() {
        for value in [
            "socks5://a:1",
            "https://u:canary@a:1",
            "http://",
            "http://a:b",
            // Passwords that should have been escaped.
            "http://u:1#canary@a:1",
            "http://u:1/canary@a:1",
            "http://u:1?canary@a:1",
        ] {
            let url = "wss://a.example".parse().unwrap();
            let error = proxies(&[("ALL_PROXY", value)]).on_way_to(&url).unwrap_err().to_string();
            assert!(error.contains("ALL_PROXY") && !error.contains("canary"), "{error}");
            assert_eq!(way(&[("ALL_PROXY", value), ("NO_PROXY", "a.example")], "wss://a.example"), None);
        }
    }

    #[test]
    fn credentials_are_decoded_and_show_nowhere() {
        let proxy = parse("http://us%20er:p%3Ass@a:1").unwrap();
        assert_eq!(proxy.credentials.as_deref(), Some(STANDARD.encode("us er:p:ss").as_str()));
        assert_eq!(format!("{proxy} {proxy:?}"), "http://a:1 Proxy(http://a:1)");
    }

    #[test]
    fn only_a_whole_head_of_http_has_a_status() {
        assert_eq!(status(b"HTTP/1.1 200 Connection established\r\n\r\n"), Some(200));
        assert_eq!(status(b"HTTP/1.0 407 x\r\nA: b\r\n\r\n"), Some(407));
        for head in [&b"HTTP/1.1 200 OK\r\n"[..], b"SSH-2.0-x\r\n\r\n", b"HTTP/1.1 2\r\n\r\n", b"\r\n\r\n"] {
            assert_eq!(status(head), None);
        }
    }
}
