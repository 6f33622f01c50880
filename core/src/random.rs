//! A small deterministic generator for jitter. The seed comes from outside; nothing secret depends on it.

use core::time::Duration;

/// SplitMix64: one addition and three mixing steps a number (Steele, Lea, Flood 2014).
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// A generator whose numbers depend on `seed` alone.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number, uniform over all 64 bits.
    pub const fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A duration uniform in `[0, bound]`, in whole microseconds.
    pub fn duration_up_to(&mut self, bound: Duration) -> Duration {
        let micros = bound.as_micros().saturating_add(1);
        let scaled = (u128::from(self.next_u64()) * micros) >> 64;
        Duration::from_micros(u64::try_from(scaled).unwrap_or(u64::MAX))
    }
}
