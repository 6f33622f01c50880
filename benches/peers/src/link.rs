//! A link with a round trip and, if wanted, a rate, in user space: what lies between a tunnel's two ends.
//!
//! Each connection is taken and goes on to the target. Octets are delivered half a round trip after they came. As
//! on a real link, what a client sends first leaves after one round trip, which the handshake of TCP takes; the
//! target sees the connection after half of one. TCP itself runs over loopback on both sides, so that nothing is
//! lost, no sender starts slowly, and the windows of TCP are no limit but where a shape says so: what is seen is the
//! delay and what the tunnel itself makes of it.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use crate::failed::{Failed, io};
use crate::patient::retry;

mod queue;

use queue::{PIECE, Piece, Queue};

/// Octets on their way at once at most: more than 1 GB/s holds over a round trip of 200 ms (100 ms each way).
const ON_THEIR_WAY_MAX: usize = 256 * 1024 * 1024;

/// How far the sending side of a link with a rate may run ahead of it: a small router's buffer. What comes beyond it
/// stays with its sender, as nothing is ever lost.
const AHEAD: Duration = Duration::from_millis(10);

/// What a link is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// From one end to the other and back.
    pub round_trip: Duration,
    /// Octets in a second, each way, of all connections together; none is as fast as the machine.
    pub rate: Option<u64>,
    /// Octets that each direction of a connection may have under way in a round trip, as the buffers of TCP at its
    /// ends allow; none is as many as the memory here bears.
    pub in_flight: Option<usize>,
}

impl Shape {
    /// Nothing but a delay.
    pub const fn delay(round_trip: Duration) -> Self {
        Self { round_trip, rate: None, in_flight: None }
    }

    /// Octets that may be on their way from one end to the other, which is half of the time for which they count as
    /// in flight: their acknowledgements take the other half.
    fn on_their_way_max(&self) -> usize {
        self.in_flight.map_or(ON_THEIR_WAY_MAX, |octets| octets / 2)
    }
}

/// A running link; all of its connections end when it is dropped.
#[derive(Debug)]
pub struct Link {
    near: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    target: SocketAddr,
    shape: Shape,
    is_over: AtomicBool,
    /// Both sockets of each connection, by the address that it came from.
    sockets: Mutex<BTreeMap<SocketAddr, [TcpStream; 2]>>,
    out: Lane,
    back: Lane,
}

/// One direction of the link: when the last octet that was sent will have left.
#[derive(Debug)]
struct Lane {
    rate: Option<u64>,
    free_at: Mutex<Instant>,
}

impl Link {
    /// Listens at `near` and brings everything to `target`.
    ///
    /// # Errors
    /// If it cannot listen.
    pub fn start(near: SocketAddr, target: SocketAddr, shape: Shape) -> Result<Self, Failed> {
        let listener = TcpListener::bind(near).map_err(io(format!("to listen at {near}")))?;
        let lane = || Lane { rate: shape.rate, free_at: Mutex::new(Instant::now()) };
        let shared = Arc::new(Shared {
            target,
            shape,
            is_over: AtomicBool::new(false),
            sockets: Mutex::default(),
            out: lane(),
            back: lane(),
        });
        let server = shared.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if server.is_over.load(Ordering::SeqCst) {
                    break;
                }
                let server = server.clone();
                // A connection that cannot be made ends; the one that asked for it sees that.
                thread::spawn(move || server.carry(stream).ok());
            }
        });
        Ok(Self { near, shared })
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::SeqCst);
        for socket in lock(&self.shared.sockets).values().flatten() {
            // It may have ended by itself.
            let _over = socket.shutdown(Shutdown::Both);
        }
        // Wakes the one that listens.
        let _woken = TcpStream::connect(self.near);
    }
}

impl Shared {
    /// Carries one connection to its end.
    fn carry(&self, near: TcpStream) -> std::io::Result<()> {
        let came = Instant::now();
        let way = self.shape.round_trip / 2;
        sleep(way);
        let far = TcpStream::connect(self.target)?;
        near.set_nodelay(true)?;
        far.set_nodelay(true)?;
        let (near_too, far_too) = (near.try_clone()?, far.try_clone()?);
        let client = near.peer_addr()?;
        lock(&self.sockets).insert(client, [near.try_clone()?, far.try_clone()?]);
        if self.is_over.load(Ordering::SeqCst) {
            return Ok(());
        }
        let handshake = came + self.shape.round_trip;
        thread::scope(|scope| {
            scope.spawn(|| self.move_all(&self.out, handshake, near, far));
            self.move_all(&self.back, came, far_too, near_too);
        });
        // A socket that is closed, and not only shut, tells a sender that nobody takes what it sends.
        lock(&self.sockets).remove(&client);
        Ok(())
    }

