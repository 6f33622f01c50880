//! PROTOCOL.md's sequence charts are what two sessions say to each other, message by message.
//!
//! After a change that is meant, `TRANSCRIPTS=write cargo test -p telephone-core --test transcripts` draws them anew:
//! read the difference before you believe it.

mod chart;

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use chart::Chart;
use telephone_core::error::{LeaveCode, ResetCode};
use telephone_core::handshake::{Answer, Greeting, Reception, welcome};
use telephone_core::limits::SessionLimits;
use telephone_core::message::{Headers, RequestHead, ResponseHead};
use telephone_core::session::{Incoming, StreamId};
use telephone_core::wire::{Hello, Opening, Profile, Resume, Settings, Welcome};

const SECRET: [u8; 16] = [7; 16];
const SESSION: u64 = 7;

fn hello(resume: Option<Resume>) -> Hello {
    Hello {
        token: "a.b.c".into(),
        mounts: vec!["/api".into()],
        instance: "web-1".into(),
        epoch: 1_700_000_000_000,
        agent: "telephone/0.1.0".into(),
        settings: Settings::of(&SessionLimits::default()),
        resume,
    }
}

/// Draws a handshake and returns what the plugboard said about going on.
fn shake_hands(chart: &mut Chart, resume: Option<Resume>, resumed: Option<u64>) {
    let (message, greeting) = Greeting::start(Profile::Binary, hello(resume), chart.now);
    chart.hand_over(&message, true);
    let heard = Reception::start(Profile::Binary, chart.now).handle_message(message).expect("a sound hello");
    assert_eq!(heard.resume.map(|resume| resume.session), resume.map(|resume| resume.session));
    let answer = welcome(
        Profile::Binary,
        Welcome {
            session: SESSION,
            secret: SECRET,
            resumed,
            resume_url: None,
            resume_window_ms: 30_000,
            spread_ms: 100,
            expires_in_s: Some(3600),
            settings: Settings::of(&SessionLimits::default()),
        },
    );
    chart.hand_over(&answer, false);
    assert!(matches!(greeting.handle_message(answer), Ok(Answer::Welcome(_))));
}

/// A chart that begins when the first pings are over.
fn settled() -> Chart {
    let mut chart = Chart::new();
    chart.carry();
    chart.begin();
    chart
}

fn request(method: &'static str, length: Option<u64>) -> Opening {
    let head = RequestHead {
        method: Bytes::from_static(method.as_bytes()),
        target: Bytes::from_static(b"/api/a"),
        headers: Headers::new(),
        length,
        upgrade: None,
        wants_trailers: false,
    };
    Opening::Http { mount: Bytes::from_static(b"/api"), head }
}

fn response(status: u16, length: Option<u64>) -> ResponseHead {
    ResponseHead { status, reason: Bytes::new(), headers: Headers::new(), length, upgrade: None }
}

fn open(chart: &mut Chart, method: &'static str, length: Option<u64>) -> StreamId {
    let is_whole = length.is_none();
    chart.plugboard.open(request(method, length), is_whole, chart.now).expect("a stream is free")
}

fn zeros(count: usize) -> Bytes {
    Bytes::from(vec![0; count])
}

/// The telephone reads what has come and gives its credit back.
fn read_at_telephone(chart: &mut Chart, id: StreamId) {
    while let Incoming::Octets(octets) = chart.telephone.recv(id).peek() {
        chart.telephone.recv(id).consume(octets.len(), chart.now);
    }
}

fn handshake() -> String {
    let mut chart = Chart::new();
    shake_hands(&mut chart, None, None);
    chart.carry();
    chart.finish()
}

fn exchange() -> String {
    let mut chart = settled();
    let id = open(&mut chart, "GET", None);
    chart.carry();
    chart.telephone.accept().expect("it came");
    chart.telephone.send(id).respond(response(200, Some(5)), false).expect("a sound head");
    chart.telephone.send(id).write(&mut Bytes::from_static(b"hello")).expect("the peer reads");
    chart.telephone.send(id).end(Headers::new());
    chart.carry();
    chart.pass(Duration::from_millis(60));
    chart.finish()
}

fn stalled_upload() -> String {
    let mut chart = settled();
    let id = open(&mut chart, "PUT", Some(600_000));
    let mut left = zeros(600_000);
    let mut feed = |chart: &mut Chart| {
        while chart.plugboard.send(id).write(&mut left).expect("the peer reads") > 0 {
            chart.carry();
        }
    };
    feed(&mut chart);
    chart.telephone.accept().expect("it came");
    chart.note("the backend takes nothing: the plugboard stops reading its client");
    chart.pass(Duration::from_secs(5));
    chart.note("the backend reads on");
    for _ in 0..6 {
        read_at_telephone(&mut chart, id);
        chart.carry();
        feed(&mut chart);
    }
    chart.plugboard.send(id).end(Headers::new());
    chart.carry();
    read_at_telephone(&mut chart, id);
    chart.telephone.send(id).respond(response(204, None), true).expect("a sound head");
    chart.carry();
    chart.finish()
}

