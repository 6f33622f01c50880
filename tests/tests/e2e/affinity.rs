//! Clients that stay with one of the telephones of a mount: `--sticky`.

use std::time::Duration;

use telephone_tests::client::{Answer, ask};
use telephone_tests::line::both_programs;
use telephone_tests::origin::{After, Origin};
use telephone_tests::parts::{self, Server};
use telephone_tests::relay::Relay;
use telephone_tests::request::Request;
use telephone_tests::sidecar::{Program, Sidecar};
use telephone_tests::wait::{self, PATIENCE};

const CLIENTS: usize = 20;
const NAMES: [&str; 2] = ["one", "two"];

fn replica(program: Program, relay: &Relay, instance: &str, backend: &str, options: &[&str]) -> Sidecar {
    let dial = program.dial(relay).token(&relay.token(&["/m"])).mount("/m").backend(backend);
    dial.args(&["--instance", instance]).args(options).ready()
}

/// What twenty clients of Socket.IO come to on two instances: the name of the server that answered, or what failed.
fn socket_io(program: Program, options: &[&str]) -> Vec<String> {
    let relay = Relay::with(&["--trust", "127.0.0.0/8"]);
    let servers = NAMES.map(Server::socket_io);
    let telephones = [0, 1].map(|at| replica(program, &relay, NAMES[at], &servers[at].url(), options));
    let url = format!("http://{}", relay.addr());
    let clients = parts::node("socketio.cjs").args(["clients", &url, &CLIENTS.to_string()]);
    let results = parts::run(clients, Duration::from_secs(60));
    drop(telephones);
    servers.into_iter().for_each(Server::stop);
    results.lines().map(str::to_owned).collect()
}

#[test]
fn socket_io_connects_on_two_instances_where_clients_are_bound_and_fails_where_they_are_not() {
    both_programs(|program| {
        for how in ["cookie", "address"] {
            let results = socket_io(program, &["--sticky", how]);
            let of = |name: &str| results.iter().filter(|result| *result == name).count();
            assert_eq!(of("one") + of("two"), CLIENTS, "{how}: {results:?}");
            assert!(of("one") > 0 && of("two") > 0, "{how}: one instance has all of them: {results:?}");
        }
        let results = socket_io(program, &[]);
        let connected = results.iter().filter(|result| NAMES.contains(&result.as_str())).count();
        assert!(connected < CLIENTS, "nothing needs to be bound: {results:?}");
    });
}

/// An application that says at `/m/who` which one it is, and sets a cookie of its own.
fn named(name: &'static str) -> Origin {
    let origin = Origin::start();
    let answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nSet-Cookie: app=1; Path=/m\r\n\r\n{name}",
        name.len()
    );
    origin.on_raw("/m/who", answer, After::KeepAlive);
    origin
}

fn who(relay: &Relay, cookies: &str) -> Answer {
    let request = Request::get("/m/who");
    ask(relay.addr(), &if cookies.is_empty() { request } else { request.field("Cookie", cookies) })
}

/// What an answer sets.
fn set_cookies(answer: &Answer) -> Vec<String> {
    let values = answer.head.values("set-cookie");
    values.into_iter().map(|value| String::from_utf8_lossy(value).into_owned()).collect()
}

/// The cookie that an answer sets, without its attributes.
fn cookie(answer: &Answer) -> Option<String> {
    let own = set_cookies(answer).into_iter().find(|value| value.starts_with("plugboard_sticky="))?;
    Some(own.split(';').next().expect("a cookie").to_owned())
}

#[test]
fn a_client_is_given_a_cookie_that_its_application_never_sees() {
    both_programs(|program| {
        let relay = Relay::with(&["--trust", "127.0.0.0/8"]);
        let origins = NAMES.map(named);
        let _telephones =
            [0, 1].map(|at| replica(program, &relay, NAMES[at], &origins[at].url(), &["--sticky", "cookie"]));
        let first = who(&relay, "");
        let own = cookie(&first).expect("a cookie");
        let attributes = "; Path=/m; HttpOnly; SameSite=Lax";
        assert_eq!(set_cookies(&first), ["app=1; Path=/m".to_owned(), format!("{own}{attributes}")]);
        for _ in 0..10 {
            let again = who(&relay, &format!("a=1; {own}; b=2"));
            assert_eq!((again.text(), cookie(&again)), (first.text(), None));
            let served = usize::from(first.text() == NAMES[1]);
            assert_eq!(origins[served].last_head().value("cookie").as_deref(), Some("a=1; b=2"));
        }
        // In front of TLS it is for TLS alone, as the front says.
        let secure = ask(relay.addr(), &Request::get("/m/who").field("X-Forwarded-Proto", "https"));
        let set = set_cookies(&secure);
        assert!(set.iter().any(|value| value.ends_with("; SameSite=Lax; Secure")), "{set:?}");
    });
}

#[test]
fn clients_are_bound_to_the_same_instance_after_restarts_and_to_another_one_without_it() {
    both_programs(|program| {
        let (mut relay, origins) = (Relay::start(), NAMES.map(named));
        let start = |relay: &Relay, at: usize| {
            replica(program, relay, NAMES[at], &origins[at].url(), &["--sticky", "cookie"])
        };
        let mut telephones = [0, 1].map(|at| start(&relay, at));
        let first = who(&relay, "");
        let (own, name) = (cookie(&first).expect("a cookie"), first.text());

        let _at = relay.restart();
        telephones.iter_mut().for_each(|telephone| telephone.wait_ready(PATIENCE));
        (0..6).for_each(|_| assert_eq!(who(&relay, &own).text(), name, "the relay restarted"));

        let served = usize::from(name == NAMES[1]);
        telephones[served].terminate();
        assert_eq!(telephones[served].wait_exit(PATIENCE), Some(0));
        wait::until_true("the other one answers", PATIENCE, || who(&relay, &own).text() != name);
        let moved = who(&relay, &own);
        let other = cookie(&moved).expect("the cookie of the other one");
        telephones[served] = start(&relay, served);
        (0..6).for_each(|_| assert_eq!(who(&relay, &own).text(), name, "the telephone restarted"));
        (0..6).for_each(|_| assert_eq!(who(&relay, &other).text(), moved.text(), "moved"));
    });
}
