//! The flight recorder: what the programs were given, on files, and those given to the core again.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use telephone_tests::bins;
use telephone_tests::client::{Client, ask, try_get};
use telephone_tests::line::both_programs;
use telephone_tests::origin::Origin;
use telephone_tests::process::{Finished, Plan};
use telephone_tests::relay::{NO_GRACE, Relay};
use telephone_tests::request::Request;
use telephone_tests::sidecar::{Program, Sidecar};
use telephone_tests::wait::{self, PATIENCE};

/// What nobody may find in a file.
const SECRET: &str = "hunter2";

fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).expect("the directory is there");
    let mut files: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    files
}

/// The one recording in a directory.
fn only_file(directory: &Path) -> PathBuf {
    let files = files(directory);
    let [file] = &files[..] else { panic!("one recording and not {files:?}") };
    file.clone()
}

fn replay(program: &Path, options: &[&str], file: &Path) -> Finished {
    Plan::new(program).arg("replay").args(options).arg(file).finish()
}

/// The rest of the line of a replay that begins with `name`.
fn told<'a>(replayed: &'a Finished, name: &str) -> &'a str {
    let line = replayed.stdout.lines().find_map(|line| line.strip_prefix(name));
    line.unwrap_or_else(|| panic!("no {name} in {replayed:?}")).trim()
}

fn path(directory: &Path) -> &str {
    directory.to_str().expect("UTF-8")
}

/// A relay and a sidecar that record to directories of theirs.
struct Recorded {
    relay: Relay,
    origin: Origin,
    sidecar: Sidecar,
    directory: tempfile::TempDir,
}

impl Recorded {
    fn start(program: Program, option: &[&str]) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let [at_relay, at_sidecar] = ["relay", "sidecar"].map(|name| directory.path().join(name));
        let record = |at| [&["--record", path(at)], option].concat();
        let (relay, origin) = (Relay::with(&[NO_GRACE, &record(&at_relay)].concat()), Origin::start());
        let dial = program.dial(&relay).token(&relay.token(&["/m"])).mount("/m").backend(&origin.url());
        let sidecar = dial.args(&record(&at_sidecar)).ready();
        Self { relay, origin, sidecar, directory }
    }

    fn directories(&self) -> [PathBuf; 2] {
        ["relay", "sidecar"].map(|name| self.directory.path().join(name))
    }
}

fn secret_request() -> Request {
    let body = SECRET.repeat(20_000);
    let request = Request::post(&format!("/m/mirror?key={SECRET}"), body.as_bytes());
    let request = request.field("Authorization", SECRET).field("Cookie", SECRET);
    request.field("Sec-WebSocket-Protocol", format!("telephone.token.{SECRET}"))
}

#[test]
fn what_passed_replays_to_the_same_trace_at_both_ends_and_holds_no_secret() {
    both_programs(|program| {
        let mut line = Recorded::start(program, &[]);
        for _ in 0..20 {
            assert_eq!(ask(line.relay.addr(), &secret_request()).status(), 200);
        }
        line.sidecar.terminate();
        assert_eq!(line.sidecar.wait_exit(PATIENCE), Some(0));
        // Killed it might not have recorded yet how the session ended.
        line.relay.terminate();
        assert_eq!(line.relay.wait_exit(), Some(0));
        for directory in line.directories() {
            let file = only_file(&directory);
            let octets = fs::read(&file).expect("a recording");
            assert!(octets.len() < 100_000, "{} octets for 5.6 MB that passed", octets.len());
            assert!(!octets.windows(SECRET.len()).any(|window| window == SECRET.as_bytes()));
            let replayed = replay(&bins::path(program.name()), &[], &file);
            assert_eq!(replayed.code, Some(0), "{replayed:?}");
            assert_eq!(told(&replayed, "as recorded"), format!("yes, {}", told(&replayed, "trace hash")));
            assert!(replayed.stdout.contains("POST /m/mirror?xxxxxxxxxxx"), "{}", replayed.stdout);
            assert!(replayed.stdout.contains("leave draining"), "{}", replayed.stdout);
        }
        drop(line.origin);
    });
}

