//! Forwarding fields: what the relay tells a backend about the client that it saw. [H-14]
//!
//! Without them a backend behind a tunnel sees every client as one. With them it believes what they say, so
//! nothing of what a client wrote there itself may pass, in any spelling that a backend could take for the
//! real one, unless the client is a proxy that the operator trusts. [`reserved`] is the list of all such names.

mod client;
mod elements;
mod names;
mod trusted;

use alloc::string::ToString;
use core::fmt;
use core::net::IpAddr;

use bytes::{Bytes, BytesMut};

use crate::message::Headers;
use crate::timing;
use elements::Asked;
use names::{is_reserved, is_unambiguous};
use trusted::BELIEVED;

pub use names::reserved;
pub use trusted::{TrustedField, TrustedFieldError};

/// Room for the fields that a [`Stamp`] adds to most requests, and for `traceparent`.
pub(crate) const FORWARDING_BYTES: usize = 296;
/// Octets that are kept for a connection's next request: hosts of more than some 200 are not worth it.
const BYTES_KEPT: usize = 512;

/// How a client reached the relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// In clear.
    Http,
    /// Over TLS.
    Https,
}

impl Scheme {
    /// The scheme as a URL has it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// A client's address with its text, which every request of its connection is stamped with.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Peer {
    address: IpAddr,
    text: Bytes,
}

impl From<IpAddr> for Peer {
    fn from(address: IpAddr) -> Self {
        let address = address.to_canonical();
        Self { address, text: address.to_string().into() }
    }
}

/// What the relay observed of a client's connection.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Observed {
    /// The peer's address.
    pub peer: Peer,
    /// How it came.
    pub scheme: Scheme,
    /// Whether it is a proxy whose own forwarding fields are believed (`--trust`).
    pub is_trusted: bool,
}

/// Whom the relay believes about clients, and what.
#[derive(Clone, Copy)]
pub struct Trusted<'a> {
    /// Whether the proxy at an address is trusted.
    pub proxies: &'a dyn Fn(IpAddr) -> bool,
    /// Fields that pass from trusted peers alone, beside those that are always believed.
    pub fields: &'a [TrustedField],
}

impl fmt::Debug for Trusted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trusted").field("fields", &self.fields).finish_non_exhaustive()
    }
}

impl Trusted<'_> {
    /// Nobody, and nothing.
    pub const NOBODY: Self = Self { proxies: &|_| false, fields: &[] };

    /// Whether a field of a request may stay.
    fn keeps(&self, name: &[u8], is_trusted: bool) -> bool {
        let mut is_named = self.fields.iter().map(|field| field.is(name));
        if is_reserved(name) {
            let is_believed = || BELIEVED.iter().any(|known| name.eq_ignore_ascii_case(known));
            return is_trusted && is_unambiguous(name) && (is_believed() || is_named.any(|is| is));
        }
        !is_named.any(|is| is) || (is_trusted && is_unambiguous(name))
    }

    /// Removes what only the relay or its front may say from the trailers of a request, of a trusted peer too: no
    /// proxy writes there, and some backends merge trailers into the head.
    pub fn clear_trailers(&self, trailers: &mut Headers) {
        trailers.retain(|name, _| self.keeps(name, false));
    }
}

/// What a request says about its client, once it is stamped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamped {
    /// Whether it asked for [timing].
    pub is_timed: bool,
    /// The client's address: the peer's, or the one that a trusted peer names.
    pub client: IpAddr,
}

/// What the requests of one connection are stamped with.
#[derive(Debug)]
pub struct Stamp {
    observed: Observed,
    /// What was written for the last request of a peer that is not trusted: most ask for one host.
    last: Headers,
}

impl Stamp {
    /// Of a connection that was observed so.
    #[must_use]
    pub const fn new(observed: Observed) -> Self {
        Self { observed, last: Headers::new() }
    }

