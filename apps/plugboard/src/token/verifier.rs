//! Judges tokens.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jsonwebtoken::decode_header;
use serde_json::Number;
use telephone_core::limits::{MOUNTS_MAX, TOKEN_BYTES_MAX};
use telephone_core::mount::{Mount, MountError};
use telephone_driver::{AuthError, Grant, LEEWAY};

use super::claims::Claims;
use super::key::Key;

/// Octets of a subject or a token's name: they end in logs and tables.
pub(super) const NAME_BYTES_MAX: usize = 256;

/// What else a token must say, compared octet by octet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expectations {
    /// Who the token must be for. Without one, a token that names an audience is for somebody else
    /// (RFC 7519 §4.1.3).
    pub audience: Option<String>,
    /// Who must have issued it. Without one, anybody who has the key.
    pub issuer: Option<String>,
}

/// What a room's client may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientGrant {
    /// Whose token it is.
    pub subject: String,
    /// The token's own name (`jti`), by which it can be revoked.
    pub token_id: Option<String>,
    /// The rooms that it may go to.
    pub rooms: Vec<Mount>,
}

/// Judges tokens by their signature and claims; it knows nothing of revocation, and no clock.
#[derive(Debug, Clone)]
pub struct Verifier {
    keys: Vec<Key>,
    expectations: Expectations,
    life_max: Option<Duration>,
}

impl Verifier {
    /// A token is good if any of `keys` verifies it, each by its own algorithm only.
    #[must_use]
    pub const fn new(keys: Vec<Key>, expectations: Expectations) -> Self {
        Self { keys, expectations, life_max: None }
    }

    /// Verifies with these keys alone.
    pub(super) fn replace_keys(&mut self, keys: Vec<Key>) {
        self.keys = keys;
    }

    /// A token is refused, too, whose `exp` is further ahead than `life_max` and the leeway. What counts is the life that is
    /// left, not the one that it was given (`exp` - `iat`): that is how long a thief can use it, and `iat` may be
    /// missing, or wrong.
    #[must_use]
    pub fn with_life_max(self, life_max: Option<Duration>) -> Self {
        Self { life_max, ..self }
    }

    /// What `token` allows a telephone at the moment `now`.
    ///
    /// # Errors
    /// Why it allows nothing. Nothing of the payload is looked at before the signature is good.
    pub fn verify(&self, token: &str, now: SystemTime) -> Result<Grant, AuthError> {
        let (claims, good_for) = self.good_claims(token, now)?;
        grant(claims, good_for)
    }

    /// What `token` allows a room's client at the moment `now`.
    ///
    /// # Errors
    /// Why it allows nothing, likewise.
    pub fn verify_client(&self, token: &str, now: SystemTime) -> Result<ClientGrant, AuthError> {
        let (claims, _) = self.good_claims(token, now)?;
        client_grant(claims)
    }

    /// What an authentic token says that is good at the moment `now`, and for how long it is.
    fn good_claims(&self, token: &str, now: SystemTime) -> Result<(Claims, Duration), AuthError> {
        if token.is_empty() {
            return Err(AuthError::Missing);
        }
        if token.len() > TOKEN_BYTES_MAX {
            return Err(AuthError::TooLong);
        }
        let claims = self.authentic_claims(token)?;
        self.check_parties(&claims)?;
        let good_for = time_left(&claims, seconds(now))?;
        match self.life_max {
            // One leeway is behind `exp` already; the other is for an issuer whose clock is ahead.
            Some(max) if good_for > max + LEEWAY + LEEWAY => Err(too_long(&claims, max, seconds(now))),
            Some(_) | None => Ok((claims, good_for)),
        }
    }

    /// The payload, once its signature is good. `jku`, `jwk`, `x5u` and `kid` choose nothing: the keys are
    /// those of this plugboard (RFC 8725 §3.10).
    fn authentic_claims(&self, token: &str) -> Result<Claims, AuthError> {
        let header = decode_header(token).map_err(|_| AuthError::Malformed("its header is no JWT header"))?;
        // None is understood here, so all of it must be refused (RFC 7515 §4.1.11, RFC 7797 §6).
        if header.crit.is_some() || header.extras.inner().contains_key("b64") {
            return Err(AuthError::Malformed("its header asks for an extension"));
        }
        let mut verdict = AuthError::BadSignature;
        for key in self.keys.iter().filter(|key| key.algorithm() == header.alg) {
            let (key, validation) = key.decoding();
            match jsonwebtoken::decode::<Claims>(token, key, validation) {
                Ok(data) => return Ok(data.claims),
                Err(error) => verdict = verdict_of(&error),
            }
        }
        Err(verdict)
    }

