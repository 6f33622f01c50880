//! `telephone replay`: a recording's inputs in the core again, and what came of them.

use std::fs::File;
use std::io::{self, Read as _, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use clap::Args;
use telephone_core::recording::{Ending, Input, Outcome, Output, Replay, Witness, words};
use telephone_core::time::Timestamp;
use telephone_core::trace::TraceHash;
use telephone_core::wire::Profile;

use crate::exit::Exit;
use crate::usage::{Stop, Usage};

pub(crate) const REPLAY_EXAMPLES: &str = "\
Examples:
  Record, and look at what a session was given and what it said:
    telephone --record /var/lib/telephone --plugboard ws://127.0.0.1:4000 --mount /api --port 3000
    telephone replay /var/lib/telephone/telephone-1763791200-4711-0-000000000000002a-0000.recording

  See only whether it does today what it did then:
    telephone replay --quiet FILE

Files of `plugboard serve` are replayed, too. Exit codes: 0 if the trace is as recorded, 1 if it is
not, or if the core panics, as it may have done then, 2 if the file is no recording.";

/// Octets of a recording: twice what a snapshot with all bodies can be, and the records behind it.
const FILE_BYTES_MAX: u64 = 512 * 1024 * 1024;

/// The options of `replay`.
#[derive(Debug, Args)]
pub(crate) struct ReplayOptions {
    /// A recording, as --record writes them
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// Print the summary alone, not each input and what came of it
    #[arg(long, short)]
    quiet: bool,
}

/// What `replay` is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReplaySettings {
    /// The recording.
    pub file: PathBuf,
    /// Whether the summary alone is printed.
    pub is_quiet: bool,
}

impl From<ReplayOptions> for ReplaySettings {
    fn from(options: ReplayOptions) -> Self {
        Self { file: options.file, is_quiet: options.quiet }
    }
}

/// Replays a recording and prints what came of it. The exit code is 0 if that is what was recorded.
///
/// # Errors
/// The file cannot be read, or is no recording.
pub(crate) fn show(settings: &ReplaySettings) -> Result<Exit, Stop> {
    let named = settings.file.display().to_string();
    let octets = read(&settings.file).map_err(|error| Usage::new(&named, error))?;
    let mut replay = Replay::new(&octets).map_err(|error| Usage::new(&named, error))?;
    let mut printer = Printer::new(&replay, settings.is_quiet);
    // Whoever closed the pipe does not want to read it, and learns from the exit code what there is to learn.
    let _ = writeln!(printer.out, "recording     {}", header(&replay));
    let outcome = catch_unwind(AssertUnwindSafe(|| replay.run(&mut printer)));
    let _ = printer.conclude(outcome.as_ref().ok());
    let is_equal =
        outcome.is_ok_and(|outcome| outcome.departed_at.is_none() && outcome.ending != Ending::Damaged);
    Ok(if is_equal { Exit::Clean } else { Exit::Failed })
}

/// Reads what the user named as it is: a pipe of the shell, as in `telephone replay <(zcat FILE)`, or /dev/stdin, too. A FIFO
/// without a writer waits for one.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut octets = Vec::new();
    let count = File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_end(&mut octets)? as u64;
    if count > FILE_BYTES_MAX { Err(io::Error::other("it is too large for a recording")) } else { Ok(octets) }
}

fn header(replay: &Replay<'_>) -> String {
    let start =
        if replay.is_snapshot() { "from the middle of a session" } else { "from the start of a session" };
    let contents =
        if replay.keeps_contents() { "with bodies and secrets" } else { "without bodies and secrets" };
    format!("{}, {start}, {contents}", replay.about().escape_debug())
}

/// Prints while the core goes on, and remembers what would be lost with it.
struct Printer {
    out: io::StdoutLock<'static>,
    profile: Profile,
    is_quiet: bool,
    began_at: Option<Timestamp>,
    now: Option<Timestamp>,
    inputs: u64,
    last_input: String,
    last_message: String,
    trace: TraceHash,
    /// The recording's hash, and that of the replay, before the last input.
    before: (TraceHash, TraceHash),
}

