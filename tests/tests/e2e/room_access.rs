//! Who comes into a room, by which path, and what happens to those who may not.

use std::io::{Read as _, Write as _};
use std::sync::mpsc;

use telephone_tests::client::{Answer, ask, get};
use telephone_tests::line::both_programs;
use telephone_tests::origin::{After, Origin};
use telephone_tests::relay::{NO_GRACE, Relay};
use telephone_tests::request::Request;
use telephone_tests::sidecar::{Dial, Program, Sidecar};
use telephone_tests::wait::{self, PATIENCE};
use telephone_tests::websocket;

/// A relay with rooms that need not wait for telephones to come back.
fn relay(options: &[&str]) -> Relay {
    Relay::with(&[&["--rooms"], NO_GRACE, options].concat())
}

/// A telephone of the room `r` with a token made with more options.
fn dial(program: Program, relay: &Relay, origin: &Origin, options: &[&str]) -> Dial {
    let token = relay.token_with("desk", &[], &[&["--room", "r"], options].concat());
    program.dial(relay).token(&token).args(&["--room", "r"]).backend(&origin.url())
}

/// A relay with these options, and an origin in the room `r`.
fn room(program: Program, options: &[&str]) -> (Relay, Origin, Sidecar) {
    let (relay, origin) = (relay(options), Origin::start());
    let sidecar = dial(program, &relay, &origin, &[]).ready();
    (relay, origin, sidecar)
}

/// A client's token for a room.
fn client_token(relay: &Relay, room: &str) -> String {
    relay.token_with("ann", &[], &["--client", "--room", room])
}

fn with_token(relay: &Relay, token: &str) -> Answer {
    let request = Request::get("/client/m/bytes?n=3&room=r");
    ask(relay.addr(), &request.field("Authorization", format!("Bearer {token}")).close())
}

#[test]
fn a_room_that_cannot_be_reached_is_refused_before_the_upgrade() {
    both_programs(|program| {
        let (relay, _origin, _sidecar) = room(program, &[]);
        for (target, status, why) in [
            ("/client/doc", 400, "/client?room=ID"),
            ("/client?room=r/doc", 400, "/client/DOCUMENT?room=ID"),
            ("/client?room=r&room=s", 400, "one room"),
            ("/client?room=nobody", 404, "Nobody is connected"),
        ] {
            for request in [Request::get(target), Request::upgrade(target)] {
                let answer = ask(relay.addr(), &request.close());
                assert_eq!(answer.status(), status, "{target}");
                assert!(answer.text().contains(why), "{target}: {}", answer.text());
            }
        }
        assert_eq!(get(relay.addr(), "/client/m/bytes?n=3&room=r").body.len(), 3);
    });
}

#[test]
fn a_fragmented_message_stays_as_its_client_cut_it() {
    both_programs(|program| {
        let (relay, origin, _sidecar) = room(program, &[]);
        let (heard, hears) = mpsc::channel();
        origin.on("/doc", move |exchange| {
            websocket::accept(exchange)?;
            let mut frames = [0; 26];
            exchange.read_exact(&mut frames)?;
            exchange.write_all(b"\x01\x02a \x89\x00\x80\x01b")?;
            heard.send(frames).map_err(std::io::Error::other)?;
            exchange.wait_closed()
        });
        let mut client = telephone_tests::client::Client::connect(relay.addr());
        client.send(Request::upgrade("/client/doc?room=r").to_vec());
        assert_eq!(client.head().status(), 101);
        // Text in two fragments with a ping between them, and an empty binary message.
        let frames = b"\x01\x82keyz\x0a\x0b\x89\x80keyz\x80\x80keyz\x82\x80keyz";
        client.send(frames);
        assert_eq!(hears.recv_timeout(PATIENCE).expect("the origin's ear"), *frames);
        assert_eq!(client.take(9), b"\x01\x02a \x89\x00\x80\x01b");
    });
}

