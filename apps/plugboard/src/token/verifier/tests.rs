//! Tokens, good and hostile (faults A-01, A-02, A-06, A-10, L18).

use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};
use telephone_driver::file::Reading;

use super::super::vectors::{self, NOW, base64, good_claims, now, secret, sign, sign_raw, signer};
use super::*;
use crate::scratch::Scratch;

const HS256: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

fn public(pem: &str) -> Key {
    Key::read(Scratch::file(pem.as_bytes()).path(), Reading::First).unwrap()
}

/// A verifier with a key of each kind, so that a token has the most to choose from.
fn with_all_keys(expectations: Expectations) -> Verifier {
    let keys = vec![
        Key::from_secret(&secret()),
        public(vectors::RSA_PUBLIC),
        public(vectors::EC_PUBLIC),
        public(vectors::ED_PUBLIC),
    ];
    Verifier::new(keys, expectations)
}

fn verify(token: &str) -> Result<Grant, AuthError> {
    with_all_keys(Expectations::default()).verify(token, now())
}

/// The good claims with one of them replaced, or removed by null.
fn claims_with(name: &str, value: Value) -> Value {
    let mut claims = good_claims();
    match value {
        Value::Null => claims.as_object_mut().unwrap().remove(name),
        value => claims.as_object_mut().unwrap().insert(name.into(), value),
    };
    claims
}

fn hs256(claims: &Value) -> String {
    sign(Algorithm::HS256, &signer(), claims)
}

#[test]
fn each_kind_of_key_verifies_its_own_tokens() {
    for (algorithm, key) in [
        (Algorithm::HS256, signer()),
        (Algorithm::RS256, EncodingKey::from_rsa_pem(vectors::RSA_PRIVATE.as_bytes()).unwrap()),
        (Algorithm::ES256, EncodingKey::from_ec_pem(vectors::EC_PRIVATE.as_bytes()).unwrap()),
        (Algorithm::EdDSA, EncodingKey::from_ed_pem(vectors::ED_PRIVATE.as_bytes()).unwrap()),
    ] {
        let grant = verify(&sign(algorithm, &key, &good_claims())).unwrap();
        assert_eq!(grant.subject, "shop", "{algorithm:?}");
        assert_eq!(grant.token_id.as_deref(), Some("t1"));
        assert_eq!(grant.mounts, ["/api"]);
        assert_eq!(grant.expires_in(), Some(Duration::from_secs(600)));
    }
}

