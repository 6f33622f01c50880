//! Telephone on tokio: sockets, timers and tasks.

mod runtime;
#[cfg(feature = "signals")]
mod signals;
mod socket;

pub use runtime::{Listener, Socket, TokioRuntime};
#[cfg(feature = "signals")]
pub use signals::stop_signals;
