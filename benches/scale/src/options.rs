//! The command line.

use std::path::PathBuf;

use clap::Parser;
use clap::builder::{PossibleValue, PossibleValuesParser};

use crate::curves;

const NOTES: &str = "\
Each point of a curve has a relay of its own, and sessions of its own: nothing that an earlier point left behind is \
measured. Tables show the median over the rounds and ± half of what is between their quartiles; plots show the \
medians. CPU time is user and system time of the relay, or of relay and sidecar as a column says, without clients \
and backends. Memory is what the relay holds resident beyond what it held before.

A session that has carried 10 MiB takes most of the time: ten thousand of them are 100 GiB.

Examples:
  All curves, half an hour or more:
    benches/scale/run

  A quick look:
    benches/scale/run --max 100 --rounds 1 --seconds 1 --plots plots

  One curve as a table for a document, with every figure in a file:
    benches/scale/run --curves sessions --rounds 1 --markdown --json figures.json

Ctrl-C ends the run, leaves no process behind, and prints what has been measured.
Exit codes: 0 when all was measured, 1 if something failed, 2 for bad usage, 130 after a signal.";

/// Measures what a stream, a session, a mount and an octet cost as there are more of them, on loopback.
#[derive(Debug, Parser)]
#[command(bin_name = "benches/scale/run", after_help = NOTES)]
pub struct Options {
    /// Which curves, with commas between them; all if none is named
    #[arg(long, value_name = "NAMES", value_delimiter = ',', value_parser = curve_names())]
    pub curves: Vec<String>,

    /// How often each point is measured
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    pub rounds: u32,

    /// Seconds that each load lasts
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=600))]
    pub seconds: u32,

    /// Leaves out points beyond N streams, sessions or mounts, or N KiB
    #[arg(long, value_name = "N")]
    pub max: Option<u64>,

    /// Where a plot of each curve goes, as NAME.svg
    #[arg(long, value_name = "DIR", default_value = "benches/scale/plots")]
    pub plots: PathBuf,

    /// Writes every figure of every round to this file, after each round
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,

    /// Prints tables in Markdown
    #[arg(long)]
    pub markdown: bool,
}

fn curve_names() -> PossibleValuesParser {
    PossibleValuesParser::new(
        curves::all().iter().map(|one| PossibleValue::new(one.name()).help(one.about())),
    )
}

impl Options {
    /// Whether that curve is chosen.
    pub fn is_chosen(&self, curve: &str) -> bool {
        self.curves.is_empty() || self.curves.iter().any(|named| named == curve)
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    fn parse(line: &str) -> Result<Options, clap::Error> {
        Options::try_parse_from(line.split(' '))
    }

    #[test]
    fn the_options_are_sound() {
        Options::command().debug_assert();
    }

    #[test]
    fn curves_are_separated_by_commas_and_known() {
        let options = parse("run --curves streams,bodies").expect("known names");
        assert!(options.is_chosen("streams") && options.is_chosen("bodies"));
        assert!(!options.is_chosen("mounts"));
        assert!(parse("run --curves steams").is_err());
    }

    #[test]
    fn all_curves_are_chosen_if_none_is_named() {
        let options = parse("run").expect("no options");
        assert!(curves::all().iter().all(|curve| options.is_chosen(curve.name())));
    }
}
