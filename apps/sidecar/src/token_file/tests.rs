use std::io::Write;
use std::sync::{Arc, MutexGuard, PoisonError};

use super::*;

const OLD: &str = "eyJh.eyJz.b2xk";
const NEW: &str = "eyJh.eyJz.bmV3";

/// One at a time: what one test's thread logs for the first time, another's subscriber may miss.
static TURN: Mutex<()> = Mutex::new(());

/// A file, and the turn of the test that has it.
struct Scratch(PathBuf, #[expect(dead_code, reason = "it is held")] MutexGuard<'static, ()>);

impl Scratch {
    fn new(name: &str, text: &str) -> Self {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let path = std::env::temp_dir().join(format!("telephone-{}-{name}", std::process::id()));
        std::fs::write(&path, text).unwrap();
        Self(path, turn)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// A log that a test can read.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn lines(&self) -> Vec<String> {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap().lines().map(str::to_owned).collect()
    }

    fn record<T>(&self, work: impl FnOnce() -> T) -> T {
        let log = self.clone();
        let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || log.clone()).finish();
        tracing::subscriber::with_default(subscriber, work)
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_replaced_file_gives_the_new_token_without_its_line_end() {
    let file = Scratch::new("replaced", OLD);
    let source = TokenFile::open(&file.0).unwrap();
    std::fs::write(&file.0, format!("{NEW}\r\n")).unwrap();
    assert_eq!(source.token().unwrap(), NEW);
    assert!(!source.is_fixed());
}

#[test]
fn a_bad_replacement_keeps_the_old_token_and_is_logged_once() {
    for (name, bad) in [("empty", ""), ("half", "eyJh.eyJz"), ("torso", "eyJh.eyJz.b2xkZ"), ("text", "oops")]
    {
        let file = Scratch::new(name, OLD);
        let source = TokenFile::open(&file.0).unwrap();
        let log = Log::default();
        log.record(|| {
            std::fs::write(&file.0, bad).unwrap();
            assert_eq!(source.token().unwrap(), OLD, "{name}");
            assert_eq!(source.token().unwrap(), OLD, "{name}");
        });
        assert_eq!(log.lines().len(), 1, "{name}: {:?}", log.lines());
        std::fs::write(&file.0, NEW).unwrap();
        assert_eq!(source.token().unwrap(), NEW, "{name}");
    }
}

#[test]
fn a_file_that_vanished_keeps_the_old_token() {
    let file = Scratch::new("vanished", OLD);
    let source = TokenFile::open(&file.0).unwrap();
    std::fs::remove_file(&file.0).unwrap();
    assert_eq!(source.token().unwrap(), OLD);
}

#[test]
fn a_second_failure_after_a_good_read_is_logged_again() {
    let file = Scratch::new("again", OLD);
    let source = TokenFile::open(&file.0).unwrap();
    let log = Log::default();
    log.record(|| {
        for text in ["", OLD, ""] {
            std::fs::write(&file.0, text).unwrap();
            source.token().unwrap();
        }
    });
    assert_eq!(log.lines().len(), 2);
}

#[test]
fn a_missing_or_empty_file_is_an_error_at_the_start() {
    assert!(TokenFile::open(Path::new("/nonexistent/token")).is_err());
    let file = Scratch::new("start", "\n");
    assert!(TokenFile::open(&file.0).unwrap_err().to_string().contains("no JWT"));
    std::fs::write(&file.0, format!("\u{feff}{OLD}")).unwrap();
    assert!(TokenFile::open(&file.0).unwrap_err().to_string().contains("without BOM"));
    std::fs::write(&file.0, b"\xff\xfee\0y\0J\0").unwrap();
    assert!(TokenFile::open(&file.0).unwrap_err().to_string().contains("UTF-16"));
}

#[cfg(unix)]
#[test]
fn a_file_that_others_can_read_is_warned_about_and_a_private_one_is_not() {
    use std::os::unix::fs::PermissionsExt;
    for (mode, lines) in [(0o644, 1), (0o600, 0), (0o400, 0), (0o640, 1), (0o604, 1)] {
        let file = Scratch::new(&format!("mode-{mode:o}"), OLD);
        std::fs::set_permissions(&file.0, std::fs::Permissions::from_mode(mode)).unwrap();
        let log = Log::default();
        log.record(|| TokenFile::open(&file.0)).unwrap();
        assert_eq!(log.lines().len(), lines, "{mode:o}: {:?}", log.lines());
        let (said, path) = (log.lines().concat(), file.0.display().to_string());
        let parts = [format!("--token-file {path}"), format!("mode {mode:04o}"), format!("chmod 600 {path}")];
        assert!(lines == 0 || parts.iter().all(|part| said.contains(part)), "{said}");
    }
}

#[test]
fn neither_debug_nor_the_log_shows_a_token() {
    let file = Scratch::new("canary", OLD);
    let source = TokenFile::open(&file.0).unwrap();
    let log = Log::default();
    log.record(|| {
        std::fs::write(&file.0, "eyJcanary").unwrap();
        source.token().unwrap();
    });
    assert!(!format!("{source:?}").contains(OLD));
    assert!(!log.lines().concat().contains("canary\""));
    assert!(!log.lines().concat().contains("eyJcanary"));
}

/// To open a FIFO waits for its writer: the test would not end.
#[test]
fn a_fifo_is_no_token_file_and_in_the_place_of_one_it_is_waited_for_by_nobody() {
    let file = Scratch::new("fifo", OLD);
    let source = TokenFile::open(&file.0).unwrap();
    std::fs::remove_file(&file.0).unwrap();
    let made = std::process::Command::new("mkfifo").arg(&file.0).status().unwrap();
    assert!(made.success());
    let log = Log::default();
    log.record(|| assert_eq!(source.token().unwrap(), OLD));
    let lines = log.lines();
    assert!(lines.len() == 1 && lines[0].contains("it is a FIFO and not a regular file"), "{lines:?}");
    let refused = TokenFile::open(&file.0).unwrap_err().to_string();
    assert_eq!(refused, "it is a FIFO and not a regular file");
}

#[test]
fn a_pipe_that_the_program_was_started_with_gives_its_token_once() {
    let (reader, mut writer) = io::pipe().unwrap();
    writeln!(writer, "{OLD}").unwrap();
    drop(writer);
    let path = format!("/dev/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&reader));
    let source = TokenFile::open(Path::new(&path)).unwrap();
    let log = Log::default();
    log.record(|| assert_eq!(source.token().unwrap(), OLD));
    assert!(source.is_fixed() && log.lines().is_empty(), "{:?}", log.lines());
}
