//! What a client may take how long for. (L3)

use crate::limits::HttpLimits;
use crate::time::Timestamp;
use core::time::Duration;

/// What is waited for.
#[derive(Debug, Clone, Copy)]
enum Wait {
    /// When a whole head must be there.
    Head(Timestamp),
    /// When an idle connection is closed.
    Idle(Timestamp),
    Body(Progress),
    /// When the head of an answer is due to a client that shut down its half.
    HalfClosed(Timestamp),
    /// When a client that does not close is given up.
    Linger(Timestamp),
    /// Nothing that the client could be late with.
    Nothing,
}

/// Since when nothing of a body came.
#[derive(Debug, Clone, Copy)]
struct Progress {
    since: Timestamp,
    /// Since when the client is not what is waited for: the window does not run.
    paused: Option<Timestamp>,
}

/// Who is late.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Head,
    /// An idle connection, which is closed without a word.
    Silent,
    Body,
    /// The client shut down its half, and has perhaps left.
    HalfClosed,
    Linger,
}

/// One deadline at a time.
#[derive(Debug)]
pub(super) struct Clock {
    wait: Wait,
    body_window: Duration,
}

impl Clock {
    pub(super) fn new(now: Timestamp, limits: &HttpLimits) -> Self {
        let wait = Wait::Head(now + limits.head_timeout);
        Self { wait, body_window: limits.body_window }
    }

    /// The driver looks at the input again: what it spent elsewhere is not held against the client.
    pub(super) fn handle_poll(&mut self, now: Timestamp) {
        if let Wait::Body(progress) = &mut self.wait
            && let Some(paused) = progress.paused.take()
        {
            progress.since = progress.since + now.since(paused);
        }
    }

    /// A head is waited for. Its time runs from its first octet; before that the connection is idle, but for
    /// a fresh one, whose time runs from the start.
    pub(super) fn wait_for_head(&mut self, is_begun: bool, now: Timestamp, limits: &HttpLimits) {
        match self.wait {
            Wait::Head(_) => {}
            Wait::Idle(_) if !is_begun => {}
            Wait::Idle(_) | Wait::Body(_) | Wait::HalfClosed(_) | Wait::Linger(_) | Wait::Nothing => {
                self.wait = if is_begun {
                    Wait::Head(now + limits.head_timeout)
                } else {
                    Wait::Idle(now + limits.keep_alive_timeout)
                };
            }
        }
    }

    /// A body is being read: `octets` of it came now, and the client is waited for or is not.
    pub(super) fn wait_for_body(&mut self, octets: usize, is_waiting: bool, now: Timestamp) {
        if !matches!(self.wait, Wait::Body(_)) {
            self.wait = Wait::Body(Progress { since: now, paused: None });
        }
        if let Wait::Body(progress) = &mut self.wait {
            if octets > 0 {
                progress.since = now;
            }
            progress.paused = (!is_waiting).then_some(now);
        }
    }

    pub(super) const fn set_body_window(&mut self, window: Duration) {
        self.body_window = window;
    }

    /// The client shut down its half behind a whole request.
    pub(super) fn half_close(&mut self, now: Timestamp, limits: &HttpLimits) {
        self.wait = Wait::HalfClosed(now + limits.half_close);
    }

    /// The last answer is out: the client has so long to close.
    pub(super) fn linger(&mut self, now: Timestamp, limits: &HttpLimits) {
        self.wait = Wait::Linger(now + limits.linger);
    }

    pub(super) const fn stop(&mut self) {
        self.wait = Wait::Nothing;
    }

    pub(super) fn deadline(&self) -> Option<Timestamp> {
        match self.wait {
            Wait::Head(by) | Wait::Idle(by) | Wait::HalfClosed(by) | Wait::Linger(by) => Some(by),
            Wait::Body(Progress { paused: Some(_), .. }) | Wait::Nothing => None,
            Wait::Body(progress) => Some(progress.since + self.body_window),
        }
    }

    /// Who is late at `now`, if anyone is.
    pub(super) fn judge(&mut self, now: Timestamp) -> Option<Verdict> {
        if self.deadline().is_none_or(|deadline| now < deadline) {
            return None;
        }
        match &mut self.wait {
            Wait::Head(_) => Some(Verdict::Head),
            Wait::Idle(_) => Some(Verdict::Silent),
            Wait::HalfClosed(_) => Some(Verdict::HalfClosed),
            Wait::Linger(_) => Some(Verdict::Linger),
            Wait::Body(_) => Some(Verdict::Body),
            Wait::Nothing => None,
        }
    }
}
