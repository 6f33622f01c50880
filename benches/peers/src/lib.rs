//! A benchmark of telephone and plugboard beside other tunnels and beside proxies.
//!
//! ```text
//!  wrk, transfer ──▶ relay ══ link ══▶ agent ──▶ nginx, sink
//!                    └── a system's line ──┘     the backends
//! ```
//!
//! Each [`systems::System`] is started as a [`line::Line`] on free ports of loopback. Each [`measures::Measure`] is
//! taken of each line in turn, round after round ([`run::Run`]), and [`table`] tells medians and ratios within
//! rounds. `benches/peers/run --help` says how it is called.

pub mod backend;
pub mod failed;
pub mod figures;
pub mod head;
pub mod line;
pub mod link;
pub mod measures;
pub mod options;
pub mod patient;
pub mod proc;
pub mod run;
pub mod sink;
pub mod standing;
pub mod statistics;
pub mod stop;
pub mod systems;
pub mod table;
pub mod transfer;
pub mod wrk;
