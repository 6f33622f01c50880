//! The driver's judge of tokens: the verifier, the revocations and the wall clock.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::SystemTime;

use telephone_core::mount::Mount;
use telephone_driver::{AuthError, Authority, Bearer, Grant};

use super::key::Key;
use super::revocation::Revocations;
use super::verifier::{ClientGrant, Verifier};

/// Judges tokens at this moment.
#[derive(Debug)]
pub struct TokenAuthority {
    verifier: RwLock<Verifier>,
    revocations: Arc<Revocations>,
}

impl TokenAuthority {
    /// Lets in whom `verifier` finds good and `revocations` does not hold.
    #[must_use]
    pub const fn new(verifier: Verifier, revocations: Arc<Revocations>) -> Self {
        Self { verifier: RwLock::new(verifier), revocations }
    }

    /// From now on tokens are verified with these keys. Sessions stay until they renew.
    pub fn replace_keys(&self, keys: Vec<Key>) {
        self.verifier.write().unwrap_or_else(PoisonError::into_inner).replace_keys(keys);
    }

    fn verifier(&self) -> RwLockReadGuard<'_, Verifier> {
        self.verifier.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Authority for TokenAuthority {
    fn verify(&self, token: &str) -> Result<Grant, AuthError> {
        let grant = self.verifier().verify(token, SystemTime::now())?;
        if self.is_revoked(&grant.subject, grant.token_id.as_deref()) {
            return Err(AuthError::Revoked);
        }
        Ok(grant)
    }

    fn verify_client(&self, token: &str, room: &Mount) -> Result<Bearer, AuthError> {
        let grant = self.verifier().verify_client(token, SystemTime::now())?;
        if self.is_revoked(&grant.subject, grant.token_id.as_deref()) {
            return Err(AuthError::Revoked);
        }
        let ClientGrant { subject, token_id, rooms } = grant;
        if rooms.contains(room) { Ok(Bearer { subject, token_id }) } else { Err(AuthError::NotClaimed) }
    }

    fn is_revoked(&self, subject: &str, token_id: Option<&str>) -> bool {
        self.revocations.holds(subject, token_id)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use telephone_driver::Token;

    use super::super::{Expectations, Order, Revoked, Right, mint, vectors};
    use super::*;

    fn minted(subject: &str, right: Right, mount: &str) -> Token {
        let order = Order {
            subject: subject.into(),
            right,
            mounts: vec![mount.parse().unwrap()],
            connect: Vec::new(),
            ttl: Duration::from_secs(60),
            audience: None,
            issuer: None,
        };
        mint(&order, &vectors::secret(), SystemTime::now()).unwrap()
    }

    fn authority(revocations: &Arc<Revocations>) -> TokenAuthority {
        let verifier = Verifier::new(vec![Key::from_secret(&vectors::secret())], Expectations::default());
        TokenAuthority::new(verifier, Arc::clone(revocations))
    }

    #[test]
    fn a_revoked_token_is_refused_while_its_signature_and_time_are_still_good() {
        let revocations = Arc::new(Revocations::default());
        let authority = authority(&revocations);
        let token = |subject| minted(subject, Right::Register, "/a");
        let [first, second, other] = [token("shop"), token("shop"), token("cart")];

        let name = authority.verify(first.expose()).unwrap().token_id.unwrap();
        revocations.add(Revoked::Token(name)).unwrap();
        assert_eq!(authority.verify(first.expose()), Err(AuthError::Revoked));
        assert!(authority.verify(second.expose()).is_ok());

        revocations.add(Revoked::Subject("shop".into())).unwrap();
        assert_eq!(authority.verify(second.expose()), Err(AuthError::Revoked));
        assert!(authority.verify(other.expose()).is_ok());
    }
    #[test]
    fn keys_that_replace_others_verify_from_then_on_alone() {
        let authority = authority(&Arc::default());
        let token = minted("shop", Right::Register, "/a");
        assert!(authority.verify(token.expose()).is_ok());
        authority.replace_keys(Vec::new());
        assert_eq!(authority.verify(token.expose()), Err(AuthError::BadSignature));
        authority.replace_keys(vec![Key::from_secret(&vectors::secret())]);
        assert!(authority.verify(token.expose()).is_ok());
    }

    #[test]
    fn a_clients_token_lets_it_into_its_room_and_registers_nothing() {
        let revocations = Arc::new(Revocations::default());
        let authority = authority(&revocations);
        let rooms: [Mount; 2] = ["room:a", "room:b"].map(|room| room.parse().unwrap());
        let client = minted("ann", Right::Visit, "room:a");
        assert_eq!(authority.admit_client(client.expose(), &rooms[0]), Ok(()));
        assert_eq!(authority.admit_client(client.expose(), &rooms[1]), Err(AuthError::NotClaimed));
        assert!(matches!(authority.verify(client.expose()), Err(AuthError::Malformed(_))));

        let telephone = minted("desk", Right::Register, "room:a");
        assert_eq!(authority.admit_client(telephone.expose(), &rooms[0]), Err(AuthError::NotClaimed));
        assert_eq!(authority.admit_client("", &rooms[0]), Err(AuthError::Missing));

        revocations.add(Revoked::Subject("ann".into())).unwrap();
        assert_eq!(authority.admit_client(client.expose(), &rooms[0]), Err(AuthError::Revoked));
    }

    #[test]
    fn a_telephones_token_may_ask_for_the_tokens_of_its_rooms_clients() {
        let authority = authority(&Arc::default());
        for (right, asks) in [(Right::Register, false), (Right::RegisterWithClientTokens, true)] {
            let token = minted("desk", right, "room:a");
            assert_eq!(authority.verify(token.expose()).unwrap().client_tokens, asks);
        }
    }
}
