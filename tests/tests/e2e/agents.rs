//! Agents that strangers wrote: Python and JavaScript, with nothing but a WebSocket library.

use std::net::{TcpListener, TcpStream};
use std::thread;

use rustix::process::Signal;
use serde_json::{Value, json};
use telephone_tests::agent::Agent;
use telephone_tests::client::{Client, ask, get, try_get};
use telephone_tests::curl::Curl;
use telephone_tests::hop::{Cut, Hop};
use telephone_tests::origin::{After, Origin};
use telephone_tests::prf::{self, Body};
use telephone_tests::process::Process;
use telephone_tests::relay::Relay;
use telephone_tests::request::Request;
use telephone_tests::sidecar::Program;
use telephone_tests::wait::{self, PATIENCE};
use telephone_tests::wire::Ending;
use tungstenite::handshake::server;
use tungstenite::http::HeaderValue;
use tungstenite::{Message, WebSocket};

/// An agent that serves an origin of its own through a relay of its own.
struct Served {
    relay: Relay,
    origin: Origin,
    agent: Process,
}

fn served(agent: Agent) -> Served {
    let (relay, origin) = (Relay::start(), Origin::start());
    let agent = agent.start(&relay.url(), &relay.token(&["/m"]), &origin);
    Served { relay, origin, agent }
}

fn each(test: impl Fn(&mut Served)) {
    for agent in Agent::BOTH {
        eprintln!("{agent:?}");
        let mut served = served(agent);
        test(&mut served);
        assert!(served.agent.is_running(), "{}", served.agent.said());
    }
}

#[test]
fn bodies_of_any_octets_and_of_every_framing_pass_both_ways() {
    each(|served| {
        let addr = served.relay.addr();
        let octets: Vec<u8> = (0..=255).collect();
        assert_eq!(ask(addr, &Request::post("/m/mirror", &octets)).body, octets);
        let single: Vec<&[u8]> = octets.chunks(1).collect();
        assert_eq!(ask(addr, &Request::new("POST", "/m/mirror").chunked(&single, "")).body, octets);
        let bytes = get(addr, "/m/bytes?n=300001&seed=3");
        assert_eq!(bytes.body, Body::new(3, 300_001).to_vec());
        assert_eq!(bytes.head.value("content-length").as_deref(), Some("300001"));
        assert_eq!(ask(addr, &Request::post("/m/mirror", b"")).body, b"");
        assert_eq!(served.origin.last_head().value("content-length").as_deref(), Some("0"));
    });
}

#[test]
fn an_agent_that_is_told_to_stop_lets_its_requests_finish_and_ends_well() {
    for agent in Agent::BOTH {
        let Served { relay, origin, mut agent } = served(agent);
        let (addr, release) = (relay.addr(), origin.hold("/m/held"));
        let held = thread::spawn(move || get(addr, "/m/held"));
        wait::until_true("the backend has it", PATIENCE, || {
            origin.seen().iter().any(|seen| seen.head.target() == "/m/held")
        });
        agent.signal(Signal::TERM);
        wait::until_true("nothing new is taken", PATIENCE, || {
            try_get(addr, "/m/hello").is_some_and(|answer| answer.status() == 503)
        });
        assert!(agent.is_running(), "{}", agent.said());
        release.send(()).expect("it is held");
        let answer = held.join().expect("an answer");
        assert_eq!((answer.status(), answer.text().as_str()), (200, "late"), "{}", agent.said());
        assert_eq!(agent.wait_exit(PATIENCE).code(), Some(0), "{}", agent.said());
    }
}

#[test]
fn an_upload_of_megabytes_needs_credit_and_gets_it() {
    each(|served| {
        let body = Body::new(5, 3_000_000).to_vec();
        let expected = format!("3000000 {}", prf::digest(&body).sha256);
        let url = format!("http://{}/m/hash", served.relay.addr());
        assert_eq!(Curl::new(&url).upload(&body).run().text(), expected);
        let pieces: Vec<&[u8]> = body.chunks(100_003).collect();
        let chunked = Request::new("POST", "/m/hash").chunked(&pieces, "");
        assert_eq!(ask(served.relay.addr(), &chunked).text(), expected);
    });
}

#[test]
fn a_download_of_megabytes_waits_for_the_credit_of_a_slow_client() {
    each(|served| {
        let mut client = Client::connect(served.relay.addr());
        client.send(Request::get("/m/bytes?n=6000000&seed=9").to_vec());
        let head = client.head();
        // Another request is not held up behind it.
        assert_eq!(get(served.relay.addr(), "/m/bytes?n=5").body.len(), 5);
        let (digest, ending) = client.digest_body(&head).expect("a body");
        assert_eq!((digest.len, ending), (6_000_000, Ending::Complete(Vec::new())));
        assert_eq!(digest.sha256, prf::digest(&Body::new(9, 6_000_000).to_vec()).sha256);
    });
}

