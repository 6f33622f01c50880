//! Whatever a backend upgrades to passes as it is, but HTTP itself.

use std::io::Write as _;
use std::sync::Mutex;
use std::sync::mpsc;
use std::time::Duration;

use telephone_tests::client::Client;
use telephone_tests::line::{Line, both, both_programs, everywhere};
use telephone_tests::origin::After;
use telephone_tests::prf::Body;
use telephone_tests::request::Request;
use telephone_tests::sidecar::Program;
use telephone_tests::wait::PATIENCE;
use telephone_tests::websocket;
use tungstenite::protocol::CloseFrame;
use tungstenite::protocol::frame::Frame;
use tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tungstenite::{Message, Utf8Bytes};

#[test]
fn a_websocket_echoes_text_binary_and_fragments_and_keeps_code_and_reason() {
    everywhere(|line| {
        let mut socket = websocket::open(line.addr(), "/m/websocket").expect("an upgrade");
        let octets = Body::new(5, 200_000).to_vec();
        for message in [Message::text("grüße"), Message::binary(octets), Message::text("")] {
            socket.send(message.clone()).expect("an open socket");
            assert!(socket.read().expect("an echo") == message);
        }
        let fragments =
            [(OpCode::Data(Data::Text), "one ", false), (OpCode::Data(Data::Continue), "two", true)];
        for (opcode, text, is_last) in fragments {
            socket.send(Message::Frame(Frame::message(text, opcode, is_last))).expect("an open socket");
        }
        assert_eq!(socket.read().expect("an echo"), Message::text("one two"));
        socket.send(Message::Ping("p".into())).expect("an open socket");
        assert_eq!(socket.read().expect("a pong"), Message::Pong("p".into()));
        let goodbye =
            CloseFrame { code: CloseCode::Library(4321), reason: Utf8Bytes::from_static("so long") };
        socket.close(Some(goodbye.clone())).expect("an open socket");
        assert_eq!(socket.read().expect("the echo of the close"), Message::Close(Some(goodbye)));
        assert!(matches!(socket.read(), Err(tungstenite::Error::ConnectionClosed)));
    });
}

#[test]
fn after_101_every_octet_passes_with_half_close_both_ways() {
    everywhere(|line| {
        line.origin.on("/m/opaque", |exchange| {
            websocket::accept(exchange)?;
            let mut all = Vec::new();
            loop {
                match exchange.receive(65536)? {
                    piece if piece.is_empty() => break,
                    piece => all.extend_from_slice(&piece),
                }
            }
            // The client has ended its direction; this one goes on.
            all.reverse();
            exchange.write_all(&all)?;
            exchange.finish_sending();
            exchange.wait_closed()
        });
        let mut client = line.connect();
        client.send(Request::upgrade("/m/opaque").to_vec());
        assert_eq!(client.head().status(), 101);
        let mut octets = Body::new(6, 300_000).to_vec();
        client.send(&octets);
        client.finish_sending();
        octets.reverse();
        let (reversed, is_orderly) = client.rest();
        assert!(reversed == octets && is_orderly, "{} octets, FIN: {is_orderly}", reversed.len());
    });
}

#[test]
fn the_origin_may_speak_first_and_end_first() {
    everywhere(|line| {
        let (heard, hears) = mpsc::channel();
        line.origin.on("/m/first", move |exchange| {
            websocket::accept(exchange)?;
            exchange.send(b"greeting")?;
            exchange.finish_sending();
            let mut all = Vec::new();
            loop {
                match exchange.receive(1024)? {
                    piece if piece.is_empty() => break,
                    piece => all.extend_from_slice(&piece),
                }
            }
            heard.send(all).map_err(std::io::Error::other)?;
            Ok(After::Close)
        });
        let mut client = line.connect();
        client.send(Request::upgrade("/m/first").to_vec());
        assert_eq!(client.head().status(), 101);
        assert_eq!(client.rest(), (b"greeting".to_vec(), true));
        client.send(b"answer");
        client.finish_sending();
        assert_eq!(hears.recv_timeout(PATIENCE).expect("the origin's ear"), b"answer");
    });
}

#[test]
fn a_refused_upgrade_is_relayed_with_its_body() {
    everywhere(|line| {
        let raw = "HTTP/1.1 403 Forbidden\r\nContent-Length: 6\r\nX-Why: policy\r\n\r\nnot me";
        line.origin.on_raw("/m/refused", raw, After::KeepAlive);
        let refusal = websocket::open(line.addr(), "/m/refused").expect_err("a refusal");
        assert_eq!(refusal.status().as_u16(), 403);
        assert_eq!(refusal.headers().get("x-why").map(|value| value.as_bytes()), Some(&b"policy"[..]));
        let answer = line.ask(&Request::upgrade("/m/refused"));
        assert_eq!((answer.status(), answer.text().as_str()), (403, "not me"));
    });
}

