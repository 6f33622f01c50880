//! How often one fact is logged when a peer causes it again and again.

use core::time::Duration;

use crate::time::Timestamp;

/// The least time between two lines about one fact: a reader sees that it goes on, and a peer that causes it a million
/// times a second fills no disk.
pub const RARE_LINE_INTERVAL: Duration = Duration::from_secs(1);

/// Allows one log line in [`RARE_LINE_INTERVAL`], and counts the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RareLine {
    next_at: Option<Timestamp>,
    omitted: u64,
}

impl RareLine {
    /// Nothing was logged yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { next_at: None, omitted: 0 }
    }

    /// The fact has occurred once more. `Some` if it is to be logged, with how often it occurred unlogged before.
    #[must_use]
    pub fn occur(&mut self, now: Timestamp) -> Option<u64> {
        if self.next_at.is_some_and(|at| now < at) {
            self.omitted = self.omitted.saturating_add(1);
            return None;
        }
        self.next_at = Some(now + RARE_LINE_INTERVAL);
        Some(core::mem::take(&mut self.omitted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_a_second_counts_what_it_stands_for() {
        let mut line = RareLine::new();
        let at = |millis| Timestamp::ZERO + Duration::from_millis(millis);
        assert_eq!(line.occur(at(0)), Some(0));
        assert_eq!([1, 500, 999].map(|millis| line.occur(at(millis))), [None; 3]);
        assert_eq!(line.occur(at(1000)), Some(3));
        assert_eq!(line.occur(at(1999)), None);
        assert_eq!(line.occur(at(5000)), Some(1));
        assert_eq!(line.occur(at(6000)), Some(0));
    }
}
