use super::*;
use alloc::vec;

const FIRST: &str = "192.0.2.1:443";
const SECOND: &str = "192.0.2.2:443";
const THIRD: &str = "192.0.2.3:443";

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn race(addresses: &[&str]) -> DialRace {
    let addresses = addresses.iter().map(|text| address(text)).collect();
    DialRace::new(addresses, DIAL_PATIENCE, Timestamp::ZERO)
}

fn at(millis: u64) -> Timestamp {
    Timestamp::from_micros(millis * 1000)
}

fn connect(text: &str) -> Option<RaceEvent> {
    Some(RaceEvent::Connect(address(text)))
}

#[test]
fn the_next_address_is_tried_after_a_head_start_or_a_failure() {
    let mut race = race(&[FIRST, SECOND, THIRD]);
    assert_eq!(race.poll_event(at(0)), connect(FIRST));
    assert_eq!((race.poll_event(at(0)), race.poll_timeout()), (None, Some(at(250))));
    assert_eq!(race.poll_event(at(249)), None);
    assert_eq!(race.poll_event(at(250)), connect(SECOND));
    race.handle_failed(AttemptFailure::Other, at(300));
    assert_eq!(race.poll_event(at(300)), connect(THIRD));
    // Those two may take their time: nobody has answered.
    assert_eq!((race.poll_event(at(300)), race.poll_timeout()), (None, None));
}

#[test]
fn an_address_without_an_answer_is_given_up_soon_after_the_others_have_refused() {
    for (is_first_dark, refused) in [(true, 260), (false, 10)] {
        let mut race = race(&[FIRST, SECOND]);
        assert_eq!(race.poll_event(at(0)), connect(FIRST));
        if is_first_dark {
            assert_eq!(race.poll_event(at(250)), connect(SECOND));
        }
        race.handle_failed(AttemptFailure::Refused, at(refused));
        assert_eq!(race.poll_event(at(refused)), if is_first_dark { None } else { connect(SECOND) });
        let end = at(refused) + DIAL_PATIENCE;
        assert_eq!((race.poll_event(at(refused)), race.poll_timeout()), (None, Some(end)));
        assert_eq!(race.poll_event(end), Some(RaceEvent::GiveUp));
    }
}

#[test]
fn a_missing_route_makes_no_dial_impatient() {
    let mut race = race(&["[2001:db8::1]:443", FIRST]);
    assert!(race.poll_event(at(0)).is_some());
    race.handle_failed(AttemptFailure::Other, at(0));
    assert_eq!(race.poll_event(at(0)), connect(FIRST));
    assert_eq!((race.poll_event(at(9_000)), race.poll_timeout()), (None, None));
}

#[test]
fn no_dial_is_given_up_before_each_address_was_tried() {
    let mut race = race(&[FIRST, SECOND, THIRD, "192.0.2.4:443"]);
    race.patience = Duration::from_millis(100);
    assert_eq!(race.poll_event(at(0)), connect(FIRST));
    race.handle_failed(AttemptFailure::Refused, at(1));
    assert_eq!(race.poll_event(at(1)), connect(SECOND));
    assert_eq!(race.poll_event(at(200)), None);
    assert_eq!(race.poll_event(at(251)), connect(THIRD));
    assert_eq!(race.poll_event(at(501)), connect("192.0.2.4:443"));
    assert_eq!((race.poll_event(at(501)), race.poll_timeout()), (None, Some(at(601))));
    assert_eq!(race.poll_event(at(601)), Some(RaceEvent::GiveUp));
}

#[test]
fn a_dial_whose_attempts_have_all_failed_is_over_at_once() {
    let mut race = race(&[FIRST]);
    assert_eq!(race.poll_event(at(0)), connect(FIRST));
    race.handle_failed(AttemptFailure::Other, at(5));
    assert_eq!(race.poll_event(at(5)), Some(RaceEvent::GiveUp));
    assert_eq!(DialRace::new(vec![], DIAL_PATIENCE, at(0)).poll_event(at(0)), Some(RaceEvent::GiveUp));
}

#[test]
fn the_families_alternate_and_a_resolver_without_end_is_cut() {
    let mixed = ["[2001:db8::1]:1", "[2001:db8::2]:1", "192.0.2.1:1", "[2001:db8::3]:1"].map(address);
    let order = interleaved(mixed.to_vec());
    let expected = ["[2001:db8::1]:1", "192.0.2.1:1", "[2001:db8::2]:1", "[2001:db8::3]:1"].map(address);
    assert!(order.iter().eq(expected.iter()), "{order:?}");
    assert_eq!(interleaved(vec![address(FIRST); 1000]).len(), DIAL_ADDRESSES_MAX);
}

#[test]
fn every_eighth_attempt_waits_for_a_slow_server() {
    let patient: Vec<u32> = (1..=16).filter(|attempt| patience(*attempt) == HANDSHAKE_TIMEOUT).collect();
    assert_eq!(patient, [8, 16]);
}
