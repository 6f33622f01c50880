//! How many instructions one run of each scenario takes, in its steady state.
#![expect(missing_docs, reason = "gungraun's macros write public items")]

use gungraun::{library_benchmark, library_benchmark_group, main};
use telephone_bench_core::{Scenario, Work, each_scenario};

macro_rules! benchmark {
    ($($name:ident: $set_up:expr,)*) => {
        #[library_benchmark]
        $(#[bench::$name(Scenario::warm_by_name(stringify!($name)))])*
        fn scenario(mut work: Box<dyn Work>) -> Box<dyn Work> {
            work.run();
            work
        }
    };
}

each_scenario!(benchmark);

library_benchmark_group!(name = core, benchmarks = scenario);

main!(library_benchmark_groups = core);
