//! Failures of rooms.

use telephone_tests::client::Client;
use telephone_tests::origin::Origin;
use telephone_tests::relay::{NO_GRACE, Relay};
use telephone_tests::request::Request;
use telephone_tests::sidecar::Program;

use super::provoke::{Provoked, Stage, answered, asked, unanswered};

/// A relay that serves rooms, with more options.
fn rooms(options: &[&str]) -> Relay {
    Relay::with(&[NO_GRACE, &["--rooms"], options].concat())
}

pub(super) fn room_not_named(_: Program) -> Provoked {
    let relay = rooms(&[]);
    let answers = vec![
        asked(relay.addr(), &Request::get("/client")),
        asked(relay.addr(), &Request::get("/client?room=a&room=b")),
    ];
    answered(Stage::Relay(relay), answers)
}

pub(super) fn client_token_refused(_: Program) -> Provoked {
    let relay = rooms(&["--client-tokens"]);
    let other = relay.token_with("ann", &[], &["--client", "--room", "other"]);
    let request = Request::get("/client?room=r");
    let answers = vec![
        asked(relay.addr(), &request),
        asked(relay.addr(), &request.clone().field("Authorization", format!("Bearer {other}"))),
    ];
    answered(Stage::Relay(relay), answers)
}

pub(super) fn too_many_bad_tokens(_: Program) -> Provoked {
    let one = ["--limit", "hellos-per-address-burst=1", "--limit", "hellos-per-address=1"];
    let relay = rooms(&[&["--client-tokens", "--limit-loopback"], &one[..]].concat());
    let request = Request::get("/client?room=r").field("Authorization", "Bearer no.token.atall");
    let bad = || asked(relay.addr(), &request);
    let refused = std::iter::from_fn(|| Some(bad())).take(20).find(|head| head.status() == 429);
    answered(Stage::Relay(relay), vec![refused.expect("a bad token that was not checked")])
}

pub(super) fn origin_refused(_: Program) -> Provoked {
    let relay = rooms(&["--origin", "https://app.example"]);
    let foreign = Request::get("/client?room=r").field("Origin", "https://evil.example");
    let answers = vec![asked(relay.addr(), &foreign)];
    answered(Stage::Relay(relay), answers)
}

pub(super) fn room_empty(_: Program) -> Provoked {
    let relay = rooms(&[]);
    let answers = vec![asked(relay.addr(), &Request::get("/client?room=r"))];
    answered(Stage::Relay(relay), answers)
}

pub(super) fn client_revoked(program: Program) -> Provoked {
    let relay = rooms(&["--client-tokens"]);
    let origin = Origin::start();
    origin.on("/half", |exchange| {
        exchange.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc")?;
        exchange.wait_closed()
    });
    let [desk, ann] = [("desk", &["--room", "r"][..]), ("ann", &["--client", "--room", "r"])]
        .map(|(subject, options)| relay.token_with(subject, &[], options));
    let dial = program.dial(&relay).token(&desk).args(&["--room", "r"]).backend(&origin.url());
    let sidecar = dial.ready();
    let mut client = Client::connect(relay.addr());
    let request = Request::get("/client/half?room=r").field("Authorization", format!("Bearer {ann}"));
    client.send(request.to_vec());
    assert_eq!(client.head().status(), 200);
    assert_eq!(relay.revoke(r#"{"sub":"ann"}"#).status(), 200);
    unanswered(Stage::Relay(relay), 1).keeping((origin, sidecar, client))
}
