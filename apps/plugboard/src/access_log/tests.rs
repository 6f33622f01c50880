use std::time::Duration;

use telephone_driver::core::cause::Cause;
use telephone_driver::file::open_to_append;

use super::sink::is_at;
use super::*;
use crate::scratch::Scratch;

pub(crate) fn record(target: &[u8]) -> AccessRecord<'_> {
    AccessRecord {
        method: b"GET",
        host: Some(b"example.com"),
        target,
        status: Some(200),
        bytes_in: 1,
        bytes_out: 2,
        duration: Duration::from_micros(1500),
        waited: Duration::ZERO,
        peer: "192.0.2.1:5000".parse().unwrap(),
        mount: Some("/a"),
        subject: Some("shop"),
        stages: None,
        trace: None,
        cause: Cause::Complete,
    }
}

fn text(file: &Scratch) -> String {
    std::fs::read_to_string(file.path()).unwrap()
}

fn log_to(file: &Scratch) -> AccessLog {
    AccessLog::start(&Destination::File(file.path().into())).unwrap().unwrap()
}

#[test]
fn dropping_the_log_writes_every_line_that_waits() {
    let file = Scratch::path_only();
    let log = log_to(&file);
    for _ in 0..1000 {
        log.record(&record(b"/"));
    }
    let dropped = log.dropped();
    drop(log);
    assert_eq!((text(&file).lines().count(), dropped), (1000, 0));
}

#[test]
fn a_file_that_is_moved_away_is_made_anew_when_that_is_asked_for() {
    let (file, moved) = (Scratch::path_only(), Scratch::path_only());
    let log = log_to(&file);
    log.record(&record(b"/before"));
    while text(&file).is_empty() {
        std::thread::yield_now();
    }
    std::fs::rename(file.path(), moved.path()).unwrap();
    log.reopen();
    log.record(&record(b"/after"));
    drop(log);
    assert!(text(&moved).contains("/before") && !text(&moved).contains("/after"));
    assert!(text(&file).contains("/after"));
}

#[test]
fn what_follows_a_path_is_not_logged_unless_that_is_asked_for() {
    let rows = [
        ("/a/b?token=hunter2", "/a/b"),
        ("/a#access_token=hunter2", "/a"),
        ("/a;jsessionid=hunter2/b?c", "/a"),
        ("/a;jsessionid=hunter2", "/a"),
        ("?hunter2", ""),
        ("/plain/", "/plain/"),
        ("tcp:db:5432", "tcp:db:5432"),
    ];
    for (target, cut) in rows {
        for (keeps_queries, logged) in [(false, cut), (true, target)] {
            let file = Scratch::path_only();
            let log = log_to(&file).keep_queries(keeps_queries);
            log.record(&record(target.as_bytes()));
            drop(log);
            let line: serde_json::Value = serde_json::from_str(&text(&file)).unwrap();
            assert_eq!(line["target"], logged, "{target}");
            assert_eq!(line["method"], "GET", "all else stays");
        }
    }
}

#[cfg(unix)]
#[test]
fn the_file_that_is_made_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let scratch = Scratch::path_only();
    drop(log_to(&scratch));
    let mode = std::fs::metadata(scratch.path()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_file_is_appended_to_and_known_again_until_it_is_moved_away() {
    let scratch = Scratch::file(b"before\n");
    let log = log_to(&scratch);
    log.record(&record(b"/after"));
    drop(log);
    let text = std::fs::read_to_string(scratch.path()).unwrap();
    assert!(text.starts_with("before\n{") && text.ends_with("}\n"), "{text}");

    let file = open_to_append(scratch.path()).unwrap();
    assert!(is_at(&file, scratch.path()));
    let moved = Scratch::path_only();
    std::fs::rename(scratch.path(), moved.path()).unwrap();
    assert!(!is_at(&file, scratch.path()));
    std::fs::write(scratch.path(), "").unwrap();
    assert!(!is_at(&file, scratch.path()));
}

#[test]
fn destinations_are_a_file_standard_output_or_nowhere() {
    assert_eq!(Destination::parse("-"), Ok(Destination::Stdout));
    assert_eq!(Destination::parse("off"), Ok(Destination::Off));
    assert_eq!(Destination::parse("/x"), Ok(Destination::File("/x".into())));
    assert!(Destination::parse("").is_err());
    assert!(AccessLog::start(&Destination::Off).unwrap().is_none());
    assert!(AccessLog::start(&Destination::File("/nonexistent/x".into())).is_err());
}
