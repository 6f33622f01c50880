//! The benchmark's program: see `benches/peers/run`.

use std::process::ExitCode;

use clap::Parser as _;
use telephone_peers::options::Options;
use telephone_peers::run::Run;
use telephone_peers::stop;
use telephone_peers::table::{Style, noise, tables};
use telephone_tests::bins;
use telephone_tests::process::start_as_services;

/// What is looked for in the directory of `--programs`.
const OURS: [&str; 3] = ["plugboard", "telephone", "telephone-smol"];

fn main() -> ExitCode {
    let options = Options::parse();
    if !options.one_group {
        start_as_services();
    }
    if let Some(programs) = &options.programs {
        if let Some(missing) = OURS.into_iter().find(|name| !programs.join(name).is_file()) {
            eprintln!(
                "peers: --programs {}: there is no {missing}; deploy/build makes it",
                programs.display()
            );
            return ExitCode::from(2);
        }
        bins::use_those_in(programs.clone());
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
