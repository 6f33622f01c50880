//! TLS towards servers of every kind, with certificates made here.

use std::fs;
use std::future::poll_fn;
use std::io::{self, IoSlice, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::thread;

use futures_lite::{AsyncReadExt, AsyncWrite as _, AsyncWriteExt};
use futures_rustls::TlsAcceptor;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use telephone_driver::tls::{RootsError, TlsConnector, TlsError, TlsStream};
use telephone_driver::{Listener, Runtime};

use crate::{ANY_PORT, endpoint};

on_every_runtime!(
    bytes_and_ends_go_both_ways,
    an_address_can_be_in_the_certificate,
    another_hosts_certificate_is_the_wrong_host,
    an_unknown_authority_is_not_trusted,
    the_platform_does_not_trust_a_private_authority,
    an_expired_certificate_is_not_trusted,
    a_plain_http_server_does_not_speak_tls,
    a_server_that_hangs_up_broke_the_connection,
    a_server_without_http_1_refuses,
    a_host_that_no_certificate_can_name_is_invalid,
);

/// An authority of a test's own, and the file that a telephone is given of it.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    directory: tempfile::TempDir,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        Self { issuer, directory: tempfile::tempdir().unwrap() }
    }

    fn file(&self) -> PathBuf {
        let path = self.directory.path().join("ca.pem");
        fs::write(&path, self.issuer.pem()).unwrap();
        path
    }

    fn connector(&self) -> TlsConnector {
        TlsConnector::new(Some(&self.file())).unwrap()
    }

    /// A server's configuration, after `change` to what its certificate says.
    fn server(&self, change: impl FnOnce(&mut CertificateParams)) -> ServerConfig {
        let mut params =
            CertificateParams::new(["plugboard.example".to_owned(), "127.0.0.1".to_owned()]).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap()
    }
}

/// A server that says back what one client says, until that one's end.
fn echo<R: Runtime>(runtime: &R, config: ServerConfig) -> SocketAddr {
    let listener = runtime.bind(ANY_PORT).unwrap();
    let address = listener.local_addr().unwrap();
    runtime.spawn(async move {
        let (socket, _) = listener.accept().await.unwrap();
        // A handshake that fails is the client's to tell.
        let Ok(mut stream) = TlsAcceptor::from(Arc::new(config)).accept(socket).await else { return };
        let mut heard = String::new();
        stream.read_to_string(&mut heard).await.unwrap();
        stream.write_all(heard.as_bytes()).await.unwrap();
        stream.close().await.unwrap();
    });
    address
}

/// A server that sends `bytes` to one client, unasked, and hangs up when the client did.
fn say(bytes: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind(ANY_PORT).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        socket.write_all(bytes).unwrap();
        socket.shutdown(std::net::Shutdown::Write).unwrap();
        drop(io::copy(&mut socket, &mut io::sink()));
    });
    address
}

async fn connect<R: Runtime>(
    runtime: &R,
    connector: &TlsConnector,
    host: &str,
    address: SocketAddr,
) -> Result<TlsStream<R::Socket>, TlsError> {
    let socket = runtime.connect(&endpoint(address)).await.unwrap();
    connector.connect(host, socket).await
}

async fn refusal<R: Runtime>(
    runtime: &R,
    connector: &TlsConnector,
    host: &str,
    address: SocketAddr,
) -> TlsError {
    connect(runtime, connector, host, address).await.err().expect("the connection was made")
}

async fn bytes_and_ends_go_both_ways<R: Runtime>(runtime: R) {
    let authority = Authority::new();
    let address = echo(&runtime, authority.server(|_| {}));
    let mut stream = connect(&runtime, &authority.connector(), "plugboard.example", address).await.unwrap();
    let slices = [b"head " as &[u8], b"body"].map(IoSlice::new);
    let written = poll_fn(|cx| Pin::new(&mut stream).poll_write_vectored(cx, &slices)).await.unwrap();
    assert_eq!(written, 9);
    stream.close().await.unwrap();
    let mut heard = String::new();
    stream.read_to_string(&mut heard).await.unwrap();
    assert_eq!(heard, "head body");
}

