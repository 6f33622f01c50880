//! Signs of life, deadlines, tokens.

use alloc::vec::Vec;
use bytes::Bytes;
use core::time::Duration;

use super::pair::{OnLink as _, Pair, SECOND, events, lone, message, resumable, said, session, tcp};
use crate::error::{CloseReason, LeaveCode};
use crate::limits::SessionLimits;
use crate::session::{Event, OpenError, Role, Session};
use crate::time::Timestamp;
use crate::wire::{Frame, StreamId};

fn at(seconds: u64) -> Timestamp {
    Timestamp::ZERO + SECOND * u32::try_from(seconds).expect("seconds of a test")
}

/// Runs a session whose peer says nothing until it ends, and says when that was.
fn silent_end(session: &mut Session) -> Timestamp {
    let mut now = Timestamp::ZERO;
    while session.closed().is_none() {
        now = session.poll_timeout().expect("a session that is not over has a deadline");
        session.handle_timeout(now);
        said(session, now);
    }
    assert_eq!(session.closed(), Some(CloseReason::Silent));
    now
}

fn open_frame() -> Frame {
    Frame::Open { id: StreamId::new(1), grant: 0, end: false, opening: tcp() }
}

#[test]
fn an_idle_link_is_asked_for_a_sign_of_life_after_15_s_give_or_take_a_fifth() {
    let limits = SessionLimits::default();
    let mut first_pings: Vec<u64> = (0..200)
        .map(|seed| session(Role::Telephone, &limits, &limits, seed))
        .map(|session| session.poll_timeout().expect("a deadline").as_micros() / 100_000)
        .collect();
    assert!(first_pings.iter().all(|tenths| (120..=180).contains(tenths)), "{first_pings:?}");
    first_pings.sort_unstable();
    first_pings.dedup();
    // No two hundred peers ask in step: of 60 tenths of a second most are met. [S-04]
    assert!(first_pings.len() > 45, "{first_pings:?}");
}

#[test]
fn an_idle_link_is_dead_after_30_s_of_silence() {
    let mut session = lone(Role::Plugboard);
    said(&mut session, Timestamp::ZERO);
    assert_eq!(silent_end(&mut session), at(30));
    assert_eq!(events(&mut session), [Event::Closed(CloseReason::Silent)]);
    assert_eq!(session.poll_timeout(), None);
}

/// A front that closes an idle link says so. Silence alone is also a lost network or a suspended machine, so that it neither counts
/// towards a run of [idle cuts](crate::idle_cut) nor breaks one.
#[test]
fn a_link_that_was_closed_tells_its_silence_and_one_that_fell_silent_tells_none() {
    let limits = SessionLimits::default();
    let resumable = || resumable(Role::Telephone, &limits, &limits, 1, 60 * SECOND);
    let mut closed = resumable();
    said(&mut closed, Timestamp::ZERO);
    closed.lose(at(10));
    assert_eq!(closed.silence_of_closed_link(at(10)), Some(10 * SECOND));
    let mut silent = resumable();
    let mut now = Timestamp::ZERO;
    while silent.link().is_some() {
        said(&mut silent, now);
        now = silent.poll_timeout().expect("a deadline");
        silent.handle_timeout(now);
    }
    assert_eq!((silent.closed(), silent.silence_of_closed_link(now)), (None, None));
}

#[test]
fn a_link_is_dead_10_s_after_a_ping_while_something_is_owed() {
    let mut session = lone(Role::Plugboard);
    said(&mut session, Timestamp::ZERO);
    session.hear(message(&[open_frame()]), Timestamp::ZERO);
    let ping = session.poll_timeout().expect("a deadline");
    session.handle_timeout(ping);
    assert_eq!(session.poll_timeout(), Some((ping + 10 * SECOND).min(at(30))));
    assert!(said(&mut session, ping).iter().any(|frame| matches!(frame, Frame::Ping(_))));
    assert!(silent_end(&mut session) <= at(28));
}

#[test]
fn octets_in_the_middle_of_a_message_are_signs_of_life() {
    let mut session = lone(Role::Plugboard);
    session.hear(message(&[open_frame()]), Timestamp::ZERO);
    for seconds in 1..1000 {
        session.handle_timeout(at(seconds));
        session.stir(at(seconds));
    }
    assert_eq!(session.closed(), None);
    let asked = said(&mut session, at(1000)).iter().filter(|frame| matches!(frame, Frame::Ping(_))).count();
    assert_eq!(asked, 1, "only the first ping, which measures the round trip");
}

