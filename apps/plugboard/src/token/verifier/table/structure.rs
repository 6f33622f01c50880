//! Headers, parts and payloads.

use super::*;

pub(super) fn headers() -> Vec<Row> {
    let jwk = r#"{"kty":"oct","k":"c2VjcmV0"}"#;
    vec![
        ("header: the algorithm alone", by_header(r#"{"alg":"HS256"}"#), GOOD),
        ("header: white space in it", by_header(" { \"alg\" : \"HS256\" }\n"), GOOD),
        ("header: typ of access tokens", by_header(r#"{"alg":"HS256","typ":"at+jwt"}"#), GOOD),
        (
            "header: an embedded key chooses nothing",
            by_header(format!(r#"{{"alg":"HS256","jwk":{jwk}}}"#)),
            GOOD,
        ),
        ("header: a certificate chooses nothing", by_header(r#"{"alg":"HS256","x5c":["AAAA"]}"#), GOOD),
        ("header: a thumbprint chooses nothing", by_header(r#"{"alg":"HS256","x5t":"AAAA"}"#), GOOD),
        (
            "header: kid of 4 KiB chooses nothing",
            by_header(format!(r#"{{"alg":"HS256","kid":"{}"}}"#, "k".repeat(4096))),
            GOOD,
        ),
        ("header: typ a number", by_header(r#"{"alg":"HS256","typ":7}"#), HEADER),
        ("header: kid a number", by_header(r#"{"alg":"HS256","kid":7}"#), HEADER),
        ("header: kid twice", by_header(r#"{"alg":"HS256","kid":"a","kid":"b"}"#), HEADER),
        ("header: jwk no key", by_header(r#"{"alg":"HS256","jwk":"x"}"#), HEADER),
        ("header: alg nOnE", by_header(r#"{"alg":"nOnE"}"#), HEADER),
        ("header: alg none with a signature of ours", by_header(r#"{"alg":"none"}"#), HEADER),
        ("header: alg Hs256", by_header(r#"{"alg":"Hs256"}"#), HEADER),
        ("header: alg with a space", by_header(r#"{"alg":"HS256 "}"#), HEADER),
        ("header: alg with a NUL", by_header(r#"{"alg":"HS256\u0000"}"#), HEADER),
        ("header: alg escaped is the same text", by_header(r#"{"alg":"\u0048S256"}"#), GOOD),
        ("header: alg a number", by_header(r#"{"alg":256}"#), HEADER),
        ("header: alg HMAC-SHA256", by_header(r#"{"alg":"HMAC-SHA256"}"#), HEADER),
        ("header: alg A128KW, of encryption", by_header(r#"{"alg":"A128KW","enc":"A128GCM"}"#), HEADER),
        ("header: ALG in capitals", by_header(r#"{"ALG":"HS256"}"#), HEADER),
        ("header: another alg first", by_header(r#"{"alg":"none","alg":"HS256"}"#), HEADER),
        ("header: HS512 over HS256's signature", by_header(r#"{"alg":"HS512"}"#), FORGED),
        ("header: PS256 over HS256's signature", by_header(r#"{"alg":"PS256"}"#), FORGED),
        ("header: ES384, of which there is no key", by_header(r#"{"alg":"ES384"}"#), FORGED),
        ("header: crit exp", by_header(r#"{"alg":"HS256","crit":["exp"],"exp":1}"#), EXTENSION),
        ("header: crit alg", by_header(r#"{"alg":"HS256","crit":["alg"]}"#), EXTENSION),
        ("header: crit no list", by_header(r#"{"alg":"HS256","crit":"b64"}"#), HEADER),
        ("header: b64 true", by_header(r#"{"alg":"HS256","b64":true}"#), EXTENSION),
        ("header: b64 null", by_header(r#"{"alg":"HS256","b64":null}"#), EXTENSION),
        ("header: a byte order mark", by_header("\u{feff}{\"alg\":\"HS256\"}"), HEADER),
        ("header: not UTF-8", by_header(b"{\"alg\":\"HS256\",\"kid\":\"\xff\"}"), HEADER),
        ("header: a comment", by_header("{\"alg\":\"HS256\"/**/}"), HEADER),
        ("header: a text", by_header("\"HS256\""), HEADER),
        ("header: null", by_header("null"), HEADER),
    ]
}

pub(super) fn shapes() -> Vec<Row> {
    let (head, body) = (header(), encoded(good_claims().to_string()));
    let good = sealed(&head, &body);
    let signature = good.rsplit('.').next().unwrap().to_owned();
    let uneven = encoded(r#"{"alg":"HS256" }"#);
    let [head_bits, body_bits] =
        [&uneven, &encoded(format!("{} ", good_claims()))].map(|text| spoilt_bits(text));
    vec![
        ("shape: good", good.clone(), GOOD),
        ("shape: of as many bytes as are read", of_length(telephone_core::limits::TOKEN_BYTES_MAX), GOOD),
        (
            "shape: of one more",
            of_length(telephone_core::limits::TOKEN_BYTES_MAX + 1),
            Err(AuthError::TooLong),
        ),
        ("shape: header padded", sealed(&format!("{uneven}=="), &body), HEADER),
        ("shape: header with bits to spare", sealed(&head_bits, &body), HEADER),
        ("shape: header with a line end", sealed(&format!("{head}\n"), &body), HEADER),
        ("shape: header empty", sealed("", &body), HEADER),
        ("shape: payload padded", sealed(&head, &format!("{body}=")), FORGED),
        ("shape: payload with bits to spare", sealed(&head, &body_bits), FORGED),
        ("shape: payload with a space", sealed(&head, &format!("{body} ")), FORGED),
        ("shape: payload with a NUL", sealed(&head, &format!("{body}\0")), FORGED),
        ("shape: payload broken into lines", sealed(&head, &body.replacen('i', "i\r\n", 1)), FORGED),
        ("shape: payload in the standard alphabet", sealed(&head, &format!("{body}/+++")), FORGED),
        ("shape: payload percent-encoded", sealed(&head, &body.replacen('i', "%69", 1)), FORGED),
        ("shape: payload of one digit too many", sealed(&head, &format!("{}A", encoded("{} "))), FORGED),
        ("shape: payload not encoded at all", sealed(&head, r#"{"sub":"shop"}"#), FORGED),
        ("shape: signature missing", format!("{head}.{body}."), FORGED),
        ("shape: signature twice", format!("{good}{signature}"), FORGED),
        ("shape: signature in hexadecimal", format!("{head}.{body}.{}", "0f".repeat(32)), FORGED),
        ("shape: parts in another order", format!("{body}.{head}.{signature}"), HEADER),
        ("shape: a dot before", format!(".{good}"), HEADER),
        ("shape: a dot behind", format!("{good}."), HEADER),
        ("shape: a comma and another token", format!("{good},{good}"), HEADER),
        ("shape: quoted", format!("\"{good}\""), HEADER),
        (
            "shape: a token in JSON serialization",
            format!(r#"{{"payload":"{body}","signature":"{signature}"}}"#),
            HEADER,
        ),
    ]
}

/// The text with its last digit changed in bits that stand for nothing. (RFC 4648 §3.5)
fn spoilt_bits(text: &str) -> String {
    assert_ne!(text.len() % 4, 0, "no bits to spare");
    let next = |digit: char| char::from_u32(digit as u32 + 1).unwrap();
    let last = text.chars().last().unwrap();
    format!("{}{}", &text[..text.len() - 1], next(last))
}

/// A good token of so many bytes.
fn of_length(bytes: usize) -> String {
    let filled = |head: usize, body: usize| {
        let claims = good_claims().to_string() + &" ".repeat(body);
        sealed(&encoded(format!(r#"{{"alg":"HS256"}}{}"#, " ".repeat(head))), &encoded(claims))
    };
    let mut sizes =
        (0..4).flat_map(|head| (0..bytes).rev().take(bytes * 3 / 4).map(move |body| (head, body)));
    let missing = |(head, body): (usize, usize)| filled(0, 0).len() + (head + body) * 4 / 3;
    let found =
        sizes.find(|size| missing(*size).abs_diff(bytes) < 4 && filled(size.0, size.1).len() == bytes);
    let (head, body) = found.expect("some size fits");
    filled(head, body)
}

pub(super) fn payloads() -> Vec<Row> {
    let nested = |depth: usize| with_text(&format!(r#""x":{}{}"#, "[".repeat(depth), "]".repeat(depth)));
    let good = good_claims().to_string();
    let sub = malformed("`sub` is missing");
    vec![
        ("payload: white space around it", by_payload(format!("\n\t {good} \r\n")), GOOD),
        ("payload: claims of others", with_text(r#""scope":"a b","roles":[{"x":1}],"__proto__":{}"#), GOOD),
        ("payload: a claim of others twice", with_text(r#""x":1,"x":2"#), GOOD),
        ("payload: escapes in a name", by_payload(good.replacen("sub", "s\\u0075b", 1)), GOOD),
        ("payload: nested by 100", nested(100), GOOD),
        ("payload: nested by 200 where nobody looks", nested(200), GOOD),
        ("payload: nested by 2900 where nobody looks", nested(2900), GOOD),
        ("payload: a byte order mark", by_payload(format!("\u{feff}{good}")), TYPES),
        ("payload: a NUL behind it", by_payload(format!("{good}\0")), TYPES),
        ("payload: another object behind it", by_payload(format!("{good}{good}")), TYPES),
        ("payload: a comma behind the last claim", by_payload(good.replacen('}', ",}", 1)), TYPES),
        ("payload: cut", by_payload(&good[..good.len() - 1]), TYPES),
        ("payload: single quotes", by_payload(good.replace('"', "'")), TYPES),
        ("payload: a comment", by_payload(format!("{good}//")), TYPES),
        (
            "payload: not UTF-8",
            by_payload(b"{\"sub\":\"\xff\",\"exp\":1800000600,\"mounts\":[\"/a\"]}"),
            TYPES,
        ),
        ("payload: half a surrogate pair", with_text(r#""iss":"\ud800""#), TYPES),
        (
            "payload: UTF-16",
            by_payload(good.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>()),
            TYPES,
        ),
        ("payload: null", by_payload("null"), TYPES),
        ("payload: a number", by_payload("1"), TYPES),
        ("payload: a token in a text", by_payload(format!("\"{}\"", by_payload(&good))), TYPES),
        (
            "payload: all claims as a list",
            by_payload(r#"["shop",1800000600,null,null,"t1",null,null,["/api"],null,null,null]"#),
            TYPES,
        ),
        ("payload: the empty object", by_payload("{}"), malformed("`exp` is missing")),
        ("payload: names in capitals", by_payload(good.replacen("sub", "SUB", 1)), sub),
        ("payload: a name with a space", by_payload(good.replacen("sub", "sub ", 1)), sub),
        ("payload: mounts twice", with_text(r#""mounts":["/"]"#), TYPES),
        ("payload: exp twice", with_text(r#""exp":1800000601"#), TYPES),
        ("payload: jti twice", with_text(r#""jti":"a","jti":"a""#), TYPES),
        ("payload: aud twice", with_text(r#""aud":null,"aud":null"#), TYPES),
    ]
}
