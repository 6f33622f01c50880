use alloc::vec;

use super::*;

/// A location as a URL, `ws://HOST:PORT/PATH`, the way the driver takes one apart.
fn at(url: &str) -> Location {
    let (scheme, rest) = url.split_once("://").unwrap();
    let (authority, path) = rest.split_once('/').map_or((rest, ""), |(authority, path)| (authority, path));
    let is_tls = scheme == "wss";
    let default = if is_tls { 443 } else { 80 };
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port.parse().unwrap()),
        _ => (authority, default),
    };
    let host = host.trim_matches(['[', ']']).to_owned();
    let path = ["/", if path.is_empty() { ".well-known/telephone" } else { path }].concat();
    Location { is_tls, host, port, path }
}

fn rule(text: &str) -> FollowRule {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn without_rules_only_the_given_plugboards_are_followed_at_the_dialled_path() {
    let own = vec![
        at("wss://a.example"),
        at("wss://b.example:8443"),
        at("wss://[2001:db8::1]:7"),
        at("ws://c.example"),
    ];
    let policy = FollowPolicy::new(own, vec![]);
    let dialled = at("wss://a.example");
    for named in [
        "wss://a.example",
        "wss://a.example:443",
        "wss://a.example./",
        "wss://b.example:8443",
        "wss://[2001:db8::1]:7",
    ] {
        assert_eq!(policy.check(&dialled, &at(named)), Ok(()), "{named}");
    }
    for named in [
        "wss://a.example:444",
        "wss://a.example:80",
        "wss://b.example",
        "wss://b.example:8444",
        "wss://evil.example",
        "wss://a.example.evil.example",
        "wss://evil-a.example",
        "wss://sub.a.example",
        "wss://example",
        "wss://127.0.0.1",
        "wss://169.254.169.254",
        "wss://[::1]",
        "wss://[2001:db8::1]:8",
        "wss://[2001:db8::2]:7",
        "wss://evil.example/other",
        "wss://c.example:80",
        "wss://c.example",
    ] {
        assert_eq!(policy.check(&dialled, &at(named)), Err(NotFollowed::Elsewhere), "{named}");
    }
    for named in [
        "wss://a.example/other",
        "wss://a.example/.well-known/telephone/",
        "wss://a.example/.well-known",
        "wss://b.example:8443/admin",
    ] {
        assert_eq!(policy.check(&dialled, &at(named)), Err(NotFollowed::Path), "{named}");
    }
    for named in ["ws://a.example", "ws://a.example:443", "ws://c.example", "ws://evil.example"] {
        assert_eq!(policy.check(&dialled, &at(named)), Err(NotFollowed::Tls), "{named}");
    }
    assert_eq!(policy.check(&at("ws://c.example"), &at("wss://a.example")), Err(NotFollowed::Tls));
    // The path that counts is that of the dialled URL, wherever another plugboard of the list has its own.
    let policy = FollowPolicy::new(vec![at("ws://a.example/x"), at("ws://b.example/y")], vec![]);
    assert_eq!(policy.check(&at("ws://a.example/x"), &at("ws://b.example/x")), Ok(()));
    let other = policy.check(&at("ws://a.example/x"), &at("ws://b.example/y"));
    assert_eq!(other, Err(NotFollowed::Path));
}

#[test]
fn a_rule_admits_the_hosts_and_ports_that_it_describes() {
    for (text, named, is_followed) in [
        ("relay-2.example", "wss://relay-2.example", true),
        ("relay-2.example", "wss://RELAY-2.example", false), // The driver names hosts in lower case.
        ("Relay-2.Example.", "wss://relay-2.example", true),
        ("relay-2.example", "wss://relay-2.example./", true),
        ("relay-2.example", "wss://relay-2.example/any/path", true),
        ("relay-2.example", "wss://relay-2.example:8443", false),
        ("relay-2.example:443", "wss://relay-2.example", true),
        ("relay-2.example:8443", "wss://relay-2.example:8443", true),
        ("relay-2.example:8443", "wss://relay-2.example", false),
        ("relay-2.example:*", "wss://relay-2.example:1", true),
        ("relay-2.example:*", "wss://relay-20.example:1", false),
        ("*.example.com", "wss://a.example.com", true),
        ("*.example.com", "wss://a.b.example.com", true),
        ("*.example.com", "wss://example.com", false),
        ("*.example.com", "wss://.example.com", true),
        ("*.example.com", "wss://aexample.com", false),
        ("*.example.com", "wss://a.example.com.evil.example", false),
        ("*.example.com", "wss://a.example.org", false),
        ("relay-*.example.com", "wss://relay-7.example.com", true),
        ("relay-*.example.com", "wss://relay-.example.com", true),
        ("relay-*.example.com", "wss://relay.example.com", false),
        ("relay-*.example.com", "wss://evil.example/relay-7.example.com", false),
        ("r*-*.e*", "wss://relay-7.example", true),
        ("r*-*.e*", "wss://relay7.example", false),
        ("*", "wss://anything.example", true),
        ("*", "wss://anything.example:444", false),
        ("*:*", "wss://[2001:db8::1]:7", true),
        ("127.0.0.1:*", "wss://127.0.0.1:5", true),
        ("127.0.0.1:*", "wss://127.0.0.11:5", false),
        ("10.0.*:4000", "wss://10.0.3.4:4000", true),
        // A name can begin like an address and be anybody's.
        ("10.0.*:4000", "wss://10.0.evil.example:4000", false),
        ("10.0.0.*", "wss://10.0.0.evil.example", false),
        ("10.0.0.*", "wss://10.0.0.7", true),
        ("*.0.0.7", "wss://10.0.0.7", true),
        ("*.0.0.7", "wss://evil.0.0.7", false),
        ("1*", "wss://1.example", false),
        ("1*.example", "wss://1.example", true),
        ("*.*", "wss://a.example", true),
        ("[2001:DB8:0::1]", "wss://[2001:db8::1]", true),
        ("[2001:db8::1]:7", "wss://[2001:db8::1]:7", true),
        ("[2001:db8::1]:*", "wss://[2001:db8::2]:7", false),
    ] {
        let policy = FollowPolicy::new(vec![], vec![rule(text)]);
        let checked = policy.check(&at("wss://a.example"), &at(named));
        assert_eq!(checked.is_ok(), is_followed, "{text} and {named}");
        // A rule does not make up for TLS.
        assert_eq!(policy.check(&at("ws://a.example"), &at(named)), Err(NotFollowed::Tls), "{named}");
    }
    let plain = FollowPolicy::new(vec![], vec![rule("b.example")]);
    assert_eq!(plain.check(&at("ws://a.example"), &at("ws://b.example")), Ok(()));
    assert!(plain.check(&at("ws://a.example"), &at("ws://b.example:443")).is_err());
}

#[test]
fn the_rule_that_is_proposed_admits_what_was_not_followed() {
    for (named, proposed) in [
        ("wss://relay-2.example", "relay-2.example"),
        ("wss://relay-2.example:8443/x", "relay-2.example:8443"),
        ("ws://127.0.0.1:4000", "127.0.0.1:4000"),
        ("ws://[::1]:4000", "[::1]:4000"),
        ("ws://[::1]", "[::1]"),
        ("ws://b.example:443", "b.example:443"),
    ] {
        let named = at(named);
        assert_eq!(named.rule(), proposed);
        let policy = FollowPolicy::new(vec![], vec![rule(proposed)]);
        let dialled = Location { host: "a.example".into(), ..named.clone() };
        assert_eq!(policy.check(&dialled, &named), Ok(()), "{proposed}");
    }
}

#[test]
fn what_is_no_rule_is_refused_with_what_would_be_right() {
    for text in
        ["", ":443", ".", "a b", "ä.example", "a@b", "a?b", "[", "[x]", "[127.0.0.1]", "a\u{202e}b", "a%b"]
    {
        assert_eq!(text.parse::<FollowRule>(), Err(BadFollowRule::Host(text.into())), "{text}");
    }
    for text in
        ["a:", "a:0", "a:65536", "a:x", "a:+1", "a:4*", "a:**", "a:1:2", "[::1]x", "[::1]:", "[::1]4000"]
    {
        assert_eq!(text.parse::<FollowRule>(), Err(BadFollowRule::Port(text.into())), "{text}");
    }
    for text in ["wss://a.example", "a.example/x", "/"] {
        assert_eq!(text.parse::<FollowRule>(), Err(BadFollowRule::Url(text.into())), "{text}");
    }
    for text in ["::1", "2001:db8::1"] {
        assert_eq!(text.parse::<FollowRule>(), Err(BadFollowRule::Brackets(text.into())), "{text}");
    }
}

#[test]
fn many_stars_cost_no_more_than_the_product_of_the_lengths() {
    let pattern = "*a".repeat(126);
    let rule = rule(&pattern);
    let host = "a".repeat(125) + &"b".repeat(128);
    let named = Location { is_tls: true, host, port: 443, path: "/".into() };
    assert!(!rule.admits(&named));
}
