use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::*;

const COOKIE_TEXT: &str = "00000000000000ab00000000000000cd";
const VALUE: Cookie = Cookie { session: 0xab, client: 0xcd };

fn with_cookies(values: &[&str]) -> Headers {
    values.iter().map(|value| ("Cookie", *value)).collect()
}

fn left(values: &[&str]) -> Vec<String> {
    let mut headers = with_cookies(values);
    headers.push("Host", "a.example");
    remove_cookies(&mut headers);
    assert_eq!(headers.first("host"), Some(&b"a.example"[..]));
    headers.all("cookie").map(|value| String::from_utf8(value.to_vec()).unwrap()).collect()
}

#[test]
fn a_cookie_reads_as_it_was_written() {
    assert_eq!(VALUE.to_string(), COOKIE_TEXT);
    let line = |value: &str| alloc::format!("a=1; plugboard_sticky={value}; b=2");
    assert_eq!(Cookie::all_of(&with_cookies(&[&line(COOKIE_TEXT)])), [VALUE]);
    for wrong in
        ["", "ab", &COOKIE_TEXT[1..], "+0000000000000ab00000000000000cd", "00000000000000xb00000000000000cd"]
    {
        assert_eq!(Cookie::all_of(&with_cookies(&[&line(wrong)])), [], "{wrong}");
    }
    let long = alloc::format!("{COOKIE_TEXT}0");
    assert_eq!(Cookie::all_of(&with_cookies(&[&line(&long)])), []);
}

#[test]
fn a_request_shows_at_most_four_cookies() {
    let one = alloc::format!("plugboard_sticky={COOKIE_TEXT}");
    let many: Vec<&str> = core::iter::repeat_n(one.as_str(), 50).collect();
    assert_eq!(Cookie::all_of(&with_cookies(&[&many.join("; ")])).len(), 4);
    assert_eq!(Cookie::all_of(&with_cookies(&many)).len(), 4);
}

#[test]
fn the_application_gets_its_own_cookies_and_not_the_plugboards() {
    let own = alloc::format!("plugboard_sticky={COOKIE_TEXT}");
    let with = |text: &str| text.replace("OWN", &own);
    let rows: [(&[&str], &[&str]); 7] = [
        (&["OWN"], &[]),
        (&["a=1; OWN; b=2"], &["a=1; b=2"]),
        (&["OWN; a=1"], &["a=1"]),
        (&["a=1;OWN;b=\"x y\""], &["a=1; b=\"x y\""]),
        (&["a=1;;b=2 "], &["a=1;;b=2 "]),
        (&["a=1", "OWN", "b=2; OWN"], &["a=1", "b=2"]),
        (
            &["plugboard_sticky=torn; a=1; plugboard_sticky2=x; xplugboard_sticky=y"],
            &["a=1; plugboard_sticky2=x; xplugboard_sticky=y"],
        ),
    ];
    for (sent, expected) in rows {
        let sent: Vec<String> = sent.iter().map(|text| with(text)).collect();
        let sent: Vec<&str> = sent.iter().map(String::as_str).collect();
        assert_eq!(left(&sent), expected, "{sent:?}");
    }
}

type Fields<'a> = &'a [(&'a str, &'a str)];

fn answer(status: u16, fields: Fields<'_>) -> ResponseHead {
    ResponseHead {
        status,
        reason: bytes::Bytes::new(),
        headers: fields.iter().copied().collect(),
        length: None,
        upgrade: None,
    }
}

#[test]
fn a_client_without_the_cookie_is_given_it_for_the_mount() {
    let binding = Binding { cookie: VALUE, is_new: true };
    let set = |mount: &str, is_secure| {
        binding.set_cookie(&mount.parse().unwrap(), is_secure, &answer(200, &[])).unwrap()
    };
    let start = alloc::format!("plugboard_sticky={COOKIE_TEXT}");
    assert_eq!(set("/shop", false), alloc::format!("{start}; Path=/shop; HttpOnly; SameSite=Lax"));
    assert_eq!(set("a.example/", true), alloc::format!("{start}; Path=/; HttpOnly; SameSite=Lax; Secure"));
    let known = Binding { is_new: false, ..binding };
    assert_eq!(known.set_cookie(&"/".parse().unwrap(), false, &answer(200, &[])), None);
}

#[test]
fn an_answer_that_a_shared_cache_may_store_carries_no_cookie() {
    let binding = Binding { cookie: VALUE, is_new: true };
    let rows: [(u16, Fields<'_>, bool); 13] = [
        (200, &[], true),
        (101, &[], true),
        (304, &[], false),
        (200, &[("Cache-Control", "no-store")], true),
        (200, &[("Cache-Control", "no-cache")], true),
        (200, &[("cache-control", "private, max-age=60")], true),
        (200, &[("Cache-Control", "max-age=60"), ("Cache-Control", "private=\"set-cookie\"")], true),
        (200, &[("Cache-Control", "Public")], false),
        (200, &[("Cache-Control", "no-transform , S-MaxAge=60")], false),
        (200, &[("Cache-Control", "max-age=60")], false),
        (200, &[("Cache-Control", "max-age=0, must-revalidate")], true),
        (200, &[("Expires", "Thu, 01 Jan 2099 00:00:00 GMT")], false),
        (200, &[("Cache-Control", "no-cache"), ("Expires", "0")], true),
    ];
    for (status, fields, is_set) in rows {
        let set = binding.set_cookie(&"/".parse().unwrap(), false, &answer(status, fields));
        assert_eq!(set.is_some(), is_set, "{status} {fields:?}");
    }
}

#[test]
fn whether_the_client_uses_tls_is_the_first_word_of_the_forwarded_scheme() {
    for (proto, expected) in
        [("https", true), ("HTTPS, http", true), ("wss", true), ("http, https", false), ("", false)]
    {
        assert_eq!(is_secure(&[("X-Forwarded-Proto", proto)].into_iter().collect()), expected, "{proto}");
    }
}
