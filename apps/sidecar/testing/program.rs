//! What the real sidecar programs do before there is a plugboard: variables, errors, exit codes, signals,
//! the health page. One suite for both.

use std::io::{BufRead, BufReader, Lines, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, ChildStderr, Command, Stdio};

use super::PROGRAM;

/// The program with an empty environment and `variables`.
fn program(variables: &[(&str, &str)], args: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    command.env_clear().envs(variables.iter().copied()).args(args).stdin(Stdio::null());
    command
}

/// The exit code and standard error of a run that ends by itself.
fn ended(variables: &[(&str, &str)], args: &[&str]) -> (i32, String) {
    let output = program(variables, args).output().unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}

/// An address at which nobody listens: its port was just free.
fn deserted() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

const VARIABLES: [(&str, &str); 3] = [
    ("MOUNT_PATH", "/a, h.example/b"),
    ("BACKEND_PORT", "9"),
    ("TELEPHONE_TOKEN", "eyJcanary.eyJcanary.canary"),
];

/// A program that runs and dials in vain.
struct Dialling {
    child: Child,
    log: Lines<BufReader<ChildStderr>>,
}

impl Dialling {
    fn start(args: &[&str]) -> Self {
        let url = format!("ws://{}", deserted());
        let mut command = program(&VARIABLES, args);
        let mut child = command.env("PLUGBOARD_URL", url).stderr(Stdio::piped()).spawn().unwrap();
        let log = BufReader::new(child.stderr.take().unwrap()).lines();
        Self { child, log }
    }

    /// The next line of the log that holds `part`.
    fn line_with(&mut self, part: &str) -> String {
        self.log.by_ref().map(Result::unwrap).find(|line| line.contains(part)).unwrap()
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    }

    fn code(&mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }
}

impl Drop for Dialling {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn variables_are_enough_and_giving_up_ends_with_1() {
    let url = format!("ws://{}", deserted());
    let variables =
        [&VARIABLES[..], &[("PLUGBOARD_URL", &url), ("MAX_ATTEMPTS", "1"), ("LOG_FORMAT", "json")]].concat();
    let (code, log) = ended(&variables, &[]);
    assert_eq!(code, 1, "{log}");
    assert!(log.lines().all(|line| line.starts_with('{') && line.ends_with('}')), "{log}");
    assert!(log.contains(url.trim_start_matches("ws://")) && !log.contains("canary"), "{log}");
}

#[test]
fn other_names_of_variables_stand_in_where_nothing_says_otherwise() {
    let url = format!("ws://{}", deserted());
    let others =
        [("RELAY_URL", &*url), ("ROOM_ID", "r1"), ("LOCAL_PORT", "1234"), ("TELEPHONE_TOKEN", "a.b.c")];
    let (code, log) = ended(&[&others[..], &[("MAX_ATTEMPTS", "1")]].concat(), &[]);
    assert_eq!(code, 1, "{log}");
    assert!(log.contains(url.trim_start_matches("ws://")), "{log}");
    for (name, value, part) in [
        ("PLUGBOARD_URL", "ftp://b", "ftp://b"),
        ("BACKEND_PORT", "http", "http"),
        ("BACKEND_URL", "b", "'b'"),
    ] {
        let (code, text) = ended(&[&others[..], &[(name, value)]].concat(), &[]);
        assert_eq!(code, 2, "{name}: {text}");
        assert!(text.contains(part), "{name}: {text}");
    }
}

#[test]
fn a_bad_variable_ends_with_2_and_is_named() {
    for (name, value, parts) in [
        ("MOUNT_PATH", "/a,b", &["MOUNT_PATH", "\"b\""][..]),
        ("PLUGBOARD_URL", "ws://a,ftp://b", &["PLUGBOARD_URL", "ftp://b", "ws://"]),
        ("PLUGBOARD_URL", "", &["--plugboard"]),
        ("BACKEND_PORT", "http", &["--port", "BACKEND_PORT", "http"]),
        (
            "BACKEND_PORT",
            "tcp://10.96.0.12:80",
            &["--port", "BACKEND_PORT", "missing", "is ignored: Kubernetes"],
        ),
        ("BACKEND_URL", "http://b", &["BACKEND_URL", "one of the two"]),
        ("TELEPHONE_TOKEN_FILE", "/t", &["TELEPHONE_TOKEN_FILE", "one of the two"]),
        ("TELEPHONE_TOKEN", "canary canary", &["TELEPHONE_TOKEN", "white space"]),
        ("MAX_ATTEMPTS", "-1", &["--max-attempts", "MAX_ATTEMPTS", "-1"]),
        ("TELEPHONE_MAX_ATTEMPTS", "-1", &["--max-attempts", "TELEPHONE_MAX_ATTEMPTS", "-1"]),
        ("STREAMS", "0", &["--streams", "STREAMS", "65536"]),
        ("STRIP_PREFIX", "maybe", &["--strip-prefix", "STRIP_PREFIX", "maybe"]),
        ("RUST_LOG", "telephone=loud", &["RUST_LOG", "telephone=loud"]),
    ] {
        let mut variables = VARIABLES.to_vec();
        variables.push(("PLUGBOARD_URL", "ws://127.0.0.1:9"));
        variables.retain(|(other, _)| *other != name);
        variables.push((name, value));
        let (code, text) = ended(&variables, &[]);
        assert_eq!(code, 2, "{name}={value}: {text}");
        for part in parts {
            assert!(text.contains(part), "{name}={value}: {part:?} is not in {text}");
        }
        assert!(!text.contains("canary"), "{text}");
    }
}

#[test]
fn a_flag_overrules_the_variable_of_its_rival() {
    let url = format!("ws://{}", deserted());
    let args = ["--plugboard", &url, "--max-attempts", "1"];
    for rival in [&["--backend", "http://127.0.0.1:9"][..], &["--token", "a.b.c"]] {
        let (code, text) = ended(&VARIABLES, &[&args, rival].concat());
        assert_eq!(code, 1, "{text}");
    }
    let garbage = [&VARIABLES[..2], &[("BACKEND_PORT", "garbage"), ("TELEPHONE_TOKEN", "can ary")]].concat();
    let (code, text) =
        ended(&garbage, &[&args[..], &["--backend", "http://127.0.0.1:9", "--token", "a.b.c"]].concat());
    assert_eq!(code, 1, "{text}");
    let (code, text) = ended(&VARIABLES, &[&args[..], &["--token-file", "/nonexistent/t"]].concat());
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("--token-file /nonexistent/t: No such file"), "{text}");
}

