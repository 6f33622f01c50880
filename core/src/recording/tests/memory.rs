//! Segments in memory. The test of the incidents, a crate of its own, includes this file, too.

use std::sync::{Arc, Mutex};
use std::vec::Vec;

use super::Sink;

/// Segments in memory.
#[derive(Clone, Default)]
pub(crate) struct Memory(Arc<Mutex<Vec<Vec<u8>>>>);

impl Sink for Memory {
    fn begin(&mut self, start: &[u8]) -> bool {
        self.0.lock().expect("no panic").push(start.to_vec());
        true
    }

    fn append(&mut self, record: &[u8]) -> bool {
        let mut segments = self.0.lock().expect("no panic");
        segments.last_mut().expect("a segment began").extend_from_slice(record);
        true
    }
}

impl Memory {
    pub(crate) fn segments(&self) -> Vec<Vec<u8>> {
        self.0.lock().expect("no panic").clone()
    }
}
