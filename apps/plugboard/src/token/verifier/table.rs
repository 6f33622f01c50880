//! Tokens one by one, good and bad, each with its verdict: what a telephone's or a client's verifier with a key of each kind
//! says of it at [`NOW`].

mod claims;
mod rights;
mod signatures;
mod structure;
mod times;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, crypto};
use serde_json::{Value, json};
use telephone_driver::file::Reading;

use super::super::vectors::{self, NOW, good_claims, now, secret};
use super::super::{Expectations, Key, Verifier};
use super::AuthError;
use crate::scratch::Scratch;

/// A name, a token and the verdict. Names of rows say why it is right where the error does not.
type Row = (&'static str, String, Result<(), AuthError>);

const HEADER: Result<(), AuthError> = malformed("its header is no JWT header");
const EXTENSION: Result<(), AuthError> = malformed("its header asks for an extension");
const TYPES: Result<(), AuthError> = malformed("its claims are not of the right types");
const FORGED: Result<(), AuthError> = Err(AuthError::BadSignature);
const GOOD: Result<(), AuthError> = Ok(());

const fn malformed(what: &'static str) -> Result<(), AuthError> {
    Err(AuthError::Malformed(what))
}

fn verifier() -> Verifier {
    let public = |pem: &str| Key::read(Scratch::file(pem.as_bytes()).path(), Reading::First).unwrap();
    let keys = vec![
        Key::from_secret(&secret()),
        public(vectors::RSA_PUBLIC),
        public(vectors::EC_PUBLIC),
        public(vectors::ED_PUBLIC),
    ];
    Verifier::new(keys, Expectations::default())
}

/// The parts as they are, with a signature by our secret over exactly those.
fn sealed(header: &str, payload: &str) -> String {
    let message = format!("{header}.{payload}");
    let key = EncodingKey::from_secret(secret().expose());
    let signature = crypto::sign(message.as_bytes(), &key, Algorithm::HS256).unwrap();
    format!("{message}.{signature}")
}

fn encoded(octets: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(octets)
}

fn header() -> String {
    encoded(r#"{"alg":"HS256"}"#)
}

/// A token of ours with this header.
fn by_header(header: impl AsRef<[u8]>) -> String {
    sealed(&encoded(header), &encoded(good_claims().to_string()))
}

/// A token of ours with this payload.
fn by_payload(payload: impl AsRef<[u8]>) -> String {
    sealed(&header(), &encoded(payload))
}

/// The good claims with more of them, which may be wrong, written before the others.
fn with_text(claims: &str) -> String {
    by_payload(format!(r#"{{{claims},"sub":"shop","exp":1800000600,"mounts":["/api"]}}"#))
}

/// The good claims with one of them set.
fn with(name: &str, value: Value) -> String {
    let mut claims = good_claims();
    claims[name] = value;
    by_payload(claims.to_string())
}

fn judge(rows: Vec<Row>, verdict: impl Fn(&str) -> Result<(), AuthError>) -> usize {
    let wrong: Vec<String> = rows
        .iter()
        .filter_map(|(name, token, expected)| {
            let verdict = verdict(token);
            (verdict != *expected).then(|| format!("{name}: {verdict:?}, not {expected:?}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let names: std::collections::BTreeSet<&str> = rows.iter().map(|(name, ..)| *name).collect();
    assert_eq!(names.len(), rows.len(), "two rows of one name");
    rows.len()
}

#[test]
fn each_token_of_the_table_gets_its_verdict() {
    // What signs must be there before the first row is made.
    let verifier = verifier();
    let telephones = [
        structure::headers(),
        structure::shapes(),
        structure::payloads(),
        times::rows(),
        claims::rows(),
        rights::telephones(),
        signatures::rows(),
    ];
    let count = judge(telephones.concat(), |token| verifier.verify(token, now()).map(|_| ()));
    let clients = judge(rights::clients(), |token| verifier.verify_client(token, now()).map(|_| ()));
    assert!(count + clients >= 110, "{count} and {clients}");
}

#[test]
fn a_life_that_is_too_long_is_refused_from_the_limit_on() {
    use std::time::Duration;
    let max = Duration::from_secs(3600);
    let limited = verifier().with_life_max(Some(max));
    let (too_long, early) = (Err(AuthError::LivesTooLong { max }), Err(AuthError::NotYetValid));
    for (name, claims, verdict) in [
        ("a second", json!({ "exp": NOW + 1 }), GOOD),
        ("exactly the limit", json!({ "exp": NOW + 3600 }), GOOD),
        ("minted by a clock that is a minute fast", json!({ "exp": NOW + 3660 }), GOOD),
        ("by one that is faster", json!({ "exp": NOW + 3661 }), too_long),
        ("a day", json!({ "exp": NOW + 86400 }), too_long),
        ("beyond all timers", json!({ "exp": 1.0e300 }), too_long),
        ("given a long life of which little is left", json!({ "exp": NOW + 60, "iat": 0 }), GOOD),
        // By the issuer's clock it is good: this one may be behind.
        ("given a short life that begins late", json!({ "exp": NOW + 86400, "iat": NOW + 86000 }), early),
        ("given a long life that begins late", json!({ "exp": NOW + 86400, "iat": NOW + 82799 }), too_long),
        ("that will start soon", json!({ "exp": NOW + 86400, "nbf": NOW + 50 }), too_long),
        ("no end at all", json!({ "exp": null }), malformed("`exp` is missing")),
        ("over", json!({ "exp": NOW - 60 }), Err(AuthError::Expired)),
    ] {
        let mut all = good_claims();
        all.as_object_mut().unwrap().extend(claims.as_object().unwrap().clone());
        all["clients"] = json!(["room:a"]);
        let token = by_payload(all.to_string());
        assert_eq!(limited.verify(&token, now()).map(|_| ()), verdict, "{name}");
        assert_eq!(limited.verify_client(&token, now()).map(|_| ()), verdict, "{name}, a client");
        let is_accepted = verifier().verify(&token, now()).is_ok();
        assert_eq!(is_accepted, [GOOD, too_long, early].contains(&verdict), "{name}, without the limit");
    }
}
