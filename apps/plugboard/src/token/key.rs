//! Keys that verify tokens. A key has one algorithm, and no token can talk it into another one.

mod pem;
mod public;

use std::path::Path;
use std::{fmt, io};

use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use ring::hmac;
use telephone_core::router::AffinityKey;
use telephone_core::text::{ForeignEncoding, foreign_encoding};
use telephone_driver::file::{Reading, read_named};

use super::provider;
use crate::secret::Secret;

/// Bytes of the largest file that can hold one public key: one of 8192 bits takes 1.5 KiB.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// A verifying key and its algorithm.
#[derive(Clone)]
pub struct Key {
    key: DecodingKey,
    validation: Validation,
    algorithm: Algorithm,
    affinity: AffinityKey,
}

/// What the key of affinity is derived from a verifying key for: the label of no other purpose.
const AFFINITY_LABEL: &[u8] = b"plugboard affinity v1";

/// Why a file holds no usable public key.
#[derive(Debug, thiserror::Error)]
pub enum BadKey {
    /// The file cannot be read.
    #[error("{0}")]
    Unreadable(#[from] io::Error),
    /// Text in an encoding that is not read.
    #[error("{0}")]
    Encoding(ForeignEncoding),
    /// A private key lies where everybody who verifies can read it.
    #[error("the file holds a private key; give the public one (openssl pkey -in FILE -pubout)")]
    Private,
    /// No PEM, or nothing in it that can verify.
    #[error("the file holds no PEM public key of RSA, P-256 or Ed25519 (-----BEGIN PUBLIC KEY-----)")]
    Unknown,
    /// More than a public key would have.
    #[error("the file is longer than {FILE_BYTES_MAX} bytes; is it the right one?")]
    TooLong,
    /// Only one of them would be used.
    #[error(
        "the file holds {number} PEM blocks; give each key in a file of its own (--public-key-file is repeatable)"
    )]
    Several {
        /// How many there are.
        number: usize,
    },
    /// Text that is no key: perhaps one whose first line is damaged.
    #[error(
        "line {line} stands outside of the PEM block; leave nothing but -----BEGIN PUBLIC KEY----- to -----END PUBLIC KEY-----"
    )]
    Outside {
        /// The first such line.
        line: usize,
    },
    /// A block that is no base64, or has no end.
    #[error("the PEM block that begins in line {line} has no end, or is no base64")]
    Damaged {
        /// Where it begins.
        line: usize,
    },
    /// A key with a name, a lifetime and a signature. None of these is judged here.
    #[error("the file holds a certificate; give its public key (openssl x509 -in FILE -pubkey -noout)")]
    Certificate,
    /// An RSA key that can be broken.
    #[error("the RSA key is shorter than 2048 bits")]
    WeakRsa,
    /// An RSA key that costs too much.
    #[error("the RSA key has {bits} bits; give one of 2048 to 8192")]
    LargeRsa {
        /// Of its modulus.
        bits: usize,
    },
    /// An RSA key that no signature is verified with.
    #[error("the RSA key's exponent must be odd and from 3 to 2^33, such as 65537")]
    Exponent,
    /// An elliptic curve other than P-256.
    #[error("the elliptic curve is not P-256, the one that ES256 needs")]
    WrongCurve,
    /// A point of which one coordinate is left out.
    #[error(
        "the P-256 key is compressed; give it whole (openssl ec -pubin -in FILE -conv_form uncompressed)"
    )]
    Compressed,
}

impl Key {
    /// HS256 with `secret`.
    #[must_use]
    pub fn from_secret(secret: &Secret) -> Self {
        Self::new(DecodingKey::from_secret(secret.expose()), Algorithm::HS256, secret.expose())
    }

    /// RS256, ES256 or EdDSA, whichever the one public key in the PEM file at `path` is for, which is read as [`read_named`] has it.
    ///
    /// # Errors
    /// The file cannot be read, holds no usable key, or something besides it.
    pub fn read(path: &Path, reading: Reading) -> Result<Self, BadKey> {
        let pem = read_named(path, reading, FILE_BYTES_MAX + 1)?;
        if pem.len() as u64 > FILE_BYTES_MAX {
            return Err(BadKey::TooLong);
        }
        Self::from_pem(&pem)
    }

    fn from_pem(pem: &[u8]) -> Result<Self, BadKey> {
        if let Some(encoding) = foreign_encoding(pem) {
            return Err(BadKey::Encoding(encoding));
        }
        let text = std::str::from_utf8(pem).map_err(|_| BadKey::Unknown)?;
        if text.contains("PRIVATE KEY-----") {
            return Err(BadKey::Private);
        }
        let block = pem::only_block(text)?;
        let (algorithm, key) = match block.label {
            "PUBLIC KEY" => public::of_spki(&block.der)?,
            "RSA PUBLIC KEY" => public::of_rsa(&block.der)?,
            label if label.ends_with("CERTIFICATE") => return Err(BadKey::Certificate),
            _ => return Err(BadKey::Unknown),
        };
        Ok(Self::new(key, algorithm, &block.der))
    }

    /// The claims are judged by the verifier, on its own clock; the library judges the signature alone.
    fn new(key: DecodingKey, algorithm: Algorithm, octets: &[u8]) -> Self {
        provider::install();
        let derived = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, octets), AFFINITY_LABEL);
        let affinity = AffinityKey::new(std::array::from_fn(|at| derived.as_ref()[at]));
        let mut validation = Validation::new(algorithm);
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.validate_aud = false;
        Self { key, validation, algorithm, affinity }
    }

    /// With what relays that have this key bind clients to sessions: all of them alike, and after a restart as before.
    pub(crate) const fn affinity(&self) -> AffinityKey {
        self.affinity
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
mod tests;
