//! `plugboard demo`: a relay, a sidecar and a sample application in one process.

pub mod backend;
