//! A plugboard that runs short of connections ends what is slow, and nothing else.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use telephone_tests::client::Client;
use telephone_tests::line::Line;
use telephone_tests::relay::NO_GRACE;
use telephone_tests::request::Request;
use telephone_tests::sidecar::Program;
use telephone_tests::wait;

const FIRST: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 1));
const SECOND: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 2));

/// Between two steps of a client.
const STEP: Duration = Duration::from_millis(100);
/// Longer than it takes until what is slow is known as such and was ended.
const LONG: Duration = Duration::from_secs(12);

/// A plugboard with ten connections at most, of which the telephone has one: eight may be open with what is slow among them.
fn line(options: &[&str]) -> Line {
    let few = ["--limit-loopback", "--limit", "connections=10"];
    Line::with(Program::Tokio, &[NO_GRACE, &few, options].concat(), &[])
}

/// A client whose upload moves so many bytes at each step.
struct Upload {
    client: Client,
    each: usize,
}

impl Upload {
    fn begin(line: &Line, source: IpAddr, each: usize) -> Self {
        let client = Client::try_connect_from(source, line.addr()).expect("the relay listens");
        client.send(Request::new("POST", "/m/mirror").field("Content-Length", "50000").head());
        Self { client, each }
    }

    /// The uploads of a client.
    fn of(line: &Line, source: IpAddr, each: &[usize]) -> Vec<Self> {
        each.iter().map(|each| Self::begin(line, source, *each)).collect()
    }

    /// Whether its exchange goes on: if not, it was refused as slow.
    fn is_alive(&mut self) -> bool {
        self.client.wait_at_most(Duration::from_millis(1));
        match self.client.try_answer("POST") {
            Ok(answer) => {
                assert_eq!((answer.status(), answer.head.lists("connection", "close")), (408, true));
                false
            }
            Err(error) => {
                assert!(is_silent(&error), "{error}");
                true
            }
        }
    }
}

fn is_silent(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut)
}

/// Lets all uploads go on for so long.
fn go_on(uploads: &[Upload], time: Duration) {
    let start = Instant::now();
    for _ in wait::paced(start, STEP).take_while(|_| start.elapsed() < time) {
        for Upload { client, each } in uploads {
            // One that was refused may be closed.
            let _refused = client.try_send(vec![b'x'; *each]);
        }
    }
}

fn alive(uploads: &mut [Upload]) -> Vec<bool> {
    uploads.iter_mut().map(Upload::is_alive).collect()
}

#[test]
fn the_client_with_most_connections_loses_its_slowest_uploads_and_none_above_the_least_rate() {
    let line = line(&[]);
    // A rate of 20 bytes a second, and rates of 400.
    let mut all = Upload::of(&line, FIRST, &[0, 2, 40, 40, 40, 40]);
    all.extend(Upload::of(&line, SECOND, &[0, 0, 40]));

    go_on(&all, LONG);

    assert_eq!(alive(&mut all), [&[false; 2][..], &[true; 7]].concat());
    let metrics = line.relay().metrics();
    assert!(metrics.contains("plugboard_connections_shed_total{reason=\"slow\"} 2"), "{metrics}");
    assert!(metrics.contains("{outcome=\"request_too_slow\",class=\"4xx\"} 2"), "{metrics}");
}

#[test]
fn a_plugboard_that_runs_short_of_memory_ends_slow_uploads_too() {
    // More are in use from the start.
    let line = Line::with(Program::Tokio, &[NO_GRACE, &["--limit", "memory-bytes=1MiB"]].concat(), &[]);
    let mut all = Upload::of(&line, FIRST, &[0, 40]);
    go_on(&all, LONG);
    assert_eq!(alive(&mut all), [false, true]);
}

#[test]
fn nothing_is_too_slow_while_four_fifths_of_the_connections_or_fewer_are_open() {
    let line = line(&[]);
    let mut all = Upload::of(&line, FIRST, &[0; 7]);
    go_on(&all, LONG);
    assert_eq!(alive(&mut all), [true; 7]);
}

#[test]
fn a_reader_that_pauses_is_reset_and_one_that_takes_little_by_little_is_not() {
    let line = line(&[]);
    // The relay's kernel holds more than a client takes in the whole test, so that no write shows what is taken.
    let reader = |_| {
        let client = Client::connect_narrow(line.addr(), 4096);
        client.send(Request::get("/m/bytes?n=2000000000").to_vec());
        client
    };
    // Of equal ones the first would go.
    let mut all: Vec<Client> = (0..9).map(reader).collect();
    for client in &mut all {
        client.head();
    }
    let start = Instant::now();
    for _ in wait::paced(start, STEP).take_while(|_| start.elapsed() < LONG) {
        for client in &mut all[..7] {
            client.take(400);
        }
    }

    for client in &mut all[7..] {
        assert!(!client.rest().1, "it was not reset");
    }
    for client in &mut all[..7] {
        client.take(100_000);
    }
    let metrics = line.relay().metrics();
    assert!(metrics.contains("plugboard_connections_shed_total{reason=\"slow\"} 2"), "{metrics}");
    assert!(metrics.contains("{outcome=\"connection_shed\",class=\"2xx\"} 2"), "{metrics}");
}
