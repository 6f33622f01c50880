//! The protocol of telephone and plugboard: pure state machines without sockets, clocks or tasks.
#![no_std]
#![cfg_attr(
    not(test),
    warn(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod dialer;
pub mod error;
pub mod forward;
pub mod handshake;
pub mod http1;
pub mod limits;
pub mod message;
pub mod mount;
pub mod queue;
pub mod random;
pub mod router;
pub mod session;
pub mod target;
pub mod time;
pub mod wire;
