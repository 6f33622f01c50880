//! Telephone on smol: sockets, timers and tasks. Programs on async-std embed this one: both run on the
//! same reactor, and nothing here asks which executor polls it.

mod runtime;

pub use runtime::{Listener, SmolRuntime, Socket};
