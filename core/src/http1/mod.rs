//! HTTP/1.1 without sockets: split-invariant; strict with requests, tolerant of answers (`docs/tolerance.md`).
//!
//! ```text
//!             ┌────────────── plugboard ─────────────┐          ┌──── telephone ─────┐
//!  client ──▶ │ Server: scan → request → body ─ events ══ tunnel ══▶ Client: encode   │ ──▶ backend
//!         ◀── │         encode ◀── respond, write      ══        ══  scan → response  │ ◀──
//!             └──────────────────────────────────────┘          └────────────────────┘
//! ```
//!
//! [`Server`] reads requests and writes responses, [`Client`] the reverse. What they share is in one place
//! each: which octets may stand where (`scan`), what an odd answer means (`lenient`), where a head's parts are (`split`, by httparse), what fields
//! mean to a connection (`fields`), how a body ends (`body`, `chunk`), and how a message is written afresh
//! (`encode`, [`Output`](crate::output::Output)).
//!
//! # The contract
//! * Bytes go in at the front of the socket's read buffer and are taken from it; what is left there
//!   belongs to what comes next. Call `poll_event` after each read and after each verb, until it answers
//!   `None`; stop calling it to exert backpressure.
//! * Bytes come out of [`Output`](crate::output::Output), which the driver writes when it can. Stop writing bodies while it is
//!   long: nothing here bounds it.
//! * [`Closing`] says what becomes of the connection; look at it after each call.
//! * Events are the same for each way to cut the input into reads, but for where body pieces are cut.
//! * After an error nothing that came behind it is interpreted.
//! * A message that cannot be completed is never ended: the connection is reset instead.

mod answer;
mod body;
mod chunk;
mod client;
mod encode;
mod error;
mod fields;
mod host;
mod lenient;
mod line;
mod request;
mod response;
mod scan;
mod server;
mod split;

pub(crate) use encode::{check_request, check_response};
pub(crate) use fields::{H2C, is_connection_field, is_h2c, is_offer, is_offered, is_upgrade, members};
pub(crate) use response::UPGRADE_REQUIRED;
pub(crate) use scan::{is_text, is_token};

pub use answer::OwnAnswer;
pub use client::{Client, ClientEvent};
pub use error::{Malformed, RequestError, ResponseError, Unsendable};
pub use fields::{Version, end_to_end, is_trailer};
pub use lenient::{Excerpt, Odd, Oddity};
pub use line::RefusedLine;
pub use request::RequestOrigin;
pub use server::{AbortCause, Interims, Server, ServerEvent};

/// Whether a request's body goes on behind a response of this status that is complete before it. Many an application answers
/// an upload at once and then reads it. Behind a failure the rest is of no use. (RFC 9112 §9.5) [B-11]
#[must_use]
pub const fn body_goes_on(status: u16) -> bool {
    status >= 200 && status < 400
}

/// What becomes of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closing {
    /// Go on reading and writing.
    Open,
    /// Write the output out, shut down the writing half, call `handle_shutdown`, and go on reading.
    AfterOutput,
    /// The writing half is shut down: go on reading. Input is either an opaque stream that still comes in,
    /// or thrown away, so that no reset overtakes the last answer (RFC 9112 §9.6).
    Lingering,
    /// Close the socket.
    Finished,
    /// Close the socket with a reset (`SO_LINGER` of zero): a message on it is not complete and must not
    /// look as if it were, which a plain close can.
    Reset,
}
