//! Which backend connections are used again, for whom, and for how long.

use std::net::TcpStream;
use std::sync::Mutex;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use telephone_tests::client::{Client, ask};
use telephone_tests::line::{Line, both, both_at_once, both_programs};
use telephone_tests::origin::After;
use telephone_tests::parts::Server;
use telephone_tests::raw::RawBackend;
use telephone_tests::relay::Relay;
use telephone_tests::request::Request;
use telephone_tests::sidecar::Program;
use telephone_tests::sizes;
use telephone_tests::wait::{self, PATIENCE};
use telephone_tests::wire::{Head, Reader};

/// An application that logs in connections: whoever sends `Authorization: NTLM name` on one is that user there from then on.
fn login_by_connection(stream: TcpStream) {
    let mut writing = stream.try_clone().expect("a descriptor");
    let mut reader = Reader::new(stream);
    let mut user = None;
    while let Ok(Some(head)) = reader.head() {
        user = named(&head).or(user);
        let who = user.clone().unwrap_or_else(|| "nobody".to_owned());
        let challenge = head
            .value("x-challenge")
            .map(|text| format!("WWW-Authenticate: {}\r\n", text.replace('|', "\r\n")));
        if challenge.is_some() {
            // The challenge concludes a login, as the last token of Negotiate does.
            user = Some("whoever was challenged".to_owned());
        }
        let fields = challenge.unwrap_or_default();
        let text = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n{fields}\r\n{who}", who.len());
        if std::io::Write::write_all(&mut writing, text.as_bytes()).is_err() {
            return;
        }
    }
}

fn named(head: &Head) -> Option<String> {
    ["authorization", "proxy-authorization"].iter().find_map(|field| {
        let value = head.value(field)?;
        let (_, name) = value.split_once(' ').filter(|(scheme, _)| !scheme.eq_ignore_ascii_case("basic"))?;
        Some(name.to_owned())
    })
}

#[test]
fn no_visitor_is_served_as_the_one_who_logged_a_backend_connection_in() {
    both_programs(|program| {
        let relay = Relay::start();
        let backend = RawBackend::start(login_by_connection);
        let dial = program.dial(&relay).token(&relay.token(&["/m"])).mount("/m");
        let _sidecar = dial.args(&["--port", &backend.addr().port().to_string()]).ready();
        let stranger = || ask(relay.addr(), &Request::get("/m/who").close()).text();
        let logins = [
            ("Authorization", "NTLM alice", "alice"),
            ("Authorization", "negotiate alice", "alice"),
            ("Proxy-Authorization", "NTLM alice", "alice"),
            ("X-Challenge", "Negotiate oRQwEqAD", "nobody"),
            ("X-Challenge", "Basic realm=\"a\", NTLM", "nobody"),
            ("X-Challenge", "Basic realm=\"a\"|WWW-Authenticate: ntlm TlRMTVNT", "nobody"),
            ("X-Challenge", "Basic realm=\"a\"|Proxy-Authenticate: Negotiate", "nobody"),
        ];
        for (field, value, answer) in logins {
            let request = Request::get("/m/who").field(field, value).close();
            assert_eq!(ask(relay.addr(), &request).text(), answer, "{field}: {value}");
            for _ in 0..3 {
                assert_eq!(stranger(), "nobody", "behind {field}: {value}");
            }
        }
    });
}

#[test]
fn users_who_log_in_at_once_are_never_each_other() {
    both_programs(|program| {
        let relay = Relay::start();
        let backend = RawBackend::start(login_by_connection);
        let dial = program.dial(&relay).token(&relay.token(&["/m"])).mount("/m");
        let _sidecar = dial.args(&["--port", &backend.addr().port().to_string()]).ready();
        thread::scope(|scope| {
            for user in 0..12 {
                let addr = relay.addr();
                scope.spawn(move || {
                    let mut client = Client::connect(addr);
                    let name = format!("user-{user}");
                    for _ in 0..5 {
                        let login = Request::get("/m/who").field("Authorization", format!("NTLM {name}"));
                        assert_eq!(client.ask(&login).text(), name);
                        assert_eq!(
                            client.ask(&Request::get("/m/who")).text(),
                            name,
                            "on the same connection"
                        );
                    }
                });
            }
        });
    });
}

#[test]
fn a_login_of_requests_keeps_its_backend_connection() {
    both(|line| {
        for _ in 0..20 {
            let basic = Request::get("/m/bytes?n=3").field("Authorization", "Basic TlRMTTpOVExN").close();
            assert_eq!(line.ask(&basic).status(), 200);
        }
        assert!(line.origin.counts().accepted <= 3, "{:?}", line.origin.counts());
    });
}

