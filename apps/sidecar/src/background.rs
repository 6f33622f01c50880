//! Lines that a thread writes, so that no event loop waits for a disk, a pipe or a terminal.

use std::io::{self, ErrorKind, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::{mem, thread};

/// How long a stop waits for the last lines: a pipe that nobody reads must not hold the process.
const STOP_TIMEOUT: Duration = Duration::from_secs(1);
/// How soon a descriptor that is full and does not block is tried again: another process may have set `O_NONBLOCK` on it.
const FULL_INTERVAL: Duration = Duration::from_millis(20);

/// When lines are written, and how many may wait.
#[derive(Debug, Clone, Copy)]
pub struct Batching {
    /// Bytes that may wait. As many again may be in the thread's hands.
    pub bytes_max: usize,
    /// Bytes that are written without a delay.
    pub batch_bytes: usize,
    /// How long fewer bytes wait for more.
    pub delay: Duration,
}

/// Where lines go. All methods run on the thread.
pub trait Sink: Send + 'static {
    /// The place for the next lines, opened anew if that is due or if `reopens`.
    ///
    /// # Errors
    /// It cannot be opened. The lines that wait are dropped.
    fn output(&mut self, reopens: bool) -> io::Result<&mut dyn Write>;

    /// Lines were written after this many were dropped.
    fn on_resumed(&mut self, dropped: u64);

    /// Lines were dropped for this error.
    fn on_error(&mut self, error: &io::Error) {
        let _ = error;
    }
}

/// The end of the callers, who never wait. Dropping it writes what waits, for at most a second.
#[derive(Debug)]
pub struct BackgroundWriter(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    batching: Batching,
    state: Mutex<State>,
    /// The thread waits for lines or an order.
    work: Condvar,
    /// A flush waits for the thread.
    written: Condvar,
    dropped: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    lines: Vec<u8>,
    /// Lines that were dropped since some were last written.
    untold: u64,
    /// Whether the thread waits for a first line, and so must be woken for it.
    is_idle: bool,
    /// Whether somebody waits until all lines are written.
    is_flushing: bool,
    reopens: bool,
    is_closed: bool,
}

impl BackgroundWriter {
    /// Starts the thread.
    ///
    /// # Errors
    /// There is no room for a thread.
    pub fn spawn(name: &str, batching: Batching, sink: impl Sink) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            batching,
            state: Mutex::default(),
            work: Condvar::new(),
            written: Condvar::new(),
            dropped: AtomicU64::new(0),
        });
        let writer = Self(Arc::clone(&shared));
        thread::Builder::new().name(name.into()).spawn(move || write_batches(&shared, sink))?;
        Ok(writer)
    }

    /// Takes the line that `format` appends, or drops it if too many wait. Never waits for the place.
    pub fn append(&self, format: impl FnOnce(&mut Vec<u8>)) {
        let Batching { bytes_max, batch_bytes, .. } = self.0.batching;
        let mut state = self.0.lock();
        let before = state.lines.len();
        if before < bytes_max {
            format(&mut state.lines);
        }
        let after = state.lines.len();
        if before >= bytes_max || after > bytes_max {
            state.lines.truncate(before);
            state.untold += 1;
            self.0.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let is_full = before < batch_bytes && after >= batch_bytes;
        if mem::take(&mut state.is_idle) || is_full {
            drop(state);
            self.0.work.notify_one();
        }
    }

    /// Lines that were dropped since the start.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.0.dropped.load(Ordering::Relaxed)
    }

    /// Has the place opened anew, for it may have been moved away.
    pub fn reopen(&self) {
        self.0.lock().reopens = true;
        self.0.work.notify_one();
    }

    /// Waits until all lines are written, for at most a second.
    pub fn flush(&self) {
        self.finish(false);
    }

    fn finish(&self, closes: bool) {
        let mut state = self.0.lock();
        (state.is_flushing, state.is_closed) = (true, state.is_closed || closes);
        self.0.work.notify_one();
        let _ = self.0.written.wait_timeout_while(state, STOP_TIMEOUT, |state| state.is_flushing);
    }
}

impl Drop for BackgroundWriter {
    fn drop(&mut self) {
        self.finish(true);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for lines and takes them in exchange for `batch`, which is empty. Tells whether the place is to be opened anew;
    /// `None` at the end.
    fn next(&self, batch: &mut Vec<u8>) -> Option<bool> {
        let mut state = self.lock();
        while state.lines.is_empty() && !state.reopens {
            if mem::take(&mut state.is_flushing) {
                self.written.notify_all();
            }
            if state.is_closed {
                return None;
            }
            state.is_idle = true;
            state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.is_idle = false;
        let waits = |state: &mut State| {
            let is_due = state.is_flushing || state.is_closed || state.reopens;
            !is_due && state.lines.len() < self.batching.batch_bytes
        };
        let waited = self.work.wait_timeout_while(state, self.batching.delay, waits);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        mem::swap(&mut state.lines, batch);
        Some(mem::take(&mut state.reopens))
    }

    /// Lines that were dropped, to be told of now. Not while the place is nearly full: the line that
    /// tells would be dropped, too.
    fn tell(&self) -> u64 {
        let mut state = self.lock();
        if state.lines.len() > self.batching.bytes_max / 2 { 0 } else { mem::take(&mut state.untold) }
    }

    fn drop_lines(&self, lines: u64) {
        self.dropped.fetch_add(lines, Ordering::Relaxed);
        self.lock().untold += lines;
    }
}

/// Writes until the last line of a closed writer.
fn write_batches(shared: &Shared, mut sink: impl Sink) {
    let mut batch = Vec::new();
    let mut is_torn = false;
    while let Some(reopens) = shared.next(&mut batch) {
        let mut rest = batch.as_slice();
        let result = sink.output(reopens).and_then(|out| {
            if mem::take(&mut is_torn) {
                write_whole(out, &mut &b"\n"[..])?;
            }
            write_whole(out, &mut rest)
        });
        if let Err(error) = result {
            // What follows a line of which a part was written begins on a line of its own, and no line comes twice.
            is_torn |= rest.len() < batch.len() && !batch[..batch.len() - rest.len()].ends_with(b"\n");
            shared.drop_lines(rest.iter().filter(|byte| **byte == b'\n').count() as u64);
            sink.on_error(&error);
        } else if !batch.is_empty() {
            let untold = shared.tell();
            if untold > 0 {
                sink.on_resumed(untold);
            }
        }
        batch.clear();
        batch.shrink_to(2 * shared.batching.batch_bytes);
    }
}

/// Writes `rest`, and takes from it what was written.
fn write_whole(out: &mut dyn Write, rest: &mut &[u8]) -> io::Result<()> {
    while !rest.is_empty() {
        match out.write(rest) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(written) => *rest = rest.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(FULL_INTERVAL),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
