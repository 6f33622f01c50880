//! Hosts: which authority a request is for.

use alloc::string::String;
use bytes::Bytes;

use crate::mount::{ipv6, is_host_name};

/// Octets of a host name (RFC 1035 §2.3.4).
const HOST_BYTES_MAX: usize = 255;

/// The form of an authority that routing compares: lower-case, without port and trailing dot. `None` if
/// it is not `host [":" port]` with a host made of letters, digits, `-`, `_` and dots, or a bracketed
/// IPv6 address (RFC 3986 §3.2.2, without user information and escapes). [H-15]
pub(super) fn canonical(authority: &[u8]) -> Option<Bytes> {
    let authority = core::str::from_utf8(authority).ok()?;
    if authority.starts_with('[') {
        let (address, port) = ipv6(authority)?;
        return is_port(port).then(|| Bytes::from(address));
    }
    let end = authority.bytes().position(|octet| octet == b':').unwrap_or(authority.len());
    let (name, port) = authority.split_at_checked(end)?;
    is_port(port).then(|| canonical_name(name))?.map(Bytes::from)
}

/// Whether `text` is nothing, or a colon and a port of up to 16 bits, possibly empty (RFC 3986 §3.2.3).
fn is_port(text: &str) -> bool {
    let Some(port) = text.strip_prefix(':') else { return text.is_empty() };
    port.bytes().all(|octet| octet.is_ascii_digit()) && (port.is_empty() || port.parse::<u16>().is_ok())
}

fn canonical_name(name: &str) -> Option<String> {
    let name = name.strip_suffix('.').unwrap_or(name);
    (name.len() <= HOST_BYTES_MAX && is_host_name(name)).then(|| name.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_host_has_one_canonical_form() {
        let rows: [(&str, &str); 8] = [
            ("example.com", "example.com"),
            ("EXAMPLE.com:8080", "example.com"),
            ("example.com.", "example.com"),
            ("example.com.:80", "example.com"),
            ("127.0.0.1:1", "127.0.0.1"),
            ("my_app-1", "my_app-1"),
            ("[2001:DB8:0::1]:443", "[2001:db8::1]"),
            ("a:", "a"),
        ];
        for (given, expected) in rows {
            assert_eq!(canonical(given.as_bytes()).as_deref(), Some(expected.as_bytes()), "{given}");
        }
    }

    #[test]
    fn what_is_no_host_is_none() {
        for given in ["", ".", "a..b", ".a", "a..", "a b", "a@b", "a:x", "a:65536", "ä", "[::1", "[x]"] {
            assert_eq!(canonical(given.as_bytes()), None, "{given}");
        }
    }
}
