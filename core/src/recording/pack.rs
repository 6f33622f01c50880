//! How records stand in a file: repeated octets as their number. A body of zeros then takes four octets.
//!
//! ```text
//! packed = part*        part = varint of 2n · n octets        as they are
//!                            | varint of 2n+1 · octet         n times this one
//! ```

use alloc::vec::Vec;
use bytes::BufMut as _;

use crate::wire::varint;

/// A shorter run is no longer as it is than as a run, with the part that it would cut in two.
const RUN_MIN: usize = 8;

/// Appends `octets` in packed form.
pub(super) fn pack(octets: &[u8], out: &mut Vec<u8>) {
    let mut plain = octets;
    let mut from = 0;
    while let Some((at, count)) = next_run(octets, from) {
        let skipped = octets.len() - plain.len();
        put_plain(plain.get(..at - skipped).unwrap_or_default(), out);
        varint::put(out, (count as u64) << 1 | 1);
        out.extend(octets.get(at));
        from = at + count;
        plain = octets.get(from..).unwrap_or_default();
    }
    put_plain(plain, out);
}

fn put_plain(octets: &[u8], out: &mut Vec<u8>) {
    if !octets.is_empty() {
        varint::put(out, (octets.len() as u64) << 1);
        out.put_slice(octets);
    }
}

/// Where the next run at or behind `from` is, and how long.
fn next_run(octets: &[u8], from: usize) -> Option<(usize, usize)> {
    let mut at = from;
    while let Some((first, rest)) = octets.get(at..).and_then(<[u8]>::split_first) {
        let count = 1 + count_same(rest, *first);
        if count >= RUN_MIN {
            return Some((at, count));
        }
        at += count;
    }
    None
}

/// How many octets at the front are this one. Eight are compared at once: most are those of bodies.
fn count_same(octets: &[u8], same: u8) -> usize {
    let words = octets.chunks_exact(8).take_while(|word| **word == [same; 8]).count() * 8;
    let rest = octets.get(words..).unwrap_or_default();
    words + rest.iter().take_while(|octet| **octet == same).count()
}

/// The octets of `packed`; `None` if it is not what [`pack`] writes, or stands for more than `max` octets.
pub(super) fn unpack(mut packed: &[u8], max: usize) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    while !packed.is_empty() {
        let (head, rest) = varint::split(packed).ok()?;
        let count = usize::try_from(head >> 1).ok().filter(|count| *count <= max - out.len())?;
        packed = if head & 1 == 0 {
            let (plain, rest) = rest.split_at_checked(count)?;
            out.extend_from_slice(plain);
            rest
        } else {
            let (octet, rest) = rest.split_first()?;
            out.resize(out.len() + count, *octet);
            rest
        };
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use proptest::prelude::*;

    fn packed(octets: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        pack(octets, &mut out);
        out
    }

    #[test]
    fn a_body_of_zeros_takes_four_octets() {
        assert_eq!(packed(&[0; 16_384]).len(), 4);
    }

    #[test]
    fn what_stands_for_more_than_is_allowed_is_refused_before_it_is_built() {
        let bomb = packed(&vec![7; 1 << 20]);
        assert_eq!(unpack(&bomb, (1 << 20) - 1), None);
        assert_eq!(unpack(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 0], 1 << 20), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_was_packed_comes_back(
            runs in proptest::collection::vec((any::<u8>(), prop_oneof![1_usize..4, 1_usize..40]), 0..40),
        ) {
            let octets: Vec<u8> = runs.into_iter().flat_map(|(octet, count)| vec![octet; count]).collect();
            let packed = packed(&octets);
            prop_assert!(packed.len() <= octets.len() + octets.len() / 64 + 2 + octets.len() / RUN_MIN);
            prop_assert_eq!(unpack(&packed, octets.len()), Some(octets));
        }

        #[test]
        fn anything_else_is_refused_or_bounded(octets in proptest::collection::vec(any::<u8>(), 0..40)) {
            prop_assert!(unpack(&octets, 1000).is_none_or(|unpacked| unpacked.len() <= 1000));
        }
    }
}
