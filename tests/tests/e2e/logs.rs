//! What strangers can make the logs say, and how much of it.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Instant;

use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat};
use serde_json::{Value, json};
use telephone_tests::bins;
use telephone_tests::client::{ask, get};
use telephone_tests::line::{Line, both_at_once};
use telephone_tests::process::{Finished, Plan};
use telephone_tests::puppet::Puppet;
use telephone_tests::relay::{NO_GRACE, Relay};
use telephone_tests::request::Request;
use telephone_tests::sidecar::Program;
use telephone_tests::wait::{self, PATIENCE};

/// What a terminal would obey, and what would begin a line of its own.
const HOSTILE: &str = "\u{1b}[2J\n\u{202e}forged";

/// Two clients, as a front names them.
const FLOOD: &str = "203.0.113.7";
const OTHER: &str = "198.51.100.9";

fn access_lines(relay: &Relay) -> Vec<Value> {
    relay.process().stdout().lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// The number behind `name=` in a line of the log; zero if there is none.
fn count_in(line: &str, name: &str) -> usize {
    let rest = line.split(&format!(" {name}=")).nth(1).unwrap_or_default();
    rest.split(|of: char| !of.is_ascii_digit()).next().and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

fn assert_printable(text: &str) {
    let is_printable = |of: char| matches!(of, ' '..='~' | '\n');
    assert!(text.chars().all(is_printable), "{text:?}");
    assert!(!text.lines().any(|line| line.starts_with("forged")), "{text}");
}

fn fifo(directory: &Path, name: &str) -> PathBuf {
    let path = directory.join(name);
    mknodat(CWD, &path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).expect("a FIFO");
    path
}

/// `plugboard serve` with these options, which it refuses.
fn refused_serve(running: &Relay, options: &[&str]) -> Finished {
    let plan = Plan::new(bins::path("plugboard")).args(["serve", "--listen", "127.0.0.1:0"]);
    let plan = plan.args(["--admin", "127.0.0.1:0", "--secret-file"]).arg(running.secret_file());
    plan.args(options).finish()
}

#[test]
fn a_telephone_that_is_denied_over_and_over_writes_one_line_a_second_and_is_sent_away() {
    let relay = Relay::start();
    let started = Instant::now();
    let mut puppet = Puppet::connect(&relay, &[]);
    // No control may cross in a mount, but UTF-8 may, here as Latin-1: a C1 control, an override of the direction.
    let mount = format!("tcp:\t\u{c2}\u{9b}2J\u{e2}\u{80}\u{ae}{}", "\u{ff}".repeat(20_000));
    let mut opened = 0;
    while opened < 3_000 {
        let open = json!({"stream": 2 * opened + 1, "grant": 16384, "mount": mount});
        if !puppet.try_say("tcp_connect", &open) {
            break;
        }
        opened += 1;
    }
    relay.process().wait_stderr("a telephone left", PATIENCE);
    let said = relay.process().stderr();
    let seconds = usize::try_from(started.elapsed().as_secs()).expect("a few");
    let of =
        |what: &str| said.lines().filter(|line| line.contains(what)).map(str::to_owned).collect::<Vec<_>>();
    let (denied, left) = (of("may not connect"), of("a telephone left"));
    assert!((1..=seconds + 1).contains(&denied.len()), "{} lines within {seconds} s", denied.len());
    assert!(left[0].contains("reason=") && left[0].contains("move nothing"), "{left:?}");
    assert!(denied.iter().all(|line| line.len() < 4_000), "{denied:?}");
    assert_printable(&said);
    // Each is in the access log, as in the metrics, and the log counts those that it did not say one by one.
    let logged = |count: usize| {
        let lines = access_lines(&relay);
        let denied: Vec<_> = lines.into_iter().filter(|line| line["cause"] == "connect_denied").collect();
        (denied.len() == count).then_some(denied)
    };
    let told = denied.iter().chain(&left).map(|line| count_in(line, "suppressed")).sum::<usize>();
    let count = denied.len() + told;
    let paid = 210 + 20 * (seconds + 1);
    assert!((100..=paid).contains(&count), "{count} were denied of {opened} within {seconds} s");
    wait::until_true("each that was denied has its line", PATIENCE, || logged(count).is_some());
    for line in logged(count).expect("there are as many") {
        assert!(line["target"].as_str().is_some_and(|target| target.chars().count() <= 512), "{line}");
    }
    assert_printable(&relay.process().stdout());
}

#[test]
fn strangers_without_a_token_have_ten_lines_at_once_and_one_a_second() {
    let relay = Relay::start();
    let started = Instant::now();
    for number in 0..60 {
        let mut puppet = Puppet::upgrade(&relay);
        let token = if number % 2 == 0 { "a.b.c".to_owned() } else { relay.token(&["/m"]) };
        let mounts = vec![format!("/{HOSTILE}{}", "x".repeat(200)); 8];
        let hello = json!({"token": token, "mounts": mounts, "instance": "i", "epoch": 1, "settings": {}});
        puppet.say("auth", &hello);
        puppet.hear("auth_error");
    }
    let seconds = usize::try_from(started.elapsed().as_secs()).expect("a few");
    let said = relay.process().stderr();
    let refused: Vec<_> = said.lines().filter(|line| line.contains("refused a telephone")).collect();
    assert!((10..=11 + seconds).contains(&refused.len()), "{} lines within {seconds} s", refused.len());
    assert_printable(&said);
}

#[test]
fn behind_a_trusted_front_each_client_has_lines_of_its_own() {
    let relay = Relay::with(&["--trust", "127.0.0.1"]);
    let wrong = |client, kind, answer: Option<&str>| {
        let mut puppet = Puppet::upgrade_for(&relay, Some(client));
        let mut hello =
            json!({"token": "a.b.c", "mounts": ["/m"], "instance": "i", "epoch": 1, "settings": {}});
        if answer.is_none() {
            hello = json!({});
        }
        puppet.say(kind, &hello);
        answer.map(|answer| puppet.hear(answer));
    };
    for client in [FLOOD, OTHER] {
        for _ in 0..if client == FLOOD { 40 } else { 1 } {
            wrong(client, "auth", Some("auth_error"));
            wrong(client, "ping", None);
        }
    }
    for what in ["refused a telephone", "a telephone broke the protocol"] {
        let of = |client: &str| {
            let said = relay.process().stderr();
            let client = format!("client={client} ");
            said.lines().filter(|line| line.contains(what) && line.contains(&client)).count()
        };
        wait::until_true("the other client's is logged", PATIENCE, || of(OTHER) == 1);
        assert!((10..40).contains(&of(FLOOD)), "{what}: {}", of(FLOOD));
    }
}

#[test]
fn queries_are_in_the_access_log_only_if_that_is_asked_for() {
    for (options, target) in
        [(&[][..], "/nobody"), (&["--log-queries"], "/nobody;jsessionid=hunter2?token=hunter2")]
    {
        let relay = Relay::with(&[NO_GRACE, options].concat());
        assert_eq!(get(relay.addr(), "/nobody;jsessionid=hunter2?token=hunter2").status(), 503);
        wait::until_true("the request is logged", PATIENCE, || {
            access_lines(&relay).iter().any(|line| line["target"] == target)
        });
        assert_eq!(relay.process().stdout().contains("hunter2"), !options.is_empty());
        assert!(!relay.process().stderr().contains("hunter2"));
    }
}

#[test]
fn an_access_log_is_its_owners_alone_and_one_that_all_can_read_is_warned_of() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("access.log");
    let path = file.to_str().expect("UTF-8");
    let mode = || fs::metadata(&file).expect("it is there").permissions().mode() & 0o777;
    let relay = Relay::with(&["--access-log", path]);
    assert_eq!(mode(), 0o600);
    assert!(!relay.process().stderr().contains("can read the access log"));
    drop(relay);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).expect("it is ours");
    let relay = Relay::with(&["--access-log", path]);
    relay.process().wait_stderr("everybody on this machine can read the access log", PATIENCE);
    assert_eq!(mode(), 0o644, "a file that is there keeps its mode");
}

