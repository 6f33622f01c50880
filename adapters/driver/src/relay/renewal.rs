//! A session's fresh token.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use telephone_core::error::LeaveCode;
use telephone_core::router::SessionKey;

use super::registry::Renewed;
use super::{Inner, ports, report};
use crate::authority::{AuthError, Grant};
use crate::runtime::Runtime;
use crate::shared::SharedSession;

/// Judges a fresh token: of the same subject, and no more than it claims. One that is no good as yet,
/// such as a file that was read half written, costs nothing: the present one runs on, and the telephone
/// asks again.
pub(super) fn renew<R: Runtime>(
    relay: &Arc<Inner<R>>,
    session: &SharedSession,
    key: SessionKey,
    token: &Bytes,
) {
    let verified = match std::str::from_utf8(token) {
        Ok(token) => relay.authority.verify(token),
        Err(_) => Err(AuthError::Malformed("it is not text")),
    };
    match verified.and_then(unexpired) {
        Ok(grant) => match relay.registry.renew(key, &grant, relay.runtime.now()) {
            Renewed::Useless => {
                relay.observer.token_refused(AuthError::NotClaimed);
                session.leave(LeaveCode::Forbidden);
            }
            renewed => {
                session.with(|session, now| {
                    if let Renewed::Narrowed(mounts) = renewed {
                        session.tell_scope(mounts);
                    }
                    session.confirm_renewal(grant.expires_in(), now);
                    session.authorize(grant.good_for, now);
                });
                end_if_revoked(relay, session, &grant);
            }
        },
        Err(error) => {
            report::renewal_refused(relay, key, error);
            relay.observer.token_refused(error);
            if error == AuthError::Revoked {
                session.leave(LeaveCode::Revoked);
            }
        }
    }
    ports::settle(relay);
    relay.registry.settle_line(key, relay.runtime.now());
}

/// Ends a session whose token was revoked between its verification and this moment. To be called once the session stands in
/// the registry with that token: [`Plugboard::revoke`](super::Plugboard::revoke) has found the session there, or this finds
/// the revocation.
pub(super) fn end_if_revoked<R: Runtime>(relay: &Inner<R>, session: &SharedSession, grant: &Grant) {
    if relay.authority.is_revoked(&grant.subject, grant.token_id.as_deref()) {
        relay.observer.token_refused(AuthError::Revoked);
        session.leave(LeaveCode::Revoked);
    }
}

/// A token that lives on the leeway alone renews nothing: what it gave was given before.
fn unexpired(grant: Grant) -> Result<Grant, AuthError> {
    if grant.expires_in() == Some(Duration::ZERO) { Err(AuthError::Expired) } else { Ok(grant) }
}
