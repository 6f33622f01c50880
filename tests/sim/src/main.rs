//! Runs the world for many seeds, and tells of the first one that breaks a law.

use std::io::{IsTerminal, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use clap::Parser;
use telephone_sim::oracle::Violation;
use telephone_sim::recorder::Recorder;
use telephone_sim::scenario::Scenario;
use telephone_sim::world::Report;
use telephone_sim::{record_scenario, run_scenario, scenario, shrink};

/// The session protocol of telephone and plugboard in a world of faults.
#[derive(Debug, Parser)]
#[command(name = "telephone-sim")]
struct Options {
    /// The seeds to run, such as 0..100000.
    #[arg(long, value_parser = parse_seeds, default_value = "0..1000")]
    seeds: Range<u64>,
    /// Threads; each runs seeds of its own.
    #[arg(long, default_value_t = 1)]
    jobs: u64,
    /// Runs this seed alone and prints its scenario and its events.
    #[arg(long, env = "SIM_SEED")]
    seed: Option<u64>,
    /// Prints the scenario that broke a law as it was drawn, not made smaller.
    #[arg(long)]
    no_shrink: bool,
    /// Records the sessions of the seed that runs alone, or of the scenario that broke a law, to files of this directory.
    #[arg(long)]
    record: Option<PathBuf>,
}

fn parse_seeds(text: &str) -> Result<Range<u64>, String> {
    let (from, to) = text.split_once("..").ok_or("seeds are written FROM..TO")?;
    let parse = |number: &str| number.parse::<u64>().map_err(|error| error.to_string());
    Ok(parse(from)?..parse(to)?)
}

/// Octets of a recording's segment: all of a session, whatever it does.
const SEGMENT_BYTES: usize = 64 * 1024 * 1024;

/// What all runs came to.
#[derive(Default)]
struct Totals {
    next: AtomicU64,
    runs: AtomicU64,
    sessions: AtomicU64,
    resumed: AtomicU64,
    moved: AtomicU64,
    refused_repeats: AtomicU64,
    micros: AtomicU64,
    events: AtomicU64,
    hash: AtomicU64,
    outcomes: [AtomicU64; 4],
    is_over: AtomicBool,
}

/// The seed of the first violation, and what it was.
type Found = Option<(u64, Violation)>;

fn main() -> ExitCode {
    let options = Options::parse();
    // A panic is reported as a violation; its message belongs there and not between the lines.
    std::panic::set_hook(Box::new(|_| {}));
    match options.seed {
        Some(seed) => replay(&options, seed),
        None => run_all(&options),
    }
}

/// Runs a scenario, tells its events, and keeps its recordings if that was asked for.
fn tell_all(scenario: &Scenario, record: Option<&Path>) -> Report {
    let recorder = Recorder::new(SEGMENT_BYTES);
    let report = match record {
        Some(_) => record_scenario(scenario, true, &recorder),
        None => run_scenario(scenario, true),
    };
    if let Some(directory) = record {
        match recorder.write(directory) {
            Ok(count) => println!("{count} recordings in {}", directory.display()),
            Err(error) => println!("cannot record to {}: {error}", directory.display()),
        }
    }
    report
}

fn replay(options: &Options, seed: u64) -> ExitCode {
    let scenario = scenario(seed);
    println!("seed {seed}\n{scenario}");
    let report = tell_all(&scenario, options.record.as_deref());
    print!("{}", report.events.unwrap_or_default());
    println!("trace hash {:016x}", report.hash);
    match report.violation {
        Some(violation) => {
            println!("violation of {}: {}", violation.law, violation.what);
            ExitCode::FAILURE
        }
        None => ExitCode::SUCCESS,
    }
}

fn run_all(options: &Options) -> ExitCode {
    let totals = Totals { next: AtomicU64::new(options.seeds.start), ..Totals::default() };
    let started = Instant::now();
    let found = std::thread::scope(|scope| {
        let workers: Vec<_> =
            (0..options.jobs.max(1)).map(|_| scope.spawn(|| work(options.seeds.end, &totals))).collect();
        if std::io::stdout().is_terminal() {
            scope.spawn(|| tell(options, &totals, started));
        }
        let found = workers.into_iter().filter_map(|worker| worker.join().unwrap_or_default());
        let found = found.min_by_key(|(seed, _)| *seed);
        totals.is_over.store(true, Ordering::Relaxed);
        found
    });
    summarise(options, &totals, started.elapsed());
    match found {
        Some((seed, violation)) => {
            explain(options, seed, &violation);
            ExitCode::FAILURE
        }
        None => {
            println!("violations       0");
            ExitCode::SUCCESS
        }
    }
}

fn work(end: u64, totals: &Totals) -> Found {
    while !totals.is_over.load(Ordering::Relaxed) {
        let seed = totals.next.fetch_add(1, Ordering::Relaxed);
        if seed >= end {
            return None;
        }
        let report = run_scenario(&scenario(seed), false);
        totals.runs.fetch_add(1, Ordering::Relaxed);
        totals.sessions.fetch_add(report.sessions, Ordering::Relaxed);
        totals.resumed.fetch_add(report.resumed, Ordering::Relaxed);
        totals.moved.fetch_add(report.moved, Ordering::Relaxed);
        totals.refused_repeats.fetch_add(report.refused_repeats, Ordering::Relaxed);
        totals.micros.fetch_add(report.elapsed, Ordering::Relaxed);
        totals.events.fetch_add(report.planned, Ordering::Relaxed);
        totals.hash.fetch_xor(report.hash, Ordering::Relaxed);
        for (total, count) in totals.outcomes.iter().zip(report.outcomes) {
            total.fetch_add(count, Ordering::Relaxed);
        }
        if let Some(violation) = report.violation {
            totals.is_over.store(true, Ordering::Relaxed);
            return Some((seed, violation));
        }
    }
    None
}

/// Shows how far it is, on a terminal.
fn tell(options: &Options, totals: &Totals, started: Instant) {
    while !totals.is_over.load(Ordering::Relaxed) {
        std::thread::sleep(Duration::from_millis(250));
        let (runs, sessions) = (totals.runs.load(Ordering::Relaxed), totals.sessions.load(Ordering::Relaxed));
        let all = options.seeds.end.saturating_sub(options.seeds.start);
        let rate = sessions as f64 / started.elapsed().as_secs_f64();
        print!("\r{runs} of {all} seeds, {sessions} sessions, {rate:.0} a second ");
        // Progress that cannot be shown is not missed.
        let _ = std::io::stdout().flush();
    }
    print!("\r");
}

fn summarise(options: &Options, totals: &Totals, elapsed: Duration) {
    let load = |number: &AtomicU64| number.load(Ordering::Relaxed);
    let sessions = load(&totals.sessions);
    let [full, refused, aborted, left] = [0, 1, 2, 3].map(|at| load(&totals.outcomes[at]));
    println!("seeds            {}", load(&totals.runs));
    println!("sessions         {sessions}  (ten streams and a lost link at least)");
    println!("resumed          {}", load(&totals.resumed));
    println!("moved            {}", load(&totals.moved));
    println!("not repeated     {}  (too many were)", load(&totals.refused_repeats));
    println!("virtual hours    {:.1}", load(&totals.micros) as f64 / 3.6e9);
    println!("events           {}", load(&totals.events));
    println!("requests         {full} answered, {refused} refused, {aborted} aborted, {left} left");
    println!("seconds          {:.2}", elapsed.as_secs_f64());
    println!("sessions/second  {:.0}", sessions as f64 / elapsed.as_secs_f64());
    if options.seeds.end.saturating_sub(options.seeds.start) == 1 {
        println!("trace hash {:016x}", load(&totals.hash));
    }
}

fn explain(options: &Options, seed: u64, violation: &Violation) {
    println!("violations       1\nviolation of {} by seed {seed}: {}", violation.law, violation.what);
    let mut smallest = scenario(seed);
    if !options.no_shrink {
        let breaks = |candidate: &_| {
            run_scenario(candidate, false).violation.is_some_and(|found| found.law == violation.law)
        };
        smallest = shrink::shrink(smallest, breaks);
    }
    println!("the smallest scenario that breaks it:\n{smallest}");
    let report = tell_all(&smallest, options.record.as_deref());
    print!("{}", report.events.unwrap_or_default());
    if let Some(found) = report.violation {
        println!("violation of {}: {}", found.law, found.what);
    }
    println!("replay: SIM_SEED={seed} cargo run --release -p telephone-sim");
}
