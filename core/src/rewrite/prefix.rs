//! The mount's path that a backend does not see: taken from its requests, put back in its answers.

use alloc::borrow::Cow;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use bytes::Bytes;

use super::reference::{Reference, is_at_or_below};
use super::{Names, change, cookie};
use crate::message::{Headers, RequestHead};
use crate::target::{self, Target};

/// A `Destination` of this host that no URL of the mount names.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the Destination {0:?} is outside the mount")]
pub struct Outside(pub String);

/// The part of the public path that one exchange's backend does not see.
///
/// ```
/// use telephone_core::forward::Scheme;
/// use telephone_core::message::Headers;
/// use telephone_core::rewrite::{Names, Prefix};
///
/// let request: Headers = [("Host", "shop.example")].into_iter().collect();
/// let prefix = Prefix::new("/m", (b"/m/a", b"/a"), Names::of(&request, Scheme::Http, None));
/// let mut answer: Headers = [("Location", "/b")].into_iter().collect();
/// prefix.rewrite_response(&mut answer);
/// assert_eq!(answer.first("location"), Some(&b"/m/b"[..]));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prefix {
    mount: Bytes,
    names: Names,
    /// Whether the request's path was the mount without a slash behind it.
    is_bare: bool,
}

impl Prefix {
    /// Of a mount's path (`/m`, without a slash at its end) and a request's target with it and without.
    #[must_use]
    pub fn new(mount: &str, (sent, stripped): (&[u8], &[u8]), names: Names) -> Self {
        let is_bare = !target::path(sent).ends_with(b"/") && target::path(stripped) == b"/";
        Self { mount: Bytes::copy_from_slice(mount.as_bytes()), names, is_bare }
    }

    /// The names of the exchange.
    #[must_use]
    pub const fn names(&self) -> &Names {
        &self.names
    }

    /// Where a page at the bare mount is found: behind a slash, so that its relative links lie below the mount. `None` for
    /// all other requests: a WebSocket's client follows no redirect, and methods that change something need none.
    #[must_use]
    pub fn redirect(&self, head: &RequestHead) -> Option<Bytes> {
        let is_page = (head.method == "GET" || head.method == "HEAD") && head.upgrade.is_none();
        // Not the path as it was sent, which could begin with two slashes.
        let query = head.target.get(target::path(&head.target).len()..).unwrap_or_default();
        (self.is_bare && is_page).then(|| [&self.mount, &b"/"[..], query].concat().into())
    }

    /// Takes the mount from `Destination` and `If`, which name resources of this server (RFC 4918 §10.3, §10.4).
    ///
    /// # Errors
    /// The destination is on this host and not below the mount: the backend would take it for another path of its own.
    pub fn rewrite_request(&self, headers: &mut Headers) -> Result<(), Outside> {
        let mut outside = None;
        change(headers, |name, value| {
            if name.eq_ignore_ascii_case(b"destination") {
                self.inward(value).unwrap_or_else(|error| {
                    outside = Some(error);
                    None
                })
            } else if name.eq_ignore_ascii_case(b"if") {
                bracketed(value, |reference| self.inward(reference).ok().flatten())
            } else {
                None
            }
        });
        outside.map_or(Ok(()), Err)
    }

    /// Puts the mount in front of the paths that an answer's fields have for this host.
    pub fn rewrite_response(&self, headers: &mut Headers) {
        change(headers, |name, value| match name.to_ascii_lowercase().as_slice() {
            b"location" | b"content-location" | b"service-worker-allowed" | b"sourcemap" => {
                self.outward(value)
            }
            b"refresh" => self.refresh(value),
            b"link" => bracketed(value, |reference| self.outward(reference)),
            b"set-cookie" => cookie::with_mount(value, &self.mount, self.is_bare),
            _ => None,
        });
    }

    /// A reference of the backend's as the client may follow it; `None` if it stays as it is. What is below the mount
    /// already comes from an application that knows its prefix.
    pub(super) fn outward(&self, value: &[u8]) -> Option<Vec<u8>> {
        match Reference::of(value) {
            Reference::Path(path) => {
                let path = resolved(path);
                (!is_at_or_below(&path, &self.mount)).then(|| [&self.mount, &*path].concat())
            }
            Reference::Url { scheme, authority, origin, rest } => {
                let is_public = self.names.is_public(scheme, authority);
                if !is_public && !self.names.is_backend(scheme, authority) {
                    return None;
                }
                let rest = &*resolved(rest);
                let (mount, slash): (&[u8], &[u8]) = match rest.first() {
                    _ if is_at_or_below(rest, &self.mount) => (b"", b""),
                    Some(b'/') => (&self.mount, b""),
                    _ => (&self.mount, b"/"),
                };
                let rest = [mount, slash, rest].concat();
                Some(if is_public { [origin, &rest].concat() } else { self.names.at_public(&rest) })
            }
            Reference::Other => None,
        }
    }

