//! TLS towards plugboards and backends, once for both runtimes.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, UNIX_EPOCH};

use futures_io::{AsyncRead, AsyncWrite};
use futures_rustls::client;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::{
    CertificateError, ClientConfig, ConfigBuilder, DigitallySignedStruct, RootCertStore, SignatureScheme,
    WantsVerifier,
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use rustls_platform_verifier::BuilderVerifierExt;
use telephone_core::hint::Hint;
use telephone_core::text::{ForeignEncoding, foreign_encoding};

use crate::file::{Reading, read_named};
use crate::socket::{ReadSocket, Socket, WriteSocket};
use crate::telephone::{Certificate, TlsFault};

/// Why there is no TLS configuration.
#[derive(Debug, thiserror::Error)]
pub enum RootsError {
    /// The file of roots cannot be read, or is not PEM.
    #[error("cannot read certificates from {path}: {reason}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What was wrong with it.
        reason: rustls_pki_types::pem::Error,
    },
    /// The file is text in an encoding that is not read.
    #[error("cannot read certificates from {path}: {encoding}")]
    Encoding {
        /// The file.
        path: PathBuf,
        /// Which.
        encoding: ForeignEncoding,
    },
    /// The file holds no certificate.
    #[error("no certificate in {0}")]
    Empty(PathBuf),
    /// The platform has no roots.
    #[error("this machine has no usable root certificates: {0}. {hint}", hint = Hint::NoRoots.text())]
    NoneTrusted(rustls::Error),
    /// A root cannot be used.
    #[error("cannot use the root certificates: {0}")]
    Unusable(rustls::Error),
}

/// Why a TLS connection was not made. All but [`Broken`](Self::Broken) say that trying again soon will
/// end in the same way.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The host is neither a DNS name nor an IP address.
    #[error("{0:?} is not a host name that a certificate can be for")]
    InvalidName(String),
    /// The certificate is valid, for another host.
    #[error("the server's certificate is not for this host: {0}")]
    WrongHost(rustls::Error),
    /// The certificate is expired, of an unknown issuer, or otherwise not to be trusted.
    #[error("the server's certificate is not trusted: {}", mistrust(.0))]
    BadCertificate(rustls::Error),
    /// The peer's first bytes are not TLS: a plain HTTP port, or a proxy in between.
    #[error("the server does not speak TLS: {0}")]
    NotTls(rustls::Error),
    /// It speaks TLS, and the two have no version or cipher in common, or one of them broke the rules.
    #[error("the TLS handshake failed: {0}")]
    Refused(rustls::Error),
    /// The connection broke during the handshake.
    #[error("the connection broke during the TLS handshake: {0}")]
    Broken(io::Error),
}

/// Why a certificate is not trusted. What rustls says of times is for programmers.
fn mistrust(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InvalidCertificate(
            CertificateError::Expired | CertificateError::ExpiredContext { .. },
        ) => "it has expired".into(),
        rustls::Error::InvalidCertificate(
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. },
        ) => "it is not valid yet".into(),
        rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer) => "its issuer is unknown".into(),
        other => other.to_string(),
    }
}

/// Makes TLS connections, all with the same roots. Clones are the same connector.
#[derive(Clone)]
pub struct TlsConnector(Roots);

/// Where the roots are.
#[derive(Clone)]
enum Roots {
    Fixed(futures_rustls::TlsConnector),
    File(Arc<Mutex<RootsFile>>),
}

impl TlsConnector {
    /// A connector that trusts the platform's roots or, with a `ca_file`, the PEM certificates in it
    /// and nothing else: so a private plugboard needs no trust in public authorities, and a container
    /// needs no roots of its own.
    ///
    /// Reads files; call it at start, once. A `ca_file` that has changed is read again at the next connection. If that
    /// fails, the certificates that were read before are trusted on, and one warning says why.
    ///
    /// # Errors
    /// When there are no usable roots.
    pub fn new(ca_file: Option<&Path>) -> Result<Self, RootsError> {
        let Some(path) = ca_file else {
            let builder = builder()?.with_platform_verifier().map_err(RootsError::NoneTrusted)?;
            return Ok(Self(Roots::Fixed(with(builder.with_no_client_auth()))));
        };
        Ok(Self(Roots::File(Arc::new(Mutex::new(RootsFile::open(path, Reading::First)?)))))
    }

