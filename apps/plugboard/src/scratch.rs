//! Files that tests leave nothing of.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// A file or a directory that is removed when dropped.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    /// A path that nothing is at yet.
    pub(crate) fn path_only() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("plugboard-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        Self(std::env::temp_dir().join(name))
    }

    /// A file with `octets` in it.
    pub(crate) fn file(octets: &[u8]) -> Self {
        let scratch = Self::path_only();
        std::fs::write(&scratch.0, octets).unwrap();
        scratch
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0).or_else(|_| std::fs::remove_dir_all(&self.0));
    }
}