#[test]
fn two_idle_ends_keep_each_other_alive_and_wake_up_seldom() {
    let mut pair = Pair::new();
    let mut wakes = 0;
    let hour = pair.now + 3600 * SECOND;
    while pair.now < hour {
        let deadlines = [pair.telephone.poll_timeout(), pair.plugboard.poll_timeout()];
        pair.now = deadlines.into_iter().flatten().min().expect("a deadline");
        pair.telephone.handle_timeout(pair.now);
        pair.plugboard.handle_timeout(pair.now);
        pair.settle();
        wakes += 1;
    }
    pair.assert_clean();
    assert!(wakes <= 300, "{wakes} wake-ups an hour");
}

#[test]
fn the_next_deadline_lies_ahead_of_the_last_one() {
    for seed in 0..50 {
        let limits = SessionLimits::default();
        let mut session = session(Role::Plugboard, &limits, &limits, seed);
        session.authorize(Some(Duration::from_secs(seed)), Timestamp::ZERO);
        if seed % 2 == 0 {
            session.hear(message(&[open_frame()]), Timestamp::ZERO);
        }
        let mut now = Timestamp::ZERO;
        while let Some(next) = session.poll_timeout() {
            // Late by a second, as a busy driver is.
            now = now.max(next) + SECOND;
            session.handle_timeout(now);
            assert!(session.poll_timeout().is_none_or(|next| next > now), "a busy loop at {now:?}");
        }
    }
}

#[test]
fn a_round_trip_is_measured_by_the_pong_that_was_asked_for() {
    let mut session = lone(Role::Plugboard);
    let asked = said(&mut session, at(1));
    assert_eq!(asked, [Frame::Ping(0)]);
    session.hear(message(&[Frame::Pong(7)]), at(2));
    assert_eq!(session.stats().round_trip, None);
    session.hear(message(&[Frame::Pong(0)]), at(3));
    assert_eq!(session.stats().round_trip, Some(2 * SECOND));
}

#[test]
fn a_token_is_renewed_at_two_thirds_of_its_life_and_asked_for_until_it_is() {
    let mut telephone = lone(Role::Telephone);
    telephone.authorize(Some(300 * SECOND), Timestamp::ZERO);
    let mut due = Vec::new();
    for seconds in 1..300 {
        telephone.stir(at(seconds));
        telephone.handle_timeout(at(seconds));
        due.extend(events(&mut telephone).iter().map(|event| {
            assert_eq!(*event, Event::RenewalDue);
            seconds
        }));
    }
    assert!((185..=201).contains(&due[0]), "{due:?}");
    assert!((3..30).contains(&due.len()), "{due:?}");
    assert!(due.windows(2).all(|pair| pair[1] > pair[0]), "{due:?}");
    telephone.hear(message(&[Frame::Renewed { expires_in_s: Some(300) }]), at(300));
    assert_eq!(events(&mut telephone), [Event::Renewed(Some(300 * SECOND))]);
    telephone.handle_timeout(at(480));
    assert!(!events(&mut telephone).contains(&Event::RenewalDue));
}

#[test]
fn a_token_of_no_life_left_makes_no_storm() {
    let mut telephone = lone(Role::Telephone);
    telephone.authorize(Some(Duration::ZERO), Timestamp::ZERO);
    let mut asked = 0;
    for tenth in 0..100 {
        let now = Timestamp::from_micros(tenth * 100_000);
        telephone.stir(now);
        telephone.handle_timeout(now);
        asked += events(&mut telephone).len();
    }
    assert!(asked <= 10, "{asked} renewals in ten seconds");
}

#[test]
fn a_fresh_token_crosses_and_its_life_comes_back() {
    let mut pair = Pair::new();
    pair.plugboard.authorize(Some(10 * SECOND), pair.now);
    pair.telephone.renew(Bytes::from_static(b"old"));
    pair.telephone.renew(Bytes::from_static(b"fresh"));
    pair.settle();
    assert_eq!(events(&mut pair.plugboard), [Event::Renewal(Bytes::from_static(b"fresh"))]);
    pair.plugboard.confirm_renewal(Some(60 * SECOND), pair.now);
    pair.pass(15 * SECOND);
    assert_eq!(events(&mut pair.plugboard), [], "the old life is over, and does not count");
    assert_eq!(events(&mut pair.telephone), [Event::Renewed(Some(60 * SECOND))]);
}

#[test]
fn a_token_too_long_or_of_the_wrong_end_does_not_leave() {
    let mut pair = Pair::new();
    pair.telephone.renew(Bytes::from(alloc::vec![b'x'; 8 * 1024 + 1]));
    pair.telephone.confirm_renewal(None, pair.now);
    pair.plugboard.renew(Bytes::from_static(b"not ours to renew"));
    assert_eq!(said(&mut pair.telephone, pair.now), []);
    assert_eq!(said(&mut pair.plugboard, pair.now), []);
}

