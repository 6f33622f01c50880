//! Bodies of any length whose every octet is known from a seed and an offset, so that nobody stores them.

use sha2::{Digest as _, Sha256};

/// How many octets are made or read in one go.
pub const STEP: usize = 64 * 1024;

/// Octets from a seed, one after the other.
#[derive(Debug, Clone)]
pub struct Body {
    seed: u64,
    offset: u64,
    len: u64,
}

impl Body {
    /// The body of `len` octets that belongs to `seed`.
    pub fn new(seed: u64, len: u64) -> Self {
        Self { seed, offset: 0, len }
    }

    /// Fills the front of `buffer` and says how much; 0 at the end. Every step but the last is whole words.
    pub fn read(&mut self, buffer: &mut [u8]) -> usize {
        let whole = buffer.len() - buffer.len() % 8;
        let left = usize::try_from(self.len - self.offset).unwrap_or(usize::MAX);
        let count = whole.min(left);
        for (index, piece) in (self.offset / 8..).zip(buffer[..count].chunks_mut(8)) {
            let word = mix(self.seed ^ index.wrapping_mul(0x9e37_79b9_7f4a_7c15)).to_le_bytes();
            piece.copy_from_slice(&word[..piece.len()]);
        }
        self.offset += count as u64;
        count
    }

    /// The whole body at once.
    pub fn to_vec(mut self) -> Vec<u8> {
        let len = usize::try_from(self.len).expect("a body that fits memory");
        let mut octets = vec![0; len.next_multiple_of(8)];
        self.read(&mut octets);
        octets.truncate(len);
        octets
    }

    /// The hash of the whole body.
    pub fn digest(mut self) -> Digest {
        let mut hasher = Hasher::default();
        let mut buffer = vec![0; STEP];
        loop {
            match self.read(&mut buffer) {
                0 => return hasher.finish(),
                count => hasher.update(&buffer[..count]),
            }
        }
    }
}

/// The finaliser of SplitMix64: every bit of the input moves every bit of the output.
fn mix(mut word: u64) -> u64 {
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

/// What a body was: its length and its SHA-256 in hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Digest {
    /// Octets.
    pub len: u64,
    /// SHA-256 in lower-case hexadecimal.
    pub sha256: String,
}

/// Hashes a body that comes in pieces.
#[derive(Default)]
pub struct Hasher {
    len: u64,
    hash: Sha256,
}

impl Hasher {
    /// Takes the next piece.
    pub fn update(&mut self, piece: &[u8]) {
        self.len += piece.len() as u64;
        self.hash.update(piece);
    }

    /// The digest of all pieces.
    pub fn finish(self) -> Digest {
        let sha256 = self.hash.finalize().iter().map(|octet| format!("{octet:02x}")).collect();
        Digest { len: self.len, sha256 }
    }
}

/// The digest of octets at hand.
pub fn digest(octets: &[u8]) -> Digest {
    let mut hasher = Hasher::default();
    hasher.update(octets);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_the_same_however_it_is_cut() {
        let whole = Body::new(7, 1003).to_vec();
        let mut body = Body::new(7, 1003);
        let mut pieces = Vec::new();
        let mut buffer = [0; 24];
        while let count @ 1.. = body.read(&mut buffer) {
            pieces.extend_from_slice(&buffer[..count]);
        }
        assert_eq!(whole.len(), 1003);
        assert_eq!(pieces, whole);
        assert_eq!(Body::new(7, 1003).digest(), digest(&whole));
        assert_ne!(Body::new(8, 1003).to_vec(), whole);
    }

    #[test]
    fn the_hash_is_sha_256() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(digest(b"").sha256, empty);
    }
}
