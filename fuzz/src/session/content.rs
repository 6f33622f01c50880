//! Bodies that say where each of their octets belongs.

use bytes::{Bytes, BytesMut};
use telephone_core::session::StreamId;

/// Octets that are made at once: a word for each octet would be most of a run's time.
const BLOCK: u64 = 32;

/// `count` octets of a stream from `start` on: a leak, a loss, a repetition shows at the first wrong one. [I8]
pub(super) fn octets(id: StreamId, is_openers: bool, start: u64, count: usize) -> Bytes {
    let first = start / BLOCK;
    let skipped = usize::try_from(start % BLOCK).unwrap_or(0);
    let mut octets = BytesMut::with_capacity(count + 64);
    let mut number = first;
    while octets.len() < skipped + count {
        octets.extend_from_slice(&block(id, is_openers, number));
        number += 1;
    }
    octets.freeze().slice(skipped..skipped + count)
}

fn block(id: StreamId, is_openers: bool, number: u64) -> [u8; 32] {
    let place = id.number() * 2 + u64::from(is_openers);
    let mut word = (number ^ place << 40).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mut block = [0; 32];
    for part in block.chunks_exact_mut(8) {
        part.copy_from_slice(&word.to_le_bytes());
        word = word.rotate_left(23).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    }
    block
}
