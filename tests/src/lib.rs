//! The parts that the end-to-end suite is made of: real processes, real sockets, real nginx and curl.
//!
//! ```text
//!  Client, Curl, WebSocket ──▶ Relay ══▶ Sidecar ──▶ Origin, axum, nginx
//!                          └────────── Line ──────────────────┘
//! ```
//!
//! A [`line::Line`] is one whole way from a client to an [`origin::Origin`]: through `telephone`, through
//! `telephone-smol`, or straight. A test that holds on the straight line and fails on another has found a fault
//! of the tunnel and not of itself.
//!
//! Everything blocks and everything has a deadline; nothing sleeps in the hope that something has happened.

pub mod agent;
pub mod axum_app;
pub mod beside;
pub mod bins;
pub mod certs;
pub mod client;
pub mod curl;
pub mod false_plugboard;
pub mod gate;
pub mod haproxy;
pub mod hop;
pub mod jwt;
pub mod line;
pub mod load;
pub mod namespace;
pub mod net;
pub mod nginx;
pub mod origin;
pub mod parts;
pub mod prf;
pub mod process;
pub mod puppet;
pub mod raw;
pub mod raw_link;
pub mod registry;
pub mod relay;
pub mod request;
pub mod sidecar;
pub mod sizes;
pub mod socks5;
pub mod steady;
pub mod terminal;
pub mod tinyproxy;
pub mod wait;
pub mod websocket;
pub mod wire;
