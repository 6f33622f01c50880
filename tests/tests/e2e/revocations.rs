//! What a revocation ends, who may order one, and how long it is remembered.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value;
use telephone_tests::client::{Answer, Client, ask, get};
use telephone_tests::line::both_programs;
use telephone_tests::origin::Origin;
use telephone_tests::process::Plan;
use telephone_tests::relay::{NO_GRACE, Relay, write_private};
use telephone_tests::request::Request;
use telephone_tests::sidecar::{Program, Sidecar};
use telephone_tests::wait::{self, PATIENCE};
use telephone_tests::{bins, gate, websocket};

use crate::identity::token_id;

/// A text message of two bytes, as a server sends it.
const MESSAGE: &[u8] = b"\x81\x02hi";

/// A relay whose rooms ask for tokens, and an origin in the room `r`. At `/whole` the origin sends a whole message over a
/// WebSocket and goes silent, at `/half` the half of one, at `/body` the half of a body.
fn room(program: Program) -> (Relay, Origin, Sidecar) {
    let relay = Relay::with(&[&["--rooms", "--client-tokens"], NO_GRACE].concat());
    let origin = Origin::start();
    for (path, octets) in [("/whole", MESSAGE), ("/half", &b"\x81\x04hi"[..])] {
        origin.on(path, move |exchange| {
            websocket::accept(exchange)?;
            exchange.send(octets)?;
            exchange.wait_closed()
        });
    }
    origin.on("/body", |exchange| {
        exchange.send("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf")?;
        exchange.wait_closed()
    });
    let token = relay.token_with("desk", &[], &["--room", "r"]);
    let dial = program.dial(&relay).token(&token).args(&["--room", "r"]).backend(&origin.url());
    let sidecar = dial.ready();
    (relay, origin, sidecar)
}

/// A client of the room that has received the four bytes which the origin sends at `path`.
fn visitor(relay: &Relay, path: &str, token: &str) -> Client {
    let target = format!("/client{path}?room=r");
    let request = if path == "/body" { Request::get(&target) } else { Request::upgrade(&target) };
    let mut client = Client::connect(relay.addr());
    client.send(request.field("Authorization", format!("Bearer {token}")).to_vec());
    assert!([101, 200].contains(&client.head().status()));
    assert_eq!(client.take(4).len(), 4);
    client
}

fn client_token(relay: &Relay, subject: &str) -> String {
    relay.token_with(subject, &[], &["--client", "--room", "r"])
}

/// How many sessions and clients an order ended.
fn ended(answer: &Answer) -> u64 {
    assert_eq!(answer.status(), 200, "{}", answer.text());
    let body: Value = serde_json::from_slice(&answer.body).expect("JSON");
    body["ended"].as_u64().expect("a number")
}