    fn check_parties(&self, claims: &Claims) -> Result<(), AuthError> {
        let is_for_us = match (&self.expectations.audience, &claims.aud) {
            (Some(us), Some(audience)) => audience.has(us),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        if !is_for_us {
            return Err(AuthError::WrongAudience);
        }
        match &self.expectations.issuer {
            Some(issuer) if claims.iss.as_ref() != Some(issuer) => Err(AuthError::WrongIssuer),
            Some(_) | None => Ok(()),
        }
    }
}

/// A payload that is no JSON of our shape fails after its signature was found good, and may say so.
fn verdict_of(error: &jsonwebtoken::errors::Error) -> AuthError {
    match error.kind() {
        jsonwebtoken::errors::ErrorKind::Json(_) => {
            AuthError::Malformed("its claims are not of the right types")
        }
        _ => AuthError::BadSignature,
    }
}

fn seconds(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

/// What is wrong with a token whose end is too far ahead. One that lives no longer than it may, and was issued in the future,
/// is good once the clocks agree.
fn too_long(claims: &Claims, max: Duration, now: f64) -> AuthError {
    let [issued, exp] = [&claims.iat, &claims.exp].map(|time| time.as_ref().and_then(Number::as_f64));
    let is_early = issued.zip(exp).is_some_and(|(issued, exp)| {
        issued > now + LEEWAY.as_secs_f64() && exp - issued <= max.as_secs_f64()
    });
    if is_early { AuthError::NotYetValid } else { AuthError::LivesTooLong { max } }
}

/// The time left until no clock within the leeway calls the token good.
fn time_left(claims: &Claims, now: f64) -> Result<Duration, AuthError> {
    let exp = claims.exp.as_ref().and_then(Number::as_f64);
    let exp = exp.ok_or(AuthError::Malformed("`exp` is missing"))?;
    let left = exp + LEEWAY.as_secs_f64() - now;
    if left <= 0.0 {
        return Err(AuthError::Expired);
    }
    let nbf = claims.nbf.as_ref().and_then(Number::as_f64);
    if nbf.is_some_and(|nbf| now < nbf - LEEWAY.as_secs_f64()) {
        return Err(AuthError::NotYetValid);
    }
    // An absurdly late end is no end that a timer could hold.
    const CENTURY: f64 = 100.0 * 365.25 * 86400.0;
    Ok(Duration::from_secs_f64(left.min(CENTURY)))
}

fn grant(claims: Claims, good_for: Duration) -> Result<Grant, AuthError> {
    let (subject, token_id) = names(claims.sub, claims.jti)?;
    if claims.mounts.is_none() && claims.connect.is_none() {
        return Err(AuthError::Malformed("`mounts` is missing"));
    }
    let [mounts, connect] = [claims.mounts, claims.connect].map(Option::unwrap_or_default);
    if (mounts.is_empty() && connect.is_empty()) || mounts.len().max(connect.len()) > MOUNTS_MAX {
        return Err(AuthError::Malformed("`mounts` and `connect` are empty, or one is too long"));
    }
    if mounts.iter().any(|mount| is_no_mount(mount)) {
        return Err(AuthError::Malformed("`mounts` holds something that is no mount"));
    }
    if connect.iter().any(|mount| !mount.parse::<Mount>().is_ok_and(|mount| mount.is_tcp())) {
        return Err(AuthError::Malformed("`connect` holds something that is no tcp:PORT or tcp:NAME:PORT"));
    }
    let client_tokens = claims.client_tokens.unwrap_or_default();
    Ok(Grant { subject, token_id, mounts, connect, client_tokens, good_for: Some(good_for) })
}

/// Whether a claim is no mount at all. One whose canonical form covers other requests than its text is for the relay to
/// refuse, which quotes it.
fn is_no_mount(claim: &str) -> bool {
    claim
        .parse::<Mount>()
        .is_err_and(|error| !matches!(error, MountError::DotSegment { .. } | MountError::EmptySegment { .. }))
}

fn client_grant(claims: Claims) -> Result<ClientGrant, AuthError> {
    let (subject, token_id) = names(claims.sub, claims.jti)?;
    let rooms = claims.clients.unwrap_or_default();
    if rooms.len() > MOUNTS_MAX {
        return Err(AuthError::Malformed("`clients` is too long"));
    }
    let parse = |room: &String| room.parse().ok().filter(|mount: &Mount| mount.room().is_some());
    let rooms: Option<Vec<Mount>> = rooms.iter().map(parse).collect();
    let rooms = rooms.ok_or(AuthError::Malformed("`clients` holds something that is no room"))?;
    Ok(ClientGrant { subject, token_id, rooms })
}

/// The subject and the token's own name, checked.
fn names(sub: Option<String>, jti: Option<String>) -> Result<(String, Option<String>), AuthError> {
    let subject = sub.ok_or(AuthError::Malformed("`sub` is missing"))?;
    if !is_name(&subject) {
        return Err(AuthError::Malformed("`sub` is empty, too long or holds control characters"));
    }
    if jti.as_deref().is_some_and(|jti| !is_name(jti)) {
        return Err(AuthError::Malformed("`jti` is empty, too long or holds control characters"));
    }
    Ok((subject, jti))
}

fn is_name(text: &str) -> bool {
    (1..=NAME_BYTES_MAX).contains(&text.len()) && !text.chars().any(char::is_control)
}

#[cfg(test)]
mod table;
#[cfg(test)]
mod tests;
