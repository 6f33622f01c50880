//! How often one run of each scenario calls the allocator, and for how many octets, on the average of many runs.
//!
//! `cargo bench -p telephone-bench-core --bench allocations [-- PART-OF-A-NAME...]`

use std::alloc::System;

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, Stats, StatsAlloc};
use telephone_bench_core::{ALL, Scenario};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Runs of which the average is told: several rounds of what comes only now and then.
const RUNS: u32 = 1024;

/// What a run allocates, on the average.
struct Average {
    allocations: f64,
    reallocations: f64,
    octets: f64,
}

fn measure(scenario: &Scenario) -> Average {
    let mut work = scenario.warm();
    let (mut allocations, mut reallocations, mut octets) = (0, 0, 0);
    for _ in 0..RUNS {
        let region = Region::new(ALLOCATOR);
        work.run();
        let Stats { allocations: fresh, reallocations: moved, bytes_allocated, .. } = region.change();
        allocations += fresh;
        reallocations += moved;
        octets += bytes_allocated;
        work.prepare();
    }
    let average = |sum: usize| sum as f64 / f64::from(RUNS);
    Average {
        allocations: average(allocations),
        reallocations: average(reallocations),
        octets: average(octets),
    }
}

fn main() {
    let arguments = std::env::args().skip(1);
    let parts: Vec<String> = arguments.filter(|argument| !argument.starts_with('-')).collect();
    println!("{:28} {:>12} {:>14} {:>10}", "scenario", "allocations", "reallocations", "octets");
    for scenario in ALL {
        if !parts.is_empty() && !parts.iter().any(|part| scenario.name.contains(part.as_str())) {
            continue;
        }
        let Average { allocations, reallocations, octets } = measure(scenario);
        println!("{:28} {allocations:>12.2} {reallocations:>14.2} {octets:>10.0}", scenario.name);
    }
}
