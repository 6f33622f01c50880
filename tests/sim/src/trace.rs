//! The trace: a hash over everything that crosses the links and all outcomes, and, when one seed is
//! replayed, the same as text.

use std::fmt::Write as _;

use crate::clock::Micros;

/// A run's trace. The same seed gives the same hash. (I47)
#[derive(Debug)]
pub struct Trace {
    hash: u64,
    text: Option<String>,
}

impl Trace {
    /// An empty trace; with `is_told` its events are also kept as text.
    #[must_use]
    pub fn new(is_told: bool) -> Self {
        Self { hash: 0x6A09_E667_F3BC_C908, text: is_told.then(String::new) }
    }

    /// Mixes a number in.
    pub const fn mix(&mut self, word: u64) {
        let mixed = (self.hash ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        self.hash = mixed ^ (mixed >> 29);
    }

    /// Mixes octets in.
    pub fn mix_octets(&mut self, octets: &[u8]) {
        self.mix(octets.len() as u64);
        let mut words = octets.chunks_exact(8);
        for word in &mut words {
            self.mix(u64::from_le_bytes(word.try_into().unwrap_or_default()));
        }
        let rest = words.remainder().iter().rev();
        self.mix(rest.fold(0, |word, octet| (word << 8) | u64::from(*octet)));
    }

    /// Notes an event; `tell` is asked for its text only if somebody will read it.
    pub fn note(&mut self, now: Micros, kind: u64, subject: u64, tell: impl FnOnce() -> String) {
        self.mix(now);
        self.mix(kind << 48 ^ subject);
        if let Some(text) = &mut self.text {
            let (seconds, micros) = (now / 1_000_000, now % 1_000_000);
            // A string takes whatever is written to it.
            let _ = writeln!(text, "{seconds:>4}.{micros:06} {}", tell());
        }
    }

    /// The hash so far.
    #[must_use]
    pub const fn hash(&self) -> u64 {
        self.hash
    }

    /// The events as text, if they were kept.
    #[must_use]
    pub fn into_text(self) -> Option<String> {
        self.text
    }
}
