//! The handshake of one link: a hello, then a welcome or a refusal.
//!
//! ```text
//! telephone: Greeting ── hello ──▶ plugboard: Reception
//!                     ◀─ welcome / refused ──
//! ```
//!
//! It ends in a new session, in a session to go on with, or in a refusal after which the telephone may
//! greet again on the same link. Nothing of a session exists before it.

use bytes::Bytes;

use crate::error::Misbehaviour;
use crate::limits::{HANDSHAKE_AHEAD_BYTES_MAX, HANDSHAKE_BYTES_MAX, HANDSHAKE_TIMEOUT};
use crate::time::Timestamp;
use crate::wire::{Frame, Hello, Profile, Refused, Welcome};

/// How a handshake ended for the telephone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// A new session, or one to go on with if [`Welcome::resumed`] says so.
    Welcome(Welcome),
    /// No session.
    Refused(Refused),
}

/// The telephone's side of a handshake.
#[derive(Debug)]
pub struct Greeting {
    profile: Profile,
    deadline: Timestamp,
}

impl Greeting {
    /// Starts a handshake: the message to send, and what waits for its answer.
    #[must_use]
    pub fn start(profile: Profile, hello: Hello, now: Timestamp) -> (Bytes, Self) {
        (message(profile, &Frame::Hello(hello)), Self { profile, deadline: now + HANDSHAKE_TIMEOUT })
    }

    /// When to give up.
    #[must_use]
    pub const fn poll_timeout(&self) -> Timestamp {
        self.deadline
    }

    /// Reads the plugboard's answer.
    ///
    /// # Errors
    /// What rule the plugboard broke; the link is then of no use.
    pub fn handle_message(self, octets: Bytes) -> Result<Answer, Misbehaviour> {
        match only_frame(self.profile, octets)? {
            Frame::Welcome(welcome) => Ok(Answer::Welcome(welcome)),
            Frame::Refused(refused) => Ok(Answer::Refused(refused)),
            _ => Err(Misbehaviour::FrameOutOfPlace),
        }
    }
}

/// The plugboard's side of a handshake.
#[derive(Debug)]
pub struct Reception {
    profile: Profile,
    deadline: Timestamp,
}

impl Reception {
    /// Waits for a hello.
    #[must_use]
    pub fn start(profile: Profile, now: Timestamp) -> Self {
        Self { profile, deadline: now + HANDSHAKE_TIMEOUT }
    }

    /// When to give up.
    #[must_use]
    pub const fn poll_timeout(&self) -> Timestamp {
        self.deadline
    }

    /// Whether a telephone may have sent so many bytes behind its hello before the answer: they wait in memory.
    ///
    /// # Errors
    /// It may not; the link is then of no use.
    pub const fn check_ahead(&self, bytes: usize) -> Result<(), Misbehaviour> {
        if bytes > HANDSHAKE_AHEAD_BYTES_MAX { Err(Misbehaviour::MessageSize) } else { Ok(()) }
    }

    /// Reads the telephone's hello. Answer it with [`welcome`] or [`refuse`].
    ///
    /// # Errors
    /// What rule the telephone broke; the link is then of no use.
    pub fn handle_message(self, octets: Bytes) -> Result<Hello, Misbehaviour> {
        match only_frame(self.profile, octets)? {
            Frame::Hello(hello) => Ok(hello),
            _ => Err(Misbehaviour::FrameOutOfPlace),
        }
    }
}

/// The message that grants a session.
#[must_use]
pub fn welcome(profile: Profile, welcome: Welcome) -> Bytes {
    message(profile, &Frame::Welcome(welcome))
}

/// The message that refuses one.
#[must_use]
pub fn refuse(profile: Profile, refused: Refused) -> Bytes {
    message(profile, &Frame::Refused(refused))
}

/// A message of one handshake frame; nothing was received yet that it could acknowledge.
fn message(profile: Profile, frame: &Frame) -> Bytes {
    profile.write(0, frame)
}

fn only_frame(profile: Profile, octets: Bytes) -> Result<Frame, Misbehaviour> {
    if octets.len() > HANDSHAKE_BYTES_MAX {
        return Err(Misbehaviour::MessageSize);
    }
    let (ack, mut frames) = profile.read(octets)?;
    if ack != 0 {
        return Err(Misbehaviour::AckAhead);
    }
    match (frames.next(), frames.next()) {
        (Some(frame), None) => frame,
        (Some(_), Some(_)) => Err(Misbehaviour::FrameOutOfPlace),
        (None, _) => Err(Misbehaviour::MessageSize),
    }
}

#[cfg(test)]
mod tests;
