//! The simulator itself: it is quiet where nothing is wrong, repeats itself, and makes scenarios smaller.

use telephone_sim::scenario::{BackendFault, FaultKind, Shape};
use telephone_sim::{run, run_scenario, scenario, shrink};

#[test]
fn no_law_is_broken_by_a_few_hundred_seeds() {
    let mut sessions = 0;
    let mut resumed = 0;
    for seed in 0..300 {
        let report = run_scenario(&scenario(seed), false);
        assert_eq!(report.violation, None, "seed {seed}");
        sessions += report.sessions;
        resumed += report.resumed;
    }
    assert!(sessions > 300, "{sessions} sessions had ten streams and a cut");
    assert!(resumed > 300, "{resumed} links were resumed");
}

#[test]
fn the_same_seed_gives_the_same_trace_told_or_not() {
    for seed in 0..50 {
        let first = run_scenario(&scenario(seed), false);
        let second = run_scenario(&scenario(seed), true);
        assert_eq!(first.hash, second.hash, "seed {seed}");
        assert_eq!((first.elapsed, first.outcomes), (second.elapsed, second.outcomes));
        assert!(second.events.is_some_and(|events| events.contains("dials")));
    }
}

#[test]
fn another_seed_gives_another_trace() {
    let hashes: std::collections::BTreeSet<u64> =
        (0..50).map(|seed| run_scenario(&scenario(seed), false).hash).collect();
    assert_eq!(hashes.len(), 50);
}

#[test]
fn all_kinds_of_faults_and_requests_are_drawn() {
    let mut seen = String::new();
    for seed in 0..400 {
        seen.push_str(&scenario(seed).to_string());
    }
    let faults = [
        FaultKind::Reset,
        FaultKind::Flap,
        FaultKind::Revoke,
        FaultKind::HandOver,
        FaultKind::NoToken,
        FaultKind::NotReady,
        FaultKind::Withdraw,
    ];
    let shapes = [Shape::Get, Shape::Head, Shape::Put, Shape::Post, Shape::Upgrade, Shape::Tcp];
    let words = faults.map(|fault| format!("kind: {fault:?} ")).into_iter();
    let words = words.chain(shapes.map(|shape| format!("shape: {shape:?},")));
    for word in words.chain(["is_hostile: true".into(), "fault: EndsAt".into(), "stall".into()]) {
        assert!(seen.contains(&word), "{word} was never drawn");
    }
}

/// Each mount is asked on, through the process that goes and the one that comes. (I35, I42)
#[test]
fn telephones_move_and_no_request_is_lost_where_plugboards_only_hand_over() {
    let calm = (0..2_000).map(scenario).filter(telephone_sim::scenario::Scenario::is_calm);
    let (mut scenarios, mut moved) = (0, 0);
    for scenario in calm {
        let report = run_scenario(&scenario, false);
        assert_eq!(report.violation, None, "{scenario}");
        scenarios += 1;
        moved += report.moved;
    }
    assert!(scenarios > 50 && moved > 200, "{moved} sessions were moved from in {scenarios} scenarios");
}

#[test]
fn a_scenario_reads_as_text_with_everything_in_it() {
    let scenario = scenario(3);
    let text = scenario.to_string();
    let count = |word: &str| text.lines().filter(|line| line.starts_with(word)).count();
    assert_eq!(count("request "), scenario.requests.len());
    assert_eq!(count("fault: "), scenario.faults.len());
    assert_eq!(count("telephone "), scenario.telephones.len() + 1);
    assert!(text.contains(&format!("noise {:#x}", scenario.noise)));
}

#[test]
fn the_shrinker_leaves_what_matters_and_nothing_else() {
    let is_broken = |candidate: &telephone_sim::scenario::Scenario| {
        let has_post = candidate.requests.iter().any(|request| request.shape == Shape::Post);
        has_post && candidate.faults.iter().any(|fault| fault.kind == FaultKind::Reset)
    };
    let seed = (0..).find(|seed| is_broken(&scenario(*seed))).unwrap_or_default();
    let smallest = shrink::shrink(scenario(seed), is_broken);
    assert!(is_broken(&smallest));
    assert_eq!((smallest.requests.len(), smallest.faults.len()), (1, 1));
    // The request may be one telephone's and the fault another's.
    assert!(smallest.telephones.len() <= 2 && smallest.token_life == 0);
}

#[test]
fn a_shrunk_scenario_keeps_the_length_that_a_backends_fault_speaks_of() {
    let mut original = scenario(0);
    original.requests.truncate(1);
    original.requests[0].fault = BackendFault::EndsAt(5);
    original.requests[0].down.length = 1_000;
    let smallest = shrink::shrink(original, |candidate| !candidate.requests.is_empty());
    assert_eq!(smallest.requests[0].down.length, 1_000);
}

#[test]
fn any_octets_spell_a_scenario_that_breaks_no_law() {
    run(&[]);
    for seed in 0..40_u8 {
        let octets: Vec<u8> = (0..600_u32).map(|at| (at * 31 + u32::from(seed) * 97) as u8 ^ seed).collect();
        run(&octets);
    }
}
