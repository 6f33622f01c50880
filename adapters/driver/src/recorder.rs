//! Recordings as files of a directory.
//!
//! The core decides what stands in them and where a segment ends; here they get names, and the oldest make room.

mod shelf;

use std::collections::VecDeque;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf, is_separator};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use telephone_core::log_limit::{Due, LineKind, LineSource};
use telephone_core::recording::{Sink, Tape, TapeConfig};
use telephone_core::time::Timestamp;

use crate::log::Log;
use shelf::{Place, Shelf};

/// Octets of a segment's records: some ten thousand requests, and read in a moment. Of many sessions they are fewer.
const SEGMENT_BYTES: usize = 4 * 1024 * 1024;
/// Segments that are kept of one session, the latest.
const SEGMENTS_MAX: usize = 8;

/// Writes what sessions are given to files of a directory, for `telephone replay`. Clones write to the same directory.
///
/// Each session has files of its own, at most eight, each with up to 4 MiB of records behind a snapshot; above 64 sessions
/// they are shorter. While it is recorded it holds one of them open. Of all files of this program in the directory, those
/// of earlier runs among them, the oldest are removed when there are more than 4,096 or 1 GiB of them. Of two processes that
/// use one directory at a time each has that much, and neither removes what the other one is writing.
///
/// A session that cannot be written, or that has no room because all files are being written, is recorded no further, with
/// a warning; what is recorded goes on, and so do all other recordings.
///
/// Bodies are recorded as lengths. Tokens, queries, fragments, path parameters, and values that are secret by their name or
/// look like it are replaced by as many letters. Paths, addresses and all other values stay.
#[derive(Debug, Clone)]
pub struct Recorder {
    shared: Arc<Shared>,
    keeps_contents: bool,
}

#[derive(Debug)]
struct Shared {
    directory: PathBuf,
    program: String,
    /// Sessions that were recorded.
    sessions: AtomicU64,
    shelf: Shelf,
    /// What was written last could not be: that was told.
    is_failing: AtomicBool,
    /// Sessions that come and go make it fail and work by turns.
    log: Log,
    started: Instant,
}

impl Shared {
    /// A line of the log, if it is to be written.
    fn line(&self, kind: LineKind) -> Option<Due> {
        self.log.line(kind, LineSource::Process, Timestamp::ZERO + self.started.elapsed())
    }
}

impl Recorder {
    /// Records to `directory`, which is made if it is not there, under names that begin with that of `program`.
    ///
    /// # Errors
    /// The directory cannot be made, read, or written; it belongs to another user than this program's and root, or
    /// others than its owner can write to it; or the name cannot be part of
    /// a file's.
    pub fn new(directory: impl Into<PathBuf>, program: &str) -> io::Result<Self> {
        if program.is_empty() || program.contains(|of: char| is_separator(of) || of.is_control()) {
            return Err(io::Error::new(
                ErrorKind::InvalidInput,
                "the program's name begins no name of a file",
            ));
        }
        let directory = directory.into();
        let mut builder = DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.recursive(true).create(&directory)?;
        check_access(&directory)?;
        probe(&directory, program)?;
        let shelf = Shelf::of(&directory, program)?;
        Ok(Self::with_shelf(directory, program, shelf))
    }

    fn with_shelf(directory: PathBuf, program: &str, shelf: Shelf) -> Self {
        let (program, sessions, is_failing) = (program.to_owned(), AtomicU64::new(0), AtomicBool::new(false));
        let (log, started) = (Log::default(), Instant::now());
        let shared = Shared { directory, program, sessions, shelf, is_failing, log, started };
        Self { shared: Arc::new(shared), keeps_contents: false }
    }

    /// Records bodies, tokens and all else as they are.
    #[must_use]
    pub fn with_contents(mut self) -> Self {
        self.keeps_contents = true;
        self
    }

    /// For a session of this number.
    pub(crate) fn tape(&self, session: u64) -> Tape {
        let shared = &self.shared;
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let count = shared.sessions.fetch_add(1, Ordering::Relaxed);
        let process = std::process::id();
        let name = format!("{}-{seconds}-{process}-{count}-{session:016x}", shared.program);
        let (shared, kept) = (shared.clone(), VecDeque::new());
        Tape::new(TapeConfig {
            about: self.about(),
            keeps_contents: self.keeps_contents,
            segment_bytes: SEGMENT_BYTES,
            sink: Box::new(Writer { shared, name, begun: 0, open: None, segment_bytes: SEGMENT_BYTES, kept }),
        })
    }

    /// The program, and the version of what replays its recordings.
    fn about(&self) -> String {
        let (program, version) = (&self.shared.program, env!("CARGO_PKG_VERSION"));
        if program == "telephone" {
            format!("telephone {version}")
        } else {
            format!("{program} with telephone {version}")
        }
    }
}