#[test]
fn bodies_stay_in_a_recording_if_that_is_asked_for() {
    let mut line = Recorded::start(Program::Tokio, &["--record-bodies"]);
    assert_eq!(ask(line.relay.addr(), &secret_request()).status(), 200);
    line.sidecar.terminate();
    assert_eq!(line.sidecar.wait_exit(PATIENCE), Some(0));
    for directory in line.directories() {
        let file = only_file(&directory);
        let octets = fs::read(&file).expect("a recording");
        assert!(octets.windows(2 * SECRET.len()).any(|window| window == SECRET.repeat(2).as_bytes()));
        let replayed = replay(&bins::path("telephone"), &["--quiet"], &file);
        assert_eq!(replayed.code, Some(0), "{replayed:?}");
    }
}

/// Without a word of goodbye, at any moment: the file has all that the session had been given.
#[test]
fn a_killed_telephone_leaves_a_recording_that_replays_to_its_last_input() {
    let mut line = Recorded::start(Program::Smol, &[]);
    assert_eq!(ask(line.relay.addr(), &secret_request()).status(), 200);
    line.sidecar.kill();
    let [_, directory] = line.directories();
    let replayed = replay(&bins::path("telephone"), &["--quiet"], &only_file(&directory));
    assert_eq!(replayed.code, Some(0), "{replayed:?}");
    assert!(told(&replayed, "ending").starts_with("cut off"), "{replayed:?}");
}

#[test]
fn replay_tells_what_is_no_recording_and_where_a_trace_departs() {
    let mut line = Recorded::start(Program::Tokio, &[]);
    line.sidecar.terminate();
    assert_eq!(line.sidecar.wait_exit(PATIENCE), Some(0));
    let [_, directory] = line.directories();
    let file = only_file(&directory);
    let telephone = bins::path("telephone");
    let mut octets = fs::read(&file).expect("a recording");
    assert!(octets.starts_with(b"telephone recording 5 by telephone "));
    fs::write(&file, [&octets[..], b"more"].concat()).expect("room on the disk");
    let damaged = replay(&telephone, &["--quiet"], &file);
    assert_eq!(damaged.code, Some(1), "{damaged:?}");
    assert_eq!(told(&damaged, "not read"), "4 octets behind the last input");
    // The last record says how the trace ended.
    let last = octets.last_mut().expect("not empty");
    *last ^= 1;
    fs::write(&file, &octets).expect("room on the disk");
    let departed = replay(&telephone, &["--quiet"], &file);
    assert_eq!(departed.code, Some(1), "{departed:?}");
    assert!(told(&departed, "as recorded").starts_with("no: it departs"), "{departed:?}");
    let cases = [
        ("", "no recording"),
        ("telephone recording 5 by me\n\u{7f}", "damaged"),
        ("telephone recording 6 by telephone 7.0\n", "telephone 7.0 wrote it"),
    ];
    for (content, why) in cases {
        fs::write(&file, content).expect("room on the disk");
        let refused = replay(&telephone, &[], &file);
        assert_eq!(refused.code, Some(2), "{refused:?}");
        assert!(refused.stderr.contains(why) && refused.stdout.is_empty(), "{refused:?}");
    }
    assert_eq!(replay(&telephone, &[], Path::new("/nowhere")).code, Some(2));
}

/// One that cannot be made, and one that is there and in which even root makes no files.
#[test]
fn a_directory_that_cannot_be_written_is_told_at_the_start() {
    let running = Relay::start();
    for directory in ["/dev/null/recordings", "/proc"] {
        let telephone = Program::Tokio.plan().args(["--plugboard", "ws://127.0.0.1:1", "--mount", "/a"]);
        let telephone = telephone.args(["--port", "1", "--token", "a.b.c"]);
        let relay = Plan::new(bins::path("plugboard")).args(["serve", "--listen", "127.0.0.1:0"]);
        let relay = relay.args(["--admin", "127.0.0.1:0", "--secret-file"]).arg(running.secret_file());
        for program in [telephone, relay] {
            let ended = program.args(["--record", directory]).finish();
            assert_eq!(ended.code, Some(2), "{ended:?}");
            assert!(ended.stderr.contains(&format!("--record {directory}")), "{}", ended.stderr);
        }
    }
}

