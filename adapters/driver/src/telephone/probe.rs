//! One dial in steps, for whoever looks for what stands between a telephone and its plugboard.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, SystemTime};

use async_tungstenite::tungstenite::Error as WsError;
use async_tungstenite::tungstenite::http::{HeaderMap, HeaderName, header};
use futures_lite::future;
use futures_util::future::join_all;
use telephone_core::handshake::{Answer, Greeting};
use telephone_core::hint::Hint;
use telephone_core::limits::MOUNTS_MAX;
use telephone_core::wire::{Hello, Profile, Refused, RefusedCode, Settings};

use super::dial;
use super::proxy::{BadProxy, Proxies, Proxy, ProxyError};
use crate::connection::Connection;
use crate::happy_eyeballs;
use crate::link::Link;
use crate::plugboard_url::PlugboardUrl;
use crate::runtime::{Endpoint, Runtime};
use crate::socket::Socket;

/// What is no mount: a plugboard that has judged the token and all other mounts refuses the hello for it, and registers
/// nothing.
const NO_MOUNT: &str = "?";

/// Takes the steps of a dial one by one. It never registers anything, and takes no mount away from anybody.
pub struct Probe<R> {
    runtime: R,
    url: PlugboardUrl,
    proxy: Option<Proxy>,
    ignored: Option<BadProxy>,
    #[cfg(feature = "tls")]
    tls: Option<Result<crate::tls::TlsConnector, crate::tls::RootsError>>,
}

/// Why a probe cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// The file of roots that was named cannot be loaded.
    #[cfg(feature = "tls")]
    #[error(transparent)]
    Roots(#[from] crate::tls::RootsError),
}

/// What came of one address.
#[derive(Debug)]
pub struct Tried {
    /// Which.
    pub address: SocketAddr,
    /// Whether somebody listens there.
    pub result: io::Result<()>,
    /// How long it took to find out.
    pub took: Duration,
}

/// What a server's certificate says of itself.
#[derive(Debug, Clone)]
pub struct Certificate {
    /// Whom it is for.
    pub subject: String,
    /// Who vouches for it.
    pub issuer: String,
    /// Until when.
    pub expires: SystemTime,
}

/// What is wrong with TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsFault {
    /// This program was built without it.
    Absent,
    /// This machine has no roots, and no file of them was named.
    NoRoots,
    /// The server speaks something else.
    NotSpoken,
    /// The certificate has expired.
    Expired,
    /// The certificate is not valid yet.
    NotYetValid,
    /// Nobody who is trusted vouches for the certificate.
    UnknownIssuer,
    /// The certificate is an authority's own.
    Authority,
    /// The certificate is for other names.
    WrongName,
    /// Something else.
    Other,
}

impl TlsFault {
    /// What to do about it.
    #[must_use]
    pub const fn hint(self) -> Hint {
        match self {
            Self::Absent => Hint::TlsAbsent,
            Self::NoRoots => Hint::NoRoots,
            Self::NotSpoken => Hint::NoTls,
            Self::Expired => Hint::CertificateExpired,
            Self::NotYetValid => Hint::CertificateNotYetValid,
            Self::UnknownIssuer => Hint::UnknownIssuer,
            Self::Authority => Hint::SelfSigned,
            Self::WrongName => Hint::WrongName,
            Self::Other => Hint::Tls,
        }
    }
}

/// What came instead of an upgrade.
#[derive(Debug)]
pub enum NotUpgraded {
    /// An HTTP answer.
    Answered {
        /// Its status.
        status: u16,
        /// Its `Server`.
        server: Option<String>,
        /// Whether it is a plugboard's own.
        is_plugboard: bool,
        /// Its `Date`.
        date: Option<SystemTime>,
    },
    /// Nothing that could be read.
    Broken(String),
}

/// A link whose handshake has not begun.
pub struct Upgraded {
    connection: Connection<Box<dyn Socket>>,
    /// The plugboard's `Date`.
    pub date: Option<SystemTime>,
}

impl<R: Runtime> Probe<R> {
    /// A probe of the way to `url`, by the same proxies and with the same roots as a telephone's.
    ///
    /// # Errors
    /// [`ProbeError`].
    pub fn new(
        runtime: R,
        url: PlugboardUrl,
        proxies: &Proxies,
        ca: Option<&Path>,
    ) -> Result<Self, ProbeError> {
        let (proxy, ignored) = (proxies.on_way_to(&url).cloned(), proxies.ignored_on_way_to(&url).cloned());
        #[cfg(not(feature = "tls"))]
        let _unused = ca;
        Ok(Self {
            #[cfg(feature = "tls")]
            tls: match ca {
                _ if !url.is_tls() => None,
                Some(_) => Some(Ok(crate::tls::TlsConnector::new(ca)?)),
                // That the machine has none is something to find out, and no mistake of who asks.
                None => Some(crate::tls::TlsConnector::new(None)),
            },
            runtime,
            url,
            proxy,
            ignored,
        })
    }

    /// The proxy on the way, if there is one.
    pub const fn proxy(&self) -> Option<&Proxy> {
        self.proxy.as_ref()
    }

    /// Why there is none, though a variable is set.
    pub const fn ignored_proxy(&self) -> Option<&BadProxy> {
        self.ignored.as_ref()
    }

