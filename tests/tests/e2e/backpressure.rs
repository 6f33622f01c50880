//! Backpressure and cancellation go end to end.

use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use std::{io, thread};

use telephone_tests::client::Client;
use telephone_tests::line::{Line, both, both_alone, both_programs};
use telephone_tests::origin::{After, Origin};
use telephone_tests::prf::STEP;
use telephone_tests::request::{Request, chunk};
use telephone_tests::sizes::{self, MIB};
use telephone_tests::wait::{self, PATIENCE};

/// More than all windows and kernel buffers of a line together, less than what the body holds: 16 MiB of stream
/// window at most at each end, and up to 10 MiB in the kernel for each of three connections.
const IN_FLIGHT_MAX: u64 = 64 * MIB;

/// A body that nobody reads to its end.
const ENDLESS: &str = "/m/bytes?n=2000000000";

/// What a client that reads nothing holds in its kernel.
const NARROW: usize = 64 * 1024;

/// Waits until the origin could not write for a while, and returns what it wrote until then.
fn wait_stalled(line: &Line) -> u64 {
    let mut last = (line.origin.counts().bytes_written, Instant::now());
    wait::until("the origin's socket is full", PATIENCE, || {
        let written = line.origin.counts().bytes_written;
        if written != last.0 {
            last = (written, Instant::now());
        }
        (written > 0 && last.1.elapsed() > Duration::from_millis(500)).then_some(written)
    })
}

#[test]
fn a_client_that_does_not_read_stops_the_origin_from_writing() {
    both(|line| {
        let mut client = Client::connect_narrow(line.addr(), NARROW);
        client.send(Request::get(ENDLESS).to_vec());
        assert_eq!(client.head().status(), 200);
        let written = wait_stalled(line);
        assert!(written < IN_FLIGHT_MAX, "the origin wrote {written} octets that nobody took");
        // It is held up, not broken: as the client reads, the origin writes on.
        let mut taken = 0;
        while taken < 80 * MIB {
            taken += client.some(STEP).expect("an open connection").len() as u64;
        }
        assert!(line.origin.counts().bytes_written > written);
    });
}

#[test]
fn a_client_that_takes_nothing_of_its_answer_is_dropped_in_time() {
    both_programs(|program| {
        let line = Line::with(program, &["--limit", "send-timeout=1s"], &[]);
        let mut client = Client::connect_narrow(line.addr(), NARROW);
        client.send(Request::get(ENDLESS).to_vec());
        assert_eq!(client.head().status(), 200);
        wait_stalled(&line);
        // What it held is free again: the backend's connection is closed, not kept waiting.
        line.origin.wait_idle(PATIENCE);
        assert_eq!(line.get("/m/x").status(), 200);
    });
}

#[test]
fn an_origin_that_does_not_read_stops_the_client_from_writing() {
    both(|line| {
        let (release, released) = mpsc::channel::<()>();
        let released = Mutex::new(released);
        line.origin.on("/m/deaf", move |_| {
            released.lock().expect("one request").recv_timeout(PATIENCE).map_err(io::Error::other)?;
            Ok(After::Close)
        });
        let client = line.connect();
        client.send(Request::new("POST", "/m/deaf").field("Content-Length", "2000000000").head());
        client.write_at_most(Duration::from_millis(500));
        let mut sent = 0;
        while client.try_send([b'x'; STEP]).is_ok() {
            sent += STEP as u64;
            assert!(sent < IN_FLIGHT_MAX, "{sent} octets went nowhere");
        }
        release.send(()).expect("the origin waits");
    });
}

#[test]
fn a_client_that_leaves_within_a_download_closes_the_backend_connection() {
    both(|line| {
        for is_reset in [false, true] {
            let mut client = line.connect();
            client.send(Request::get(ENDLESS).to_vec());
            client.take(1_000_000);
            assert_eq!(line.origin.counts().open, 1);
            if is_reset {
                client.reset();
            } else {
                drop(client);
            }
            line.origin.wait_idle(Duration::from_secs(1));
        }
    });
}

#[test]
fn a_client_that_leaves_before_any_answer_closes_the_backend_connection() {
    both(|line| {
        line.origin.on("/m/silent", |exchange| exchange.wait_closed());
        let client = line.connect();
        client.send(Request::get("/m/silent").to_vec());
        wait::until_true("the request reaches the origin", PATIENCE, || line.origin.counts().requests == 1);
        drop(client);
        line.origin.wait_idle(Duration::from_secs(6));
    });
}

