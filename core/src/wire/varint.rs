//! Unsigned LEB128, canonical: the shortest form only, so that logs, signatures and replays agree.

use crate::error::Misbehaviour;
use bytes::BufMut;

/// Octets of the longest varint.
pub const VARINT_BYTES_MAX: usize = 10;

/// Appends `value`.
pub fn put(out: &mut impl BufMut, value: u64) {
    // Most are that small.
    if value < 0x80 {
        return out.put_u8(value as u8);
    }
    let mut run = Run::<VARINT_BYTES_MAX>::default();
    run.put(value);
    out.put_slice(run.as_slice());
}

/// Numbers one behind the other, to be appended to something at once. No more of them than `N` octets hold are kept.
#[derive(Debug)]
pub(super) struct Run<const N: usize> {
    octets: [u8; N],
    count: usize,
}

impl<const N: usize> Default for Run<N> {
    fn default() -> Self {
        Self { octets: [0; N], count: 0 }
    }
}

impl<const N: usize> Run<N> {
    /// Appends a varint.
    pub(super) fn put(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.put_u8(value as u8 | 0x80);
            value >>= 7;
        }
        self.put_u8(value as u8);
    }

    /// Appends two.
    pub(super) fn put_pair(&mut self, first: u64, second: u64) {
        self.put(first);
        self.put(second);
    }

    /// Appends an octet.
    pub(super) fn put_u8(&mut self, octet: u8) {
        debug_assert!(self.count < N, "numbers of more than {N} octets");
        if let Some(place) = self.octets.get_mut(self.count) {
            *place = octet;
            self.count += 1;
        }
    }

    pub(super) fn as_slice(&self) -> &[u8] {
        self.octets.get(..self.count).unwrap_or_default()
    }
}

/// Octets that `value` takes.
#[must_use]
pub const fn size(value: u64) -> usize {
    // Most are that small.
    if value < 0x80 {
        return 1;
    }
    let bits = 64 - value.leading_zeros() as usize;
    bits.div_ceil(7)
}

/// Takes one varint from the front of `from`.
///
/// # Errors
/// [`Misbehaviour::FrameTruncated`] if the octets end inside it, [`Misbehaviour::VarintNotCanonical`] if
/// it is longer than needed or does not fit 64 bits. `from` is then as it was.
pub fn take(from: &mut &[u8]) -> Result<u64, Misbehaviour> {
    let (value, rest) = split(from)?;
    *from = rest;
    Ok(value)
}

/// Splits one varint from what follows it.
///
/// # Errors
/// As [`take`].
pub fn split(from: &[u8]) -> Result<(u64, &[u8]), Misbehaviour> {
    // Most are that small.
    if let [octet @ 0..=0x7f, rest @ ..] = from {
        return Ok((u64::from(*octet), rest));
    }
    let mut value = 0_u64;
    for (index, &octet) in from.iter().take(VARINT_BYTES_MAX).enumerate() {
        value |= u64::from(octet & 0x7f) << (7 * index);
        if octet < 0x80 {
            // Zero itself went the short way.
            let is_canonical = octet > 0 && (octet == 1 || index < VARINT_BYTES_MAX - 1);
            let rest = from.get(index + 1..).filter(|_| is_canonical);
            return rest.map(|rest| (value, rest)).ok_or(Misbehaviour::VarintNotCanonical);
        }
    }
    let is_cut = from.len() < VARINT_BYTES_MAX;
    Err(if is_cut { Misbehaviour::FrameTruncated } else { Misbehaviour::VarintNotCanonical })
}

/// Appends `octets` behind their length.
pub(crate) fn put_counted(out: &mut impl BufMut, octets: &[u8]) {
    put(out, octets.len() as u64);
    out.put_slice(octets);
}

/// Splits octets behind their length from what follows them; `None` if they are not all there.
pub(crate) fn split_counted(from: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = split(from).ok()?;
    rest.split_at_checked(usize::try_from(length).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::BytesMut;
    use proptest::prelude::*;

    fn taken(mut octets: &[u8]) -> Result<u64, Misbehaviour> {
        take(&mut octets)
    }

    #[test]
    fn over_long_forms_are_refused() {
        assert_eq!(taken(&[0x80, 0x00]), Err(Misbehaviour::VarintNotCanonical));
        assert_eq!(taken(&[0xff, 0x80, 0x00]), Err(Misbehaviour::VarintNotCanonical));
        assert_eq!(taken(&[0xff; 11]), Err(Misbehaviour::VarintNotCanonical));
        let past_64_bits = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02];
        assert_eq!(taken(&past_64_bits), Err(Misbehaviour::VarintNotCanonical));
    }

    #[test]
    fn a_varint_that_is_cut_is_refused() {
        assert_eq!(taken(&[]), Err(Misbehaviour::FrameTruncated));
        assert_eq!(taken(&[0x80]), Err(Misbehaviour::FrameTruncated));
        assert_eq!(taken(&[0x80; 9]), Err(Misbehaviour::FrameTruncated));
    }

    #[test]
    fn the_tenth_octet_has_one_bit_and_is_the_last() {
        let behind_nine = |octet, last: u8| taken(&[&[octet; 9][..], &[last]].concat());
        assert_eq!(behind_nine(0xff, 1), Ok(u64::MAX));
        assert_eq!(behind_nine(0x80, 1), Ok(1 << 63));
        for last in [0, 2, 0x80, 0x81] {
            assert_eq!(behind_nine(0x80, last), Err(Misbehaviour::VarintNotCanonical));
        }
    }

    proptest! {
        #[test]
        fn every_number_comes_back_and_has_the_size_that_was_told(value: u64) {
            let mut out = BytesMut::new();
            put(&mut out, value);
            prop_assert_eq!(out.len(), size(value));
            let mut octets = &out[..];
            prop_assert_eq!(take(&mut octets), Ok(value));
            prop_assert!(octets.is_empty());
        }

        #[test]
        fn what_decodes_encodes_to_the_same_octets(octets in proptest::collection::vec(any::<u8>(), 0..12)) {
            let mut rest = &octets[..];
            if let Ok(value) = take(&mut rest) {
                let mut out = BytesMut::new();
                put(&mut out, value);
                prop_assert_eq!(&out[..], &octets[..octets.len() - rest.len()]);
            }
        }
    }
}