    /// The host and the port that are dialled: the proxy's, or the plugboard's.
    pub fn first_hop(&self) -> (String, u16) {
        match self.proxy.as_ref().map(Proxy::endpoint) {
            Some(Endpoint::Tcp { host, port }) => (host, port),
            Some(Endpoint::Localhost(_) | Endpoint::Unix(_)) | None => self.url.host_and_port(),
        }
    }

    /// The addresses of the first hop that a dial tries, in its order.
    ///
    /// # Errors
    /// What the system's resolver said.
    pub async fn addresses(&self) -> io::Result<Vec<SocketAddr>> {
        let (host, port) = self.first_hop();
        happy_eyeballs::addresses(&self.runtime, &host, port).await.map(Vec::from)
    }

    /// Connects to all of these addresses at once, each within `limit`, and closes what came of it.
    pub async fn try_all(&self, addresses: Vec<SocketAddr>, limit: Duration) -> Vec<Tried> {
        let start = self.runtime.now();
        let attempt = |address| async move {
            let late = async {
                self.runtime.sleep_until(start + limit).await;
                Err(io::ErrorKind::TimedOut.into())
            };
            let connecting = async { self.runtime.connect_tcp(address).await.map(drop) };
            let result = future::or(connecting, late).await;
            Tried { address, result, took: self.runtime.now().since(start) }
        };
        join_all(addresses.into_iter().map(attempt)).await
    }

    /// Asks the proxy, if there is one, for its tunnel.
    ///
    /// # Errors
    /// It gives none.
    pub async fn pass_proxy(&self, mut socket: R::Socket) -> Result<R::Socket, ProxyError> {
        match &self.proxy {
            Some(proxy) => proxy.tunnel(&mut socket, &self.url).await.map(|()| socket),
            None => Ok(socket),
        }
    }

    /// Makes the TLS connection, if the URL asks for one. The certificate is none where it is not readable.
    ///
    /// # Errors
    /// What is wrong, and in words.
    pub async fn secure(
        &self,
        socket: R::Socket,
    ) -> Result<(Box<dyn Socket>, Option<Certificate>), (TlsFault, String)> {
        if !self.url.is_tls() {
            return Ok((Box::new(socket), None));
        }
        #[cfg(feature = "tls")]
        if let Some(tls) = &self.tls {
            let tls = tls.as_ref().map_err(|error| (TlsFault::NoRoots, error.to_string()))?;
            let secured = tls.connect(&self.url.host_and_port().0, socket).await;
            let secured = secured.map_err(|error| (error.fault(), error.to_string()))?;
            let certificate = secured.certificate();
            return Ok((Box::new(secured), certificate));
        }
        Err((TlsFault::Absent, "this program was built without TLS".into()))
    }

    /// Asks for the upgrade to a WebSocket.
    ///
    /// # Errors
    /// What came instead.
    pub async fn upgrade(&self, socket: Box<dyn Socket>) -> Result<Upgraded, NotUpgraded> {
        match dial::upgrade(&self.url, socket).await {
            Ok((connection, response)) => Ok(Upgraded { connection, date: date(response.headers()) }),
            Err(WsError::Http(response)) => Err(NotUpgraded::Answered {
                status: response.status().as_u16(),
                server: text(response.headers(), &header::SERVER),
                is_plugboard: is_plugboard(response.headers()),
                date: date(response.headers()),
            }),
            Err(error) => Err(NotUpgraded::Broken(error.to_string())),
        }
    }

    /// Asks the plugboard what it thinks of a token, and of these mounts for it: a hello that it must refuse, since the last
    /// of its mounts is none. A refusal for that alone is consent. Nothing is registered.
    ///
    /// # Errors
    /// The link broke, or the plugboard broke the protocol.
    pub async fn ask(
        &self,
        upgraded: Upgraded,
        token: String,
        mounts: &[String],
    ) -> Result<Result<(), Refused>, String> {
        let mut link = Link::dialled(upgraded.connection);
        let mounts = mounts.iter().take(MOUNTS_MAX - 1).cloned().chain([NO_MOUNT.to_owned()]).collect();
        let hello = Hello {
            token,
            mounts,
            // If it were let in in spite of all, it would replace nobody, and be gone with its link.
            instance: format!("doctor/{:016x}", fastrand::u64(..)),
            epoch: 0,
            agent: concat!("telephone-doctor/", env!("CARGO_PKG_VERSION")).into(),
            settings: Settings::default(),
            resume: None,
        };
        let (hello, greeting) = Greeting::start(Profile::Binary, hello, self.runtime.now());
        link.send(&self.runtime, hello).await.map_err(|error| error.to_string())?;
        let answer = link.receive().await.map_err(|error| error.to_string())?;
        Ok(match greeting.handle_message(answer).map_err(|error| error.to_string())? {
            Answer::Refused(refused) if refused.code != RefusedCode::Malformed => Err(refused),
            Answer::Refused(_) | Answer::Welcome(_) => Ok(()),
        })
    }
}

/// Whether a plugboard gave the answer itself.
pub(super) fn is_plugboard(headers: &HeaderMap) -> bool {
    let status = text(headers, &HeaderName::from_static("proxy-status"));
    status.is_some_and(|status| status.split([';', ',']).next() == Some("plugboard"))
}

fn text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

pub(super) fn date(headers: &HeaderMap) -> Option<SystemTime> {
    text(headers, &header::DATE).and_then(|date| httpdate::parse_http_date(&date).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use telephone_core::mount::Mount;

    #[test]
    fn the_last_mount_of_a_question_is_none() {
        assert!(NO_MOUNT.parse::<Mount>().is_err());
    }
}
