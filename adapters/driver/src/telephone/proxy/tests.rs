use super::*;

fn proxies(variables: &[(&str, &str)]) -> Proxies {
    Proxies::from_variables(|name| {
        variables.iter().find(|(variable, _)| *variable == name).map(|(_, value)| (*value).to_owned())
    })
}

fn way(variables: &[(&str, &str)], url: &str) -> Option<String> {
    let url = url.parse().unwrap();
    proxies(variables).on_way_to(&url).map(ToString::to_string)
}

#[test]
fn the_first_variable_that_says_something_names_the_proxy() {
    let url = "wss://plugboard.example";
    assert_eq!(way(&[], url), None);
    assert_eq!(way(&[("ALL_PROXY", "http://a:1")], url).unwrap(), "http://a:1");
    assert_eq!(way(&[("ALL_PROXY", "http://a:1"), ("HTTPS_PROXY", "b:2")], url).unwrap(), "http://b:2");
    assert_eq!(way(&[("HTTPS_PROXY", "http://a:1"), ("https_proxy", "c:3")], url).unwrap(), "http://c:3");
    assert_eq!(way(&[("HTTPS_PROXY", " "), ("ALL_PROXY", "[::1]:80/")], url).unwrap(), "http://[::1]:80");
    assert_eq!(way(&[("HTTPS_PROXY", "a")], "ws://plugboard.example").unwrap(), "http://a:3128");
}

#[test]
fn exempt_hosts_are_reached_directly() {
    let is_direct =
        |exempt: &str, url: &str| way(&[("ALL_PROXY", "a:1"), ("NO_PROXY", exempt)], url).is_none();
    for (exempt, url) in [
        ("*", "wss://a.example"),
        ("example.com", "wss://example.com"),
        ("example.com", "wss://a.EXAMPLE.com"),
        (".example.com", "wss://a.example.com"),
        ("*.example.com", "wss://a.example.com"),
        ("x, a.example:443", "wss://a.example"),
        ("x;y ;a.example", "wss://a.example"),
        ("x y\ta.example\n", "wss://a.example"),
        ("10.0.0.0/8", "ws://10.1.2.3:4000"),
        ("10.*", "ws://10.1.2.3:4000"),
        ("192.168.*.*", "ws://192.168.2.3:4000"),
        ("relay-*.example.com", "wss://relay-7.EXAMPLE.com"),
        ("relay-*", "wss://relay-7.example.com"),
        ("192.0.2.1", "ws://192.0.2.1:4000"),
        ("2001:db8::1", "ws://[2001:db8::1]:4000"),
        ("[2001:db8::1]", "ws://[2001:db8::1]:4000"),
        ("[2001:db8::1]:4000", "ws://[2001:db8::1]:4000"),
        ("fd00::/8", "ws://[fd00::7]:4000"),
        ("192.0.2.1:4000", "ws://192.0.2.1:4000"),
        ("*:4000", "ws://a.example:4000"),
    ] {
        assert!(is_direct(exempt, url), "{exempt} {url}");
    }
    for (exempt, url) in [
        ("example.com", "wss://badexample.com"),
        ("a.example:444", "wss://a.example"),
        ("10.0.0.0/8", "ws://11.1.2.3:4000"),
        ("10.*", "ws://11.1.2.3:4000"),
        ("10.*", "ws://10.evil.example:4000"),
        ("relay-*.example.com", "wss://relay.example.com"),
        ("192.0.2.1", "ws://192.0.2.2:4000"),
        ("[2001:db8::1]:4001", "ws://[2001:db8::1]:4000"),
        ("[2001:db8::1]", "ws://[2001:db8::2]:4000"),
        ("192.0.2.1:4001", "ws://192.0.2.1:4000"),
        ("a.example:https", "wss://a.example"),
        ("a.example:", "wss://a.example"),
        ("a.example:4430000", "wss://a.example"),
        ("*:4001", "ws://a.example:4000"),
    ] {
        assert!(!is_direct(exempt, url), "{exempt} {url}");
    }
}

