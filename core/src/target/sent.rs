//! A target in its two forms: by the one it is routed, in the other the backend gets it.

use alloc::vec::Vec;
use bytes::Bytes;

use super::{TargetError, append_segment, form, is_resolved, is_wide, path, push_escape};

/// A request target as it was sent, and its canonical form.
///
/// What decides reads the canonical form: routing, isolation, the telephone's check of its mounts, logs. What the backend
/// reads is the target as sent, octet by octet, so that signatures over it hold (`%2f` and `%7E` stay, raw UTF-8 too): unless
/// its path has a dot segment in any spelling, which readers resolve in different ways. Then it is the canonical form.
///
/// The canonical form is visible ASCII: what was sent raw and needs an escape has one there. A raw backslash is read as an
/// escaped one is, as the separator that some backends see in it: a dot segment behind one is refused, and the router
/// refuses a path whose mount depends on it.
///
/// ```
/// use telephone_core::target::Target;
/// let target = Target::read("/a%7Eb/ü|?q={x}".as_bytes()).unwrap();
/// assert_eq!(target.canonical, "/a~b/%C3%BC%7C?q=%7Bx%7D");
/// assert_eq!(target.sent, "/a%7Eb/ü|?q={x}");
/// assert_eq!(Target::read(b"/a%7Eb/../x").unwrap().sent, "/x");
/// assert!(Target::read(br"/api/..\admin").is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The form by which it is routed.
    pub canonical: Bytes,
    /// The form that the backend gets.
    pub sent: Bytes,
}

impl Target {
    /// Reads an origin-form target (RFC 9112 §3.2.1).
    ///
    /// A path that begins with two slashes passes, as browsers send it; one that does so only once its dot segments are
    /// resolved does not.
    ///
    /// # Errors
    /// What two readers could read differently: see [`TargetError`].
    pub fn read(raw: &[u8]) -> Result<Self, TargetError> {
        let begins_with_two_slashes = raw.starts_with(b"//");
        let canonical = if raw.iter().copied().any(is_wide) {
            form(&escaped(raw), begins_with_two_slashes)?
        } else {
            form(raw, begins_with_two_slashes)?
        };
        let is_kept = canonical != raw && is_resolved(path(raw));
        let sent = if is_kept { Bytes::copy_from_slice(raw) } else { canonical.clone() };
        Ok(Self { canonical, sent })
    }

    /// `OPTIONS *`.
    #[must_use]
    pub const fn asterisk() -> Self {
        Self { canonical: Bytes::from_static(b"*"), sent: Bytes::from_static(b"*") }
    }
}

/// `raw` with escapes for all that stands in no URI (RFC 3986 §2). Escapes are kept as they are.
fn escaped(raw: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(raw.len().saturating_mul(2));
    for &octet in raw {
        if is_wide(octet) {
            push_escape(octet >> 4, octet & 0xf, &mut out);
        } else {
            out.push(octet);
        }
    }
    out
}

/// What is behind `top` in a target as it was sent, from the slash or the query on; `top` is a path in canonical form without
/// a slash at its end. `None` if the target is neither that path nor below it.
///
/// ```
/// use telephone_core::target::behind;
/// assert_eq!(behind(b"/%61pi/x%2fy?z", b"/api"), Some(&b"/x%2fy?z"[..]));
/// assert_eq!(behind(b"/apiary", b"/api"), None);
/// ```
#[must_use]
pub fn behind<'a>(sent: &'a [u8], top: &[u8]) -> Option<&'a [u8]> {
    let (mut rest, mut top) = (sent, top);
    let mut written = Vec::with_capacity(3);
    while !top.is_empty() {
        let length = if rest.starts_with(b"%") { 3 } else { 1 };
        let (unit, tail) = rest.split_at_checked(length)?;
        written.clear();
        match unit {
            b"/" => written.push(b'/'),
            unit => append_segment(&escaped(unit), &mut written).ok()?,
        }
        (rest, top) = (tail, top.strip_prefix(&written[..])?);
    }
    matches!(rest.first(), None | Some(b'/' | b'?')).then_some(rest)
}
