//! How much sessions may hold that wait for a link.

use super::{Relay, SessionKey};
use crate::limits::RouterLimits;

const KIB: u64 = 1024;
const NONE: [u64; 0] = [];

/// A relay that lets waiting sessions hold 100 KiB, what they cost beside included.
fn relay() -> Relay {
    let mut relay = Relay::with(RouterLimits { waiting_bytes: 100 * KIB, ..RouterLimits::default() });
    for (key, who) in [(1, "a/1"), (2, "b/1"), (3, "a/2"), (4, "b/2"), (5, "a/3")] {
        relay.register(key, who, &alloc::format!("/{key}"));
    }
    relay
}

fn wait(relay: &mut Relay, key: u64, octets: u64) -> alloc::vec::Vec<u64> {
    let given_up = relay.router.handle_waiting(SessionKey::new(key), Some(octets));
    given_up.into_iter().map(SessionKey::number).collect()
}

#[test]
fn sessions_wait_as_long_as_all_of_them_hold_little() {
    let mut relay = relay();
    for key in 1..=5 {
        assert_eq!(wait(&mut relay, key, 16 * KIB), NONE, "session {key}");
    }
    // One that waits on is counted once.
    assert_eq!(wait(&mut relay, 5, 16 * KIB), NONE);
}

#[test]
fn of_who_holds_the_most_the_session_is_given_up_that_waited_longest() {
    let mut relay = relay();
    assert_eq!(wait(&mut relay, 1, 26 * KIB), NONE);
    assert_eq!(wait(&mut relay, 2, 26 * KIB), NONE);
    assert_eq!(wait(&mut relay, 3, 26 * KIB), NONE);
    assert_eq!(wait(&mut relay, 4, 16 * KIB), [1], "a holds 60 KiB and b 50");
    assert_eq!(wait(&mut relay, 5, 90 * KIB), [3, 5], "one alone may hold too much");
}

#[test]
fn who_has_a_link_again_or_is_gone_holds_nothing() {
    let mut relay = relay();
    assert_eq!(wait(&mut relay, 1, 90 * KIB), NONE);
    assert_eq!(relay.router.handle_waiting(SessionKey::new(1), None), []);
    assert_eq!(wait(&mut relay, 2, 90 * KIB), NONE);
    relay.remove(2);
    assert_eq!(wait(&mut relay, 2, 90 * KIB), NONE, "a session that is gone does not wait");
    assert_eq!(wait(&mut relay, 3, 90 * KIB), NONE);
}
