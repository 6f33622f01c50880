//! Fuzz targets: plain functions that take octets and panic where a law is broken.
//!
//! Under libFuzzer (`fuzz/run`) they search; under `cargo test` they run over the committed corpora. What
//! each one holds against what is in [`TARGETS`] and in TESTING.md. None of them prints, waits or keeps state:
//! the same octets do the same.

mod frames;
mod generate;
mod http;
mod input;
mod memory;
mod recording;
mod reference;
mod session;
mod target;

pub use frames::{frame_decode, frame_round_trip, json_decode};
pub use http::{chunked_body, proxy_transform, request_head, response};
pub use input::{plugboard_input, telephone_input};
pub use recording::recording;
pub use session::{session_hostile, session_pair};
pub use target::target;
pub use telephone_sim::run as world;

/// A target: octets in, a panic if a law is broken.
pub type Target = fn(&[u8]);

/// Every target by the name of its file and its corpus.
pub const TARGETS: &[(&str, Target)] = &[
    ("chunked_body", chunked_body),
    ("frame_decode", frame_decode),
    ("frame_round_trip", frame_round_trip),
    ("json_decode", json_decode),
    ("plugboard_input", plugboard_input),
    ("proxy_transform", proxy_transform),
    ("recording", recording),
    ("request_head", request_head),
    ("response", response),
    ("session_hostile", session_hostile),
    ("session_pair", session_pair),
    ("target", target),
    ("telephone_input", telephone_input),
    ("world", world),
];
