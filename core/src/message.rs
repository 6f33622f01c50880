//! HTTP messages as structure: what crosses the tunnel instead of HTTP/1.1 bytes.
//!
//! Header names and values are octets, in order, repeated and in the case in which they came. Framing
//! never appears among them: the length of a body is a number, and every message is written afresh on
//! the far side (RFC 9112 §6, the cure for request smuggling).

mod headers;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::http1::is_offered;

pub use headers::{Field, Headers, Iter};

/// `octets` as one of the words that most heads hold, or else as a copy: a head keeps nothing of what it was read from.
pub(crate) fn word(octets: &[u8]) -> Bytes {
    const COMMON: [&[u8]; 13] = [
        b"GET",
        b"OK",
        b"POST",
        b"HEAD",
        b"PUT",
        b"DELETE",
        b"OPTIONS",
        b"PATCH",
        b"Created",
        b"Partial Content",
        b"Not Modified",
        b"Not Found",
        b"websocket",
    ];
    let common = COMMON.iter().find(|common| **common == octets);
    common.map_or_else(|| Bytes::copy_from_slice(octets), |common| Bytes::from_static(common))
}

/// A request's head (RFC 9110 §6): what the telephone's side needs to write the request afresh.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestHead {
    /// Any method token of up to `METHOD_BYTES_MAX` octets.
    pub method: Bytes,
    /// The canonical origin-form target (`/path?query`), or `*`.
    pub target: Bytes,
    /// End-to-end fields, `Host` among them; never framing, never hop-by-hop.
    pub headers: Headers,
    /// The body's length if it was declared; `None` with no body at all, or with one of unknown length. Beside an upgrade it is
    /// that of the body ahead of what follows a 101.
    pub length: Option<u64>,
    /// The protocols of an upgrade that was asked for, the best first, such as `websocket` or `a/2, a/1`.
    pub upgrade: Option<Bytes>,
    /// Whether the client said `TE: trailers`.
    pub wants_trailers: bool,
}

impl RequestHead {
    /// Octets of the direction behind this head, if they are known: what follows a 101 has no length.
    #[must_use]
    pub const fn direction_length(&self) -> Option<u64> {
        if self.upgrade.is_some() { None } else { self.length }
    }

    /// Whether `protocol` is one of those that an upgrade was asked for to.
    #[must_use]
    pub fn offers(&self, protocol: &str) -> bool {
        self.upgrade.as_deref().is_some_and(|offer| is_offered(offer, protocol.as_bytes()))
    }
}

/// A response's head, final or interim (1xx).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResponseHead {
    /// 100 to 999.
    pub status: u16,
    /// The reason phrase as it came, possibly empty.
    pub reason: Bytes,
    /// End-to-end fields; never framing, never hop-by-hop.
    pub headers: Headers,
    /// The declared length, also where no body follows (HEAD, 304: RFC 9110 §8.6).
    pub length: Option<u64>,
    /// The protocol that a 101 switches to, or those that a 426 asks for.
    pub upgrade: Option<Bytes>,
}

impl ResponseHead {
    /// Whether this head is followed by another one: 1xx but not 101 (RFC 9110 §15.2).
    #[must_use]
    pub const fn is_interim(&self) -> bool {
        self.status >= 100 && self.status < 200 && self.status != 101
    }
}
