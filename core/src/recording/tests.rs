//! Random use of two recorded sessions, replayed from each segment on.

mod forged;
mod memory;
mod redaction;
mod world;

use alloc::boxed::Box;
use alloc::string::ToString as _;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicUsize, Ordering};
use proptest::prelude::*;

use super::{Ending, Input, NotARecording, Output, Replay, Sink, Tape, TapeConfig, Witness};
use crate::time::Timestamp;
use crate::trace::TraceHash;
use memory::Memory;
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
                let is_between = Marks::of(segment).ends.contains(&(segment.len() - length));
                prop_assert!(outcome.unread > 0 || outcome.inputs == 0 || is_between);
            }
        }
    }

    /// Also in snapshots, and whatever state they then stand for.
    #[test]
    fn a_segment_with_wrong_octets_is_refused_or_replayed(
        seed: u64,
        steps in 0_usize..200,
        segment_bytes in prop_oneof![Just(300_usize), Just(1 << 22)],
        which: prop::sample::Index,
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let [telephone, _] = record(seed, steps, segment_bytes, false);
        let mut segment = which.get(&telephone).clone();
        for (at, octet) in changes {
            *at.get_mut(&mut segment) = octet;
        }
        if let Ok(mut replay) = Replay::new(&segment) {
            replay.run(&mut ());
        }
    }
}

