//! The event loops of telephone and plugboard, each once, generic over futures-io sockets and a
//! [`Runtime`].

pub use telephone_core as core;

mod accept;
mod authority;
mod happy_eyeballs;
mod observe;
mod plugboard_url;
mod runtime;
mod socket;
mod status;
#[cfg(feature = "tls")]
pub mod tls;
mod token;

pub use accept::{WhenFull, accept_loop};
pub use authority::{AuthError, Authority, Grant, LEEWAY};
pub use observe::{AccessRecord, Observer, Unobserved};
pub use plugboard_url::{BadUrl, PlugboardUrl};
pub use runtime::{Endpoint, Listener, Runtime};
pub use socket::{Socket, TcpOrUnix};
pub use status::{LineStatus, State, Status};
pub use token::{Token, TokenSource};
