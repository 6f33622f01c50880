//! Recordings, genuine, damaged and forged, to the reader and to the replay.

mod segment;
// The core's own sink for tests.
#[path = "../../../core/src/recording/tests/memory.rs"]
mod sink;

use std::collections::HashMap;

use bytes::Bytes;
use telephone_core::limits::MESSAGE_BYTES_MAX;
use telephone_core::recording::{
    Ending, Input, NotARecording, Outcome, Output, Replay, Sink, Tape, TapeConfig, Witness, words,
};
use telephone_core::session::Session;
use telephone_core::trace::TraceHash;
use telephone_core::wire::Profile;

use crate::memory::Meter;
use crate::session::used_pair;
use segment::{Items, Tail, damage};
use sink::Memory;

/// Damages to one segment.
const DAMAGES_MAX: usize = 8;
/// Octets that all of a segment stands for, if it is to be replayed: more takes long and shows nothing else.
const STANDS_FOR_MAX: usize = 2 * 1024 * 1024;
/// Octets of memory for a session and its lists, whose lengths are believed for a megabyte each.
const MEMORY_BASE: usize = 8 * 1024 * 1024;
/// Octets of memory for one that the header stands for: an element of a list may be told in one.
const MEMORY_FACTOR: usize = 512;

/// Octets, as they are if they begin as a recording does. Else the settings of a tape, the number of steps, a seed and
/// steps as those of [`session_pair`](crate::session_pair), and damages of five octets each to a segment of what was
/// recorded of one end.
///
/// Never a panic (I1), and memory in proportion to what is stood for (I36). What is undamaged is replayed to the same
/// session, trace and last message (I47). What is damaged is refused, or the place is named where it departs or cannot be
/// read, or all that came of its inputs is as it was recorded.
pub fn recording(data: &[u8]) {
    if data.starts_with(b"telephone") {
        let _ = replayed(data, &mut Seen::default());
        return;
    }
    assert_eq!(Replay::new(data).err(), Some(NotARecording::Foreign));
    let Some(([settings, which, steps], rest)) = data.split_first_chunk::<3>() else { return };
    let (used, damages) = rest.split_at(rest.len().min(2 + 3 * usize::from(steps % 64)));
    let (segments, genuine) = recorded(*settings, used);
    let picked = usize::from(*which) % segments.len();
    let (mut damaged, donor) = (segments[picked].clone(), &segments[segments.len() - 1 - picked]);
    let (damages, _) = damages.as_chunks::<5>();
    if damages.is_empty() {
        return;
    }
    damages.iter().take(DAMAGES_MAX).for_each(|each| damage(&mut damaged, donor, *each));
    genuine.assert_told(&damaged);
}

/// The segments of one end of a pair, and what came of its inputs: the same when they are replayed.
fn recorded(settings: u8, used: &[u8]) -> (Vec<Vec<u8>>, Genuine) {
    let memories = [Memory::default(), Memory::default()];
    let tapes = [0, 1].map(|end: usize| {
        let sink = Box::new(memories[end].clone());
        let segment_bytes = [100, 400, 2000, 1 << 22][usize::from(settings / 4 % 4)];
        let keeps_contents = settings & 2 != 0;
        Tape::new(TapeConfig { about: "a test".into(), keeps_contents, segment_bytes, sink })
    });
    let picked = usize::from(settings & 1);
    let ends = used_pair(used, tapes);
    let (standing, last_said) = (Standing::of(&ends[picked].session), ends[picked].last_said.clone());
    drop(ends);
    let segments = memories[picked].segments();
    let seen = assert_replayed(&segments, &standing);
    assert_eq!(seen.last_said, last_said.map(|said| words::message(Profile::Binary, &said)));
    let outputs = seen.outputs.into_iter().map(|(trace, output)| (trace.number(), output));
    (segments, Genuine(outputs.collect()))
}

/// Each segment is replayed to its end, and the last one to the same session.
fn assert_replayed(segments: &[Vec<u8>], standing: &Standing) -> Seen {
    let mut seen = Seen::default();
    for (index, segment) in segments.iter().enumerate() {
        let mut replay = Replay::new(segment).expect("a segment of ours");
        assert_eq!((replay.is_snapshot(), replay.trace()), (index > 0, seen.trace));
        let outcome = replay.run(&mut seen);
        assert_eq!((outcome.departed_at, outcome.ending, outcome.unread), (None, Ending::Whole, 0));
        assert_eq!((outcome.recorded, outcome.replayed), (outcome.trace, outcome.trace));
        if index + 1 == segments.len() {
            assert_eq!(Standing::of(replay.session()), *standing);
        }
    }
    seen
}

