//! Mounts that a telephone presents within its session.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use telephone_core::mount::Mount;
use telephone_core::router::SessionKey;
use telephone_core::wire::Mounts;

use super::{Inner, ports, report};
use crate::runtime::Runtime;

/// Judges the mounts as a hello's, against the session's last token. The session has those that pass, and no others; its
/// telephone is told which.
pub(super) fn present<R: Runtime>(relay: &Arc<Inner<R>>, key: SessionKey, presented: &Mounts) {
    // What is no mount is left out like one that is not allowed.
    let parse =
        |texts: &[String]| -> Vec<Mount> { texts.iter().filter_map(|text| text.parse().ok()).collect() };
    let not_ready = parse(&presented.not_ready);
    let asked = [parse(&presented.ready), not_ready.clone()].concat();
    let mut mounts = relay.registry.available(key, &asked);
    // A relay that leaves has closed its ports for good.
    let open = |mounts: &[Mount]| match relay.draining.is_raised() {
        true => Vec::new(),
        false => ports::open_all(relay, mounts),
    };
    let mut closed = open(&mounts);
    let (mut is_new, mut left);
    loop {
        mounts.retain(|mount| closed.iter().all(|(one, _)| one != mount));
        left = left_out(&asked, &mounts, &closed);
        is_new = relay.registry.present(key, (&mounts, &not_ready), hash(&left), relay.runtime.now());
        // An earlier holder that left meanwhile took ports for its own.
        let lost = open(&mounts);
        if lost.is_empty() {
            break;
        }
        closed.extend(lost);
    }
    ports::settle(relay);
    if is_new && !left.is_empty() {
        report::left_out(relay, key, &left.join("; "));
    }
}

/// What is said of the mounts that were asked for and are not served.
fn left_out(asked: &[Mount], mounts: &[Mount], closed: &[ports::Closed]) -> Vec<String> {
    let missing = asked.iter().filter(|mount| !mounts.contains(mount));
    let why = |mount: &Mount| match closed.iter().find(|(one, _)| one == mount) {
        Some((_, error)) => format!("{mount}: {error}"),
        None => format!("{mount}: the token does not cover it, or another session holds it"),
    };
    missing.map(why).collect()
}

/// Tells whether the same is left out as the last time, for nothing is kept of it.
fn hash(left_out: &[String]) -> u64 {
    let mut hasher = DefaultHasher::new();
    left_out.hash(&mut hasher);
    hasher.finish()
}
