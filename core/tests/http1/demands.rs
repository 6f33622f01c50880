//! What a 426 asks for reaches the client (RFC 9110 §15.5.22), and statuses of three digits are written.

use bytes::Bytes;
use telephone_core::http1::ClientEvent;
use telephone_core::message::ResponseHead;

use crate::support::{fetch, get, is_whole, response, serve_with};

/// The `upgrade` of a 426 with these fields.
fn demand(fields: &str) -> Option<Bytes> {
    let answer = format!("HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\n{fields}\r\n");
    let fetched = fetch(&get("/"), [answer.as_bytes()], false);
    match fetched.events.into_iter().next() {
        Some(ClientEvent::Head { head, .. }) => {
            assert!(!head.headers.has("upgrade"), "{head:?}");
            head.upgrade
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_426_of_a_backend_tells_what_it_asks_for() {
    let one = "Connection: Upgrade\r\nUpgrade: websocket\r\n";
    assert_eq!(demand(one).as_deref(), Some(&b"websocket"[..]));
    // Node's `ws` names it in Connection, others do not.
    assert_eq!(demand("Upgrade: websocket\r\n").as_deref(), Some(&b"websocket"[..]));
    let several = "Connection: upgrade\r\nUpgrade: foo/2, h2c, HTTP/2.0, TLS/1.2\r\nUpgrade: bar\r\n";
    assert_eq!(demand(several).as_deref(), Some(&b"foo/2, bar"[..]));
    for none in ["", "Connection: upgrade\r\n", "Connection: upgrade\r\nUpgrade: h2c\r\n"] {
        assert_eq!(demand(none), None, "{none}");
    }
}

#[test]
fn another_status_tells_of_no_upgrade() {
    let answer =
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: upgrade\r\nUpgrade: h2,websocket\r\n\r\n";
    let fetched = fetch(&get("/"), [&answer[..]], false);
    assert!(
        matches!(&fetched.events[..], [ClientEvent::Head { head, .. }] if head.upgrade.is_none()),
        "{fetched:?}"
    );
    assert!(fetched.is_reusable);
}

/// What a client is written in place of this head.
fn written(head: &ResponseHead, request: &[u8]) -> String {
    let served = serve_with([request], |server, event| {
        if is_whole(event) {
            server.respond(head, true).expect("a head that can be written");
        }
    });
    String::from_utf8(served.output).expect("ASCII")
}

#[test]
fn a_client_is_told_what_a_426_asks_for() {
    let upgrade = Some(Bytes::from_static(b"websocket, foo/2"));
    let head = ResponseHead { upgrade: upgrade.clone(), ..response(426) };
    let kept = written(&head, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(
        kept,
        "HTTP/1.1 426 \r\nContent-Length: 0\r\nUpgrade: websocket, foo/2\r\nConnection: upgrade\r\n\r\n"
    );
    let closing = written(&head, b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert!(closing.contains("Connection: upgrade\r\nConnection: close\r\n"), "{closing}");
    let other = written(&ResponseHead { upgrade, ..response(403) }, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(!other.contains("Upgrade"), "{other}");
}

#[test]
fn a_client_is_sent_any_status_of_three_digits() {
    for status in [600, 799, 999] {
        let written = written(&response(status), b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        assert!(written.starts_with(&format!("HTTP/1.1 {status} \r\n")), "{written}");
    }
}
