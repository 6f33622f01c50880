//! The agents of `examples/`: programs of other people's languages, that know the JSON profile from PROTOCOL.md alone.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use crate::bins;
use crate::origin::Origin;
use crate::process::{Plan, Process};
use crate::wait::PATIENCE;

/// Which of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Agent {
    /// `agent.py`.
    Python,
    /// `agent.mjs`.
    JavaScript,
}

impl Agent {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::Python, Self::JavaScript];

    /// Starts it: it dials `url` with that token, registers `/m`, and is connected.
    ///
    /// # Panics
    /// If it does not connect.
    pub fn start(self, url: &str, token: &str, origin: &Origin) -> Process {
        let process = self.dial(url, token, origin);
        process.wait_stdout("connected", PATIENCE);
        process
    }

    /// The same, connected or not.
    pub fn dial(self, url: &str, token: &str, origin: &Origin) -> Process {
        let plan = match self {
            Self::Python => Plan::new("python3").arg(beside("agent.py")).env("PYTHONPATH", beside("python")),
            Self::JavaScript => Plan::new("node").arg(beside("agent.mjs")),
        };
        let url = format!("{url}/.well-known/telephone");
        let plan = plan.env("PLUGBOARD_URL", url).env("TELEPHONE_TOKEN", token).env("MOUNT_PATH", "/m");
        plan.env("BACKEND_PORT", origin.addr().port().to_string()).start()
    }
}

/// A path in the directory that `tests/agents` fills, with copies of the examples: node looks for libraries where a program
/// lies.
fn beside(name: &str) -> PathBuf {
    static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();
    let directory = DIRECTORY.get_or_init(|| {
        let target = bins::directory().parent().expect("target");
        let script = bins::workspace().join("tests/agents");
        let output = Command::new(script).arg(target).output().expect("a shell");
        assert!(output.status.success(), "tests/agents: {}", String::from_utf8_lossy(&output.stderr));
        let directory = target.join("agents");
        for name in ["agent.py", "agent.mjs"] {
            fs::copy(bins::workspace().join("examples").join(name), directory.join(name))
                .expect("an example");
        }
        directory
    });
    directory.join(name)
}
