//! Random use of two recorded sessions, replayed from each segment on.

mod memory;
mod redaction;
mod world;

use alloc::vec::Vec;
use proptest::prelude::*;

use super::{Ending, Input, NotARecording, Output, Replay, Sink, Witness};
use crate::trace::TraceHash;
use world::{World, record};

/// What the inputs of all segments are, and how the last one ended.
fn replayed(segments: &[Vec<u8>]) -> (u64, TraceHash) {
    let mut inputs = 0;
    let mut trace = TraceHash::EMPTY;
    for (index, segment) in segments.iter().enumerate() {
        let mut replay = Replay::new(segment).expect("a segment of ours");
        assert_eq!(replay.is_snapshot(), index > 0);
        let outcome = replay.run(&mut ());
        assert_eq!((outcome.departed_at, outcome.ending), (None, Ending::Whole), "segment {index}");
        assert_eq!((outcome.recorded, outcome.replayed), (outcome.trace, outcome.trace));
        inputs += outcome.inputs;
        trace = outcome.trace;
    }
    (inputs, trace)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 100, ..ProptestConfig::default() })]

    /// From the beginning and from each snapshot on, for both ends and both profiles. [I47]
    #[test]
    fn a_recording_replays_to_the_same_trace(
        seed: u64,
        steps in 0_usize..400,
        segment_bytes in prop_oneof![Just(300_usize), Just(5_000), Just(1 << 22)],
    ) {
        let with_contents = record(seed, steps, segment_bytes, true);
        let redacted = record(seed, steps, segment_bytes, false);
        for (kept, redacted) in with_contents.iter().zip(&redacted) {
            // Nothing that a session does depends on what was redacted.
            prop_assert_eq!(replayed(kept), replayed(redacted));
        }
    }

    #[test]
    fn a_segment_that_is_cut_off_anywhere_replays_up_to_there(seed: u64, steps in 0_usize..60, cut in 0.0..1.0) {
        let [telephone, _] = record(seed, steps, 1 << 22, false);
        let segment = &telephone[0];
        let length = (segment.len() as f64 * cut) as usize;
        match Replay::new(&segment[..length]) {
            Err(why) => prop_assert!(matches!(why, NotARecording::Foreign | NotARecording::Damaged)),
            Ok(mut replay) => {
                let outcome = replay.run(&mut ());
                prop_assert_eq!((outcome.departed_at, outcome.ending), (None, Ending::Torn));
            }
        }
    }

    /// A snapshot that was changed may be a state in which no session ever is; reading it is sound all the same.
    #[test]
    fn a_segment_with_wrong_octets_is_refused_or_replayed(
        seed: u64,
        steps in 0_usize..60,
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let [telephone, _] = record(seed, steps, 1 << 22, false);
        let mut segment = telephone[0].clone();
        for (at, octet) in changes {
            *at.get_mut(&mut segment) = octet;
        }
        if let Ok(mut replay) = Replay::new(&segment) {
            // A session whose books do not agree may find that out.
            let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| replay.run(&mut ())));
        }
    }
}

#[test]
fn what_is_no_recording_is_refused() {
    let refused = |octets: &[u8]| Replay::new(octets).err();
    assert_eq!(refused(b""), Some(NotARecording::Foreign));
    assert_eq!(refused(b"#!/bin/sh\n"), Some(NotARecording::Foreign));
    assert_eq!(refused(b"telephone recording\n"), Some(NotARecording::Damaged));
    assert_eq!(refused(b"telephone recording\n\xc8"), Some(NotARecording::Version(200)));
    let bomb = b"telephone recording\n\x01\x06\xff\xff\xff\xff\x7f\0";
    assert_eq!(refused(bomb), Some(NotARecording::Damaged));
}

#[test]
fn the_record_before_which_a_trace_departs_is_named() {
    let [telephone, _] = record(1, 200, 1 << 22, false);
    let mut segment = telephone[0].clone();
    let marks = Marks::of(&segment);
    // A record begins with its length, the part that it is packed in, its kind and the hash of the trace before it.
    let tenth = marks.ends[9];
    let at = segment.len() - tenth + 4;
    segment[at] ^= 1;
    let outcome = Replay::new(&segment).expect("its beginning is whole").run(&mut ());
    assert_eq!(outcome.departed_at, Some(11));
}

/// How many octets were left before each input.
struct Marks {
    ends: Vec<usize>,
}

impl Marks {
    fn of(segment: &[u8]) -> Self {
        let (_, rest) = super::format::split_start(segment).expect("a segment of ours");
        let (mut rest, mut ends) = (rest, Vec::new());
        while super::format::next(&mut rest).is_ok() {
            ends.push(rest.len());
        }
        Self { ends }
    }
}

#[derive(Default)]
struct Seen {
    inputs: Vec<Input>,
    outputs: Vec<Output>,
}

impl Witness for Seen {
    fn on_input(&mut self, number: u64, input: &Input, _: TraceHash) {
        assert_eq!(number, self.inputs.len() as u64 + 1);
        self.inputs.push(input.clone());
    }

    fn on_output(&mut self, output: &Output, _: TraceHash) {
        self.outputs.push(output.clone());
    }
}

#[test]
fn whoever_looks_on_sees_each_input_and_what_came_of_it() {
    let mut world = World::new(4, 1 << 22, false);
    world.exchange_one_request();
    let [telephone, _] = world.finish();
    let mut seen = Seen::default();
    Replay::new(&telephone[0]).expect("a segment of ours").run(&mut seen);
    assert_eq!(seen.inputs.len(), seen.outputs.len());
    assert!(seen.outputs.iter().any(|output| matches!(output, Output::Accepted(Some(_)))));
    assert!(seen.inputs.iter().any(|input| matches!(input, Input::Respond { .. })));
}
