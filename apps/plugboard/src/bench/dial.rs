//! Opens connections.

use std::net::SocketAddr;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use socket2::SockRef;
use telephone_driver::Runtime;
use telephone_tokio::TokioRuntime;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::line::Line;
use super::mishap::{Mishap, MishapKind};
use super::target::Target;
use super::tls::Tls;

/// Opens connections to one address, so that no look-up of a name is measured.
pub(super) struct Dialer {
    address: SocketAddr,
    tls: Option<Tls>,
}

impl Dialer {
    /// Looks `target` up and takes its first address that answers, within `limit`.
    pub(super) async fn find(target: &Target, tls: Option<Tls>, limit: Duration) -> Result<Self, Mishap> {
        let finding = async {
            let socket = TokioRuntime::new().connect(&target.endpoint()).await;
            let socket = socket.map_err(|error| Mishap::connecting(&error))?;
            let address = SockRef::from(&socket).peer_addr().map_err(|error| Mishap::connecting(&error))?;
            let address = address.as_socket().ok_or_else(|| Mishap {
                kind: MishapKind::Unreachable,
                detail: "the host has no address of TCP".into(),
            })?;
            let dialer = Self { address, tls };
            if dialer.tls.is_some() {
                dialer.dial().await?;
            }
            Ok(dialer)
        };
        timeout(limit, finding).await.unwrap_or_else(|_| {
            let limit = humantime::format_duration(limit);
            Err(Mishap { kind: MishapKind::Timeout, detail: format!("no connection within {limit}") })
        })
    }

    /// Where the connections go.
    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Opens a connection.
    pub(super) async fn dial(&self) -> Result<Line, Mishap> {
        if let Some(tls) = &self.tls {
            return tls.dial(self.address).await;
        }
        let socket = TcpStream::connect(self.address).await.map_err(|error| Mishap::connecting(&error))?;
        // Fails only on a connection that is already dead, which its first request tells better.
        let _ = socket.set_nodelay(true);
        Line::open(TokioIo::new(socket)).await
    }
}
