//! What a telephone changes in heads, so that a backend that listens elsewhere works under its public URL.
//!
//! Two reasons: the backend sees another `Host` ([`Names::rewrite_request`]), or it sees paths without the mount ([`Prefix`]).

mod cookie;
mod prefix;
mod reference;

use alloc::vec::Vec;

use bytes::Bytes;

use crate::forward::{Scheme, clear_hosts};
use crate::message::Headers;
use reference::{Reference, is_same_host};

pub use prefix::{Outside, Prefix};

/// The URLs' start under which one exchange's client and its backend know the application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// `http` or `https`, as the client used it.
    public_scheme: Scheme,
    /// Host and port as the client used them.
    public_host: Bytes,
    /// `Host` as it reached the telephone.
    sent_host: Bytes,
    backend_scheme: Scheme,
    /// `Host` as the backend sees it.
    backend_host: Bytes,
}

impl Names {
    /// Of a request as it reached the telephone, with the relay's `X-Forwarded-Proto` and `-Host`; for a backend that is
    /// reached by `scheme` and sees `host`, or else the `Host` that was sent.
    #[must_use]
    pub fn of(headers: &Headers, scheme: Scheme, host: Option<&Bytes>) -> Self {
        let first = |name| {
            let value = headers.first(name)?.split(|&byte| byte == b',').next();
            value.map(<[u8]>::trim_ascii).filter(|value| !value.is_empty())
        };
        let sent_host = Bytes::copy_from_slice(headers.first("host").unwrap_or_default());
        let is_secure =
            |scheme: &[u8]| scheme.eq_ignore_ascii_case(b"https") || scheme.eq_ignore_ascii_case(b"wss");
        Self {
            public_scheme: match first("x-forwarded-proto") {
                Some(scheme) if is_secure(scheme) => Scheme::Https,
                _ => Scheme::Http,
            },
            public_host: first("x-forwarded-host").map_or_else(|| sent_host.clone(), Bytes::copy_from_slice),
            backend_scheme: scheme,
            backend_host: host.unwrap_or(&sent_host).clone(),
            sent_host,
        }
    }

    /// Makes `Host`, and what else names the public origin, name the backend's: `Origin`, `Referer` and the `Destination`
    /// of WebDAV (RFC 4918 §10.3). Programs compare the first two with `Host`. Those that compare `Origin` with the
    /// forwarded host instead (code-server, Next) find none behind a changed `Origin`, and take `Host`.
    pub fn rewrite_request(&self, headers: &mut Headers) {
        headers.set("Host", &self.backend_host);
        let mut is_origin_changed = false;
        change(headers, |name, value| {
            let is_origin = name.eq_ignore_ascii_case(b"origin");
            let is_named = is_origin
                || name.eq_ignore_ascii_case(b"referer")
                || name.eq_ignore_ascii_case(b"destination");
            let rest = is_named.then(|| self.behind_public_origin(value)).flatten()?;
            is_origin_changed |= is_origin;
            Some(self.at_backend(rest))
        });
        if is_origin_changed {
            clear_hosts(headers);
        }
    }

    /// What follows the public origin in a URL of that.
    fn behind_public_origin<'a>(&self, value: &'a [u8]) -> Option<&'a [u8]> {
        match Reference::of(value) {
            Reference::Url { scheme: Some(scheme), authority, rest, .. } => {
                let is_public = scheme == self.public_scheme && self.is_public(Some(scheme), authority);
                is_public.then_some(rest)
            }
            Reference::Url { .. } | Reference::Path(_) | Reference::Other => None,
        }
    }

    fn is_public(&self, scheme: Option<Scheme>, authority: &[u8]) -> bool {
        let scheme = scheme.unwrap_or(self.public_scheme);
        is_same_host(scheme, authority, &self.public_host) || is_same_host(scheme, authority, &self.sent_host)
    }

    fn is_backend(&self, scheme: Option<Scheme>, authority: &[u8]) -> bool {
        is_same_host(scheme.unwrap_or(self.backend_scheme), authority, &self.backend_host)
    }

    fn at_backend(&self, rest: &[u8]) -> Vec<u8> {
        [self.backend_scheme.as_str().as_bytes(), b"://", &self.backend_host, rest].concat()
    }

    fn at_public(&self, rest: &[u8]) -> Vec<u8> {
        [self.public_scheme.as_str().as_bytes(), b"://", &self.public_host, rest].concat()
    }
}

/// Gives each field for which `change` has a value that value.
fn change(headers: &mut Headers, mut change: impl FnMut(&[u8], &[u8]) -> Option<Vec<u8>>) {
    let mut changed: Option<Headers> = None;
    for (index, (name, value)) in headers.iter().enumerate() {
        let new = change(name, value);
        if new.is_some() && changed.is_none() {
            changed = Some(headers.iter().take(index).collect());
        }
        if let Some(changed) = &mut changed {
            changed.push(name, new.as_deref().unwrap_or(value));
        }
    }
    if let Some(changed) = changed {
        *headers = changed;
    }
}

#[cfg(test)]
mod tests;
