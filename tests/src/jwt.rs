//! Tokens that `plugboard token` would not sign.

use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// A token with any claims, signed with `secret` by HMAC-SHA256 (RFC 7515 §A.1, RFC 2104).
pub fn sign(secret: &str, claims: &Value) -> String {
    let message =
        format!("{}.{}", base64url(br#"{"alg":"HS256"}"#), base64url(claims.to_string().as_bytes()));
    let signature = hmac(secret.as_bytes(), message.as_bytes());
    format!("{message}.{}", base64url(&signature))
}

fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut block = [0; 64];
    if key.len() > block.len() {
        block[..32].copy_from_slice(&Sha256::digest(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let keyed = |pad: u8, rest: &[u8]| {
        let padded: Vec<u8> = block.iter().map(|octet| octet ^ pad).collect();
        <[u8; 32]>::from(Sha256::digest([&padded, rest].concat()))
    };
    keyed(0x5c, &keyed(0x36, message))
}

/// Without padding (RFC 7515 §2).
fn base64url(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let digits = |chunk: &[u8]| {
        let word = chunk.iter().fold(0_u32, |word, octet| word << 8 | u32::from(*octet));
        let word = word << (8 * (3 - chunk.len()));
        let digit = move |place: usize| char::from(DIGITS[(word >> (18 - 6 * place)) as usize & 63]);
        (0..=chunk.len()).map(digit).collect::<String>()
    };
    bytes.chunks(3).map(digits).collect()
}