impl Printer {
    fn new(replay: &Replay<'_>, is_quiet: bool) -> Self {
        let trace = replay.trace();
        Self {
            out: io::stdout().lock(),
            profile: replay.session().profile(),
            is_quiet,
            began_at: replay.began_at(),
            now: replay.began_at(),
            inputs: 0,
            last_input: String::new(),
            last_message: "none".into(),
            trace,
            before: (trace, trace),
        }
    }

    /// Since the recording began, in seconds.
    fn seconds(&self) -> f64 {
        self.began_at.zip(self.now).map_or(0.0, |(began_at, now)| (now - began_at).as_secs_f64())
    }

    fn conclude(&mut self, outcome: Option<&Outcome>) -> io::Result<()> {
        let Self { out, is_quiet, .. } = self;
        if !*is_quiet {
            writeln!(out)?;
        }
        writeln!(self.out, "inputs        {} in {:.3} s", self.inputs, self.seconds())?;
        let Some(outcome) = outcome else { return self.conclude_panic() };
        let ending = match outcome.ending {
            Ending::Whole => "whole",
            Ending::Torn => {
                "cut off behind the last input: the program was gone, is still running, or recording had stopped"
            }
            Ending::Panicked => "the program panicked over the last input; this one did not",
            Ending::Stopped => "recording stopped: what came next was too large for it",
            Ending::Damaged => "damaged behind the last input: what follows cannot be read",
        };
        writeln!(self.out, "ending        {ending}")?;
        if outcome.unread > 0 {
            writeln!(self.out, "not read      {} octets behind the last input", outcome.unread)?;
        }
        let session = outcome.closed.map_or_else(|| "open".into(), |reason| format!("over: {reason}"));
        writeln!(self.out, "session       {session}")?;
        writeln!(self.out, "last message  {}", self.last_message)?;
        writeln!(self.out, "trace hash    {:016x}", outcome.trace.number())?;
        let recorded = outcome.recorded.number();
        match outcome.departed_at {
            None if outcome.ending == Ending::Damaged => {
                writeln!(self.out, "as recorded   as far as it can be read, {recorded:016x}")
            }
            None => writeln!(self.out, "as recorded   yes, {recorded:016x}"),
            Some(number) => {
                writeln!(
                    self.out,
                    "as recorded   no: it departs before input {number}; {recorded:016x} was last"
                )
            }
        }
    }

    /// The core panicked over the last input.
    fn conclude_panic(&mut self) -> io::Result<()> {
        writeln!(
            self.out,
            "ending        the core panicked over input {}: {}",
            self.inputs, self.last_input
        )?;
        writeln!(self.out, "last message  {}", self.last_message)?;
        let (recorded, replayed) = self.before;
        writeln!(self.out, "trace hash    {:016x} before it", replayed.number())?;
        let is_equal = if recorded == replayed { "yes" } else { "no" };
        writeln!(self.out, "as recorded   {is_equal}, {:016x}", recorded.number())
    }
}

impl Witness for Printer {
    fn on_input(&mut self, number: u64, input: &Input, before: TraceHash) {
        self.inputs = number;
        self.before = (before, self.trace);
        self.now = input.now().or(self.now);
        self.began_at = self.began_at.or(self.now);
        self.last_input = words::input(self.profile, input);
        if let Input::Message { .. } = input {
            self.last_message.clone_from(&self.last_input);
        }
        if !self.is_quiet {
            let seconds = self.seconds();
            let _ = write!(self.out, "{seconds:>13.6} {number:>8}  {}", self.last_input);
        }
    }

    fn on_output(&mut self, output: &Output, trace: TraceHash) {
        self.trace = trace;
        let words = words::output(self.profile, output);
        if !self.is_quiet {
            let _ = match &words {
                Some(words) => writeln!(self.out, " {words}"),
                None => writeln!(self.out),
            };
        }
        if let (Output::Message(Some(_)), Some(words)) = (output, words) {
            self.last_message = words;
        }
    }
}
