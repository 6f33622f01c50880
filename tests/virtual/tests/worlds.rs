//! Worlds that their seeds draw. `VIRTUAL_SEEDS=0..10000` runs others than the usual ones, and for a range of one
//! the whole world is printed.

use std::ops::Range;

/// How many worlds a plain run lives through.
const SEEDS: Range<u64> = 0..300;

fn seeds() -> Range<u64> {
    let Ok(text) = std::env::var("VIRTUAL_SEEDS") else { return SEEDS };
    let parsed = text.split_once("..").and_then(|(from, to)| Some(from.parse().ok()?..to.parse().ok()?));
    parsed.unwrap_or_else(|| panic!("VIRTUAL_SEEDS must be FROM..TO, not {text:?}"))
}

#[test]
fn every_world_keeps_the_laws() {
    let seeds = seeds();
    let is_one = seeds.end - seeds.start == 1;
    let (mut failed, mut polls, mut time) = (Vec::new(), 0, 0);
    for seed in seeds.clone() {
        let report = telephone_virtual::run(seed);
        (polls, time) = (polls + report.polls, time + report.time.as_secs());
        if is_one || !report.violations.is_empty() {
            println!("{report}\n  replay: VIRTUAL_SEEDS={seed}..{}", seed + 1);
        }
        if !report.violations.is_empty() {
            failed.push(seed);
        }
    }
    println!("{} worlds, {time} virtual seconds, {polls} polls", seeds.end - seeds.start);
    assert!(failed.is_empty(), "{} worlds broke a law: {failed:?}", failed.len());
}

#[test]
fn the_same_seed_is_the_same_world() {
    for seed in [1, 2, 3, 4, 5] {
        let (first, second) = (telephone_virtual::run(seed), telephone_virtual::run(seed));
        assert_eq!(first.trace_hash, second.trace_hash, "seed {seed}");
    }
}