#[test]
fn revoking_a_rooms_client_closes_its_web_socket_and_cuts_off_what_cannot_be_closed() {
    both_programs(|program| {
        let (relay, _origin, _sidecar) = room(program);
        let [ann, bob] = ["ann", "bob"].map(|subject| client_token(&relay, subject));
        let [mut whole, mut half, mut body] =
            ["/whole", "/half", "/body"].map(|path| visitor(&relay, path, &ann));
        let mut other = visitor(&relay, "/whole", &bob);
        assert_eq!(ended(&relay.revoke(r#"{"sub":"ann"}"#)), 3);
        let (close, _) = whole.rest();
        assert_eq!((close[0], &close[2..4]), (0x88, &1008_u16.to_be_bytes()[..]), "{close:?}");
        for client in [&mut half, &mut body] {
            let (rest, is_in_order) = client.rest();
            assert!(rest.is_empty() && !is_in_order, "it ends as if it were whole, with {rest:?}");
        }
        // Another client's stays, until its own token is revoked by name.
        assert_eq!(ended(&relay.revoke(r#"{"jti":"of nobody"}"#)), 0);
        assert_eq!(ended(&relay.revoke(&format!(r#"{{"jti":"{}"}}"#, token_id(&bob)))), 1);
        assert_eq!(other.take(1), [0x88]);
        assert_eq!(ended(&relay.revoke(r#"{"sub":"bob"}"#)), 0, "a client is left behind");
    });
}

#[test]
fn a_request_that_waits_for_a_rooms_telephone_is_refused_when_its_clients_token_is_revoked() {
    both_programs(|program| {
        let (relay, origin, mut sidecar) = room(program);
        sidecar.kill();
        let mut client = Client::connect(relay.addr());
        let token = client_token(&relay, "ann");
        let request = Request::get("/client/m/bytes?n=3&room=r");
        client.send(request.field("Authorization", format!("Bearer {token}")).to_vec());
        wait::until_true("the request waits", PATIENCE, || {
            relay.metrics().lines().any(|line| line == "plugboard_requests_in_progress 1")
        });
        assert_eq!(relay.revoke(r#"{"sub":"ann"}"#).status(), 200);
        assert_eq!(client.answer("GET").status(), 401);
        let token = relay.token_with("desk", &[], &["--room", "r"]);
        let dial = program.dial(&relay).token(&token).args(&["--room", "r"]).backend(&origin.url());
        let _again = dial.ready();
        let other = client_token(&relay, "bob");
        let request = Request::get("/client/m/bytes?n=3&room=r").close();
        let answer = ask(relay.addr(), &request.field("Authorization", format!("Bearer {other}")));
        assert_eq!((answer.status(), origin.counts().requests), (200, 1), "the application had it");
    });
}

#[test]
fn a_revocation_in_a_file_outlives_its_relay_and_one_in_memory_does_not() {
    both_programs(|program| {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let file = directory.path().join("revocations");
        let path = file.to_str().expect("UTF-8").to_owned();
        for (options, code) in [(vec!["--revocations", &path], Some(3)), (Vec::new(), None)] {
            let (mut relay, origin) = (Relay::with(&[NO_GRACE, &options].concat()), Origin::start());
            let token = relay.token(&["/m"]);
            assert_eq!(relay.revoke(&format!(r#"{{"jti":"{}"}}"#, token_id(&token))).status(), 200);
            relay.kill();
            relay.restart();
            let dial = program.dial(&relay).token(&token).mount("/m").backend(&origin.url());
            match code {
                Some(code) => assert_eq!(dial.start().wait_exit(PATIENCE), Some(code)),
                None => drop(dial.ready()),
            }
        }
        assert_eq!(fs::metadata(&file).expect("the file").permissions().mode() & 0o777, 0o600);
    });
}

/// `plugboard serve` with more options, on ports of its own, to its end.
fn serve(relay: &Relay, options: &[&str]) -> (Option<i32>, String) {
    let plan = Plan::new(bins::path("plugboard")).arg("serve").arg("--secret-file").arg(relay.secret_file());
    let finished = plan.args(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]).args(options).finish();
    (finished.code, finished.stderr)
}

#[test]
fn a_file_of_revocations_that_cannot_be_relied_on_ends_the_start_with_2() {
    let _turn = gate::shared();
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = |name: &str| directory.path().join(name).to_str().expect("UTF-8").to_owned();
    let (shared, damaged) = (path("shared"), path("damaged"));
    let relay = Relay::with(&["--revocations", &shared]);
    fs::write(&damaged, "{\"sub\":\"a\"}\nhello\n{\"sub\":\"b\"}\n").expect("disk space");
    for (file, why) in [
        (&*shared, "another process has it open"),
        (&*damaged, "line 2 is damaged"),
        ("/no/such/directory/revocations", "No such file"),
    ] {
        let (code, said) = serve(&relay, &["--revocations", file]);
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains(file) && said.contains(why), "{said}");
    }
    // A last line that a crash cut short is no damage.
    fs::write(&damaged, "{\"sub\":\"a\"}\n{\"sub\":\"b").expect("disk space");
    let tolerant = Relay::with(&["--revocations", &damaged]);
    tolerant.process().wait_stderr("line=2", PATIENCE);
}

#[test]
fn with_an_admin_token_only_who_shows_it_revokes_and_everybody_may_look() {
    let _turn = gate::shared();
    let directory = tempfile::tempdir().expect("a temporary directory");
    let file = directory.path().join("admin");
    let path = file.to_str().expect("UTF-8").to_owned();
    let [first, second] = ["0123456789abcdef".repeat(2), "fedcba9876543210".repeat(2)];
    write_private(&file, &format!("{first}\n"));
    let relay = Relay::with(&["--admin-token-file", &path]);
    let revoke = |token: Option<&str>| {
        let head = format!("POST /revoke HTTP/1.1\r\nHost: {}\r\n", relay.admin());
        let request = Request::raw("POST", &head).body(r#"{"sub":"shop"}"#);
        let request = match token {
            Some(token) => request.field("Authorization", format!("Bearer {token}")),
            None => request,
        };
        let answer = ask(relay.admin(), &request.close());
        (answer.status(), answer.head.value("www-authenticate"))
    };
    let refused = (401, Some("Bearer".to_owned()));
    assert_eq!([revoke(None), revoke(Some(&second))], [refused.clone(), refused.clone()]);
    assert!(!relay.metrics().contains("plugboard_revocations_total 1"));
    assert_eq!(revoke(Some(&first)).0, 200);
    assert!(relay.metrics().contains("plugboard_revocations_total 1"));
    write_private(&file, &second);
    assert_eq!((revoke(Some(&first)), revoke(Some(&second)).0), (refused, 200));
    assert!(!relay.process().said().contains(&first), "the token was logged");
    write_private(&file, "short");
    assert_eq!(revoke(Some("short")).0, 500);
    let (code, said) = serve(&relay, &["--admin-token-file", &path]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains(&path) && said.contains("5 bytes"), "{said}");
}

#[test]
fn a_token_that_lives_too_long_is_refused_for_a_reason_of_its_own() {
    both_programs(|program| {
        let relay = Relay::with(&["--token-ttl-max", "1h"]);
        let origin = Origin::start();
        for (ttl, is_good) in [("1h", true), ("2h", false)] {
            let token = relay.token_with("shop", &["/m"], &["--ttl", ttl]);
            let dial = program.dial(&relay).token(&token).mount("/m").backend(&origin.url());
            if is_good {
                let _sidecar = dial.ready();
                assert_eq!(get(relay.addr(), "/m/bytes?n=1").status(), 200);
            } else {
                let mut sidecar = dial.start();
                assert_eq!(sidecar.wait_exit(PATIENCE), Some(3));
                let said = sidecar.process().stderr();
                assert!(said.contains("at most 3600 s from now (--token-ttl-max)"), "{said}");
                assert!(relay.metric("plugboard_tokens_refused_total{reason=\"lives_too_long\"}") > 0);
            }
        }
    });
}

#[test]
fn a_secret_file_that_others_can_read_is_warned_of_once_with_what_to_do() {
    both_programs(|program| {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let admin = directory.path().join("admin");
        let token = directory.path().join("token");
        let [admin_path, token_path] = [&admin, &token].map(|path| path.to_str().expect("UTF-8").to_owned());
        fs::write(&admin, "0123456789abcdef".repeat(2)).expect("disk space");
        fs::set_permissions(&admin, fs::Permissions::from_mode(0o640)).expect("our own file");
        let relay = Relay::with(&["--admin-token-file", &admin_path]);
        let origin = Origin::start();
        let warnings = |said: &str| said.matches("others on this machine").count();
        relay.process().wait_stderr("admin on", PATIENCE);
        let said = relay.process().stderr();
        assert_eq!(warnings(&said), 1, "the secret file is private: {said}");
        for part in
            [&format!("--admin-token-file {admin_path}"), "mode 0640", &format!("`chmod 600 {admin_path}`")]
        {
            assert!(said.contains(part), "{part}: {said}");
        }
        for (mode, count) in [(0o600, 0), (0o644, 1)] {
            write_private(&token, &relay.token(&["/m"]));
            fs::set_permissions(&token, fs::Permissions::from_mode(mode)).expect("our own file");
            let dial = program.dial(&relay).mount("/m").backend(&origin.url());
            let sidecar = dial.args(&["--token-file", &token_path]).ready();
            sidecar.process().wait_stderr("connected", PATIENCE);
            let said = sidecar.process().stderr();
            assert_eq!(warnings(&said), count, "{said}");
            assert!(count == 0 || said.contains(&format!("`chmod 600 {token_path}`")), "{said}");
        }
    });
}
