//! Bodies arrive to the octet, whatever their framing, and a gigabyte costs no memory.

use std::time::Duration;

use telephone_tests::client::Client;
use telephone_tests::curl::Curl;
use telephone_tests::line::{Line, both, both_programs, everywhere};
use telephone_tests::origin::After;
use telephone_tests::prf::{Body, STEP};
use telephone_tests::process::Process;
use telephone_tests::request::{Request, chunk};
use telephone_tests::sizes::{self, big_body};

/// What each process may hold at its peak while gigabytes pass, in KiB.
const PEAK_KIB: u64 = 64 * 1024;

fn all_octets() -> Vec<u8> {
    (0..=255).collect()
}

#[test]
fn all_256_octets_pass_in_bodies_both_ways() {
    everywhere(|line| {
        let octets = all_octets();
        assert_eq!(line.ask(&Request::post("/m/mirror", &octets)).body, octets);
        let single: Vec<&[u8]> = octets.chunks(1).collect();
        assert_eq!(line.ask(&Request::new("POST", "/m/mirror").chunked(&single, "")).body, octets);
        assert_eq!(Curl::new(&line.url("/m/mirror")).upload(&octets).run().body, octets);
    });
}

#[test]
fn a_lone_0x80_is_a_body() {
    everywhere(|line| {
        assert_eq!(line.ask(&Request::post("/m/mirror", [0x80])).body, [0x80]);
        assert_eq!(line.ask(&Request::new("PUT", "/m/mirror").chunked(&[b"\x80"], "")).body, [0x80]);
    });
}

#[test]
fn bodies_of_every_length_around_the_frame_sizes_pass() {
    everywhere(|line| {
        let mut client = line.connect();
        for len in [0, 1, 2, 16_383, 16_384, 16_385, 65_535, 65_536, 65_537, 262_144, 300_001] {
            let body = Body::new(len, len).to_vec();
            let mirrored = client.ask(&Request::post("/m/mirror", &body));
            assert!(mirrored.body == body && mirrored.ending.is_complete(), "{len} octets with a length");
            let pieces: Vec<&[u8]> = body.chunks(10_007).collect();
            let mirrored = client.ask(&Request::new("POST", "/m/mirror").chunked(&pieces, ""));
            assert!(mirrored.body == body && mirrored.ending.is_complete(), "{len} octets in chunks");
        }
    });
}

#[test]
fn a_length_stays_a_length_and_an_empty_upload_stays_empty() {
    everywhere(|line| {
        line.ask(&Request::post("/m/echo", b"abc"));
        assert_eq!(line.origin.last_head().value("content-length").as_deref(), Some("3"));
        line.ask(&Request::post("/m/echo", b""));
        assert_eq!(line.origin.last_head().value("content-length").as_deref(), Some("0"));
        line.ask(&Request::get("/m/echo"));
        assert!(!line.origin.last_head().has("content-length"));
        assert!(!line.origin.last_head().has("transfer-encoding"));
        assert_eq!(line.get("/m/bytes?n=5").head.value("content-length").as_deref(), Some("5"));
    });
}

#[test]
fn trailers_pass_both_ways() {
    everywhere(|line| {
        line.origin.on("/m/trailers", |exchange| {
            let (body, trailers) = exchange.upload()?;
            exchange.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Seen\r\n\r\n")?;
            exchange.send(chunk(&body))?;
            exchange.send([b"0\r\nX-Seen: yes\r\n", &trailers[..], b"X-Octets: \xff\r\n\r\n"].concat())?;
            Ok(After::KeepAlive)
        });
        let request = Request::new("POST", "/m/trailers")
            .field("TE", "trailers")
            .field("Connection", "TE")
            .chunked(&[b"abc"], "X-Check: 1\r\nx-CHECK: 2\r\n");
        let answer = line.ask(&request);
        assert_eq!(answer.body, b"abc");
        let expected: [(&[u8], &[u8]); 4] =
            [(b"X-Seen", b"yes"), (b"X-Check", b"1"), (b"x-CHECK", b"2"), (b"X-Octets", b"\xff")];
        let trailers: Vec<(&[u8], &[u8])> =
            answer.trailers().iter().map(|(name, value)| (&name[..], &value[..])).collect();
        assert_eq!(trailers, expected);
    });
}

