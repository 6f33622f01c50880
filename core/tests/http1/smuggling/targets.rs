//! Request lines, methods, targets in absolute form, hosts and versions.

use telephone_core::http1::{Malformed as M, RequestError};

use super::row::{Row, SMUGGLED, get, message, row, then};

pub(super) fn rows() -> Vec<Row> {
    [lines(), methods(), targets(), authorities(), hosts()].into_iter().flatten().collect()
}

/// A request of this start line.
fn line(start: &[u8]) -> Vec<u8> {
    [start, b"\r\nHost: a\r\n\r\n", SMUGGLED].concat()
}

fn lines() -> Vec<Row> {
    let refused = |name, start: &[u8]| row(name, line(start)).refused(RequestError::RequestLine);
    vec![
        refused("a version with a leading zero", b"GET / HTTP/01.1"),
        refused("a version with a trailing zero", b"GET / HTTP/1.10"),
        refused("a version with a comma", b"GET / HTTP/1,1"),
        refused("a version with a parameter", b"GET / HTTP/1.1;x"),
        refused("a version in mixed letters", b"GET / hTTP/1.1"),
        refused("a version behind a backslash", b"GET / HTTP\\1.1"),
        refused("a version with a space inside", b"GET / HTTP /1.1"),
        refused("two versions", b"GET / HTTP/1.1 HTTP/1.1"),
        refused("two targets", b"GET / /smuggled HTTP/1.1"),
        refused("a version of another protocol", b"GET / RTSP/1.0"),
        refused("a status line", b"HTTP/1.1 200 OK"),
        refused("a version of full-width digits", b"GET / HTTP/\xef\xbc\x91.1"),
        refused("a field where the request line is due", b"X: GET / HTTP/1.1"),
        row("a request of HTTP/0.9", then("GET /\r\n\r\n", SMUGGLED)).refused(RequestError::RequestLine),
        row("a version beyond ours", line(b"GET / HTTP/2.1")).refused(RequestError::Version),
        row("a minor version beyond ours", "GET / HTTP/1.9\r\nHost: a\r\n\r\n")
            .serves("GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        row("the preface of HTTP/2 with its settings", {
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\x12\x04\0\0\0\0\0".as_slice()
        })
        .refused(RequestError::Version),
        row("the preface of HTTP/2 in another version", line(b"PRI * HTTP/1.1"))
            .refused(RequestError::TargetForm),
        row("NUL behind the version", line(b"GET / HTTP/1.1\0")).refused(M::Control),
        row("a vertical tab for a space", line(b"GET\x0b/ HTTP/1.1")).refused(M::Control),
        row("a form feed in the target", line(b"GET /\x0c HTTP/1.1")).refused(M::Control),
        row("TLS where HTTP is due", b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03".as_slice())
            .refused(M::Control),
    ]
}

fn methods() -> Vec<Row> {
    let refused = |name, start: &[u8], error: RequestError| row(name, line(start)).refused(error);
    vec![
        refused("a comma in the method", b"GET, / HTTP/1.1", RequestError::RequestLine),
        refused("a backslash in the method", b"G\\ET / HTTP/1.1", RequestError::RequestLine),
        refused("a slash in the method", b"GET/POST / HTTP/1.1", RequestError::RequestLine),
        refused(
            "a byte order mark before the method",
            b"\xef\xbb\xbfGET / HTTP/1.1",
            RequestError::RequestLine,
        ),
        refused("a method in quotes", b"\"GET\" / HTTP/1.1", RequestError::RequestLine),
        row("TRACE with a body", then(message("TRACE /", "Content-Length: 5", "hello"), SMUGGLED))
            .refused(RequestError::MethodNotAllowed),
        row("CONNECT with the next request as its bytes", then(message("CONNECT /", "", ""), SMUGGLED))
            .refused(RequestError::MethodNotAllowed),
        row("HEAD in small letters has a body of its own", message("head /", "Content-Length: 5", "hello"))
            .serves(message("head /", "Content-Length: 5", "hello")),
        row("a method override", message("GET /", "X-HTTP-Method-Override: POST", "")).serves(message(
            "GET /",
            "X-HTTP-Method-Override: POST",
            "",
        )),
        row("a method that is a version", line(b"HTTP/1.1 / HTTP/1.1")).refused(RequestError::RequestLine),
    ]
}

