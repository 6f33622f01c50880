mod names;

use super::*;
use alloc::string::String;
use alloc::vec::Vec;

use bytes::Bytes;

fn headers(fields: &[(&'static str, &'static str)]) -> Headers {
    fields.iter().map(|(name, value)| (Bytes::from_static(name.as_bytes()), Bytes::from(*value))).collect()
}

fn stamped(peer: &str, is_trusted: bool, fields: &[(&'static str, &'static str)]) -> Headers {
    let mut headers = headers(fields);
    let peer: IpAddr = peer.parse().expect("an address");
    let stamped = Stamp::new(Observed { peer: peer.into(), scheme: Scheme::Http, is_trusted })
        .put(&mut headers, TRUSTED);
    assert_eq!(values(&headers, "x-real-ip"), [stamped.client.to_string()]);
    headers
}

/// Whom the relay of these tests believes.
const TRUSTED: Trusted<'_> =
    Trusted { proxies: &|address| matches!(address, IpAddr::V4(v4) if v4.octets()[0] == 10), fields: &[] };

fn values(headers: &Headers, name: &str) -> Vec<String> {
    headers.all(name).map(|value| String::from_utf8(value.to_vec()).expect("ASCII")).collect()
}

#[test]
fn a_backend_learns_what_the_relay_saw() {
    let headers = stamped("192.0.2.7", false, &[("Host", "shop.example:8080"), ("Accept", "*/*")]);
    assert_eq!(values(&headers, "x-forwarded-for"), ["192.0.2.7"]);
    assert_eq!(values(&headers, "x-forwarded-proto"), ["http"]);
    assert_eq!(values(&headers, "x-forwarded-host"), ["shop.example:8080"]);
    assert_eq!(values(&headers, "forwarded"), ["for=192.0.2.7;host=\"shop.example:8080\";proto=http"]);
    assert_eq!(values(&headers, "x-real-ip"), ["192.0.2.7"]);
    assert_eq!(values(&headers, "accept"), ["*/*"]);
}

#[test]
fn what_an_untrusted_peer_wrote_is_gone_in_every_spelling() {
    let spoofs = [
        "X-Forwarded-For",
        "x-forwarded-for",
        "X_Forwarded_For",
        "X-Forwarded_For",
        "X-FORWARDED-PROTO",
        "X-Forwarded-Host",
        "X-Forwarded-Port",
        "X-Forwarded-Prefix",
        "X-Forwarded",
        "Forwarded",
        "FORWARDED",
        "X-Real-IP",
        "X_Real_Ip",
        "X-Plugboard-Subject",
        "x_plugboard_subject",
    ];
    for name in spoofs {
        let headers = stamped("2001:db8::7", false, &[("Host", "a"), (name, "6.6.6.6"), (name, "evil")]);
        let has_spoof =
            headers.iter().any(|(_, value)| value.windows(4).any(|part| part == b"evil" || part == b"6.6."));
        assert!(!has_spoof, "{name} passed: {headers:?}");
    }
}

#[test]
fn whoever_asks_for_timing_is_heard_and_the_question_goes_no_further() {
    for (name, value, expected) in [
        ("X-Plugboard-Timing", "1", true),
        ("x-plugboard-timing", "1", true),
        ("x-plugboard-timing", "0", false),
        ("x_plugboard_timing", "1", false),
        ("X-Plugboard-Timings", "1", false),
    ] {
        let mut headers = headers(&[("Host", "a"), (name, value)]);
        let peer: IpAddr = "192.0.2.7".parse().expect("an address");
        let observed = Observed { peer: peer.into(), scheme: Scheme::Http, is_trusted: true };
        assert_eq!(Stamp::new(observed).put(&mut headers, TRUSTED).is_timed, expected, "{name}: {value}");
        assert!(!headers.has(name), "{name}");
    }
}

#[test]
fn a_trusted_peers_lists_are_continued() {
    let fields = [
        ("Host", "a"),
        ("X-Forwarded-For", "203.0.113.1"),
        ("X-Forwarded-For", "203.0.113.2"),
        ("X-Forwarded-Proto", "https"),
        ("X-Real-IP", "203.0.113.1"),
        ("Forwarded", "for=203.0.113.1"),
    ];
    let headers = stamped("10.0.0.1", true, &fields);
    assert_eq!(values(&headers, "x-forwarded-for"), ["203.0.113.1, 203.0.113.2, 10.0.0.1"]);
    assert_eq!(values(&headers, "x-forwarded-proto"), ["https"]);
    assert_eq!(values(&headers, "x-forwarded-host"), ["a"]);
    assert_eq!(values(&headers, "x-real-ip"), ["203.0.113.2"]);
    assert_eq!(values(&headers, "forwarded"), ["for=203.0.113.1, for=10.0.0.1;host=a;proto=https"]);
}

