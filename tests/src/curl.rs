//! curl: the client that everybody believes.

use std::ffi::OsStr;
use std::fs;

use tempfile::TempDir;

use crate::process::Plan;
use crate::wire::{Head, Reader};

/// A call of curl under construction.
#[derive(Debug)]
pub struct Curl {
    plan: Plan,
    directory: TempDir,
}

/// What curl saw.
#[derive(Debug, Clone)]
pub struct Answer {
    /// curl's exit code; 0 if the answer is whole, 18 or 56 if it was cut.
    pub code: Option<i32>,
    /// All heads, the interim ones first.
    pub heads: Vec<Head>,
    /// The body.
    pub body: Vec<u8>,
    /// What curl told on standard error.
    pub stderr: String,
}

impl Answer {
    /// The status of the final head.
    ///
    /// # Panics
    /// If there is none.
    pub fn status(&self) -> u16 {
        self.heads.last().unwrap_or_else(|| panic!("no head: {}", self.stderr)).status()
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl Curl {
    /// Silent but for errors, and bounded in time. curl itself resolves dots unless it is told not to.
    ///
    /// # Panics
    /// Without a temporary directory.
    pub fn new(url: &str) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let plan = Plan::new("curl").args(["-sS", "--max-time", "60", "--path-as-is", "--http1.1", "-D"]);
        let plan =
            plan.arg(directory.path().join("heads")).arg("-o").arg(directory.path().join("body")).arg(url);
        Self { plan, directory }
    }

    /// Adds one argument.
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.plan = self.plan.arg(arg);
        self
    }

    /// Adds arguments.
    pub fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.plan = self.plan.args(args);
        self
    }

    /// Sends this octet by octet as the body (POST).
    ///
    /// # Panics
    /// If the file cannot be written.
    pub fn upload(self, body: &[u8]) -> Self {
        let path = self.directory.path().join("upload");
        fs::write(&path, body).expect("a directory of our own");
        self.arg("--data-binary").arg(format!("@{}", path.display()))
    }

    /// Runs it to its end.
    pub fn run(self) -> Answer {
        let finished = self.plan.finish();
        let read = |name: &str| fs::read(self.directory.path().join(name)).unwrap_or_default();
        let mut reader = Reader::new(std::io::Cursor::new(read("heads")));
        // Trailers come after the heads, without an empty line at their end.
        let heads = std::iter::from_fn(|| reader.head().ok().flatten())
            .filter(|head| head.start.starts_with(b"HTTP/"))
            .collect();
        Answer { code: finished.code, heads, body: read("body"), stderr: finished.stderr }
    }
}
