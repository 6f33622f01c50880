//! Answers of the application that break off, and answers that break a rule.

use std::sync::{Mutex, mpsc};

use serde_json::json;
use telephone_tests::line::Line;
use telephone_tests::origin::After;
use telephone_tests::request::Request;
use telephone_tests::sidecar::Program;
use telephone_tests::wait::PATIENCE;
use telephone_tests::wire::Head;

use super::provoke::{Provoked, Stage, answered, puppet, unanswered};

/// The heads of the plugboard's answers where the application answers so, and one exchange whose chunked body ends in
/// `broken`, behind a head that the client has: it is reset.
fn refused(line: &Line, answers: &[&str], broken: impl Into<Vec<u8>>) -> Vec<Head> {
    let heads = answers.iter().map(|octets| {
        line.origin.on_raw("/m/odd", *octets, After::Close);
        line.get("/m/odd").head
    });
    let heads = heads.collect();
    let start = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n";
    aborted(line, start, broken);
    heads
}

/// An exchange of which the client has the head before the application sends the rest, and is then reset.
fn aborted(line: &Line, start: &'static str, rest: impl Into<Vec<u8>>) {
    let rest = rest.into();
    let (release, released) = mpsc::channel::<()>();
    let released = Mutex::new(released);
    line.origin.on("/m/late", move |exchange| {
        exchange.send(start)?;
        let _either_way = released.lock().expect("no panic while it is held").recv_timeout(PATIENCE);
        exchange.send(&rest)?;
        Ok(After::Close)
    });
    let mut client = line.connect();
    client.send(Request::get("/m/late").to_vec());
    let head = client.head();
    assert_eq!((head.status(), head.has("proxy-status")), (200, false));
    release.send(()).expect("the origin waits");
    let (_, ending) = client.digest_body(&head).expect("an end");
    assert!(!ending.is_complete(), "{ending:?}");
}

pub(super) fn malformed(program: Program) -> Provoked {
    let agent = puppet(&Request::get("/m/x"), |puppet, stream| {
        // A length that only an answer to HEAD may have without a body.
        let empty =
            json!({"stream": stream, "status": 200, "reason": "", "headers": [], "length": 5, "end": true});
        puppet.say("http_response", &empty);
    });
    assert_eq!(
        agent.answers[0].value("proxy-status").as_deref(),
        Some("plugboard; error=http_protocol_error")
    );
    let line = Line::through(program);
    let answers = [
        "SSH-2.0-OpenSSH_9.2\r\n",
        "HTTP/1.1 99 Low\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: a\0b\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: a\rb\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: +3\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
    ];
    let answers = refused(&line, &answers, "0\r\nX: a\0b\r\n\r\n");
    answered(Stage::Line(line), answers).and_unanswered(1)
}

pub(super) fn too_large(program: Program) -> Provoked {
    let line = Line::through(program);
    let long = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "a".repeat(57 * 1024));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: a\r\n".repeat(257));
    let trailers = format!("0\r\n{}\r\n", "X: a\r\n".repeat(33));
    let answers = refused(&line, &[&long, &many], trailers);
    let text = line.get("/m/odd").text();
    assert!(text.contains("56 KiB") && text.contains("256 fields"), "the limit is named: {text}");
    answered(Stage::Line(line), answers).and_unanswered(2)
}

pub(super) fn bad_coding(program: Program) -> Provoked {
    let line = Line::through(program);
    let answers = [
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\nabc",
    ];
    let behind = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n+1\r\na\r\n0\r\n\r\n";
    let answers = refused(&line, &answers, behind);
    answered(Stage::Line(line), answers).and_unanswered(1)
}

pub(super) fn broken_off(program: Program) -> Provoked {
    let line = Line::through(program);
    let octets = ["", "HTT", "HTTP/1.1 200 OK\r\nX: ha"];
    let answers = octets.map(|octets| {
        line.origin.on_raw("/m/broken", octets, After::Close);
        line.get("/m/broken").head
    });
    answered(Stage::Line(line), answers.to_vec())
}

pub(super) fn response_aborted(program: Program) -> Provoked {
    let line = Line::through(program);
    aborted(&line, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", "");
    unanswered(Stage::Line(line), 1)
}
