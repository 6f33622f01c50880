//! Affinity: a client's requests go to one session of a mount, where the telephones of the mount ask for that.
//!
//! Which session that is decides the [`Router`](crate::router::Router). Here is what the client sees of it: a cookie that
//! names the session, which the application never sees.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::str;

use crate::message::{Headers, ResponseHead};
use crate::mount::Mount;

/// The name of the cookie.
pub const COOKIE: &str = "plugboard_sticky";
/// Cookies of that name that are read from one request: one for each mount above the request's path, so two or three.
const COOKIES_MAX: usize = 4;

/// By what the plugboard recognises a client of a mount. ([`Setting::Sticky`](crate::wire::Setting::Sticky))
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sticky {
    /// By a cookie that it sets.
    Cookie,
    /// By its address.
    Address,
}

impl Sticky {
    /// What a setting's value asks for; nothing if this version does not know the value.
    #[must_use]
    pub const fn from_setting(value: u64) -> Option<Self> {
        match value {
            1 => Some(Self::Cookie),
            2 => Some(Self::Address),
            _ => None,
        }
    }

    /// The setting's value.
    #[must_use]
    pub const fn to_setting(self) -> u64 {
        match self {
            Self::Cookie => 1,
            Self::Address => 2,
        }
    }
}

/// The value of the cookie: a keyed hash that names a session's identity, and a number of the client, by which it is given
/// another session if that one is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cookie {
    /// The session.
    pub session: u64,
    /// The client.
    pub client: u64,
}

impl fmt::Display for Cookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}{:016x}", self.session, self.client)
    }
}

impl Cookie {
    fn parse(value: &[u8]) -> Option<Self> {
        let is_hex = value.iter().all(u8::is_ascii_hexdigit);
        let (session, client) = str::from_utf8(value).ok().filter(|_| is_hex)?.split_at_checked(16)?;
        let number = |text: &str| u64::from_str_radix(text, 16).ok().filter(|_| text.len() == 16);
        Some(Self { session: number(session)?, client: number(client)? })
    }

    /// Those that a request's fields carry, at most four. What is not a value of this cookie is ignored.
    #[must_use]
    pub fn all_of(headers: &Headers) -> Vec<Self> {
        let values = headers.all("cookie").flat_map(pairs).filter_map(own_value);
        values.filter_map(Self::parse).take(COOKIES_MAX).collect()
    }
}

/// The cookies of one field (RFC 6265 §4.2.1).
fn pairs(field: &[u8]) -> impl Iterator<Item = &[u8]> {
    field.split(|&byte| byte == b';').map(<[u8]>::trim_ascii)
}

/// The value of the plugboard's own cookie.
fn own_value(pair: &[u8]) -> Option<&[u8]> {
    pair.strip_prefix(COOKIE.as_bytes())?.strip_prefix(b"=")
}

/// Removes the plugboard's own cookies from a request's fields. The others stay as they are, in their order.
pub fn remove_cookies(headers: &mut Headers) {
    let has_own = |value: &[u8]| pairs(value).any(|pair| own_value(pair).is_some());
    if !headers.all("cookie").any(has_own) {
        return;
    }
    let mut kept = Headers::with_capacity(headers.as_wire().len());
    for (name, value) in headers.iter() {
        if !name.eq_ignore_ascii_case(b"cookie") || !has_own(value) {
            kept.push(name, value);
            continue;
        }
        let others: Vec<&[u8]> =
            pairs(value).filter(|pair| own_value(pair).is_none() && !pair.is_empty()).collect();
        if !others.is_empty() {
            kept.push(name, others.join(&b"; "[..]));
        }
    }
    *headers = kept;
}

/// How a client is bound to the session that has its request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Binding {
    /// The cookie that says so.
    pub cookie: Cookie,
    /// Whether the client does not have it yet.
    pub is_new: bool,
}

impl Binding {
    /// The `Set-Cookie` for a client that does not have the cookie, unless a shared cache may give this answer to other
    /// clients, too: those would all be bound to one session. Then the next answer carries it.
    #[must_use]
    pub fn set_cookie(&self, mount: &Mount, is_secure: bool, head: &ResponseHead) -> Option<String> {
        (self.is_new && !is_shared(head)).then(|| {
            let path = mount.path().filter(|path| !path.is_empty()).unwrap_or("/");
            let secure = if is_secure { "; Secure" } else { "" };
            format!("{COOKIE}={}; Path={path}; HttpOnly; SameSite=Lax{secure}", self.cookie)
        })
    }
}

/// Whether an answer says that a shared cache may store it, or updates one that a cache has stored (RFC 9111 §3, §4.3.4).
/// What says nothing about that is not stored with a `Set-Cookie` by the usual caches.
fn is_shared(head: &ResponseHead) -> bool {
    let (mut is_allowed, mut is_forbidden, mut has_control) = (false, false, false);
    let fields = head.headers.all("cache-control");
    for directive in fields.flat_map(|value| value.split(|&byte| byte == b',')).map(<[u8]>::trim_ascii) {
        let is = |known: &str| {
            let name = directive.get(..known.len());
            name.is_some_and(|name| name.eq_ignore_ascii_case(known.as_bytes()))
        };
        has_control = true;
        // What is stale at once is asked for again by every client.
        is_allowed |= is("public") || is("s-maxage") || (is("max-age") && !is("max-age=0"));
        is_forbidden |= is("private") || is("no-store");
    }
    head.status == 304 || (is_allowed && !is_forbidden) || (!has_control && head.headers.has("expires"))
}

/// Whether the client uses TLS, by the fields that its request is stamped with.
#[must_use]
pub fn is_secure(stamped: &Headers) -> bool {
    let proto = stamped.first("x-forwarded-proto").unwrap_or_default();
    let first = proto.split(|&byte| byte == b',').next().unwrap_or_default().trim_ascii();
    first.eq_ignore_ascii_case(b"https") || first.eq_ignore_ascii_case(b"wss")
}

#[cfg(test)]
mod tests;
