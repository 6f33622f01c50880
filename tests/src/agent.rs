//! The agents of `examples/`: programs of other people's languages, that know the JSON profile from PROTOCOL.md alone.

use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;

use crate::origin::Origin;
use crate::process::{Plan, Process};
use crate::wait::PATIENCE;
use crate::{bins, parts};

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

/// An example, copied to where its libraries are: node looks for them where a program lies.
fn beside(name: &str) -> PathBuf {
    static COPIED: OnceLock<PathBuf> = OnceLock::new();
    let directory = COPIED.get_or_init(|| {
        let directory = parts::directory();
        for name in ["agent.py", "agent.mjs"] {
            fs::copy(bins::workspace().join("examples").join(name), directory.join(name))
                .expect("an example");
        }
        directory
    });
    directory.join(name)
}