#[test]
fn what_is_no_recording_is_refused() {
    let refused = |octets: &[u8]| Replay::new(octets).err();
    assert_eq!(refused(b""), Some(NotARecording::Foreign));
    assert_eq!(refused(b"#!/bin/sh\n"), Some(NotARecording::Foreign));
    assert_eq!(refused(b"telephone recording\n"), Some(NotARecording::Damaged));
    assert_eq!(refused(b"telephone recording\n\x01"), Some(NotARecording::Damaged));
    assert_eq!(
        refused(b"telephone recording 5 by me\n\x06\xff\xff\xff\xff\x7f\0"),
        Some(NotARecording::Damaged)
    );
    let other = refused(b"telephone recording 200 by plugboard\x1b 7.0\n").expect("another format");
    assert_eq!(other, NotARecording::Format { format: 200, about: "plugboard\x1b 7.0".into() });
    assert!(other.to_string().ends_with(r"plugboard\u{1b} 7.0 wrote it"), "{other}");
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

#[test]
fn the_first_line_tells_which_program_reads_the_rest() {
    let [telephone, _] = record(1, 5, 1 << 22, false);
    let line: Vec<u8> = telephone[0].iter().copied().take_while(|octet| *octet != b'\n').collect();
    assert_eq!(line, b"telephone recording 5 by a test");
    assert_eq!(Replay::new(&telephone[0]).expect("a segment of ours").about(), "a test");
    let memory = Memory::default();
    let sink = Box::new(memory.clone());
    let about = "line\nbreak ".repeat(50);
    let tape = TapeConfig { about, keeps_contents: false, segment_bytes: 1, sink };
    drop(world::session(Tape::new(tape)));
    let segments = memory.segments();
    let replay = Replay::new(&segments[0]).expect("a segment of ours");
    assert!(replay.about().starts_with("line break line") && replay.about().len() < 80);
}

/// What nobody writes was not cut off.
#[test]
fn wrong_lengths_and_what_stands_behind_the_end_are_damage() {
    let [telephone, _] = record(1, 50, 1 << 22, false);
    let whole = &telephone[0];
    let end = Marks::of(whole).ends.iter().rev().nth(1).map_or(0, |left| whole.len() - left);
    let ending = |kept: usize, tail: &[u8]| {
        let segment = [&whole[..kept], tail].concat();
        let outcome = Replay::new(&segment).expect("its beginning is whole").run(&mut ());
        assert_eq!(outcome.departed_at, None);
        (outcome.ending, outcome.unread)
    };
    assert_eq!(ending(whole.len(), b""), (Ending::Whole, 0));
    assert_eq!(ending(whole.len(), b"behind"), (Ending::Damaged, 6));
    assert_eq!(ending(end, b""), (Ending::Torn, 0));
    assert_eq!(ending(end, b"\x80"), (Ending::Torn, 1), "a length that is cut");
    assert_eq!(ending(end, b"\x80\x80\x40rest"), (Ending::Torn, 7), "the longest record, cut");
    assert_eq!(ending(end, b"\x80\x00rest"), (Ending::Damaged, 6), "a length in more octets than it needs");
    assert_eq!(ending(end, b"\xff\xff\x7frest"), (Ending::Damaged, 7), "a length that no record has");
    assert_eq!(ending(end, b"\x01\x02rest"), (Ending::Damaged, 6), "a record that cannot be read");
}

/// Takes so many calls, and counts them.
struct Full {
    room: usize,
    calls: Arc<AtomicUsize>,
}

impl Full {
    fn take(&self) -> bool {
        self.calls.fetch_add(1, Ordering::Relaxed) < self.room
    }
}

impl Sink for Full {
    fn begin(&mut self, _: &[u8]) -> bool {
        self.take()
    }

    fn append(&mut self, _: &[u8]) -> bool {
        self.take()
    }
}

#[test]
fn a_session_whose_sink_takes_no_more_has_no_tape_any_more() {
    for room in 0..4 {
        let calls = Arc::new(AtomicUsize::new(0));
        let sink = Box::new(Full { room, calls: calls.clone() });
        let config = TapeConfig { about: "a test".into(), keeps_contents: false, segment_bytes: 1, sink };
        let mut session = world::session(Tape::new(config));
        for _ in 0..6 {
            session.ask_stats(Timestamp::ZERO);
        }
        assert!(session.tape().is_none(), "it would go on paying for what is not written");
        drop(session);
        assert_eq!(calls.load(Ordering::Relaxed), room + 1, "nothing is written behind what failed");
    }
}

#[test]
fn what_is_too_large_to_be_read_again_ends_the_recording_and_says_so() {
    let memory = Memory::default();
    let mut session = world::session(world::tape(&memory, 1 << 22, false));
    session.ask_stats(Timestamp::ZERO);
    session.tell_scope(vec!["/a".repeat(1 << 20)]);
    session.ask_stats(Timestamp::ZERO);
    assert!(session.tape().is_none());
    drop(session);
    let outcome = Replay::new(&memory.segments()[0]).expect("a segment of ours").run(&mut ());
    assert_eq!((outcome.ending, outcome.inputs, outcome.departed_at), (Ending::Stopped, 1, None));
    assert_eq!(outcome.recorded, outcome.trace);
}

/// A sink whose segments end after each record, whatever the tape would do.
struct Scarce(Memory);

impl Sink for Scarce {
    fn begin(&mut self, start: &[u8]) -> bool {
        self.0.begin(start)
    }

    fn append(&mut self, record: &[u8]) -> bool {
        self.0.append(record)
    }

    fn segment_bytes_max(&self) -> usize {
        1
    }
}

#[test]
fn segments_are_short_where_room_is_scarce() {
    let memory = Memory::default();
    let sink = Box::new(Scarce(memory.clone()));
    let config = TapeConfig { about: "a test".into(), keeps_contents: false, segment_bytes: 1 << 22, sink };
    let mut session = world::session(Tape::new(config));
    (0..3).for_each(|_| session.ask_stats(Timestamp::ZERO));
    drop(session);
    assert_eq!((memory.segments().len(), replayed(&memory.segments()).0), (3, 3));
}

/// How many octets were left before each input.
struct Marks {
    ends: Vec<usize>,
}

impl Marks {
    fn of(segment: &[u8]) -> Self {
        let mut rest = super::format::open(segment).expect("a segment of ours").rest;
        let mut ends = Vec::new();
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
