//! The driver on a virtual runtime.
//!
//! ```text
//!   clients ── virtual TCP ──▶ Plugboard ══ links ══▶ Telephones ── virtual TCP ──▶ backends
//!                         one executor, one clock that jumps, one seed
//! ```
//!
//! Everything between the clients' and the backends' octets is what the programs run: the WebSocket layer, the
//! loops, the registry, parking, retries, resume. Only sockets, time and tasks are virtual, so that any fault can
//! strike at any octet, an hour costs nothing, and a seed says it all.

mod actors;
mod executor;
mod ledger;
mod net;
mod pipe;
mod runtime;
mod scenario;
mod socket;
mod stage;
mod tokens;
mod wire;
mod world;

pub use executor::{Executor, Group, Sleep, TimerClock};
pub use ledger::{After, Ledger, Outcome, Plan};
pub use net::Net;
pub use pipe::{Cut, Fate, Weather, log_uniform};
pub use runtime::VirtualRuntime;
pub use scenario::{Fault, Level, Scenario};
pub use socket::{VirtualListener, VirtualSocket};
pub use stage::{BACKEND_PORT, LINK_PORT, PUBLIC_PORT, Seat, Stage};
pub use tokens::{Issuer, TOKEN_LIFE};
pub use wire::Pace;
pub use world::{Report, run, run_scenario};
