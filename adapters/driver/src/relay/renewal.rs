//! A session's fresh token.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use telephone_core::claims::Claims;
use telephone_core::error::LeaveCode;
use telephone_core::router::SessionKey;
use telephone_core::session::LinkId;
use telephone_core::time::as_millis;
use telephone_core::token_life::is_refusal_told;
use telephone_core::verification::Applicant;
use telephone_core::wire::{Refused, RefusedCode};

use super::admission::auth_code;
use super::registry::Renewed;
use super::verification::{Unverified, verify_as};
use super::{Inner, ports, report};
use crate::authority::{AuthError, Authority, Grant};
use crate::runtime::Runtime;
use crate::shared::SharedSession;

/// The renewals that come over one link. One is judged at a time, and of those that come meanwhile only the latest: the
/// telephone asks again until one is taken.
pub(super) struct Renewals<R: Runtime>(Arc<Of<R>>);

struct Of<R: Runtime> {
    relay: Arc<Inner<R>>,
    session: SharedSession,
    key: SessionKey,
    link: LinkId,
    /// Where failures are counted.
    client: IpAddr,
    slot: Mutex<Slot>,
}

#[derive(Debug, Default)]
struct Slot {
    /// A task judges.
    is_busy: bool,
    next: Option<Bytes>,
    /// Renewals of this link that failed.
    failures: u64,
}

impl Slot {
    /// Keeps the token as the next one. Says whether a task is needed that judges it.
    fn put(&mut self, token: Bytes) -> bool {
        self.next = Some(token);
        !std::mem::replace(&mut self.is_busy, true)
    }

    /// The token that is to be judged now; none if the task is done.
    fn take(&mut self) -> Option<Bytes> {
        let next = self.next.take();
        self.is_busy = next.is_some();
        next
    }
}

impl<R: Runtime> Renewals<R> {
    pub(super) fn new(
        relay: &Arc<Inner<R>>,
        session: &SharedSession,
        (key, link): (SessionKey, LinkId),
        client: IpAddr,
    ) -> Self {
        let (relay, session) = (relay.clone(), session.clone());
        Self(Arc::new(Of { relay, session, key, link, client, slot: Mutex::default() }))
    }

    /// Has a fresh token judged.
    pub(super) fn renew(&self, token: Bytes) {
        if self.0.lock().put(token) {
            let renewals = self.0.clone();
            self.0.relay.runtime.spawn(async move { renewals.judge_all().await });
        }
    }
}

impl<R: Runtime> Of<R> {
    fn lock(&self) -> MutexGuard<'_, Slot> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn judge_all(&self) {
        loop {
            let next = self.lock().take();
            let Some(token) = next else { return };
            let judge = move |authority: &dyn Authority| match std::str::from_utf8(&token) {
                Ok(token) => authority.verify(token).and_then(unexpired).and_then(with_claims),
                Err(_) => Err(AuthError::Malformed("it is not text")),
            };
            let verified = verify_as(&self.relay, self.applicant(), self.client, judge).await;
            // A newer link came with a token of its own, which is not to be replaced by an older one.
            if self.session.closed().is_none() && self.session.latest_link() == self.link {
                self.settle(verified);
            }
        }
    }

    /// As whom to enter the queue. Strangers at the same address may have used up what it may fail: that must not starve a
    /// session that has renewed well so far. One whose renewal failed is counted as they are.
    fn applicant(&self) -> Applicant {
        let applicant = self.relay.applicant(self.client);
        Applicant { is_counted: applicant.is_counted && self.lock().failures > 0, ..applicant }
    }

    /// A renewal was bad. The first of a link was checked uncounted. Says how many there were.
    fn fail(&self) -> u64 {
        let mut slot = self.lock();
        slot.failures = slot.failures.saturating_add(1);
        let failures = slot.failures;
        drop(slot);
        if failures == 1 {
            self.relay.count_failure(self.client);
        }
        failures
    }

    /// Tells the telephone why its fresh token was not taken.
    fn refuse(&self, code: RefusedCode, reason: impl ToString, retry_after: Option<Duration>) {
        let retry_after_ms = retry_after.map(as_millis);
        let refused = Refused { code, reason: reason.to_string(), retry_after_ms };
        self.session.act(|session| session.refuse_renewal(refused));
    }

    /// Acts on a verdict: the token must be of the same subject, and gives no more than it claims. One that is no good as
    /// yet, such as a file that was read half written, costs nothing: the present one runs on, and the telephone asks again.
    fn settle(&self, verified: Result<(Grant, Claims), Unverified>) {
        let Self { relay, session, key, .. } = self;
        let now = relay.runtime.now();
        match verified {
            Ok((grant, claims)) => match relay.registry.renew(*key, &grant, &claims, now) {
                Renewed::Useless => {
                    relay.observer.token_refused(AuthError::NotClaimed);
                    session.leave(LeaveCode::Forbidden);
                }
                Renewed::Whole | Renewed::Narrowed => {
                    session.with(|session, now| {
                        session.confirm_renewal(grant.expires_in(), now);
                        session.authorize(grant.good_for, now);
                    });
                    end_if_revoked(relay, session, &grant);
                }
            },
            Err(Unverified::Bad(error)) => {
                let failures = self.fail();
                if is_refusal_told(failures) {
                    report::renewal_refused(relay, *key, error, failures);
                }
                self.refuse(auth_code(error), error, None);
                relay.observer.token_refused(error);
                if error == AuthError::Revoked {
                    session.leave(LeaveCode::Revoked);
                }
            }
            Err(Unverified::Overload(overload)) => {
                let reason = "the plugboard is too busy to check the token";
                self.refuse(RefusedCode::Busy, reason, Some(overload.retry_after()));
            }
        }
        ports::settle(relay);
        relay.registry.settle_line(*key, relay.runtime.now());
    }
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

/// A token with a claim that is no mount renews nothing.
fn with_claims(grant: Grant) -> Result<(Grant, Claims), AuthError> {
    let claims = grant.claims().map_err(|_| AuthError::BAD_CLAIM)?;
    Ok((grant, claims))
}

/// A token that lives on the leeway alone renews nothing: what it gave was given before.
fn unexpired(grant: Grant) -> Result<Grant, AuthError> {
    if grant.expires_in() == Some(Duration::ZERO) { Err(AuthError::Expired) } else { Ok(grant) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renewals_are_judged_one_by_one_and_of_those_that_wait_only_the_latest() {
        let mut slot = Slot::default();
        let token = |number: u8| Bytes::copy_from_slice(&[number]);
        assert!(slot.put(token(1)));
        assert_eq!(slot.take(), Some(token(1)));
        // A task judges: it takes the latest when it is done.
        assert!(!slot.put(token(2)) && !slot.put(token(3)));
        assert_eq!(slot.take(), Some(token(3)));
        assert_eq!(slot.take(), None);
        assert!(slot.put(token(4)));
    }
}
