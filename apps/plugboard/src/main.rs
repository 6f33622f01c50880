//! The relay's program.

use std::num::NonZeroUsize;
use std::process::ExitCode;

use mimalloc::MiMalloc;
use plugboard::cli::{self, Command};
use plugboard::settings::default_threads;
use plugboard::{bench, demo, serve};
use telephone_sidecar::{Exit, LogFormat, Stop, init_logging, raise_descriptor_limit};

/// A relay allocates a dozen small blocks for each request and frees them soon after.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Sockets that are looked after before what came of them is said: with all that are ready at once, relay and sidecar
/// would work by turns and never at the same time.
const EVENTS_A_TURN: usize = 32;

fn main() -> ExitCode {
    raise_descriptor_limit();
    telephone_sidecar::end(run())
}

fn run() -> Result<Exit, Stop> {
    match cli::parse(std::env::args_os(), &|name| std::env::var_os(name))? {
        Command::Print(line) => Ok(Stop::print(&line).say()),
        Command::Serve(settings) => {
            init_logging(settings.log_format)?;
            block_on(settings.threads, serve::run(*settings))
        }
        Command::Demo(address) => {
            init_logging(LogFormat::Text)?;
            block_on(default_threads(), demo::run(address))
        }
        Command::Bench(order) => block_on(default_threads().saturating_add(1), bench::run(*order)),
    }
}

/// One thread does without the locks and the wake-ups of several.
fn block_on(threads: NonZeroUsize, work: impl Future<Output = Result<Exit, Stop>>) -> Result<Exit, Stop> {
    let mut tokio = if threads == NonZeroUsize::MIN {
        tokio::runtime::Builder::new_current_thread()
    } else {
        tokio::runtime::Builder::new_multi_thread()
    };
    let tokio =
        tokio.worker_threads(threads.get()).max_io_events_per_tick(EVENTS_A_TURN).enable_all().build();
    tokio.map_err(|error| Stop::new(Exit::Failed, error))?.block_on(work)
}
