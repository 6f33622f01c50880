//! PROTOCOL.md section 6 and 7 once more: one direction of a stream, as whoever watches the wire sees it.

use telephone_core::limits::INTERIM_RESPONSES_MAX;
use telephone_core::message::ResponseHead;

/// Where a direction stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Head,
    Open,
    Ended,
    Reset,
}

/// One direction of a stream.
#[derive(Debug)]
pub(super) struct Direction {
    pub(super) stage: Stage,
    /// Octets that were sent.
    pub(super) sent: u64,
    /// Octets that may be, as far as the sender has heard.
    pub(super) limit: u64,
    /// What the reader said last of that.
    pub(super) told: u64,
    declared: Option<u64>,
    interims: usize,
    has_stop: bool,
}

impl Direction {
    pub(super) const fn new(stage: Stage, limit: u64, declared: Option<u64>) -> Self {
        Self { stage, sent: 0, limit, told: limit, declared, interims: 0, has_stop: false }
    }

    /// How far a limit reaches: not past the length that was declared.
    pub(super) fn reach(&self, limit: u64) -> u64 {
        self.declared.map_or(limit, |length| length.min(limit))
    }

    pub(super) const fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Ended | Stage::Reset)
    }

    /// [I6, H-20]
    pub(super) fn on_head(&mut self, head: &ResponseHead, end: bool) {
        assert_eq!(self.stage, Stage::Head, "a head behind the final one");
        if head.is_interim() {
            self.interims += 1;
            assert!(!end && self.interims <= INTERIM_RESPONSES_MAX);
            return;
        }
        self.stage = if end { Stage::Ended } else { Stage::Open };
        self.declared = head.length.filter(|_| !end);
    }

    /// [I11, I13]
    pub(super) fn on_data(&mut self, count: usize) {
        assert_eq!(self.stage, Stage::Open, "data where none may be");
        self.sent += count as u64;
        assert!(self.sent <= self.limit, "{} octets past the credit", self.sent - self.limit);
        assert!(self.declared.is_none_or(|length| self.sent <= length), "data past the declared length");
    }

    /// [I9]
    pub(super) fn on_end(&mut self) {
        assert_eq!(self.stage, Stage::Open, "an end where none may be");
        assert!(self.declared.is_none_or(|length| self.sent == length), "a body cut short looks complete");
        self.stage = Stage::Ended;
    }

    /// [I6, I7]
    pub(super) fn on_reset(&mut self) {
        assert!(!self.is_over(), "a reset behind the end");
        self.stage = Stage::Reset;
    }

    pub(super) fn on_stop(&mut self) {
        assert!(!self.has_stop, "stopped twice");
        self.has_stop = true;
    }

    /// The reader raises the limit. [I11]
    pub(super) fn on_credit(&mut self, limit: u64) {
        assert!(limit > self.told, "credit that raises nothing");
        self.told = limit;
    }
}