#[test]
fn a_relay_that_asks_for_client_tokens_takes_them_from_three_places_and_passes_none_on() {
    both_programs(|program| {
        let (relay, origin, sidecar) = room(program, &["--client-tokens"]);
        origin.on_raw("/doc", "HTTP/1.1 204 No Content\r\n\r\n", After::KeepAlive);
        let token = client_token(&relay, "r");
        let plain = |target: &str| Request::upgrade(target).field("Cookie", "a=b").close();
        let by_query = plain(&format!("/client/doc?room=r&token={token}&x"));
        let by_field = plain("/client/doc?room=r&x").field("Authorization", format!("Bearer {token}"));
        let by_subprotocol = plain("/client/doc?room=r&x")
            .field("Sec-WebSocket-Protocol", format!("y, telephone.token.{token}"));
        for request in [by_query, by_field, by_subprotocol] {
            assert_eq!(ask(relay.addr(), &request).status(), 204);
            let seen = origin.last_head();
            assert_eq!(seen.target(), "/doc?x");
            assert!(!seen.has("authorization") && seen.value("cookie").as_deref() == Some("a=b"));
            assert!(seen.value("sec-websocket-protocol").is_none_or(|offer| offer == "y"));
        }
        for said in [relay.process().said(), sidecar.process().said()] {
            assert!(!said.contains(&token), "a token was logged");
        }
    });
}

