//! What is on its way on one direction of one connection.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::Instant;

/// Octets that are moved in one go.
pub(super) const PIECE: usize = 256 * 1024;

/// Buffers that are kept to be filled again.
const SPARE_MAX: usize = 64;

/// Octets and the moment at which they arrive. None at all are the end.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) due: Instant,
    pub(super) octets: Vec<u8>,
}

/// The other side takes no more.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Gone;

/// What is on its way, in order.
#[derive(Debug)]
pub(super) struct Queue {
    octets_max: usize,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    pieces: VecDeque<Piece>,
    octets: usize,
    spare: Vec<Vec<u8>>,
    is_gone: bool,
}

impl Queue {
    /// One that takes more only as long as it holds no more than so many octets.
    pub(super) fn of(octets_max: usize) -> Self {
        Self { octets_max, state: Mutex::default(), changed: Condvar::new() }
    }

    /// A buffer for a whole piece, used ones first.
    pub(super) fn buffer(&self) -> Vec<u8> {
        let mut buffer = self.lock().spare.pop().unwrap_or_default();
        buffer.resize(PIECE, 0);
        buffer
    }

    /// Puts a piece on its way, and waits before that while there is too much.
    pub(super) fn push(&self, piece: Piece) -> Result<(), Gone> {
        let is_full = |state: &mut State| state.octets > self.octets_max && !state.is_gone;
        let waited = self.changed.wait_while(self.lock(), is_full);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner);
        if state.is_gone {
            return Err(Gone);
        }
        state.octets += piece.octets.len();
        state.pieces.push_back(piece);
        drop(state);
        self.changed.notify_all();
        Ok(())
    }

    /// Writes each piece when it is due, up to the end.
    ///
    /// # Errors
    /// If `to` takes no more; then nothing can be pushed either.
    pub(super) fn deliver(&self, to: &mut impl Write) -> io::Result<()> {
        loop {
            let piece = self.next();
            sleep(piece.due.saturating_duration_since(Instant::now()));
            if piece.octets.is_empty() {
                return Ok(());
            }
            if let Err(error) = to.write_all(&piece.octets) {
                self.lock().is_gone = true;
                self.changed.notify_all();
                return Err(error);
            }
            self.recycle(piece.octets);
        }
    }

    fn next(&self) -> Piece {
        let mut state = self.lock();
        loop {
            if let Some(piece) = state.pieces.pop_front() {
                return piece;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// What was delivered is no longer on its way.
    fn recycle(&self, octets: Vec<u8>) {
        let mut state = self.lock();
        state.octets -= octets.len();
        if octets.capacity() >= PIECE && state.spare.len() < SPARE_MAX {
            state.spare.push(octets);
        }
        drop(state);
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
