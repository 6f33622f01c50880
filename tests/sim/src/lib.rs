//! A deterministic world in which telephones and plugboards meet every fault.
//!
//! ```text
//!  seed or octets ─▶ swarm ─▶ Scenario ─▶ World: actors · wires · clock ─▶ Report
//!                                │            oracle and laws after each step
//!                                └─ shrink ◀── a law was broken
//! ```
//!
//! One thread, virtual time, no input but the scenario: the same scenario gives the same trace, octet for
//! octet. The core's parts are put together here as the driver puts them together, so that what is
//! simulated is what runs.

pub mod actors;
pub mod choices;
pub mod clock;
pub mod content;
pub mod flow;
pub mod host;
pub mod laws;
pub mod line;
pub mod net;
pub mod oracle;
pub mod phases;
pub mod recorder;
pub mod scenario;
pub mod shrink;
pub mod stage;
pub mod swarm;
pub mod trace;
pub mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};

use choices::Choices;
use oracle::Violation;
use recorder::Recorder;
use scenario::Scenario;
use world::{Report, World};

/// The scenario that a seed stands for.
#[must_use]
pub fn scenario(seed: u64) -> Scenario {
    swarm::draw(&mut Choices::from_seed(seed))
}

/// Runs a scenario. A panic is a broken law too.
#[must_use]
pub fn run_scenario(scenario: &Scenario, is_told: bool) -> Report {
    run_world(|| World::new(scenario, is_told))
}

/// Runs a scenario whose sessions are recorded.
#[must_use]
pub fn record_scenario(scenario: &Scenario, is_told: bool, recorder: &Recorder) -> Report {
    run_world(|| World::recorded(scenario, is_told, recorder.clone()))
}

fn run_world<'a>(world: impl FnOnce() -> World<'a>) -> Report {
    catch_unwind(AssertUnwindSafe(|| world().run())).unwrap_or_else(|panic| Report {
        hash: 0,
        events: None,
        violation: Some(Violation { law: "I1", what: panic_text(panic.as_ref()) }),
        sessions: 0,
        resumed: 0,
        moved: 0,
        refused_repeats: 0,
        elapsed: 0,
        planned: 0,
        outcomes: [0; 4],
    })
}

/// Runs the scenario that a fuzzer's octets spell, and panics if a law is broken.
///
/// # Panics
/// If a law is broken: that is how a fuzzer hears of it.
pub fn run(octets: &[u8]) {
    let scenario = swarm::draw(&mut Choices::from_octets(octets));
    let report = World::new(&scenario, false).run();
    assert!(report.violation.is_none(), "{:?}\n{scenario}", report.violation);
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic").to_owned()
}