#[test]
fn answers_without_a_body_end_with_their_head() {
    everywhere(|line| {
        let mut client = line.connect();
        // All on one connection: an octet too much would be taken for the next answer.
        let head = client.ask(&Request::new("HEAD", "/m/status?code=200"));
        assert_eq!((head.status(), head.head.value("content-length").as_deref()), (200, Some("5")));
        let no_content = client.ask(&Request::get("/m/status?code=204"));
        assert_eq!(no_content.status(), 204);
        assert!(!no_content.head.has("content-length") && !no_content.head.has("transfer-encoding"));
        let not_modified = client.ask(&Request::get("/m/status?code=304"));
        assert_eq!((not_modified.status(), not_modified.head.value("etag").as_deref()), (304, Some("\"e\"")));
        let last = client.ask(&Request::get("/m/status?code=404"));
        assert_eq!((last.status(), last.text().as_str()), (404, "five\n"));
    });
}

#[test]
fn an_answer_to_an_http_1_0_origin_ends_with_its_connection() {
    both(|line| {
        let raw = "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nuntil the end";
        line.origin.on_raw("/m/old", raw, After::Close);
        let mut client = line.connect();
        for _ in 0..2 {
            let answer = client.ask(&Request::get("/m/old"));
            assert_eq!((answer.text().as_str(), answer.ending.is_complete()), ("until the end", true));
        }
    });
}

#[test]
fn an_http_1_0_client_gets_a_whole_answer_that_ends_with_the_connection() {
    everywhere(|line| {
        let raw = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
        if line.is_tunnel() {
            line.origin.on_raw("/m/chunks", raw, After::KeepAlive);
        } else {
            line.origin.on_raw("/m/chunks", "HTTP/1.1 200 OK\r\n\r\nabc", After::Close);
        }
        let mut client = line.connect();
        client.send("GET /m/chunks HTTP/1.0\r\nHost: app.example\r\n\r\n");
        let head = client.head();
        assert!(!head.has("transfer-encoding"), "chunks to an HTTP/1.0 client");
        assert_eq!(client.rest(), (b"abc".to_vec(), true));
    });
}

#[test]
fn a_gigabyte_comes_down_whole_in_little_memory() {
    let len = big_body();
    let expected = Body::new(1, len).digest();
    both(|line| {
        let mut client = line.connect();
        client.wait_at_most(Duration::from_secs(60));
        client.send(Request::get(&format!("/m/bytes?n={len}&seed=1")).to_vec());
        let head = client.head();
        let (digest, ending) = client.digest_body(&head).expect("a body");
        assert!(ending.is_complete(), "{ending:?} after {} octets", digest.len);
        assert_eq!(digest, expected);
        assert_peaks(line);
    });
}

#[test]
fn a_gigabyte_goes_up_whole_in_little_memory() {
    let len = big_body();
    let expected = Body::new(2, len).digest();
    both(|line| {
        let mut client = line.connect();
        client.wait_at_most(Duration::from_secs(60));
        client.send(Request::new("POST", "/m/hash").field("Content-Length", len.to_string()).head());
        send_body(&client, Body::new(2, len));
        assert_eq!(client.answer("POST").text(), format!("{} {}", expected.len, expected.sha256));
        assert_eq!(line.origin.counts().uploads_complete, 1);
        assert_peaks(line);
    });
}

fn send_body(client: &Client, mut body: Body) {
    let mut buffer = vec![0; STEP];
    while let count @ 1.. = body.read(&mut buffer) {
        client.send(&buffer[..count]);
    }
}

fn assert_peaks(line: &Line) {
    let processes: [(&str, &Process); 2] =
        [("plugboard", line.relay().process()), ("sidecar", line.sidecar().process())];
    for (name, process) in processes {
        let peak = process.peak_kib();
        sizes::figure(name, format_args!("peak {peak} KiB"));
        assert!(peak < PEAK_KIB, "the {name} held {peak} KiB");
    }
}

#[test]
fn an_upload_pauses_for_as_long_as_its_telephone_asks_and_its_plugboard_allows() {
    both_programs(|program| {
        let relay = ["--limit", "body-window=100ms", "--limit", "body-clock-max=10s"];
        for (asked, status) in [(&["--body-clock", "1h"][..], 200), (&[], 408)] {
            let line = Line::with(program, &relay, asked);
            let mut client = line.connect();
            client.send(Request::new("POST", "/m/hash").field("Content-Length", "2").head());
            client.send(b"a");
            // The pause is what is tested.
            std::thread::sleep(Duration::from_millis(600));
            let _ended = client.try_send(b"b");
            assert_eq!(client.answer("POST").status(), status, "{asked:?}");
        }
    });
}
