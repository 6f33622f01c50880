//! Requests at the edges of what is allowed, and what they become.

use crate::support::{NOW, Served, fields, limits, octets, serve};
use bytes::{Bytes, BytesMut};
use telephone_core::http1::{Closing, RequestOrigin, Server, ServerEvent, Version, end_to_end};
use telephone_core::message::{Headers, RequestHead};

/// Serves `input` whole, octet by octet and with the start of another request behind it.
fn accept(input: &[u8]) -> Served {
    let whole = serve([input]);
    assert_eq!(serve(octets(input)), whole, "octet by octet");
    assert_eq!(serve([input, b"GET /next HT"]), whole, "with a tail");
    whole
}

/// The head of the only request in `input`.
fn head(input: &[u8]) -> (RequestHead, RequestOrigin) {
    let mut served = accept(input);
    match served.events.drain(..).next() {
        Some(ServerEvent::Request { head, origin, .. }) => (head, origin),
        other => panic!("{other:?}"),
    }
}

/// The body of the only request in `input`, and its trailers.
fn body(input: &[u8]) -> (Bytes, Headers) {
    let mut served = accept(input);
    assert_eq!(served.closing, Closing::Open);
    match served.events.drain(1..).collect::<Vec<_>>().as_slice() {
        [ServerEvent::End(trailers)] => (Bytes::new(), trailers.clone()),
        [ServerEvent::Body(body), ServerEvent::End(trailers)] => (body.clone(), trailers.clone()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_token_is_a_method_but_three() {
    for method in [
        "GET",
        "HEAD",
        "POST",
        "PUT",
        "DELETE",
        "OPTIONS",
        "PATCH",
        "PROPFIND",
        "M-SEARCH",
        "get",
        "!#$%&'*+-.^_`|~",
    ] {
        let (head, _) = head(format!("{method} / HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
        assert_eq!(head.method, method.as_bytes());
    }
    let longest = "M".repeat(32);
    assert_eq!(head(format!("{longest} / HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes()).0.method, longest);
}

#[test]
fn a_minor_version_above_1_is_read_as_1_1() {
    for minor in 1..=9 {
        let input = format!("GET /x HTTP/1.{minor}\r\nHost: a\r\nX: HTTP/1.9\r\n\r\n");
        let (head, origin) = head(input.as_bytes());
        assert_eq!((head.target, origin.version), (Bytes::from_static(b"/x"), Version::Http11), "{minor}");
        assert_eq!(head.headers, fields(&[("Host", "a"), ("X", "HTTP/1.9")]), "{minor}");
    }
}

#[test]
fn up_to_four_empty_lines_pass_before_each_request() {
    for blanks in 0..=4 {
        let input = format!("{}GET /x HTTP/1.1\r\nHost: a\r\n\r\n", "\r\n".repeat(blanks));
        assert_eq!(head(input.as_bytes()).0.target, "/x", "{blanks}");
        let served = serve([format!("{input}{input}").as_bytes()]);
        assert_eq!(served.events.len(), 2, "{:?}", served.events);
    }
}

#[test]
fn white_space_around_a_framing_value_is_not_part_of_it() {
    for (before, behind) in [("", ""), ("  ", ""), ("\t", ""), (" ", " "), ("", "\t"), (" \t ", "\t \t")] {
        let sized = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length:{before}5{behind}\r\n\r\nhello");
        assert_eq!(body(sized.as_bytes()).0, "hello", "{sized:?}");
        assert_eq!(head(sized.as_bytes()).0.length, Some(5), "{sized:?}");
        let coded = format!(
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:{before}chunked{behind}\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
        );
        assert_eq!(body(coded.as_bytes()).0, "hello", "{coded:?}");
    }
}

#[test]
fn a_target_is_routed_in_canonical_form_and_sent_as_it_came() {
    for (target, canonical, sent) in [
        ("/a%7eb/%2f?%7e", "/a~b/%2F?%7e", "/a%7eb/%2f?%7e"),
        ("/a|\u{e4}\\b?{\"\\}", "/a%7C%C3%A4%5Cb?%7B%22%5C%7D", "/a|\u{e4}\\b?{\"\\}"),
        ("//a/x", "//a/x", "//a/x"),
        ("/a/../b%7e", "/b~", "/b~"),
        ("http://a//b%7e", "//b~", "//b%7e"),
        ("http://a?\u{e4}", "/?%C3%A4", "/?\u{e4}"),
    ] {
        let mut server = Server::new(limits(), NOW);
        let mut input = BytesMut::from(format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
        let Some(ServerEvent::Request { head, .. }) = server.poll_event(&mut input, NOW) else {
            panic!("{target} is refused")
        };
        assert_eq!((&head.target[..], &server.sent_target()[..]), (canonical.as_bytes(), sent.as_bytes()));
    }
}

#[test]
fn each_target_form_becomes_one_target_and_one_host() {
    let rows = [
        ("GET", "/", "b", "/", "b", "b"),
        ("GET", "/a?b=c", "b:80", "/a?b=c", "b:80", "b"),
        ("GET", "/a/../b/%7e", "B.", "/b/~", "B.", "b"),
        ("GET", "http://C:81/x?y", "b", "/x?y", "C:81", "c"),
        ("GET", "HTTPS://c/", "b", "/", "c", "c"),
        ("GET", "http://c", "b", "/", "c", "c"),
        ("GET", "http://c?q", "b", "/?q", "c", "c"),
        ("GET", "http://[::1]:80/x", "b", "/x", "[::1]:80", "[::1]"),
        ("OPTIONS", "*", "b", "*", "b", "b"),
        ("OPTIONS", "http://c", "b", "*", "c", "c"),
        ("OPTIONS", "/", "b", "/", "b", "b"),
    ];
    for (method, raw, host, target, new_host, canonical) in rows {
        let (head, origin) = head(format!("{method} {raw} HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes());
        assert_eq!(head.target, target, "{raw}");
        assert_eq!(head.headers.first("host").expect("a host"), new_host.as_bytes(), "{raw}");
        assert_eq!(origin.host.expect("a host"), canonical, "{raw}");
    }
}

#[test]
fn fields_keep_their_case_order_repeats_and_octets() {
    let input = b"GET / HTTP/1.1\r\nHOST: a\r\nx-B: 1\r\nX-a: \xff\x80 \"q\"\r\nX-b:2\r\nEmpty:\r\nTab:\ta\tb\t \r\nSet_Me: x\r\n\r\n";
    let (head, _) = head(input);
    let seen: Vec<(&[u8], &[u8])> = head.headers.iter().collect();
    let expected: [(&[u8], &[u8]); 7] = [
        (b"HOST", b"a"),
        (b"x-B", b"1"),
        (b"X-a", b"\xff\x80 \"q\""),
        (b"X-b", b"2"),
        (b"Empty", b""),
        (b"Tab", b"a\tb"),
        (b"Set_Me", b"x"),
    ];
    assert_eq!(seen, expected);
}

#[test]
fn every_octet_that_may_stand_in_a_value_passes_untouched() {
    let value: Vec<u8> = (0x21..=0x7e_u8).chain(0x80..=0xff).collect();
    let input = [b"GET / HTTP/1.1\r\nHost: a\r\nX: ", &value[..], b"\r\n\r\n"].concat();
    assert_eq!(head(&input).0.headers.first("x").expect("the field"), &value[..]);
}

#[test]
fn hop_by_hop_fields_end_at_the_connection() {
    let input = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close, X-Mine,, Keep-Alive\r\nConnection: other\r\nX-Mine: 1\r\nOther: 2\r\nKeep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\nTE: gzip, trailers\r\nTrailer: X\r\nUpgrade: websocket\r\nHTTP2-Settings: AAMAAABk\r\nAccept: */*\r\n\r\n";
    let served = accept(input);
    let [ServerEvent::Request { head, .. }] = served.events.as_slice() else { panic!("{:?}", served.events) };
    assert_eq!(head.headers, fields(&[("Host", "a"), ("Accept", "*/*")]));
    assert!(head.wants_trailers);
    assert_eq!(head.upgrade, None, "Connection did not name it");
    assert_eq!(served.closing, Closing::AfterOutput);
}

#[test]
fn what_belongs_to_one_connection_goes_from_fields_that_never_were_text() {
    let mut headers = fields(&[
        ("Connection", "close, X-Mine, Set-Cookie"),
        ("connection", "other"),
        ("x-mine", "1"),
        ("Other", "2"),
        ("Set-Cookie", "a=b"),
        ("Keep-Alive", "timeout=5"),
        ("Transfer-Encoding", "chunked"),
        ("Content-Length", "5"),
        ("Content-Type", "text/plain"),
        ("X-Else", "3"),
    ]);
    end_to_end(&mut headers);
    let left = [("Set-Cookie", "a=b"), ("Content-Type", "text/plain"), ("X-Else", "3")];
    assert_eq!(headers, fields(&left), "a protected field stays though it is named");
}

#[test]
fn an_upgrade_is_offered_only_where_it_can_happen() {
    let request = |line: &str, more: &str| {
        let input = format!("{line}\r\nHost: a\r\nConnection: Upgrade\r\n{more}\r\n\r\n");
        head(input.as_bytes()).0.upgrade
    };
    let get = "GET / HTTP/1.1";
    let websocket = Some(Bytes::from_static(b"websocket"));
    assert_eq!(request(get, "Upgrade: websocket"), websocket);
    assert_eq!(request(get, "Upgrade: h2c, websocket"), websocket, "H-19");
    assert_eq!(request(get, "Upgrade: h2c\r\nHTTP2-Settings: x\r\nUpgrade: websocket"), websocket);
    assert_eq!(request(get, "Upgrade: websocket\r\nContent-Length: 0"), websocket);
    assert_eq!(request(get, "Upgrade: foo/2"), Some(Bytes::from_static(b"foo/2")));
    for refused in ["h2c", "H2C", "h2", "TLS/1.2", "HTTP/2.0", "http/1.1", "a b", "/1", "a/"] {
        assert_eq!(request(get, &format!("Upgrade: {refused}")), None, "{refused}");
    }
    let list = Some(Bytes::from_static(b"websocket, foo/2, bar"));
    assert_eq!(request(get, "Upgrade: websocket,foo/2\r\nUpgrade: h2c, ,bar"), list, "in their order");
    assert_eq!(request("POST / HTTP/1.1", "Upgrade: tcp"), Some(Bytes::from_static(b"tcp")));
    assert_eq!(request("HEAD / HTTP/1.1", "Upgrade: websocket"), None);
    let empty =
        b"POST / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: tcp\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(head(empty).0.length, None, "what follows the 101 has no length");
    assert_eq!(request("GET / HTTP/1.0", "Upgrade: websocket"), None);
    let with_body = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 2\r\n\r\nhi";
    assert_eq!(head(with_body).0.upgrade, None, "H-11: it has a body");
}

#[test]
fn a_body_of_all_octets_passes_by_length_and_by_chunks() {
    let all: Vec<u8> = (0..=255).collect();
    let by_length = [b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 256\r\n\r\n", &all[..]].concat();
    assert_eq!(body(&by_length), (Bytes::from(all.clone()), Headers::new()));
    let head = &b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: CHUNKED\r\n\r\n"[..];
    let chunked = [head, b"00fF\r\n", &all[..255], b"\r\n1\r\n", &all[255..], b"\r\n0\r\n\r\n"].concat();
    assert_eq!(body(&chunked), (Bytes::from(all), Headers::new()));
}

#[test]
fn chunk_extensions_are_read_and_dropped() {
    let input = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;a;b=c;d=\"e;\\\"\t\x80\"\r\nabc\r\n0;last\r\n\r\n";
    assert_eq!(body(input).0, "abc");
}

#[test]
fn trailers_pass_but_those_that_frame_route_or_authenticate() {
    let start = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n";
    let harmless = format!("{start}X-Sum: 1\r\nx-sum:2\r\nETag: \"x\"\r\n\r\n");
    assert_eq!(body(harmless.as_bytes()).1, fields(&[("X-Sum", "1"), ("x-sum", "2"), ("ETag", "\"x\"")]));
    for name in [
        "Content-Length",
        "Transfer-Encoding",
        "Host",
        "Authorization",
        "Cookie",
        "Set-Cookie",
        "Content-Type",
        "Connection",
        "Trailer",
        "TE",
        "X-Forwarded-For",
        "Forwarded",
        "Expect",
        "Cache-Control",
        "content_length",
        "X-Plugboard-Subject",
        "WWW-Authenticate",
        "Proxy-Authorization",
        "Location",
        "Content-Encoding",
    ] {
        let input = format!("{start}{name}: 5\r\nX: kept\r\n\r\n");
        assert_eq!(body(input.as_bytes()).1, fields(&[("X", "kept")]), "H-23: {name}");
    }
}

#[test]
fn one_empty_line_before_a_request_is_skipped() {
    assert_eq!(head(b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n").0.target, "/");
}

#[test]
fn http_1_0_needs_no_host_and_closes_unless_told_otherwise() {
    let (head, origin) = head(b"GET / HTTP/1.0\r\n\r\n");
    assert_eq!(origin, RequestOrigin { host: None, version: Version::Http10 });
    assert!(head.headers.is_empty());
    assert_eq!(accept(b"GET / HTTP/1.0\r\n\r\n").closing, Closing::AfterOutput);
    let expecting = b"POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx";
    let served = accept(expecting);
    let Some(ServerEvent::Request { head, .. }) = served.events.first() else { panic!("no request") };
    assert!(!head.headers.has("expect"), "H-21");
}

#[test]
fn heads_at_their_limits_pass() {
    let target = format!("/{}", "x".repeat(511));
    assert_eq!(head(format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes()).0.target, target);
    let line = format!("X: {}", "x".repeat(1021));
    head(format!("GET / HTTP/1.1\r\nHost: a\r\n{line}\r\n\r\n").as_bytes());
    let (head, _) = head(format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(19)).as_bytes());
    assert_eq!(head.headers.len(), 20);
}

#[test]
fn pipelined_requests_come_one_by_one_and_are_answered_in_order() {
    let input = b"POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhiGET /2 HTTP/1.1\r\nHost: a\r\n\r\nPOST /3 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n";
    let served = accept(input);
    let targets: Vec<&Bytes> = served
        .events
        .iter()
        .filter_map(|event| match event {
            ServerEvent::Request { head, .. } => Some(&head.target),
            _ => None,
        })
        .collect();
    assert_eq!(targets, ["/1", "/2", "/3"]);
    assert_eq!(served.output.windows(12).filter(|part| part == b"HTTP/1.1 200").count(), 3);
}
