//! The mounts of a hello: which of them the token covers, and which ports of the relay are open for them.

use std::sync::Arc;

use telephone_core::claims::Claims;
use telephone_core::mount::Mount;
use telephone_core::wire::{Hello, Refused, RefusedCode, Setting};

use super::super::ports::PortError;
use super::super::registry::texts;
use super::super::{Inner, ports};
use super::refused;
use crate::runtime::Runtime;

/// Claims that a refusal names: it must fit the message of a handshake, and a claim has at most 512 bytes.
const CLAIMS_SHOWN_MAX: usize = 16;

/// Opens the ports among the mounts. A telephone that takes a session without some of them gets one if any mount is left.
pub(super) fn with_open_ports<R: Runtime>(
    relay: &Arc<Inner<R>>,
    hello: &Hello,
    mut mounts: Vec<Mount>,
) -> Result<(Vec<Mount>, Vec<ports::Closed>), Refused> {
    let closed = ports::open_all(relay, &mounts);
    let takes_part = hello.settings.has(Setting::Partial) || hello.settings.has(Setting::Mounts);
    mounts.retain(|mount| closed.iter().all(|(one, _)| one != mount));
    if closed.is_empty() || (takes_part && !mounts.is_empty()) {
        return Ok((mounts, closed));
    }
    ports::settle(relay);
    // One that may be free later outlives one that never will be.
    let worst = closed.into_iter().min_by_key(|(_, error)| !matches!(error, PortError::Unavailable { .. }));
    let reason = worst.map(|(_, error)| port_refused(error));
    Err(reason.unwrap_or_else(|| refused(RefusedCode::Busy, "no port is open")))
}

pub(super) fn port_refused(error: PortError) -> Refused {
    let code = match error {
        PortError::NoneOffered | PortError::NotOffered { .. } => RefusedCode::Forbidden,
        // Whoever has it now may let go of it.
        PortError::Unavailable { .. } => RefusedCode::Busy,
    };
    refused(code, error)
}

/// The hello's mounts, each of which a claim of the token must cover, or one of them at least if the telephone says
/// that this is enough.
pub(super) fn claimed_mounts(hello: &Hello, claims: &Claims) -> Result<Vec<Mount>, Refused> {
    if hello.mounts.is_empty() && claims.connect.is_empty() {
        return Err(refused(
            RefusedCode::Forbidden,
            "no mount was asked for, and the token has no claim to connect",
        ));
    }
    let not_covered = |mount: &Mount| {
        let shown = claims.mounts.get(..CLAIMS_SHOWN_MAX).unwrap_or(&claims.mounts);
        let more = if shown.len() < claims.mounts.len() { ", …" } else { "" };
        let claims = texts(shown).join(", ");
        let reason = format!("the token does not cover the mount {mount}: its claims are {claims}{more}");
        refused(RefusedCode::Forbidden, reason)
    };
    let is_partial_enough = hello.settings.has(Setting::Partial);
    let (mut covered, mut uncovered) = (Vec::new(), None);
    for text in &hello.mounts {
        let mount: Mount = text.parse().map_err(|error| refused(RefusedCode::Malformed, error))?;
        if mount.is_covered_by(&claims.mounts) {
            covered.push(mount);
        } else if is_partial_enough {
            uncovered = Some(mount);
        } else {
            return Err(not_covered(&mount));
        }
    }
    match uncovered {
        Some(mount) if covered.is_empty() => Err(not_covered(&mount)),
        _ => Ok(covered),
    }
}
