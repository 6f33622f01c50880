//! HTTP messages as structure: what crosses the tunnel instead of HTTP/1.1 bytes.
//!
//! Header names and values are octets, in order, repeated and in the case in which they came. Framing
//! never appears among them: the length of a body is a number, and every message is written afresh on
//! the far side (RFC 9112 §6, the cure for request smuggling).

use alloc::vec::Vec;
use bytes::Bytes;

/// One header field: its name in the case in which it came, and its value as octets.
pub type Header = (Bytes, Bytes);

/// Ordered, repeatable header fields (RFC 9110 §5). Names compare without case.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Headers(Vec<Header>);

impl Headers {
    /// No fields.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// No fields, and room for `count`.
    #[must_use]
    pub fn with_capacity(count: usize) -> Self {
        Self(Vec::with_capacity(count))
    }

    /// Appends a field behind all others.
    pub fn push(&mut self, name: impl Into<Bytes>, value: impl Into<Bytes>) {
        self.0.push((name.into(), value.into()));
    }

    /// The fields in order.
    pub fn iter(&self) -> core::slice::Iter<'_, Header> {
        self.0.iter()
    }

    /// The first value of `name`.
    #[must_use]
    pub fn first(&self, name: &str) -> Option<&Bytes> {
        self.0.iter().find(|(n, _)| n.eq_ignore_ascii_case(name.as_bytes())).map(|(_, v)| v)
    }

    /// Every value of `name`, in order.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Bytes> {
        self.0.iter().filter(move |(n, _)| n.eq_ignore_ascii_case(name.as_bytes())).map(|(_, v)| v)
    }

    /// Whether a field `name` is there.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.first(name).is_some()
    }

    /// Removes every field for which `keep` is false.
    pub fn retain(&mut self, keep: impl FnMut(&Header) -> bool) {
        self.0.retain(keep);
    }

    /// Removes every field `name`.
    pub fn remove(&mut self, name: &str) {
        self.retain(|(n, _)| !n.eq_ignore_ascii_case(name.as_bytes()));
    }

    /// Puts `value` where the first field `name` stands and removes the others; appends if there is none.
    pub fn set(&mut self, name: &'static str, value: impl Into<Bytes>) {
        let value = value.into();
        let place = self.0.iter().position(|(n, _)| n.eq_ignore_ascii_case(name.as_bytes()));
        match place {
            Some(at) => {
                let mut index = 0;
                self.0.retain(|(n, _)| {
                    index += 1;
                    index <= at + 1 || !n.eq_ignore_ascii_case(name.as_bytes())
                });
                if let Some((_, old)) = self.0.get_mut(at) {
                    *old = value;
                }
            }
            None => self.push(name.as_bytes(), value),
        }
    }

    /// The number of fields.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no field.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<Vec<Header>> for Headers {
    fn from(fields: Vec<Header>) -> Self {
        Self(fields)
    }
}

impl FromIterator<Header> for Headers {
    fn from_iter<I: IntoIterator<Item = Header>>(iter: I) -> Self {
        Self(iter.into_iter().collect())
    }
}

/// A request's head (RFC 9110 §6): what the telephone's side needs to write the request afresh.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestHead {
    /// Any method token of up to `METHOD_BYTES_MAX` octets.
    pub method: Bytes,
    /// The canonical origin-form target (`/path?query`), or `*`.
    pub target: Bytes,
    /// End-to-end fields, `Host` among them; never framing, never hop-by-hop.
    pub headers: Headers,
    /// The body's length if it was declared; `None` with no body at all, or with one of unknown length.
    pub length: Option<u64>,
    /// The protocol of an upgrade that was asked for, such as `websocket`.
    pub upgrade: Option<Bytes>,
    /// Whether the client said `TE: trailers`.
    pub wants_trailers: bool,
}

/// A response's head, final or interim (1xx).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResponseHead {
    /// 100 to 599.
    pub status: u16,
    /// The reason phrase as it came, possibly empty.
    pub reason: Bytes,
    /// End-to-end fields; never framing, never hop-by-hop.
    pub headers: Headers,
    /// The declared length, also where no body follows (HEAD, 304: RFC 9110 §8.6).
    pub length: Option<u64>,
    /// The protocol that a 101 switches to.
    pub upgrade: Option<Bytes>,
}

impl ResponseHead {
    /// Whether this head is followed by another one: 1xx but not 101 (RFC 9110 §15.2).
    #[must_use]
    pub const fn is_interim(&self) -> bool {
        self.status >= 100 && self.status < 200 && self.status != 101
    }
}