#[test]
fn after_a_refused_upgrade_the_connection_serves_the_next_request() {
    everywhere(|line| {
        line.origin.on_raw(
            "/m/refused",
            "HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\n\r\n",
            After::KeepAlive,
        );
        let mut client = line.connect();
        assert_eq!(client.ask(&Request::upgrade("/m/refused")).status(), 426);
        assert_eq!(client.ask(&Request::get("/m/bytes?n=3")).status(), 200);
    });
}

#[test]
fn a_426_tells_the_client_which_protocol_would_do() {
    both(|line| {
        line.origin.on_raw(
            "/m/refused",
            "HTTP/1.1 426 Upgrade Required\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 0\r\n\r\n",
            After::KeepAlive,
        );
        let mut client = line.connect();
        for _ in 0..2 {
            let answer = client.ask(&Request::get("/m/refused"));
            let field = |name| answer.head.value(name);
            assert_eq!((answer.status(), field("upgrade")), (426, Some("websocket".into())));
            assert_eq!(field("connection"), Some("upgrade".into()));
        }
    });
}

#[test]
fn no_101_comes_before_the_origins_and_no_octet_passes_before_it() {
    everywhere(|line| {
        let (release, released) = mpsc::channel::<()>();
        let (heard, hears) = mpsc::channel();
        let released = Mutex::new(released);
        let counts_what_it_hears = line.is_tunnel();
        line.origin.on("/m/late", move |exchange| {
            released.lock().expect("one request").recv_timeout(PATIENCE).map_err(std::io::Error::other)?;
            websocket::accept(exchange)?;
            heard.send(exchange.receive(1024)?).map_err(std::io::Error::other)?;
            Ok(After::Close)
        });
        let mut client = line.connect();
        client.send(Request::upgrade("/m/late").to_vec());
        telephone_tests::wait::until_true("the upgrade reaches the origin", PATIENCE, || {
            line.origin.counts().requests == 1
        });
        let before = line.origin.counts().bytes_read;
        client.send(b"too early");
        client.wait_at_most(std::time::Duration::from_millis(300));
        assert!(client.try_head().is_err(), "an answer that the origin did not give");
        if counts_what_it_hears {
            assert_eq!(line.origin.counts().bytes_read, before, "octets passed before the 101");
        }
        client.wait_at_most(PATIENCE);
        release.send(()).expect("the origin waits");
        assert_eq!(client.head().status(), 101);
        assert_eq!(hears.recv_timeout(PATIENCE).expect("the origin's ear"), b"too early");
    });
}

#[test]
fn a_request_smuggled_behind_a_refused_upgrade_is_a_request_of_its_own() {
    everywhere(|line| {
        let raw = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno";
        line.origin.on_raw("/m/refused", raw, After::KeepAlive);
        let mut client = line.connect();
        client
            .send([Request::upgrade("/m/refused").to_vec(), Request::get("/m/bytes?n=3").to_vec()].concat());
        assert_eq!(client.answer("GET").text(), "no");
        assert_eq!(client.answer("GET").body.len(), 3);
        let paths: Vec<String> = line.origin.seen().iter().map(|seen| seen.head.path()).collect();
        assert_eq!(paths, ["/m/refused", "/m/bytes"]);
    });
}

#[test]
fn an_h2c_upgrade_is_dropped_and_the_request_goes_on() {
    everywhere(|line| {
        let request = Request::get("/m/echo")
            .field("Connection", "Upgrade, HTTP2-Settings")
            .field("Upgrade", "h2c")
            .field("HTTP2-Settings", "AAMAAABkAARAAAAAAAIAAAAA");
        assert_eq!(line.ask(&request).status(), 200);
        if line.is_tunnel() {
            let head = line.origin.last_head();
            assert!(!head.has("upgrade") && !head.has("http2-settings"), "h2c crossed the hop");
        }
    });
}

#[test]
fn any_other_protocol_passes_if_the_origin_takes_one_that_its_client_offered() {
    everywhere(|line| {
        line.origin.on("/m/tcp", |exchange| {
            let offered = exchange.head().value("upgrade").unwrap_or_default();
            exchange.send(format!(
                "HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nX-Offered: {offered}\r\n\r\n"
            ))?;
            let octets = exchange.receive(1024)?;
            exchange.send(octets)?;
            exchange.wait_closed()
        });
        let mut client = line.connect();
        let attach =
            Request::new("POST", "/m/tcp").field("Connection", "Upgrade").field("Content-Length", "0");
        client.send(attach.field("Upgrade", "SPDY/3.1, tcp").to_vec());
        let head = client.head();
        assert_eq!((head.status(), head.value("upgrade").as_deref()), (101, Some("tcp")));
        assert_eq!(head.value("x-offered").as_deref(), Some("SPDY/3.1, tcp"));
        client.send(b"\0\xff raw");
        assert_eq!(client.take(6), b"\0\xff raw");
    });
}

#[test]
fn a_switch_to_what_nobody_offered_is_a_bad_gateway() {
    both(|line| {
        let raw = "HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: other\r\n\r\n";
        line.origin.on_raw("/m/other", raw, After::Close);
        assert_eq!(line.ask(&Request::upgrade("/m/other")).status(), 502);
    });
}

