//! What each session of a run was given, as the programs record it.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use telephone_core::recording::{Sink, Tape, TapeConfig};

use crate::net::Side;

/// The recording of one session.
#[derive(Debug, Clone)]
pub struct Recording {
    /// Whose session it was, and which.
    pub name: String,
    /// Its segments in order.
    pub segments: Vec<Vec<u8>>,
}

/// Keeps recordings, also of a run that panics. Clones keep the same ones.
#[derive(Debug, Clone)]
pub struct Recorder {
    recordings: Arc<Mutex<Vec<Recording>>>,
    segment_bytes: usize,
}

impl Recorder {
    /// One with nothing in it, whose segments end after so many octets of records.
    #[must_use]
    pub fn new(segment_bytes: usize) -> Self {
        Self { recordings: Arc::default(), segment_bytes }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Recording>> {
        self.recordings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The tape of a session.
    pub(crate) fn tape(&self, side: Side, actor: u32, number: u64) -> Tape {
        let mut recordings = self.lock();
        let name = format!("{:03}-{side:?}{actor}-session{number}", recordings.len()).to_lowercase();
        let sink = Box::new(Slot { recorder: self.clone(), index: recordings.len() });
        recordings.push(Recording { name, segments: Vec::new() });
        Tape::new(TapeConfig {
            about: concat!("telephone-sim ", env!("CARGO_PKG_VERSION")).into(),
            keeps_contents: false,
            segment_bytes: self.segment_bytes,
            sink,
        })
    }

    /// What was recorded so far.
    #[must_use]
    pub fn recordings(&self) -> Vec<Recording> {
        self.lock().clone()
    }

    /// Writes all segments to files of a directory, for `telephone replay`. Says how many.
    ///
    /// # Errors
    /// They cannot be written.
    pub fn write(&self, directory: &Path) -> io::Result<usize> {
        std::fs::create_dir_all(directory)?;
        let mut count = 0;
        for recording in self.lock().iter() {
            for (index, segment) in recording.segments.iter().enumerate() {
                let file = format!("{}-{index:04}.recording", recording.name);
                std::fs::write(directory.join(file), segment)?;
                count += 1;
            }
        }
        Ok(count)
    }
}

/// One session's place among the recordings.
struct Slot {
    recorder: Recorder,
    index: usize,
}

impl Sink for Slot {
    fn begin(&mut self, start: &[u8]) -> bool {
        self.recorder.lock()[self.index].segments.push(start.to_vec());
        true
    }

    fn append(&mut self, record: &[u8]) -> bool {
        let mut recordings = self.recorder.lock();
        let segment = recordings[self.index].segments.last_mut();
        segment.is_some_and(|segment| {
            segment.extend_from_slice(record);
            true
        })
    }
}
