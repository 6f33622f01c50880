//! Slow, obvious readers, written from the RFCs and not from the code that is tested.
//!
//! They see the whole input at once, copy what they like, and know nothing of reads, states or speed.

pub(crate) mod chunks;
pub(crate) mod fields;
pub(crate) mod request;
pub(crate) mod response;
pub(crate) mod target;

/// What a reader makes of the front of some octets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reading<T> {
    /// All of it is there, and what is left behind it.
    Whole(T, Vec<u8>),
    /// Nothing is wrong yet, and not all of it is there.
    Partial,
    /// A rule is broken.
    Refused,
}

/// RFC 9110 §5.6.2.
pub(crate) fn is_token(text: &[u8]) -> bool {
    let is_letter = |octet: &u8| octet.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(octet);
    !text.is_empty() && text.iter().all(is_letter)
}

/// Field values and reason phrases: visible octets, obs-text, SP and HTAB (RFC 9110 §5.5).
pub(crate) fn is_text(text: &[u8]) -> bool {
    text.iter().all(|octet| matches!(octet, b'\t' | 0x20..=0x7e | 0x80..=0xff))
}

/// Without the SP and HTAB around it.
pub(crate) fn trimmed(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

/// The members of a list that are not empty (RFC 9110 §5.6.1).
pub(crate) fn members(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|octet| *octet == b',').map(trimmed).filter(|member| !member.is_empty())
}

/// What comes before the first `mark`, and what comes behind it.
pub(crate) fn split_at_first<'a>(text: &'a [u8], mark: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = text.windows(mark.len()).position(|window| window == mark)?;
    Some((&text[..at], &text[at + mark.len()..]))
}
