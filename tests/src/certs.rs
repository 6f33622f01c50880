//! A certificate authority for one test.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

/// The files of one authority and of one server certificate for `localhost` that it signed.
#[derive(Debug, Clone)]
pub struct Certs {
    /// The authority's certificate: what `--ca` takes.
    pub ca: PathBuf,
    /// The server's certificate.
    pub cert: PathBuf,
    /// The server's key.
    pub key: PathBuf,
}

impl Certs {
    /// Makes them in `directory`.
    ///
    /// # Panics
    /// If it cannot.
    pub fn make(directory: &Path) -> Self {
        let ca_key = KeyPair::generate().expect("a key");
        let mut ca = CertificateParams::new(Vec::new()).expect("no names");
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        ca.distinguished_name.push(DnType::CommonName, "the authority of one test");
        let ca_cert = ca.self_signed(&ca_key).expect("a certificate");
        let key = KeyPair::generate().expect("a key");
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let mut leaf = CertificateParams::new(names).expect("good names");
        leaf.use_authority_key_identifier_extension = true;
        let cert = leaf.signed_by(&key, &Issuer::new(ca, ca_key)).expect("a certificate");
        let write = |name: &str, pem: String| {
            let path = directory.join(name);
            fs::write(&path, pem).expect("a directory of our own");
            path
        };
        Self {
            ca: write("ca.pem", ca_cert.pem()),
            cert: write("cert.pem", cert.pem()),
            key: write("key.pem", key.serialize_pem()),
        }
    }
}
