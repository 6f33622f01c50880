//! What is believed of trusted peers: fields that an operator names.

use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::string::String;
use core::str::FromStr;

use super::names::{is_same, is_unambiguous};
use crate::http1::{is_connection_field, is_token};

/// What is believed of trusted peers without being named: the relay adds its own observation to it.
pub(super) const BELIEVED: [&[u8]; 4] =
    [b"forwarded", b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto"];

/// Names that route a request, or say how its body comes, beside those that belong to the connection.
const ROUTING: [&[u8]; 2] = [b"host", b"expect"];

/// A field that passes from trusted peers and from nobody else, such as the user's name of an authenticating proxy.
///
/// ```
/// use telephone_core::forward::TrustedField;
/// assert!("X-Forwarded-User".parse::<TrustedField>().is_ok());
/// assert!("Content-Length".parse::<TrustedField>().is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustedField(Box<[u8]>);

/// Why a name is none of a trusted field, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrustedFieldError {
    /// No field name (RFC 9110 §5.1).
    #[error("{0:?} is no field name: write one such as X-Forwarded-User, or several with commas")]
    NoName(String),
    /// Other signs than `-`.
    #[error(
        "{0:?} has other characters than letters, digits and -: backends mix such names up, so they never pass; \
         have the proxy write it with -"
    )]
    Ambiguous(String),
    /// It frames, routes or is about one connection.
    #[error(
        "{0:?} is about the connection, the framing or the routing of every request: it cannot be for trusted peers alone"
    )]
    Routing(String),
    /// The plugboard writes it.
    #[error(
        "{0:?} is written by the plugboard itself: X-Forwarded-For, -Proto, -Host and Forwarded of trusted peers are \
         believed anyhow, and X-Real-IP follows from them"
    )]
    Written(String),
}

impl FromStr for TrustedField {
    type Err = TrustedFieldError;

    fn from_str(text: &str) -> Result<Self, TrustedFieldError> {
        let name = text.to_ascii_lowercase().into_bytes();
        if !is_token(&name) {
            return Err(TrustedFieldError::NoName(text.to_owned()));
        }
        if is_connection_field(&name) || ROUTING.contains(&&*name) {
            return Err(TrustedFieldError::Routing(text.to_owned()));
        }
        if !is_unambiguous(&name) {
            return Err(TrustedFieldError::Ambiguous(text.to_owned()));
        }
        if BELIEVED.contains(&&*name) || name == b"x-real-ip" || name.starts_with(b"x-plugboard-") {
            return Err(TrustedFieldError::Written(text.to_owned()));
        }
        Ok(Self(name.into()))
    }
}

impl TrustedField {
    /// Whether a name is this one, in any spelling that a backend could take for it.
    pub(super) fn is(&self, name: &[u8]) -> bool {
        is_same(&self.0, name)
    }
}
