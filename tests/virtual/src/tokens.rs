//! The tokens of a world: the moment at which one was given out instead of a signature.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use telephone_driver::core::time::Timestamp;
use telephone_driver::{AuthError, Authority, Grant, TokenSource};

use crate::executor::Executor;

/// How long a token is good from the moment at which it is given out, leeway included.
pub const TOKEN_LIFE: Duration = Duration::from_secs(3600);

/// What a token begins with.
const PREFIX: &str = "token-of-";

/// Gives out tokens, each for every mount of its subject's own, and knows all of them. Clones are the same issuer.
#[derive(Clone)]
pub struct Issuer {
    executor: Executor,
    is_away: Arc<AtomicBool>,
}

impl Issuer {
    /// An issuer that is there.
    #[must_use]
    pub fn new(executor: Executor) -> Self {
        Self { executor, is_away: Arc::default() }
    }

    /// Files are not renewed from now on, or again.
    pub fn set_away(&self, is_away: bool) {
        self.is_away.store(is_away, Ordering::Relaxed);
    }

    /// The file of one subject's token.
    pub(crate) fn file(&self, subject: &str) -> TokenFile {
        TokenFile { issuer: self.clone(), subject: subject.into(), token: Mutex::default() }
    }

    fn issue(&self, subject: &str) -> String {
        format!("{PREFIX}{subject}#{}", self.executor.now().as_micros())
    }
}

impl Authority for Issuer {
    fn verify(&self, token: &str) -> Result<Grant, AuthError> {
        let (subject, issued_at) = token
            .strip_prefix(PREFIX)
            .and_then(|token| token.split_once('#'))
            .and_then(|(subject, micros)| Some((subject, Timestamp::from_micros(micros.parse().ok()?))))
            .ok_or(AuthError::BadSignature)?;
        let good_for = TOKEN_LIFE.saturating_sub(self.executor.now().since(issued_at));
        if good_for.is_zero() {
            return Err(AuthError::Expired);
        }
        Ok(Grant {
            subject: subject.into(),
            token_id: None,
            mounts: vec![format!("/{subject}")],
            connect: Vec::new(),
            client_tokens: false,
            good_for: Some(good_for),
        })
    }
}

/// A file whose token is replaced each time that it is read, while its issuer is there.
pub(crate) struct TokenFile {
    issuer: Issuer,
    subject: String,
    token: Mutex<String>,
}

impl TokenSource for TokenFile {
    fn token(&self) -> io::Result<String> {
        let mut token = self.token.lock().unwrap_or_else(PoisonError::into_inner);
        if token.is_empty() || !self.issuer.is_away.load(Ordering::Relaxed) {
            *token = self.issuer.issue(&self.subject);
        }
        Ok(token.clone())
    }
}
