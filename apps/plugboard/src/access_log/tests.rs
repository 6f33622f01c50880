use std::sync::MutexGuard;

use telephone_driver::core::cause::Cause;

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
        peer: "192.0.2.1:5000".parse().unwrap(),
        mount: Some("/a"),
        subject: Some("shop"),
        cause: Cause::Complete,
    }
}

/// A disk that waits until it may write, and fails for as long as it is full.
#[derive(Clone, Default)]
struct Disk {
    gate: Arc<Mutex<()>>,
    state: Arc<Mutex<(Vec<u8>, bool)>>,
}

impl Disk {
    fn state(&self) -> MutexGuard<'_, (Vec<u8>, bool)> {
        self.state.lock().unwrap()
    }

    fn lines(&self) -> usize {
        self.state().0.iter().filter(|octet| **octet == b'\n').count()
    }
}

impl Write for Disk {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        let _open = self.gate.lock().unwrap();
        let mut state = self.state();
        if state.1 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        state.0.extend_from_slice(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn dropping_the_log_writes_every_line_that_waits() {
    let disk = Disk::default();
    let log = AccessLog::spawn(disk.clone(), Duration::MAX, |_| Ok(None)).unwrap();
    for _ in 0..1000 {
        log.record(&record(b"/"));
    }
    let dropped = log.dropped();
    drop(log);
    assert_eq!((disk.lines(), dropped), (1000, 0));
}

#[test]
fn a_disk_that_hangs_costs_lines_and_never_the_event_loop() {
    let disk = Disk::default();
    let hang = disk.gate.lock().unwrap();
    let log = AccessLog::spawn(disk.clone(), Duration::MAX, |_| Ok(None)).unwrap();
    // The thread can take some lines into its buffer, but the disk takes none.
    let sent = 3 * LINES_MAX as u64;
    for _ in 0..sent {
        log.record(&record(b"/"));
    }
    let dropped = log.dropped();
    assert!(dropped > 0);
    assert_eq!(disk.lines(), 0);
    drop(hang);
    drop(log);
    assert_eq!(disk.lines() as u64 + dropped, sent);
}

#[test]
fn a_full_disk_is_counted_and_the_log_goes_on_when_there_is_room() {
    let disk = Disk::default();
    disk.state().1 = true;
    let log = AccessLog::spawn(disk.clone(), Duration::MAX, |_| Ok(None)).unwrap();
    log.record(&record(b"/lost"));
    while log.dropped() == 0 {
        thread::yield_now();
    }
    disk.state().1 = false;
    log.record(&record(b"/kept"));
    drop(log);
    let text = String::from_utf8(disk.state().0.clone()).unwrap();
    assert!(text.contains("/kept") && !text.contains("/lost"), "{text}");
}

#[test]
fn each_line_goes_to_the_newest_destination_and_none_is_lost() {
    let (old, new) = (Disk::default(), Disk::default());
    let (lines, waiting) = sync_channel(3);
    for text in ["one\n", "two\n", "three\n"] {
        lines.send(text.as_bytes().to_vec()).unwrap();
    }
    drop(lines);
    let looks = AtomicU64::new(0);
    let rotate = |_: &Disk| Ok((looks.fetch_add(1, Ordering::Relaxed) == 1).then(|| new.clone()));
    write_lines(Sink::new(old.clone(), Arc::default()), &waiting, Duration::ZERO, rotate);
    assert_eq!(old.state().0, b"one\n");
    assert_eq!(new.state().0, b"two\nthree\n");
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
            let disk = Disk::default();
            let log = AccessLog::spawn(disk.clone(), Duration::MAX, |_| Ok(None)).unwrap();
            let log = log.keep_queries(keeps_queries);
            log.record(&record(target.as_bytes()));
            drop(log);
            let line: serde_json::Value = serde_json::from_slice(&disk.state().0).unwrap();
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
    let log = AccessLog::start(&Destination::File(scratch.path().into())).unwrap();
    drop(log);
    let mode = std::fs::metadata(scratch.path()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_file_is_appended_to_and_known_again_until_it_is_moved_away() {
    let scratch = Scratch::file(b"before\n");
    let log = AccessLog::start(&Destination::File(scratch.path().into())).unwrap().unwrap();
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