#[test]
fn a_backend_connection_is_closed_before_the_time_that_its_backend_named() {
    both(|line| {
        let (tell, told) = mpsc::channel::<Instant>();
        let tell = Mutex::new(tell);
        line.origin.on("/m/brief", move |exchange| {
            exchange
                .send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nKeep-Alive: max=9, timeout=1\r\n\r\nok")?;
            let answered = Instant::now();
            let after = exchange.wait_closed();
            let _ = tell.lock().expect("one at a time").send(answered);
            after
        });
        assert_eq!(line.get("/m/brief").text(), "ok");
        let answered = told.recv_timeout(PATIENCE).expect("the connection is closed");
        assert!(answered.elapsed() < Duration::from_secs(1), "{:?}", answered.elapsed());
    });
}

#[test]
fn a_request_that_may_not_be_repeated_gets_a_fresh_connection_once_a_kept_one_rested_over_a_second() {
    both_at_once(|program| {
        let line = Line::through(program);
        line.origin.on("/m/said", |exchange| {
            exchange.upload()?;
            exchange.answer(200, "said")?;
            Ok(After::KeepAlive)
        });
        let connection = || line.origin.seen().last().expect("a request").connection;
        assert_eq!(line.ask(&Request::post("/m/said", "1")).text(), "said");
        let first = connection();
        assert_eq!(line.ask(&Request::post("/m/said", "2")).text(), "said");
        assert_eq!(connection(), first, "at once it is used again");
        // The pause is what is tested: the connection rests.
        thread::sleep(Duration::from_millis(1_200));
        assert_eq!(line.ask(&Request::post("/m/said", "3")).text(), "said");
        assert_ne!(connection(), first, "it rested for too long");
        assert!(line.origin.counts().accepted <= 3, "{:?}", line.origin.counts());
    });
}

/// Between two looks at the time of clients that pause.
const TICK: Duration = Duration::from_millis(20);

/// Rounds of requests that may not be repeated, of 20 clients at once, and pauses between for about as long as the server keeps
/// an idle connection: how many were not answered with their own body.
fn failures(program: Program, server: &Server, keeps: Duration, rounds: u32) -> usize {
    const CLIENTS: usize = 20;
    let relay = Relay::start();
    let dial = program.dial(&relay).token(&relay.token(&["/m"])).mount("/m");
    let _sidecar = dial.backend(&server.url()).ready();
    let (addr, start) = (relay.addr(), Instant::now());
    // From 100 ms before the server may close to a second behind that: it may look once a second.
    let pause = |round: u32| keeps - 5 * TICK + TICK * (round * 7 % 56);
    let due: Vec<Duration> = (0..rounds)
        .scan(Duration::ZERO, |at, round| {
            *at += pause(round);
            Some(*at)
        })
        .collect();
    let due = &due;
    let serve = move |nth: usize| {
        let mut client = Client::connect(addr);
        let is_answered = |at: Duration| {
            let said = format!("{nth} {at:?}");
            let answer = client.ask(&Request::post("/m/say", said.clone()));
            answer.status() == 200 && answer.text() == said
        };
        let mut left = due.iter().copied().peekable();
        let next = |turn: u32| left.next_if(|at| *at <= TICK * turn);
        let last = due.last().copied().unwrap_or_default();
        let turns = wait::paced(start, TICK).take_while(|turn| TICK * *turn < last + 2 * TICK);
        turns.filter_map(next).map(is_answered).filter(|is_answered| !is_answered).count()
    };
    let failed = thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS).map(|nth| scope.spawn(move || serve(nth))).collect();
        clients.into_iter().map(|client| client.join().expect("it only counts")).sum()
    });
    sizes::figure(
        &format!("{} with pauses of {keeps:?} and up to a second more", program.name()),
        format_args!("{failed} of {} requests failed", CLIENTS * due.len()),
    );
    failed
}

#[test]
fn a_request_never_meets_a_connection_that_gunicorn_closes_while_it_idles() {
    let rounds = sizes::pick(3, 30);
    both_at_once(|program| {
        let server = Server::gunicorn();
        assert_eq!(failures(program, &server, Duration::from_secs(2), rounds), 0);
        server.stop();
    });
}

#[test]
fn a_request_never_meets_a_connection_that_node_closes_while_it_idles() {
    let rounds = sizes::pick(2, 30);
    both_at_once(|program| {
        let server = Server::node();
        assert_eq!(failures(program, &server, Duration::from_secs(5), rounds), 0);
    });
}
