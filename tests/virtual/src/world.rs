//! One world from its first moment to its last, and the laws that it must keep.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use telephone_driver::core::time::Timestamp;

use crate::executor::Executor;
use crate::ledger::Ledger;
use crate::net::Net;
use crate::pipe::{Cut, Weather};
use crate::scenario::{Fault, Level, Scenario};
use crate::stage::{BACKEND_PORT, LINK_PORT, PUBLIC_PORT, Stage};

/// How long the last request may take after the last fault.
const REQUESTS_TIME: Duration = Duration::from_secs(600);
/// How long telephones may take to be back after the last fault: 45 s to notice, 30 s of back-off and 15 s of
/// patience. (I40)
const HEALING_TIME: Duration = Duration::from_secs(105);
/// How long everything may take to end once it is asked to.
const DRAINING_TIME: Duration = Duration::from_secs(120);
/// What the network's own timers may outlive their connections by.
const ECHO_TIME: Duration = Duration::from_secs(30);

/// What became of a world.
#[derive(Debug, Clone)]
pub struct Report {
    /// What its seed said.
    pub scenario: Scenario,
    /// The hash of everything that happened.
    pub trace_hash: u64,
    /// How requests ended.
    pub outcomes: Vec<String>,
    /// Links on which sessions went on.
    pub resumes: usize,
    /// Polls of all tasks.
    pub polls: u64,
    /// How long it took on its own clock.
    pub time: Duration,
    /// The laws that were broken.
    pub violations: Vec<String>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Scenario { seed, level, seats, clients, links, storm, lines, faults, .. } = &self.scenario;
        writeln!(f, "seed {seed}, {level:?}: {} polls, {:?}, {:?}", self.polls, self.time, self.outcomes)?;
        writeln!(f, "  seats {seats:?}\n  links {links:?}\n  storm {storm:?}\n  lines {lines:?}")?;
        faults.iter().try_for_each(|(at, fault)| writeln!(f, "  {at:?} {fault:?}"))?;
        for (number, plans) in clients.iter().enumerate() {
            plans.iter().try_for_each(|plan| writeln!(f, "  client {number}: {plan:?}"))?;
        }
        self.violations.iter().try_for_each(|what| writeln!(f, "  VIOLATION {what}"))?;
        write!(f, "  trace hash {:016x}", self.trace_hash)
    }
}

/// Runs the world of a seed.
#[must_use]
pub fn run(seed: u64) -> Report {
    run_scenario(Scenario::new(seed))
}

/// Runs a world.
#[must_use]
pub fn run_scenario(scenario: Scenario) -> Report {
    // What the driver draws, it draws from this thread's generator.
    fastrand::seed(scenario.seed);
    let executor = Executor::new();
    let net = Net::new(executor.clone(), scenario.seed ^ 0x5eed);
    let ledger = Ledger::new(executor.clone(), scenario.clients.iter().flatten().cloned());
    let stage = Stage::new(executor.clone(), net, ledger.clone(), scenario.seats.clone());
    let lived = catch_unwind(AssertUnwindSafe(|| live(&stage, &scenario)));
    if let Err(panic) = lived {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or(panic.downcast_ref::<&str>().copied());
        ledger.violate(format!("panicked: {}", text.unwrap_or("without words")));
    }
    let outcomes = ledger.outcomes().iter().map(|(outcome, count)| format!("{outcome:?} {count}")).collect();
    let report = Report {
        trace_hash: executor.trace_hash(),
        outcomes,
        resumes: stage.resumes(),
        polls: executor.polls_of_all(),
        time: executor.now().since(Timestamp::ZERO),
        violations: ledger.violations(),
        scenario,
    };
    executor.clear();
    report
}

fn live(stage: &Stage, scenario: &Scenario) {
    stage.net.set_weather(LINK_PORT, scenario.links.clone());
    for port in [PUBLIC_PORT, BACKEND_PORT] {
        stage.net.set_weather(port, scenario.lines.clone());
    }
    stage.start();
    if scenario.level == Level::Gentle && !is_linked(stage) {
        stage.ledger.violate("not every telephone connects where nothing strikes");
    }
    let start = stage.executor.now();
    for (at, fault) in scenario.faults.iter().copied() {
        let (stage, scenario) = (stage.clone(), scenario.clone());
        stage.executor.clone().at(start + at, move || strike(&stage, &scenario, fault));
    }
    for plans in &scenario.clients {
        stage.start_client(plans.iter().map(|plan| plan.id).collect());
    }
    stage.executor.run_until(start + scenario.calm_at, || false);
    heal(stage, scenario);
    check_requests(stage, scenario);
    if !is_linked(stage) {
        stage.ledger.violate(format!("not every telephone is back: {:?} (I40)", stage.counts()));
    }
    drain(stage);
}

