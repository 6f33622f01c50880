//! Which failed dials have a line in the log.
//!
//! An outage of an hour is some hundred failed dials, and a plugboard that drains without a successor refuses a dial every
//! second. The first failures of a kind have lines, with what to do next; later ones are counted, and the next line has the
//! count.

use alloc::string::String;

use crate::limits::{DIAL_LINES_FIRST, DIAL_LINES_INTERVAL};
use crate::log_limit::Due;
use crate::time::Timestamp;

/// Decides about the lines of one plugboard's dials.
#[derive(Debug, Default)]
pub struct DialReport {
    text: String,
    /// Lines with this text in a row.
    lines: u32,
    written_at: Timestamp,
    /// Failures without a line since the last line.
    unwritten: u64,
}

impl DialReport {
    /// A dial failed, for a reason in this text. The line is to be written if there is a [`Due`]. While another session still
    /// serves the mounts (`is_served`) one line is enough: nothing is missing yet.
    pub fn handle_failed(&mut self, text: &str, is_served: bool, now: Timestamp) -> Option<Due> {
        if self.text != text {
            self.text.clear();
            self.text.push_str(text);
            self.lines = 0;
        }
        let is_due = match self.lines {
            0 => true,
            _ if is_served => false,
            lines if lines < DIAL_LINES_FIRST => true,
            _ => self.written_at + DIAL_LINES_INTERVAL <= now,
        };
        if !is_due {
            self.unwritten = self.unwritten.saturating_add(1);
            return None;
        }
        self.lines = self.lines.saturating_add(1);
        self.written_at = now;
        let suppressed = Some(core::mem::take(&mut self.unwritten)).filter(|count| *count > 0);
        Some(Due { suppressed, suppressed_elsewhere: None })
    }

    /// A dial succeeded: the next failure is the first of its kind.
    pub fn handle_established(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    /// The seconds of the dials that have a line, of one dial a second, and the count in each.
    fn lines(report: &mut DialReport, is_served: bool, seconds: core::ops::Range<u64>) -> Vec<(u64, u64)> {
        let line = |second| {
            let due = report.handle_failed("refused", is_served, at(second))?;
            Some((second, due.suppressed.unwrap_or(0)))
        };
        seconds.filter_map(line).collect()
    }

    #[test]
    fn an_outage_has_three_lines_and_then_one_each_half_minute_with_the_count_of_the_others() {
        let mut report = DialReport::default();
        assert_eq!(lines(&mut report, false, 0..70), [(0, 0), (1, 0), (2, 0), (32, 29), (62, 29)]);
        report.handle_established();
        assert_eq!(lines(&mut report, false, 70..75), [(70, 0), (71, 0), (72, 0)]);
    }

    #[test]
    fn dials_that_fail_while_another_session_serves_have_one_line() {
        let mut report = DialReport::default();
        assert_eq!(lines(&mut report, true, 0..40), [(0, 0)]);
        // That one is over now.
        assert_eq!(lines(&mut report, false, 40..43), [(40, 39), (41, 0)]);
    }

    #[test]
    fn a_failure_of_another_kind_has_a_line_at_once() {
        let mut report = DialReport::default();
        assert_eq!(lines(&mut report, true, 0..9), [(0, 0)]);
        let due = report.handle_failed("connection refused", true, at(9));
        assert_eq!(due.and_then(|due| due.suppressed), Some(8));
    }
}
