//! Interim answers: 103, and 100-continue from end to end.

use std::sync::Mutex;
use std::sync::mpsc;

use telephone_tests::client::Answer;
use telephone_tests::curl::Curl;
use telephone_tests::line::{Line, both_programs, everywhere};
use telephone_tests::origin::After;
use telephone_tests::request::Request;
use telephone_tests::wait::PATIENCE;

#[test]
fn early_hints_come_before_their_answer() {
    everywhere(|line| {
        let (release, released) = mpsc::channel::<()>();
        let released = Mutex::new(released);
        line.origin.on("/m/hints", move |exchange| {
            exchange.send("HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n")?;
            exchange.send("HTTP/1.1 103 Early Hints\r\nLink: </b.js>; rel=preload\r\n\r\n")?;
            let released = released.lock().expect("one request").recv_timeout(PATIENCE);
            released.map_err(std::io::Error::other)?;
            exchange.answer(200, "done")
        });
        let mut client = line.connect();
        client.send(Request::get("/m/hints").to_vec());
        for link in ["</a.css>; rel=preload", "</b.js>; rel=preload"] {
            let hint = client.head();
            assert_eq!((hint.status(), hint.value("link").as_deref()), (103, Some(link)));
        }
        release.send(()).expect("the origin waits");
        assert_eq!(client.answer("GET").text(), "done");
    });
}

#[test]
fn curl_sees_early_hints_and_the_answer() {
    everywhere(|line| {
        let raw = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
        line.origin.on_raw("/m/hints", raw, After::KeepAlive);
        let answer = Curl::new(&line.url("/m/hints")).run();
        let statuses: Vec<u16> = answer.heads.iter().map(|head| head.status()).collect();
        assert_eq!((statuses, answer.text().as_str()), (vec![103, 200], "ok"));
    });
}

#[test]
fn a_body_that_the_origin_asks_for_is_sent() {
    everywhere(|line| {
        let mut client = line.connect();
        let request = Request::post("/m/mirror", b"abc").field("Expect", "100-continue");
        client.send(request.head());
        assert_eq!(client.head().status(), 100);
        assert_eq!(line.origin.counts().uploads_complete, 0);
        client.send(b"abc");
        let answer = client.answer("POST");
        assert_eq!((answer.status(), answer.text().as_str()), (200, "abc"));
        assert!(line.origin.last_head().lists("expect", "100-continue"));
    });
}

#[test]
fn a_body_that_the_origin_refuses_never_reaches_it() {
    everywhere(|line| {
        let (seen, octets) = mpsc::channel();
        line.origin.on("/m/refuse", move |exchange| {
            exchange.send(
                "HTTP/1.1 417 Expectation Failed\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno",
            )?;
            exchange.finish_sending();
            let mut body = Vec::new();
            // A reset is as good an end as any: what counts is what came before it.
            while let Ok(piece) = exchange.receive(1024) {
                if piece.is_empty() {
                    break;
                }
                body.extend_from_slice(&piece);
            }
            seen.send(body).map_err(std::io::Error::other)?;
            Ok(After::Close)
        });
        // curl keeps the body back until it is asked for it, and gives the request up when it is refused.
        let answer = Curl::new(&line.url("/m/refuse"))
            .args(["-H", "Expect: 100-continue", "--expect100-timeout", "30"])
            .upload(&[b'x'; 100_000])
            .run();
        assert_eq!((answer.status(), answer.text().as_str()), (417, "no"));
        assert_eq!(octets.recv_timeout(PATIENCE).expect("the origin saw the end"), b"");
    });
}

#[test]
fn curl_uploads_after_the_origin_asked() {
    everywhere(|line| {
        let body = vec![b'y'; 100_000];
        let answer = Curl::new(&line.url("/m/mirror"))
            .args(["-H", "Expect: 100-continue", "--expect100-timeout", "30"])
            .upload(&body)
            .run();
        let statuses: Vec<u16> = answer.heads.iter().map(|head| head.status()).collect();
        assert_eq!(statuses, [100, 200]);
        assert!(answer.body == body);
    });
}

#[test]
fn no_interim_answer_to_a_head_passes_but_the_100_that_it_asked_for() {
    both_programs(|program| {
        let line = Line::through(program);
        line.origin.on("/m/early", |exchange| {
            let status = exchange.head().query("status").expect("a status");
            exchange.send(format!("HTTP/1.1 {status} Early\r\n\r\n"))?;
            exchange.upload()?;
            exchange.send("HTTP/1.1 204 Done\r\n\r\n")?;
            Ok(After::KeepAlive)
        });
        let mut client = line.connect();
        for status in [100, 102, 103] {
            let answer = client.ask(&Request::new("HEAD", &format!("/m/early?status={status}")));
            assert_eq!((answer.status(), statuses(&answer)), (204, vec![]), "{status}");
        }
        let asking = Request::new("HEAD", "/m/early?status=100").field("Expect", "100-continue").body("abc");
        client.send(asking.head());
        assert_eq!(client.head().status(), 100);
        client.send("abc");
        assert_eq!(client.answer("HEAD").status(), 204);
        // Through all of that the connection is kept.
        assert_eq!(client.ask(&Request::get("/m/echo")).status(), 200);
    });
}

#[test]
fn a_trusted_peer_gets_no_interim_answers_unless_it_understands_them() {
    both_programs(|program| {
        for (options, expected) in [
            (&["--trust", "127.0.0.0/8"][..], &[][..]),
            (&["--trust", "127.0.0.0/8", "--early-hints"], &[103]),
            (&["--trust", "10.0.0.0/8"], &[103]),
        ] {
            let line = Line::with(program, options, &[]);
            let raw = "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
            line.origin.on_raw("/m/hints", raw, After::KeepAlive);
            let mut client = line.connect();
            let answer = client.ask(&Request::get("/m/hints"));
            assert_eq!((answer.text().as_str(), statuses(&answer)), ("ok", expected.to_vec()), "{options:?}");
            let asking = Request::post("/m/mirror", b"abc").field("Expect", "100-continue");
            client.send(asking.head());
            assert_eq!(client.head().status(), 100, "{options:?}");
            client.send(b"abc");
            assert_eq!(client.answer("POST").text(), "abc");
        }
    });
}

fn statuses(answer: &Answer) -> Vec<u16> {
    answer.interim.iter().map(|head| head.status()).collect()
}
