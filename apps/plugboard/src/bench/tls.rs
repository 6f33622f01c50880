//! TLS for `https://`: the telephone's own, in a program that has it.

#[cfg(feature = "tls")]
pub(super) use here::Tls;
#[cfg(not(feature = "tls"))]
pub(super) use missing::Tls;

#[cfg(feature = "tls")]
mod here {
    use std::net::SocketAddr;
    use std::path::Path;

    use hyper_util::rt::TokioIo;
    use telephone_driver::Runtime;
    use telephone_driver::tls::TlsConnector;
    use telephone_sidecar::Usage;
    use telephone_tokio::TokioRuntime;
    use tokio_util::compat::FuturesAsyncReadCompatExt;

    use super::super::line::Line;
    use super::super::mishap::{Mishap, MishapKind};
    use super::super::target::Target;

    /// Makes TLS connections with one host.
    pub(in super::super) struct Tls {
        connector: TlsConnector,
        host: String,
    }

    impl Tls {
        /// What `target` needs, if it is `https://`. It trusts the authorities in the file `ca`, or else
        /// the platform's.
        pub(in super::super) fn for_target(
            target: &Target,
            ca: Option<&Path>,
        ) -> Result<Option<Self>, Usage> {
            match (target.is_tls(), ca) {
                (true, ca) => {
                    let connector = TlsConnector::new(ca).map_err(|why| Usage::new("--ca", why))?;
                    Ok(Some(Self { connector, host: target.host().to_owned() }))
                }
                (false, Some(_)) => Err(Usage::new("--ca", "it is for https:// URLs")),
                (false, None) => Ok(None),
            }
        }

        /// Opens a connection.
        pub(in super::super) async fn dial(&self, address: SocketAddr) -> Result<Line, Mishap> {
            let socket = TokioRuntime::new().connect_tcp(address).await;
            let socket = socket.map_err(|error| Mishap::connecting(&error))?;
            let stream = self.connector.connect(&self.host, socket).await;
            let stream =
                stream.map_err(|error| Mishap { kind: MishapKind::Tls, detail: error.to_string() })?;
            Line::open(TokioIo::new(stream.compat())).await
        }
    }
}

#[cfg(not(feature = "tls"))]
mod missing {
    use std::net::SocketAddr;
    use std::path::Path;

    use telephone_sidecar::Usage;

    use super::super::line::Line;
    use super::super::mishap::Mishap;
    use super::super::target::Target;

    /// Nothing makes TLS connections here.
    pub(in super::super) enum Tls {}

    impl Tls {
        /// Nothing, or an error if `target` needs more.
        pub(in super::super) fn for_target(
            target: &Target,
            ca: Option<&Path>,
        ) -> Result<Option<Self>, Usage> {
            const MISSING: &str = "this plugboard was built without TLS; measure from behind the server that ends \
                                   TLS (http://127.0.0.1:4000/…), or build it with the feature `tls`";
            match (target.is_tls(), ca) {
                (true, _) => Err(Usage::new(&target.to_string(), MISSING)),
                (false, Some(_)) => Err(Usage::new("--ca", MISSING)),
                (false, None) => Ok(None),
            }
        }

        /// There is no such value.
        pub(in super::super) async fn dial(&self, _: SocketAddr) -> Result<Line, Mishap> {
            match *self {}
        }
    }
}