/// Each would wait for ever.
#[test]
fn a_fifo_that_nobody_serves_holds_no_program_up() {
    let directory = tempfile::tempdir().expect("a directory");
    let log = fifo(directory.path(), "log");
    let running = Relay::with(&[NO_GRACE, &["--access-log", log.to_str().expect("UTF-8")]].concat());
    running.process().wait_stderr("FIFO that nobody reads", PATIENCE);
    assert_eq!(get(running.addr(), "/unread").status(), 503);
    // Lines wait for others for a moment.
    wait::until_true("the line is dropped", PATIENCE, || {
        running.metric("plugboard_access_lines_dropped_total") > 0
    });
    // Its reader may come later. What it reads then is of that time.
    let mut options = fs::File::options();
    options.read(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed());
    let mut reader = options.open(&log).expect("a reader");
    let mut text = String::new();
    wait::until_true("the reader has a line", PATIENCE, || {
        get(running.addr(), "/read");
        let _nothing_yet = reader.read_to_string(&mut text);
        text.contains("/read")
    });
    running.process().wait_stderr("are written again", PATIENCE);
    for program in Program::BOTH {
        let recording = fifo(directory.path(), &format!("{}-1.recording", program.name()));
        // What it cannot be, it is not taken for at the start either.
        let records = directory.path().to_str().expect("UTF-8");
        let dial =
            program.dial(&running).token(&running.token(&["/m"])).mount("/m").backend("http://127.0.0.1:1");
        dial.args(&["--record", records]).start().process().wait_stderr("connected", PATIENCE);
        assert!(recording.exists());
    }
}

