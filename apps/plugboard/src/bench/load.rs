//! One run: starts the connections, watches them, and sums up.

use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use telephone_sidecar::Stop;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep_until};

use super::dial::Dialer;
use super::failed;
use super::interrupt::Interrupt;
use super::plan::{End, Plan};
use super::report::{Figures, Window};
use super::tally::Board;
use super::target::Target;
use super::worker::{Shared, Worker};

/// How often the progress is shown.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(250);
/// A century: no end.
const FOREVER: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// A run that has not begun.
pub(super) struct Load {
    shared: Arc<Shared>,
    plan: Plan,
}

impl Load {
    /// To `target`, which `dialer` has found.
    pub(super) fn new(target: &Target, dialer: Dialer, mut plan: Plan) -> Self {
        if let End::Requests(requests) = plan.end {
            plan.connections = plan.connections.min(usize::try_from(requests).unwrap_or(usize::MAX));
        }
        Self { shared: Arc::new(Shared::new(target, dialer, &plan)), plan }
    }

    /// Runs to the end or to the `interrupt`. `name` stands before the progress.
    pub(super) async fn run(self, name: &str, interrupt: &Interrupt) -> Result<Figures, Stop> {
        let board = Board::new(self.plan.connections).map_err(failed)?;
        let Some(ready) = interrupt.or(self.prepare(&board)).await else {
            return Err(failed("stopped before the first request"));
        };
        let pace = &self.shared.pace;
        let start = Instant::now();
        let _clock = pace.start(start).map_err(failed)?;
        let mut working = JoinSet::new();
        for worker in ready {
            working.spawn(worker.run());
        }
        let mut progress = Progress::new(name, start, self.plan.end);
        let time = match self.plan.end {
            End::Time(time) => time,
            End::Requests(_) => FOREVER,
        };
        let mut end = Box::pin(sleep_until((start + time).into()));
        let mut ticks = interval(PROGRESS_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut window = None;
        loop {
            tokio::select! {
                biased;
                () = interrupt.wait() => {
                    pace.end();
                    break;
                }
                // Answers under way are waited for: without them the slowest would be missing.
                () = &mut end, if window.is_none() => {
                    pace.end();
                    window = Some(Window { time: start.elapsed(), counts: board.counts() });
                }
                _ = ticks.tick() => progress.show(&board),
                joined = working.join_next() => match joined {
                    Some(joined) => joined.map_err(failed)?,
                    None => break,
                },
            }
        }
        progress.clear();
        let window =
            window.unwrap_or_else(|| Window { time: self.spent(start, interrupt), counts: board.counts() });
        Ok(Figures::new(window, &board.sum().map_err(failed)?, pace.unsent()))
    }

    /// The time in which requests were sent, when all is over before its end.
    fn spent(&self, start: Instant, interrupt: &Interrupt) -> Duration {
        match self.plan.end {
            // With a rate the last answer may be there before the time is, and yet nothing more was due in it.
            End::Time(time) if !interrupt.has_come() => time.max(start.elapsed()),
            End::Time(_) | End::Requests(_) => start.elapsed(),
        }
    }

    /// All connections, open as far as that went.
    async fn prepare(&self, board: &Board) -> Vec<Worker> {
        let mut opening = JoinSet::new();
        for connection in 0..self.plan.connections {
            opening.spawn(Worker::new(Arc::clone(&self.shared), board.shard(connection)).prepare());
        }
        opening.join_all().await
    }
}

/// The line on standard error that says how far the run is, if that is a terminal.
struct Progress<'a> {
    name: &'a str,
    start: Instant,
    end: End,
    is_shown: bool,
}

impl<'a> Progress<'a> {
    fn new(name: &'a str, start: Instant, end: End) -> Self {
        Self { name, start, end, is_shown: io::stderr().is_terminal() }
    }

    fn show(&mut self, board: &Board) {
        if !self.is_shown {
            return;
        }
        let (counts, seconds) = (board.counts(), self.start.elapsed().as_secs_f64());
        let whole = match self.end {
            End::Requests(requests) => format!("{requests} requests"),
            End::Time(time) => humantime::format_duration(time).to_string(),
        };
        let rate = counts.answers as f64 / seconds.max(f64::EPSILON);
        // The line is written over, and what a longer one left is wiped.
        let text = format!(
            "\r{}{seconds:.1}s of {whole}: {} answers, {rate:.0}/s, {} errors\x1b[K",
            self.name, counts.answers, counts.mishaps
        );
        let _ = io::stderr().write_all(text.as_bytes());
    }

    fn clear(&self) {
        if self.is_shown {
            let _ = io::stderr().write_all(b"\r\x1b[K");
        }
    }
}