#[test]
fn an_expired_session_opens_nothing_and_ends_after_its_grace() {
    let mut pair = Pair::new();
    pair.plugboard.authorize(Some(10 * SECOND), pair.now);
    let id = pair.exchange();
    pair.pass(9 * SECOND);
    assert!(pair.plugboard.is_open());
    pair.pass(2 * SECOND);
    assert_eq!(events(&mut pair.plugboard), [Event::Expired]);
    assert_eq!(pair.plugboard.open(tcp(), false, pair.now), Err(OpenError::Leaving));
    super::pair::write(&mut pair.plugboard, id, b"in flight");
    pair.pass(58 * SECOND);
    assert_eq!(super::pair::read(&mut pair.telephone, id, pair.now).0, b"in flight");
    assert_eq!(pair.plugboard.closed(), None);
    pair.pass(2 * SECOND);
    assert_eq!(pair.plugboard.closed(), Some(CloseReason::Sent(LeaveCode::Expired)));
    assert_eq!(pair.telephone.closed(), Some(CloseReason::Received(LeaveCode::Expired)));
}

#[test]
fn a_renewal_in_the_grace_opens_the_session_again() {
    let mut pair = Pair::new();
    pair.plugboard.authorize(Some(10 * SECOND), pair.now);
    pair.pass(40 * SECOND);
    assert!(!pair.plugboard.is_open());
    pair.plugboard.confirm_renewal(None, pair.now);
    pair.pass(100 * SECOND);
    pair.exchange();
}

#[test]
fn an_end_that_only_listens_says_that_it_is_there() {
    let mut pair = Pair::new();
    pair.pass(SECOND);
    // Bytes of a message that takes long come in, and nothing is due.
    for _ in 0..18 {
        pair.now = pair.now + SECOND;
        pair.plugboard.stir(pair.now);
        pair.plugboard.handle_timeout(pair.now);
    }
    let said = said(&mut pair.plugboard, pair.now);
    assert!(matches!(said[..], [Frame::Ping(_)]), "{said:?}");
}

#[test]
fn an_idle_session_pings_from_one_end_at_a_time() {
    let mut pair = Pair::new();
    let before = pair.telephone.stats().bytes_sent;
    pair.pass(SECOND * 1500);
    // One message each way in each interval of 12 to 18 s, a ping or a pong of 4 bytes at most.
    let sent = pair.telephone.stats().bytes_sent - before;
    assert!(sent <= 4 * 1500 / 12, "{sent} octets");
}

#[test]
fn the_grace_of_a_token_ends_in_time_also_for_an_end_that_was_stopped() {
    let mut session = lone(Role::Plugboard);
    session.authorize(Some(10 * SECOND), Timestamp::ZERO);
    session.stir(at(75));
    session.handle_timeout(at(75));
    let leave = said(&mut session, at(75));
    assert!(leave.contains(&Frame::Leave { code: LeaveCode::Expired, last: 0 }), "{leave:?}");
}

#[test]
fn a_long_message_is_no_silence_to_either_end() {
    let mut pair = Pair::new();
    pair.exchange();
    pair.settle();
    // What the telephone says waits in one message that takes minutes, byte by byte.
    for _ in 0..600 {
        pair.now = pair.now + SECOND / 2;
        pair.plugboard.stir(pair.now);
        for end in [&mut pair.telephone, &mut pair.plugboard] {
            end.handle_timeout(pair.now);
        }
        said(&mut pair.telephone, pair.now);
        if let Some(message) = pair.plugboard.say(pair.now) {
            pair.telephone.hear(message, pair.now);
        }
        assert_eq!((pair.telephone.closed(), pair.plugboard.closed()), (None, None), "at {:?}", pair.now);
    }
}

#[test]
fn no_stream_is_opened_after_a_tokens_end_that_nobody_noticed_yet() {
    let mut session = lone(Role::Plugboard);
    session.authorize(Some(10 * SECOND), Timestamp::ZERO);
    session.stir(at(20));
    assert_eq!(session.open(tcp(), false, at(20)), Err(OpenError::Leaving));
    assert!(events(&mut session).contains(&Event::Expired));
}

#[test]
fn a_peer_that_is_pinged_is_heard_of_at_once_and_only_over_a_link() {
    let mut pair = Pair::new();
    let before = pair.plugboard.last_heard();
    pair.now = pair.now + SECOND;
    pair.plugboard.ping();
    pair.settle();
    assert!(pair.plugboard.last_heard() > before);

    let mut session = lone(Role::Plugboard);
    said(&mut session, at(1));
    session.handle_disconnect(session.latest_link(), at(1));
    session.ping();
    assert!(!session.has_transmit());
}