fn targets() -> Vec<Row> {
    let becomes = |name, target: &str, canonical: &str| {
        row(name, message(&format!("GET {target}"), "", "")).serves(message(
            &format!("GET {canonical}"),
            "",
            "",
        ))
    };
    let refused = |name, start: &[u8], error: RequestError| row(name, line(start)).refused(error);
    vec![
        becomes("an encoded line end in the target", "/%0d%0aHost:%20b", "/%0D%0AHost:%20b"),
        becomes("an encoded space and version in the target", "/%20HTTP/1.1", "/%20HTTP/1.1"),
        becomes("dot segments above the root", "/a/../../b", "/b"),
        becomes("encoded dot segments", "/a/%2E%2e/b", "/b"),
        becomes("an absolute target as a path", "/http://b/x", "/http://b/x"),
        becomes("a dot segment in the query", "/a?/../b", "/a?/../b"),
        becomes("a question mark in the query", "/a?b?c", "/a?b?c"),
        becomes("an encoded question mark in the path", "/a%3fb", "/a%3Fb"),
        becomes("an encoded number sign in the path", "/a%23b", "/a%23b"),
        becomes("a doubly encoded slash", "/a%252fb", "/a%252fb"),
        refused("a fragment behind the query", b"GET /a?b#c HTTP/1.1", RequestError::Target),
        refused("a path that names a host behind a dot segment", b"GET /.//b HTTP/1.1", RequestError::Target),
        refused("overlong UTF-8 of a slash", b"GET /..%c0%afb HTTP/1.1", RequestError::Target),
        refused("a dot segment behind parameters", b"GET /a/..;x/b HTTP/1.1", RequestError::Target),
        refused("an asterisk with a path", b"OPTIONS */a HTTP/1.1", RequestError::TargetForm),
        refused("an asterisk with a query", b"OPTIONS *?a HTTP/1.1", RequestError::TargetForm),
    ]
}

/// Targets in absolute form: their authority wins over `Host`, and takes its place.
fn authorities() -> Vec<Row> {
    let becomes = |name, target: &str, canonical: &str, host: &str| {
        let written = format!("GET {canonical} HTTP/1.1\r\nHost: {host}\r\n\r\n");
        row(name, message(&format!("GET {target}"), "", "")).serves(written)
    };
    let refused = |name, target: &[u8], error: RequestError| {
        row(name, line(&[b"GET ", target, b" HTTP/1.1"].concat())).refused(error)
    };
    vec![
        becomes("an authority that is not the host", "http://b/x", "/x", "b"),
        becomes("an authority with an empty port", "http://b:/x", "/x", "b:"),
        becomes("an authority with a query and no path", "http://b?x", "/?x", "b"),
        becomes("a scheme in capital letters", "HTTP://b/x", "/x", "b"),
        becomes("an authority with a trailing dot", "http://b./x", "/x", "b."),
        becomes("another authority in the query", "http://b/?http://c/", "/?http://c/", "b"),
        becomes("dot segments behind the authority", "http://b/../x", "/x", "b"),
        refused("an authority behind a number sign", b"http://b#@c/", RequestError::Target),
        refused("an authority behind a backslash", b"http://b\\@c/", RequestError::Host),
        refused("an authority with a password", b"http://u:p@b/", RequestError::Host),
        refused("two authorities", b"http://b,c/", RequestError::Host),
        refused("an authority behind a third slash", b"http:///b/x", RequestError::Host),
        refused("an authority behind one slash", b"http:/b/x", RequestError::TargetForm),
        refused("a scheme with another name", b"httpx://b/x", RequestError::TargetForm),
        refused("an authority in escapes", b"http://%62/x", RequestError::Host),
        row(
            "an authority beside two hosts",
            get("Host: b").strip_prefix(b"GET /").map_or_else(Vec::new, |rest| then("GET http://c/", rest)),
        )
        .refused(RequestError::HostRepeated),
        row("an authority that is fine beside a host that is not", {
            "GET http://b/ HTTP/1.1\r\nHost: a/c\r\n\r\n"
        })
        .refused(RequestError::Host),
        row("an authority without a host in HTTP/1.0", then("GET http://b/x HTTP/1.0\r\n\r\n", SMUGGLED))
            .serves("GET /x HTTP/1.1\r\nHost: b\r\n\r\n")
            .closes(),
    ]
}

fn hosts() -> Vec<Row> {
    let hosted = |host: &str| format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
    let passes = |name, host: &str| row(name, hosted(host)).serves(hosted(host));
    let refused = |name, host: &str| row(name, then(hosted(host), SMUGGLED)).refused(RequestError::Host);
    vec![
        passes("a port with a leading zero", "a:080"),
        passes("an IPv4 address in an IPv6 one", "[::ffff:127.0.0.1]:80"),
        passes("a number for an address", "2130706433"),
        passes("a host with a trailing dot and a port", "a.:80"),
        refused("a host with a tab inside", "a\tb"),
        refused("a host with a path", "a/smuggled"),
        refused("a host and a request", "a HTTP/1.1"),
        refused("an address of the future", "[v1.a]"),
        refused("an IPv4 address in brackets", "[1.2.3.4]"),
        refused("something behind the brackets", "[::1].a"),
        refused("a port in another alphabet", "a:\u{ff18}\u{ff10}"),
        refused("a port with a sign", "a:+80"),
        refused("two ports", "a:80,b:81"),
        refused("a host in quotes", "\"a\""),
        refused("a host behind an at sign", "@a"),
        row("white space around the host", "GET / HTTP/1.1\r\nHost:\t a \t\r\n\r\n").serves(get("")),
    ]
}
