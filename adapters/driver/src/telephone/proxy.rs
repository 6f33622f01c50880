//! Proxies between a telephone and its plugboards, as company networks have them (faults T-17).
//!
//! A link is a WebSocket, which an HTTP proxy carries when it is asked for a tunnel (CONNECT, RFC 9110 §9.3.6) and a SOCKS5
//! proxy as any connection, with TLS or without. Which proxy, and for whom none, is said as other programs are told it: by
//! `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY`.

mod exempt;
mod socks5;

use std::fmt;
use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_lite::{AsyncReadExt as _, AsyncWriteExt as _};
use percent_encoding::percent_decode_str;
use telephone_core::hint::Hint;
use url::Url;

use crate::plugboard_url::PlugboardUrl;
use crate::runtime::Endpoint;
use crate::socket::Socket;
use exempt::Exempt;
use socks5::SocksError;

/// Bytes of the head of a proxy's answer.
const HEAD_BYTES_MAX: usize = 8 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scheme {
    Http,
    Socks5,
}

impl Scheme {
    const fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Socks5 => "socks5",
        }
    }

    /// The port of a proxy whose URL has none.
    const fn port(self) -> u16 {
        match self {
            Self::Http => 3128,
            Self::Socks5 => 1080,
        }
    }
}

/// Who a telephone is to a proxy.
#[derive(Clone, PartialEq, Eq)]
struct Credentials {
    user: Vec<u8>,
    password: Vec<u8>,
}

/// One proxy. Its credentials show nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    scheme: Scheme,
    host: String,
    port: u16,
    credentials: Option<Credentials>,
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme.name(), self.endpoint().authority())
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({self})")
    }
}

/// A variable whose value is no proxy that a telephone can use: it dials directly. The value is not repeated, since it may
/// hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0} is ignored, because it does not name an HTTP or SOCKS5 proxy: write http://[USER:PASSWORD@]HOST[:PORT] or \
     socks5://[USER:PASSWORD@]HOST[:PORT]"
)]
pub struct BadProxy(String);

/// Why a proxy gave no tunnel.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    /// There is no connection to it.
    #[error("cannot reach the proxy {proxy}: {error}")]
    Unreachable {
        /// Which proxy.
        proxy: Proxy,
        /// What the operating system said.
        error: io::Error,
    },
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
    /// A SOCKS5 proxy did not connect to the plugboard.
    #[error("the proxy {proxy} did not connect to the plugboard: {reason}")]
    NotConnected {
        /// Which proxy.
        proxy: Proxy,
        /// What it said.
        reason: &'static str,
        /// Whether it may do so later.
        is_temporary: bool,
    },
    /// A SOCKS5 proxy wants credentials, or others.
    #[error("the proxy {proxy} refused the login")]
    Login {
        /// Which proxy.
        proxy: Proxy,
    },
    /// What it answered is no HTTP, or not SOCKS5.
    #[error("the proxy {proxy} does not answer as such a proxy does: is that its port?")]
    NotAProxy {
        /// Which proxy.
        proxy: Proxy,
    },
}

impl ProxyError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Hint {
        match self {
            Self::Unreachable { error, .. } if error.kind() == io::ErrorKind::NotFound => Hint::ProxyName,
            Self::Unreachable { .. } => Hint::ProxyUnreachable,
            Self::Refused { status: 407, proxy } | Self::Login { proxy } => match proxy.credentials {
                Some(_) => Hint::ProxyLoginRefused,
                None => Hint::ProxyLogin,
            },
            Self::Refused { status: 500.., .. } | Self::NotConnected { is_temporary: true, .. } => {
                Hint::ProxyRoute
            }
            Self::Refused { .. } | Self::NotConnected { .. } => Hint::ProxyRefusal,
            Self::Broken { .. } | Self::NotAProxy { .. } => Hint::NoProxy,
        }
    }

    /// Whether the same dial may succeed soon.
    pub(super) const fn is_temporary(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Broken { .. } | Self::Refused { status: 500.., .. } => true,
            Self::NotConnected { is_temporary, .. } => *is_temporary,
            Self::Refused { .. } | Self::Login { .. } | Self::NotAProxy { .. } => false,
        }
    }
}

