//! Programs whose log nobody reads: a full pipe, a paused terminal, a stalled journal.

use std::io::{ErrorKind, PipeReader, PipeWriter, Read as _, Write as _};
use std::thread;

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::process::Signal;
use serde_json::json;
use telephone_tests::bins;
use telephone_tests::client::get;
use telephone_tests::net::free_addr;
use telephone_tests::origin::Origin;
use telephone_tests::process::{Plan, Process};
use telephone_tests::puppet::Puppet;
use telephone_tests::relay::{NO_GRACE, Relay};
use telephone_tests::sidecar::{Program, ask_health};
use telephone_tests::wait::{self, PATIENCE};

/// A pipe that takes no byte more until somebody reads.
fn full_pipe() -> (PipeReader, PipeWriter) {
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    let flags = fcntl_getfl(&writer).expect("flags");
    fcntl_setfl(&writer, flags | OFlags::NONBLOCK).expect("flags");
    for size in [4096, 1] {
        let full = loop {
            if let Err(error) = writer.write(&[b'.'; 4096][..size]) {
                break error;
            }
        };
        assert_eq!(full.kind(), ErrorKind::WouldBlock);
    }
    fcntl_setfl(&writer, flags).expect("flags");
    (reader, writer)
}

/// Everything that is read until the program has ended.
fn read_on(mut reader: PipeReader) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut text = Vec::new();
        reader.read_to_end(&mut text).expect("a pipe");
        String::from_utf8_lossy(&text).trim_start_matches('.').to_owned()
    })
}

fn assert_ends(mut process: Process, what: &str) {
    process.signal(Signal::TERM);
    let ended = process.wait_exit(PATIENCE);
    assert_eq!(ended.code(), Some(0), "{what}");
}

#[test]
fn a_relay_whose_log_nobody_reads_serves_answers_its_probes_and_stops() {
    let (_reader, stderr) = full_pipe();
    let mut relay = Relay::with_stderr(stderr, NO_GRACE);
    assert_eq!(relay.probe("/livez").status(), 200);
    assert_eq!(get(relay.addr(), "/nobody").status(), 503);
    relay.terminate();
    assert_eq!(relay.wait_exit(), Some(0));
}

#[test]
fn a_sidecar_whose_log_nobody_reads_serves_answers_its_probes_and_stops() {
    let relay = Relay::start();
    let origin = Origin::start();
    for program in Program::BOTH {
        let (_reader, stderr) = full_pipe();
        let health = free_addr();
        let plan = program.plan().args(["--plugboard", &relay.url(), "--mount", "/a"]);
        let plan = plan.args(["--backend", &origin.url(), "--health", &health.to_string()]);
        let plan = plan.env("TELEPHONE_TOKEN", relay.token(&["/a"]));
        let process = plan.start_with_stderr(stderr);
        let is_ready = || ask_health(health, "/readyz").is_some_and(|answer| answer.status() == 200);
        wait::until_true("the sidecar is ready", PATIENCE, is_ready);
        assert_eq!(get(relay.addr(), "/a/echo").status(), 200, "{}", program.name());
        assert_ends(process, program.name());
    }
}

#[test]
fn lines_that_nobody_read_are_counted_and_told_when_the_log_is_read_again() {
    let (reader, stderr) = full_pipe();
    let mut relay = Relay::with_stderr(stderr, &[NO_GRACE, &["--trust", "127.0.0.1"]].concat());
    let (lines, token) = (480, relay.token(&["/m"]));
    for number in 0..lines {
        // Ten of each client are logged, and are as long as a line may be.
        let client = format!("198.51.100.{}", number / 10);
        let mut puppet = Puppet::upgrade_for(&relay, Some(&client));
        let mounts = vec![format!("/{}", "x".repeat(500))];
        let hello = json!({"token": token, "mounts": mounts, "instance": "i", "epoch": 1, "settings": {}});
        puppet.say("auth", &hello);
        puppet.hear("auth_error");
    }
    let log = read_on(reader);
    relay.terminate();
    assert_eq!(relay.wait_exit(), Some(0));
    drop(relay);
    let log = log.join().expect("the reader");
    let refused = log.lines().filter(|line| line.contains("refused a telephone")).count();
    let told = log.lines().find(|line| line.contains("log lines were dropped: nobody read standard error"));
    let told = told.unwrap_or_else(|| panic!("{refused} refusals in {} bytes without it", log.len()));
    let dropped = told.split_whitespace().find_map(|word| word.parse::<usize>().ok()).expect("their number");
    assert!(told.contains("WARN") && dropped > 0 && refused + dropped >= lines, "{refused}: {told}");
    assert!(log.contains("listening on"), "the first lines are kept");
}

#[test]
fn an_error_that_ends_a_program_is_the_last_line_of_its_log() {
    let taken = Relay::start();
    let address = taken.addr().to_string();
    let plan = Plan::new(bins::path("plugboard")).args(["serve", "--listen", &address]);
    let plan = plan.args(["--admin", "127.0.0.1:0", "--secret-file"]).arg(taken.secret_file());
    let ended = plan.finish();
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let last = ended.stderr.lines().last().unwrap_or_default();
    assert!(last.starts_with(&format!("error: --listen {address}: ")), "{}", ended.stderr);
    // And nobody need read it.
    let (_reader, stderr) = full_pipe();
    let plan = Plan::new(bins::path("plugboard")).args(["serve", "--listen", &address]);
    let plan = plan.args(["--admin", "127.0.0.1:0", "--secret-file"]).arg(taken.secret_file());
    let mut process = plan.start_with_stderr(stderr);
    assert_eq!(process.wait_exit(PATIENCE).code(), Some(1));
}
