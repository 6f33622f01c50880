//! The relay's program as its users meet it: variables, errors, exit codes, signals, the demo, the
//! load generator.

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

#[cfg(unix)]
#[test]
fn a_token_made_with_an_exposed_secret_file_is_printed_with_a_warning_beside_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let path = std::env::temp_dir().join(format!("plugboard-exposed-{}", std::process::id()));
    std::fs::write(&path, SECRET).unwrap();
    let file = path.to_str().unwrap();
    for (mode, is_exposed) in [(0o644, true), (0o640, true), (0o600, false)] {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        let (code, output, errors) = ended(&[], &["token", "--secret-file", file, "--mount", "/m"]);
        assert_eq!((code, output.lines().count()), (0, 1), "{mode:04o}: {output}");
        assert_eq!(errors.contains(&format!("chmod 600 {file}")), is_exposed, "{mode:04o}: {errors}");
        assert_eq!(errors.is_empty(), !is_exposed, "{mode:04o}: {errors}");
    }
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn the_help_makes_no_file_of_a_secret_that_others_can_read() {
    for verb in [&["--help"][..], &["serve", "--help"], &["token", "--help"]] {
        let (_, output, _) = ended(&[], verb);
        let exposing = output.lines().find(|line| line.contains("> secret") && !line.contains("umask 077"));
        assert_eq!(exposing, None, "{verb:?}");
    }
}

#[test]
fn a_bad_variable_ends_with_2_and_is_named() {
    for (name, value, part) in [
        ("PLUGBOARD_LISTEN", "4000", "PLUGBOARD_LISTEN"),
        ("PLUGBOARD_LOG_FORMAT", "xml", "PLUGBOARD_LOG_FORMAT"),
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
fn with_every_variable_set_and_empty_a_relay_starts_and_drains_as_without() {
    let (_, help, _) = ended(&[], &["serve", "--help"]);
    let names: Vec<_> = help.split("[env: ").skip(1).filter_map(|rest| rest.split('=').next()).collect();
    assert!(names.len() > 25, "{names:?}");
    let prefixed: Vec<_> = names.iter().map(|name| format!("PLUGBOARD_{name}")).collect();
    let all =
        names.iter().copied().chain(prefixed.iter().map(String::as_str)).chain(["RUST_LOG", "NO_COLOR"]);
    let mut variables: Vec<_> = all.map(|name| (name, "")).collect();
    variables.retain(|(name, _)| !FREE.iter().any(|(other, _)| name == other));
    variables.extend(FREE);
    let line = format!("{SECRET}\n");
    variables
        .iter_mut()
        .filter(|(name, _)| *name == "PLUGBOARD_SECRET")
        .for_each(|(_, value)| *value = &line);
    let mut relay = Running::start(&variables, &["serve", "--drain-delay", "0s"]);
    relay.word_behind("listening on http://");
    relay.word_behind("admin on http://");
    relay.signal("TERM");
    assert_eq!(relay.wait().0, Some(0));
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
    let mut lines = BufReader::new(demo.child.stdout.as_mut().unwrap());
    lines.read_line(&mut line).unwrap();
    let address = line.strip_prefix("Open http://").unwrap().split('/').next().unwrap();
    let page = ask(address, "GET / HTTP/1.1");
    assert!(page.starts_with("HTTP/1.1 200 ") && page.contains("<!doctype html>"), "{page}");
    let echo = ask(address, "POST /echo HTTP/1.1\r\nContent-Length: 0");
    assert!(echo.contains("\"target\": \"/echo\"") && echo.contains("x-forwarded-for: 127.0.0.1"), "{echo}");
    let in_room = ask(address, "GET /client/echo?room=demo&x HTTP/1.1");
    assert!(in_room.contains("\"target\": \"/echo?x\""), "{in_room}");
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

#[test]
fn a_bench_without_a_url_measures_direct_and_through_the_tunnel() {
    let (code, text, log) = ended(&[], &["bench", "--requests", "50"]);
    assert_eq!(code, 0, "{log}");
    let row = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_else(|| panic!("no {name} in {text}")).split_whitespace().collect::<Vec<_>>()
    };
    assert_eq!(row("status 200"), ["50", "50"]);
    for name in ["requests/s", "MB/s down"] {
        let numbers: Vec<f64> = row(name).into_iter().map(|cell| cell.parse().unwrap()).collect();
        assert!(numbers.len() == 3 && numbers.iter().all(|number| *number >= 0.0), "{text}");
    }
    for quantile in ["p50", "p90", "p99", "p99.9", "max"] {
        assert!(!row(&format!("latency {quantile} ")).is_empty(), "{text}");
    }
    assert!(text.contains("tunnel / direct") && !text.contains("error"), "{text}");
    // Nobody watches the progress here.
    assert_eq!(log, "");
}

#[test]
fn a_bench_of_a_relay_tells_of_its_answers_as_json_and_that_none_was_good() {
    let relay = &["serve", "--limit", "start-grace=0s", "--access-log", "off"];
    let mut relay = Running::start(&FREE, relay);
    let url = format!("http://{}/nobody", relay.word_behind("listening on http://"));
    let line = ["bench", &url, "--requests", "20", "--rate", "1000/s", "--body-bytes", "1KiB", "--json"];
    let (code, text, log) = ended(&[], &line);
    assert_eq!(code, 1, "{log}");
    let figures: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(figures["statuses"], serde_json::json!({"503": 20}), "{text}");
    assert_eq!((&figures["answers"], &figures["unsent"]), (&20.into(), &0.into()), "{text}");
    assert!(log.contains("no good answer") && log.contains("no telephone is connected"), "{log}");
}

#[test]
fn a_bench_of_a_closed_port_ends_with_1_and_says_what_to_do() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (code, text, log) = ended(&[], &["bench", &format!("http://{address}/api")]);
    assert_eq!((code, text.as_str()), (1, ""));
    for part in [&format!("cannot reach http://{address}/api"), "refused", "plugboard serve", "without a URL"]
    {
        assert!(log.contains(part), "{part:?} is not in {log}");
    }
}

#[test]
fn a_bench_that_is_interrupted_prints_the_figures_so_far() {
    let mut demo = Running::start(&[], &["demo", "--listen", "127.0.0.1:0"]);
    let mut line = String::new();
    BufReader::new(demo.child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    let address = line.strip_prefix("Open http://").unwrap().split('/').next().unwrap();
    let url = format!("http://{address}/echo");
    let mut bench = Running::start(&[], &["bench", &url, "--connections", "1", "--duration", "1h"]);
    // The application tells of what reached it: once that is the bench, there are figures.
    let mut events = TcpStream::connect(address).unwrap();
    write!(events, "GET /events HTTP/1.1\r\nHost: {address}\r\n\r\n").unwrap();
    let echoes =
        BufReader::new(events).lines().map(Result::unwrap).filter(|line| line.contains("plugboard-bench"));
    assert_eq!(echoes.take(2).count(), 2);
    bench.signal("INT");
    let (code, text) = bench.wait();
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("requests/s") && text.contains("status 200"), "{text}");
}
