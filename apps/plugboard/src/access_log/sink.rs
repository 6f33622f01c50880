//! The file that the access log's thread writes to.

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use telephone_driver::Log;
use telephone_driver::core::log_limit::{Due, LineKind, LineSource};
use telephone_driver::core::time::Timestamp;
use telephone_driver::file::open_to_append;
use telephone_sidecar::background::Sink;

/// How often a file is looked for under its name, so that it can be rotated away.
const ROTATION_INTERVAL: Duration = Duration::from_secs(1);

/// A file, which is opened anew when it was moved away, or standard output.
#[derive(Debug)]
pub(super) struct LogFile {
    /// `None` for a FIFO that nobody reads.
    file: Option<File>,
    /// Its name; standard output has none.
    path: Option<PathBuf>,
    looked: Instant,
    /// Whether the last lines were dropped, so that a full disk is logged once and not for each batch.
    is_failing: bool,
    /// A disk that is almost full fails and works by turns.
    log: Log,
    started: Instant,
}

impl LogFile {
    /// Standard output. Not through the standard library's own, which waits for line ends.
    pub(super) fn stdout() -> io::Result<Self> {
        let file = io::stdout().as_fd().try_clone_to_owned()?;
        Ok(Self::new(Some(file.into()), None))
    }

    /// The file at `path`. A FIFO need not have a reader yet: until it has, lines are dropped.
    pub(super) fn open(path: PathBuf) -> io::Result<Self> {
        let file = match open_to_append(&path) {
            Ok(file) => Some(file),
            Err(error) if error.kind() == ErrorKind::NotConnected => {
                let path = path.display();
                tracing::warn!(%path, "--access-log: {error}; access lines are dropped until then");
                None
            }
            Err(error) => return Err(error),
        };
        if let Some(file) = &file {
            warn_if_readable(file, &path);
        }
        Ok(Self::new(file, Some(path)))
    }

    fn new(file: Option<File>, path: Option<PathBuf>) -> Self {
        let (log, now) = (Log::default(), Instant::now());
        // One without a reader has been reported.
        let is_failing = file.is_none();
        Self { file, path, looked: now, is_failing, log, started: now }
    }

    /// A line of the program's log about this one.
    fn due(&self) -> Option<Due> {
        let now = Timestamp::ZERO + self.started.elapsed();
        self.log.line(LineKind::AccessLogFailed, LineSource::Process, now)
    }
}

impl Sink for LogFile {
    fn output(&mut self, reopens: bool) -> io::Result<&mut dyn Write> {
        if let Some(path) = &self.path {
            let is_due = reopens || self.looked.elapsed() >= ROTATION_INTERVAL;
            let is_elsewhere = |file: &File| is_due && (reopens || !is_at(file, path));
            if self.file.as_ref().is_none_or(is_elsewhere) {
                match open_to_append(path) {
                    Ok(file) => self.file = Some(file),
                    // The file that is open takes the lines: its directory may be gone for a moment.
                    Err(error) if self.file.is_none() => return Err(error),
                    Err(error) if reopens => {
                        let path = path.display();
                        tracing::error!(%error, %path, "cannot open the access log anew: lines go into the file of before; correct its directory, and send SIGHUP again");
                    }
                    Err(_) => {}
                }
            }
            if is_due {
                self.looked = Instant::now();
            }
        }
        match &mut self.file {
            Some(file) => Ok(file),
            None => Err(ErrorKind::NotFound.into()),
        }
    }

    fn on_resumed(&mut self, dropped: u64) {
        self.is_failing = false;
        if let Some(Due { suppressed, .. }) = self.due() {
            tracing::warn!(
                dropped,
                suppressed,
                "access lines were dropped, and are written again; look at the disk or at what reads them"
            );
        }
    }

    fn on_error(&mut self, error: &io::Error) {
        if std::mem::replace(&mut self.is_failing, true) {
            return;
        }
        if let Some(Due { suppressed, .. }) = self.due() {
            tracing::error!(
                %error,
                suppressed,
                "access lines are dropped, requests are served on; make room, or start what reads them"
            );
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
pub(super) fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let (Ok(open), Ok(named)) = (file.metadata(), std::fs::metadata(path)) else { return false };
    (open.dev(), open.ino()) == (named.dev(), named.ino())
}

#[cfg(not(unix))]
pub(super) fn is_at(_: &File, path: &Path) -> bool {
    path.exists()
}
