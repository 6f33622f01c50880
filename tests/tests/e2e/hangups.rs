//! SIGHUP: files are read again, and only a terminal that closed ends a program.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;

use rustix::process::Signal;
use serde_json::Value;
use telephone_tests::bins;
use telephone_tests::client::get;
use telephone_tests::net::{free_addr, is_listening};
use telephone_tests::origin::Origin;
use telephone_tests::process::Plan;
use telephone_tests::raw::{ENDPOINT, RawBackend, RawLine};
use telephone_tests::relay::{NO_GRACE, Relay, write_private};
use telephone_tests::sidecar::{Program, Sidecar};
use telephone_tests::terminal::OnTerminal;
use telephone_tests::wait::{self, PATIENCE};

fn token_end(sidecar: &Sidecar) -> String {
    let page = sidecar.health("/healthz").map(|answer| answer.body).unwrap_or_default();
    let page: Value = serde_json::from_slice(&page).unwrap_or_default();
    page["token_expires"].as_str().unwrap_or_default().to_owned()
}

/// As logrotate does, and as keys are changed.
#[test]
fn a_relay_opens_its_access_log_anew_takes_new_keys_and_serves_on() {
    let directory = tempfile::tempdir().expect("a directory");
    let [log, moved] = ["access.log", "access.log.1"].map(|name| directory.path().join(name));
    let mut relay = Relay::with(&[NO_GRACE, &["--access-log", log.to_str().expect("UTF-8")]].concat());
    let text = |path| fs::read_to_string(path).unwrap_or_default();
    get(relay.addr(), "/before");
    wait::until_true("the first line", PATIENCE, || text(&log).contains("/before"));
    fs::rename(&log, &moved).expect("a file of ours");
    let other = Relay::start();
    let old_token = relay.token(&["/a"]);
    write_private(&relay.secret_file(), other.secret());
    relay.process().signal(Signal::HUP);
    relay.process().wait_stderr("read 1 keys again", PATIENCE);
    wait::until_true("the file is there again", PATIENCE, || log.exists());
    get(relay.addr(), "/after");
    wait::until_true("the next line", PATIENCE, || text(&log).contains("/after"));
    assert!(!text(&moved).contains("/after"));
    let origin = Origin::start();
    let dial = |token: &str| Program::Tokio.dial(&relay).token(token).mount("/a").backend(&origin.url());
    let refused = dial(&old_token).start();
    refused.process().wait_stderr("giving up", PATIENCE);
    let sidecar = dial(&other.token(&["/a"])).ready();
    assert_eq!(get(relay.addr(), "/a/echo").status(), 200);
    // A file that is no key changes nothing.
    write_private(&relay.secret_file(), "short");
    relay.process().signal(Signal::HUP);
    relay.process().wait_stderr("the keys of before stay", PATIENCE);
    drop(sidecar);
    let _sidecar = dial(&other.token(&["/a"])).ready();
    relay.terminate();
    assert_eq!(relay.wait_exit(), Some(0));
}

#[test]
fn a_sidecar_presents_the_token_of_its_file_at_once_and_serves_on() {
    let (relay, origin) = (Relay::start(), Origin::start());
    for program in Program::BOTH {
        let file = relay.directory().join(program.name());
        write_private(&file, &relay.token_with("shop", &["/a"], &["--ttl", "1h"]));
        let dial = program.dial(&relay).mount("/a").backend(&origin.url());
        let mut sidecar = dial.args(&["--token-file", file.to_str().expect("UTF-8")]).ready();
        let before = token_end(&sidecar);
        write_private(&file, &relay.token_with("shop", &["/a"], &["--ttl", "9h"]));
        sidecar.process().signal(Signal::HUP);
        sidecar.process().wait_stderr("SIGHUP: reading --token-file", PATIENCE);
        wait::until_true("the plugboard has the new token", PATIENCE, || token_end(&sidecar) > before);
        assert_eq!(get(relay.addr(), "/a/echo").status(), 200, "{}", program.name());
        sidecar.terminate();
        assert_eq!(sidecar.wait_exit(PATIENCE), Some(0));
    }
}

#[test]
fn a_sidecar_that_listens_for_connections_is_not_ended_by_sighup_and_a_proxy_command_is() {
    let relay = Relay::start();
    let token = relay.token_with("ann", &[], &["--connect", "db:1"]);
    for program in Program::BOTH {
        let listen = free_addr();
        let plan = || {
            let plan = program.plan().args(["connect", "--plugboard", &relay.url(), "--to", "db:1"]);
            plan.env("TELEPHONE_TOKEN", &token)
        };
        let mut listening = plan().args(["--listen", &listen.to_string()]).start();
        listening.wait_stderr("connected", PATIENCE);
        listening.signal(Signal::HUP);
        listening.wait_stderr("SIGHUP: nothing to read again", PATIENCE);
        assert!(is_listening(listen) && listening.is_running(), "{}", program.name());
        listening.signal(Signal::TERM);
        assert_eq!(listening.wait_exit(PATIENCE).code(), Some(0));
        // ssh ends it so, and not always by the end of its pipes.
        let mut piped = plan().arg("--stdio").start_to_tell();
        piped.wait_stderr("connected", PATIENCE);
        piped.signal(Signal::HUP);
        assert!(piped.wait_exit(PATIENCE).code().is_some(), "{}: it stops by itself", program.name());
    }
}

