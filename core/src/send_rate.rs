//! How many bytes of a link may wait unsent in the kernel: a bound in time, which the measured rate turns into bytes.
//!
//! What a socket has taken cannot be overtaken. At 10 Gbit/s 128 KiB are a tenth of a millisecond, at 64 kbit/s they are
//! 16 s, in which no other stream sends a byte. So the driver asks, behind every half of the bound, whether the kernel has
//! sent so much that less than the other half is left.
//!
//! A sample begins and ends when the socket takes bytes again after it was full. Half of the bound waits unsent at both
//! moments, so what was written in between is what the link carried. A sample in which the session ran out of data says
//! nothing of the link.

use core::time::Duration;

use crate::limits::{MESSAGE_BYTES_MIN, UNSENT_BYTES_FIRST, UNSENT_BYTES_MAX, UNSENT_BYTES_MIN, UNSENT_TIME};
use crate::time::Timestamp;

/// The shortest time of a sample: several acknowledgements of most links, which arrive in groups.
const SAMPLE_TIME: Duration = Duration::from_millis(100);
/// The lowest rate at which the bound is [`UNSENT_BYTES_MAX`], bytes a second: a faster link is not told apart.
const RATE_MAX: u64 = rate_of(UNSENT_BYTES_MAX);

/// The rate at which so many bytes take [`UNSENT_TIME`], bytes a second.
const fn rate_of(bytes: usize) -> u64 {
    bytes as u64 * 1_000_000 / UNSENT_TIME.as_micros() as u64
}

/// Where a sample began.
#[derive(Debug, Clone, Copy)]
struct Sample {
    at: Timestamp,
    written: u64,
    unsent_max: usize,
    /// The session has had data to send ever since, and the kernel has not run out of it.
    is_saturated: bool,
}

/// The rate of one link, as far as it has to be known, and the bound that follows from it.
///
/// ```
/// use core::time::Duration;
/// use telephone_core::{send_rate::SendRate, time::Timestamp};
///
/// let (mut rate, mut now) = (SendRate::new(), Timestamp::ZERO);
/// for written in (0..100_000).step_by(1000) {
///     rate.handle_blocked();
///     now = now + Duration::from_millis(100);
///     rate.handle_writable(written, now);
/// }
/// // 1,000 bytes in a tenth of a second each time: as much may wait, but for the smallest bound.
/// assert_eq!(rate.unsent_max(), 2048);
/// ```
#[derive(Debug)]
pub struct SendRate {
    /// Bytes a second, at most [`RATE_MAX`].
    rate: u64,
    unsent_max: usize,
    sample: Option<Sample>,
    is_blocked: bool,
    /// How far the driver may write before it asks the kernel.
    written_max: u64,
}

impl Default for SendRate {
    fn default() -> Self {
        Self::new()
    }
}

impl SendRate {
    /// Of a link of which nothing is known.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            rate: rate_of(UNSENT_BYTES_FIRST),
            unsent_max: UNSENT_BYTES_FIRST,
            sample: None,
            is_blocked: false,
            written_max: 0,
        }
    }

    /// Bytes that may wait unsent.
    #[must_use]
    pub const fn unsent_max(&self) -> usize {
        self.unsent_max
    }

    /// Bytes of a message with data: half of what may wait, since it is written when the other half is left.
    #[must_use]
    pub fn message_bytes_max(&self) -> usize {
        (self.unsent_max / 2).max(MESSAGE_BYTES_MIN)
    }

    /// Whether the next message may be written without another look at the socket. `written` counts the bytes that it has
    /// taken in all.
    #[must_use]
    pub const fn is_ahead(&self, written: u64) -> bool {
        written < self.written_max && !self.is_blocked
    }

    /// Whether the bound is one that the kernel keeps without being asked: that of a fast link, on which its overshoot of a
    /// message takes no time.
    #[must_use]
    pub const fn is_fast(&self) -> bool {
        self.unsent_max >= UNSENT_BYTES_MAX
    }

    /// The socket takes no more, or as much as may wait is unsent.
    pub const fn handle_blocked(&mut self) {
        self.is_blocked = true;
    }

    /// The session has no more to send.
    pub fn handle_idle(&mut self) {
        self.sample = self.sample.filter(|sample| !sample.is_saturated);
    }

    /// Less than half of what may wait is unsent. True if the bound has changed.
    #[must_use]
    pub fn handle_writable(&mut self, written: u64, now: Timestamp) -> bool {
        let is_saturated = core::mem::take(&mut self.is_blocked);
        let before = self.unsent_max;
        let is_over = match self.sample {
            Some(sample) if sample.is_saturated || !is_saturated => self.on_sample(sample, written, now),
            Some(_) | None => true,
        };
        if is_over {
            let is_saturated = is_saturated || self.sample.is_some_and(|sample| sample.is_saturated);
            self.sample = Some(Sample { at: now, written, unsent_max: self.unsent_max, is_saturated });
        }
        self.written_max = written.saturating_add(self.unsent_max as u64 / 2);
        self.unsent_max != before
    }

    /// Learns from a sample that has gone on until now. True if it is over.
    fn on_sample(&mut self, sample: Sample, written: u64, now: Timestamp) -> bool {
        let (elapsed, written) = (now.since(sample.at), written.saturating_sub(sample.written));
        // A bound that has shrunk since leaves less unsent now than then: that was sent, too.
        let sent = (written + sample.unsent_max as u64 / 2).saturating_sub(self.unsent_max as u64 / 2);
        if sent >= UNSENT_BYTES_MAX as u64 && elapsed <= UNSENT_TIME {
            // A kernel that sent so much in so short a time did not only put it aside.
            self.learn(RATE_MAX);
            return true;
        }
        let is_over = elapsed >= if sample.is_saturated { SAMPLE_TIME } else { UNSENT_TIME };
        if is_over && sample.is_saturated {
            let micros = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX).max(1);
            let measured = sent.saturating_mul(1_000_000) / micros;
            self.learn(self.rate.midpoint(measured.min(RATE_MAX)));
        }
        is_over
    }

    /// The bound follows the rate, unless it would hardly move: each step costs system calls.
    fn learn(&mut self, rate: u64) {
        self.rate = rate.min(RATE_MAX);
        let micros = u64::try_from(UNSENT_TIME.as_micros()).unwrap_or(u64::MAX);
        let bytes = usize::try_from(self.rate.saturating_mul(micros) / 1_000_000).unwrap_or(usize::MAX);
        let bytes = bytes.clamp(UNSENT_BYTES_MIN, UNSENT_BYTES_MAX);
        let is_end = bytes == UNSENT_BYTES_MIN || bytes == UNSENT_BYTES_MAX;
        if is_end || bytes.abs_diff(self.unsent_max) > self.unsent_max / 8 {
            self.unsent_max = bytes;
        }
    }
}

#[cfg(test)]
mod tests;
