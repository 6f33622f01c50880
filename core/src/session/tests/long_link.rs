//! How much one stream moves over a link that takes its time.

use alloc::collections::VecDeque;
use alloc::vec;
use bytes::Bytes;
use core::time::Duration;

use super::pair::{OnLink, SECOND, http, request, response, resumable};
use crate::limits::SessionLimits;
use crate::session::{Incoming, Role, Session};
use crate::time::Timestamp;

/// How finely time passes.
const TICK: Duration = Duration::from_micros(500);
/// Octets that the link takes in one tick: a gigabit a second.
const TICK_BYTES: usize = 62_500;

/// One direction of the link: messages and when they arrive.
#[derive(Default)]
struct Way(VecDeque<(Timestamp, Bytes)>);

impl Way {
    /// Sends what there is to say. Returns how many octets that were.
    fn send(&mut self, from: &mut Session, delay: Duration, now: Timestamp) -> usize {
        let mut taken = 0;
        while let Some(message) = from.say(now) {
            taken += message.len();
            self.0.push_back((now + delay, message));
        }
        taken
    }

    /// Delivers what has arrived.
    fn deliver(&mut self, to: &mut Session, now: Timestamp) {
        while self.0.front().is_some_and(|(at, _)| *at <= now) {
            let Some((_, message)) = self.0.pop_front() else { return };
            to.hear(message, now);
        }
    }
}

/// Octets that arrive in the second after the first five of a download over a link with this round trip.
fn download(round_trip: Duration) -> usize {
    let limits = SessionLimits::default();
    let window = limits.resume_window;
    let mut plugboard = resumable(Role::Plugboard, &limits, &limits, 1, window);
    let mut telephone = resumable(Role::Telephone, &limits, &limits, 2, window);
    let (mut up, mut down) = (Way::default(), Way::default());
    let mut now = Timestamp::ZERO;
    let id = plugboard.open(http(request("GET")), true, now).expect("a stream");
    let mut is_accepted = false;
    let piece = Bytes::from(vec![7; 64 * 1024]);
    let mut octets = 0;
    while now < Timestamp::ZERO + 6 * SECOND {
        now = now + TICK;
        if let Some(accepted) = telephone.accept() {
            assert_eq!(accepted.id, id);
            telephone.send(id).respond(response(200), false).expect("a head");
            is_accepted = true;
        }
        let mut taken = 0;
        while is_accepted && taken < TICK_BYTES && telephone.send(id).capacity() > 0 {
            telephone.send(id).write(&mut piece.clone()).expect("a reader");
            taken += up.send(&mut telephone, round_trip / 2, now);
        }
        up.send(&mut telephone, round_trip / 2, now);
        down.send(&mut plugboard, round_trip / 2, now);
        up.deliver(&mut plugboard, now);
        down.deliver(&mut telephone, now);
        loop {
            match plugboard.recv(id).read() {
                Incoming::Octets(read) => {
                    if now > Timestamp::ZERO + 5 * SECOND {
                        octets += read.len();
                    }
                    plugboard.recv(id).credit(read.len(), now);
                }
                Incoming::Head => drop(plugboard.recv(id).take_head()),
                Incoming::Pending => break,
                other => panic!("{other:?}"),
            }
        }
        for end in [&mut plugboard, &mut telephone] {
            while end.poll_event().is_some() {}
            if end.poll_timeout().is_some_and(|deadline| deadline <= now) {
                end.handle_timeout(now);
            }
        }
    }
    octets
}

#[test]
fn one_stream_fills_a_gigabit_over_a_tenth_of_a_second() {
    for millis in [1, 20, 100] {
        let octets = download(Duration::from_millis(millis));
        assert!(octets > 100_000_000, "{octets} octets a second at {millis} ms");
    }
}
