use alloc::string::String;
use alloc::vec::Vec;

use super::*;

/// The value with an `x` for each byte that is secret.
fn shown(name: &str, value: &str) -> String {
    if is_secret_name(name.as_bytes()) {
        return "x".repeat(value.len());
    }
    filled(value, &in_value(name.as_bytes(), value.as_bytes()))
}

fn filled(value: &str, found: &[Range<usize>]) -> String {
    let mut bytes = value.as_bytes().to_vec();
    for range in found {
        bytes[range.clone()].fill(b'x');
    }
    String::from_utf8(bytes).expect("ASCII")
}

/// In each row what stands between `‹` and `›` is secret.
fn assert_rows<'a>(rows: impl IntoIterator<Item = (&'a str, &'a str)>, shown: impl Fn(&str, &str) -> String) {
    for (name, marked) in rows {
        let value: String = marked.chars().filter(|of| !matches!(of, '‹' | '›')).collect();
        let mut expected = String::new();
        let mut is_secret = false;
        for character in marked.chars() {
            match character {
                '‹' => is_secret = true,
                '›' => is_secret = false,
                other => expected.push(if is_secret { 'x' } else { other }),
            }
        }
        assert_eq!(shown(name, &value), expected, "{name}: {value}");
    }
}

const HEX: &str = "4f3c2a9d8e7b6a5c";

#[test]
fn fields_with_secret_names_are_secret_whatever_is_in_them() {
    let names = [
        "Authorization",
        "Proxy-Authorization",
        "WWW-Authenticate",
        "Authentication-Info",
        "Cookie",
        "Set-Cookie",
        "Cookie2",
        "X-Api-Key",
        "Api-Key",
        "ApiKey",
        "X-Auth-Token",
        "X-CSRF",
        "X-CSRF-Token",
        "X-XSRF-TOKEN",
        "Passwd",
        "X-Password",
        "X-Pwd",
        "X-Pin",
        "X-OTP",
        "X-TOTP-Code",
        "X-Sid",
        "X-Sess",
        "PHPSESSID",
        "Session-Id",
        "X-Ticket",
        "X-Verification-Code",
        "X-SAML-Response",
        "X-Amz-Security-Token",
        "X-Amz-Signature",
        "X-Goog-IAM-Authorization-Token",
        "X-Goog-IAP-JWT-Assertion",
        "Cf-Access-Client-Id",
        "Cf-Access-Client-Secret",
        "X-Private",
        "X-Bearer",
        "X-Nonce",
        "X-Hub-Signature-256",
        "X-HMAC",
        "X-Sig",
        "X-Access",
        "X-Refresh",
        "X-Invite",
        "X-Grant",
        "X-Recaptcha-Response",
        "X-Passphrase",
        "X-Credential",
        "DPoP",
        "X-Amzn-Oidc-Data",
        "Sec-WebSocket-Key",
        "Sec-WebSocket-Protocol",
        "Macaroon",
    ];
    for name in names {
        assert_eq!(shown(name, "a b"), "xxx", "{name}");
    }
}

