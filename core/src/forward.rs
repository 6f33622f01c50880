//! Forwarding fields: what the relay tells a backend about the client that it saw. [H-14]
//!
//! Without them a backend behind a tunnel sees every client as one. With them it believes what they say, so
//! nothing of what a client wrote there itself may pass, in any spelling that a backend could take for the
//! real one, unless the client is a proxy that the operator trusts.

use alloc::string::ToString;
use core::net::IpAddr;

use bytes::{Bytes, BytesMut};

use crate::message::Headers;
use crate::timing;

/// Room for the fields that a [`Stamp`] adds to most requests.
pub(crate) const FORWARDING_BYTES: usize = 192;
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

    /// Writes `X-Forwarded-For`, `-Proto`, `-Host` and `Forwarded` (RFC 7239) into a request's fields.
    ///
    /// What an untrusted peer wrote there, and its `X-Real-IP`, is removed. To a trusted peer's lists the peer
    /// itself is appended, and its `-Proto` and `-Host` are kept. Internal names (`X-Plugboard-*`) and spellings
    /// with `_`, which CGI-like backends cannot tell apart, are removed from either. Says whether the peer asked for
    /// [timing].
    pub fn put(&mut self, headers: &mut Headers) -> bool {
        let mut is_timed = false;
        headers.retain(|name, value| {
            let is_kept = is_believed(name, self.observed.is_trusted);
            is_timed |= !is_kept && timing::is_ask(name, value);
            is_kept
        });
        if self.observed.is_trusted {
            write(headers, &self.observed);
        } else {
            headers.append(self.of_host(headers.first("host").unwrap_or_default()));
            if self.last.as_wire().len() > BYTES_KEPT {
                self.last = Headers::new();
            }
        }
        is_timed
    }

    /// What is written where nothing but the host is known.
    fn of_host(&mut self, host: &[u8]) -> &Headers {
        let is_known =
            !self.last.is_empty() && self.last.first("x-forwarded-host").unwrap_or_default() == host;
        if !is_known {
            let mut fields = Headers::with_capacity(FORWARDING_BYTES);
            fields.push("host", host);
            write(&mut fields, &self.observed);
            fields.remove("host");
            // A copy has no room that it does not need.
            self.last = fields.clone();
        }
        &self.last
    }
}

/// Adds what was observed to what a head's fields say.
fn write(headers: &mut Headers, observed: &Observed) {
    let peer = &observed.peer;
    let mut addresses = joined(headers, "x-forwarded-for");
    let mut forwarded = joined(headers, "forwarded");
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
}

/// Whether a field may stay.
fn is_believed(name: &[u8], is_trusted: bool) -> bool {
    // Most names are told apart by their first octet.
    if !matches!(name.first().map(plain), Some(b'x' | b'f')) {
        return true;
    }
    let starts = |prefix: &[u8]| {
        name.get(..prefix.len()).is_some_and(|start| start.iter().map(plain).eq(prefix.iter().copied()))
    };
    let is = |whole: &[u8]| name.len() == whole.len() && starts(whole);
    if timing::is_internal(name) {
        return false;
    }
    let is_forwarding = is(b"forwarded") || is(b"x-real-ip") || is(b"x-forwarded") || starts(b"x-forwarded-");
    !is_forwarding || (is_trusted && !name.contains(&b'_'))
}

/// An octet of a name as a backend may fold it.
const fn plain(octet: &u8) -> u8 {
    if *octet == b'_' { b'-' } else { octet.to_ascii_lowercase() }
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
