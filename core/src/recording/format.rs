//! How a segment stands in a file.
//!
//! ```text
//! segment = "telephone recording " · FORMAT · " by " · about · "\n" · item(Header) · item(Record)*
//! item    = length varint · packed                  packed: see `pack`
//! ```
//!
//! The first line is text, so that everyone can read which program can read the rest. What is packed is the postcard form of
//! the structure. A segment that ends within an item was cut off there.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::pack::{pack, unpack};
use super::plain::{self, Bounds};
use super::{Ending, Input, NotARecording};
use crate::error::Misbehaviour;
use crate::session::{Session, SessionConfig, is_sound_time};
use crate::time::Timestamp;
use crate::wire::varint;

const MAGIC: &[u8] = b"telephone recording";
/// Grows with each change of what stands in a segment, a session's state among it.
const FORMAT: u32 = 5;
/// Characters of program and version in the first line.
const ABOUT_CHARS_MAX: usize = 60;
/// Octets of the first line, at most.
const LINE_BYTES_MAX: usize = 40 + 4 * ABOUT_CHARS_MAX;
/// What a record may stand for: the largest message, head or write, with room.
const RECORD_BOUNDS: Bounds = Bounds { bytes_max: 1024 * 1024, parts_max: 1024 * 1024 };
/// What a header may stand for. A session's window and ring at their defaults are a fifth of the octets, and a million
/// messages of the smallest size that wait for acknowledgement most of the parts. Of a session with larger limits, and that
/// much in it, no snapshot is made.
const HEADER_BOUNDS: Bounds = Bounds { bytes_max: 256 * 1024 * 1024, parts_max: 8 * 1024 * 1024 };
/// Octets by which what is packed may be longer than what it stands for: the heads of two parts.
const PACKING_BYTES_MAX: usize = 2 * varint::VARINT_BYTES_MAX;

/// What a segment begins with, behind its first line.
#[derive(Serialize, Deserialize)]
pub(super) struct Header {
    pub(super) keeps_contents: bool,
    /// The hash of the trace before the segment.
    pub(super) trace: u64,
    pub(super) start: Start,
}

/// What the first record of a segment is given to.
#[derive(Serialize, Deserialize)]
pub(super) enum Start {
    New { config: Box<SessionConfig>, now: Timestamp },
    Snapshot(Box<Session>),
}

/// What follows in a segment.
#[derive(Serialize, Deserialize)]
pub(super) enum Record {
    /// An input, and the hash of the trace before it.
    Input { trace: u64, input: Input },
    /// The program panicked over the input before.
    Panicked,
    /// The segment is whole.
    End { trace: u64 },
    /// What came next was too large to be recorded. The session went on.
    Stopped { trace: u64 },
}

/// What is read of a segment before its records.
pub(super) struct Opened<'a> {
    /// Program and version that wrote it.
    pub(super) about: String,
    pub(super) header: Header,
    /// Its records.
    pub(super) rest: &'a [u8],
}

/// Appends an item. False, and nothing is appended, if it is larger than may be read.
#[must_use]
fn put(item: &impl Serialize, bounds: Bounds, out: &mut Vec<u8>) -> bool {
    plain::write(item, bounds).is_some_and(|plain| {
        let mut packed = Vec::new();
        pack(&plain, &mut packed);
        varint::put_counted(out, &packed);
        true
    })
}

/// The octets of a record; `None` if it is larger than may be read.
pub(super) fn record(record: &Record) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    put(record, RECORD_BOUNDS, &mut out).then_some(out)
}

/// The octets of anything, which nobody reads again. They are what a trace's hash is made of.
pub(super) fn hashed(item: &impl Serialize) -> Vec<u8> {
    let mut out = Vec::new();
    // Without bounds it is always put.
    let _ = put(item, Bounds::NONE, &mut out);
    out
}

/// The first octets of a segment; `None` if its header stands for more than will be read.
pub(super) fn start(about: &str, header: &Header) -> Option<Vec<u8>> {
    let mut out = MAGIC.to_vec();
    out.extend_from_slice(format!(" {FORMAT} by {}\n", in_a_line(about)).as_bytes());
    put(header, HEADER_BOUNDS, &mut out).then_some(out)
}

/// As much of a text as fits in the first line.
fn in_a_line(about: &str) -> String {
    about.chars().map(|of| if of.is_control() { ' ' } else { of }).take(ABOUT_CHARS_MAX).collect()
}

/// Splits a segment's beginning from its records.
pub(super) fn open(segment: &[u8]) -> Result<Opened<'_>, NotARecording> {
    let rest = segment.strip_prefix(MAGIC).ok_or(NotARecording::Foreign)?;
    let (format, about, rest) = split_line(rest).ok_or(NotARecording::Damaged)?;
    let about = about.to_string();
    if format != FORMAT {
        return Err(NotARecording::Format { format, about });
    }
    let (packed, rest) = split_item(rest, HEADER_BOUNDS).map_err(|_| NotARecording::Damaged)?;
    let header: Header = read(packed, HEADER_BOUNDS).ok_or(NotARecording::Damaged)?;
    let is_sound = match &header.start {
        Start::New { config, now } => config.is_sound() && is_sound_time(*now),
        Start::Snapshot(session) => session.is_sound(),
    };
    if is_sound { Ok(Opened { about, header, rest }) } else { Err(NotARecording::Damaged) }
}

/// The format and the program of a first line, and what follows it.
fn split_line(rest: &[u8]) -> Option<(u32, &str, &[u8])> {
    let end = rest.iter().take(LINE_BYTES_MAX).position(|octet| *octet == b'\n')?;
    let (line, rest) = rest.split_at_checked(end)?;
    let (format, about) = core::str::from_utf8(line).ok()?.strip_prefix(' ')?.split_once(" by ")?;
    Some((format.parse().ok()?, about, rest.get(1..)?))
}

/// Takes the next record from the front of `rest`. Without one, that is how the recording ended, and `rest` is what was not
/// read.
pub(super) fn next(rest: &mut &[u8]) -> Result<Record, Ending> {
    let (packed, behind) = split_item(rest, RECORD_BOUNDS)?;
    let record = read(packed, RECORD_BOUNDS).filter(is_sound).ok_or(Ending::Damaged)?;
    *rest = behind;
    Ok(record)
}

/// Whether a session can take what was read from a file.
fn is_sound(record: &Record) -> bool {
    match record {
        Record::Input { input, .. } => input.now().is_none_or(is_sound_time),
        Record::Panicked | Record::End { .. } | Record::Stopped { .. } => true,
    }
}

/// Splits an item with these bounds from what follows it. One whose length nobody writes was not cut
/// off: its rest would never have come.
fn split_item(from: &[u8], bounds: Bounds) -> Result<(&[u8], &[u8]), Ending> {
    let is_cut = |rule| rule == Misbehaviour::FrameTruncated;
    let (length, rest) =
        varint::split(from).map_err(|rule| if is_cut(rule) { Ending::Torn } else { Ending::Damaged })?;
    let length =
        usize::try_from(length).ok().filter(|length| *length <= bounds.bytes_max + PACKING_BYTES_MAX);
    rest.split_at_checked(length.ok_or(Ending::Damaged)?).ok_or(Ending::Torn)
}

fn read<T: DeserializeOwned>(packed: &[u8], bounds: Bounds) -> Option<T> {
    plain::read(&unpack(packed, bounds.bytes_max)?, bounds)
}
