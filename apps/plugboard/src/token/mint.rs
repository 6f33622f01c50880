//! Makes tokens.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use telephone_core::mount::Mount;
use telephone_driver::Token;

use super::claims::{Audience, Claims};
use super::provider;
use crate::secret::{Secret, hex};

/// What a token allows with its mounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Right {
    /// To register them.
    Register,
    /// Likewise, and clients of the rooms among them must show a token.
    RegisterWithClientTokens,
    /// To go to them as a client: they are rooms.
    Visit,
}

/// What a token is to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// Whose it is.
    pub subject: String,
    /// What it allows.
    pub right: Right,
    /// With what.
    pub mounts: Vec<Mount>,
    /// The endpoints that it may open streams to: mounts of raw connections.
    pub connect: Vec<String>,
    /// How long it lasts from now, in whole seconds.
    pub ttl: Duration,
    /// Who it is for.
    pub audience: Option<String>,
    /// Who issues it.
    pub issuer: Option<String>,
}

/// A token that says what `order` asks for, signed with `secret` (HS256), with a name (`jti`) of its own.
///
/// # Errors
/// The operating system gives no randomness, or the library cannot sign.
pub fn mint(order: &Order, secret: &Secret, now: SystemTime) -> Result<Token, MintError> {
    let mut name = [0; 16];
    getrandom::fill(&mut name)?;
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let whole = |time: Duration| Some(time.as_secs().into());
    let mounts =
        || (!order.mounts.is_empty()).then(|| order.mounts.iter().map(ToString::to_string).collect());
    let (mounts, client_tokens, clients) = match order.right {
        Right::Register => (mounts(), None, None),
        Right::RegisterWithClientTokens => (mounts(), Some(true), None),
        Right::Visit => (None, None, mounts()),
    };
    let claims = Claims {
        sub: Some(order.subject.clone()),
        exp: whole(now + order.ttl),
        nbf: None,
        iat: whole(now),
        jti: Some(hex(&name)),
        iss: order.issuer.clone(),
        aud: order.audience.clone().map(Audience::One),
        mounts,
        client_tokens,
        clients,
        connect: (!order.connect.is_empty()).then(|| order.connect.clone()),
    };
    provider::install();
    let key = EncodingKey::from_secret(secret.expose());
    Ok(Token::from(encode(&Header::new(Algorithm::HS256), &claims, &key)?))
}

/// Why no token was made.
#[derive(Debug, thiserror::Error)]
pub enum MintError {
    /// No randomness for the token's name.
    #[error("the operating system gives no random numbers: {0}")]
    Entropy(#[from] getrandom::Error),
    /// The library cannot sign.
    #[error("the token cannot be signed: {0}")]
    Sign(#[from] jsonwebtoken::errors::Error),
}

#[cfg(test)]
mod tests {
    use super::super::vectors;
    use super::*;
    use crate::token::{Expectations, Key, Verifier};

    fn order() -> Order {
        Order {
            subject: "shop".into(),
            right: Right::Register,
            mounts: vec!["/api".parse().unwrap(), "room:r1".parse().unwrap()],
            connect: vec!["tcp:db:5432".into()],
            ttl: Duration::from_secs(3600),
            audience: Some("relay".into()),
            issuer: Some("ops".into()),
        }
    }

    #[test]
    fn a_minted_token_is_good_where_it_is_meant_for() {
        let now = vectors::now();
        let token = mint(&order(), &vectors::secret(), now).unwrap();
        let wanted = Expectations { audience: Some("relay".into()), issuer: Some("ops".into()) };
        let verifier = Verifier::new(vec![Key::from_secret(&vectors::secret())], wanted);
        let grant = verifier.verify(token.expose(), now).unwrap();
        assert_eq!(grant.subject, "shop");
        assert_eq!(grant.mounts, ["/api", "room:r1"]);
        assert_eq!(grant.connect, ["tcp:db:5432"]);
        assert_eq!(grant.expires_in(), Some(Duration::from_secs(3600)));
        assert_eq!(grant.token_id.unwrap().len(), 32);
    }

    #[test]
    fn two_tokens_for_one_order_have_names_of_their_own() {
        let mint = || mint(&order(), &vectors::secret(), vectors::now()).unwrap();
        assert_ne!(mint(), mint());
    }

    #[test]
    fn times_are_written_as_whole_numbers() {
        let token = mint(&order(), &vectors::secret(), vectors::now()).unwrap();
        let claims = vectors::payload(token.expose());
        assert_eq!(claims["exp"].as_u64(), Some(vectors::NOW + 3600));
        assert_eq!(claims["iat"].as_u64(), Some(vectors::NOW));
    }
}