fn early_answer() -> String {
    let mut chart = settled();
    let id = open(&mut chart, "PUT", Some(1_000_000));
    chart.plugboard.send(id).write(&mut zeros(64 * 1024)).expect("the peer reads");
    chart.carry_one_each();
    chart.telephone.accept().expect("it came");
    chart.telephone.send(id).respond(response(413, None), true).expect("a sound head");
    chart.telephone.recv(id).stop(ResetCode::Cancelled);
    chart.carry();
    chart.finish()
}

fn silent_peer() -> String {
    let mut chart = settled();
    open(&mut chart, "GET", None);
    chart.carry();
    chart.note("the telephone's network goes dark");
    chart.is_dark = true;
    chart.pass(Duration::from_secs(40));
    assert!(chart.plugboard.closed().is_some(), "the window is over");
    chart.note("at both ends the session is over, 30 s after its last octet");
    chart.finish()
}

fn resume() -> String {
    let mut chart = settled();
    let id = open(&mut chart, "GET", None);
    chart.carry();
    chart.telephone.accept().expect("it came");
    chart.telephone.send(id).respond(response(200, Some(60_000)), false).expect("a sound head");
    chart.telephone.send(id).write(&mut zeros(20_000)).expect("the peer reads");
    chart.carry_one_each();
    chart.telephone.send(id).write(&mut zeros(20_000)).expect("the peer reads");
    chart.is_dark = true;
    chart.carry_one_each();
    chart.note("the link breaks, and what it carried is lost");
    chart.is_dark = false;
    chart.cut();
    chart.telephone.send(id).write(&mut zeros(20_000)).expect("the peer reads");
    chart.telephone.send(id).end(Headers::new());
    chart.pass(Duration::from_millis(70));
    let positions = (chart.telephone.position(), chart.plugboard.position());
    let resume = Resume { session: SESSION, secret: SECRET, position: positions.0 };
    shake_hands(&mut chart, Some(resume), Some(positions.1));
    chart.plugboard.resume(positions.0, chart.now).expect("it goes on");
    chart.telephone.resume(positions.1, chart.now).expect("it goes on");
    chart.carry();
    chart.pass(Duration::from_millis(60));
    chart.finish()
}

fn drain() -> String {
    let mut chart = settled();
    let first = open(&mut chart, "GET", None);
    chart.carry();
    chart.telephone.accept().expect("it came");
    chart.telephone.leave(LeaveCode::Draining, chart.now);
    let second = open(&mut chart, "POST", None);
    chart.carry();
    let Incoming::Reset(reset) = chart.plugboard.recv(second).peek() else { panic!("it never started") };
    chart.note(&format!("stream {second} never started: {:?}, touched {:?}", reset.code, reset.touched));
    chart.telephone.send(first).respond(response(200, None), true).expect("a sound head");
    chart.telephone.release(first);
    chart.plugboard.release(first);
    chart.carry();
    chart.pass(Duration::from_millis(60));
    assert!(chart.telephone.closed().is_some(), "it has left");
    chart.note("everything is acknowledged: the telephone closes the link");
    chart.finish()
}

/// The charts by the headings under which they stand.
fn charts() -> Vec<(&'static str, String)> {
    vec![
        ("A handshake", handshake()),
        ("A request and its answer", exchange()),
        ("A stalled upload", stalled_upload()),
        ("An early answer", early_answer()),
        ("A silent peer", silent_peer()),
        ("A resume", resume()),
        ("A drain that an open crosses with", drain()),
    ]
}

/// The text with the fenced block under `heading` replaced.
fn with_chart(document: &str, heading: &str, chart: &str) -> String {
    let title = format!("### {heading}\n");
    let after = document.find(&title).unwrap_or_else(|| panic!("no heading {heading:?}")) + title.len();
    let start = after + document[after..].find("```text\n").expect("a block") + "```text\n".len();
    let end = start + document[start..].find("```").expect("its end");
    format!("{}{chart}{}", &document[..start], &document[end..])
}

#[test]
fn the_documents_charts_are_what_two_ends_say_to_each_other() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../PROTOCOL.md");
    let document = std::fs::read_to_string(&path).expect("the document");
    let mut drawn = document.clone();
    for (heading, chart) in charts() {
        drawn = with_chart(&drawn, heading, &chart);
    }
    if std::env::var_os("TRANSCRIPTS").is_some_and(|mode| mode == "write") {
        std::fs::write(&path, drawn).expect("the document is ours to write");
        return;
    }
    for (expected, found) in drawn.lines().zip(document.lines()) {
        assert_eq!(found, expected, "the chart has changed");
    }
    assert_eq!(drawn.len(), document.len());
}
