//! Forwarding fields: what the relay tells a backend about the client that it saw. [H-14]
//!
//! Without them a backend behind a tunnel sees every client as one. With them it believes what they say, so
//! nothing of what a client wrote there itself may pass, in any spelling that a backend could take for the
//! real one, unless the client is a proxy that the operator trusts. [`reserved`] is the list of all such names.

mod client;
mod names;
mod trusted;

use alloc::string::ToString;
use core::fmt;
use core::net::IpAddr;

use bytes::{Bytes, BytesMut};

use crate::message::Headers;
use crate::timing;
use names::{is_reserved, is_unambiguous};
use trusted::BELIEVED;

pub use names::reserved;
pub use trusted::{TrustedField, TrustedFieldError};

/// Room for the fields that a [`Stamp`] adds to most requests.
pub(crate) const FORWARDING_BYTES: usize = 224;
/// Room for one element of `Forwarded`, without the host: most clients come straight to the relay.
const ELEMENT_BYTES: usize = 64;

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
    /// appended, its `-Proto` and `-Host` are kept, and the fields that are trusted by name; `X-Real-IP` is the client
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
    let host = headers.first("host").unwrap_or_default();
    let has_host = !host.is_empty();
    forwarded.reserve(ELEMENT_BYTES + host.len());
    if forwarded.is_empty() && !addresses.is_empty() {
        translate(&addresses, &mut forwarded);
    }
    put_element(&mut forwarded, peer, host, observed.scheme);
    if addresses.is_empty() {
        headers.set("X-Forwarded-For", &peer.text);
    } else {
        separate(&mut addresses);
        addresses.extend_from_slice(&peer.text);
        headers.set("X-Forwarded-For", addresses);
    }
    if !headers.has("x-forwarded-proto") {
        headers.push("X-Forwarded-Proto", observed.scheme.as_str());
    }
    if !headers.has("x-forwarded-host") && has_host {
        headers.push_copy("X-Forwarded-Host", "host");
    }
    headers.set("Forwarded", forwarded);
    match named.filter(|named| *named != peer.address).map(Peer::from) {
        Some(client) => headers.push("X-Real-IP", client.text),
        None => headers.push("X-Real-IP", &peer.text),
    }
    named.unwrap_or(peer.address)
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

/// The hops before the peer where a trusted one only writes the older field: that one translated (RFC 7239 §7.4).
fn translate(addresses: &[u8], forwarded: &mut BytesMut) {
    let texts = addresses.split(|&octet| octet == b',').filter_map(|text| core::str::from_utf8(text).ok());
    for address in texts.filter_map(|text| text.trim().parse::<IpAddr>().ok()) {
        separate(forwarded);
        put_node(forwarded, &address.into());
    }
}

/// Appends one element of `Forwarded` (RFC 7239 §4).
fn put_element(list: &mut BytesMut, peer: &Peer, host: &[u8], scheme: Scheme) {
    separate(list);
    put_node(list, peer);
    // A host that would need escapes is no host: the field goes without.
    if !host.is_empty() && host.iter().all(|octet| octet.is_ascii_graphic() && !matches!(octet, b'"' | b'\\'))
    {
        list.extend_from_slice(b";host=\"");
        list.extend_from_slice(host);
        list.extend_from_slice(b"\"");
    }
    list.extend_from_slice(b";proto=");
    list.extend_from_slice(scheme.as_str().as_bytes());
}

/// Appends an address as a node: IPv6 in brackets and quotes (RFC 7239 §6).
fn put_node(list: &mut BytesMut, peer: &Peer) {
    let (open, close): (&[u8], &[u8]) = match peer.address {
        IpAddr::V4(_) => (b"for=", b""),
        IpAddr::V6(_) => (b"for=\"[", b"]\""),
    };
    list.extend_from_slice(open);
    list.extend_from_slice(&peer.text);
    list.extend_from_slice(close);
}

#[cfg(test)]
mod tests;
