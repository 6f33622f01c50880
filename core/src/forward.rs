//! Forwarding fields: what the relay tells a backend about the client that it saw. [H-14]
//!
//! Without them a backend behind a tunnel sees every client as one. With them it believes what they say, so
//! nothing of what a client wrote there itself may pass, in any spelling that a backend could take for the
//! real one, unless the client is a proxy that the operator trusts.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::IpAddr;

use crate::message::Headers;

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

/// What the relay observed of a client's connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Observed {
    /// The peer's address.
    pub peer: IpAddr,
    /// How it came.
    pub scheme: Scheme,
    /// Whether it is a proxy whose own forwarding fields are believed (`--trust`).
    pub is_trusted: bool,
}

/// Writes `X-Forwarded-For`, `-Proto`, `-Host` and `Forwarded` (RFC 7239) into a request's fields.
///
/// What an untrusted peer wrote there, and its `X-Real-IP`, is removed. To a trusted peer's lists the peer
/// itself is appended, and its `-Proto` and `-Host` are kept. Internal names (`X-Plugboard-*`) and spellings
/// with `_`, which CGI-like backends cannot tell apart, are removed from either.
pub fn stamp(headers: &mut Headers, observed: &Observed) {
    headers.retain(|(name, _)| is_believed(name, observed.is_trusted));
    let peer = observed.peer.to_canonical();
    let host = headers.first("host").cloned().unwrap_or_default();
    let addresses = joined(headers, "x-forwarded-for");
    let elements = elements(headers, &addresses).into_iter().chain([element(peer, &host, observed.scheme)]);
    let forwarded: Vec<u8> = elements.collect::<Vec<_>>().join(&b", "[..]);
    let mut addresses = addresses;
    if !addresses.is_empty() {
        addresses.extend_from_slice(b", ");
    }
    addresses.extend_from_slice(peer.to_string().as_bytes());
    headers.set("X-Forwarded-For", addresses);
    if !headers.has("x-forwarded-proto") {
        headers.push(&b"X-Forwarded-Proto"[..], observed.scheme.as_str().as_bytes());
    }
    if !headers.has("x-forwarded-host") && !host.is_empty() {
        headers.push(&b"X-Forwarded-Host"[..], host);
    }
    headers.set("Forwarded", forwarded);
}

/// Whether a field may stay.
fn is_believed(name: &[u8], is_trusted: bool) -> bool {
    let plain: Vec<u8> = name.iter().map(|&octet| plain(octet)).collect();
    if plain.starts_with(b"x-plugboard-") {
        return false;
    }
    let is_forwarding = plain == b"forwarded"
        || plain == b"x-real-ip"
        || plain == b"x-forwarded"
        || plain.starts_with(b"x-forwarded-");
    !is_forwarding || (is_trusted && !name.contains(&b'_'))
}

/// An octet of a name as a backend may fold it.
const fn plain(octet: u8) -> u8 {
    if octet == b'_' { b'-' } else { octet.to_ascii_lowercase() }
}

/// All values of a list field as one.
fn joined(headers: &Headers, name: &str) -> Vec<u8> {
    headers
        .all(name)
        .map(|value| &value[..])
        .filter(|value| !value.is_empty())
        .collect::<Vec<_>>()
        .join(&b", "[..])
}

/// The hops before the peer: what a trusted peer's `Forwarded` says, or, where it only writes the older
/// field, that one translated (RFC 7239 §7.4).
fn elements(headers: &Headers, addresses: &[u8]) -> Vec<Vec<u8>> {
    let forwarded = joined(headers, "forwarded");
    if !forwarded.is_empty() {
        return Vec::from([forwarded]);
    }
    let texts = addresses.split(|&octet| octet == b',').filter_map(|text| core::str::from_utf8(text).ok());
    let addresses = texts.filter_map(|text| text.trim().parse::<IpAddr>().ok());
    addresses.map(|address| format!("for={}", node(address)).into_bytes()).collect()
}

/// One element of `Forwarded` (RFC 7239 §4).
fn element(peer: IpAddr, host: &[u8], scheme: Scheme) -> Vec<u8> {
    let mut element = format!("for={}", node(peer)).into_bytes();
    // A host that would need escapes is no host: the field goes without.
    if !host.is_empty() && host.iter().all(|octet| octet.is_ascii_graphic() && !matches!(octet, b'"' | b'\\'))
    {
        element.extend_from_slice(b";host=\"");
        element.extend_from_slice(host);
        element.push(b'"');
    }
    element.extend_from_slice(format!(";proto={}", scheme.as_str()).as_bytes());
    element
}

/// An address as a node: IPv6 in brackets and quotes (RFC 7239 §6).
fn node(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("\"[{address}]\""),
    }
}

#[cfg(test)]
mod tests;
