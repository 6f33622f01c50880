//! How long each scenario takes.

use std::time::{Duration, Instant};

use criterion::Criterion;
use telephone_bench_core::{ALL, Work};

/// The time of `count` runs, without what prepares them. Each has the clock's own time in it, some 20 ns.
fn time(work: &mut dyn Work, count: u64) -> Duration {
    let mut sum = Duration::ZERO;
    for _ in 0..count {
        let start = Instant::now();
        work.run();
        sum += start.elapsed();
        work.prepare();
    }
    sum
}

fn main() {
    let mut criterion = Criterion::default()
        .without_plots()
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_secs(1))
        .sample_size(50)
        .configure_from_args();
    for scenario in ALL {
        criterion.bench_function(scenario.name, |bencher| {
            let mut work = scenario.warm();
            bencher.iter_custom(|count| time(&mut *work, count));
        });
    }
    criterion.final_summary();
}
