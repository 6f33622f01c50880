//! What a codec says and what a reference says, held against each other.

use bytes::Bytes;
use telephone_core::http1::{RequestOrigin, Version};
use telephone_core::message::{Headers, RequestHead, ResponseHead};

use crate::reference::fields::Framing;
use crate::reference::request::Request;
use crate::reference::response::Response;
use crate::reference::split_at_first;

/// Fields as the reference has them.
pub(super) fn pairs(headers: &Headers) -> Vec<(Vec<u8>, Vec<u8>)> {
    headers.iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect()
}

pub(super) fn owned(octets: Option<&Bytes>) -> Option<Vec<u8>> {
    octets.map(|octets| octets.to_vec())
}

/// A request that was accepted is what the reference reads.
pub(super) fn assert_same_request(head: &RequestHead, end: bool, origin: &RequestOrigin, read: &Request) {
    assert_eq!(head.method, read.method);
    assert_eq!(head.target, read.target);
    assert_eq!(pairs(&head.headers), read.fields);
    let length = match read.framing {
        Framing::Length(length) if read.upgrade.is_none() || length > 0 => Some(length),
        Framing::Length(_) | Framing::Chunked | Framing::Nothing => None,
    };
    assert_eq!(head.length, length);
    assert_eq!(owned(head.upgrade.as_ref()), read.upgrade);
    assert_eq!(head.wants_trailers, read.wants_trailers);
    assert_eq!(owned(origin.host.as_ref()), read.host);
    assert_eq!(origin.version == Version::Http10, read.is_http10);
    let has_body = !matches!(read.framing, Framing::Nothing | Framing::Length(0));
    assert_eq!(end, !has_body && read.upgrade.is_none());
}

/// A response that was accepted is what the reference reads.
pub(super) fn assert_same_response(head: &ResponseHead, read: &Response) {
    assert_eq!(head.status, read.status);
    assert_eq!(head.reason, read.reason);
    assert_eq!(pairs(&head.headers), read.fields);
    assert_eq!(head.length, read.length);
    assert_eq!(owned(head.upgrade.as_ref()), read.upgrade);
    assert_eq!(head.is_interim(), read.is_interim());
}

/// What is written as a head has CR and LF only where lines end, no other control but HTAB, and one framing
/// field at the most (I19).
pub(super) fn assert_clean_head(output: &[u8]) {
    let (head, _) = split_at_first(output, b"\r\n\r\n").expect("a whole head");
    let text = String::from_utf8_lossy(head);
    let mut framing_fields = 0;
    let mut rest = Some(head);
    while let Some(lines) = rest {
        let (line, after) =
            split_at_first(lines, b"\r\n").map_or((lines, None), |(line, after)| (line, Some(after)));
        assert!(!line.iter().any(|octet| octet.is_ascii_control() && *octet != b'\t'), "{text}");
        let line = line.to_ascii_lowercase();
        framing_fields +=
            usize::from(line.starts_with(b"content-length:") || line.starts_with(b"transfer-encoding:"));
        rest = after;
    }
    assert!(framing_fields <= 1, "{text}");
}
