//! Telephone on tokio: sockets, timers and tasks.

mod runtime;
mod socket;

pub use runtime::{Listener, Socket, TokioRuntime};
