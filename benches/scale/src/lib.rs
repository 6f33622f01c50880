//! A benchmark of what one more costs: a stream, a session, a mount, an octet, as there are 1 to 10,000 of them.
//!
//! ```text
//!  wrk, Kept ──▶ relay ══ links ══▶ sidecar ──▶ nginx        streams, bodies
//!                      ══ links ══▶ scale-crowd              sessions, mounts: many telephones in one process
//! ```
//!
//! Each [`curves::Curve`] has points, and each point is measured with programs of its own, round after round
//! ([`run::Run`]). [`table`] tells the medians, [`plot`] draws them. `benches/scale/run --help` says how it is called.

pub mod axis;
pub mod crowd;
pub mod curves;
pub mod figures;
pub mod ground;
pub mod kept;
pub mod options;
pub mod plot;
pub mod run;
pub mod table;
pub mod telephones;