    /// A connector that takes every certificate, also an expired one of another host.
    pub(crate) fn insecure() -> Result<Self, RootsError> {
        let builder = builder()?.dangerous().with_custom_certificate_verifier(Arc::new(Insecure::new()));
        Ok(Self(Roots::Fixed(with(builder.with_no_client_auth()))))
    }

    /// The connector with the roots of this moment.
    fn current(&self) -> futures_rustls::TlsConnector {
        match &self.0 {
            Roots::Fixed(connector) => connector.clone(),
            Roots::File(file) => file.lock().unwrap_or_else(PoisonError::into_inner).current(),
        }
    }

    /// Makes a TLS connection over `socket` with a server that proves to be `host` (a DNS name, or an
    /// IP address without brackets). Dropping the future closes the socket.
    ///
    /// # Errors
    /// See [`TlsError`].
    pub async fn connect<S: Socket>(&self, host: &str, socket: S) -> Result<TlsStream<S>, TlsError> {
        let name =
            ServerName::try_from(host.to_owned()).map_err(|_| TlsError::InvalidName(host.to_owned()))?;
        self.current().connect(name, socket).await.map(TlsStream).map_err(classify)
    }
}

fn with(mut config: ClientConfig) -> futures_rustls::TlsConnector {
    // A WebSocket starts as HTTP/1.1: without this some servers would choose HTTP/2.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Arc::new(config).into()
}

fn builder() -> Result<ConfigBuilder<ClientConfig, WantsVerifier>, RootsError> {
    ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(RootsError::Unusable)
}

/// Believes every certificate. That its owner made the handshake is checked all the same.
#[derive(Debug)]
struct Insecure(WebPkiSupportedAlgorithms);

impl Insecure {
    fn new() -> Self {
        Self(ring::default_provider().signature_verification_algorithms)
    }
}

impl ServerCertVerifier for Insecure {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}

impl TlsError {
    /// What is wrong, for programs.
    pub(crate) fn fault(&self) -> TlsFault {
        match self {
            Self::WrongHost(_) | Self::InvalidName(_) => TlsFault::WrongName,
            Self::NotTls(_) => TlsFault::NotSpoken,
            Self::BadCertificate(rustls::Error::InvalidCertificate(error)) => match error {
                CertificateError::Expired | CertificateError::ExpiredContext { .. } => TlsFault::Expired,
                CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                    TlsFault::NotYetValid
                }
                // Signed by another authority, of a trusted one's name.
                CertificateError::UnknownIssuer | CertificateError::BadSignature => TlsFault::UnknownIssuer,
                // rustls has no variant for it. `openssl req -x509` makes such ones.
                CertificateError::Other(other) if other.to_string() == "CaUsedAsEndEntity" => {
                    TlsFault::Authority
                }
                _ => TlsFault::Other,
            },
            Self::BadCertificate(_) | Self::Refused(_) | Self::Broken(_) => TlsFault::Other,
        }
    }
}

/// Roots in a file that may be replaced.
struct RootsFile {
    path: PathBuf,
    connector: futures_rustls::TlsConnector,
    /// The version that the connector is of.
    loaded: Option<FileVersion>,
    /// One that could not be used, and of which a warning told.
    refused: Option<Option<FileVersion>>,
}

/// What differs between two versions of a file: its number, the time of its latest change, its size.
type FileVersion = (u64, i64, i64, u64);

impl RootsFile {
    fn open(path: &Path, reading: Reading) -> Result<Self, RootsError> {
        // Looked at first: a change while it is read is a change.
        let loaded = version(path);
        let config = builder()?.with_root_certificates(roots_in(path, reading)?).with_no_client_auth();
        Ok(Self { path: path.to_owned(), connector: with(config), loaded, refused: None })
    }

