//! Giving a recording's inputs to a session again.

use alloc::string::String;

use super::format::{self, Opened, Record, Start};
use super::{Input, Output, Recorded, Tape};
use crate::error::CloseReason;
use crate::session::Session;
use crate::time::Timestamp;
use crate::trace::TraceHash;

/// Why a file cannot be replayed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotARecording {
    /// It does not begin as a recording does.
    #[error("this is no recording")]
    Foreign,
    /// Another version of the format.
    #[error("the recording has format {format}, which is not read here: {} wrote it", about.escape_debug())]
    Format {
        /// The version of the format.
        format: u32,
        /// Program and version that wrote it.
        about: String,
    },
    /// What the segment begins with cannot be read.
    #[error("the beginning of the recording is damaged")]
    Damaged,
}

/// Who looks on while a recording is replayed.
pub trait Witness {
    /// This input is about to be given, the `number`th of the segment. The recording has `before` for the hash of the trace
    /// until now.
    fn on_input(&mut self, number: u64, input: &Input, before: TraceHash);
    /// This came of it, and that is the hash of the trace with it.
    fn on_output(&mut self, output: &Output, trace: TraceHash);
}

/// Nobody looks on.
impl Witness for () {
    fn on_input(&mut self, _: u64, _: &Input, _: TraceHash) {}
    fn on_output(&mut self, _: &Output, _: TraceHash) {}
}

/// How the recording of a segment ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// With the session, or where the next segment began.
    Whole,
    /// The program was gone before it could say so, or nothing more could be written. Nothing is known of what came of the
    /// last input.
    Torn,
    /// The program panicked over the last input.
    Panicked,
    /// The session went on, but what it was given next was too large to be recorded.
    Stopped,
    /// A record cannot be read, or something stands behind the last one.
    Damaged,
}

/// What came of a replay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// Inputs that were given.
    pub inputs: u64,
    /// How the recording ended.
    pub ending: Ending,
    /// Octets at the end that were not read: of a record that was cut off, or of damage and all that is behind it.
    pub unread: usize,
    /// The last hash in the recording: with [`Ending::Whole`] and [`Ending::Stopped`] of the whole trace, else of the trace
    /// before the last input.
    pub recorded: TraceHash,
    /// The hash of the replay's trace at that place.
    pub replayed: TraceHash,
    /// The first input before which the two were not equal, or one more than there are.
    pub departed_at: Option<u64>,
    /// The hash of the replay's whole trace.
    pub trace: TraceHash,
    /// Why the session is over, if it is.
    pub closed: Option<CloseReason>,
}

/// A segment that is ready to be replayed.
#[derive(Debug)]
pub struct Replay<'a> {
    about: String,
    is_snapshot: bool,
    keeps_contents: bool,
    began_at: Option<Timestamp>,
    recorded: Recorded,
    rest: &'a [u8],
}

impl<'a> Replay<'a> {
    /// Reads what a segment begins with. Whatever the octets are, this and the reading of what follows is sound, and takes
    /// bounded memory: 256 MiB for what a state stands for, as much for its bodies, and a few times that for its other
    /// parts. A state from which a session would count past its numbers, or never come to an end, is refused. That its
    /// books agree is not asked, for what a bug made of them is to be replayed: a fuzz target looks for what else of a
    /// forged one could be a panic.
    ///
    /// # Errors
    /// [`NotARecording`].
    pub fn new(segment: &'a [u8]) -> Result<Self, NotARecording> {
        let Opened { about, header, rest } = format::open(segment)?;
        let tape = Tape::replaying(TraceHash::from_number(header.trace));
        let (session, began_at) = match header.start {
            Start::New { config, now } => (Session::new(*config, now), Some(now)),
            Start::Snapshot(session) => (*session, None),
        };
        Ok(Self {
            about,
            is_snapshot: began_at.is_none(),
            keeps_contents: header.keeps_contents,
            began_at,
            recorded: Recorded::replaying(session, tape),
            rest,
        })
    }

    /// Program and version that wrote it.
    #[must_use]
    pub fn about(&self) -> &str {
        &self.about
    }

    /// Whether it begins in the middle of a session.
    #[must_use]
    pub const fn is_snapshot(&self) -> bool {
        self.is_snapshot
    }

    /// Whether bodies and tokens are as they were.
    #[must_use]
    pub const fn keeps_contents(&self) -> bool {
        self.keeps_contents
    }

    /// When the session began, if it does in this segment.
    #[must_use]
    pub const fn began_at(&self) -> Option<Timestamp> {
        self.began_at
    }

    /// The session as it stands.
    #[must_use]
    pub fn session(&self) -> &Session {
        &self.recorded
    }

    /// Gives all inputs to the session.
    pub fn run(&mut self, witness: &mut impl Witness) -> Outcome {
        let start = self.trace();
        let mut outcome = Outcome {
            inputs: 0,
            ending: Ending::Torn,
            unread: 0,
            recorded: start,
            replayed: start,
            departed_at: None,
            trace: start,
            closed: None,
        };
        outcome.ending = loop {
            match format::next(&mut self.rest) {
                Ok(Record::Input { trace, input }) => {
                    self.compare(trace, &mut outcome);
                    outcome.inputs += 1;
                    witness.on_input(outcome.inputs, &input, TraceHash::from_number(trace));
                    input.apply(&mut self.recorded);
                    if let Some(last) = self.recorded.take_last() {
                        witness.on_output(&last, self.trace());
                    }
                }
                Ok(Record::End { trace }) => {
                    self.compare(trace, &mut outcome);
                    break self.last_word(Ending::Whole);
                }
                Ok(Record::Stopped { trace }) => {
                    self.compare(trace, &mut outcome);
                    break self.last_word(Ending::Stopped);
                }
                Ok(Record::Panicked) => break self.last_word(Ending::Panicked),
                Err(ending) => break ending,
            }
        };
        outcome.unread = self.rest.len();
        outcome.trace = self.trace();
        outcome.closed = self.recorded.closed();
        outcome
    }

    /// The hash of the trace so far, also of what the segments before this one hold.
    #[must_use]
    pub fn trace(&self) -> TraceHash {
        self.recorded.tape().map_or(TraceHash::EMPTY, Tape::trace)
    }

    /// How a recording ended whose last record says so: nobody writes anything behind that.
    const fn last_word(&self, ending: Ending) -> Ending {
        if self.rest.is_empty() { ending } else { Ending::Damaged }
    }

    fn compare(&self, recorded: u64, outcome: &mut Outcome) {
        outcome.recorded = TraceHash::from_number(recorded);
        outcome.replayed = self.trace();
        if outcome.recorded != outcome.replayed {
            outcome.departed_at.get_or_insert(outcome.inputs + 1);
        }
    }
}
