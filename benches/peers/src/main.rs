//! The benchmark's program: see `benches/peers/run`.

use std::process::ExitCode;

use clap::Parser as _;
use telephone_peers::options::Options;
use telephone_peers::run::Run;
use telephone_peers::stop;
use telephone_peers::table::{Style, noise, tables};
use telephone_tests::bins;
use telephone_tests::process::start_as_services;

fn main() -> ExitCode {
    let options = Options::parse();
    if !options.one_group {
        start_as_services();
    }
    if let Some(programs) = options.programs.clone() {
        bins::use_those_in(programs);
    }
    let style = if options.markdown { Style::Markdown } else { Style::Plain };
    let run = match Run::new(options) {
        Ok(run) => run,
        Err(failed) => {
            eprintln!("peers: {failed}");
            return ExitCode::from(2);
        }
    };
    let figures = stop::on_signals().and_then(|()| run.measure());
    match figures {
        Ok(figures) => {
            println!("{}\n{}{}", run.heading(), tables(&figures, run.reference(), style), noise(&figures));
            let has_failed = figures.has_failed();
            if stop::is_asked() {
                ExitCode::from(stop::INTERRUPTED)
            } else {
                ExitCode::from(u8::from(has_failed))
            }
        }
        Err(failed) => {
            eprintln!("peers: {failed}");
            ExitCode::FAILURE
        }
    }
}
