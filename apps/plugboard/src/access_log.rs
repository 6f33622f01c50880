//! The access log: one JSON object a line for each request, written by a thread of its own.
//!
//! The event loop never waits for a disk (faults A-16): what the thread cannot take is dropped and
//! counted. What clients chose ends in the log as ASCII on one line, and truncated.

use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use telephone_driver::core::log_limit::{Due, LineKind, LineSource};
use telephone_driver::core::target;
use telephone_driver::core::time::Timestamp;
use telephone_driver::file::open_to_append;
use telephone_driver::{AccessRecord, Log};

use self::line::line;

mod line;

/// Lines that wait for the thread: at most about 16 MiB, since a line has at most four truncated fields.
const LINES_MAX: usize = 4096;
/// Octets that are written at once.
const BUFFER_BYTES: usize = 16 * 1024;
/// How long a stop waits for the last lines; a pipe that nobody reads must not hold the process.
const STOP_TIMEOUT: Duration = Duration::from_secs(1);
/// How often a file is looked for under its name, so that it can be rotated away.
const ROTATION_INTERVAL: Duration = Duration::from_secs(1);

/// Where access lines go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// Standard output. The program's own log goes to standard error, so the two can be told apart.
    Stdout,
    /// Appended to a file, which is opened anew when it was moved away.
    File(PathBuf),
    /// Nowhere.
    Off,
}

impl Destination {
    /// `-`, `off` or a file's path.
    ///
    /// # Errors
    /// The text is empty.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text {
            "" => Err("give a file, - for standard output, or off".into()),
            "-" => Ok(Self::Stdout),
            "off" => Ok(Self::Off),
            path => Ok(Self::File(path.into())),
        }
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdout => f.write_str("-"),
            Self::File(path) => path.display().fmt(f),
            Self::Off => f.write_str("off"),
        }
    }
}

/// The event loop's end of the log. Dropping it writes what waits, for at most a second.
#[derive(Debug)]
pub struct AccessLog {
    lines: Option<SyncSender<Vec<u8>>>,
    /// Behind a lock only because a receiver cannot be shared; nobody but `drop` looks.
    ended: Mutex<Receiver<()>>,
    dropped: Arc<AtomicU64>,
    keeps_queries: bool,
}

impl AccessLog {
    /// Opens `destination` and starts the thread; `None` if the log is off.
    ///
    /// # Errors
    /// The file cannot be opened, or no thread started.
    pub fn start(destination: &Destination) -> io::Result<Option<Self>> {
        match destination {
            Destination::Off => Ok(None),
            Destination::Stdout => Self::spawn(io::stdout(), Duration::MAX, |_| Ok(None)).map(Some),
            Destination::File(path) => {
                let path = path.clone();
                let file = open_to_append(&path)?;
                warn_if_readable(&file, &path);
                let reopen = move |file: &File| {
                    if is_at(file, &path) { Ok(None) } else { open_to_append(&path).map(Some) }
                };
                Self::spawn(file, ROTATION_INTERVAL, reopen).map(Some)
            }
        }
    }

