//! The relay's program.

use std::process::ExitCode;

use plugboard::cli::{self, Command};
use plugboard::{bench, demo, serve};
use telephone_sidecar::{Exit, LogFormat, Stop, init_logging};

fn main() -> ExitCode {
    run().unwrap_or_else(|stop| stop.say()).into()
}

fn run() -> Result<Exit, Stop> {
    match cli::parse(std::env::args_os(), std::env::var_os("PLUGBOARD_SECRET"))? {
        Command::Print(line) => Ok(Stop::print(&line).say()),
        Command::Serve(settings) => {
            init_logging(settings.log_format)?;
            block_on(serve::run(*settings))
        }
        Command::Demo(address) => {
            init_logging(LogFormat::Text)?;
            block_on(demo::run(address))
        }
        Command::Bench(order) => block_on(bench::run(*order)),
    }
}

fn block_on(work: impl Future<Output = Result<Exit, Stop>>) -> Result<Exit, Stop> {
    let tokio = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    tokio.map_err(|error| Stop::new(Exit::Failed, error))?.block_on(work)
}