/// What the user names is opened as it is: `telephone replay <(zcat FILE)` reads a pipe.
#[test]
fn a_recording_is_replayed_from_a_pipe_and_what_has_no_end_is_refused() {
    for program in Program::BOTH {
        let piped = |from: &str| {
            let order = format!("{from} | \"$0\" replay /dev/stdin");
            Plan::new("sh").args(["-c", &order]).arg(bins::path(program.name())).finish()
        };
        let replayed = piped("echo text");
        assert_eq!(replayed.code, Some(2), "{replayed:?}");
        assert!(replayed.stderr.contains("recording"), "it was not read: {}", replayed.stderr);
        assert!(!replayed.stderr.contains("not a regular file"), "{}", replayed.stderr);
        let endless = Plan::new(bins::path(program.name())).args(["replay", "/dev/zero"]).finish();
        assert_eq!(endless.code, Some(2), "{endless:?}");
        assert!(endless.stderr.contains("/dev/zero"), "{}", endless.stderr);
    }
}

#[test]
fn a_record_directory_that_others_can_write_to_is_refused_by_each_program() {
    let running = Relay::start();
    let directory = tempfile::tempdir().expect("a directory");
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o775)).expect("it is ours");
    let path = directory.path().to_str().expect("UTF-8");
    let telephones = Program::BOTH.map(|program| {
        let plan = program.plan().args(["--plugboard", "ws://127.0.0.1:1", "--mount", "/a", "--port", "1"]);
        plan.args(["--token", "a.b.c", "--record", path]).finish()
    });
    for ended in telephones.into_iter().chain([refused_serve(&running, &["--record", path])]) {
        assert_eq!(ended.code, Some(2), "{ended:?}");
        let wanted = [format!("--record {path}"), "mode 0775".to_owned(), format!("chmod 700 {path}")];
        assert!(wanted.iter().all(|text| ended.stderr.contains(text)), "{}", ended.stderr);
    }
}

