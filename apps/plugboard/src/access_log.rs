//! The access log: one JSON object a line for each request, or a row for people on a terminal, written by a thread of its own.
//!
//! The event loop never waits for a disk (faults A-16): what the thread cannot take is dropped and
//! counted. What clients chose ends in the log as ASCII on one line, and truncated.

use std::fmt;
use std::io::{self, IsTerminal as _};
use std::path::PathBuf;
use std::time::SystemTime;

use telephone_driver::AccessRecord;
use telephone_driver::core::limits::{ACCESS_LOG_BATCH_BYTES, ACCESS_LOG_BYTES_MAX, ACCESS_LOG_DELAY};
use telephone_driver::core::target;
use telephone_sidecar::background::{BackgroundWriter, Batching, Sink};

use self::line::write_line;
use self::row::write_row;
use self::sink::LogFile;

mod line;
mod row;
mod sink;

/// One `write(2)` for some two hundred requests, and one wake-up of the thread.
const BATCHING: Batching = Batching {
    bytes_max: ACCESS_LOG_BYTES_MAX,
    batch_bytes: ACCESS_LOG_BATCH_BYTES,
    delay: ACCESS_LOG_DELAY,
};

/// Where access lines go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// Standard output. The program's own log goes to standard error, so the two can be told apart.
    Stdout,
    /// Appended to a file, which is opened anew when it was moved away.
    File(PathBuf),
    /// Nowhere.
    Off,
}

impl Destination {
    /// `-`, `off` or a file's path.
    ///
    /// # Errors
    /// The text is empty.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text {
            "" => Err("give a file, - for standard output, or off".into()),
            "-" => Ok(Self::Stdout),
            "off" => Ok(Self::Off),
            path => Ok(Self::File(path.into())),
        }
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdout => f.write_str("-"),
            Self::File(path) => path.display().fmt(f),
            Self::Off => f.write_str("off"),
        }
    }
}

/// The event loop's end of the log. Dropping it writes what waits, for at most a second.
#[derive(Debug)]
pub struct AccessLog {
    lines: BackgroundWriter,
    keeps_queries: bool,
    /// Whether people read it.
    is_for_people: bool,
}

impl AccessLog {
    /// Opens `destination` and starts the thread; `None` if the log is off.
    ///
    /// # Errors
    /// The file cannot be opened, or no thread started.
    pub fn start(destination: &Destination) -> io::Result<Option<Self>> {
        let file = match destination {
            Destination::Off => return Ok(None),
            Destination::Stdout => LogFile::stdout()?,
            Destination::File(path) => LogFile::open(path.clone())?,
        };
        let is_for_people = *destination == Destination::Stdout && io::stdout().is_terminal();
        Ok(Some(Self { is_for_people, ..Self::spawn(file)? }))
    }

    fn spawn(sink: impl Sink) -> io::Result<Self> {
        let lines = BackgroundWriter::spawn("access-log", BATCHING, sink)?;
        Ok(Self { lines, keeps_queries: false, is_for_people: false })
    }

    /// Logs targets whole. Without it they end where a query, a fragment or a parameter begins, for tokens stand in those.
    #[must_use]
    pub const fn keep_queries(mut self, keeps_queries: bool) -> Self {
        self.keeps_queries = keeps_queries;
        self
    }

    /// Writes one line, or drops it if the thread is too far behind. Never waits.
    pub fn record(&self, record: &AccessRecord<'_>) {
        self.write(record, None);
    }

    /// Likewise, of a request that was refused by that rule.
    pub fn record_refused(&self, record: &AccessRecord<'_>, rule: &str) {
        self.write(record, Some(rule));
    }

    fn write(&self, record: &AccessRecord<'_>, rule: Option<&str>) {
        let target =
            if self.keeps_queries { record.target } else { target::without_parameters(record.target) };
        let now = SystemTime::now();
        let write = if self.is_for_people { write_row } else { write_line };
        self.lines.append(|lines| write(lines, record, target, rule, now));
    }

    /// Opens the file anew.
    pub fn reopen(&self) {
        self.lines.reopen();
    }

    /// Lines that were dropped since the start.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.lines.dropped()
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) use tests::record;
