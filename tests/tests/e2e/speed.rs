//! What may be said about speed and size on any machine: ratios within one run, and memory.

use std::thread;
use std::time::{Duration, Instant};

use telephone_tests::bins;
use telephone_tests::line::{Line, both, both_alone};
use telephone_tests::request::Request;
use telephone_tests::sizes;
use telephone_tests::wait;

/// What an idle sidecar may hold, in KiB: 8 MiB as it is shipped; unoptimised code is itself larger.
fn idle_kib() -> u64 {
    if bins::profile() == "dev" { 12 * 1024 } else { 8 * 1024 }
}

#[test]
fn an_idle_sidecar_is_small() {
    both(|line| {
        let idle = line.sidecar().process().resident_kib();
        sizes::figure("an idle sidecar, KiB", idle);
        assert!(idle < idle_kib(), "{idle} KiB before any request");
    });
}

#[test]
fn answers_of_ten_kibibytes_are_as_fast_as_small_ones_within_a_factor_of_two() {
    both_alone(|line| {
        // A line that waits for delayed acknowledgements answers 40 ms late, a factor of a hundred.
        median_time(line, "/m/bytes?n=10");
        let small = median_time(line, "/m/bytes?n=10");
        let large = median_time(line, "/m/bytes?n=10240");
        sizes::figure("10 KiB beside 10 B", format_args!("{large:?} beside {small:?}"));
        assert!(large < small * 2, "10 B in {small:?}, 10 KiB in {large:?}");
    });
}

/// The median time of one request on one connection.
fn median_time(line: &Line, target: &str) -> Duration {
    let mut client = line.connect();
    let request = Request::get(target);
    let mut times: Vec<Duration> = (0..500)
        .map(|_| {
            let start = Instant::now();
            assert_eq!(client.ask(&request).status(), 200);
            start.elapsed()
        })
        .collect();
    times.sort();
    times[times.len() / 2]
}

/// How many clients share the load.
const CLIENTS: u32 = 20;
/// Requests that each client makes in a second.
const RATE: u32 = 50;

#[test]
fn a_thousand_requests_a_second_pass_without_an_error_and_memory_stays_flat() {
    let seconds = sizes::pick(6, 60);
    both_alone(|line| {
        load(line, 2);
        let resident = || (line.relay().process().resident_kib(), line.sidecar().process().resident_kib());
        let warm = resident();
        let start = Instant::now();
        load(line, seconds);
        let took = start.elapsed();
        assert!(took < Duration::from_secs(u64::from(seconds) + 2), "the load took {took:?}");
        let end = resident();
        for (name, warm, end) in [("plugboard", warm.0, end.0), ("sidecar", warm.1, end.1)] {
            sizes::figure(name, format_args!("{warm} KiB before, {end} KiB after the load"));
            assert!(end < warm + 4 * 1024, "the {name} grew from {warm} to {end} KiB");
        }
    });
}

/// A thousand requests a second, each at its due time whatever the one before took.
fn load(line: &Line, seconds: u32) {
    let start = Instant::now();
    thread::scope(|scope| {
        for index in 0..CLIENTS {
            scope.spawn(move || {
                let mut client = line.connect();
                let first = start + Duration::from_millis(u64::from(index));
                for _ in wait::paced(first, Duration::from_secs(1) / RATE).take((seconds * RATE) as usize) {
                    assert_eq!(client.ask(&Request::get("/m/bytes?n=100")).status(), 200);
                }
            });
        }
    });
}