/// What an application sees of a session.
#[derive(Debug, PartialEq)]
struct Standing(String);

impl Standing {
    fn of(session: &Session) -> Self {
        let counts =
            (session.position(), session.kept(), session.window(), session.buffered(), session.balance());
        Self(format!(
            "{:?}",
            (session.stats(), counts, session.closed(), session.link(), session.poll_timeout())
        ))
    }
}

/// What came of all inputs of a recording: of each by the trace before it.
struct Genuine(HashMap<u64, Output>);

impl Genuine {
    /// Whatever differs in effect from what was recorded is told.
    fn assert_told(&self, damaged: &[u8]) {
        let mut seen = Seen::default();
        let Some(outcome) = replayed(damaged, &mut seen) else { return };
        if outcome.departed_at.is_some() {
            return;
        }
        let is_last_known = matches!(outcome.ending, Ending::Whole | Ending::Stopped);
        let known = seen.outputs.len() - usize::from(!is_last_known && !seen.outputs.is_empty());
        for (trace, output) in &seen.outputs[..known] {
            assert_eq!(
                self.0.get(&trace.number()),
                Some(output),
                "another effect passes for what was recorded"
            );
        }
    }
}

/// Replays octets of any kind, if they are a recording.
fn replayed(segment: &[u8], seen: &mut Seen) -> Option<Outcome> {
    let items = Items::of(segment);
    let (header, records) = items.stand_for(segment);
    let whole = header + records;
    if whole > STANDS_FOR_MAX {
        return None;
    }
    let meter = Meter::start();
    let replay = Replay::new(segment);
    assert!(
        meter.asked() <= MEMORY_BASE + MEMORY_FACTOR * header,
        "{} octets of memory for {header}",
        meter.asked()
    );
    let mut replay = replay.ok()?;
    (seen.trace, seen.profile) = (replay.trace(), replay.session().profile());
    let outcome = replay.run(seen);
    let inputs = usize::try_from(outcome.inputs).unwrap_or(usize::MAX);
    // What is seen is held, too: of each input a message, and what its record stands for.
    let held_max = MEMORY_BASE + MEMORY_FACTOR * whole + 4 * inputs * MESSAGE_BYTES_MAX;
    assert!(meter.held() <= held_max, "{} octets of memory are held", meter.held());
    assert_eq!(outcome.inputs, seen.inputs);
    assert_place(segment, &items, &outcome);
    Some(outcome)
}

/// How a recording ended agrees with where its items do.
fn assert_place(segment: &[u8], items: &Items, outcome: &Outcome) {
    let at = segment.len() - outcome.unread;
    let inputs = usize::try_from(outcome.inputs).unwrap_or(usize::MAX);
    let read = items.whole.iter().position(|item| item.end == at).expect("it ends where an item does");
    let is_last = read + 1 == items.whole.len();
    let (has_last_word, is_right) = match outcome.ending {
        Ending::Whole | Ending::Panicked | Ending::Stopped => (1, is_last && outcome.unread == 0),
        Ending::Torn => (0, is_last && items.tail != Tail::Foreign),
        // A record that says that it is the last was read, or none.
        Ending::Damaged => (read - inputs, outcome.unread > 0 && (!is_last || items.tail != Tail::Nothing)),
    };
    assert!(is_right && has_last_word <= 1 && read == inputs + has_last_word, "{outcome:?} of {items:?}");
}

/// What `telephone replay` shows.
#[derive(Debug)]
struct Seen {
    profile: Profile,
    inputs: u64,
    /// What came of each input that had an effect, and the trace before it.
    outputs: Vec<(TraceHash, Output)>,
    trace: TraceHash,
    last_said: Option<String>,
}

impl Default for Seen {
    fn default() -> Self {
        Self {
            profile: Profile::Binary,
            inputs: 0,
            outputs: Vec::new(),
            trace: TraceHash::EMPTY,
            last_said: None,
        }
    }
}

impl Witness for Seen {
    fn on_input(&mut self, _: u64, input: &Input, _: TraceHash) {
        assert!(!words::input(self.profile, input).is_empty());
    }

    fn on_output(&mut self, output: &Output, trace: TraceHash) {
        let words = words::output(self.profile, output);
        assert_eq!(words.is_none(), *output == Output::Nothing);
        if let Output::Message(Some(said)) = output {
            self.last_said = Some(words::message(self.profile, &Bytes::clone(said)));
        }
        self.inputs += 1;
        if trace == self.trace {
            // An input that nobody would have recorded: it changed nothing.
            assert_eq!(*output, Output::Nothing);
        } else {
            self.outputs.push((std::mem::replace(&mut self.trace, trace), output.clone()));
        }
    }
}