fn is_linked(stage: &Stage) -> bool {
    stage.executor.run_until(stage.executor.now() + HEALING_TIME, || stage.is_linked())
}

fn strike(stage: &Stage, scenario: &Scenario, fault: Fault) {
    match fault {
        Fault::Links(cut) => stage.net.cut_all(LINK_PORT, cut),
        Fault::Dialling(fate) => {
            stage.net.set_weather(LINK_PORT, Weather { fate, ..scenario.links.clone() });
        }
        Fault::Storm(true) => stage.net.set_weather(LINK_PORT, scenario.storm.clone()),
        Fault::Storm(false) => {
            stage.net.set_weather(LINK_PORT, scenario.links.clone());
            stage.net.heal(LINK_PORT);
        }
        Fault::KillTelephone { seat, is_cut_off } => {
            if is_cut_off {
                // As the network sees it, all links vanish: it knows ports, not hosts.
                stage.net.cut_all(LINK_PORT, Cut::Dark { up: true, down: true, time: None });
            }
            stage.kill_telephone(seat);
        }
        Fault::StartTelephone(seat) => {
            stage.kill_telephone(seat);
            stage.start_telephone(seat);
        }
        Fault::KillRelay => stage.kill_relay(),
        Fault::StartRelay => {
            stage.kill_relay();
            stage.start_relay();
        }
        Fault::ShutRelayDown => stage.shut_relay_down(),
        Fault::KillBackend(seat) => stage.kill_backend(seat),
        Fault::StartBackend(seat) => {
            stage.kill_backend(seat);
            stage.start_backend(seat);
        }
        Fault::ShutTelephoneDown(seat) => stage.shut_telephone_down(seat),
    }
}

/// Ends the bad weather. What is dark stays so in a rough world, for its ends to find out.
fn heal(stage: &Stage, scenario: &Scenario) {
    stage.net.set_weather(LINK_PORT, scenario.links.clone());
    if scenario.level == Level::Gentle {
        stage.net.heal(LINK_PORT);
    }
}

fn check_requests(stage: &Stage, scenario: &Scenario) {
    let Stage { executor, ledger, .. } = stage;
    let deadline = executor.now() + REQUESTS_TIME;
    if !executor.run_until(deadline, || stage.are_clients_done()) {
        ledger.violate(format!("the requests {:?} never ended (I34)", ledger.open()));
        return;
    }
    if scenario.level != Level::Gentle {
        return;
    }
    for (id, outcome) in ledger.failed() {
        ledger.violate(format!("request {id} ended as {outcome:?} though links were only cut (I35)"));
    }
    for (id, time) in ledger.late(|plan| scenario.time_max(plan)) {
        ledger.violate(format!("request {id} took {time:?} (I35)"));
    }
    let requests = scenario.clients.iter().map(|plans| plans.len() as u64).sum::<u64>();
    // The last exchange's task reports a moment after its client has its answer.
    executor.run_until(executor.now() + ECHO_TIME, || stage.requests_reported() >= requests);
    // Whose client left early may never have come.
    let heard = requests - ledger.left();
    if !(heard..=requests).contains(&stage.requests_reported()) {
        ledger.violate(format!("{} of {requests} requests were reported (I49)", stage.requests_reported()));
    }
    if stage.sessions_started() != stage.seats() {
        ledger.violate(format!("{} sessions for {} telephones", stage.sessions_started(), stage.seats()));
    }
}

/// Asks everybody to end, and sees that nothing is left. (I38)
fn drain(stage: &Stage) {
    let Stage { executor, ledger, net, .. } = stage;
    (0..stage.seats()).for_each(|seat| stage.shut_telephone_down(seat));
    stage.shut_relay_down();
    let deadline = executor.now() + DRAINING_TIME;
    if !executor.run_until(deadline, || stage.tasks() == (0, 0)) {
        ledger.violate(format!("{:?} tasks of plugboard and telephones are left (I38)", stage.tasks()));
        return;
    }
    if stage.exchanges() != 0 {
        ledger.violate(format!("{} exchanges are left (I38)", stage.exchanges()));
    }
    if let Some(counts) = stage.counts()
        && (counts.sessions, counts.linked, counts.parked) != (0, 0, 0)
    {
        ledger.violate(format!("{counts:?} is left (I38)"));
    }
    stage.kill_backends();
    executor.run_for(ECHO_TIME);
    if (net.sockets(), executor.timers()) != (0, 0) {
        let (sockets, timers) = (net.sockets(), executor.timers());
        ledger.violate(format!("{sockets} sockets and {timers} timers are left (I38)"));
    }
}
