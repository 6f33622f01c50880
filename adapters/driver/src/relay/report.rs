//! The lines of the log that telephones cause, before they have a session and after.

use std::net::{IpAddr, SocketAddr};

use telephone_core::error::CloseReason;
use telephone_core::log_limit::{Due, LineKind, LineSource};
use telephone_core::router::{Awaited, SessionKey};

use super::Inner;
use crate::authority::AuthError;
use crate::log;
use crate::runtime::Runtime;

impl<R: Runtime> Inner<R> {
    /// A line that is a session's doing.
    fn session_line(&self, kind: LineKind, key: SessionKey) -> Option<Due> {
        self.log.line(kind, LineSource::Session(key.number()), self.runtime.now())
    }

    /// A line that is the doing of a client: not of the proxy that it came through, which all may have come through.
    fn address_line(&self, kind: LineKind, client: IpAddr) -> Option<Due> {
        self.log.line(kind, log::address(client), self.runtime.now())
    }
}

/// A hello was refused.
pub(super) fn refused<R: Runtime>(relay: &Inner<R>, (client, peer): (IpAddr, SocketAddr), reason: &str) {
    let due = relay.address_line(LineKind::HelloRefused, client);
    let Some(Due { suppressed, suppressed_elsewhere }) = due else { return };
    let reason = log::shown(reason);
    tracing::info!(%client, %peer, reason, suppressed, suppressed_elsewhere, "refused a telephone");
}

/// What came was no hello.
pub(super) fn broken<R: Runtime>(relay: &Inner<R>, (client, peer): (IpAddr, SocketAddr), what: &str) {
    let due = relay.address_line(LineKind::HelloBroken, client);
    let Some(Due { suppressed, suppressed_elsewhere }) = due else { return };
    let what = log::shown(what);
    tracing::info!(%client, %peer, what, suppressed, suppressed_elsewhere, "a telephone broke the protocol");
}

/// A client's exchange is ended for its slowness.
pub(super) fn slow<R: Runtime>(relay: &Inner<R>, (client, peer): (IpAddr, SocketAddr), moved: (u64, u64)) {
    let due = relay.address_line(LineKind::ExchangeSlow, client);
    let Some(Due { suppressed, suppressed_elsewhere }) = due else { return };
    let (bytes_in, bytes_out) = moved;
    let what = "connections or memory run short: ended a slow exchange";
    tracing::info!(%client, %peer, bytes_in, bytes_out, suppressed, suppressed_elsewhere, "{what}");
}

/// A token of an address was refused without a check.
pub(super) fn unchecked<R: Runtime>(relay: &Inner<R>, address: IpAddr) {
    let due = relay.address_line(LineKind::TokenUnchecked, address);
    let Some(Due { suppressed, suppressed_elsewhere }) = due else { return };
    let what = "refused a token unchecked: too many of the address failed, or wait";
    tracing::info!(%address, suppressed, suppressed_elsewhere, "{what}");
}

/// A request has waited for a session for [some time](telephone_core::limits::WAIT_TOLD). Others of its mount wait, too.
pub(super) fn waiting<R: Runtime>(relay: &Inner<R>, awaited: Option<Awaited>) {
    // At the start of a relay the mount is not known, and what a client names is not shown.
    let source = awaited.as_ref().map_or(LineSource::Process, |awaited| LineSource::Mount(awaited.number));
    let due = relay.log.line(LineKind::RequestsWait, source, relay.runtime.now());
    let Some(Due { suppressed, suppressed_elsewhere }) = due else { return };
    match awaited {
        Some(Awaited { mount, waiting, .. }) => {
            let what = "requests wait: no telephone of the mount takes any";
            tracing::info!(%mount, waiting, suppressed, suppressed_elsewhere, "{what}");
        }
        None => {
            let what = "requests wait for mounts that have no telephone since the plugboard's start";
            tracing::info!(suppressed, suppressed_elsewhere, "{what}");
        }
    }
}

