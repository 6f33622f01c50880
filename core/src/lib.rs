//! The protocol of telephone and plugboard: pure state machines without sockets, clocks or tasks.
//!
//! ```text
//!  client ─▶ http1::Server ─▶ Router ─▶ Session ═══ link ═══ Session ─▶ http1::Client ─▶ backend
//!            └─────────── plugboard ───────────┘      └── telephone ──┘     Dialer: when to dial
//! ```
//!
//! Each is a value that takes inputs (`handle_*`, and the verbs of the application) and is asked for outputs
//! (`poll_*`). Time is an argument, a seed is an argument, and nothing waits: whoever drives it owns the
//! sockets and the timers. The run loop of a [`session`], here with two of them and a link that is a
//! function call:
//!
//! ```
//! use bytes::Bytes;
//! use telephone_core::limits::SessionLimits;
//! use telephone_core::session::{Event, Incoming, Role, Session, SessionConfig};
//! use telephone_core::{time::Timestamp, wire::{Opening, Profile, Settings}};
//!
//! let now = Timestamp::ZERO;
//! let limits = SessionLimits::default();
//! let peer = Settings::of(&limits); // What the handshake told of the other end.
//! let resume_window = limits.resume_window;
//! let (role, profile) = (Role::Plugboard, Profile::Binary);
//! let config = SessionConfig { role, profile, limits, peer, seed: 1, resume_window };
//! let mut telephone = Session::new(SessionConfig { role: Role::Telephone, ..config.clone() }, now);
//! let mut plugboard = Session::new(config, now);
//! let link = plugboard.link().expect("a new session has a link");
//!
//! let id = plugboard.open(Opening::Tcp { mount: Bytes::from_static(b"tcp:7"), from: None }, false, now)?;
//! plugboard.send(id).write(&mut Bytes::from_static(b"hello"))?;
//!
//! // As long as the link takes messages, each end says what it has to say.
//! while let Some(message) = plugboard.poll_transmit(link, now) {
//!     telephone.handle_message(link, message, now);
//! }
//! // Then events say what can be done. A driver also sleeps until `poll_timeout`.
//! assert_eq!(telephone.poll_event(), Some(Event::Opened));
//! assert_eq!(telephone.accept().map(|accepted| accepted.id), Some(id));
//! assert_eq!(telephone.poll_event(), Some(Event::Readable(id)));
//! assert_eq!(telephone.recv(id).peek(), Incoming::Octets(Bytes::from_static(b"hello")));
//! telephone.recv(id).consume(5, now); // They are where they belong: credit goes back.
//! assert_eq!(telephone.buffered(), 0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![no_std]
#![cfg_attr(
    not(test),
    warn(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod address;
pub mod affinity;
pub mod backend_health;
pub mod bound;
pub mod cause;
pub mod claims;
pub mod connections;
pub mod dial_race;
pub mod dial_report;
pub mod dialer;
pub mod error;
pub mod follow;
pub mod forward;
pub mod handshake;
pub mod hint;
pub mod holder_check;
pub mod http1;
pub mod idle_cut;
pub mod isolation;
pub mod limits;
pub mod log_limit;
pub mod login;
pub mod message;
pub mod missing_mounts;
pub mod mount;
pub mod output;
pub mod queue;
pub mod random;
pub mod recording;
pub mod retry;
pub mod reuse;
pub mod rewrite;
pub mod room;
pub mod router;
pub mod send_rate;
pub mod served;
pub mod session;
pub mod site;
pub mod target;
pub mod text;
pub mod time;
pub mod timing;
pub mod token_bucket;
pub mod token_life;
pub mod trace;
pub mod traceparent;
pub mod verification;
pub mod wakefulness;
pub mod websocket;
pub mod wire;
