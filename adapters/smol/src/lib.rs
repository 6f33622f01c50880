//! Telephone on smol: sockets, timers, tasks, and what a program needs to embed a telephone. Programs on
//! async-std embed this one: both run on the same reactor, and nothing here asks which executor polls it.
//!
//! A handler inside this program:
//! ```no_run
//! use telephone_smol::http::{Request, Response};
//! use telephone_smol::{Incoming, Telephone};
//!
//! # async fn serve() -> Result<(), telephone_smol::EmbedError> {
//! Telephone::builder()
//!     .url("wss://plugboard.example")
//!     .mount("/api")
//!     .token("a JWT from the plugboard's operator")
//!     .serve_fn(async |request: Request<Incoming>| Response::new(format!("{}\n", request.uri())))
//!     .await
//! # }
//! ```
//! [`serve`] takes any tower service over the types of `http` instead, [`forward`] the URL of a backend on
//! this machine, and [`service`] gives a [`Telephone`] that can be watched and shut down by its [`Handle`].
//!
//! [`run_until`] serves until a signal and lets what is in flight finish; [`Handle::events`] tells what happens meanwhile.
//!
//! Raw streams: [`accept`] gives those that others open for a mount of this program, [`Handle::connect`] opens one to a
//! mount of another program.
//!
//! [`run_until`]: telephone_driver::Telephone::run_until
//! [`accept`]: telephone_driver::TelephoneBuilder::accept
//! [`serve`]: telephone_driver::TelephoneBuilder::serve
//! [`forward`]: telephone_driver::TelephoneBuilder::forward
//! [`service`]: telephone_driver::TelephoneBuilder::service

mod runtime;
mod socket;

pub use runtime::{Listener, SmolRuntime, Socket};
pub use socket::ReadWhenReady;
pub use telephone_driver::embedding::*;

/// A telephone on smol.
pub type Telephone = telephone_driver::Telephone<SmolRuntime>;
/// Describes a telephone on smol.
pub type TelephoneBuilder = telephone_driver::TelephoneBuilder<SmolRuntime>;

/// As [`TelephoneBuilder::backend`], compiled in this crate: a program that is built for size calls this, and what each byte of a
/// request passes is built for speed all the same.
///
/// # Errors
/// [`BuildError`], the first mistake that was made.
pub fn build_backend(
    builder: TelephoneBuilder,
    runtime: SmolRuntime,
    backend: BackendUrl,
) -> Result<Telephone, BuildError> {
    builder.backend(runtime, backend)
}

/// Likewise, as [`TelephoneBuilder::raw`].
///
/// # Errors
/// [`BuildError`], the first mistake that was made.
pub fn build_raw(builder: TelephoneBuilder, runtime: SmolRuntime) -> Result<Telephone, BuildError> {
    builder.raw(runtime)
}
