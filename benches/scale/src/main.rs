//! The benchmark's program: see `benches/scale/run`.

use std::process::ExitCode;

use clap::Parser as _;
use telephone_peers::failed::Failed;
use telephone_peers::stop;
use telephone_peers::table::Style;
use telephone_scale::options::Options;
use telephone_scale::run::Run;
use telephone_scale::{plot, table};

fn main() -> ExitCode {
    match measure(Options::parse()) {
        Ok(_) if stop::is_asked() => ExitCode::from(stop::INTERRUPTED),
        Ok(has_failed) => ExitCode::from(u8::from(has_failed)),
        Err(failed) => {
            eprintln!("scale: {failed}");
            ExitCode::FAILURE
        }
    }
}

/// Measures, prints and plots. Tells whether anything of it failed.
fn measure(options: Options) -> Result<bool, Failed> {
    let style = if options.markdown { Style::Markdown } else { Style::Plain };
    let plots = options.plots.clone();
    let run = Run::new(options);
    stop::on_signals()?;
    let taken = run.measure()?;
    println!("{}\n{}", run.heading(), table::tables(&taken, style));
    plot::write(&taken, &plots)?;
    Ok(taken.iter().any(|one| one.failures() > 0))
}