    fn current(&mut self) -> futures_rustls::TlsConnector {
        let version = version(&self.path);
        if version != self.loaded {
            match Self::open(&self.path, Reading::Again) {
                Ok(changed) => {
                    *self = changed;
                    tracing::info!("read certificates from {} again", self.path.display());
                }
                Err(why) if self.refused != Some(version) => {
                    tracing::warn!("{why}; trusting those that were read before until the file is repaired");
                    self.refused = Some(version);
                }
                Err(_) => {}
            }
        }
        self.connector.clone()
    }
}

fn version(path: &Path) -> Option<FileVersion> {
    let file = std::fs::metadata(path).ok()?;
    Some((file.ino(), file.ctime(), file.ctime_nsec(), file.size()))
}

fn roots_in(path: &Path, reading: Reading) -> Result<RootCertStore, RootsError> {
    let unreadable = |reason| RootsError::Unreadable { path: path.to_owned(), reason };
    let mut roots = RootCertStore::empty();
    let bytes = read_named(path, reading, u64::MAX)
        .map_err(|error| unreadable(rustls_pki_types::pem::Error::Io(error)))?;
    if let Some(encoding) = foreign_encoding(&bytes) {
        return Err(RootsError::Encoding { path: path.to_owned(), encoding });
    }
    for certificate in CertificateDer::pem_slice_iter(&bytes) {
        roots.add(certificate.map_err(unreadable)?).map_err(RootsError::Unusable)?;
    }
    if roots.is_empty() { Err(RootsError::Empty(path.to_owned())) } else { Ok(roots) }
}

/// rustls reports through `io::Error`; what it says about the peer is inside.
fn classify(error: io::Error) -> TlsError {
    let Some(reason) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) else {
        return TlsError::Broken(error);
    };
    let reason = reason.clone();
    match &reason {
        rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => TlsError::WrongHost(reason),
        rustls::Error::InvalidCertificate(_) => TlsError::BadCertificate(reason),
        rustls::Error::InvalidMessage(_) => TlsError::NotTls(reason),
        _ => TlsError::Refused(reason),
    }
}

/// A TLS connection.
#[derive(Debug)]
pub struct TlsStream<S>(client::TlsStream<S>);

impl<S> TlsStream<S> {
    /// What the server's certificate says of itself.
    pub(crate) fn certificate(&self) -> Option<Certificate> {
        let (_, session) = self.0.get_ref();
        let der = session.peer_certificates()?.first()?;
        let (_, certificate) = x509_parser::parse_x509_certificate(der).ok()?;
        let expires = u64::try_from(certificate.validity().not_after.timestamp()).ok()?;
        Some(Certificate {
            subject: certificate.subject().to_string(),
            issuer: certificate.issuer().to_string(),
            expires: UNIX_EPOCH + Duration::from_secs(expires),
        })
    }
}

impl<S: Socket> Socket for TlsStream<S> {
    fn tune_for_link(&self) {
        self.0.get_ref().0.tune_for_link();
    }

    fn reset_on_drop(&self) {
        self.0.get_ref().0.reset_on_drop();
    }

    fn finish_on_drop(&self) {
        self.0.get_ref().0.finish_on_drop();
    }

    fn watch_peer(&self) {
        self.0.get_ref().0.watch_peer();
    }
}

impl<S: Socket> WriteSocket for TlsStream<S> {
    fn bound_unsent(&self, bytes: usize) {
        self.0.get_ref().0.bound_unsent(bytes);
    }

    fn poll_unsent(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.0.get_mut().0.poll_unsent(cx)
    }
}

impl<S: Socket> ReadSocket for TlsStream<S> {
    fn look_again(&mut self) {
        self.0.get_mut().0.look_again();
    }
}

impl<S: Socket> AsyncRead for TlsStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl<S: Socket> AsyncWrite for TlsStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, slices)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_close(cx)
    }
}
