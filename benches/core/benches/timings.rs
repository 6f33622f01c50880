//! How long each scenario takes.

use std::time::{Duration, Instant};

use criterion::Criterion;
use telephone_bench_core::{ALL, Work};

/// Runs whose median stands for each of them: whoever else gets the processor keeps it for longer than many runs
/// take, so that few runs see it, and those are not what the core costs.
const RUNS_A_MEDIAN: usize = 32;

/// The time of `count` runs, without what prepares them. Each has the clock's own time in it, some 20 ns.
fn time(work: &mut dyn Work, count: u64) -> Duration {
    let mut sum = Duration::ZERO;
    let mut left = usize::try_from(count).expect("fewer runs than there are addresses");
    let mut times = [Duration::ZERO; RUNS_A_MEDIAN];
    while left > 0 {
        let times = &mut times[..left.min(RUNS_A_MEDIAN)];
        for time in times.iter_mut() {
            let start = Instant::now();
            work.run();
            *time = start.elapsed();
            work.prepare();
        }
        times.sort_unstable();
        sum += times[times.len() / 2].mul_f64(times.len() as f64);
        left -= times.len();
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
