//! The relay: where telephones dial in and clients come to them.

pub mod access_log;
pub mod admin;
mod admin_port;
pub mod bench;
pub mod cli;
pub mod demo;
pub mod limits;
mod loopback;
mod memory;
pub mod reload;
#[cfg(test)]
mod scratch;
pub mod secret;
pub mod serve;
pub mod settings;
pub mod telemetry;
pub mod token;