/// Refuses a directory that others can write to, or that is another user's: they could put files under the names of
/// recordings there, and remove ours. With the sticky bit they could still fill it with files that count as recordings.
#[cfg(unix)]
fn check_access(directory: &Path) -> io::Result<()> {
    use std::os::unix::fs::MetadataExt as _;
    let (metadata, user) = (fs::metadata(directory)?, rustix::process::geteuid().as_raw());
    let (mode, owner) = (metadata.mode() & 0o7777, metadata.uid());
    let why = if !is_trusted(owner, user) {
        format!(
            "it belongs to user {owner}, who can write to it; give a directory of user {user}, who runs this program"
        )
    } else if mode & 0o022 != 0 {
        format!("others can write to it (mode {mode:04o}); run `chmod 700 {}`", directory.display())
    } else {
        return Ok(());
    };
    Err(io::Error::new(ErrorKind::PermissionDenied, why))
}

/// Whether a program of `user` trusts `owner` with a directory: itself, and root, who can do everything anyway.
#[cfg(unix)]
const fn is_trusted(owner: u32, user: u32) -> bool {
    owner == user || owner == 0
}

#[cfg(not(unix))]
fn check_access(_: &Path) -> io::Result<()> {
    Ok(())
}

/// Whether files can be made: better told at the start than when the first session comes.
fn probe(directory: &Path, program: &str) -> io::Result<()> {
    let path = directory.join(format!("{program}-probe-{}", std::process::id()));
    // One that was killed here may have had this number.
    let _ = fs::remove_file(&path);
    create(&path)?;
    fs::remove_file(&path)
}

/// Makes a file that nobody else reads.
fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.write(true).create_new(true).open(path)
}

/// The files of one session.
struct Writer {
    shared: Arc<Shared>,
    /// What the names of its files have in common.
    name: String,
    /// Segments so far.
    begun: u32,
    open: Option<(File, Place)>,
    /// Octets of records for which there is room in a segment.
    segment_bytes: usize,
    /// Segments that are complete, the oldest first.
    kept: VecDeque<Place>,
}

impl Writer {
    fn create(&mut self) -> io::Result<()> {
        self.close();
        while self.kept.len() >= SEGMENTS_MAX {
            self.kept.pop_front().inspect(|place| self.shared.shelf.remove(*place));
        }
        let path = self.shared.directory.join(format!("{}-{:04}.{}", self.name, self.begun, shelf::SUFFIX));
        self.begun += 1;
        let full = || io::Error::other("there are as many files as there may be, and all are in use");
        let place = self.shared.shelf.add(path.clone()).ok_or_else(full)?;
        match create(&path) {
            Ok(file) => {
                shelf::mark_in_use(&file);
                self.open = Some((file, place));
                Ok(())
            }
            Err(error) => {
                self.shared.shelf.forget(place);
                Err(error)
            }
        }
    }

    fn write(&mut self, octets: &[u8]) -> io::Result<()> {
        let Some((file, place)) = &mut self.open else { return Ok(()) };
        let full = || io::Error::other("the directory is as large as it may be, with files that are in use");
        let room = self.shared.shelf.grow(*place, octets.len() as u64).ok_or_else(full)?;
        self.segment_bytes = usize::try_from(room).unwrap_or(SEGMENT_BYTES);
        file.write_all(octets)
    }

    fn close(&mut self) {
        if let Some((_, place)) = self.open.take() {
            self.kept.extend(self.shared.shelf.complete(place));
        }
    }

    /// Whether the recording goes on. That it does not is told once, until others can be written again.
    fn goes_on(&self, result: io::Result<()>) -> bool {
        let Err(error) = result else { return true };
        if !self.shared.is_failing.swap(true, Ordering::Relaxed)
            && let Some(Due { suppressed, .. }) = self.shared.line(LineKind::RecordingFailed)
        {
            let directory = self.shared.directory.display();
            let what = "a session is recorded no further, and others may not be";
            tracing::warn!(%directory, %error, suppressed, "{what}");
        }
        false
    }
}

impl Sink for Writer {
    fn begin(&mut self, start: &[u8]) -> bool {
        let result = self.create().and_then(|()| {
            self.write(start).inspect_err(|_| {
                // Without its beginning nobody can read it.
                self.close();
                self.kept.pop_back().inspect(|place| self.shared.shelf.remove(*place));
            })
        });
        if result.is_ok()
            && self.shared.is_failing.swap(false, Ordering::Relaxed)
            && let Some(Due { suppressed, .. }) = self.shared.line(LineKind::RecordingResumed)
        {
            let directory = self.shared.directory.display();
            tracing::info!(%directory, suppressed, "sessions are recorded again");
        }
        self.goes_on(result)
    }

    fn append(&mut self, record: &[u8]) -> bool {
        let result = self.write(record);
        self.goes_on(result)
    }

    fn segment_bytes_max(&self) -> usize {
        self.segment_bytes
    }

    fn discard(&mut self) {
        self.close();
        self.kept.drain(..).for_each(|place| self.shared.shelf.remove(place));
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.close();
    }
}

#[cfg(test)]
mod tests;