#[test]
fn a_drain_has_one_line_for_all_dials_that_it_refuses_at_each_end() {
    both_at_once(|program| {
        let mut line = Line::with(program, NO_GRACE, &[]);
        let release = line.origin.hold("/m/held");
        let client = line.connect();
        client.send(Request::get("/m/held").to_vec());
        wait::until_true("the request is there", PATIENCE, || line.origin.counts().requests > 0);
        line.relay().terminate();
        // It has nowhere else to go, and dials again and again.
        let refused = || line.relay().metric("plugboard_handshakes_total{outcome=\"leaving\"}");
        wait::until_true("some dials are refused", PATIENCE, || refused() >= 6);
        drop(release);
        assert_eq!(line.relay_mut().wait_exit(), Some(0));

        let said = line.relay().process().stderr();
        assert!(!said.contains("refused a telephone"), "{said}");
        let drained = said.lines().find(|line| line.ends_with(" cut_off=0") && line.contains("drained"));
        let drained = drained.unwrap_or_else(|| panic!("no line about its end: {said}"));
        assert!(count_in(drained, "sessions") == 1 && count_in(drained, "moved") == 0, "{drained}");
        assert!(count_in(drained, "refused_dials") >= 6, "{drained}");

        line.sidecar().process().wait_stderr("cannot reach the plugboard", PATIENCE);
        let said = line.sidecar().process().stderr();
        let lines: Vec<&str> =
            said.lines().filter(|line| line.contains("the plugboard is leaving; d")).collect();
        assert_eq!(lines.len(), 1, "{said}");
        assert!(lines[0].contains(" INFO "), "a session serves meanwhile: {}", lines[0]);
        let next =
            said.lines().find(|line| line.contains("cannot reach the plugboard")).expect("it is there");
        assert!(count_in(next, "suppressed") >= 5, "{next}");
    });
}

#[test]
fn requests_that_wait_have_one_line_for_their_mount_and_each_its_time_in_the_access_log() {
    both_at_once(|program| {
        let mut line = Line::with(program, &[NO_GRACE, &["--limit", "park-time=10m"]].concat(), &[]);
        line.sidecar_mut().kill();
        line.relay().process().wait_stderr("lost its link", PATIENCE);
        let clients: Vec<_> = (0..3).map(|_| line.connect()).collect();
        clients.iter().for_each(|client| client.send(Request::get("/m/x").to_vec()));
        let told = line.relay().process().wait_stderr("requests wait: ", PATIENCE);
        line.replace_sidecar();
        for mut client in clients {
            assert_eq!(client.head().status(), 200);
        }
        assert!(told.contains("mount=/m ") && told.contains(" waiting="), "{told}");
        let of_requests = || {
            let lines = access_lines(line.relay());
            (lines.len() >= 3).then_some(lines)
        };
        wait::until_true("each request has its line", PATIENCE, || of_requests().is_some());
        for line in of_requests().expect("they are there") {
            let [waited, duration] = ["waited_ms", "duration_ms"].map(|name| line[name].as_f64());
            assert!(waited > Some(0.0) && waited <= duration, "{line}");
        }
        let said = line.relay().process().stderr();
        assert_eq!(said.matches("requests wait: ").count(), 1, "{said}");
    });
}

#[test]
fn each_answer_of_the_plugboards_own_names_the_trace_that_its_access_line_has() {
    let relay = Relay::with(NO_GRACE);
    let given = "4bf92f3577b34da6a3ce929d0e0e4736";
    let field = format!("00-{given}-00f067aa0ba902b7-01");
    let own = |target: &str| Request::get(target).field("traceparent", &field);
    let bad = Request::raw("GET", "GET /bad HTTP/1.1\r\nHost: a\r\nHost: b\r\n");
    let requests = [
        (503, Request::get("/nobody")),
        (405, Request::new("TRACE", "/method")),
        (426, Request::get("/.well-known/telephone")),
        (503, own("/own")),
        (400, bad.clone()),
        (400, bad.field("traceparent", &field)),
    ];
    for (at, (status, request)) in requests.iter().enumerate() {
        let answer = ask(relay.addr(), request);
        assert_eq!(answer.status(), *status, "{}", answer.text());
        let told = answer.head.value("traceresponse").expect("a trace");
        let line = wait::until("its line", PATIENCE, || access_lines(&relay).get(at).cloned());
        let trace = line["trace"].as_str().expect("a trace").to_owned();
        assert!(told.starts_with(&format!("00-{trace}-")), "{told}: {line}");
        let has_own = String::from_utf8_lossy(&request.to_vec()).contains("traceparent");
        assert_eq!(trace == given, has_own, "{line}");
    }
}
