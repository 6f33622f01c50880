//! Which recordings a directory has, and which of them make room for others.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use crate::file::open_regular;

/// What the name of a recording ends with.
pub(super) const SUFFIX: &str = "recording";
/// Octets of all files together.
const BYTES_MAX: u64 = 1024 * 1024 * 1024;
/// Files: as many as a directory lists in a moment.
const FILES_MAX: usize = 4096;
/// So many sessions have segments of full length. Each may grow by this part of what is left of half the directory to all
/// open files, so those of many sessions are short, and those of more can never fill it (as with the dynamic thresholds of
/// shared buffers in switches, Choudhury and Hahne 1998).
const LONG_SEGMENTS: u64 = 64;
/// No segment is shorter, or its snapshot would cost more than what follows. Of as many as there may be files they take a
/// quarter of the directory.
const SEGMENT_BYTES_MIN: u64 = 64 * 1024;

/// A file's place among the others. Of complete ones: the older, the lower.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place(u64);

#[derive(Debug)]
struct Volume {
    path: PathBuf,
    bytes: u64,
}

/// The files of one program in one directory. What other processes write there is seen at the start alone.
#[derive(Debug)]
pub(super) struct Shelf {
    volumes: Mutex<Volumes>,
    bytes_max: u64,
    files_max: usize,
}

#[derive(Debug, Default)]
struct Volumes {
    /// Those that can be removed.
    complete: BTreeMap<Place, Volume>,
    /// Those that are written.
    open: BTreeMap<Place, Volume>,
    next: u64,
    /// Octets of all, and of the open ones.
    bytes: u64,
    open_bytes: u64,
}

impl Shelf {
    /// What a program left in a directory.
    pub(super) fn of(directory: &Path, program: &str) -> io::Result<Self> {
        Self::with_room(directory, program, BYTES_MAX, FILES_MAX)
    }

    pub(super) fn with_room(
        directory: &Path,
        program: &str,
        bytes_max: u64,
        files_max: usize,
    ) -> io::Result<Self> {
        let mut found: Vec<(SystemTime, PathBuf, u64)> = Vec::new();
        for entry in fs::read_dir(directory)? {
            let path = entry?.path();
            // One that another process just removed is no loss. What is no regular file is not ours, whatever its name.
            if is_of(&path, program)
                && let Ok(metadata) = fs::symlink_metadata(&path)
                && metadata.is_file()
                && !is_in_use(&path)
            {
                found.push((metadata.modified()?, path, metadata.len()));
            }
        }
        found.sort();
        let mut volumes = Volumes::default();
        for (_, path, bytes) in found {
            let place = volumes.next_place();
            volumes.bytes += bytes;
            volumes.complete.insert(place, Volume { path, bytes });
        }
        Ok(Self { volumes: Mutex::new(volumes), bytes_max, files_max })
    }

    fn lock(&self) -> MutexGuard<'_, Volumes> {
        self.volumes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a file that is about to be made; none if all are those of files that are being written.
    pub(super) fn add(&self, path: PathBuf) -> Option<Place> {
        let mut volumes = self.lock();
        while volumes.complete.len() + volumes.open.len() >= self.files_max {
            volumes.remove_oldest()?;
        }
        let place = volumes.next_place();
        volumes.open.insert(place, Volume { path, bytes: 0 });
        Some(place)
    }

    /// A file grows by so many octets. Says how many its segment should have in all; `None` if there is no room, even
    /// without all that can be removed.
    pub(super) fn grow(&self, place: Place, bytes: u64) -> Option<u64> {
        let mut volumes = self.lock();
        while volumes.bytes + bytes > self.bytes_max {
            volumes.remove_oldest()?;
        }
        volumes.open.get_mut(&place)?.bytes += bytes;
        volumes.bytes += bytes;
        volumes.open_bytes += bytes;
        let left = (self.bytes_max / 2).saturating_sub(volumes.open_bytes);
        Some((left / LONG_SEGMENTS).max(SEGMENT_BYTES_MIN))
    }

    /// A file is complete, and can be removed from its new place from now on. It is as old as its last record, or the end
    /// of a session that was silent for long would be the first to go.
    pub(super) fn complete(&self, place: Place) -> Option<Place> {
        let mut volumes = self.lock();
        let volume = volumes.open.remove(&place)?;
        volumes.open_bytes -= volume.bytes;
        let place = volumes.next_place();
        volumes.complete.insert(place, volume);
        Some(place)
    }

    /// A file could not be made.
    pub(super) fn forget(&self, place: Place) {
        self.lock().open.remove(&place);
    }

    /// Removes a complete file, if it is still there.
    pub(super) fn remove(&self, place: Place) {
        self.lock().remove(place);
    }
}

impl Volumes {
    const fn next_place(&mut self) -> Place {
        let place = Place(self.next);
        self.next += 1;
        place
    }

    fn remove_oldest(&mut self) -> Option<()> {
        let place = *self.complete.first_key_value()?.0;
        self.remove(place);
        Some(())
    }

    fn remove(&mut self, place: Place) {
        if let Some(volume) = self.complete.remove(&place) {
            self.bytes -= volume.bytes;
            // Whoever removed it before did the same.
            let _ = fs::remove_file(volume.path);
        }
    }
}

/// Whether a file's name is one that this program gives: its own, and a time.
fn is_of(path: &Path, program: &str) -> bool {
    let name = path.file_stem().and_then(|name| name.to_str());
    let rest = name.and_then(|name| name.strip_prefix(program)?.strip_prefix('-'));
    path.extension().is_some_and(|suffix| suffix == SUFFIX)
        && rest.is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()))
}

/// Another process with the same directory must not take the file away; one that dies gives it free.
#[cfg(unix)]
pub(super) fn mark_in_use(file: &File) {
    // Where files cannot be locked, the one or the other recording is lost.
    let _ = file.try_lock();
}

/// A lock would keep others from reading the file.
#[cfg(not(unix))]
pub(super) fn mark_in_use(_: &File) {}

/// Whether another process writes a file.
fn is_in_use(path: &Path) -> bool {
    let locked = open_regular(path).map(|file| file.try_lock());
    matches!(locked, Ok(Err(fs::TryLockError::WouldBlock)))
}