    /// Writes `X-Forwarded-For`, `-Proto`, `-Host`, `Forwarded` (RFC 7239) and `X-Real-IP` into a request's fields.
    ///
    /// All [reserved] names that an untrusted peer wrote are removed. To a trusted peer's lists the peer itself is
    /// appended, its `-Proto` and `-Host` are kept and said in `Forwarded` likewise, and the fields that are trusted by name; `X-Real-IP` is the client
    /// that its lists name: the rightmost address that is not trusted. Internal names (`X-Plugboard-*`) and spellings with
    /// other signs than `-`, which CGI-like backends cannot tell apart, are removed from either.
    pub fn put(&mut self, headers: &mut Headers, trusted: Trusted<'_>) -> Stamped {
        let mut is_timed = false;
        let is_trusted = self.observed.is_trusted;
        headers.retain(|name, value| {
            let is_kept = trusted.keeps(name, is_trusted);
            is_timed |= !is_kept && timing::is_ask(name, value);
            is_kept
        });
        let client = if is_trusted {
            write(headers, &self.observed, trusted.proxies)
        } else {
            headers.append(self.of_host(headers.first("host").unwrap_or_default()));
            if self.last.as_wire().len() > BYTES_KEPT {
                self.last = Headers::new();
            }
            self.observed.peer.address
        };
        Stamped { is_timed, client }
    }

    /// What is written where nothing but the host is known.
    fn of_host(&mut self, host: &[u8]) -> &Headers {
        let is_known =
            !self.last.is_empty() && self.last.first("x-forwarded-host").unwrap_or_default() == host;
        if !is_known {
            let mut fields = Headers::with_capacity(FORWARDING_BYTES);
            fields.push("host", host);
            write(&mut fields, &self.observed, Trusted::NOBODY.proxies);
            fields.remove("host");
            // A copy has no room that it does not need.
            self.last = fields.clone();
        }
        &self.last
    }
}

/// Adds what was observed to what a head's fields say, and returns the client's address.
fn write(headers: &mut Headers, observed: &Observed, is_proxy: &dyn Fn(IpAddr) -> bool) -> IpAddr {
    let peer = &observed.peer;
    let mut addresses = joined(headers, "x-forwarded-for");
    let mut forwarded = joined(headers, "forwarded");
    let named = client::named(&addresses, &forwarded, is_proxy);
    let asked = Asked::of(headers, &addresses, named, &mut forwarded);
    asked.append(peer, headers.first("host").unwrap_or_default(), observed.scheme, &mut forwarded);
    if addresses.is_empty() {
        headers.set("X-Forwarded-For", &peer.text);
    } else {
        separate(&mut addresses);
        addresses.extend_from_slice(&peer.text);
        headers.set("X-Forwarded-For", addresses);
    }
    asked.write(observed.scheme, headers);
    headers.set("Forwarded", forwarded);
    match named.filter(|named| *named != peer.address).map(Peer::from) {
        Some(client) => headers.push("X-Real-IP", client.text),
        None => headers.push("X-Real-IP", &peer.text),
    }
    named.unwrap_or(peer.address)
}

/// Removes what the forwarding fields say of the client's host, and leaves addresses and schemes.
pub(crate) fn clear_hosts(headers: &mut Headers) {
    headers.remove("x-forwarded-host");
    if headers.has("forwarded") {
        match elements::without_hosts(&joined(headers, "forwarded")) {
            list if list.is_empty() => headers.remove("forwarded"),
            list => headers.set("Forwarded", list),
        }
    }
}

/// The client's address: `peer`'s, or if that is trusted the one that its request names, as for `X-Real-IP`.
#[must_use]
pub fn client_address(headers: &Headers, peer: IpAddr, is_proxy: &dyn Fn(IpAddr) -> bool) -> IpAddr {
    let peer = peer.to_canonical();
    let named =
        || client::named(&joined(headers, "x-forwarded-for"), &joined(headers, "forwarded"), is_proxy);
    if is_proxy(peer) { named().unwrap_or(peer) } else { peer }
}

/// All values of a list field as one.
fn joined(headers: &Headers, name: &str) -> BytesMut {
    let mut list = BytesMut::new();
    for value in headers.all(name).filter(|value| !value.is_empty()) {
        separate(&mut list);
        list.extend_from_slice(value);
    }
    list
}

/// Makes room for one more member of a list.
fn separate(list: &mut BytesMut) {
    if !list.is_empty() {
        list.extend_from_slice(b", ");
    }
}

#[cfg(test)]
mod tests;
