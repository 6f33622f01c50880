//! Telephone on tokio: sockets, timers, tasks, and what a program needs to embed a telephone.
//!
//! A handler inside this program, any tower service over the types of `http`:
//! ```no_run
//! use axum::{Router, routing::get};
//! use telephone_tokio::Telephone;
//!
//! # async fn serve() -> Result<(), telephone_tokio::EmbedError> {
//! let app = Router::new().route("/api/hello", get(async || "Hello"));
//! Telephone::builder()
//!     .url("wss://plugboard.example")
//!     .mount("/api")
//!     .token("a JWT from the plugboard's operator")
//!     .serve(app)
//!     .await
//! # }
//! ```
//! [`serve_fn`] takes an async closure instead, [`forward`] the URL of a backend on this machine, and
//! [`service`] gives a [`Telephone`] that can be watched and shut down by its [`Handle`].
//!
//! [`run_until`] serves until a signal and lets what is in flight finish; [`Handle::events`] tells what happens meanwhile.
//!
//! Raw streams: [`accept`] gives those that others open for a mount of this program, [`Handle::connect`] opens one to a
//! mount of another program. [`Stream`] makes either a tokio one.
//!
//! [`run_until`]: telephone_driver::Telephone::run_until
//! [`accept`]: telephone_driver::TelephoneBuilder::accept
//! [`serve_fn`]: telephone_driver::TelephoneBuilder::serve_fn
//! [`forward`]: telephone_driver::TelephoneBuilder::forward
//! [`service`]: telephone_driver::TelephoneBuilder::service

mod runtime;
#[cfg(feature = "signals")]
mod signals;
mod socket;
mod stream;

pub use runtime::{Listener, Socket, TokioRuntime};
#[cfg(feature = "signals")]
pub use signals::{hangups, stop_signals};
pub use stream::Stream;
pub use telephone_driver::embedding::*;

/// A telephone on tokio.
pub type Telephone = telephone_driver::Telephone<TokioRuntime>;
/// Describes a telephone on tokio.
pub type TelephoneBuilder = telephone_driver::TelephoneBuilder<TokioRuntime>;

/// As [`TelephoneBuilder::backend`], compiled in this crate: a program that is built for size calls this, and what each byte of a
/// request passes is built for speed all the same.
///
/// # Errors
/// [`BuildError`], the first mistake that was made.
pub fn build_backend(
    builder: TelephoneBuilder,
    runtime: TokioRuntime,
    backend: BackendUrl,
) -> Result<Telephone, BuildError> {
    builder.backend(runtime, backend)
}

/// Likewise, as [`TelephoneBuilder::raw`].
///
/// # Errors
/// [`BuildError`], the first mistake that was made.
pub fn build_raw(builder: TelephoneBuilder, runtime: TokioRuntime) -> Result<Telephone, BuildError> {
    builder.raw(runtime)
}
