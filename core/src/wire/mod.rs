//! What crosses a link: frames, and how they stand in messages.
//!
//! [`Frame`] is the one source of truth. The binary profile writes it here, the JSON profile in `json`, and the rules
//! for what a head may hold are the same:
//!
//! ```text
//! binary   message = ack varint · frame*            one WebSocket binary message, at most 64 KiB
//!          frame   = type varint · length varint · body
//! JSON     message = {"type": …, "data": {…}, "ack": …}      one frame, one text message, at most 128 KiB
//! ```
//!
//! Types 0 to 63 are critical: one that is unknown ends the session. Types from 64 on may be skipped.
//! PROTOCOL.md is the normative text, with golden octets that `core/tests/golden.rs` replays.

mod bounded;
mod frame;
mod frames;
mod head;
mod hello;
mod json;
mod mounts;
mod moving;
mod opening;
mod profile;
mod rules;
mod scope;
mod site;
mod stats;
pub mod varint;

pub(crate) use frame::put_data_head;
pub use frame::{Frame, StreamId, skippable};
pub use frames::Frames;
pub use hello::{Hello, Refused, RefusedCode, Resume, Setting, Settings, Welcome};
pub use mounts::Mounts;
pub use moving::Move;
pub use opening::Opening;

pub use profile::Profile;
pub use rules::HeadRules;
pub use scope::Scope;
pub use site::{MountUrl, Site};
pub use stats::Stats;

/// The type of a data frame.
pub(crate) const DATA: u64 = frame::kind::DATA;

pub(crate) use head::{response_size, trailers_size};
pub(crate) use opening::size as opening_size;
pub(crate) use rules::{check_fields, check_opening, check_response};
