//! A certificate authority for one test.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

/// The files of one authority and of one server certificate that it signed, for `localhost` if not said otherwise.
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
        Self::make_for(directory, &["localhost", "127.0.0.1"], 4096)
    }

    /// Makes them in `directory`, for these names and good until the first of January of that year.
    ///
    /// # Panics
    /// If it cannot.
    pub fn make_for(directory: &Path, names: &[&str], until: i32) -> Self {
        let ca_key = KeyPair::generate().expect("a key");
        let mut ca = CertificateParams::new(Vec::new()).expect("no names");
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // Each by its own name, as real ones.
        let name = directory.file_name().unwrap_or_default().to_string_lossy();
        ca.distinguished_name.push(DnType::CommonName, format!("the authority of one test, {name}"));
        let ca_cert = ca.self_signed(&ca_key).expect("a certificate");
        let key = KeyPair::generate().expect("a key");
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut leaf = CertificateParams::new(names).expect("good names");
        leaf.not_after = rcgen::date_time_ymd(until, 1, 1);
        leaf.use_authority_key_identifier_extension = true;
        let cert = leaf.signed_by(&key, &Issuer::new(ca, ca_key)).expect("a certificate");
        Self {
            ca: write(directory, "ca.pem", &ca_cert.pem()),
            cert: write(directory, "cert.pem", &cert.pem()),
            key: write(directory, "key.pem", &key.serialize_pem()),
        }
    }

    /// Makes an authority that serves with its own certificate, as `openssl req -x509` does.
    ///
    /// # Panics
    /// If it cannot.
    pub fn make_own(directory: &Path) -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut own = CertificateParams::new(["127.0.0.1".to_owned()]).expect("good names");
        own.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let cert = own.self_signed(&key).expect("a certificate");
        let cert = write(directory, "cert.pem", &cert.pem());
        Self { ca: cert.clone(), cert, key: write(directory, "key.pem", &key.serialize_pem()) }
    }
}

fn write(directory: &Path, name: &str, pem: &str) -> PathBuf {
    let path = directory.join(name);
    fs::write(&path, pem).expect("a directory of our own");
    path
}
