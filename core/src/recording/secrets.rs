//! Where secrets stand in what people sent: judged by the names of fields and by the form of values.
//!
//! Names alone are not enough, for every application has its own, and forms alone neither, for a password has none. A
//! value that is taken for a secret and is none costs a reader of the recording a little; the other mistake costs a key. So
//! doubtful values are secret, except those of fields in [`READABLE_NAMES`], without which a recording would be of no use.

use alloc::vec::Vec;
use core::ops::Range;

/// A name is secret if it has one of these in it: `Authorization`, `Set-Cookie`, `X-Api-Key` and their like.
///
/// A browser's WebSocket can send a token as a subprotocol alone, so `Sec-WebSocket-Protocol` is one of them. The tokens of
/// proxies in front of an application are called assertions (`Cf-Access-Jwt-Assertion`) or OIDC data (`X-Amzn-Oidc-Data`).
const SECRET_PARTS: &[&[u8]] = &[
    b"apikey",
    b"assertion",
    b"auth",
    b"bearer",
    b"captcha",
    b"cf-access",
    b"cookie",
    b"credential",
    b"csrf",
    b"dpop",
    b"hmac",
    b"jwt",
    b"key",
    b"macaroon",
    b"nonce",
    b"oidc",
    b"passcode",
    b"passphrase",
    b"passwd",
    b"password",
    b"private",
    b"saml",
    b"secret",
    b"session",
    b"sessid",
    b"signature",
    b"ticket",
    b"token",
    b"websocket-protocol",
    b"x-amz-security",
    b"x-goog-iam",
    b"xsrf",
];

/// Or if it has one of these between `-`, `_`, `.` and its ends: as parts of longer words they would be many others.
const SECRET_WORDS: &[&[u8]] = &[
    b"access", b"code", b"grant", b"invite", b"mac", b"mfa", b"otp", b"pass", b"pin", b"pw", b"pwd",
    b"refresh", b"sas", b"sess", b"sid", b"sig", b"sso", b"totp",
];

/// Fields whose values are not judged by their form: entity tags, checksums and the numbers of requests look like keys, and
/// what a recording is read for stands in the others. Passwords in URLs, tokens, and pairs with a secret name are taken
/// out of these, too.
const READABLE_NAMES: &[&[u8]] = &[
    b"accept",
    b"accept-charset",
    b"accept-encoding",
    b"accept-language",
    b"accept-ranges",
    b"access-control-allow-credentials",
    b"access-control-allow-headers",
    b"access-control-allow-methods",
    b"access-control-allow-origin",
    b"access-control-expose-headers",
    b"access-control-max-age",
    b"access-control-request-headers",
    b"access-control-request-method",
    b"age",
    b"allow",
    b"alt-svc",
    b"cache-control",
    b"cache-status",
    b"connection",
    b"content-digest",
    b"content-disposition",
    b"content-encoding",
    b"content-language",
    b"content-length",
    b"content-location",
    b"content-md5",
    b"content-range",
    b"content-security-policy",
    b"content-type",
    b"date",
    b"etag",
    b"expect",
    b"expires",
    b"forwarded",
    b"host",
    b"if-match",
    b"if-modified-since",
    b"if-none-match",
    b"if-range",
    b"if-unmodified-since",
    b"last-modified",
    b"origin",
    b"priority",
    b"proxy-status",
    b"range",
    b"refresh",
    b"repr-digest",
    b"retry-after",
    b"sec-websocket-accept",
    b"sec-websocket-extensions",
    b"sec-websocket-version",
    b"server",
    b"server-timing",
    b"strict-transport-security",
    b"traceparent",
    b"trailer",
    b"transfer-encoding",
    b"upgrade",
    b"user-agent",
    b"vary",
    b"via",
    b"x-correlation-id",
    b"x-forwarded-for",
    b"x-forwarded-host",
    b"x-forwarded-proto",
    b"x-real-ip",
    b"x-request-id",
];

/// Schemes of authentication, behind which credentials stand (the IANA registry, and what vendors use).
const SCHEMES: &[&[u8]] = &[
    b"apikey",
    b"aws4-ecdsa-p256-sha256",
    b"aws4-hmac-sha256",
    b"basic",
    b"bearer",
    b"concealed",
    b"digest",
    b"dpop",
    b"gnap",
    b"hawk",
    b"hoba",
    b"mac",
    b"mutual",
    b"negotiate",
    b"ntlm",
    b"oauth",
    b"privatetoken",
    b"scram-sha-1",
    b"scram-sha-256",
    b"sharedaccesssignature",
    b"sharedkey",
    b"signature",
    b"splunk",
    b"ssws",
    b"token",
    b"vapid",
];