/// The names of all variables of a verb, as its help shows them.
fn variables_of(verb: &[&str]) -> Vec<String> {
    let output = program(&[], &[verb, &["--help"]].concat()).output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    let names = help.split("[env: ").skip(1).filter_map(|rest| rest.split('=').next());
    names.map(ToOwned::to_owned).collect()
}

#[test]
fn with_every_variable_set_and_empty_a_line_starts_what_it_starts_without() {
    let names = variables_of(&[]);
    assert!(names.len() > 25, "{names:?}");
    let prefixed: Vec<_> = names.iter().map(|name| format!("TELEPHONE_{name}")).collect();
    let others = ["RUST_LOG", "NO_COLOR", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "RELAY_URL", "LOCAL_PORT"];
    let all = names.iter().chain(&prefixed).map(String::as_str).chain(others);
    for blank in ["", " \n"] {
        let mut variables: Vec<_> = all.clone().map(|name| (name, blank)).collect();
        let url = format!("ws://{}", deserted());
        let line =
            ["--plugboard", &url, "--mount", "/a", "--port", "9", "--token", "a.b.c", "--max-attempts", "1"];
        let (code, log) = ended(&variables, &line);
        assert_eq!(code, 1, "{log}");
        assert!(log.contains(url.trim_start_matches("ws://")), "{log}");
        // What is needed may stand in variables whose other names are empty.
        let given = [
            ("TELEPHONE_PLUGBOARD_URL", &*url),
            ("MOUNT_PATH", "/a,"),
            ("LOCAL_PORT", "9"),
            ("TELEPHONE_TOKEN", "a.b.c\n"),
            ("MAX_ATTEMPTS", "1"),
        ];
        variables.retain(|(name, _)| !given.iter().any(|(other, _)| name == other));
        variables.extend(given);
        let (code, log) = ended(&variables, &[]);
        assert_eq!(code, 1, "{log}");
        assert!(log.contains(url.trim_start_matches("ws://")), "{log}");
    }
}

#[test]
fn the_variable_of_a_kubernetes_service_is_ignored_and_named() {
    let url = format!("ws://{}", deserted());
    let variables = [&VARIABLES[..1], &VARIABLES[2..], &[("BACKEND_PORT", "tcp://10.96.0.12:80")]].concat();
    let (code, log) = ended(&variables, &["--plugboard", &url, "--port", "9", "--max-attempts", "1"]);
    assert_eq!(code, 1, "{log}");
    assert!(log.contains("BACKEND_PORT=tcp://10.96.0.12:80 is ignored"), "{log}");
    assert!(log.contains("enableServiceLinks: false"), "{log}");
}

#[test]
fn help_goes_to_standard_output_under_the_programs_own_name() {
    let output = program(&VARIABLES, &["--help"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0));
    let name = std::path::Path::new(PROGRAM).file_stem().unwrap().to_str().unwrap();
    assert!(text.contains(&format!("Usage: {name} ")), "{text}");
    assert!(!text.contains("canary"), "{text}");
}

#[test]
fn a_signal_stops_cleanly() {
    for name in ["TERM", "INT"] {
        let mut program = Dialling::start(&[]);
        program.line_with("dialling again");
        program.signal(name);
        assert_eq!(program.code(), Some(0), "{name}");
    }
}

#[test]
fn the_health_page_tells_that_nobody_is_connected() {
    let mut program = Dialling::start(&["--health", "127.0.0.1:0"]);
    let line = program.line_with("health page on http://");
    let address = line.split("http://").nth(1).unwrap().split('/').next().unwrap().to_owned();
    program.line_with("dialling again");
    for (path, status, part) in [
        ("/livez", "200", "alive"),
        ("/readyz", "503", "not ready"),
        ("/healthz", "200", "\"state\": \"connecting\""),
        ("/other", "404", "/healthz"),
    ] {
        let mut socket = TcpStream::connect(&address).unwrap();
        write!(socket, "GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n").unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{path}: {answer}");
        assert!(answer.contains(part) && !answer.contains("canary"), "{path}: {answer}");
    }
}

#[test]
fn a_health_address_that_is_taken_ends_with_1_and_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (code, text) = ended(&VARIABLES, &["--plugboard", "ws://127.0.0.1:9", "--health", &address]);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains(&format!("--health {address}")) && text.contains("in use"), "{text}");
}
