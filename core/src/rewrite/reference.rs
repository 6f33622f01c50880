//! URLs and paths in the values of fields (RFC 3986 §4.1).

use crate::forward::Scheme;
use crate::mount;

/// A reference to a resource, as far as it matters whose it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reference<'a> {
    /// `http://host/path`, `https://host/path` or `//host/path`.
    Url {
        scheme: Option<Scheme>,
        authority: &'a [u8],
        /// Scheme and authority as they stand there.
        origin: &'a [u8],
        /// Empty, or from `/`, `?` or `#` on.
        rest: &'a [u8],
    },
    /// `/path`.
    Path(&'a [u8]),
    /// Relative to the request's path, of another scheme, or none.
    Other,
}

impl<'a> Reference<'a> {
    pub(super) fn of(value: &'a [u8]) -> Self {
        let (scheme, behind) = match scheme(value) {
            Some((scheme, behind)) => (Some(scheme), behind),
            None => (None, value),
        };
        if let Some(behind) = behind.strip_prefix(b"//") {
            let end = behind.iter().position(|byte| b"/?#".contains(byte)).unwrap_or(behind.len());
            let (authority, rest) = behind.split_at_checked(end).unwrap_or((behind, b""));
            let origin = value.get(..value.len().saturating_sub(rest.len())).unwrap_or_default();
            return Self::Url { scheme, authority, origin, rest };
        }
        if scheme.is_none() && value.starts_with(b"/") { Self::Path(value) } else { Self::Other }
    }
}

fn scheme(value: &[u8]) -> Option<(Scheme, &[u8])> {
    let colon = value.iter().position(|&byte| byte == b':')?;
    let (name, behind) = (value.get(..colon)?, value.get(colon.checked_add(1)?..)?);
    let known = [Scheme::Http, Scheme::Https];
    let scheme = known.into_iter().find(|scheme| name.eq_ignore_ascii_case(scheme.as_str().as_bytes()))?;
    Some((scheme, behind))
}

/// Whether two authorities of one scheme name the same host and port.
pub(super) fn is_same_host(scheme: Scheme, one: &[u8], other: &[u8]) -> bool {
    let port: &[u8] = match scheme {
        Scheme::Http => b":80",
        Scheme::Https => b":443",
    };
    let bare = |host| <[u8]>::strip_suffix(host, port).unwrap_or(host);
    !one.is_empty() && bare(one).eq_ignore_ascii_case(bare(other))
}

/// Whether a path, with or without a query, is a mount's or lies below it.
pub(super) fn is_at_or_below(path: &[u8], mount: &[u8]) -> bool {
    let end = path.iter().position(|byte| b"?#".contains(byte)).unwrap_or(path.len());
    mount::is_at_or_below(mount, path.get(..end).unwrap_or_default())
}
