//! The program's log: to standard error, one line an event, written by a thread of its own.

use std::io::{self, IsTerminal, Write};
use std::sync::OnceLock;
use std::time::Duration;

use telephone_core::limits::LOG_BYTES_MAX;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{Layer, Registry, fmt};

use crate::background::{BackgroundWriter, Batching, Sink};
use crate::usage::Usage;

/// The thread that writes to standard error, once the log was started.
static LOG: OnceLock<BackgroundWriter> = OnceLock::new();
/// Each line is written as soon as the one before it.
const BATCHING: Batching = Batching { bytes_max: LOG_BYTES_MAX, batch_bytes: 1, delay: Duration::ZERO };

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum LogFormat {
    /// For people, with colours on a terminal.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Starts logging at the levels that `RUST_LOG` names, at `info` if it names none.
///
/// # Errors
/// `RUST_LOG` makes no sense.
pub fn init(format: LogFormat) -> Result<(), Usage> {
    init_at(format, LevelFilter::INFO)
}

/// Likewise, with another level where `RUST_LOG` names none.
pub(crate) fn init_at(format: LogFormat, level: LevelFilter) -> Result<(), Usage> {
    let levels = match std::env::var("RUST_LOG") {
        Ok(text) if !text.trim().is_empty() => levels(text.trim())?,
        _ => Targets::new().with_default(level),
    };
    if let Ok(log) = BackgroundWriter::spawn("log", BATCHING, StandardError(io::stderr())) {
        let _ = LOG.set(log);
        report_panics();
    }
    // A subscriber that is already there belongs to whoever embeds this; it stays.
    let _ = tracing::subscriber::set_global_default(Registry::default().with(layer(format, levels)));
    Ok(())
}

fn layer(format: LogFormat, levels: Targets) -> impl Layer<Registry> {
    let has_colours =
        io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let lines = fmt::layer().with_writer(|| Lines).with_target(false);
    match format {
        LogFormat::Text => lines.with_ansi(has_colours).with_filter(levels).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).with_ansi(false).with_filter(levels).boxed(),
    }
}

/// Writes `text` behind all lines of the log; to standard error itself before the log was started.
pub(crate) fn write(text: &str) {
    // That nobody reads it is no error.
    let _ = Lines.write_all(text.as_bytes());
}

/// Waits until the log is written, for at most a second: the reader of standard error must not hold the process.
pub(crate) fn flush() {
    if let Some(log) = LOG.get() {
        log.flush();
    }
}

/// A panic is a line of the log. The standard library would wait for the reader of standard error; with `RUST_BACKTRACE` it
/// does, for whoever looks for a bug.
fn report_panics() {
    if std::env::var_os("RUST_BACKTRACE").is_none_or(|value| value.is_empty() || value == "0") {
        std::panic::set_hook(Box::new(|panic| {
            tracing::error!("{panic}; this is a bug: report it with the output under RUST_BACKTRACE=1");
        }));
    }
}

/// Takes one line a call.
struct Lines;

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match LOG.get() {
            Some(log) => log.append(|lines| lines.extend_from_slice(line)),
            None => io::stderr().write_all(line)?,
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct StandardError(io::Stderr);

impl Sink for StandardError {
    fn output(&mut self, _: bool) -> io::Result<&mut dyn Write> {
        Ok(&mut self.0)
    }

    fn on_resumed(&mut self, dropped: u64) {
        tracing::warn!(
            "{dropped} log lines were dropped: nobody read standard error; look for a full pipe or a paused terminal"
        );
    }
}

/// `tracing` targets and levels. The full filter language would cost a regular-expression engine, half a
/// megabyte of a sidecar that is to stay small.
fn levels(text: &str) -> Result<Targets, Usage> {
    text.parse().map_err(|_| {
        Usage::new(
            &format!("RUST_LOG {text:?}"),
            "give levels (error, warn, info, debug, trace, off), such as info or info,telephone_core=debug",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rust_log_takes_levels_for_all_and_for_one_crate() {
        let targets = levels("warn,telephone_core=debug").unwrap();
        assert!(targets.would_enable("telephone_core", &tracing::Level::DEBUG));
        assert!(!targets.would_enable("telephone_driver", &tracing::Level::INFO));
    }

    #[test]
    fn a_bad_rust_log_names_the_variable_and_the_value() {
        let error = levels("telephone=loud").unwrap_err().to_string();
        assert!(error.contains("RUST_LOG") && error.contains("loud") && error.contains("debug"), "{error}");
    }
}
