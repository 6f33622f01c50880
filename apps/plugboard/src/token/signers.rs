//! What signs the tokens of tests in every algorithm that an attacker may choose, on ring.

use jsonwebtoken::crypto::JwtSigner;
use jsonwebtoken::errors::{ErrorKind, Result};
use jsonwebtoken::signature::{Error, Signer};
use jsonwebtoken::{Algorithm, EncodingKey};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, RSA_PKCS1_SHA256, RSA_PKCS1_SHA512,
    RSA_PSS_SHA256, RsaEncoding, RsaKeyPair,
};
use ring::{hmac, signature};

/// Signs one message.
pub(super) type Sign = Box<dyn Fn(&[u8]) -> Option<Vec<u8>> + Send + Sync>;

struct AnySigner {
    sign: Sign,
    algorithm: Algorithm,
}

/// A signer for `algorithm` with `key`, which is of its kind.
pub(super) fn signer(algorithm: Algorithm, key: &EncodingKey) -> Result<Box<dyn JwtSigner>> {
    let octets = key.as_bytes();
    let sign = match algorithm {
        Algorithm::HS384 => by_hmac(hmac::HMAC_SHA384, octets),
        Algorithm::HS512 => by_hmac(hmac::HMAC_SHA512, octets),
        Algorithm::RS256 => by_rsa(&RSA_PKCS1_SHA256, octets),
        Algorithm::RS512 => by_rsa(&RSA_PKCS1_SHA512, octets),
        Algorithm::PS256 => by_rsa(&RSA_PSS_SHA256, octets),
        Algorithm::ES256 => by_ecdsa(&ECDSA_P256_SHA256_FIXED_SIGNING, octets),
        Algorithm::EdDSA => {
            let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(octets).unwrap();
            Box::new(move |message: &[u8]| Some(pair.sign(message).as_ref().to_vec()))
        }
        _ => return Err(ErrorKind::InvalidAlgorithm.into()),
    };
    Ok(Box::new(AnySigner { sign, algorithm }))
}

fn by_hmac(algorithm: hmac::Algorithm, octets: &[u8]) -> Sign {
    let key = hmac::Key::new(algorithm, octets);
    Box::new(move |message| Some(hmac::sign(&key, message).as_ref().to_vec()))
}

fn by_rsa(encoding: &'static dyn RsaEncoding, octets: &[u8]) -> Sign {
    let pair = RsaKeyPair::from_der(octets).unwrap();
    Box::new(move |message| {
        let mut signature = vec![0; pair.public().modulus_len()];
        pair.sign(encoding, &SystemRandom::new(), message, &mut signature).ok()?;
        Some(signature)
    })
}

pub(super) fn by_ecdsa(algorithm: &'static signature::EcdsaSigningAlgorithm, octets: &[u8]) -> Sign {
    let pair = EcdsaKeyPair::from_pkcs8(algorithm, octets, &SystemRandom::new()).unwrap();
    Box::new(move |message| Some(pair.sign(&SystemRandom::new(), message).ok()?.as_ref().to_vec()))
}

impl Signer<Vec<u8>> for AnySigner {
    fn try_sign(&self, message: &[u8]) -> std::result::Result<Vec<u8>, Error> {
        (self.sign)(message).ok_or_else(Error::new)
    }
}

impl JwtSigner for AnySigner {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}
