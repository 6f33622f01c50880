//! The binary profile `telephone.v1`: messages, frames, varints, heads.
//!
//! ```text
//! message = ack varint · frame*            one WebSocket binary message, at most 64 KiB
//! frame   = type varint · length varint · body
//! ```
//!
//! Types 0 to 63 are critical: one that is unknown ends the session. Types from 64 on may be skipped.
//! PROTOCOL.md is the normative text, with golden octets that `core/tests/golden.rs` replays.

mod bounded;
mod frame;
mod head;
mod hello;
mod opening;
mod rules;
pub mod varint;

pub use frame::{Frame, Frames, StreamId, skippable};
pub use hello::{Hello, Refused, RefusedCode, Resume, Setting, Settings, Welcome};
pub use opening::Opening;

pub(crate) use head::{response_size, trailers_size};
pub(crate) use opening::size as opening_size;
pub(crate) use rules::{check_fields, check_opening, check_response};

/// The WebSocket subprotocol that names this profile.
pub const SUBPROTOCOL: &str = "telephone.v1";
