//! Many telephones, held by one process, which is not the one that measures.

use std::fmt;
use std::thread;
use std::time::{Duration, Instant};

use telephone_peers::failed::Failed;
use telephone_tests::bins;
use telephone_tests::process::{Plan, Process};
use telephone_tests::relay::Relay;

/// The word before the seconds that it took until all telephones were connected.
const CONNECTED: &str = "connected after ";

/// The program that holds them.
const PROGRAM: &str = "scale-crowd";

/// How long all of them together may take to connect.
const PATIENCE: Duration = Duration::from_secs(300);

/// Between two looks at what the program says.
const PAUSE: Duration = Duration::from_millis(1);

/// What the program says when all telephones are connected.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Connected(pub Duration);

impl fmt::Display for Connected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{CONNECTED}{} s", self.0.as_secs_f64())
    }
}

impl Connected {
    /// Finds it among other lines.
    fn find(said: &str) -> Option<Self> {
        let whole_lines = said.split_inclusive('\n').filter_map(|line| line.strip_suffix(" s\n"));
        let seconds = whole_lines.filter_map(|line| line.strip_prefix(CONNECTED)).next()?.parse().ok()?;
        Duration::try_from_secs_f64(seconds).ok().map(Self)
    }
}

/// Connected telephones; they end when this is dropped.
#[derive(Debug)]
pub struct Crowd {
    took: Duration,
    _process: Process,
}

impl Crowd {
    /// Lets telephones dial `relay`: so many mounts below a path, the numbers from 0, so many of them in each session.
    ///
    /// # Errors
    /// If they do not get there.
    ///
    /// # Panics
    /// If the program cannot be started.
    pub fn dial(relay: &Relay, under: &str, mounts: u64, in_each: u64) -> Result<Self, Failed> {
        let plan = Plan::new(bins::path(PROGRAM)).env("TELEPHONE_TOKEN", relay.token(&[under]));
        let plan = plan.args(["--plugboard", &relay.url(), "--under", under]);
        let plan = plan.args(["--mounts", &mounts.to_string(), "--in-each", &in_each.to_string()]);
        let mut process = plan.start();
        let started = Instant::now();
        while started.elapsed() < PATIENCE {
            if let Some(Connected(took)) = Connected::find(&process.stdout()) {
                return Ok(Self { took, _process: process });
            }
            if !process.is_running() {
                return Err(Failed::Unserved(format!("the telephones ended: {}", process.said().trim())));
            }
            thread::sleep(PAUSE);
        }
        Err(Failed::Unserved(format!("the telephones are not connected after {PATIENCE:?}")))
    }

    /// How long it took to connect all of them.
    pub fn took(&self) -> Duration {
        self.took
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_program_says_is_understood_once_it_is_whole() {
        let connected = Connected(Duration::from_millis(1250));
        assert_eq!(Connected::find(&format!("a line\n{connected}\n")), Some(connected));
        assert_eq!(Connected::find(&connected.to_string()), None);
        assert_eq!(Connected::find(""), None);
    }
}