#[test]
fn a_client_that_leaves_within_an_upload_closes_the_backend_connection() {
    both(|line| {
        let client = line.connect();
        client.send(Request::new("POST", "/m/hash").field("Content-Length", "2000000000").head());
        client.send([b'x'; STEP]);
        wait::until_true("the upload reaches the origin", PATIENCE, || line.origin.counts().requests == 1);
        drop(client);
        line.origin.wait_idle(Duration::from_secs(1));
        assert_eq!((line.origin.counts().uploads_broken, line.origin.counts().uploads_complete), (1, 0));
    });
}

#[test]
fn a_stalled_download_slows_others_by_less_than_a_factor_of_two() {
    both_alone(|line| {
        fetch_fifty(line);
        let alone = median_of_five(line);
        let mut stalled = Client::connect_narrow(line.addr(), NARROW);
        stalled.send(Request::get(ENDLESS).to_vec());
        assert_eq!(stalled.head().status(), 200);
        wait_stalled(line);
        let beside = median_of_five(line);
        sizes::figure("50 requests beside a stalled download", format_args!("{beside:?}, alone {alone:?}"));
        assert!(
            beside < alone * 2,
            "50 requests took {alone:?} alone and {beside:?} beside a stalled download"
        );
    });
}

fn median_of_five(line: &Line) -> Duration {
    let mut times: Vec<Duration> = (0..5).map(|_| fetch_fifty(line)).collect();
    times.sort();
    times[2]
}

/// Fifty requests, each on a connection of its own.
fn fetch_fifty(line: &Line) -> Duration {
    let start = Instant::now();
    for _ in 0..50 {
        assert_eq!(line.get("/m/bytes?n=10000").body.len(), 10_000);
    }
    start.elapsed()
}

#[test]
fn many_stalled_downloads_leave_room_for_others() {
    both(|line| {
        let stalled: Vec<Client> = (0..40)
            .map(|_| {
                let mut client = Client::connect_narrow(line.addr(), NARROW);
                client.send(Request::get(ENDLESS).to_vec());
                assert_eq!(client.head().status(), 200);
                client
            })
            .collect();
        wait_stalled(line);
        for _ in 0..20 {
            assert_eq!(line.get("/m/bytes?n=100000").body.len(), 100_000);
        }
        drop(stalled);
        // One that served the others may be kept for the next request.
        wait::until_true("the stalled connections close", Duration::from_secs(1), || {
            line.origin.counts().open <= 1
        });
    });
}

/// Readers that stall.
const STALLED: usize = 64;
/// What the relay may hold beyond what it holds idle, in MiB: the session's window grown to its bound, twice, since
/// octets that nobody reads keep the messages alive that they came in (four times at the worst); the messages that
/// wait for an acknowledgement; and for each reader a floor and buffers, 256 KiB together.
const RELAY_BUDGET: u64 = 2 * 32 + 8 + STALLED as u64 / 4;
/// Likewise the sidecar, to whom nothing is sent: for each stream a send buffer, and what it read of the backend.
const SIDECAR_BUDGET: u64 = 8 + STALLED as u64 / 4;

#[test]
fn sixty_four_readers_that_stall_leave_a_download_its_rate_and_memory_its_bound() {
    let rounds = sizes::pick(3, 5);
    both_alone(|line| {
        download_time(line);
        let idle = (line.relay().process().resident_kib(), line.sidecar().process().resident_kib());
        let mut ratios: Vec<f64> = (0..rounds)
            .map(|_| {
                let alone = best_download(line);
                let stalled = stall_readers(line);
                let beside = best_download(line);
                drop(stalled);
                wait::until_true("the stalled connections close", PATIENCE, || {
                    line.origin.counts().open <= 1
                });
                sizes::figure("a download", format_args!("{alone:?} alone, {beside:?} beside 64 that stall"));
                alone.as_secs_f64() / beside.as_secs_f64()
            })
            .collect();
        ratios.sort_by(f64::total_cmp);
        // A machine that does other things beside costs a round or two; what stalled readers cost, they cost in all.
        let ratio = ratios[sizes::pick(ratios.len() - 1, ratios.len() / 2)];
        assert!(
            ratio >= 0.8,
            "beside 64 stalled readers a download has {ratio:.2} of its rate: {ratios:.2?}"
        );
        let peak = (line.relay().process().peak_kib(), line.sidecar().process().peak_kib());
        let parts =
            [("plugboard", idle.0, peak.0, RELAY_BUDGET), ("sidecar", idle.1, peak.1, SIDECAR_BUDGET)];
        for (name, idle, peak, budget) in parts {
            sizes::figure(
                name,
                format_args!("{idle} KiB idle, {peak} KiB at most beside 64 stalled readers"),
            );
            assert!(peak < idle + budget * 1024, "the {name} grew from {idle} to {peak} KiB");
        }
    });
}