#[test]
fn this_machine_is_reached_without_a_proxy() {
    let way = |host: &str| way(&[("ALL_PROXY", "a:1")], &format!("ws://{host}:4000"));
    for host in
        ["localhost", "LOCALHOST", "app.localhost", "127.0.0.1", "127.8.9.10", "[::1]", "[::ffff:127.0.0.1]"]
    {
        assert_eq!(way(host), None, "{host}");
    }
    for host in ["localhost.example", "128.0.0.1", "[::2]", "0.0.0.0"] {
        assert!(way(host).is_some(), "{host}");
    }
}

#[test]
fn both_spellings_of_socks_name_one_kind_of_proxy() {
    let url = "wss://a.example";
    for (value, shown) in [
        ("socks5://a", "socks5://a:1080"),
        ("socks5h://u:canary@a:1", "socks5://a:1"),
        ("SOCKS5://[2001:db8::1]:9/", "socks5://[2001:db8::1]:9"),
    ] {
        assert_eq!(way(&[("ALL_PROXY", value)], url).as_deref(), Some(shown), "{value}");
    }
}

#[test]
fn a_variable_without_a_usable_proxy_is_named_and_the_way_is_direct() {
    let long = format!("socks5://{}canary@a:1", "u".repeat(300));
    for value in [
        "socks4://a:1",
        "https://u:canary@a:1",
        "http://",
        "http://a:b",
        // Passwords that should have been escaped.
        "http://u:1#canary@a:1",
        "http://u:1/canary@a:1",
        "http://u:1?canary@a:1",
        "socks5://u:1/canary@a:1",
        &long,
    ] {
        let url = "wss://a.example".parse().unwrap();
        let named = proxies(&[("ALL_PROXY", value)]);
        assert_eq!(named.on_way_to(&url), None);
        let told = named.ignored_on_way_to(&url).map(ToString::to_string).unwrap();
        assert!(
            told.contains("ALL_PROXY") && told.contains("socks5://[") && !told.contains("canary"),
            "{told}"
        );
        // Nobody asks who needs none.
        for (name, exempt) in [("NO_PROXY", "a.example"), ("no_proxy", "*")] {
            assert_eq!(proxies(&[("ALL_PROXY", value), (name, exempt)]).ignored_on_way_to(&url), None);
        }
        let local = "ws://localhost:4000".parse().unwrap();
        assert_eq!(named.ignored_on_way_to(&local), None);
    }
}

#[test]
fn credentials_are_decoded_and_show_nowhere() {
    for scheme in ["http", "socks5"] {
        let proxy = parse(&format!("{scheme}://us%20er:p%3Ass@a:1")).unwrap();
        let credentials = proxy.credentials.as_ref().unwrap();
        assert_eq!((&credentials.user[..], &credentials.password[..]), (&b"us er"[..], &b"p:ss"[..]));
        assert_eq!(format!("{proxy} {proxy:?}"), format!("{scheme}://a:1 Proxy({scheme}://a:1)"));
    }
}

#[test]
fn only_a_whole_head_of_http_has_a_status() {
    assert_eq!(status(b"HTTP/1.1 200 Connection established\r\n\r\n"), Some(200));
    assert_eq!(status(b"HTTP/1.0 407 x\r\nA: b\r\n\r\n"), Some(407));
    for head in [&b"HTTP/1.1 200 OK\r\n"[..], b"SSH-2.0-x\r\n\r\n", b"HTTP/1.1 2\r\n\r\n", b"\r\n\r\n"] {
        assert_eq!(status(head), None);
    }
}

#[test]
fn a_refused_login_asks_for_credentials_only_if_none_were_given() {
    for (url, hint) in [("http://a:1", Hint::ProxyLogin), ("http://user:canary@a:1", Hint::ProxyLoginRefused)]
    {
        let proxy = || parse(url).unwrap();
        for error in
            [ProxyError::Refused { proxy: proxy(), status: 407 }, ProxyError::Login { proxy: proxy() }]
        {
            assert_eq!(error.hint(), hint, "{url}");
            assert!(!error.to_string().contains("USER") && !error.to_string().contains("canary"), "{error}");
        }
        let refused = ProxyError::Refused { proxy: proxy(), status: 403 };
        assert_eq!(refused.hint(), Hint::ProxyRefusal, "{url}");
    }
}