    /// A log whose thread writes to `out`, and asks `reopen` each `interval` whether there is a new one.
    fn spawn<W: Write + Send + 'static>(
        out: W,
        interval: Duration,
        reopen: impl Fn(&W) -> io::Result<Option<W>> + Send + 'static,
    ) -> io::Result<Self> {
        let (lines, waiting) = sync_channel(LINES_MAX);
        let (has_ended, ended) = sync_channel(1);
        let dropped = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&dropped);
        thread::Builder::new().name("access-log".into()).spawn(move || {
            write_lines(Sink::new(out, counter), &waiting, interval, reopen);
            let _ = has_ended.send(());
        })?;
        Ok(Self { lines: Some(lines), ended: Mutex::new(ended), dropped, keeps_queries: false })
    }

    /// Logs targets whole. Without it they end where a query, a fragment or a parameter begins, for tokens stand in those.
    #[must_use]
    pub const fn keep_queries(mut self, keeps_queries: bool) -> Self {
        self.keeps_queries = keeps_queries;
        self
    }

    /// Writes one line, or drops it if the thread is too far behind. Never waits.
    pub fn record(&self, record: &AccessRecord<'_>) {
        self.write(record, None);
    }

    /// Likewise, of a request that was refused by that rule.
    pub fn record_refused(&self, record: &AccessRecord<'_>, rule: &str) {
        self.write(record, Some(rule));
    }

    fn write(&self, record: &AccessRecord<'_>, rule: Option<&str>) {
        let Some(lines) = &self.lines else { return };
        let target =
            if self.keeps_queries { record.target } else { target::without_parameters(record.target) };
        let record = AccessRecord { target, ..record.clone() };
        if lines.try_send(line(&record, rule, SystemTime::now())).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Lines that were dropped since the start.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

impl Drop for AccessLog {
    fn drop(&mut self) {
        self.lines = None;
        let ended = self.ended.get_mut().unwrap_or_else(PoisonError::into_inner);
        let _ = ended.recv_timeout(STOP_TIMEOUT);
    }
}

/// Writes until the last sender is gone; flushes whenever nothing waits.
fn write_lines<W: Write>(
    mut sink: Sink<W>,
    waiting: &Receiver<Vec<u8>>,
    interval: Duration,
    reopen: impl Fn(&W) -> io::Result<Option<W>>,
) {
    let mut looked = Instant::now();
    loop {
        let wait = if sink.unflushed > 0 { Duration::ZERO } else { Duration::MAX };
        match waiting.recv_timeout(wait) {
            Ok(line) => {
                if looked.elapsed() >= interval {
                    looked = Instant::now();
                    if let Ok(Some(fresh)) = reopen(&sink.out) {
                        sink.replace(fresh);
                    }
                }
                sink.write(&line);
            }
            Err(RecvTimeoutError::Timeout) => sink.flush(),
            Err(RecvTimeoutError::Disconnected) => return sink.flush(),
        }
    }
}

/// A writer with a buffer that outlives errors and counts what they cost.
struct Sink<W: Write> {
    out: W,
    buffer: Vec<u8>,
    /// Lines that are written and not flushed.
    unflushed: u64,
    dropped: Arc<AtomicU64>,
    /// Whether the last flush failed, so that a full disk is logged once and not for each line.
    is_failing: bool,
    /// A disk that is almost full fails and works by turns.
    log: Log,
    started: Instant,
}

impl<W: Write> Sink<W> {
    fn new(out: W, dropped: Arc<AtomicU64>) -> Self {
        let (log, started) = (Log::default(), Instant::now());
        Self { out, buffer: Vec::new(), unflushed: 0, dropped, is_failing: false, log, started }
    }

    fn write(&mut self, line: &[u8]) {
        self.unflushed += 1;
        self.buffer.extend_from_slice(line);
        if self.buffer.len() >= BUFFER_BYTES {
            self.flush();
        }
    }

    fn flush(&mut self) {
        let result = self.out.write_all(&self.buffer).and_then(|()| self.out.flush());
        self.buffer.clear();
        match result {
            Ok(()) => (self.unflushed, self.is_failing) = (0, false),
            Err(error) => self.on_error(&error),
        }
    }

    fn replace(&mut self, fresh: W) {
        self.flush();
        self.out = fresh;
    }

    /// The whole buffer is lost: a part of it may be written, and no line is to come twice.
    fn on_error(&mut self, error: &io::Error) {
        self.dropped.fetch_add(std::mem::take(&mut self.unflushed), Ordering::Relaxed);
        if std::mem::replace(&mut self.is_failing, true) {
            return;
        }
        let now = Timestamp::ZERO + self.started.elapsed();
        let due = self.log.line(LineKind::AccessLogFailed, LineSource::Process, now);
        if let Some(Due { suppressed, .. }) = due {
            tracing::error!(%error, suppressed, "access lines are lost, requests are served on");
        }
    }
}

/// A file that is there keeps its mode: a program that ships logs may be of its group. Everybody should not be.
#[cfg(unix)]
fn warn_if_readable(file: &File, path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    let Ok(metadata) = file.metadata() else { return };
    let mode = metadata.permissions().mode() & 0o7777;
    if metadata.is_file() && mode & 0o004 != 0 {
        let (path, mode) = (path.display(), format_args!("{mode:04o}"));
        tracing::warn!(%path, %mode, "everybody on this machine can read the access log; run chmod 600 or 640");
    }
}

#[cfg(not(unix))]
fn warn_if_readable(_: &File, _: &Path) {}

/// Whether `file` is still the one at `path`.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let (Ok(open), Ok(named)) = (file.metadata(), std::fs::metadata(path)) else { return false };
    (open.dev(), open.ino()) == (named.dev(), named.ino())
}

#[cfg(not(unix))]
fn is_at(_: &File, path: &Path) -> bool {
    path.exists()
}

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) use tests::record;
