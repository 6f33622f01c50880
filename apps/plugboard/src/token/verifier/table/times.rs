//! `exp`, `nbf` and `iat`, at the edges of the leeway and of numbers.

use super::*;

const EXPIRED: Result<(), AuthError> = Err(AuthError::Expired);
const EARLY: Result<(), AuthError> = Err(AuthError::NotYetValid);

pub(super) fn rows() -> Vec<Row> {
    [ends(), beginnings(), issues()].concat()
}

/// The good claims with this text for `exp`.
fn ending(exp: &str) -> String {
    by_payload(format!(r#"{{"sub":"shop","mounts":["/api"],"exp":{exp}}}"#))
}

fn ends() -> Vec<Row> {
    vec![
        ("exp: half a second from now", ending("1800000000.5"), GOOD),
        ("exp: in scientific notation", ending("1.8000006e9"), GOOD),
        ("exp: 59.5 s ago", ending("1799999940.5"), GOOD),
        ("exp: 60.5 s ago", ending("1799999939.5"), EXPIRED),
        ("exp: a minute ago to the second", ending("1799999940"), EXPIRED),
        ("exp: 2^64 - 1", ending("18446744073709551615"), GOOD),
        ("exp: 2^64", ending("18446744073709551616"), GOOD),
        ("exp: of 300 digits", ending(&"9".repeat(300)), GOOD),
        ("exp: of 400 digits", ending(&"9".repeat(400)), TYPES),
        ("exp: -2^63", ending("-9223372036854775808"), EXPIRED),
        ("exp: -1e308", ending("-1e308"), EXPIRED),
        ("exp: 1e-400", ending("1e-400"), EXPIRED),
        ("exp: minus zero", ending("-0"), EXPIRED),
        ("exp: milliseconds are years ahead", ending("1800000600000"), GOOD),
        ("exp: null", ending("null"), malformed("`exp` is missing")),
        ("exp: true", ending("true"), TYPES),
        ("exp: an object", ending("{}"), TYPES),
        ("exp: the empty text", ending(r#""""#), TYPES),
        ("exp: a date", ending(r#""2027-01-15T08:10:00Z""#), TYPES),
        ("exp: a leading zero", ending("01800000600"), TYPES),
        ("exp: a plus", ending("+1800000600"), TYPES),
        ("exp: hexadecimal", ending("0x6b49d258"), TYPES),
        ("exp: NaN", ending("NaN"), TYPES),
        ("exp: Infinity", ending("Infinity"), TYPES),
        ("exp: a dot without digits", ending("1800000600."), TYPES),
    ]
}

fn beginnings() -> Vec<Row> {
    vec![
        ("nbf: now", with("nbf", json!(NOW)), GOOD),
        ("nbf: 59.5 s ahead", with("nbf", json!(NOW as f64 + 59.5)), GOOD),
        ("nbf: 60.5 s ahead", with("nbf", json!(NOW as f64 + 60.5)), EARLY),
        ("nbf: before 1970", with("nbf", json!(-1)), GOOD),
        ("nbf: 1e308", with("nbf", json!(1.0e308)), EARLY),
        ("nbf: 2^64 - 1", with("nbf", json!(u64::MAX)), EARLY),
        ("nbf: null is none", with("nbf", Value::Null), GOOD),
        ("nbf: a list", with("nbf", json!([NOW])), TYPES),
        ("nbf: false", with("nbf", json!(false)), TYPES),
        ("nbf: twice", with_text(r#""nbf":0,"nbf":0"#), TYPES),
        ("nbf: behind exp, both within the leeway", both(-10, 50), GOOD),
        ("nbf: behind exp, and exp is over", both(-61, 50), EXPIRED),
    ]
}

fn issues() -> Vec<Row> {
    vec![
        ("iat: in the future says nothing of validity", with("iat", json!(NOW + 3600)), GOOD),
        ("iat: behind exp", with("iat", json!(NOW + 601)), GOOD),
        ("iat: 1e308", with("iat", json!(1.0e308)), GOOD),
        ("iat: negative", with("iat", json!(-5)), GOOD),
        ("iat: null is none", with("iat", Value::Null), GOOD),
        ("iat: a text", with("iat", json!("1800000000")), TYPES),
        ("iat: an object", with("iat", json!({})), TYPES),
    ]
}

/// With an end and a beginning so many seconds from now.
fn both(exp: i64, nbf: i64) -> String {
    let at = |seconds: i64| NOW.saturating_add_signed(seconds);
    by_payload(json!({ "sub": "shop", "mounts": ["/api"], "exp": at(exp), "nbf": at(nbf) }).to_string())
}
