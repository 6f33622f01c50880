//! The end-to-end suite: the programs as they are shipped, with real parts around them.
//!
//! `tests/run` runs it as CI does. `E2E_FULL=1` asks for the sizes and durations that a release is judged by;
//! `E2E_LINES=straight,telephone,telephone-smol` narrows the ways down while one looks for a fault.

mod agents;
mod backpressure;
mod bodies;
mod causes;
mod claims;
mod connections;
mod crowd;
mod deployment;
mod deploys;
mod descriptors;
mod distrust;
mod doctor;
mod embedding;
mod failures;
mod forwarding;
mod fronts;
mod harness;
mod heads;
mod health_page;
mod hellos;
mod hostile_texts;
mod identity;
mod interim;
mod isolation;
mod logs;
mod mounts;
mod proxies;
mod recordings;
mod refusals;
mod renewals;
mod replicas;
mod resume;
mod revocations;
mod room_access;
mod rooms;
mod services;
mod sidecar_descriptors;
mod speed;
mod statistics;
mod storm;
mod tcp;
mod timing;
mod truncation;
mod upgrades;