/// Opens downloads that are read at full speed for a while and then no more.
fn stall_readers(line: &Line) -> Vec<Client> {
    let start = Instant::now();
    let is_enough = |taken: u64| {
        if sizes::is_full() { start.elapsed() > Duration::from_secs(10) } else { taken > MIB }
    };
    let stalled = thread::scope(|scope| {
        let read = || {
            let mut client = line.connect();
            client.send(Request::get("/m/bytes?n=2000000000000").to_vec());
            assert_eq!(client.head().status(), 200);
            let mut taken = 0;
            while !is_enough(taken) {
                taken += client.some(STEP).expect("an open connection").len() as u64;
            }
            client
        };
        let reading: Vec<_> = (0..STALLED).map(|_| scope.spawn(read)).collect();
        reading.into_iter().map(|one| one.join().expect("a reader")).collect()
    });
    wait_stalled(line);
    stalled
}

/// The best of five: what else runs on the machine only ever adds to a time.
fn best_download(line: &Line) -> Duration {
    (0..5).map(|_| download_time(line)).min().expect("five times")
}

/// The time of a download that is long enough for its window to grow.
fn download_time(line: &Line) -> Duration {
    const OCTETS: u64 = 128 * MIB;
    let mut client = line.connect();
    let start = Instant::now();
    client.send(Request::get(&format!("/m/bytes?n={OCTETS}")).to_vec());
    assert_eq!(client.head().status(), 200);
    let mut taken = 0;
    while taken < OCTETS {
        taken += client.some(STEP).expect("an open connection").len() as u64;
    }
    start.elapsed()
}

/// An event stream whose events the test sends: when each was written comes back.
fn events(origin: &Origin) -> (Sender<()>, Receiver<Instant>) {
    let (trigger, triggered) = mpsc::channel::<()>();
    let (written, times) = mpsc::channel();
    let triggered = Arc::new(Mutex::new(triggered));
    origin.on("/m/events", move |exchange| {
        exchange.send(
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n",
        )?;
        while triggered.lock().expect("one reader").recv_timeout(PATIENCE).is_ok() {
            written.send(Instant::now()).map_err(io::Error::other)?;
            exchange.send(chunk(b"data: tick\n\n"))?;
        }
        exchange.send("0\r\n\r\n")?;
        Ok(After::KeepAlive)
    });
    (trigger, times)
}

#[test]
fn events_arrive_within_ten_milliseconds_of_being_written() {
    both_alone(|line| {
        let (trigger, times) = events(&line.origin);
        let mut client = line.connect();
        client.send(Request::get("/m/events").to_vec());
        assert_eq!(client.head().status(), 200);
        let mut delays: Vec<Duration> = (0..101)
            .map(|_| {
                trigger.send(()).expect("the origin waits");
                let written = times.recv_timeout(PATIENCE).expect("an event was written");
                assert_eq!(client.take(b"c\r\ndata: tick\n\n\r\n".len()), b"c\r\ndata: tick\n\n\r\n");
                let delay = written.elapsed();
                // Events come singly: let the line fall idle, as it is between real ones.
                thread::sleep(Duration::from_millis(5));
                delay
            })
            .collect();
        delays.sort();
        sizes::figure("median delay of an event", format_args!("{:?}", delays[50]));
        assert!(delays[50] < Duration::from_millis(10), "the median delay is {:?}", delays[50]);
        drop(trigger);
        assert_eq!(client.take(5), b"0\r\n\r\n");
    });
}