    /// A reference of the client's as the backend knows it; `None` if it is not of this host.
    pub(super) fn inward(&self, value: &[u8]) -> Result<Option<Vec<u8>>, Outside> {
        let outside = || Outside(String::from_utf8_lossy(value).to_string());
        match Reference::of(value) {
            Reference::Path(path) => self.cut(path).map(Some).ok_or_else(outside),
            Reference::Url { scheme, authority, rest, .. } => {
                if !self.names.is_public(scheme, authority) && !self.names.is_backend(scheme, authority) {
                    return Ok(None);
                }
                let path = self.cut(rest).ok_or_else(outside)?;
                Ok(Some(self.names.at_backend(&path)))
            }
            Reference::Other => Ok(None),
        }
    }

    /// A path without the mount, however that is spelled, beginning with one slash. Dot segments are resolved before, as in a
    /// request's target.
    fn cut(&self, path: &[u8]) -> Option<Vec<u8>> {
        let read = Target::read(path).ok()?;
        let mut rest = target::behind(&read.sent, &self.mount)?;
        while let Some((b'/' | b'\\', behind)) = rest.split_first() {
            rest = behind;
        }
        Some([b"/", rest].concat())
    }

    /// `5; url=/x`, as browsers read it (HTML §4.2.5.3, "refresh").
    fn refresh(&self, value: &[u8]) -> Option<Vec<u8>> {
        let is_time = |byte: &u8| byte.is_ascii_digit() || *byte == b'.';
        let is_gap = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b';' | b',');
        let skip = |from: usize, is: &dyn Fn(&u8) -> bool| {
            let rest = value.get(from..).unwrap_or_default();
            from.saturating_add(rest.iter().take_while(|byte| is(byte)).count())
        };
        let mut at = skip(skip(skip(0, &u8::is_ascii_whitespace), &is_time), &is_gap);
        let named = value.get(at..at.saturating_add(3)).is_some_and(|name| name.eq_ignore_ascii_case(b"url"));
        if named {
            let equals = skip(at.saturating_add(3), &u8::is_ascii_whitespace);
            if value.get(equals) == Some(&b'=') {
                at = skip(equals.saturating_add(1), &u8::is_ascii_whitespace);
            }
        }
        let quote = value.get(at).copied().filter(|byte| matches!(byte, b'"' | b'\''));
        at = at.saturating_add(usize::from(quote.is_some()));
        let (start, url) = value.split_at_checked(at)?;
        let end = quote.and_then(|quote| url.iter().position(|byte| *byte == quote)).unwrap_or(url.len());
        let (url, tail) = url.split_at_checked(end)?;
        Some([start, &self.outward(url)?, tail].concat())
    }
}

/// A path without dot segments, which behind a mount would name what lies above it.
fn resolved(path: &[u8]) -> Cow<'_, [u8]> {
    let end = path.iter().position(|byte| *byte == b'#').unwrap_or(path.len());
    let (front, fragment) = path.split_at_checked(end).unwrap_or((path, b""));
    match Target::read(front) {
        Ok(read) if read.sent != front => Cow::Owned([&read.sent, fragment].concat()),
        Ok(_) | Err(_) => Cow::Borrowed(path),
    }
}

/// A value whose references in `<>` are changed; `None` if none is.
fn bracketed(value: &[u8], mut change: impl FnMut(&[u8]) -> Option<Vec<u8>>) -> Option<Vec<u8>> {
    let mut changed = Vec::with_capacity(value.len());
    let (mut rest, mut is_changed) = (value, false);
    while let Some(open) = rest.iter().position(|byte| *byte == b'<') {
        let (before, behind) = rest.split_at_checked(open.checked_add(1)?)?;
        let Some(close) = behind.iter().position(|byte| *byte == b'>') else { break };
        let (reference, tail) = behind.split_at_checked(close)?;
        let new = change(reference);
        is_changed |= new.is_some();
        changed.extend_from_slice(before);
        changed.extend_from_slice(new.as_deref().unwrap_or(reference));
        rest = tail;
    }
    changed.extend_from_slice(rest);
    is_changed.then_some(changed)
}
