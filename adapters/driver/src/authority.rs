//! The seam to whoever knows which tokens are good.

use std::fmt;
use std::time::Duration;

use telephone_core::claims::{BadClaim, Claims};
use telephone_core::mount::Mount;

/// How far a wall clock may be wrong: a token is good from this long before its `nbf` until this long
/// after its `exp` (faults A-06).
pub const LEEWAY: Duration = telephone_core::limits::TOKEN_LEEWAY;

/// Judges tokens. Asked at each registration, each resume, each renewal, and for clients of rooms, on threads that run no
/// tasks ([`Runtime::spawn_blocking`](crate::Runtime::spawn_blocking)), as many at once as there are processors: it may
/// take milliseconds of one.
pub trait Authority: Send + Sync + 'static {
    /// What `token` allows at this moment.
    ///
    /// # Errors
    /// Why it allows nothing.
    fn verify(&self, token: &str) -> Result<Grant, AuthError>;

    /// Whose `token` it is, if it lets a client into `room` at this moment. That is another right than to register the room.
    ///
    /// # Errors
    /// Why it does not, [`AuthError::NotClaimed`] if it is good for others. By default nobody is let in.
    fn verify_client(&self, token: &str, room: &Mount) -> Result<Bearer, AuthError> {
        let _ = (token, room);
        Err(AuthError::NotClaimed)
    }

    /// The verdict of [`Authority::verify_client`] alone.
    ///
    /// # Errors
    /// Likewise.
    fn admit_client(&self, token: &str, room: &Mount) -> Result<(), AuthError> {
        self.verify_client(token, room).map(|_bearer| ())
    }

    /// Whether tokens of `subject`, or the one with the name `token_id`, are revoked at this moment. Called on the event
    /// loop once more when a verified token has taken effect: one that was revoked in between is found then. By default
    /// nothing is ever revoked.
    fn is_revoked(&self, subject: &str, token_id: Option<&str>) -> bool {
        let _ = (subject, token_id);
        false
    }
}

/// The names in a good token by which it can be revoked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bearer {
    /// Whose token it is: never empty.
    pub subject: String,
    /// The token's own name (`jti`).
    pub token_id: Option<String>,
}

/// What a good token allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Whose token it is: never empty.
    pub subject: String,
    /// The token's own name (`jti`), by which it can be revoked.
    pub token_id: Option<String>,
    /// The mounts that may be claimed, as the token spells them: at most `MOUNTS_MAX`. One that is no mount makes the
    /// relay refuse the token.
    pub mounts: Vec<String>,
    /// The mounts of others to which it may open raw streams, `tcp:PORT` or `tcp:NAME:PORT`: at most `MOUNTS_MAX`. One of
    /// the two lists holds something.
    pub connect: Vec<String>,
    /// Whether clients of its rooms must show a token of their own.
    pub client_tokens: bool,
    /// The time left until `exp` and [`LEEWAY`] are over and no clock can call the token good any more; `None` for
    /// one that does not end.
    pub good_for: Option<Duration>,
}

impl Grant {
    /// The claims in canonical form.
    pub(crate) fn claims(&self) -> Result<Claims, BadClaim> {
        Claims::parse(&self.mounts, &self.connect)
    }

    /// The time left until `exp`: zero for a token that lives on [`LEEWAY`] alone, `None` for one that does not
    /// end.
    #[must_use]
    pub fn expires_in(&self) -> Option<Duration> {
        self.good_for.map(|left| left.saturating_sub(LEEWAY))
    }
}

/// Why a token allows nothing. The texts are for the telephone's operator and repeat nothing of the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AuthError {
    /// No token was given.
    Missing,
    /// The token is longer than `TOKEN_BYTES_MAX`.
    TooLong,
    /// The token is not a JWT of the shape that is asked for; the text says what is wrong with it.
    Malformed(&'static str),
    /// No key of this plugboard made the signature.
    BadSignature,
    /// `exp` is over, leeway included.
    Expired,
    /// `nbf` is ahead, leeway included.
    NotYetValid,
    /// `exp` is further ahead than this plugboard accepts, leeway included.
    LivesTooLong {
        /// The longest life that is accepted.
        max: Duration,
    },
    /// `aud` names someone else, or nobody where an audience is asked for.
    WrongAudience,
    /// `iss` is not the issuer that this plugboard trusts.
    WrongIssuer,
    /// The token or its subject was revoked.
    Revoked,
    /// The token is good, but does not cover a mount that was asked for.
    NotClaimed,
}

impl AuthError {
    /// What metrics call a token with a claim that is no mount. The relay's own words quote the claim.
    pub(crate) const BAD_CLAIM: Self = Self::Malformed("a claim is no mount");

    /// Whether the same token can be good later, without anybody doing anything.
    #[must_use]
    pub const fn is_temporary(self) -> bool {
        matches!(self, Self::NotYetValid)
    }

    /// All values of [`label`](Self::label).
    pub const LABELS: [&str; 11] = [
        "missing",
        "too_long",
        "malformed",
        "bad_signature",
        "expired",
        "not_yet_valid",
        "lives_too_long",
        "wrong_audience",
        "wrong_issuer",
        "revoked",
        "not_claimed",
    ];

    /// A word for metrics and logs.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::TooLong => "too_long",
            Self::Malformed(_) => "malformed",
            Self::BadSignature => "bad_signature",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::LivesTooLong { .. } => "lives_too_long",
            Self::WrongAudience => "wrong_audience",
            Self::WrongIssuer => "wrong_issuer",
            Self::Revoked => "revoked",
            Self::NotClaimed => "not_claimed",
        }
    }
}

impl fmt::Display for AuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("no token was given"),
            Self::TooLong => {
                write!(f, "the token is longer than {} bytes", telephone_core::limits::TOKEN_BYTES_MAX)
            }
            Self::Malformed(what) => write!(f, "the token is malformed: {what}"),
            Self::BadSignature => f.write_str("the token is not signed by a key of this plugboard"),
            Self::Expired => f.write_str("the token has expired"),
            Self::NotYetValid => f.write_str("the token is not valid yet by the plugboard's clock"),
            Self::LivesTooLong { max } => write!(
                f,
                "the token is valid for too long: this plugboard accepts at most {} s from now (--token-ttl-max)",
                max.as_secs()
            ),
            Self::WrongAudience => f.write_str("the token is for another audience"),
            Self::WrongIssuer => f.write_str("the token is from another issuer"),
            Self::Revoked => f.write_str("the token was revoked"),
            Self::NotClaimed => f.write_str("the token does not cover a mount that was asked for"),
        }
    }
}

impl std::error::Error for AuthError {}
