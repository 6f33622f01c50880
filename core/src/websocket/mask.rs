//! Masks: the exclusive or of a payload and a key of four octets over and over. (RFC 6455 §5.3)

use bytes::{BufMut, BytesMut};

/// Octets that are masked in one step: enough for the widest registers.
const STEP: usize = 32;
/// Octets that are copied before they are masked: they are still in the processor's first cache then.
const BLOCK: usize = 4 * 1024;

/// Masks or unmasks a whole payload in place.
pub(super) fn apply(payload: &mut [u8], key: [u8; 4]) {
    let mut wide = [0; STEP];
    wide.as_chunks_mut::<4>().0.fill(key);
    let (steps, rest) = payload.as_chunks_mut::<STEP>();
    for step in steps {
        for (octet, key) in step.iter_mut().zip(wide) {
            *octet ^= key;
        }
    }
    for (octet, key) in rest.iter_mut().zip(wide) {
        *octet ^= key;
    }
}

/// Appends a masked copy of a whole payload.
pub(super) fn put(out: &mut BytesMut, payload: &[u8], key: [u8; 4]) {
    for block in payload.chunks(BLOCK) {
        let start = out.len();
        out.put_slice(block);
        apply(out.get_mut(start..).unwrap_or_default(), key);
    }
}
