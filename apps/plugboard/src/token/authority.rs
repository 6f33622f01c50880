//! The driver's judge of tokens: the verifier, the revocations and the wall clock.

use std::sync::Arc;
use std::time::SystemTime;

use telephone_driver::{AuthError, Authority, Grant};

use super::revocation::Revocations;
use super::verifier::Verifier;

/// Judges tokens at this moment.
#[derive(Debug)]
pub struct TokenAuthority {
    verifier: Verifier,
    revocations: Arc<Revocations>,
}

impl TokenAuthority {
    /// Lets in whom `verifier` finds good and `revocations` does not hold.
    #[must_use]
    pub const fn new(verifier: Verifier, revocations: Arc<Revocations>) -> Self {
        Self { verifier, revocations }
    }
}

impl Authority for TokenAuthority {
    fn verify(&self, token: &str) -> Result<Grant, AuthError> {
        let grant = self.verifier.verify(token, SystemTime::now())?;
        if self.revocations.holds(&grant.subject, grant.token_id.as_deref()) {
            return Err(AuthError::Revoked);
        }
        Ok(grant)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::{Expectations, Key, Order, Revoked, mint, vectors};
    use super::*;

    #[test]
    fn a_revoked_token_is_refused_while_its_signature_and_time_are_still_good() {
        let revocations = Arc::new(Revocations::default());
        let verifier = Verifier::new(vec![Key::from_secret(&vectors::secret())], Expectations::default());
        let authority = TokenAuthority::new(verifier, Arc::clone(&revocations));
        let order = |subject: &str| Order {
            subject: subject.into(),
            mounts: vec!["/a".parse().unwrap()],
            connect: Vec::new(),
            ttl: Duration::from_secs(60),
            audience: None,
            issuer: None,
        };
        let token = |subject| mint(&order(subject), &vectors::secret(), SystemTime::now()).unwrap();
        let [first, second, other] = [token("shop"), token("shop"), token("cart")];

        let name = authority.verify(first.expose()).unwrap().token_id.unwrap();
        revocations.add(Revoked::Token(name)).unwrap();
        assert_eq!(authority.verify(first.expose()), Err(AuthError::Revoked));
        assert!(authority.verify(second.expose()).is_ok());

        revocations.add(Revoked::Subject("shop".into())).unwrap();
        assert_eq!(authority.verify(second.expose()), Err(AuthError::Revoked));
        assert!(authority.verify(other.expose()).is_ok());
    }
}