#[test]
fn heads_pass_with_their_order_their_doubles_and_their_odd_octets() {
    each(|served| {
        let head = "HTTP/1.1 200 Fine\r\nSet-Cookie: a=1\r\nX-Odd: \u{e9}\r\nSet-Cookie: b=2\r\nContent-Length: 2\r\n\r\nok";
        let octets: Vec<u8> = head.chars().map(|letter| u8::try_from(letter).expect("Latin-1")).collect();
        served.origin.on_raw("/m/cookies", octets, After::KeepAlive);
        let answer = get(served.relay.addr(), "/m/cookies");
        let cookies = answer.head.values("set-cookie");
        assert_eq!((answer.status(), answer.text().as_str()), (200, "ok"));
        assert_eq!(cookies, [b"a=1", b"b=2"]);
        assert_eq!(answer.head.values("x-odd"), [b"\xe9"]);
        let asked = Request::get("/m/echo?q=%20").field("X-Twice", "1").field("x-twice", b"\x80\"\\");
        ask(served.relay.addr(), &asked);
        let seen = served.origin.last_head();
        assert_eq!(seen.values("x-twice"), [&b"1"[..], b"\x80\"\\"]);
        assert!(seen.start.starts_with(b"GET /m/echo?q=%20 "), "{seen:?}");
    });
}

#[test]
fn answers_without_a_body_end_with_their_head() {
    each(|served| {
        let addr = served.relay.addr();
        let head = ask(addr, &Request::new("HEAD", "/m/bytes?n=7"));
        assert_eq!((head.status(), head.body.len()), (200, 0));
        assert_eq!(head.head.value("content-length").as_deref(), Some("7"));
        served.origin.on_raw("/m/none", "HTTP/1.1 204 No Content\r\n\r\n", After::KeepAlive);
        assert_eq!(get(addr, "/m/none").status(), 204);
        served.origin.on_raw(
            "/m/lost",
            "HTTP/1.1 404 Gone Fishing\r\nContent-Length: 3\r\n\r\nno.",
            After::KeepAlive,
        );
        let lost = get(addr, "/m/lost");
        assert_eq!((lost.status(), lost.text().as_str()), (404, "no."));
        assert_eq!(ask(addr, &Request::new("PROPFIND", "/m/echo")).status(), 200);
    });
}

