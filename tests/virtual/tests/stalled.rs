//! What others hold for a client that does not read.

use std::time::Duration;

use telephone_driver::core::limits::SEND_BUFFER_BYTES;
use telephone_virtual::{BACKEND_PORT, LINK_PORT, Pace, Plan, Stage, Weather};

/// What is read of a backend at least, though its stream takes less.
const READ_BYTES_MIN: u64 = 16 * 1024;

/// What a telephone holds of an answer whose client reads so many octets and no more.
fn held_after(read: usize) -> u64 {
    let read_pace = Pace { piece: read, pause: Duration::from_secs(3600) };
    // No multiple of these pieces is a window: the last read finds more than the send buffer still takes.
    let down_pace = Pace { piece: 61_000, pause: Duration::ZERO };
    let stage = Stage::at_rest(1, [Plan { read_pace, down_pace, ..Plan::get(1, 0, 50_000_000) }]);
    let weather = Weather { capacity: 1 << 20, segment: 20_000..=65_536, ..Weather::default() };
    stage.net.set_weather(BACKEND_PORT, weather);
    let sent_before = stage.net.read_of(LINK_PORT, 0);
    stage.start_client(vec![1]);
    stage.executor.run_for(Duration::from_secs(10));
    let sent = stage.net.read_of(LINK_PORT, 0) - sent_before;
    let held = stage.net.read_of(BACKEND_PORT, 1) - sent;
    stage.end();
    held
}

#[test]
fn a_telephone_holds_little_more_than_the_send_buffer_of_a_stalled_stream() {
    let held: Vec<u64> = (1..50).map(|count| held_after(count * 10_000)).collect();
    let (least, most) = (held.iter().min().unwrap(), held.iter().max().unwrap());
    println!("{least} to {most} octets are held");
    assert!(*least > SEND_BUFFER_BYTES as u64 / 2, "nothing is held: the stream does not stall");
    assert!(*most <= SEND_BUFFER_BYTES as u64 + READ_BYTES_MIN, "{most} octets are held of a stalled stream");
}
