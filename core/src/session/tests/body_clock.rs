//! How long the clients of a telephone may pause within a request's body: as it announced, or as long as those of all others.

use core::time::Duration;

use super::pair::Pair;
use crate::limits::{HttpLimits, SessionLimits};
use crate::wire::{Profile, Setting};

const HOUR: u64 = 60 * 60;

/// The window that a plugboard allows the requests of a telephone which announced so many seconds, if it did.
fn window(profile: Profile, announced: Option<u64>) -> Duration {
    let limits = SessionLimits::default();
    let mut pair = Pair::speaking(profile, &limits, &limits, Duration::ZERO);
    let config = &mut pair.plugboard.config;
    if let Some(seconds) = announced {
        config.peer = config.peer.clone().with(Setting::BodyClock, seconds);
    }
    HttpLimits::default().body_window_of(pair.plugboard.peer_body_clock())
}

#[test]
fn a_telephone_that_announced_nothing_has_the_plugboards_window() {
    for profile in [Profile::Binary, Profile::Json] {
        assert_eq!(window(profile, None), Duration::from_secs(60));
    }
}

#[test]
fn what_a_telephone_announces_never_shortens_the_window_and_is_capped() {
    let cases = [(0, 60), (59, 60), (61, 61), (300, 300), (HOUR, HOUR), (HOUR + 1, HOUR), (u64::MAX, HOUR)];
    for (announced, seconds) in cases {
        assert_eq!(window(Profile::Binary, Some(announced)), Duration::from_secs(seconds), "{announced}");
    }
}