#[test]
fn a_body_of_the_backend_that_is_cut_never_looks_complete() {
    each(|served| {
        served.origin.on_raw("/m/short", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", After::Close);
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n";
        served.origin.on_raw("/m/chunks", chunked, After::Close);
        for path in ["/m/short", "/m/chunks"] {
            // A reset may come before what is there of the answer was read.
            let ending = try_get(served.relay.addr(), path).map_or(Ending::Reset, |answer| answer.ending);
            assert!(matches!(ending, Ending::Truncated | Ending::Reset), "{path}: {ending:?}");
        }
        assert_eq!(get(served.relay.addr(), "/m/bytes?n=5").body.len(), 5, "the session went on");
    });
}

#[test]
fn a_backend_that_is_gone_is_a_502_and_the_agent_stays() {
    for agent in Agent::BOTH {
        let Served { relay, origin, agent } = served(agent);
        drop(origin);
        assert_eq!(get(relay.addr(), "/m/x").status(), 502, "{}", agent.said());
        assert_eq!(get(relay.addr(), "/m/x").status(), 502, "{}", agent.said());
    }
}

#[test]
fn clients_that_leave_cost_nothing() {
    each(|served| {
        let addr = served.relay.addr();
        for _ in 0..10 {
            let mut client = Client::connect(addr);
            client.send(Request::get("/m/bytes?n=90000000").to_vec());
            client.head();
            client.reset();
        }
        served.origin.wait_idle(PATIENCE);
        assert_eq!(get(addr, "/m/bytes?n=5").body.len(), 5);
    });
}

#[test]
fn many_requests_at_once_are_answered() {
    each(|served| {
        let addr = served.relay.addr();
        thread::scope(|scope| {
            for worker in 0..16 {
                scope.spawn(move || {
                    for request in 0..10 {
                        let body = Body::new(worker * 100 + request, 20_000).to_vec();
                        assert!(ask(addr, &Request::post("/m/mirror", &body)).body == body);
                    }
                });
            }
        });
    });
}

#[test]
fn an_agent_comes_back_when_its_link_is_lost() {
    for agent in Agent::BOTH {
        let (relay, origin) = (Relay::start(), Origin::start());
        let hop = Hop::before(relay.addr());
        let agent = agent.start(&hop.url(), &relay.token(&["/m"]), &origin);
        assert_eq!(get(relay.addr(), "/m/x").status(), 200);
        hop.cut(Cut::Reset);
        wait::until_true("it serves again", PATIENCE, || get(relay.addr(), "/m/x").status() == 200);
        assert!(agent.said().matches("connected").count() > 1, "{}", agent.said());
    }
}

#[test]
fn a_telephone_and_two_agents_of_one_subject_share_a_mount() {
    let relay = Relay::start();
    let origins = [Origin::start(), Origin::start(), Origin::start()];
    let token = relay.token(&["/m"]);
    let _agents = [
        Agent::Python.start(&relay.url(), &token, &origins[0]),
        Agent::JavaScript.start(&relay.url(), &token, &origins[1]),
    ];
    let _sidecar = Program::Tokio.dial(&relay).token(&token).mount("/m").backend(&origins[2].url()).ready();
    for _ in 0..30 {
        assert_eq!(get(relay.addr(), "/m/x").status(), 200);
    }
    let counts: Vec<_> = origins.iter().map(|origin| origin.counts().requests).collect();
    assert!(counts.iter().all(|count| *count > 0), "one of them got nothing: {counts:?}");
}

#[test]
fn an_agent_denies_what_its_plugboard_may_not_open() {
    for agent in Agent::BOTH {
        let origin = Origin::start();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("ws://{}", listener.local_addr().expect("a bound address"));
        let _agent = agent.dial(&url, "a.b.c", &origin);
        let (socket, _) = listener.accept().expect("the agent dials");
        socket.set_read_timeout(Some(PATIENCE)).expect("not zero");
        let mut link = accept(socket);
        let auth = next(&mut link);
        assert_eq!((&auth["type"], &auth["data"]["mounts"]), (&json!("auth"), &json!(["/m"])));
        let settings = json!({"streams": 1024, "stream_floor": 16384});
        say(
            &mut link,
            "auth_success",
            &json!({"session": 7, "secret": "MDEyMzQ1Njc4OWFiY2RlZg==", "resumed": null,
            "resume_url": null, "resume_window_ms": 0, "spread_ms": 100, "expires_in_s": 3600, "settings": settings}),
        );
        let table = [
            ("/other", "/other/x", false),
            ("/", "/m/x", false),
            ("/m", "/admin", false),
            ("/m", "/mother", false),
            ("/m", "*", false),
            ("/m", "/m", true),
            ("/m", "/m?q", true),
            ("/m", "/m/echo", true),
        ];
        for (index, (mount, target, is_served)) in table.into_iter().enumerate() {
            let stream = 2 * (index + 1);
            let head = json!({"stream": stream, "grant": 262_144, "end": true, "mount": mount, "method": "GET",
                "target": target, "headers": [["Host", "example.test"]]});
            say(&mut link, "http_request", &head);
            let answer = loop {
                let message = next(&mut link);
                if message["data"]["stream"] == stream
                    && ["error", "http_response"].iter().any(|of| message["type"] == *of)
                {
                    break message;
                }
            };
            if is_served {
                assert_eq!(answer["type"], "http_response", "{agent:?}, {mount} {target}: {answer}");
            } else {
                let (code, touched) = (&answer["data"]["code"], &answer["data"]["touched"]);
                assert_eq!(
                    (code, touched),
                    (&json!("denied"), &json!("no")),
                    "{agent:?}, {mount} {target}: {answer}"
                );
            }
        }
        assert_eq!(origin.counts().requests, 3, "{agent:?}");
    }
}

/// The plugboard's end of the JSON profile.
// The type of the callback is tungstenite's.
#[allow(clippy::result_large_err)]
fn accept(socket: TcpStream) -> WebSocket<TcpStream> {
    let upgrade = |_: &server::Request, mut response: server::Response| {
        let profile = HeaderValue::from_static("telephone.v1.json");
        response.headers_mut().insert("Sec-WebSocket-Protocol", profile);
        Ok(response)
    };
    tungstenite::accept_hdr(socket, upgrade).expect("an upgrade")
}

fn say(link: &mut WebSocket<TcpStream>, kind: &str, data: &Value) {
    link.send(Message::text(json!({"type": kind, "data": data}).to_string())).expect("a link");
}

fn next(link: &mut WebSocket<TcpStream>) -> Value {
    serde_json::from_str(link.read().expect("a frame").to_text().expect("text")).expect("JSON")
}

#[test]
fn an_agent_without_a_good_token_is_told_why() {
    let (relay, origin) = (Relay::start(), Origin::start());
    for agent in Agent::BOTH {
        let process = agent.dial(&relay.url(), "not.a.token", &origin);
        match agent {
            Agent::Python => process.wait_stderr("token", PATIENCE),
            Agent::JavaScript => process.wait_stdout("refused", PATIENCE),
        };
    }
}
