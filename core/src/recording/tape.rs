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
    about: String,
    keeps_contents: bool,
    segment_bytes: usize,
    /// None while a recording is replayed, and when it is over.
    sink: Option<Box<dyn Sink>>,
    trace: TraceHash,
    /// Octets of records in the segment.
    written: usize,
    /// An input was noted, and nothing came of it yet.
    is_applying: bool,
    last: Output,
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
        Self {
            about,
            keeps_contents,
            segment_bytes,
            sink: Some(sink),
            trace: TraceHash::EMPTY,
            written: 0,
            is_applying: false,
            last: Output::Nothing,
        }
    }

    /// One that writes nothing and goes on with a trace.
    pub(super) const fn replaying(trace: TraceHash) -> Self {
        let about = String::new();
        let (sink, last) = (None, Output::Nothing);
        Self {
            about,
            keeps_contents: true,
            segment_bytes: 0,
            sink,
            trace,
            written: 0,
            is_applying: false,
            last,
        }
    }

    /// What came of the last input while a recording is replayed.
    pub(super) const fn last(&self) -> &Output {
        &self.last
    }

    pub(super) const fn trace(&self) -> TraceHash {
        self.trace
    }

    /// A session begins.
    pub(super) fn start(&mut self, config: &SessionConfig, now: Timestamp) {
        self.begin(Start::New { config: config.clone(), now });
    }

    fn begin(&mut self, start: Start) {
        let header = Header {
            about: self.about.clone(),
            keeps_contents: self.keeps_contents,
            trace: self.trace.number(),
            start,
        };
        let octets = format::start(&header);
        self.written = 0;
        self.put(|sink| sink.begin(&octets));
    }

    /// An input is about to be given. False if the recording is over.
    #[must_use]
    pub(super) fn note(&mut self, session: &Session, mut input: Input) -> bool {
        if self.sink.is_none() {
            return true;
        }
        if self.is_applying {
            // Whoever gave the last one never came back.
            self.finish();
            return false;
        }
        if self.written >= self.segment_bytes {
            self.append(&Record::End { trace: self.trace.number() });
            let state = if self.keeps_contents { session.clone() } else { session.redacted() };
            self.begin(Start::Snapshot(Box::new(state)));
        }
        if !self.keeps_contents {
            redact::input(session.profile(), &mut input);
        }
        self.append(&Record::Input { trace: self.trace.number(), input });
        self.is_applying = true;
        self.sink.is_some()
    }

    /// What came of the input.
    pub(super) fn fold(&mut self, session: &Session, mut output: Output) {
        self.is_applying = false;
        redact::output(session.profile(), &mut output);
        let standing = (&output, session.poll_timeout(), session.closed());
        let mut packed = Vec::new();
        format::put(&standing, &mut packed);
        self.trace.mix_octets(&packed);
        if self.sink.is_none() {
            self.last = output;
        }
    }

    fn append(&mut self, record: &Record) {
        let mut octets = Vec::new();
        format::put(record, &mut octets);
        self.written += octets.len();
        self.put(|sink| sink.append(&octets));
    }

    fn put(&mut self, put: impl FnOnce(&mut dyn Sink) -> bool) {
        self.sink.take_if(|sink| !put(&mut **sink));
    }

    /// Says how the trace ended, once.
    fn finish(&mut self) {
        let trace = self.trace.number();
        self.append(&if self.is_applying { Record::Panicked } else { Record::End { trace } });
        self.sink = None;
    }
}

impl Drop for Tape {
    fn drop(&mut self) {
        if self.sink.is_some() {
            self.finish();
        }
    }
}