#[test]
fn who_shows_no_good_token_gets_401_and_who_shows_anothers_403() {
    let _turn = telephone_tests::gate::shared();
    let (relay, _origin, _sidecar) = room(Program::Tokio, &["--client-tokens"]);
    let none = get(relay.addr(), "/client?room=r");
    assert_eq!((none.status(), none.head.value("www-authenticate").as_deref()), (401, Some("Bearer")));
    assert_eq!(get(relay.addr(), "/client?room=nobody").status(), 401, "it tells which rooms there are");
    assert_eq!(with_token(&relay, "a.b.c").status(), 401);
    assert_eq!(with_token(&relay, &client_token(&relay, "s")).status(), 403);
    let telephones = relay.token_with("desk", &[], &["--room", "r"]);
    assert_eq!(with_token(&relay, &telephones).status(), 403, "the right to register is another one");
    let good = client_token(&relay, "r");
    assert_eq!(with_token(&relay, &good).status(), 200);
    assert_eq!(relay.revoke(r#"{"sub":"ann"}"#).status(), 200);
    assert_eq!(with_token(&relay, &good).status(), 401);
}

#[test]
fn a_clients_token_registers_nothing() {
    both_programs(|program| {
        let relay = relay(&[]);
        let dial =
            program.dial(&relay).token(&client_token(&relay, "r")).args(&["--room", "r", "--port", "1"]);
        assert_eq!(dial.start().wait_exit(PATIENCE), Some(3));
    });
}

#[test]
fn a_rooms_own_token_may_ask_for_those_of_its_clients() {
    both_programs(|program| {
        let (relay, origin) = (relay(&[]), Origin::start());
        let _sidecar = dial(program, &relay, &origin, &["--client-tokens"]).ready();
        assert_eq!(get(relay.addr(), "/client?room=r").status(), 401);
        assert_eq!(with_token(&relay, &client_token(&relay, "s")).status(), 403);
        assert_eq!(with_token(&relay, &client_token(&relay, "r")).status(), 200);
        assert!(!origin.last_head().has("authorization"));
    });
}

#[test]
fn without_client_tokens_a_clients_credentials_are_the_applications() {
    both_programs(|program| {
        let (relay, origin, _sidecar) = room(program, &[]);
        let request = Request::get("/client/m/bytes?token=mine&room=r").field("Authorization", "Bearer own");
        assert_eq!(ask(relay.addr(), &request.close()).status(), 200);
        let seen = origin.last_head();
        assert_eq!(seen.target(), "/m/bytes?token=mine");
        assert_eq!(seen.value("authorization").as_deref(), Some("Bearer own"));
        assert!(!relay.process().stdout().contains("mine"), "what may be a token was logged");
    });
}

#[test]
fn web_pages_of_other_origins_are_turned_away() {
    let _turn = telephone_tests::gate::shared();
    let (relay, _origin, _sidecar) = room(Program::Tokio, &["--origin", "https://app.example"]);
    let from = |origin: &str| {
        let request = Request::get("/client/m/bytes?n=1&room=r").field("Origin", origin);
        ask(relay.addr(), &request.close()).status()
    };
    assert_eq!([from("https://app.example"), from("https://evil.example"), from("null")], [200, 403, 403]);
    assert_eq!(get(relay.addr(), "/client/m/bytes?n=1&room=r").status(), 200);
}

#[test]
fn the_paths_of_rooms_are_reserved_only_where_rooms_are_served() {
    both_programs(|program| {
        for (options, status) in [(NO_GRACE.to_vec(), 200), ([&["--rooms"], NO_GRACE].concat(), 400)] {
            let (relay, origin) = (Relay::with(&options), Origin::start());
            let dial = program.dial(&relay).token(&relay.token(&["/"])).mount("/").backend(&origin.url());
            let _sidecar = dial.ready();
            origin.on_raw("/client", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", After::KeepAlive);
            assert_eq!(get(relay.addr(), "/client").status(), status);
            assert_eq!(get(relay.addr(), "/clients").status(), 200);
        }
    });
}

#[test]
fn a_telephone_may_dial_the_other_name_and_take_the_other_variables() {
    both_programs(|program| {
        let (relay, origin) = (relay(&[]), Origin::start());
        let token = relay.token_with("desk", &[], &["--room", "r"]);
        let plan = program.plan().env("TELEPHONE_TOKEN", &token).env("ROOM_ID", "r");
        let url = format!("{}/agent", relay.url());
        let plan = plan.env("RELAY_URL", &url).env("LOCAL_PORT", origin.addr().port().to_string());
        let telephone = plan.start();
        telephone.wait_stderr("connected", PATIENCE);
        assert_eq!(get(relay.addr(), "/client/m/bytes?n=3&room=r").status(), 200);
    });
}

#[test]
fn a_room_whose_telephone_is_away_waits_for_it_and_is_then_not_found() {
    both_programs(|program| {
        let (relay, origin) = (relay(&["--limit", "park-time=2s"]), Origin::start());
        let mut sidecar = dial(program, &relay, &origin, &[]).ready();
        sidecar.kill();
        assert_eq!(get(relay.addr(), "/client/m/bytes?n=3&room=r").status(), 404);
        let mut client = telephone_tests::client::Client::connect(relay.addr());
        client.send(Request::get("/client/m/bytes?n=3&room=r").close().to_vec());
        wait::until_true("the request waits", PATIENCE, || {
            relay.metrics().lines().any(|line| line == "plugboard_requests_in_progress 1")
        });
        let _sidecar = dial(program, &relay, &origin, &[]).start();
        assert_eq!(client.answer("GET").status(), 200);
    });
}

#[test]
fn a_taken_room_goes_to_nobody_else() {
    both_programs(|program| {
        let (relay, origin, _sidecar) = room(program, &[]);
        let other = Origin::start();
        for (subject, instance) in [("other", "one"), ("desk", "two")] {
            let token = relay.token_with(subject, &[], &["--room", "r"]);
            let rival = program.dial(&relay).token(&token).args(&["--room", "r", "--instance", instance]);
            let rival = rival.backend(&other.url()).start();
            rival.process().wait_stderr("held by another telephone", PATIENCE);
            assert_eq!(get(relay.addr(), "/client/m/bytes?n=3&room=r").status(), 200);
        }
        assert_eq!((origin.counts().requests, other.counts().requests), (2, 0));
    });
}
