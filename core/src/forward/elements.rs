//! The elements of `Forwarded` (RFC 7239 §4): one for each hop, with what is known of it.
//!
//! Backends read this list in different ways: docker-registry takes the first element, tusd and Spring the first `proto` and
//! `host` in the list, Rack the last, code-server the first `host` with its quotes. So the first element, the last one and
//! `X-Forwarded-Proto` and `-Host` name one scheme and one host: those that the client used.

use core::net::IpAddr;
use core::str;

use bytes::BytesMut;

use super::client::Pair;
use super::{Peer, Scheme, joined, separate};
use crate::http1::is_token;
use crate::message::Headers;

/// Room for one element, without the host: most clients connect to the relay itself.
const ELEMENT_BYTES: usize = 64;

/// The URL's scheme and host that a client used, as its request says them.
pub(super) struct Asked {
    /// What the trusted peer wrote in `X-Forwarded-Proto`, all members.
    schemes: BytesMut,
    /// Likewise in `X-Forwarded-Host`.
    hosts: BytesMut,
    /// What the trusted peer's `Forwarded` says first, where the older fields say nothing.
    told: Told<BytesMut>,
}

/// The first `proto` and the first `host` of a list.
#[derive(Default)]
struct Told<T> {
    proto: Option<T>,
    host: Option<T>,
}

impl Asked {
    /// What a request's fields say. A `forwarded` that breaks the grammar, or contradicts the older fields, is written
    /// afresh from those and from the client's address: a front that does not know the field passes a client's.
    pub(super) fn of(
        headers: &Headers,
        addresses: &[u8],
        client: Option<IpAddr>,
        forwarded: &mut BytesMut,
    ) -> Self {
        let schemes = joined(headers, "x-forwarded-proto");
        let hosts = joined(headers, "x-forwarded-host");
        let mut asked = Self { schemes, hosts, told: Told::default() };
        let told = told(forwarded);
        let is_consistent = told.as_ref().is_some_and(|told| {
            agree(told.proto, asked.older_scheme()) && agree(told.host, asked.older_host())
        });
        if let (true, Some(Told { proto, host })) = (is_consistent, told) {
            let (proto, host) = (proto.filter(|it| is_scheme(it)), host.filter(|it| is_host(it)));
            asked.told = Told { proto: proto.map(BytesMut::from), host: host.map(BytesMut::from) };
        } else {
            forwarded.clear();
        }
        if forwarded.is_empty() {
            asked.translate(addresses, client, forwarded);
        }
        asked
    }

    fn older_scheme(&self) -> Option<&[u8]> {
        first(&self.schemes).filter(|scheme| is_scheme(scheme))
    }

    fn older_host(&self) -> Option<&[u8]> {
        first(&self.hosts).filter(|host| is_host(host))
    }

    /// The scheme: the one of the connection to the relay if the trusted peer names none.
    fn scheme(&self, observed: Scheme) -> &[u8] {
        let named = self.older_scheme().or(self.told.proto.as_deref());
        named.unwrap_or(observed.as_str().as_bytes())
    }

    /// The hops before the peer where a trusted one only writes the older fields: those translated (RFC 7239 §7.4). As
    /// many schemes as addresses are one for each hop; otherwise the first is that of the first hop.
    fn translate(&self, addresses: &[u8], client: Option<IpAddr>, forwarded: &mut BytesMut) {
        let members = |list| <[u8]>::split(list, |&byte| byte == b',');
        let is_parallel = members(addresses).count() == members(&self.schemes).count();
        let mut schemes = members(&self.schemes).map(<[u8]>::trim_ascii);
        let (mut host, mut first_scheme) = (self.older_host(), self.older_scheme());
        let texts = members(addresses).map(|text| str::from_utf8(text).unwrap_or_default().trim());
        for text in texts {
            let scheme = schemes.next().filter(|scheme| is_parallel && is_scheme(scheme));
            let Ok(address) = text.parse::<IpAddr>() else { continue };
            put(forwarded, &address.into(), host.take(), first_scheme.take().or(scheme));
        }
        if let Some(client) = client.filter(|_| addresses.is_empty()) {
            put(forwarded, &client.into(), host, first_scheme);
        }
    }

