//! Forwarding fields.

use std::net::IpAddr;

use telephone_core::forward::{self, Observed, Scheme, Trusted};
use telephone_core::message::Headers;

use crate::{Work, heads};

/// What the relay saw of a client that it does not trust.
pub(crate) fn observed() -> Observed {
    let peer = IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 113, 77));
    Observed { peer: peer.into(), scheme: Scheme::Https, is_trusted: false }
}

/// The fields of a browser's request are stamped.
#[derive(Debug)]
pub struct Stamp {
    stamp: forward::Stamp,
    came: Headers,
    headers: Headers,
}

impl Stamp {
    /// A browser's fields.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "setting up is work")]
    pub fn new() -> Self {
        Self {
            stamp: forward::Stamp::new(observed()),
            came: heads::request(heads::BROWSER_REQUEST).headers,
            headers: Headers::new(),
        }
    }
}

impl Work for Stamp {
    fn prepare(&mut self) {
        self.headers = self.came.clone();
    }

    fn run(&mut self) {
        self.stamp.put(&mut self.headers, Trusted::NOBODY);
        assert!(self.headers.has("forwarded"));
    }
}