/// As nohup starts it.
#[test]
fn a_proxy_command_that_ignores_sighup_from_its_start_is_not_ended_by_it() {
    let backend = RawBackend::start(|mut stream| {
        let _greeted = stream.write_all(b"hello\n");
        let _read = stream.read_to_end(&mut Vec::new());
    });
    for program in Program::BOTH {
        let line = RawLine::to(program, backend.addr(), NO_GRACE, &[]);
        let path = bins::path(program.name());
        let ignoring = ["-c", "trap '' HUP; exec \"$@\"", "sh", path.to_str().expect("UTF-8")];
        let url = line.relay.url();
        let plan = Plan::new("sh").args(ignoring).args(["connect", "--plugboard", &url, "--to", ENDPOINT]);
        let plan = plan.arg("--stdio").env("TELEPHONE_TOKEN", line.connect_token()).env("RUST_LOG", "info");
        let mut joined = plan.start_to_tell();
        joined.wait_stdout("hello", PATIENCE);
        // The second request to stop would stop at once, though a connection is open.
        joined.signal(Signal::HUP);
        joined.signal(Signal::TERM);
        joined.wait_stderr("what is in flight may finish", PATIENCE);
        joined.hush();
        assert_eq!(joined.wait_exit(PATIENCE).code(), Some(0), "{}", joined.stderr());
        assert!(!joined.stderr().contains("at once"), "{}", joined.stderr());
    }
}

#[test]
fn a_verb_that_ends_by_itself_is_ended_by_the_signal() {
    let mute = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("ws://{}", mute.local_addr().expect("it listens"));
    for program in Program::BOTH {
        let mut doctor = program.plan().args(["doctor", "--plugboard", &url]).start();
        let _dialled = mute.accept().expect("the doctor dials");
        doctor.signal(Signal::TERM);
        assert_eq!(doctor.wait_exit(PATIENCE).signal(), Some(15), "{}", program.name());
    }
}

/// The arguments of each program, and what it writes once it serves.
fn programs(relay: &Relay) -> Vec<(Vec<String>, &'static str)> {
    let path = |name| bins::path(name).to_str().expect("UTF-8").to_owned();
    let secret = relay.secret_file().to_str().expect("UTF-8").to_owned();
    let serve = ["serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--secret-file", &secret];
    let url = relay.url();
    let dial = ["--plugboard", &url, "--mount", "/a", "--port", "1"];
    let with = |name, args: &[&str]| {
        [path(name)].into_iter().chain(args.iter().map(|arg| (*arg).to_owned())).collect()
    };
    vec![
        (with("plugboard", &serve), "admin on"),
        (with("telephone", &dial), "connected"),
        (with("telephone-smol", &dial), "connected"),
    ]
}

fn start(nohup: Option<&Path>, command: &[String], token: &str) -> OnTerminal {
    let command: Vec<&str> = command.iter().map(String::as_str).collect();
    let variables = [("TELEPHONE_TOKEN", token), ("RUST_LOG", "info"), ("INSTANCE", command[0])];
    OnTerminal::start(nohup, &command, &variables)
}

#[test]
fn a_program_whose_terminal_closes_drains_and_one_that_is_signalled_before_does_not() {
    let relay = Relay::start();
    let token = relay.token(&["/a"]);
    for (command, serves) in programs(&relay) {
        let mut program = start(None, &command, &token);
        program.wait_for(serves);
        program.signal(Signal::HUP);
        program.wait_for("SIGHUP: ");
        assert!(program.is_running(), "{command:?}");
        program.close();
        assert_eq!(program.exit_code(PATIENCE), 0, "{command:?}");
    }
}

#[test]
fn a_program_under_nohup_outlives_its_terminal() {
    let relay = Relay::start();
    let token = relay.token(&["/a"]);
    let directory = tempfile::tempdir().expect("a directory");
    for (number, (command, serves)) in programs(&relay).into_iter().enumerate() {
        let log = directory.path().join(number.to_string());
        let has_said = |what: &str| fs::read_to_string(&log).is_ok_and(|text| text.contains(what));
        let mut program = start(Some(&log), &command, &token);
        wait::until_true("it serves", PATIENCE, || has_said(serves));
        program.close();
        // The kernel sends it.
        wait::until_true("SIGHUP has come", PATIENCE, || has_said("SIGHUP: "));
        assert!(program.is_running() && !has_said("what is in flight may finish"), "{command:?}");
        program.signal(Signal::TERM);
        assert_eq!(program.exit_code(PATIENCE), 0, "{command:?}");
    }
}
