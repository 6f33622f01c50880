//! The event loops of telephone and plugboard, each once, generic over futures-io sockets and a
//! [`Runtime`].

pub use telephone_core as core;

mod accept;
mod happy_eyeballs;
mod runtime;
mod socket;
#[cfg(feature = "tls")]
pub mod tls;

pub use accept::{WhenFull, accept_loop};
pub use runtime::{Endpoint, Listener, Runtime};
pub use socket::{Socket, TcpOrUnix};
