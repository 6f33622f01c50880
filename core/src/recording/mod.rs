//! The flight recorder: a session's inputs on a tape, and a tape's inputs in a session.
//!
//! The core is deterministic, so what a session was given tells all that it did. [`Recorded`] is a session that writes
//! each input to its [`Tape`] before it takes it, and mixes all that comes out into a hash, the trace. [`Replay`] gives
//! the inputs to a session again, whose trace is the same if it does the same.
//!
//! ```text
//!  driver ──▶ Recorded ──▶ Session          Replay ──▶ Recorded ──▶ Session
//!                │ Tape ──▶ Sink: segments ───▶│           └ Tape: the same hash?
//! ```
//!
//! A tape is cut into segments, each of which begins with the session or with a snapshot of its state, so that old ones
//! can be thrown away. What people sent is redacted before it is written: bodies become zeros of the same length, secrets
//! the letter x, in the inputs as in snapshots. Nothing that a session does depends on them. The trace is that of the
//! redacted outputs in any case.

mod format;
mod input;
mod output;
mod pack;
mod plain;
mod recorded;
pub(crate) mod redact;
mod replay;
mod secrets;
mod streams;
mod tape;
pub mod words;

pub use input::Input;
pub use output::Output;
pub use recorded::{Recorded, RecordedRecv, RecordedSend};
pub use replay::{Ending, NotARecording, Outcome, Replay, Witness};
pub use tape::{Sink, Tape, TapeConfig};

#[cfg(test)]
mod tests;
