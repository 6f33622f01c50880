//! Where a telephone's token comes from.

use std::{fmt, io};

/// Gives the token to present, whenever one is presented.
pub trait TokenSource: Send + Sync + 'static {
    /// The current token. Called at each dial and each renewal, on the event loop: a small file read is
    /// fine, a network call is not.
    ///
    /// # Errors
    /// Why there is none; the telephone then waits as after a refused handshake.
    fn token(&self) -> io::Result<String>;

    /// Whether the token is the same for ever, so that a refusal of it is final.
    fn is_fixed(&self) -> bool {
        false
    }
}

/// A token that never changes. It is shown to nobody but the plugboard.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// Takes `text` as it is.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The token itself, for whoever presents it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(redacted)")
    }
}

impl From<&str> for Token {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl From<String> for Token {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl TokenSource for Token {
    fn token(&self) -> io::Result<String> {
        Ok(self.0.clone())
    }

    fn is_fixed(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_shows_in_no_debug_output() {
        assert_eq!(format!("{:?}", Token::new("canary")), "Token(redacted)");
    }

    #[test]
    fn a_constant_token_is_fixed_and_comes_as_it_went_in() {
        let token = Token::from("a.b.c");
        assert!(token.is_fixed());
        assert_eq!(token.token().unwrap(), "a.b.c");
    }
}
