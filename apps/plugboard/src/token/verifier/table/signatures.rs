//! Signatures of all four algorithms, broken in all their regions.

use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING};

use super::super::super::signers;
use super::*;

/// The order of P-256's group, most significant byte first. (SEC 2 §2.4.2)
const P256_ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc,
    0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];
/// The order of Ed25519's group, least significant byte first. (RFC 8032 §5.1)
const ED25519_ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

fn message(alg: &str) -> String {
    format!("{}.{}", encoded(format!(r#"{{"alg":"{alg}"}}"#)), encoded(good_claims().to_string()))
}

fn token(alg: &str, signature: impl AsRef<[u8]>) -> String {
    format!("{}.{}", message(alg), encoded(signature))
}

/// The signature that `alg` would have, made by another algorithm or key where they differ.
fn signature(alg: &str, by: Algorithm, key: &EncodingKey) -> Vec<u8> {
    let text = crypto::sign(message(alg).as_bytes(), key, by).unwrap();
    URL_SAFE_NO_PAD.decode(text).unwrap()
}

fn rsa(pem: &str) -> EncodingKey {
    EncodingKey::from_rsa_pem(pem.as_bytes()).unwrap()
}

fn ec(pem: &str) -> EncodingKey {
    EncodingKey::from_ec_pem(pem.as_bytes()).unwrap()
}

fn ed(pem: &str) -> EncodingKey {
    EncodingKey::from_ed_pem(pem.as_bytes()).unwrap()
}

fn flipped(signature: &[u8], at: usize, bit: u8) -> Vec<u8> {
    let mut bad = signature.to_vec();
    bad[at] ^= 1 << bit;
    bad
}

pub(super) fn rows() -> Vec<Row> {
    let hmac = EncodingKey::from_secret(secret().expose());
    let (our_rsa, our_ec, our_ed) =
        (rsa(vectors::RSA_PRIVATE), ec(vectors::EC_PRIVATE), ed(vectors::ED_PRIVATE));
    [
        broken("HS256", &signature("HS256", Algorithm::HS256, &hmac)),
        broken("RS256", &signature("RS256", Algorithm::RS256, &our_rsa)),
        broken("ES256", &signature("ES256", Algorithm::ES256, &our_ec)),
        broken("EdDSA", &signature("EdDSA", Algorithm::EdDSA, &our_ed)),
        foreign(&hmac, &our_rsa, &our_ec, &our_ed),
        of_curves(&our_ec, &our_ed),
        of_rsa(&our_rsa),
    ]
    .concat()
}

/// A good signature and what becomes of it.
fn broken(alg: &'static str, good: &[u8]) -> Vec<Row> {
    let (last, middle) = (good.len() - 1, good.len() / 2);
    let rows: [(&str, Vec<u8>, Result<(), AuthError>); 12] = [
        ("good", good.to_vec(), GOOD),
        ("empty", Vec::new(), FORGED),
        ("a byte less", good[..last].to_vec(), FORGED),
        ("half", good[..middle].to_vec(), FORGED),
        ("a zero behind", [good, &[0]].concat(), FORGED),
        ("a zero before", [&[0], good].concat(), FORGED),
        ("twice", good.repeat(2), FORGED),
        ("first bit", flipped(good, 0, 7), FORGED),
        ("a bit in the middle", flipped(good, middle, 3), FORGED),
        ("last bit", flipped(good, last, 0), FORGED),
        ("zeros", vec![0; good.len()], FORGED),
        ("ones", vec![0xff; good.len()], FORGED),
    ];
    let named = |name: &str| -> &'static str { Box::leak(format!("{alg}: {name}").into_boxed_str()) };
    rows.map(|(name, signature, verdict)| (named(name), token(alg, signature), verdict)).into()
}

/// Good signatures of others: by keys that are not ours, and by algorithms that are not named.
fn foreign(
    hmac: &EncodingKey,
    our_rsa: &EncodingKey,
    our_ec: &EncodingKey,
    our_ed: &EncodingKey,
) -> Vec<Row> {
    let by = |alg: &str, by: Algorithm, key: &EncodingKey| token(alg, signature(alg, by, key));
    let public = EncodingKey::from_secret(vectors::RSA_PUBLIC.as_bytes());
    vec![
        ("foreign: HS256 by the RSA key's PEM", by("HS256", Algorithm::HS256, &public), FORGED),
        (
            "foreign: HS256 by a key of zeros",
            by("HS256", Algorithm::HS256, &EncodingKey::from_secret(&[0; 64])),
            FORGED,
        ),
        ("foreign: HS256 named, HS512 made", by("HS256", Algorithm::HS512, hmac), FORGED),
        ("foreign: HS256 named, RS256 made", by("HS256", Algorithm::RS256, our_rsa), FORGED),
        ("foreign: HS256 named, EdDSA made", by("HS256", Algorithm::EdDSA, our_ed), FORGED),
        (
            "foreign: RS256 by another key",
            by("RS256", Algorithm::RS256, &rsa(vectors::RSA_OTHER_PRIVATE)),
            FORGED,
        ),
        ("foreign: RS256 named, PS256 made", by("RS256", Algorithm::PS256, our_rsa), FORGED),
        ("foreign: RS256 named, RS512 made", by("RS256", Algorithm::RS512, our_rsa), FORGED),
        ("foreign: RS256 named, ES256 made", by("RS256", Algorithm::ES256, our_ec), FORGED),
        (
            "foreign: ES256 by another key",
            by("ES256", Algorithm::ES256, &ec(vectors::EC_OTHER_PRIVATE)),
            FORGED,
        ),
        ("foreign: ES256 named, EdDSA made", by("ES256", Algorithm::EdDSA, our_ed), FORGED),
        (
            "foreign: EdDSA by another key",
            by("EdDSA", Algorithm::EdDSA, &ed(vectors::ED_OTHER_PRIVATE)),
            FORGED,
        ),
        ("foreign: EdDSA named, ES256 made", by("EdDSA", Algorithm::ES256, our_ec), FORGED),
        ("foreign: PS256 by our RSA key", by("PS256", Algorithm::PS256, our_rsa), FORGED),
    ]
}

fn of_curves(our_ec: &EncodingKey, our_ed: &EncodingKey) -> Vec<Row> {
    let good = signature("ES256", Algorithm::ES256, our_ec);
    let (r, s) = good.split_at(32);
    let parts = |r: &[u8], s: &[u8]| token("ES256", [r, s].concat());
    let zero = [0; 32];
    let one = [&zero[..31], &[1]].concat();
    let made = |sign: signers::Sign| token("ES256", sign(message("ES256").as_bytes()).unwrap());
    let der = made(signers::by_ecdsa(&ECDSA_P256_SHA256_ASN1_SIGNING, our_ec.as_bytes()));
    let p384 = ec(vectors::P384_PRIVATE);
    let other_curve = made(signers::by_ecdsa(&ECDSA_P384_SHA384_FIXED_SIGNING, p384.as_bytes()));
    let edwards = signature("EdDSA", Algorithm::EdDSA, our_ed);
    let malleable = [&edwards[..32], &sum(&edwards[32..], &ED25519_ORDER)].concat();
    vec![
        ("ES256: DER in the place of r and s", der, FORGED),
        ("ES256: by a key of P-384", other_curve, FORGED),
        ("ES256: r is 0", parts(&zero, s), FORGED),
        ("ES256: s is 0", parts(r, &zero), FORGED),
        ("ES256: r and s are 1", parts(&one, &one), FORGED),
        ("ES256: r is the order", parts(&P256_ORDER, s), FORGED),
        ("ES256: s is the order", parts(r, &P256_ORDER), FORGED),
        ("ES256: r and s change places", parts(s, r), FORGED),
        // RFC 7518 §3.4 asks for no low s, and a token has no other meaning for it.
        ("ES256: the other s of the same signature", parts(r, &difference(&P256_ORDER, s)), GOOD),
        ("EdDSA: s beyond the order", token("EdDSA", malleable), FORGED),
        ("EdDSA: s is 0", token("EdDSA", [&edwards[..32], &zero].concat()), FORGED),
        (
            "EdDSA: R is the neutral element",
            token("EdDSA", [&[&[1][..], &zero[1..]].concat(), &edwards[32..]].concat()),
            FORGED,
        ),
    ]
}

fn of_rsa(our_rsa: &EncodingKey) -> Vec<Row> {
    let good = signature("RS256", Algorithm::RS256, our_rsa);
    // PKCS #1 v1.5 before any exponentiation, as for a key whose exponent is 1.
    let padded = [&[0, 1][..], &vec![0xff; good.len() - 35], &[0], &[7; 32]].concat();
    vec![
        ("RS256: 1", token("RS256", [vec![0; good.len() - 1], vec![1]].concat()), FORGED),
        ("RS256: the padding itself", token("RS256", padded), FORGED),
        ("RS256: of 8 KiB less what a token holds", token("RS256", vec![1; 4096]), FORGED),
    ]
}

/// a - b, most significant byte first.
fn difference(a: &[u8], b: &[u8]) -> Vec<u8> {
    let mut borrow = 0;
    let digits = a.iter().zip(b).rev().map(|(a, b)| {
        let digit = i16::from(*a) - i16::from(*b) - borrow;
        borrow = i16::from(digit < 0);
        digit.rem_euclid(256) as u8
    });
    let mut digits: Vec<u8> = digits.collect();
    digits.reverse();
    digits
}

/// a + b, least significant byte first.
fn sum(a: &[u8], b: &[u8]) -> Vec<u8> {
    let mut carry = 0;
    let digits = a.iter().zip(b).map(|(a, b)| {
        let digit = u16::from(*a) + u16::from(*b) + carry;
        carry = digit >> 8;
        digit as u8
    });
    digits.collect()
}
