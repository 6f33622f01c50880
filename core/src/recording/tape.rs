//! What a session's inputs are written to.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::format::{self, Header, Record, Start};
use super::redact;
use super::{Input, Output};
use crate::session::{Session, SessionConfig};
use crate::time::Timestamp;
use crate::trace::TraceHash;

/// Where the octets of a recording go: files, or the memory of a test.
pub trait Sink: Send {
    /// A segment begins with these octets; nothing before them is needed to replay it. False if no more is taken: the
    /// recording is over.
    fn begin(&mut self, start: &[u8]) -> bool;

    /// Takes the next octets of the segment, and keeps them even if the program ends right afterwards. False as in
    /// [`Sink::begin`].
    fn append(&mut self, record: &[u8]) -> bool;

    /// Octets of records after which the next segment should begin because others need room, too.
    fn segment_bytes_max(&self) -> usize {
        usize::MAX
    }

    /// Nothing that was taken is worth keeping. Nothing more will come.
    fn discard(&mut self) {}
}

/// How a session is recorded.
pub struct TapeConfig {
    /// Program and version, for whoever reads the recording.
    pub about: String,
    /// Whether bodies, tokens and all else that people sent is kept. Without it they are redacted.
    pub keeps_contents: bool,
    /// Octets of records after which the next segment begins. A snapshot does not count, however large it is.
    pub segment_bytes: usize,
    /// Where it goes.
    pub sink: Box<dyn Sink>,
}

/// A session's recording: notes each input before it is given, and mixes what came of it into the trace's hash.
///
/// When it is dropped it says how the trace ended.
pub struct Tape {
    deck: Deck,
    trace: TraceHash,
    /// An input was noted, and nothing came of it yet.
    is_applying: bool,
}

/// What becomes of what is noted.
enum Deck {
    /// It is written.
    Recording(Writing),
    /// A recording is replayed, and nothing written. This came of the last input.
    Replaying(Output),
    /// The recording is over. Whoever has such a tape throws it away.
    Over,
}

/// A recording that is being written.
struct Writing {
    about: String,
    keeps_contents: bool,
    segment_bytes: usize,
    sink: Box<dyn Sink>,
    /// Octets of records in the segment.
    written: usize,
}

impl fmt::Debug for Tape {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Tape").field("trace", &self.trace).finish_non_exhaustive()
    }
}

impl Tape {
    /// A tape with nothing on it.
    #[must_use]
    pub fn new(config: TapeConfig) -> Self {
        let TapeConfig { about, keeps_contents, segment_bytes, sink } = config;
        let writing = Writing { about, keeps_contents, segment_bytes, sink, written: 0 };
        Self { deck: Deck::Recording(writing), trace: TraceHash::EMPTY, is_applying: false }
    }

    /// One that writes nothing and goes on with a trace.
    pub(super) const fn replaying(trace: TraceHash) -> Self {
        Self { deck: Deck::Replaying(Output::Nothing), trace, is_applying: false }
    }

    /// What came of the last input while a recording is replayed: nothing, if it was not worth a record.
    pub(super) const fn take_last(&mut self) -> Option<Output> {
        match &mut self.deck {
            Deck::Replaying(last) => Some(core::mem::replace(last, Output::Nothing)),
            Deck::Recording(_) | Deck::Over => None,
        }
    }

    pub(super) const fn trace(&self) -> TraceHash {
        self.trace
    }

    /// A session begins. False if the recording is over.
    #[must_use]
    pub(super) fn start(&mut self, config: &SessionConfig, now: Timestamp) -> bool {
        let trace = self.trace.number();
        self.write(|writing| {
            let start = writing.start(trace, Start::New { config: Box::new(config.clone()), now });
            start.is_some_and(|start| writing.begin(&start))
        })
    }

    /// An input is about to be given. False if the recording is over.
    #[must_use]
    pub(super) fn note(&mut self, session: &Session, input: Input) -> bool {
        if self.is_applying {
            // Whoever gave the last one never came back.
            self.finish();
            return false;
        }
        let trace = self.trace.number();
        let goes_on = self.write(|writing| writing.note(trace, session, input));
        self.is_applying = goes_on && matches!(self.deck, Deck::Recording(_));
        goes_on
    }

    /// What came of the input.
    pub(super) fn fold(&mut self, session: &Session, mut output: Output) {
        self.is_applying = false;
        redact::output(session.profile(), &mut output);
        let standing = (&output, session.poll_timeout(), session.closed());
        self.trace.mix_octets(&format::hashed(&standing));
        if let Deck::Replaying(last) = &mut self.deck {
            *last = output;
        }
    }

    /// Nothing of the session is to be kept.
    pub(super) fn discard(mut self) {
        if let Deck::Recording(writing) = &mut self.deck {
            writing.sink.discard();
        }
        self.deck = Deck::Over;
    }

    /// Writes, if this tape does. False if the recording is over.
    fn write(&mut self, write: impl FnOnce(&mut Writing) -> bool) -> bool {
        let goes_on = match &mut self.deck {
            Deck::Recording(writing) => write(writing),
            Deck::Replaying(_) => true,
            Deck::Over => false,
        };
        if !goes_on {
            self.deck = Deck::Over;
        }
        goes_on
    }

    /// Says how the trace ended, once.
    fn finish(&mut self) {
        let trace = self.trace.number();
        let last = if self.is_applying { Record::Panicked } else { Record::End { trace } };
        self.write(|writing| {
            writing.append(&last);
            false
        });
    }
}

impl Writing {
    /// An input that is given to a session whose trace has this hash.
    fn note(&mut self, trace: u64, session: &Session, mut input: Input) -> bool {
        if self.written >= self.segment_bytes.min(self.sink.segment_bytes_max()) {
            let state = if self.keeps_contents { session.clone() } else { session.redacted() };
            let Some(start) = self.start(trace, Start::Snapshot(Box::new(state))) else {
                return self.stop(trace);
            };
            if !self.append(&Record::End { trace }) || !self.begin(&start) {
                return false;
            }
        }
        if !self.keeps_contents {
            redact::input(session.profile(), &mut input);
        }
        match format::record(&Record::Input { trace, input }) {
            Some(octets) => self.take(&octets),
            None => self.stop(trace),
        }
    }

    /// What a segment begins with; `None` if it is too much to be read again.
    fn start(&self, trace: u64, start: Start) -> Option<Vec<u8>> {
        format::start(&self.about, &Header { keeps_contents: self.keeps_contents, trace, start })
    }

    fn begin(&mut self, start: &[u8]) -> bool {
        self.written = 0;
        self.sink.begin(start)
    }

    /// Appends a record that is never too large.
    fn append(&mut self, record: &Record) -> bool {
        format::record(record).is_some_and(|octets| self.take(&octets))
    }

    fn take(&mut self, octets: &[u8]) -> bool {
        self.written += octets.len();
        self.sink.append(octets)
    }

    /// What comes next is too large to be read again.
    fn stop(&mut self, trace: u64) -> bool {
        self.append(&Record::Stopped { trace });
        false
    }
}

impl Drop for Tape {
    fn drop(&mut self) {
        if let Deck::Recording(_) = self.deck {
            self.finish();
        }
    }
}
