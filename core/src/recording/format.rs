//! How a segment stands in a file.
//!
//! ```text
//! segment = "telephone recording\n" · version · item(Header) · item(Record)*
//! item    = length varint · packed                  packed: see `pack`
//! ```
//!
//! What is packed is the postcard form of the structure. A segment that ends within an item was cut off there.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::pack::{pack, unpack};
use super::{Ending, Input, NotARecording};
use crate::session::{Session, SessionConfig};
use crate::time::Timestamp;
use crate::wire::varint;

const MAGIC: &[u8] = b"telephone recording\n";
/// Grows with each change of what stands in a segment, a session's state among it.
const VERSION: u8 = 1;
/// Octets that a record may stand for: the largest message, head or write, with room.
const RECORD_BYTES_MAX: usize = 1024 * 1024;
/// Octets that a snapshot may stand for: a session's window and ring at their largest, with room for its streams.
const HEADER_BYTES_MAX: usize = 256 * 1024 * 1024;

/// What a segment begins with.
#[derive(Serialize, Deserialize)]
pub(super) struct Header {
    pub(super) about: String,
    pub(super) keeps_contents: bool,
    /// The hash of the trace before the segment.
    pub(super) trace: u64,
    pub(super) start: Start,
}

/// What the first record of a segment is given to.
#[derive(Serialize, Deserialize)]
pub(super) enum Start {
    New { config: SessionConfig, now: Timestamp },
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
}

/// Appends an item. One that cannot be written, which none is, reads as damaged.
pub(super) fn put(item: &impl Serialize, out: &mut Vec<u8>) {
    let plain = postcard::to_allocvec(item).unwrap_or_default();
    let mut packed = Vec::new();
    pack(&plain, &mut packed);
    varint::put_counted(out, &packed);
}

/// The first octets of a segment.
pub(super) fn start(header: &Header) -> Vec<u8> {
    let mut out = MAGIC.to_vec();
    out.push(VERSION);
    put(header, &mut out);
    out
}

/// Splits a segment's header from its records.
pub(super) fn split_start(segment: &[u8]) -> Result<(Header, &[u8]), NotARecording> {
    let rest = segment.strip_prefix(MAGIC).ok_or(NotARecording::Foreign)?;
    let (version, rest) = rest.split_first().ok_or(NotARecording::Damaged)?;
    if *version != VERSION {
        return Err(NotARecording::Version(*version));
    }
    let (packed, rest) = varint::split_counted(rest).ok_or(NotARecording::Damaged)?;
    let header: Header = read(packed, HEADER_BYTES_MAX).ok_or(NotARecording::Damaged)?;
    let is_sound = match &header.start {
        Start::New { config, .. } => config.is_sound(),
        Start::Snapshot(session) => session.is_sound(),
    };
    if is_sound { Ok((header, rest)) } else { Err(NotARecording::Damaged) }
}

/// Takes the next record from the front of `rest`. Without one, that is how the recording ended.
pub(super) fn next(rest: &mut &[u8]) -> Result<Record, Ending> {
    let (packed, behind) = varint::split_counted(rest).ok_or(Ending::Torn)?;
    *rest = behind;
    read(packed, RECORD_BYTES_MAX).ok_or(Ending::Damaged)
}

fn read<T: DeserializeOwned>(packed: &[u8], max: usize) -> Option<T> {
    let plain = unpack(packed, max)?;
    match postcard::take_from_bytes(&plain) {
        Ok((item, [])) => Some(item),
        Ok(_) | Err(_) => None,
    }
}
