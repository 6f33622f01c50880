//! Keys that verify tokens. A key has one algorithm, and no token can talk it into another one.

use std::path::Path;
use std::{fmt, fs, io};

use jsonwebtoken::{Algorithm, DecodingKey, Validation};

use crate::secret::Secret;

/// DER octets of a 2048-bit RSA key; 1024 bits, which are broken, make about 140 (NIST SP 800-131A).
const RSA_DER_BYTES_MIN: usize = 260;
/// Octets of an uncompressed point on P-256; other curves have longer ones.
const P256_POINT_BYTES: usize = 65;

/// A verifying key and its algorithm.
#[derive(Clone)]
pub struct Key {
    key: DecodingKey,
    validation: Validation,
    algorithm: Algorithm,
}

/// Why a file holds no usable public key.
#[derive(Debug, thiserror::Error)]
pub enum BadKey {
    /// The file cannot be read.
    #[error("{0}")]
    Unreadable(#[from] io::Error),
    /// A private key lies where everybody who verifies can read it.
    #[error("the file holds a private key; give the public one (openssl pkey -in FILE -pubout)")]
    Private,
    /// No PEM, or nothing in it that can verify.
    #[error("the file holds no PEM public key of RSA, P-256 or Ed25519 (-----BEGIN PUBLIC KEY-----)")]
    Unknown,
    /// An RSA key that can be broken.
    #[error("the RSA key is shorter than 2048 bits")]
    WeakRsa,
    /// An elliptic curve other than P-256.
    #[error("the elliptic curve is not P-256, the one that ES256 needs")]
    WrongCurve,
}

impl Key {
    /// HS256 with `secret`.
    #[must_use]
    pub fn from_secret(secret: &Secret) -> Self {
        Self::new(DecodingKey::from_secret(secret.expose()), Algorithm::HS256)
    }

    /// RS256, ES256 or EdDSA, whichever the public key in the PEM file at `path` is for.
    ///
    /// # Errors
    /// The file cannot be read or holds no usable key.
    pub fn read(path: &Path) -> Result<Self, BadKey> {
        Self::from_pem(&fs::read(path)?)
    }

    fn from_pem(pem: &[u8]) -> Result<Self, BadKey> {
        if String::from_utf8_lossy(pem).contains("PRIVATE KEY-----") {
            return Err(BadKey::Private);
        }
        if let Ok(key) = DecodingKey::from_ed_pem(pem) {
            return Ok(Self::new(key, Algorithm::EdDSA));
        }
        if let Ok(key) = DecodingKey::from_ec_pem(pem) {
            return match key.try_get_as_bytes() {
                Ok([4, rest @ ..]) if rest.len() + 1 == P256_POINT_BYTES => {
                    Ok(Self::new(key, Algorithm::ES256))
                }
                _ => Err(BadKey::WrongCurve),
            };
        }
        let key = DecodingKey::from_rsa_pem(pem).map_err(|_| BadKey::Unknown)?;
        match key.try_get_as_bytes() {
            Ok(der) if der.len() >= RSA_DER_BYTES_MIN => Ok(Self::new(key, Algorithm::RS256)),
            _ => Err(BadKey::WeakRsa),
        }
    }

    /// The claims are judged by the verifier, on its own clock; the library judges the signature alone.
    fn new(key: DecodingKey, algorithm: Algorithm) -> Self {
        let mut validation = Validation::new(algorithm);
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.validate_aud = false;
        Self { key, validation, algorithm }
    }

    pub(super) fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    pub(super) fn decoding(&self) -> (&DecodingKey, &Validation) {
        (&self.key, &self.validation)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({:?})", self.algorithm)
    }
}

#[cfg(test)]
mod tests {
    use super::super::vectors;
    use super::*;

    #[test]
    fn the_algorithm_comes_from_the_key() {
        for (pem, algorithm) in [
            (vectors::RSA_PUBLIC, Algorithm::RS256),
            (vectors::EC_PUBLIC, Algorithm::ES256),
            (vectors::ED_PUBLIC, Algorithm::EdDSA),
        ] {
            assert_eq!(Key::from_pem(pem.as_bytes()).unwrap().algorithm(), algorithm);
        }
    }

    #[test]
    fn what_cannot_verify_is_refused_with_its_reason() {
        for (pem, part) in [
            ("", "no PEM public key"),
            ("hello", "no PEM public key"),
            ("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "no PEM public key"),
            (vectors::ED_PRIVATE, "private key"),
            (vectors::EC_PRIVATE, "private key"),
            (vectors::RSA_1024_PUBLIC, "2048 bits"),
            (vectors::P384_PUBLIC, "P-256"),
        ] {
            let error = Key::from_pem(pem.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(part), "{part}: {error}");
        }
    }

    #[test]
    fn a_key_shows_its_algorithm_and_nothing_else() {
        let key = Key::from_pem(vectors::ED_PUBLIC.as_bytes()).unwrap();
        assert_eq!(format!("{key:?}"), "Key(EdDSA)");
    }
}
