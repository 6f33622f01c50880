//! What sessions were given in a simulated world is given to them again, outside of it.

use telephone_core::recording::{Ending, Replay};
use telephone_sim::recorder::Recorder;
use telephone_sim::{record_scenario, run_scenario, scenario};

/// Links that break anywhere, resumes, tokens that end, drains, hostile peers: from the start of each session, and from
/// each snapshot on. (I47)
#[test]
fn every_recording_of_a_seed_replays_to_the_same_trace() {
    let (mut sessions, mut snapshots) = (0, 0);
    for seed in 0..400 {
        let scenario = scenario(seed);
        let recorder = Recorder::new(3_000);
        let report = record_scenario(&scenario, false, &recorder);
        assert_eq!(report.hash, run_scenario(&scenario, false).hash, "seed {seed}: recorded or not");
        for recording in recorder.recordings() {
            sessions += 1;
            let mut trace = None;
            for (index, segment) in recording.segments.iter().enumerate() {
                let what = format!("seed {seed}, {}, segment {index}", recording.name);
                let mut replay = Replay::new(segment).expect("a segment");
                snapshots += u32::from(replay.is_snapshot());
                assert!(
                    trace.is_none_or(|trace| trace == replay.trace()),
                    "{what} begins where the last one ended"
                );
                let outcome = replay.run(&mut ());
                assert_eq!((outcome.departed_at, outcome.ending), (None, Ending::Whole), "{what}");
                assert_eq!(outcome.recorded, outcome.trace, "{what}");
                trace = Some(outcome.trace);
            }
        }
    }
    assert!(sessions > 2_000 && snapshots > 2_000, "{sessions} sessions, {snapshots} snapshots");
}
