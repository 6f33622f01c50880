use alloc::format;
use alloc::vec::Vec;
use core::time::Duration;

use super::*;

const FIRST: TokenId = TokenId(1);
const SECOND: TokenId = TokenId(2);
const THIRD: TokenId = TokenId(3);

fn at(seconds: u64) -> Timestamp {
    Timestamp::ZERO + Duration::from_secs(seconds)
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// A telephone with a token file whose first token is good for an hour.
fn hour() -> TokenLife {
    let mut life = TokenLife::new(false);
    assert!(!life.handle_dial(FIRST, at(0)));
    assert!(life.handle_taken(FIRST, Some(seconds(3600)), Duration::ZERO, at(0)));
    life
}

/// What is told, and when, if the token is looked at each second.
fn told(life: &mut TokenLife, until: u64) -> Vec<(u64, TokenWarning)> {
    (0..until).filter_map(|now| Some((now, life.poll_warning(at(now))?))).collect()
}

#[test]
fn a_token_that_the_plugboard_has_is_never_presented_again() {
    let mut life = hour();
    assert!((2400..4000).all(|now| !life.handle_due(FIRST, at(now))));
    assert!(life.handle_due(SECOND, at(4000)));
    life.handle_taken(SECOND, Some(seconds(3600)), Duration::ZERO, at(4001));
    assert!(!life.handle_due(SECOND, at(7000)));
}

#[test]
fn a_fixed_token_is_never_presented_again() {
    let mut life = TokenLife::new(true);
    life.handle_taken(FIRST, Some(seconds(20)), Duration::ZERO, at(0));
    assert!((0..200).all(|now| !life.handle_due(FIRST, at(now)) && !life.handle_due(SECOND, at(now))));
}

#[test]
fn a_refused_token_is_presented_again_after_ever_longer_waits_and_another_one_at_once() {
    let mut life = hour();
    let mut refused = |now: &u64| {
        let is_presented = life.handle_due(SECOND, at(*now));
        let _is_first = is_presented && life.handle_refused();
        is_presented
    };
    let presented: Vec<u64> = (0..200).filter(|now| refused(now)).collect();
    assert_eq!(presented, [0, 5, 15, 35, 75, 135, 195]);
    assert!(life.handle_due(THIRD, at(200)), "it waits for the back-off of another token");
    assert!(!life.handle_due(THIRD, at(201)));
}

#[test]
fn a_token_that_ended_a_session_is_not_presented_to_the_next_one() {
    let mut life = hour();
    assert!(life.handle_due(SECOND, at(10)));
    life.handle_session_ended();
    assert!(life.is_news(SECOND), "the next dial presents it");
    assert!(!life.handle_dial(SECOND, at(11)) && life.handle_refused_dial(at(11)));
    assert!(life.handle_dial(SECOND, at(11)), "the last good one stands in");
    life.handle_taken(FIRST, Some(seconds(3589)), Duration::ZERO, at(11));
    assert!((12..3000).all(|now| !life.handle_due(SECOND, at(now))));
    assert!(life.handle_due(THIRD, at(3000)));
    // Another plugboard of the same name may take it at a dial.
    life.handle_session_ended();
    life.handle_taken(THIRD, Some(seconds(60)), Duration::ZERO, at(3001));
    assert!(life.handle_due(SECOND, at(3002)));
}

#[test]
fn a_refusal_is_told_once_for_each_token() {
    let mut life = hour();
    assert!(!life.handle_refused(), "nothing was presented");
    let mut refusals = |token, now| {
        assert!(life.handle_due(token, at(now)));
        life.handle_refused()
    };
    assert_eq!([refusals(SECOND, 0), refusals(SECOND, 5), refusals(SECOND, 15)], [true, false, false]);
    assert_eq!([refusals(THIRD, 16), refusals(THIRD, 30)], [true, false]);
}

#[test]
fn a_renewal_without_an_answer_is_told_once() {
    let mut life = hour();
    let look = |now| {
        let _ = life.handle_due(SECOND, at(now));
        Some((now, life.poll_warning(at(now))?))
    };
    let told: Vec<_> = (0..300).filter_map(look).collect();
    assert_eq!(told, [(10, TokenWarning::Unanswered)]);
}

#[test]
fn an_end_that_does_not_move_is_no_renewal() {
    let mut life = hour();
    assert!(!life.handle_taken(FIRST, Some(seconds(3000)), Duration::ZERO, at(600)));
    assert!(!life.handle_taken(SECOND, Some(seconds(2900)), Duration::ZERO, at(700)));
    assert!(!life.handle_taken(SECOND, Some(seconds(2900)), Duration::ZERO, at(700)));
    assert!(life.handle_taken(THIRD, Some(seconds(3600)), Duration::ZERO, at(700)));
    assert!(life.handle_taken(FIRST, None, Duration::ZERO, at(700)));
    assert!(!life.handle_taken(SECOND, Some(seconds(9)), Duration::ZERO, at(700)));
}

#[test]
fn the_end_is_told_well_before_and_the_leeways_end_once() {
    let ending = |left| TokenWarning::Ending { left: seconds(left) };
    assert_eq!(told(&mut hour(), 4000), [(3240, ending(360)), (3660, TokenWarning::Over)]);
    let mut fixed = TokenLife::new(true);
    fixed.handle_taken(FIRST, Some(seconds(3600)), Duration::ZERO, at(0));
    assert_eq!(told(&mut fixed, 4000), [(2400, ending(1200)), (3660, TokenWarning::Over)]);
}

#[test]
fn a_link_that_comes_back_in_the_leeway_does_not_move_the_end() {
    let mut life = hour();
    assert!(!life.handle_taken(FIRST, Some(Duration::ZERO), Duration::ZERO, at(3650)));
    assert!(!life.is_over(at(3659)) && life.is_over(at(3660)));
    let mut started_late = TokenLife::new(true);
    started_late.handle_taken(FIRST, Some(Duration::ZERO), seconds(50), at(0));
    assert!(!started_late.is_over(at(9)) && started_late.is_over(at(10)));
}

#[test]
fn a_renewed_token_is_warned_of_anew() {
    let mut life = hour();
    assert_eq!(told(&mut life, 3700).len(), 2);
    assert!(life.handle_taken(SECOND, Some(seconds(100)), Duration::ZERO, at(3700)));
    let warnings: Vec<_> = (3700..4000).filter_map(|now| Some((now, life.poll_warning(at(now))?))).collect();
    assert_eq!(warnings[0], (3790, TokenWarning::Ending { left: seconds(10) }));
    assert_eq!(warnings[1], (3860, TokenWarning::Over));
}

#[test]
fn a_token_without_an_end_is_never_warned_of() {
    let mut life = TokenLife::new(true);
    assert!(life.handle_taken(FIRST, None, Duration::ZERO, at(0)));
    assert_eq!(told(&mut life, 10_000), []);
}

#[test]
fn the_last_good_token_is_dialled_with_once_for_each_refused_one() {
    let mut life = hour();
    assert!(!life.handle_dial(SECOND, at(1)));
    assert!(life.handle_refused_dial(at(1)));
    assert!(life.handle_dial(SECOND, at(1)), "the last good token");
    assert!(!life.handle_refused_dial(at(1)));
    assert!(!life.handle_dial(SECOND, at(60)));
    assert!(!life.handle_refused_dial(at(60)));
    assert!(life.is_news(THIRD) && !life.is_news(SECOND));
    assert!(!life.handle_dial(THIRD, at(61)));
    assert!(life.handle_refused_dial(at(61)));
}

#[test]
fn a_token_that_is_over_or_was_never_taken_is_not_fallen_back_to() {
    let mut life = TokenLife::new(false);
    life.handle_dial(FIRST, at(0));
    assert!(!life.handle_refused_dial(at(0)));
    let mut life = hour();
    life.handle_dial(SECOND, at(3660));
    assert!(!life.handle_refused_dial(at(3660)));
}

#[test]
fn the_expiry_of_a_token_is_read_from_its_payload() {
    let token = |claims: &str| format!("eyJh.{}.c2ln", URL_SAFE_NO_PAD.encode(claims));
    assert_eq!(expiry(&token(r#"{"sub":"shop","exp":4600}"#)), Some(4600));
    assert_eq!(expiry(&token(r#"{"exp":4600.75}"#)), Some(4600));
    for token in ["", "a.b.c", "eyJh", &token("[]"), &token("{}"), &token(r#"{"exp":"soon"}"#)] {
        assert_eq!(expiry(token), None, "{token}");
    }
}

#[test]
fn a_token_is_expired_for_good_only_by_both_clocks() {
    assert!(is_expired_for_good(None, 5), "nothing says that a clock is wrong");
    assert!(is_expired_for_good(Some(100), 160));
    assert!(!is_expired_for_good(Some(100), 159));
    assert!(!is_expired_for_good(Some(u64::MAX), 159));
}

#[test]
fn of_a_hundred_refusals_seven_are_told() {
    let told: Vec<u64> = (1..=100).filter(|count| is_refusal_told(*count)).collect();
    assert_eq!(told, [1, 2, 4, 8, 16, 32, 64]);
}

#[test]
fn while_a_renewal_is_awaited_another_token_is_put_off_until_the_answer() {
    let [first, second] = [TokenId(2), TokenId(3)];
    for is_refused in [false, true] {
        let mut life = hour();
        assert!(life.handle_due(first, at(10)) && !life.take_put_off());
        assert!(!life.handle_due(second, at(12)), "its answer could not be told from the first one's");
        assert_eq!(life.presented(), Some(first));
        if is_refused {
            assert!(life.handle_refused());
        } else {
            life.handle_taken(first, Some(seconds(3600)), Duration::ZERO, at(13));
        }
        assert!(life.take_put_off() && !life.take_put_off());
        assert!(life.handle_due(second, at(13)));
        assert_eq!(life.presented(), Some(second));
    }
    // The same token alone is not put off, and a plugboard that does not answer is not waited for.
    let mut life = hour();
    assert!(life.handle_due(first, at(10)) && !life.handle_due(first, at(16)) && !life.take_put_off());
    assert!(!life.handle_due(second, at(19)) && life.handle_due(second, at(20)));
}
