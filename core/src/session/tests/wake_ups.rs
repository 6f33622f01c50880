//! Sessions of a process that stood still.

use core::time::Duration;

use super::pair::{OnLink as _, Pair, SECOND, message, resumable, said};
use crate::error::CloseReason;
use crate::limits::{SessionLimits, WAKE_PATIENCE, WAKE_PATIENCE_SLOW, WAKE_SETTLE};
use crate::session::{Role, Session};
use crate::time::Timestamp;
use crate::wire::Frame;

const MOMENT: Duration = Duration::from_millis(1);
const STOOD_STILL: Duration = Duration::from_secs(12);

/// A telephone's session that woke up at the returned time, and the number of the ping that it sent.
fn woken() -> (Session, Timestamp, u64) {
    let limits = SessionLimits::default();
    let mut session = resumable(Role::Telephone, &limits, &limits, 1, 60 * SECOND);
    let now = Timestamp::ZERO + 5 * SECOND;
    session.handle_woken(STOOD_STILL, now);
    let ping = said(&mut session, now).into_iter().find_map(|frame| match frame {
        Frame::Ping(number) => Some(number),
        _ => None,
    });
    (session, now, ping.expect("a ping at once"))
}

/// How long the link lasts that nothing more comes on, from `now` on.
fn lasts(session: &mut Session, now: Timestamp) -> Duration {
    loop {
        let next = session.poll_timeout().expect("a deadline");
        session.handle_timeout(next);
        if session.link().is_none() {
            assert_eq!(session.closed(), None, "it waits for the next link");
            return next.since(now);
        }
        said(session, next);
    }
}

#[test]
fn a_link_without_an_answer_is_given_up_soon() {
    let (mut session, now, _) = woken();
    assert_eq!(lasts(&mut session, now), SECOND);
}

#[test]
fn an_answer_keeps_the_link() {
    let (mut session, now, ping) = woken();
    session.hear(message(&[Frame::Pong(ping)]), now + MOMENT);
    // As if nothing had happened: the usual silence.
    assert_eq!(lasts(&mut session, now + MOMENT), 30 * SECOND);
}

#[test]
fn what_waited_in_the_buffers_is_no_answer() {
    for stale in [Frame::Ping(7), Frame::Pong(9), Frame::Ack] {
        let (mut session, now, ping) = woken();
        assert_ne!(ping, 9);
        session.hear(message(&[stale]), now + MOMENT);
        assert_eq!(lasts(&mut session, now), SECOND);
    }
}

#[test]
fn bytes_of_a_slow_message_keep_the_link() {
    let (mut session, now, _) = woken();
    session.stir(now + WAKE_SETTLE);
    assert_eq!(lasts(&mut session, now + WAKE_SETTLE), 30 * SECOND);
}

#[test]
fn a_long_round_trip_has_longer_and_a_short_one_less() {
    for (round_trip, patience) in [
        (Duration::from_millis(20), *WAKE_PATIENCE.start()),
        (Duration::from_millis(300), Duration::from_millis(1200)),
        (3 * SECOND, *WAKE_PATIENCE.end()),
        // Measured while the process stood still.
        (STOOD_STILL, SECOND),
    ] {
        let (mut session, now, ping) = woken();
        let now = now + round_trip.min(SECOND - MOMENT);
        session.hear(message(&[Frame::Pong(ping)]), now);
        session.liveness.set_round_trip(round_trip);
        session.liveness.set_delay(Duration::ZERO);
        session.handle_woken(STOOD_STILL, now);
        assert_eq!(lasts(&mut session, now), patience, "{round_trip:?}");
    }
}

#[test]
fn a_link_whose_answers_are_slow_has_twice_their_delay() {
    for (delay, patience) in [
        (Duration::from_millis(400), SECOND),
        (Duration::from_millis(1500), 3 * SECOND),
        (4 * SECOND, 8 * SECOND),
        (7 * SECOND, WAKE_PATIENCE_SLOW),
        // Learnt from an answer that waited while the process stood still.
        (STOOD_STILL, SECOND),
    ] {
        let limits = SessionLimits::default();
        let mut session = resumable(Role::Telephone, &limits, &limits, 1, 60 * SECOND);
        let now = Timestamp::ZERO + 5 * SECOND;
        session.liveness.set_delay(delay);
        session.handle_woken(STOOD_STILL, now);
        said(&mut session, now);
        assert_eq!(lasts(&mut session, now), patience, "{delay:?}");
    }
}

#[test]
fn a_session_that_waits_for_a_link_waits_on() {
    let (mut session, now, _) = woken();
    session.lose(now);
    let until = session.resumable_until();
    session.handle_woken(STOOD_STILL, now + SECOND);
    assert_eq!((session.resumable_until(), session.poll_timeout()), (until, until));
    session.handle_timeout(until.expect("it waits"));
    assert_eq!(session.closed(), Some(CloseReason::LinkLost));
}

#[test]
fn two_ends_of_which_one_stood_still_go_on() {
    let mut pair = Pair::new();
    pair.exchange();
    pair.telephone.handle_woken(STOOD_STILL, pair.now);
    pair.settle();
    pair.pass(10 * SECOND);
    for end in [&pair.telephone, &pair.plugboard] {
        assert!(end.link().is_some() && end.closed().is_none());
    }
}