#[test]
fn what_a_header_offers_as_a_key_is_ignored() {
    for extra in [
        r#""kid":"../../../../dev/null""#,
        r#""kid":"' OR 1=1 --""#,
        r#""jku":"http://127.0.0.1:1/keys""#,
        r#""x5u":"http://127.0.0.1:1/cert""#,
        r#""jwk":{"kty":"oct","k":"AAAA"}"#,
        r#""unknown":{"deep":[1,2,3]}"#,
    ] {
        let header = format!(r#"{{"alg":"HS256",{extra}}}"#);
        let good = sign_raw(&header, &good_claims().to_string(), &signer());
        assert!(verify(&good).is_ok(), "{extra}");
        let forged = sign_raw(&header, &good_claims().to_string(), &EncodingKey::from_secret(&[0; 3]));
        assert_eq!(verify(&forged), Err(AuthError::BadSignature), "{extra}");
    }
}

/// A name, a token, and what must be said of it.
type Row = (&'static str, String, AuthError);

const HEADER: AuthError = AuthError::Malformed("its header is no JWT header");
const EXTENSION: AuthError = AuthError::Malformed("its header asks for an extension");
const TYPES: AuthError = AuthError::Malformed("its claims are not of the right types");

fn forged_headers() -> Vec<Row> {
    let claims = good_claims().to_string();
    let body = base64(claims.as_bytes());
    let unsigned = |header: &str| format!("{}.{body}.", base64(header.as_bytes()));
    let raw = |header: &str| sign_raw(header, &claims, &signer());
    let by_pem =
        |header: &str, pem: &str| sign_raw(header, &claims, &EncodingKey::from_secret(pem.as_bytes()));
    let hs = |algorithm| sign(algorithm, &signer(), &good_claims());
    let rsa = EncodingKey::from_rsa_pem(vectors::RSA_PRIVATE.as_bytes()).unwrap();
    vec![
        ("alg none", unsigned(r#"{"alg":"none"}"#), HEADER),
        ("alg None", unsigned(r#"{"alg":"None"}"#), HEADER),
        ("alg NONE signed", raw(r#"{"alg":"NONE"}"#), HEADER),
        ("alg empty", raw(r#"{"alg":""}"#), HEADER),
        ("alg missing", raw(r#"{"typ":"JWT"}"#), HEADER),
        ("alg null", raw(r#"{"alg":null}"#), HEADER),
        ("alg a list", raw(r#"{"alg":["HS256"]}"#), HEADER),
        ("alg lower case", raw(r#"{"alg":"hs256"}"#), HEADER),
        ("alg twice", raw(r#"{"alg":"HS256","alg":"HS256"}"#), HEADER),
        ("HS256 without a signature", unsigned(HS256), AuthError::BadSignature),
        ("HS384 by our secret", hs(Algorithm::HS384), AuthError::BadSignature),
        ("HS512 by our secret", hs(Algorithm::HS512), AuthError::BadSignature),
        ("HS256 by the RSA PEM", by_pem(HS256, vectors::RSA_PUBLIC), AuthError::BadSignature),
        ("HS256 by the RSA PEM, trimmed", by_pem(HS256, vectors::RSA_PUBLIC.trim()), AuthError::BadSignature),
        ("HS256 by the EC PEM", by_pem(HS256, vectors::EC_PUBLIC), AuthError::BadSignature),
        ("HS256 by the Ed PEM", by_pem(HS256, vectors::ED_PUBLIC), AuthError::BadSignature),
        ("RS256 named, HMAC made", raw(r#"{"alg":"RS256"}"#), AuthError::BadSignature),
        ("ES256 named, HMAC made", raw(r#"{"alg":"ES256"}"#), AuthError::BadSignature),
        ("EdDSA named, HMAC made", raw(r#"{"alg":"EdDSA"}"#), AuthError::BadSignature),
        ("PS256 by our RSA key", sign(Algorithm::PS256, &rsa, &good_claims()), AuthError::BadSignature),
        ("RS512 by our RSA key", sign(Algorithm::RS512, &rsa, &good_claims()), AuthError::BadSignature),
        ("ES256 of zeros", signed_by_zeros(r#"{"alg":"ES256"}"#), AuthError::BadSignature),
        ("EdDSA of zeros", signed_by_zeros(r#"{"alg":"EdDSA"}"#), AuthError::BadSignature),
        ("crit b64", raw(r#"{"alg":"HS256","b64":false,"crit":["b64"]}"#), EXTENSION),
        ("crit unknown", raw(r#"{"alg":"HS256","crit":["x"],"x":1}"#), EXTENSION),
        ("crit empty", raw(r#"{"alg":"HS256","crit":[]}"#), EXTENSION),
        ("b64 without crit", raw(r#"{"alg":"HS256","b64":false}"#), EXTENSION),
        ("header no object", raw("[]"), HEADER),
        ("header no JSON", raw("alg=HS256"), HEADER),
        ("header with a tail", raw(r#"{"alg":"HS256"}{}"#), HEADER),
        ("header deeply nested", raw(&format!("{{\"alg\":\"HS256\",\"x\":{}", "[".repeat(2000))), HEADER),
    ]
}

/// The "psychic signature" (CVE-2022-21449): r = s = 0.
fn signed_by_zeros(header: &str) -> String {
    let claims = good_claims().to_string();
    format!("{}.{}.{}", base64(header.as_bytes()), base64(claims.as_bytes()), base64(&[0; 64]))
}

fn broken_shapes() -> Vec<Row> {
    let good = hs256(&good_claims());
    let parts: Vec<&str> = good.split('.').collect();
    let [header, body, signature] = parts[..] else { unreachable!("a JWT has three parts") };
    let other = base64(claims_with("sub", json!("root")).to_string().as_bytes());
    vec![
        ("empty", String::new(), AuthError::Missing),
        ("a dot", ".".into(), HEADER),
        ("two dots", "..".into(), HEADER),
        ("no dots", "token".into(), HEADER),
        ("two parts", format!("{header}.{body}"), HEADER),
        ("four parts", format!("{good}.{signature}"), HEADER),
        ("encrypted, five parts", format!("{header}.a.b.c.d"), HEADER),
        ("signature cut", good[..good.len() - 1].into(), AuthError::BadSignature),
        ("signature padded", format!("{good}="), AuthError::BadSignature),
        ("signature longer", format!("{good}AAAA"), AuthError::BadSignature),
        ("signature of another token", format!("{header}.{other}.{signature}"), AuthError::BadSignature),
        ("a space behind", format!("{good} "), AuthError::BadSignature),
        ("a line end behind", format!("{good}\n"), AuthError::BadSignature),
        ("a space before", format!(" {good}"), HEADER),
        ("a NUL before", format!("\0{good}"), HEADER),
        ("Bearer before", format!("Bearer {good}"), HEADER),
        ("not ASCII", format!("é{good}"), HEADER),
        ("standard base64", format!("{header}.{body}+/.{signature}"), AuthError::BadSignature),
        ("8 KiB and one", "a".repeat(TOKEN_BYTES_MAX + 1), AuthError::TooLong),
        ("good, but too long", format!("{good}{}", "A".repeat(TOKEN_BYTES_MAX)), AuthError::TooLong),
        (
            "another secret",
            sign(Algorithm::HS256, &EncodingKey::from_secret(b"guess"), &good_claims()),
            AuthError::BadSignature,
        ),
        (
            "an empty secret",
            sign(Algorithm::HS256, &EncodingKey::from_secret(b""), &good_claims()),
            AuthError::BadSignature,
        ),
    ]
}

fn signed_claims() -> Vec<Row> {
    let with = |name, value| hs256(&claims_with(name, value));
    let raw = |payload: &str| sign_raw(HS256, payload, &signer());
    let malformed = AuthError::Malformed;
    let sub = malformed("`sub` is empty, too long or holds control characters");
    let jti = malformed("`jti` is empty, too long or holds control characters");
    let mounts = malformed("`mounts` and `connect` are empty, or one is too long");
    let connect = malformed("`connect` holds something that is no tcp:PORT or tcp:NAME:PORT");
    let no_mount = malformed("`mounts` holds something that is no mount");
    vec![
        ("expired", with("exp", json!(NOW - 60)), AuthError::Expired),
        ("expired in 1970", with("exp", json!(0)), AuthError::Expired),
        ("expired before 1970", with("exp", json!(-1)), AuthError::Expired),
        ("no exp", with("exp", Value::Null), malformed("`exp` is missing")),
        ("exp a text", with("exp", json!("1900000000")), TYPES),
        ("exp a list", with("exp", json!([NOW + 600])), TYPES),
        ("exp beyond numbers", raw(r#"{"sub":"s","exp":1e999,"mounts":["/a"]}"#), TYPES),
        ("not yet", with("nbf", json!(NOW + 61)), AuthError::NotYetValid),
        ("nbf a text", with("nbf", json!("0")), TYPES),
        ("no sub", with("sub", Value::Null), malformed("`sub` is missing")),
        ("sub empty", with("sub", json!("")), sub),
        ("sub with a line end", with("sub", json!("a\nb")), sub),
        ("sub of 257 octets", with("sub", json!("s".repeat(257))), sub),
        ("sub a number", with("sub", json!(7)), TYPES),
        ("sub twice", raw(r#"{"sub":"a","sub":"b","exp":1800000600,"mounts":["/a"]}"#), TYPES),
        ("jti empty", with("jti", json!("")), jti),
        ("jti with an escape", with("jti", json!("\u{1b}[2J")), jti),
        ("no mounts", with("mounts", Value::Null), malformed("`mounts` is missing")),
        ("mounts empty", with("mounts", json!([])), mounts),
        ("connect to what is no endpoint", with("connect", json!(["/api"])), connect),
        ("connect to too many", with("connect", json!(vec!["tcp:1"; 65])), mounts),
        ("mounts a text", with("mounts", json!("/api")), TYPES),
        ("mounts of numbers", with("mounts", json!([1])), TYPES),
        ("65 mounts", with("mounts", json!(vec!["/a"; 65])), mounts),
        ("a mount that climbs", with("mounts", json!(["/api", "/a/%2e%2e%2fb"])), no_mount),
        ("a mount without a slash", with("mounts", json!(["api"])), no_mount),
        ("for somebody else", with("aud", json!("other")), AuthError::WrongAudience),
        ("aud a number", with("aud", json!(1)), TYPES),
        ("payload a list", raw("[]"), TYPES),
        ("payload no JSON", raw("sub=shop"), TYPES),
        ("payload empty", raw(""), TYPES),
    ]
}

#[test]
fn every_hostile_token_is_refused_for_its_own_reason() {
    let rows: Vec<Row> = [forged_headers(), broken_shapes(), signed_claims()].concat();
    assert!(rows.len() >= 80);
    for (name, token, error) in rows {
        assert_eq!(verify(&token), Err(error), "{name}");
    }
}

#[test]
fn every_changed_character_of_a_good_token_spoils_it() {
    let good = hs256(&good_claims());
    for at in 0..good.len() {
        let mut bad = good.clone().into_bytes();
        bad[at] = if bad[at] == b'A' { b'B' } else { b'A' };
        assert!(verify(std::str::from_utf8(&bad).unwrap()).is_err(), "character {at}");
    }
}

#[test]
fn a_clock_may_be_wrong_by_a_minute_and_no_more() {
    let left = |exp: u64| verify(&hs256(&claims_with("exp", json!(exp)))).map(|grant| grant.expires_in());
    assert_eq!(left(NOW - 59), Ok(Some(Duration::ZERO)));
    assert_eq!(left(NOW), Ok(Some(Duration::ZERO)));
    assert_eq!(left(NOW + 1), Ok(Some(Duration::from_secs(1))));
    assert_eq!(left(NOW - 60), Err(AuthError::Expired));
    assert!(verify(&hs256(&claims_with("nbf", json!(NOW + 60)))).is_ok());
    assert!(verify(&hs256(&claims_with("exp", json!(1.0e300)))).is_ok());
    let good = hs256(&good_claims());
    let verifier = with_all_keys(Expectations::default());
    assert!(verifier.verify(&good, now() + Duration::from_secs(3600)).is_err());
    assert!(verifier.verify(&good, now() - Duration::from_secs(3600)).is_ok());
}

#[test]
fn audience_and_issuer_are_compared_exactly() {
    let wanted = Expectations { audience: Some("relay".into()), issuer: Some("ops".into()) };
    let verifier = with_all_keys(wanted);
    let verdict = |aud: Value, iss: Value| {
        let mut claims = claims_with("aud", aud);
        claims["iss"] = iss;
        verifier.verify(&hs256(&claims), now()).err()
    };
    assert_eq!(verdict(json!("relay"), json!("ops")), None);
    assert_eq!(verdict(json!(["other", "relay"]), json!("ops")), None);
    for aud in [Value::Null, json!("Relay"), json!("relay "), json!("rel"), json!([]), json!(["relays"])] {
        assert_eq!(verdict(aud.clone(), json!("ops")), Some(AuthError::WrongAudience), "{aud}");
    }
    for iss in [Value::Null, json!("OPS"), json!("ops/"), json!("")] {
        assert_eq!(verdict(json!("relay"), iss.clone()), Some(AuthError::WrongIssuer), "{iss}");
    }
}

#[test]
fn a_verifier_of_one_public_key_takes_no_token_that_the_key_itself_could_have_made() {
    for (pem, name) in
        [(vectors::RSA_PUBLIC, "RS256"), (vectors::EC_PUBLIC, "ES256"), (vectors::ED_PUBLIC, "EdDSA")]
    {
        let verifier = Verifier::new(vec![public(pem)], Expectations::default());
        for alg in ["HS256", "HS384", "HS512", name] {
            let header = format!(r#"{{"alg":"{alg}"}}"#);
            let key = EncodingKey::from_secret(pem.as_bytes());
            let token = sign_raw(&header, &good_claims().to_string(), &key);
            assert_eq!(verifier.verify(&token, now()), Err(AuthError::BadSignature), "{name} {alg}");
        }
    }
}

#[test]
fn no_refusal_repeats_anything_of_the_token() {
    let claims = json!({ "sub": "canary\n", "exp": NOW + 600, "mounts": ["canary"], "jti": "canary" });
    let error = verify(&hs256(&claims)).unwrap_err().to_string();
    assert!(!error.contains("canary"), "{error}");
}
