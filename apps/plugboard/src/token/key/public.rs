//! Public keys in DER: which algorithm they are for, by what their identifiers name.

use std::ops::RangeInclusive;

use jsonwebtoken::{Algorithm, DecodingKey};
use x509_parser::asn1_rs::{Any, FromDer, Integer, Oid, Sequence, oid};
use x509_parser::x509::SubjectPublicKeyInfo;

use super::BadKey;

/// Bits of an RSA modulus: fewer can be broken (NIST SP 800-131A), and more are beyond ring, and cost each hello too much.
const RSA_BITS: RangeInclusive<usize> = 2048..=8192;
/// Bytes of an uncompressed point on P-256. (SEC 1 §2.3.3)
const P256_POINT_BYTES: usize = 65;
/// Bytes of an Ed25519 key. (RFC 8032 §5.1.5)
const ED25519_BYTES: usize = 32;

/// A key in the form of X.509 (RFC 5280 §4.1.2.7): the algorithm, its parameters, the key.
pub(super) fn of_spki(der: &[u8]) -> Result<(Algorithm, DecodingKey), BadKey> {
    let (rest, key) = SubjectPublicKeyInfo::from_der(der).map_err(|_| BadKey::Unknown)?;
    if !rest.is_empty() || key.subject_public_key.unused_bits != 0 {
        return Err(BadKey::Unknown);
    }
    let octets = key.subject_public_key.data.as_ref();
    let algorithm = &key.algorithm.algorithm;
    let parameters = key.algorithm.parameters.as_ref();
    if *algorithm == oid!(1.2.840.113549.1.1.1) {
        return of_rsa(octets);
    }
    if *algorithm == oid!(1.2.840.10045.2.1) {
        return of_elliptic_curve(parameters, octets);
    }
    // RFC 8410 §3: no parameters.
    if *algorithm == oid!(1.3.101.112) && parameters.is_none() && octets.len() == ED25519_BYTES {
        return Ok((Algorithm::EdDSA, DecodingKey::from_ed_der(octets)));
    }
    Err(BadKey::Unknown)
}

/// The curve is what its identifier names: others have points of the same length.
fn of_elliptic_curve(curve: Option<&Any<'_>>, point: &[u8]) -> Result<(Algorithm, DecodingKey), BadKey> {
    let curve: Option<Oid<'_>> = curve.and_then(|curve| curve.as_oid().ok());
    if curve != Some(oid!(1.2.840.10045.3.1.7)) {
        return Err(BadKey::WrongCurve);
    }
    match point {
        [4, ..] if point.len() == P256_POINT_BYTES => Ok((Algorithm::ES256, DecodingKey::from_ec_der(point))),
        [2 | 3, ..] => Err(BadKey::Compressed),
        _ => Err(BadKey::Unknown),
    }
}

/// A key in the form of PKCS #1 (RFC 8017 §A.1.1): modulus and exponent.
pub(super) fn of_rsa(der: &[u8]) -> Result<(Algorithm, DecodingKey), BadKey> {
    let unknown = |_| BadKey::Unknown;
    let (rest, key) = Sequence::from_der(der).map_err(unknown)?;
    let (after, modulus) = Integer::from_der(&key.content).map_err(unknown)?;
    let (end, exponent) = Integer::from_der(after).map_err(unknown)?;
    if !rest.is_empty() || !end.is_empty() {
        return Err(BadKey::Unknown);
    }
    let bits = bits(modulus.as_ref());
    if bits < *RSA_BITS.start() {
        return Err(BadKey::WeakRsa);
    }
    if bits > *RSA_BITS.end() {
        return Err(BadKey::LargeRsa { bits });
    }
    // What ring takes, too.
    if !exponent.as_u64().is_ok_and(|e| (3..1 << 33).contains(&e) && e % 2 == 1) {
        return Err(BadKey::Exponent);
    }
    Ok((Algorithm::RS256, DecodingKey::from_rsa_der(der)))
}

/// Bits of a number, none for a negative one.
fn bits(number: &[u8]) -> usize {
    if number.first().is_some_and(|first| first & 0x80 != 0) {
        return 0;
    }
    let digits = number.iter().skip_while(|octet| **octet == 0);
    let first = digits.clone().next().map_or(8, |octet| octet.leading_zeros() as usize);
    (8 * digits.count()).saturating_sub(first)
}
