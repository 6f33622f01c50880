//! The program's log: to standard error, one line an event.

use std::io::{self, IsTerminal};

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{Layer, Registry, fmt};

use crate::usage::Usage;

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
    // A subscriber that is already there belongs to whoever embeds this; it stays.
    let _ = tracing::subscriber::set_global_default(Registry::default().with(layer(format, levels)));
    Ok(())
}

fn layer(format: LogFormat, levels: Targets) -> impl Layer<Registry> {
    let has_colours =
        io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let lines = fmt::layer().with_writer(io::stderr).with_target(false);
    match format {
        LogFormat::Text => lines.with_ansi(has_colours).with_filter(levels).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).with_ansi(false).with_filter(levels).boxed(),
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
