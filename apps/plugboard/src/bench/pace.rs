//! When the next request is to be sent: when a connection is free, or when a clock says so.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Instant;

use tokio::sync::Semaphore;

use super::plan::{Plan, Rate};

/// Hands out the requests of a run, each once.
///
/// With a rate it is open-loop: a request is due at its time, whether or not the answers before it have
/// come. If all connections wait for answers then, it goes late, and its latency counts from when it was
/// due.
pub(super) struct Pace {
    requests_max: u64,
    taken: AtomicU64,
    is_over: AtomicBool,
    clocked: Option<Clocked>,
}

struct Clocked {
    rate: Rate,
    start: OnceLock<Instant>,
    released: AtomicU64,
    due: Semaphore,
    connections: usize,
}

/// The thread that watches the clock; it ends when this is dropped. A timer of tokio would be up to a
/// millisecond late, which is longer than most answers on a local network take.
pub(super) struct Clock {
    _stop: Option<mpsc::Sender<()>>,
}

impl Pace {
    pub(super) fn new(plan: &Plan) -> Self {
        let clocked = |rate| Clocked {
            rate,
            start: OnceLock::new(),
            released: AtomicU64::new(0),
            due: Semaphore::new(0),
            connections: plan.connections,
        };
        Self {
            requests_max: plan.requests_max(),
            taken: AtomicU64::new(0),
            is_over: AtomicBool::new(false),
            clocked: plan.rate.map(clocked),
        }
    }

    /// Waits for a request to send and gives the time from which its latency counts; nothing when there
    /// is none any more. Dropping it loses no request.
    pub(super) async fn next(&self) -> Option<Instant> {
        if let Some(clocked) = &self.clocked {
            clocked.due.acquire().await.ok()?.forget();
        }
        if self.is_over.load(Ordering::Relaxed) {
            return None;
        }
        let number = self.taken.fetch_add(1, Ordering::Relaxed);
        if number >= self.requests_max {
            return None;
        }
        match &self.clocked {
            Some(clocked) => clocked.start.get()?.checked_add(clocked.rate.due(number)),
            None => Some(Instant::now()),
        }
    }

    /// Nothing more is sent.
    pub(super) fn end(&self) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(clocked) = &self.clocked {
            clocked.due.close();
        }
    }

    /// Requests that were due and not sent, since all connections were waiting for answers.
    pub(super) fn unsent(&self) -> u64 {
        let released = self.clocked.as_ref().map_or(0, |clocked| clocked.released.load(Ordering::Relaxed));
        released.saturating_sub(self.taken.load(Ordering::Relaxed))
    }

    /// The first request is due at `start`.
    pub(super) fn start(self: &Arc<Self>, start: Instant) -> io::Result<Clock> {
        let Some(clocked) = &self.clocked else { return Ok(Clock { _stop: None }) };
        // A run starts once.
        let _ = clocked.start.set(start);
        let (stop, stopped) = mpsc::channel();
        let pace = Arc::clone(self);
        thread::Builder::new().name("bench-clock".into()).spawn(move || pace.watch(start, &stopped))?;
        Ok(Clock { _stop: Some(stop) })
    }

    fn watch(&self, start: Instant, stopped: &Receiver<()>) {
        let Some(clocked) = &self.clocked else { return };
        let mut released = 0;
        loop {
            // The next is not due yet; whatever is due by now goes together.
            let due = clocked.rate.due_before(start.elapsed()).min(self.requests_max);
            clocked.release(due - released);
            released = due;
            if released == self.requests_max {
                // No more will come: those who wait for one hear so.
                clocked.due.add_permits(clocked.connections);
                return;
            }
            let rest = clocked.rate.due(released).saturating_sub(start.elapsed());
            if stopped.recv_timeout(rest) != Err(RecvTimeoutError::Timeout) {
                return;
            }
        }
    }
}

impl Clocked {
    fn release(&self, requests: u64) {
        self.released.fetch_add(requests, Ordering::Relaxed);
        // At most a million a second for a day, which fits.
        self.due.add_permits(usize::try_from(requests).unwrap_or(Semaphore::MAX_PERMITS));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::{HeaderMap, Method};

    use super::super::plan::End;
    use super::*;

    fn pace(end: End, rate: Option<f64>) -> Arc<Pace> {
        Arc::new(Pace::new(&Plan {
            connections: 2,
            end,
            rate: rate.map(Rate),
            timeout: Duration::from_secs(1),
            is_keep_alive: true,
            method: Method::GET,
            headers: HeaderMap::new(),
            body_bytes: 0,
        }))
    }

    #[tokio::test]
    async fn as_many_requests_are_handed_out_as_were_asked_for() {
        let pace = pace(End::Requests(3), None);
        for _ in 0..3 {
            assert!(pace.next().await.is_some());
        }
        assert!(pace.next().await.is_none());
        assert_eq!(pace.unsent(), 0);
    }

    #[tokio::test]
    async fn a_request_is_due_at_its_time_however_late_it_is_taken() {
        let pace = pace(End::Requests(4), Some(1000.0));
        // All were due in the past, as if every connection had waited for an answer.
        let start = Instant::now().checked_sub(Duration::from_secs(1)).unwrap();
        let _clock = pace.start(start).unwrap();
        for number in 0..4 {
            assert_eq!(pace.next().await, Some(start + Duration::from_millis(number)));
        }
        // Both connections hear of the end.
        assert!(pace.next().await.is_none() && pace.next().await.is_none());
    }

    #[tokio::test]
    async fn what_was_due_and_never_sent_is_told() {
        let pace = pace(End::Time(Duration::from_secs(1)), Some(100.0));
        let start = Instant::now().checked_sub(Duration::from_secs(2)).unwrap();
        let _clock = pace.start(start).unwrap();
        assert!(pace.next().await.is_some());
        pace.end();
        assert!(pace.next().await.is_none());
        assert_eq!(pace.unsent(), 99);
    }

    #[tokio::test]
    async fn nobody_is_told_to_send_before_the_time() {
        let pace = pace(End::Requests(3), Some(200.0));
        let _clock = pace.start(Instant::now()).unwrap();
        while let Some(due) = pace.next().await {
            assert!(due <= Instant::now());
        }
    }
}
