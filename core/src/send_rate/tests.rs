use super::*;

const MILLISECOND: Duration = Duration::from_millis(1);

/// A link whose kernel sends `rate` bytes a second, in steps of a millisecond, behind `in_flight` bytes that it sends at once.
struct Kernel {
    rate: u64,
    in_flight: u64,
    unsent: u64,
    /// Bytes that the link could have sent and had none of, since the queue was empty.
    lost: u64,
    written: u64,
    send_rate: SendRate,
    now: Timestamp,
}

impl Kernel {
    fn new(rate: u64) -> Self {
        let (in_flight, now) = (14_600, Timestamp::ZERO);
        Self { rate, in_flight, unsent: 0, lost: 0, written: 0, send_rate: SendRate::new(), now }
    }

    /// One millisecond in which the session has `data` bytes to send.
    fn step(&mut self, mut data: u64) {
        self.now = self.now + MILLISECOND;
        let sent = self.rate / 1000;
        self.lost += sent.saturating_sub(self.unsent);
        self.unsent = self.unsent.saturating_sub(sent);
        while data > 0 {
            let is_fast = self.send_rate.is_fast();
            let limit = self.send_rate.unsent_max() as u64;
            let has_room = if is_fast { self.unsent < limit } else { 2 * self.unsent < limit };
            if !self.send_rate.is_ahead(self.written) || (is_fast && !has_room) {
                if !has_room {
                    return self.send_rate.handle_blocked();
                }
                let _has_changed = self.send_rate.handle_writable(self.written, self.now);
            }
            let message = data.min(self.send_rate.message_bytes_max() as u64);
            let at_once = message.min(self.in_flight);
            self.in_flight -= at_once;
            self.unsent += message - at_once;
            self.written += message;
            data -= message;
        }
        self.send_rate.handle_idle();
    }

    fn saturate(&mut self, time: Duration) {
        for _ in 0..time.as_millis() {
            self.step(u64::MAX);
        }
    }

    /// How long a byte that is written now waits.
    fn wait(&self) -> Duration {
        Duration::from_micros(self.unsent * 1_000_000 / self.rate)
    }
}

#[test]
fn what_waits_unsent_at_a_megabit_is_sent_within_an_eighth_of_a_second() {
    for kbits in [64, 128, 500, 1_000, 3_000, 5_000, 9_000] {
        let mut kernel = Kernel::new(kbits * 125);
        kernel.saturate(Duration::from_secs(8));
        let mut longest = Duration::ZERO;
        for _ in 0..4_000 {
            kernel.step(u64::MAX);
            longest = longest.max(kernel.wait());
        }
        // Two of the smallest messages at the slowest rate, and one that is kept while the bound hardly moves.
        let bound = if kbits < 200 { 260 } else { 125 };
        assert!(longest <= bound * MILLISECOND, "{longest:?} at {kbits} kbit/s");
    }
}

#[test]
fn a_saturated_link_is_never_idle() {
    for kbits in [64, 1_000, 10_000, 100_000] {
        let mut kernel = Kernel::new(kbits * 125);
        kernel.saturate(Duration::from_secs(8));
        kernel.lost = 0;
        kernel.saturate(Duration::from_secs(8));
        assert_eq!(kernel.lost, 0, "at {kbits} kbit/s");
    }
}

#[test]
fn a_fast_link_has_the_largest_bound_after_two_hundred_kilobytes() {
    let mut kernel = Kernel::new(125_000_000);
    while kernel.written < 200_000 {
        kernel.step(u64::MAX);
    }
    assert_eq!(kernel.send_rate.unsent_max(), UNSENT_BYTES_MAX);
    assert_eq!(kernel.send_rate.message_bytes_max(), 64 * 1024);
}

#[test]
fn a_fast_link_that_is_never_full_is_known_by_what_it_sent() {
    let mut kernel = Kernel::new(125_000_000);
    for _ in 0..100 {
        kernel.step(6_000);
    }
    assert_eq!(kernel.send_rate.unsent_max(), UNSENT_BYTES_MAX);
}

#[test]
fn a_link_with_little_to_send_keeps_its_bound() {
    for kbits in [64, 1_000, 1_000_000] {
        let mut kernel = Kernel::new(kbits * 125);
        for second in 0..100 {
            kernel.step(900);
            for _ in 0..999 {
                kernel.step(0);
            }
            assert_eq!(kernel.send_rate.unsent_max(), UNSENT_BYTES_FIRST, "second {second}");
        }
    }
}

#[test]
fn a_pause_of_the_data_is_no_slowness_of_the_link() {
    let mut kernel = Kernel::new(2_000_000);
    kernel.saturate(Duration::from_secs(2));
    let known = kernel.send_rate.unsent_max();
    assert_eq!(known, UNSENT_BYTES_MAX);
    for _ in 0..20 {
        for _ in 0..500 {
            kernel.step(0);
        }
        kernel.saturate(300 * MILLISECOND);
        assert_eq!(kernel.send_rate.unsent_max(), known);
    }
}

#[test]
fn a_link_that_becomes_slow_and_fast_again_is_followed() {
    let mut kernel = Kernel::new(10_000_000);
    kernel.saturate(Duration::from_secs(2));
    assert_eq!(kernel.send_rate.unsent_max(), UNSENT_BYTES_MAX);
    kernel.rate = 125_000;
    kernel.saturate(Duration::from_secs(5));
    assert!(kernel.send_rate.unsent_max() <= 15_000, "{}", kernel.send_rate.unsent_max());
    kernel.rate = 10_000_000;
    kernel.saturate(300 * MILLISECOND);
    assert_eq!(kernel.send_rate.unsent_max(), UNSENT_BYTES_MAX);
}

#[test]
fn no_order_of_inputs_leaves_the_bounds() {
    let mut random = crate::random::Random::new(7);
    let (mut rate, mut written, mut now) = (SendRate::new(), 0_u64, Timestamp::ZERO);
    for _ in 0..100_000 {
        match random.up_to(3) {
            0 => rate.handle_blocked(),
            1 => rate.handle_idle(),
            2 => drop(rate.handle_writable(written, now)),
            _ => {
                written = written.saturating_add(1 << random.up_to(62));
                now = now + random.duration_up_to(Duration::from_secs(3));
            }
        }
        assert!((UNSENT_BYTES_MIN..=UNSENT_BYTES_MAX).contains(&rate.unsent_max()));
        assert!((MESSAGE_BYTES_MIN..=64 * 1024).contains(&rate.message_bytes_max()));
        assert_eq!(rate.is_fast(), rate.unsent_max() == UNSENT_BYTES_MAX);
    }
}
