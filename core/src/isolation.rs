//! Answers that speak for a whole web origin, where several applications share it.
//!
//! A browser keeps storage, service workers and policies by origin: scheme, host and port. Mounts without a host are
//! paths of one origin, so that what one application says about the origin holds for its neighbours. Cookies and storage
//! stay shared: only a host for each application separates those (RFC 6454 §3.2).

use crate::message::Headers;
use crate::mount::Mount;

/// Response fields by which one application decides for the whole origin.
#[rustfmt::skip]
const ORIGIN_WIDE: [&str; 13] = [
    "service-worker-allowed",       // lets a service worker answer for paths of others
    "clear-site-data",              // deletes the cookies and the storage of all
    "strict-transport-security",    // forbids plain HTTP for all, for months
    "nel",                          // reports of all requests to one application
    "report-to",                    // where such reports are sent
    "reporting-endpoints",          // the same
    "alt-svc",                      // sends the requests of all to another host and port
    "accept-ch",                    // what browsers tell all of themselves
    "public-key-pins",              // which keys are good for all (old browsers)
    "public-key-pins-report-only",  // the same
    "expect-ct",                    // likewise (old browsers)
    "set-login",                    // whether a user is logged in (FedCM)
    "use-as-dictionary",            // what the answers of others are decompressed with (RFC 9842)
];

/// Whether the answers of a mount share their origin with those of other mounts.
#[must_use]
pub fn is_shared(mount: &Mount) -> bool {
    mount.host().is_none()
}

/// Removes what speaks for the whole origin from the head of a response, interim or final, or from its trailers.
pub fn clear(headers: &mut Headers) {
    headers.retain(|name, _| !ORIGIN_WIDE.iter().any(|wide| name.eq_ignore_ascii_case(wide.as_bytes())));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_without_a_host_share_their_origin() {
        for (mount, expected) in
            [("/", true), ("/api", true), ("room:r", true), ("a.example/", false), ("a.example/api", false)]
        {
            assert_eq!(is_shared(&mount.parse().expect("a mount")), expected, "{mount}");
        }
    }

    #[test]
    fn what_speaks_for_the_origin_is_removed_and_nothing_else() {
        let mut headers: Headers = ORIGIN_WIDE.iter().map(|name| (*name, "x")).collect();
        let kept =
            ["Set-Cookie", "Content-Security-Policy", "Cache-Control", "Alt-Used", "Link", "Report-Too"];
        kept.iter().for_each(|name| headers.push(name, "x"));
        headers.push("CLEAR-Site-Data", "\"*\"");
        clear(&mut headers);
        assert_eq!(headers, kept.iter().map(|name| (*name, "x")).collect());
    }
}