/// A telephone opened a raw stream that its token does not allow.
pub(super) fn denied<R: Runtime>(relay: &Inner<R>, key: SessionKey, mount: &[u8], peer: SocketAddr) {
    let due = relay.session_line(LineKind::ConnectDenied, key);
    let Some(Due { suppressed, suppressed_elsewhere }) = due else { return };
    let (session, mount) = (format_args!("{:016x}", key.number()), log::shown(mount));
    let what = "a telephone may not connect to what it asked for";
    tracing::info!(%peer, session, mount, suppressed, suppressed_elsewhere, "{what}");
}

/// Mounts that a telephone asked for are not served.
pub(super) fn left_out<R: Runtime>(relay: &Inner<R>, key: SessionKey, mounts: &str) {
    let due = relay.session_line(LineKind::MountsLeftOut, key);
    let Some(Due { suppressed, suppressed_elsewhere }) = due else { return };
    let (session, mounts) = (format_args!("{:016x}", key.number()), log::shown(mounts));
    let what =
        "mounts of a telephone are not served: change its token or its mounts, or the ports of --tcp-ports";
    tracing::warn!(session, mounts, suppressed, suppressed_elsewhere, "{what}");
}

/// A renewal was refused, the last of so many of its link.
pub(super) fn renewal_refused<R: Runtime>(
    relay: &Inner<R>,
    key: SessionKey,
    error: AuthError,
    failures: u64,
) {
    let due = relay.session_line(LineKind::RenewalRefused, key);
    let Some(Due { suppressed, suppressed_elsewhere }) = due else { return };
    let session = format_args!("{:016x}", key.number());
    let what =
        "refused a fresh token; the one before stays in use until it ends: correct the telephone's token";
    tracing::warn!(session, %error, failures, suppressed, suppressed_elsewhere, "{what}");
}

/// The lines of one session's life.
pub(super) struct SessionReport<'a, R: Runtime> {
    relay: &'a Inner<R>,
    key: SessionKey,
    /// Where its telephone is.
    client: IpAddr,
    /// As it is shown.
    subject: String,
}

impl<'a, R: Runtime> SessionReport<'a, R> {
    pub(super) fn new(relay: &'a Inner<R>, key: SessionKey, client: IpAddr, subject: &str) -> Self {
        Self { relay, key, client, subject: log::shown(subject) }
    }

    /// It has a link. New sessions are counted by their address: each has but one such line.
    pub(super) fn up(&self, has_resumed: bool) {
        let (due, what) = if has_resumed {
            (self.relay.session_line(LineKind::SessionResumed, self.key), "a telephone is back")
        } else {
            (self.relay.address_line(LineKind::SessionBegan, self.client), "a telephone connected")
        };
        let Some(Due { suppressed, suppressed_elsewhere }) = due else { return };
        let (session, subject) = (format_args!("{:016x}", self.key.number()), &self.subject);
        tracing::info!(client = %self.client, session, subject, suppressed, suppressed_elsewhere, "{what}");
    }

    /// It has none any more, and waits for another one.
    pub(super) fn link_lost(&self) {
        let due = self.relay.session_line(LineKind::LinkLost, self.key);
        let Some(Due { suppressed, suppressed_elsewhere }) = due else { return };
        let (session, subject) = (format_args!("{:016x}", self.key.number()), &self.subject);
        let what = "a telephone lost its link; its session waits";
        tracing::info!(session, subject, suppressed, suppressed_elsewhere, "{what}");
    }

    /// It is over. Says how many of its lines were not written.
    pub(super) fn ended(&self, reason: CloseReason) {
        let (kind, session) = (LineKind::SessionEnded, LineSource::Session(self.key.number()));
        let now = self.relay.runtime.now();
        let due = self.relay.log.end(kind, log::address(self.client), session, now);
        let Some(Due { suppressed, suppressed_elsewhere }) = due else { return };
        let (session, subject) = (format_args!("{:016x}", self.key.number()), &self.subject);
        tracing::info!(session, subject, %reason, suppressed, suppressed_elsewhere, "a telephone left");
    }
}
