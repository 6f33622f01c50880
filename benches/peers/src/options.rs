//! The command line.

use std::path::PathBuf;

use clap::Parser;
use clap::builder::{PossibleValue, PossibleValuesParser};

use crate::{measures, systems};

const NOTES: &str = "\
Every round gives each measure to each system in turn, so that what disturbs the machine for a while disturbs all \
of them. Tables show the median over the rounds, ± half of what is between their quartiles, and \
the median of the ratios within each round to --reference: the figure to trust on a machine with neighbours. CPU \
time is that of relay and agent together, user and system, without backend and client; a hop has one process, its \
relay. Downloads over links begin with a fresh system and last as long as a load: they tell the first seconds.

Examples:
  All systems and all measures but those over links, half an hour:
    benches/peers/run

  Two systems, two measures, a quick look:
    benches/peers/run --rounds 3 --systems telephone,rathole --measures keepalive,latency

  All of it, more than an hour, as tables for a document, with every figure in a file:
    benches/peers/run --measures all --markdown --json figures.json

Ctrl-C ends the run, leaves no process behind, and prints what has been measured.
Exit codes: 0 when all was measured, 1 if something failed, 2 for bad usage, 130 after a signal.";

/// Measures telephone and plugboard beside other tunnels and beside proxies, on loopback.
#[derive(Debug, Parser)]
#[command(bin_name = "benches/peers/run", after_help = NOTES)]
pub struct Options {
    /// How often each system has its turn with each measure
    #[arg(long, value_name = "N", default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..))]
    pub rounds: u32,

    /// Seconds that each load lasts, and each download over a link
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=600))]
    pub seconds: u32,

    /// Which systems, with commas between them; all that are installed if none is named
    #[arg(long, value_name = "NAMES", value_delimiter = ',', value_parser = system_names())]
    pub systems: Vec<String>,

    /// What is measured, with commas between; all but what runs over links if nothing is named
    #[arg(long, value_name = "NAMES", value_delimiter = ',', value_parser = measure_names())]
    pub measures: Vec<String>,

    /// The system that ratios are made to; the first that is measured if this one is not
    #[arg(long, value_name = "NAME", default_value = "rathole", value_parser = system_names(),
          hide_possible_values = true)]
    pub reference: String,

    /// Where plugboard, telephone and telephone-smol are, such as deploy/build's target/guided/bin; built from the present sources
    /// if not said
    #[arg(long, value_name = "DIR")]
    pub programs: Option<PathBuf>,

    /// Runs all programs in one session, and so in one group for the kernel's scheduler, as a shell does; services have
    /// one each
    #[arg(long)]
    pub one_group: bool,

    /// Writes every figure of every round to this file, after each round
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,

    /// Prints tables in Markdown
    #[arg(long)]
    pub markdown: bool,
}

/// The name that stands for all measures.
pub const ALL: &str = "all";

/// The name that stands for the measures over links.
pub const LINKS: &str = "links";

fn system_names() -> PossibleValuesParser {
    PossibleValuesParser::new(
        systems::all().iter().map(|one| PossibleValue::new(one.name()).help(one.about())),
    )
}

fn measure_names() -> PossibleValuesParser {
    let measures = measures::all();
    let groups = [
        PossibleValue::new(ALL).help("all of these"),
        PossibleValue::new(LINKS).help("all whose names begin with link"),
    ];
    let single = measures.iter().map(|one| PossibleValue::new(one.name()).help(one.about()));
    PossibleValuesParser::new(single.chain(groups))
}

impl Options {
    /// Whether that measure is chosen.
    pub fn is_chosen(&self, measure: &str) -> bool {
        let is_link = measure.starts_with("link");
        let is_named = |name: &String| match name.as_str() {
            ALL => true,
            LINKS => is_link,
            name => name == measure,
        };
        if self.measures.is_empty() { !is_link } else { self.measures.iter().any(is_named) }
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
    fn names_are_separated_by_commas_and_known() {
        let options = parse("run --systems telephone,bore --measures latency,up").expect("known names");
        assert_eq!(options.systems, ["telephone", "bore"]);
        assert!(options.is_chosen("up") && !options.is_chosen("down"));
        assert!(parse("run --systems telefone").is_err());
        assert!(parse("run --measures speed").is_err());
    }

    #[test]
    fn links_are_measured_when_they_are_asked_for() {
        let chosen =
            |line| ["down", "link-20ms"].map(|name| parse(line).expect("known names").is_chosen(name));
        assert_eq!(chosen("run"), [true, false]);
        assert_eq!(chosen("run --measures links"), [false, true]);
        assert_eq!(chosen("run --measures all"), [true, true]);
    }
}
