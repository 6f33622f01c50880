//! Links come and go; the session stays, for as long as it may.
//!
//! ```text
//!          handle_disconnect, silence            the resume window is over
//!  LINKED ───────────────────────────▶ WAITING ───────────────────────────▶ closed
//!     ▲                                   │
//!     └──────────── resume ───────────────┘      (also while the old link still counts as up)
//! ```

use core::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Phase, Session};
use crate::error::{CloseReason, LeaveCode};
use crate::limits::{MESSAGE_BYTES_MAX, MESSAGE_BYTES_MIN};
use crate::time::Timestamp;

/// One of a session's links, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LinkId(u64);

impl LinkId {
    pub(super) const FIRST: Self = Self(0);

    /// Links before this one.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }
}

/// Why a session cannot go on over a new link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error, Serialize)]
pub enum CannotResume {
    /// It is over, or about to be.
    #[error("the session is over")]
    Over,
    /// Its peer claims to have messages that were never sent, or lacks some that it acknowledged.
    #[error("the position {0} is not one to go on from")]
    Position(u64),
}

impl Session {
    /// The link that is up: what any other says is ignored, and none other is given anything to send. `None`
    /// while the session waits for a new one, and when it is over.
    #[must_use]
    pub fn link(&self) -> Option<LinkId> {
        (self.lost.is_none() && self.closed().is_none()).then_some(self.link)
    }

    /// The link that came last, up or not.
    #[must_use]
    pub const fn latest_link(&self) -> LinkId {
        self.link
    }

    /// Until when a session without a link waits for one; then it closes.
    #[must_use]
    pub const fn resumable_until(&self) -> Option<Timestamp> {
        self.liveness.resumable_until()
    }

    /// How many numbered messages of the peer have arrived: what a hello or a welcome says to go on.
    #[must_use]
    pub const fn position(&self) -> u64 {
        self.received.position()
    }

    /// Whether a new link could take over, whose handshake told how many of our numbered messages the peer has.
    ///
    /// # Errors
    /// [`CannotResume`], as [`Session::resume`].
    pub fn can_resume(&self, peer_position: u64) -> Result<(), CannotResume> {
        if matches!(self.phase, Phase::Closing(_) | Phase::Closed(_)) || self.config.resume_window.is_zero() {
            return Err(CannotResume::Over);
        }
        if !self.sent.can_resume(peer_position) {
            return Err(CannotResume::Position(peer_position));
        }
        Ok(())
    }

    /// A new link takes over, whose handshake told how many of our numbered messages the peer has. What it lacks
    /// is said again.
    ///
    /// # Errors
    /// [`CannotResume`]; nothing has changed then.
    pub fn resume(&mut self, peer_position: u64, now: Timestamp) -> Result<LinkId, CannotResume> {
        self.can_resume(peer_position)?;
        if !cfg!(planted = "replay-twice") {
            self.sent.acknowledge(peer_position, &self.config.limits);
        }
        self.sent.rewind();
        self.link = LinkId(self.link.0 + 1);
        self.lost = None;
        self.message_bytes_max = MESSAGE_BYTES_MAX;
        self.liveness.link(now);
        self.stats.links_resumed += 1;
        // Each new link brings a ping, and frames again that came late already.
        self.budget.earn();
        self.forget_unnumbered();
        self.due.ping = true;
        // The hello had a token that is as fresh.
        self.due.renew = None;
        if self.phase == (Phase::Draining { by_us: true }) && !cfg!(planted = "leave-not-repeated") {
            self.due.leave = Some(LeaveCode::Draining);
        }
        self.settle();
        Ok(self.link)
    }

    /// Bounds the messages that the link is given, as the [rate](crate::send_rate) of a slow one asks for: behind so many
    /// bytes of streams a message takes no more of them, and each stream has at most a quarter of them in its turn. Control
    /// frames and heads are not cut. A new link has no such bound.
    pub fn limit_messages(&mut self, link: LinkId, bytes: usize) {
        if self.link() == Some(link) {
            self.message_bytes_max = bytes.clamp(MESSAGE_BYTES_MIN, MESSAGE_BYTES_MAX);
        }
    }

    /// A link is gone. If it was the one that is up the session waits for another, if it may.
    pub fn handle_disconnect(&mut self, link: LinkId, now: Timestamp) {
        if self.link() == Some(link) {
            self.lose_link(CloseReason::LinkLost, now);
        }
    }

    /// This process stood still for `time`, suspended or stopped, and the link may be gone without a sign. The peer is pinged,
    /// and the link given up if no answer comes within a few round trips. ([`WAKE_PATIENCE`])
    ///
    /// [`WAKE_PATIENCE`]: crate::limits::WAKE_PATIENCE
    pub fn handle_woken(&mut self, time: Duration, now: Timestamp) {
        if self.link().is_some() {
            self.liveness.probe(time, now);
            self.due.ping = true;
        }
    }

    /// Why the session has no link, while it waits for another one.
    #[must_use]
    pub fn lost_link(&self) -> Option<CloseReason> {
        self.lost.filter(|_| self.closed().is_none())
    }

    /// For how long nothing had been sent or received on the latest link when its peer's side closed it: `None` unless the
    /// session waits for another link after that. `now` is when that happened.
    #[must_use]
    pub fn silence_of_closed_link(&self, now: Timestamp) -> Option<Duration> {
        let is_closed = self.lost_link() == Some(CloseReason::LinkLost);
        is_closed.then(|| now.since(self.liveness.quiet_since()))
    }

    /// The session is given up: its driver is gone.
    pub fn abandon(&mut self) {
        self.close(CloseReason::LinkLost);
    }

    /// The link is of no more use: `reason` is why the session is over, unless it can wait for another.
    pub(super) fn lose_link(&mut self, reason: CloseReason, now: Timestamp) {
        let reason = match self.phase {
            Phase::Closing(reason) => reason,
            // The end that leaves closes the link when all is said and done.
            Phase::Draining { by_us: false } if self.is_all_said() && self.sent.is_settled() => {
                CloseReason::Left
            }
            Phase::Open | Phase::Draining { .. } | Phase::Closed(_) => {
                if self.liveness.unlink(self.config.resume_window, now) {
                    self.lost = Some(reason);
                    self.forget_unnumbered();
                    return;
                }
                reason
            }
        };
        self.close(reason);
    }

    /// A last word, and then the end: `code` is what the peer hears.
    pub(super) fn say_last(&mut self, code: LeaveCode, reason: CloseReason, now: Timestamp) {
        if self.lost.is_none() {
            self.due.leave = Some(code);
            self.phase = Phase::Closing(reason);
            self.liveness.say_last(now);
        } else {
            self.close(reason);
        }
    }

    /// Whether both directions of every stream are over, as far as the peer is concerned.
    fn is_all_said(&self) -> bool {
        self.streams.values().all(|stream| stream.send.is_closed() && stream.recv.is_closed())
    }

    /// What belonged to the link alone.
    fn forget_unnumbered(&mut self) {
        self.due.pong = None;
        self.due.ping = false;
        self.received.told();
    }
}
