//! The rules of the TCP model, one by one.

use super::*;
use crate::clock::{MILLI, SECOND};

const PLAIN: Rules =
    Rules { buffer: 1 << 20, latency: MILLI, jitter: 0, micros_per_kib: 0, slicing: Slicing::Whole };

struct Bench {
    wire: Wire,
    random: Random,
    clock: Clock,
}

impl Bench {
    fn new(rules: Rules) -> Self {
        Self { wire: Wire::new(0, rules), random: Random::new(3), clock: Clock::default() }
    }

    fn write(&mut self, side: Side, octets: &'static [u8]) {
        self.wire.write(side, Bytes::from_static(octets), &mut self.random, &mut self.clock);
    }

    fn read(&mut self, side: Side) -> Option<Arrival> {
        self.wire.read(side, &mut self.random, &mut self.clock)
    }

    /// Everything that comes to a side from now on, and when.
    fn run(&mut self, side: Side) -> Vec<(Micros, Arrival)> {
        let mut seen = Vec::new();
        let until = self.clock.now() + SECOND;
        while let Some(event) = self.clock.advance(until) {
            if let Event::Arrive { to, .. } = event {
                while let Some(arrival) = self.read(to) {
                    if to == side {
                        seen.push((self.clock.now(), arrival));
                    }
                }
            }
        }
        seen
    }

    fn messages(&mut self, side: Side) -> Vec<Bytes> {
        let seen = self.run(side).into_iter();
        seen.filter_map(
            |(_, arrival)| if let Arrival::Message(octets) = arrival { Some(octets) } else { None },
        )
        .collect()
    }
}

const UP: Side = Side::Plugboard;
const DOWN: Side = Side::Telephone;

#[test]
fn messages_come_whole_in_order_and_after_the_latency() {
    let mut bench = Bench::new(PLAIN);
    bench.write(DOWN, b"one");
    bench.write(DOWN, b"two");
    assert_eq!(bench.read(UP), None);
    let seen = bench.run(UP);
    let message = |octets: &'static [u8]| (MILLI, Arrival::Message(Bytes::from_static(octets)));
    assert_eq!(seen, [message(b"one"), message(b"two")]);
}

#[test]
fn a_cut_message_is_octets_until_its_last_one_is_there() {
    let mut bench = Bench::new(Rules { slicing: Slicing::AtMost(3), micros_per_kib: 1024, ..PLAIN });
    bench.write(DOWN, b"12345");
    let seen: Vec<Arrival> = bench.run(UP).into_iter().map(|(_, arrival)| arrival).collect();
    let octets = [Arrival::Octets, Arrival::Octets, Arrival::Message(Bytes::from_static(b"12345"))];
    assert_eq!(seen, octets);
}

#[test]
fn a_full_buffer_blocks_its_writer_until_the_reader_read() {
    let mut bench = Bench::new(Rules { buffer: 6, ..PLAIN });
    bench.write(DOWN, b"12345");
    assert!(!bench.wire.is_writable(DOWN));
    assert!(bench.wire.is_writable(UP));
    let mut has_drained = false;
    while let Some(event) = bench.clock.advance(SECOND) {
        match event {
            Event::Arrive { .. } => while bench.read(UP).is_some() {},
            Event::Drained { from, .. } => has_drained = from == DOWN,
            _ => {}
        }
    }
    assert!(has_drained && bench.wire.is_writable(DOWN));
}

#[test]
fn no_segment_overtakes_another() {
    let mut bench = Bench::new(Rules { jitter: 100 * MILLI, slicing: Slicing::Random, ..PLAIN });
    for octets in [&b"first"[..], b"second", b"third", b"fourth"] {
        bench.write(DOWN, octets);
    }
    let first: Vec<u8> = bench.messages(UP).iter().filter_map(|message| message.first().copied()).collect();
    assert_eq!(first, *b"fstf");
}

#[test]
fn a_slow_wire_takes_the_time_of_all_its_octets() {
    let mut bench = Bench::new(Rules { micros_per_kib: 1_000, ..PLAIN });
    bench.write(DOWN, &[0; 10_236]);
    bench.write(DOWN, &[0; 10_236]);
    let times: Vec<Micros> = bench.run(UP).into_iter().map(|(at, _)| at).collect();
    assert_eq!(times, [11 * MILLI, 21 * MILLI]);
}

#[test]
fn an_end_comes_behind_what_was_written() {
    let mut bench = Bench::new(PLAIN);
    bench.write(DOWN, b"last");
    bench.wire.close(DOWN, &mut bench.random, &mut bench.clock);
    let seen: Vec<Arrival> = bench.run(UP).into_iter().map(|(_, arrival)| arrival).collect();
    assert_eq!(seen, [Arrival::Message(Bytes::from_static(b"last")), Arrival::Over]);
}

#[test]
fn what_comes_to_a_closed_socket_is_answered_with_a_reset() {
    let mut bench = Bench::new(PLAIN);
    bench.wire.close(UP, &mut bench.random, &mut bench.clock);
    bench.write(DOWN, b"too late");
    let seen: Vec<Arrival> = bench.run(DOWN).into_iter().map(|(_, arrival)| arrival).collect();
    assert_eq!(seen, [Arrival::Over]);
    assert!(!bench.wire.is_writable(DOWN));
}

#[test]
fn a_reset_loses_what_is_under_way() {
    let mut bench = Bench::new(PLAIN);
    bench.write(DOWN, b"lost");
    bench.wire.reset(UP, 0, &mut bench.clock);
    assert_eq!(bench.run(UP), [(0, Arrival::Over)]);
}

#[test]
fn a_cut_delivers_what_is_launched_and_nothing_behind_it() {
    let mut bench = Bench::new(Rules { buffer: 9, ..PLAIN });
    bench.write(DOWN, b"12345");
    bench.write(DOWN, b"not launched");
    bench.wire.cut(UP, &mut bench.random, &mut bench.clock);
    let seen: Vec<Arrival> = bench.run(UP).into_iter().map(|(_, arrival)| arrival).collect();
    assert_eq!(seen, [Arrival::Message(Bytes::from_static(b"12345")), Arrival::Over]);
}

#[test]
fn a_black_hole_delays_what_is_sent_again_and_loses_nothing() {
    let mut bench = Bench::new(PLAIN);
    bench.write(DOWN, b"one");
    bench.wire.blacken(UP, true, &mut bench.random, &mut bench.clock);
    bench.write(DOWN, b"two");
    bench.write(UP, b"the other way");
    assert_eq!(bench.messages(DOWN), [&b"the other way"[..]]);
    bench.wire.blacken(UP, false, &mut bench.random, &mut bench.clock);
    assert_eq!(bench.messages(UP), [&b"one"[..], b"two"]);
}
