//! Answers that are complete before the request is.

use std::io;
use std::sync::Mutex;
use std::sync::mpsc;
use std::time::Duration;

use telephone_tests::curl::Curl;
use telephone_tests::line::{Line, both, both_programs, everywhere};
use telephone_tests::origin::{After, Origin};
use telephone_tests::request::{Request, chunk};
use telephone_tests::wait::{self, PATIENCE};
use telephone_tests::wire::Ending;

const UPLOAD: usize = 60 * 1024 * 1024;

/// Answers each request at once and then reads its body; says how much came.
fn answering_at_once(origin: &Origin, path: &str, head: &'static str) -> mpsc::Receiver<(usize, bool)> {
    let (tell, told) = mpsc::channel();
    let tell = Mutex::new(tell);
    origin.on(path, move |exchange| {
        exchange.send(head)?;
        let mut count = 0;
        let ending = exchange.body(&mut |piece| count += piece.len())?;
        let said = tell.lock().expect("one at a time").send((count, ending.is_complete()));
        said.map_err(io::Error::other)?;
        Ok(After::KeepAlive)
    });
    told
}

#[test]
fn an_upload_goes_on_behind_an_answer_that_is_complete_before_it() {
    everywhere(|line| {
        let heads = [
            "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
            "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n",
            "HTTP/1.1 303 See Other\r\nLocation: /m/x\r\nContent-Length: 0\r\n\r\n",
        ];
        for head in heads {
            let told = answering_at_once(&line.origin, "/m/job", head);
            let mut client = line.connect();
            client.send(Request::new("POST", "/m/job").field("Content-Length", UPLOAD.to_string()).head());
            let answer = client.answer("POST");
            assert_eq!(answer.ending, Ending::Complete(Vec::new()), "{head}");
            let piece = vec![b'x'; 1024 * 1024];
            for _ in 0..UPLOAD / piece.len() {
                client.send(&piece);
            }
            assert_eq!(told.recv_timeout(PATIENCE), Ok((UPLOAD, true)), "{head}");
            // The body ended: the connection serves the next request.
            if line.is_tunnel() {
                assert_eq!(client.ask(&Request::get("/m/bytes?n=3")).body.len(), 3, "{head}");
            }
        }
    });
}

#[test]
fn curl_uploads_all_behind_an_early_answer() {
    everywhere(|line| {
        let told =
            answering_at_once(&line.origin, "/m/job", "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n");
        let body = vec![b'x'; UPLOAD];
        // With the header curl waits for 100, and takes any other answer for the end.
        let answer = Curl::new(&line.url("/m/job")).args(["-H", "Expect:"]).upload(&body).run();
        assert_eq!((answer.code, answer.status()), (Some(0), 202), "{answer:?}");
        assert_eq!(told.recv_timeout(PATIENCE), Ok((UPLOAD, true)));
    });
}

#[test]
fn a_client_that_leaves_an_upload_behind_its_answer_is_no_complete_request() {
    both(|line| {
        let told =
            answering_at_once(&line.origin, "/m/job", "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n");
        let mut client = line.connect();
        client.send(Request::new("POST", "/m/job").field("Transfer-Encoding", "chunked").head());
        assert_eq!(client.answer("POST").status(), 202);
        client.send(chunk(b"half"));
        wait::until_true("the half arrives", PATIENCE, || line.origin.counts().bytes_read > 100);
        client.finish_sending();
        let (_, is_complete) = told.recv_timeout(PATIENCE).expect("the upload ends");
        assert!(!is_complete, "half an upload looks whole");
        wait::until_true("the exchange is told of", PATIENCE, || {
            let metrics = line.relay().metrics();
            metrics.contains("outcome=\"client_left\"")
        });
        let metrics = line.relay().metrics();
        assert!(metrics.contains("outcome=\"complete\",class=\"2xx\"} 0"), "an abort is called complete");
    });
}

#[test]
fn the_rest_of_an_upload_that_was_refused_is_not_carried() {
    both(|line| {
        let (release, released) = mpsc::channel::<()>();
        let released = Mutex::new(released);
        line.origin.on("/m/job", move |exchange| {
            exchange.answer(413, "big")?;
            let _either_way = released.lock().expect("one at a time").recv_timeout(PATIENCE);
            exchange.wait_closed()
        });
        let mut client = line.connect();
        client.send(Request::new("POST", "/m/job").field("Content-Length", UPLOAD.to_string()).head());
        assert_eq!(client.answer("POST").status(), 413);
        let mut sent = 0;
        while sent < UPLOAD && client.try_send(vec![b'x'; 1024 * 1024]).is_ok() {
            sent += 1024 * 1024;
        }
        assert!(sent < UPLOAD, "nobody reads what was refused");
        release.send(()).expect("the origin waits");
    });
}

#[test]
fn an_upload_that_is_cut_behind_its_answer_is_no_complete_request() {
    both(|line| {
        line.origin.on("/m/cut", |exchange| {
            exchange.send("HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\nok")?;
            Ok(After::Close)
        });
        for count in 1..=10 {
            let mut client = line.connect();
            client.send(Request::new("POST", "/m/cut").field("Content-Length", UPLOAD.to_string()).head());
            let mut sent = 0;
            while sent < UPLOAD && client.try_send(vec![b'x'; 256 * 1024]).is_ok() {
                sent += 256 * 1024;
            }
            assert!(sent < UPLOAD, "nobody reads it");
            // Behind so much of an upload the answer may be lost with the connection.
            let _answer = client.try_answer("POST");
            let ended = format!("outcome=\"request_unread\",class=\"2xx\"}} {count}");
            wait::until_true("it is told of", PATIENCE, || line.relay().metrics().contains(&ended));
        }
    });
}

#[test]
fn a_backend_is_not_late_while_its_client_pauses_within_the_body() {
    both_programs(|program| {
        let line = Line::with(program, &[], &["--backend-answer-timeout", "1s"]);
        let mut client = line.connect();
        client.send(Request::new("POST", "/m/mirror").field("Content-Length", "10").head());
        client.send("half ");
        client.wait_at_most(Duration::from_secs(3));
        assert!(client.try_head().is_err(), "it is answered before its body is there");
        client.wait_at_most(PATIENCE);
        client.send("body.");
        assert_eq!(client.answer("POST").status(), 200);
    });
}