async fn an_address_can_be_in_the_certificate<R: Runtime>(runtime: R) {
    let authority = Authority::new();
    let address = echo(&runtime, authority.server(|_| {}));
    connect(&runtime, &authority.connector(), "127.0.0.1", address).await.unwrap();
}

async fn another_hosts_certificate_is_the_wrong_host<R: Runtime>(runtime: R) {
    let authority = Authority::new();
    let address = echo(&runtime, authority.server(|_| {}));
    let error = refusal(&runtime, &authority.connector(), "other.example", address).await;
    assert!(matches!(error, TlsError::WrongHost(_)), "{error:?}");
}

async fn an_unknown_authority_is_not_trusted<R: Runtime>(runtime: R) {
    let address = echo(&runtime, Authority::new().server(|_| {}));
    let error = refusal(&runtime, &Authority::new().connector(), "plugboard.example", address).await;
    assert!(matches!(error, TlsError::BadCertificate(_)), "{error:?}");
}

async fn the_platform_does_not_trust_a_private_authority<R: Runtime>(runtime: R) {
    let connector = match TlsConnector::new(None) {
        Ok(connector) => connector,
        // A bare container has no roots, and is told so.
        Err(RootsError::Unusable(_)) => return,
        Err(error) => panic!("{error}"),
    };
    let address = echo(&runtime, Authority::new().server(|_| {}));
    let error = refusal(&runtime, &connector, "plugboard.example", address).await;
    assert!(matches!(error, TlsError::BadCertificate(_)), "{error:?}");
}

async fn an_expired_certificate_is_not_trusted<R: Runtime>(runtime: R) {
    let authority = Authority::new();
    let address = echo(&runtime, authority.server(|params| params.not_after = date_time_ymd(2001, 1, 1)));
    let error = refusal(&runtime, &authority.connector(), "plugboard.example", address).await;
    assert!(matches!(error, TlsError::BadCertificate(_)), "{error:?}");
}

async fn a_plain_http_server_does_not_speak_tls<R: Runtime>(runtime: R) {
    let address = say(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
    let error = refusal(&runtime, &Authority::new().connector(), "plugboard.example", address).await;
    assert!(matches!(error, TlsError::NotTls(_)), "{error:?}");
}

async fn a_server_that_hangs_up_broke_the_connection<R: Runtime>(runtime: R) {
    let error = refusal(&runtime, &Authority::new().connector(), "plugboard.example", say(b"")).await;
    assert!(matches!(error, TlsError::Broken(_)), "{error:?}");
}

async fn a_server_without_http_1_refuses<R: Runtime>(runtime: R) {
    let authority = Authority::new();
    let mut config = authority.server(|_| {});
    config.alpn_protocols = vec![b"h2".to_vec()];
    let address = echo(&runtime, config);
    let error = refusal(&runtime, &authority.connector(), "plugboard.example", address).await;
    assert!(matches!(error, TlsError::Refused(_)), "{error:?}");
}

async fn a_host_that_no_certificate_can_name_is_invalid<R: Runtime>(runtime: R) {
    let error = refusal(&runtime, &Authority::new().connector(), "not a host", say(b"")).await;
    assert!(matches!(error, TlsError::InvalidName(_)), "{error:?}");
}

#[test]
fn a_file_without_certificates_is_no_authority() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ca.pem");
    assert!(matches!(TlsConnector::new(Some(&path)), Err(RootsError::Unreadable { .. })));
    fs::write(&path, "nothing in here is PEM\n").unwrap();
    assert!(matches!(TlsConnector::new(Some(&path)), Err(RootsError::Empty(_))));
    fs::write(&path, "\u{feff}-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
    let marked = TlsConnector::new(Some(&path)).err().unwrap().to_string();
    assert!(marked.contains("byte order mark") && marked.contains("without BOM"), "{marked}");
    fs::write(&path, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
    assert!(matches!(TlsConnector::new(Some(&path)), Err(RootsError::Unusable(_))));
}