    /// Appends the element of the peer's own hop.
    pub(super) fn append(&self, peer: &Peer, host: &[u8], observed: Scheme, forwarded: &mut BytesMut) {
        let host = self.older_host().or(self.told.host.as_deref()).unwrap_or(host);
        forwarded.reserve(ELEMENT_BYTES.saturating_add(host.len()));
        put(forwarded, peer, Some(host), Some(self.scheme(observed)));
    }

    /// Writes `X-Forwarded-Proto` and `X-Forwarded-Host` where the peer's are missing.
    pub(super) fn write(self, observed: Scheme, headers: &mut Headers) {
        if self.older_scheme().is_none() {
            headers.set("X-Forwarded-Proto", self.scheme(observed));
        }
        if self.hosts.is_empty() {
            match self.told.host {
                Some(host) => headers.set("X-Forwarded-Host", host),
                None if headers.first("host").is_some_and(|host| !host.is_empty()) => {
                    headers.remove("x-forwarded-host");
                    headers.push_copy("X-Forwarded-Host", "host");
                }
                None => {}
            }
        }
    }
}

/// What a list says first; `None` if it breaks the grammar. Text without pairs and quotes says nothing, and hides nothing
/// that is put behind it.
fn told(list: &[u8]) -> Option<Told<&[u8]>> {
    let mut told = Told::default();
    if !list.iter().any(|byte| matches!(byte, b'=' | b'"')) {
        return Some(told);
    }
    for pair in pairs(list) {
        let Pair { name, value, .. } = pair?;
        if name.eq_ignore_ascii_case(b"proto") {
            told.proto = told.proto.or(Some(value));
        } else if name.eq_ignore_ascii_case(b"host") {
            told.host = told.host.or(Some(value));
        }
    }
    Some(told)
}

/// The pairs of a list; `None` in the place of the first that breaks the grammar, and nothing behind it.
pub(super) fn pairs(list: &[u8]) -> impl Iterator<Item = Option<Pair<'_>>> {
    let mut rest = Some(list).filter(|list| !list.is_empty());
    core::iter::from_fn(move || {
        let pair = Pair::first(rest.take()?);
        // A list ends behind a pair, not behind a sign that asks for another one.
        let pair = pair.filter(|pair| pair.end.is_none() || !pair.behind.is_empty());
        rest = pair.as_ref().map(|pair| pair.behind).filter(|behind| !behind.is_empty());
        Some(pair)
    })
}

/// Whether two texts name the same, where both are there.
fn agree(one: Option<&[u8]>, other: Option<&[u8]>) -> bool {
    one.zip(other).is_none_or(|(one, other)| one.eq_ignore_ascii_case(other))
}

fn first(list: &[u8]) -> Option<&[u8]> {
    list.split(|&byte| byte == b',').next().map(<[u8]>::trim_ascii)
}

/// RFC 3986 §3.1.
fn is_scheme(text: &[u8]) -> bool {
    text.first().is_some_and(u8::is_ascii_alphabetic)
        && text.iter().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte))
}

/// A host that would need escapes is invalid.
fn is_host(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|byte| byte.is_ascii_graphic() && !b"\"\\,;".contains(byte))
}

/// Appends one element.
fn put(list: &mut BytesMut, peer: &Peer, host: Option<&[u8]>, scheme: Option<&[u8]>) {
    separate(list);
    put_node(list, peer);
    if let Some(host) = host.filter(|host| is_host(host)) {
        // Quotes only where they must be (RFC 7239 §4): some readers keep them.
        let quote: &[u8] = if is_token(host) { b"" } else { b"\"" };
        [b";host=", quote, host, quote].iter().for_each(|part| list.extend_from_slice(part));
    }
    if let Some(scheme) = scheme {
        list.extend_from_slice(b";proto=");
        list.extend_from_slice(scheme);
    }
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

/// A list without what its elements say of hosts. One that breaks the grammar is nothing.
pub(super) fn without_hosts(list: &[u8]) -> BytesMut {
    let mut kept = BytesMut::with_capacity(list.len());
    // Whether an element that was written is open, and whether any was.
    let mut is_within = false;
    for pair in pairs(list) {
        let Some(Pair { name, whole, end, .. }) = pair else { return BytesMut::new() };
        if !name.eq_ignore_ascii_case(b"host") {
            if is_within {
                kept.extend_from_slice(b";");
            } else {
                separate(&mut kept);
            }
            kept.extend_from_slice(whole);
            is_within = true;
        }
        is_within &= end == Some(b';');
    }
    kept
}
