//! Keys, tokens and moments for tests. The keys were made for them and guard nothing.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use telephone_driver::file::Reading;

use super::provider;
use crate::scratch::Scratch;
use crate::secret::Secret;

pub(crate) const RSA_PRIVATE: &str = include_str!("keys/rsa.pem");
pub(crate) const RSA_PUBLIC: &str = include_str!("keys/rsa.pub.pem");
pub(crate) const RSA_1024_PUBLIC: &str = include_str!("keys/rsa1024.pub.pem");
pub(crate) const RSA_PKCS1_PUBLIC: &str = include_str!("keys/rsa-pkcs1.pub.pem");
pub(crate) const RSA_OTHER_PRIVATE: &str = include_str!("keys/other-rsa.pem");
pub(crate) const EC_PRIVATE: &str = include_str!("keys/ec.pem");
pub(crate) const EC_PUBLIC: &str = include_str!("keys/ec.pub.pem");
pub(crate) const EC_COMPRESSED_PUBLIC: &str = include_str!("keys/ec-compressed.pub.pem");
pub(crate) const EC_CERTIFICATE: &str = include_str!("keys/ec.cert.pem");
pub(crate) const EC_OTHER_PRIVATE: &str = include_str!("keys/other-ec.pem");
pub(crate) const SECP256K1_PUBLIC: &str = include_str!("keys/secp256k1.pub.pem");
pub(crate) const P384_PRIVATE: &str = include_str!("keys/p384.pem");
pub(crate) const P384_PUBLIC: &str = include_str!("keys/p384.pub.pem");
pub(crate) const ED_PRIVATE: &str = include_str!("keys/ed.pem");
pub(crate) const ED_OTHER_PRIVATE: &str = include_str!("keys/other-ed.pem");
pub(crate) const ED_PUBLIC: &str = include_str!("keys/ed.pub.pem");

/// The moment at which the tests happen: 2027-01-15.
pub(crate) const NOW: u64 = 1_800_000_000;

pub(crate) fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(NOW)
}

pub(crate) fn secret() -> Secret {
    Secret::read(Scratch::file(b"a secret for tests, 32 octets or more").path(), Reading::First).unwrap()
}

pub(crate) fn signer() -> EncodingKey {
    EncodingKey::from_secret(secret().expose())
}

/// Claims that a plugboard without expectations lets in at [`now`].
pub(crate) fn good_claims() -> Value {
    json!({ "sub": "shop", "exp": NOW + 600, "mounts": ["/api"], "jti": "t1" })
}

/// A token with any claims, signed as asked.
pub(crate) fn sign(algorithm: Algorithm, key: &EncodingKey, claims: &Value) -> String {
    provider::install();
    jsonwebtoken::encode(&Header::new(algorithm), claims, key).unwrap()
}

/// A token with any header and any payload bytes, signed with `key` by HMAC-SHA256 over exactly those.
pub(crate) fn sign_raw(header: &str, payload: &str, key: &EncodingKey) -> String {
    provider::install();
    let message = format!("{}.{}", base64(header.as_bytes()), base64(payload.as_bytes()));
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), key, Algorithm::HS256).unwrap();
    format!("{message}.{signature}")
}

/// The payload of a token, whatever its signature.
pub(crate) fn payload(token: &str) -> Value {
    jsonwebtoken::dangerous::insecure_decode_claims(token).unwrap()
}

/// Unpadded base64url.
pub(crate) fn base64(octets: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let digits = |chunk: &[u8]| {
        let mut three = [0; 3];
        three[..chunk.len()].copy_from_slice(chunk);
        let bits = u32::from_be_bytes([0, three[0], three[1], three[2]]);
        let digit = move |place: usize| char::from(DIGITS[(bits >> (18 - 6 * place)) as usize & 63]);
        (0..=chunk.len()).map(digit).collect::<String>()
    };
    octets.chunks(3).map(digits).collect()
}
