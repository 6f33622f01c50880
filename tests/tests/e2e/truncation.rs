//! What is cut never looks whole, in either direction.

use std::io;
use std::sync::Mutex;
use std::sync::mpsc;
use std::time::Duration;

use telephone_tests::curl::Curl;
use telephone_tests::line::{Line, both, everywhere};
use telephone_tests::origin::After;
use telephone_tests::request::{Request, chunk};
use telephone_tests::wait::{self, PATIENCE};
use telephone_tests::wire::Ending;

/// Ways in which an origin cuts its answer after the first octets: name, octets, what it does then.
const CUTS: &[(&str, &str, After)] = &[
    ("short of its length", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", After::Close),
    ("one octet short", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabc", After::Close),
    ("reset before its length", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", After::Reset),
    ("no last chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", After::Close),
    ("within a chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nabc", After::Close),
    (
        "within the trailers",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n",
        After::Close,
    ),
    (
        "reset between chunks",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
        After::Reset,
    ),
    (
        "no chunk size",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nxyz\r\n",
        After::Close,
    ),
];

#[test]
fn a_truncated_answer_never_looks_complete() {
    both(|line| {
        for (name, raw, after) in CUTS {
            line.origin.on_raw("/m/cut", *raw, *after);
            let mut client = line.connect();
            client.send(Request::get("/m/cut").to_vec());
            // A cut that is known before the head is sent may as well become a 502.
            let answer = client.try_answer("GET");
            if let Ok(answer) = answer {
                let is_declared = answer.status() == 502;
                assert!(is_declared || !answer.ending.is_complete(), "{name}: {:?}", answer.text());
            }
        }
    });
}

#[test]
fn curl_reports_a_truncated_answer_as_an_error() {
    everywhere(|line| {
        for (name, raw, after) in CUTS.iter().filter(|(_, _, after)| *after == After::Close) {
            line.origin.on_raw("/m/cut", *raw, *after);
            let answer = Curl::new(&line.url("/m/cut")).run();
            let is_declared = line.is_tunnel() && answer.code == Some(0) && answer.status() == 502;
            assert!(is_declared || answer.code != Some(0), "{name}: {answer:?}");
        }
    });
}

#[test]
fn an_answer_cut_after_its_head_was_passed_on_is_an_abort() {
    both(|line| {
        let (cut, is_cut) = mpsc::channel::<()>();
        let is_cut = Mutex::new(is_cut);
        line.origin.on("/m/cut", move |exchange| {
            exchange.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")?;
            is_cut.lock().expect("one at a time").recv_timeout(PATIENCE).map_err(io::Error::other)?;
            Ok(After::Close)
        });
        for version in ["HTTP/1.1", "HTTP/1.0"] {
            let mut client = line.connect();
            client.send(format!("GET /m/cut {version}\r\nHost: app.example\r\n\r\n"));
            let head = client.head();
            assert_eq!(head.status(), 200);
            cut.send(()).expect("the origin waits");
            // To HTTP/1.0 the end of the connection is the end of the body: only a reset tells.
            let (_, ending) = client.digest_body(&head).expect("an end");
            assert!(!ending.is_complete(), "{version}: {ending:?}");
        }
    });
}

#[test]
fn an_http_1_0_answer_that_is_reset_is_an_abort() {
    both(|line| {
        let (cut, is_cut) = mpsc::channel::<()>();
        let is_cut = Mutex::new(is_cut);
        line.origin.on("/m/old", move |exchange| {
            exchange.send("HTTP/1.0 200 OK\r\n\r\nabc")?;
            is_cut.lock().expect("one at a time").recv_timeout(PATIENCE).map_err(io::Error::other)?;
            Ok(After::Reset)
        });
        let mut client = line.connect();
        client.send(Request::get("/m/old").to_vec());
        let head = client.head();
        cut.send(()).expect("the origin waits");
        let (_, ending) = client.digest_body(&head).expect("an end");
        assert!(!ending.is_complete(), "{ending:?}");
    });
}

#[test]
fn an_upload_that_dies_never_looks_complete_to_the_origin() {
    everywhere(|line| {
        let half: [(&str, Vec<u8>); 3] = [
            ("short of its length", with_length(b"abc")),
            ("no last chunk", chunked(&chunk(b"abc"))),
            ("within a chunk", chunked(b"9\r\nabc")),
        ];
        for (name, octets) in half {
            for is_reset in [false, true] {
                let before = line.origin.counts();
                let client = line.connect();
                client.send(&octets);
                wait_for_request(line, before.requests);
                if is_reset {
                    client.reset();
                } else {
                    drop(client);
                }
                wait::until_true("the origin sees the upload break", PATIENCE, || {
                    line.origin.counts().uploads_broken > before.uploads_broken
                });
                assert_eq!(line.origin.counts().uploads_complete, 0, "{name}, reset: {is_reset}");
            }
        }
    });
}

#[test]
fn an_upload_with_a_broken_chunk_is_refused_and_breaks_at_the_origin() {
    both(|line| {
        let mut client = line.connect();
        client.send(chunked(&chunk(b"abc")));
        wait_for_request(line, 0);
        client.send(b"zz\r\n");
        // The relay answers 400, or may only cut; the origin must see a break in either case.
        if let Ok(answer) = client.try_answer("POST") {
            assert_eq!(answer.status(), 400);
        }
        wait::until_true("the origin sees the upload break", PATIENCE, || {
            line.origin.counts().uploads_broken == 1
        });
        assert_eq!(line.origin.counts().uploads_complete, 0);
    });
}

#[test]
fn an_early_answer_arrives_while_the_upload_runs() {
    everywhere(|line| {
        line.origin.on("/m/early", |exchange| {
            exchange.receive(1)?;
            exchange.send(
                "HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig",
            )?;
            exchange.finish_sending();
            // Closing with unread octets would reset the connection and may destroy the answer on its way.
            while exchange.receive(65536).is_ok_and(|piece| !piece.is_empty()) {}
            Ok(After::Close)
        });
        let mut client = line.connect();
        client.send(Request::new("POST", "/m/early").field("Content-Length", "1000000000").head());
        client.send([b'x'; 1000]);
        let answer = client.answer("POST");
        assert_eq!((answer.status(), answer.text().as_str()), (413, "big"));
        assert_eq!(answer.ending, Ending::Complete(Vec::new()));
        assert_eq!(line.origin.counts().uploads_complete, 0);
    });
}

#[test]
fn an_answer_after_an_early_one_is_never_read_out_of_the_unread_upload() {
    both(|line| {
        line.origin.on("/m/early", |exchange| {
            exchange.send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig")?;
            Ok(After::Close)
        });
        let mut client = line.connect();
        let smuggled = Request::get("/m/smuggled").to_vec();
        let rest = smuggled.len() + 1_000_000;
        client.send(Request::new("POST", "/m/early").field("Content-Length", rest.to_string()).head());
        assert_eq!(client.answer("POST").status(), 413);
        // The connection may end at any octet of this.
        let _closed = client.try_send(smuggled);
        client.wait_at_most(Duration::from_secs(10));
        assert!(client.try_answer("GET").is_err(), "a body was taken for a request");
        assert!(line.origin.seen().iter().all(|seen| seen.head.path() == "/m/early"));
    });
}

fn with_length(part: &[u8]) -> Vec<u8> {
    [&Request::new("POST", "/m/hash").field("Content-Length", "9").head()[..], part].concat()
}

fn chunked(part: &[u8]) -> Vec<u8> {
    [&Request::new("POST", "/m/hash").field("Transfer-Encoding", "chunked").head()[..], part].concat()
}

/// Waits until the request stands at the origin, so that there is something to break.
fn wait_for_request(line: &Line, before: usize) {
    wait::until_true("the request reaches the origin", PATIENCE, || line.origin.counts().requests > before);
}
