//! The trace: a hash over everything that crosses the links and all outcomes, and, when one seed is
//! replayed, the same as text.

use std::fmt::Write as _;

use telephone_core::trace::TraceHash;

use crate::clock::Micros;

/// A run's trace. The same seed gives the same hash. (I47)
#[derive(Debug)]
pub struct Trace {
    hash: TraceHash,
    text: Option<String>,
}

impl Trace {
    /// An empty trace; with `is_told` its events are also kept as text.
    #[must_use]
    pub fn new(is_told: bool) -> Self {
        Self { hash: TraceHash::EMPTY, text: is_told.then(String::new) }
    }

    /// Mixes a number in.
    pub const fn mix(&mut self, word: u64) {
        self.hash.mix(word);
    }

    /// Mixes octets in.
    pub fn mix_octets(&mut self, octets: &[u8]) {
        self.hash.mix_octets(octets);
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
        self.hash.number()
    }

    /// The events as text, if they were kept.
    #[must_use]
    pub fn into_text(self) -> Option<String> {
        self.text
    }
}
