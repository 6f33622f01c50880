//! Keys, usable and not.

use super::super::vectors;
use super::*;
use crate::scratch::Scratch;

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
        (&format!("\u{feff}{}", vectors::ED_PUBLIC), "without BOM"),
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

/// A DER value of this tag.
fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap().to_be_bytes();
    [&[tag, 0x82], &length[..], content].concat()
}

/// A key as X.509 has it, in PEM.
fn spki(algorithm: &[u8], key: &[u8]) -> String {
    let bits = [&[0], key].concat();
    let whole = der(0x30, &[der(0x30, algorithm), der(3, &bits)].concat());
    format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", standard(&whole))
}

fn standard(octets: &[u8]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(octets)
}

const RSA: &[u8] = &[6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1, 5, 0];
const P256: &[u8] = &[6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
const ED25519: &[u8] = &[6, 3, 0x2b, 0x65, 0x70];
const X25519: &[u8] = &[6, 3, 0x2b, 0x65, 0x6e];

/// An RSA key whose modulus has so many bits, all of them ones.
fn rsa(bits: usize, exponent: &[u8]) -> String {
    let mut modulus = vec![0; bits / 8 + 1];
    for bit in 0..bits {
        let at = modulus.len() - 1 - bit / 8;
        modulus[at] |= 1 << (bit % 8);
    }
    spki(RSA, &der(0x30, &[der(2, &modulus), der(2, exponent)].concat()))
}

#[test]
fn rsa_keys_have_2048_to_8192_bits_and_an_exponent_that_can_verify() {
    const USUAL: &[u8] = &[1, 0, 1];
    for (bits, exponent, part) in [
        (2047, USUAL, Some("2048 bits")),
        (2048, USUAL, None),
        (4096, USUAL, None),
        (8192, USUAL, None),
        (8193, USUAL, Some("8193 bits; give one of 2048 to 8192")),
        (16384, USUAL, Some("16384 bits")),
        (2048, &[3], None),
        (2048, &[1], Some("exponent")),
        (2048, &[4], Some("exponent")),
        (2048, &[0x7f; 9], Some("exponent")),
        (2048, &[0xff], Some("exponent")),
    ] {
        let read = Key::from_pem(rsa(bits, exponent).as_bytes());
        match (read, part) {
            (Ok(key), None) => assert_eq!(key.algorithm(), Algorithm::RS256, "{bits}"),
            (Err(error), Some(part)) => assert!(error.to_string().contains(part), "{bits}: {error}"),
            (read, part) => panic!("{bits} {exponent:?}: {read:?}, not {part:?}"),
        }
    }
}

#[test]
fn what_a_key_is_for_is_what_its_identifier_names_and_not_its_length() {
    let point = [&[4][..], &[7; 64]].concat();
    for (pem, algorithm) in [
        (spki(P256, &point), Some(Algorithm::ES256)),
        (spki(&P256[..9], &point), None),
        (spki(ED25519, &point), None),
        (spki(RSA, &point), None),
        (spki(P256, &point[1..]), None),
        (spki(P256, &[&point[..], &[0]].concat()), None),
        (spki(ED25519, &[7; 32]), Some(Algorithm::EdDSA)),
        (spki(X25519, &[7; 32]), None),
        (spki(ED25519, &[7; 31]), None),
        (spki(P256, &[7; 32]), None),
        (vectors::SECP256K1_PUBLIC.to_owned(), None),
        (vectors::RSA_PKCS1_PUBLIC.to_owned(), Some(Algorithm::RS256)),
    ] {
        let read = Key::from_pem(pem.as_bytes());
        assert_eq!(read.as_ref().ok().map(Key::algorithm), algorithm, "{pem}{read:?}");
    }
}

#[test]
fn nothing_of_a_file_is_passed_over() {
    let (ed, ec) = (vectors::ED_PUBLIC, vectors::EC_PUBLIC);
    for (pem, part) in [
        (format!("{ed}{ec}"), "2 PEM blocks; give each key in a file of its own"),
        (format!("{ed}{ed}"), "2 PEM blocks"),
        (format!("{ed}\n{ec}\n{ed}"), "3 PEM blocks"),
        (format!("{ed}{}", vectors::EC_CERTIFICATE), "2 PEM blocks"),
        (vectors::EC_CERTIFICATE.to_owned(), "openssl x509"),
        (format!("{ed}rest"), "line 4 stands outside"),
        (format!("{ed}\n\n-----END PUBLIC KEY-----"), "line 6 stands outside"),
        (format!("# our key\n{ed}"), "line 1 stands outside"),
        (format!("{ed}{}", ec.replacen("-----BEGIN", "----BEGIN", 1)), "line 4 stands outside"),
        (ed.replace("END PUBLIC", "END PUBLIK"), "line 1 has no end"),
        (ed.replacen("MC", "M!", 1), "line 1 has no end, or is no base64"),
        (format!("{}{ed}", ed.replace("-----END PUBLIC KEY-----\n", "")), "line 1 has no end"),
        (vectors::EC_COMPRESSED_PUBLIC.to_owned(), "-conv_form uncompressed"),
        (vectors::SECP256K1_PUBLIC.to_owned(), "not P-256"),
        (ed.replace("PUBLIC KEY", "PUBLIC CAT"), "no PEM public key"),
        ("a".repeat(64 * 1024 + 1), "right one"),
    ] {
        let file = Scratch::file(pem.as_bytes());
        let error = Key::read(file.path(), Reading::First).expect_err(&pem).to_string();
        assert!(error.contains(part), "{part}: {error}\n{pem}");
    }
    for good in [format!("\n{ed}\n \n"), ed.replace('\n', "\r\n"), ed.trim().to_owned()] {
        assert!(Key::from_pem(good.as_bytes()).is_ok(), "{good}");
    }
}
