//! A hash over what state machines put out, so that two runs can be compared by one number.

/// The hash of a trace so far. The same outputs in the same order give the same hash, on every machine.
///
/// It tells runs apart and is no defence against whoever wants two of them to look alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceHash(u64);

impl TraceHash {
    /// The hash of nothing.
    pub const EMPTY: Self = Self(0x6A09_E667_F3BC_C908);

    /// A hash to go on with.
    #[must_use]
    pub const fn from_number(number: u64) -> Self {
        Self(number)
    }

    /// The hash as a number.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }

    /// Mixes a number in.
    pub const fn mix(&mut self, word: u64) {
        let mixed = (self.0 ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        self.0 = mixed ^ (mixed >> 29);
    }

    /// Mixes octets in, and how many there are.
    pub fn mix_octets(&mut self, octets: &[u8]) {
        self.mix(octets.len() as u64);
        let mut words = octets.chunks_exact(8);
        for word in &mut words {
            self.mix(u64::from_le_bytes(word.try_into().unwrap_or_default()));
        }
        let rest = words.remainder().iter().rev();
        self.mix(rest.fold(0, |word, octet| (word << 8) | u64::from(*octet)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(parts: &[&[u8]]) -> u64 {
        let mut hash = TraceHash::EMPTY;
        parts.iter().for_each(|part| hash.mix_octets(part));
        hash.number()
    }

    #[test]
    fn what_is_cut_otherwise_or_comes_in_another_order_has_another_hash() {
        let whole = hash(&[b"a trace of some length"]);
        assert_ne!(whole, hash(&[b"a trace of ", b"some length"]));
        assert_ne!(hash(&[b"one", b"two"]), hash(&[b"two", b"one"]));
        assert_ne!(hash(&[b"zeros\0"]), hash(&[b"zeros\0\0"]));
    }

    #[test]
    fn recordings_of_other_machines_have_the_same_hash() {
        assert_eq!(hash(&[b"telephone", b""]), 0x35A2_B2A4_CF1C_500A);
        assert_eq!(hash(&[]), 0x6A09_E667_F3BC_C908);
    }
}
