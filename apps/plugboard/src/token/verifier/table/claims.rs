//! Who a token is for, who issued it, whose it is, and its own name.

use super::*;

pub(super) fn rows() -> Vec<Row> {
    [parties(), names()].concat()
}

fn parties() -> Vec<Row> {
    let other = Err(AuthError::WrongAudience);
    vec![
        ("aud: null is none", with("aud", Value::Null), GOOD),
        ("aud: the empty text names somebody", with("aud", json!("")), other),
        ("aud: the empty list", with("aud", json!([])), other),
        ("aud: a list", with("aud", json!(["a", "b"])), other),
        ("aud: a list of numbers", with("aud", json!([1])), TYPES),
        ("aud: a list of lists", with("aud", json!([["a"]])), TYPES),
        (
            "aud: nested by 2900",
            with_text(&format!(r#""aud":{}{}"#, "[".repeat(2900), "]".repeat(2900))),
            TYPES,
        ),
        ("aud: an object", with("aud", json!({ "a": 1 })), TYPES),
        ("aud: false", with("aud", json!(false)), TYPES),
        ("iss: anybody, where nobody is asked for", with("iss", json!("https://issuer.example/")), GOOD),
        ("iss: the empty text", with("iss", json!("")), GOOD),
        ("iss: null is none", with("iss", Value::Null), GOOD),
        ("iss: a number", with("iss", json!(1)), TYPES),
        ("iss: a list", with("iss", json!(["ops"])), TYPES),
        ("iss: twice", with_text(r#""iss":"a","iss":"b""#), TYPES),
    ]
}

fn names() -> Vec<Row> {
    let sub = malformed("`sub` is empty, too long or holds control characters");
    let jti = malformed("`jti` is empty, too long or holds control characters");
    vec![
        ("sub: of 256 bytes", with("sub", json!("s".repeat(256))), GOOD),
        ("sub: of 128 characters of two bytes", with("sub", json!("ä".repeat(128))), GOOD),
        ("sub: of 129 characters of two bytes", with("sub", json!("ä".repeat(129))), sub),
        ("sub: of 4 KiB", with("sub", json!("s".repeat(4096))), sub),
        ("sub: a space", with("sub", json!(" ")), GOOD),
        ("sub: what shells and SQL read", with("sub", json!("'; DROP TABLE x; --$(id)")), GOOD),
        ("sub: null", with("sub", Value::Null), malformed("`sub` is missing")),
        ("sub: a NUL", with("sub", json!("a\0")), sub),
        ("sub: a carriage return", with("sub", json!("a\rb")), sub),
        ("sub: DEL", with("sub", json!("a\u{7f}")), sub),
        ("sub: a control of C1", with("sub", json!("a\u{9b}2J")), sub),
        ("sub: a list", with("sub", json!(["shop"])), TYPES),
        ("sub: an object", with("sub", json!({ "name": "shop" })), TYPES),
        ("jti: of 256 bytes", with("jti", json!("j".repeat(256))), GOOD),
        ("jti: of 257 bytes", with("jti", json!("j".repeat(257))), jti),
        ("jti: null is none", with("jti", Value::Null), GOOD),
        ("jti: a tabulator", with("jti", json!("a\tb")), jti),
        ("jti: a number", with("jti", json!(7)), TYPES),
        ("jti: true", with("jti", json!(true)), TYPES),
    ]
}
