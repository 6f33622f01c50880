//! Worlds that their seeds draw. `VIRTUAL_SEEDS=0..10000` runs others than the usual ones, and for a range of one
//! the whole world is printed, with what the driver logs.

use std::collections::BTreeSet;
use std::ops::Range;
use std::time::Duration;

use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::util::SubscriberInitExt as _;

/// How many worlds a plain run lives through.
const SEEDS: Range<u64> = 0..600;

fn seeds() -> Range<u64> {
    let Ok(text) = std::env::var("VIRTUAL_SEEDS") else { return SEEDS };
    let parsed = text.split_once("..").and_then(|(from, to)| Some(from.parse().ok()?..to.parse().ok()?));
    parsed.unwrap_or_else(|| panic!("VIRTUAL_SEEDS must be FROM..TO, not {text:?}"))
}

/// Writes what this thread's driver logs beside the test's output.
fn log() -> impl Drop {
    let log = tracing_subscriber::fmt().with_max_level(LevelFilter::DEBUG).without_time().with_test_writer();
    log.finish().set_default()
}

#[test]
fn every_world_keeps_the_laws() {
    let seeds = seeds();
    let is_one = seeds.end - seeds.start == 1;
    let _log = is_one.then(log);
    let (mut failed, mut polls, mut resumes, mut time) = (Vec::new(), 0, 0, Duration::ZERO);
    for seed in seeds.clone() {
        let report = telephone_virtual::run(seed);
        (polls, resumes, time) = (polls + report.polls, resumes + report.resumes, time + report.time);
        if is_one || !report.violations.is_empty() {
            println!("{report}\n  replay: VIRTUAL_SEEDS={seed}..{}", seed + 1);
        }
        if !report.violations.is_empty() {
            failed.push(seed);
        }
    }
    let worlds = seeds.end - seeds.start;
    println!("{worlds} worlds, {} virtual seconds, {resumes} resumes, {polls} polls", time.as_secs());
    assert!(failed.is_empty(), "{} worlds broke a law: {failed:?}", failed.len());
}

#[test]
fn the_same_seed_is_the_same_world() {
    let mut hashes = BTreeSet::new();
    for seed in 0..60 {
        let (first, second) = (telephone_virtual::run(seed), telephone_virtual::run(seed));
        assert_eq!(first.trace_hash, second.trace_hash, "seed {seed}");
        assert_eq!(first.to_string(), second.to_string(), "seed {seed}");
        hashes.insert(first.trace_hash);
    }
    assert_eq!(hashes.len(), 60, "different seeds are different worlds");
}
