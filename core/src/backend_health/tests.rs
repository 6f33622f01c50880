use super::*;

fn at(millis: u64) -> Timestamp {
    Timestamp::ZERO + Duration::from_millis(millis)
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn health(is_probed: bool, is_checked: bool) -> BackendHealth {
    BackendHealth::new(is_probed, is_checked, at(0))
}

#[test]
fn one_failed_connect_is_an_outage_and_the_next_connect_ends_it() {
    let mut health = health(false, false);
    assert!(health.is_ready() && health.poll_timeout().is_none());
    health.handle_failed(Attempt::Stream, at(500));
    assert_eq!(health.poll_event(at(500)), Some(HealthEvent::BecameDown));
    assert!(!health.is_ready() && health.poll_event(at(500)).is_none());
    health.handle_connected(Attempt::Stream, at(3_500));
    assert_eq!(health.poll_event(at(3_500)), Some(HealthEvent::BecameReady { after: secs(3) }));
    assert!(health.is_ready() && health.poll_timeout().is_none());
}

#[test]
fn an_application_that_is_down_is_tried_after_a_second_and_ever_later_up_to_ten() {
    let mut health = health(false, false);
    health.handle_failed(Attempt::Stream, at(0));
    health.poll_event(at(0));
    let mut now = at(0);
    for wait in [1, 2, 4, 8, 10, 10] {
        assert_eq!(health.poll_timeout(), Some(now + secs(wait)));
        assert_eq!(health.poll_event(Timestamp::from_micros((now + secs(wait)).as_micros() - 1)), None);
        now = now + secs(wait);
        // Requests that fail meanwhile neither delay the attempt nor bring it forward.
        health.handle_failed(Attempt::Stream, now);
        assert_eq!(health.poll_event(now), Some(HealthEvent::Probe));
        assert_eq!((health.poll_event(now), health.poll_timeout()), (None, None));
        health.handle_failed(Attempt::Probe, now);
    }
    health.handle_connected(Attempt::Probe, now);
    health.poll_event(now);
    health.handle_failed(Attempt::Stream, now);
    assert_eq!(health.poll_timeout(), Some(now + secs(1)), "the next outage begins anew");
}

#[test]
fn a_telephone_that_starts_probes_at_once() {
    let mut health = health(true, false);
    assert_eq!(health.poll_timeout(), Some(at(0)));
    assert_eq!(health.poll_event(at(0)), Some(HealthEvent::Probe));
    assert!(health.is_ready());
    health.handle_failed(Attempt::Probe, at(5));
    assert_eq!(health.poll_event(at(5)), Some(HealthEvent::BecameDown));
}

#[test]
fn only_a_check_that_passes_ends_an_outage_where_there_is_one() {
    let mut health = health(true, true);
    assert_eq!(health.poll_event(at(0)), Some(HealthEvent::Probe));
    health.handle_connected(Attempt::Probe, at(0));
    assert_eq!(health.poll_timeout(), Some(at(10_000)), "checked again");
    health.handle_failed(Attempt::Stream, at(3_000));
    assert_eq!(health.poll_event(at(3_000)), Some(HealthEvent::BecameDown));
    health.handle_connected(Attempt::Stream, at(3_500));
    assert!(!health.is_ready());
    assert_eq!(health.poll_event(at(4_000)), Some(HealthEvent::Probe));
    health.handle_connected(Attempt::Probe, at(4_000));
    assert_eq!(health.poll_event(at(4_000)), Some(HealthEvent::BecameReady { after: secs(1) }));
}

#[test]
fn an_outage_that_ends_before_it_is_told_is_not_told() {
    let mut health = health(false, false);
    health.handle_failed(Attempt::Stream, at(0));
    health.handle_connected(Attempt::Stream, at(1));
    assert_eq!(health.poll_event(at(1)), None);
    health.handle_failed(Attempt::Stream, at(2));
    assert_eq!(health.poll_event(at(2)), Some(HealthEvent::BecameDown));
    // Likewise an end that another outage follows.
    health.handle_connected(Attempt::Stream, at(3));
    health.handle_failed(Attempt::Stream, at(4));
    assert_eq!(health.poll_event(at(4)), None);
    assert!(!health.is_ready());
}
