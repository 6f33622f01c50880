//! A relay with as many connections as it may have.

use telephone_tests::client::Client;
use telephone_tests::line::Line;
use telephone_tests::relay::NO_GRACE;
use telephone_tests::request::Request;
use telephone_tests::sidecar::Program;

use super::provoke::{Provoked, Stage, unanswered};

pub(super) fn connection_shed(program: Program) -> Provoked {
    let line =
        Line::with(program, &[NO_GRACE, &["--limit-loopback", "--limit", "connections=10"]].concat(), &[]);
    // The tenth connection is the telephone's.
    let mut clients: Vec<Client> = (0..9)
        .map(|_| {
            let mut client = line.connect();
            client.send(Request::get("/m/bytes?n=2000000000").to_vec());
            client.head();
            client
        })
        .collect();
    let mut other = Client::try_connect_from([127, 0, 0, 2].into(), line.addr()).expect("the relay listens");
    assert_eq!(other.ask(&Request::get("/m/bytes?n=1").close()).status(), 200);
    let mut last = clients.pop().expect("nine clients");
    assert!(!last.rest().1, "the exchange that began last was not reset");
    unanswered(Stage::Line(line), 1).keeping(clients)
}
