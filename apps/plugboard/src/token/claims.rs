//! What a token says.

use serde::{Deserialize, Serialize};
use serde_json::Number;

/// The claims that a plugboard reads and mints; others are ignored (RFC 7519 §4). Twice the same one is
/// an error.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Claims {
    pub(super) sub: Option<String>,
    /// Seconds since 1970; fractions are allowed (RFC 7519 §2).
    pub(super) exp: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) nbf: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) iat: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) jti: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) iss: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) aud: Option<Audience>,
    /// What a telephone may register.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) mounts: Option<Vec<String>>,
    /// Whether clients of the rooms among them must show a token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) client_tokens: Option<bool>,
    /// The rooms that a client may go to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) clients: Option<Vec<String>>,
    /// The endpoints of others that it may open streams to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) connect: Option<Vec<String>>,
}

/// One audience or several (RFC 7519 §4.1.3).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Audience {
    One(String),
    Several(Vec<String>),
}

impl Audience {
    pub(super) fn has(&self, name: &str) -> bool {
        match self {
            Self::One(one) => one == name,
            Self::Several(several) => several.iter().any(|one| one == name),
        }
    }
}