/// What keys of well-known services begin with, and base64 of `{"`, `{ ` and a brace before a line's end: JSON tokens.
const KEY_PREFIXES: &[&[u8]] = &[
    b"AIza",
    b"AKIA",
    b"ASIA",
    b"dckr_pat_",
    b"ewo",
    b"eyA",
    b"eyJ",
    b"gho_",
    b"ghp_",
    b"ghr_",
    b"ghs_",
    b"ghu_",
    b"github_pat_",
    b"glpat-",
    b"npm_",
    b"pk_live_",
    b"pypi-",
    b"rk_live_",
    b"sk-",
    b"sk_live_",
    b"sk_test_",
    b"xox",
];
/// Bytes that a key has behind such a beginning, at least.
const PREFIXED_KEY_BYTES: usize = 10;

/// Bytes of a key in a field: 64 bits as hexadecimal digits, and what short random identifiers have in base64.
const HEX_KEY_BYTES: usize = 16;
const FIELD_KEY_BYTES: usize = 20;
/// Bytes of a key in a path, where shorter ones name things.
const PATH_KEY_BYTES: usize = 32;
/// Letters without anything between them that are no word of any language.
const WORD_BYTES_MAX: usize = 32;

/// Whether a field of this name is secret, whatever its form.
pub(crate) fn is_secret_name(name: &[u8]) -> bool {
    !is_readable_name(name) && speaks_of_secret(name)
}

fn speaks_of_secret(name: &[u8]) -> bool {
    let has = |part: &&[u8]| name.windows(part.len()).any(|window| window.eq_ignore_ascii_case(part));
    let mut words = name.split(|byte| matches!(byte, b'-' | b'_' | b'.'));
    SECRET_PARTS.iter().any(has) || words.any(|word| is_one_of(word, SECRET_WORDS))
}

fn is_readable_name(name: &[u8]) -> bool {
    is_one_of(name, READABLE_NAMES)
}

fn is_one_of(word: &[u8], words: &[&[u8]]) -> bool {
    words.iter().any(|one| one.eq_ignore_ascii_case(word))
}

/// Where secrets stand in the value of a field whose name is not secret.
pub(crate) fn in_value(name: &[u8], value: &[u8]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    put_query(value, &mut found);
    put_user_information(value, &mut found);
    put_pairs(value, &mut found);
    put_parameters(value, &mut found);
    put_credentials(value, &mut found);
    put_keys(value, &mut found, |word| has_key_prefix(word) || (!is_readable_name(name) && is_key(word)));
    if !is_readable_name(name) && is_base64(value) {
        put(0..value.len(), &mut found);
    }
    merged(found)
}

/// Where secrets stand in the target of a request, or in a URL.
pub(crate) fn in_target(target: &[u8]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    put_query(target, &mut found);
    put_user_information(target, &mut found);
    put_pairs(target, &mut found);
    put_path_parameters(target, 0, &mut found);
    let is_secret = |word: &[u8]| word.len() >= PATH_KEY_BYTES && !is_uuid(word) && is_key(word);
    put_keys(target, &mut found, |word| has_key_prefix(word) || is_secret(word));
    merged(found)
}

/// Adds a range, to the last one if it begins within it or at its end: what is in `found` is not more than there are bytes.
fn put(range: Range<usize>, found: &mut Vec<Range<usize>>) {
    match found.last_mut() {
        _ if range.is_empty() => {}
        Some(last) if (last.start..=last.end).contains(&range.start) => last.end = last.end.max(range.end),
        _ => found.push(range),
    }
}

/// The same bytes, in order and each in one range, so that reading them takes no more steps than there are bytes.
fn merged(mut found: Vec<Range<usize>>) -> Vec<Range<usize>> {
    found.sort_unstable_by_key(|range| range.start);
    let mut merged = Vec::new();
    for range in found {
        put(range, &mut merged);
    }
    merged
}

