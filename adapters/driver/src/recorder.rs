//! Recordings as files of a directory.
//!
//! The core decides what stands in them and where a segment ends; here they get names, and the oldest make room.

mod shelf;

use std::collections::VecDeque;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use telephone_core::recording::{Sink, Tape, TapeConfig};

use shelf::{Place, Shelf};

/// Octets of a segment: some ten thousand requests, and read in a moment.
const SEGMENT_BYTES: usize = 4 * 1024 * 1024;
/// Segments that are kept of one session, the latest.
const SEGMENTS_MAX: usize = 8;

/// Writes what sessions are given to files of a directory, for `telephone replay`. Clones write to the same directory.
///
/// Each session has files of its own, at most eight of about 4 MiB. Of all files in the directory, those of earlier runs
/// among them, the oldest are removed when there are more than 4,096 or 1 GiB of them. A recording that cannot be written
/// stops, with one warning, and all others with it; what is recorded goes on.
///
/// Bodies are recorded as lengths. Tokens, queries, fragments, and the values of fields that may hold secrets are replaced by
/// as many letters. Paths, addresses and all other fields stay.
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
    has_failed: AtomicBool,
}

impl Recorder {
    /// Records to `directory`, which is made if it is not there, under names that begin with that of `program`.
    ///
    /// # Errors
    /// The directory cannot be made, or not be read.
    pub fn new(directory: impl Into<PathBuf>, program: &str) -> io::Result<Self> {
        let directory = directory.into();
        let mut builder = DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.recursive(true).create(&directory)?;
        let shelf = Shelf::of(&directory)?;
        let (program, sessions, has_failed) = (program.to_owned(), AtomicU64::new(0), AtomicBool::new(false));
        let shared = Shared { directory, program, sessions, shelf, has_failed };
        Ok(Self { shared: Arc::new(shared), keeps_contents: false })
    }

    /// Records bodies, tokens and all else as they are.
    #[must_use]
    pub fn with_contents(mut self) -> Self {
        self.keeps_contents = true;
        self
    }

    /// For a session of this number; none once something could not be written.
    pub(crate) fn tape(&self, session: u64) -> Option<Tape> {
        let shared = &self.shared;
        if shared.has_failed.load(Ordering::Relaxed) {
            return None;
        }
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let count = shared.sessions.fetch_add(1, Ordering::Relaxed);
        let process = std::process::id();
        let name = format!("{}-{seconds}-{process}-{count}-{session:016x}", shared.program);
        let writer = Writer { shared: shared.clone(), name, begun: 0, open: None, kept: VecDeque::new() };
        Some(Tape::new(TapeConfig {
            about: format!("{} {}", shared.program, env!("CARGO_PKG_VERSION")),
            keeps_contents: self.keeps_contents,
            segment_bytes: SEGMENT_BYTES,
            sink: Box::new(writer),
        }))
    }
}

/// The files of one session.
struct Writer {
    shared: Arc<Shared>,
    /// What the names of its files have in common.
    name: String,
    /// Segments so far.
    begun: u32,
    open: Option<(File, Place)>,
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
        let mut options = OpenOptions::new();
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.write(true).create_new(true).open(&path)?;
        self.open = Some((file, self.shared.shelf.add(path)));
        Ok(())
    }

    fn write(&mut self, octets: &[u8]) -> io::Result<()> {
        let Some((file, place)) = &mut self.open else { return Ok(()) };
        if !self.shared.shelf.grow(*place, octets.len() as u64) {
            return Err(io::Error::other(
                "the directory is as large as it may be, with files that are in use",
            ));
        }
        file.write_all(octets)
    }

    fn close(&mut self) {
        if let Some((_, place)) = self.open.take() {
            self.shared.shelf.complete(place);
            self.kept.push_back(place);
        }
    }

    /// Whether the recording goes on.
    fn goes_on(&self, result: io::Result<()>) -> bool {
        let shared = &self.shared;
        if let Err(error) = result
            && !shared.has_failed.swap(true, Ordering::Relaxed)
        {
            tracing::warn!(directory = %shared.directory.display(), %error, "recording stops");
        }
        !shared.has_failed.load(Ordering::Relaxed)
    }
}

impl Sink for Writer {
    fn begin(&mut self, start: &[u8]) -> bool {
        let result = self.create().and_then(|()| self.write(start));
        self.goes_on(result)
    }

    fn append(&mut self, record: &[u8]) -> bool {
        let result = self.write(record);
        self.goes_on(result)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.close();
    }
}

#[cfg(test)]
mod tests;