/// Which proxies there are, and for whom none is used.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Proxies {
    proxy: Option<Result<Proxy, BadProxy>>,
    exempt: Vec<Exempt>,
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
        Self { proxy, exempt: Exempt::list(&value("NO_PROXY").unwrap_or_default()) }
    }

    /// The proxy on the way to a plugboard, if there is one. There is none on the way to this machine.
    #[must_use]
    pub fn on_way_to(&self, url: &PlugboardUrl) -> Option<&Proxy> {
        self.named_for(url)?.as_ref().ok()
    }

    /// Why there is none, though one is named.
    #[must_use]
    pub fn ignored_on_way_to(&self, url: &PlugboardUrl) -> Option<&BadProxy> {
        self.named_for(url)?.as_ref().err()
    }

    fn named_for(&self, url: &PlugboardUrl) -> Option<&Result<Proxy, BadProxy>> {
        let (host, port) = url.host_and_port();
        let is_direct =
            exempt::is_loopback(&host) || self.exempt.iter().any(|exempt| exempt.holds(&host, port));
        self.proxy.as_ref().filter(|_| !is_direct)
    }
}

fn parse(text: &str) -> Option<Proxy> {
    let with_scheme = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let url = Url::parse(&with_scheme).ok()?;
    let scheme = match url.scheme() {
        "http" => Scheme::Http,
        "socks5" | "socks5h" => Scheme::Socks5,
        _ => return None,
    };
    if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
        // A password whose `/`, `?` or `#` is not escaped: what stands before that would be taken for the host, and shown.
        return None;
    }
    let host = url.host_str()?.trim_matches(['[', ']']).to_owned();
    // `Url` hides the default port of http, which may have been written.
    let has_port = with_scheme.trim_end_matches('/').ends_with(":80");
    let port = url.port().unwrap_or(if has_port { 80 } else { scheme.port() });
    let plain = |text: &str| percent_decode_str(text).collect::<Vec<u8>>();
    let (user, password) = (plain(url.username()), plain(url.password().unwrap_or_default()));
    if scheme == Scheme::Socks5 && user.len().max(password.len()) > socks5::TEXT_BYTES_MAX {
        return None;
    }
    let is_named = !url.username().is_empty() || url.password().is_some();
    Some(Proxy { scheme, host, port, credentials: is_named.then_some(Credentials { user, password }) })
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
        let proxy = self.clone();
        match self.scheme {
            Scheme::Http => self.tunnel_by_http(socket, host, port).await,
            Scheme::Socks5 => {
                let asked = socks5::tunnel(socket, (&host, port), self.credentials.as_ref()).await;
                asked.map_err(|error| match error {
                    SocksError::Broken(error) => ProxyError::Broken { proxy, error },
                    SocksError::NotSocks => ProxyError::NotAProxy { proxy },
                    SocksError::Login => ProxyError::Login { proxy },
                    SocksError::Refused(code) => {
                        let is_temporary = socks5::is_temporary(code);
                        ProxyError::NotConnected { proxy, reason: socks5::told(code), is_temporary }
                    }
                })
            }
        }
    }

    async fn tunnel_by_http<S: Socket>(
        &self,
        socket: &mut S,
        host: String,
        port: u16,
    ) -> Result<(), ProxyError> {
        let target = Endpoint::Tcp { host, port }.authority();
        let mut request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n");
        if let Some(Credentials { user, password }) = &self.credentials {
            let both = STANDARD.encode([&user[..], password].join(&b':'));
            request += &format!("Proxy-Authorization: Basic {both}\r\n");
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

/// The head of an answer, and not a byte behind it: those are the plugboard's.
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
mod tests;