    /// Moves one direction to its end. Nothing counts as sent before `open`.
    fn move_all(&self, lane: &Lane, open: Instant, from: TcpStream, mut to: TcpStream) {
        let queue = Queue::of(self.shape.on_their_way_max());
        thread::scope(|scope| {
            let (queue, source) = (&queue, &from);
            scope.spawn(move || {
                if queue.deliver(&mut to).is_err() {
                    // Whoever still sends learns of it.
                    let _over = source.shutdown(Shutdown::Both);
                }
                let _over = to.shutdown(Shutdown::Write);
            });
            self.take_all(lane, open, &from, queue);
        });
    }

    fn take_all(&self, lane: &Lane, open: Instant, mut from: &TcpStream, queue: &Queue) {
        let way = self.shape.round_trip / 2;
        let mut buffer = queue.buffer();
        loop {
            let count = retry(|| from.read(&mut buffer)).unwrap_or(0);
            let sent = lane.send(Instant::now().max(open), count);
            let octets = if count * 4 >= PIECE {
                let mut full = std::mem::replace(&mut buffer, queue.buffer());
                full.truncate(count);
                full
            } else {
                buffer[..count].to_vec()
            };
            let is_last = count == 0;
            if queue.push(Piece { due: sent + way, octets }).is_err() || is_last {
                break;
            }
            sleep((sent - AHEAD).saturating_duration_since(Instant::now()));
        }
    }
}

impl Lane {
    /// When so many octets have left that come at `now`, behind those that others have sent.
    fn send(&self, now: Instant, octets: usize) -> Instant {
        let Some(rate) = self.rate else { return now };
        let mut free_at = lock(&self.free_at);
        *free_at = (*free_at).max(now) + Duration::from_secs_f64(octets as f64 / rate as f64);
        *free_at
    }
}

/// What a thread that panicked has left is still sound here.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use telephone_tests::net::free_addr;

    use super::*;
    use crate::sink;
    use crate::transfer::upload;

    fn through(shape: Shape) -> (Link, SocketAddr) {
        let near = free_addr();
        let link = Link::start(near, sink::start().expect("a sink"), shape).expect("a free port");
        (link, near)
    }

    #[test]
    fn an_answer_takes_two_round_trips_one_of_them_for_the_handshake() {
        let round_trip = Duration::from_millis(200);
        let (_link, near) = through(Shape::delay(round_trip));
        let transfer = upload(near, 3_000_000).expect("an answer");
        assert!(transfer.first >= round_trip * 2, "{transfer:?}");
        assert!(transfer.first < round_trip * 20, "{transfer:?}");
    }

    #[test]
    fn a_rate_is_kept_and_used() {
        let rate = 20_000_000;
        let (_link, near) = through(Shape { rate: Some(rate), ..Shape::delay(Duration::ZERO) });
        let transfer = upload(near, rate / 4).expect("an answer");
        assert!(transfer.took >= Duration::from_millis(240), "{transfer:?}");
        assert!(transfer.took < Duration::from_secs(5), "{transfer:?}");
    }

    #[test]
    fn no_more_is_in_flight_than_may_be() {
        let in_flight = Some(1 << 20);
        let (_link, near) = through(Shape { in_flight, ..Shape::delay(Duration::from_millis(50)) });
        let transfer = upload(near, 8 << 20).expect("an answer");
        // Eight windows need seven round trips, less what lies in the buffers of loopback.
        assert!(transfer.took >= Duration::from_millis(200), "{transfer:?}");
    }

    #[test]
    fn the_end_of_a_link_is_the_end_of_its_connections() {
        let (link, near) = through(Shape::delay(Duration::ZERO));
        let mut stream = TcpStream::connect(near).expect("a link");
        stream.write_all(b"GET / HTTP/1.1\r\n\r\n").expect("a link");
        stream.read_exact(&mut [0; 15]).expect("an answer");
        drop(link);
        let mut rest = Vec::new();
        // A reset is an end as well.
        let _ended = stream.read_to_end(&mut rest);
    }
}
