//! Links that something on the way closes because they are idle.
//!
//! A front may close a connection after less silence than there is between two pings. Each link then ends after the same
//! time without traffic, and the session resumes: nothing fails, but requests wait for the next link again and again.

use core::time::Duration;

use crate::limits::{IDLE_CUT_LINKS, IDLE_CUT_MIN, PING_INTERVAL};

/// Recognises links that are closed after the same silence.
///
/// ```
/// use core::time::Duration;
/// use telephone_core::idle_cut::IdleCuts;
///
/// let mut cuts = IdleCuts::default();
/// let ten = Duration::from_secs(10);
/// assert_eq!([ten; 4].map(|silence| cuts.handle_closed(silence)), [None, None, Some(Duration::from_secs(6)), None]);
/// ```
#[derive(Debug, Clone, Default)]
pub struct IdleCuts {
    silence: Duration,
    links: u32,
}

impl IdleCuts {
    /// The peer's side closed a link on which nothing had been sent or received for `silence`. A link that fell silent without
    /// a close is not passed here: it neither counts nor breaks the run. Returns a ping interval that
    /// keeps links open, once for each run of links that ended alike.
    pub fn handle_closed(&mut self, silence: Duration) -> Option<Duration> {
        let tolerance = (silence / 10).max(Duration::from_secs(1));
        let is_alike = silence.abs_diff(self.silence) <= tolerance;
        self.links = match self.links {
            _ if silence < IDLE_CUT_MIN => 0,
            links if is_alike => links.saturating_add(1),
            _ => 1,
        };
        self.silence = silence;
        let interval = Duration::from_secs(silence.as_secs() * 2 / 3);
        let interval = interval.clamp(*PING_INTERVAL.start(), *PING_INTERVAL.end());
        (self.links == IDLE_CUT_LINKS).then_some(interval)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hints<const N: usize>(seconds: [f64; N]) -> [Option<u64>; N] {
        let mut cuts = IdleCuts::default();
        seconds.map(|seconds| {
            cuts.handle_closed(Duration::from_secs_f64(seconds)).map(|interval| interval.as_secs())
        })
    }

    #[test]
    fn links_that_end_after_the_same_silence_give_one_hint() {
        assert_eq!(hints([10.0, 10.4, 9.7, 10.0, 10.1]), [None, None, Some(6), None, None]);
        assert_eq!(hints([5.0, 5.0, 5.0, 9.0, 9.0, 9.0]), [None, None, Some(3), None, None, Some(6)]);
        assert_eq!(hints([2.0, 2.0, 2.0]), [None, None, Some(1)]);
    }

    #[test]
    fn links_that_end_otherwise_give_none() {
        // Restarts, drops under traffic, and a run that is broken by either.
        assert_eq!(hints([10.0, 3.0, 7.5, 10.0]), [None; 4]);
        assert_eq!(hints([0.1, 0.0, 0.2, 0.1]), [None; 4]);
        assert_eq!(hints([10.0, 10.0, 0.5, 10.0, 10.0]), [None; 5]);
    }
}