/// An upgraded connection on which the origin has said `octets`, and whose telephone is then lost for good.
fn orphaned(program: Program, protocol: &'static str, octets: &'static [u8]) -> Client {
    let mut line = Line::through(program);
    line.origin.on("/m/begun", move |exchange| {
        exchange.send(format!("HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: {protocol}\r\n\r\n"))?;
        exchange.send(octets)?;
        exchange.wait_closed()
    });
    let mut client = line.connect();
    let request = Request::get("/m/begun").field("Connection", "Upgrade").field("Upgrade", protocol);
    client.send(request.to_vec());
    assert_eq!(client.head().status(), 101);
    assert_eq!(client.take(octets.len()), octets);
    line.replace_sidecar();
    client.wait_at_most(Duration::from_secs(3));
    client
}

#[test]
fn a_websocket_whose_telephone_is_gone_for_good_is_closed_at_once_with_1012() {
    both_programs(|program| {
        let mut client = orphaned(program, "websocket", b"\x01\x02hi");
        let (octets, is_orderly) = client.rest();
        assert!(octets.starts_with(b"\x88\x24\x03\xf4") && octets.len() == 2 + 0x24, "{octets:x?}");
        assert!(is_orderly, "a reset may overtake the close frame");
    });
}

#[test]
fn what_cannot_be_closed_in_order_is_reset_at_once() {
    both_programs(|program| {
        for (protocol, octets) in [("websocket", &b"\x82\x05half"[..]), ("tcp", b"\x82\x00")] {
            assert_eq!(orphaned(program, protocol, octets).rest(), (Vec::new(), false), "{protocol}");
        }
    });
}

/// What Docker's client sends for `docker exec -i`: an upgrade beside a body, and at once what is for the other protocol.
fn exec(target: &str, behind: &str) -> Vec<u8> {
    let request = Request::new("POST", target).field("Connection", "Upgrade").field("Upgrade", "tcp");
    [&request.body(r#"{"Tty":false}"#).to_vec()[..], behind.as_bytes()].concat()
}

#[test]
fn an_upgrade_beside_a_body_passes_the_body_first_and_the_rest_behind_the_101() {
    everywhere(|line| {
        line.origin.on("/m/exec", |exchange| {
            let (body, _) = exchange.upload()?;
            assert_eq!(body, br#"{"Tty":false}"#);
            exchange.send("HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\nout:")?;
            let mut all = Vec::new();
            loop {
                match exchange.receive(65536)? {
                    piece if piece.is_empty() => break,
                    piece => all.extend_from_slice(&piece),
                }
            }
            exchange.send(&all)?;
            exchange.finish_sending();
            exchange.wait_closed()
        });
        let mut client = line.connect();
        client.send(exec("/m/exec", "ls\n"));
        let head = client.head();
        assert_eq!((head.status(), head.value("upgrade").as_deref()), (101, Some("tcp")));
        assert_eq!(client.take(4), b"out:");
        client.send("exit\n");
        client.finish_sending();
        assert_eq!(client.rest(), (b"ls\nexit\n".to_vec(), true));
    });
}

#[test]
fn an_upgrade_beside_a_body_that_is_not_made_is_an_ordinary_exchange() {
    both(|line| {
        line.origin.on("/m/exec", |exchange| {
            let (body, _) = exchange.upload()?;
            exchange.answer(409, body)
        });
        let mut client = line.connect();
        for _ in 0..2 {
            client.send(exec("/m/exec", ""));
            let answer = client.answer("POST");
            assert_eq!((answer.status(), answer.text().as_str()), (409, r#"{"Tty":false}"#));
        }
        assert_eq!(client.ask(&Request::get("/m/bytes?n=3")).status(), 200);
    });
}

#[test]
fn h2c_passes_if_the_sidecar_is_told_to_allow_it() {
    let switch = |exchange: &mut telephone_tests::origin::Exchange| {
        assert_eq!(exchange.head().value("upgrade").as_deref(), Some("h2c"));
        exchange.send("HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n")?;
        let preface = exchange.receive(65536)?;
        exchange.send(&preface)?;
        exchange.finish_sending();
        exchange.wait_closed()
    };
    let request =
        || Request::new("POST", "/m/session").field("Connection", "Upgrade").field("Upgrade", "h2c");
    both_programs(|program| {
        let line = Line::with(program, &[], &["--allow-upgrade", "h2c"]);
        line.origin.on("/m/session", switch);
        let mut client = line.connect();
        client.send(request().to_vec());
        let head = client.head();
        assert_eq!((head.status(), head.value("upgrade").as_deref()), (101, Some("h2c")));
        client.send("PRI * HTTP/2.0\r\n\r\n");
        assert_eq!(client.take(18), b"PRI * HTTP/2.0\r\n\r\n");
        let plain = line.ask(&Request::get("/m/bytes?n=3"));
        assert_eq!(plain.status(), 200);

        let line = Line::with(program, &[], &[]);
        line.origin.on("/m/session", |exchange| {
            assert!(!exchange.head().has("upgrade"), "{:?}", exchange.head());
            exchange.answer(200, "")
        });
        assert_eq!(line.ask(&request().close()).status(), 200);
    });
}
