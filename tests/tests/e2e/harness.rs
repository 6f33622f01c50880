//! The harness itself: what tests believe about their tools, proved without a tunnel.

use std::io::ErrorKind;
use std::time::Duration;

use telephone_tests::client::{self, Client};
use telephone_tests::curl::Curl;
use telephone_tests::hop::{Cut, Door, Hop};
use telephone_tests::line::Line;
use telephone_tests::nginx::Nginx;
use telephone_tests::origin::{After, Origin};
use telephone_tests::prf;
use telephone_tests::process::Plan;
use telephone_tests::request::Request;
use telephone_tests::wait::{self, PATIENCE};
use telephone_tests::wire::Ending;

#[test]
fn the_echo_holds_every_octet_of_head_body_and_trailers() {
    let line = Line::straight();
    let request = Request::new("POST", "/m/echo").field("A", b"\xff\x80").chunked(&[b"ab", b"c"], "x: 1\r\n");
    let echoed = line.ask(&request);
    assert_eq!(echoed.body, [&request.head()[..], b"abcx: 1\r\n"].concat());
}

#[test]
fn curl_reads_what_the_origin_writes() {
    let line = Line::straight();
    let answer = Curl::new(&line.url("/m/bytes?n=100000&seed=3")).run();
    assert_eq!((answer.code, answer.status()), (Some(0), 200));
    assert_eq!(answer.body, prf::Body::new(3, 100_000).to_vec());
    let uploaded = Curl::new(&line.url("/m/hash")).upload(&answer.body).run();
    assert_eq!(uploaded.text(), format!("100000 {}", prf::digest(&answer.body).sha256));
}

#[test]
fn nginx_serves_files_and_passes_requests_on() {
    let files = Nginx::files_at("/m/");
    files.put("a.txt", b"content");
    let hop = Nginx::before(files.addr());
    assert_eq!(client::get(hop.addr(), "/m/a.txt").text(), "content");
}

#[test]
fn the_raw_client_tells_an_end_from_a_cut_and_from_a_reset() {
    let line = Line::straight();
    line.origin.on_raw("/whole", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", After::Close);
    line.origin.on_raw("/short", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", After::Close);
    line.origin.on_raw("/reset", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", After::Reset);
    assert_eq!(line.get("/whole").ending, Ending::Complete(Vec::new()));
    assert_eq!(line.get("/short").ending, Ending::Truncated);
    assert_eq!(line.get("/reset").ending, Ending::Reset);
}

#[test]
fn the_origin_counts_uploads_that_break() {
    let origin = Origin::start();
    let client = Client::connect(origin.addr());
    client.send(Request::new("POST", "/m/hash").field("Content-Length", "9").head());
    client.send(b"abc");
    drop(client);
    wait::until_true("the origin sees it break", PATIENCE, || origin.counts().uploads_broken == 1);
    assert_eq!(origin.counts().uploads_complete, 0);
}

#[test]
fn a_hop_ends_connections_in_each_of_its_ways() {
    let line = Line::straight();
    line.origin.on("/part", |exchange| {
        exchange.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc")?;
        exchange.wait_closed()
    });
    let hop = Hop::before(line.addr());
    let begun = || {
        let mut client = Client::connect(hop.addr());
        client.send(Request::get("/part").to_vec());
        let head = client.head();
        assert_eq!(client.take(3), b"abc");
        (client, head)
    };
    for (how, ending) in [(Cut::Finish, Ending::Truncated), (Cut::Reset, Ending::Reset)] {
        let (mut client, head) = begun();
        assert_eq!(hop.cut(how), 1);
        assert_eq!(client.digest_body(&head).expect("an end").1, ending, "{how:?}");
        drop(client);
        line.origin.wait_idle(PATIENCE);
    }
    let (mut client, head) = begun();
    assert_eq!((hop.cut(Cut::Silence), hop.cut(Cut::Finish)), (1, 0));
    assert_eq!(client.digest_body(&head).expect("an end").1, Ending::Reset);
    let (mut client, _) = begun();
    hop.cut(Cut::Silence);
    client.wait_at_most(Duration::from_millis(100));
    assert!(client.some(1).is_err_and(|error| error.kind() == ErrorKind::WouldBlock), "it was not silent");
    assert_eq!(line.origin.counts().open, 1, "the origin noticed");
}

#[test]
fn a_hop_turns_new_connections_away_or_swallows_them() {
    let line = Line::straight();
    let hop = Hop::before(line.addr());
    hop.set_door(Door::Shut);
    assert!(client::try_get(hop.addr(), "/x").is_none());
    hop.set_door(Door::Silent);
    let mut client = Client::connect(hop.addr());
    client.send(Request::get("/x").to_vec());
    client.wait_at_most(Duration::from_millis(100));
    assert!(client.try_head().is_err_and(|error| error.kind() == ErrorKind::WouldBlock), "an answer");
    hop.set_door(Door::Open);
    client.wait_at_most(PATIENCE);
    assert!(client.try_head().is_err_and(|error| error.kind() == ErrorKind::ConnectionReset));
    assert_eq!(client::get(hop.addr(), "/x").status(), 200);
    assert_eq!((hop.accepted(), line.origin.counts().requests), (3, 1));
}

#[test]
fn a_process_is_heard_and_awaited() {
    let finished = Plan::new("sh").args(["-c", "echo out; echo err >&2; exit 7"]).finish();
    assert_eq!(finished.code, Some(7));
    assert_eq!((finished.stdout.as_str(), finished.stderr.as_str()), ("out\n", "err\n"));
    let mut sleeper = Plan::new("sleep").arg("1000").start();
    assert!(sleeper.resident_kib() > 0);
    sleeper.kill();
    assert!(sleeper.exit_status().is_some());
}
