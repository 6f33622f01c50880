//! Which recordings a directory has, and which of them make room for others.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

/// What the name of a recording ends with.
pub(super) const SUFFIX: &str = "recording";
/// Octets of all files together.
const BYTES_MAX: u64 = 1024 * 1024 * 1024;
/// Files: as many as a directory lists in a moment.
const FILES_MAX: usize = 4096;

/// A file's place among the others: the older, the lower.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place(u64);

#[derive(Debug)]
struct Volume {
    path: PathBuf,
    bytes: u64,
    is_complete: bool,
}

/// The files of one directory. What other processes write there is seen at the start alone.
#[derive(Debug)]
pub(super) struct Shelf {
    volumes: Mutex<Volumes>,
    bytes_max: u64,
    files_max: usize,
}

#[derive(Debug, Default)]
struct Volumes {
    by_age: BTreeMap<Place, Volume>,
    next: u64,
    bytes: u64,
}

impl Shelf {
    /// What a directory has now.
    pub(super) fn of(directory: &Path) -> io::Result<Self> {
        Self::with_room(directory, BYTES_MAX, FILES_MAX)
    }

    pub(super) fn with_room(directory: &Path, bytes_max: u64, files_max: usize) -> io::Result<Self> {
        let mut found: Vec<(SystemTime, PathBuf, u64)> = Vec::new();
        for entry in fs::read_dir(directory)? {
            let path = entry?.path();
            // One that another process just removed is no loss.
            if path.extension().is_some_and(|suffix| suffix == SUFFIX)
                && let Ok(metadata) = fs::metadata(&path)
            {
                found.push((metadata.modified()?, path, metadata.len()));
            }
        }
        found.sort();
        let mut volumes = Volumes::default();
        for (_, path, bytes) in found {
            volumes.add(Volume { path, bytes, is_complete: true });
        }
        Ok(Self { volumes: Mutex::new(volumes), bytes_max, files_max })
    }

    fn lock(&self) -> MutexGuard<'_, Volumes> {
        self.volumes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A file that is about to be written.
    pub(super) fn add(&self, path: PathBuf) -> Place {
        let mut volumes = self.lock();
        let place = volumes.add(Volume { path, bytes: 0, is_complete: false });
        self.make_room(&mut volumes);
        place
    }

    /// A file grows. False if there is no room for that, even without all that could be removed.
    pub(super) fn grow(&self, place: Place, bytes: u64) -> bool {
        let mut volumes = self.lock();
        volumes.bytes += bytes;
        if let Some(volume) = volumes.by_age.get_mut(&place) {
            volume.bytes += bytes;
        }
        self.make_room(&mut volumes);
        volumes.bytes <= self.bytes_max
    }

    /// A file is complete, and can be removed from now on.
    pub(super) fn complete(&self, place: Place) {
        if let Some(volume) = self.lock().by_age.get_mut(&place) {
            volume.is_complete = true;
        }
    }

    /// Removes a file, if it is still there.
    pub(super) fn remove(&self, place: Place) {
        self.lock().remove(place);
    }

    fn make_room(&self, volumes: &mut Volumes) {
        while volumes.bytes > self.bytes_max || volumes.by_age.len() > self.files_max {
            let oldest = volumes.by_age.iter().find(|(_, volume)| volume.is_complete);
            let Some(oldest) = oldest.map(|(place, _)| *place) else { return };
            volumes.remove(oldest);
        }
    }
}

impl Volumes {
    fn add(&mut self, volume: Volume) -> Place {
        let place = Place(self.next);
        self.next += 1;
        self.bytes += volume.bytes;
        self.by_age.insert(place, volume);
        place
    }

    fn remove(&mut self, place: Place) {
        if let Some(volume) = self.by_age.remove(&place) {
            self.bytes -= volume.bytes;
            // Whoever removed it before did the same.
            let _ = fs::remove_file(volume.path);
        }
    }
}