/// What follows a question mark or a number sign, also an escaped one: queries, and fragments, in which tokens are handed
/// to pages.
fn put_query(value: &[u8], found: &mut Vec<Range<usize>>) {
    let plain = value.iter().position(|byte| matches!(byte, b'?' | b'#')).map(|at| at + 1);
    let escaped = |window: &[u8]| window.eq_ignore_ascii_case(b"%3f") || window == b"%23";
    let escaped = value.windows(3).position(escaped).map(|at| at + 3);
    if let Some(start) = plain.into_iter().chain(escaped).min() {
        put(start..value.len(), found);
    }
}

/// What stands before the host of a URL (RFC 3986 §3.2.1).
fn put_user_information(value: &[u8], found: &mut Vec<Range<usize>>) {
    for (at, _) in value.windows(2).enumerate().filter(|(_, window)| window == b"//") {
        let rest = value.get(at + 2..).unwrap_or_default();
        let is_end = |byte: &u8| {
            matches!(byte, b'/' | b'?' | b'#' | b'"' | b'\'' | b'<' | b'>' | b',') || *byte <= b' '
        };
        let authority = rest.get(..rest.iter().position(is_end).unwrap_or(rest.len())).unwrap_or_default();
        if let Some(length) = authority.iter().rposition(|byte| *byte == b'@') {
            put(at + 2..at + 2 + length, found);
        }
    }
}

const fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')
}

/// Values in `name=value` and `"name": "value"` with a secret name.
///
/// One may be in another. Where each kind of value ends is remembered, so that no byte is searched twice for the same end.
fn put_pairs(value: &[u8], found: &mut Vec<Range<usize>>) {
    let (mut plain_end, mut single_end, mut double_end) = (0, 0, 0);
    for (at, _) in value.iter().enumerate().filter(|(_, byte)| matches!(byte, b'=' | b':')) {
        let (before, after) = (value.get(..at).unwrap_or_default(), value.get(at + 1..).unwrap_or_default());
        let is_space = |byte: &u8| matches!(byte, b' ' | b'\t');
        let is_frame = |byte: &u8| is_space(byte) || matches!(byte, b'"' | b'\'');
        let before =
            before.get(..before.len() - before.iter().rev().take_while(|byte| is_frame(byte)).count());
        let before = before.unwrap_or_default();
        let name = before.iter().rev().take_while(|byte| is_name_byte(**byte)).count();
        let name = before.get(before.len() - name..).unwrap_or_default();
        if !speaks_of_secret(name) {
            continue;
        }
        let spaces = after.iter().take_while(|byte| is_space(byte)).count();
        let text = after.get(spaces..).unwrap_or_default();
        let quote = text.first().copied().filter(|byte| matches!(byte, b'"' | b'\''));
        let text = if quote.is_some() { text.get(1..).unwrap_or_default() } else { text };
        let is_end = |byte: &u8| match quote {
            Some(quote) => *byte == quote,
            None => is_frame(byte) || matches!(byte, b';' | b',' | b'&' | b'?' | b'#' | b')' | b'}' | b'>'),
        };
        let start = at + 1 + spaces + usize::from(quote.is_some());
        let end = match quote {
            None => &mut plain_end,
            Some(b'\'') => &mut single_end,
            Some(_) => &mut double_end,
        };
        if *end < start {
            *end = start + text.iter().position(is_end).unwrap_or(text.len());
        }
        put(start..*end, found);
    }
}

/// Path parameters of URLs in a field. A URL in the path of another one ends with it, and has its parameters.
fn put_parameters(value: &[u8], found: &mut Vec<Range<usize>>) {
    let is_end = |byte: &u8| matches!(byte, b'"' | b'\'' | b'<' | b'>' | b',' | b'?' | b'#') || *byte <= b' ';
    let starts = value.windows(3).enumerate().filter(|(_, window)| window == b"://").map(|(at, _)| at + 3);
    let mut done = 0;
    for start in value.starts_with(b"/").then_some(0).into_iter().chain(starts) {
        if start < done {
            continue;
        }
        let rest = value.get(start..).unwrap_or_default();
        let path = rest.get(..rest.iter().position(is_end).unwrap_or(rest.len())).unwrap_or_default();
        put_path_parameters(path, start, found);
        done = start + path.len();
    }
}

/// What follows a semicolon in a segment of a path (RFC 3986 §3.3), such as `;jsessionid=…`. The URL stands at `offset`.
fn put_path_parameters(url: &[u8], offset: usize, found: &mut Vec<Range<usize>>) {
    let path = url.split(|byte| matches!(byte, b'?' | b'#')).next().unwrap_or_default();
    let mut start = 0;
    for segment in path.split(|byte| *byte == b'/') {
        if let Some(at) = segment.iter().position(|byte| *byte == b';') {
            put(offset + start + at + 1..offset + start + segment.len(), found);
        }
        start += segment.len() + 1;
    }
}

