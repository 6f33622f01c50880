//! What a hostile plugboard, or a false health page, writes never reaches a terminal or a log as more than text.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

use serde_json::{Value, json};
use telephone_tests::false_plugboard::FalsePlugboard;
use telephone_tests::line::both_programs;
use telephone_tests::sidecar::Program;
use telephone_tests::wait::{self, PATIENCE};

/// Reasons of a refusal, and what is left to see of each.
const HOSTILE: &[(&str, &str)] = &[
    ("\x1b[2J\x1b[31mHACKED\x1b[0m", r"\u{1b}[2J\u{1b}[31mHACKED"),
    ("\x1b]52;c;ZXZpbA==\x07", r"\u{1b}]52;c;ZXZpbA==\u{7}"),
    ("\u{9b}2J", r"\u{9b}2J"),
    ("ok\n2026-01-01T00:00:00Z ERROR forged", r"ok\n2026-01-01T00:00:00Z ERROR forged"),
    ("a\r\x08\x08b\0c", r"a\r\u{8}\u{8}b\0c"),
    ("\u{202e}gpj.exe\u{2066}", r"\u{202e}gpj.exe\u{2066}"),
    ("a\u{2028}b\u{2029}c\u{85}d", r"a\u{2028}b\u{2029}c\u{85}d"),
    ("zero\u{200b}width\u{feff}", r"zero\u{200b}width\u{feff}"),
];

fn is_risky(c: char) -> bool {
    (c.is_control() && c != '\n')
        || ('\u{200b}'..='\u{202e}').contains(&c) && !('\u{2010}'..='\u{2027}').contains(&c)
        || ('\u{2066}'..='\u{2069}').contains(&c)
        || c == '\u{feff}'
}

fn assert_plain(what: &str, text: &str) {
    assert!(!text.contains(is_risky), "{what}: {text:?}");
    // The time at which no line was written.
    assert!(!text.lines().any(|line| line.starts_with("2026-01-01")), "{what}: {text:?}");
    assert!(text.lines().all(|line| line.chars().count() < 1000), "{what} has a line of megabytes");
}

#[test]
fn a_refusal_is_text_in_the_log_on_the_health_page_in_status_and_in_the_doctors_report() {
    both_programs(|program| {
        let plugboard = FalsePlugboard::start();
        let dial = program.dial_url(&plugboard.url()).token("a.b.c").mount("/m");
        let sidecar = dial.args(&["--port", "1", "--backoff-base", "10ms", "--backoff-max", "10ms"]).start();
        let long = "x".repeat(12_000);
        for (reason, shown) in HOSTILE.iter().copied().chain([(&*long, "xxxx")]) {
            plugboard.next().refuse(reason);
            let log = sidecar.process().wait_stderr(shown, PATIENCE);
            assert_plain("the log", &log);
            let page = wait::until("the page tells of it", PATIENCE, || {
                let error = sidecar.page()["plugboards"][0]["last_error"].as_str()?.to_owned();
                error.contains(shown).then_some(error)
            });
            assert_plain("the health page", &page);
            let health = sidecar.health_addr().to_string();
            let told = program.plan().args(["status", "--health", &health]).finish();
            assert!(
                told.stdout.contains(shown.split('\\').next_back().unwrap_or_default()),
                "{}",
                told.stdout
            );
            assert_plain("status", &told.stdout);
        }
    });
}

#[test]
fn a_telephone_that_gives_up_ends_with_plain_words() {
    both_programs(|program| {
        for (reason, shown) in HOSTILE {
            let plugboard = FalsePlugboard::start();
            let dial = program.dial_url(&plugboard.url()).token("a.b.c").mount("/m");
            let mut sidecar =
                dial.args(&["--port", "1", "--max-attempts", "1"]).env("LOG_FORMAT", "json").start();
            plugboard.next().refuse(reason);
            let log = sidecar.process().wait_stderr("giving up", PATIENCE);
            assert_eq!(sidecar.wait_exit(PATIENCE), Some(1));
            assert_plain("the log", &log);
            for line in log.lines() {
                let line: Value = serde_json::from_str(line).expect("one object a line");
                assert_plain("a message", line["message"].as_str().unwrap_or_default());
            }
            assert!(log.contains(&shown.replace('\\', r"\\")), "{log}");
        }
    });
}

#[test]
fn the_doctor_shows_a_refusal_as_text() {
    both_programs(|program| {
        for (reason, shown) in HOSTILE {
            for options in [&["--json"][..], &[]] {
                let plugboard = FalsePlugboard::start();
                let url = plugboard.url();
                let refusing = thread::spawn({
                    let reason = (*reason).to_owned();
                    move || {
                        // It first looks who listens.
                        drop(plugboard.accept());
                        plugboard.next().refuse(&reason);
                    }
                });
                let token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIiwibW91bnRzIjpbIi9tIl19.c2ln";
                let doctor = program.plan().args(["doctor", "--plugboard", &url, "--mount", "/m"]);
                let told = doctor.args(options).env("TELEPHONE_TOKEN", token).finish();
                refusing.join().expect("a doctor that asks");
                let shown = if options.is_empty() { (*shown).to_owned() } else { shown.replace('\\', r"\\") };
                assert!(told.stdout.contains(&shown), "{shown} is not in {}", told.stdout);
                assert_plain("the report", &told.stdout);
            }
        }
    });
}

/// Answers one request with that, whatever it asks.
fn answering(answer: impl FnOnce(TcpStream) + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let addr = listener.local_addr().expect("a bound address");
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("somebody asks");
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            let mut octet = [0];
            stream.read_exact(&mut octet).expect("a whole request");
            request.extend(octet);
        }
        answer(stream);
    });
    addr
}

fn status(program: Program, addr: SocketAddr) -> telephone_tests::process::Finished {
    program.plan().args(["status", "--health", &addr.to_string()]).finish()
}

#[test]
fn status_shows_a_false_health_page_as_text_and_gives_up_on_an_endless_one() {
    both_programs(|program| {
        for (text, shown) in HOSTILE {
            let lines: Vec<Value> = (0..5000)
                .map(|_| json!({"url": text, "state": {"x": text}, "session": [text], "last_error": text}))
                .collect();
            let page = json!({"state": text, "since": text, "requests": text, "plugboards": &lines[..50]});
            let answer = format!("HTTP/1.1 200 OK\r\n\r\n{page}");
            let addr = answering(move |mut stream| stream.write_all(answer.as_bytes()).unwrap_or_default());
            let told = status(program, addr);
            assert!(told.stdout.contains(shown), "{}", told.stdout);
            assert_plain("status", &told.stdout);
            assert_eq!(told.code, Some(1));
        }
        let endless = answering(|mut stream| {
            let _start = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n{\"state\":\"");
            while stream.write_all(&[b'x'; 64 * 1024]).is_ok() {}
        });
        let told = status(program, endless);
        assert_eq!(told.code, Some(1));
        assert!(told.stderr.contains("no health page"), "{}", told.stderr);
        let trickling = answering(|mut stream| {
            // Each byte comes sooner than a read gives up.
            while stream.write_all(b"x").is_ok() {
                thread::sleep(std::time::Duration::from_millis(200));
            }
        });
        let told = status(program, trickling);
        assert_eq!(told.code, Some(1), "{}", told.stderr);
    });
}
