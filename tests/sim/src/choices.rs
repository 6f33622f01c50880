//! Where a scenario's numbers come from: a seed, or the octets of a fuzzer.

use telephone_core::random::Random;

/// A sequence of choices. The same source gives the same choices.
#[derive(Debug)]
pub struct Choices<'a>(Source<'a>);

#[derive(Debug)]
enum Source<'a> {
    Seed(Random),
    /// Zeros follow the last octet: the smallest choice is always there.
    Octets(&'a [u8]),
}

impl<'a> Choices<'a> {
    /// The choices that follow from `seed`.
    #[must_use]
    pub const fn from_seed(seed: u64) -> Self {
        Self(Source::Seed(Random::new(seed)))
    }

    /// The choices that `octets` spell, four octets each.
    #[must_use]
    pub const fn from_octets(octets: &'a [u8]) -> Self {
        Self(Source::Octets(octets))
    }

    /// A number from 0 to `max`.
    pub fn up_to(&mut self, max: u64) -> u64 {
        match &mut self.0 {
            Source::Seed(random) => random.up_to(max),
            Source::Octets(octets) => {
                let (taken, rest) = octets.split_at(octets.len().min(4));
                *octets = rest;
                let word = taken.iter().rev().fold(0_u64, |word, octet| (word << 8) | u64::from(*octet));
                match max.checked_add(1) {
                    Some(count) => word % count,
                    None => word,
                }
            }
        }
    }

    /// A number from `low` to `high`.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.up_to(high - low)
    }

    /// A number from `low`, at least 1, to `high`, each order of magnitude as likely as another.
    pub fn magnitude(&mut self, low: u64, high: u64) -> u64 {
        let (shortest, longest) = (low.ilog2(), high.ilog2());
        let bits = shortest + self.up_to(u64::from(longest - shortest)) as u32;
        let (floor, ceiling) = (1_u64 << bits, (2_u64 << bits) - 1);
        self.between(floor.max(low), ceiling.min(high))
    }

    /// True once in `times`.
    pub fn once_in(&mut self, times: u64) -> bool {
        self.up_to(times - 1) == times - 1
    }

    /// One of `options`.
    pub fn pick<T: Copy>(&mut self, options: &[T]) -> T {
        options[self.up_to(options.len() as u64 - 1) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octets_that_are_used_up_choose_the_smallest() {
        let mut choices = Choices::from_octets(&[5, 0, 0, 0, 9]);
        assert_eq!([choices.up_to(7), choices.up_to(7), choices.up_to(7)], [5, 1, 0]);
        assert!(!choices.once_in(2));
    }

    #[test]
    fn a_magnitude_stays_within_its_bounds_and_reaches_both() {
        let mut choices = Choices::from_seed(1);
        let drawn: Vec<u64> = (0..10_000).map(|_| choices.magnitude(3, 700)).collect();
        assert_eq!(drawn.iter().min(), Some(&3));
        assert!(drawn.iter().all(|number| *number <= 700));
        assert!(drawn.iter().any(|number| *number > 690));
    }
}