#[test]
fn the_log_says_that_sessions_are_recorded_and_warns_if_secrets_are() {
    let directory = tempfile::tempdir().expect("a directory");
    for (option, level, what) in [
        (&[][..], "INFO", "sessions are recorded, without bodies and secrets"),
        (&["--record-bodies"], "WARN", "sessions are recorded with all bodies, tokens and secrets"),
    ] {
        let relay = Relay::with(&[&["--record", path(directory.path())], option].concat());
        let said = relay.process().wait_stderr(what, PATIENCE);
        let line = said.lines().find(|line| line.contains(what));
        assert!(line.is_some_and(|line| line.contains(level)), "{said}");
    }
}

/// It comes again, and again, and must not push the files of others out.
#[test]
fn a_telephone_that_is_refused_leaves_no_recording() {
    let directory = tempfile::tempdir().expect("a directory");
    let relay = Relay::with(&["--record", path(directory.path())]);
    let origin = Origin::start();
    let dial = |token: &str| Program::Tokio.dial(&relay).token(token).mount("/m").backend(&origin.url());
    let _holder = dial(&relay.token(&["/m"])).ready();
    let held = only_file(directory.path());
    let other = dial(&relay.token_with("other", &["/m"], &[])).start();
    other.process().wait_stderr("refused:", PATIENCE);
    assert_eq!(only_file(directory.path()), held);
}

/// Where a panic was, and over what.
fn panic_of(stderr: &str) -> Vec<&str> {
    let at = stderr.lines().position(|line| line.contains("panicked at"));
    let lines: Vec<_> = at.map_or_else(Vec::new, |at| stderr.lines().skip(at).take(2).collect());
    let [place, why] = &lines[..] else { panic!("no panic in {stderr}") };
    vec![place.rsplit_once("panicked at").map_or("", |(_, place)| place), why]
}

/// A telephone with a bug that panics when a reader leaves that gives no credit. Under load that happens soon; from
/// the recording alone it happens again, with the same hash and the same last frame, and without the bug it does not.
#[test]
fn a_crash_under_load_is_found_from_its_recording_alone() {
    let crashing = bins::planted("stop-without-credit");
    let directory = tempfile::tempdir().expect("a directory");
    let (relay, origin) = (Relay::start(), Origin::start());
    let plan =
        Plan::new(&crashing).args(["--plugboard", &relay.url(), "--mount", "/m"]).env("RUST_LOG", "info");
    let plan = plan.args(["--backend", &origin.url(), "--record", path(directory.path())]);
    let mut telephone = plan.env("TELEPHONE_TOKEN", relay.token(&["/m"])).start();
    telephone.wait_stderr("connected", PATIENCE);
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    try_get(relay.addr(), "/m/bytes?n=20000&seed=1");
                }
            });
        }
        // A reader that reads little, and leaves while others are served.
        wait::until_true("the telephone crashes", PATIENCE, || {
            let mut reader = Client::connect(relay.addr());
            let is_answered = reader.try_send(Request::get("/m/bytes?n=50000000&seed=2").to_vec()).is_ok()
                && reader.try_head().is_ok()
                && reader.some(1000).is_ok();
            try_get(relay.addr(), "/m/bytes?n=20000&seed=1");
            drop(reader);
            !is_answered || !telephone.is_running()
        });
        is_over.store(true, Ordering::Relaxed);
    });
    assert_eq!(telephone.wait_exit(PATIENCE).code(), Some(1), "{}", telephone.said());
    let said = telephone.stderr();
    drop((telephone, relay, origin));

    let file = only_file(directory.path());
    let again = replay(&crashing, &["--quiet"], &file);
    assert_eq!(again.code, Some(1), "{again:?}");
    assert_eq!(panic_of(&again.stderr), panic_of(&said));
    let ending = told(&again, "ending");
    assert!(ending.starts_with("the core panicked over input") && ending.contains("stop "), "{ending}");
    assert_eq!(
        told(&again, "trace hash"),
        format!("{} before it", told(&again, "as recorded").trim_start_matches("yes, "))
    );
    // As often as one likes.
    assert_eq!(replay(&crashing, &["--quiet"], &file).stdout, again.stdout);

    let sound = replay(&bins::path("telephone"), &["--quiet"], &file);
    assert_eq!(sound.code, Some(0), "{sound:?}");
    assert!(told(&sound, "ending").starts_with("the program panicked over the last input"), "{sound:?}");
    assert_eq!(told(&sound, "inputs"), told(&again, "inputs"));
    assert_eq!(told(&sound, "last message"), told(&again, "last message"));
    assert_eq!(told(&sound, "as recorded"), told(&again, "as recorded"));
}
