//! Laws of one session that are cheap enough to be checked after each of its turns.

use telephone_core::error::{CloseReason, LeaveCode};
use telephone_core::limits::{SEND_BUFFER_BYTES, SEND_BURST_BYTES};
use telephone_core::session::Session;
use telephone_core::time::Timestamp;

use crate::net::Side;
use crate::scenario::Limits;
use crate::stage::Stage;

/// Every so many turns a law is checked that looks at each stream.
const SCAN_INTERVAL: u64 = 16;

/// A ring may go beyond its size by one message, with what that costs beside.
const KEPT_SLACK: u64 = 66 * 1024;

/// Checks a session between two of its turns.
pub fn check_line(session: &Session, side: Side, stage: &mut Stage<'_>) {
    let limits = match side {
        Side::Plugboard => &stage.scenario.plugboard_limits,
        Side::Telephone => &stage.scenario.telephone_limits,
    };
    let streams = session.stats().streams_open as u64;
    let (window, reserved) = session.window();
    let window_max = window_max(limits);
    stage.oracle.check("I12", reserved <= window && window <= window_max, || {
        format!("{side:?}: {reserved} octets are reserved of {window}, at most {window_max}")
    });
    let kept_max = limits.replay_bytes * 8 + KEPT_SLACK;
    let kept = session.kept() as u64;
    stage.oracle.check("I36", kept <= kept_max, || format!("{side:?}: {kept} octets are kept of {kept_max}"));
    if streams == 0 {
        stage.oracle.check("I12", reserved == 0, || format!("{side:?}: {reserved} octets leaked"));
    }
    if stage.clock.planned().is_multiple_of(SCAN_INTERVAL) {
        let burst = (SEND_BURST_BYTES - SEND_BUFFER_BYTES) as u64;
        let bound = window_max + streams * (limits.stream_floor + SEND_BUFFER_BYTES as u64) + burst;
        let buffered = session.buffered() as u64;
        let balance = session.balance();
        let is_balanced = balance.unread == balance.uncredited && balance.reserved == reserved;
        stage.oracle.check("I12", is_balanced && balance.overdrawn + balance.idle == 0, || {
            format!("{side:?}: {balance:?}, and {reserved} octets of the window are reserved")
        });
        stage.oracle.check("I36", buffered <= bound, || format!("{side:?}: {buffered} of {bound} octets"));
    }
}

/// What a session's window may grow to.
#[must_use]
pub const fn window_max(limits: &Limits) -> u64 {
    limits.session_window * 8
}

/// A deadline that was served is over. (I39)
pub fn check_timeout(session: &Session, now: Timestamp, stage: &mut Stage<'_>) {
    let next = session.poll_timeout();
    stage.oracle.check("I39", next.is_none_or(|next| next > now), || format!("{next:?} again at {now:?}"));
}

/// Two honest ends never find fault with each other.
#[must_use]
pub const fn is_misbehaviour(reason: CloseReason) -> bool {
    matches!(
        reason,
        CloseReason::Misbehaved(_)
            | CloseReason::Received(LeaveCode::Misbehaved | LeaveCode::CalmDown)
            | CloseReason::Sent(LeaveCode::Misbehaved | LeaveCode::CalmDown)
    )
}
