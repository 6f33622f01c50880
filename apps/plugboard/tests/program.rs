//! The relay's program as its users meet it: variables, errors, exit codes, signals, the demo.

use std::io::{BufRead, BufReader, Lines, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, ChildStderr, Command, Stdio};

const PROGRAM: &str = env!("CARGO_BIN_EXE_plugboard");
const SECRET: &str = "canary canary canary canary canary";

/// The program with an empty environment and `variables`.
fn program(variables: &[(&str, &str)], args: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    command.env_clear().envs(variables.iter().copied()).args(args).stdin(Stdio::null());
    command
}

/// The exit code, standard output and standard error of a run that ends by itself.
fn ended(variables: &[(&str, &str)], args: &[&str]) -> (i32, String, String) {
    let output = program(variables, args).output().unwrap();
    let text = |octets| String::from_utf8(octets).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// A program that goes on until it is told to stop.
struct Running {
    child: Child,
    log: Lines<BufReader<ChildStderr>>,
}

impl Running {
    fn start(variables: &[(&str, &str)], args: &[&str]) -> Self {
        let mut command = program(variables, args);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let log = BufReader::new(child.stderr.take().unwrap()).lines();
        Self { child, log }
    }

    /// What follows `start` in the first line of the log that holds it, up to white space.
    fn word_behind(&mut self, start: &str) -> String {
        let line = self.log.by_ref().map(Result::unwrap).find(|line| line.contains(start)).unwrap();
        line.split_once(start).unwrap().1.split_whitespace().next().unwrap().to_owned()
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    }

    /// The exit code, and all that standard output has said.
    fn wait(&mut self) -> (Option<i32>, String) {
        let mut text = String::new();
        self.child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
        (self.child.wait().unwrap().code(), text)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The whole answer to one request.
fn ask(address: &str, request: &str) -> String {
    let mut socket = TcpStream::connect(address).unwrap();
    write!(socket, "{request}\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    answer
}

const FREE: [(&str, &str); 3] =
    [("PLUGBOARD_SECRET", SECRET), ("PLUGBOARD_LISTEN", "127.0.0.1:0"), ("PLUGBOARD_ADMIN", "127.0.0.1:0")];

#[test]
fn a_relay_made_of_variables_serves_logs_and_drains() {
    let mut relay = Running::start(&FREE, &["serve", "--limit", "start-grace=0s", "--drain-delay", "0s"]);
    let public = relay.word_behind("listening on http://");
    let admin = relay.word_behind("admin on http://");
    assert!(ask(&admin, "GET /readyz HTTP/1.1").starts_with("HTTP/1.1 200 "));
    let answer = ask(&public, "GET /nobody HTTP/1.1");
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("Retry-After: "), "{answer}");
    let metrics = ask(&admin, "GET /metrics HTTP/1.1");
    assert!(metrics.contains("plugboard_requests_total{") && !metrics.contains("canary"), "{metrics}");
    relay.signal("TERM");
    let (code, output) = relay.wait();
    assert_eq!(code, Some(0));
    assert_eq!(output.lines().count(), 1, "{output}");
    assert!(output.contains("\"target\":\"/nobody\",\"status\":503"), "{output}");
}

#[test]
fn a_draining_relay_says_so_until_a_second_signal_stops_it_at_once() {
    let mut relay = Running::start(&FREE, &["serve", "--drain-delay", "1h"]);
    let public = relay.word_behind("listening on http://");
    let admin = relay.word_behind("admin on http://");
    relay.signal("TERM");
    relay.word_behind("draining;");
    assert!(ask(&admin, "GET /readyz HTTP/1.1").starts_with("HTTP/1.1 503 "));
    assert!(ask(&admin, "GET /livez HTTP/1.1").starts_with("HTTP/1.1 200 "));
    assert!(TcpStream::connect(public).is_ok());
    relay.signal("TERM");
    assert_eq!(relay.wait().0, Some(1));
}

#[test]
fn a_bad_variable_ends_with_2_and_is_named() {
    for (name, value, part) in [
        ("PLUGBOARD_LISTEN", "4000", "--listen"),
        ("PLUGBOARD_ADMIN", "x", "--admin"),
        ("PLUGBOARD_SECRET", "canary", "PLUGBOARD_SECRET"),
        ("PLUGBOARD_SECRET", "", "PLUGBOARD_SECRET_FILE"),
        ("PLUGBOARD_SECRET_FILE", "/nonexistent/s", "/nonexistent/s"),
        ("PLUGBOARD_ACCESS_LOG", "/nonexistent/l", "/nonexistent/l"),
        ("RUST_LOG", "plugboard=loud", "RUST_LOG"),
    ] {
        let mut variables = FREE.to_vec();
        variables.retain(|(other, _)| *other != name);
        variables.push((name, value));
        let (code, _, text) = ended(&variables, &["serve"]);
        assert_eq!(code, 2, "{name}={value}: {text}");
        assert!(text.contains(part) && !text.contains("canary"), "{name}={value}: {text}");
    }
}

#[test]
fn an_address_that_is_taken_ends_with_1_and_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for option in ["--listen", "--admin"] {
        let (code, _, text) = ended(&FREE, &["serve", option, &address]);
        assert_eq!(code, 1, "{text}");
        assert!(text.contains(&format!("{option} {address}")) && text.contains("in use"), "{text}");
    }
}

#[test]
fn a_secret_and_a_token_are_one_line_each() {
    let (code, secret, _) = ended(&[], &["secret"]);
    assert_eq!((code, secret.trim_end().len(), secret.lines().count()), (0, 64, 1));
    let variables = [("PLUGBOARD_SECRET", secret.trim_end())];
    let (code, token, _) = ended(&variables, &["token", "--mount", "/api"]);
    assert_eq!((code, token.lines().count()), (0, 1));
    assert_eq!(token.trim_end().split('.').count(), 3);
}

#[test]
fn the_demo_prints_a_url_behind_which_the_application_answers() {
    let mut demo = Running::start(&[], &["demo", "--listen", "127.0.0.1:0"]);
    let mut line = String::new();
    BufReader::new(demo.child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    let address = line.strip_prefix("Open http://").unwrap().split('/').next().unwrap();
    let page = ask(address, "GET / HTTP/1.1");
    assert!(page.starts_with("HTTP/1.1 200 ") && page.contains("<!doctype html>"), "{page}");
    let echo = ask(address, "POST /echo HTTP/1.1\r\nContent-Length: 0");
    assert!(echo.contains("\"target\": \"/echo\"") && echo.contains("x-forwarded-for: 127.0.0.1"), "{echo}");
    demo.signal("INT");
    assert_eq!(demo.wait().0, Some(0));
}

#[test]
fn the_usual_port_of_the_demo_may_be_taken() {
    // Whoever holds the port, this test or somebody else: the demo finds room.
    let _held = TcpListener::bind("127.0.0.1:4000");
    let mut demo = Running::start(&[], &["demo"]);
    let mut line = String::new();
    BufReader::new(demo.child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert!(line.starts_with("Open http://127.0.0.1:") && !line.contains(":4000/"), "{line}");
}
