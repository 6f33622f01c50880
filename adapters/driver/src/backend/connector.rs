//! Connections to one backend: at which address of this machine, and by TLS where its URL asks for it.

use std::io::{self, IoSlice};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::BytesMut;
use futures_io::{AsyncRead, AsyncWrite};
use telephone_core::address::Localhost;

use super::BackendUrl;
use crate::happy_eyeballs;
use crate::runtime::{Endpoint, Runtime};
use crate::socket::{ReadSocket, Socket, WriteSocket};
use crate::telephone::BuildError;
#[cfg(feature = "tls")]
use crate::tls::{TlsConnector, TlsStream};

/// Which certificates a backend may have.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum BackendTrust {
    /// Those that the platform's roots vouch for.
    #[default]
    Platform,
    /// Those that the PEM certificates in this file vouch for, and no others.
    File(PathBuf),
    /// All: the connection is encrypted, and may be to somebody else.
    Insecure,
}

/// Makes the connections to one backend.
pub struct BackendConnector<R> {
    runtime: R,
    endpoint: Endpoint,
    localhost: Mutex<Localhost>,
    /// With the name that its certificate must be for.
    #[cfg(feature = "tls")]
    tls: Option<(TlsConnector, String)>,
}

impl<R: Runtime> BackendConnector<R> {
    /// For that backend. Reads the roots, if it is reached by TLS.
    ///
    /// # Errors
    /// There are no roots to be used, or this program has no TLS.
    pub fn new(runtime: R, url: BackendUrl, trust: &BackendTrust) -> Result<Self, BuildError> {
        #[cfg(not(feature = "tls"))]
        let _unused = trust;
        Ok(Self {
            runtime,
            #[cfg(feature = "tls")]
            tls: match url.endpoint() {
                Endpoint::Tcp { host, .. } if url.is_tls() => {
                    let connector = match trust {
                        BackendTrust::Platform => TlsConnector::new(None)?,
                        BackendTrust::File(path) => TlsConnector::new(Some(path))?,
                        BackendTrust::Insecure => TlsConnector::insecure()?,
                    };
                    Some((connector, host.clone()))
                }
                Endpoint::Tcp { .. } | Endpoint::Localhost(_) | Endpoint::Unix(_) => None,
            },
            #[cfg(not(feature = "tls"))]
            endpoint: if url.is_tls() { return Err(BuildError::NoBackendTls) } else { url.into() },
            #[cfg(feature = "tls")]
            endpoint: url.into(),
            localhost: Mutex::default(),
        })
    }

    /// What it connects to, as a `Host` names it.
    pub(crate) fn authority(&self) -> String {
        self.endpoint.authority()
    }

    /// A new connection. Dropping the future leaves nothing behind.
    ///
    /// # Errors
    /// What the operating system said, or what is wrong with TLS.
    pub async fn connect(&self) -> io::Result<BackendSocket<R::Socket>> {
        let socket = match &self.endpoint {
            Endpoint::Localhost(port) => self.connect_localhost(*port).await?,
            endpoint @ (Endpoint::Tcp { .. } | Endpoint::Unix(_)) => self.runtime.connect(endpoint).await?,
        };
        #[cfg(feature = "tls")]
        if let Some((tls, host)) = &self.tls {
            let secured = tls.connect(host, socket).await.map_err(io::Error::other)?;
            return Ok(BackendSocket(Transport::Tls(Box::new(secured))));
        }
        Ok(BackendSocket(Transport::Plain(socket)))
    }

    async fn connect_localhost(&self, port: u16) -> io::Result<R::Socket> {
        let localhost = *self.localhost.lock().unwrap_or_else(PoisonError::into_inner);
        let (socket, address) = happy_eyeballs::connect_localhost(&self.runtime, port, localhost).await?;
        self.localhost.lock().unwrap_or_else(PoisonError::into_inner).handle_connected(address);
        Ok(socket)
    }
}

/// A connection to a backend, in clear or by TLS.
pub struct BackendSocket<S>(Transport<S>);

enum Transport<S> {
    Plain(S),
    /// Boxed: most are not, and all would be as large.
    #[cfg(feature = "tls")]
    Tls(Box<TlsStream<S>>),
}

/// Does the same with either transport.
macro_rules! either {
    ($transport:expr, $socket:ident => $what:expr) => {
        match $transport {
            Transport::Plain($socket) => $what,
            #[cfg(feature = "tls")]
            Transport::Tls($socket) => {
                let $socket = &mut **$socket;
                $what
            }
        }
    };
    (ref $transport:expr, $socket:ident => $what:expr) => {
        match $transport {
            Transport::Plain($socket) => $what,
            #[cfg(feature = "tls")]
            Transport::Tls($socket) => $what,
        }
    };
}

impl<S: Socket> Socket for BackendSocket<S> {
    fn tune_for_link(&self) {
        either!(ref &self.0, socket => socket.tune_for_link());
    }

    fn reset_on_drop(&self) {
        either!(ref &self.0, socket => socket.reset_on_drop());
    }

    fn finish_on_drop(&self) {
        either!(ref &self.0, socket => socket.finish_on_drop());
    }

    fn watch_peer(&self) {
        either!(ref &self.0, socket => socket.watch_peer());
    }
}

impl<S: Socket> WriteSocket for BackendSocket<S> {}

impl<S: Socket> ReadSocket for BackendSocket<S> {
    fn look_again(&mut self) {
        either!(&mut self.0, socket => socket.look_again());
    }

    fn poll_read_buf(
        &mut self,
        most: usize,
        input: &mut BytesMut,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        either!(&mut self.0, socket => socket.poll_read_buf(most, input, cx))
    }
}

impl<S: Socket> AsyncRead for BackendSocket<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        either!(&mut self.0, socket => Pin::new(socket).poll_read(cx, buffer))
    }
}

impl<S: Socket> AsyncWrite for BackendSocket<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        either!(&mut self.0, socket => Pin::new(socket).poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        either!(&mut self.0, socket => Pin::new(socket).poll_write_vectored(cx, slices))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(&mut self.0, socket => Pin::new(socket).poll_flush(cx))
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(&mut self.0, socket => Pin::new(socket).poll_close(cx))
    }
}