#[test]
fn a_trusted_peer_that_knows_only_the_older_field_is_translated() {
    let headers = stamped("10.0.0.1", true, &[("X-Forwarded-For", "203.0.113.1, junk, 2001:db8::1")]);
    let expected = "for=203.0.113.1, for=\"[2001:db8::1]\", for=10.0.0.1;proto=http";
    assert_eq!(values(&headers, "forwarded"), [expected]);
}

/// What a trusted front at 10.0.0.1 sends as `X-Forwarded-For`, `-Proto`, `-Host` and `Forwarded`, and what a backend sees
/// as `Forwarded`, `X-Forwarded-Proto` and `-Host`. The relay itself saw `http` and `in.example`.
#[rustfmt::skip]
const FRONTS: &[([&str; 4], [&str; 3])] = &[
    // nginx, Caddy, HAProxy: the older fields.
    (["203.0.113.1", "https", "", ""], ["for=203.0.113.1;proto=https, for=10.0.0.1;host=in.example;proto=https", "https", "in.example"]),
    (["203.0.113.1", "https", "a.example", ""], ["for=203.0.113.1;host=a.example;proto=https, for=10.0.0.1;host=a.example;proto=https", "https", "a.example"]),
    (["203.0.113.1", "https", "a.example:8443", ""], ["for=203.0.113.1;host=\"a.example:8443\";proto=https, for=10.0.0.1;host=\"a.example:8443\";proto=https", "https", "a.example:8443"]),
    (["203.0.113.1, 10.0.0.2", "https", "", ""], ["for=203.0.113.1;proto=https, for=10.0.0.2, for=10.0.0.1;host=in.example;proto=https", "https", "in.example"]),
    (["203.0.113.1, 10.0.0.2", "https, http", "", ""], ["for=203.0.113.1;proto=https, for=10.0.0.2;proto=http, for=10.0.0.1;host=in.example;proto=https", "https, http", "in.example"]),
    (["unknown, 203.0.113.1", "https", "", ""], ["for=203.0.113.1;proto=https, for=10.0.0.1;host=in.example;proto=https", "https", "in.example"]),
    (["203.0.113.1", "wss", "", ""], ["for=203.0.113.1;proto=wss, for=10.0.0.1;host=in.example;proto=wss", "wss", "in.example"]),
    (["", "https", "", ""], ["for=10.0.0.1;host=in.example;proto=https", "https", "in.example"]),
    (["203.0.113.1", "", "", ""], ["for=203.0.113.1, for=10.0.0.1;host=in.example;proto=http", "http", "in.example"]),
    // What is no scheme is not repeated.
    (["203.0.113.1", "a b", "", ""], ["for=203.0.113.1, for=10.0.0.1;host=in.example;proto=http", "http", "in.example"]),
    // Fronts that know RFC 7239.
    (["", "", "", "for=203.0.113.1;proto=https;host=a.example"], ["for=203.0.113.1;proto=https;host=a.example, for=10.0.0.1;host=a.example;proto=https", "https", "a.example"]),
    (["", "", "", "for=203.0.113.1;proto=https, for=10.0.0.2;proto=http"], ["for=203.0.113.1;proto=https, for=10.0.0.2;proto=http, for=10.0.0.1;host=in.example;proto=https", "https", "in.example"]),
    (["203.0.113.1", "https", "", "for=203.0.113.1;proto=HTTPS"], ["for=203.0.113.1;proto=HTTPS, for=10.0.0.1;host=in.example;proto=https", "https", "in.example"]),
    // A client's own, which a front that does not know it passed: it contradicts the front, or hides what stands behind it.
    (["203.0.113.1", "https", "", "for=6.6.6.6;proto=http"], ["for=203.0.113.1;proto=https, for=10.0.0.1;host=in.example;proto=https", "https", "in.example"]),
    (["203.0.113.1", "https", "a.example", "for=6.6.6.6;host=evil"], ["for=203.0.113.1;host=a.example;proto=https, for=10.0.0.1;host=a.example;proto=https", "https", "a.example"]),
    (["203.0.113.1", "https", "", "for=6.6.6.6;x=\""], ["for=203.0.113.1;proto=https, for=10.0.0.1;host=in.example;proto=https", "https", "in.example"]),
    (["", "https", "", "for=203.0.113.1;proto=http"], ["for=203.0.113.1;proto=https, for=10.0.0.1;host=in.example;proto=https", "https", "in.example"]),
];

