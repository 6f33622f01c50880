//! Who gives out tokens: a table instead of signatures.

use std::time::Duration;

use crate::clock::{Micros, SECOND};

/// How far a plugboard's clock may be wrong: a token is good for so much longer.
pub const LEEWAY: Micros = 60 * SECOND;

/// A token that was given out.
#[derive(Debug, Clone, Copy)]
struct Issued {
    tenant: u8,
    expires: Option<Micros>,
    is_revoked: bool,
}

/// What a good token allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grant {
    /// Whose it is; the tenant's mount is what it claims.
    pub tenant: u8,
    /// The token's number.
    pub token: u32,
    /// The time that is left to it; zero for one that lives on the leeway.
    pub expires_in: Option<Duration>,
    /// When no clock can call it good any more.
    pub good_until: Micros,
}

/// Why a token is not good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadToken {
    /// It is none.
    Unknown,
    /// It is over.
    Expired,
    /// It was taken back.
    Revoked,
}

/// All tokens that were given out.
#[derive(Debug, Default)]
pub struct Issuer {
    tokens: Vec<Issued>,
}

impl Issuer {
    /// Gives out a token for a tenant's mount that is good for `life`, 0 being for ever.
    pub fn issue(&mut self, tenant: u8, life: Micros, now: Micros) -> u32 {
        self.tokens.push(Issued { tenant, expires: (life > 0).then(|| now + life), is_revoked: false });
        self.tokens.len() as u32 - 1
    }

    /// Takes all tokens of a tenant back that were given out so far.
    pub fn revoke(&mut self, tenant: u8) {
        for token in self.tokens.iter_mut().filter(|token| token.tenant == tenant) {
            token.is_revoked = true;
        }
    }

    /// The text of a token.
    #[must_use]
    pub fn text(token: u32) -> String {
        format!("token-{token}")
    }

    /// What a token's text allows now.
    ///
    /// # Errors
    /// Why it allows nothing.
    pub fn verify(&self, text: &str, now: Micros) -> Result<Grant, BadToken> {
        let token: u32 =
            text.strip_prefix("token-").and_then(|number| number.parse().ok()).ok_or(BadToken::Unknown)?;
        let issued = self.tokens.get(token as usize).ok_or(BadToken::Unknown)?;
        if issued.is_revoked {
            return Err(BadToken::Revoked);
        }
        let good_until = issued.expires.map_or(Micros::MAX, |expires| expires + LEEWAY);
        if now >= good_until {
            return Err(BadToken::Expired);
        }
        let left = issued.expires.map(|expires| Duration::from_micros(expires.saturating_sub(now)));
        Ok(Grant { tenant: issued.tenant, token, expires_in: left, good_until })
    }
}