#[test]
fn fields_that_a_recording_is_read_for_stay() {
    let rows = [
        ("Host", "example.test:8080"),
        ("Content-Type", "application/x-www-form-urlencoded; charset=utf-8"),
        ("Accept", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"),
        ("Accept-Encoding", "gzip, deflate, br"),
        ("Access-Control-Allow-Headers", "Authorization, X-Api-Key"),
        ("Cache-Control", "private, max-age=31536000, stale-while-revalidate=60"),
        ("Content-Security-Policy", "default-src 'self'; script-src https://cdn.example.test"),
        ("Date", "Mon, 30 Nov 2026 01:02:03 GMT"),
        ("ETag", "W/\"33a64df551425fcc55e4d42a148795d9f25f89d4\""),
        ("If-None-Match", "\"33a64df551425fcc55e4d42a148795d9f25f89d4\""),
        ("Traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
        ("X-Request-Id", "550e8400-e29b-41d4-a716-446655440000"),
        (
            "User-Agent",
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0",
        ),
        ("X-Forwarded-For", "192.0.2.1, 2001:db8::1"),
        ("Link", "</style.css>; rel=preload; as=style"),
        ("Location", "https://example.test/orders/2026/list"),
        ("X-Mapping", "a shipping note for Kalamazoo"),
        ("X-Robots-Tag", "noindex, nofollow"),
        ("X-Build", "release-2026-11-30"),
        ("X-Powered-By", "Express"),
        ("X-Odd", "text/html-and-so-forth"),
        ("X-Frame-Options", "SAMEORIGIN"),
        ("Location", "http://example.test:80/a@b"),
        ("From", "ann@example.test"),
    ];
    for (name, value) in rows {
        assert_eq!(shown(name, value), value, "{name}");
    }
}

#[test]
fn values_are_judged_by_their_form_whatever_their_name() {
    let rows = [
        // Credentials behind the name of their scheme.
        ("X-Forward", "Bearer ‹hunter2›"),
        ("X-Upstream", "basic ‹dXNlcjpwYXNz›"),
        ("X-Original", "Digest ‹username=\"ann\", response=\"x\"›"),
        ("X-Old", "Negotiate ‹YII=›"),
        ("X-Old", "NTLM ‹TlRM›"),
        ("X-Aws", "AWS4-HMAC-SHA256 ‹Credential=a/b, Signature=c›"),
        ("X-Note", "with Token ‹abc›"),
        // Tokens and keys.
        ("X-Id", "‹eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln›"),
        ("User-Agent", "tool ‹eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln›"),
        ("X-Id", "‹4f3c2a9d8e7b6a5c›"),
        ("X-Id", "a ‹4F3C2A9D8E7B6A5C4F3C2A9D8E7B6A5C› b"),
        ("X-Id", "‹550e8400-e29b-41d4-a716-446655440000›"),
        ("X-Id", "‹Zm9vYmFyYmF6cXV4MTIz›"),
        ("X-Id", "‹kD8xQ2mP5vL9wR3tY7uB›"),
        ("X-Id", "‹a+b/cDEFghijklmn==›"),
        ("X-Id", "‹dGhpcyBpcyBh/IHNlY3JldCBrZXkx›"),
        ("X-Id", "‹ghp_16C7e42F292c6912E7›"),
        ("X-Id", "‹AKIAIOSFODNN7EXAMPLE›"),
        ("X-Id", "‹sk_live_4eC39HqLyjWDarjtT1›"),
        ("X-Id", "‹qwjxkzvbnmqwjxkzvbnmqwjxkzvbnmqw›"),
        // URLs.
        ("Referer", "https://‹ann:hunter2›@example.test/a"),
        ("Location", "//‹ann›@example.test/a?‹next=b›"),
        ("Origin", "https://‹a@b›@example.test"),
        ("Referer", "https://example.test/a;‹jsessionid=1/b›?‹c›"),
        ("Location", "/a;‹v=1›/b;‹w›#‹access=d›"),
        ("Link", "<https://‹u:p›@example.test/a;‹b=c›>; rel=next"),
        ("Refresh", "5; url=/next%3F‹token%3Dabc›"),
        ("X-Two", "http://‹a›@b, http://‹c:d›@e"),
        // Pairs.
        ("X-State", "user=ann; token=‹abc›; lang=en"),
        ("X-State", "{\"name\": \"ann\", \"password\": \"‹a,b›\"}"),
        ("X-State", "sid:‹abc›, x:1"),
        ("X-State", "sig = ‹abc›&x=1"),
        ("Via", "1.1 proxy (key=‹abc›)"),
    ];
    assert_rows(rows, shown);
}

#[test]
fn of_a_target_methods_and_paths_stay_and_all_else_goes() {
    let rows = [
        ("", "/a/b"),
        ("", "/a/b?‹token=c›"),
        ("", "/a;‹jsessionid=1›"),
        ("", "/a;‹x›/b;‹y=z›/c?‹d›"),
        ("", "/a#‹b›"),
        ("", "http://‹ann:pw›@example.test/a"),
        ("", "/reset/‹4f3c2a9d8e7b6a5c4f3c2a9d8e7b6a5c›"),
        ("", "/t/‹eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln›/x"),
        ("", "/items/550e8400-e29b-41d4-a716-446655440000"),
        ("", "/assets/app.3f2a9c0d1e.js"),
        ("", "/commit/4f3c2a9d8e7b6a5c"),
        ("", "/a/token=‹abc/b›"),
        ("", "*"),
    ];
    assert_rows(rows, |_, target| filled(target, &in_target(target.as_bytes())));
}

#[test]
fn any_bytes_have_secrets_within_their_bounds() {
    let mut random = crate::random::Random::new(1);
    let alphabet = b"aZ0%3f23?#;=:/@\"'<>&, \x00\xff-_.+eyJBearer token";
    for _ in 0..20_000 {
        let count = random.up_to(60);
        let pick =
            |random: &mut crate::random::Random| alphabet[random.up_to(alphabet.len() as u64 - 1) as usize];
        let value: Vec<u8> = (0..count).map(|_| pick(&mut random)).collect();
        let name = if random.up_to(1) == 0 { &b"host"[..] } else { b"x-a" };
        for range in in_value(name, &value).into_iter().chain(in_target(&value)) {
            assert!(value.get(range.clone()).is_some(), "{range:?} of {value:?}");
        }
    }
}

/// What a stranger may send, over and over: URLs in URLs, pairs in pairs and keys in keys.
#[test]
fn what_is_found_in_a_hostile_value_is_in_order_and_never_twice() {
    let shapes = [
        "key=",
        "://;",
        "://?;",
        "/;",
        "key=\"key='",
        "key=\"",
        "key: ",
        "//a@b;c=",
        "sid=;",
        "eyJhbGciOiJI1.",
        "?key=",
    ];
    let (bytes, patience) = (64 * 1024, std::time::Duration::from_secs(15));
    for shape in shapes {
        for start in ["", "/", "key=\""] {
            let value = [start, &shape.repeat(bytes / shape.len())].concat();
            let began = std::time::Instant::now();
            for found in [in_value(b"x-a", value.as_bytes()), in_target(value.as_bytes())] {
                assert!(found.len() <= value.len() / 2 + 1, "{} ranges in {start}{shape}…", found.len());
                assert!(found.iter().all(|range| !range.is_empty()), "{start}{shape}…");
                assert!(found.is_sorted_by(|one, next| one.end < next.start), "{start}{shape}…");
            }
            assert!(began.elapsed() < patience, "{:?} for {start}{shape}…", began.elapsed());
        }
    }
}

#[test]
fn sixteen_hexadecimal_digits_are_a_key_and_fifteen_are_none() {
    assert_eq!(shown("x-a", HEX), "x".repeat(16));
    assert_eq!(shown("x-a", &HEX[1..]), HEX[1..]);
}
