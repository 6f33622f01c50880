//! The event loops of telephone and plugboard, each once, generic over futures-io sockets and a
//! [`Runtime`].

pub use telephone_core as core;

mod runtime;

pub use runtime::{Endpoint, Runtime};
