//! URLs that a plugboard names: which of them a telephone dials, and what is said of the others.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use telephone_core::follow::NotFollowed;
use telephone_core::text::readable;

use super::Line;
use crate::plugboard_url::PlugboardUrl;
use crate::runtime::Runtime;

/// URLs that one line reports. A plugboard chooses them, and could name another one each time.
const REPORTED_URLS_MAX: usize = 16;

/// The URLs that were not followed and are reported.
#[derive(Default)]
pub(in crate::telephone) struct ReportedUrls(Mutex<BTreeSet<String>>);

impl ReportedUrls {
    /// Whether `url` is to be reported: the first time, and while few were.
    fn is_first(&self, url: &str) -> bool {
        let mut reported = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        reported.len() < REPORTED_URLS_MAX && reported.insert(url.to_owned())
    }
}

impl<R: Runtime> Line<R> {
    /// A URL that the plugboard named, if it is to be dialled. If not, says why, once for each URL.
    pub(super) fn followed(&self, named: &str) -> Option<PlugboardUrl> {
        let shown = readable(named);
        let why = match named.parse::<PlugboardUrl>() {
            Ok(url) => match self.config.follow.check(&self.url.location(), &url.location()) {
                Ok(()) => return Some(url),
                Err(why @ NotFollowed::Tls) => why.to_string(),
                Err(why @ (NotFollowed::Path | NotFollowed::Elsewhere)) => {
                    format!("{why}; to follow it there, give --follow {}", readable(&url.location().rule()))
                }
            },
            Err(why) => why.to_string(),
        };
        if self.reported.is_first(&shown) {
            tracing::warn!(plugboard = %self.url, named = shown, "not dialling where the plugboard says: {why}");
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_url_is_reported_once_and_no_more_than_a_few_are() {
        let reported = ReportedUrls::default();
        assert!(
            reported.is_first("ws://a/") && !reported.is_first("ws://a/") && reported.is_first("ws://b/")
        );
        let more = (0..1000).filter(|number| reported.is_first(&format!("ws://{number}/"))).count();
        assert_eq!(more, REPORTED_URLS_MAX - 2);
        assert!(!reported.is_first("ws://a/"));
    }
}