#[test]
fn the_first_and_the_last_element_and_the_older_fields_name_one_scheme_and_one_host() {
    const NAMES: [&str; 4] = ["X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "Forwarded"];
    for (sent, seen) in FRONTS {
        let fields = NAMES.into_iter().zip(*sent).filter(|(_, value)| !value.is_empty());
        let fields: Vec<_> = [("Host", "in.example")].into_iter().chain(fields).collect();
        let headers = stamped("10.0.0.1", true, &fields);
        for (name, value) in ["forwarded", "x-forwarded-proto", "x-forwarded-host"].into_iter().zip(*seen) {
            assert_eq!(values(&headers, name), [value], "{name} of {sent:?}");
        }
    }
}

#[test]
fn what_is_said_of_hosts_is_taken_out_and_the_rest_stays() {
    for (list, rest) in [
        (
            "for=1.2.3.4;host=a;proto=https, for=1.2.3.5;host=\"a:1\";proto=https",
            "for=1.2.3.4;proto=https, for=1.2.3.5;proto=https",
        ),
        ("Host=a;for=\"[::1]\", host=b", "for=\"[::1]\""),
        ("for=1.2.3.4", "for=1.2.3.4"),
        ("host=a", ""),
        ("host=\"a", ""),
    ] {
        let mut fields =
            headers(&[("Forwarded", list), ("X-Forwarded-Host", "a"), ("X-Forwarded-Proto", "https")]);
        clear_hosts(&mut fields);
        assert_eq!(values(&fields, "forwarded").join("/"), rest, "{list}");
        assert!(!fields.has("x-forwarded-host") && fields.has("x-forwarded-proto"));
    }
}

#[test]
fn internal_and_ambiguous_names_do_not_pass_from_a_trusted_peer_either() {
    let headers = stamped("10.0.0.1", true, &[("X-Plugboard-Subject", "evil"), ("X_Forwarded_For", "evil")]);
    assert!(headers.iter().all(|(_, value)| value != b"evil"));
}

#[test]
fn ipv6_peers_are_bracketed_and_mapped_ones_are_ipv4() {
    let headers = stamped("2001:db8::7", false, &[]);
    assert_eq!(values(&headers, "forwarded"), ["for=\"[2001:db8::7]\";proto=http"]);
    assert_eq!(values(&headers, "x-forwarded-for"), ["2001:db8::7"]);
    assert_eq!(values(&headers, "x-forwarded-host"), Vec::<String>::new());
    let headers = stamped("::ffff:192.0.2.7", false, &[]);
    assert_eq!(values(&headers, "x-forwarded-for"), ["192.0.2.7"]);
}

#[test]
fn a_host_that_would_need_escapes_is_left_out_of_forwarded() {
    let headers = stamped("192.0.2.7", false, &[("Host", "a\"b")]);
    assert_eq!(values(&headers, "forwarded"), ["for=192.0.2.7;proto=http"]);
}

#[test]
fn each_request_of_a_connection_is_stamped_as_if_it_were_the_first() {
    for is_trusted in [false, true] {
        let peer: IpAddr = "192.0.2.7".parse().expect("an address");
        let observed = Observed { peer: peer.into(), scheme: Scheme::Https, is_trusted };
        let mut stamp = Stamp::new(observed.clone());
        for host in [Some("a"), Some("a"), Some("b.example"), None, Some("a"), Some("")] {
            let mut fields = headers(&[("Accept", "*/*"), ("X-Forwarded-For", "203.0.113.1")]);
            host.into_iter().for_each(|host| fields.push("Host", host));
            let mut alone = fields.clone();
            Stamp::new(observed.clone()).put(&mut alone, TRUSTED);
            stamp.put(&mut fields, TRUSTED);
            assert_eq!(fields, alone, "{host:?}");
        }
    }
}

/// What a trusted peer at 10.0.0.1 says in `X-Forwarded-For` and `Forwarded`, and the client that follows.
const CLIENTS: &[(&str, &str, &str)] = &[
    ("", "", "10.0.0.1"),
    ("203.0.113.1", "", "203.0.113.1"),
    // What stands left of the rightmost foreign address is the client's own word.
    ("6.6.6.6, 203.0.113.1", "", "203.0.113.1"),
    ("6.6.6.6, 10.9.9.9, 203.0.113.1", "", "203.0.113.1"),
    ("6.6.6.6, 203.0.113.1, 10.0.0.2, 10.0.0.3", "", "203.0.113.1"),
    ("10.0.0.4, 10.0.0.2", "", "10.0.0.4"),
    ("unknown", "", "10.0.0.1"),
    ("6.6.6.6, unknown, 10.0.0.2", "", "10.0.0.2"),
    ("6.6.6.6, unknown", "", "10.0.0.1"),
    ("6.6.6.6,", "", "10.0.0.1"),
    (" 203.0.113.1:4711 ", "", "203.0.113.1"),
    ("[2001:db8::1]:4711", "", "2001:db8::1"),
    ("[2001:db8::1]", "", "2001:db8::1"),
    ("2001:db8::1", "", "2001:db8::1"),
    ("::ffff:203.0.113.1", "", "203.0.113.1"),
    ("6.6.6.6, ::ffff:10.0.0.2", "", "6.6.6.6"),
    // `Forwarded` counts only without the other.
    ("203.0.113.1", "for=6.6.6.6", "203.0.113.1"),
    ("unknown", "for=6.6.6.6", "10.0.0.1"),
    ("", "for=203.0.113.1", "203.0.113.1"),
    ("", "For=203.0.113.1;proto=https;by=10.0.0.2", "203.0.113.1"),
    ("", "proto=https;for=203.0.113.1 , for=10.0.0.2", "203.0.113.1"),
    ("", "for=6.6.6.6, for=\"[2001:db8::1]:4711\";host=\"a, b;for=c\"", "2001:db8::1"),
    ("", "for=6.6.6.6, for=\"203.0.113.1\"", "203.0.113.1"),
    ("", "for=6.6.6.6, for=_hidden", "10.0.0.1"),
    ("", "for=6.6.6.6, proto=https", "10.0.0.1"),
    // A quote that is left open, or anything else that is no list, names nobody.
    ("", "for=6.6.6.6;x=\", for=203.0.113.1", "10.0.0.1"),
    ("", "for=6.6.6.6;x=\", for=\"[2001:db8::1]\";proto=https", "10.0.0.1"),
    ("", "for=6.6.6.6;x=\"\\\", for=203.0.113.1\"", "10.0.0.1"),
    ("", "for=6.6.6.6, for=203.0.113.1;", "10.0.0.1"),
    ("", "for=6.6.6.6, nothing", "10.0.0.1"),
    ("", "for=\"6.6.6.6\"x", "10.0.0.1"),
];

#[test]
fn the_client_behind_trusted_proxies_is_the_rightmost_address_that_is_none_of_theirs() {
    for &(addresses, forwarded, client) in CLIENTS {
        let fields = [("X-Forwarded-For", addresses), ("Forwarded", forwarded), ("X-Real-IP", "6.6.6.6")];
        let headers = stamped("10.0.0.1", true, &fields);
        assert_eq!(values(&headers, "x-real-ip"), [client], "{addresses:?} {forwarded:?}");
    }
}

#[test]
fn a_list_of_addresses_in_several_fields_is_one_list() {
    let fields = [("X-Forwarded-For", "6.6.6.6"), ("X-Forwarded-For", "203.0.113.1, 10.0.0.2")];
    assert_eq!(values(&stamped("10.0.0.1", true, &fields), "x-real-ip"), ["203.0.113.1"]);
}

#[test]
fn the_client_is_the_last_address_that_no_trusted_proxy_has() {
    let rows: [(&str, &[&str], &str); 13] = [
        ("192.0.2.1", &[], "192.0.2.1"),
        ("192.0.2.1", &["203.0.113.9"], "192.0.2.1"),
        ("10.0.0.1", &[], "10.0.0.1"),
        ("10.0.0.1", &["203.0.113.9"], "203.0.113.9"),
        ("::ffff:10.0.0.1", &["203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", &["198.51.100.1, 203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", &["203.0.113.9, 10.0.0.2"], "203.0.113.9"),
        ("10.0.0.1", &["198.51.100.1", "203.0.113.9 ,10.0.0.2"], "203.0.113.9"),
        ("10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        ("10.0.0.1", &["203.0.113.9, unknown"], "10.0.0.1"),
        ("10.0.0.1", &["203.0.113.9:4711"], "203.0.113.9"),
        ("10.0.0.1", &["[2001:db8::7]:4711"], "2001:db8::7"),
        ("10.0.0.1", &["::ffff:203.0.113.9"], "203.0.113.9"),
    ];
    for (peer, lines, client) in rows {
        let headers: Headers = lines.iter().map(|line| ("X-Forwarded-For", *line)).collect();
        let is_trusted = |address: IpAddr| matches!(address, IpAddr::V4(v4) if v4.octets()[0] == 10);
        let found = client_address(&headers, peer.parse().unwrap(), &is_trusted);
        assert_eq!(found, client.parse::<IpAddr>().unwrap(), "{peer} {lines:?}");
    }
}
