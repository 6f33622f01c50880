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

/// Says one octet, and then says on without an end to whoever wants it.
fn talker() -> RawBackend {
    RawBackend::start(|mut stream| {
        let mut wish = [0];
        let _said = stream.write_all(b"!");
        let _wished = stream.read(&mut wish);
        while wish == *b"w" && stream.write_all(&[0; 65536]).is_ok() {}
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
        // One that takes nothing hears of nothing.
        let mut stalled = line.connect();
        stalled.read_exact(&mut [0]).expect("the backend is there");
        stalled.write_all(b"w").expect("the tunnel takes it");
        line.relay.terminate();
        assert_reset(client);
        assert_eq!(line.relay.wait_exit(), Some(0));
        assert!(stalled.read_to_end(&mut Vec::new()).is_err(), "it looks complete");
        assert_logged(&line.relay, "relay_stopped");
        assert_eq!(logged(&line.relay, "relay_stopped").len(), 2);
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
