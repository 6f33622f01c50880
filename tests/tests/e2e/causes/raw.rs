//! Raw connections end for the same causes as requests: all that their clients see is a reset, and the log has the word.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;

use telephone_tests::line::both_programs;
use telephone_tests::raw::{RawBackend, RawLine};
use telephone_tests::relay::{NO_GRACE, Relay};
use telephone_tests::wait::{self, PATIENCE};

use super::logged;

fn assert_reset(mut client: TcpStream) {
    let end = client.read(&mut [0]).map_err(|error| error.kind());
    assert_eq!(end, Err(ErrorKind::ConnectionReset));
}

fn assert_logged(relay: &Relay, word: &str) {
    wait::until_true(&format!("a line of the access log says TCP and {word}"), PATIENCE, || {
        logged(relay, word).iter().any(|line| line["method"] == "TCP")
    });
}

/// Says one octet, and then waits for the other end.
fn talker() -> RawBackend {
    RawBackend::start(|mut stream| {
        let _said = stream.write_all(b"!");
        let _ended = stream.read(&mut [0]);
    })
}

#[test]
fn a_raw_connection_that_outlasts_the_grace_of_a_drain_is_cut_off_by_the_relay() {
    both_programs(|program| {
        let backend = talker();
        let options = [NO_GRACE, &["--drain-delay", "0s", "--drain-grace", "100ms"]].concat();
        let mut line = RawLine::to(program, backend.addr(), &options, &[]);
        let mut client = line.connect();
        client.read_exact(&mut [0]).expect("the backend is there");
        line.relay.terminate();
        assert_reset(client);
        assert_eq!(line.relay.wait_exit(), Some(0));
        assert_logged(&line.relay, "relay_stopped");
    });
}

#[test]
fn a_raw_connection_that_finds_no_telephone_at_a_relay_that_leaves_came_while_it_drained() {
    both_programs(|program| {
        let backend = talker();
        // The port is open until the delay is over.
        let options = [NO_GRACE, &["--limit", "park-time=50ms", "--drain-delay", "30s"]].concat();
        let mut line = RawLine::to(program, backend.addr(), &options, &[]);
        line.relay.terminate();
        line.relay.process().wait_stderr("draining", PATIENCE);
        line.sidecar.kill();
        line.relay.process().wait_stderr("lost its link", PATIENCE);
        assert_reset(line.connect());
        assert_logged(&line.relay, "draining");
    });
}