/// What follows the name of a scheme of authentication.
fn put_credentials(value: &[u8], found: &mut Vec<Range<usize>>) {
    let mut start = 0;
    for word in value.split(|byte| !byte.is_ascii_alphanumeric() && *byte != b'-') {
        let end = start + word.len();
        let rest = value.get(end..).unwrap_or_default();
        if matches!(rest.first(), Some(b' ' | b'\t')) && is_one_of(word, SCHEMES) {
            return put(end + 1..value.len(), found);
        }
        start = end + 1;
    }
}

/// Words that are secret, from the letter where they begin.
fn put_keys(value: &[u8], found: &mut Vec<Range<usize>>, is_secret: impl Fn(&[u8]) -> bool) {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'+');
    let (mut start, mut done) = (0, 0);
    for word in value.split(|byte| !is_part(*byte)) {
        let mut end = start + word.len();
        if start >= done && is_secret(word) {
            // A token has several parts.
            let rest = value.get(end..).unwrap_or_default();
            end += rest.iter().take_while(|byte| is_part(**byte) || matches!(byte, b'.' | b'=')).count();
            put(start..end, found);
            done = end;
        }
        start += word.len() + 1;
    }
}

fn has_key_prefix(word: &[u8]) -> bool {
    KEY_PREFIXES.iter().any(|prefix| {
        word.strip_prefix(*prefix).is_some_and(|rest| rest.len() >= PREFIXED_KEY_BYTES && is_mixed(rest))
    })
}

/// Whether there are digits and letters, or letters of both cases.
fn is_mixed(word: &[u8]) -> bool {
    let has = |is: fn(&u8) -> bool| u8::from(word.iter().any(is));
    has(u8::is_ascii_digit) + has(u8::is_ascii_uppercase) + has(u8::is_ascii_lowercase) >= 2
}

/// Whether a word looks as if it had been drawn at random.
fn is_key(word: &[u8]) -> bool {
    let alphanumeric = || word.iter().filter(|byte| byte.is_ascii_alphanumeric());
    let (count, digits) = (alphanumeric().count(), word.iter().filter(|byte| byte.is_ascii_digit()).count());
    let is_hex = alphanumeric().all(u8::is_ascii_hexdigit);
    if is_hex && digits > 0 && count >= HEX_KEY_BYTES {
        return true;
    }
    let longest = word.split(|byte| !byte.is_ascii_alphabetic()).map(<[u8]>::len).max().unwrap_or(0);
    if longest >= WORD_BYTES_MAX {
        return true;
    }
    // Words change seldom between letters of one case, of the other, and digits.
    let class = |byte: &u8| (byte.is_ascii_digit(), byte.is_ascii_uppercase());
    let changes = alphanumeric().zip(alphanumeric().skip(1)).filter(|(a, b)| class(a) != class(b)).count();
    let changes_min = if digits > 0 { count / 5 } else { count * 2 / 5 };
    count >= FIELD_KEY_BYTES && changes >= changes_min.max(1)
}

/// Whether a whole value is base64 of something: then it may have slashes and plus signs.
fn is_base64(value: &[u8]) -> bool {
    let value = value.trim_ascii();
    let padding = value.iter().rev().take_while(|byte| **byte == b'=').count();
    let text = value.get(..value.len() - padding).unwrap_or_default();
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    let is_text = text.iter().all(is_part) && !text.starts_with(b"/") && padding <= 2;
    let has_sign = padding > 0 || text.contains(&b'+');
    let count = text.iter().filter(|byte| byte.is_ascii_alphanumeric()).count();
    is_text && ((has_sign && value.len() >= HEX_KEY_BYTES) || (count >= FIELD_KEY_BYTES && is_key(text)))
}

/// Whether a word is a UUID (RFC 9562 §4), which in a path is the name of a thing.
fn is_uuid(word: &[u8]) -> bool {
    let is_at_place = |(at, byte): (usize, &u8)| match at {
        8 | 13 | 18 | 23 => *byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    };
    word.len() == 36 && word.iter().enumerate().all(is_at_place)
}

#[cfg(test)]
mod tests;
