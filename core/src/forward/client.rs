//! The client's address behind proxies that are trusted.

use core::net::{IpAddr, SocketAddr};
use core::str;

use super::elements::pairs;

/// The client that the trusted proxies name: the rightmost address that is not one of theirs, since each proxy adds the
/// peer that it saw on the right, and what stands left of that is the client's own word. Where all addresses are
/// trusted, the leftmost; what is no address (`unknown`, `_hidden`) hides all that is left of it. `None` if nothing is
/// left.
///
/// `addresses` is `X-Forwarded-For`, `forwarded` is `Forwarded` (RFC 7239), which counts only without the other.
pub(super) fn named(addresses: &[u8], forwarded: &[u8], is_proxy: &dyn Fn(IpAddr) -> bool) -> Option<IpAddr> {
    if addresses.is_empty() {
        return of_forwarded(forwarded, is_proxy);
    }
    let hops = addresses.split(|&byte| byte == b',').map(node);
    hops.fold(None, |so_far, hop| nearer(so_far, hop, is_proxy))
}

/// The client as known with one more hop on the right.
fn nearer(so_far: Option<IpAddr>, hop: Option<IpAddr>, is_proxy: &dyn Fn(IpAddr) -> bool) -> Option<IpAddr> {
    let hop = hop?;
    if is_proxy(hop) { so_far.or(Some(hop)) } else { Some(hop) }
}

/// The same from the elements of `Forwarded`. A list that breaks the grammar names nobody: within a quote that a client
/// left open the proxy's own words would be read as the client's.
fn of_forwarded(list: &[u8], is_proxy: &dyn Fn(IpAddr) -> bool) -> Option<IpAddr> {
    let (mut client, mut hop) = (None, None);
    for pair in pairs(list) {
        let pair = pair?;
        if pair.name.eq_ignore_ascii_case(b"for") {
            hop = node(pair.value);
        }
        if pair.end != Some(b';') {
            client = nearer(client, hop.take(), is_proxy);
        }
    }
    client
}

/// One `name=value` of `Forwarded`.
pub(super) struct Pair<'a> {
    pub(super) name: &'a [u8],
    /// Without quotes.
    pub(super) value: &'a [u8],
    /// Name and value as they stand there.
    pub(super) whole: &'a [u8],
    /// What ends it: `;` within an element, `,` between two, nothing at the end of the list.
    pub(super) end: Option<u8>,
    /// The rest of the list.
    pub(super) behind: &'a [u8],
}

impl<'a> Pair<'a> {
    /// The first of a list; `None` if there is none by the grammar.
    pub(super) fn first(list: &'a [u8]) -> Option<Self> {
        let equals = list.iter().position(|byte| matches!(byte, b'=' | b';' | b',' | b'"'))?;
        let (name, value) = (list.get(..equals)?.trim_ascii(), list.get(equals..)?.strip_prefix(b"=")?);
        let (value, behind) = if let Some(quoted) = value.strip_prefix(b"\"") {
            // No address has an escape in it.
            let end = quoted.iter().position(|byte| matches!(byte, b'"' | b'\\'))?;
            (quoted.get(..end)?, quoted.get(end..)?.strip_prefix(b"\"")?.trim_ascii_start())
        } else {
            let end = value.iter().position(|byte| matches!(byte, b';' | b',' | b'"')).unwrap_or(value.len());
            (value.get(..end)?.trim_ascii_end(), value.get(end..)?)
        };
        let whole = list.get(..list.len().checked_sub(behind.len())?)?.trim_ascii();
        match behind.split_first() {
            None => Some(Self { name, value, whole, end: None, behind }),
            Some((&end @ (b';' | b','), behind)) => {
                Some(Self { name, value, whole, end: Some(end), behind: behind.trim_ascii_start() })
            }
            Some(_) => None,
        }
    }
}

/// An address with or without a port, an IPv6 one with or without brackets (RFC 7239 §6, and what proxies write).
fn node(text: &[u8]) -> Option<IpAddr> {
    let text = str::from_utf8(text).ok()?.trim_ascii();
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse::<IpAddr>().ok();
    let address = address.or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()));
    address.map(|address| address.to_canonical())
}
