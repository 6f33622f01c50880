//! A client that asks hears where the time of its request went, and nobody sees what is said for that inside.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use telephone_tests::client::{Answer, Client, ask};
use telephone_tests::line::{Line, both};
use telephone_tests::origin::After;
use telephone_tests::puppet::Puppet;
use telephone_tests::relay::Relay;
use telephone_tests::request::Request;
use telephone_tests::wait::PATIENCE;
use telephone_tests::wire::Head;

const ASK: &str = "X-Plugboard-Timing";
/// How long a slow origin takes at the least.
const SLOW: Duration = Duration::from_millis(80);

/// Whether any field has an internal name.
fn tells_internals(head: &Head) -> bool {
    let plain = |name: &[u8]| String::from_utf8_lossy(name).to_lowercase().replace('_', "-");
    head.fields.iter().any(|(name, _)| plain(name).starts_with("x-plugboard-"))
}

/// The stages of the last `Server-Timing` in order, in milliseconds.
fn stages(head: &Head) -> Vec<(String, f64)> {
    let values = head.values("server-timing");
    let value = String::from_utf8_lossy(values.last().expect("Server-Timing")).into_owned();
    let stage = |text: &str| {
        let (name, duration) = text.split_once(";dur=").expect("a stage with a duration");
        (name.to_owned(), duration.parse().expect("milliseconds"))
    };
    value.split(", ").map(stage).collect()
}

fn names(stages: &[(String, f64)]) -> Vec<&str> {
    stages.iter().map(|(name, _)| name.as_str()).collect()
}

/// Has the origin take its time, and answer with these fields besides.
fn answer_slowly(line: &Line, fields: &'static str) {
    line.origin.on("/m/slow", move |exchange| {
        // The time that it takes is what is measured.
        std::thread::sleep(SLOW);
        exchange.send(format!("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n{fields}\r\nok"))?;
        Ok(After::KeepAlive)
    });
}

#[test]
fn a_client_that_asks_hears_where_the_time_went() {
    both(|line| {
        answer_slowly(line, "Server-Timing: db;dur=5\r\n");
        for method in ["GET", "HEAD"] {
            let start = Instant::now();
            let answer = line.ask(&Request::new(method, "/m/slow").field(ASK, "1").close());
            let all = start.elapsed().as_secs_f64() * 1e3;
            let stages = stages(&answer.head);
            assert_eq!(names(&stages), ["relay", "tunnel", "backend"]);
            let total: f64 = stages.iter().map(|(_, duration)| duration).sum();
            assert!(total <= all, "{stages:?} are more than {all}");
            assert!(stages[2].1 >= SLOW.as_secs_f64() * 1e3, "{stages:?}");
            // What the backend says of itself stays, in a line of its own.
            assert_eq!(answer.head.values("server-timing")[0], b"db;dur=5");
            assert!(!tells_internals(&answer.head));
            assert!(!tells_internals(&line.origin.last_head()), "{:?}", line.origin.last_head());
        }
    });
}

#[test]
fn nobody_forges_what_a_telephone_tells() {
    both(|line| {
        answer_slowly(
            line,
            "X-Plugboard-Backend-Time: 1\r\nx_plugboard_backend_time: 1\r\nX-Plugboard-Other: 1\r\n",
        );
        let asked = line.ask(&Request::get("/m/slow").field(ASK, "1"));
        assert!(stages(&asked.head)[2].1 >= SLOW.as_secs_f64() * 1e3);
        let plain = line.ask(&Request::get("/m/slow").field("X-Plugboard-Backend-Time", "1"));
        assert!(!plain.head.has("server-timing"), "nobody asked");
        assert!(!tells_internals(&asked.head) && !tells_internals(&plain.head));
        assert!(!tells_internals(&line.origin.last_head()));
    });
}

#[test]
fn an_upgrade_and_its_interim_answers_tell_nothing_internal() {
    both(|line| {
        line.origin.on("/m/up", |exchange| {
            exchange.send(
                "HTTP/1.1 103 Early Hints\r\nX-Plugboard-Backend-Time: 1\r\nA: b\r\n\r\n\
                 HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\
                 X-Plugboard-Backend-Time: 1\r\n\r\n",
            )?;
            Ok(After::Close)
        });
        let request = Request::get("/m/up").field("Connection", "Upgrade").field("Upgrade", "x");
        let mut client = line.connect();
        client.send(request.field(ASK, "1").to_vec());
        let (interim, switched) = (client.head(), client.head());
        assert_eq!((interim.status(), switched.status()), (103, 101));
        assert!(interim.has("a") && !interim.has("server-timing"));
        assert_eq!(names(&stages(&switched)), ["relay", "tunnel", "backend"]);
        assert!(!tells_internals(&interim) && !tells_internals(&switched));
        assert!(!tells_internals(&line.origin.last_head()));
    });
}

#[test]
fn the_plugboards_own_answers_tell_of_the_relay_alone() {
    // In its first time it has all requests wait.
    let relay = Relay::with(&["--limit", "start-grace=60s", "--limit", "park-time=100ms"]);
    let answer = ask(relay.addr(), &Request::get("/m/x").field(ASK, "1").close());
    let stages = stages(&answer.head);
    assert_eq!(names(&stages), ["relay"]);
    assert!(answer.head.has("proxy-status"));
    assert!((100.0..=PATIENCE.as_secs_f64() * 1e3).contains(&stages[0].1), "{stages:?}");
}

/// What an agent is asked that gets a request of a client that wants timing, and the client's answer.
fn through_puppet(settings: &[(&str, u64)]) -> (Value, Answer) {
    let relay = Relay::start();
    let mut puppet = Puppet::connect(&relay, settings);
    let mut client = Client::connect(relay.addr());
    client.send(Request::get("/m/x").field(ASK, "1").to_vec());
    let asked = puppet.hear("http_request");
    let headers = json!([["X-Plugboard-Backend-Time", "250"], ["A", "b"]]);
    let answer =
        json!({"stream": asked["stream"], "status": 204, "reason": "", "headers": headers, "end": true});
    puppet.say("http_response", &answer);
    (asked, client.answer("GET"))
}

#[test]
fn only_a_telephone_that_says_so_is_asked() {
    let (asked, answer) = through_puppet(&[("timing", 1)]);
    assert!(asked["headers"].to_string().contains("[\"X-Plugboard-Timing\",\"1\"]"), "{asked}");
    let told = stages(&answer.head);
    assert_eq!(told[2], ("backend".to_owned(), 0.25));
    // An older one would hand the question to its backend.
    let (asked, answer) = through_puppet(&[]);
    assert!(!asked["headers"].to_string().to_lowercase().contains("x-plugboard-"), "{asked}");
    assert_eq!(names(&stages(&answer.head)), ["relay", "tunnel"], "it was not asked, so it is not heard");
    assert!(answer.head.has("a") && !tells_internals(&answer.head));
}
