//! The event loops of telephone and plugboard, each once, generic over futures-io sockets and a
//! [`Runtime`].

pub use telephone_core as core;

mod authority;
mod observe;
mod plugboard_url;
mod runtime;
mod status;
mod token;

pub use authority::{AuthError, Authority, Grant, LEEWAY};
pub use observe::{AccessRecord, Observer, Unobserved};
pub use plugboard_url::{BadUrl, PlugboardUrl};
pub use runtime::{Endpoint, Runtime};
pub use status::{LineStatus, State, Status};
pub use token::{Token, TokenSource};
